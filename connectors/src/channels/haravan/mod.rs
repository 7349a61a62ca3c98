//! Haravan: signed webhooks with the whole order, Omni API.
//!
//! Webhooks carry no id of their own and nothing is documented of retries, so orders are polled by
//! time of change and the subscription is looked after. The door proves itself by a GET like Meta's.
//! Sources: docs.haravan.com (orders, inventory adjustment, rate limits, webhooks), public receivers.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::storefront::deeds::{self, Accept, Rest};
use super::storefront::snapshot::Reading;
use super::storefront::webhook::{self, Headers};
use super::storefront::{ConfirmCod, api, digits, snapshot};
use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Polling, Wanted};
use crate::feedback::{Feedback, Subscriptions};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, PayloadError, RawWebhook, Received,
    Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::url::BaseUrl;
use crate::{form, signature};

mod feedback;
mod polling;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "haravan",
    build,
    schema,
    summary: "a Haravan shop: signed webhooks, polling, Omni API",
};

/// Settings of `connector = "haravan"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's secret; for a webhook made in the admin the string shown under Notifications.
    secret: Secrets,
    /// Omni API access token.
    access_token: Secrets,
    /// The word typed beside the callback address; without it the handshake is not answered.
    verify_token: Option<Secrets>,
    /// The shop's number (`X-Haravan-Org-Id`), where one app serves several shops.
    shop_id: Option<String>,
    /// The API's address.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// The address of the webhook service.
    #[serde(default = "webhook_url")]
    #[schemars(default = "webhook_url_text")]
    webhook_url: BaseUrl,
    /// Whether orders paid at the door wait for somebody to confirm them, at Haravan or here.
    #[serde(default)]
    confirm_cod: ConfirmCod,
    /// Names of gateways that mean cash on delivery, beside those that say so.
    #[serde(default)]
    cod_gateways: Vec<String>,
    /// Whether the shop writes to the buyer about parcels and cancellations that we tell it.
    #[serde(default)]
    notify_customer: bool,
    /// The shop's location whose stock we set; without it the shop's stock is left alone.
    stock_location_id: Option<u64>,
}

const HOST: &str = "https://apis.haravan.com";
const WEBHOOK_HOST: &str = "https://webhook.haravan.com";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

fn webhook_url() -> BaseUrl {
    BaseUrl::parse(WEBHOOK_HOST).expect("invariant: the vendor's host is an address")
}

fn webhook_url_text() -> &'static str {
    WEBHOOK_HOST
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let token = settings.access_token.primary().expose_secret();
    let mut token = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| SettingsError::new("access_token", "must be a token without spaces"))?;
    token.set_sensitive(true);
    Ok(Box::new(Haravan { settings, token }))
}

#[derive(Debug)]
struct Haravan {
    settings: Settings,
    token: HeaderValue,
}

const HEADERS: Headers = Headers {
    signature: &["x-haravan-hmacsha256", "x-haravan-hmac-sha256"],
    topic: &["x-haravan-topic"],
    event: &[],
    shop: &["x-haravan-org-id"],
    test: &[],
};

impl Haravan {
    fn authorized(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        request
            .headers_mut()
            .insert(AUTHORIZATION, self.token.clone());
        request
    }
}

impl Rest for Haravan {
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Request<Bytes> {
        let uri = self.settings.base_url.join(&format!("/com{path}"));
        let uri = uri.expect("invariant: the base address is checked and the path is short");
        self.authorized(deeds::request(method, uri, body))
    }

    fn accept(&self) -> Accept<'_> {
        Accept::Confirm
    }

    fn notify(&self) -> bool {
        self.settings.notify_customer
    }

    fn restocks(&self) -> bool {
        self.settings.stock_location_id.is_none()
    }
}

impl Inbound for Haravan {
    fn verify(&self, raw: &RawWebhook, _: Timestamp) -> Verdict {
        webhook::verify(raw, &self.settings.secret, &HEADERS)
    }

    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        webhook::dedup_key(message)
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        let shop = self.settings.shop_id.as_deref();
        webhook::parse(message, shop, |document| self.normalize(document))
    }

    fn account(&self, message: &VerifiedWebhook) -> Option<String> {
        webhook::account(message)
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }

    /// `hub.challenge` comes back where `hub.verify_token` is ours; `hub.mode` is not always sent.
    fn handshake(&self, raw: &RawWebhook) -> Option<Acknowledgement> {
        if raw.method != Method::GET {
            return None;
        }
        let ours = self.settings.verify_token.as_ref()?;
        let fields = form::pairs(raw.query());
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, v)| v);
        let (challenge, token) = (field("hub.challenge")?, field("hub.verify_token"));
        let is_ours = token.is_some_and(|token| signature::token_matches(ours, token));
        Some(if is_ours {
            Acknowledgement {
                status: StatusCode::OK,
                content_type: Some("text/plain"),
                body: Bytes::copy_from_slice(challenge.as_bytes()),
            }
        } else {
            Acknowledgement::empty(StatusCode::UNAUTHORIZED)
        })
    }
}

impl Channel for Haravan {
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
        let path = format!("/orders/{}.json", digits(external_id)?);
        Some(self.call(Method::GET, &path, None))
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], response: &Response<Bytes>) -> Fetched {
        api::judge(response).fetched(response)
    }

    /// Takes the order alone or in the answer's envelope.
    fn normalize(&self, document: &[u8]) -> Normalized {
        let reading = Reading {
            confirm_cod: self.settings.confirm_cod,
            cod_gateways: &self.settings.cod_gateways,
        };
        snapshot::normalize(document, reading)
    }

    fn accounts(&self) -> Vec<String> {
        let shop = self.settings.shop_id.as_deref();
        shop.map(webhook::shop).into_iter().collect()
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
