//! What staff do with an order: `POST /api/v1/orders/{id}/confirm` and its like.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::order::{Action, Command};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{answer, find, settled};
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::extract::{self, Json};
use crate::http::problem::{Code, Problem};
use crate::pipeline::settle::{CommandInput, Input};
use crate::store::tx::OrderRef;

/// Characters of a reason at most.
const REASON_CHARS: usize = 500;

/// Why, and for a transfer where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionRequest {
    /// Why: 1 to 500 characters, kept in the audit log. No personal data, please.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// Where the order goes, for `transfer` and for nothing else.
    location: Option<String>,
}

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonRequest {
    /// Why: 1 to 500 characters, kept in the audit log. No personal data, please.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Act on an order
///
/// `confirm` a draft or an order that waits; `hold` and `release` it; `cancel` it before the goods
/// have left; `reject` a draft; `reroute` it from the beginning; `transfer` it to a location. With
/// an `Idempotency-Key`, a repeat changes nothing and is answered like the first request. With
/// `If-Match`, nothing happens unless the order still has that version.
#[utoipa::path(
    post, path = "/orders/{id}/{action}", tag = "orders", operation_id = "act_on_order",
    params(
        ("id" = String, Path, description = "Id (`ord_…`) or code of the order"),
        ("action" = String, Path, description = "`confirm`, `hold`, `release`, `cancel`, `reject`, `reroute` or `transfer`",
            pattern = "^(confirm|hold|release|cancel|reject|reroute|transfer)$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat harmless"),
        ("If-Match" = Option<String>, Header, description = "Version of the order"),
    ),
    request_body = ActionRequest,
    responses(
        (status = 200, description = "The order as it is now", body = ref("#/components/schemas/Order")),
        (status = 404, description = "No such order or action, or not for this token"),
        (status = 409, description = "The order does not allow it, or has another version"),
    ),
    security(("token" = ["orders:write"])),
)]
pub(super) async fn act(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path((name, action)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<ActionRequest>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrdersWrite)?;
    let action = match (action.as_str(), request.location) {
        ("transfer", Some(location)) => {
            if gateway.locations.get(&location).is_none() {
                return Err(Problem::invalid("location", "is not a location"));
            }
            Action::Transfer { location }
        }
        ("transfer", None) => return Err(Problem::invalid("location", "is required")),
        (word, location) => {
            let action = match word {
                "confirm" => Action::Confirm,
                "hold" => Action::Hold,
                "release" => Action::Release,
                "cancel" => Action::Cancel,
                "reject" => Action::Reject,
                "reroute" => Action::Reroute,
                _ => return Err(Problem::new(Code::NotFound).detail("there is no such action")),
            };
            if location.is_some() {
                return Err(Problem::invalid("location", "goes with `transfer` only"));
            }
            action
        }
    };
    command(&gateway, &caller, &name, &headers, &request.reason, action).await
}

/// Leave out one line of an order
///
/// `Idempotency-Key` and `If-Match` work as for the other actions.
#[utoipa::path(
    post, path = "/orders/{id}/lines/{line}/cancel", tag = "orders", operation_id = "cancel_line",
    params(
        ("id" = String, Path, description = "Id (`ord_…`) or code of the order"),
        ("line" = String, Path, description = "Id of the line"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat harmless"),
        ("If-Match" = Option<String>, Header, description = "Version of the order"),
    ),
    request_body = ReasonRequest,
    responses(
        (status = 200, description = "The order as it is now", body = ref("#/components/schemas/Order")),
        (status = 404, description = "No such order, or not for this token"),
        (status = 409, description = "The order does not allow it, or has another version"),
    ),
    security(("token" = ["orders:write"])),
)]
pub(super) async fn cancel_line(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path((name, line)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<ReasonRequest>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrdersWrite)?;
    let action = Action::CancelLine { line };
    command(&gateway, &caller, &name, &headers, &request.reason, action).await
}

/// Hands a command to settling and answers with the order as it is then.
pub(super) async fn command(
    gateway: &Gateway,
    caller: &Caller,
    name: &str,
    headers: &HeaderMap,
    reason: &str,
    action: Action,
) -> Result<Response, Problem> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Problem::invalid("reason", "must have 1 to 500 characters"));
    }
    let key = extract::idempotency_key(headers)?;
    let expected_version = extract::if_match(headers)?;
    let order = find(gateway, caller, name).await?.order;
    let id = match key {
        // The key is the caller's own: another's key names another command.
        Some(key) => format!("{}/{key}", caller.actor()),
        None => format!("{:032x}", gateway.ids.next(gateway.now_ms())),
    };
    if let Some(earlier) = order.staff_command(&id) {
        if earlier.action != action {
            return Err(Problem::new(Code::KeyReused));
        }
        return Ok(answer(gateway, caller, &order, StatusCode::OK).await);
    }
    let done = gateway
        .settler
        .ask(|reply| {
            Input::Command(Box::new(CommandInput {
                order: OrderRef::Id(order.id().as_str().to_owned()),
                command: Command {
                    id,
                    actor: caller.actor().to_owned(),
                    at: gateway.clock.now(),
                    reason: reason.to_owned(),
                    action,
                },
                expected_version,
                reply,
            }))
        })
        .await;
    let (order, _) = settled(done)?;
    Ok(answer(gateway, caller, &order, StatusCode::OK).await)
}
