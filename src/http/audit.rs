//! `GET /api/v1/audit`: who wrote what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, Scope};
use super::extract::Query;
use super::problem::Problem;
use crate::gateway::Gateway;
use crate::store::audit;

/// Lines of a page at most.
const PAGE: i64 = 200;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only what was done to this: the id of an order or token, `location/sku` of stock.
    subject: Option<String>,
    /// Only lines before this `seq`: the last one of the page before.
    before: Option<i64>,
}

/// One line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
struct AuditEntry {
    /// Rises with time.
    seq: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who, as their token names them.
    actor: String,
    /// What, such as `order.cancel`.
    action: String,
    /// Of what.
    subject: String,
    /// The reason given, or what was written.
    detail: String,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
struct AuditPage {
    /// Newest first.
    data: Vec<AuditEntry>,
}

/// The audit log, newest first
#[utoipa::path(
    get, path = "/audit", tag = "audit", operation_id = "list_audit", params(Filter),
    responses((status = 200, description = "A page", body = AuditPage)),
    security(("token" = ["admin"])),
)]
async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<AuditPage>, Problem> {
    caller.require(Scope::Admin)?;
    let subject = filter.subject.as_deref();
    let entries = audit::list(&gateway.db, subject, filter.before, PAGE).await?;
    let data = entries
        .into_iter()
        .map(|entry| AuditEntry {
            seq: entry.seq,
            at: time(entry.at),
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            detail: entry.detail,
        })
        .collect();
    Ok(Json(AuditPage { data }))
}

/// A stored time, milliseconds, as the API shows it.
pub(super) fn time(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
