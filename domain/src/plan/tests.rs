//! Stories of the legs: reservation, fulfillment, invoice, installation, warranty.

use crate::fulfillment::{EventKind, HandledLine};
use crate::money::Amount;
use crate::order::testing::*;
use crate::order::{Action, Fact, Status, Tried};
use crate::plan::MovementKind;
use crate::routing::Moment;
use crate::snapshot::{
    Appointment, Cancellation, ChannelPayment, ChannelStatus, InvoiceRequest, PaymentMethod,
};
use crate::task::{Task, TaskBody};

/// Reserved, accepted, and asked to pack.
fn packing() -> Story {
    let mut story = Story::confirmed();
    story.accept("create_work_order");
    story.accept("reserve");
    story.accept("create_fulfillment");
    story
}

fn delivered() -> Story {
    let mut story = packing();
    story.report(
        1,
        10,
        EventKind::Shipped {
            lines: vec![],
            tracking: None,
        },
    );
    story.report(
        2,
        60,
        EventKind::Delivered {
            cod_collected: None,
        },
    );
    story
}

fn invoice(task: &Task) -> &crate::task::InvoiceBody {
    match &task.body {
        TaskBody::IssueInvoice(body) => body,
        other => panic!("no invoice: {other:?}"),
    }
}

fn kinds(story: &Story) -> Vec<MovementKind> {
    story
        .movements
        .iter()
        .map(|movement| movement.kind)
        .collect()
}

#[test]
fn an_order_goes_from_reservation_to_closed_step_by_step() {
    let mut story = Story::confirmed();
    assert_eq!(story.ops(), ["create_work_order", "reserve"]);
    assert_eq!(
        kinds(&story),
        [MovementKind::Reserve, MovementKind::Reserve]
    );
    story.accept("create_work_order");
    story.accept("reserve");
    story.accept("create_fulfillment");
    assert_eq!(story.order.view().fulfillment_orders[0].state, "released");
    story.report(1, 5, EventKind::Packed { lines: vec![] });
    assert_eq!(story.order.status(), Status::Packed);
    story.report(
        2,
        10,
        EventKind::Shipped {
            lines: vec![],
            tracking: None,
        },
    );
    assert_eq!(story.reserved(), 0);
    story.report(
        3,
        60,
        EventKind::Delivered {
            cod_collected: None,
        },
    );
    assert_eq!(
        story.ops()[2..],
        [
            "create_fulfillment",
            "release_work_order",
            "issue_invoice",
            "activate_warranty"
        ]
    );
    story.accept("release_work_order");
    story.accept("issue_invoice");
    story.accept("activate_warranty");
    assert_eq!(story.order.status(), Status::Delivered);
    let work = story.order.view().service_orders[0].id.clone();
    story.apply(Fact::Service {
        id: work,
        sequence: 1,
        at: minute(600),
        kind: crate::service::EventKind::Completed { serials: vec![] },
    });
    assert_eq!(story.order.status(), Status::Completed);
    assert_eq!(story.order.open_tasks(), 0);
}

#[test]
fn keys_name_order_leg_subject_and_generation() {
    let story = delivered();
    for task in &story.tasks {
        let parts: Vec<&str> = task.key.split('.').collect();
        assert_eq!(parts[0], "KH000012340");
        assert_eq!(parts[1], task.leg.as_str());
        assert_eq!(parts[2], task.subject);
        assert!(parts[3].starts_with('1'), "{}", task.key);
    }
}

#[test]
fn a_refused_reservation_is_released_and_goes_to_the_next_location() {
    let mut story = Story::confirmed();
    let first = story.task("reserve");
    story.apply(refused(&first, "insufficient"));
    let orders = story.order.view().fulfillment_orders;
    assert_eq!(
        (orders[0].location.as_str(), orders[0].state.as_str()),
        ("hub-hcm", "rejected")
    );
    assert_eq!(
        (orders[1].location.as_str(), orders[1].state.as_str()),
        ("hub-hn", "reserving")
    );
    assert_ne!(story.task("reserve").key, first.key);
    assert_eq!(story.reserved(), 3, "only the second reservation stands");
    let again = story.task("reserve");
    story.apply(refused(&again, "closed"));
    let last = story.task("reserve");
    story.apply(refused(&last, "closed"));
    assert_eq!(story.order.view().holds[0].code, "no-stock");
    assert_eq!(story.reserved(), 0);
}

#[test]
fn after_too_many_rounds_a_person_must_look() {
    let mut story = Story::new();
    story.world.settings.max_routing_rounds = 1;
    story.apply(said(snapshot()));
    for _ in 0..2 {
        let task = story.task("reserve");
        story.apply(refused(&task, "closed"));
    }
    assert_eq!(story.order.view().holds[0].code, "no-location");
    story.apply(staff("c1", 5, Action::Release));
    assert_eq!(story.order.status(), Status::Allocated);
}

#[test]
fn a_rejection_after_acceptance_is_routed_again_without_a_compensation() {
    let mut story = packing();
    story.report(1, 5, EventKind::Accepted);
    story.report(
        2,
        9,
        EventKind::Rejected {
            reason: "broken".into(),
        },
    );
    let orders = story.order.view().fulfillment_orders;
    assert_eq!(orders[0].reason.as_deref(), Some("broken"));
    assert_eq!(orders[1].location, "hub-hn");
    assert!(!story.ops().contains(&"cancel_fulfillment"));
    assert!(
        !story.ops().contains(&"cancel_work_order"),
        "the visit stays"
    );
}

#[test]
fn a_cancel_calls_off_the_visit_first_then_the_parcel() {
    let mut story = packing();
    let mut cancel = status(ChannelStatus::Cancelled, 20);
    cancel.cancellation = Some(Cancellation {
        by: "buyer".into(),
        reason: "changed mind".into(),
    });
    story.apply(said(cancel));
    assert_eq!(
        story.ops()[3..],
        ["cancel_work_order", "cancel_fulfillment"]
    );
    assert!(story.task("cancel_fulfillment").key.ends_with("-undo"));
    assert_eq!(
        story.reserved(),
        3,
        "the stock stays reserved until the Hub agrees"
    );
    story.accept("cancel_work_order");
    story.accept("cancel_fulfillment");
    assert_eq!(story.reserved(), 0);
    let view = story.order.view();
    assert_eq!(view.status, Status::Cancelled);
    assert_eq!(view.service_orders[0].state, "cancelled");
    assert!(!story.ops().contains(&"issue_invoice"));
}

#[test]
fn a_cancel_that_comes_too_late_leaves_the_parcel_and_says_so() {
    let mut story = packing();
    story.apply(staff("c1", 20, Action::Cancel));
    let task = story.task("cancel_fulfillment");
    story.apply(refused(&task, "shipped"));
    assert!(
        story
            .order
            .view()
            .tags
            .contains(&"too-late-to-take-back".to_owned())
    );
    story.report(
        1,
        25,
        EventKind::Shipped {
            lines: vec![],
            tracking: None,
        },
    );
    story.report(
        2,
        60,
        EventKind::Failed {
            reason: "refused at the door".into(),
        },
    );
    story.report(3, 99, EventKind::Returned);
    assert_eq!(story.reserved(), 0);
    assert_eq!(
        kinds(&story)[2..],
        [
            MovementKind::Ship,
            MovementKind::Ship,
            MovementKind::Return,
            MovementKind::Return,
        ]
    );
}

#[test]
fn every_parcel_keeps_its_moment_in_whatever_order_the_reports_come() {
    let parcel = |line: &str| EventKind::Shipped {
        lines: vec![HandledLine {
            line_id: line.to_owned(),
            quantity: 1,
            serials: vec![],
        }],
        tracking: None,
    };
    let mut story = packing();
    story.report(3, 40, parcel("2"));
    story.report(1, 20, parcel("2"));
    story.report(2, 30, parcel("1"));
    let shipped: Vec<_> = story
        .movements
        .iter()
        .filter(|movement| movement.kind == MovementKind::Ship)
        .map(|movement| (movement.line_id.as_str(), movement.quantity, movement.at))
        .collect();
    assert_eq!(
        shipped,
        [
            ("2", 1, minute(40)),
            ("2", 1, minute(20)),
            ("1", 1, minute(30)),
        ]
    );
    assert_eq!(story.reserved(), 0);
}

#[test]
fn a_task_in_flight_is_compensated_only_when_its_fate_is_known() {
    let mut story = Story::confirmed();
    let reserve = story.task("reserve");
    story.apply(staff("c1", 2, Action::Cancel));
    assert!(story.withdraw.contains(&reserve.key));
    assert!(!story.ops().contains(&"release_reservation"));
    // It could not be stopped: the answer comes.
    story.apply(accepted(&reserve));
    assert_eq!(
        story.task("release_reservation").key,
        format!("{}-undo", reserve.key)
    );
    story.accept("release_reservation");
    assert_eq!(story.reserved(), 0);

    for (tried, compensated) in [(Tried::Never, false), (Tried::Maybe, true)] {
        let mut story = Story::confirmed();
        let key = story.task("reserve").key;
        story.apply(staff("c1", 2, Action::Cancel));
        story.apply(Fact::Withdrawn {
            key,
            tried,
            at: minute(3),
        });
        assert_eq!(story.ops().contains(&"release_reservation"), compensated);
    }
}

#[test]
fn a_hold_takes_back_what_is_inside_and_a_release_routes_again() {
    let mut story = packing();
    story.apply(staff("c1", 5, Action::Hold));
    assert_eq!(story.order.status(), Status::OnHold);
    story.accept("cancel_fulfillment");
    assert_eq!(story.reserved(), 0);
    story.apply(staff("c2", 9, Action::Release));
    assert_eq!(story.order.view().fulfillment_orders.len(), 2);
    assert_eq!(story.reserved(), 3);
}

#[test]
fn a_transfer_goes_to_the_location_that_staff_name() {
    let mut story = packing();
    story.apply(staff(
        "c1",
        5,
        Action::Transfer {
            location: "store-q1".into(),
        },
    ));
    assert!(
        story.order.routing_order(&story.world.context()).is_none(),
        "not while it is inside"
    );
    let cancel = story.task("cancel_fulfillment");
    let _applied = story
        .order
        .apply(&accepted(&cancel), &story.world.context());
    let _plan = story.order.plan(&story.world.context());
    let routing = story.order.routing_order(&story.world.context()).unwrap();
    assert_eq!(routing.fixed_location.as_deref(), Some("store-q1"));
}

#[test]
fn a_line_that_is_left_out_is_neither_shipped_nor_invoiced() {
    let mut story = packing();
    story.apply(staff("c1", 5, Action::CancelLine { line: "2".into() }));
    story.accept("cancel_fulfillment");
    story.accept("reserve");
    story.accept("create_fulfillment");
    story.report(
        1,
        10,
        EventKind::Delivered {
            cod_collected: None,
        },
    );
    let task = story.task("issue_invoice");
    let body = invoice(&task);
    assert_eq!(body.lines.len(), 1);
    // 12,990,000 + 30,000 shipping − 100,000 discount
    assert_eq!(body.total, 12_920_000);
}

#[test]
fn a_reservation_that_is_not_answered_in_its_time_goes_elsewhere() {
    let mut story = Story::confirmed();
    assert_eq!(story.order.columns().next_wake, Some(minute(30)));
    let silent = story.task("reserve");
    story.world.now = minute(30);
    story.apply(Fact::Wake);
    assert_eq!(story.withdraw, std::slice::from_ref(&silent.key));
    story.apply(Fact::Withdrawn {
        key: silent.key,
        tried: Tried::Never,
        at: minute(30),
    });
    assert_eq!(story.order.view().fulfillment_orders[1].location, "hub-hn");
}

#[test]
fn the_invoice_adds_up_and_carries_the_rate_of_its_legal_day() {
    let story = delivered();
    let task = story.task("issue_invoice");
    let body = invoice(&task);
    let lines: i64 = body.lines.iter().map(|line| line.amount).sum();
    assert_eq!(lines + body.shipping - body.discount, body.total);
    assert_eq!(body.total, 13_820_000);
    assert_eq!(body.tax_total, 1_023_704);
    assert_eq!(task.serial.as_deref(), Some(body.series.as_str()));
    insta::assert_snapshot!(serde_json::to_string_pretty(body).unwrap());
}

#[test]
fn goods_delivered_in_the_new_year_carry_the_new_rate_by_the_vietnamese_day() {
    let mut story = packing();
    // 2027-01-01 00:30 in Vietnam.
    let id = story.part_id();
    let kind = EventKind::Delivered {
        cod_collected: None,
    };
    story.apply(Fact::Fulfillment {
        id,
        sequence: 1,
        at: at("2026-12-31T17:30:00Z"),
        kind,
    });
    let task = story.task("issue_invoice");
    assert_eq!(invoice(&task).legal_day, "2027-01-01");
    assert!(invoice(&task).lines.iter().all(|line| line.tax_rate == 10));
}

#[test]
fn a_buyer_without_a_name_is_a_consumer_and_a_company_is_named() {
    let mut nameless = snapshot();
    nameless.buyer = None;
    let mut story = Story::new();
    story.invoice = Moment::OnPayment;
    story.apply(said(nameless.clone()));
    assert_eq!(
        invoice(&story.task("issue_invoice")).buyer.name,
        "Bán cho người tiêu dùng"
    );

    nameless.invoice_request = Some(InvoiceRequest {
        company: Some("Công ty ABC".into()),
        tax_code: Some("0312345678".into()),
        ..InvoiceRequest::default()
    });
    let mut story = Story::new();
    story.invoice = Moment::OnPayment;
    story.apply(said(nameless));
    let task = story.task("issue_invoice");
    assert_eq!(invoice(&task).buyer.tax_code.as_deref(), Some("0312345678"));
    assert_eq!(invoice(&task).buyer.name, "Công ty ABC");
}

#[test]
fn a_return_corrects_the_invoice_to_nothing_and_brings_the_stock_back() {
    let mut story = delivered();
    story.accept("issue_invoice");
    story.report(3, 500, EventKind::Returned);
    let task = story.task("adjust_invoice");
    assert!(task.key.ends_with("-undo"));
    let TaskBody::AdjustInvoice {
        total,
        tax_total,
        lines,
        ..
    } = &task.body
    else {
        panic!()
    };
    assert_eq!((*total, *tax_total), (-13_820_000, -1_023_704));
    assert_eq!(lines.iter().map(|line| line.amount).sum::<i64>(), *total);
    assert!(kinds(&story).contains(&MovementKind::Return));
    story.accept("adjust_invoice");
    let view = story.order.view();
    assert_eq!(
        (view.invoice.state.as_str(), view.invoice.adjusted),
        ("adjusted", -13_820_000)
    );
    assert_eq!(view.status, Status::Returned);
}

#[test]
fn an_order_in_two_parcels_gets_one_invoice_when_the_last_arrives() {
    let mut story = Story::new();
    story.apply_routed(said(snapshot()), &["hub-hcm", "hub-hn"]);
    let parts: Vec<String> = story
        .order
        .view()
        .fulfillment_orders
        .iter()
        .map(|part| part.id.clone())
        .collect();
    for op in ["reserve", "create_fulfillment"] {
        let tasks: Vec<Task> = story
            .tasks
            .iter()
            .filter(|task| task.body.op() == op)
            .cloned()
            .collect();
        for task in tasks {
            story.apply(accepted(&task));
        }
    }
    story.accept("create_work_order");
    story.apply(reported(
        &parts[0],
        1,
        30,
        EventKind::Delivered {
            cod_collected: None,
        },
    ));
    assert_eq!(
        story.order.view().fulfillment,
        crate::order::Fulfillment::PartiallyDelivered
    );
    assert!(
        story.ops().contains(&"release_work_order"),
        "the air conditioner is there"
    );
    assert!(!story.ops().contains(&"issue_invoice"));
    story.apply(reported(
        &parts[1],
        1,
        90,
        EventKind::Delivered {
            cod_collected: None,
        },
    ));
    let invoices = story
        .ops()
        .into_iter()
        .filter(|op| *op == "issue_invoice")
        .count();
    assert_eq!(invoices, 1);
    // One of the parcels comes back: only its lines are taken off.
    story.accept("issue_invoice");
    story.apply(reported(&parts[1], 2, 400, EventKind::Returned));
    let TaskBody::AdjustInvoice { lines, total, .. } = story.task("adjust_invoice").body else {
        panic!()
    };
    assert_eq!(lines.len(), 1);
    assert_eq!(total, lines[0].amount);
    assert!(total < 0 && total > -13_820_000);
}

#[test]
fn the_cash_of_two_parcels_is_the_cash_of_the_order() {
    let mut story = Story::new();
    let mut cod = snapshot();
    cod.payment_method = Some(PaymentMethod::Cod);
    cod.payment = Some(ChannelPayment::Unpaid);
    story.apply_routed(said(cod), &["hub-hcm", "hub-hn"]);
    let view = story.order.view();
    let parts: Vec<Amount> = view
        .fulfillment_orders
        .iter()
        .map(|part| part.cod)
        .collect();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].saturating_add(parts[1]), view.totals.cod);
}

#[test]
fn a_buyer_who_pays_in_the_meantime_is_not_asked_for_cash() {
    let mut story = Story::new();
    let mut cod = snapshot();
    cod.payment_method = Some(PaymentMethod::Cod);
    cod.payment = Some(ChannelPayment::Unpaid);
    story.apply(said(cod.clone()));
    story.accept("reserve");
    cod.revised_at = minute(5);
    cod.payment = Some(ChannelPayment::Paid);
    story.apply(said(cod));
    story.withdraw.clone().into_iter().for_each(|key| {
        story.apply(Fact::Withdrawn {
            key,
            tried: Tried::Never,
            at: minute(6),
        });
    });
    story.accept("release_reservation");
    story.accept("reserve");
    let TaskBody::CreateFulfillment { cod, .. } = story.task("create_fulfillment").body else {
        panic!()
    };
    assert_eq!(cod, 0);
}

#[test]
fn each_serial_gets_its_warranty_and_a_late_one_is_waited_for() {
    let mut story = Story::new();
    let product = story.world.catalog.0.get_mut("AC-9000").unwrap();
    product.serial_tracked = true;
    let mut two = snapshot();
    two.lines.as_mut().unwrap()[0].quantity = 2;
    two.totals.as_mut().unwrap().grand_total = None;
    story.apply(said(two));
    story.accept("reserve");
    story.accept("create_fulfillment");
    story.world.now = minute(60);
    story.report(
        5,
        60,
        EventKind::Delivered {
            cod_collected: None,
        },
    );
    assert!(!story.ops().contains(&"activate_warranty"));
    let lines = vec![HandledLine {
        line_id: "1".into(),
        quantity: 2,
        serials: vec!["SN-1".into(), "SN-2".into()],
    }];
    story.report(2, 20, EventKind::Packed { lines });
    let serials: Vec<Option<String>> = story
        .order
        .view()
        .warranties
        .into_iter()
        .map(|one| one.serial)
        .collect();
    assert_eq!(serials, [Some("SN-1".into()), Some("SN-2".into())]);
}

#[test]
fn a_new_window_moves_the_visit() {
    let mut story = packing();
    let edit = crate::order::Edit {
        appointment: Some(Appointment {
            window_start: minute(600),
            window_end: minute(720),
        }),
        ..crate::order::Edit::default()
    };
    story.apply(staff("c1", 5, Action::Edit(Box::new(edit))));
    let task = story.task("reschedule_work_order");
    assert!(task.key.ends_with(".1-appointment-1"), "{}", task.key);
}

#[test]
fn an_order_that_lives_again_gets_new_effects_with_a_new_generation() {
    let mut story = packing();
    let first = story.task("create_work_order");
    story.apply(said(status(ChannelStatus::Cancelled, 20)));
    story.accept("cancel_work_order");
    story.accept("cancel_fulfillment");
    let mut again = snapshot();
    again.revised_at = minute(30);
    story.apply(said(again));
    let second = story.task("create_work_order");
    assert_eq!((first.generation, second.generation), (1, 2));
    assert_ne!(first.subject, second.subject);
}

#[test]
fn what_the_channel_says_of_its_own_carrier_counts_as_delivered() {
    let mut story = packing();
    story.report(
        1,
        10,
        EventKind::Shipped {
            lines: vec![],
            tracking: None,
        },
    );
    story.apply(said(status(ChannelStatus::Delivered, 90)));
    assert_eq!(
        story.order.view().fulfillment_orders[0].delivered_at,
        Some(minute(90))
    );
    assert!(story.ops().contains(&"issue_invoice"));
}

#[test]
fn an_invoice_on_payment_that_a_return_has_corrected_is_not_issued_again() {
    let mut story = Story::new();
    story.invoice = Moment::OnPayment;
    story.apply(said(snapshot()));
    for op in [
        "create_work_order",
        "issue_invoice",
        "reserve",
        "create_fulfillment",
    ] {
        story.accept(op);
    }
    story.report(
        1,
        10,
        EventKind::Delivered {
            cod_collected: None,
        },
    );
    story.report(2, 500, EventKind::Returned);
    story.accept("adjust_invoice");
    let count = |wanted: &str| story.ops().into_iter().filter(|op| *op == wanted).count();
    assert_eq!((count("issue_invoice"), count("adjust_invoice")), (1, 1));
}

#[test]
fn a_line_left_out_after_an_early_invoice_is_taken_off_it() {
    let mut story = Story::new();
    story.invoice = Moment::OnPayment;
    story.apply(said(snapshot()));
    story.accept("issue_invoice");
    story.apply(staff("c1", 5, Action::CancelLine { line: "2".into() }));
    let TaskBody::AdjustInvoice { lines, .. } = story.task("adjust_invoice").body else {
        panic!()
    };
    assert_eq!((lines.len(), lines[0].line_id.as_str()), (1, "2"));
}
