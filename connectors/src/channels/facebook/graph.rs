//! Calls to the Graph API and the meaning of its errors.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Facebook;
use crate::channel::{CallContext, Fetched};
use crate::signature::appsecret_proof;
use crate::url::{Query, encode, get, post_json, retry_after_s};

impl Facebook {
    /// The request for a lead form, `lead:{page}:{leadgen_id}`.
    pub(super) fn lead_request(
        &self,
        external_id: &str,
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let rest = external_id.strip_prefix("lead:")?;
        let (page, lead) = match rest.split_once(':') {
            Some((page, lead)) => (Some(page), lead),
            None => (None, rest),
        };
        if lead.is_empty() {
            return None;
        }
        let token = match page {
            Some(page) => self.token(page, call)?,
            None => call.access_token.or_else(|| self.only_token())?,
        };
        let fields = Query::default().with("fields", "id,created_time,ad_id,form_id,field_data");
        self.get(&format!("/{}", encode(lead)), fields, token)
    }

    /// The token for a page: its own first, because the account's may be that of another page.
    pub(super) fn token<'a>(
        &'a self,
        page: &str,
        call: CallContext<'a>,
    ) -> Option<&'a SecretString> {
        match self.settings.page_tokens.get(page) {
            Some(token) => Some(token.primary()),
            None => call.access_token,
        }
    }

    fn only_token(&self) -> Option<&SecretString> {
        let mut tokens = self.settings.page_tokens.values();
        let only = tokens.next()?;
        tokens.next().is_none().then(|| only.primary())
    }

    /// A GET with the token in a header, so that no address with a token can be logged; the proof
    /// in the address is useless without it.
    pub(super) fn get(
        &self,
        path: &str,
        query: Query,
        token: &SecretString,
    ) -> Option<Request<Bytes>> {
        let uri = self.proven(path, query, token)?;
        authorized(get(uri), token)
    }

    /// A POST, as [`Self::get`].
    pub(super) fn post(
        &self,
        path: &str,
        query: Query,
        body: &Value,
        token: &SecretString,
    ) -> Option<Request<Bytes>> {
        let uri = self.proven(path, query, token)?;
        authorized(post_json(uri, body), token)
    }

    fn proven(&self, path: &str, query: Query, token: &SecretString) -> Option<Uri> {
        let proof = appsecret_proof(self.settings.app_secret.primary(), token);
        let path = query.with("appsecret_proof", proof).on(path);
        self.settings.base_url.join(&path)
    }
}

fn authorized(mut request: Request<Bytes>, token: &SecretString) -> Option<Request<Bytes>> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    Some(request)
}

/// An answer of the Graph API, sorted by its error code.
#[derive(Debug)]
pub(super) enum Answer {
    /// What was asked for.
    Good(Value),
    /// No such object.
    NotFound,
    /// The person may not be written to any more.
    OutsideWindow { reason: String },
    /// The person cannot receive this, now (551) or at all.
    Unreachable { later: bool, reason: String },
    /// Not now.
    Busy {
        after_s: Option<u64>,
        reason: String,
    },
    /// Token, permission or restriction: a person must act.
    Account { reason: String },
    /// This call will never work.
    Refused { code: i64, reason: String },
}

/// Error code: the comment has its private reply already.
pub(super) const ALREADY_REPLIED: i64 = 10_900;

/// Sorts an answer.
/// Source: Graph error reference and the Messenger error table.
pub(super) fn judge(response: &Response<Bytes>) -> Answer {
    let status = response.status();
    let after_s = after_s(response.headers());
    let body: Option<Value> = serde_json::from_slice(response.body()).ok();
    let Some(error) = body.as_ref().and_then(|b| b.get("error")) else {
        return match (status.is_success(), body) {
            (true, Some(body)) => Answer::Good(body),
            (true, None) => Answer::Busy {
                after_s,
                reason: "the answer is not JSON".to_owned(),
            },
            (false, _) if status == 429 || status.is_server_error() => Answer::Busy {
                after_s,
                reason: format!("HTTP {}", status.as_u16()),
            },
            (false, _) if status == 404 => Answer::NotFound,
            (false, _) => Answer::Refused {
                code: 0,
                reason: format!("HTTP {}", status.as_u16()),
            },
        };
    };
    let code = error.get("code").and_then(Value::as_i64).unwrap_or(0);
    let subcode = error.get("error_subcode").and_then(Value::as_i64);
    let reason = match subcode {
        Some(subcode) => format!("Meta error {code}/{subcode}"),
        None => format!("Meta error {code}"),
    };
    match (code, subcode) {
        // A page token cannot be refreshed by a call: a person must authorise again.
        (190, _) => Answer::Account { reason },
        // The page is restricted for a while.
        (10, Some(1_893_063)) => Answer::Account { reason },
        (10, Some(2_018_278 | 2_534_022)) => Answer::OutsideWindow { reason },
        (10, Some(2_018_108)) => Answer::Unreachable {
            later: false,
            reason,
        },
        (551, _) => Answer::Unreachable {
            later: true,
            reason,
        },
        (368 | 506, _) => Answer::Refused { code, reason },
        (10 | 200..=299, _) => Answer::Account { reason },
        (4 | 17 | 32 | 613 | 80_000..=80_014, _) => Answer::Busy { after_s, reason },
        (1 | 2 | 1200, _) => Answer::Busy { after_s, reason },
        // "Object does not exist" hides behind the code of a wrong parameter.
        (100, Some(33)) => Answer::NotFound,
        (100, _) => Answer::Refused { code, reason },
        _ if status == 429 || status.is_server_error() => Answer::Busy { after_s, reason },
        _ => Answer::Refused { code, reason },
    }
}

/// How long to wait: `retry-after`, else what the usage headers say.
///
/// `X-Business-Use-Case-Usage` tells the minutes until calls work again; the others only how much
/// of an hour's share is used, in percent: used up, it comes back little by little.
fn after_s(headers: &HeaderMap) -> Option<u64> {
    const USED_UP_PAUSE_S: u64 = 300;
    if let Some(seconds) = retry_after_s(headers) {
        return Some(seconds);
    }
    let header = |name: &str| -> Option<Value> {
        serde_json::from_str(headers.get(name)?.to_str().ok()?).ok()
    };
    let regain = header("x-business-use-case-usage").and_then(|usage| {
        let cases = usage.as_object()?.values().filter_map(Value::as_array);
        cases
            .flatten()
            .filter_map(|case| case.get("estimated_time_to_regain_access")?.as_u64())
            .max()
    });
    if let Some(minutes) = regain.filter(|minutes| *minutes > 0) {
        return Some(minutes.saturating_mul(60));
    }
    ["x-app-usage", "x-page-usage"]
        .iter()
        .filter_map(|name| header(name))
        .any(|usage| {
            ["call_count", "total_time", "total_cputime"]
                .iter()
                .filter_map(|share| usage.get(share)?.as_u64())
                .any(|percent| percent >= 100)
        })
        .then_some(USED_UP_PAUSE_S)
}

/// The answer to a fetch.
pub(super) fn fetched(response: &Response<Bytes>) -> Fetched {
    match judge(response) {
        Answer::Good(_) => Fetched::Document(response.body().clone()),
        Answer::NotFound => Fetched::NotFound,
        Answer::Busy { after_s, reason } => Fetched::Retry { after_s, reason },
        Answer::Account { reason } => Fetched::Account { reason },
        Answer::OutsideWindow { reason }
        | Answer::Unreachable { reason, .. }
        | Answer::Refused { reason, .. } => Fetched::Refused { reason },
    }
}

/// Graph writes `2025-12-04T04:20:00+0000`, an offset without a colon.
pub(super) fn moment(raw: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", raw)
        .or_else(|_| raw.parse())
        .ok()
}
