//! Lazada Open Platform and its push mechanism (LPM).
//!
//! A push is only a hint, one per order line; the order is always fetched, as two documents (order
//! and items) that are joined into one. The vendor wants 200 within 500 ms and looks at nothing
//! else, so verification does nothing beyond the HMAC.

use std::time::Duration;

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
mod items;
mod labels;
mod money;
mod order;
mod pack;
mod polling;
mod push;
mod status;
mod stock;
mod tokens;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "lazada",
    build,
    schema,
    summary: "a Lazada shop: pushes, order API, parcels, labels, stock, token refresh",
};

/// Settings of `connector = "lazada"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's key, digits in the console.
    app_key: String,
    /// The app's secret: signs our calls, and the vendor's pushes.
    app_secret: Secrets,
    /// The shop.
    seller_id: u64,
    /// The gateway's address, `/rest` included.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// The address of the token calls, `/rest` included.
    #[serde(default = "auth_url")]
    #[schemars(default = "auth_url_text")]
    auth_url: BaseUrl,
    /// How a carrier is found for a parcel: `TFS` for local sellers, `NTFS` for cross-border ones.
    #[serde(default = "allocation")]
    shipping_allocate_type: String,
    /// The carrier's code, for shops whose carrier is not chosen by the platform.
    shipment_provider_code: Option<String>,
    /// The warehouse whose stock is set, for sellers with several; others must leave it out.
    warehouse_code: Option<String>,
    /// The cancel reason for what is out of stock, where its name does not tell. The ids differ by
    /// country.
    out_of_stock_reason_id: Option<String>,
    /// The cancel reason for everything else.
    other_reason_id: Option<String>,
}

/// The vendor's gateway for Vietnam.
const HOST: &str = "https://api.lazada.vn/rest";
/// Tokens of all countries.
const AUTH_HOST: &str = "https://auth.lazada.com/rest";

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

fn allocation() -> String {
    "TFS".to_owned()
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let short = |text: &str| {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        plain && !text.is_empty() && text.len() <= 64
    };
    for (field, given) in [
        ("app_key", Some(&settings.app_key)),
        (
            "shipping_allocate_type",
            Some(&settings.shipping_allocate_type),
        ),
        (
            "shipment_provider_code",
            settings.shipment_provider_code.as_ref(),
        ),
        ("warehouse_code", settings.warehouse_code.as_ref()),
        (
            "out_of_stock_reason_id",
            settings.out_of_stock_reason_id.as_ref(),
        ),
        ("other_reason_id", settings.other_reason_id.as_ref()),
    ] {
        if given.is_some_and(|text| !short(text)) {
            let message = "must be 1 to 64 letters, digits or -._";
            return Err(SettingsError::new(field, message));
        }
    }
    Ok(Box::new(Lazada(settings)))
}

#[derive(Debug)]
struct Lazada(Settings);

impl Inbound for Lazada {
    /// Lower hex over app key and raw body. There is no timestamp in it, so a repeat is caught by
    /// its key.
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
        push::parse(message, self.0.seller_id)
    }

    fn account(&self, message: &VerifiedWebhook) -> Option<String> {
        push::account(message)
    }

    /// What is answered later counts as failed, and more than half of that stops the address.
    fn ack_within(&self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for Lazada {
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
        fetch::request(self, wanted, got, call)
    }

    fn read_fetch(&self, wanted: Wanted<'_>, got: &[Bytes], response: &Response<Bytes>) -> Fetched {
        fetch::read(wanted, got, response)
    }

    /// Takes `{"order": …, "items": […]}`, the `data` of both answers.
    fn normalize(&self, document: &[u8]) -> Normalized {
        order::normalize(document)
    }

    fn accounts(&self) -> Vec<String> {
        vec![self.0.seller_id.to_string()]
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

#[cfg(test)]
mod tests;
