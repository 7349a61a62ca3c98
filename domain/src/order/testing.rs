//! Builders for tests: a small world, snapshots, decisions, and the calls of the shell.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::code::{OrderCode, Prefix};
use crate::fulfillment::EventKind;
use crate::id::OrderId;
use crate::money::Amount;
use crate::plan::{Movement, Plan};
use crate::routing::{
    Allocation, Component, Decision, Legs, MeasuredFrom, Moment, Outcome, RoutingOrder, ServiceLeg,
    Trace,
};
use crate::snapshot::{
    Buyer, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy, PaymentMethod, ShipTo, Snapshot,
    SnapshotLine, SnapshotTotals,
};
use crate::task::{BuyerEvent, Given, Outcome as Answer, Task};

use super::{
    Action, Catalog, Command, Context, Fact, LocationSettings, Order, Product, Settings, TaxRate,
    Teller,
};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Minutes after the order was placed.
pub(crate) fn minute(minutes: i64) -> Timestamp {
    at("2026-11-24T01:00:00Z") + SignedDuration::from_mins(minutes)
}

pub(crate) fn line(id: &str, sku: &str, quantity: u32, unit_price: i64) -> SnapshotLine {
    SnapshotLine {
        id: id.into(),
        channel_sku: None,
        sku: Some(sku.into()),
        name: format!("Article {sku}"),
        quantity,
        unit_price: Amount(unit_price),
        discount: Amount(0),
        gift: false,
        parent: None,
    }
}

/// Products by SKU; a SKU that is not there is unknown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Products(pub(crate) BTreeMap<String, Product>);

impl Catalog for Products {
    fn product(&self, sku: &str) -> Option<&Product> {
        self.0.get(sku)
    }

    fn sku_for(
        &self,
        _: &str,
        channel_sku: Option<&str>,
        seller_sku: Option<&str>,
    ) -> Option<String> {
        [channel_sku, seller_sku]
            .into_iter()
            .flatten()
            .find(|sku| self.0.contains_key(*sku))
            .map(str::to_owned)
    }
}

/// Catalog, settings and a clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) catalog: Products,
    pub(crate) settings: Settings,
}

pub(crate) const LOCATIONS: [&str; 3] = ["hub-hcm", "hub-hn", "store-q1"];

impl World {
    pub(crate) fn new() -> Self {
        let product = |sku: &str, installation: bool, warranty_months: u32| Product {
            sku: sku.into(),
            category: Some("air-conditioner".into()),
            installation,
            warranty_months,
            ..Product::default()
        };
        let catalog = [product("AC-9000", true, 24), product("FAN-1", false, 0)]
            .into_iter()
            .map(|product| (product.sku.clone(), product))
            .collect();
        let locations = LOCATIONS
            .into_iter()
            .map(|id| {
                let settings = LocationSettings {
                    target: Some("wms".into()),
                    invoice_series: Some(format!("1C26T{}", &id[..2].to_uppercase())),
                    name: None,
                };
                (id.to_owned(), settings)
            })
            .collect();
        let rate = |rate, valid_from: &str| TaxRate {
            class: "standard".into(),
            rate,
            valid_from: valid_from.parse().unwrap(),
        };
        Self {
            now: minute(0),
            catalog: Products(catalog),
            settings: Settings {
                locations,
                invoice_target: Some("einvoice".into()),
                installation_target: Some("technical-south".into()),
                warranty_target: Some("warranty".into()),
                tax: vec![rate(8, "2025-07-01"), rate(10, "2027-01-01")],
                ..Settings::default()
            },
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            now: self.now,
            catalog: &self.catalog,
            settings: &self.settings,
        }
    }
}

/// The account `zalo-oa`, which tells buyers of the channel `web` of these; its texts need no facts.
pub(crate) fn teller(events: &[BuyerEvent]) -> Teller {
    Teller {
        channel: "zalo-oa".into(),
        events: events
            .iter()
            .map(|event| (*event, BTreeSet::new()))
            .collect(),
        serves: [("web".into(), "Website".into())].into(),
    }
}

pub(crate) fn order() -> Order {
    let id = OrderId::derive(minute(0).as_millisecond(), &["test"]);
    let code = OrderCode::new(&"KH".parse::<Prefix>().unwrap(), 1234).unwrap();
    Order::new(id, code, "web", "website", "WEB-1", minute(0))
}

/// An air conditioner and a fan to Ho Chi Minh City, confirmed and paid.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        external_id: "WEB-1".into(),
        placed_at: minute(0),
        revised_at: minute(0),
        status: ChannelStatus::Confirmed,
        channel_status: "confirmed".into(),
        cancel_requested: false,
        cancellation: None,
        buyer: Some(Buyer {
            name: Some("Nguyễn Văn An".into()),
            phone: Some("0901 234 567".into()),
            email: None,
            external_id: None,
        }),
        ship_to: Some(ShipTo {
            name: Some("Nguyễn Văn An".into()),
            phone: Some("0901234567".into()),
            text: Some("12 Nguyễn Trãi, P. Bến Thành, TP.HCM".into()),
            ..ShipTo::default()
        }),
        lines: Some(vec![
            line("1", "AC-9000", 1, 12_990_000),
            line("2", "FAN-1", 2, 450_000),
        ]),
        currency: "VND".into(),
        totals: Some(SnapshotTotals {
            shipping: Amount(30_000),
            seller_discount: Amount(100_000),
            grand_total: Some(Amount(13_820_000)),
            ..SnapshotTotals::default()
        }),
        payment_method: Some(PaymentMethod::Card),
        payment: Some(ChannelPayment::Paid),
        paid: None,
        refunded: Amount(0),
        fulfilled_by: FulfilledBy::Us,
        fixed_location: None,
        deadlines: Deadlines::default(),
        note: None,
        coupon: None,
        appointment: None,
        invoice_request: None,
        tags: vec![],
    }
}

/// A later word of the channel on the status alone.
pub(crate) fn status(status: ChannelStatus, minutes: i64) -> Snapshot {
    Snapshot {
        status,
        channel_status: format!("{status:?}"),
        revised_at: minute(minutes),
        buyer: None,
        ship_to: None,
        lines: None,
        totals: None,
        payment_method: None,
        payment: None,
        ..snapshot()
    }
}

pub(crate) fn said(snapshot: Snapshot) -> Fact {
    Fact::Snapshot(Box::new(snapshot))
}

pub(crate) fn staff(id: &str, minutes: i64, action: Action) -> Fact {
    Fact::Staff(Box::new(Command {
        id: id.into(),
        actor: "lan".into(),
        at: minute(minutes),
        reason: "because".into(),
        action,
    }))
}

pub(crate) fn reported(id: &str, sequence: i64, minutes: i64, kind: EventKind) -> Fact {
    Fact::Fulfillment {
        id: id.into(),
        sequence,
        at: minute(minutes),
        kind,
    }
}

pub(crate) fn accepted(task: &Task) -> Fact {
    let given = Given {
        number: Some("17".into()),
        ..Given::default()
    };
    Fact::Task {
        key: task.key.clone(),
        outcome: Answer::Accepted { given },
        at: minute(1),
    }
}

pub(crate) fn refused(task: &Task, code: &str) -> Fact {
    Fact::Task {
        key: task.key.clone(),
        outcome: Answer::Refused {
            code: code.into(),
            message: String::new(),
        },
        at: minute(1),
    }
}

pub(crate) fn legs(invoice: Moment) -> Legs {
    let leg = |when| Some(ServiceLeg { target: None, when });
    Legs {
        invoice: leg(invoice),
        installation: leg(Moment::OnDelivery),
        warranty: leg(Moment::OnDelivery),
        carrier: None,
        notify: None,
    }
}

pub(crate) fn decision(outcome: Outcome, invoice: Moment) -> Decision {
    Decision {
        rule: "large appliances".into(),
        rules_version: "abc".into(),
        outcome,
        legs: legs(invoice),
        tags: vec![],
        priority: 0,
        gifts: vec![],
        transfer_to_store: None,
        dispatch_by: None,
        promise_met: None,
        trace: Trace {
            now: minute(0),
            round: 0,
            region: None,
            measured_from: MeasuredFrom::Unknown,
            rules: vec![],
        },
    }
}

/// Every line at the given location, in turn where there are several.
pub(crate) fn allocated(order: &RoutingOrder, locations: &[&str]) -> Outcome {
    let allocations = order
        .lines
        .iter()
        .zip(locations.iter().cycle())
        .map(|(line, location)| Allocation {
            line_id: line.id.clone(),
            sku: line.sku.clone(),
            quantity: line.quantity,
            location: (*location).to_owned(),
            components: line
                .kit
                .iter()
                .map(|(sku, each)| Component {
                    sku: sku.clone(),
                    quantity: i64::from(*each) * i64::from(line.quantity),
                })
                .collect(),
        })
        .collect();
    Outcome::Allocated {
        allocations,
        parcels: 1,
    }
}

/// An order in its world, driven as the shell drives it.
pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) order: Order,
    pub(crate) tasks: Vec<Task>,
    pub(crate) movements: Vec<Movement>,
    pub(crate) withdraw: Vec<String>,
    pub(crate) invoice: Moment,
}

impl Story {
    pub(crate) fn allows(&self, action: &Action) -> Result<(), String> {
        self.order.allows(action, &self.world.settings)
    }

    pub(crate) fn new() -> Self {
        Self {
            world: World::new(),
            order: order(),
            tasks: vec![],
            movements: vec![],
            withdraw: vec![],
            invoice: Moment::OnDelivery,
        }
    }

    /// A story whose order has just been confirmed.
    pub(crate) fn confirmed() -> Self {
        let mut story = Self::new();
        story.apply(said(snapshot()));
        story
    }

    /// Applies a fact, plans, and routes to the given locations (or holds) as long as it must.
    pub(crate) fn apply_routed(&mut self, fact: Fact, locations: &[&str]) {
        let _applied = self.order.apply(&fact, &self.world.context());
        self.plan();
        while let Some(routing) = self.order.routing_order(&self.world.context()) {
            let free: Vec<&str> = locations
                .iter()
                .copied()
                .filter(|id| !routing.excluded.iter().any(|out| out == id))
                .collect();
            let outcome = if free.is_empty() {
                Outcome::Hold {
                    reason: "no-stock".into(),
                }
            } else {
                allocated(&routing, &free)
            };
            self.decide(outcome);
        }
    }

    /// As [`Self::apply_routed`], all lines to the first location that is not excluded.
    pub(crate) fn apply(&mut self, fact: Fact) {
        let _applied = self.order.apply(&fact, &self.world.context());
        self.plan();
        while let Some(routing) = self.order.routing_order(&self.world.context()) {
            let free = LOCATIONS
                .into_iter()
                .find(|id| !routing.excluded.iter().any(|out| out == id));
            let outcome = match free {
                Some(location) => allocated(&routing, &[location]),
                None => Outcome::Hold {
                    reason: "no-stock".into(),
                },
            };
            self.decide(outcome);
        }
    }

    fn decide(&mut self, outcome: Outcome) {
        let decision = decision(outcome, self.invoice);
        let taken = self.order.take_decision(&decision, &self.world.context());
        self.movements.extend(taken.movements);
        self.plan();
    }

    fn plan(&mut self) {
        let Plan {
            tasks,
            movements,
            withdraw,
            ..
        } = self.order.plan(&self.world.context());
        self.tasks.extend(tasks);
        self.movements.extend(movements);
        self.withdraw.extend(withdraw);
        let again = self.order.plan(&self.world.context());
        assert!(
            again.is_empty(),
            "a second plan asks for something new: {again:?}"
        );
    }

    /// The newest task with this word.
    pub(crate) fn task(&self, op: &str) -> Task {
        let found = self.tasks.iter().rev().find(|task| task.body.op() == op);
        found
            .unwrap_or_else(|| panic!("no {op} among {:?}", self.ops()))
            .clone()
    }

    pub(crate) fn ops(&self) -> Vec<&'static str> {
        self.tasks.iter().map(|task| task.body.op()).collect()
    }

    /// Accepts the newest task with this word.
    pub(crate) fn accept(&mut self, op: &str) {
        let task = self.task(op);
        self.apply(accepted(&task));
    }

    /// The id of the newest fulfillment order.
    pub(crate) fn part_id(&self) -> String {
        self.order.parts.last().unwrap().id.clone()
    }

    pub(crate) fn report(&mut self, sequence: i64, minutes: i64, kind: EventKind) {
        let id = self.part_id();
        self.apply(reported(&id, sequence, minutes, kind));
    }

    /// What the movements leave reserved, per (location, SKU).
    pub(crate) fn reserved(&self) -> i64 {
        self.movements
            .iter()
            .map(|movement| match movement.kind {
                crate::plan::MovementKind::Reserve => movement.quantity,
                crate::plan::MovementKind::Release | crate::plan::MovementKind::Ship => {
                    -movement.quantity
                }
                crate::plan::MovementKind::Return => 0,
            })
            .sum()
    }
}
