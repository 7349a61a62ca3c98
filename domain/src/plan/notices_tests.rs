//! Stories of what a buyer is told.

use jiff::SignedDuration;

use crate::fulfillment::{EventKind, Tracking};
use crate::money::Amount;
use crate::order::testing::*;
use crate::order::{Action, Fact, Tried};
use crate::payment::{PaymentFact, PaymentState};
use crate::service;
use crate::snapshot::{Buyer, Cancellation, ChannelStatus, FulfilledBy, Snapshot};
use crate::task::{BuyerEvent, BuyerNotice, TaskBody};

/// An order of the website, whose buyers are told of everything.
fn ordered(change: impl FnOnce(&mut Snapshot)) -> Story {
    let mut story = Story::new();
    story.world.settings.tellers = vec![teller(&BuyerEvent::ALL)];
    let mut snapshot = snapshot();
    change(&mut snapshot);
    story.apply(said(snapshot));
    story
}

fn packing() -> Story {
    let mut story = ordered(|_| ());
    story.accept("reserve");
    story.accept("create_fulfillment");
    story
}

fn ship(story: &mut Story) {
    let tracking = Some(Tracking {
        carrier: "GHN".into(),
        number: "GHN123".into(),
    });
    let lines = vec![];
    story.report(3, 10, EventKind::Shipped { lines, tracking });
}

fn deliver(story: &mut Story) {
    let cod_collected = None;
    story.report(4, 20, EventKind::Delivered { cod_collected });
}

fn notices(story: &Story) -> Vec<BuyerNotice> {
    let bodies = story.tasks.iter().map(|task| &task.body);
    bodies
        .filter_map(|body| match body {
            TaskBody::BuyerNotice(notice) => Some(notice.clone()),
            _ => None,
        })
        .collect()
}

fn told(story: &Story) -> Vec<&'static str> {
    let notices = notices(story);
    notices.iter().map(|notice| notice.event.as_str()).collect()
}

/// What waits in the outbox is stopped, before its first try.
fn withdrawn(story: &mut Story) -> Vec<String> {
    let keys: Vec<String> = story.withdraw.drain(..).collect();
    for key in &keys {
        let tried = Tried::Never;
        story.apply(Fact::Withdrawn {
            key: key.clone(),
            tried,
            at: minute(30),
        });
    }
    keys
}

#[test]
fn a_shipped_parcel_is_told_with_its_code_and_number_as_people_write_them() {
    let mut story = packing();
    ship(&mut story);
    assert_eq!(told(&story), ["accepted", "shipped"]);
    let task = story.task("notify_buyer");
    assert_eq!(task.target, "zalo-oa");
    let code = story.order.code().as_str().to_owned();
    assert_eq!(task.serial.as_deref(), Some(&*format!("zalo-oa/{code}")));
    assert_eq!(
        task.key,
        format!("{code}.notice.{}.shipped", story.part_id())
    );
    let notice = notices(&story).remove(1);
    assert_eq!(notice.order_ref, code);
    assert_eq!(notice.at, minute(10));
    assert_eq!(notice.phone.as_deref(), Some("+84901234567"));
    assert_eq!(notice.user_id, None);
    let fact = |name: &str| notice.facts[name].as_str();
    assert_eq!(fact("tracking"), "GHN123");
    assert_eq!(fact("carrier"), "GHN");
    assert_eq!(fact("total"), "13.820.000đ");
    assert_eq!(fact("paid"), "13.820.000đ");
    assert_eq!(fact("cod"), "0đ");
    assert_eq!(fact("name"), "Nguyễn Văn An");
    assert_eq!(fact("channel"), "Website");
    assert_eq!(fact("items"), "Article AC-9000 × 1, Article FAN-1 × 2");
    assert_eq!(fact("date"), "24/11/2026");
}

#[test]
fn only_what_is_known_of_an_event_stands_among_its_facts() {
    let mut story = packing();
    ship(&mut story);
    deliver(&mut story);
    for notice in notices(&story) {
        let known: Vec<_> = notice.event.facts().collect();
        let unknown = |fact: &&String| !known.contains(&fact.as_str());
        assert_eq!(notice.facts.keys().find(unknown), None, "{notice:?}");
    }
}

#[test]
fn repeated_and_stale_reports_tell_nothing_again() {
    let mut story = packing();
    for _ in 0..3 {
        ship(&mut story);
        story.report(2, 9, EventKind::Packed { lines: vec![] });
        story.apply(said(snapshot()));
    }
    story.accept("notify_buyer");
    deliver(&mut story);
    ship(&mut story);
    assert_eq!(told(&story), ["accepted", "shipped", "delivered"]);
}

#[test]
fn every_parcel_of_an_order_is_told_of() {
    let mut story = ordered(|_| ());
    story.tasks.clear();
    let mut story = Story {
        order: order(),
        ..story
    };
    story.apply_routed(said(snapshot()), &["hub-hcm", "hub-hn"]);
    let reserves: Vec<_> = story.tasks.clone();
    for task in reserves.iter().filter(|task| task.body.op() == "reserve") {
        story.apply_routed(accepted(task), &["hub-hcm", "hub-hn"]);
    }
    let parts: Vec<String> = story
        .order
        .parts
        .iter()
        .map(|part| part.id.clone())
        .collect();
    for (number, part) in parts.iter().enumerate() {
        let tracking = Some(Tracking {
            carrier: "GHN".into(),
            number: format!("GHN{number}"),
        });
        let kind = EventKind::Shipped {
            lines: vec![],
            tracking,
        };
        story.apply(reported(part, 1, 10, kind));
    }
    assert_eq!(told(&story), ["accepted", "shipped", "shipped"]);
    let items: Vec<String> = notices(&story)
        .iter()
        .map(|notice| notice.facts["items"].clone())
        .collect();
    assert_eq!(items[1..], ["Article AC-9000 × 1", "Article FAN-1 × 2"]);
}

#[test]
fn what_waits_to_be_told_is_stopped_once_it_is_true_no_more() {
    let mut story = packing();
    ship(&mut story);
    let keys = withdrawn(&mut story);
    assert_eq!(keys.len(), 1, "accepted: it has left meanwhile");
    deliver(&mut story);
    let keys = withdrawn(&mut story);
    assert!(keys[0].ends_with(".shipped"), "{keys:?}");
    assert_eq!(told(&story), ["accepted", "shipped", "delivered"]);
}

#[test]
fn an_order_that_is_called_off_is_told_so_and_nothing_else() {
    let mut story = packing();
    story.apply(staff("c1", 5, Action::Cancel));
    let keys = withdrawn(&mut story);
    assert!(
        keys.iter().any(|key| key.ends_with(".accepted")),
        "{keys:?}"
    );
    assert_eq!(told(&story), ["accepted", "cancelled"]);
    assert_eq!(notices(&story)[1].facts["reason"], "because");
}

#[test]
fn a_hold_for_a_while_stops_nothing() {
    let mut story = packing();
    story.apply(staff("c1", 5, Action::Hold));
    assert_eq!(withdrawn(&mut story), Vec::<String>::new());
    story.apply(staff("c2", 6, Action::Release));
    assert_eq!(told(&story), ["accepted"]);
}

#[test]
fn a_draft_is_told_nothing_not_even_that_it_is_rejected() {
    let mut story = ordered(|said| said.status = ChannelStatus::Draft);
    story.apply(staff("c1", 5, Action::Reject));
    assert_eq!(told(&story), Vec::<&str>::new());
}

#[test]
fn orders_that_somebody_else_sends_are_theirs_to_tell_of() {
    let story = ordered(|said| {
        said.fulfilled_by = FulfilledBy::Marketplace;
        said.status = ChannelStatus::Shipped;
    });
    assert_eq!(told(&story), Vec::<&str>::new());
    let story = ordered(|said| said.status = ChannelStatus::Delivered);
    assert_eq!(told(&story), Vec::<&str>::new());
}

#[test]
fn buyers_of_channels_that_are_not_named_are_told_nothing() {
    let mut story = Story::new();
    let mut other = teller(&BuyerEvent::ALL);
    other.serves = [("shopee-vn".into(), "Shopee".into())].into();
    story.world.settings.tellers = vec![other];
    story.apply(said(snapshot()));
    story.accept("reserve");
    assert_eq!(told(&story), Vec::<&str>::new());
}

#[test]
fn of_two_accounts_the_first_that_can_tells() {
    let mut story = Story::new();
    let mut second = teller(&BuyerEvent::ALL);
    second.channel = "zalo-second".into();
    story.world.settings.tellers = vec![teller(&[BuyerEvent::Accepted]), second];
    story.apply(said(snapshot()));
    story.accept("reserve");
    assert_eq!(story.task("notify_buyer").target, "zalo-oa");
    story.accept("create_fulfillment");
    ship(&mut story);
    assert_eq!(told(&story), ["accepted", "shipped"]);
    assert_eq!(story.task("notify_buyer").target, "zalo-second");
}

#[test]
fn a_phone_that_is_hidden_or_no_vietnamese_mobile_is_never_called() {
    for phone in ["0901***567", "028 7123 4567", "+65 6123 4567", "call me"] {
        let mut story = ordered(|said| {
            said.buyer = Some(Buyer {
                phone: Some(phone.into()),
                ..Buyer::default()
            });
        });
        story.accept("reserve");
        assert_eq!(told(&story), Vec::<&str>::new(), "{phone}");
    }
}

#[test]
fn whoever_gets_a_gift_is_not_told_what_it_cost() {
    let mut story = ordered(|said| {
        let ship_to = said.ship_to.as_mut().unwrap();
        ship_to.phone = Some("0912345678".into());
    });
    story.accept("reserve");
    assert_eq!(notices(&story)[0].phone.as_deref(), Some("+84901234567"));
    let mut story = ordered(|said| said.buyer = None);
    story.accept("reserve");
    assert_eq!(notices(&story)[0].phone.as_deref(), Some("+84901234567"));
}

#[test]
fn a_person_of_the_account_is_told_there_and_is_a_stranger_to_every_other_account() {
    let person = |said: &mut Snapshot| {
        said.buyer = Some(Buyer {
            external_id: Some("77".into()),
            name: Some("L***".into()),
            ..Buyer::default()
        });
        said.ship_to.as_mut().unwrap().phone = None;
        said.ship_to.as_mut().unwrap().name = None;
    };
    let mut story = ordered(person);
    story.accept("reserve");
    assert_eq!(told(&story), Vec::<&str>::new());

    let mut story = Story::new();
    let mut own = teller(&BuyerEvent::ALL);
    own.channel = "web".into();
    story.world.settings.tellers = vec![own];
    let mut snapshot = snapshot();
    person(&mut snapshot);
    story.apply(said(snapshot));
    story.accept("reserve");
    let notice = notices(&story).remove(0);
    assert_eq!(
        (notice.phone, notice.user_id.as_deref()),
        (None, Some("77"))
    );
    assert_eq!(notice.facts["name"], "Quý khách");
}

#[test]
fn news_of_the_day_before_yesterday_is_told_to_nobody() {
    let mut story = packing();
    story.world.now = minute(0) + SignedDuration::from_hours(25);
    ship(&mut story);
    assert_eq!(told(&story), ["accepted"]);
    let cod_collected = None;
    story.report(4, 25 * 60, EventKind::Delivered { cod_collected });
    assert_eq!(told(&story), ["accepted", "delivered"]);
}

#[test]
fn templates_that_are_configured_later_do_not_tell_of_the_past() {
    let mut story = Story::confirmed();
    story.accept("reserve");
    story.world.settings.tellers = vec![teller(&BuyerEvent::ALL)];
    story.world.now = minute(0) + SignedDuration::from_hours(48);
    story.apply(said(Snapshot {
        revised_at: minute(2),
        ..snapshot()
    }));
    assert_eq!(told(&story), Vec::<&str>::new());
}

#[test]
fn a_text_waits_for_the_facts_that_it_needs() {
    let mut story = Story::new();
    let mut needs = teller(&[BuyerEvent::Shipped]);
    let facts = needs.events.get_mut(&BuyerEvent::Shipped).unwrap();
    facts.insert("tracking".into());
    story.world.settings.tellers = vec![needs];
    story.apply(said(snapshot()));
    story.accept("reserve");
    story.accept("create_fulfillment");
    let lines = vec![];
    let tracking = None;
    story.report(2, 9, EventKind::Shipped { lines, tracking });
    assert_eq!(told(&story), Vec::<&str>::new());
    ship(&mut story);
    assert_eq!(notices(&story)[0].facts["tracking"], "GHN123");
}

#[test]
fn a_parcel_that_could_not_be_delivered_is_told_with_the_reason() {
    let mut story = packing();
    ship(&mut story);
    let reason = "khách hẹn lại".to_owned();
    story.report(4, 20, EventKind::Failed { reason });
    assert_eq!(told(&story), ["accepted", "shipped", "delivery_failed"]);
    let notice = notices(&story).remove(2);
    assert_eq!(notice.facts["reason"], "khách hẹn lại");
    assert_eq!(notice.facts["tracking"], "GHN123");
}

#[test]
fn what_the_channel_called_off_is_told_at_its_moment() {
    let mut story = packing();
    story.apply(said(Snapshot {
        cancellation: Some(Cancellation {
            by: "buyer".into(),
            reason: "đổi ý".into(),
        }),
        ..status(ChannelStatus::Cancelled, 7)
    }));
    let notice = notices(&story).pop().unwrap();
    assert_eq!(
        (notice.event, notice.at),
        (BuyerEvent::Cancelled, minute(7))
    );
    assert_eq!(notice.facts["reason"], "đổi ý");
}

fn given_back(story: &mut Story, transaction: &str, amount: i64, minutes: i64) {
    story.apply(Fact::Payment(PaymentFact {
        reference: "KH000012340-1".into(),
        transaction: transaction.into(),
        amount: Amount(amount),
        state: PaymentState::Refunded,
        at: minute(minutes),
        provider: "vnpay".into(),
        provider_code: "00".into(),
    }));
}

#[test]
fn each_refund_is_told_once_with_what_has_come_back_in_all() {
    let mut story = packing();
    given_back(&mut story, "1", 450_000, 5);
    given_back(&mut story, "1", 450_000, 5);
    given_back(&mut story, "2", 50_000, 6);
    let refunds: Vec<String> = notices(&story)
        .into_iter()
        .filter(|notice| notice.event == BuyerEvent::Refunded)
        .map(|notice| notice.facts["refunded"].clone())
        .collect();
    assert_eq!(refunds, ["450.000đ", "500.000đ"]);
}

/// The service center agrees on a window of two hours.
fn agreed(story: &mut Story, sequence: i64, start: i64) {
    let id = story.order.view().service_orders[0].id.clone();
    story.apply(Fact::Service {
        id,
        sequence,
        at: minute(30),
        kind: service::EventKind::Scheduled {
            window_start: Some(minute(start)),
            window_end: Some(minute(start + 120)),
        },
    });
}

fn visits(story: &Story) -> Vec<(String, String)> {
    notices(story)
        .into_iter()
        .filter(|notice| notice.event == BuyerEvent::InstallationScheduled)
        .map(|notice| (notice.facts["date"].clone(), notice.facts["window"].clone()))
        .collect()
}

#[test]
fn every_new_time_of_a_visit_is_told_and_a_repeated_one_is_not() {
    let mut story = packing();
    agreed(&mut story, 3, 24 * 60);
    agreed(&mut story, 4, 24 * 60);
    // A late report of what was agreed before.
    agreed(&mut story, 2, 48 * 60);
    let first = ("25/11/2026".to_owned(), "08:00 - 10:00".to_owned());
    assert_eq!(visits(&story), std::slice::from_ref(&first));
    agreed(&mut story, 5, 26 * 60);
    agreed(&mut story, 6, 24 * 60);
    let second = ("25/11/2026".to_owned(), "10:00 - 12:00".to_owned());
    assert_eq!(visits(&story), [first.clone(), second, first]);
}

#[test]
fn a_visit_that_is_over_is_not_announced() {
    let mut story = packing();
    story.world.now = minute(24 * 60);
    agreed(&mut story, 1, 20 * 60);
    assert_eq!(visits(&story), []);
}
