//! `/api/v1/inbox`: what came in and what became of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::extract::{self, Query};
use super::page;
use super::problem::{Code, Problem};
use crate::gateway::Gateway;
use crate::pipeline::envelope;
use crate::store::messages::{self, Whole};
use crate::store::notices::StoredMessage;

const STATES: [&str; 4] = ["waiting", "done", "ignored", "dead"];

/// Groups of dead notices shown at most.
const GROUPS: i64 = 200;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(raw))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this channel or target.
    channel: Option<String>,
    /// Only with a notice in this state: `waiting`, `done`, `ignored` or `dead`.
    state: Option<String>,
    /// Only with a notice of this kind, such as `order`.
    kind: Option<String>,
    /// Only with a notice that concerned this order.
    order: Option<String>,
    /// Came at or after.
    #[param(value_type = Option<String>, format = DateTime)]
    received_from: Option<Timestamp>,
    /// Came before.
    #[param(value_type = Option<String>, format = DateTime)]
    received_to: Option<Timestamp>,
    /// `cause`: dead notices by channel, kind and cause instead of single messages.
    group: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200; 50 if left out.
    limit: Option<u32>,
}

/// One thing that a message reports, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
struct Notice {
    /// Position in the message; a replay goes on counting.
    ordinal: i64,
    /// `order`, `payment`, `conversation`, `call`, `fulfillment`, `invoice`, `service`, `stock`,
    /// `account` or `ignored`.
    kind: String,
    /// What it is about within the channel.
    key: Option<String>,
    /// `waiting`, `done`, `ignored` or `dead`.
    state: String,
    /// Why it is there.
    reason: Option<String>,
    /// It only asks for a fetch.
    fetch_only: bool,
    /// First position of the reading that it belongs to: 0 for the first, higher after a replay.
    reading: i64,
    /// Tries.
    attempts: i64,
    /// When it is tried next; only while it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_try_at: Option<Timestamp>,
    /// The order that it concerned.
    order_id: Option<String>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<messages::NoticeRow> for Notice {
    fn from(row: messages::NoticeRow) -> Self {
        Self {
            ordinal: row.ordinal,
            kind: row.kind,
            key: row.key,
            next_try_at: (row.state == "waiting").then(|| time(row.not_before)),
            state: row.state,
            reason: row.reason,
            fetch_only: row.fetch_only != 0,
            reading: row.replay_base,
            attempts: row.attempts,
            order_id: row.order_id,
            created_at: time(row.created_at),
            finished_at: row.finished_at.map(time),
        }
    }
}

/// The same key with other content.
#[derive(Debug, Serialize, ToSchema)]
struct MessageConflict {
    /// Hash of the other content.
    body_hash: String,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

/// How often a message came.
#[derive(Debug, Serialize, ToSchema)]
struct Receipts {
    /// First time.
    new: i64,
    /// Again with the same content.
    duplicate: i64,
    /// Again with other content.
    conflict: i64,
}

/// A message without its content.
#[derive(Debug, Serialize, ToSchema)]
struct Message {
    /// The message.
    id: i64,
    /// Channel or target.
    channel: String,
    /// Its permanent business key there: what has the same key is the same message.
    key: String,
    /// `push` or `poll`.
    source: String,
    /// The vendor's topic header.
    topic: Option<String>,
    /// SHA-256 of query and body.
    body_hash: String,
    /// When it came first.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// When its content was dropped, after the retention time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pruned_at: Option<Timestamp>,
    /// How often it came.
    receipts: Receipts,
    /// What it reports.
    notices: Vec<Notice>,
    /// Other contents under its key.
    conflicts: Vec<MessageConflict>,
}

impl From<Whole> for Message {
    fn from(whole: Whole) -> Self {
        let message = whole.message;
        Self {
            id: message.seq,
            channel: message.channel,
            key: message.dedup_key,
            source: message.source,
            topic: message.topic,
            body_hash: message.body_hash,
            received_at: time(message.received_at),
            pruned_at: message.pruned_at.map(time),
            receipts: Receipts {
                new: whole.receipts.new,
                duplicate: whole.receipts.duplicate,
                conflict: whole.receipts.conflict,
            },
            notices: whole.notices.into_iter().map(Notice::from).collect(),
            conflicts: whole
                .conflicts
                .into_iter()
                .map(|conflict| MessageConflict {
                    body_hash: conflict.body_hash,
                    received_at: time(conflict.received_at),
                })
                .collect(),
        }
    }
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
struct MessagePage {
    /// Newest first. A page looks through a bounded part of the inbox: it may be short, even
    /// empty, while `next_cursor` is there.
    data: Vec<Message>,
    /// Send it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// Dead notices that died of the same cause.
#[derive(Debug, Serialize, ToSchema)]
struct DeadNotices {
    /// Channel or target.
    channel: String,
    /// Kind.
    kind: String,
    /// Why.
    cause: String,
    /// How many.
    count: i64,
    /// When the first of them died.
    #[schema(value_type = String, format = DateTime)]
    oldest_at: Timestamp,
    /// When the last of them died.
    #[schema(value_type = String, format = DateTime)]
    newest_at: Timestamp,
    /// One of their messages.
    example: i64,
}

/// Dead notices by cause.
#[derive(Debug, Serialize, ToSchema)]
struct DeadNoticeGroups {
    /// The largest groups first, 200 at most.
    data: Vec<DeadNotices>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Messages {
    Page(MessagePage),
    Groups(DeadNoticeGroups),
}

/// Messages, newest first, or dead notices by cause
#[utoipa::path(
    get, path = "/inbox", tag = "inbox", operation_id = "list_inbox", params(Filter),
    responses((status = 200, description = "A page, or with `group=cause` the groups", body = Messages)),
    security(("token" = ["inbox:read"])),
)]
async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Messages>, Problem> {
    caller.require(Scope::InboxRead)?;
    caller.require_unbound()?;
    extract::one_of("state", filter.state.as_deref(), &STATES)?;
    extract::one_of("group", filter.group.as_deref(), &["cause"])?;
    if filter.group.is_some() {
        return groups(&gateway, &filter).await.map(Json);
    }
    let limit = page::limit(filter.limit)?;
    let before = page::row_cursor(filter.cursor.as_deref())?;
    let wanted = messages::Filter {
        channel: filter.channel,
        state: filter.state,
        kind: filter.kind,
        order_id: filter.order,
        received_from: filter.received_from.map(Timestamp::as_millisecond),
        received_to: filter.received_to.map(Timestamp::as_millisecond),
    };
    let page = messages::list(&gateway.db, &wanted, before, limit).await?;
    Ok(Json(Messages::Page(MessagePage {
        data: page.rows.into_iter().map(Message::from).collect(),
        next_cursor: page.next.map(|seq| seq.to_string()),
    })))
}

async fn groups(gateway: &Gateway, filter: &Filter) -> Result<Messages, Problem> {
    if filter.state.as_deref().is_some_and(|state| state != "dead") {
        return Err(Problem::invalid("state", "only dead notices have a cause"));
    }
    for (field, given) in [
        ("kind", filter.kind.is_some()),
        ("order", filter.order.is_some()),
        ("received_from", filter.received_from.is_some()),
        ("received_to", filter.received_to.is_some()),
        ("cursor", filter.cursor.is_some()),
    ] {
        if given {
            return Err(Problem::new(Code::FilterNotIndexed)
                .field(field)
                .detail("groups can be narrowed by channel"));
        }
    }
    let groups = messages::dead_groups(&gateway.db, filter.channel.as_deref(), GROUPS).await?;
    Ok(Messages::Groups(DeadNoticeGroups {
        data: groups
            .into_iter()
            .map(|group| DeadNotices {
                channel: group.channel,
                kind: group.kind,
                cause: group.cause,
                count: group.count,
                oldest_at: time(group.oldest),
                newest_at: time(group.newest),
                example: group.example,
            })
            .collect(),
    }))
}

/// One message without its content
#[utoipa::path(
    get, path = "/inbox/{id}", tag = "inbox", operation_id = "show_message",
    params(("id" = i64, Path, description = "The message")),
    responses(
        (status = 200, description = "The message", body = Message),
        (status = 404, description = "There is no such message"),
    ),
    security(("token" = ["inbox:read"])),
)]
async fn show(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Message>, Problem> {
    caller.require(Scope::InboxRead)?;
    caller.require_unbound()?;
    let whole = messages::one(&gateway.db, extract::row_number(&id)?)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Json(whole.into()))
}

/// The content of a message as it came.
#[derive(Debug, Serialize, ToSchema)]
struct RawMessage {
    /// The message.
    id: i64,
    /// The vendor's topic header.
    topic: Option<String>,
    /// The query string, for vendors that deliver by GET.
    query: String,
    /// The body, if it is text.
    body: Option<String>,
    /// The body in hexadecimal, if it is not.
    body_hex: Option<String>,
}

/// The content of a message; every look is audited
#[utoipa::path(
    get, path = "/inbox/{id}/raw", tag = "inbox", operation_id = "show_raw_message",
    params(("id" = i64, Path, description = "The message")),
    responses(
        (status = 200, description = "The content", body = RawMessage),
        (status = 404, description = "There is no such message"),
        (status = 409, description = "The content is gone, or does not open with the keys"),
    ),
    security(("token" = ["inbox:raw"])),
)]
async fn raw(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.require(Scope::InboxRaw)?;
    caller.require_unbound()?;
    let stored = sealed(&gateway, extract::row_number(&id)?).await?;
    let message = envelope::open(&gateway.keys, &stored)
        .map_err(|error| Problem::new(Code::NotAllowed).detail(error.to_string()))?;
    messages::note_opened(&gateway.db, stored.seq, caller.actor(), gateway.now_ms()).await?;
    let text = std::str::from_utf8(message.body()).ok().map(str::to_owned);
    let shown = RawMessage {
        id: stored.seq,
        topic: message.topic().map(str::to_owned),
        query: message.query().to_owned(),
        body_hex: text.is_none().then(|| hex::encode(message.body())),
        body: text,
    };
    // It is personal data: no cache on the way may keep it.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(shown)).into_response())
}

/// The stored content of a message, still sealed.
pub(super) async fn sealed(gateway: &Gateway, id: i64) -> Result<StoredMessage, Problem> {
    messages::sealed(&gateway.db, id)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFound))
}
