//! A message that an older connector could not read is read again by today's: first only to see
//! what that would change.

use std::collections::BTreeSet;

use domain::order::OrderView;
use jiff::{SignedDuration, Timestamp};
use kenh::app::Role;
use kenh::clock::Clock;
use reqwest::Method;
use serde_json::json;

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::desk::Desk;
use crate::program::Operator;
use crate::senders::WebOrder;

/// An order of one phone, and the message by which two are wanted, with a note: dead as a defect
/// of an older connector would have left it.
pub async fn defective(kind: Kind) -> TestApp {
    // Only the door is open, so that nobody settles the message before it is dead.
    let setup = Setup::default().at(Timestamp::now());
    let app = setup.roles([Role::Receive, Role::Api]).start(kind).await;
    let first = WebOrder::phone("WEB-1");
    app.web(&first, "order.created").await;
    work(&app).await;
    let second = first.of("KAQ-U95", 2, 6_990_000).note("gọi trước khi giao");
    app.web(&second, "order.updated").await;
    let failed = "UPDATE notice SET state = 'dead', reason = 'a defect', finished_at = created_at \
                  WHERE state = 'waiting'";
    assert_eq!(app.rows.run(failed).await, 1);
    app
}

/// Somebody works until everything is done.
pub async fn work(app: &TestApp) {
    let worker = app.gateway(2, &BTreeSet::from([Role::Work])).await;
    app.settle().await;
    worker.stop().await;
}

/// Everything that a replay could write.
pub async fn written(app: &TestApp) -> (i64, i64, OrderView) {
    let notices = app.rows.number("SELECT COUNT(*) FROM notice").await;
    let audited = app.rows.number("SELECT COUNT(*) FROM audit").await;
    (notices, audited, app.order("WEB-1").await)
}

on_both! {
    async fn the_command_shows_field_by_field_what_it_would_change_and_then_changes_it(kind: Kind) {
        let app = defective(kind).await;
        let operator = Operator::of(&app.world, &app.shopee.uri());
        // The gateway's clock may be ahead of the machine's by what the test let pass.
        let (now, hour) = (app.clock.now(), SignedDuration::from_hours(1));
        let replay = format!("replay --channel web --from {} --to {}", now - hour, now + hour);

        let before = written(&app).await;
        let dry = operator.types(&format!("{replay} --dry-run")).await;
        assert_eq!(dry.code, 0, "{}", dry.complaint);
        assert!(dry.out.contains("\n    lines[0].quantity: 1 -> 2\n"), "{}", dry.out);
        assert!(dry.out.contains("\n    totals.grand_total: 6990000 -> 13980000\n"), "{}", dry.out);
        assert!(!dry.out.contains("giao"), "notes are personal: {}", dry.out);
        assert!(dry.out.ends_with("2 messages can be read again: 1 would change an order, 0 name an order to fetch; 0 cannot\n"), "{}", dry.out);
        assert_eq!(written(&app).await, before, "a dry run changes nothing");

        let done = operator.types(&replay).await;
        assert_eq!(done.code, 0, "{}", done.complaint);
        work(&app).await;
        assert_eq!(app.order("WEB-1").await.lines[0].quantity, 2);
        let again = operator.types(&format!("{replay} --dry-run")).await;
        assert!(again.out.starts_with("2 messages can be read again: 0 would change"), "{}", again.out);
        app.finish().await;
    }

    async fn the_api_shows_field_by_field_what_it_would_change_and_then_changes_it(kind: Kind) {
        let app = defective(kind).await;
        let reader = Desk::of(&app, &["inbox:read"]).await;
        let desk = Desk::of(&app, &["inbox:read", "inbox:replay"]).await;
        let inbox = reader.get("/inbox?state=dead").await;
        let path = format!("/inbox/{}/replay", inbox["data"][0]["id"]);
        let dry_run = json!({"dry_run": true});
        assert_eq!(reader.post(&path, "1", &dry_run).await.problem(), "403 forbidden");
        assert_eq!(desk.post("/inbox/999/replay", "2", &dry_run).await.problem(), "404 not-found");

        let before = written(&app).await;
        let dry = desk.post(&path, "3", &dry_run).await;
        let notice = &dry.json["notices"][0];
        assert_eq!(notice["order_id"], json!(before.2.id), "{dry:?}");
        let changes = notice["changes"].as_array().unwrap();
        let quantity = json!({"field": "lines[0].quantity", "from": 1, "to": 2});
        assert!(changes.contains(&quantity), "{dry:?}");
        let text = String::from_utf8(dry.body).unwrap();
        assert!(!text.contains("giao"), "notes are personal: {text}");
        assert_eq!(written(&app).await, before, "a dry run changes nothing");

        // The body may be left out.
        let done = desk.call(Method::POST, &path, None).await.json;
        assert_eq!((&done["dry_run"], &done["replaced"]), (&json!(false), &json!(1)), "{done}");
        work(&app).await;
        assert_eq!(app.order("WEB-1").await.lines[0].quantity, 2);
        let audited = "SELECT actor FROM audit WHERE action = 'inbox.replay'";
        assert_eq!(app.rows.texts(audited).await, ["lan"]);
        let again = desk.post(&path, "4", &dry_run).await.json;
        assert_eq!(again["notices"][0]["changes"], json!([]), "{again}");
        app.finish().await;
    }
}
