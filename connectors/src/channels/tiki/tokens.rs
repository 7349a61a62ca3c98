//! Tokens of an app (OAuth2). An in-house app asks with its secret and has no refresh token; a
//! public app gets a new pair for its old one.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Grant, Settings, Tiki};
use crate::channel::{Refreshed, TokenPair, Tokens};
use crate::literal::Literal;
use crate::settings::SettingsError;
use crate::{form, signature, url};

const TOKEN: &str = "/sc/oauth2/token";

/// What an app was seen to get where an answer does not say.
const ACCESS_LIFE_S: i64 = 3599;

#[derive(Deserialize)]
struct Answered {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<Literal>,
}

#[derive(Deserialize)]
struct Failed {
    error: Option<String>,
}

/// The app's id and secret as HTTP Basic.
pub(super) fn credentials(settings: &Settings) -> Result<HeaderValue, SettingsError> {
    let basic = signature::basic_auth(&settings.client_id, settings.client_secret.primary());
    let mut value = HeaderValue::from_str(basic.expose_secret())
        .map_err(|_| SettingsError::new("client_secret", "cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Tokens for Tiki {
    /// With client credentials the refresh token is not looked at: it may be empty.
    fn refresh(&self, refresh_token: &SecretString, _: Timestamp) -> Request<Bytes> {
        let field = |text: &str| form::encode(text, "-._");
        let settings = &self.settings;
        let (id, scope) = (field(&settings.client_id), field(&settings.scope));
        let body = match settings.grant {
            Grant::ClientCredentials => {
                format!("grant_type=client_credentials&client_id={id}&scope={scope}")
            }
            Grant::RefreshToken => {
                let token = field(refresh_token.expose_secret());
                format!("grant_type=refresh_token&client_id={id}&refresh_token={token}")
            }
        };
        let uri = settings
            .base_url
            .join(TOKEN)
            .expect("invariant: the base address is checked and the path is short");
        let mut request = url::get(uri);
        *request.method_mut() = Method::POST;
        *request.body_mut() = Bytes::from(body);
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.credentials.clone());
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        request
    }

    fn read_refresh(&self, response: &Response<Bytes>, now: Timestamp) -> Refreshed {
        let status = response.status();
        if let Ok(answered) = serde_json::from_slice::<Answered>(response.body())
            && status.is_success()
            && !answered.access_token.is_empty()
        {
            return Refreshed::Pair(pair(answered, now));
        }
        let error = serde_json::from_slice::<Failed>(response.body())
            .ok()
            .and_then(|failed| failed.error)
            .map(|word| crate::payload::word(&word))
            .unwrap_or_default();
        let reason = format!("{} {error}", status.as_u16()).trim_end().to_owned();
        match (status.as_u16(), self.settings.grant) {
            (400 | 401 | 403, _) => Refreshed::Reauthorize { reason },
            // The old refresh token may be spent; the app's own secret never is.
            (200..=299, Grant::RefreshToken) => Refreshed::Reauthorize { reason },
            _ => Refreshed::Retry { reason },
        }
    }

    fn needs_refresh_token(&self) -> bool {
        self.settings.grant == Grant::RefreshToken
    }

    fn refresh_early_s(&self) -> i64 {
        600
    }
}

fn pair(answered: Answered, now: Timestamp) -> TokenPair {
    let life = answered
        .expires_in
        .and_then(|literal| literal.whole("expires_in").ok())
        .filter(|life| *life > 0)
        .unwrap_or(ACCESS_LIFE_S);
    TokenPair {
        access: SecretString::from(answered.access_token),
        refresh: answered
            .refresh_token
            .filter(|token| !token.is_empty())
            .map(SecretString::from),
        access_expires_at: now
            .checked_add(SignedDuration::from_secs(life))
            .unwrap_or(Timestamp::MAX),
        refresh_expires_at: None,
    }
}
