//! Answers of the Official Account to persons who wrote to it.
//! Source: `v3.0/oa/message/cs`; the conversation's list from public clients of `v2.0`.

use bytes::Bytes;
use domain::task::{ChannelMessage, Given, Outcome};
use http::{HeaderValue, Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::Zalo;
use super::answer::{Answer, Api, judge};
use super::events::text;
use crate::channel::CallContext;
use crate::feedback::{Messages, Step, Try, Window};
use crate::payload::word;
use crate::signature::appsecret_proof;
use crate::target::BuildError;
use crate::url::{Query, get, post_json};

/// Zalo's longest text, characters.
const LONGEST: usize = 2000;

/// The quota of answers is filled again when the person writes or at midnight: asking every hour is
/// enough.
const QUOTA_PAUSE_S: u64 = 3600;

/// The answer of a look that found nothing.
const ABSENT: &[u8] = b"absent";

impl Messages for Zalo {
    fn window(&self, message: &ChannelMessage, now: Timestamp) -> Window {
        let hours = SignedDuration::from_hours(i64::from(self.settings.reply_window_h));
        let until = message
            .last_heard_at
            .and_then(|heard| heard.checked_add(hours).ok());
        match until {
            Some(until) if now < until => Window::Open { until: Some(until) },
            Some(_) | None => Window::Closed,
        }
    }

    fn longest(&self) -> usize {
        LONGEST
    }

    /// After an unknown outcome the first call looks whether the message is there: Zalo takes no
    /// idempotency key.
    fn request(
        &self,
        message: &ChannelMessage,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        // A rating, a report and a visitor without a name are persons of ours, not of Zalo.
        if message.person.contains(':') {
            return Err(wrong("person: not somebody who wrote to the account"));
        }
        if message.text.trim().is_empty() {
            return Err(wrong("text: empty"));
        }
        if looks(attempt) {
            let about = json!({"user_id": message.person, "offset": 0, "count": 10});
            let path = Query::default()
                .with("data", about.to_string())
                .on("/v2.0/oa/conversation");
            let uri = self.settings.base_url.join(&path);
            let request = get(uri.ok_or_else(|| wrong("person: makes no address"))?);
            return self.authorized(request, call);
        }
        if self.window(message, call.now) == Window::Closed {
            return Err(wrong("the person may not be written to any more"));
        }
        let body = json!({
            "recipient": {"user_id": message.person}, "message": {"text": message.text},
        });
        let uri = self.settings.base_url.join("/v3.0/oa/message/cs");
        let request = post_json(uri.ok_or_else(|| wrong("base_url: too long"))?, &body);
        self.authorized(request, call)
    }

    fn read(&self, message: &ChannelMessage, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let body = match judge(Api::Account, response) {
            Answer::Good(body) => body,
            Answer::TokenExpired => return Step::TokenExpired,
            Answer::Busy { after_s, reason } => {
                return Step::Done(Outcome::Retry { after_s, reason });
            }
            Answer::Quota { reason } | Answer::Night { reason } => {
                return Step::Done(Outcome::Retry {
                    after_s: Some(QUOTA_PAUSE_S),
                    reason,
                });
            }
            Answer::Account { reason } => return Step::Done(Outcome::Account { reason }),
            Answer::Refused { code, reason } => {
                return Step::Done(Outcome::Refused {
                    code: code.to_owned(),
                    message: reason,
                });
            }
        };
        if !looks(attempt) {
            let quota = text(&body, "/data/quota/quota_type");
            let given = Given {
                state: quota.zip(text(&body, "/data/quota/remain")).map(left),
                ..given(text(&body, "/data/message_id"))
            };
            return Step::Done(Outcome::Accepted { given });
        }
        match found(message, &body) {
            Some(id) => Step::Done(Outcome::Duplicate { given: given(id) }),
            None => Step::Part(Bytes::from_static(ABSENT)),
        }
    }
}

impl Zalo {
    /// Puts the token into the call. Without one it is made all the same: the vendor's answer then
    /// starts a refresh.
    pub(super) fn authorized(
        &self,
        mut request: Request<Bytes>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let none = SecretString::from("");
        let token = call.access_token.unwrap_or(&none);
        let mut put = |name: &'static str, value: &str| {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| wrong("the access token cannot be sent in a header"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
            Ok(())
        };
        put("access_token", token.expose_secret())?;
        if self.settings.appsecret_proof {
            let proof = appsecret_proof(self.settings.app_secret.primary(), token);
            put("appsecret_proof", &proof)?;
        }
        Ok(request)
    }
}

/// Whether the call at hand is the look.
fn looks(attempt: Try<'_>) -> bool {
    attempt.unknown && attempt.got.is_empty()
}

/// Our message among the last of the conversation (`src` 0 is the account), written after the
/// person's last word; an equal text of an earlier day is another message.
fn found(message: &ChannelMessage, body: &Value) -> Option<Option<String>> {
    let items = body.get("data").and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .find(|said| {
            let at: Option<i64> = text(said, "/time").and_then(|ms| ms.parse().ok());
            let late_enough = message
                .last_heard_at
                .is_none_or(|heard| at.is_some_and(|at| at >= heard.as_millisecond()));
            text(said, "/src").as_deref() == Some("0")
                && late_enough
                && text(said, "/message").is_some_and(|said| said.trim() == message.text.trim())
        })
        .map(|said| text(said, "/message_id"))
}

/// What the account may still send, for the attempt's row.
fn left((quota, remain): (String, String)) -> String {
    format!("{}:{}", word(&quota), word(&remain))
}

fn given(id: Option<String>) -> Given {
    Given {
        partner_id: id,
        ..Given::default()
    }
}

fn wrong(what: &str) -> BuildError {
    BuildError {
        what: what.to_owned(),
    }
}
