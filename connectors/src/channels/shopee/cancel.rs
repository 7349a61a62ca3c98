//! Cancelling on our side, and answering a buyer who wishes to cancel.

use bytes::Bytes;
use domain::task::{CancelReason, ChannelLine, Given, Outcome};
use http::{Request, Response};
use serde_json::{Value, json};

use super::Shopee;
use super::api::{self, already, refused};
use super::look::Seen;
use crate::channel::CallContext;
use crate::feedback::Step;
use crate::target::BuildError;

const CANCEL: &str = "/api/v2/order/cancel_order";
const ANSWER: &str = "/api/v2/order/handle_buyer_cancellation";

const OUT_OF_STOCK: &str = "OUT_OF_STOCK";
const CUSTOMER_REQUEST: &str = "CUSTOMER_REQUEST";

/// What the look says before an order or some of its lines are cancelled.
pub(super) fn after_look(seen: &Seen, whole: bool) -> Step {
    match seen.status.as_str() {
        "CANCELLED" => already("cancelled"),
        // The buyer's own wish is on its way to the same end.
        "IN_CANCEL" if whole => already("being cancelled"),
        "IN_CANCEL" => refused("in_cancel", "a wish to cancel waits for an answer"),
        _ if seen.status != "PROCESSED" && seen.is_on_the_way() => {
            refused("too_late", "the parcel has left")
        }
        _ if !whole && seen.whole_only => {
            refused("whole_order_only", "Shopee cancels this order as a whole")
        }
        _ => Step::Part(seen.part()),
    }
}

/// What the look says before a buyer's wish is answered.
pub(super) fn after_look_at_wish(seen: &Seen, accept: bool) -> Step {
    match (seen.status.as_str(), accept) {
        ("IN_CANCEL", _) => Step::Part(seen.part()),
        ("CANCELLED", true) => already("cancelled"),
        ("CANCELLED", false) => refused("cancelled", "Shopee has cancelled the order"),
        // No wish waits any more: it was withdrawn, refused or has run out.
        (_, false) => already("not cancelled"),
        (_, true) => refused("no_wish", "no wish to cancel waits"),
    }
}

impl Shopee {
    pub(super) fn cancel(
        &self,
        order_sn: &str,
        reason: CancelReason,
        lines: &[ChannelLine],
        whole: bool,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        // Single lines can be cancelled for one reason only.
        let reason = match reason {
            _ if !whole => OUT_OF_STOCK,
            CancelReason::OutOfStock => OUT_OF_STOCK,
            CancelReason::BuyerAsked | CancelReason::Unpaid => CUSTOMER_REQUEST,
            CancelReason::Other => &self.0.other_cancel_reason,
        };
        let mut body = json!({ "order_sn": order_sn, "cancel_reason": reason });
        if reason == OUT_OF_STOCK {
            body["item_list"] = lines.iter().map(article).collect::<Result<_, _>>()?;
        }
        self.tell(CANCEL, &body, call)
    }

    pub(super) fn answer_cancel(
        &self,
        order_sn: &str,
        accept: bool,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let operation = if accept { "ACCEPT" } else { "REJECT" };
        let body = json!({ "order_sn": order_sn, "operation": operation });
        self.tell(ANSWER, &body, call)
    }
}

/// `item.model` in the vendor's two fields.
fn article(line: &ChannelLine) -> Result<Value, BuildError> {
    let ids = line.channel_sku.as_deref().and_then(ids);
    let (item, model) = ids.ok_or_else(|| BuildError {
        what: "lines.channel_sku: expected an article and model of Shopee".to_owned(),
    })?;
    Ok(json!({ "item_id": item, "model_id": model }))
}

/// Article and model of `item.model`.
pub(super) fn ids(channel_sku: &str) -> Option<(u64, u64)> {
    let (item, model) = channel_sku.split_once('.')?;
    Some((item.parse().ok()?, model.parse().ok()?))
}

pub(super) fn read(response: &Response<Bytes>) -> Step {
    match api::good(response) {
        Ok(_) => Step::Done(Outcome::Accepted {
            given: Given::default(),
        }),
        Err(step) => *step,
    }
}
