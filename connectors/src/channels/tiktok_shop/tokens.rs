//! TikTok Shop's tokens: access for seven days, refresh for as long as the seller allowed. Both
//! ends are told as moments.
//!
//! The refresh call carries the app's secret and the refresh token in its address: it must never be
//! logged.

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::TikTokShop;
use super::api::{Answer, judge};
use crate::channel::{Refreshed, TokenPair, Tokens};
use crate::literal::Literal;
use crate::url::{self, Query};

const REFRESH: &str = "/api/v2/token/refresh";

/// What the vendor's documents say where an answer does not.
const ACCESS_LIFE_S: i64 = 7 * 86_400;

#[derive(Deserialize)]
struct Answered {
    access_token: String,
    refresh_token: Option<String>,
    access_token_expire_in: Option<Literal>,
    refresh_token_expire_in: Option<Literal>,
}

impl Tokens for TikTokShop {
    fn refresh(&self, refresh_token: &SecretString, _: Timestamp) -> Request<Bytes> {
        let query = Query::default()
            .with("app_key", &self.0.app_key)
            .with("app_secret", self.0.app_secret.primary().expose_secret())
            .with("refresh_token", refresh_token.expose_secret())
            .with("grant_type", "refresh_token");
        let uri = self.0.auth_url.join(&query.on(REFRESH));
        url::get(uri.expect("invariant: the base address is checked and the query is encoded"))
    }

    fn read_refresh(&self, response: &Response<Bytes>, now: Timestamp) -> Refreshed {
        let document = match judge(response) {
            Answer::Good(document) => document,
            Answer::Retry { reason, .. } => return Refreshed::Retry { reason },
            Answer::TokenExpired => {
                return Refreshed::Reauthorize {
                    reason: "the refresh token is dead".to_owned(),
                };
            }
            Answer::Account { reason } | Answer::Refused { reason, .. } => {
                return Refreshed::Reauthorize { reason };
            }
        };
        let data = document.get("data").unwrap_or(&Value::Null);
        match Answered::deserialize(data) {
            Ok(answered) if !answered.access_token.is_empty() => {
                Refreshed::Pair(pair(answered, now))
            }
            Ok(_) | Err(_) => Refreshed::Reauthorize {
                reason: "an answer without a token".to_owned(),
            },
        }
    }

    fn refresh_early_s(&self) -> i64 {
        86_400
    }
}

fn pair(answered: Answered, now: Timestamp) -> TokenPair {
    let refresh = answered.refresh_token.filter(|token| !token.is_empty());
    TokenPair {
        access: SecretString::from(answered.access_token),
        access_expires_at: end(answered.access_token_expire_in.as_ref(), now)
            .unwrap_or_else(|| later(now, ACCESS_LIFE_S)),
        refresh_expires_at: refresh
            .as_ref()
            .and_then(|_| end(answered.refresh_token_expire_in.as_ref(), now)),
        refresh: refresh.map(SecretString::from),
    }
}

/// The vendor tells the moment, whatever the field's name suggests; a number too small for one is
/// taken as a life.
fn end(literal: Option<&Literal>, now: Timestamp) -> Option<Timestamp> {
    let seconds = literal?.whole("expire_in").ok()?;
    match seconds {
        1_000_000_000.. => Timestamp::from_second(seconds).ok(),
        1.. => Some(later(now, seconds)),
        _ => None,
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}
