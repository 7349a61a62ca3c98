//! A channel `shop` and a target `open` that know how to be configured and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use connectors::channel::{CallContext, Channel, Fetched, Wanted};
use connectors::channels::{self, ChannelContext, ChannelEntry};
use connectors::feedback::{Notices, PaymentQuestion, Payments, Queried, Step, Try, Untold};
use connectors::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, PayloadError, RawWebhook, Received,
    Rejection, Verdict, VerifiedWebhook,
};
use connectors::settings::{Secrets, SettingsError, read};
use connectors::target::{BuildError, LookedUp, Target};
use connectors::targets::{self, TargetEntry, TargetSettings};
use domain::task::{BuyerEvent, BuyerNotice, Outcome, TaskBody};
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::registry::Registry;

pub const REGISTRY: Registry = Registry {
    channels: &[ChannelEntry {
        name: "shop",
        build: build_shop,
        schema: || schemars::schema_for!(Shop),
        summary: "A stand-in",
    }],
    targets: &[TargetEntry {
        name: "open",
        kinds: &["inventory", "invoicing", "service_center"],
        build: build_open,
        summary: "A stand-in",
    }],
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only shown by Debug")]
struct Shop {
    secret: Secrets,
    shop_id: Option<u64>,
    #[serde(default)]
    tolerance_s: u32,
    base_url: Option<String>,
    /// It takes payments.
    #[serde(default)]
    pays: bool,
    /// It tells buyers.
    #[serde(default)]
    tells: bool,
}

fn build_shop(settings: &serde_json::Value, _: &ChannelContext) -> channels::Built {
    let shop: Shop = read(settings)?;
    if shop.tolerance_s == 13 {
        return Err(SettingsError::new(
            "tolerance_s",
            "13 seconds bring bad luck",
        ));
    }
    Ok(Box::new(shop))
}

#[derive(Debug)]
#[expect(dead_code, reason = "only shown by Debug")]
struct Open(TargetSettings);

fn build_open(settings: &TargetSettings) -> targets::Built {
    Ok(Box::new(Open(settings.clone())))
}

macro_rules! closed_door {
    ($type:ty) => {
        impl Inbound for $type {
            fn verify(&self, _: &RawWebhook, _: Timestamp) -> Verdict {
                Verdict::Rejected(Rejection::Malformed)
            }
            fn dedup_key(&self, _: &VerifiedWebhook) -> String {
                String::new()
            }
            fn parse(&self, _: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
                Ok(Vec::new())
            }
            fn acknowledge(&self, _: &Received) -> Acknowledgement {
                Acknowledgement::empty(StatusCode::OK)
            }
        }
    };
}

closed_door!(Shop);
closed_door!(Open);

impl Channel for Shop {
    fn connector(&self) -> &'static str {
        "shop"
    }
    fn fetches(&self) -> &'static [NoticeKind] {
        &[]
    }

    fn fetch(&self, _: Wanted<'_>, _: &[Bytes], _: CallContext<'_>) -> Option<Request<Bytes>> {
        None
    }
    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], _: &Response<Bytes>) -> Fetched {
        Fetched::NotFound
    }
    fn normalize(&self, _: &[u8]) -> Normalized {
        Err(PayloadError::new("a stand-in reads nothing"))
    }
    fn accounts(&self) -> Vec<String> {
        self.shop_id.iter().map(u64::to_string).collect()
    }
    fn payments(&self) -> Option<&dyn Payments> {
        self.pays.then_some(self)
    }
    fn notices(&self) -> Option<&dyn Notices> {
        self.tells.then_some(self)
    }
}

impl Notices for Shop {
    fn events(&self) -> BTreeMap<BuyerEvent, BTreeSet<String>> {
        BTreeMap::from([(BuyerEvent::Shipped, BTreeSet::new())])
    }
    fn not_before(&self, now: Timestamp) -> Timestamp {
        now
    }
    fn request(
        &self,
        _: &BuyerNotice,
        _: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, Untold> {
        Ok(Request::default())
    }
    fn read(&self, _: &BuyerNotice, _: Try<'_>, _: &Response<Bytes>, _: Timestamp) -> Step {
        Step::TokenExpired
    }
}

impl Payments for Shop {
    fn ask_after_s(&self) -> i64 {
        60
    }
    fn give_up_after_s(&self) -> i64 {
        600
    }
    fn query(&self, _: PaymentQuestion<'_>, _: CallContext<'_>) -> Request<Bytes> {
        Request::default()
    }
    fn read_query(
        &self,
        _: PaymentQuestion<'_>,
        _: &Response<Bytes>,
    ) -> Result<Queried, PayloadError> {
        Ok(Queried::Unknown)
    }
}

impl Target for Open {
    fn connector(&self) -> &'static str {
        "open"
    }
    fn request(
        &self,
        _: &TaskBody,
        _: &str,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        Err(BuildError {
            what: "a stand-in sends nothing".to_owned(),
        })
    }
    fn read(&self, _: &TaskBody, _: &Response<Bytes>) -> Outcome {
        Outcome::Refused {
            code: String::new(),
            message: String::new(),
        }
    }
    fn lookup(&self, _: &TaskBody, _: &str, _: CallContext<'_>) -> Option<Request<Bytes>> {
        None
    }
    fn read_lookup(&self, _: &TaskBody, _: &Response<Bytes>) -> LookedUp {
        LookedUp::Absent
    }
}
