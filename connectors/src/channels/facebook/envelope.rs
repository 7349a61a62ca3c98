//! Meta's envelope: one POST may hold up to a thousand updates of several pages, in two shapes
//! (`messaging` and `changes`). An update that cannot be read becomes an ignored notice with its
//! reason; the others are read all the same.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{changes, messaging};
use crate::inbound::{Notice, NoticeBody, PayloadError};
use crate::payload::digest;

/// One page's part of an envelope.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    /// The page or Instagram account.
    pub(super) id: &'a str,
    /// When Meta says that the entry came about; stands in where an update has no time.
    pub(super) at: Option<Timestamp>,
    /// `object = "instagram"`.
    pub(super) instagram: bool,
}

/// How one update is read: a notice, or why there is none.
pub(super) type Read = Result<Notice, String>;

/// One update within an envelope.
enum Update<'a> {
    Messaging { item: &'a Value, standby: bool },
    Change(&'a Value),
    Unreadable(&'static str),
}

/// Every update of the body as a notice, in order.
pub(super) fn notices(body: &[u8]) -> Result<Vec<Notice>, PayloadError> {
    let document = document(body)?;
    let notices: Vec<Notice> = updates(&document)?
        .into_iter()
        .map(|(page, update)| {
            let read = match update {
                Update::Messaging { item, standby } => messaging::read(page, item, standby),
                Update::Change(item) => changes::read(page, item),
                Update::Unreadable(reason) => Err(reason.to_owned()),
            };
            read.unwrap_or_else(|reason| ignored(&reason))
        })
        .collect();
    if notices.is_empty() {
        return Ok(vec![ignored("the envelope holds no update")]);
    }
    Ok(notices)
}

/// Meta gives no delivery id, and a repeat may be bundled anew: the key is made of the keys of all
/// updates, whatever their order.
pub(super) fn dedup_key(body: &[u8]) -> String {
    let keys = document(body)
        .ok()
        .and_then(|document| {
            let mut keys: Vec<String> = updates(&document)
                .ok()?
                .into_iter()
                .map(|(page, update)| match update {
                    Update::Messaging { item, .. } => messaging::key(page, item),
                    Update::Change(item) => changes::key(page, item),
                    Update::Unreadable(reason) => format!("{}|{reason}", page.id),
                })
                .collect();
            keys.sort_unstable();
            (!keys.is_empty()).then_some(keys)
        })
        .map(|keys| keys.join("\n"));
    match keys {
        Some(keys) => format!("updates:{}", digest(keys.as_bytes())),
        None => format!("body:{}", digest(body)),
    }
}

/// The page, when every entry is of the same one.
pub(super) fn account(body: &[u8]) -> Option<String> {
    let document = document(body).ok()?;
    let mut ids = entries(&document).ok()?.iter().map(|e| text(e, "/id"));
    let first = ids.next()??;
    ids.all(|id| id.as_deref() == Some(first.as_str()))
        .then_some(first)
}

/// One envelope for each page, with its entries in order, where there are several; `None` where all
/// entries are of the same one or the body is no envelope.
pub(super) fn by_account(body: &[u8]) -> Option<Vec<(Option<String>, Bytes)>> {
    let document = document(body).ok()?;
    let mut pages: Vec<(Option<String>, Vec<&Value>)> = Vec::new();
    for entry in entries(&document).ok()? {
        let id = text(entry, "/id");
        match pages.iter_mut().find(|(page, _)| *page == id) {
            Some((_, entries)) => entries.push(entry),
            None => pages.push((id, vec![entry])),
        }
    }
    if pages.len() < 2 {
        return None;
    }
    let envelope = |entries: Vec<&Value>| {
        let object = document.get("object");
        Bytes::from(json!({ "object": object, "entry": entries }).to_string())
    };
    let parts = pages.into_iter();
    Some(parts.map(|(id, own)| (id, envelope(own))).collect())
}

fn document(body: &[u8]) -> Result<Value, PayloadError> {
    serde_json::from_slice(body).map_err(|_| PayloadError::new("the body is not JSON"))
}

fn entries(document: &Value) -> Result<&Vec<Value>, PayloadError> {
    document
        .get("entry")
        .and_then(Value::as_array)
        .ok_or_else(|| PayloadError::new("entry: expected a list"))
}

fn updates(document: &Value) -> Result<Vec<(Page<'_>, Update<'_>)>, PayloadError> {
    let instagram = match document.get("object").and_then(Value::as_str) {
        Some("page") => false,
        Some("instagram") => true,
        _ => return Err(PayloadError::new("object: expected page or instagram")),
    };
    let mut all = Vec::new();
    for entry in entries(document)? {
        // Older payloads send ids as numbers; those are kept as their digits by `text`, but a
        // page's own id is always a string today and borrowed here.
        let id = match entry.get("id") {
            Some(Value::String(id)) => id.as_str(),
            Some(Value::Number(id)) => id.as_str(),
            _ => "",
        };
        let page = Page {
            id,
            at: entry.get("time").and_then(moment),
            instagram,
        };
        if id.is_empty() {
            all.push((page, Update::Unreadable("an entry has no id")));
            continue;
        }
        let before = all.len();
        for (field, standby) in [("messaging", false), ("standby", true)] {
            match entry.get(field) {
                None => {}
                Some(Value::Array(items)) => {
                    all.extend(
                        items
                            .iter()
                            .map(|item| (page, Update::Messaging { item, standby })),
                    );
                }
                Some(_) => all.push((page, Update::Unreadable("messaging: expected a list"))),
            }
        }
        match entry.get("changes") {
            None => {}
            Some(Value::Array(items)) => {
                all.extend(items.iter().map(|item| (page, Update::Change(item))));
            }
            Some(_) => all.push((page, Update::Unreadable("changes: expected a list"))),
        }
        if all.len() == before {
            all.push((page, Update::Unreadable("an entry holds no update")));
        }
    }
    Ok(all)
}

/// A notice that asks for nothing.
pub(super) fn ignored(reason: &str) -> Notice {
    Notice {
        key: None,
        body: NoticeBody::Ignored {
            reason: reason.to_owned(),
        },
    }
}

/// Text or number at a pointer, as text; empty counts as missing. Ids are longer than 53 bits:
/// the digits are taken as written.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.as_str().to_owned()),
        _ => None,
    }
}

/// Seconds or milliseconds since 1970: `entry.time` is in seconds for changes and in milliseconds
/// for messaging. Seconds stay below 10^11 until the year 5138.
pub(super) fn moment(value: &Value) -> Option<Timestamp> {
    let number: i64 = match value {
        Value::Number(n) => n.as_i64()?,
        Value::String(s) => s.parse().ok()?,
        _ => return None,
    };
    if number.unsigned_abs() < 100_000_000_000 {
        Timestamp::from_second(number).ok()
    } else {
        Timestamp::from_millisecond(number).ok()
    }
}

/// The digest of a value's compact JSON with sorted keys.
pub(super) fn value_digest(value: &Value) -> String {
    digest(value.to_string().as_bytes())
}
