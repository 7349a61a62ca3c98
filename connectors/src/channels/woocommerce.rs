//! WooCommerce: signed webhooks with the whole order, a REST API with Basic authentication.
//!
//! What the real program does decides here (versions 9.4.2 and 9.4.3 recorded): it never retries
//! and disables a webhook after six failures in a row, so everything stored is answered 200 and
//! polling heals the gaps. It builds the body when it sends, not when the event happened, so the
//! topic says nothing about the state; only `order.deleted`, whose body is a bare id, is fetched,
//! and an order that the shop no longer has is cancelled.
//!
//! The shop is told in notes on the order, each with a mark that a repeat finds, and by status;
//! its stock is set where the operator wants it, and a webhook that it disabled is put back.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::storefront::api::Answer;
use super::storefront::deeds;
use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Polling, Wanted};
use crate::feedback::{Feedback, Subscriptions};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind, OrderDocument,
    PayloadError, RawWebhook, Received, Verdict, VerifiedWebhook,
};
use crate::literal::Literal;
use crate::settings::{self, Secrets, SettingsError};
use crate::url::{self, BaseUrl};
use crate::{payload, signature};

mod feedback;
mod order;
mod polling;
mod stock;
mod subscriptions;

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
    /// REST API consumer secret; the key needs the permission to read and write.
    consumer_secret: Secrets,
    /// Status that an order gets when a parcel has left, where a plug-in of the shop has one.
    shipped_status: Option<String>,
    /// Status that an order gets when all of it has arrived; empty for none.
    #[serde(default = "delivered_status")]
    delivered_status: String,
    /// Whether the buyer reads the note about a parcel; the shop sends it by e-mail.
    #[serde(default)]
    notify_customer: bool,
    /// Whether we set how many units the shop has on sale.
    #[serde(default)]
    set_stock: bool,
}

fn delivered_status() -> String {
    "completed".to_owned()
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let is_status = |status: &str| payload::word(status) == status;
    if !settings.shipped_status.as_deref().is_none_or(is_status) {
        return Err(SettingsError::new(
            "shipped_status",
            "must be a status's slug",
        ));
    }
    if !is_status(&settings.delivered_status) {
        return Err(SettingsError::new(
            "delivered_status",
            "must be a status's slug",
        ));
    }
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
        judge(response).fetched(response)
    }

    fn normalize(&self, document: &[u8]) -> Normalized {
        order::normalize(document, self.0.shipped_status.as_deref())
    }

    fn polling(&self) -> Option<&dyn Polling> {
        Some(self)
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }

    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        Some(self)
    }
}

impl WooCommerce {
    /// A GET with the consumer key and secret; `None` only for an address that is too long.
    fn call(&self, path_and_query: &str) -> Option<Request<Bytes>> {
        let request = url::get(self.0.base_url.join(path_and_query)?);
        self.authorized(request)
    }

    /// A call of the REST API; `path` from its root.
    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Request<Bytes> {
        let uri = self.0.base_url.join(&format!("/wp-json/wc/v3{path}"));
        let uri = uri.expect("invariant: the base address is checked and the path is short");
        self.authorized(deeds::request(method, uri, body))
            .expect("invariant: base64 is a header value")
    }

    fn authorized(&self, mut request: Request<Bytes>) -> Option<Request<Bytes>> {
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

/// `{code, message, data{status}}` errors by their HTTP status: 401 and 403 need a person, 404 is
/// "no such thing" only with the shop's own code, 429 and 5xx pass. A 200 that is not JSON is a
/// maintenance page or a firewall.
fn judge(response: &Response<Bytes>) -> Answer {
    let status = response.status().as_u16();
    let code = payload::read::<Peek>(response.body())
        .ok()
        .and_then(|peek| peek.code)
        .map(|code| payload::word(&code))
        .unwrap_or_default();
    let reason = format!("{status} {code}").trim_end().to_owned();
    match status {
        200 | 201 if serde_json::from_slice::<serde::de::IgnoredAny>(response.body()).is_ok() => {
            Answer::Good
        }
        200 | 201 => Answer::Retry {
            after_s: None,
            reason: format!("{status} without JSON"),
        },
        401 | 403 => Answer::Account { reason },
        404 if code.ends_with("invalid_id") => Answer::NotFound,
        408 | 429 | 500..=599 => Answer::Retry {
            after_s: url::retry_after_s(response.headers()),
            reason,
        },
        _ => Answer::Refused { status, reason },
    }
}
