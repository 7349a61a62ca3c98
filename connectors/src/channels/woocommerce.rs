//! WooCommerce: signed webhooks with the whole order, a REST API with Basic authentication.
//!
//! What the real program does decides here (versions 9.4.2 and 9.4.3 recorded): it never retries
//! and disables a webhook after six failures in a row, so everything stored is answered 200 and
//! polling heals the gaps. It builds the body when it sends, not when the event happened, so the
//! topic says nothing about the state; only `order.deleted`, whose body is a bare id, is fetched,
//! and an order that the shop no longer has is cancelled.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Polling, Wanted};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind, OrderDocument,
    PayloadError, RawWebhook, Received, Verdict, VerifiedWebhook,
};
use crate::literal::Literal;
use crate::settings::{self, Secrets};
use crate::url::{self, BaseUrl};
use crate::{payload, signature};

mod order;
mod polling;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "woocommerce",
    build,
    schema,
    summary: "a WooCommerce shop: signed webhooks, polling, REST API v3",
};

/// Settings of `connector = "woocommerce"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The webhook's secret. Avoid `& < > " '`: the shop decodes HTML entities in it before use.
    secret: Secrets,
    /// The shop's address.
    base_url: BaseUrl,
    /// REST API consumer key.
    consumer_key: Secrets,
    /// REST API consumer secret.
    consumer_secret: Secrets,
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    Ok(Box::new(WooCommerce(settings)))
}

#[derive(Debug)]
struct WooCommerce(Settings);

/// What a webhook's body can be.
enum Body {
    /// An order as the REST API renders it.
    Order,
    /// `{"id": N}`: deleted.
    BareId(String),
    /// The shop could not build the body and signed its own error.
    ShopError(String),
    /// A checkout that the buyer has not finished.
    Unplaced,
}

/// The fields that tell the bodies apart.
#[derive(Deserialize)]
struct Peek {
    id: Option<Literal>,
    status: Option<String>,
    date_modified_gmt: Option<String>,
    code: Option<String>,
}

impl Peek {
    fn kind(&self) -> Result<Body, PayloadError> {
        match (&self.id, self.status.as_deref(), &self.code) {
            (Some(_), Some("checkout-draft" | "auto-draft"), _) => Ok(Body::Unplaced),
            (Some(_), Some(_), _) => Ok(Body::Order),
            (Some(id), None, _) => Ok(Body::BareId(order::external_id(id)?)),
            (None, _, Some(code)) => Ok(Body::ShopError(payload::word(code))),
            (None, _, None) => Err(PayloadError::new("id: missing")),
        }
    }
}

/// The shop asks whether our door exists: form body `webhook_id=N`, unsigned.
fn is_ping(raw: &RawWebhook) -> bool {
    let id = raw.body.strip_prefix(b"webhook_id=");
    raw.method == Method::POST
        && raw.header("x-wc-webhook-signature").is_none()
        && id
            .is_some_and(|id| !id.is_empty() && id.len() <= 20 && id.iter().all(u8::is_ascii_digit))
}

impl Inbound for WooCommerce {
    fn verify(&self, raw: &RawWebhook, _: Timestamp) -> Verdict {
        if is_ping(raw) {
            return Verdict::Ping(Acknowledgement::empty(StatusCode::OK));
        }
        let given = raw.header("x-wc-webhook-signature");
        match signature::hmac_sha256_base64(&self.0.secret, &raw.body, given) {
            Ok(proof) => {
                let word = |name| payload::word(raw.header(name).unwrap_or_default());
                let topic = word("x-wc-webhook-topic");
                let delivery = word("x-wc-webhook-delivery-id");
                let kept = format!("{topic} {delivery}");
                Verdict::Message(VerifiedWebhook::new(raw, Some(kept), proof))
            }
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    /// The order's version: its delivery id changes with each attempt, and the same version comes
    /// as `created` and `updated` and by polling. A deletion has no version and may happen again
    /// after a restore, so there the delivery counts; the shop does not retry it.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        let topic = message.topic().unwrap_or_default();
        let Ok(peek) = payload::read::<Peek>(message.body()) else {
            return format!("unreadable:{}", payload::digest(message.body()));
        };
        match (&peek.id, &peek.date_modified_gmt, &peek.status) {
            (Some(id), Some(modified), Some(status)) => format!("order:{id}:{modified}:{status}"),
            (Some(id), None, None) => format!("bare:{id}:{topic}"),
            _ => format!("other:{topic}:{}", payload::digest(message.body())),
        }
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        let peek: Peek = payload::read(message.body())?;
        let ignored = |reason: String| Notice {
            key: None,
            body: NoticeBody::Ignored { reason },
        };
        let notice = match peek.kind()? {
            Body::Unplaced => ignored("a checkout that is not placed yet".to_owned()),
            Body::ShopError(code) => ignored(format!("the shop sent its own error {code}")),
            Body::BareId(external_id) => Notice {
                key: Some(external_id.clone()),
                body: NoticeBody::Order {
                    external_id,
                    revision: None,
                    document: OrderDocument::Fetch,
                },
            },
            Body::Order => {
                let snapshot = self.normalize(message.body())?;
                Notice {
                    key: Some(snapshot.external_id.clone()),
                    body: NoticeBody::Order {
                        external_id: snapshot.external_id.clone(),
                        revision: Some(snapshot.revised_at),
                        document: OrderDocument::Here(Box::new(snapshot)),
                    },
                }
            }
        };
        Ok(vec![notice])
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for WooCommerce {
    fn connector(&self) -> &'static str {
        ENTRY.name
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[NoticeKind::Order]
    }

    fn fetch(&self, wanted: Wanted<'_>, _: &[Bytes], _: CallContext<'_>) -> Option<Request<Bytes>> {
        let Wanted::Order(external_id) = wanted else {
            return None;
        };
        if external_id.is_empty() || !external_id.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        self.call(&format!("/wp-json/wc/v3/orders/{external_id}"))
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], response: &Response<Bytes>) -> Fetched {
        match judge(response) {
            Answer::Good => Fetched::Document(response.body().clone()),
            Answer::NotFound => Fetched::Gone,
            Answer::Retry { after_s, reason } => Fetched::Retry { after_s, reason },
            Answer::Account { reason } => Fetched::Account { reason },
            Answer::Refused { reason } => Fetched::Refused { reason },
        }
    }

    fn normalize(&self, document: &[u8]) -> Normalized {
        order::normalize(document)
    }

    fn polling(&self) -> Option<&dyn Polling> {
        Some(self)
    }
}

impl WooCommerce {
    /// A GET with the consumer key and secret; `None` only for an address that is too long.
    fn call(&self, path_and_query: &str) -> Option<Request<Bytes>> {
        let mut request = url::get(self.0.base_url.join(path_and_query)?);
        let credentials = signature::basic_auth(
            self.0.consumer_key.primary().expose_secret(),
            self.0.consumer_secret.primary(),
        );
        let mut value = HeaderValue::from_str(credentials.expose_secret()).ok()?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Some(request)
    }
}

/// An answer of the REST API, sorted.
enum Answer {
    Good,
    NotFound,
    Retry {
        after_s: Option<u64>,
        reason: String,
    },
    Account {
        reason: String,
    },
    Refused {
        reason: String,
    },
}

/// `{code, message, data{status}}` errors by their HTTP status: 401 and 403 need a person, 404 is
/// "no such order" only with the shop's own code, 429 and 5xx pass. A 200 that is not JSON is a
/// maintenance page or a firewall.
fn judge(response: &Response<Bytes>) -> Answer {
    let status = response.status();
    let code = payload::read::<Peek>(response.body())
        .ok()
        .and_then(|peek| peek.code)
        .map(|code| payload::word(&code))
        .unwrap_or_default();
    let reason = format!("{} {code}", status.as_u16()).trim_end().to_owned();
    match status.as_u16() {
        200 if serde_json::from_slice::<serde::de::IgnoredAny>(response.body()).is_ok() => {
            Answer::Good
        }
        200 => Answer::Retry {
            after_s: None,
            reason: "200 without JSON".to_owned(),
        },
        401 | 403 => Answer::Account { reason },
        404 if code.ends_with("invalid_id") => Answer::NotFound,
        408 | 429 | 500..=599 => Answer::Retry {
            after_s: url::retry_after_s(response.headers()),
            reason,
        },
        _ => Answer::Refused { reason },
    }
}
