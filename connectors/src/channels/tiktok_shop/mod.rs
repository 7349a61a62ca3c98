//! TikTok Shop, Partner API 202309: thin signed webhooks, calls signed over their body, tokens that
//! end at a stated moment.
//!
//! A webhook is only a hint; the order is always fetched. The vendor wants 200 with an empty body
//! in three seconds. A 401 is final there: it does not try again, so a wrong secret on our side
//! loses every message until the poller finds the orders. The answer is 401 all the same, because
//! that is what the vendor asks for.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Polling, Tokens, Wanted};
use crate::feedback::{Feedback, Labels};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, PayloadError, RawWebhook, Received,
    Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::signature;
use crate::url::BaseUrl;

mod api;
mod cancel;
mod document;
mod feedback;
mod fetch;
mod labels;
mod lines;
mod order;
mod parcel;
mod polling;
mod push;
mod returns;
mod ship;
mod stock;
mod tokens;
mod totals;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "tiktok_shop",
    build,
    schema,
    summary: "a TikTok Shop: webhooks, order API with price detail, parcels, labels, stock",
};

/// Settings of `connector = "tiktok_shop"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's key.
    app_key: String,
    /// The app's secret: signs webhooks and our calls.
    app_secret: Secrets,
    /// The shop's id, as webhooks carry it.
    shop_id: String,
    /// The shop's cipher, from `/authorization/202309/shops`.
    shop_cipher: String,
    /// The API's address.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// Where tokens are refreshed.
    #[serde(default = "auth_url")]
    #[schemars(default = "auth_url_text")]
    auth_url: BaseUrl,
    /// Ask for the price detail of every order that is fetched: it explains vouchers that the order
    /// itself leaves out.
    #[serde(default = "yes")]
    price_detail: bool,
    /// Ask for the returns of orders that have arrived; the app needs the scope for returns.
    #[serde(default = "yes")]
    returns: bool,
    /// The vendor's warehouse whose stock we set; not needed by shops with one warehouse.
    warehouse_id: Option<String>,
    /// How parcels go to the vendor's carrier. In Vietnam the shop's own setting in the Seller
    /// Center decides and this is left out.
    handover: Option<Handover>,
    /// Our words for carriers → the vendor's ids of shipping providers, for parcels that we send
    /// ourselves. A carrier that is not listed is looked up by its name.
    #[serde(default)]
    shipping_providers: BTreeMap<String, String>,
    /// The vendor's words for our reasons to cancel.
    #[serde(default)]
    cancel_reasons: CancelReasons,
    /// Cancel single lines too. The vendor documents it for other countries only.
    #[serde(default)]
    partial_cancel: bool,
    /// Why a buyer's wish to cancel is refused, where the vendor offers this reason; else the first
    /// that it offers.
    #[serde(default = "reject_reason")]
    #[schemars(default = "reject_reason")]
    reject_reason: String,
    /// Paper of shipping labels.
    #[serde(default)]
    label_size: LabelSize,
}

/// How a parcel gets to the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Handover {
    /// The carrier comes.
    Pickup,
    /// We bring it.
    DropOff,
}

/// Paper of shipping labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
enum LabelSize {
    /// 105 × 148 mm.
    #[default]
    A6,
    /// 148 × 210 mm.
    A5,
}

/// The reasons that the vendor takes from sellers in Vietnam: one list before payment, one after.
/// They change from time to time. An empty word refuses such cancellations here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct CancelReasons {
    /// Unpaid: no location has it.
    unpaid_out_of_stock: String,
    /// Unpaid: the buyer did not pay in time.
    unpaid_not_paid: String,
    /// Unpaid: the buyer asked for it, or anything else.
    unpaid_other: String,
    /// Later: no location has it.
    out_of_stock: String,
    /// Later: the buyer asked for it, or anything else. The vendor has no such reason.
    other: String,
}

impl Default for CancelReasons {
    fn default() -> Self {
        let unpaid = "seller_cancel_unpaid_reason_out_of_stock";
        let paid = "seller_cancel_reason_out_of_stock";
        Self {
            unpaid_out_of_stock: unpaid.to_owned(),
            unpaid_not_paid: "seller_cancel_unpaid_reason_buyer_hasnt_paid_within_time_allowed"
                .to_owned(),
            unpaid_other: unpaid.to_owned(),
            out_of_stock: paid.to_owned(),
            other: paid.to_owned(),
        }
    }
}

/// The vendor's hosts.
const HOST: &str = "https://open-api.tiktokglobalshop.com";
const AUTH_HOST: &str = "https://auth.tiktok-shops.com";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

fn auth_url() -> BaseUrl {
    BaseUrl::parse(AUTH_HOST).expect("invariant: the vendor's host is an address")
}

fn auth_url_text() -> &'static str {
    AUTH_HOST
}

fn yes() -> bool {
    true
}

fn reject_reason() -> String {
    "seller_reject_apply_product_has_been_packed".to_owned()
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let filled = [
        ("app_key", Some(&settings.app_key)),
        ("shop_id", Some(&settings.shop_id)),
        ("shop_cipher", Some(&settings.shop_cipher)),
        ("warehouse_id", settings.warehouse_id.as_ref()),
    ];
    for (name, value) in filled {
        if value.is_some_and(|value| value.is_empty() || value.len() > 200) {
            return Err(SettingsError::new(name, "must be 1 to 200 characters"));
        }
    }
    Ok(Box::new(TikTokShop(settings)))
}

#[derive(Debug)]
struct TikTokShop(Settings);

impl Inbound for TikTokShop {
    fn verify(&self, raw: &RawWebhook, _: Timestamp) -> Verdict {
        let given = raw.header("authorization").map(str::trim);
        let signed: [&[u8]; 2] = [self.0.app_key.as_bytes(), &raw.body];
        match signature::hmac_sha256_hex(&self.0.app_secret, &signed, "", given) {
            Ok(proof) => Verdict::Message(VerifiedWebhook::new(raw, None, proof)),
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        push::dedup_key(message)
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        push::parse(message, &self.0.shop_id)
    }

    fn account(&self, message: &VerifiedWebhook) -> Option<String> {
        push::account(message)
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for TikTokShop {
    fn is_refusal_final(&self) -> bool {
        true
    }

    fn connector(&self) -> &'static str {
        ENTRY.name
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[NoticeKind::Order]
    }

    fn fetch(
        &self,
        wanted: Wanted<'_>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let Wanted::Order(external_id) = wanted else {
            return None;
        };
        self.fetch_order(external_id, got, call)
    }

    fn read_fetch(&self, _: Wanted<'_>, got: &[Bytes], response: &Response<Bytes>) -> Fetched {
        self.read_order(got, response)
    }

    /// Takes what [`Channel::read_fetch`] puts together, the whole answer of an order call, or one
    /// order of it.
    fn normalize(&self, document: &[u8]) -> Normalized {
        order::normalize(document)
    }

    fn accounts(&self) -> Vec<String> {
        vec![self.0.shop_id.clone()]
    }

    fn tokens(&self) -> Option<&dyn Tokens> {
        Some(self)
    }

    fn polling(&self) -> Option<&dyn Polling> {
        Some(self)
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }

    fn labels(&self) -> Option<&dyn Labels> {
        Some(self)
    }
}
