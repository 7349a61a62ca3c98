//! Stories of one order up to its allocation.

use proptest::prelude::*;

use crate::fulfillment::EventKind;
use crate::money::Amount;
use crate::payment::{PaymentFact, PaymentState, PaymentStatus};
use crate::rating::{Rating, Stars};
use crate::routing::{Decision, Outcome};
use crate::snapshot::{ChannelPayment, ChannelStatus, PaymentMethod};

use super::testing::*;
use super::*;

fn held(order: &Order) -> Vec<String> {
    order.view().holds.iter().map(Hold::cause).collect()
}

fn paid(transaction: &str, amount: i64, state: PaymentState, minutes: i64) -> Fact {
    Fact::Payment(PaymentFact {
        reference: "KH000012340-1".into(),
        transaction: transaction.into(),
        amount: Amount(amount),
        state,
        at: minute(minutes),
        provider: "vnpay".into(),
        provider_code: "00".into(),
    })
}

#[test]
fn an_order_is_one_json_document_and_reads_back_the_same() {
    let mut story = Story::confirmed();
    story.accept("reserve");
    story.accept("create_fulfillment");
    story.report(
        1,
        10,
        EventKind::Shipped {
            lines: vec![crate::fulfillment::HandledLine {
                line_id: "1".into(),
                quantity: 1,
                serials: vec!["S1".into()],
            }],
            tracking: None,
        },
    );
    story.report(
        2,
        20,
        EventKind::Delivered {
            cod_collected: Some(5),
        },
    );
    let text = serde_json::to_string(&story.order).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), story.order);
    for task in &story.tasks {
        let text = serde_json::to_string(task).unwrap();
        assert_eq!(
            serde_json::from_str::<crate::task::Task>(&text).unwrap(),
            *task
        );
    }
}

#[test]
fn the_view_is_the_contracts_json() {
    let mut story = Story::confirmed();
    story.accept("reserve");
    let view = serde_json::to_value(story.order.view()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&view).unwrap());
}

#[test]
fn the_masked_view_shows_no_name_phone_or_street() {
    let story = Story::confirmed();
    let text = serde_json::to_string(&story.order.view().masked()).unwrap();
    for personal in ["Văn", "901234567", "901 234", "Nguyễn Trãi"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    assert!(text.contains("Hồ Chí Minh"));
}

fn rated(id: &str, stars: u8, minutes: i64) -> Fact {
    Fact::Rated(Rating {
        at: minute(minutes),
        stars: Stars::new(stars).unwrap(),
        note: Some("Giao nhanh, gọi 0901234567".into()),
        feedbacks: vec!["Giao nhanh".into()],
        id: id.into(),
        channel: "zalo-oa".into(),
    })
}

#[test]
fn a_rating_is_a_fact_of_the_order_and_stands_in_its_timeline_without_the_buyers_words() {
    let mut story = Story::confirmed();
    let applied = story
        .order
        .apply(&rated("m1", 4, 9), &story.world.context());
    let event = &applied.events[0];
    assert_eq!(
        (
            event.kind.as_str(),
            event.subject.as_deref(),
            event.to.as_deref()
        ),
        ("rating", Some("m1"), Some("4"))
    );
    let shown = format!("{applied:?}");
    assert!(!shown.contains("nhanh"), "{shown}");
    assert!(
        !story
            .order
            .apply(&rated("m1", 4, 9), &story.world.context())
            .changed
    );
    let view = story.order.view();
    assert_eq!(view.ratings.len(), 1);
    assert_eq!(
        view.ratings[0].note.as_deref(),
        Some("Giao nhanh, gọi 0901234567")
    );
    let masked = view.masked();
    assert_eq!(masked.ratings[0].note.as_deref(), Some("•••"));
    assert_eq!(masked.ratings[0].stars.number(), 4);
}

#[test]
fn an_order_that_was_stored_before_there_were_ratings_is_read() {
    let story = Story::confirmed();
    let mut document = serde_json::to_value(&story.order).unwrap();
    document.as_object_mut().unwrap().remove("ratings");
    let order: Order = serde_json::from_value(document).unwrap();
    assert_eq!(order, story.order);
}

proptest! {
    #[test]
    fn ratings_add_up_to_the_same_in_any_order_and_number(
        ratings in prop::collection::vec((0..3_u8, 1..=5_u8, 0..3_i64), 0..8),
        again in any::<prop::sample::Index>(),
    ) {
        let facts: Vec<Fact> = ratings
            .iter()
            .map(|(id, stars, minutes)| rated(&format!("m{id}"), *stars, *minutes))
            .collect();
        let of = |facts: &[Fact]| {
            let mut story = Story::confirmed();
            for fact in facts {
                let _applied = story.order.apply(fact, &story.world.context());
            }
            story.order.view().ratings
        };
        let mut other: Vec<Fact> = facts.iter().rev().cloned().collect();
        if !facts.is_empty() {
            other.push(facts[again.index(facts.len())].clone());
        }
        prop_assert_eq!(of(&facts), of(&other));
    }
}

#[test]
fn a_stale_snapshot_changes_nothing() {
    let mut story = Story::confirmed();
    let before = story.order.view();
    let mut old = snapshot();
    old.revised_at = minute(-5);
    old.status = ChannelStatus::Pending;
    old.note = None;
    let applied = story.order.apply(&said(old), &story.world.context());
    assert!(!applied.changed && applied.events.is_empty());
    assert_eq!(story.order.view(), before);
}

#[test]
fn a_total_that_does_not_add_up_holds_and_names_the_field() {
    let mut story = Story::new();
    let mut wrong = snapshot();
    wrong.totals.as_mut().unwrap().grand_total = Some(Amount(1));
    story.apply(said(wrong));
    assert_eq!(held(&story.order), ["totals|totals.grand_total"]);
    assert_eq!(story.order.status(), Status::OnHold);
    assert!(story.tasks.is_empty());

    let mut right = snapshot();
    right.revised_at = minute(1);
    story.apply(said(right));
    assert_eq!(story.ops(), ["create_work_order", "reserve"]);
}

#[test]
fn a_mapping_that_is_added_releases_the_order() {
    let mut story = Story::new();
    let mut unknown = snapshot();
    unknown.lines.as_mut().unwrap()[1].channel_sku = Some("item.77".into());
    unknown.lines.as_mut().unwrap()[1].sku = None;
    story.apply(said(unknown));
    assert_eq!(held(&story.order), ["unknown-sku|item.77"]);
    story
        .world
        .catalog
        .0
        .insert("item.77".into(), Product::default());
    story.apply(Fact::CatalogChanged);
    assert_eq!(story.order.status(), Status::Allocated);
}

#[test]
fn an_address_without_a_certain_province_holds() {
    let mut story = Story::new();
    let mut nowhere = snapshot();
    nowhere.ship_to.as_mut().unwrap().text = Some("gần chợ, hỏi cô Ba".into());
    story.apply(said(nowhere));
    assert_eq!(held(&story.order), ["unknown-province|ship_to.province"]);
}

#[test]
fn an_unpaid_order_waits_for_its_money_and_cash_on_delivery_does_not() {
    let mut story = Story::new();
    let mut unpaid = snapshot();
    unpaid.payment = Some(ChannelPayment::Unpaid);
    unpaid.payment_method = Some(PaymentMethod::BankTransfer);
    story.apply(said(unpaid.clone()));
    assert_eq!(story.order.status(), Status::Pending);
    story.apply(paid("FT1", 13_820_000, PaymentState::Paid, 3));
    assert_eq!(story.order.view().payment.status, PaymentStatus::Paid);
    assert_eq!(story.order.status(), Status::Allocated);

    let mut story = Story::new();
    unpaid.payment_method = Some(PaymentMethod::Cod);
    story.apply(said(unpaid));
    assert_eq!(story.order.status(), Status::Allocated);
    assert_eq!(story.order.view().totals.cod, Amount(13_820_000));
}

#[test]
fn money_under_suspicion_or_too_much_of_it_holds_until_staff_accept_it() {
    let mut story = Story::new();
    story.apply(said(snapshot()));
    story.apply(paid("T1", 13_820_000, PaymentState::Suspect, 3));
    assert_eq!(held(&story.order), ["suspect-payment|T1"]);
    story.apply(staff("c1", 4, Action::Release));
    assert_eq!(held(&story.order), [""; 0]);
    story.apply(paid("T2", 13_820_001, PaymentState::Paid, 5));
    // The accepted money counts too.
    assert_eq!(held(&story.order), ["over-payment|27640001 of 13820000"]);
}

/// Confirmed, to be paid by bank transfer, and not paid yet.
fn awaiting_transfer() -> Story {
    let mut story = Story::new();
    let mut unpaid = snapshot();
    unpaid.payment = Some(ChannelPayment::Unpaid);
    unpaid.payment_method = Some(PaymentMethod::BankTransfer);
    story.apply(said(unpaid));
    story
}

#[test]
fn suspect_money_that_staff_accept_pays_the_order() {
    let mut story = awaiting_transfer();
    story.apply(paid("FT1", 13_820_000, PaymentState::Suspect, 3));
    assert_eq!(story.order.status(), Status::OnHold);
    assert_eq!(story.order.view().payment.status, PaymentStatus::Unpaid);
    story.apply(staff("c1", 4, Action::Release));
    assert_eq!(story.order.view().payment.status, PaymentStatus::Paid);
    assert_eq!(story.order.view().payment.paid, Amount(13_820_000));
    assert_eq!(story.order.status(), Status::Allocated);
}

#[test]
fn a_part_of_the_money_holds_with_the_amounts_until_the_rest_comes() {
    let mut story = awaiting_transfer();
    story.apply(paid("FT1", 10_000_000, PaymentState::Paid, 3));
    assert_eq!(
        story.order.view().payment.status,
        PaymentStatus::PartiallyPaid
    );
    assert_eq!(held(&story.order), ["under-payment|10000000 of 13820000"]);
    assert_eq!(story.order.status(), Status::OnHold);
    assert!(story.tasks.is_empty());
    // Staff let it pass; more of the money is another matter to look at.
    story.apply(staff("c1", 4, Action::Release));
    assert_eq!(held(&story.order), [""; 0]);
    assert_eq!(story.order.status(), Status::Pending);
    story.apply(paid("FT2", 1_000_000, PaymentState::Paid, 5));
    assert_eq!(held(&story.order), ["under-payment|11000000 of 13820000"]);
    story.apply(paid("FT3", 2_820_000, PaymentState::Paid, 6));
    assert_eq!(held(&story.order), [""; 0]);
    assert_eq!(story.order.view().payment.status, PaymentStatus::Paid);
    assert_eq!(story.order.status(), Status::Allocated);
}

#[test]
fn too_much_money_is_paid_and_held_and_a_refund_of_the_surplus_ends_the_hold() {
    let mut story = awaiting_transfer();
    story.apply(paid("FT1", 13_820_000, PaymentState::Paid, 3));
    story.apply(paid("FT2", 180_000, PaymentState::Paid, 4));
    assert_eq!(story.order.view().payment.status, PaymentStatus::Paid);
    assert_eq!(story.order.view().payment.paid, Amount(14_000_000));
    assert_eq!(held(&story.order), ["over-payment|14000000 of 13820000"]);
    story.apply(paid("FT2", 180_000, PaymentState::Refunded, 5));
    assert_eq!(held(&story.order), [""; 0]);
}

#[test]
fn a_deposit_on_cash_on_delivery_is_no_reason_to_wait() {
    let mut story = Story::new();
    let mut cod = snapshot();
    cod.payment = Some(ChannelPayment::Unpaid);
    cod.payment_method = Some(PaymentMethod::Cod);
    story.apply(said(cod));
    story.apply(paid("FT1", 820_000, PaymentState::Paid, 3));
    assert_eq!(held(&story.order), [""; 0]);
    assert_eq!(story.order.view().totals.cod, Amount(13_000_000));
}

#[test]
fn a_hold_on_the_buyers_money_reserves_and_a_pending_payment_does_not() {
    let mut story = awaiting_transfer();
    story.apply(paid("T1", 13_820_000, PaymentState::Failed, 1));
    assert_eq!(story.order.view().payment.status, PaymentStatus::Failed);
    story.apply(paid("T2", 13_820_000, PaymentState::Pending, 2));
    assert_eq!(story.order.view().payment.status, PaymentStatus::Unpaid);
    assert_eq!(story.order.status(), Status::Pending);
    story.apply(paid("T2", 13_820_000, PaymentState::Authorized, 3));
    assert_eq!(story.order.view().payment.status, PaymentStatus::Authorized);
    assert_eq!(story.order.status(), Status::Allocated);
    // The pending report comes again, late; the money comes.
    story.apply(paid("T2", 13_820_000, PaymentState::Pending, 2));
    assert_eq!(story.order.view().payment.status, PaymentStatus::Authorized);
    story.apply(paid("T2", 13_820_000, PaymentState::Paid, 4));
    assert_eq!(story.order.view().payment.status, PaymentStatus::Paid);
}

#[test]
fn of_two_reports_of_one_moment_the_graver_counts_whichever_comes_first() {
    let states = [
        PaymentState::Pending,
        PaymentState::Authorized,
        PaymentState::Failed,
        PaymentState::Paid,
        PaymentState::Suspect,
    ];
    for (index, graver) in states.iter().enumerate() {
        for lesser in &states[..index] {
            let view = |order: [&PaymentState; 2]| {
                let mut story = awaiting_transfer();
                for state in order {
                    story.apply(paid("T1", 13_820_000, *state, 2));
                }
                let view = story.order.view();
                (view.payment, view.holds)
            };
            assert_eq!(view([lesser, graver]), view([graver, lesser]));
        }
    }
}

#[test]
fn a_draft_waits_for_staff_and_shows_what_was_understood() {
    let mut story = Story::new();
    let mut draft = snapshot();
    draft.status = ChannelStatus::Draft;
    story.apply(said(draft));
    assert_eq!(story.order.status(), Status::Draft);
    let understood = story.order.view().understood.unwrap();
    assert!(understood.phone && understood.province && understood.known_lines == 2);
    story.apply(staff("c1", 2, Action::Confirm));
    assert_eq!(story.order.status(), Status::Allocated);
}

#[test]
fn an_edit_survives_later_snapshots_and_a_real_difference_holds() {
    let mut story = Story::confirmed();
    let edit = Edit {
        note: Some("call first".into()),
        ..Edit::default()
    };
    story.apply(staff("c1", 2, Action::Edit(Box::new(edit))));
    let mut again = snapshot();
    again.revised_at = minute(3);
    story.apply(said(again.clone()));
    assert_eq!(story.order.view().note.as_deref(), Some("call first"));
    assert_eq!(held(&story.order), [""; 0]);
    again.revised_at = minute(4);
    again.note = Some("leave at the gate".into());
    story.apply(said(again));
    assert_eq!(story.order.view().note.as_deref(), Some("call first"));
    assert_eq!(held(&story.order), ["edited-differs|note"]);
    story.apply(staff("c2", 5, Action::Release));
    assert_eq!(held(&story.order), [""; 0]);
}

#[test]
fn a_masked_name_never_replaces_a_clear_one() {
    let mut story = Story::confirmed();
    let mut masked = snapshot();
    masked.revised_at = minute(9);
    masked.buyer.as_mut().unwrap().name = Some("N*****n".into());
    story.apply(said(masked));
    assert_eq!(
        story.order.view().buyer.name.as_deref(),
        Some("Nguyễn Văn An")
    );
}

#[test]
fn a_marketplace_that_ships_itself_gets_a_decision_and_no_reservation() {
    let mut story = Story::new();
    let mut theirs = snapshot();
    theirs.fulfilled_by = crate::snapshot::FulfilledBy::Marketplace;
    let _applied = story.order.apply(&said(theirs), &story.world.context());
    assert!(story.order.routing_order(&story.world.context()).is_some());
    let decision: Decision = decision(Outcome::Marketplace, crate::routing::Moment::OnDelivery);
    let taken = story.order.take_decision(&decision, &story.world.context());
    assert!(taken.movements.is_empty());
    assert!(story.order.routing_order(&story.world.context()).is_none());
    story.world.settings.default_series = Some("1C26TXX".into());
    story.apply(said(status(ChannelStatus::Delivered, 60)));
    assert_eq!(story.ops(), ["issue_invoice", "activate_warranty"]);
}

#[test]
fn a_backorder_is_routed_again_when_its_timer_fires() {
    let mut story = Story::new();
    let _applied = story.order.apply(&said(snapshot()), &story.world.context());
    let outcome = Outcome::Backorder {
        reason: "no-stock".into(),
    };
    let decision = decision(outcome, crate::routing::Moment::OnDelivery);
    let _taken = story.order.take_decision(&decision, &story.world.context());
    let _plan = story.order.plan(&story.world.context());
    assert_eq!(held(&story.order), ["backorder|no-stock"]);
    assert_eq!(story.order.columns().next_wake, Some(minute(15)));
    story.apply(Fact::Wake);
    assert_eq!(held(&story.order), ["backorder|no-stock"]);
    story.world.now = minute(15);
    story.apply(Fact::Wake);
    assert_eq!(story.order.status(), Status::Allocated);
}

#[test]
fn the_payment_axis_of_every_means_and_state() {
    use crate::payment::Money;
    let mut table = String::new();
    let methods = [Some(PaymentMethod::Cod), Some(PaymentMethod::Card)];
    let channels = [
        None,
        Some(ChannelPayment::Unpaid),
        Some(ChannelPayment::Authorized),
        Some(ChannelPayment::PartiallyPaid),
        Some(ChannelPayment::Failed),
        Some(ChannelPayment::PartiallyRefunded),
        Some(ChannelPayment::Refunded),
    ];
    for method in methods {
        for channel in channels {
            for (paid, refunded) in [(0, 0), (40, 0), (100, 0), (100, 40), (100, 100)] {
                for handed_over in [false, true] {
                    for remitted in [0, 60, 100] {
                        let money = Money {
                            due: Amount(100),
                            paid: Amount(paid),
                            refunded: Amount(refunded),
                            method,
                            channel,
                            authorized: Amount(0),
                            failed: false,
                            handed_over,
                            remitted: Amount(remitted),
                        };
                        table.push_str(&format!(
                            "{} {channel:?} paid {paid} refunded {refunded} handed over {handed_over} remitted {remitted} = {}, cod {}\n",
                            method.map_or("-", PaymentMethod::as_str),
                            money.status().as_str(),
                            money.cod()
                        ));
                    }
                }
            }
        }
    }
    insta::assert_snapshot!(table);
}

/// Everything that an order can hear from outside: several versions of the document, some of the
/// same moment, payments, and both parcels' reports.
fn facts(order: &Order) -> Vec<Fact> {
    let mut pending = snapshot();
    pending.status = ChannelStatus::Pending;
    pending.payment = Some(ChannelPayment::Unpaid);
    pending.revised_at = minute(-3);
    pending.note = Some("first".into());
    let mut masked = snapshot();
    masked.revised_at = minute(6);
    masked.buyer.as_mut().unwrap().name = Some("N***".into());
    masked.ship_to.as_mut().unwrap().text = Some("*** TP.HCM".into());
    masked.tags = vec!["vip".into()];
    let mut same_moment = snapshot();
    same_moment.revised_at = minute(6);
    same_moment.status = ChannelStatus::Shipped;
    same_moment.payment_method = Some(PaymentMethod::Wallet);
    same_moment.tags = vec!["on_hold".into(), "vip".into()];
    let mut newest = snapshot();
    newest.revised_at = minute(8);
    newest.status = ChannelStatus::Shipped;
    newest.tags = vec!["tracking:1".into()];
    let mut bare = status(ChannelStatus::Delivered, 7);
    bare.tags = vec!["unknown_status:x".into()];
    let mut newer_bare = status(ChannelStatus::Delivered, 9);
    newer_bare.tags = vec!["unknown_status:y".into()];
    let ids: Vec<&str> = order
        .subjects()
        .filter(|id| id.starts_with("ful_"))
        .collect();
    let mut facts = vec![
        said(pending),
        said(snapshot()),
        said(masked),
        said(same_moment),
        said(newest),
        said(bare),
        said(newer_bare),
        said(status(ChannelStatus::Delivered, 200)),
        paid("T1", 100, PaymentState::Pending, 0),
        paid("T1", 100, PaymentState::Failed, 1),
        paid("T3", 7, PaymentState::Authorized, 2),
        paid("T1", 13_820_000, PaymentState::Paid, 2),
        paid("T2", 5, PaymentState::Refunded, 3),
        Fact::Remitted {
            reference: "R1".into(),
            amount: Amount(7),
            at: minute(300),
        },
    ];
    for id in ids {
        facts.push(reported(id, 1, 10, EventKind::Accepted));
        facts.push(reported(id, 2, 20, EventKind::Packed { lines: vec![] }));
        facts.push(reported(
            id,
            3,
            30,
            EventKind::Shipped {
                lines: vec![],
                tracking: None,
            },
        ));
        facts.push(reported(
            id,
            4,
            90,
            EventKind::Delivered {
                cod_collected: None,
            },
        ));
        facts.push(reported(
            id,
            4,
            91,
            EventKind::Failed {
                reason: "absent".into(),
            },
        ));
    }
    facts
}

#[test]
fn a_tag_of_the_channel_goes_with_its_cause() {
    let mut story = Story::new();
    let document = |minutes, tags: &[&str]| {
        let mut document = snapshot();
        document.revised_at = minute(minutes);
        document.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        said(document)
    };
    let tags = |story: &Story| story.order.view().tags;
    story.apply(document(1, &["advance_package", "on_hold"]));
    assert_eq!(tags(&story), ["advance_package", "on_hold"]);
    story.apply(document(2, &["advance_package"]));
    assert_eq!(tags(&story), ["advance_package"]);
    story.apply(document(1, &["advance_package", "on_hold"]));
    assert_eq!(tags(&story), ["advance_package"], "late news is no news");
    // A word on the status alone adds to what the whole document said, until the next one.
    let mut bare = status(ChannelStatus::Confirmed, 3);
    bare.tags = vec!["unknown_status:x".into()];
    story.apply(said(bare));
    assert_eq!(tags(&story), ["advance_package", "unknown_status:x"]);
    story.apply(document(4, &["advance_package"]));
    assert_eq!(tags(&story), ["advance_package"]);
    // Of one moment both count, whatever their content is.
    for tag in ["a", "b", "c", "d"] {
        let mut bare = status(ChannelStatus::Confirmed, 4);
        bare.tags = vec![tag.into()];
        let mut story = Story::new();
        story.apply(document(4, &["vip"]));
        story.apply(said(bare));
        assert_eq!(tags(&story), [tag, "vip"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_tags_end_the_same_in_any_order(
        said in prop::collection::vec((0_i64..4, any::<bool>(), prop::collection::btree_set("[abc]", 0..3)), 1..8),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 16),
    ) {
        let world = World::new();
        let facts: Vec<Fact> = said
            .iter()
            .map(|(revision, whole, tags)| {
                let mut document = if *whole { snapshot() } else { status(ChannelStatus::Confirmed, 0) };
                document.revised_at = minute(*revision);
                document.tags = tags.iter().cloned().collect();
                super::testing::said(document)
            })
            .collect();
        let tags = |facts: &mut dyn Iterator<Item = &Fact>| {
            let mut order = order();
            for fact in facts {
                let _applied = order.apply(fact, &world.context());
            }
            order.view().tags
        };
        let straight = tags(&mut facts.iter());
        let jumbled = picks.iter().map(|pick| pick.get(&facts)).chain(facts.iter().rev());
        prop_assert_eq!(tags(&mut jumbled.into_iter()), straight);
    }

    #[test]
    fn any_permutation_with_repeats_gives_the_same_order(picks in prop::collection::vec(any::<prop::sample::Index>(), 30)) {
        let mut story = Story::new();
        story.apply_routed(said(snapshot()), &["hub-hcm", "hub-hn"]);
        prop_assert_eq!(story.order.subjects().filter(|id| id.starts_with("ful_")).count(), 2);
        let facts = facts(&story.order);
        let run = |order: &Order, facts: &[Fact]| {
            let mut order = order.clone();
            for fact in facts {
                let _applied = order.apply(fact, &story.world.context());
            }
            let mut view = order.view();
            // The only fields that tell how it came here.
            view.version = 0;
            let mut columns = order.columns();
            columns.updated_at = minute(0);
            (view, columns)
        };
        let expected = run(&story.order, &facts);
        let mut shuffled: Vec<Fact> = picks.iter().map(|pick| pick.get(&facts).clone()).collect();
        let mut rest = facts.clone();
        rest.rotate_left(picks[0].index(facts.len()));
        if picks[1].index(2) == 0 {
            rest.reverse();
        }
        shuffled.extend(rest);
        prop_assert_eq!(run(&story.order, &shuffled), expected);
    }
}
