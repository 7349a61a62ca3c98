//! The retailer's own website: Standard Webhooks with the whole order in every message.
//!
//! The website cannot be asked; a later message with a newer `revised_at` replaces an earlier one.
//! It may be told: with `callback_url` it gets our own signed events.

use bytes::Bytes;
use domain::money::Amount;
use domain::snapshot::{Cancellation, ChannelPayment, ChannelStatus, Snapshot};
use http::{Request, Response};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Wanted};
use crate::feedback::Feedback;
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind,
    OrderDocument as Document, PayloadError, RawWebhook, Received, Verdict, VerifiedWebhook,
};
use crate::payload;
use crate::settings::{self, Secrets, SettingsError};
use crate::signature::standard_webhooks::{self, Keys};
use crate::url::BaseUrl;

mod callback;
mod document;

use callback::Callback;

pub use document::{
    DocumentAppointment, DocumentBuyer, DocumentError, DocumentInvoiceRequest, DocumentLine,
    DocumentMethod, DocumentPayment, DocumentPaymentStatus, DocumentShipTo, DocumentStatus,
    DocumentTotals, OrderDocument, order_document_schema, unknown_field,
};

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "website",
    build,
    schema,
    summary: "the retailer's own website, signed by Standard Webhooks",
};

/// Settings of `connector = "website"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// `whsec_…`, shared with the website.
    secret: Secrets,
    /// How far the signed time may be from ours, seconds.
    #[serde(default = "tolerance_s")]
    #[schemars(range(min = 1, max = 86_400))]
    tolerance_s: u32,
    /// Where the website hears what becomes of its orders and stock; without it, it is not told.
    callback_url: Option<BaseUrl>,
    /// `whsec_…` that signs those events; `secret` where it is missing.
    callback_secret: Option<Secrets>,
}

fn tolerance_s() -> u32 {
    300
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let keys = Keys::new(&settings.secret)
        .map_err(|error| SettingsError::new("secret", error.to_string()))?;
    if !(1..=86_400).contains(&settings.tolerance_s) {
        return Err(SettingsError::new("tolerance_s", "must be 1 to 86400"));
    }
    let callback = match &settings.callback_url {
        Some(address) => Some(callback(address, &settings)?),
        None => None,
    };
    Ok(Box::new(Website {
        keys,
        tolerance_s: i64::from(settings.tolerance_s),
        callback,
    }))
}

fn callback(address: &BaseUrl, settings: &Settings) -> Result<Callback, SettingsError> {
    let uri = address.as_str().parse();
    let uri = uri.map_err(|_| SettingsError::new("callback_url", "must be an address"))?;
    let (secret, path) = match &settings.callback_secret {
        Some(secret) => (secret, "callback_secret"),
        None => (&settings.secret, "secret"),
    };
    let keys = Keys::new(secret).map_err(|error| SettingsError::new(path, error.to_string()))?;
    Ok(Callback { uri, keys })
}

#[derive(Debug)]
struct Website {
    keys: Keys,
    tolerance_s: i64,
    callback: Option<Callback>,
}

/// The envelope: `{ "type", "timestamp", "data" }`.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: Option<Timestamp>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Inbound for Website {
    fn verify(&self, raw: &RawWebhook, now: Timestamp) -> Verdict {
        match self.keys.verify(raw, now, self.tolerance_s) {
            Ok(proof) => {
                let id = raw.header(standard_webhooks::ID).map(str::to_owned);
                Verdict::Message(VerifiedWebhook::new(raw, id, proof))
            }
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    /// `webhook-id` is the same for all attempts at one message.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        message
            .topic()
            .map_or_else(|| payload::digest(message.body()), str::to_owned)
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        let envelope: Envelope<'_> = payload::read(message.body())?;
        if !is_order_event(&envelope.kind) {
            let reason = format!("type {} is not about orders", payload::word(&envelope.kind));
            return Ok(vec![Notice {
                key: None,
                body: NoticeBody::Ignored { reason },
            }]);
        }
        let snapshot = snapshot(&envelope)?;
        Ok(vec![Notice {
            key: Some(snapshot.external_id.clone()),
            body: NoticeBody::Order {
                external_id: snapshot.external_id.clone(),
                revision: Some(snapshot.revised_at),
                document: Document::Here(Box::new(snapshot)),
            },
        }])
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for Website {
    fn connector(&self) -> &'static str {
        ENTRY.name
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[]
    }

    fn fetch(&self, _: Wanted<'_>, _: &[Bytes], _: CallContext<'_>) -> Option<Request<Bytes>> {
        None
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], _: &Response<Bytes>) -> Fetched {
        Fetched::Refused {
            reason: "a website is never asked".to_owned(),
        }
    }

    /// The document is the whole message, envelope included.
    fn normalize(&self, document: &[u8]) -> Normalized {
        snapshot(&payload::read(document)?)
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        self.callback
            .as_ref()
            .map(|callback| callback as &dyn Feedback)
    }
}

fn is_order_event(kind: &str) -> bool {
    matches!(
        kind,
        "order.created" | "order.updated" | "order.cancelled" | "order.paid"
    )
}

fn snapshot(envelope: &Envelope<'_>) -> Normalized {
    let data = envelope.data.map_or("null", RawValue::get);
    let document = OrderDocument::read(data).map_err(within_data)?;
    let at = document.revised_at.or(envelope.timestamp).ok_or_else(|| {
        PayloadError::new("data.revised_at: is required where the message has no timestamp")
    })?;
    let reason = document.reason.clone();
    let mut snapshot = document.into_snapshot(at).map_err(within_data)?;
    match envelope.kind.as_str() {
        // The event says what happened, whatever the document's status still says.
        "order.cancelled" => {
            snapshot.status = ChannelStatus::Cancelled;
            "cancelled".clone_into(&mut snapshot.channel_status);
            snapshot.cancellation = Some(Cancellation {
                by: "website".to_owned(),
                reason: payload::filled(reason).unwrap_or_default(),
            });
        }
        "order.paid" => mark_paid(&mut snapshot),
        _ => {}
    }
    Ok(snapshot)
}

/// `order.paid` without an amount means all of it; with one, the amount decides.
fn mark_paid(snapshot: &mut Snapshot) {
    let due = super::amount_due(snapshot);
    let paid = snapshot.paid.filter(|paid| paid.0 > 0).unwrap_or(due);
    snapshot.paid = Some(paid);
    snapshot.payment = Some(if paid >= due || due <= Amount(0) {
        ChannelPayment::Paid
    } else {
        ChannelPayment::PartiallyPaid
    });
}

fn within_data(error: DocumentError) -> PayloadError {
    let path = match error.path.as_str() {
        "." => "data".to_owned(),
        path => format!("data.{path}"),
    };
    PayloadError::new(format!("{path}: {}", error.message))
}
