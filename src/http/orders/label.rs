//! `GET /api/v1/orders/{id}/fulfillment-orders/{parcel}/label`: the label that a marketplace prints
//! on a parcel.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use connectors::feedback::LabelOf;

use super::find;
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::problem::{Code, Problem};
use crate::pipeline::labels::{self, Error};

/// The label of a parcel
///
/// Asked for at the channel, which makes it: nothing is stored here. It exists once the parcel has
/// been arranged. It carries the buyer's name and address.
#[utoipa::path(
    get, path = "/orders/{id}/fulfillment-orders/{parcel}/label", tag = "orders",
    operation_id = "get_label",
    params(
        ("id" = String, Path, description = "Id (`ord_…`) or code of the order"),
        ("parcel" = String, Path, description = "Id of the fulfillment order (`ful_…`)"),
    ),
    responses(
        (status = 200, description = "The label, as the channel makes it (PDF or HTML)"),
        (status = 404, description = "No such order or fulfillment order, or not for this token"),
        (status = 409, description = "The channel makes no labels, or none of this parcel (yet)"),
        (status = 503, description = "The channel does not answer now"),
    ),
    security(("token" = ["orders:read", "pii:read"])),
)]
pub(super) async fn label(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path((name, parcel)): Path<(String, String)>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrdersRead)?;
    caller.require(Scope::PiiRead)?;
    let order = find(&gateway, &caller, &name).await?.order;
    let arranged = order.channel_parcel(&parcel).ok_or_else(|| {
        Problem::new(Code::NotFound).detail("the order has no such fulfillment order")
    })?;
    let channel = gateway
        .config
        .channel(order.channel())
        .ok_or_else(|| refused("its channel is not configured any more"))?;
    let wanted = LabelOf {
        external_id: order.external_id(),
        parcel: arranged.id.as_deref(),
        tracking: arranged.tracking.as_deref(),
    };
    match labels::get(&gateway, channel, wanted).await {
        Ok(label) => {
            // The vendor's word, unless it is none.
            let kind = HeaderValue::try_from(label.content_type)
                .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
            // Shown as a file: HTML of somebody else is not to run beside our API.
            let headers = [
                (header::CONTENT_TYPE, kind),
                (
                    header::CONTENT_DISPOSITION,
                    HeaderValue::from_static("attachment"),
                ),
                (
                    header::X_CONTENT_TYPE_OPTIONS,
                    HeaderValue::from_static("nosniff"),
                ),
            ];
            Ok((headers, label.body).into_response())
        }
        Err(Error::Refused(reason)) => Err(refused(&reason)),
        Err(Error::Later { after_s, reason }) => Err(Problem::new(Code::Unavailable)
            .detail(reason)
            .retry_after(after_s.unwrap_or(5))),
    }
}

fn refused(reason: &str) -> Problem {
    Problem::new(Code::NotAllowed).detail(reason.to_owned())
}
