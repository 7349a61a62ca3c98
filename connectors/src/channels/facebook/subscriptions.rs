//! Keeping the pages' subscriptions: after about an hour of failed deliveries Meta unsubscribes the
//! app from a page without a word.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::Facebook;
use super::envelope::text;
use super::graph::{Answer, judge};
use crate::channel::CallContext;
use crate::feedback::{Subscribed, Subscriptions};
use crate::target::BuildError;
use crate::url::{Query, encode};

/// A page has all it needs.
const GOOD: &[u8] = b"good";
/// A page lacked something and has it again.
const REPAIRED: &[u8] = b"repaired";
/// A page lacks something; what is to be subscribed follows.
const MISSING: &[u8] = b"missing:";

impl Facebook {
    /// The pages; Instagram accounts have theirs through the page that they belong to.
    fn pages(&self) -> Vec<&str> {
        self.settings
            .page_tokens
            .keys()
            .map(String::as_str)
            .filter(|id| !self.settings.instagram_pages.contains_key(*id))
            .collect()
    }

    /// The page that the next call is about, and what is to be subscribed where it lacks something.
    fn page_at<'a>(&'a self, got: &'a [Bytes]) -> Option<(&'a str, Option<&'a str>)> {
        let done = got.iter().filter(|part| !part.starts_with(MISSING)).count();
        let fields = got
            .last()
            .and_then(|part| part.strip_prefix(MISSING))
            .and_then(|fields| std::str::from_utf8(fields).ok());
        self.pages().get(done).map(|page| (*page, fields))
    }

    /// What the page lacks together with what it has: subscribing replaces the list.
    fn missing(&self, body: &Value) -> Option<String> {
        let apps = body.get("data").and_then(Value::as_array);
        let ours = apps.into_iter().flatten().find(|app| {
            self.settings
                .app_id
                .as_ref()
                .is_none_or(|id| text(app, "/id").as_ref() == Some(id))
        });
        let mut fields: Vec<String> = ours
            .and_then(|app| app.get("subscribed_fields"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            // Newer versions write each field as an object with its name.
            .filter_map(|field| text(field, "").or_else(|| text(field, "/name")))
            .collect();
        let before = fields.len();
        for wanted in &self.settings.subscribed_fields {
            if !fields.contains(wanted) {
                fields.push(wanted.clone());
            }
        }
        (ours.is_none() || fields.len() > before).then(|| fields.join(","))
    }

    fn after(&self, got: &[Bytes], part: &'static [u8]) -> Subscribed {
        let done = got.iter().filter(|part| !part.starts_with(MISSING)).count() + 1;
        if done < self.pages().len() {
            return Subscribed::Part(Bytes::from_static(part));
        }
        if part == REPAIRED || got.iter().any(|part| part == REPAIRED) {
            Subscribed::Repaired
        } else {
            Subscribed::Good
        }
    }
}

impl Subscriptions for Facebook {
    /// Within the hour after which Meta unsubscribes, with room to spare.
    fn every_s(&self) -> i64 {
        900
    }

    fn request(
        &self,
        _door: Option<&str>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let wrong = |what: &str| BuildError {
            what: what.to_owned(),
        };
        let (page, missing) = self
            .page_at(got)
            .ok_or_else(|| wrong("page_tokens: no page to look after"))?;
        let token = self
            .token(page, call)
            .ok_or_else(|| wrong("page_tokens: no token of the page"))?;
        let path = format!("/{}/subscribed_apps", encode(page));
        let built = match missing {
            Some(fields) => {
                let query = Query::default().with("subscribed_fields", fields);
                self.post(&path, query, &json!({}), token)
            }
            None => {
                let query = Query::default().with("fields", "id,name,subscribed_fields");
                self.get(&path, query, token)
            }
        };
        built.ok_or_else(|| wrong("page_tokens: the page's id makes no address"))
    }

    fn read(&self, _door: Option<&str>, got: &[Bytes], response: &Response<Bytes>) -> Subscribed {
        let body = match judge(response) {
            Answer::Good(body) => body,
            Answer::Busy { reason, .. } => return Subscribed::Retry { reason },
            Answer::NotFound => {
                return Subscribed::Broken {
                    reason: "Meta knows no such page".to_owned(),
                };
            }
            Answer::Account { reason }
            | Answer::OutsideWindow { reason }
            | Answer::Unreachable { reason, .. }
            | Answer::Refused { reason, .. } => return Subscribed::Broken { reason },
        };
        if got.last().is_some_and(|part| part.starts_with(MISSING)) {
            return if body.get("success").and_then(Value::as_bool) == Some(true) {
                self.after(got, REPAIRED)
            } else {
                Subscribed::Broken {
                    reason: "Meta did not take the subscription".to_owned(),
                }
            };
        }
        match self.missing(&body) {
            Some(fields) => Subscribed::Part([MISSING, fields.as_bytes()].concat().into()),
            None => self.after(got, GOOD),
        }
    }
}
