//! The real program dies at every point where it may, as by a power loss, and starts again: in
//! the end everything has happened once.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::app::{Kind, TARGETS, World, on_both};
use crate::program::{PATIENCE, Program, configuration};
use crate::senders::WebOrder;
use crate::shopee::{document, good, pair};

/// Every point of the sources; a new one must be added to the stories below.
fn points() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let parts = text.split("crash::point(\"").skip(1);
                found.extend(parts.map(|part| part.split('"').next().unwrap().to_owned()));
            }
        }
    }
    found.sort();
    found
}

/// What comes in while the program runs and dies.
struct Story {
    point: &'static str,
    /// The message, or nothing where polling alone leads to the point.
    shopee: bool,
    pushed: bool,
}

/// Kills the program at the point, lets its leases expire, and starts it again.
async fn survives(kind: Kind, story: &Story) {
    let world = World::on_the_machines_clock(kind).await;
    if story.shopee {
        world.tokens_expired().await;
    }
    let config = configuration(&world, &world.shopee.uri());
    let now = jiff::Timestamp::now().as_second();
    Mock::given(method("GET"))
        .and(path("/api/v2/order/get_order_detail"))
        .respond_with(good(
            &json!({"order_list": [document("2411240000001", "READY_TO_SHIP", now)]}),
        ))
        .mount(&world.shopee)
        .await;
    Mock::given(method("POST"))
        .and(path("/api/v2/auth/access_token/get"))
        .respond_with(pair())
        .mount(&world.shopee)
        .await;
    let listed = if story.pushed {
        json!([])
    } else {
        json!([{"order_sn": "2411240000001", "order_status": "READY_TO_SHIP"}])
    };
    Mock::given(method("GET"))
        .and(path("/api/v2/order/get_order_list"))
        .respond_with(good(
            &json!({"more": false, "next_cursor": "", "order_list": listed}),
        ))
        .mount(&world.shopee)
        .await;
    Mock::given(method("GET"))
        .and(path("/api/v2/push/get_lost_push_message"))
        .respond_with(good(
            &json!({"push_message_list": [], "has_next_page": false, "last_message_id": 0}),
        ))
        .mount(&world.shopee)
        .await;
    Mock::given(method("POST"))
        .and(path("/api/v2/push/confirm_consumed_lost_push_message"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"error": "", "message": "", "response": {}})),
        )
        .mount(&world.shopee)
        .await;
    let message = || {
        if story.shopee {
            world.shopee_push("m1", "2411240000001", "READY_TO_SHIP", now)
        } else {
            world.web_message(&WebOrder::new("WEB-1"), "order.created")
        }
    };
    let mut acknowledged = !story.pushed;

    let mut program = Program::start(&world, &config, Some(story.point)).await;
    if story.pushed && !program.url.is_empty() {
        acknowledged = program.takes(&world, &message()).await;
    }
    program.dies(story.point).await;
    if acknowledged && story.pushed {
        let kept = world.rows.number("SELECT COUNT(*) FROM message").await;
        assert_eq!(kept, 1, "acknowledged, and not in the inbox");
    }
    world.leases_expire().await;

    let program = Program::start(&world, &config, None).await;
    let started = Instant::now();
    while !acknowledged {
        assert!(
            started.elapsed() < PATIENCE,
            "{}: nobody answers",
            story.point
        );
        acknowledged = program.takes(&world, &message()).await;
    }
    let open = "SELECT (SELECT COUNT(*) FROM notice WHERE state = 'waiting') \
                + (SELECT COUNT(*) FROM task WHERE state IN ('pending', 'in_flight'))";
    while world.rows.number("SELECT COUNT(*) FROM orders").await == 0
        || world.rows.number(open).await > 0
    {
        assert!(
            started.elapsed() < PATIENCE,
            "{}: it does not come to rest",
            story.point
        );
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    drop(program);

    assert_eq!(world.rows.number("SELECT COUNT(*) FROM orders").await, 1);
    let dead = world
        .rows
        .texts("SELECT reason FROM notice WHERE state = 'dead'")
        .await;
    assert_eq!(dead, Vec::<String>::new());
    let hubs: usize = ["hub-wms", "store-pos"]
        .iter()
        .map(|id| world.partner(id).done("POST /reservations"))
        .sum();
    assert_eq!(hubs, 1, "{}: reservations", story.point);
    let parcels: usize = ["hub-wms", "store-pos"]
        .iter()
        .map(|id| world.partner(id).done("POST /fulfillment-orders"))
        .sum();
    assert_eq!(parcels, 1, "{}: parcels", story.point);
    let visits = world.partner("technical-south").done("POST /work-orders");
    assert_eq!(
        visits,
        usize::from(!story.shopee),
        "{}: visits",
        story.point
    );
    for id in TARGETS {
        assert!(
            world.partner(id).violations().is_empty(),
            "{:?}",
            world.partner(id).violations()
        );
    }
    if story.point == "tokens.after_store" {
        // What was stored before it was used is not asked for again.
        let all = world.shopee.received_requests().await.unwrap();
        let refreshes = all
            .iter()
            .filter(|r| r.url.path().starts_with("/api/v2/auth/"))
            .count();
        assert_eq!(refreshes, 1);
    }
    world.clock.set(jiff::Timestamp::now());
    world.books_are_balanced().await;
}

const STORIES: [Story; 11] = [
    story("receive.before_commit"),
    story("receive.after_commit"),
    story("ingest.after_lease"),
    story("settle.before_commit"),
    story("settle.after_commit"),
    story("settle.after_commit:2"),
    story("deliver.after_lease"),
    story("deliver.after_send"),
    Story {
        point: "tokens.before_refresh",
        shopee: true,
        pushed: true,
    },
    Story {
        point: "tokens.after_store",
        shopee: true,
        pushed: true,
    },
    Story {
        point: "poll.before_position",
        shopee: true,
        pushed: false,
    },
];

const fn story(point: &'static str) -> Story {
    Story {
        point,
        shopee: false,
        pushed: true,
    }
}

#[test]
fn every_point_has_its_story() {
    let told: Vec<&str> = STORIES
        .iter()
        .map(|s| s.point.split(':').next().unwrap())
        .collect();
    for point in points() {
        assert!(told.contains(&point.as_str()), "nobody dies at {point}");
    }
}

on_both! {
    async fn a_message_survives_a_death_while_it_is_received(kind: Kind) {
        for story in &STORIES[0..3] {
            Box::pin(survives(kind, story)).await;
        }
    }

    async fn an_order_survives_a_death_while_it_is_settled(kind: Kind) {
        for story in &STORIES[3..6] {
            Box::pin(survives(kind, story)).await;
        }
    }

    async fn a_delivery_survives_a_death_and_is_not_repeated(kind: Kind) {
        for story in &STORIES[6..8] {
            Box::pin(survives(kind, story)).await;
        }
    }

    async fn a_fresh_token_survives_a_death(kind: Kind) {
        for story in &STORIES[8..10] {
            Box::pin(survives(kind, story)).await;
        }
    }

    async fn a_poll_survives_a_death_before_its_position_is_kept(kind: Kind) {
        Box::pin(survives(kind, &STORIES[10])).await;
    }
}
