//! Sapo Omni and GO (`….mysapogo.com`): an order of Sapo's own form, signed webhooks, REST.
//!
//! Nothing is documented of retries or subscriptions, so orders are polled by time of change.
//! Sources: Sapo's public API description (orders, fulfillments), one crawled delivery for the
//! header names.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::sapo_web::HEADERS;
use super::storefront::{api, deeds, digits, webhook};
use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Polling, Wanted};
use crate::feedback::Feedback;
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, PayloadError, RawWebhook, Received,
    Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::url::BaseUrl;

mod feedback;
mod order;
mod polling;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "sapo_omni",
    build,
    schema,
    summary: "a Sapo Omni or GO account (mysapogo.com): signed webhooks, polling, REST",
};

/// Settings of `connector = "sapo_omni"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's API secret: signs webhooks.
    secret: Secrets,
    /// The account's address, `https://….mysapogo.com`.
    base_url: BaseUrl,
    /// Permanent access token.
    access_token: Secrets,
    /// The account's domain as `X-Sapo-Tenant-Domain` names it, where one app serves several.
    shop_id: Option<String>,
    /// Numbers of the payment methods that mean cash on delivery
    /// (`expected_payment_method_id`): orders do not name them.
    #[serde(default)]
    cod_payment_method_ids: Vec<u64>,
    /// The carrier at Sapo under which our parcels are booked; without it Sapo is not told of
    /// parcels, because each needs a carrier there.
    delivery_service_provider_id: Option<u64>,
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let mut token = HeaderValue::from_str(settings.access_token.primary().expose_secret())
        .map_err(|_| SettingsError::new("access_token", "must be a token without spaces"))?;
    token.set_sensitive(true);
    Ok(Box::new(SapoOmni { settings, token }))
}

#[derive(Debug)]
struct SapoOmni {
    settings: Settings,
    token: HeaderValue,
}

impl SapoOmni {
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Request<Bytes> {
        let uri = self.settings.base_url.join(&format!("/admin{path}"));
        let uri = uri.expect("invariant: the base address is checked and the path is short");
        let mut request = deeds::request(method, uri, body);
        let name = HeaderName::from_static("x-sapo-access-token");
        request.headers_mut().insert(name, self.token.clone());
        request
    }
}

impl Inbound for SapoOmni {
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

impl Channel for SapoOmni {
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
        order::normalize(document, &self.settings.cod_payment_method_ids)
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
}
