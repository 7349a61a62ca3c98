//! Tokens of an Official Account (OAuth v4).

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Settings;
use crate::channel::{Refreshed, TokenPair, Tokens};
use crate::form;
use crate::settings::SettingsError;

/// "Three months" in Zalo's documents, on the short side.
const REFRESH_TOKEN_LIVES_S: i64 = 89 * 86_400;

/// Refreshing the pair of one account.
#[derive(Debug)]
pub(super) struct Oauth {
    uri: Uri,
    app_id: String,
    secret_key: HeaderValue,
}

impl Oauth {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let uri = settings
            .oauth_url
            .join("/v4/oa/access_token")
            .ok_or_else(|| SettingsError::new("oauth_url", "is too long"))?;
        let secret = settings.app_secret.primary().expose_secret();
        let mut secret_key = HeaderValue::from_str(secret)
            .map_err(|_| SettingsError::new("app_secret", "cannot be sent in a header"))?;
        secret_key.set_sensitive(true);
        Ok(Self {
            uri,
            app_id: settings.app_id.clone(),
            secret_key,
        })
    }
}

impl Tokens for Oauth {
    fn refresh(&self, refresh_token: &SecretString, _now: Timestamp) -> Request<Bytes> {
        let body = format!(
            "refresh_token={}&app_id={}&grant_type=refresh_token",
            form::encode(refresh_token.expose_secret(), "-._"),
            form::encode(&self.app_id, "-._"),
        );
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert("secret_key", self.secret_key.clone());
        request
    }

    fn read_refresh(&self, response: &Response<Bytes>, now: Timestamp) -> Refreshed {
        let status = response.status();
        if status == 429 || status.is_server_error() {
            return Refreshed::Retry {
                reason: format!("HTTP {}", status.as_u16()),
            };
        }
        let Ok(body) = serde_json::from_slice::<Value>(response.body()) else {
            // The old token may be spent and the new one is lost: only a person can go on.
            return Refreshed::Reauthorize {
                reason: format!("HTTP {}: the answer is not JSON", status.as_u16()),
            };
        };
        match error_code(&body) {
            None | Some(0) => {}
            Some(-100) => {
                return Refreshed::Retry {
                    reason: "Zalo error -100".to_owned(),
                };
            }
            Some(code) => {
                return Refreshed::Reauthorize {
                    reason: format!("Zalo error {code}"),
                };
            }
        }
        match pair(&body, now) {
            Some(pair) => Refreshed::Pair(pair),
            None => Refreshed::Reauthorize {
                reason: "the answer holds no pair of tokens".to_owned(),
            },
        }
    }

    /// Access tokens live 25 hours today and lived 1 hour in older documents: early enough for
    /// both.
    fn refresh_early_s(&self) -> i64 {
        900
    }
}

/// `expires_in` is a text of seconds.
fn pair(body: &Value, now: Timestamp) -> Option<TokenPair> {
    let token = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .filter(|token| !token.is_empty())
            .map(SecretString::from)
    };
    let lives_s: i64 = match body.get("expires_in")? {
        Value::String(text) => text.trim().parse().ok()?,
        Value::Number(number) => number.as_i64()?,
        _ => return None,
    };
    let after = |seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok();
    Some(TokenPair {
        access: token("access_token")?,
        refresh: Some(token("refresh_token")?),
        access_expires_at: after(lives_s.max(0))?,
        refresh_expires_at: after(REFRESH_TOKEN_LIVES_S),
    })
}

pub(super) fn error_code(body: &Value) -> Option<i64> {
    match body.get("error")? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
