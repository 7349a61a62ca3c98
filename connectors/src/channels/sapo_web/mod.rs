//! Sapo Web (`….mysapo.net`): an order of Shopify's form with times `…_on`, signed webhooks, REST.
//!
//! Nothing is documented of retries, so orders are polled by time of change and the subscriptions
//! are looked after. Sources: Sapo's support pages, public receivers, one crawled delivery for the
//! header names.

use bytes::Bytes;
use http::header::AUTHORIZATION;
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
use crate::signature;
use crate::url::BaseUrl;

mod feedback;
mod polling;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "sapo_web",
    build,
    schema,
    summary: "a Sapo Web shop (mysapo.net): signed webhooks, polling, REST",
};

/// Settings of `connector = "sapo_web"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's API secret: signs webhooks, and is the password of calls made with `api_key`.
    secret: Secrets,
    /// The shop's address, `https://….mysapo.net`.
    base_url: BaseUrl,
    /// Permanent access token; or else `api_key`.
    access_token: Option<Secrets>,
    /// Key of a private app, for calls by key and secret.
    api_key: Option<Secrets>,
    /// The shop's domain as `X-Sapo-Tenant-Domain` names it, where one app serves several shops.
    shop_id: Option<String>,
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
    /// Whether we set how many units the shop has on sale. The call is known from other software
    /// of this form only: try it on one article first.
    #[serde(default)]
    set_stock: bool,
}

fn accepted_tag() -> String {
    "kenh-accepted".to_owned()
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    if settings.accepted_tag.contains(',') || settings.accepted_tag.chars().count() > 40 {
        let message = "must be one tag of at most 40 characters";
        return Err(SettingsError::new("accepted_tag", message));
    }
    let (name, value) = match (&settings.access_token, &settings.api_key) {
        (Some(token), _) => (
            HeaderName::from_static("x-sapo-access-token"),
            HeaderValue::from_str(token.primary().expose_secret()),
        ),
        (None, Some(key)) => {
            let key = key.primary().expose_secret();
            let basic = signature::basic_auth(key, settings.secret.primary());
            (AUTHORIZATION, HeaderValue::from_str(basic.expose_secret()))
        }
        (None, None) => {
            let message = "is missing: set it, or api_key";
            return Err(SettingsError::new("access_token", message));
        }
    };
    let mut value =
        value.map_err(|_| SettingsError::new("access_token", "must be a token without spaces"))?;
    value.set_sensitive(true);
    Ok(Box::new(SapoWeb {
        settings,
        credentials: (name, value),
    }))
}

#[derive(Debug)]
struct SapoWeb {
    settings: Settings,
    credentials: (HeaderName, HeaderValue),
}

/// The headers of both of Sapo's products.
pub(super) const HEADERS: Headers = Headers {
    signature: &["x-sapo-hmac-sha256"],
    topic: &["x-sapo-topic"],
    event: &[],
    shop: &["x-sapo-tenant-domain"],
    test: &["x-sapo-test"],
};

impl Rest for SapoWeb {
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Request<Bytes> {
        let uri = self.settings.base_url.join(&format!("/admin{path}"));
        let uri = uri.expect("invariant: the base address is checked and the path is short");
        let mut request = deeds::request(method, uri, body);
        let (name, value) = self.credentials.clone();
        request.headers_mut().insert(name, value);
        request
    }

    fn accept(&self) -> Accept<'_> {
        Accept::Tag(&self.settings.accepted_tag)
    }

    fn notify(&self) -> bool {
        self.settings.notify_customer
    }

    fn restocks(&self) -> bool {
        !self.settings.set_stock
    }
}

impl Inbound for SapoWeb {
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
}

impl Channel for SapoWeb {
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
