//! Casso: bank transfers as they arrive, and the list of them.
//!
//! A transfer pays the order whose code stands in its text, see [`crate::transfer`]. Version 2
//! signs the body written anew with sorted keys, see [`signature::casso`]; the older webhook only
//! carries a token that everybody on the way can read, and holds several transfers, which count
//! when the transaction API confirms them.
//! Source: developer.casso.vn.

mod api;
mod push;

use bytes::Bytes;
use domain::code::Prefix;
use http::{Method, Request, Response};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use super::{Built, ChannelContext, ChannelEntry, plain_answer, provider};
use crate::channel::{CallContext, Channel, Fetched, Polling, Wanted};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind, PayloadError, RawWebhook,
    Received, Rejection, Source, Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::signature;
use crate::transfer::Trust;
use crate::url::BaseUrl;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "casso",
    build,
    schema,
    summary: "Casso: bank transfers, matched to orders by the code in their text",
};

/// Settings of `connector = "casso"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Signs messages of the webhook's version 2.
    checksum_key: Option<Secrets>,
    /// Instead of `checksum_key`: the token that the older webhook carries. Then transfers are
    /// confirmed by the API.
    secure_token: Option<Secrets>,
    /// The letters that order codes begin with, as in `kenh.toml`.
    order_code_prefix: String,
    /// The API key of the transaction API: confirms unsigned messages and finds lost ones.
    api_token: Option<Secrets>,
    /// The API's address.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// Only transfers to this account; without it to every account that Casso watches.
    account_number: Option<String>,
}

const HOST: &str = "https://oauth.casso.vn";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
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
    let check = match (settings.checksum_key.clone(), settings.secure_token.clone()) {
        (Some(key), None) => Check::Signed(key),
        (None, Some(token)) => Check::Carried(token),
        (Some(_), Some(_)) | (None, None) => {
            let message = "set `checksum_key` (webhook v2) or `secure_token` (the older webhook)";
            return Err(SettingsError::new("checksum_key", message));
        }
    };
    Ok(Box::new(Casso {
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

/// One Casso business.
#[derive(Debug)]
struct Casso {
    settings: Settings,
    prefix: Prefix,
    check: Check,
}

impl Inbound for Casso {
    /// The signed time has no documented window; a repeat is caught by the transaction's id.
    fn verify(&self, raw: &RawWebhook, _: Timestamp) -> Verdict {
        if raw.method != Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        let proof = match &self.check {
            Check::Signed(key) => signature::casso(key, &raw.body, raw.header("x-casso-signature")),
            Check::Carried(token) => signature::token(token, raw.header("secure-token")),
        };
        match proof {
            Ok(proof) => Verdict::Message(VerifiedWebhook::new(raw, None, proof)),
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    /// The ids of the transfers; a row of the list is another message about the same transfer.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        let prefix = match message.source() {
            Source::Push => "",
            Source::Poll => "list:",
        };
        format!("{prefix}{}", push::key(message.body()))
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
        plain_answer(received)
    }

    fn weak(&self) -> bool {
        match self.check {
            Check::Signed(_) => false,
            Check::Carried(_) => true,
        }
    }
}

impl Channel for Casso {
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
        Err(PayloadError::new("Casso has no order documents"))
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
