//! `POST /api/v1/orders/{id}/refunds`: money goes back through the provider that took it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::money::Amount;
use domain::order::Action;
use serde::Deserialize;
use utoipa::ToSchema;

use super::act::command;
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::extract::{self, Json};
use crate::http::problem::{Code, Problem};

/// What goes back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundRequest {
    /// The payment's reference, as `payment.received` of the order shows it.
    reference: String,
    /// The provider's transaction, as `payment.received` shows it.
    transaction: String,
    /// How much, whole đồng.
    #[schema(minimum = 1)]
    amount: i64,
    /// Why: 1 to 500 characters, kept in the audit log and told to the provider. No personal data,
    /// please.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Give money back
///
/// The refund is a delivery to the payment channel that took the money: it is asked for once, and
/// after an answer that was lost the provider is asked what became of it before anything is sent
/// again. `payment.refunded` rises when the provider has taken it. The `Idempotency-Key` is
/// required, because a repeat without it would be another refund.
#[utoipa::path(
    post, path = "/orders/{id}/refunds", tag = "orders", operation_id = "refund_order",
    params(
        ("id" = String, Path, description = "Id (`ord_…`) or code of the order"),
        ("Idempotency-Key" = String, Header, description = "Makes a repeat harmless"),
        ("If-Match" = Option<String>, Header, description = "Version of the order"),
    ),
    request_body = RefundRequest,
    responses(
        (status = 200, description = "The order; the refund is on its way", body = ref("#/components/schemas/Order")),
        (status = 404, description = "No such order, or not for this token"),
        (status = 409, description = "No such payment, less is left of it, or its provider takes no refunds"),
    ),
    security(("token" = ["orders:write"])),
)]
pub(super) async fn refund(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(request): Json<RefundRequest>,
) -> Result<Response, Problem> {
    caller.require_unbound()?;
    caller.require(Scope::OrdersWrite)?;
    if extract::idempotency_key(&headers)?.is_none() {
        return Err(Problem::new(Code::KeyRequired));
    }
    if request.amount < 1 {
        return Err(Problem::invalid("amount", "at least 1 đồng goes back"));
    }
    let action = Action::Refund {
        reference: request.reference,
        transaction: request.transaction,
        amount: Amount(request.amount),
    };
    command(&gateway, &caller, &name, &headers, &request.reason, action).await
}
