//! Advancing: every changed order is planned and routed until it is at rest.

use std::collections::{BTreeSet, HashMap};

use domain::order::{Context, Fact, Tried};
use domain::plan::{Movement, MovementKind};
use domain::routing;

use super::batch::Batch;
use super::take::AHEAD_MS;
use crate::store::{Error, stock};

/// Plans and routes at most so often per change: each pass must bring the order closer to rest,
/// and a pass that does not is a defect that must not spin.
const PASSES: usize = 8;

impl Batch<'_> {
    /// Plans and routes every changed order until it is at rest.
    pub(super) async fn advance_all(&mut self, context: &Context<'_>) -> Result<(), Error> {
        let ids: Vec<String> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.changed)
            .map(|(id, _)| id.clone())
            .collect();
        let mut wanted = BTreeSet::new();
        for id in &ids {
            if let Some(order) = self.slots[id].loaded.order.routing_order(context) {
                wanted.extend(skus_of(&order));
            }
        }
        self.read_stock(wanted).await?;
        for id in &ids {
            self.advance(id, context).await?;
        }
        // Withdrawing needs the tasks in the table, also those that this batch has just planned.
        for _ in 0..PASSES {
            let withdraw = std::mem::take(&mut self.writes.withdraw);
            if withdraw.is_empty() {
                break;
            }
            self.flush_tasks().await?;
            let keys: Vec<String> = withdraw.iter().map(|(_, key)| key.clone()).collect();
            let owner: HashMap<&str, &str> = withdraw
                .iter()
                .map(|(id, key)| (key.as_str(), id.as_str()))
                .collect();
            let mut touched = BTreeSet::new();
            for (key, was_tried) in self.tx.withdraw(self.now_ms, &keys).await? {
                let id = owner[key.as_str()];
                let tried = if was_tried {
                    Tried::Maybe
                } else {
                    Tried::Never
                };
                let at = self.now;
                self.apply(id, &Fact::Withdrawn { key, tried, at }, context);
                touched.insert(id.to_owned());
            }
            for id in touched {
                self.advance(&id, context).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn advance(&mut self, id: &str, context: &Context<'_>) -> Result<(), Error> {
        for _ in 0..PASSES {
            let slot = self.slots.get_mut(id).expect("a known id has its slot");
            let plan = slot.loaded.order.plan(context);
            slot.events.extend(plan.events);
            slot.changed |= !plan.tasks.is_empty() || !plan.movements.is_empty();
            self.writes.tasks.extend(
                plan.tasks
                    .into_iter()
                    .map(|task| (Some(id.to_owned()), task)),
            );
            self.writes
                .withdraw
                .extend(plan.withdraw.into_iter().map(|key| (id.to_owned(), key)));
            for movement in plan.movements {
                self.move_stock(id, &movement);
            }
            if !self.route(id, context).await? {
                return Ok(());
            }
        }
        tracing::warn!(
            order = id,
            "an order does not come to rest; it will be woken again"
        );
        Ok(())
    }

    /// Routes the order if it wants to be; whether it did.
    pub(super) async fn route(&mut self, id: &str, context: &Context<'_>) -> Result<bool, Error> {
        let Some(question) = self.slots[id].loaded.order.routing_order(context) else {
            return Ok(false);
        };
        self.read_stock(skus_of(&question).collect()).await?;
        if !self.loads_read {
            for (location, orders) in self.tx.loads(&self.day).await? {
                self.stock.set_load(&location, orders);
            }
            self.loads_read = true;
        }
        let rules = self.gateway.rules.load();
        let decision = routing::decide(
            &question,
            &rules,
            &self.gateway.locations,
            &self.stock,
            self.now,
        );
        for location in decision.locations() {
            let load = self.writes.loads.entry(location.to_owned()).or_default();
            *load += 1;
        }
        let slot = self.slots.get_mut(id).expect("a known id has its slot");
        slot.changed = true;
        let taken = slot.loaded.order.take_decision(&decision, context);
        slot.events.extend(taken.events);
        for movement in &taken.movements {
            self.move_stock(id, movement);
        }
        self.writes.decisions.push((id.to_owned(), decision));
        Ok(true)
    }

    pub(super) async fn read_stock(&mut self, wanted: BTreeSet<String>) -> Result<(), Error> {
        let missing: Vec<String> = wanted
            .into_iter()
            .filter(|sku| self.known_skus.insert(sku.clone()))
            .collect();
        for level in self.tx.levels(&missing).await? {
            let mut available = level.on_hand - level.reserved - level.safety;
            // What this batch has already taken or given back before the SKU was read.
            let place = (level.location, level.sku);
            available += self.levels.get(&place).copied().unwrap_or(0);
            self.stock.set_available(&place.0, &place.1, available);
            self.levels.insert(place, available);
        }
        Ok(())
    }

    /// Notes a movement for the ledger, and lets the rest of the batch see it.
    pub(super) fn move_stock(&mut self, order_id: &str, movement: &Movement) {
        let quantity = movement.quantity;
        let (kind, on_hand, reserved) = match movement.kind {
            MovementKind::Reserve => ("reserved", 0, quantity),
            MovementKind::Release => ("released", 0, -quantity),
            MovementKind::Ship => ("shipped", -quantity, -quantity),
            // Back at the location, but sellable only after inspection: the ledger knows of it,
            // the counter does not rise yet.
            MovementKind::Return => ("returned", 0, 0),
        };
        let place = (movement.location.clone(), movement.sku.clone());
        let available = self.levels.entry(place).or_default();
        *available += on_hand - reserved;
        if self.known_skus.contains(&movement.sku) {
            self.stock
                .set_available(&movement.location, &movement.sku, *available);
        }
        self.writes.movements.push(stock::Movement {
            location: movement.location.clone(),
            sku: movement.sku.clone(),
            kind,
            on_hand,
            reserved,
            order_id: Some(order_id.to_owned()),
            reference: movement.reference.clone(),
            // As far ahead as a count of the same location may be, so that the two compare.
            happened_at: movement.at.as_millisecond().min(self.now_ms + AHEAD_MS),
        });
    }
}

fn skus_of(order: &routing::RoutingOrder) -> impl Iterator<Item = String> + '_ {
    order
        .lines
        .iter()
        .flat_map(|line| line.demand().map(|(sku, _)| sku.to_owned()))
}
