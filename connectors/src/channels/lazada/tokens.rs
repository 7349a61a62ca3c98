//! Lazada's tokens: access for thirty days, refresh for 180, of which no refresh adds any.

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Lazada;
use super::api::{Answer, judge};
use super::document::Loose;
use crate::channel::{CallContext, Refreshed, TokenPair, Tokens};

const REFRESH: &str = "/auth/token/refresh";

/// What the vendor's documents say of an online app where an answer does not.
const ACCESS_LIFE_S: i64 = 30 * 86_400;

/// A token answer is flat, without `data`.
#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    access_token: Loose,
    #[serde(default)]
    refresh_token: Loose,
    #[serde(default)]
    expires_in: Loose,
    /// What is left of the authorisation; 0 when the shop must authorise the app again.
    #[serde(default)]
    refresh_expires_in: Loose,
}

impl Tokens for Lazada {
    fn refresh(&self, refresh_token: &SecretString, now: Timestamp) -> Request<Bytes> {
        let call = CallContext {
            now,
            access_token: None,
        };
        let parameters = [("refresh_token", refresh_token.expose_secret())];
        self.post_to(&self.0.auth_url, REFRESH, &parameters, call)
            .expect("invariant: the base address is checked and the query is short")
    }

    fn read_refresh(&self, response: &Response<Bytes>, now: Timestamp) -> Refreshed {
        match judge(response) {
            Answer::Good => {}
            Answer::Retry { reason, .. } => return Refreshed::Retry { reason },
            Answer::TokenExpired => {
                return Refreshed::Reauthorize {
                    reason: "the refresh token is dead".to_owned(),
                };
            }
            Answer::NotFound => {
                return Refreshed::Reauthorize {
                    reason: "not known there".to_owned(),
                };
            }
            Answer::Reauthorize { reason }
            | Answer::Account { reason }
            | Answer::Refused { reason, .. } => return Refreshed::Reauthorize { reason },
        }
        let answered: Option<Answered> = serde_json::from_slice(response.body()).ok();
        match answered.and_then(|answered| pair(&answered, now)) {
            Some(pair) => Refreshed::Pair(pair),
            None => Refreshed::Reauthorize {
                reason: "an answer without a living token".to_owned(),
            },
        }
    }

    fn refresh_early_s(&self) -> i64 {
        86_400
    }
}

/// A pair whose access token lives is used to its end, even where the authorisation behind it is
/// over: its stated end raises the alarm, and the next refresh is refused.
fn pair(answered: &Answered, now: Timestamp) -> Option<TokenPair> {
    let access = answered.access_token.owned()?;
    let life = seconds(&answered.expires_in).unwrap_or(ACCESS_LIFE_S);
    if life <= 0 {
        return None;
    }
    let refresh = answered.refresh_token.owned();
    Some(TokenPair {
        access: SecretString::from(access),
        refresh: refresh.map(SecretString::from),
        access_expires_at: later(now, life),
        refresh_expires_at: seconds(&answered.refresh_expires_in)
            .map(|left| later(now, left.max(0))),
    })
}

fn seconds(value: &Loose) -> Option<i64> {
    value.text()?.parse().ok()
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}
