//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::gateway::Gateway;
use crate::pipeline::timers;
use crate::telemetry;

/// The process is alive.
pub async fn alive() -> &'static str {
    "ok"
}

/// The process can take work: its database answers and it is not stopping.
pub async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let stopping = gateway.shutdown.is_triggered();
    let database = gateway.db.ping().await.is_ok();
    let status = if database && !stopping {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": database && !stopping,
        "database": database,
        "stopping": stopping,
        "rules_version": gateway.rules.load().version(),
    });
    (status, Json(body)).into_response()
}

/// OpenMetrics text.
pub async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    if let Err(error) = timers::refresh_gauges(&gateway).await {
        tracing::warn!(error = %telemetry::chain(&error), "could not refresh the gauges");
    }
    (
        [(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)],
        gateway.metrics.encode(),
    )
        .into_response()
}
