//! Stories of what a channel is told.

use crate::fulfillment::{EventKind, Tracking};
use crate::money::Amount;
use crate::order::testing::*;
use crate::order::{Action, Fact, Tried};
use crate::payment::{PaymentFact, PaymentState};
use crate::snapshot::{ChannelPayment, ChannelStatus, Snapshot};
use crate::task::{CancelReason, Given, News, NewsKind, Outcome, Task, TaskBody};

/// An order of a channel that takes this news.
fn story(takes: &[NewsKind]) -> Story {
    let mut story = Story::new();
    let takes = takes.iter().copied().collect();
    story.world.settings.feedback.insert("web".into(), takes);
    story.apply(said(snapshot()));
    story
}

fn packing(takes: &[NewsKind]) -> Story {
    let mut story = story(takes);
    story.accept("reserve");
    story.accept("create_fulfillment");
    story
}

fn told(story: &Story) -> Vec<&'static str> {
    let news = story
        .tasks
        .iter()
        .filter(|task| task.leg.as_str() == "channel");
    news.map(|task| task.body.op()).collect()
}

fn news(task: &Task) -> &News {
    match &task.body {
        TaskBody::Channel(task) => &task.news,
        other => panic!("no news: {other:?}"),
    }
}

fn shipped(story: &mut Story) {
    let tracking = Some(Tracking {
        carrier: "GHN".into(),
        number: "GHN123".into(),
    });
    let kind = EventKind::Shipped {
        lines: vec![],
        tracking,
    };
    story.report(3, 10, kind);
}

#[test]
fn a_channel_that_takes_nothing_is_told_nothing() {
    let mut story = packing(&[]);
    shipped(&mut story);
    assert_eq!(told(&story), Vec::<&str>::new());
}

#[test]
fn an_order_is_accepted_once_a_location_holds_every_line() {
    let mut story = story(&NewsKind::ALL);
    assert_eq!(told(&story), Vec::<&str>::new());
    story.accept("reserve");
    assert_eq!(told(&story), ["tell_accepted"]);
    let task = story.task("tell_accepted");
    assert_eq!(task.target, "web");
    let News::Accepted { lines, location } = news(&task) else {
        panic!("{task:?}");
    };
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1].quantity, 2);
    assert!(location.is_some());
}

#[test]
fn the_carrier_is_arranged_when_packing_begins_and_its_parcel_is_named_when_packed() {
    let mut story = packing(&[NewsKind::Arranged, NewsKind::Packed]);
    story.report(1, 5, EventKind::Accepted);
    assert_eq!(told(&story), ["tell_arranged"]);
    story.report(2, 6, EventKind::Packed { lines: vec![] });
    assert_eq!(
        told(&story),
        ["tell_arranged"],
        "the parcel has no name yet"
    );
    let task = story.task("tell_arranged");
    story.apply(Fact::Task {
        key: task.key.clone(),
        outcome: Outcome::Accepted {
            given: Given {
                partner_id: Some("FP-77".into()),
                ..Given::default()
            },
        },
        at: minute(7),
    });
    let News::Packed { channel_parcel, .. } = news(&story.task("tell_packed")).clone() else {
        panic!("not packed");
    };
    assert_eq!(channel_parcel.as_deref(), Some("FP-77"));
}

#[test]
fn a_parcel_that_the_marketplace_took_in_advance_is_not_arranged_again() {
    let mut story = Story::new();
    let takes = [NewsKind::Arranged].into_iter().collect();
    story.world.settings.feedback.insert("web".into(), takes);
    story.apply(said(Snapshot {
        tags: vec!["advance_package".into()],
        ..snapshot()
    }));
    story.accept("reserve");
    story.accept("create_fulfillment");
    story.report(1, 5, EventKind::Accepted);
    assert_eq!(told(&story), Vec::<&str>::new());
}

#[test]
fn shipment_and_delivery_are_told_in_turn_unless_the_channel_knows() {
    let mut story = packing(&[NewsKind::Shipped, NewsKind::Delivered]);
    shipped(&mut story);
    let News::Shipped { tracking, .. } = news(&story.task("tell_shipped")).clone() else {
        panic!("not shipped");
    };
    assert_eq!(tracking.unwrap().number, "GHN123");
    story.apply(said(status(ChannelStatus::Delivered, 20)));
    let delivered = EventKind::Delivered {
        cod_collected: None,
    };
    story.report(4, 30, delivered);
    assert_eq!(told(&story), ["tell_shipped"]);
    let serials: Vec<_> = story
        .tasks
        .iter()
        .filter_map(|task| task.serial.clone())
        .collect();
    assert!(serials.iter().any(|serial| serial.starts_with("web/")));
}

#[test]
fn a_cancellation_of_ours_is_told_and_one_of_the_channel_is_not() {
    let mut ours = packing(&NewsKind::ALL);
    ours.apply(staff("c1", 5, Action::Cancel));
    let News::Cancelled { reason, whole, .. } = news(&ours.task("tell_cancelled")).clone() else {
        panic!("not cancelled");
    };
    assert_eq!((reason, whole), (CancelReason::Other, true));

    let mut theirs = packing(&NewsKind::ALL);
    theirs.apply(said(status(ChannelStatus::Cancelled, 5)));
    assert!(!told(&theirs).contains(&"tell_cancelled"));
}

#[test]
fn news_of_packing_that_has_not_left_is_stopped_by_a_cancellation() {
    let mut story = packing(&[NewsKind::Arranged, NewsKind::Cancelled]);
    story.report(1, 5, EventKind::Accepted);
    let key = story.task("tell_arranged").key;
    story.apply(staff("c1", 6, Action::Cancel));
    assert!(story.withdraw.contains(&key));
    story.apply(Fact::Withdrawn {
        key,
        tried: Tried::Never,
        at: minute(7),
    });
    assert_eq!(told(&story), ["tell_arranged", "tell_cancelled"]);
}

#[test]
fn a_line_left_out_by_staff_is_told_alone() {
    let mut story = story(&[NewsKind::Cancelled]);
    let line = "2".to_owned();
    story.apply(staff("c1", 1, Action::CancelLine { line }));
    let News::Cancelled { lines, whole, .. } = news(&story.task("tell_cancelled")).clone() else {
        panic!("not cancelled");
    };
    assert!(!whole);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].line_id, "2");
}

fn wish_to_cancel() -> Fact {
    said(Snapshot {
        cancel_requested: true,
        revised_at: minute(5),
        ..snapshot()
    })
}

#[test]
fn a_buyers_wish_to_cancel_is_granted_by_cancelling_and_refused_by_going_on() {
    let accept = |story: &Story, op: &str| match news(&story.task(op)) {
        News::CancelAnswered { accept, .. } => *accept,
        other => panic!("no answer: {other:?}"),
    };
    let mut granted = packing(&[NewsKind::CancelAnswered, NewsKind::Cancelled]);
    granted.apply(wish_to_cancel());
    assert_eq!(told(&granted), Vec::<&str>::new());
    granted.apply(staff("c1", 6, Action::Cancel));
    assert!(accept(&granted, "tell_cancel_answered"));
    assert!(!told(&granted).contains(&"tell_cancelled"));

    let mut refused = packing(&[NewsKind::CancelAnswered]);
    refused.apply(wish_to_cancel());
    refused.apply(staff("c1", 6, Action::Release));
    assert!(!accept(&refused, "tell_cancel_answered"));
}

#[test]
fn each_wish_to_cancel_is_put_to_staff_and_answered() {
    let mut story = packing(&[NewsKind::CancelAnswered]);
    let says = |story: &mut Story, wishes: bool, minutes| {
        story.apply(said(Snapshot {
            cancel_requested: wishes,
            revised_at: minute(minutes),
            ..snapshot()
        }));
    };
    let held = |story: &Story| !story.order.view().holds.is_empty();
    says(&mut story, true, 5);
    says(&mut story, true, 6);
    story.apply(staff("c1", 7, Action::Release));
    let first = story.task("tell_cancel_answered");
    story.apply(accepted(&first));
    says(&mut story, false, 8);
    assert!(!held(&story));
    says(&mut story, true, 9);
    assert!(held(&story), "the earlier word was not about this wish");
    assert_eq!(told(&story).len(), 1);
    story.apply(staff("c2", 10, Action::Release));
    let second = story.task("tell_cancel_answered");
    assert_ne!(first.key, second.key);
    assert_eq!(second.generation, 2);
    story.apply(accepted(&second));
    says(&mut story, true, 11);
    assert_eq!(told(&story).len(), 2);
}

#[test]
fn a_shipment_is_arranged_again_whenever_the_channel_asks() {
    let mut story = packing(&[NewsKind::Arranged]);
    story.report(1, 5, EventKind::Accepted);
    let asks = |story: &mut Story, asks: bool, minutes| {
        let tags = if asks {
            vec!["rearrange_shipment".to_owned()]
        } else {
            vec![]
        };
        story.apply(said(Snapshot {
            tags,
            revised_at: minute(minutes),
            ..snapshot()
        }));
    };
    let arrange = |story: &mut Story, parcel: &str| {
        let task = story.task("tell_arranged");
        story.apply(Fact::Task {
            key: task.key,
            outcome: Outcome::Accepted {
                given: Given {
                    partner_id: Some(parcel.into()),
                    ..Given::default()
                },
            },
            at: minute(1),
        });
    };
    arrange(&mut story, "FP-1");
    asks(&mut story, true, 10);
    asks(&mut story, true, 11);
    assert_eq!(told(&story), ["tell_arranged"; 2]);
    let part = story.part_id();
    let named = |story: &Story| story.order.channel_parcel(&part).unwrap().id;
    assert_eq!(
        named(&story).as_deref(),
        Some("FP-1"),
        "until it is arranged"
    );
    arrange(&mut story, "FP-2");
    assert_eq!(named(&story).as_deref(), Some("FP-2"));
    asks(&mut story, false, 12);
    asks(&mut story, true, 13);
    assert_eq!(told(&story), ["tell_arranged"; 3]);
    assert_eq!(story.task("tell_arranged").generation, 3);
}

fn payment(amount: i64) -> Fact {
    Fact::Payment(PaymentFact {
        reference: "KH000012343-1".into(),
        transaction: "tx1".into(),
        amount: Amount(amount),
        state: PaymentState::Paid,
        at: minute(2),
        provider_code: "00".into(),
        provider: "vnpay".into(),
    })
}

fn refund(amount: i64) -> Action {
    Action::Refund {
        reference: "KH000012343-1".into(),
        transaction: "tx1".into(),
        amount: Amount(amount),
    }
}

#[test]
fn a_refund_goes_once_to_the_provider_that_took_the_money_and_never_beyond_it() {
    let mut story = Story::new();
    let takes = [NewsKind::Refunded].into_iter().collect();
    story.world.settings.feedback.insert("vnpay".into(), takes);
    story.apply(said(Snapshot {
        payment: Some(ChannelPayment::Unpaid),
        ..snapshot()
    }));
    story.apply(payment(13_820_000));
    assert!(story.allows(&refund(13_820_001)).is_err());
    assert!(story.allows(&refund(0)).is_err());
    story.allows(&refund(820_000)).unwrap();
    story.apply(staff("r1", 6, refund(820_000)));
    let task = story.task("refund");
    assert_eq!(task.target, "vnpay");
    assert!(
        story.allows(&refund(13_000_001)).is_err(),
        "counted before its answer"
    );
    assert_eq!(story.order.view().payment.refunded, Amount(0));
    story.apply(accepted(&task));
    assert_eq!(story.order.view().payment.refunded, Amount(820_000));
    assert_eq!(story.ops().iter().filter(|op| **op == "refund").count(), 1);
    story.apply(staff("r2", 7, refund(13_000_000)));
    let second = story.task("refund");
    assert_eq!(story.order.view().tags, [""; 0]);
    story.apply(refused(&second, "refund_window_closed"));
    assert_eq!(story.order.view().tags, ["news-refused"]);
    story.allows(&refund(13_000_000)).unwrap();
}

#[test]
fn a_refund_waits_for_an_earlier_one_of_its_payment_and_knows_its_number() {
    let mut story = Story::new();
    let takes = [NewsKind::Refunded].into_iter().collect();
    story.world.settings.feedback.insert("vnpay".into(), takes);
    story.apply(said(Snapshot {
        payment: Some(ChannelPayment::Unpaid),
        ..snapshot()
    }));
    story.apply(payment(13_820_000));
    story.apply(staff("r1", 6, refund(100_000)));
    story.apply(staff("r2", 7, refund(100_000)));
    let first = story.task("refund");
    assert_eq!(story.ops().iter().filter(|op| **op == "refund").count(), 1);
    story.apply(Fact::Task {
        key: first.key,
        outcome: Outcome::Accepted {
            given: Given {
                partner_id: Some("14226113".into()),
                ..Given::default()
            },
        },
        at: minute(8),
    });
    let News::Refunded {
        earlier, asked_at, ..
    } = news(&story.task("refund")).clone()
    else {
        panic!("no refund");
    };
    assert_eq!(asked_at, minute(7));
    assert_eq!(earlier.len(), 1);
    assert_eq!(earlier[0].number.as_deref(), Some("14226113"));
}
