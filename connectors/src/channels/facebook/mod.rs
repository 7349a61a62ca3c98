//! Facebook pages and Instagram: chats, comments, carts and lead forms of Meta's webhooks.
//!
//! Meta has no order documents any more (its order API was removed on 2026-10-27): nothing here
//! makes a confirmed order. Source: Webhooks and Messenger Platform documents, Graph v26.0.

mod changes;
mod envelope;
mod graph;
mod lead;
mod messages;
mod messaging;
mod polling;
mod subscriptions;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Polling, Wanted};
use crate::feedback::{Messages, Subscriptions};
use crate::form;
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind, Part, PayloadError,
    RawWebhook, Received, Rejection, Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::signature;
use crate::url::BaseUrl;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "facebook",
    build,
    schema,
    summary: "Facebook pages and Instagram: chats, comments, carts and lead forms",
};

/// Settings of `connector = "facebook"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The app's secret: signs every message and proves every call.
    pub app_secret: Secrets,
    /// The word typed into Meta's console for the subscription handshake.
    pub verify_token: Secrets,
    /// Page id → page access token, for calls.
    #[serde(default)]
    pub page_tokens: BTreeMap<String, Secrets>,
    /// Instagram account id → the page that it is linked to, whose token its calls take.
    #[serde(default)]
    pub instagram_pages: BTreeMap<String, String>,
    /// The app's id, to find it among the apps that a page has subscribed; left out, the first.
    #[serde(default)]
    pub app_id: Option<String>,
    /// What each page must have subscribed; what is missing is subscribed again.
    #[serde(default = "default_fields")]
    pub subscribed_fields: Vec<String>,
    /// The app has the permission "Human Agent": staff may answer for seven days.
    #[serde(default = "default_human_agent")]
    pub human_agent: bool,
    /// Graph with its version.
    #[serde(default = "default_base_url")]
    pub base_url: BaseUrl,
}

fn default_base_url() -> BaseUrl {
    BaseUrl::parse("https://graph.facebook.com/v26.0").expect("invariant: a constant address")
}

fn default_fields() -> Vec<String> {
    [
        "messages",
        "message_echoes",
        "messaging_postbacks",
        "messaging_referrals",
        "send_cart",
        "feed",
        "leadgen",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn default_human_agent() -> bool {
    true
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
    let settings: Settings = settings::read(value)?;
    if let Some((account, _)) = settings
        .instagram_pages
        .iter()
        .find(|(_, page)| !settings.page_tokens.contains_key(*page))
    {
        return Err(SettingsError::new(
            format!("instagram_pages.{account}"),
            "names a page that has no token in page_tokens",
        ));
    }
    Ok(Box::new(Facebook { settings }))
}

/// One app with its pages.
#[derive(Debug)]
pub struct Facebook {
    settings: Settings,
}

impl Inbound for Facebook {
    fn verify(&self, raw: &RawWebhook, _now: Timestamp) -> Verdict {
        if raw.method != Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        // Nothing but the body is signed: a captured request stays valid, so the dedup key is
        // what stands against replays.
        let proof = signature::hmac_sha256_hex(
            &self.settings.app_secret,
            &[&raw.body],
            "sha256=",
            raw.header("x-hub-signature-256"),
        );
        match proof {
            Ok(proof) => Verdict::Message(VerifiedWebhook::new(raw, None, proof)),
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        envelope::dedup_key(message.body())
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        envelope::notices(message.body())
    }

    fn account(&self, message: &VerifiedWebhook) -> Option<String> {
        envelope::account(message.body())
    }

    fn by_account(&self, message: &VerifiedWebhook) -> Vec<Part> {
        match envelope::by_account(message.body()) {
            Some(parts) => parts
                .into_iter()
                .map(|(account, body)| Part {
                    account,
                    message: message.part(body),
                })
                .collect(),
            None => vec![Part {
                account: self.account(message),
                message: message.clone(),
            }],
        }
    }

    /// Five seconds; Meta stops a subscription whose messages fail for long.
    fn ack_within(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }

    fn handshake(&self, raw: &RawWebhook) -> Option<Acknowledgement> {
        if raw.method != Method::GET {
            return None;
        }
        let fields = form::pairs(raw.query());
        let field = |name: &str| {
            fields
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let mode = field("hub.mode")?;
        let (challenge, token) = (field("hub.challenge"), field("hub.verify_token"));
        Some(match (mode, challenge, token) {
            ("subscribe", Some(challenge), Some(token))
                if signature::token_matches(&self.settings.verify_token, token) =>
            {
                Acknowledgement {
                    status: StatusCode::OK,
                    content_type: Some("text/plain"),
                    body: Bytes::copy_from_slice(challenge.as_bytes()),
                }
            }
            _ => Acknowledgement::empty(StatusCode::FORBIDDEN),
        })
    }
}

impl Channel for Facebook {
    fn connector(&self) -> &'static str {
        "facebook"
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[NoticeKind::Conversation]
    }

    /// `lead:{page}:{leadgen_id}` is a lead form; `lead:{leadgen_id}` where one page token is
    /// configured. Nothing else can be fetched.
    fn fetch(
        &self,
        wanted: Wanted<'_>,
        _: &[Bytes],
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let Wanted::Subject(subject) = wanted else {
            return None;
        };
        self.lead_request(subject, call)
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], response: &Response<Bytes>) -> Fetched {
        graph::fetched(response)
    }

    fn normalize(&self, _document: &[u8]) -> Normalized {
        Err(PayloadError::new("Meta has no order documents"))
    }

    /// A lead form: Meta's own names of fields (`full_name`, `phone_number`, `email`,
    /// `street_address`, `city`, `province`) fill the buyer and the address; a form's own questions
    /// become hints.
    fn answered(&self, subject: &str, document: &[u8]) -> Result<NoticeBody, PayloadError> {
        let page = subject
            .strip_prefix("lead:")
            .and_then(|rest| rest.split_once(':'))
            .map_or("", |(page, _)| page);
        lead::read(page, document).map(|lead| NoticeBody::Conversation(Box::new(lead)))
    }

    fn accounts(&self) -> Vec<String> {
        let Settings {
            page_tokens,
            instagram_pages,
            ..
        } = &self.settings;
        page_tokens
            .keys()
            .chain(instagram_pages.keys())
            .cloned()
            .collect()
    }

    fn polling(&self) -> Option<&dyn Polling> {
        self.polls().then_some(self)
    }

    fn messages(&self) -> Option<&dyn Messages> {
        Some(self)
    }

    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        self.polls().then_some(self)
    }
}

#[cfg(test)]
mod calls_tests;
#[cfg(test)]
mod tests;
