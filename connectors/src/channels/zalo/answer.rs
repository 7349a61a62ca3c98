//! What Zalo's answers mean: HTTP is 200, `error` says what happened, and the same number means
//! different things in the two APIs.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::oauth::error_code;
use crate::channel::Fetched;
use crate::url::retry_after_s;

/// Whose table of errors holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// `openapi.zalo.me`: the Official Account.
    Account,
    /// `business.openapi.zalo.me`: template messages (ZNS).
    Template,
}

/// An answer, sorted.
#[derive(Debug)]
pub(super) enum Answer {
    /// Done.
    Good(Value),
    /// Refresh the access token once, then try again.
    TokenExpired,
    /// Not now.
    Busy {
        after_s: Option<u64>,
        reason: String,
    },
    /// Templates are not delivered at night.
    Night { reason: String },
    /// Quota or balance is used up: again after midnight, or after somebody has paid.
    Quota { reason: String },
    /// App or account lacks a permission: a person must act.
    Account { reason: String },
    /// This call will never work.
    Refused { code: &'static str, reason: String },
}

/// Sorts an answer.
///
/// Sources: Zalo's error pages and public receivers; -230 and -213 as seen by users of the API.
pub(super) fn judge(api: Api, response: &Response<Bytes>) -> Answer {
    let status = response.status();
    let after_s = retry_after_s(response.headers());
    let body: Option<Value> = serde_json::from_slice(response.body()).ok();
    let Some(code) = body.as_ref().and_then(error_code) else {
        let reason = format!("HTTP {}: no error code in the answer", status.as_u16());
        return if status.is_success() || status == 429 || status.is_server_error() {
            Answer::Busy { after_s, reason }
        } else {
            Answer::Refused {
                code: "refused",
                reason,
            }
        };
    };
    let reason = format!("Zalo error {code}");
    let refused = |code, reason| Answer::Refused { code, reason };
    match (api, code) {
        (_, 0) => Answer::Good(body.unwrap_or_default()),
        (_, -216 | -220 | -124) => Answer::TokenExpired,
        (_, -100 | -32) => Answer::Busy { after_s, reason },
        (_, -115 | -144 | -147) => Answer::Quota { reason },
        (_, -120 | -135 | -136 | -138 | -105..=-101) => Answer::Account { reason },
        (_, -114 | -139 | -140 | -141) => refused("refuses", reason),
        (Api::Account, -211) => Answer::Quota { reason },
        (Api::Account, -213 | -230) => refused("outside_window", reason),
        (Api::Account, -207) => refused("unknown_person", reason),
        (_, -201 | -203) => refused("bad_parameter", reason),
        (Api::Template, -133) => Answer::Night { reason },
        (Api::Template, -118 | -119) => refused("no_zalo", reason),
        (Api::Template, -110) => refused("old_zalo", reason),
        (Api::Template, -108) => refused("bad_phone", reason),
        (Api::Template, -109 | -111 | -112 | -113 | -117 | -131) => refused("template", reason),
        (Api::Template, -249) => refused("phone_only", reason),
        (Api::Account | Api::Template, _) => refused("refused", reason),
    }
}

/// Whether the answer says how the call went.
pub(super) fn is_readable(response: &Response<Bytes>) -> bool {
    let body: Option<Value> = serde_json::from_slice(response.body()).ok();
    body.as_ref().and_then(error_code).is_some()
}

/// The answer to a fetch of the account's API.
pub(super) fn fetched(response: &Response<Bytes>) -> Fetched {
    match judge(Api::Account, response) {
        Answer::Good(_) => Fetched::Document(response.body().clone()),
        Answer::TokenExpired => Fetched::TokenExpired,
        Answer::Busy { after_s, reason } => Fetched::Retry { after_s, reason },
        Answer::Account { reason } | Answer::Quota { reason } | Answer::Night { reason } => {
            Fetched::Account { reason }
        }
        Answer::Refused { reason, .. } => Fetched::Refused { reason },
    }
}
