//! An order depends on the set of its messages, not on their order or number.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::app::{Kind, TestApp, on_both};
use crate::senders::{AC_PRICE, WebOrder};

/// Orders in which the messages come, with repeats; the first of each is the website's, because
/// a payment reference exists only once the order does.
fn arrivals(messages: usize, cases: usize) -> Vec<Vec<usize>> {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let repeats = prop::collection::vec(0..messages, 0..3);
    let all = repeats
        .prop_map(move |more| (0..messages).chain(more).collect::<Vec<_>>())
        .prop_shuffle()
        .prop_filter("a website message first", move |order| {
            order[0] + 1 < messages
        });
    (0..cases)
        .map(|_| all.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// What is said of an order, without what depends on the moment: its names and what was tried on
/// the way.
fn said(order: &domain::order::OrderView, way: bool) -> Value {
    let mut view = serde_json::to_value(order).unwrap();
    let names = ["id", "code", "external_id", "version", "received_at"];
    let tried: &[&str] = if way {
        &[
            "fulfillment_orders",
            "service_orders",
            "decision",
            "invoice",
            "warranties",
        ]
    } else {
        &[]
    };
    let fields = view.as_object_mut().unwrap();
    fields.retain(|name, _| !names.contains(&name.as_str()) && !tried.contains(&name.as_str()));
    for list in ["fulfillment_orders", "service_orders", "warranties"] {
        for item in fields
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            item["id"] = json!("");
        }
    }
    for payment in fields["payment"]["received"].as_array_mut().unwrap() {
        payment["reference"] = json!("");
        payment["transaction"] = json!("");
    }
    view
}

/// Plays every arrival with an order of its own; all must end alike.
async fn play(kind: Kind, ends_cancelled: bool) -> TestApp {
    let app = TestApp::start(kind).await;
    let messages = if ends_cancelled { 5 } else { 4 };
    let mut first: Option<(Vec<usize>, Value)> = None;
    for (n, arrival) in arrivals(messages, 12).into_iter().enumerate() {
        let id = format!("WEB-{n}");
        let created = WebOrder::new(&id).card();
        let updated = created.clone().note("Gọi trước khi giao");
        let paid = updated.clone().paid();
        let cancelled = paid.clone().cancelled();
        let mut website = vec![
            app.web_message(&created, "order.created"),
            app.web_message(&updated, "order.updated"),
            app.web_message(&paid, "order.paid"),
        ];
        if ends_cancelled {
            website.push(app.web_message(&cancelled, "order.cancelled"));
        }
        app.send(&website[arrival[0]]).await;
        app.settle().await;
        let reference = format!("{}-1", app.order(&id).await.code);
        let number = u32::try_from(n).unwrap();
        let payment = app.vnpay(&reference, AC_PRICE, 100 + number);
        for message in &arrival[1..] {
            app.send(website.get(*message).unwrap_or(&payment)).await;
            if n % 2 == 0 {
                app.settle().await;
            }
        }
        app.settle().await;
        let view = said(&app.order(&id).await, ends_cancelled);
        match &first {
            None => first = Some((arrival, view)),
            Some((order, expected)) => assert_eq!(&view, expected, "{arrival:?} against {order:?}"),
        }
    }
    app
}

on_both! {
    async fn any_arrival_of_a_paid_order_ends_alike(kind: Kind) {
        let app = play(kind, false).await;
        assert_eq!(app.partner("hub-wms").done("POST /fulfillment-orders"), 12);
        app.finish().await;
    }

    async fn any_arrival_of_a_cancelled_order_ends_alike_with_nothing_live(kind: Kind) {
        let app = play(kind, true).await;
        for target in ["hub-wms", "technical-south"] {
            assert_eq!(app.partner(target).live().len(), 0, "{target}");
        }
        let reserved = app.rows.number("SELECT CAST(SUM(reserved) AS BIGINT) FROM stock").await;
        assert_eq!(reserved, 0);
        app.finish().await;
    }
}
