//! Signed calls to TikTok Shop and what their answers mean: success is `code == 0`; everything
//! else is sorted by its code, whatever the HTTP status says.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::TikTokShop;
use crate::channel::CallContext;
use crate::literal::Literal;
use crate::signature::tiktok_api_sign;
use crate::url::{self, Query};

const TOKEN: &str = "x-tts-access-token";

impl TikTokShop {
    /// A signed GET of `path` with these parameters. Without a token the call is made all the same:
    /// the vendor's answer then starts a refresh.
    pub(super) fn get(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let uri = self.address(path, parameters, b"", call)?;
        Some(with_token(url::get(uri), call))
    }

    /// A signed POST: the signature covers the very bytes of the body.
    pub(super) fn post(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        body: &Value,
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let bytes = body.to_string();
        let uri = self.address(path, parameters, bytes.as_bytes(), call)?;
        Some(with_token(url::post_json(uri, body), call))
    }

    fn address(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        body: &[u8],
        call: CallContext<'_>,
    ) -> Option<http::Uri> {
        let timestamp = call.now.as_second().to_string();
        let mut query = vec![
            ("app_key", self.0.app_key.as_str()),
            ("timestamp", timestamp.as_str()),
            ("shop_cipher", self.0.shop_cipher.as_str()),
        ];
        query.extend_from_slice(parameters);
        let sign = tiktok_api_sign(self.0.app_secret.primary(), path, &query, body);
        let query = query
            .into_iter()
            .fold(Query::default(), |query, (key, value)| {
                query.with(key, value)
            })
            .with("sign", sign);
        self.0.base_url.join(&query.on(path))
    }
}

fn with_token(mut request: Request<Bytes>, call: CallContext<'_>) -> Request<Bytes> {
    let headers = request.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let token = call.access_token.map_or("", |token| token.expose_secret());
    if let Ok(mut value) = HeaderValue::from_str(token) {
        value.set_sensitive(true);
        headers.insert(TOKEN, value);
    }
    request
}

/// An id that may stand in a path: letters and digits only.
pub(super) fn path_id(id: &str) -> Option<&str> {
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (plain && !id.is_empty() && id.len() <= 64).then_some(id)
}

/// An answer, sorted by the vendor's code.
pub(super) enum Answer {
    Good(Value),
    TokenExpired,
    Retry {
        after_s: Option<u64>,
        reason: String,
    },
    Account {
        reason: String,
    },
    Refused {
        code: i64,
        reason: String,
    },
}

#[derive(Deserialize)]
struct Head {
    code: Option<Literal>,
    message: Option<String>,
}

pub(super) fn judge(response: &Response<Bytes>) -> Answer {
    let status = response.status();
    let after_s = url::retry_after_s(response.headers());
    let document = serde_json::from_slice::<Value>(response.body()).ok();
    let head = document
        .as_ref()
        .and_then(|document| Head::deserialize(document).ok());
    let code = head
        .as_ref()
        .and_then(|head| head.code.as_ref()?.whole("code").ok());
    let (Some(document), Some(code)) = (document, code) else {
        return by_status(status.as_u16(), after_s, 0, "without a code".to_owned());
    };
    if code == 0 && status.is_success() {
        return Answer::Good(document);
    }
    let message = head.and_then(|head| head.message).unwrap_or_default();
    let reason = match meaning(code) {
        Some(meaning) => format!("code {code}, {meaning}"),
        None => format!("code {code}"),
    };
    match code {
        // The vendor's words on two of these are "expired" and "invalid": a new token helps both.
        105_000..=105_002 => Answer::TokenExpired,
        36_009_004 => credential(&message.to_ascii_lowercase(), reason),
        36_009_002 | 36_009_003 | 36_009_007 | 11_001_031 | 21_001_003 | 21_001_008
        | 21_001_011 => Answer::Retry { after_s, reason },
        106_001 | 106_013 | 105_005 | 101_000 | 36_009_033 | 36_009_009 | 36_009_010 => {
            Answer::Account { reason }
        }
        _ => by_status(status.as_u16(), after_s, code, reason),
    }
}

/// 36009004 is one code for four faults: the text tells them apart.
fn credential(message: &str, reason: String) -> Answer {
    if message.contains("timestamp") {
        // Ours is at most a few seconds old; the vendor allows five minutes.
        return Answer::Account {
            reason: format!("{reason} (the time of the call)"),
        };
    }
    if message.contains("cipher") {
        return Answer::Account {
            reason: format!("{reason} (shop_cipher)"),
        };
    }
    if message.contains("token") || message.contains("credential") {
        return Answer::TokenExpired;
    }
    Answer::Account { reason }
}

fn by_status(status: u16, after_s: Option<u64>, code: i64, reason: String) -> Answer {
    let reason = format!("{status} {reason}");
    match status {
        // A 2xx that is not the vendor's JSON is a page of something in between.
        200..=299 if code == 0 => Answer::Retry { after_s, reason },
        401 | 403 => Answer::Account { reason },
        408 | 429 | 500..=599 => Answer::Retry { after_s, reason },
        _ => Answer::Refused { code, reason },
    }
}

/// What the codes mean that people may meet. The vendor's own texts are not repeated: they may name
/// what was in the request.
fn meaning(code: i64) -> Option<&'static str> {
    Some(match code {
        36_009_002 => "too many requests",
        36_009_003 | 21_001_011 => "an error at the vendor",
        106_001 => "the signature is wrong",
        106_013 => "shop_cipher is missing",
        105_005 => "the app lacks the scope",
        36_009_033 => "our address is not on the app's list",
        36_009_004 => "a credential is missing or wrong",
        36_009_009 | 36_009_010 => "no such call",
        11_006_013 | 11_006_014 => "phones and tablets must ship alone",
        21_008_111 => "the order belongs to another shop",
        21_011_022 => "the tracking number or the carrier is wrong",
        21_011_028 => "the parcel belongs to another shop",
        10_007_014 => "the shop does not deliver with its own fleet",
        11_034_002 | 21_008_017 => "the shop ships this order itself",
        11_034_037 => "the label is being made",
        21_023_035 | 21_042_104 => "the shipment is not arranged yet",
        21_021_010 | 21_011_007 => "a return or refund is under way",
        21_023_046 | 21_042_102 => "the carrier has the parcel already",
        25_001_011 => "it is being cancelled already",
        25_001_014 | 25_001_015 | 25_001_020 | 25_001_021 => {
            "the reason is not one for this state of the order"
        }
        25_001_045 => "it has been shipped",
        25_001_051 => "it is completed or cancelled",
        25_011_011 | 25_011_012 => "the request waits for no answer of ours",
        25_020_005 => "no permission for this order",
        25_020_010 => "it has been granted already",
        12_019_022 | 12_019_028 | 12_052_037 => {
            "the warehouse is missing or wrong, or there are several"
        }
        12_019_024 => "the quantity is not valid",
        12_052_031 | 12_052_032 | 12_052_048 => "no such product in this shop",
        12_052_036 => "no such SKU",
        _ => return None,
    })
}

/// An entry of `data.errors`: a call for several things may fail for one of them with `code == 0`.
#[derive(Deserialize)]
struct Failed {
    code: Literal,
}

/// The first failure inside a good answer: its code and our words for it.
pub(super) fn partial_failure(document: &Value) -> Option<(i64, String)> {
    let errors = document.pointer("/data/errors")?.as_array()?;
    let failed = Failed::deserialize(errors.first()?).ok();
    let code = failed
        .and_then(|failed| failed.code.whole("code").ok())
        .unwrap_or_default();
    let words = meaning(code).unwrap_or("refused by the vendor");
    (code != 0 || !errors.is_empty()).then(|| (code, format!("code {code}, {words}")))
}
