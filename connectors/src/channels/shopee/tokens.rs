//! Shopee's tokens: access for four hours, refresh for thirty days, once.

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::Shopee;
use super::api::{Answer, judge};
use crate::channel::{Refreshed, TokenPair, Tokens};
use crate::literal::Literal;
use crate::url;

const REFRESH: &str = "/api/v2/auth/access_token/get";

/// What the vendor's documents say where an answer does not.
const ACCESS_LIFE_S: i64 = 4 * 3600;
const REFRESH_LIFE_S: i64 = 30 * 86_400;

/// A token answer is flat, without the `response` wrapper.
#[derive(Deserialize)]
struct Answered {
    access_token: String,
    refresh_token: Option<String>,
    expire_in: Option<Literal>,
}

impl Tokens for Shopee {
    fn refresh(&self, refresh_token: &SecretString, now: Timestamp) -> Request<Bytes> {
        let query = self.public_call(REFRESH, now.as_second());
        let uri = self
            .0
            .base_url
            .join(&query.on(REFRESH))
            .expect("invariant: the base address is checked and the query is short");
        let body = json!({
            "refresh_token": refresh_token.expose_secret(),
            "shop_id": self.0.shop_id,
            "partner_id": self.0.partner_id,
        });
        url::post_json(uri, &body)
    }

    fn read_refresh(&self, response: &Response<Bytes>, now: Timestamp) -> Refreshed {
        let document = match judge(response) {
            Answer::Good(document) => document,
            Answer::Retry { reason, .. } => return Refreshed::Retry { reason },
            Answer::NotFound => {
                return Refreshed::Retry {
                    reason: "not found".to_owned(),
                };
            }
            Answer::TokenExpired => {
                return Refreshed::Reauthorize {
                    reason: "the refresh token is dead".to_owned(),
                };
            }
            Answer::Reauthorize { reason }
            | Answer::Account { reason }
            | Answer::Refused { reason } => return Refreshed::Reauthorize { reason },
        };
        match Answered::deserialize(&document) {
            Ok(answered) if !answered.access_token.is_empty() => {
                Refreshed::Pair(pair(answered, now))
            }
            // An answer without a pair has spent the refresh token: asking again cannot help.
            Ok(_) | Err(_) => Refreshed::Reauthorize {
                reason: "an answer without a token".to_owned(),
            },
        }
    }

    fn refresh_early_s(&self) -> i64 {
        1800
    }
}

fn pair(answered: Answered, now: Timestamp) -> TokenPair {
    let stated = answered
        .expire_in
        .and_then(|literal| literal.whole("expire_in").ok());
    let access_expires_at = match stated {
        // Some answers give the moment instead of the life.
        Some(epoch) if epoch > 1_000_000_000 => Timestamp::from_second(epoch).unwrap_or(now),
        Some(life) if life > 0 => later(now, life),
        Some(_) | None => later(now, ACCESS_LIFE_S),
    };
    let refresh = answered.refresh_token.filter(|token| !token.is_empty());
    TokenPair {
        access: SecretString::from(answered.access_token),
        refresh_expires_at: refresh.is_some().then(|| later(now, REFRESH_LIFE_S)),
        refresh: refresh.map(SecretString::from),
        access_expires_at,
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}
