//! Leases: one worker at a time, another one when the first is gone, and no word from a worker
//! that was given up.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use kenh::app::Role;
use kenh::pipeline::settle::{self, Input, NoticeInput, Prepared};
use kenh::store::notices::{self, NoticeEnd};
use kenh::store::outbox::{self, Finished, TaskEnd};

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::senders::WebOrder;

/// Only the door is open: nobody works on what comes in.
async fn door_only(kind: Kind) -> TestApp {
    Setup::default().roles([Role::Receive]).start(kind).await
}

on_both! {
    async fn a_notice_is_taken_over_when_its_lease_has_expired(kind: Kind) {
        let app = door_only(kind).await;
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        let now = app.gateway.now_ms();
        let claimed = notices::claim(&app.gateway.db, "gone", now, now + 60_000, 10, &[]).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let worker = app.gateway(2, &BTreeSet::from([Role::Work])).await;
        app.clock.advance(Duration::from_secs(59));
        let claimed = notices::claim(&app.gateway.db, "hasty", app.gateway.now_ms(), i64::MAX, 10, &[]).await.unwrap();
        assert!(claimed.is_empty(), "the lease still holds");
        assert_eq!(app.orders().await.len(), 0);
        app.clock.advance(Duration::from_secs(2));
        app.settle().await;
        assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 1);
        worker.stop().await;
        app.finish().await;
    }

    async fn a_stop_in_the_middle_of_the_work_loses_nothing(kind: Kind) {
        let app = door_only(kind).await;
        for n in 0..30 {
            app.web(&WebOrder::new(&format!("WEB-{n}")), "order.created").await;
        }
        let worker = app.gateway(2, &BTreeSet::from([Role::Work])).await;
        app.until("something was delivered", async || {
            app.rows.number("SELECT COUNT(*) FROM attempt").await > 0
        })
        .await;
        worker.stop().await;
        let held = app.rows.number("SELECT COUNT(*) FROM task WHERE state = 'in_flight'").await;
        assert_eq!(held, 0, "an orderly stop gives its leases back or ends its work");
        let worker = app.gateway(3, &BTreeSet::from([Role::Work])).await;
        app.settle().await;
        assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 30);
        assert_eq!(app.partner("hub-wms").count("POST", "/fulfillment-orders"), 30);
        assert_eq!(app.partner("technical-south").count("POST", "/work-orders"), 30);
        worker.stop().await;
        app.finish().await;
    }

    async fn a_worker_that_lost_its_notice_writes_nothing(kind: Kind) {
        let app = door_only(kind).await;
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        let now = app.gateway.now_ms();
        let claimed = notices::claim(&app.gateway.db, "slow", now, now + 60_000, 10, &[]).await.unwrap();
        let notice = claimed.into_iter().next().unwrap();
        app.clock.advance(Duration::from_secs(61));
        let worker = app.gateway(2, &BTreeSet::from([Role::Work])).await;
        app.settle().await;
        let before = app.order("WEB-1").await;
        // The slow one wakes up and means to bury what the other has settled.
        let late = Input::Notice(Box::new(NoticeInput {
            is_polled: false,
            message_seq: notice.message_seq,
            ordinal: notice.ordinal,
            token: "slow".to_owned(),
            channel: notice.channel,
            connector: "website".to_owned(),
            attempts: notice.attempts,
            created_at: notice.created_at,
            what: Prepared::End(NoticeEnd::Dead { reason: "too late".to_owned() }),
            permit: None,
        }));
        settle::settle(&app.gateway, vec![late]).await;
        assert_eq!(app.rows.texts("SELECT state FROM notice").await, ["done"]);
        assert_eq!(app.order("WEB-1").await, before);
        worker.stop().await;
        app.finish().await;
    }

    async fn a_task_is_asked_about_when_its_worker_is_gone(kind: Kind) {
        let app = door_only(kind).await;
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        // Settles, but delivers nothing to the hub.
        app.partner("hub-wms").script("POST", "/reservations", 1,
            crate::partner::Then::Instead(wiremock::ResponseTemplate::new(503).insert_header("retry-after", "20")));
        let worker = app.gateway(2, &BTreeSet::from([Role::Work])).await;
        app.until("the first try was put off", async || {
            app.rows.number("SELECT COUNT(*) FROM attempt WHERE outcome = 'retry'").await == 1
        })
        .await;
        worker.stop().await;
        app.clock.advance(Duration::from_secs(25));
        let now = app.gateway.now_ms();
        let taken = outbox::claim(&app.gateway.db, "hub-wms", "gone", now, now + 60_000, 10).await.unwrap();
        assert_eq!(taken.len(), 1);
        app.clock.advance(Duration::from_secs(61));
        let worker = app.gateway(3, &BTreeSet::from([Role::Work])).await;
        app.settle().await;
        let hub = app.partner("hub-wms");
        assert!(hub.count("GET", "/reservations/") >= 1, "{:#?}", hub.calls());
        assert_eq!(hub.done("POST /reservations"), 1);

        // The one that was given up reports a death that never was.
        let before = app.order("WEB-1").await;
        let late = Input::Task(Box::new(Finished {
            task: taken.into_iter().next().unwrap(),
            token: "gone".to_owned(),
            attempts: Vec::new(),
            end: TaskEnd::Dead { reason: "too late".to_owned(), unknown: false },
        }));
        settle::settle(&app.gateway, vec![late]).await;
        assert_eq!(app.order("WEB-1").await, before);
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM task WHERE state = 'dead'").await, 0);
        worker.stop().await;
        app.finish().await;
    }
}

/// Nobody looks by himself in the time of the test: only a ring can wake the worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_receives_wakes_a_worker_of_another() {
    let app = Setup::default()
        .roles([Role::Receive])
        .edit(|config| config.work.idle_poll_ms = 3_600_000)
        .start(Kind::Postgres)
        .await;
    let worker = app.gateway(2, &BTreeSet::from([Role::Work])).await;
    app.web(&WebOrder::new("WEB-1"), "order.created").await;
    app.settle().await;
    assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 1);
    worker.stop().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_database_do_nothing_twice() {
    let app = TestApp::start(Kind::Postgres).await;
    let second = app
        .gateway(2, &BTreeSet::from([Role::Receive, Role::Work]))
        .await;
    let doors = [app.url.clone(), format!("http://{}", second.address)];
    let orders = (0..60).map(|n| {
        let message = app.web_message(&WebOrder::new(&format!("WEB-{n}")), "order.created");
        let (app, door) = (&app, &doors[n % 2]);
        async move { app.world.knock(door, &message).await.status }
    });
    assert!(join_all(orders).await.iter().all(|status| *status == 200));
    app.settle().await;
    let hub = app.partner("hub-wms");
    assert_eq!(hub.count("POST", "/reservations"), 60);
    assert_eq!(hub.count("POST", "/fulfillment-orders"), 60);
    let south = app.partner("technical-south");
    assert_eq!(south.count("POST", "/work-orders"), 60);
    assert_eq!(app.orders().await.len(), 60);
    let tasks = app.rows.number("SELECT COUNT(*) FROM task").await;
    let attempts = app.rows.number("SELECT COUNT(*) FROM attempt").await;
    assert_eq!(tasks, attempts, "every task took one try");
    second.stop().await;
    app.finish().await;
}
