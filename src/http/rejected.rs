//! `/api/v1/inbox/rejected`: requests at the doors that were not believed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::extract::Query;
use super::problem::Problem;
use crate::gateway::Gateway;
use crate::store::rejections;

/// Samples of rejected requests shown at most.
const SAMPLES: i64 = 200;

const HOUR_MS: i64 = 3_600_000;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(rejected))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RejectedFilter {
    /// Only of this channel or target.
    channel: Option<String>,
    /// Counts of so many hours, 1 to 720; 24 if left out.
    hours: Option<u32>,
}

/// Requests that were not believed.
#[derive(Debug, Serialize, ToSchema)]
struct RejectedCount {
    /// Channel or target.
    channel: String,
    /// Why.
    reason: String,
    /// How many.
    count: i64,
}

/// A request that was not believed and is kept for diagnosis, sealed.
#[derive(Debug, Serialize, ToSchema)]
struct RejectedSample {
    /// The sample.
    id: i64,
    /// Channel or target.
    channel: String,
    /// Why.
    reason: String,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

/// What was rejected.
#[derive(Debug, Serialize, ToSchema)]
struct RejectedRequests {
    /// Counts by channel and reason.
    counts: Vec<RejectedCount>,
    /// The newest kept samples, without their content.
    samples: Vec<RejectedSample>,
}

/// Requests that were not believed: counts and samples
#[utoipa::path(
    get, path = "/inbox/rejected", tag = "inbox", operation_id = "list_rejected",
    params(RejectedFilter),
    responses((status = 200, description = "Counts and samples", body = RejectedRequests)),
    security(("token" = ["inbox:read"])),
)]
async fn rejected(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<RejectedFilter>,
) -> Result<Json<RejectedRequests>, Problem> {
    caller.require(Scope::InboxRead)?;
    caller.require_unbound()?;
    let hours = match filter.hours.unwrap_or(24) {
        hours @ 1..=720 => i64::from(hours),
        _ => return Err(Problem::invalid("hours", "must be between 1 and 720")),
    };
    let since = gateway.now_ms() - hours * HOUR_MS;
    let channel = filter.channel.as_deref();
    let first_hour = since - since.rem_euclid(HOUR_MS);
    let counts = rejections::counts(&gateway.db, first_hour).await?;
    let samples = rejections::samples(&gateway.db, channel, SAMPLES).await?;
    Ok(Json(RejectedRequests {
        counts: counts
            .into_iter()
            .filter(|(of, _, _)| channel.is_none_or(|wanted| wanted == of))
            .map(|(channel, reason, count)| RejectedCount {
                channel,
                reason,
                count,
            })
            .collect(),
        samples: samples
            .into_iter()
            .map(|sample| RejectedSample {
                id: sample.seq,
                channel: sample.channel,
                reason: sample.reason,
                received_at: time(sample.received_at),
            })
            .collect(),
    }))
}
