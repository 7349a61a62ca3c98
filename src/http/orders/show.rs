//! `GET /api/v1/orders/{id}` and `/explain`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{answer, find};
use crate::gateway::Gateway;
use crate::http::audit::time;
use crate::http::auth::{Caller, Scope};
use crate::http::problem::Problem;
use crate::store::orders;

/// One order
#[utoipa::path(
    get, path = "/orders/{id}", tag = "orders", operation_id = "get_order",
    params(("id" = String, Path, description = "Id (`ord_…`) or code of the order")),
    responses(
        (status = 200, description = "The order; its version is the ETag", body = ref("#/components/schemas/Order")),
        (status = 404, description = "No such order, or not for this token"),
    ),
    security(("token" = ["orders:read"])),
)]
pub(super) async fn order(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrdersRead)?;
    let stored = find(&gateway, &caller, &name).await?;
    Ok(answer(&gateway, &caller, &stored.order, StatusCode::OK).await)
}

/// A decision that is no longer the last.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EarlierDecision {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Rule.
    rule: String,
    /// Version of the rules.
    rules_version: String,
}

/// Why the order goes where it goes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// `ord_…`
    order_id: String,
    /// When the last decision was made; null while none has been.
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
    /// The last decision: rule, version of the rules, outcome, legs, and in `trace` every rule and
    /// location that was looked at and why it was not taken.
    #[schema(value_type = Option<Object>)]
    decision: Option<Value>,
    /// What keeps the order from going on now, by code.
    holds: Vec<String>,
    /// Decisions before the last, newest first.
    earlier: Vec<EarlierDecision>,
}

/// Why an order goes where it goes
#[utoipa::path(
    get, path = "/orders/{id}/explain", tag = "orders", operation_id = "explain_order",
    params(("id" = String, Path, description = "Id (`ord_…`) or code of the order")),
    responses(
        (status = 200, description = "The last decision with its whole trace", body = Explanation),
        (status = 404, description = "No such order, or not for this token"),
    ),
    security(("token" = ["orders:read"])),
)]
pub(super) async fn explain(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    caller.require(Scope::OrdersRead)?;
    let order = find(&gateway, &caller, &name).await?.order;
    let mut decisions = orders::decisions(&gateway.db, order.id().as_str()).await?;
    let last = decisions.pop();
    let decision = last
        .as_ref()
        .map(orders::DecisionRow::document)
        .transpose()?;
    Ok(Json(Explanation {
        order_id: order.id().to_string(),
        decided_at: last.map(|last| time(last.at)),
        decision,
        holds: order
            .view()
            .holds
            .into_iter()
            .map(|hold| hold.code)
            .collect(),
        earlier: decisions
            .into_iter()
            .rev()
            .map(|row| EarlierDecision {
                at: time(row.at),
                rule: row.rule,
                rules_version: row.rules_version,
            })
            .collect(),
    }))
}
