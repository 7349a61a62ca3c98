//! `GET /api/v1/orders/{id}/timeline`: all that happened, from the message to the last attempt.
//!
//! Raw bodies are not here: they are read in the inbox, with a scope of their own.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::find;
use crate::gateway::Gateway;
use crate::http::audit::time;
use crate::http::auth::{Caller, Scope};
use crate::http::problem::Problem;
use crate::store::audit::{self, Entry};
use crate::store::orders::{self, AttemptRow, History, TaskRow};

/// Lines of the audit log of one order at most.
const AUDIT: i64 = 200;

/// All that happened to an order, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Timeline {
    /// `ord_…`
    order_id: String,
    /// Oldest first.
    entries: Vec<TimelineEntry>,
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelineEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[serde(flatten)]
    what: TimelineItem,
}

/// What happened, by `type`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum TimelineItem {
    /// A channel or target sent something about the order.
    Message {
        /// Message of the inbox.
        message: i64,
        /// Position of the notice in it.
        ordinal: i64,
        /// Channel or target.
        channel: String,
        /// `push` or `poll`.
        source: String,
        /// Vendor's topic.
        topic: Option<String>,
        /// Kind of the notice.
        kind: String,
        /// `waiting`, `done`, `ignored` or `dead`.
        state: String,
        /// Why.
        reason: Option<String>,
        /// When it was settled.
        #[schema(value_type = Option<String>, format = DateTime)]
        finished_at: Option<Timestamp>,
        /// How often the same message came again.
        repeats: i64,
    },
    /// The order changed.
    Event {
        /// `status`, `payment`, `hold`, `fulfillment_order`, `invoice` …
        kind: String,
        /// Subject, from, to and detail.
        #[schema(value_type = Object)]
        detail: Value,
    },
    /// Routing decided.
    Decision {
        /// Rule.
        rule: String,
        /// Version of the rules.
        rules_version: String,
    },
    /// Somebody did something.
    Staff {
        /// Who.
        actor: String,
        /// What.
        action: String,
        /// Why; hidden from tokens without `pii:read`, because it is free text.
        reason: Option<String>,
    },
    /// A call to a target was planned.
    Task {
        /// Idempotency key at the target.
        key: String,
        /// Target.
        target: String,
        /// Operation.
        op: String,
        /// Leg.
        leg: String,
        /// Our id of the thing that it is about.
        subject: String,
        /// `pending`, `in_flight`, `delivered`, `refused`, `dead` or `withdrawn`.
        state: String,
        /// When it ended.
        #[schema(value_type = Option<String>, format = DateTime)]
        finished_at: Option<Timestamp>,
        /// Every try.
        attempts: Vec<TimelineAttempt>,
    },
}

/// One try of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelineAttempt {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Number of the try.
    number: i64,
    /// `send` or `lookup`.
    call: String,
    /// Milliseconds.
    duration_ms: i64,
    /// HTTP status, if there was an answer.
    status: Option<i64>,
    /// What came of it.
    outcome: String,
    /// More.
    detail: String,
}

/// All that happened to an order
#[utoipa::path(
    get, path = "/orders/{id}/timeline", tag = "orders", operation_id = "order_timeline",
    params(("id" = String, Path, description = "Id (`ord_…`) or code of the order")),
    responses(
        (status = 200, description = "Messages, changes, decisions, staff and calls, oldest first", body = Timeline),
        (status = 404, description = "No such order, or not for this token"),
    ),
    security(("token" = ["orders:read"])),
)]
pub(super) async fn timeline(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Timeline>, Problem> {
    caller.require(Scope::OrdersRead)?;
    let order = find(&gateway, &caller, &name).await?.order;
    let id = order.id().as_str();
    let history = orders::history(&gateway.db, id).await?;
    let staff = audit::list(&gateway.db, Some(id), None, AUDIT).await?;
    Ok(Json(Timeline {
        order_id: id.to_owned(),
        entries: merge(history, staff, caller.may(Scope::PiiRead)),
    }))
}

/// One list by time. What has the same time stays in the order of cause and effect: message,
/// staff, event, decision, task.
fn merge(history: History, staff: Vec<Entry>, reasons: bool) -> Vec<TimelineEntry> {
    let mut attempts: HashMap<i64, Vec<TimelineAttempt>> = HashMap::new();
    for row in history.attempts {
        attempts.entry(row.task_seq).or_default().push(row.into());
    }
    let mut entries = Vec::new();
    let mut add = |at: i64, what| entries.push(TimelineEntry { at: time(at), what });
    for row in history.notices {
        add(
            row.received_at,
            TimelineItem::Message {
                message: row.message_seq,
                ordinal: row.ordinal,
                channel: row.channel,
                source: row.source,
                topic: row.topic,
                kind: row.kind,
                state: row.state,
                reason: row.reason,
                finished_at: row.finished_at.map(time),
                repeats: row.repeats,
            },
        );
    }
    for row in staff.into_iter().rev() {
        add(
            row.at,
            TimelineItem::Staff {
                actor: row.actor,
                action: row.action,
                reason: reasons.then_some(row.detail),
            },
        );
    }
    for row in history.events {
        add(
            row.at,
            TimelineItem::Event {
                kind: row.kind,
                detail: serde_json::from_str(&row.detail).unwrap_or(Value::Null),
            },
        );
    }
    for row in history.decisions {
        add(
            row.at,
            TimelineItem::Decision {
                rule: row.rule,
                rules_version: row.rules_version,
            },
        );
    }
    for row in history.tasks {
        let tried = attempts.remove(&row.seq).unwrap_or_default();
        add(row.created_at, task(row, tried));
    }
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn task(row: TaskRow, attempts: Vec<TimelineAttempt>) -> TimelineItem {
    TimelineItem::Task {
        key: row.key,
        target: row.target,
        op: row.op,
        leg: row.leg,
        subject: row.subject,
        state: row.state,
        finished_at: row.finished_at.map(time),
        attempts,
    }
}

impl From<AttemptRow> for TimelineAttempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            at: time(row.started_at),
            number: row.number,
            call: row.call,
            duration_ms: row.duration_ms,
            status: row.status,
            outcome: row.outcome,
            detail: row.detail,
        }
    }
}
