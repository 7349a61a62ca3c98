//! `GET /api/v1/conversations`: chats and comments that wait for an answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::customers;
use super::extract::Query;
use super::page::{self, Position};
use super::problem::{Code, Problem};
use crate::gateway::Gateway;
use crate::store::conversations::{self, Filter, Queue, Row};

mod act;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(act::assign))
        .routes(routes!(act::close))
        .routes(routes!(act::reply))
        .routes(routes!(list))
        .routes(routes!(conversation))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Params {
    /// `waiting` (those that wait for us, the longest waiting first; usual) or `all` (the latest
    /// first).
    queue: Option<String>,
    /// Id of a channel.
    channel: Option<String>,
    /// Who answers it.
    assignee: Option<String>,
    /// Conversations of a page, 1 to 200; usually 50.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A chat, comment thread or call.
#[derive(Debug, Serialize, ToSchema)]
struct Conversation {
    /// `cnv_…`
    id: String,
    /// Channel.
    channel: String,
    /// The channel's id of the person; hidden without `pii:read`.
    person: Option<String>,
    /// Where it stands.
    state: String,
    /// Who answers it.
    assignee: Option<String>,
    /// The draft or order that came of it.
    order_id: Option<String>,
    /// The customer (`cus_…`), where the person is known.
    customer_id: Option<String>,
    /// Since when the person waits for us.
    #[schema(value_type = Option<String>, format = DateTime)]
    waiting_since: Option<Timestamp>,
    /// How long the person has waited, seconds.
    age_s: Option<i64>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Rises with every change.
    version: i64,
    /// What was said and understood; hidden without `pii:read`, and left out of lists.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
}

/// A page of conversations.
#[derive(Debug, Serialize, ToSchema)]
struct ConversationPage {
    /// The conversations.
    data: Vec<Conversation>,
    /// Send it as `cursor` to get the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Who may read: those who serve customers.
fn require(caller: &Caller) -> Result<(), Problem> {
    caller.require_unbound()?;
    if caller.may(Scope::ConversationsWrite) {
        return Ok(());
    }
    caller.require(Scope::CustomersRead)
}

/// Conversations, in pages
#[utoipa::path(
    get, path = "/conversations", tag = "conversations", operation_id = "list_conversations",
    params(Params),
    responses((status = 200, description = "A page", body = ConversationPage)),
    security(("token" = ["customers:read"]), ("token" = ["conversations:write"])),
)]
async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<ConversationPage>, Problem> {
    require(&caller)?;
    let queue = match params.queue.as_deref() {
        None | Some("waiting") => Queue::Waiting,
        Some("all") => Queue::All,
        Some(_) => return Err(Problem::invalid("queue", "must be waiting or all")),
    };
    let limit = page::limit(params.limit)?;
    let name = serde_json::json!([
        "conversations",
        queue == Queue::All,
        params.channel,
        params.assignee
    ])
    .to_string();
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| Position::read(&gateway.keys, &name, cursor))
        .transpose()?;
    let filter = Filter {
        channel: params.channel,
        assignee: params.assignee,
        queue,
    };
    let after = after.as_ref().map(|p| (p.at, p.id.as_str()));
    let mut rows = conversations::list(&gateway.db, &filter, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, &gateway.keys, &name, |row| Position {
        at: row.position(queue),
        id: row.id.clone(),
    });
    let now = gateway.now_ms();
    let mut data: Vec<Conversation> = rows.into_iter().map(|r| show(&caller, r, now)).collect();
    let links = data.iter_mut().map(|one| &mut one.customer_id);
    customers::follow(&gateway, links).await;
    Ok(Json(ConversationPage { data, next_cursor }))
}

/// One conversation
#[utoipa::path(
    get, path = "/conversations/{id}", tag = "conversations", operation_id = "get_conversation",
    params(("id" = String, Path, description = "Id (`cnv_…`)")),
    responses(
        (status = 200, description = "The conversation with what was said", body = Conversation),
        (status = 404, description = "No such conversation"),
    ),
    security(("token" = ["customers:read"]), ("token" = ["conversations:write"])),
)]
async fn conversation(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Conversation>, Problem> {
    require(&caller)?;
    let row = found(&gateway, &id).await?;
    let document = if caller.may(Scope::PiiRead) {
        Some(row.document()?)
    } else {
        None
    };
    let mut conversation = Conversation {
        document,
        ..show(&caller, row, gateway.now_ms())
    };
    customers::follow(&gateway, std::iter::once(&mut conversation.customer_id)).await;
    Ok(Json(conversation))
}

async fn found(gateway: &Gateway, id: &str) -> Result<Row, Problem> {
    conversations::get(&gateway.db, id)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFound).detail("there is no conversation of this id"))
}

fn show(caller: &Caller, row: Row, now: i64) -> Conversation {
    Conversation {
        id: row.id,
        channel: row.channel,
        person: caller.may(Scope::PiiRead).then_some(row.person),
        state: row.state,
        assignee: row.assignee,
        order_id: row.order_id,
        customer_id: row.customer_id,
        waiting_since: row.waiting_since.map(time),
        age_s: row.waiting_since.map(|since| (now - since).max(0) / 1000),
        updated_at: time(row.updated_at),
        version: row.version,
        document: None,
    }
}
