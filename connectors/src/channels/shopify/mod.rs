//! Shopify: signed webhooks with the whole order, REST Admin API.
//!
//! The vendor wants 2xx within five seconds, repeats eight times over four hours and then deletes a
//! subscription that was made through the API; so the subscriptions are looked after and orders are
//! polled by time of change. Sources: shopify.dev, npm `@shopify/shopify-api` 13.1.0.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
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

mod feedback;
mod fulfillment;
mod polling;
mod stock;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "shopify",
    build,
    schema,
    summary: "a Shopify shop: signed webhooks, polling, REST Admin API",
};

/// Settings of `connector = "shopify"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's client secret; for webhooks made in the admin the key shown under Notifications.
    /// While it is rotated the vendor signs with the old one for up to an hour: hold both.
    secret: Secrets,
    /// The shop's address, `https://….myshopify.com`.
    base_url: BaseUrl,
    /// Admin API access token (`shpat_…`).
    access_token: Secrets,
    /// The shop's domain as `X-Shopify-Shop-Domain` names it, where one app serves several shops.
    shop_id: Option<String>,
    /// Version of the Admin API.
    #[serde(default = "api_version")]
    #[schemars(regex(pattern = r"^(\d{4}-\d{2}|unstable)$"))]
    api_version: String,
    /// Whether orders paid at the door wait for staff to confirm them.
    #[serde(default)]
    confirm_cod: ConfirmCod,
    /// Names of gateways that mean cash on delivery, beside those that say so.
    #[serde(default)]
    cod_gateways: Vec<String>,
    /// The tag that an order gets when we take it; empty for none.
    #[serde(default = "accepted_tag")]
    #[schemars(length(max = 40))]
    accepted_tag: String,
    /// Whether the shop writes to the buyer about parcels and cancellations that we tell it.
    #[serde(default)]
    notify_customer: bool,
    /// The shop's location whose stock we set; without it the shop's stock is left alone.
    stock_location_id: Option<u64>,
}

fn api_version() -> String {
    "2025-10".to_owned()
}

fn accepted_tag() -> String {
    "kenh-accepted".to_owned()
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let version = settings.api_version.as_bytes();
    let is_date = matches!(version, [a, b, c, d, b'-', e, f]
        if [a, b, c, d, e, f].into_iter().all(u8::is_ascii_digit));
    if !is_date && version != b"unstable" {
        let message = "must be a version such as 2025-10";
        return Err(SettingsError::new("api_version", message));
    }
    if settings.accepted_tag.contains(',') || settings.accepted_tag.chars().count() > 40 {
        let message = "must be one tag of at most 40 characters";
        return Err(SettingsError::new("accepted_tag", message));
    }
    let mut token = HeaderValue::from_str(settings.access_token.primary().expose_secret())
        .map_err(|_| SettingsError::new("access_token", "must be a token without spaces"))?;
    token.set_sensitive(true);
    Ok(Box::new(Shopify { settings, token }))
}

#[derive(Debug)]
struct Shopify {
    settings: Settings,
    token: HeaderValue,
}

/// A newer event product leaves the `X-` out.
const HEADERS: Headers = Headers {
    signature: &["x-shopify-hmac-sha256", "shopify-hmac-sha256"],
    topic: &["x-shopify-topic", "shopify-topic"],
    event: &["x-shopify-webhook-id", "shopify-webhook-id"],
    shop: &["x-shopify-shop-domain", "shopify-shop-domain"],
    test: &["x-shopify-test", "shopify-test"],
};

impl Shopify {
    fn reading(&self) -> Reading<'_> {
        Reading {
            confirm_cod: self.settings.confirm_cod,
            cod_gateways: &self.settings.cod_gateways,
        }
    }
}

impl Rest for Shopify {
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Request<Bytes> {
        let path = format!("/admin/api/{}{path}", self.settings.api_version);
        let uri = self.settings.base_url.join(&path);
        let uri = uri.expect("invariant: the base address is checked and the path is short");
        let mut request = deeds::request(method, uri, body);
        let name = HeaderName::from_static("x-shopify-access-token");
        request.headers_mut().insert(name, self.token.clone());
        request
    }

    fn accept(&self) -> Accept<'_> {
        Accept::Tag(&self.settings.accepted_tag)
    }

    fn notify(&self) -> bool {
        self.settings.notify_customer
    }

    fn restocks(&self) -> bool {
        self.settings.stock_location_id.is_none()
    }
}

impl Inbound for Shopify {
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

    /// Five seconds with connecting; after eight failures the subscription is deleted.
    fn ack_within(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for Shopify {
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
        if webhook::is_test_order(response.body()) {
            return Fetched::Refused {
                reason: "a test order".to_owned(),
            };
        }
        api::judge(response).fetched(response)
    }

    /// Takes the order alone or in the answer's envelope.
    fn normalize(&self, document: &[u8]) -> Normalized {
        snapshot::normalize(document, self.reading())
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
