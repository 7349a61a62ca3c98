//! What routing needs of an order, and what an order takes from a decision.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::fulfillment::State;
use crate::id::{FulfillmentId, ReservationId};
use crate::money::Amount;
use crate::plan::{Movement, MovementKind, movements};
use crate::routing::{self, Decision, Gift, Outcome, Position, RoutingLine, RoutingOrder};
use crate::snapshot::FulfilledBy;
use crate::stamp::{ContentHash, content_hash};

use super::fact::OrderEvent;
use super::judge::Line;
use super::part::{Part, PartLine};
use super::{Context, DecisionRecord, Lifecycle, Order, RoutingHold, hold};

/// What taking a decision asks for, in the transaction that stores the order.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Taken {
    /// Reservations. Each must be carried out conditionally; if one fails, nothing of the
    /// transaction counts: load the order again and decide again with the stock as it is.
    pub movements: Vec<Movement>,
    /// What changed, for the timeline.
    pub events: Vec<OrderEvent>,
}

impl Order {
    /// What must be routed now: the lines without a location. `None` while there are none, while
    /// the order is held, waits for confirmation or money, is cancelled, is sent by somebody else,
    /// or while something is being taken back (so that no two locations ever ship one line).
    #[must_use]
    pub fn routing_order(&self, context: &Context<'_>) -> Option<RoutingOrder> {
        let judged = &self.judged;
        if judged.lifecycle != Lifecycle::Open || !judged.ready || judged.lines.is_empty() {
            return None;
        }
        let marketplace = judged.fulfilled_by == FulfilledBy::Marketplace;
        if (judged.outside && !marketplace) || (marketplace && self.decision.is_some()) {
            return None;
        }
        let unsettled = self.parts.iter().any(|part| {
            part.counts()
                && (part.revoked.is_some()
                    || matches!(part.state, State::Rejected { .. })
                    || self.revoke_reason(part, context.now).is_some())
        });
        if unsettled {
            return None;
        }
        let lines: Vec<RoutingLine> = judged
            .lines
            .iter()
            .filter(|line| !self.covers(line))
            .filter_map(routing_line)
            .collect();
        if lines.is_empty() {
            return None;
        }
        let address = &judged.ship_to;
        Some(RoutingOrder {
            channel: self.channel.clone(),
            connector: self.connector.clone(),
            province: address.province_code.clone(),
            legacy_province: address
                .legacy
                .as_ref()
                .and_then(|legacy| legacy.province_code.clone()),
            ward: address.ward_code.clone(),
            legacy_ward: address
                .legacy
                .as_ref()
                .and_then(|legacy| legacy.ward_code.clone()),
            region: None,
            position: address
                .lat
                .zip(address.lon)
                .and_then(|(lat, lon)| Position::new(lat, lon)),
            total: judged.totals.grand_total.minor_units(),
            cod: judged.totals.cod.minor_units(),
            payment_method: judged
                .method
                .map_or("prepaid", |method| method.as_str())
                .to_owned(),
            tags: judged.tags.clone(),
            customer_group: None,
            placed_at: self.placed_at(),
            promised_by: None,
            fulfilled_by: match judged.fulfilled_by {
                FulfilledBy::Us => routing::FulfilledBy::Us,
                FulfilledBy::Marketplace => routing::FulfilledBy::Marketplace,
            },
            fixed_location: judged.fixed_location.clone(),
            lines,
            excluded: self.routing.excluded.iter().cloned().collect(),
            round: self.routing.round,
        })
    }

    /// Takes a decision that was made for [`Order::routing_order`]: plans fulfillment orders, or
    /// holds, or cancels.
    pub fn take_decision(&mut self, decision: &Decision, context: &Context<'_>) -> Taken {
        let before = self.summary();
        let mut legs = decision.legs.clone();
        // Only some lines were routed again, perhaps by another rule: what was promised for the
        // others stays.
        if let Some(known) = self
            .decision
            .as_ref()
            .filter(|_| self.parts.iter().any(Part::counts))
        {
            legs.installation = known.legs.installation.clone().or(legs.installation);
            legs.warranty = known.legs.warranty.clone().or(legs.warranty);
            legs.invoice = known.legs.invoice.clone().or(legs.invoice);
        }
        self.decision = Some(DecisionRecord {
            rule: decision.rule.clone(),
            rules_version: decision.rules_version.clone(),
            legs,
            at: context.now,
            marketplace: decision.outcome == Outcome::Marketplace,
            priority: decision.priority,
            dispatch_by: decision.dispatch_by,
            promise_met: decision.promise_met,
        });
        self.own_tags.extend(decision.tags.iter().cloned());
        if let Some(store) = &decision.transfer_to_store {
            self.own_tags.insert(format!("transfer:{store}"));
        }
        let mut reserved = Vec::new();
        match &decision.outcome {
            Outcome::Allocated { allocations, .. } => {
                let first = self.parts.len();
                for location in decision.locations() {
                    let lines = allocations
                        .iter()
                        .filter(|allocation| allocation.location == location)
                        .map(|allocation| self.part_line(allocation))
                        .chain(gifts(&decision.gifts, location))
                        .collect();
                    let part = self.part(location, lines, context);
                    self.parts.push(part);
                }
                self.share_cod(first);
                for part in &self.parts[first..] {
                    for number in 0..part.lines.len() {
                        let units = part.lines[number].quantity;
                        reserved.extend(movements(
                            part,
                            number,
                            MovementKind::Reserve,
                            units,
                            units,
                            context.now,
                        ));
                    }
                }
                self.routing.hold = None;
            }
            Outcome::Marketplace => {}
            Outcome::Hold { reason } => {
                self.routing.hold = Some(RoutingHold {
                    code: reason.clone(),
                    detail: Some(decision.rule.clone()),
                    until: None,
                    basis: self.routing_basis(),
                });
            }
            Outcome::Backorder { reason } => {
                let wait = SignedDuration::from_secs(context.settings.backorder_retry_s);
                self.routing.hold = Some(RoutingHold {
                    code: hold::BACKORDER.to_owned(),
                    detail: Some(reason.clone()),
                    until: context.now.checked_add(wait).ok(),
                    basis: self.routing_basis(),
                });
            }
            Outcome::Cancel { reason } => self.routing.cancelled = Some(reason.clone()),
        }
        self.refresh(context);
        let mut events = vec![super::apply::event(
            "decision",
            None,
            None,
            Some(decision.outcome.as_str()),
            Some(&decision.rule),
        )];
        self.finish(true, before, &mut events, context.now);
        Taken {
            movements: reserved,
            events,
        }
    }

    fn part(&self, location: &str, lines: Vec<PartLine>, context: &Context<'_>) -> Part {
        let number = self.parts.len().to_string();
        let parts = [self.id.as_str(), location, number.as_str()];
        let at_ms = self.id.timestamp_ms();
        let ttl = SignedDuration::from_secs(context.settings.reservation_ttl_s);
        Part {
            id: FulfillmentId::derive(at_ms, &parts).to_string(),
            reservation_id: ReservationId::derive(at_ms, &parts).to_string(),
            location: location.to_owned(),
            target: context
                .settings
                .location_target(location)
                .map(str::to_owned),
            lines,
            cod: Amount::ZERO,
            cod_basis: self.judged.totals.cod,
            address_basis: self.judged.address_hash,
            planned_at: context.now,
            expires_at: context.now.checked_add(ttl).unwrap_or(context.now),
            revoked: None,
            kept: false,
            closed: None,
            state: State::Planned,
            invalid: Vec::new(),
        }
    }

    fn part_line(&self, allocation: &routing::Allocation) -> PartLine {
        let line = self
            .judged
            .lines
            .iter()
            .find(|line| line.id == allocation.line_id);
        let demand = match line {
            Some(line) => line_demand(line, &allocation.sku),
            None => vec![(allocation.sku.clone(), 1)],
        };
        PartLine {
            line_id: allocation.line_id.clone(),
            sku: allocation.sku.clone(),
            name: line.map(|line| line.name.clone()).unwrap_or_default(),
            quantity: allocation.quantity,
            demand,
            rule_gift: false,
            shipped: 0,
            booked: BTreeMap::new(),
            released: 0,
            returned: 0,
        }
    }

    /// Cash to collect that no earlier parcel collects, over the new parts by value; the rest of
    /// the division on the last.
    fn share_cod(&mut self, first: usize) {
        let cod = self.judged.totals.cod;
        let elsewhere = self.parts[..first]
            .iter()
            .filter(|part| part.counts())
            .fold(Amount::ZERO, |sum, part| sum.saturating_add(part.cod));
        let pool = cod.saturating_sub(elsewhere).at_least_zero().minor_units();
        let values: Vec<i64> = self.parts[first..]
            .iter()
            .map(|part| {
                part.lines
                    .iter()
                    .filter_map(|covered| {
                        self.judged
                            .lines
                            .iter()
                            .find(|line| line.id == covered.line_id)
                    })
                    .fold(0_i64, |sum, line| {
                        sum.saturating_add(line.total.minor_units().max(0))
                    })
            })
            .collect();
        let all = values.iter().map(|value| i128::from(*value)).sum::<i128>();
        let mut rest = pool;
        let last = values.len().saturating_sub(1);
        for (number, value) in values.into_iter().enumerate() {
            let exact = if all == 0 {
                0
            } else {
                i128::from(pool) * i128::from(value) / all
            };
            let share = if number == last {
                rest
            } else {
                i64::try_from(exact).unwrap_or(rest)
            };
            rest -= share;
            self.parts[first + number].cod = Amount(share);
        }
    }

    /// Hash of what routing judges: lines, destination, fixed location.
    pub(crate) fn routing_basis(&self) -> ContentHash {
        let judged = &self.judged;
        let lines: Vec<(&str, Option<&str>, u32)> = judged
            .lines
            .iter()
            .map(|line| (line.id.as_str(), line.sku.as_deref(), line.quantity))
            .collect();
        let text =
            serde_json::to_vec(&(lines, &judged.ship_to.province_code, &judged.fixed_location))
                .expect("only texts and numbers are hashed");
        content_hash(&text)
    }

    /// When the last payment came, by provider or channel.
    pub(crate) fn last_payment_at(&self) -> Option<Timestamp> {
        let paid = self
            .payments
            .values()
            .filter(|payment| payment.state == crate::payment::PaymentState::Paid)
            .map(|payment| payment.at)
            .max();
        let remitted = self.remitted.values().map(|row| row.at).max();
        paid.max(remitted).or_else(|| self.said.revised_at())
    }

    pub(super) fn placed_at(&self) -> Timestamp {
        super::channel::value(&self.said.placed_at)
            .copied()
            .unwrap_or(self.received_at)
    }
}

fn routing_line(line: &Line) -> Option<RoutingLine> {
    Some(RoutingLine {
        id: line.id.clone(),
        sku: line.sku.clone()?,
        category: line.category.clone(),
        brand: line.brand.clone(),
        tags: line.tags.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price.minor_units(),
        gift_of: line.parent.clone().filter(|_| line.gift),
        bundle: line.parent.clone().filter(|_| !line.gift),
        kit: line.kit.clone(),
    })
}

/// What one unit of a line takes from the stock.
fn line_demand(line: &Line, sku: &str) -> Vec<(String, i64)> {
    if line.kit.is_empty() {
        vec![(sku.to_owned(), 1)]
    } else {
        line.kit
            .iter()
            .map(|(sku, each)| (sku.clone(), i64::from(*each)))
            .collect()
    }
}

/// The gifts of the rule that this location adds.
fn gifts(gifts: &[Gift], location: &str) -> Vec<PartLine> {
    gifts
        .iter()
        .enumerate()
        .filter(|(_, gift)| gift.location.as_deref() == Some(location))
        .map(|(number, gift)| PartLine {
            line_id: format!("gift-{}", number + 1),
            sku: gift.sku.clone(),
            name: gift.sku.clone(),
            quantity: gift.quantity,
            demand: vec![(gift.sku.clone(), 1)],
            rule_gift: true,
            shipped: 0,
            booked: BTreeMap::new(),
            released: 0,
            returned: 0,
        })
        .collect()
}
