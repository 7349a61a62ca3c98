//! `POST /api/v1/orders/{id}/payments`: money that found no order by itself, and whose it is.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{answer, find, settled};
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::extract::Json;
use crate::http::problem::{Code, Problem};
use crate::pipeline::ingest;
use crate::pipeline::settle::{Book, Input};
use crate::store::notices;
use crate::store::tx::OrderRef;

/// Characters of a reason at most.
const REASON_CHARS: usize = 500;

/// Which payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentRequest {
    /// Id of the message in the inbox that tells of the payment.
    message: i64,
    /// The place of the payment's notice in the message.
    #[serde(default)]
    ordinal: i64,
    /// Why it is this order's: 1 to 500 characters, kept in the audit log. No personal data, please.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Assign a payment to an order
///
/// For payments whose notice is dead because it names no order, or one that nobody knows: a
/// transfer without our code, say. The payment then counts for the order as if it had named it, and
/// the notice is settled. A transaction is booked once: a repeat changes nothing, also by another
/// message about it, and no second order gets the same money.
#[utoipa::path(
    post, path = "/orders/{id}/payments", tag = "orders", operation_id = "book_payment",
    params(("id" = String, Path, description = "Id (`ord_…`) or code of the order")),
    request_body = PaymentRequest,
    responses(
        (status = 200, description = "The order as it is now", body = ref("#/components/schemas/Order")),
        (status = 404, description = "No such order, or not for this token; no such notice"),
        (status = 409, description = "The notice is no payment, waits for nobody, or its money is another order's"),
    ),
    security(("token" = ["orders:write"])),
)]
pub(super) async fn book(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(request): Json<PaymentRequest>,
) -> Result<Response, Problem> {
    caller.require_unbound()?;
    caller.require(Scope::OrdersWrite)?;
    let reason = request.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Problem::invalid("reason", "must have 1 to 500 characters"));
    }
    let order = find(&gateway, &caller, &name).await?.order;
    let notice = notices::get(&gateway.db, request.message, request.ordinal)
        .await?
        .ok_or_else(|| {
            Problem::new(Code::NotFound).detail("the inbox has no such notice".to_owned())
        })?;
    let payment = ingest::payment_of(&gateway, &notice)
        .await?
        .map_err(|reason| Problem::new(Code::NotAllowed).detail(reason))?;
    let done = gateway
        .settler
        .ask(|reply| {
            Input::Book(Box::new(Book {
                order: OrderRef::Id(order.id().as_str().to_owned()),
                message_seq: notice.message_seq,
                ordinal: notice.ordinal,
                payment,
                actor: caller.actor().to_owned(),
                reason: reason.to_owned(),
                reply,
            }))
        })
        .await;
    let (order, _) = settled(done)?;
    Ok(answer(&gateway, &caller, &order, StatusCode::OK).await)
}
