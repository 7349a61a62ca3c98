//! Telling Lazada what became of an order. Every intention begins with a look at the order's units:
//! it finds the units of our lines, and shows what an earlier try has done already. So no call that
//! changes something is ever made blindly, and the vendor's lack of idempotency keys costs nothing.

use bytes::Bytes;
use domain::task::{ChannelLine, ChannelTask, News, NewsKind, Outcome};
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::Lazada;
use super::api::{Answer, judge, read_data};
use super::document::Item;
use super::fetch::ITEMS;
use super::items::{self, groups};
use super::{cancel, pack};
use crate::channel::CallContext;
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::inbound::PayloadError;
use crate::payload;
use crate::target::BuildError;

/// What the look has chosen, in the form in which it is handed to the next call.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    /// Item ids to act on.
    #[serde(default)]
    pub(super) items: Vec<String>,
    /// Parcels, each once.
    #[serde(default)]
    pub(super) packages: Vec<String>,
    /// Their numbers at the carrier.
    #[serde(default)]
    pub(super) tracking: Vec<String>,
    /// The buyer's requests to cancel.
    #[serde(default)]
    pub(super) requests: Vec<String>,
}

impl Chosen {
    pub(super) fn read(part: &Bytes) -> Result<Self, BuildError> {
        serde_json::from_slice(part).map_err(|_| unbuildable("an earlier answer is not ours"))
    }

    pub(super) fn part(&self) -> Step {
        Step::Part(Bytes::from(
            serde_json::to_vec(self).expect("invariant: texts are always JSON"),
        ))
    }

    /// The parcels of these units.
    pub(super) fn parcels_of(&mut self, units: &[&Item]) {
        for unit in units {
            push_once(&mut self.packages, unit.package_id.id());
            push_once(&mut self.tracking, unit.tracking_code.text());
        }
    }
}

pub(super) fn push_once(list: &mut Vec<String>, text: Option<&str>) {
    let Some(text) = text.filter(|text| payload::external_id(text, "id").is_ok()) else {
        return;
    };
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

pub(super) fn unbuildable(what: &str) -> BuildError {
    BuildError {
        what: what.to_owned(),
    }
}

pub(super) fn refused(code: &str, message: &str) -> Step {
    Step::Done(Outcome::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
    })
}

pub(super) fn retry(reason: &str) -> Step {
    Step::Done(Outcome::Retry {
        after_s: None,
        reason: reason.to_owned(),
    })
}

pub(super) fn unreadable(error: &PayloadError) -> Box<Step> {
    Box::new(retry(&format!("unreadable: {}", error.what)))
}

/// What an answer that is not good means for any intention; `None` where it is good.
pub(super) fn trouble(answer: Answer) -> Option<Step> {
    Some(match answer {
        Answer::Good => return None,
        Answer::TokenExpired => Step::TokenExpired,
        Answer::NotFound => refused("16", "no such order in this shop"),
        Answer::Retry { after_s, reason } => Step::Done(Outcome::Retry { after_s, reason }),
        Answer::Reauthorize { reason } | Answer::Account { reason } => {
            Step::Done(Outcome::Account { reason })
        }
        Answer::Refused { code, reason } => refused(&code, &reason),
    })
}

/// The units of these lines, cancelled ones left out, per line at most as many as it says.
pub(super) fn open_units<'a>(items: &'a [Item], lines: &[ChannelLine]) -> Option<Vec<&'a Item>> {
    let groups = groups(items);
    let mut units = Vec::new();
    for line in lines {
        let group = groups.iter().find(|group| group.id() == line.line_id)?;
        let most = usize::try_from(line.quantity).unwrap_or(usize::MAX);
        units.extend(group.open().take(most));
    }
    Some(units)
}

impl Lazada {
    pub(super) fn look(
        &self,
        external_id: &str,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        payload::external_id(external_id, "external_id").map_err(|e| unbuildable(&e.what))?;
        self.get(ITEMS, &[("order_id", external_id)], call)
    }
}

/// Reads the answer to [`Lazada::look`].
pub(super) fn looked(response: &Response<Bytes>) -> Result<Vec<Item>, Box<Step>> {
    if let Some(step) = trouble(judge(response)) {
        return Err(Box::new(step));
    }
    let items: Vec<Item> = read_data(response.body()).map_err(|error| unreadable(&error))?;
    items::check(&items).map_err(|error| unreadable(&error))?;
    Ok(items)
}

impl Feedback for Lazada {
    /// The vendor's carriers bring the parcels and tell of it themselves: nothing is said of
    /// shipped or delivered.
    fn takes(&self) -> &'static [NewsKind] {
        &[
            NewsKind::Arranged,
            NewsKind::Packed,
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
        let Some((chosen, later)) = attempt.got.split_first() else {
            return self.look(&task.external_id, call);
        };
        let chosen = Chosen::read(chosen)?;
        match &task.news {
            News::Arranged { .. } => self.pack(&task.external_id, &chosen, call),
            News::Packed { .. } => self.ready_to_ship(&chosen, call),
            News::Cancelled { .. } => match later.first() {
                None => self.validate_cancel(&task.external_id, &chosen, call),
                Some(reason) => self.cancel(&task.external_id, &chosen, reason, call),
            },
            News::CancelAnswered { accept, .. } => {
                self.decide_cancel(&chosen, later.len(), *accept, call)
            }
            News::Accepted { .. }
            | News::Shipped { .. }
            | News::Delivered { .. }
            | News::DeliveryFailed { .. }
            | News::Refunded { .. } => Err(unbuildable("Lazada takes no such news")),
        }
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let Some((chosen, later)) = attempt.got.split_first() else {
            let items = match looked(response) {
                Ok(items) => items,
                Err(step) => return *step,
            };
            return match &task.news {
                News::Arranged { lines, .. } => pack::choose(&items, lines),
                News::Packed {
                    lines,
                    channel_parcel,
                    ..
                } => pack::choose_packed(&items, lines, channel_parcel.as_deref()),
                News::Cancelled { lines, whole, .. } => {
                    cancel::choose(&items, lines, *whole, attempt.unknown)
                }
                News::CancelAnswered { .. } => cancel::choose_requests(&items),
                News::Accepted { .. }
                | News::Shipped { .. }
                | News::Delivered { .. }
                | News::DeliveryFailed { .. }
                | News::Refunded { .. } => refused("unsupported", "Lazada takes no such news"),
            };
        };
        let Ok(chosen) = Chosen::read(chosen) else {
            return retry("an earlier answer is not ours");
        };
        match &task.news {
            News::Arranged { .. } => pack::read_pack(chosen, response),
            News::Packed { .. } => pack::read_ready(&chosen, response),
            News::Cancelled { reason, .. } if later.is_empty() => {
                cancel::read_validate(&self.0, *reason, response)
            }
            News::Cancelled { .. } => cancel::read_cancel(response),
            News::CancelAnswered { .. } => cancel::read_decided(&chosen, later.len(), response),
            News::Accepted { .. }
            | News::Shipped { .. }
            | News::Delivered { .. }
            | News::DeliveryFailed { .. }
            | News::Refunded { .. } => refused("unsupported", "Lazada takes no such news"),
        }
    }

    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
}
