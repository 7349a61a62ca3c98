//! What Sapo Omni is told: `finalize`, `cancel`, and for each parcel a fulfillment that is packed,
//! shipped and received. Each begins with a look at the order. Cancelling has no address of its own
//! in the vendor's description; `/cancel` is that of its other documents.

use bytes::Bytes;
use domain::task::{ChannelLine, ChannelTask, Given, News, NewsKind, Outcome, Tracking};
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::SapoOmni;
use super::order::{self, Fulfillment, Order};
use crate::channel::CallContext;
use crate::channels::storefront::api::{self, Answer, judge};
use crate::channels::storefront::deeds::{given, number};
use crate::feedback::{Feedback, Step, Try};
use crate::literal::Literal;
use crate::payload::word;
use crate::target::BuildError;

impl Feedback for SapoOmni {
    fn takes(&self) -> &'static [NewsKind] {
        if self.settings.delivery_service_provider_id.is_some() {
            &[
                NewsKind::Accepted,
                NewsKind::Shipped,
                NewsKind::Delivered,
                NewsKind::Cancelled,
            ]
        } else {
            &[NewsKind::Accepted, NewsKind::Cancelled]
        }
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let id = number(&task.external_id, "external_id")?;
        let order = format!("/orders/{id}");
        let Some(found) = attempt.got.last() else {
            return Ok(self.call(Method::GET, &format!("{order}.json"), None));
        };
        let post = |path: &str, body: Option<&Value>| {
            self.call(Method::POST, &format!("{order}/{path}"), body)
        };
        let parcel = || number(&String::from_utf8_lossy(found), "fulfillment id");
        match &task.news {
            News::Accepted { .. } => Ok(post("finalize", None)),
            News::Cancelled { .. } => Ok(post("cancel", None)),
            News::Shipped {
                lines, tracking, ..
            } if found.is_empty() => {
                let body = self.parcel(lines, tracking.as_ref())?;
                Ok(post("fulfillments", Some(&body)))
            }
            News::Shipped { .. } => Ok(post(&format!("fulfillments/{}/ship", parcel()?), None)),
            News::Delivered { .. } => {
                Ok(post(&format!("fulfillments/{}/receive", parcel()?), None))
            }
            News::Arranged { .. }
            | News::Packed { .. }
            | News::DeliveryFailed { .. }
            | News::CancelAnswered { .. }
            | News::Refunded { .. } => Err(BuildError {
                what: "the shop is not told this".to_owned(),
            }),
        }
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let answer = judge(response);
        if said_before(&task.news, &answer) {
            return api::duplicate();
        }
        if let Some(step) = answer.failed() {
            return step;
        }
        let Some(found) = attempt.got.last() else {
            return match order::read(response.body()) {
                Ok(order) => look(&task.news, &order),
                Err(_) => api::unreadable("order"),
            };
        };
        if !matches!(task.news, News::Shipped { .. }) {
            return api::accepted(Given::default());
        }
        if found.is_empty() {
            return match given(response.body()).partner_id {
                Some(id) => Step::Part(Bytes::from(id)),
                None => api::unreadable("fulfillment"),
            };
        }
        api::accepted(Given {
            partner_id: Some(word(&String::from_utf8_lossy(found))),
            ..Given::default()
        })
    }
}

/// Sapo refuses what is done already with 422 and a sentence.
fn said_before(news: &News, answer: &Answer) -> bool {
    let Answer::Refused {
        status: 422,
        reason,
    } = answer
    else {
        return false;
    };
    match news {
        News::Accepted { .. } => reason.contains("đã được xác nhận"),
        News::Cancelled { .. } => reason.contains("đã bị hủy"),
        News::Arranged { .. }
        | News::Packed { .. }
        | News::Shipped { .. }
        | News::Delivered { .. }
        | News::DeliveryFailed { .. }
        | News::CancelAnswered { .. }
        | News::Refunded { .. } => false,
    }
}

fn look(news: &News, order: &Order) -> Step {
    let act = || Step::Part(Bytes::from_static(b"{}"));
    let is = |word: &str| order.status.as_deref() == Some(word);
    let refused = || api::refused("cancelled", "the order is cancelled at the shop");
    match news {
        News::Accepted { .. } if is("cancelled") => refused(),
        News::Accepted { .. } if is("draft") => act(),
        News::Accepted { .. } => api::duplicate(),
        News::Cancelled { .. } if is("cancelled") => api::duplicate(),
        News::Cancelled { whole: false, .. } => api::refused(
            "not_whole",
            "the shop takes the cancellation of whole orders only",
        ),
        News::Cancelled { .. } => act(),
        News::Shipped { .. } if is("cancelled") => refused(),
        News::Shipped {
            lines, tracking, ..
        } => look_for_parcel(order, lines, tracking.as_ref()),
        News::Delivered { .. } => look_for_shipped(order),
        News::Arranged { .. }
        | News::Packed { .. }
        | News::DeliveryFailed { .. }
        | News::CancelAnswered { .. }
        | News::Refunded { .. } => api::refused("not_told", "the shop is not told this"),
    }
}

fn live(order: &Order) -> impl Iterator<Item = &Fulfillment> {
    let parcels = order.fulfillments.as_deref().unwrap_or_default().iter();
    parcels.filter(|parcel| parcel.status.as_deref() != Some("cancelled"))
}

/// Our parcel by its tracking number, or by its very lines where it has none: packed, it is sent;
/// gone, that is all; not there, it is made.
fn look_for_parcel(order: &Order, lines: &[ChannelLine], tracking: Option<&Tracking>) -> Step {
    let ours = live(order).find(|parcel| {
        let code = parcel
            .shipment
            .as_ref()
            .and_then(|shipment| shipment.tracking_code.as_ref());
        let code = code.map(Literal::as_str).unwrap_or_default();
        match tracking {
            Some(tracking) => code == tracking.number,
            None => parcel.holds(lines),
        }
    });
    match ours {
        None => Step::Part(Bytes::new()),
        Some(parcel) if parcel.status.as_deref() == Some("packed") => {
            Step::Part(Bytes::from(parcel.id.to_string()))
        }
        Some(parcel) => Step::Done(Outcome::Duplicate {
            given: Given {
                partner_id: Some(word(parcel.id.as_str())),
                ..Given::default()
            },
        }),
    }
}

impl Fulfillment {
    fn holds(&self, lines: &[ChannelLine]) -> bool {
        let theirs = self.fulfillment_line_items.as_deref().unwrap_or_default();
        theirs.len() == lines.len()
            && lines.iter().all(|line| {
                theirs.iter().any(|sent| {
                    sent.order_line_item_id.as_str() == line.line_id
                        && sent.quantity.whole("quantity") == Ok(i64::from(line.quantity))
                })
            })
    }
}

/// The news of a delivery does not name Sapo's parcel; the only one on its way is meant.
fn look_for_shipped(order: &Order) -> Step {
    let on_its_way: Vec<&Fulfillment> = live(order)
        .filter(|parcel| matches!(parcel.status.as_deref(), Some("shipped" | "fulfilled")))
        .collect();
    match on_its_way.as_slice() {
        [one] => Step::Part(Bytes::from(one.id.to_string())),
        [] if live(order).any(|parcel| parcel.status.as_deref() == Some("received")) => {
            api::duplicate()
        }
        [] => api::refused("no_parcel", "the shop has no parcel on its way"),
        [..] => api::refused(
            "several_parcels",
            "several parcels are on their way: mark the one that arrived at the shop",
        ),
    }
}

impl SapoOmni {
    fn parcel(
        &self,
        lines: &[ChannelLine],
        tracking: Option<&Tracking>,
    ) -> Result<Value, BuildError> {
        let provider = self
            .settings
            .delivery_service_provider_id
            .ok_or_else(|| BuildError {
                what: "delivery_service_provider_id: is not set".to_owned(),
            })?;
        let mut items = Vec::with_capacity(lines.len());
        for line in lines {
            items.push(json!({
                "order_line_item_id": number(&line.line_id, "line_id")?, "quantity": line.quantity,
            }));
        }
        let mut shipment = json!({
            "delivery_service_provider_id": provider, "delivery_fee": 0, "cod_amount": 0,
            "freight_amount": 0,
        });
        if let Some(tracking) = tracking {
            shipment["tracking_code"] = json!(tracking.number);
        }
        Ok(json!({ "fulfillment": {
            "delivery_type": "courier", "fulfillment_line_items": items, "shipment": shipment,
        } }))
    }
}
