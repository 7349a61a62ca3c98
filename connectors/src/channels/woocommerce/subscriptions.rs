//! The shop disables a webhook after six failures in a row, for good: it is put back, and one that
//! is missing is made. A webhook that somebody paused is left to that person.

use bytes::Bytes;
use http::{Method, Request, Response};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{WooCommerce, judge};
use crate::channel::CallContext;
use crate::channels::storefront::api::Answer;
use crate::channels::storefront::subscriptions::{failed, no_door};
use crate::feedback::{Subscribed, Subscriptions};
use crate::payload;
use crate::target::BuildError;

const TOPICS: [&str; 4] = [
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
];

#[derive(Deserialize)]
struct Webhook {
    id: u64,
    status: String,
    topic: String,
    delivery_url: String,
}

/// One thing to put right.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Repair {
    Enable(u64),
    Make(String),
}

impl Subscriptions for WooCommerce {
    fn every_s(&self) -> i64 {
        900
    }

    fn request(
        &self,
        door: Option<&str>,
        got: &[Bytes],
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let door = door.ok_or_else(no_door)?;
        let Some(repairs) = got.first() else {
            return Ok(self.send(Method::GET, "/webhooks?per_page=100", None));
        };
        let repairs: Vec<Repair> = serde_json::from_slice(repairs).unwrap_or_default();
        match repairs.get(got.len() - 1) {
            Some(Repair::Enable(id)) => {
                let body = json!({ "status": "active" });
                Ok(self.send(Method::PUT, &format!("/webhooks/{id}"), Some(&body)))
            }
            Some(Repair::Make(topic)) => {
                let body = json!({
                    "name": format!("Kenh {topic}"), "topic": topic, "delivery_url": door,
                    "secret": self.0.secret.primary().expose_secret(), "status": "active",
                });
                Ok(self.send(Method::POST, "/webhooks", Some(&body)))
            }
            None => Err(BuildError {
                what: "nothing is left to put right".to_owned(),
            }),
        }
    }

    fn read(&self, door: Option<&str>, got: &[Bytes], response: &Response<Bytes>) -> Subscribed {
        let answer = judge(response);
        if answer == Answer::NotFound {
            // Deleted between the list and the repair: the next look sees it missing.
            return Subscribed::Retry {
                reason: "the webhook is gone".to_owned(),
            };
        }
        if let Some(failed) = failed(answer) {
            return failed;
        }
        let Some(repairs) = got.first() else {
            return match payload::read::<Vec<Webhook>>(response.body()) {
                Ok(webhooks) => looked(&webhooks, door.unwrap_or_default()),
                Err(_) => Subscribed::Retry {
                    reason: "the answer has no webhooks".to_owned(),
                },
            };
        };
        let repairs: Vec<Repair> = serde_json::from_slice(repairs).unwrap_or_default();
        if got.len() < repairs.len() {
            Subscribed::Part(Bytes::from_static(b"{}"))
        } else {
            Subscribed::Repaired
        }
    }
}

fn looked(webhooks: &[Webhook], door: &str) -> Subscribed {
    let mut repairs = Vec::new();
    for topic in TOPICS {
        let ours = || (webhooks.iter()).filter(move |w| w.topic == topic && w.delivery_url == door);
        let with = |status: &str| ours().find(|webhook| webhook.status == status);
        if with("active").is_some() {
            continue;
        }
        match (with("disabled"), with("paused")) {
            (Some(webhook), _) => repairs.push(Repair::Enable(webhook.id)),
            (None, Some(_)) => {
                return Subscribed::Broken {
                    reason: format!("somebody paused the webhook {topic} at the shop"),
                };
            }
            (None, None) => repairs.push(Repair::Make(topic.to_owned())),
        }
    }
    if repairs.is_empty() {
        Subscribed::Good
    } else {
        Subscribed::Part(Bytes::from(json!(repairs).to_string()))
    }
}
