//! Zalo Official Account: chats, forms, ratings and followers.
//!
//! A chat never makes a confirmed order. Zalo redelivers for up to 12 hours with the same body
//! and wants its 200 within 2 seconds, after which it may switch the webhook off.

mod answer;
mod events;
mod messages;
mod oauth;
pub mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Tokens, Wanted};
use crate::feedback::{Messages, Notices};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, PayloadError, RawWebhook, Received,
    Rejection, Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::signature;
use crate::url::BaseUrl;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "zalo",
    build,
    schema,
    summary: "a Zalo Official Account: chats, forms, ratings and followers",
};

/// Settings of `connector = "zalo"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The app's id.
    pub app_id: String,
    /// The webhook page's "OA secret key": signs events. Not the app secret.
    pub oa_secret: Secrets,
    /// The app's secret: goes with every token call.
    pub app_secret: Secrets,
    /// The Official Account.
    #[serde(default)]
    pub oa_id: Option<String>,
    /// Calls.
    #[serde(default = "default_base_url")]
    pub base_url: BaseUrl,
    /// Token calls.
    #[serde(default = "default_oauth_url")]
    pub oauth_url: BaseUrl,
    /// Calls of template messages.
    #[serde(default = "default_template_url")]
    pub template_url: BaseUrl,
    /// So long after a person's last word the account may answer, hours. Answers after 48 hours are
    /// said to cost, and to end after seven days.
    #[serde(default = "default_reply_window_h")]
    pub reply_window_h: u32,
    /// The app demands `appsecret_proof` with every call.
    #[serde(default)]
    pub appsecret_proof: bool,
    /// News → the template that tells it to a buyer's phone: `accepted`, `shipped`, `delivered`,
    /// `delivery_failed`, `cancelled`, `refunded`, `installation_scheduled`. Whose buyers are told
    /// says `serves` of the channel.
    #[serde(default)]
    pub templates: BTreeMap<String, template::Template>,
    /// `development` sends templates to administrators of the account only, for tests.
    #[serde(default)]
    pub template_mode: Option<String>,
    /// Templates are held from this hour on, Vietnam's time.
    #[serde(default = "default_quiet_from_h")]
    pub quiet_from_h: u8,
    /// And go again from this one.
    #[serde(default = "default_quiet_to_h")]
    pub quiet_to_h: u8,
}

fn default_base_url() -> BaseUrl {
    BaseUrl::parse("https://openapi.zalo.me").expect("invariant: a constant address")
}

fn default_oauth_url() -> BaseUrl {
    BaseUrl::parse("https://oauth.zaloapp.com").expect("invariant: a constant address")
}

fn default_template_url() -> BaseUrl {
    BaseUrl::parse("https://business.openapi.zalo.me").expect("invariant: a constant address")
}

fn default_reply_window_h() -> u32 {
    48
}

fn default_quiet_from_h() -> u8 {
    22
}

fn default_quiet_to_h() -> u8 {
    6
}

/// JSON Schema of the settings.
#[must_use]
pub fn schema() -> Schema {
    schema_for!(Settings)
}

/// Builds the channel.
///
/// # Errors
/// When the settings are wrong.
pub fn build(value: &Value, _context: &ChannelContext) -> Built {
    Ok(Box::new(zalo_of(value)?))
}

fn zalo_of(value: &Value) -> Result<Zalo, SettingsError> {
    let settings: Settings = settings::read(value)?;
    if settings.app_id.is_empty() {
        return Err(SettingsError::new("app_id", "must not be empty"));
    }
    template::check(&settings)?;
    let oauth = oauth::Oauth::new(&settings)?;
    Ok(Zalo { settings, oauth })
}

/// One Official Account.
#[derive(Debug)]
pub struct Zalo {
    settings: Settings,
    oauth: oauth::Oauth,
}

impl Inbound for Zalo {
    /// The signed timestamp is text within the body. It is not held against a window: a
    /// redelivery repeats the body, up to 12 hours later.
    fn verify(&self, raw: &RawWebhook, _now: Timestamp) -> Verdict {
        if raw.method != Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        let given = raw.header("x-zevent-signature");
        if given.is_none() {
            return Verdict::Rejected(Rejection::MissingSignature);
        }
        let Some(timestamp) = events::timestamp(&raw.body) else {
            return Verdict::Rejected(Rejection::Malformed);
        };
        let proof = signature::zalo_oa(
            &self.settings.oa_secret,
            &self.settings.app_id,
            &raw.body,
            &timestamp,
            given,
        );
        match proof {
            Ok(proof) => Verdict::Message(VerifiedWebhook::new(raw, None, proof)),
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        events::dedup_key(message.body(), self.settings.oa_id.as_deref())
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        events::notice(message.body(), self.settings.oa_id.as_deref()).map(|notice| vec![notice])
    }

    fn account(&self, message: &VerifiedWebhook) -> Option<String> {
        events::account(message.body(), self.settings.oa_id.as_deref())
    }

    /// Two seconds; what is answered later comes again for half a day, then the webhook is off.
    fn ack_within(&self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for Zalo {
    fn connector(&self) -> &'static str {
        "zalo"
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[]
    }

    fn fetch(&self, _: Wanted<'_>, _: &[Bytes], _: CallContext<'_>) -> Option<Request<Bytes>> {
        None
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], response: &Response<Bytes>) -> Fetched {
        answer::fetched(response)
    }

    fn normalize(&self, _document: &[u8]) -> Normalized {
        Err(PayloadError::new(
            "an Official Account has no order documents",
        ))
    }

    fn accounts(&self) -> Vec<String> {
        self.settings.oa_id.iter().cloned().collect()
    }

    fn tokens(&self) -> Option<&dyn Tokens> {
        Some(&self.oauth)
    }

    fn messages(&self) -> Option<&dyn Messages> {
        Some(self)
    }

    fn notices(&self) -> Option<&dyn Notices> {
        (!self.settings.templates.is_empty()).then_some(self)
    }
}

#[cfg(test)]
mod tests;
