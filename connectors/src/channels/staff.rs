//! Orders that staff enter: phone, chat and counter. They come through the API, never through the
//! webhook door; here the request is read and turned into a message like any other.

use bytes::Bytes;
use domain::snapshot::Snapshot;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use super::website::{DocumentError, OrderDocument, unknown_field};
use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Wanted};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind,
    OrderDocument as Document, PayloadError, RawWebhook, Received, Rejection, Verdict,
    VerifiedWebhook,
};
use crate::{payload, settings, signature};

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "staff",
    build,
    schema,
    summary: "orders entered by staff through the API (phone, chat, counter)",
};

/// Settings of `connector = "staff"`: there are none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    // A table without settings may be left out altogether.
    if !value.is_null() {
        let Settings {} = settings::read(value)?;
    }
    Ok(Box::new(Staff))
}

/// The call that an order came from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallRef {
    /// Telephone provider.
    pub provider: String,
    /// The provider's id of the call.
    pub call_id: String,
}

/// The body of `POST /api/v1/orders` beside the order document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// Id of the channel that the order belongs to.
    pub channel: String,
    /// Who entered it.
    pub entered_by: Option<String>,
    /// The call that it came from.
    pub call_ref: Option<CallRef>,
    /// What the order is.
    pub snapshot: Snapshot,
    /// The request as stored: times and id filled in.
    pub body: Bytes,
}

impl Entered {
    /// Reads a request strictly. The idempotency key becomes the order's id where the document has
    /// none, and `received_at` stands in for missing times.
    ///
    /// # Errors
    /// Path and expectation of the first wrong or unknown field.
    pub fn read(
        body: &[u8],
        idempotency_key: &str,
        received_at: Timestamp,
    ) -> Result<Self, DocumentError> {
        let mut request: Value = serde_json::from_slice(body)
            .map_err(|_| DocumentError::new(".", "must be a JSON object"))?;
        let fields = request
            .as_object_mut()
            .ok_or_else(|| DocumentError::new(".", "must be a JSON object"))?;
        for (field, value) in [
            ("external_id", idempotency_key.to_owned()),
            ("placed_at", received_at.to_string()),
            ("revised_at", received_at.to_string()),
        ] {
            if fields.get(field).is_none_or(Value::is_null) {
                fields.insert(field.to_owned(), Value::String(value));
            }
        }
        let body = Bytes::from(request.to_string());
        let entered = Self::stored(request, body)?;
        if entered.channel.is_empty() {
            return Err(DocumentError::new("channel", "is required"));
        }
        Ok(entered)
    }

    /// Reads what [`Entered::read`] stored.
    fn stored(mut request: Value, body: Bytes) -> Result<Self, DocumentError> {
        let mut take = |field: &str| request.as_object_mut().and_then(|map| map.remove(field));
        let (channel, entered_by, call_ref) =
            (take("channel"), take("entered_by"), take("call_ref"));
        if let Some(path) = unknown_field(&request) {
            return Err(DocumentError::new(
                path,
                "is not a field of the order document",
            ));
        }
        let document = OrderDocument::read(&request.to_string())?;
        let received_at = document
            .revised_at
            .ok_or_else(|| DocumentError::new("revised_at", "is required"))?;
        let mut snapshot = document.into_snapshot(received_at)?;
        let entered_by = text(entered_by, "entered_by")?;
        let call_ref = call_ref
            .filter(|value| !value.is_null())
            .map(call_ref_of)
            .transpose()?;
        snapshot
            .tags
            .extend(entered_by.iter().map(|who| format!("entered_by:{who}")));
        snapshot.tags.extend(
            call_ref
                .iter()
                .map(|call| format!("call:{}/{}", call.provider, call.call_id)),
        );
        Ok(Self {
            channel: text(channel, "channel")?.unwrap_or_default(),
            entered_by,
            call_ref,
            snapshot,
            body,
        })
    }

    /// The order as a message for the inbox, one per idempotency key. Its origin is certain
    /// because the API has authenticated the caller.
    #[must_use]
    pub fn message(&self, idempotency_key: &str) -> VerifiedWebhook {
        VerifiedWebhook::polled(
            Some(idempotency_key.to_owned()),
            self.body.clone(),
            signature::own_call(),
        )
    }
}

fn text(value: Option<Value>, field: &str) -> Result<Option<String>, DocumentError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(payload::filled(Some(text))),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(DocumentError::new(field, "expected a text"))
        }
    }
}

fn call_ref_of(value: Value) -> Result<CallRef, DocumentError> {
    serde_json::from_value(value)
        .map_err(|error| DocumentError::new("call_ref", payload::expectation(&error.to_string())))
}

#[derive(Debug)]
struct Staff;

impl Inbound for Staff {
    /// Nothing is ever sent to this door.
    fn verify(&self, _: &RawWebhook, _: Timestamp) -> Verdict {
        Verdict::Rejected(Rejection::Malformed)
    }

    /// The idempotency key.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        message
            .topic()
            .map_or_else(|| payload::digest(message.body()), str::to_owned)
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        let snapshot = self.normalize(message.body())?;
        Ok(vec![Notice {
            key: Some(snapshot.external_id.clone()),
            body: NoticeBody::Order {
                external_id: snapshot.external_id.clone(),
                revision: Some(snapshot.revised_at),
                document: Document::Here(Box::new(snapshot)),
            },
        }])
    }

    /// To the outside there is no such door.
    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        match received {
            Received::Rejected(_) => Acknowledgement::empty(StatusCode::NOT_FOUND),
            Received::Stored(_) | Received::Duplicate(_) | Received::Unavailable => {
                plain_answer(received)
            }
        }
    }
}

impl Channel for Staff {
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
            reason: "staff are never asked".to_owned(),
        }
    }

    fn normalize(&self, document: &[u8]) -> Normalized {
        let request: Value = payload::read(document)?;
        Ok(Entered::stored(request, Bytes::new())?.snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request() -> Value {
        json!({
            "channel": "hotline", "entered_by": "staff:101",
            "call_ref": {"provider": "stringee", "call_id": "call-1"},
            "status": "confirmed",
            "lines": [{"id": "1", "sku": "TV-55", "name": "TV 55", "quantity": 1, "unit_price": 13_490_000}],
            "payment": {"method": "cod"}
        })
    }

    fn read(request: &Value) -> Result<Entered, DocumentError> {
        let now = "2026-11-24T01:02:03Z".parse().unwrap();
        Entered::read(request.to_string().as_bytes(), "key-1", now)
    }

    #[test]
    fn missing_times_and_id_are_filled_and_the_stored_message_says_the_same() {
        let entered = read(&request()).unwrap();
        assert_eq!(entered.snapshot.external_id, "key-1");
        assert_eq!(
            entered.snapshot.placed_at.to_string(),
            "2026-11-24T01:02:03Z"
        );
        assert_eq!(
            entered.snapshot.tags,
            ["entered_by:staff:101", "call:stringee/call-1"]
        );
        let notices = Staff.parse(&entered.message("key-1")).unwrap();
        let NoticeBody::Order {
            document: Document::Here(again),
            ..
        } = &notices[0].body
        else {
            panic!("expected an order");
        };
        assert_eq!(**again, entered.snapshot);
    }

    #[test]
    fn wrong_fields_are_named() {
        for (pointer, value, path) in [
            ("/payment/methd", json!("cod"), "payment.methd"),
            ("/lines/0/discont", json!(1), "lines[0].discont"),
            ("/totl", json!(1), "totl"),
            ("/lines/0/quantity", json!(0), "lines[0].quantity"),
            ("/lines/0/unit_price", json!(0.5), "lines[0].unit_price"),
            ("/lines/0/unit_price", json!(-1), "lines[0].unit_price"),
            ("/payment/method", json!("gold"), "payment.method"),
            ("/channel", json!(null), "channel"),
            ("/external_id", json!("a b"), "external_id"),
            (
                "/appointment",
                json!({"window_start": "2026-11-24T01:02:03Z"}),
                "appointment.window_end",
            ),
        ] {
            let mut request = request();
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            request.pointer_mut(parent).unwrap()[field] = value;
            assert_eq!(read(&request).unwrap_err().path, path, "{pointer}");
        }
    }

    #[test]
    fn two_lines_with_one_id_are_refused() {
        let mut request = request();
        let line = request["lines"][0].clone();
        request["lines"].as_array_mut().unwrap().push(line);
        assert_eq!(read(&request).unwrap_err().path, "lines[1].id");
    }

    #[test]
    fn the_webhook_door_does_not_exist() {
        let answer = Staff.acknowledge(&Received::Rejected(Rejection::Malformed));
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}
