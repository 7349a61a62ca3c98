//! The part of Meta's Graph that a page needs: leads, subscriptions, sending, conversations and
//! lives. Sending takes no idempotency key, so who repeats blindly is written down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Call, Reply, around};
use crate::{
    secrets::Secrets,
    signing,
    world::{World, held},
};

/// Subscription fields that exist.
const FIELDS: [&str; 12] = [
    "messages",
    "message_echoes",
    "message_edits",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "messaging_postbacks",
    "messaging_referrals",
    "messaging_optins",
    "send_cart",
    "feed",
    "leadgen",
];
/// `RESPONSE` ends so long after the person's last word, milliseconds.
const WINDOW_MS: i64 = 24 * 3_600_000;
/// `HUMAN_AGENT` and private replies end after this.
const LONG_WINDOW_MS: i64 = 7 * WINDOW_MS;

/// One message of a thread.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) id: String,
    pub(crate) by_page: bool,
    pub(crate) text: String,
    pub(crate) at_ms: i64,
}

/// A comment under a live.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: String,
    pub(crate) author: (String, String),
    pub(crate) text: String,
    pub(crate) at_ms: i64,
    /// The one private reply, once it was given.
    replied: bool,
}

impl Comment {
    pub(crate) fn new(id: &str, author: (&str, &str), text: &str, at_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            author: (author.0.to_owned(), author.1.to_owned()),
            text: text.to_owned(),
            at_ms,
            replied: false,
        }
    }
}

/// What the page knows.
#[derive(Debug)]
pub(crate) struct Page {
    /// Lead id → its Graph document.
    pub(crate) leads: BTreeMap<String, Value>,
    /// Person → thread, oldest first.
    threads: BTreeMap<String, Vec<Said>>,
    /// Live id → (video id, comments in the order in which they were written).
    lives: BTreeMap<String, (String, Vec<Comment>)>,
    /// What is subscribed; Meta has dropped some of it, as it does after failed deliveries.
    subscribed: BTreeSet<String>,
    sent: u64,
}

impl Page {
    pub(crate) fn new(_: &Secrets) -> Self {
        Self {
            leads: BTreeMap::new(),
            threads: BTreeMap::new(),
            lives: BTreeMap::new(),
            subscribed: ["messages", "messaging_postbacks", "feed"]
                .map(str::to_owned)
                .into(),
            sent: 0,
        }
    }

    /// A person wrote to the page.
    pub(crate) fn heard(&mut self, person: &str, id: &str, text: &str, at_ms: i64) {
        self.threads
            .entry(person.to_owned())
            .or_default()
            .push(Said {
                id: id.to_owned(),
                by_page: false,
                text: text.to_owned(),
                at_ms,
            });
    }

    /// Somebody commented on a live.
    pub(crate) fn commented(&mut self, live: &str, video: &str, comment: Comment) {
        let known = self.lives.entry(live.to_owned());
        known
            .or_insert_with(|| (video.to_owned(), Vec::new()))
            .1
            .push(comment);
    }

    fn comment(&mut self, id: &str) -> Option<&mut Comment> {
        self.lives
            .values_mut()
            .flat_map(|(_, comments)| comments)
            .find(|comment| comment.id == id)
    }
}

fn error(code: i64, subcode: i64, message: &str) -> Reply {
    Reply::json(
        400,
        json!({"error": {"message": message, "type": "OAuthException", "code": code,
               "error_subcode": subcode, "fbtrace_id": "sandbox"}}),
    )
}

/// `2025-12-04T04:20:00+0000`
fn time(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("facebook").requests += 1;
    let secrets = &world.secrets;
    let bearer = call
        .header("authorization")
        .strip_prefix("Bearer ")
        .unwrap_or_default();
    let token = match call.parameter("access_token") {
        "" => bearer,
        given => given,
    };
    if token != secrets.facebook_page_token {
        let mut ledger = held(&world.ledger);
        ledger.channel("facebook").refused += 1;
        ledger.violation("facebook: a Graph call without the page's token".to_owned());
        return error(
            190,
            463,
            "Error validating access token: Session has expired.",
        );
    }
    // The app has "require app secret" on.
    if call.parameter("appsecret_proof")
        != signing::appsecret_proof(&secrets.facebook_app_secret, token)
    {
        held(&world.ledger).violation("facebook: appsecret_proof does not match".to_owned());
        return error(
            100,
            0,
            "Invalid appsecret_proof provided in the API argument",
        );
    }
    let key = format!(
        "facebook:{}:{}:{}:{}",
        call.method,
        call.path,
        call.parameter("after"),
        String::from_utf8_lossy(&call.body)
    );
    let fault = world.faults.draw(&key);
    if fault == Some(crate::faults::Fault::TooMany) {
        let mut reply = error(613, 0, "Calls to this api have exceeded the rate limit.");
        reply.headers.push(("retry-after", "1".to_owned()));
        return reply;
    }
    around(fault, &call.wire, || act(world, &call)).await
}

fn act(world: &World, call: &Call) -> Reply {
    let (method, mut segments) = call.route();
    // `/v26.0/…` and the unversioned form are the same call.
    let versioned = |first: &&str| {
        first
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if segments.first().is_some_and(versioned) {
        segments.remove(0);
    }
    let page = world.secrets.facebook_page_id.as_str();
    match (method, segments.as_slice()) {
        ("GET", [id, "subscribed_apps"]) if *id == page => {
            let fields = held(&world.facebook).subscribed.clone();
            let app = json!({"name": "Kenh", "id": world.secrets.facebook_app_id,
                "subscribed_fields": fields});
            Reply::json(200, json!({ "data": [app] }))
        }
        ("POST", [id, "subscribed_apps"]) if *id == page => subscribe(world, call),
        ("POST", [id, "messages"]) if *id == page => send(world, call),
        ("GET", [id, "conversations"]) if *id == page => conversations(world, call),
        ("GET", [id, "live_videos"]) if *id == page => lives(world),
        ("GET", [live, "comments"]) => comments(world, live, call),
        ("GET", [id]) => object(world, id),
        _ => error(100, 0, "Unsupported request"),
    }
}

fn object(world: &World, id: &str) -> Reply {
    let mut page = held(&world.facebook);
    if let Some(lead) = page.leads.get(id) {
        return Reply::json(200, lead.clone());
    }
    match page.comment(id) {
        Some(comment) => Reply::json(
            200,
            json!({"id": id, "can_reply_privately": !comment.replied}),
        ),
        None => error(100, 33, "Unsupported get request. Object does not exist."),
    }
}

fn subscribe(world: &World, call: &Call) -> Reply {
    let wanted: BTreeSet<String> = call
        .parameter("subscribed_fields")
        .split(',')
        .map(str::to_owned)
        .collect();
    if wanted.iter().any(|field| !FIELDS.contains(&field.as_str())) {
        return error(100, 0, "Param subscribed_fields must be one of the fields.");
    }
    let mut page = held(&world.facebook);
    // The new list takes the place of the old one: who leaves something out has lost it.
    let lost = page.subscribed.difference(&wanted).next().cloned();
    page.subscribed = wanted;
    drop(page);
    if let Some(field) = lost {
        held(&world.ledger).violation(format!("facebook: {field} was unsubscribed"));
    }
    Reply::json(200, json!({"success": true}))
}

fn send(world: &World, call: &Call) -> Reply {
    let body = call.json();
    let violation = |text: &str| held(&world.ledger).violation(format!("facebook: {text}"));
    let text = body["message"]["text"].as_str().unwrap_or_default();
    if text.is_empty() || text.chars().count() > 2000 {
        violation("a message without text, or with too much");
        return error(100, 0, "Invalid parameter");
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let mut page = held(&world.facebook);
    let person = if let Some(id) = body["recipient"]["comment_id"].as_str() {
        let Some(comment) = page.comment(id) else {
            return error(100, 33, "Object does not exist");
        };
        if comment.replied {
            drop(page);
            violation("a comment was answered in private twice");
            return error(10_900, 0, "Activity already replied to");
        }
        if now - comment.at_ms > LONG_WINDOW_MS {
            return error(10, 2_018_278, "outside of allowed window");
        }
        comment.replied = true;
        format!("7{}", comment.author.0.get(1..).unwrap_or_default())
    } else if let Some(id) = body["recipient"]["id"].as_str() {
        let window = match (body["messaging_type"].as_str(), body["tag"].as_str()) {
            (Some("RESPONSE"), None) => WINDOW_MS,
            (Some("MESSAGE_TAG"), Some("HUMAN_AGENT")) => LONG_WINDOW_MS,
            _ => {
                drop(page);
                violation("messaging_type or tag is wrong");
                return error(100, 0, "Invalid parameter");
            }
        };
        let heard = page.threads.get(id).and_then(|thread| {
            let theirs = thread.iter().filter(|said| !said.by_page);
            theirs.map(|said| said.at_ms).max()
        });
        match heard {
            None => return error(100, 2_018_001, "No matching user found"),
            Some(heard) if now - heard > window => {
                return error(10, 2_018_278, "outside of allowed window");
            }
            Some(heard) => {
                let again = page.threads[id]
                    .iter()
                    .any(|said| said.by_page && said.text == text && said.at_ms >= heard);
                if again {
                    violation("the same answer went to one person twice");
                }
            }
        }
        id.to_owned()
    } else {
        drop(page);
        violation("a message without recipient");
        return error(100, 0, "Invalid parameter");
    };
    page.sent += 1;
    let id = format!("m_out_{:04}", page.sent);
    page.threads.entry(person.clone()).or_default().push(Said {
        id: id.clone(),
        by_page: true,
        text: text.to_owned(),
        at_ms: now,
    });
    drop(page);
    held(&world.ledger).channel("facebook").sent += 1;
    Reply::json(200, json!({"recipient_id": person, "message_id": id}))
}

/// Threads, those that changed last first; a cursor is a number of threads to skip.
fn conversations(world: &World, call: &Call) -> Reply {
    if call.parameter("platform") == "instagram" {
        return Reply::json(200, json!({"data": []}));
    }
    let page_id = &world.secrets.facebook_page_id;
    let page = held(&world.facebook);
    let wanted = call.parameter("user_id");
    let mut threads: Vec<(&String, &Vec<Said>)> = page
        .threads
        .iter()
        .filter(|(person, _)| wanted.is_empty() || *person == wanted)
        .collect();
    let changed = |thread: &[Said]| thread.iter().map(|said| said.at_ms).max().unwrap_or(0);
    threads.sort_by_key(|(person, thread)| (-changed(thread), (*person).clone()));
    let data: Vec<Value> = threads
        .iter()
        .map(|(person, thread)| {
            let mut messages: Vec<&Said> = thread.iter().collect();
            messages.sort_by_key(|said| -said.at_ms);
            let messages: Vec<Value> = messages
                .iter()
                .take(25)
                .map(|said| {
                    let (from, to) = if said.by_page {
                        (page_id, *person)
                    } else {
                        (*person, page_id)
                    };
                    json!({"id": said.id, "message": said.text, "from": {"id": from},
                        "to": {"data": [{"id": to}]}, "created_time": time(said.at_ms)})
                })
                .collect();
            json!({"id": format!("t_{person}"), "updated_time": time(changed(thread)),
                "messages": {"data": messages}})
        })
        .collect();
    paged(call, &data)
}

fn lives(world: &World) -> Reply {
    let page = held(&world.facebook);
    let data: Vec<Value> = page
        .lives
        .iter()
        .map(|(live, (video, comments))| {
            let begun = comments.first().map_or(0, |comment| comment.at_ms);
            json!({"id": live, "status": "LIVE", "creation_time": time(begun),
                "video": {"id": video}})
        })
        .collect();
    Reply::json(200, json!({ "data": data }))
}

fn comments(world: &World, live: &str, call: &Call) -> Reply {
    let page = held(&world.facebook);
    let Some((_, comments)) = page.lives.get(live) else {
        return error(100, 33, "Object does not exist");
    };
    if call.parameter("order") != "reverse_chronological" {
        drop(page);
        held(&world.ledger).violation("facebook: live comments in the wrong order".to_owned());
        return error(100, 0, "Invalid parameter");
    }
    let mut newest: Vec<&Comment> = comments.iter().collect();
    newest.sort_by_key(|comment| (-comment.at_ms, comment.id.clone()));
    let data: Vec<Value> = newest
        .iter()
        .map(|comment| {
            json!({"id": comment.id, "message": comment.text,
                "from": {"id": comment.author.0, "name": comment.author.1},
                "created_time": time(comment.at_ms)})
        })
        .collect();
    paged(call, &data)
}

fn paged(call: &Call, data: &[Value]) -> Reply {
    let skip: usize = call.parameter("after").parse().unwrap_or(0);
    let size: usize = call.parameter("limit").parse().unwrap_or(25);
    let part: Vec<&Value> = data.iter().skip(skip).take(size).collect();
    let end = skip + part.len();
    let mut paging = json!({"cursors": {"before": skip.to_string(), "after": end.to_string()}});
    if end < data.len() {
        paging["next"] = json!("https://graph.facebook.com/next");
    }
    Reply::json(200, json!({"data": part, "paging": paging}))
}
