//! Signed calls to Lazada and what their answers mean: success is `code == "0"`, whatever the HTTP
//! status says.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Lazada;
use super::document::Loose;
use crate::channel::CallContext;
use crate::form;
use crate::inbound::PayloadError;
use crate::payload::{self, word};
use crate::signature::lazada_api_sign;
use crate::target::BuildError;
use crate::url::{self, BaseUrl, Query};

impl Lazada {
    /// A reading call, all parameters in the query.
    pub(super) fn get(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let query = parameters.iter().fold(
            self.signed(path, parameters, call),
            |query, (key, value)| query.with(key, value),
        );
        joined(&self.0.base_url, &query.on(path)).map(url::get)
    }

    /// A writing call: the vendor's parameters in the query, ours as a form.
    pub(super) fn post(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        self.post_to(&self.0.base_url, path, parameters, call)
    }

    pub(super) fn post_to(
        &self,
        base: &BaseUrl,
        path: &str,
        parameters: &[(&str, &str)],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let uri = joined(base, &self.signed(path, parameters, call).on(path))?;
        let pairs: Vec<String> = parameters
            .iter()
            .map(|(key, value)| format!("{key}={}", form::encode(value, "-._")))
            .collect();
        let mut request = Request::new(Bytes::from(pairs.join("&")));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        request.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        Ok(request)
    }

    /// The parameters that every call carries, with the signature over them and `ours`. The clock
    /// may be two hours off. Without a token the call is made all the same: the vendor's answer then
    /// starts a refresh. Nothing empty is ever sent: one of the vendor's own libraries signs empty
    /// values and another leaves them out.
    fn signed(&self, path: &str, ours: &[(&str, &str)], call: CallContext<'_>) -> Query {
        let timestamp = call.now.as_millisecond().to_string();
        let mut system = vec![
            ("app_key", self.0.app_key.as_str()),
            ("timestamp", timestamp.as_str()),
            ("sign_method", "sha256"),
        ];
        let token = call.access_token.map(ExposeSecret::expose_secret);
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            system.push(("access_token", token));
        }
        let all = [system.as_slice(), ours].concat();
        let sign = lazada_api_sign(self.0.app_secret.primary(), path, &all);
        system
            .into_iter()
            .fold(Query::default(), |query, (key, value)| {
                query.with(key, value)
            })
            .with("sign", sign)
    }
}

fn joined(base: &BaseUrl, path_and_query: &str) -> Result<http::Uri, BuildError> {
    base.join(path_and_query).ok_or_else(|| BuildError {
        what: "the address is too long".to_owned(),
    })
}

/// An answer, sorted by the vendor's codes.
pub(super) enum Answer {
    Good,
    NotFound,
    TokenExpired,
    Retry {
        after_s: Option<u64>,
        reason: String,
    },
    Reauthorize {
        reason: String,
    },
    Account {
        reason: String,
    },
    Refused {
        code: String,
        reason: String,
    },
}

/// `{code, type: ISV|ISP|SYSTEM, message, request_id}`.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    code: Loose,
    #[serde(default, rename = "type")]
    kind: Loose,
    #[serde(default)]
    message: Loose,
}

pub(super) fn judge(response: &Response<Bytes>) -> Answer {
    let status = response.status().as_u16();
    let asked_s = url::retry_after_s(response.headers());
    let head = serde_json::from_slice::<Head>(response.body()).ok();
    let Some((head, code)) = head.and_then(|head| {
        let code = plain(head.code.text()?);
        Some((head, code))
    }) else {
        return by_status(status, asked_s);
    };
    let reason = format!("{status} {}", word(&code));
    let retry = |after_s: Option<u64>, reason: String| Answer::Retry { after_s, reason };
    match code.as_str() {
        "0" if response.status().is_success() => Answer::Good,
        "0" => by_status(status, asked_s),
        "IllegalAccessToken" | "InvalidAccessToken" | "AccessTokenExpired" => Answer::TokenExpired,
        "IllegalRefreshToken" | "AUTH_TYPE_UNSUPPORTED" => Answer::Reauthorize { reason },
        _ if limits(&code) => {
            let told = head.message.text().and_then(ban_s);
            retry(asked_s.or(told), reason)
        }
        _ if passes(&code) => retry(asked_s, reason),
        "IncompleteSignature"
        | "InvalidSignature"
        | "InvalidAppKey"
        | "InsufficientPermission"
        | "AppWhiteIpLimit"
        | "SellerNotVerified"
        | "Mp3SellerApiLimit" => Answer::Account { reason },
        // The number belongs to another shop than the token does, or the order is not there yet.
        "16" => Answer::NotFound,
        _ if head.kind.text() == Some("SYSTEM") => retry(asked_s, reason),
        _ => Answer::Refused {
            code: word(&code),
            reason,
        },
    }
}

/// `E006` and `6` are the same code.
fn plain(code: &str) -> String {
    let digits = code.strip_prefix('E').unwrap_or(code);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return code.to_owned();
    }
    let short = digits.trim_start_matches('0');
    if short.is_empty() { "0" } else { short }.to_owned()
}

/// Too many calls.
fn limits(code: &str) -> bool {
    matches!(
        code,
        "ApiCallLimit" | "AppCallLimit" | "SellerCallLimit" | "901"
    )
}

/// Trouble at the vendor that passes: system error, failed call inside, lock not had.
pub(super) fn passes(code: &str) -> bool {
    matches!(
        code,
        "6" | "513" | "1000" | "40011" | "700024" | "ServiceUnavailable" | "ServiceTimeout"
    )
}

/// `… this ban will last 2 seconds`.
fn ban_s(message: &str) -> Option<u64> {
    let (_, rest) = message.split_once("will last ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn by_status(status: u16, after_s: Option<u64>) -> Answer {
    let reason = format!("{status} without the vendor's JSON");
    match status {
        // A 2xx that is not the vendor's JSON is a page of something in between.
        200..=299 | 408 | 429 | 500..=599 => Answer::Retry { after_s, reason },
        401 | 403 => Answer::Account { reason },
        _ => Answer::Refused {
            code: status.to_string(),
            reason,
        },
    }
}

/// The `data` of a good answer, as written.
pub(super) fn data(body: &[u8]) -> Result<&RawValue, PayloadError> {
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    serde_json::from_slice::<Whole<'_>>(body)
        .ok()
        .and_then(|whole| whole.data)
        .ok_or_else(|| PayloadError::new("data: missing"))
}

/// Reads the `data` of a good answer.
pub(super) fn read_data<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, PayloadError> {
    payload::read(data(body)?.get().as_bytes())
        .map_err(|error| PayloadError::new(format!("data.{}", error.what)))
}
