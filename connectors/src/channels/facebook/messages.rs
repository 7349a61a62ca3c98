//! Writing to persons: answers in Messenger and Instagram, and the one private reply to a comment.
//! Source: Send API and private replies of the Messenger Platform documents.

use bytes::Bytes;
use domain::task::{ChannelMessage, Given, Outcome};
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::Facebook;
use super::envelope::text;
use super::graph::{ALREADY_REPLIED, Answer, judge, moment};
use crate::channel::CallContext;
use crate::feedback::{Messages, Step, Try, Window};
use crate::target::BuildError;
use crate::url::{Query, encode};

/// After the person's last word anybody may answer for so long.
const RESPONSE: SignedDuration = SignedDuration::from_hours(24);

/// A person of ours may for so long; and a comment has its private reply within it.
const BY_HAND: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Somebody who cannot receive now (551) may be able to in an hour.
const UNREACHABLE_PAUSE_S: u64 = 3600;

/// Messenger's longest text, characters.
const LONGEST: usize = 2000;

/// Instagram's longest text, bytes of UTF-8.
const LONGEST_INSTAGRAM: usize = 1000;

/// The answer of a look that found nothing.
const ABSENT: &[u8] = b"absent";

/// How a message may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    PrivateReply,
    Response,
    HumanAgent,
}

/// Who writes.
struct Sender<'a> {
    /// The node whose conversations these are: always a page.
    page: &'a str,
    token: &'a SecretString,
    instagram: bool,
}

impl Messages for Facebook {
    fn window(&self, message: &ChannelMessage, now: Timestamp) -> Window {
        match self.open(message) {
            // Nobody told when the comment was written: Meta will say whether it is too late.
            Some((Way::PrivateReply, None)) => Window::Open { until: None },
            Some((_, Some(until))) if now < until => Window::Open { until: Some(until) },
            Some(_) | None => Window::Closed,
        }
    }

    fn longest(&self) -> usize {
        if self.settings.instagram_pages.is_empty() {
            LONGEST
        } else {
            LONGEST_INSTAGRAM
        }
    }

    /// After an unknown outcome the first call looks whether the message is there: Meta takes no
    /// idempotency key.
    fn request(
        &self,
        message: &ChannelMessage,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let sender = self.sender(message, call)?;
        let built = if looks(attempt) {
            self.look(message, &sender)
        } else {
            let way = self
                .way(message, call.now)
                .ok_or_else(|| wrong("the person may not be written to any more"))?;
            self.send(message, way, &sender)?
        };
        built.ok_or_else(|| wrong("the account, person or comment makes no address"))
    }

    fn read(&self, message: &ChannelMessage, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let body = match judge(response) {
            Answer::Good(body) => body,
            answer => return Step::Done(failed(message, attempt, answer)),
        };
        if looks(attempt) {
            return match self.found(message, &body) {
                Some(given) => Step::Done(Outcome::Duplicate { given }),
                None => Step::Part(Bytes::from_static(ABSENT)),
            };
        }
        Step::Done(Outcome::Accepted {
            given: Given {
                partner_id: text(&body, "/message_id"),
                ..Given::default()
            },
        })
    }
}

impl Facebook {
    /// The widest way that is open, and until when.
    fn open(&self, message: &ChannelMessage) -> Option<(Way, Option<Timestamp>)> {
        let after = |at: Timestamp, how_long| at.checked_add(how_long).ok();
        if message.comment.is_some() {
            let until = message.comment_at.and_then(|at| after(at, BY_HAND));
            return Some((Way::PrivateReply, until));
        }
        let heard = message.last_heard_at?;
        let (way, how_long) = if message.by_hand && self.settings.human_agent {
            (Way::HumanAgent, BY_HAND)
        } else {
            (Way::Response, RESPONSE)
        };
        Some((way, Some(after(heard, how_long)?)))
    }

    /// The way to take now: the tag only where it is needed.
    fn way(&self, message: &ChannelMessage, now: Timestamp) -> Option<Way> {
        if self.window(message, now) == Window::Closed {
            return None;
        }
        let (way, _) = self.open(message)?;
        let fresh = message
            .last_heard_at
            .and_then(|at| at.checked_add(RESPONSE).ok())
            .is_some_and(|until| now < until);
        Some(if way == Way::HumanAgent && fresh {
            Way::Response
        } else {
            way
        })
    }

    fn sender<'a>(
        &'a self,
        message: &'a ChannelMessage,
        call: CallContext<'a>,
    ) -> Result<Sender<'a>, BuildError> {
        let linked = self.settings.instagram_pages.get(&message.account);
        let page = linked.map_or(message.account.as_str(), String::as_str);
        let token = self
            .token(page, call)
            .ok_or_else(|| wrong("account: no token in page_tokens"))?;
        Ok(Sender {
            page,
            token,
            instagram: linked.is_some(),
        })
    }

    fn send(
        &self,
        message: &ChannelMessage,
        way: Way,
        sender: &Sender<'_>,
    ) -> Result<Option<Request<Bytes>>, BuildError> {
        if message.text.trim().is_empty() {
            return Err(wrong("text: empty"));
        }
        if sender.instagram && message.text.len() > LONGEST_INSTAGRAM {
            return Err(wrong("text: more than 1000 bytes, Instagram takes no more"));
        }
        let mut body = match &message.comment {
            Some(comment) => json!({"recipient": {"comment_id": comment}}),
            // A form and a comment whose author is hidden are persons of ours, not of Meta.
            None if message.person.contains(':') => {
                return Err(wrong("person: not somebody who wrote in chat"));
            }
            None => json!({"recipient": {"id": message.person}}),
        };
        match way {
            Way::PrivateReply => {}
            Way::Response => body["messaging_type"] = json!("RESPONSE"),
            Way::HumanAgent => {
                body["messaging_type"] = json!("MESSAGE_TAG");
                body["tag"] = json!("HUMAN_AGENT");
            }
        }
        body["message"] = json!({"text": message.text});
        let path = format!("/{}/messages", encode(sender.page));
        Ok(self.post(&path, Query::default(), &body, sender.token))
    }

    /// Whether the message is there already: among the last of the conversation, or as the
    /// comment's one private reply.
    fn look(&self, message: &ChannelMessage, sender: &Sender<'_>) -> Option<Request<Bytes>> {
        if let Some(comment) = &message.comment {
            let fields = Query::default().with("fields", "can_reply_privately");
            return self.get(&format!("/{}", encode(comment)), fields, sender.token);
        }
        let platform = if sender.instagram {
            "instagram"
        } else {
            "messenger"
        };
        let query = Query::default()
            .with("platform", platform)
            .with("user_id", &message.person)
            .with("fields", "messages.limit(20){id,message,from,created_time}");
        let path = format!("/{}/conversations", encode(sender.page));
        self.get(&path, query, sender.token)
    }

    /// Our message in the answer of a look. It was written after the person's last word, which an
    /// equal text of an earlier day was not.
    fn found(&self, message: &ChannelMessage, body: &Value) -> Option<Given> {
        if message.comment.is_some() {
            let open = body.get("can_reply_privately").and_then(Value::as_bool);
            return (open == Some(false)).then(Given::default);
        }
        let list = |value: &Value, pointer: &str| {
            let items = value.pointer(pointer).and_then(Value::as_array);
            items.cloned().unwrap_or_default()
        };
        let ours = |said: &Value| {
            let from = text(said, "/from/id");
            let late_enough = match (message.last_heard_at, text(said, "/created_time")) {
                // Graph's times have no fraction of a second.
                (Some(heard), Some(created)) => {
                    moment(&created).is_some_and(|created| created.as_second() >= heard.as_second())
                }
                (None, _) => true,
                (Some(_), None) => false,
            };
            from.is_some_and(|from| from != message.person)
                && late_enough
                && text(said, "/message").is_some_and(|said| said.trim() == message.text.trim())
        };
        list(body, "/data")
            .iter()
            .flat_map(|thread| list(thread, "/messages/data"))
            .find(ours)
            .map(|said| Given {
                partner_id: text(&said, "/id"),
                ..Given::default()
            })
    }
}

/// Whether the call at hand is the look.
fn looks(attempt: Try<'_>) -> bool {
    attempt.unknown && attempt.got.is_empty()
}

fn failed(message: &ChannelMessage, attempt: Try<'_>, answer: Answer) -> Outcome {
    let refused = |code: &str, message: String| Outcome::Refused {
        code: code.to_owned(),
        message,
    };
    match answer {
        Answer::OutsideWindow { reason } => refused("outside_window", reason),
        Answer::Unreachable {
            later: true,
            reason,
        } => Outcome::Retry {
            after_s: Some(UNREACHABLE_PAUSE_S),
            reason,
        },
        Answer::Unreachable {
            later: false,
            reason,
        } => refused("cannot_receive", reason),
        Answer::Busy { after_s, reason } => Outcome::Retry { after_s, reason },
        Answer::Account { reason } => Outcome::Account { reason },
        Answer::NotFound => refused(
            "not_found",
            "Meta knows no such person or comment".to_owned(),
        ),
        Answer::Refused { code, reason } => match code {
            // Once per comment: after a lost answer the one reply is most likely ours.
            ALREADY_REPLIED if message.comment.is_some() && attempt.unknown => Outcome::Duplicate {
                given: Given::default(),
            },
            ALREADY_REPLIED => refused("already_replied", reason),
            368 => refused("blocked", reason),
            506 => refused("duplicate", reason),
            100 => refused("bad_parameter", reason),
            _ => refused("refused", reason),
        },
        Answer::Good(_) => Outcome::Retry {
            after_s: None,
            reason: "the answer is not understood".to_owned(),
        },
    }
}

fn wrong(what: &str) -> BuildError {
    BuildError {
        what: what.to_owned(),
    }
}
