//! The real program dies at every point where it may, as by a power loss, and starts again: in
//! the end everything has happened once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use kenh::clock::Clock;
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, Request, ResponseTemplate};

use crate::app::{Kind, TARGETS, World, on_both};
use crate::program::{Operator, PATIENCE, Program, configuration};
use crate::replay::{defective, work, written};
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
    /// The location accepts the parcel, and so the shipment is arranged.
    accepted: bool,
}

/// What Shopee has done.
#[derive(Default)]
struct Shop {
    /// The shipment is arranged.
    arranged: Arc<AtomicBool>,
    /// The lost push is forgotten.
    confirmed: Arc<AtomicBool>,
}

impl Shop {
    /// One order, which is pushed, listed or among the lost pushes, as the story wants it.
    async fn open(world: &World, story: &Story, now: i64) -> Self {
        let shop = Self::default();
        let answer = |verb: &str, call: &str, answer: ResponseTemplate| {
            Mock::given(method(verb))
                .and(path(format!("/api/v2/{call}")))
                .respond_with(answer)
                .mount(&world.shopee)
        };
        let done = |verb: &str, call: &str, done: &Arc<AtomicBool>| {
            let done = Arc::clone(done);
            Mock::given(method(verb))
                .and(path(format!("/api/v2/{call}")))
                .respond_with(move |_: &Request| {
                    done.store(true, Ordering::SeqCst);
                    good(&json!({}))
                })
                .mount(&world.shopee)
        };
        let arranged = Arc::clone(&shop.arranged);
        Mock::given(method("GET"))
            .and(path("/api/v2/order/get_order_detail"))
            .respond_with(move |_: &Request| {
                let mut order = document("2411240000001", "READY_TO_SHIP", now);
                if arranged.load(Ordering::SeqCst) {
                    order["package_list"][0]["logistics_status"] =
                        json!("LOGISTICS_REQUEST_CREATED");
                }
                good(&json!({"order_list": [order]}))
            })
            .mount(&world.shopee)
            .await;
        let ways = json!({"info_needed": {"dropoff": []}});
        answer("GET", "logistics/get_shipping_parameter", good(&ways)).await;
        done("POST", "logistics/ship_order", &shop.arranged).await;
        let tracking = json!({"tracking_number": "SPXVN0001"});
        answer("GET", "logistics/get_tracking_number", good(&tracking)).await;
        answer("POST", "auth/access_token/get", pair()).await;

        let listed = match story.point {
            "poll.before_position" => {
                json!([{"order_sn": "2411240000001", "order_status": "READY_TO_SHIP"}])
            }
            _ => json!([]),
        };
        let list = json!({"more": false, "next_cursor": "", "order_list": listed});
        answer("GET", "order/get_order_list", good(&list)).await;
        let lost = match story.point {
            "poll.before_confirm" => {
                let push = world.shopee_push("m1", "2411240000001", "READY_TO_SHIP", now);
                json!([{"data": String::from_utf8(push.body).unwrap()}])
            }
            _ => json!([]),
        };
        let confirmed = Arc::clone(&shop.confirmed);
        Mock::given(method("GET"))
            .and(path("/api/v2/push/get_lost_push_message"))
            .respond_with(move |_: &Request| {
                let lost = if confirmed.load(Ordering::SeqCst) {
                    json!([])
                } else {
                    lost.clone()
                };
                good(&json!({
                    "push_message_list": lost, "has_next_page": false, "last_message_id": 7,
                }))
            })
            .mount(&world.shopee)
            .await;
        done(
            "POST",
            "push/confirm_consumed_lost_push_message",
            &shop.confirmed,
        )
        .await;
        shop
    }
}

/// The location that got the parcel accepts it.
async fn accept(world: &World, program: &Program) {
    let started = Instant::now();
    let parcel = loop {
        assert!(started.elapsed() < PATIENCE, "nobody gets the parcel");
        let calls =
            ["hub-wms", "store-pos"].map(|id| world.partner(id).of("POST", "/fulfillment-orders"));
        if let Some(call) = calls.iter().flatten().next() {
            break call.body["fulfillment_order_id"]
                .as_str()
                .unwrap()
                .to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let target = world.parcel_target(&parcel);
    let data = json!({"fulfillment_order_id": parcel});
    let knock = world.callback_message(target, "fulfillment.accepted", 1, data);
    assert!(program.takes(world, &knock).await);
}

/// How often Shopee was called there.
async fn called(world: &World, call: &str) -> usize {
    let all = world.shopee.received_requests().await.unwrap();
    all.iter()
        .filter(|request| request.url.path().ends_with(call))
        .count()
}

/// Kills the program at the point, lets its leases expire, and starts it again.
async fn survives(kind: Kind, story: &Story) {
    let world = World::on_the_machines_clock(kind).await;
    if story.shopee {
        world.tokens_expired().await;
    }
    let config = configuration(&world, &world.shopee.uri());
    let now = jiff::Timestamp::now().as_second();
    let shop = Shop::open(&world, story, now).await;
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
    if story.accepted {
        accept(&world, &program).await;
    }
    program.dies(story.point).await;
    if acknowledged && story.pushed {
        let kept = world.rows.number("SELECT COUNT(*) FROM message").await;
        let sent = 1 + i64::from(story.accepted);
        assert_eq!(kept, sent, "acknowledged, and not in the inbox");
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
    let is_told = || story.point != "poll.before_confirm" || shop.confirmed.load(Ordering::SeqCst);
    while world.rows.number("SELECT COUNT(*) FROM orders").await == 0
        || world.rows.number(open).await > 0
        || !is_told()
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
    let arranged = called(&world, "/ship_order").await;
    assert_eq!(
        arranged,
        usize::from(story.accepted),
        "{}: shipments",
        story.point
    );
    if story.point == "tokens.after_store" {
        // What was stored before it was used is not asked for again.
        assert_eq!(called(&world, "/auth/access_token/get").await, 1);
    }
    world.clock.set(jiff::Timestamp::now());
    world.books_are_balanced().await;
}

const STORIES: [Story; 14] = [
    story("receive.before_commit"),
    story("receive.after_commit"),
    story("ingest.after_lease"),
    story("settle.before_commit"),
    story("settle.after_commit"),
    story("settle.after_commit:2"),
    story("deliver.after_lease"),
    story("deliver.after_send"),
    // The shop has been looked at, told its way and asked to send: the answer to that is in hand.
    Story {
        point: "deliver.between_steps:3",
        shopee: true,
        pushed: true,
        accepted: true,
    },
    Story {
        point: "tokens.before_refresh",
        shopee: true,
        pushed: true,
        accepted: false,
    },
    // Of a vendor that still takes the old refresh token.
    Story {
        point: "tokens.after_answer",
        shopee: true,
        pushed: true,
        accepted: false,
    },
    Story {
        point: "tokens.after_store",
        shopee: true,
        pushed: true,
        accepted: false,
    },
    Story {
        point: "poll.before_confirm",
        shopee: true,
        pushed: false,
        accepted: false,
    },
    Story {
        point: "poll.before_position",
        shopee: true,
        pushed: false,
        accepted: false,
    },
];

/// Points in commands, with stories of their own.
const OF_COMMANDS: [&str; 1] = ["replay.after_reset"];

const fn story(point: &'static str) -> Story {
    Story {
        point,
        shopee: false,
        pushed: true,
        accepted: false,
    }
}

#[test]
fn every_point_has_its_story() {
    let told: Vec<&str> = STORIES
        .iter()
        .map(|s| s.point.split(':').next().unwrap())
        .chain(OF_COMMANDS)
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
        for story in &STORIES[6..9] {
            Box::pin(survives(kind, story)).await;
        }
    }

    async fn a_fresh_token_survives_a_death(kind: Kind) {
        for story in &STORIES[9..12] {
            Box::pin(survives(kind, story)).await;
        }
    }

    async fn a_poll_survives_a_death_before_it_is_confirmed_or_its_position_is_kept(kind: Kind) {
        for story in &STORIES[12..14] {
            Box::pin(survives(kind, story)).await;
        }
    }

    async fn a_pair_that_died_with_the_process_is_asked_of_a_person_at_once(kind: Kind) {
        let world = World::on_the_machines_clock(kind).await;
        world.tokens_expired().await;
        let config = configuration(&world, &world.shopee.uri());
        let now = jiff::Timestamp::now().as_second();
        let story = &STORIES[10];
        Shop::open(&world, story, now).await;
        let refresh = || Mock::given(method("POST")).and(path("/api/v2/auth/access_token/get"));
        let once = refresh().respond_with(pair()).up_to_n_times(1).with_priority(1);
        once.mount(&world.shopee).await;
        let spent = json!({"error": "error_auth", "message": "Invalid refresh_token.", "request_id": "r"});
        let spent = ResponseTemplate::new(403).set_body_json(spent);
        refresh().respond_with(spent).with_priority(2).mount(&world.shopee).await;

        let push = world.shopee_push("m1", "2411240000001", "READY_TO_SHIP", now);
        let mut program = Program::start(&world, &config, Some(story.point)).await;
        let mut acknowledged = !program.url.is_empty() && program.takes(&world, &push).await;
        program.dies(story.point).await;
        world.leases_expire().await;

        let program = Program::start(&world, &config, None).await;
        let started = Instant::now();
        let marked = "SELECT COUNT(*) FROM channel_account WHERE channel = 'shopee-vn' AND state = 'reauthorize'";
        while !acknowledged || world.rows.number(marked).await == 0 {
            assert!(started.elapsed() < PATIENCE, "nobody is told");
            acknowledged = acknowledged || program.takes(&world, &push).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert_eq!(called(&world, "/auth/access_token/get").await, 2, "and not again");
        let waits = "SELECT COUNT(*) FROM notice WHERE state <> 'waiting'";
        assert_eq!(world.rows.number(waits).await, 0, "nothing is given up");

        world.authorised_again().await;
        while world.rows.number("SELECT COUNT(*) FROM orders").await == 0 {
            assert!(started.elapsed() < PATIENCE, "it does not go on");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    async fn a_replay_that_died_half_way_changed_nothing(kind: Kind) {
        let app = defective(kind).await;
        let operator = Operator::of(&app.world, &app.shopee.uri());
        let (now, hour) = (app.clock.now(), SignedDuration::from_hours(1));
        let replay = format!("replay --channel web --from {} --to {}", now - hour, now + hour);
        let before = written(&app).await;
        operator.dies(&replay, "replay.after_reset").await;
        assert_eq!(written(&app).await, before);
        let dead = "SELECT COUNT(*) FROM notice WHERE state = 'dead'";
        assert_eq!(app.rows.number(dead).await, 1, "it still waits for a person");
        let done = operator.types(&replay).await;
        assert_eq!(done.code, 0, "{}", done.complaint);
        work(&app).await;
        assert_eq!(app.order("WEB-1").await.lines[0].quantity, 2);
        app.finish().await;
    }
}
