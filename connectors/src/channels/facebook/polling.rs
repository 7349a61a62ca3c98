//! Backfill: what a gap in the webhooks may have hidden, read from the pages' conversations and
//! from the comments of their lives.
//!
//! Each item is put into the form of the webhook that should have told it, so that it is parsed by
//! the same code and has the same dedup key as a push that told it alone.

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Facebook;
use super::envelope::text;
use super::graph::{Answer, judge, moment};
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::inbound::{PayloadError, VerifiedWebhook};
use crate::signature;
use crate::url::{self, Query, encode};

/// The threads of Messenger and Instagram.
const CONVERSATIONS: &str = "conversations";
/// The comments of lives that are on, or were a short while ago.
const LIVE_COMMENTS: &str = "live_comments";

/// The longest that a live goes on after its beginning.
const LONGEST_LIVE: SignedDuration = SignedDuration::from_hours(12);

/// What is younger than this is left to the webhooks, seconds: they say more. The next window
/// overlaps by more than that.
const GRACE_S: i64 = 120;
const LIVE_GRACE_S: i64 = 30;

/// What is taken: from here, before there.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    fn of(kind: &str, window: &PollWindow) -> Self {
        let grace = if kind == LIVE_COMMENTS {
            LIVE_GRACE_S
        } else {
            GRACE_S
        };
        let to = window.to.checked_sub(SignedDuration::from_secs(grace));
        Self {
            from: window.from,
            to: to.unwrap_or(window.to),
        }
    }

    fn holds(self, at: Timestamp) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// Whose things are asked for.
struct Place<'a> {
    /// Account as notices name it.
    account: &'a str,
    /// The page that is asked.
    page: &'a str,
    instagram: bool,
}

/// Where a poll stands: which account, what of it is still to be read, which page of its list.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cursor {
    place: usize,
    /// The one at hand first. Lives with their videos; empty while lives are still to be listed.
    /// Threads with the cursor of their older messages; empty while threads are listed.
    open: Vec<(String, String)>,
    after: Option<String>,
}

impl Cursor {
    /// `place|id:second,id:second|after`
    fn read(text: Option<&str>) -> Self {
        let mut parts = text.unwrap_or_default().splitn(3, '|');
        let mut part = || parts.next().unwrap_or_default();
        let place = part().parse().unwrap_or(0);
        let open = part()
            .split(',')
            .filter_map(|one| one.split_once(':'))
            .map(|(id, second)| (id.to_owned(), second.to_owned()))
            .collect();
        let after = Some(part().to_owned()).filter(|after| !after.is_empty());
        Self { place, open, after }
    }

    fn written(&self) -> String {
        let open: Vec<String> = self
            .open
            .iter()
            .map(|(id, second)| format!("{id}:{second}"))
            .collect();
        let after = self.after.as_deref().unwrap_or_default();
        format!("{}|{}|{after}", self.place, open.join(","))
    }
}

impl Facebook {
    /// Whether there is anything to ask with.
    pub(super) fn polls(&self) -> bool {
        !self.settings.page_tokens.is_empty()
    }

    /// Pages first, then Instagram accounts, whose lives cannot be listed.
    fn places(&self, kind: &str) -> Vec<Place<'_>> {
        let instagram = &self.settings.instagram_pages;
        let pages = self.settings.page_tokens.keys();
        let pages = pages.filter(|id| !instagram.contains_key(*id));
        let pages = pages.map(|page| Place {
            account: page,
            page,
            instagram: false,
        });
        let linked = instagram.iter().map(|(account, page)| Place {
            account,
            page,
            instagram: true,
        });
        pages
            .chain(linked.filter(|_| kind == CONVERSATIONS))
            .collect()
    }

    fn older(thread: &str, after: &str) -> (String, Query) {
        let query = Query::default()
            .with(
                "fields",
                "id,created_time,from,to,message,attachments{mime_type}",
            )
            .with("limit", "25")
            .with("after", after);
        (format!("/{}/messages", encode(thread)), query)
    }

    fn threads(place: &Place<'_>, cursor: &Cursor) -> (String, Query) {
        let platform = if place.instagram {
            "instagram"
        } else {
            "messenger"
        };
        let fields = "updated_time,\
messages.limit(25){id,created_time,from,to,message,attachments{mime_type}}";
        let query = Query::default()
            .with("platform", platform)
            .with("fields", fields)
            .with("limit", "25");
        let path = format!("/{}/conversations", encode(place.page));
        (path, paged(query, cursor))
    }

    fn lives(place: &Place<'_>) -> (String, Query) {
        let query = Query::default()
            .with("fields", "id,status,creation_time,video{id}")
            .with("limit", "25");
        (format!("/{}/live_videos", encode(place.page)), query)
    }

    fn comments(live: &str, cursor: &Cursor) -> (String, Query) {
        let query = Query::default()
            .with("order", "reverse_chronological")
            .with("filter", "stream")
            .with("fields", "id,message,from,created_time,parent{id}")
            .with("limit", "100");
        (format!("/{}/comments", encode(live)), paged(query, cursor))
    }

    /// The cursor of the next account, if there is one.
    fn next_place(&self, kind: &str, cursor: &Cursor) -> Option<String> {
        let place = cursor.place + 1;
        (place < self.places(kind).len()).then(|| {
            Cursor {
                place,
                ..Cursor::default()
            }
            .written()
        })
    }
}

fn paged(query: Query, cursor: &Cursor) -> Query {
    match &cursor.after {
        Some(after) => query.with("after", after),
        None => query,
    }
}

impl Polling for Facebook {
    fn kinds(&self) -> &'static [&'static str] {
        &[CONVERSATIONS, LIVE_COMMENTS]
    }

    fn every_s(&self, kind: &str) -> i64 {
        if kind == LIVE_COMMENTS { 60 } else { 300 }
    }

    fn overlap_s(&self, kind: &str) -> i64 {
        if kind == LIVE_COMMENTS { 120 } else { 600 }
    }

    /// Meta repeats failed deliveries for 36 hours; a longer silence is filled in pieces.
    fn longest_window_s(&self, _kind: &str) -> i64 {
        2 * 86_400
    }

    fn request(&self, kind: &str, window: &PollWindow, call: CallContext<'_>) -> Request<Bytes> {
        let cursor = Cursor::read(window.cursor.as_deref());
        let places = self.places(kind);
        let built = places.get(cursor.place).and_then(|place| {
            let (path, query) = match (kind, cursor.open.first()) {
                (LIVE_COMMENTS, Some((live, _))) => Self::comments(live, &cursor),
                (LIVE_COMMENTS, None) => Self::lives(place),
                (_, Some((thread, after))) => Self::older(thread, after),
                (_, None) => Self::threads(place, &cursor),
            };
            self.get(&path, query, self.token(place.page, call)?)
        });
        // The cursor is of an account that is configured no more: Meta refuses a call of nothing,
        // and the poll begins again without a cursor.
        built.unwrap_or_else(|| {
            let nothing = self.settings.base_url.join("/");
            url::get(nothing.expect("invariant: a base takes a slash"))
        })
    }

    fn read(
        &self,
        kind: &str,
        window: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        let body = match judge(response) {
            Answer::Good(body) => body,
            Answer::Busy { after_s, reason } => return Ok(Polled::Retry { after_s, reason }),
            Answer::Account { reason } => return Ok(Polled::Account { reason }),
            Answer::NotFound => {
                return Ok(Polled::Refused {
                    reason: "Meta knows no such object".to_owned(),
                });
            }
            Answer::OutsideWindow { reason }
            | Answer::Unreachable { reason, .. }
            | Answer::Refused { reason, .. } => return Ok(Polled::Refused { reason }),
        };
        let items = body
            .get("data")
            .and_then(Value::as_array)
            .ok_or_else(|| PayloadError::new("data: expected a list"))?;
        let mut cursor = Cursor::read(window.cursor.as_deref());
        let span = Span::of(kind, window);
        let places = self.places(kind);
        let Some(place) = places.get(cursor.place) else {
            return Err(PayloadError::new("the cursor names no account"));
        };
        let more = following(&body)?;
        if kind == CONVERSATIONS {
            let messages = if cursor.open.is_empty() {
                let threads = threads(place, items, span)?;
                cursor.open = threads.open;
                cursor.after = more.filter(|_| !threads.reached);
                threads.messages
            } else {
                let (messages, reached) = said(place, items, span);
                match more.filter(|_| !reached) {
                    Some(after) => cursor.open[0].1 = after,
                    None => {
                        cursor.open.remove(0);
                    }
                }
                messages
            };
            let next = if cursor.open.is_empty() && cursor.after.is_none() {
                self.next_place(kind, &cursor)
            } else {
                Some(cursor.written())
            };
            return Ok(Polled::Page { messages, next });
        }
        let Some((_, video)) = cursor.open.first() else {
            cursor.open = lives(items, window.from);
            let next = if cursor.open.is_empty() {
                self.next_place(kind, &cursor)
            } else {
                Some(cursor.written())
            };
            return Ok(Polled::Page {
                messages: Vec::new(),
                next,
            });
        };
        let (messages, reached) = comments(place, video, items, span);
        cursor.after = more.filter(|_| !reached);
        if cursor.after.is_none() {
            cursor.open.remove(0);
        }
        let next = if cursor.open.is_empty() {
            self.next_place(kind, &cursor)
        } else {
            Some(cursor.written())
        };
        Ok(Polled::Page { messages, next })
    }
}

/// The cursor of a list's next page.
fn following(list: &Value) -> Result<Option<String>, PayloadError> {
    if list.pointer("/paging/next").is_none() {
        return Ok(None);
    }
    let after = text(list, "/paging/cursors/after");
    match after {
        Some(after) if !is_plain(&after) => Err(PayloadError::new(
            "paging.cursors.after: a cursor of another form",
        )),
        after => Ok(after),
    }
}

/// Whether an id or cursor can stand in a [`Cursor`].
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !b",:|".contains(&byte))
}

/// What a page of threads holds.
#[derive(Default)]
struct Threads {
    messages: Vec<VerifiedWebhook>,
    /// Threads with more messages within the span than the page shows, and where those begin.
    open: Vec<(String, String)>,
    /// Whether older threads were reached: Meta lists those that changed last first.
    reached: bool,
}

fn threads(place: &Place<'_>, items: &[Value], span: Span) -> Result<Threads, PayloadError> {
    let mut found = Threads::default();
    for thread in items {
        let updated = text(thread, "/updated_time").and_then(|t| moment(&t));
        if updated.is_some_and(|updated| updated < span.from) {
            found.reached = true;
            continue;
        }
        let Some(list) = thread.get("messages") else {
            continue;
        };
        let items = list.get("data").and_then(Value::as_array);
        let (messages, reached) = said(place, items.map_or(&[][..], Vec::as_slice), span);
        found.messages.extend(messages);
        if let Some(after) = following(list)?.filter(|_| !reached) {
            let id = text(thread, "/id").filter(|id| is_plain(id));
            let id = id.ok_or_else(|| PayloadError::new("data[].id: expected a thread's id"))?;
            found.open.push((id, after));
        }
    }
    Ok(found)
}

/// The messages within the span, newest first as Meta lists them, and whether older ones were
/// reached.
fn said(place: &Place<'_>, items: &[Value], span: Span) -> (Vec<VerifiedWebhook>, bool) {
    let at = |said| text(said, "/created_time").and_then(|t| moment(&t));
    let reached = items.iter().filter_map(at).any(|at| at < span.from);
    let entries = items.iter().filter_map(|said| message(place, said, span));
    let messages = entries.map(|entry| wrapped(place, &entry)).collect();
    (messages, reached)
}

/// A message as `messaging[]` tells it.
fn message(place: &Place<'_>, said: &Value, span: Span) -> Option<Value> {
    let at = moment(&text(said, "/created_time")?).filter(|at| span.holds(*at))?;
    let (sender, recipient) = (text(said, "/from/id")?, text(said, "/to/data/0/id")?);
    let mut message = json!({"mid": text(said, "/id")?});
    if let Some(words) = text(said, "/message") {
        message["text"] = json!(words);
    }
    let attachments: Vec<Value> = said
        .pointer("/attachments/data")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|attachment| {
            let kind = text(attachment, "/mime_type").unwrap_or_default();
            let known = |kind: &&str| matches!(*kind, "image" | "video" | "audio");
            let kind = kind.split('/').next().filter(known).unwrap_or("file");
            json!({"type": kind, "payload": {}})
        })
        .collect();
    if !attachments.is_empty() {
        message["attachments"] = json!(attachments);
    }
    if sender == place.account || sender == place.page {
        message["is_echo"] = json!(true);
    }
    Some(json!({
        "id": place.account, "time": at.as_millisecond(),
        "messaging": [{
            "sender": {"id": sender}, "recipient": {"id": recipient},
            "timestamp": at.as_millisecond(), "message": message,
        }],
    }))
}

/// The lives that may have comments since `from`.
fn lives(items: &[Value], from: Timestamp) -> Vec<(String, String)> {
    let begun = from.checked_sub(LONGEST_LIVE).unwrap_or(from);
    let is_id = |id: &String| id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    items
        .iter()
        .filter(|live| {
            let on = text(live, "/status").as_deref() == Some("LIVE");
            let created = text(live, "/creation_time").and_then(|t| moment(&t));
            on || created.is_some_and(|created| created >= begun)
        })
        .filter_map(|live| {
            let id = text(live, "/id").filter(is_id)?;
            // The post of a live is that of its video, whose id is another than the live's.
            let video = text(live, "/video/id").filter(is_id)?;
            Some((id, video))
        })
        .collect()
}

/// The comments within the span, and whether older ones were reached.
fn comments(
    place: &Place<'_>,
    video: &str,
    items: &[Value],
    span: Span,
) -> (Vec<VerifiedWebhook>, bool) {
    let post = format!("{}_{video}", place.page);
    let mut messages = Vec::new();
    let mut reached = false;
    for comment in items {
        let at = text(comment, "/created_time").and_then(|t| moment(&t));
        let (Some(at), Some(id)) = (at, text(comment, "/id")) else {
            continue;
        };
        reached |= at < span.from;
        if !span.holds(at) {
            continue;
        }
        let mut value = json!({
            "item": "comment", "verb": "add", "comment_id": id, "post_id": post,
            "parent_id": text(comment, "/parent/id").unwrap_or_else(|| post.clone()),
            "created_time": at.as_second(),
            "post": {"id": post, "status_type": "added_video"},
        });
        if let Some(words) = text(comment, "/message") {
            value["message"] = json!(words);
        }
        // Left out, as in the webhook, where the token may not see who it was.
        if let Some(author) = comment.get("from").filter(|from| from.is_object()) {
            value["from"] = author.clone();
        }
        let entry = json!({
            "id": place.account, "time": at.as_second(),
            "changes": [{"field": "feed", "value": value}],
        });
        messages.push(wrapped(place, &entry));
    }
    (messages, reached)
}

fn wrapped(place: &Place<'_>, entry: &Value) -> VerifiedWebhook {
    let object = if place.instagram { "instagram" } else { "page" };
    let body = json!({"object": object, "entry": [entry]}).to_string();
    VerifiedWebhook::polled(None, Bytes::from(body), signature::own_call())
}
