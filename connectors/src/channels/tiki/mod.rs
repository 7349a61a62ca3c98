//! Tiki, Open API: orders are announced in a queue that we pull, never by a push; calls carry a
//! bearer token and are not signed.
//!
//! An event only names an order, so the order is always fetched. Nothing can be verified at the
//! door: whatever comes to it is refused. Source: open.tiki.vn and public clients of sellers.

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
    Rejection, Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::url::BaseUrl;

mod api;
mod document;
mod event;
mod feedback;
mod labels;
mod look;
mod money;
mod order;
mod payment;
mod polling;
mod stock;
mod tokens;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "tiki",
    build,
    schema,
    summary: "a Tiki shop: event queue, order API, confirmation of stock",
};

/// Settings of `connector = "tiki"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's id.
    client_id: String,
    /// The app's secret.
    client_secret: Secrets,
    /// The code of the event queue, as the call that made it answered.
    queue: String,
    /// The API's address; tokens come from the same host.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// How tokens are had: an in-house app needs its secret alone, a public app was authorised by
    /// the seller and has a refresh token.
    #[serde(default)]
    grant: Grant,
    /// The scope that is asked for; an in-house app gets what it has when nothing is asked.
    #[serde(default)]
    scope: String,
    /// Tiki's id of the seller's warehouse that confirms orders and holds the stock on sale.
    #[serde(default)]
    seller_inventory_id: Option<u64>,
    /// Our location → Tiki's id of the seller's warehouse, where there is more than one.
    #[serde(default)]
    seller_inventories: BTreeMap<String, u64>,
    /// Articles of the type `instock` lie in Tiki's own warehouse and are sent from there.
    #[serde(default = "yes")]
    instock_at_tiki: bool,
    /// The word for every failed delivery of our own carrier; left out where Tiki does not ask.
    #[serde(default)]
    failure_cause: Option<String>,
}

/// How the app gets its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Grant {
    /// An in-house app: no refresh token is needed.
    #[default]
    ClientCredentials,
    /// A public app: each refresh gives a new pair.
    RefreshToken,
}

const HOST: &str = "https://api.tiki.vn";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

fn yes() -> bool {
    true
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    for (field, text) in [
        ("client_id", &settings.client_id),
        ("queue", &settings.queue),
    ] {
        let fits = !text.is_empty() && text.len() <= 200 && text.is_ascii();
        if !fits {
            return Err(SettingsError::new(field, "must be 1 to 200 ASCII letters"));
        }
    }
    let credentials = tokens::credentials(&settings)?;
    Ok(Box::new(Tiki {
        settings,
        credentials,
    }))
}

#[derive(Debug)]
struct Tiki {
    settings: Settings,
    credentials: http::HeaderValue,
}

impl Inbound for Tiki {
    /// Tiki's Open API pushes nothing, so nobody who knocks is Tiki.
    fn verify(&self, _: &RawWebhook, _: Timestamp) -> Verdict {
        Verdict::Rejected(Rejection::Malformed)
    }

    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        event::dedup_key(message)
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        event::parse(message)
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for Tiki {
    fn connector(&self) -> &'static str {
        ENTRY.name
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[NoticeKind::Order]
    }

    fn fetch(
        &self,
        wanted: Wanted<'_>,
        _: &[Bytes],
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let Wanted::Order(code) = wanted else {
            return None;
        };
        self.order(code, call)
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], response: &Response<Bytes>) -> Fetched {
        api::read_order(response)
    }

    fn normalize(&self, document: &[u8]) -> Normalized {
        order::normalize(document, self.settings.instock_at_tiki)
    }

    fn pushes(&self) -> bool {
        false
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
