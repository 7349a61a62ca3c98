//! Shopee, Open Platform v2: thin signed pushes, signed calls, single-use refresh tokens.
//!
//! A push is only a hint; the order is always fetched. The vendor wants 2xx with an empty body in
//! three seconds, and counts any body as a failure.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{Batches, CallContext, Channel, Fetched, Polling, Tokens, Wanted};
use crate::feedback::{Feedback, Labels};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, Part, PayloadError, RawWebhook,
    Received, Rejection, Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::signature;
use crate::url::BaseUrl;

mod api;
mod arrange;
mod cancel;
mod document;
mod escrow;
mod feedback;
mod fetch;
mod labels;
mod look;
mod order;
mod polling;
mod push;
mod returns;
mod stock;
mod tokens;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "shopee",
    build,
    schema,
    summary: "a Shopee shop: pushes, order API, lost pushes, token refresh",
};

/// Settings of `connector = "shopee"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's partner id.
    partner_id: u64,
    /// The app's partner key, for our calls.
    partner_key: Secrets,
    /// The console's Live Push Partner Key (`shpk…`); older apps sign pushes with the partner key.
    push_key: Option<Secrets>,
    /// The shop.
    shop_id: u64,
    /// The callback URL exactly as typed into the console: it is part of what is signed.
    callback_url: String,
    /// The API's address.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// Ask for the escrow of every order: who pays its vouchers, and its returns. Off for an app
    /// without the right to the payment module.
    #[serde(default = "yes")]
    escrow: bool,
    /// How parcels are handed over where the carrier leaves the choice.
    #[serde(default)]
    handover: Handover,
    /// The shop's address from which parcels are collected, where it has several; else the one that
    /// the shop marked for it.
    #[serde(default)]
    pickup_address_id: Option<u64>,
    /// The carrier's branch to which parcels are brought, where it asks for one; else the first.
    #[serde(default)]
    dropoff_branch_id: Option<u64>,
    /// Shopee's id of the warehouse that holds the stock on sale, for shops with several.
    #[serde(default)]
    stock_location_id: Option<String>,
    /// The reason that Shopee is given for a cancellation of ours that none of its own fits.
    #[serde(default = "out_of_stock")]
    #[schemars(default = "out_of_stock")]
    other_cancel_reason: String,
}

/// How a parcel gets to its carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Handover {
    /// The carrier collects it.
    #[default]
    Pickup,
    /// It is brought to a branch.
    Dropoff,
}

fn yes() -> bool {
    true
}

fn out_of_stock() -> String {
    "OUT_OF_STOCK".to_owned()
}

/// The vendor's host for Vietnam.
const HOST: &str = "https://partner.shopeemobile.com";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let is_address = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    if !is_address(&settings.callback_url) {
        let message = "must be the whole callback URL as typed into the console";
        return Err(SettingsError::new("callback_url", message));
    }
    Ok(Box::new(Shopee(settings)))
}

#[derive(Debug)]
struct Shopee(Settings);

impl Shopee {
    fn push_key(&self) -> &Secrets {
        self.0.push_key.as_ref().unwrap_or(&self.0.partner_key)
    }

    /// The console's "Verify" sends code 0: unsigned, signed with an empty key (before the push key
    /// is saved) or signed for real. A signature with some other key is refused, so that the
    /// console shows that the key is wrong.
    fn ping(&self, raw: &RawWebhook, given: Option<&str>) -> Verdict {
        let url = &self.0.callback_url;
        let accepted = match given {
            None | Some("") => true,
            Some(given) => {
                signature::shopee_signed_with_empty_key(url, &raw.body, given)
                    || signature::shopee_push(self.push_key(), url, &raw.body, Some(given)).is_ok()
            }
        };
        if accepted {
            Verdict::Ping(Acknowledgement::empty(StatusCode::OK))
        } else {
            Verdict::Rejected(Rejection::BadSignature)
        }
    }
}

impl Inbound for Shopee {
    fn verify(&self, raw: &RawWebhook, _: Timestamp) -> Verdict {
        let given = raw.header("authorization").map(str::trim);
        if push::is_verify_ping(&raw.body) {
            return self.ping(raw, given);
        }
        match signature::shopee_push(self.push_key(), &self.0.callback_url, &raw.body, given) {
            Ok(proof) => Verdict::Message(VerifiedWebhook::new(raw, None, proof)),
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        push::dedup_key(message)
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        push::parse(message, self.0.shop_id)
    }

    fn account(&self, message: &VerifiedWebhook) -> Option<String> {
        let mut shops = push::shops(message);
        // A push about several shops belongs to none of them alone.
        if shops.len() == 1 { shops.pop() } else { None }
    }

    /// An authorisation may be several shops': each of them gets the whole push, and finds itself
    /// in it.
    fn by_account(&self, message: &VerifiedWebhook) -> Vec<Part> {
        let part = |account| Part {
            account,
            message: message.clone(),
        };
        let shops = push::shops(message);
        if shops.is_empty() {
            return vec![part(None)];
        }
        shops.into_iter().map(|shop| part(Some(shop))).collect()
    }

    /// Three seconds, the web chat two; only orders are of interest here.
    fn ack_within(&self) -> Option<Duration> {
        Some(Duration::from_secs(3))
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for Shopee {
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
        self.next_fetch(external_id, got, call)
    }

    fn read_fetch(&self, _: Wanted<'_>, got: &[Bytes], response: &Response<Bytes>) -> Fetched {
        self.sort_fetch(got, response)
    }

    fn batches(&self) -> Option<&dyn Batches> {
        Some(self)
    }

    /// Takes what the calls of one fetch gave together, the whole answer of `get_order_detail`, or
    /// one order of it.
    fn normalize(&self, document: &[u8]) -> Normalized {
        order::normalize(document)
    }

    fn accounts(&self) -> Vec<String> {
        vec![self.0.shop_id.to_string()]
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
