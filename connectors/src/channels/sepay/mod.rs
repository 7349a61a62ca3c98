//! SePay: bank transfers as they arrive, and the list of them.
//!
//! A transfer pays the order whose code stands in its text, see [`crate::transfer`]. With
//! `secret` the messages are signed with their time; with `api_key` they only carry a key that
//! everybody on the way can read, so a transfer counts when the transaction API confirms it.
//! SePay's other products (its payment gateway, BankHub) post other documents and are not this.
//! Source: docs.sepay.vn.

mod api;
mod push;

use bytes::Bytes;
use domain::code::Prefix;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use super::{Built, ChannelContext, ChannelEntry, provider};
use crate::channel::{CallContext, Channel, Fetched, Polling, Wanted};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind, PayloadError, RawWebhook,
    Received, Rejection, Source, Verdict, VerifiedWebhook,
};
use crate::payload::digest;
use crate::settings::{self, Secrets, SettingsError};
use crate::signature;
use crate::transfer::Trust;
use crate::url::BaseUrl;

const SUCCESS: &str = r#"{"success":true}"#;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "sepay",
    build,
    schema,
    summary: "SePay: bank transfers, matched to orders by the code in their text",
};

/// Settings of `connector = "sepay"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Signs messages, with their time.
    secret: Option<Secrets>,
    /// Instead of `secret`: a key that messages carry. Then transfers are confirmed by the API.
    api_key: Option<Secrets>,
    /// The letters that order codes begin with, as in `kenh.toml`.
    order_code_prefix: String,
    /// The token of the transaction API: confirms unsigned messages and finds lost ones.
    api_token: Option<Secrets>,
    /// The API's address.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// Only transfers to this account; without it to every account that SePay watches.
    account_number: Option<String>,
    /// How far the signed time may be off, seconds.
    #[serde(default = "tolerance_s")]
    tolerance_s: u32,
}

const HOST: &str = "https://my.sepay.vn";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

fn tolerance_s() -> u32 {
    300
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let prefix = settings.order_code_prefix.parse::<Prefix>();
    let prefix =
        prefix.map_err(|error| SettingsError::new("order_code_prefix", error.to_string()))?;
    provider::fits_header(settings.api_token.as_ref(), "api_token")?;
    let check = match (settings.secret.clone(), settings.api_key.clone()) {
        (Some(secret), None) => Check::Signed(secret),
        (None, Some(api_key)) => Check::Carried(api_key),
        (Some(_), Some(_)) | (None, None) => {
            let message = "set `secret` or `api_key`, as the webhook in SePay's console is set";
            return Err(SettingsError::new("secret", message));
        }
    };
    Ok(Box::new(Sepay {
        settings,
        prefix,
        check,
    }))
}

/// How messages are believed.
#[derive(Debug)]
enum Check {
    Signed(Secrets),
    Carried(Secrets),
}

/// One SePay account.
#[derive(Debug)]
struct Sepay {
    settings: Settings,
    prefix: Prefix,
    check: Check,
}

impl Inbound for Sepay {
    fn verify(&self, raw: &RawWebhook, now: Timestamp) -> Verdict {
        if raw.method != Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        let proof = match &self.check {
            Check::Signed(secret) => signature::timestamped_body(
                secret,
                raw.header("x-sepay-timestamp"),
                &raw.body,
                raw.header("x-sepay-signature"),
                now,
                i64::from(self.settings.tolerance_s),
            ),
            Check::Carried(api_key) => match raw.header("authorization") {
                Some(header) => match header.strip_prefix("Apikey ") {
                    Some(given) => signature::token(api_key, Some(given.trim())),
                    None => Err(Rejection::MalformedSignature),
                },
                None => Err(Rejection::MissingSignature),
            },
        };
        match proof {
            Ok(proof) => Verdict::Message(VerifiedWebhook::new(raw, None, proof)),
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    /// `id`; a row of the list is another message about the same transfer.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        let listed = message.source() == Source::Poll;
        match push::id(message.body()) {
            Some(id) if listed => format!("list:{id}"),
            Some(id) => id,
            None => format!("body:{}", digest(message.body())),
        }
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        if message.source() == Source::Poll {
            return self.listed(message.body());
        }
        let trust = match &self.check {
            Check::Signed(_) => Some(Trust::Confirmed),
            Check::Carried(_) if self.settings.api_token.is_some() => None,
            Check::Carried(_) => Some(Trust::Unconfirmed),
        };
        self.pushed(message.body(), trust)
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        match received {
            Received::Stored(_) | Received::Duplicate(_) => Acknowledgement::json(SUCCESS),
            Received::Rejected(_) => Acknowledgement::empty(StatusCode::UNAUTHORIZED),
            Received::Unavailable => Acknowledgement::empty(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    fn weak(&self) -> bool {
        match self.check {
            Check::Signed(_) => false,
            Check::Carried(_) => true,
        }
    }
}

impl Channel for Sepay {
    fn connector(&self) -> &'static str {
        ENTRY.name
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        if self.settings.api_token.is_some() {
            &[NoticeKind::Payment]
        } else {
            &[]
        }
    }

    fn fetch(&self, wanted: Wanted<'_>, _: &[Bytes], _: CallContext<'_>) -> Option<Request<Bytes>> {
        let Wanted::Subject(subject) = wanted else {
            return None;
        };
        self.details(subject.strip_prefix(push::TRANSACTION)?)
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], response: &Response<Bytes>) -> Fetched {
        api::read_details(response)
    }

    fn normalize(&self, _: &[u8]) -> Normalized {
        Err(PayloadError::new("SePay has no order documents"))
    }

    fn answered(&self, subject: &str, document: &[u8]) -> Result<NoticeBody, PayloadError> {
        let id = subject.strip_prefix(push::TRANSACTION);
        let id = id.ok_or_else(|| PayloadError::new("subject: expected a transaction"))?;
        self.confirmed(id, document)
    }

    fn polling(&self) -> Option<&dyn Polling> {
        if self.settings.api_token.is_some() {
            Some(self)
        } else {
            None
        }
    }
}
