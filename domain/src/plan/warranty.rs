//! Warranty: one activation per serial, or one per line where there are no serials.

use jiff::{SignedDuration, Timestamp};

use crate::id::WarrantyId;
use crate::order::part::Part;
use crate::order::{Fulfillment, Lifecycle, Line, Order, Warranty};
use crate::routing::Moment;
use crate::service;
use crate::task::{Leg, TaskBody};

use super::{Call, Draft, legal_day};

/// What the proof of a warranty's first day is.
struct Start {
    at: Timestamp,
    proof: &'static str,
}

impl Order {
    /// Serials that locations and technicians reported for a line.
    pub(crate) fn serials_of(&self, line_id: &str) -> Vec<String> {
        let mut serials: Vec<String> = Vec::new();
        for part in self.parts.iter().filter(|part| part.counts()) {
            for serial in Part::serials(line_id, self.fulfillment_logs.get(&part.id)) {
                if !serials.contains(&serial) {
                    serials.push(serial);
                }
            }
        }
        // A technician does not say which line a serial belongs to: clear only with one item.
        if let Some(work) = self.work_orders.last()
            && let service::State::Completed {
                serials: installed, ..
            } = &work.state
            && let [(only, ..)] = &work.items[..]
            && only == line_id
            && serials.is_empty()
        {
            serials.extend(installed.iter().cloned());
        }
        serials
    }

    pub(super) fn plan_warranty(&mut self, draft: &mut Draft<'_>) {
        let leg = self
            .decision
            .as_ref()
            .and_then(|decision| decision.legs.warranty.clone());
        let Some(leg) = leg else { return };
        let target = leg
            .target
            .or_else(|| draft.context.settings.warranty_target.clone());
        let Some(target) = target else { return };
        if self.judged.lifecycle == Lifecycle::Cancelled {
            return;
        }
        for line in self.judged.lines.clone() {
            if line.warranty_months > 0
                && let Some(start) = self.warranty_start(&line, leg.when)
            {
                self.activate(draft, &target, &line, &start);
            }
        }
    }

    /// When the warranty of a line begins; `None`: not yet, or it went back.
    fn warranty_start(&self, line: &Line, when: Moment) -> Option<Start> {
        let delivered = self.line_delivered_at(line)?;
        let installed = when == Moment::OnInstallation
            && self
                .work_orders
                .last()
                .is_some_and(|work| work.items.iter().any(|(id, ..)| *id == line.id));
        if !installed {
            return Some(Start {
                at: delivered,
                proof: "delivery",
            });
        }
        match self.work_orders.last().map(|work| &work.state)? {
            service::State::Completed { at, .. } => Some(Start {
                at: *at,
                proof: "installation",
            }),
            // Nobody will install it: the delivery is the proof.
            service::State::Cancelled | service::State::Refused { .. } => Some(Start {
                at: delivered,
                proof: "delivery",
            }),
            service::State::Waiting
            | service::State::Released
            | service::State::Scheduled { .. }
            | service::State::Assigned
            | service::State::OnSite
            | service::State::Incomplete { .. } => None,
        }
    }

    fn line_delivered_at(&self, line: &Line) -> Option<Timestamp> {
        if self.judged.outside {
            let there = self.judged.fulfillment == Fulfillment::Delivered;
            return there.then_some(()).and(self.revised_at());
        }
        let mut last: Option<Timestamp> = None;
        for part in self.parts.iter().filter(|part| part.counts()) {
            if part.lines.iter().any(|covered| covered.line_id == line.id) {
                let delivered = match part.state {
                    crate::fulfillment::State::Delivered { at, .. } => Some(at),
                    _ => None,
                };
                last = last.max(Some(delivered?));
            }
        }
        last
    }

    fn activate(&mut self, draft: &mut Draft<'_>, target: &str, line: &Line, start: &Start) {
        let serials = self.serials_of(&line.id);
        for serial in serials {
            if self.units_without_warranty(line) == 0 {
                return;
            }
            let known = self.warranties.iter().any(|one| {
                one.line_id == line.id && one.serial.as_deref() == Some(serial.as_str())
            });
            if !known {
                self.emit_warranty(draft, target, line, start, Some(serial), 1);
            }
        }
        let rest = self.units_without_warranty(line);
        if rest == 0 {
            return;
        }
        // Serials may follow the delivery report; a serial-tracked unit waits a little for its own.
        let wait = SignedDuration::from_secs(draft.context.settings.serial_wait_s);
        if line.serial_tracked
            && !self.judged.outside
            && let Ok(until) = start.at.checked_add(wait)
            && draft.context.now < until
        {
            draft.wake_at(until);
            return;
        }
        self.emit_warranty(draft, target, line, start, None, rest);
    }

    fn units_without_warranty(&self, line: &Line) -> u32 {
        let covered = self
            .warranties
            .iter()
            .filter(|one| one.line_id == line.id)
            .fold(0_u32, |sum, one| sum.saturating_add(one.quantity));
        line.quantity.saturating_sub(covered)
    }

    fn emit_warranty(
        &mut self,
        draft: &mut Draft<'_>,
        target: &str,
        line: &Line,
        start: &Start,
        serial: Option<String>,
        quantity: u32,
    ) {
        let unit = serial.clone().unwrap_or_else(|| format!("rest {quantity}"));
        let id = WarrantyId::derive(
            self.id.timestamp_ms(),
            &[self.id.as_str(), "warranty", &line.id, &unit],
        )
        .to_string();
        let key = format!("{}.warranty.{id}.1", self.code);
        let sku = line.sku.clone().unwrap_or_default();
        let call = Call {
            key: &key,
            target: Some(target),
            leg: Leg::Warranty,
            subject: &id,
            generation: 1,
            serial: None,
            body: TaskBody::ActivateWarranty {
                warranty_id: id.clone(),
                order_ref: self.code.as_str().to_owned(),
                sku: sku.clone(),
                name: line.name.clone(),
                serial: serial.clone(),
                quantity,
                customer: self.contact(),
                starts_on: legal_day(start.at).to_string(),
                proof: start.proof.to_owned(),
            },
        };
        self.emit(draft, call);
        self.warranties.push(Warranty {
            id: id.clone(),
            key: key.clone(),
            line_id: line.id.clone(),
            sku,
            serial,
            quantity,
        });
    }
}
