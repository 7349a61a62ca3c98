//! `changes[]`: comments of pages and Instagram, and lead forms.

use domain::snapshot::Buyer;
use serde_json::Value;

use super::envelope::{Page, Read, moment, text, value_digest};
use crate::inbound::{ConversationNotice, Notice, NoticeBody, NoticeKind, Question};
use crate::payload::{digest, word};

/// Reads one change.
pub(super) fn read(page: Page<'_>, change: &Value) -> Read {
    let field = text(change, "/field").ok_or_else(|| "change.field: missing".to_owned())?;
    let value = change
        .get("value")
        .filter(|v| v.is_object())
        .ok_or_else(|| "change.value: expected an object".to_owned())?;
    match field.as_str() {
        "feed" => match text(value, "/item").as_deref() {
            Some("comment") => feed_comment(page, value),
            Some(item) => Err(format!("feed item {} is not handled", word(item))),
            None => Err("change.value.item: missing".to_owned()),
        },
        "comments" | "live_comments" if page.instagram => instagram_comment(page, value, &field),
        "leadgen" => lead(page, value),
        other => Err(format!("change of field {} is not handled", word(other))),
    }
}

/// The change's part of the dedup key.
pub(super) fn key(page: Page<'_>, change: &Value) -> String {
    if let Some(lead) = text(change, "/value/leadgen_id") {
        return format!("{}|lead|{lead}", page.id);
    }
    let comment = text(change, "/value/comment_id")
        .or_else(|| text(change, "/value/id").filter(|_| page.instagram));
    match comment {
        Some(comment) => {
            let verb = text(change, "/value/verb").unwrap_or_else(|| "add".to_owned());
            let said = ["/value/message", "/value/text"]
                .iter()
                .find_map(|pointer| text(change, pointer))
                .unwrap_or_default();
            format!(
                "{}|comment|{comment}|{verb}|{}",
                page.id,
                digest(said.as_bytes())
            )
        }
        None => format!("{}|change|{}", page.id, value_digest(change)),
    }
}

/// A page comment. `from` may be absent, depending on the token's permissions: the comment is
/// kept, only its buyer is not known.
fn feed_comment(page: Page<'_>, value: &Value) -> Read {
    let comment = text(value, "/comment_id").ok_or_else(|| "comment_id: missing".to_owned())?;
    let verb = text(value, "/verb").ok_or_else(|| "verb: missing".to_owned())?;
    let author = text(value, "/from/id");
    let outgoing = author.as_deref() == Some(page.id);
    let created = value.get("created_time").and_then(moment);
    // `created_time` stays that of the comment; what happened to it later has the entry's time.
    let at = if verb == "add" {
        created.or(page.at)
    } else {
        page.at.or(created)
    }
    .ok_or_else(|| "created_time: missing".to_owned())?;
    let (kind, message_id) = match verb.as_str() {
        "add" => ("comment", comment.clone()),
        "edit" | "edited" => ("comment", comment.clone()),
        "remove" => ("removal", comment.clone()),
        // Not the comment's own id: the text must not be replaced by a status.
        "hide" | "unhide" => ("status", format!("{comment}:{verb}")),
        other => return Err(format!("comment verb {} is not handled", word(other))),
    };
    let mut hints = Vec::new();
    match verb.as_str() {
        "edit" | "edited" => hints.push("edited".to_owned()),
        "hide" | "unhide" => {
            hints.push(verb.clone());
            hints.push(format!("about:{comment}"));
        }
        _ => {}
    }
    let post = text(value, "/post_id");
    if let Some(parent) = text(value, "/parent_id").filter(|p| Some(p) != post.as_ref()) {
        hints.push(format!("reply_to:{parent}"));
    }
    let (post_type, link) = (
        text(value, "/post/status_type"),
        text(value, "/post/permalink_url"),
    );
    if is_video(post_type.as_deref(), link.as_deref()) {
        hints.push("live".to_owned());
    }
    push(&mut hints, "post", post);
    push(&mut hints, "post_type", post_type);
    push(&mut hints, "link", link);
    for attachment in ["photo", "video"] {
        if text(value, &format!("/{attachment}")).is_some() {
            hints.push(format!("attachment:{attachment}"));
        }
    }
    let name = text(value, "/from/name");
    Ok(conversation(Comment {
        page,
        author,
        name,
        comment,
        message_id,
        kind,
        outgoing,
        said: text(value, "/message").filter(|_| kind == "comment"),
        at,
        hints,
    }))
}

/// A live is a video of the page, and the webhook does not tell it from a recorded one: whether a
/// sale is on under this post is known from its session, found by account and post.
fn is_video(post_type: Option<&str>, link: Option<&str>) -> bool {
    post_type == Some("added_video") || link.is_some_and(|link| link.contains("/videos/"))
}

fn instagram_comment(page: Page<'_>, value: &Value, field: &str) -> Read {
    let comment = text(value, "/id").ok_or_else(|| "id: missing".to_owned())?;
    let author = text(value, "/from/id");
    let outgoing = author.as_deref() == Some(page.id);
    let at = page.at.ok_or_else(|| "entry.time: missing".to_owned())?;
    let mut hints = Vec::new();
    let media_type = text(value, "/media/media_product_type");
    if field == "live_comments" || media_type.as_deref() == Some("LIVE") {
        hints.push("live".to_owned());
    }
    push(&mut hints, "reply_to", text(value, "/parent_id"));
    push(&mut hints, "post", text(value, "/media/id"));
    push(&mut hints, "post_type", media_type);
    Ok(conversation(Comment {
        page,
        author,
        name: text(value, "/from/username"),
        message_id: comment.clone(),
        comment,
        kind: "comment",
        outgoing,
        said: text(value, "/text"),
        at,
        hints,
    }))
}

/// A lead form was sent in. The message holds no personal data: the form is asked for as
/// `lead:{page}:{leadgen_id}`.
fn lead(page: Page<'_>, value: &Value) -> Read {
    let id = text(value, "/leadgen_id").ok_or_else(|| "leadgen_id: missing".to_owned())?;
    Ok(Notice {
        key: Some(format!("lead:{id}")),
        body: NoticeBody::Ask(Question {
            kind: NoticeKind::Conversation,
            subject: format!("lead:{}:{id}", page.id),
        }),
    })
}

struct Comment<'a> {
    page: Page<'a>,
    author: Option<String>,
    name: Option<String>,
    comment: String,
    message_id: String,
    kind: &'static str,
    outgoing: bool,
    said: Option<String>,
    at: jiff::Timestamp,
    hints: Vec<String>,
}

fn conversation(comment: Comment<'_>) -> Notice {
    // A comment's author id is not the id of the same person in chat; a comment without an author
    // is a person of its own until someone joins them.
    let person = comment
        .author
        .clone()
        .unwrap_or_else(|| format!("comment:{}", comment.comment));
    let buyer = comment
        .author
        .filter(|_| !comment.outgoing)
        .map(|id| Buyer {
            name: comment.name,
            external_id: Some(id),
            ..Buyer::default()
        });
    Notice {
        key: Some(person.clone()),
        body: NoticeBody::Conversation(Box::new(ConversationNotice {
            person,
            account: comment.page.id.to_owned(),
            message_id: comment.message_id,
            kind: comment.kind.to_owned(),
            outgoing: comment.outgoing,
            text: comment.said,
            buyer,
            address: None,
            lines: Vec::new(),
            at: comment.at,
            hints: comment.hints,
        })),
    }
}

fn push(hints: &mut Vec<String>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        hints.push(format!("{name}:{value}"));
    }
}
