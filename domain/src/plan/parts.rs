//! Reservations and fulfillment orders: reserve, ask for packing, take back, and keep the stock
//! ledger in step.

use jiff::Timestamp;

use crate::fulfillment::State;
use crate::order::effects::{EffectState, TakenBack};
use crate::order::part::{Closed, Departure, Part};
use crate::order::{Lifecycle, Order, RoutingHold};
use crate::task::{FulfillmentTaskLine, Leg, StockLine, TaskBody};

use super::{Call, Draft, Movement, MovementKind};

/// Reason of a part whose reservation was not confirmed, or not used, in its time.
const EXPIRED: &str = "expired";

impl Order {
    pub(super) fn plan_parts(&mut self, draft: &mut Draft<'_>) {
        for place in 0..self.parts.len() {
            if self.parts[place].counts() {
                self.plan_part(draft, place);
            }
            self.plan_stock(draft, place);
        }
    }

    fn plan_part(&mut self, draft: &mut Draft<'_>, place: usize) {
        let now = draft.context.now;
        if let Some(reason) = self.revoke_reason(&self.parts[place], now) {
            self.parts[place].revoked = Some(reason.to_owned());
            draft.moved = true;
        }
        let part = &self.parts[place];
        if let State::Rejected { reason } = &part.state {
            let reason = reason.clone();
            self.close_rejected(draft, place, reason);
        } else if part.revoked.is_some() && part.state.is_inside() {
            self.take_part_back(draft, place);
        } else if part.revoked.is_some() {
            // It left before the location heard of it.
            self.keep(draft, place);
        } else if part.state.is_inside() && self.judged.lifecycle == Lifecycle::Open {
            self.move_on(draft, place);
        }
        let part = &self.parts[place];
        if part.stands() && part.state.is_inside() && !self.is_asked_to_pack(part) {
            draft.wake_at(part.expires_at);
        }
    }

    /// Why a part must come back, if it must and still can.
    pub(crate) fn revoke_reason(&self, part: &Part, now: Timestamp) -> Option<&'static str> {
        let judged = &self.judged;
        if !part.stands() || part.kept || !part.state.is_inside() {
            return None;
        }
        if judged.lifecycle == Lifecycle::Cancelled {
            return Some("cancelled");
        }
        if judged.holds.iter().any(crate::order::Hold::pulls_back) {
            return Some("hold");
        }
        if part.cod_basis != judged.totals.cod || self.lines_differ(part) {
            return Some("changed");
        }
        let elsewhere = part
            .address_basis
            .zip(judged.address_hash)
            .is_some_and(|(then, now)| then != now);
        if elsewhere {
            return Some("changed");
        }
        (now >= part.expires_at && !self.is_asked_to_pack(part)).then_some(EXPIRED)
    }

    /// A line of the part is not wanted any more, or in another quantity or SKU.
    fn lines_differ(&self, part: &Part) -> bool {
        part.lines
            .iter()
            .filter(|covered| !covered.rule_gift)
            .any(|covered| {
                !self.judged.lines.iter().any(|line| {
                    line.id == covered.line_id
                        && line.quantity == covered.quantity
                        && line.sku.as_deref().is_none_or(|sku| sku == covered.sku)
                })
            })
    }

    fn is_asked_to_pack(&self, part: &Part) -> bool {
        self.effects
            .get(&part.create_key(self.code.as_str()))
            .is_some()
    }

    /// The next step of a part that is wanted.
    fn move_on(&mut self, draft: &mut Draft<'_>, place: usize) {
        let part = self.parts[place].clone();
        let code = self.code.as_str().to_owned();
        let reserve_key = part.reserve_key(&code);
        match self.effects.get(&reserve_key) {
            None => {
                let body = TaskBody::Reserve {
                    reservation_id: part.reservation_id.clone(),
                    order_ref: code,
                    location: part.location.clone(),
                    lines: stock_lines(&part),
                    expires_at: part.expires_at,
                };
                let call = Call {
                    key: &reserve_key,
                    target: part.target.as_deref(),
                    leg: Leg::Reservation,
                    subject: &part.reservation_id,
                    generation: 1,
                    serial: None,
                    body,
                };
                self.emit(draft, call);
            }
            Some(EffectState::Done { .. }) if !self.is_asked_to_pack(&part) => {
                let key = part.create_key(&code);
                let body = self.create_body(&part);
                let call = Call {
                    key: &key,
                    target: part.target.as_deref(),
                    leg: Leg::Fulfillment,
                    subject: &part.id,
                    generation: 1,
                    serial: None,
                    body,
                };
                self.emit(draft, call);
            }
            Some(
                EffectState::Done { .. }
                | EffectState::Pending
                | EffectState::Withdrawing
                | EffectState::Refused { .. }
                | EffectState::Dead { .. }
                | EffectState::Withdrawn { .. }
                | EffectState::Abandoned { .. },
            ) => {}
        }
    }

    fn create_body(&self, part: &Part) -> TaskBody {
        TaskBody::CreateFulfillment {
            fulfillment_order_id: part.id.clone(),
            reservation_id: part.reservation_id.clone(),
            order_ref: self.code.as_str().to_owned(),
            channel: self.channel.clone(),
            external_id: self.external_id.clone(),
            location: part.location.clone(),
            lines: part
                .lines
                .iter()
                .map(|line| FulfillmentTaskLine {
                    line_id: line.line_id.clone(),
                    sku: line.sku.clone(),
                    name: line.name.clone(),
                    quantity: line.quantity,
                    components: line.components(),
                })
                .collect(),
            ship_to: self.task_address(),
            cod: part.cod.minor_units(),
            note: self.judged.note.clone(),
            deadline: self.ship_by().or_else(|| {
                self.decision
                    .as_ref()
                    .and_then(|decision| decision.dispatch_by)
            }),
        }
    }

    /// The location will not do it: another one must.
    fn close_rejected(&mut self, draft: &mut Draft<'_>, place: usize, reason: String) {
        let part = self.parts[place].clone();
        let code = self.code.as_str().to_owned();
        // A refused fulfillment order has not consumed the reservation. A rejected one has: the
        // location knows what it gave up.
        let refused = matches!(
            self.effects.get(&part.create_key(&code)),
            None | Some(EffectState::Refused { .. } | EffectState::Withdrawn { .. })
        );
        if refused && self.take_reservation_back(draft, &part) == TakenBack::Waiting {
            return;
        }
        self.close(draft, place, Closed::Rejected(reason));
        self.routing.excluded.insert(part.location);
        if part.revoked.is_none() {
            self.next_round(draft);
        }
    }

    fn next_round(&mut self, draft: &Draft<'_>) {
        self.routing.round = self.routing.round.saturating_add(1);
        if self.routing.round > draft.context.settings.max_routing_rounds {
            self.routing.hold = Some(RoutingHold {
                code: crate::order::NO_LOCATION.to_owned(),
                detail: Some(format!("after {} rounds", self.routing.round)),
                until: None,
                basis: self.routing_basis(),
            });
        }
    }

    /// Fulfillment order first, then the reservation where it was not consumed.
    fn take_part_back(&mut self, draft: &mut Draft<'_>, place: usize) {
        let part = self.parts[place].clone();
        let code = self.code.as_str().to_owned();
        let id = part.id.clone();
        let created = self.take_back(draft, &part.create_key(&code), || Call {
            key: "",
            target: part.target.as_deref(),
            leg: Leg::Fulfillment,
            subject: &part.id,
            generation: 1,
            serial: None,
            body: TaskBody::CancelFulfillment {
                fulfillment_order_id: id,
            },
        });
        match created {
            TakenBack::Waiting => return,
            TakenBack::Kept(_) => {
                self.keep(draft, place);
                return;
            }
            TakenBack::Nothing | TakenBack::Undone => {}
        }
        let consumed = self.effects.is_done(&part.create_key(&code));
        if !consumed && self.take_reservation_back(draft, &part) == TakenBack::Waiting {
            return;
        }
        let reason = part.revoked.clone().unwrap_or_default();
        let silent = reason == EXPIRED && !self.effects.is_done(&part.reserve_key(&code));
        self.close(draft, place, Closed::Cancelled(reason));
        if silent {
            self.routing.excluded.insert(part.location);
            self.next_round(draft);
        }
    }

    fn take_reservation_back(&mut self, draft: &mut Draft<'_>, part: &Part) -> TakenBack {
        let key = part.reserve_key(self.code.as_str());
        let taken = self.take_back(draft, &key, || Call {
            key: "",
            target: part.target.as_deref(),
            leg: Leg::Reservation,
            subject: &part.reservation_id,
            generation: 1,
            serial: None,
            body: TaskBody::ReleaseReservation {
                reservation_id: part.reservation_id.clone(),
            },
        });
        if matches!(taken, TakenBack::Kept(_)) {
            self.tag(draft, "reservation-not-released");
        }
        taken
    }

    fn close(&mut self, draft: &mut Draft<'_>, place: usize, closed: Closed) {
        self.parts[place].closed = Some(closed);
        draft.moved = true;
    }

    /// Too late to take it back: it goes its way, and people see that.
    fn keep(&mut self, draft: &mut Draft<'_>, place: usize) {
        let part = &mut self.parts[place];
        part.revoked = None;
        part.kept = true;
        draft.moved = true;
        self.tag(draft, "too-late-to-take-back");
    }

    /// The movements that the part's state asks for and that have not been made.
    fn plan_stock(&mut self, draft: &mut Draft<'_>, place: usize) {
        let log = self.fulfillment_logs.get(&self.parts[place].id);
        let part = &self.parts[place];
        let over = match &part.state {
            State::Delivered { .. } | State::Returned { .. } => true,
            State::Planned
            | State::Reserving
            | State::Reserved
            | State::Released
            | State::Accepted
            | State::Packed
            | State::Shipped { .. }
            | State::DeliveryFailed { .. }
            | State::Returning { .. }
            | State::Rejected { .. }
            | State::Cancelled { .. } => part.closed.is_some(),
        };
        let returned = matches!(part.state, State::Returned { .. });
        let counts = part.counts();
        let departures: Vec<Vec<Departure>> = part
            .lines
            .iter()
            .map(|line| part.departures(line, log))
            .collect();
        let now = draft.context.now;
        let mut short = false;
        let part = &mut self.parts[place];
        for (number, departures) in departures.into_iter().enumerate() {
            let line = &part.lines[number];
            let mut open = line.quantity - line.shipped - line.released;
            let mut gone = line.shipped;
            let mut booked = line.booked.clone();
            let mut moves = Vec::new();
            for departure in departures {
                let known = booked.entry(departure.sequence).or_default();
                let new = departure.units.saturating_sub(*known).min(open);
                if counts && new > 0 {
                    *known += new;
                    open -= new;
                    gone += new;
                    moves.push((MovementKind::Ship, new, departure.at));
                }
            }
            booked.retain(|_, units| *units > 0);
            if over && open > 0 {
                short |= counts;
                moves.push((MovementKind::Release, open, now));
            }
            let back = gone.saturating_sub(line.returned);
            if returned && back > 0 {
                moves.push((MovementKind::Return, back, now));
            }
            part.lines[number].booked = booked;
            for (kind, units, at) in moves {
                draft.moved = true;
                let line = &mut part.lines[number];
                let so_far = match kind {
                    MovementKind::Ship => &mut line.shipped,
                    MovementKind::Release => &mut line.released,
                    MovementKind::Return => &mut line.returned,
                    MovementKind::Reserve => continue,
                };
                *so_far += units;
                let so_far = *so_far;
                draft
                    .plan
                    .movements
                    .extend(movements(part, number, kind, units, so_far, at));
            }
        }
        if short {
            self.tag(draft, "short-shipped");
        }
    }
}

/// The movements of `units` of one line; `so_far` makes their reference unique.
pub(crate) fn movements(
    part: &Part,
    number: usize,
    kind: MovementKind,
    units: u32,
    so_far: u32,
    at: Timestamp,
) -> Vec<Movement> {
    let line = &part.lines[number];
    line.demand
        .iter()
        .map(|(sku, each)| Movement {
            reference: format!(
                "{}/{}/{sku}/{}/{so_far}",
                part.reservation_id,
                line.line_id,
                kind.as_str()
            ),
            kind,
            location: part.location.clone(),
            sku: sku.clone(),
            quantity: each.saturating_mul(i64::from(units)),
            reservation_id: part.reservation_id.clone(),
            line_id: line.line_id.clone(),
            at,
        })
        .collect()
}

/// What the location is asked to hold: components for a kit.
fn stock_lines(part: &Part) -> Vec<StockLine> {
    part.lines
        .iter()
        .flat_map(|line| {
            line.demand.iter().map(|(sku, each)| StockLine {
                line_id: line.line_id.clone(),
                sku: sku.clone(),
                quantity: u32::try_from(each.saturating_mul(i64::from(line.quantity)))
                    .unwrap_or(u32::MAX),
            })
        })
        .collect()
}
