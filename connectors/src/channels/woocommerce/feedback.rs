//! What a WooCommerce shop is told: a note on the order for each piece of news, and its status.
//!
//! The shop knows neither parcels nor a key for repeats, so each note ends with a mark in brackets,
//! `[KE000001230 ful_01 shipped 2]`, and the notes are read before one is written: what is marked is
//! not written again. The marks also tell when all of an order has arrived, which one parcel's news
//! does not.

use bytes::Bytes;
use domain::task::{ChannelLine, ChannelTask, Given, News, NewsKind};
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{WooCommerce, judge};
use crate::channel::CallContext;
use crate::channels::storefront::api;
use crate::channels::storefront::deeds::number;
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::literal::Literal;
use crate::payload::{self, word};
use crate::target::BuildError;

/// The calls of one try, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Notes,
    Write,
    Order,
    Status,
}

/// What the notes say, kept for the calls that follow.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted {
    /// Our note is there.
    written: bool,
    /// Units of the parcels that have arrived, this one included.
    arrived: u64,
}

#[derive(Deserialize)]
struct Note {
    note: Option<String>,
}

#[derive(Deserialize)]
struct Order {
    status: String,
    #[serde(default)]
    line_items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    quantity: Literal,
}

impl Feedback for WooCommerce {
    fn takes(&self) -> &'static [NewsKind] {
        &[
            NewsKind::Accepted,
            NewsKind::Shipped,
            NewsKind::Delivered,
            NewsKind::DeliveryFailed,
            NewsKind::Cancelled,
        ]
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let id = number(&task.external_id, "external_id")?;
        let order = format!("/orders/{id}");
        let notes = format!("{order}/notes");
        let call = self.call_of(task, attempt).ok_or_else(|| BuildError {
            what: "nothing is left to tell".to_owned(),
        })?;
        Ok(match call {
            Call::Notes => self.send(Method::GET, &notes, None),
            Call::Order => self.send(Method::GET, &order, None),
            Call::Write => {
                let shows = matches!(task.news, News::Shipped { .. }) && self.0.notify_customer;
                let text = text(&task.news).ok_or_else(|| BuildError {
                    what: "the shop is not told this".to_owned(),
                })?;
                let note = format!("{text} {}", mark(task));
                let body = json!({ "note": note, "customer_note": shows });
                self.send(Method::POST, &notes, Some(&body))
            }
            Call::Status => {
                let body = json!({ "status": self.status_for(&task.news) });
                self.send(Method::PUT, &order, Some(&body))
            }
        })
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        if let Some(step) = judge(response).failed() {
            return step;
        }
        let Some(call) = self.call_of(task, attempt) else {
            return api::accepted(Given::default());
        };
        let step = match call {
            Call::Notes => match payload::read::<Vec<Note>>(response.body()) {
                Ok(notes) => Step::Part(noted(task, &notes)),
                Err(_) => return api::unreadable("notes"),
            },
            Call::Write | Call::Status => Step::Part(Bytes::from_static(b"{}")),
            Call::Order => match payload::read::<Order>(response.body()) {
                Ok(order) if self.wants_status(task, &order, &noted_in(attempt)) => {
                    Step::Part(Bytes::from_static(b"{}"))
                }
                Ok(_) => return done(&noted_in(attempt)),
                Err(_) => return api::unreadable("order"),
            },
        };
        // The last call's part has no use: the intention has come to its end.
        let Step::Part(part) = step else {
            return step;
        };
        let mut got = attempt.got.to_vec();
        got.push(part.clone());
        let after = Try {
            got: &got,
            ..attempt
        };
        if self.call_of(task, after).is_some() {
            Step::Part(part)
        } else if call == Call::Status {
            api::accepted(Given::default())
        } else {
            done(&noted_in(after))
        }
    }

    fn stock(&self) -> Option<&dyn Stock> {
        self.0.set_stock.then_some(self as &dyn Stock)
    }
}

impl WooCommerce {
    /// The call that follows the answers so far; `None` when all is said.
    fn call_of(&self, task: &ChannelTask, attempt: Try<'_>) -> Option<Call> {
        let mut calls = vec![Call::Notes];
        if !noted_in(attempt).written {
            calls.push(Call::Write);
        }
        if self.status_for(&task.news).is_some() {
            calls.extend([Call::Order, Call::Status]);
        }
        calls.get(attempt.got.len()).copied()
    }

    /// The status that this news brings about.
    fn status_for(&self, news: &News) -> Option<&str> {
        match news {
            News::Shipped { .. } => self.0.shipped_status.as_deref().filter(|s| !s.is_empty()),
            News::Delivered { .. } => {
                Some(self.0.delivered_status.as_str()).filter(|s| !s.is_empty())
            }
            News::Cancelled { whole: true, .. } => Some("cancelled"),
            News::Accepted { .. }
            | News::Arranged { .. }
            | News::Packed { .. }
            | News::DeliveryFailed { .. }
            | News::Cancelled { .. }
            | News::CancelAnswered { .. }
            | News::Refunded { .. } => None,
        }
    }

    /// Whether the order's status is to change: never back from its end, and for an arrival only
    /// when every unit has arrived.
    fn wants_status(&self, task: &ChannelTask, order: &Order, noted: &Noted) -> bool {
        let ended = matches!(
            order.status.as_str(),
            "completed" | "cancelled" | "refunded" | "failed" | "trash"
        );
        let same = self.status_for(&task.news) == Some(order.status.as_str());
        let bought = order.line_items.iter().try_fold(0_u64, |sum, item| {
            let units = payload::quantity(&item.quantity, "quantity").ok()?;
            Some(sum.saturating_add(u64::from(units)))
        });
        let all = !matches!(task.news, News::Delivered { .. })
            || bought.is_some_and(|bought| noted.arrived >= bought);
        !ended && !same && all
    }
}

fn done(noted: &Noted) -> Step {
    if noted.written {
        api::duplicate()
    } else {
        api::accepted(Given::default())
    }
}

fn noted_in(attempt: Try<'_>) -> Noted {
    (attempt.got.first())
        .and_then(|noted| serde_json::from_slice(noted).ok())
        .unwrap_or_default()
}

/// Reads the marks of all notes.
fn noted(task: &ChannelTask, notes: &[Note]) -> Bytes {
    let marks: Vec<&str> = notes
        .iter()
        .filter_map(|note| note.note.as_deref())
        .filter_map(|note| {
            note.trim_end()
                .strip_suffix(']')?
                .rsplit_once('[')
                .map(|(_, m)| m)
        })
        .collect();
    let ours = mark(task);
    let ours = ours.trim_start_matches('[').trim_end_matches(']');
    let written = marks.contains(&ours);
    let arrived = match &task.news {
        News::Delivered { parcel, .. } => units_arrived(&task.order_ref, parcel, &marks),
        News::Accepted { .. }
        | News::Arranged { .. }
        | News::Packed { .. }
        | News::Shipped { .. }
        | News::DeliveryFailed { .. }
        | News::Cancelled { .. }
        | News::CancelAnswered { .. }
        | News::Refunded { .. } => 0,
    };
    let noted = Noted { written, arrived };
    Bytes::from(json!(noted).to_string())
}

/// Units of the order's parcels that have arrived, `parcel` among them.
fn units_arrived(order_ref: &str, parcel: &str, marks: &[&str]) -> u64 {
    let of_order = |mark: &&str| mark.split(' ').next() == Some(order_ref);
    let mut sent = std::collections::BTreeMap::new();
    for mark in marks.iter().copied().filter(of_order) {
        if let [_, parcel, "shipped", units] = mark.split(' ').collect::<Vec<_>>()[..] {
            sent.insert(parcel, units.parse::<u64>().unwrap_or(0));
        }
    }
    let arrived = |known: &str| {
        known == parcel || marks.contains(&format!("{order_ref} {known} delivered").as_str())
    };
    let units = sent
        .into_iter()
        .filter(|(known, _)| arrived(known))
        .map(|(_, units)| units);
    units.fold(0, u64::saturating_add)
}

/// What the mark of this news is: the same for every try, and another for other news.
fn mark(task: &ChannelTask) -> String {
    let order = word(&task.order_ref);
    match &task.news {
        News::Accepted { .. } => format!("[{order} accepted]"),
        News::Shipped { parcel, lines, .. } => {
            format!("[{order} {} shipped {}]", word(parcel), units(lines))
        }
        News::Delivered { parcel, .. } => format!("[{order} {} delivered]", word(parcel)),
        News::DeliveryFailed { parcel, .. } => format!("[{order} {} failed]", word(parcel)),
        News::Cancelled { whole: true, .. } => format!("[{order} cancelled]"),
        News::Cancelled { lines, .. } => {
            let lines: Vec<String> = (lines.iter())
                .map(|line| format!("{}x{}", word(&line.line_id), line.quantity))
                .collect();
            format!("[{order} cancelled {}]", lines.join("+"))
        }
        News::Arranged { .. }
        | News::Packed { .. }
        | News::CancelAnswered { .. }
        | News::Refunded { .. } => format!("[{order}]"),
    }
}

fn units(lines: &[ChannelLine]) -> u64 {
    lines.iter().map(|line| u64::from(line.quantity)).sum()
}

/// The note for the people at the shop, in their language.
fn text(news: &News) -> Option<String> {
    Some(match news {
        News::Accepted { .. } => "Đã nhận đơn, hàng đã được giữ.".to_owned(),
        News::Shipped {
            lines, tracking, ..
        } => {
            let mut text = format!("Đã giao {} sản phẩm cho đơn vị vận chuyển", units(lines));
            if let Some(tracking) = tracking {
                let carrier = tracking.carrier.as_deref().unwrap_or_default();
                let carrier = if carrier.is_empty() {
                    String::new()
                } else {
                    format!(" {carrier}")
                };
                text = format!("{text}{carrier}, mã vận đơn {}", tracking.number);
            }
            format!("{text}.")
        }
        News::Delivered { .. } => "Khách đã nhận kiện hàng.".to_owned(),
        News::DeliveryFailed { reason, .. } => format!("Giao không thành công: {reason}."),
        News::Cancelled { whole, text, .. } => {
            let what = if *whole {
                "Hủy đơn"
            } else {
                "Hủy một phần đơn"
            };
            format!("{what}: {text}.")
        }
        News::Arranged { .. }
        | News::Packed { .. }
        | News::CancelAnswered { .. }
        | News::Refunded { .. } => return None,
    })
}
