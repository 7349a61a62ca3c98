//! Fetching an order: its detail, then how its price came about, then its returns if it has
//! arrived. Only the detail is needed; without the others there is a little less to know.

use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TikTokShop;
use super::api::{Answer, judge, path_id};
use crate::channel::{CallContext, Fetched};

pub(super) const ORDERS: &str = "/order/202309/orders";
const RETURNS: &str = "/return_refund/202309/returns/search";

/// In place of an answer that the vendor did not give.
const NOTHING: &[u8] = b"null";

/// Which call comes after the answers so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Detail,
    PriceDetail,
    Returns,
    Nothing,
}

impl TikTokShop {
    pub(super) fn fetch_order(
        &self,
        order_id: &str,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        path_id(order_id)?;
        match self.next(got) {
            Next::Detail => self.order_detail(order_id, call),
            Next::PriceDetail => {
                let path = format!("/order/202407/orders/{order_id}/price_detail");
                self.get(&path, &[], call)
            }
            Next::Returns => {
                // The smallest page that the vendor gives is ten.
                let page = [
                    ("page_size", "50"),
                    ("sort_field", "update_time"),
                    ("sort_order", "DESC"),
                ];
                let body = json!({ "order_ids": [order_id] });
                self.post(RETURNS, &page, &body, call)
            }
            Next::Nothing => None,
        }
    }

    pub(super) fn order_detail(
        &self,
        order_id: &str,
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        self.get(ORDERS, &[("ids", order_id)], call)
    }

    fn next(&self, got: &[Bytes]) -> Next {
        let Some(detail) = got.first() else {
            return Next::Detail;
        };
        let mut answered = got.len() - 1;
        for (wanted, next) in [
            (self.0.price_detail, Next::PriceDetail),
            (self.0.returns && has_arrived(detail), Next::Returns),
        ] {
            if wanted && answered == 0 {
                return next;
            }
            answered -= usize::from(wanted);
        }
        Next::Nothing
    }

    pub(super) fn read_order(&self, got: &[Bytes], response: &Response<Bytes>) -> Fetched {
        let next = self.next(got);
        let part = match (next, judge(response)) {
            (Next::Detail, Answer::Good(document)) if first_order(&document).is_none() => {
                return Fetched::NotFound;
            }
            (_, Answer::Good(_)) => response.body().clone(),
            // What the app has no right to see is not there, whenever we ask. What is only late is
            // waited for: without it the document would be a poorer one of the same revision.
            (
                Next::PriceDetail | Next::Returns,
                Answer::Account { .. } | Answer::Refused { .. },
            ) => Bytes::from_static(NOTHING),
            (_, Answer::TokenExpired) => return Fetched::TokenExpired,
            (_, Answer::Retry { after_s, reason }) => return Fetched::Retry { after_s, reason },
            (_, Answer::Account { reason }) => return Fetched::Account { reason },
            (_, Answer::Refused { reason, .. }) => return Fetched::Refused { reason },
        };
        let mut parts = got.to_vec();
        parts.push(part.clone());
        if self.next(&parts) == Next::Nothing {
            Fetched::Document(self.together(&parts))
        } else {
            Fetched::Part(part)
        }
    }

    /// `{"order_detail": …, "price_detail": …, "returns": …}` of the answers as they came.
    fn together(&self, parts: &[Bytes]) -> Bytes {
        let mut parts = parts.iter();
        let mut take = |wanted: bool| wanted.then(|| parts.next()).flatten();
        let detail = take(true);
        let price = take(self.0.price_detail);
        let returns = take(self.0.returns);
        let mut document = Vec::new();
        for (name, part) in [
            ("{\"order_detail\":", detail),
            (",\"price_detail\":", price),
            (",\"returns\":", returns),
        ] {
            document.extend_from_slice(name.as_bytes());
            document.extend_from_slice(part.map_or(NOTHING, |part| part.as_ref()));
        }
        document.push(b'}');
        Bytes::from(document)
    }
}

/// `data.orders[0]` of an answer.
pub(super) fn first_order(document: &Value) -> Option<&Value> {
    document.pointer("/data/orders")?.as_array()?.first()
}

/// Returns follow the delivery.
pub(super) fn may_have_returns(status: &str) -> bool {
    matches!(status, "DELIVERED" | "COMPLETED")
}

fn has_arrived(detail: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        status: Option<String>,
    }
    let document: Option<Value> = serde_json::from_slice(detail).ok();
    let status = document
        .as_ref()
        .and_then(first_order)
        .and_then(|order| Head::deserialize(order).ok()?.status);
    status.is_some_and(|status| may_have_returns(&status))
}
