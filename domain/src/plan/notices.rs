//! Telling buyers what became of their orders.
//!
//! What is true now, minus what was told: each thing has a key of its own in the order's ledger, so
//! a buyer hears of it once, whatever is repeated. What has not been told yet and is true no more
//! (a parcel that has arrived meanwhile, an order that is called off) is stopped. One order's
//! notices go out one after the other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::buyer_notice::is_stale;
use crate::fulfillment::State;
use crate::money::Amount;
use crate::order::part::Part;
use crate::order::{Lifecycle, Order, Teller, looks_masked};
use crate::phone::{Parsed, Phone};
use crate::service;
use crate::task::{BuyerEvent, BuyerNotice, Leg, TaskBody};

use super::{Call, Draft};

/// Vietnam's time, all year.
const VIETNAM: Offset = Offset::constant(7);

/// Fields of approved texts are short; a list of articles that is longer names how many more there
/// are.
const LONGEST_LIST: usize = 100;

/// How a buyer without a name is addressed.
const DEAR_CUSTOMER: &str = "Quý khách";

/// Something that is true of the order and may be told.
struct Telling {
    event: BuyerEvent,
    /// What it is about: the order, a parcel, a visit.
    subject: String,
    /// The step of the key where the subject can have the event several times.
    step: String,
    at: Timestamp,
    /// What is known beside what every notice can say.
    facts: BTreeMap<&'static str, String>,
}

impl Telling {
    fn new(event: BuyerEvent, subject: &str, at: Timestamp) -> Self {
        Self {
            event,
            subject: subject.to_owned(),
            step: event.as_str().to_owned(),
            at,
            facts: BTreeMap::new(),
        }
    }

    fn with(mut self, fact: &'static str, said: impl Into<String>) -> Self {
        self.facts.insert(fact, said.into());
        self
    }
}

impl Order {
    pub(super) fn plan_notices(&mut self, draft: &mut Draft<'_>) {
        let context = draft.context;
        let mut wanted = BTreeSet::new();
        for telling in self.to_tell(draft) {
            let key = self.notice_key(&telling.subject, &telling.step);
            wanted.insert(key.clone());
            if self.effects.get(&key).is_some() || is_stale(telling.at, context.now) {
                continue;
            }
            let teller = context.settings.teller(&self.channel, telling.event);
            if let Some(teller) = teller
                && let Some(notice) = self.notice(&telling, teller)
            {
                self.tell_buyer(draft, &key, &telling.subject, teller, notice);
            }
        }
        let gone: Vec<String> = self
            .notices()
            .filter(|key| !wanted.contains(*key))
            .map(str::to_owned)
            .collect();
        for key in gone {
            self.stop(draft, &key);
        }
    }

    fn notice_prefix(&self) -> String {
        format!("{}.notice.", self.code.as_str())
    }

    fn notice_key(&self, subject: &str, step: &str) -> String {
        format!("{}{subject}.{step}", self.notice_prefix())
    }

    /// The keys of all notices so far.
    fn notices(&self) -> impl Iterator<Item = &str> {
        let prefix = self.notice_prefix();
        let keys = self.effects.iter().map(|(key, _)| key.as_str());
        keys.filter(move |key| key.starts_with(&prefix))
    }

    fn tell_buyer(
        &mut self,
        draft: &mut Draft<'_>,
        key: &str,
        subject: &str,
        teller: &Teller,
        notice: BuyerNotice,
    ) {
        let serial = format!("{}/{}", teller.channel, self.code.as_str());
        let call = Call {
            key,
            target: Some(&teller.channel),
            leg: Leg::Channel,
            subject,
            generation: 1,
            serial: Some(&serial),
            body: TaskBody::BuyerNotice(notice),
        };
        self.emit(draft, call);
    }

    /// What is true now. Nothing of what is no order (yet), and nothing where somebody else sends
    /// the goods and tells the buyer.
    fn to_tell(&self, draft: &Draft<'_>) -> Vec<Telling> {
        if self.judged.outside || !self.was_ordered() || self.judged.lifecycle == Lifecycle::Draft {
            return Vec::new();
        }
        let mut tellings = Vec::new();
        if self.judged.lifecycle == Lifecycle::Cancelled {
            let reason = self.judged.cancel_reason.clone().unwrap_or_default();
            let cancelled = self.cancelled_at().map(|at| {
                Telling::new(BuyerEvent::Cancelled, self.id.as_str(), at).with("reason", reason)
            });
            tellings.extend(cancelled);
        } else {
            tellings.extend(self.acceptance(draft));
            let standing = self.parts.iter().filter(|part| part.counts());
            tellings.extend(standing.filter_map(|part| self.of_parcel(draft, part)));
            tellings.extend(self.visit(draft.context.now));
        }
        tellings.extend(self.refund());
        tellings
    }

    /// Every line is held, and nothing has left yet. A hold for a while takes nothing back that is
    /// about to be told.
    fn acceptance(&self, draft: &Draft<'_>) -> Option<Telling> {
        if self.parts.iter().any(Part::has_left) {
            return None;
        }
        let key = self.notice_key(self.id.as_str(), BuyerEvent::Accepted.as_str());
        let known = self.effects.get(&key).map(|_| draft.context.now);
        let at = self.held_in_full_at().or(known)?;
        let told = Telling::new(BuyerEvent::Accepted, self.id.as_str(), at);
        let first = self.parts.iter().find(|part| part.counts());
        Some(match first {
            Some(part) => told.with("location", location_name(draft, part)),
            None => told,
        })
    }

    /// The last thing that happened to a parcel on its way.
    fn of_parcel(&self, draft: &Draft<'_>, part: &Part) -> Option<Telling> {
        let told = match &part.state {
            State::Shipped { at, .. } => Telling::new(BuyerEvent::Shipped, &part.id, *at),
            State::Delivered { at, .. } => Telling::new(BuyerEvent::Delivered, &part.id, *at),
            State::DeliveryFailed { at, reason } => {
                Telling::new(BuyerEvent::DeliveryFailed, &part.id, *at).with("reason", reason)
            }
            State::Planned
            | State::Reserving
            | State::Reserved
            | State::Released
            | State::Accepted
            | State::Packed
            | State::Returning { .. }
            | State::Returned { .. }
            | State::Rejected { .. }
            | State::Cancelled { .. } => return None,
        };
        let lines = part.lines.iter().map(|line| (&line.name, line.quantity));
        let mut told = told
            .with("location", location_name(draft, part))
            .with("cod", dong(part.cod))
            .with("items", list(lines));
        if let Some(tracking) = self.tracking_of(part) {
            told = told
                .with("tracking", &tracking.number)
                .with("carrier", &tracking.carrier);
        }
        Some(told)
    }

    /// The visit's time. A new time is news of its own, the same one again is not; so the step names
    /// the time, and counts how often the buyer had to learn one.
    fn visit(&self, now: Timestamp) -> Option<Telling> {
        let work = self.work_orders.last().filter(|work| !work.closed)?;
        let is_agreed = matches!(
            work.state,
            service::State::Scheduled { .. } | service::State::Assigned
        );
        let log = self.service_logs.get(&work.id).filter(|_| is_agreed)?;
        let (at, start, end) = log.values().rev().find_map(|(at, kind)| match kind {
            service::EventKind::Scheduled {
                window_start,
                window_end,
            } => Some((*at, (*window_start)?, *window_end)),
            service::EventKind::Assigned
            | service::EventKind::OnSite
            | service::EventKind::Completed { .. }
            | service::EventKind::Incomplete { .. }
            | service::EventKind::Cancelled => None,
        })?;
        if end.unwrap_or(start) < now {
            return None;
        }
        let mut told = Telling::new(BuyerEvent::InstallationScheduled, &work.id, at)
            .with("date", day(start))
            .with("window", window(start, end));
        let time = format!(
            "{}-{}",
            start.as_second(),
            end.map_or(0, Timestamp::as_second)
        );
        let step = told.step;
        let prefix = self.notice_key(&work.id, &format!("{step}-"));
        let earlier = self.notices().filter_map(|key| {
            let (number, time) = key.strip_prefix(&prefix)?.split_once('-')?;
            Some((number.parse::<u32>().ok()?, time))
        });
        let number = match earlier.max() {
            None => 1,
            Some((number, last)) if last == time => number,
            Some((number, _)) => number.saturating_add(1),
        };
        told.step = format!("{step}-{number}-{time}");
        Some(told)
    }

    /// Money that we or a payment provider gave back, all in all: a second refund is news of its
    /// own. A channel that gives it back itself tells its buyer, and does not say when it did.
    fn refund(&self) -> Option<Telling> {
        let (sum, at) = self.given_back()?;
        let mut told =
            Telling::new(BuyerEvent::Refunded, self.id.as_str(), at).with("refunded", dong(sum));
        told.step = format!("{}-{}", told.step, sum.minor_units());
        Some(told)
    }

    /// The notice, if the buyer can be reached and everything is known that the text needs.
    fn notice(&self, telling: &Telling, teller: &Teller) -> Option<BuyerNotice> {
        let phone = self.mobile();
        let user_id = self
            .channel_person()
            .filter(|_| teller.channel == self.channel)
            .map(str::to_owned);
        if phone.is_none() && user_id.is_none() {
            return None;
        }
        let judged = &self.judged;
        let lines = judged.lines.iter().map(|line| (&line.name, line.quantity));
        let mut facts: BTreeMap<String, String> = [
            ("code", self.code.as_str().to_owned()),
            ("channel", teller.serves.get(&self.channel)?.clone()),
            ("name", self.address_of_buyer()),
            ("total", dong(judged.totals.grand_total)),
            ("cod", dong(judged.totals.cod)),
            ("paid", dong(judged.paid)),
            ("refunded", dong(judged.refunded)),
            ("items", list(lines)),
            ("date", day(telling.at)),
        ]
        .map(|(fact, said)| (fact.to_owned(), said))
        .into();
        let more = telling.facts.iter();
        facts.extend(more.map(|(fact, said)| ((*fact).to_owned(), said.clone())));
        facts.retain(|_, said| !said.trim().is_empty());
        let needed = teller.events.get(&telling.event)?;
        needed
            .iter()
            .all(|fact| facts.contains_key(fact))
            .then(|| BuyerNotice {
                order_ref: self.code.as_str().to_owned(),
                event: telling.event,
                at: telling.at,
                phone,
                user_id,
                facts,
            })
    }

    /// The buyer's mobile. The recipient's only where the order names no other buyer: whoever gets
    /// a gift is not to be told what it cost.
    fn mobile(&self) -> Option<String> {
        let judged = &self.judged;
        let phone = judged
            .buyer
            .phone
            .as_deref()
            .or(judged.ship_to.phone.as_deref())?;
        match Phone::parse(phone) {
            Parsed::Valid(phone) if phone.is_mobile() => Some(phone.as_str().to_owned()),
            Parsed::Valid(_) | Parsed::Masked | Parsed::Invalid => None,
        }
    }

    fn address_of_buyer(&self) -> String {
        let judged = &self.judged;
        let name = judged
            .buyer
            .name
            .as_ref()
            .or(judged.ship_to.name.as_ref())
            .filter(|name| !looks_masked(name) && !name.trim().is_empty());
        name.cloned().unwrap_or_else(|| DEAR_CUSTOMER.to_owned())
    }
}

fn location_name(draft: &Draft<'_>, part: &Part) -> String {
    draft
        .context
        .settings
        .location_name(&part.location)
        .to_owned()
}

/// `1.290.000đ`
fn dong(amount: Amount) -> String {
    let digits = amount.minor_units().unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    let sign = if amount.is_negative() { "-" } else { "" };
    format!("{sign}{text}đ")
}

/// `24/11/2026`
fn day(at: Timestamp) -> String {
    VIETNAM.to_datetime(at).strftime("%d/%m/%Y").to_string()
}

/// `08:00 - 10:00`; with its day where it ends on another one.
fn window(start: Timestamp, end: Option<Timestamp>) -> String {
    let hour = |at: Timestamp| VIETNAM.to_datetime(at).strftime("%H:%M").to_string();
    match end {
        None => hour(start),
        Some(end) if day(start) == day(end) => format!("{} - {}", hour(start), hour(end)),
        Some(end) => format!(
            "{} {} - {} {}",
            hour(start),
            day(start),
            hour(end),
            day(end)
        ),
    }
}

/// `Máy lạnh 1 HP × 1, Quạt × 2`
fn list<'a>(lines: impl Iterator<Item = (&'a String, u32)>) -> String {
    let lines: Vec<String> = lines
        .map(|(name, quantity)| format!("{name} × {quantity}"))
        .collect();
    let mut text = String::new();
    for (place, line) in lines.iter().enumerate() {
        let longer = text.chars().count() + line.chars().count() + 2;
        if place > 0 && longer > LONGEST_LIST {
            return format!("{text} và {} sản phẩm khác", lines.len() - place);
        }
        if place > 0 {
            text.push_str(", ");
        }
        text.push_str(line);
    }
    text
}
