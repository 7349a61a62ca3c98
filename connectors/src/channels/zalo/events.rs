//! Zalo's events: who speaks to whom, and what of it is a conversation.

use domain::code::OrderCode;
use domain::rating::Stars;
use domain::snapshot::Buyer;
use jiff::Timestamp;
use serde_json::Value;

use crate::inbound::{ConversationNotice, Notice, NoticeBody, PayloadError, RatingNotice};
use crate::payload::{digest, word};

/// The signed timestamp: text within the body, milliseconds. Taken as written.
pub(super) fn timestamp(body: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(body).ok()?;
    text(&event, "/timestamp")
}

/// `(event, message id)`; delivery and rating events repeat the id of the message that they are
/// about, so the event's name belongs to the key. Without one `(event, person, timestamp)`.
pub(super) fn dedup_key(body: &[u8], oa_id: Option<&str>) -> String {
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        return format!("body:{}", digest(body));
    };
    let name = text(&event, "/event_name").unwrap_or_default();
    if let Some(id) = text(&event, "/message/msg_id") {
        return format!("{name}:{id}");
    }
    let ids = message_ids(&event);
    if !ids.is_empty() {
        return format!("{name}:{}", ids.join(","));
    }
    match (parties(&event, &name, oa_id).1, text(&event, "/timestamp")) {
        (Some(person), Some(timestamp)) if !name.is_empty() => {
            format!("{name}:{person}:{timestamp}")
        }
        _ => format!("body:{}", digest(body)),
    }
}

/// The Official Account.
pub(super) fn account(body: &[u8], oa_id: Option<&str>) -> Option<String> {
    let event: Value = serde_json::from_slice(body).ok()?;
    let name = text(&event, "/event_name")?;
    parties(&event, &name, oa_id).0
}

/// The event as a notice.
pub(super) fn notice(body: &[u8], oa_id: Option<&str>) -> Result<Notice, PayloadError> {
    let event: Value =
        serde_json::from_slice(body).map_err(|_| PayloadError::new("the body is not JSON"))?;
    let name =
        text(&event, "/event_name").ok_or_else(|| PayloadError::new("event_name: missing"))?;
    let stamp =
        text(&event, "/timestamp").ok_or_else(|| PayloadError::new("timestamp: missing"))?;
    let at = stamp
        .parse()
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .ok_or_else(|| PayloadError::new("timestamp: expected milliseconds"))?;
    let (account, person) = parties(&event, &name, oa_id);
    let known = |what: &str| {
        person
            .clone()
            .ok_or_else(|| PayloadError::new(format!("{what}: no person's id")))
    };
    let message_id = text(&event, "/message/msg_id");
    let mut made = Made {
        kind: "message",
        outgoing: false,
        text: text(&event, "/message/text"),
        buyer: Buyer::default(),
        address: None,
        hints: Vec::new(),
    };

    let (person, message_id) = match name.as_str() {
        "user_submit_info" => {
            submitted(&event, &mut made)?;
            let person = known("user_submit_info")?;
            let id = message_id.unwrap_or_else(|| format!("{name}:{person}:{stamp}"));
            (person, id)
        }
        "user_asking_product" => {
            made.text = text(&event, "/product/description");
            hint(
                &mut made.hints,
                "product_title",
                text(&event, "/product/title"),
            );
            hint(&mut made.hints, "product_url", text(&event, "/product/url"));
            let person = known("user_asking_product")?;
            let id = message_id.unwrap_or_else(|| format!("{name}:{person}:{stamp}"));
            (person, id)
        }
        sent if sent.starts_with("user_send_") || sent.starts_with("anonymous_send_") => {
            attachments(&event, &mut made.hints);
            hint(
                &mut made.hints,
                "reply_to",
                text(&event, "/message/quote_msg_id"),
            );
            let id = message_id.ok_or_else(|| PayloadError::new("message.msg_id: missing"))?;
            (known("user_send")?, id)
        }
        sent if sent.starts_with("oa_send_") => {
            made.kind = "echo";
            made.outgoing = true;
            attachments(&event, &mut made.hints);
            hint(&mut made.hints, "staff", text(&event, "/sender/admin_id"));
            let id = message_id.ok_or_else(|| PayloadError::new("message.msg_id: missing"))?;
            (known("oa_send")?, id)
        }
        // What the button says is not documented; that the person pressed it opens the window for
        // answers.
        "user_click_button" | "user_click_chatnow" if person.is_some() => {
            made.kind = "postback";
            made.hints.push(name.clone());
            let person = known(&name)?;
            let id = message_id.unwrap_or_else(|| format!("{name}:{person}:{stamp}"));
            (person, id)
        }
        "follow" | "unfollow" => {
            made.kind = if name == "follow" {
                "follow"
            } else {
                "unfollow"
            };
            hint(&mut made.hints, "source", text(&event, "/source"));
            let person = known(&name)?;
            let id = format!("{name}:{person}:{stamp}");
            (person, id)
        }
        "user_received_message" | "user_seen_message" => {
            made.kind = "status";
            made.outgoing = true;
            made.text = None;
            let done = if name == "user_seen_message" {
                "seen"
            } else {
                "delivered"
            };
            made.hints.push(done.to_owned());
            let about: Vec<String> = match message_id {
                Some(id) => vec![id],
                None => message_ids(&event),
            };
            made.hints
                .extend(about.iter().map(|id| format!("about:{id}")));
            // Only a template message has a time of delivery of its own; it goes to a phone, and the
            // order that it is about is the one thing that always comes back.
            if text(&event, "/message/delivery_time").is_some() {
                made.hints.push("template".to_owned());
            }
            let tracking = text(&event, "/message/tracking_id");
            hint(&mut made.hints, "tracking_id", tracking.clone());
            let person = person
                .or_else(|| tracking.map(|tracking| format!("tracking:{tracking}")))
                .ok_or_else(|| PayloadError::new(format!("{name}: no person's id")))?;
            // Not the message's own id: its text must not be replaced by a status.
            let id = match about.first() {
                Some(first) => format!("{first}:{done}"),
                None => format!("{name}:{person}:{stamp}"),
            };
            (person, id)
        }
        "user_feedback" => {
            if let Some(rating) = rating(&event, at) {
                return Ok(Notice {
                    key: Some(rating.order_ref.clone()),
                    body: NoticeBody::Rating(rating),
                });
            }
            made.kind = "rating";
            made.text = text(&event, "/message/note");
            let tracking = text(&event, "/message/tracking_id");
            hint(&mut made.hints, "rating", text(&event, "/message/rate"));
            for feedback in list(&event, "/message/feedbacks") {
                hint(&mut made.hints, "feedback", text(feedback, ""));
            }
            hint(
                &mut made.hints,
                "rating_type",
                text(&event, "/message/rating_type"),
            );
            hint(&mut made.hints, "option", text(&event, "/message/option"));
            hint(&mut made.hints, "tracking_id", tracking.clone());
            let id = message_id.unwrap_or_else(|| format!("{name}:{stamp}"));
            // Ratings carry no person: those of somebody else's orders are kept by their number.
            let person = person
                .or_else(|| tracking.map(|tracking| format!("tracking:{tracking}")))
                .unwrap_or_else(|| format!("rating:{id}"));
            (person, format!("{id}:rating"))
        }
        "shop_has_order" => {
            // The payload is not documented: kept whole, and a person looks at it in Zalo Shop.
            made.kind = "shop_order";
            made.hints
                .push("staff:look at this order in Zalo Shop".to_owned());
            let id = format!("{name}:{stamp}");
            (person.unwrap_or_else(|| id.clone()), id)
        }
        "change_template_status" | "change_template_quality" => {
            return Ok(ignored(template_changed(&event)));
        }
        other => return Ok(ignored(format!("event {} is not handled", word(other)))),
    };
    // Decided last, so that an event of an unknown kind needs no account to be ignored.
    let account = account
        .or_else(|| text(&event, "/app_id"))
        .ok_or_else(|| PayloadError::new("no Official Account id"))?;
    Ok(made.notice(account, person, message_id, at))
}

/// A rating of one of our orders. Templates of other systems of the same account carry numbers of
/// theirs, or none: what the buyers say of them is a conversation.
fn rating(event: &Value, at: Timestamp) -> Option<RatingNotice> {
    let code: OrderCode = text(event, "/message/tracking_id")?.parse().ok()?;
    let stars = text(event, "/message/rate")?.parse().ok()?;
    let submitted = text(event, "/message/submit_time")
        .and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok());
    Some(RatingNotice {
        id: text(event, "/message/msg_id")?,
        stars: Stars::new(stars)?,
        note: text(event, "/message/note"),
        feedbacks: list(event, "/message/feedbacks")
            .filter_map(|feedback| text(feedback, ""))
            .collect(),
        at: submitted.unwrap_or(at),
        order_ref: code.to_string(),
    })
}

fn ignored(reason: String) -> Notice {
    Notice {
        key: None,
        body: NoticeBody::Ignored { reason },
    }
}

/// Zalo approved, refused or stopped one of our templates: for the person who looks after them.
fn template_changed(event: &Value) -> String {
    let part = |pointers: &[&str]| {
        pointers
            .iter()
            .find_map(|pointer| text(event, pointer))
            .map_or_else(|| "unknown".to_owned(), |text| word(&text))
    };
    format!(
        "template {} is now {}",
        part(&["/template_id", "/template/id"]),
        part(&[
            "/status/new_status",
            "/quality/new_quality",
            "/status",
            "/quality"
        ])
    )
}

/// What an event says, before it is known of whom.
struct Made {
    kind: &'static str,
    outgoing: bool,
    text: Option<String>,
    buyer: Buyer,
    address: Option<String>,
    hints: Vec<String>,
}

impl Made {
    fn notice(self, account: String, person: String, message_id: String, at: Timestamp) -> Notice {
        let buyer = Buyer {
            external_id: Some(person.clone()).filter(|p| !p.contains(':')),
            ..self.buyer
        };
        Notice {
            key: Some(person.clone()),
            body: NoticeBody::Conversation(Box::new(ConversationNotice {
                person,
                account,
                message_id,
                kind: self.kind.to_owned(),
                outgoing: self.outgoing,
                text: self.text,
                buyer: Some(buyer).filter(|b| *b != Buyer::default()),
                address: self.address,
                lines: Vec::new(),
                at,
                hints: self.hints,
            })),
        }
    }
}

/// `(Official Account, person)`. Which of sender and recipient is the account is told by its id
/// where that is known, and by the event's name otherwise.
fn parties(event: &Value, name: &str, oa_id: Option<&str>) -> (Option<String>, Option<String>) {
    let sender = text(event, "/sender/id");
    let recipient = text(event, "/recipient/id");
    let account = text(event, "/oa_id");
    let known = account.as_deref().or(oa_id);
    let from_account = match known {
        Some(oa) if sender.as_deref() == Some(oa) => true,
        Some(oa) if recipient.as_deref() == Some(oa) => false,
        _ => {
            name.starts_with("oa_") || matches!(name, "user_received_message" | "user_seen_message")
        }
    };
    let (of_account, of_person) = if from_account {
        (sender, recipient)
    } else {
        (recipient, sender)
    };
    let person = text(event, "/follower/id").or(of_person);
    // An id that lives as long as a visit to a web page, and is nobody's elsewhere.
    let person = person.map(|id| {
        if name.contains("anonymous") {
            format!("anonymous:{id}")
        } else {
            id
        }
    });
    (
        account.or(of_account).or_else(|| oa_id.map(str::to_owned)),
        person,
    )
}

/// A form that the person filled in. One report has it as JSON within `message.text`.
fn submitted(event: &Value, made: &mut Made) -> Result<(), PayloadError> {
    made.kind = "form";
    let within = made
        .text
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        .filter(Value::is_object);
    let info = match (event.get("info").filter(|info| info.is_object()), &within) {
        (Some(info), _) => info,
        (None, Some(info)) => {
            made.text = None;
            info
        }
        (None, None) => return Err(PayloadError::new("info: expected an object")),
    };
    made.buyer.name = text(info, "/name");
    made.buyer.phone = text(info, "/phone");
    let parts: Vec<String> = ["/address", "/ward", "/district", "/city"]
        .iter()
        .filter_map(|part| text(info, part))
        .collect();
    made.address = (!parts.is_empty()).then(|| parts.join(", "));
    Ok(())
}

fn attachments(event: &Value, hints: &mut Vec<String>) {
    for attachment in list(event, "/message/attachments") {
        let kind = text(attachment, "/type").map_or_else(|| "unknown".to_owned(), |t| word(&t));
        match text(attachment, "/payload/url") {
            Some(url) if kind == "link" => hints.push(format!("link:{url}")),
            Some(_) | None => hints.push(format!("attachment:{kind}")),
        }
        let at = |part: &str| text(attachment, &format!("/payload/coordinates/{part}"));
        if let (Some(latitude), Some(longitude)) = (at("latitude"), at("longitude")) {
            hints.push(format!("location:{latitude},{longitude}"));
        }
    }
}

fn message_ids(event: &Value) -> Vec<String> {
    list(event, "/message/msg_ids")
        .filter_map(|id| text(id, ""))
        .collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Text or number as text; empty counts as missing. Zalo's ids are 64-bit numbers as text.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

fn hint(hints: &mut Vec<String>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        hints.push(format!("{name}:{value}"));
    }
}
