//! `/api/v1/deliveries`: what went out, what waits, what died of which cause, and the redrive.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::extract::{self, Query};
use super::page;
use super::problem::{Code, Problem};
use crate::bells::News;
use crate::gateway::Gateway;
use crate::outbound::GateKey;
use crate::store::deliveries::{self, DeadGroup, Redrive, Tried};

const STATES: [&str; 6] = [
    "pending",
    "in_flight",
    "delivered",
    "refused",
    "dead",
    "withdrawn",
];

/// Groups of dead letters shown at most.
const GROUPS: i64 = 200;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(redrive_many))
        .routes(routes!(show))
        .routes(routes!(redrive_one))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this target.
    target: Option<String>,
    /// `pending`, `in_flight`, `delivered`, `refused`, `dead` or `withdrawn`.
    state: Option<String>,
    /// Only of this order.
    order: Option<String>,
    /// Only of this leg.
    leg: Option<String>,
    /// Only of this operation, such as `reserve`.
    op: Option<String>,
    /// `cause`: dead letters by target, operation and cause instead of single deliveries.
    group: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200; 50 if left out.
    limit: Option<u32>,
}

/// One task of the outbox. Its body is not shown: it holds personal data.
#[derive(Debug, Serialize, ToSchema)]
struct Delivery {
    /// The delivery.
    id: i64,
    /// The idempotency key that the target sees.
    key: String,
    /// Order.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    /// Target.
    target: String,
    /// Operation, such as `reserve`.
    op: String,
    /// Leg, such as `invoice`.
    leg: String,
    /// Our id of the thing at the target.
    subject: String,
    /// Rises with every compensation that is followed by a new effect.
    generation: i64,
    /// `pending`, `in_flight`, `delivered`, `refused`, `dead` or `withdrawn`.
    state: String,
    /// An earlier try may have arrived: the target is asked before anything is sent again.
    unknown: bool,
    /// Tries since it was written or last redriven.
    attempts: i64,
    /// What the target said last, or why the last try failed.
    #[schema(value_type = Option<Object>)]
    last_outcome: Option<Value>,
    /// When it is tried next; only while it is `pending`.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_try_at: Option<Timestamp>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// First try since it was written or last redriven.
    #[schema(value_type = Option<String>, format = DateTime)]
    first_sent_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<deliveries::Delivery> for Delivery {
    fn from(row: deliveries::Delivery) -> Self {
        Self {
            id: row.seq,
            key: row.key,
            order_id: row.order_id,
            target: row.target,
            op: row.op,
            leg: row.leg,
            subject: row.subject,
            generation: row.generation,
            unknown: row.unknown != 0,
            attempts: row.attempts,
            last_outcome: row.last_outcome.as_deref().map(outcome),
            next_try_at: (row.state == "pending").then(|| time(row.not_before)),
            created_at: time(row.created_at),
            first_sent_at: row.first_sent_at.map(time),
            finished_at: row.finished_at.map(time),
            state: row.state,
        }
    }
}

/// The target's answer as it was stored, or the sentence that stands in its place.
fn outcome(stored: &str) -> Value {
    match serde_json::from_str(stored) {
        Ok(answer @ Value::Object(_)) => answer,
        _ => json!({ "reason": stored }),
    }
}

/// One try.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryAttempt {
    /// Which try; starts again at 1 after a redrive.
    number: i64,
    /// `send`, or `lookup` when the target was asked what became of an earlier try.
    call: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// How long it took.
    duration_ms: i64,
    /// HTTP status, if an answer came.
    status: Option<i64>,
    /// Outcome in a word.
    outcome: String,
    /// Outcome in a sentence.
    detail: String,
}

impl From<Tried> for DeliveryAttempt {
    fn from(row: Tried) -> Self {
        Self {
            number: row.number,
            call: row.call,
            started_at: time(row.started_at),
            duration_ms: row.duration_ms,
            status: row.status,
            outcome: row.outcome,
            detail: row.detail,
        }
    }
}

/// A delivery with all its tries.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryDetail {
    #[serde(flatten)]
    delivery: Delivery,
    /// All tries, oldest first, also those before a redrive.
    tries: Vec<DeliveryAttempt>,
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryPage {
    /// Newest first. A page looks through a bounded part of the outbox: it may be short, even
    /// empty, while `next_cursor` is there.
    data: Vec<Delivery>,
    /// Send it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// Dead letters that died of the same cause.
#[derive(Debug, Serialize, ToSchema)]
struct DeadDeliveries {
    /// Target.
    target: String,
    /// Operation.
    op: String,
    /// Why; send it as `cause` to redrive these.
    cause: String,
    /// How many.
    count: i64,
    /// When the first of them died.
    #[schema(value_type = String, format = DateTime)]
    oldest_at: Timestamp,
    /// When the last of them died.
    #[schema(value_type = String, format = DateTime)]
    newest_at: Timestamp,
}

impl From<DeadGroup> for DeadDeliveries {
    fn from(group: DeadGroup) -> Self {
        Self {
            target: group.target,
            op: group.op,
            cause: group.cause,
            count: group.count,
            oldest_at: time(group.oldest),
            newest_at: time(group.newest),
        }
    }
}

/// Dead letters by cause.
#[derive(Debug, Serialize, ToSchema)]
struct DeadDeliveryGroups {
    /// The largest groups first, 200 at most.
    data: Vec<DeadDeliveries>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Deliveries {
    Page(DeliveryPage),
    Groups(DeadDeliveryGroups),
}

/// Deliveries, newest first, or dead letters by cause
#[utoipa::path(
    get, path = "/deliveries", tag = "deliveries", operation_id = "list_deliveries", params(Filter),
    responses((status = 200, description = "A page, or with `group=cause` the groups", body = Deliveries)),
    security(("token" = ["deliveries:read"])),
)]
async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Deliveries>, Problem> {
    caller.require(Scope::DeliveriesRead)?;
    caller.require_unbound()?;
    extract::one_of("state", filter.state.as_deref(), &STATES)?;
    extract::one_of("group", filter.group.as_deref(), &["cause"])?;
    if filter.group.is_some() {
        return groups(&gateway, filter).await.map(Json);
    }
    let limit = page::limit(filter.limit)?;
    let before = page::row_cursor(filter.cursor.as_deref())?;
    let wanted = deliveries::Filter {
        target: filter.target,
        state: filter.state,
        order_id: filter.order,
        leg: filter.leg,
        op: filter.op,
    };
    let page = deliveries::list(&gateway.db, &wanted, before, limit).await?;
    Ok(Json(Deliveries::Page(DeliveryPage {
        data: page.rows.into_iter().map(Delivery::from).collect(),
        next_cursor: page.next.map(|seq| seq.to_string()),
    })))
}

async fn groups(gateway: &Gateway, filter: Filter) -> Result<Deliveries, Problem> {
    if filter.state.as_deref().is_some_and(|state| state != "dead") {
        return Err(Problem::invalid(
            "state",
            "only dead deliveries have a cause",
        ));
    }
    for (field, given) in [
        ("order", filter.order.is_some()),
        ("leg", filter.leg.is_some()),
        ("cursor", filter.cursor.is_some()),
    ] {
        if given {
            return Err(Problem::new(Code::FilterNotIndexed)
                .field(field)
                .detail("groups can be narrowed by target and op"));
        }
    }
    let wanted = Redrive {
        target: filter.target,
        op: filter.op,
        ..Redrive::default()
    };
    let groups = deliveries::dead_groups(&gateway.db, &wanted, GROUPS).await?;
    Ok(Deliveries::Groups(DeadDeliveryGroups {
        data: groups.into_iter().map(DeadDeliveries::from).collect(),
    }))
}

/// One delivery with all its tries
#[utoipa::path(
    get, path = "/deliveries/{id}", tag = "deliveries", operation_id = "show_delivery",
    params(("id" = i64, Path, description = "The delivery")),
    responses(
        (status = 200, description = "The delivery", body = DeliveryDetail),
        (status = 404, description = "There is no such delivery"),
    ),
    security(("token" = ["deliveries:read"])),
)]
async fn show(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeliveryDetail>, Problem> {
    caller.require(Scope::DeliveriesRead)?;
    caller.require_unbound()?;
    let (delivery, tries) = deliveries::one(&gateway.db, extract::row_number(&id)?)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Json(DeliveryDetail {
        delivery: delivery.into(),
        tries: tries.into_iter().map(DeliveryAttempt::from).collect(),
    }))
}

/// Which dead deliveries to redrive. At least one of the filters must be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RedriveRequest {
    /// Only of this target.
    #[serde(default)]
    target: Option<String>,
    /// Only of this operation.
    #[serde(default)]
    op: Option<String>,
    /// Only of this cause, as `group=cause` shows it.
    #[serde(default)]
    cause: Option<String>,
    /// Only those that died before.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    before: Option<Timestamp>,
    /// Tell only what would be redriven.
    #[serde(default)]
    dry_run: bool,
}

/// What was redriven, or would be.
#[derive(Debug, Serialize, ToSchema)]
struct Redriven {
    /// Nothing was done.
    dry_run: bool,
    /// How many deliveries.
    count: i64,
    /// Which ones; empty in a dry run.
    ids: Vec<i64>,
    /// More are left than one request takes: send it again.
    more: bool,
    /// In a dry run: the groups that would be redriven.
    groups: Vec<DeadDeliveries>,
}

/// Redrives dead deliveries by filter
///
/// They are due at once, with a fresh count of tries; their earlier tries stay on record. What may
/// have arrived is looked up before it is sent again. A pause after a refused account ends.
#[utoipa::path(
    post, path = "/deliveries/redrive", tag = "deliveries", operation_id = "redrive_deliveries",
    request_body = RedriveRequest,
    responses((status = 200, description = "What was redriven", body = Redriven)),
    security(("token" = ["deliveries:write"])),
)]
async fn redrive_many(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    extract::Json(request): extract::Json<RedriveRequest>,
) -> Result<Json<Redriven>, Problem> {
    caller.require(Scope::DeliveriesWrite)?;
    caller.require_unbound()?;
    let filter = Redrive {
        ids: Vec::new(),
        target: request.target,
        op: request.op,
        cause: request.cause,
        before: request.before.map(Timestamp::as_millisecond),
    };
    if filter == Redrive::default() {
        return Err(Problem::invalid(
            "target",
            "name at least one of target, op, cause and before",
        ));
    }
    if request.dry_run {
        let groups = deliveries::dead_groups(&gateway.db, &filter, GROUPS).await?;
        let count = groups.iter().map(|group| group.count).sum();
        return Ok(Json(Redriven {
            dry_run: true,
            count,
            ids: Vec::new(),
            more: count > deliveries::MOST_REDRIVEN,
            groups: groups.into_iter().map(DeadDeliveries::from).collect(),
        }));
    }
    redrive(&gateway, &caller, &filter).await.map(Json)
}

/// Redrives one dead delivery
#[utoipa::path(
    post, path = "/deliveries/{id}/redrive", tag = "deliveries", operation_id = "redrive_delivery",
    params(("id" = i64, Path, description = "The delivery")),
    responses(
        (status = 200, description = "It is due again", body = Redriven),
        (status = 404, description = "There is no such delivery"),
        (status = 409, description = "It is not dead"),
    ),
    security(("token" = ["deliveries:write"])),
)]
async fn redrive_one(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Redriven>, Problem> {
    caller.require(Scope::DeliveriesWrite)?;
    caller.require_unbound()?;
    let id = extract::row_number(&id)?;
    let filter = Redrive {
        ids: vec![id],
        ..Redrive::default()
    };
    let redriven = redrive(&gateway, &caller, &filter).await?;
    if redriven.count > 0 {
        return Ok(Json(redriven));
    }
    match deliveries::one(&gateway.db, id).await? {
        None => Err(Problem::new(Code::NotFound)),
        Some((delivery, _)) => Err(Problem::new(Code::NotAllowed).detail(format!(
            "the delivery is {}; only a dead one can be redriven",
            delivery.state
        ))),
    }
}

async fn redrive(
    gateway: &Gateway,
    caller: &Caller,
    filter: &Redrive,
) -> Result<Redriven, Problem> {
    let now = gateway.now_ms();
    let ids = deliveries::redrive(&gateway.db, filter, caller.actor(), now).await?;
    for target in deliveries::targets_of(&gateway.db, &ids).await? {
        // Whoever redrives has mended what was wrong: a pause for it has no reason any more.
        if let Some(gate) = gateway.gates.get(&GateKey::owner(target)) {
            gate.resume();
        }
    }
    if !ids.is_empty() {
        tracing::info!(
            actor = caller.actor(),
            deliveries = ids.len(),
            "dead deliveries were redriven"
        );
        gateway.bells.ring(News::Outbox);
    }
    let count = i64::try_from(ids.len()).expect("a bounded number");
    Ok(Redriven {
        dry_run: false,
        count,
        more: count >= deliveries::MOST_REDRIVEN,
        ids,
        groups: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_shown_as_the_targets_answer_or_as_a_reason() {
        let answer = r#"{"outcome":"refused","code":"closed","message":"no"}"#;
        assert_eq!(outcome(answer)["code"], "closed");
        assert_eq!(outcome("HTTP 503"), json!({ "reason": "HTTP 503" }));
        assert_eq!(outcome("12"), json!({ "reason": "12" }));
    }
}
