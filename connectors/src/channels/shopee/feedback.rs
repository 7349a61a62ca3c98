//! What Shopee is told: the shipment is arranged, the order is cancelled, a buyer's wish to cancel
//! is answered. There is nothing to confirm, and its own carriers tell it the rest.

use bytes::Bytes;
use domain::task::{ChannelTask, News, NewsKind};
use http::{Request, Response};

use super::Shopee;
use super::api;
use super::look::Seen;
use crate::channel::CallContext;
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::payload;
use crate::target::BuildError;

impl Feedback for Shopee {
    fn takes(&self) -> &'static [NewsKind] {
        &[
            NewsKind::Arranged,
            NewsKind::Cancelled,
            NewsKind::CancelAnswered,
        ]
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let order_sn = payload::external_id(&task.external_id, "order_sn")
            .map_err(|error| BuildError { what: error.what })?;
        let Some(seen) = Seen::of(attempt.got) else {
            return self
                .order_detail(&order_sn, call)
                .ok_or_else(|| BuildError {
                    what: "the address of the call is too long".to_owned(),
                });
        };
        match &task.news {
            News::Arranged { lines, .. } => {
                self.arrange(&order_sn, &seen, lines, &attempt.got[1..], call)
            }
            News::Cancelled {
                reason,
                lines,
                whole,
                ..
            } => self.cancel(&order_sn, *reason, lines, *whole, call),
            News::CancelAnswered { accept, .. } => self.answer_cancel(&order_sn, *accept, call),
            News::Accepted { .. }
            | News::Packed { .. }
            | News::Shipped { .. }
            | News::Delivered { .. }
            | News::DeliveryFailed { .. }
            | News::Refunded { .. } => Err(not_taken(&task.news)),
        }
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let Some(seen) = Seen::of(attempt.got) else {
            let seen = match Seen::read(response) {
                Ok(seen) => seen,
                Err(step) => return *step,
            };
            return match &task.news {
                News::Arranged { lines, .. } => super::arrange::after_look(&seen, lines),
                News::Cancelled { whole, .. } => super::cancel::after_look(&seen, *whole),
                News::CancelAnswered { accept, .. } => {
                    super::cancel::after_look_at_wish(&seen, *accept)
                }
                News::Accepted { .. }
                | News::Packed { .. }
                | News::Shipped { .. }
                | News::Delivered { .. }
                | News::DeliveryFailed { .. }
                | News::Refunded { .. } => api::refused("not_taken", &not_taken(&task.news).what),
            };
        };
        match &task.news {
            News::Arranged { lines, .. } => {
                super::arrange::read(&seen, lines, &attempt.got[1..], response)
            }
            News::Cancelled { .. } | News::CancelAnswered { .. } => super::cancel::read(response),
            News::Accepted { .. }
            | News::Packed { .. }
            | News::Shipped { .. }
            | News::Delivered { .. }
            | News::DeliveryFailed { .. }
            | News::Refunded { .. } => api::refused("not_taken", &not_taken(&task.news).what),
        }
    }

    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
}

fn not_taken(news: &News) -> BuildError {
    BuildError {
        what: format!("Shopee takes no {}", news.kind().as_str()),
    }
}
