//! An order among unreliable targets: whatever is lost, repeated, refused or cancelled, and in
//! whatever order, the books agree in the end.
//!
//! The targets here are honest about their own state but the way to them is not: answers are lost
//! after the effect, tries fail before it, tasks die and are redriven, reports repeat and overtake
//! each other, and people change their minds at any moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use crate::fulfillment::EventKind;
use crate::order::testing::*;
use crate::order::{Action, Fact, Lifecycle, Tried};
use crate::plan::{Movement, MovementKind};
use crate::routing::Moment;
use crate::service;
use crate::snapshot::ChannelStatus;
use crate::snapshot::Snapshot;
use crate::task::{BuyerEvent, Given, NewsKind, Outcome, Task, TaskBody};

/// A row of the outbox.
#[derive(Debug, Clone)]
struct Row {
    task: Task,
    tried: Tried,
    dead: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Held,
    Consumed,
    Released,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Parcel {
    Created,
    Accepted,
    Packed,
    Rejected,
    Cancelled,
    Shipped,
    Delivered,
    Returned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Waiting,
    Released,
    Completed,
    Cancelled,
}

/// The world outside: targets, the way to them, and the stock ledger.
#[derive(Default)]
struct Outside {
    outbox: VecDeque<Row>,
    asked_to_withdraw: Vec<String>,
    reports: Vec<Fact>,
    answers: Vec<Fact>,
    sequence: BTreeMap<String, i64>,

    reservations: BTreeMap<String, Hold>,
    parcels: BTreeMap<String, (Parcel, Vec<(String, u32)>)>,
    invoices: BTreeMap<String, i64>,
    adjustments: BTreeSet<String>,
    visits: BTreeMap<String, Visit>,
    warranties: BTreeMap<String, u32>,
    /// What the channel was told, and of what.
    told: BTreeSet<(NewsKind, String)>,
    /// What the buyer was told, and of what.
    notices: BTreeSet<(BuyerEvent, String)>,
    /// Notices whose answer was lost: nobody may repeat them.
    lost: BTreeSet<(BuyerEvent, String)>,

    references: BTreeSet<String>,
    reserved: BTreeMap<(String, String), i64>,
    clock: i64,
    /// Lines go to different locations where they can.
    split: bool,
}

impl Outside {
    fn book(&mut self, movement: &Movement) {
        assert!(
            self.references.insert(movement.reference.clone()),
            "booked twice: {movement:?}"
        );
        let reserved = self
            .reserved
            .entry((movement.location.clone(), movement.sku.clone()))
            .or_default();
        match movement.kind {
            MovementKind::Reserve => *reserved += movement.quantity,
            MovementKind::Release | MovementKind::Ship => *reserved -= movement.quantity,
            MovementKind::Return => {}
        }
        assert!(*reserved >= 0, "released more than reserved: {movement:?}");
    }

    /// What a target does with a request: at most once per id, as the contract says.
    fn perform(&mut self, task: &Task, refuse: bool) -> Outcome {
        let accepted = || Outcome::Accepted {
            given: Given::default(),
        };
        let duplicate = || Outcome::Duplicate {
            given: Given::default(),
        };
        let no = |code: &str| Outcome::Refused {
            code: code.into(),
            message: String::new(),
        };
        match &task.body {
            TaskBody::Reserve { reservation_id, .. } => {
                match self.reservations.get(reservation_id) {
                    Some(Hold::Held | Hold::Consumed) => duplicate(),
                    Some(Hold::Released) => panic!("reserved again after a release"),
                    None if refuse => no("insufficient"),
                    None => {
                        self.reservations.insert(reservation_id.clone(), Hold::Held);
                        accepted()
                    }
                }
            }
            TaskBody::ReleaseReservation { reservation_id } => {
                if let Some(hold) = self.reservations.get_mut(reservation_id)
                    && *hold == Hold::Held
                {
                    *hold = Hold::Released;
                }
                accepted()
            }
            TaskBody::CreateFulfillment {
                fulfillment_order_id,
                reservation_id,
                lines,
                ..
            } => {
                if let Some((parcel, _)) = self.parcels.get(fulfillment_order_id) {
                    assert_ne!(*parcel, Parcel::Cancelled, "created again after a cancel");
                    return duplicate();
                }
                if refuse {
                    return no("closed");
                }
                let hold = self
                    .reservations
                    .get_mut(reservation_id)
                    .expect("reserved before");
                assert_eq!(*hold, Hold::Held, "packs without stock");
                *hold = Hold::Consumed;
                let lines = lines
                    .iter()
                    .map(|line| (line.line_id.clone(), line.quantity))
                    .collect();
                self.parcels
                    .insert(fulfillment_order_id.clone(), (Parcel::Created, lines));
                accepted()
            }
            TaskBody::CancelFulfillment {
                fulfillment_order_id,
            } => {
                let Some((parcel, _)) = self.parcels.get_mut(fulfillment_order_id) else {
                    return accepted();
                };
                match parcel {
                    Parcel::Shipped | Parcel::Delivered | Parcel::Returned => no("shipped"),
                    Parcel::Rejected | Parcel::Cancelled => duplicate(),
                    Parcel::Created | Parcel::Accepted | Parcel::Packed => {
                        *parcel = Parcel::Cancelled;
                        accepted()
                    }
                }
            }
            TaskBody::IssueInvoice(body) => {
                let given = Given {
                    number: Some("17".into()),
                    ..Given::default()
                };
                if self.invoices.contains_key(&body.invoice_request_id) {
                    return Outcome::Duplicate { given };
                }
                let lines: i64 = body.lines.iter().map(|line| line.amount).sum();
                assert_eq!(lines + body.shipping - body.discount, body.total);
                self.invoices
                    .insert(body.invoice_request_id.clone(), body.total);
                Outcome::Accepted { given }
            }
            TaskBody::AdjustInvoice {
                invoice_request_id,
                adjustment_id,
                lines,
                total,
                ..
            } => {
                if !self.adjustments.insert(adjustment_id.clone()) {
                    return duplicate();
                }
                let Some(standing) = self.invoices.get_mut(invoice_request_id) else {
                    return no("not_found");
                };
                assert_eq!(lines.iter().map(|line| line.amount).sum::<i64>(), *total);
                *standing += total;
                assert!(*standing >= 0, "took more off than was invoiced");
                accepted()
            }
            TaskBody::CreateWorkOrder { external_id, .. } => match self.visits.get(external_id) {
                Some(Visit::Cancelled) => panic!("registered again after a cancel"),
                Some(Visit::Waiting | Visit::Released | Visit::Completed) => duplicate(),
                None => {
                    self.visits.insert(external_id.clone(), Visit::Waiting);
                    accepted()
                }
            },
            TaskBody::ReleaseWorkOrder { external_id, .. } => {
                let visit = self.visits.get_mut(external_id).expect("registered before");
                match visit {
                    Visit::Waiting => *visit = Visit::Released,
                    Visit::Released | Visit::Completed => return duplicate(),
                    Visit::Cancelled => return no("cancelled"),
                }
                accepted()
            }
            TaskBody::RescheduleWorkOrder { .. } => accepted(),
            TaskBody::CancelWorkOrder { external_id, .. } => {
                match self.visits.get_mut(external_id) {
                    None | Some(Visit::Cancelled) => duplicate(),
                    Some(Visit::Completed) => no("completed"),
                    Some(visit) => {
                        *visit = Visit::Cancelled;
                        accepted()
                    }
                }
            }
            TaskBody::ActivateWarranty {
                warranty_id,
                quantity,
                ..
            } => {
                if self
                    .warranties
                    .insert(warranty_id.clone(), *quantity)
                    .is_some()
                {
                    duplicate()
                } else {
                    accepted()
                }
            }
            TaskBody::Channel(news) => {
                let told = (news.news.kind(), task.subject.clone());
                if self.told.insert(told) {
                    accepted()
                } else {
                    duplicate()
                }
            }
            TaskBody::BuyerNotice(notice) => {
                let told = (notice.event, task.subject.clone());
                assert!(self.notices.insert(told), "told twice: {notice:?}");
                accepted()
            }
            TaskBody::ChannelStock(_) | TaskBody::ChannelMessage(_) => {
                panic!("no order asks for this")
            }
        }
    }

    fn report(&mut self, id: &str, kind: EventKind) {
        let sequence = self.sequence.entry(id.to_owned()).or_default();
        *sequence += 1;
        self.clock += 1;
        self.reports.push(reported(id, *sequence, self.clock, kind));
    }

    /// A buyer sends a delivered parcel back, and it arrives.
    fn send_back(&mut self) {
        let home = self
            .parcels
            .iter_mut()
            .find(|(_, (parcel, _))| *parcel == Parcel::Delivered);
        let Some((id, (parcel, _))) = home else {
            return;
        };
        *parcel = Parcel::Returned;
        let id = id.clone();
        self.report(&id, EventKind::Returned);
    }

    /// A location moves one of its parcels on.
    fn work(&mut self, pick: usize, reject: bool) {
        let open: Vec<String> = self
            .parcels
            .iter()
            .filter(|(_, (parcel, _))| {
                matches!(
                    parcel,
                    Parcel::Created | Parcel::Accepted | Parcel::Packed | Parcel::Shipped
                )
            })
            .map(|(id, _)| id.clone())
            .collect();
        if open.is_empty() {
            return;
        }
        let id = open[pick % open.len()].clone();
        let (parcel, _) = self.parcels.get_mut(&id).expect("listed above");
        let (next, kind) = match parcel {
            Parcel::Created if reject => (
                Parcel::Rejected,
                EventKind::Rejected {
                    reason: "closed".into(),
                },
            ),
            Parcel::Created => (Parcel::Accepted, EventKind::Accepted),
            Parcel::Accepted => (Parcel::Packed, EventKind::Packed { lines: vec![] }),
            Parcel::Packed => (
                Parcel::Shipped,
                EventKind::Shipped {
                    lines: vec![],
                    tracking: None,
                },
            ),
            _ => (
                Parcel::Delivered,
                EventKind::Delivered {
                    cod_collected: None,
                },
            ),
        };
        *parcel = next;
        self.report(&id, kind);
    }

    fn visit(&mut self) {
        let released = self
            .visits
            .iter_mut()
            .find(|(_, visit)| **visit == Visit::Released);
        let Some((id, visit)) = released else { return };
        *visit = Visit::Completed;
        let id = id.clone();
        self.clock += 1;
        self.reports.push(Fact::Service {
            id,
            sequence: 1,
            at: minute(self.clock),
            kind: service::EventKind::Completed { serials: vec![] },
        });
    }
}

/// One step of the world, from a random number.
fn step(story: &mut Story, outside: &mut Outside, dice: u16) {
    let pick = usize::from(dice / 16);
    match dice % 16 {
        // A try that arrives, and its answer too.
        0..=3 => try_once(story, outside, pick, Way::There, Way::There),
        // A try whose answer is lost.
        4 => try_once(story, outside, pick, Way::There, Way::Lost),
        // A try that never arrives.
        5 => try_once(story, outside, pick, Way::Lost, Way::Lost),
        6 => die(story, outside, pick),
        7 => redrive(outside),
        8 => withdraw(story, outside, pick),
        9 if pick % 16 == 15 => outside.send_back(),
        9 | 10 => outside.work(pick, pick % 5 == 0),
        11 => outside.visit(),
        // A report arrives, perhaps out of turn, perhaps not for the last time.
        12 | 13 => {
            if outside.reports.is_empty() {
                return;
            }
            let place = pick % outside.reports.len();
            let fact = outside.reports[place].clone();
            if pick % 3 != 0 {
                outside.reports.remove(place);
            }
            tell(story, outside, fact);
        }
        // An answer repeats.
        14 => {
            if let Some(fact) = outside
                .answers
                .get(pick % outside.answers.len().max(1))
                .cloned()
            {
                tell(story, outside, fact);
            }
        }
        // Somebody changes their mind.
        _ => {
            outside.clock += 1;
            let now = outside.clock;
            let id = format!("c{now}");
            let fact = match pick % 8 {
                0 => said(status(ChannelStatus::Cancelled, now)),
                1 => said(Snapshot {
                    revised_at: minute(now),
                    ..snapshot()
                }),
                2 => staff(&id, now, Action::Hold),
                3 => staff(&id, now, Action::Reroute),
                4 => staff(
                    &id,
                    now,
                    Action::Transfer {
                        location: "store-q1".into(),
                    },
                ),
                5 => staff(&id, now, Action::CancelLine { line: "2".into() }),
                6 => {
                    story.world.now = minute(now + 40);
                    Fact::Wake
                }
                _ => staff(&id, now, Action::Release),
            };
            tell(story, outside, fact);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Lost,
}

fn try_once(story: &mut Story, outside: &mut Outside, pick: usize, to: Way, back: Way) {
    let live: Vec<usize> = (0..outside.outbox.len())
        .filter(|place| !outside.outbox[*place].dead)
        .collect();
    if live.is_empty() {
        return;
    }
    let place = live[pick % live.len()];
    let task = outside.outbox[place].task.clone();
    let tried = std::mem::replace(&mut outside.outbox[place].tried, Tried::Maybe);
    if to == Way::Lost {
        return;
    }
    let outcome = match &task.body {
        // The phone may have rung already.
        TaskBody::BuyerNotice(notice) if tried == Tried::Maybe => {
            let lost = (notice.event, task.subject.clone());
            outside.lost.insert(lost);
            Outcome::Refused {
                code: "maybe_told".into(),
                message: String::new(),
            }
        }
        _ => outside.perform(&task, pick % 7 == 6),
    };
    if back == Way::Lost {
        return;
    }
    outside.outbox.remove(place);
    let fact = Fact::Task {
        key: task.key,
        outcome,
        at: minute(outside.clock),
    };
    outside.answers.push(fact.clone());
    tell(story, outside, fact);
}

fn die(story: &mut Story, outside: &mut Outside, pick: usize) {
    if outside.outbox.is_empty() {
        return;
    }
    let place = pick % outside.outbox.len();
    let row = &mut outside.outbox[place];
    if row.dead || row.tried == Tried::Never {
        return;
    }
    row.dead = true;
    let fact = Fact::TaskDead {
        key: row.task.key.clone(),
        reason: "gave up".into(),
        at: minute(outside.clock),
    };
    tell(story, outside, fact);
}

fn redrive(outside: &mut Outside) {
    for row in &mut outside.outbox {
        row.dead = false;
    }
}

fn withdraw(story: &mut Story, outside: &mut Outside, pick: usize) {
    if outside.asked_to_withdraw.is_empty() {
        return;
    }
    let place = pick % outside.asked_to_withdraw.len();
    let key = outside.asked_to_withdraw.remove(place);
    // Answered in the meantime: the outcome decides.
    let Some(place) = outside.outbox.iter().position(|row| row.task.key == key) else {
        return;
    };
    let row = outside.outbox.remove(place).expect("found above");
    let fact = Fact::Withdrawn {
        key,
        tried: row.tried,
        at: minute(outside.clock),
    };
    tell(story, outside, fact);
}

/// The shell: apply, plan, route; write what they ask for.
fn tell(story: &mut Story, outside: &mut Outside, fact: Fact) {
    if outside.split {
        story.apply_routed(fact, &LOCATIONS);
    } else {
        story.apply(fact);
    }
    for task in story.tasks.drain(..) {
        assert!(
            outside.outbox.iter().all(|row| row.task.key != task.key),
            "asked for twice: {}",
            task.key
        );
        outside.outbox.push_back(Row {
            task,
            tried: Tried::Never,
            dead: false,
        });
    }
    for movement in story.movements.drain(..).collect::<Vec<_>>() {
        outside.book(&movement);
    }
    outside.asked_to_withdraw.append(&mut story.withdraw);
}

/// Lets everything that is under way come to its end.
fn settle(story: &mut Story, outside: &mut Outside) {
    for _ in 0..200 {
        redrive(outside);
        let mut quiet = true;
        while !outside.asked_to_withdraw.is_empty() {
            quiet = false;
            withdraw(story, outside, 0);
        }
        while !outside.outbox.is_empty() {
            quiet = false;
            // No refusals any more: 0 is no multiple of the refusing kind.
            try_once(story, outside, 0, Way::There, Way::There);
            while !outside.asked_to_withdraw.is_empty() {
                withdraw(story, outside, 0);
            }
        }
        while let Some(fact) = outside.reports.pop() {
            quiet = false;
            tell(story, outside, fact);
        }
        let before = outside.reports.len();
        outside.work(0, false);
        outside.visit();
        quiet &= before == outside.reports.len();
        if !quiet {
            continue;
        }
        // A reservation of an order that is held ends by its timer.
        let Some(wake) = story.order.columns().next_wake else {
            return;
        };
        story.world.now = story.world.now.max(wake);
        tell(story, outside, Fact::Wake);
    }
    panic!("never comes to rest");
}

fn check(story: &Story, outside: &Outside) {
    let view = story.order.view();
    let cancelled = view.lifecycle == Lifecycle::Cancelled;
    check_told(story, outside, cancelled);
    check_notices(story, outside, cancelled);
    assert_eq!(
        story.order.open_tasks(),
        0,
        "everything asked for has its answer"
    );

    // No line is in the buyer's hands twice.
    let mut sent: BTreeMap<&str, u32> = BTreeMap::new();
    for (parcel, lines) in outside.parcels.values() {
        if matches!(parcel, Parcel::Shipped | Parcel::Delivered) {
            for (line, quantity) in lines {
                *sent.entry(line).or_default() += quantity;
            }
        }
    }
    assert!(sent.get("1").copied().unwrap_or(0) <= 1, "line 1 twice");
    assert!(sent.get("2").copied().unwrap_or(0) <= 2, "line 2 twice");

    // The targets hold nothing that we have forgotten, and the ledger is even.
    assert!(
        outside
            .reservations
            .values()
            .all(|hold| *hold != Hold::Held),
        "a reservation is left over: {:?}",
        outside.reservations
    );
    assert!(
        outside.reserved.values().all(|left| *left == 0),
        "stock left: {:?}",
        outside.reserved
    );
    let open = outside
        .parcels
        .values()
        .filter(|(parcel, _)| matches!(parcel, Parcel::Created | Parcel::Accepted | Parcel::Packed))
        .count();
    assert_eq!(open, 0, "a fulfillment order is left over");

    let live = outside
        .invoices
        .values()
        .filter(|total| **total > 0)
        .count();
    let visits = |wanted: Visit| {
        outside
            .visits
            .values()
            .filter(|visit| **visit == wanted)
            .count()
    };
    if cancelled {
        assert_eq!(
            live, 0,
            "an invoice of a cancelled order: {:?}",
            outside.invoices
        );
        assert_eq!(
            visits(Visit::Waiting) + visits(Visit::Released),
            0,
            "a visit is left over"
        );
    } else if view.fulfillment == crate::order::Fulfillment::Delivered {
        assert_eq!(live, 1, "exactly one invoice: {:?}", outside.invoices);
        // Nothing new is begun while a person holds the order.
        if view.holds.is_empty() {
            assert_eq!(
                visits(Visit::Completed),
                1,
                "exactly one visit: {:?}",
                outside.visits
            );
        }
        assert!(
            visits(Visit::Completed) <= 1,
            "two visits: {:?}",
            outside.visits
        );
        assert_eq!(
            outside.warranties.values().sum::<u32>(),
            1,
            "exactly one warranty"
        );
        let closed = view.lifecycle == Lifecycle::Closed;
        assert!(closed || !view.holds.is_empty(), "{view:?}");
    } else if view.fulfillment == crate::order::Fulfillment::Returned {
        assert_eq!(
            live, 0,
            "an invoice of goods that are back: {:?}",
            outside.invoices
        );
        assert_eq!(
            visits(Visit::Waiting) + visits(Visit::Released),
            0,
            "a visit is left over"
        );
    } else if view.fulfillment == crate::order::Fulfillment::Returning {
        // A line that was left out too late and kept by the buyer is for a person to settle.
        let late = view.tags.iter().any(|tag| tag == "too-late-to-take-back");
        assert!(
            live == 1 || late || !view.holds.is_empty(),
            "the parcel that the buyer keeps is invoiced: {view:#?}"
        );
    } else {
        assert!(
            !view.holds.is_empty(),
            "neither delivered nor held: {view:#?}"
        );
    }
}

/// What the channel cannot know by itself, it was told.
fn check_told(story: &Story, outside: &Outside, cancelled: bool) {
    let order = story.order.id().as_str().to_owned();
    if story.order.channel_status() != Some(ChannelStatus::Confirmed) {
        return;
    }
    let told = |kind| outside.told.contains(&(kind, order.clone()));
    if cancelled {
        assert!(told(NewsKind::Cancelled), "the channel still waits");
        return;
    }
    for (parcel, (state, _)) in &outside.parcels {
        let told = |kind| outside.told.contains(&(kind, parcel.clone()));
        match state {
            Parcel::Delivered => {
                assert!(told(NewsKind::Delivered), "not told of {parcel}");
                assert!(told(NewsKind::Shipped), "not told of {parcel}");
            }
            Parcel::Created
            | Parcel::Accepted
            | Parcel::Packed
            | Parcel::Rejected
            | Parcel::Cancelled
            | Parcel::Shipped
            | Parcel::Returned => {}
        }
    }
}

/// The buyer knows what became of every parcel, unless the way to their phone lost it.
fn check_notices(story: &Story, outside: &Outside, cancelled: bool) {
    let late = story.world.now > minute(24 * 60);
    if cancelled || late {
        return;
    }
    for (parcel, (state, _)) in &outside.parcels {
        let told = (BuyerEvent::Delivered, parcel.clone());
        let known = outside.notices.contains(&told) || outside.lost.contains(&told);
        assert!(known || *state != Parcel::Delivered, "not told of {parcel}");
    }
}

fn run(dice: &[u16], invoice: Moment, split: bool) {
    let mut story = Story::new();
    story
        .world
        .settings
        .feedback
        .insert("web".into(), NewsKind::ALL.into_iter().collect());
    story.world.settings.tellers = vec![teller(&BuyerEvent::ALL)];
    story.invoice = invoice;
    let mut outside = Outside {
        clock: 1,
        split,
        ..Outside::default()
    };
    tell(&mut story, &mut outside, said(snapshot()));
    for number in dice {
        step(&mut story, &mut outside, *number);
    }
    settle(&mut story, &mut outside);
    check(&story, &outside);
}

#[test]
fn without_mishaps_everything_happens_once() {
    for invoice in [Moment::OnDelivery, Moment::OnShipment, Moment::OnPayment] {
        run(&[], invoice, false);
        run(&[], invoice, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_effect_is_missed_or_happens_twice(
        dice in prop::collection::vec(any::<u16>(), 0..100),
        invoice in prop::sample::select(vec![
            Moment::OnDelivery,
            Moment::OnShipment,
            Moment::OnPayment,
        ]),
        split in any::<bool>(),
    ) {
        run(&dice, invoice, split);
    }
}
