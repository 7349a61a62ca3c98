//! One door for several shops: what a message says of its shop decides which channel reads it,
//! with that channel's settings, and what belongs to no channel stays where people look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use connectors::channel::TokenPair;
use jiff::SignedDuration;
use kenh::app::Role;
use kenh::bells::News;
use kenh::clock::Clock;
use kenh::config::{AppConfig, ChannelConfig, Config};
use kenh::pipeline::{poll, replay, tokens};
use kenh::store::{accounts, messages, replays};
use sandbox::signing;
use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, Request, ResponseTemplate};

use crate::app::{Kind, Setup, TestApp, World, on_both};
use crate::configured::speaks;
use crate::desk::Desk;
use crate::senders::{AC_PRICE, Knock};
use crate::shopee::{good, parameter, show_orders};

const DOOR: &str = "/webhooks/market";

/// The shops that have a channel, from the first number on.
const SHOPS: [&str; 2] = ["north", "south"];
/// A shop that has none.
const NOBODYS: u64 = 900_000_003;

/// Settings of a vendor's shop of that place.
type Settings = fn(&World, usize) -> Value;

fn shop_id(n: usize) -> u64 {
    900_000_001 + u64::try_from(n).unwrap()
}

/// Puts the shops behind one door.
fn share(config: &mut Config, connector: &str, shops: &[&str], settings: impl Fn(usize) -> Value) {
    let template = ChannelConfig {
        app: Some("market".to_owned()),
        shelf: None,
        ..config.channel("shopee-vn").unwrap().clone()
    };
    for channel in &mut config.channels {
        channel.enabled = channel.id == "web";
    }
    let mut accounts = BTreeMap::new();
    for (n, &id) in shops.iter().enumerate() {
        let mut channel = ChannelConfig {
            id: id.to_owned(),
            name: id.to_owned(),
            ..template.clone()
        };
        speaks(&mut channel, connector, &settings(n));
        let own = channel.channel.accounts().into_iter();
        accounts.extend(own.map(|account| (account, id.to_owned())));
        config.channels.push(channel);
    }
    // As the program builds it: a door speaks with the settings of the first of its channels.
    let mut door = template;
    speaks(&mut door, connector, &settings(0));
    config.apps.push(AppConfig {
        id: "market".to_owned(),
        name: "market".to_owned(),
        connector: connector.to_owned(),
        enabled: true,
        allow_from: Vec::new(),
        channel: door.channel,
        accounts,
    });
}

async fn start(kind: Kind, connector: &'static str, settings: Settings) -> TestApp {
    let app = Setup::default()
        .edit_in(move |config, world| share(config, connector, &SHOPS, |n| settings(world, n)))
        .start(kind)
        .await;
    for id in SHOPS {
        let pair = TokenPair {
            access: SecretString::from(format!("{id}-access")),
            refresh: Some(SecretString::from(format!("{id}-refresh"))),
            access_expires_at: app.clock.now() + SignedDuration::from_hours(30 * 24),
            refresh_expires_at: None,
        };
        let sealed = tokens::seal_pair(&app.gateway.keys, id, &pair);
        accounts::import(&app.gateway.db, id, app.clock.now_ms(), &sealed)
            .await
            .unwrap();
    }
    app
}

/// Channel and number of every order.
async fn filed(app: &TestApp) -> Vec<(String, String)> {
    let orders = app.orders().await.into_iter();
    let mut filed: Vec<_> = orders.map(|o| (o.channel, o.external_id)).collect();
    filed.sort();
    filed
}

fn both(orders: [&str; 2]) -> Vec<(String, String)> {
    let shops = SHOPS.into_iter().zip(orders);
    shops.map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// What is parked: where, and why.
async fn parked(app: &TestApp) -> Vec<String> {
    let sql = "SELECT channel || ': ' || reason FROM notice WHERE state = 'dead' ORDER BY reason";
    app.rows.texts(sql).await
}

async fn asked(app: &TestApp, wanted: &str, name: &str) -> Vec<String> {
    let all = app.shopee.received_requests().await.unwrap();
    let mut asked: Vec<_> = all
        .iter()
        .filter(|request| request.url.path() == wanted)
        .map(|request| parameter(request, name))
        .collect();
    asked.sort();
    asked
}

fn answered(document: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(document)
}

fn shopee(world: &World, n: usize) -> Value {
    let secrets = &world.secrets;
    json!({
        "partner_id": secrets.shopee_partner_id,
        "partner_key": {"$secret": [secrets.shopee_partner_key]},
        "push_key": {"$secret": [secrets.shopee_push_key]},
        "callback_url": secrets.shopee_callback_url,
        "base_url": world.shopee.uri(), "escrow": false, "shop_id": shop_id(n),
    })
}

fn shopee_push(order: &str, shop: u64, at: i64) -> Value {
    json!({
        "msg_id": format!("m-{order}"), "shop_id": shop, "code": 3, "timestamp": at,
        "data": {"completed_scenario": "", "items": [], "ordersn": order,
                 "status": "READY_TO_SHIP", "update_time": at},
    })
}

fn shopee_knock(app: &TestApp, push: &Value) -> Knock {
    let mut knock = app.shopee_body(push.to_string().into_bytes());
    DOOR.clone_into(&mut knock.path);
    knock
}

fn lazada(world: &World, n: usize) -> Value {
    json!({
        "app_key": world.secrets.lazada_app_key,
        "app_secret": {"$secret": [world.secrets.lazada_app_secret]},
        "base_url": world.shopee.uri(), "auth_url": world.shopee.uri(), "seller_id": shop_id(n),
    })
}

fn tiktok(world: &World, n: usize) -> Value {
    json!({
        "app_key": world.secrets.tiktok_app_key,
        "app_secret": {"$secret": [world.secrets.tiktok_app_secret]},
        "base_url": world.shopee.uri(), "auth_url": world.shopee.uri(),
        "shop_id": shop_id(n).to_string(), "shop_cipher": format!("cipher-{n}"),
        "price_detail": false, "returns": false,
    })
}

const HARAVAN_SECRET: &str = "hrv-webhook-secret";

fn haravan(world: &World, n: usize) -> Value {
    json!({
        "secret": {"$secret": [HARAVAN_SECRET]}, "access_token": {"$secret": ["hrv-access"]},
        "base_url": world.shopee.uri(), "shop_id": shop_id(n).to_string(),
    })
}

/// A page each, and an Instagram account that belongs to the page.
fn facebook(world: &World, n: usize) -> Value {
    let page = shop_id(n).to_string();
    json!({
        "app_secret": {"$secret": [world.secrets.facebook_app_secret]},
        "verify_token": {"$secret": [world.secrets.facebook_verify_token]},
        "page_tokens": {page.as_str(): {"$secret": ["page-token"]}},
        "instagram_pages": {instagram(n): page},
        "base_url": world.shopee.uri(),
    })
}

fn instagram(n: usize) -> String {
    format!("1784{}", shop_id(n))
}

/// A cart that a person put together on a page.
fn entry(app: &TestApp, account: &str, person: &str) -> Value {
    json!({"id": account, "time": app.clock.now_ms(), "messaging": [{
        "sender": {"id": person}, "recipient": {"id": account},
        "timestamp": app.clock.now_ms(),
        "order": {"products": [{
            "id": "1", "retailer_id": "AC-9000", "name": "AC-9000",
            "unit_price": AC_PRICE, "currency": "VND", "quantity": 1,
        }]},
    }]})
}

fn meta_knock(app: &TestApp, object: &str, entries: &[Value]) -> Knock {
    let body = signing::ascii_json(&json!({"object": object, "entry": entries}));
    let signature = signing::meta(&app.secrets.facebook_app_secret, &body);
    Knock::post(DOOR, body).with("x-hub-signature-256", &signature)
}

/// Which channel has the cart of whom.
async fn carts(app: &TestApp) -> Vec<String> {
    let sql = "SELECT c.channel || ' ' || c.person FROM conversation c \
               JOIN orders o ON o.id = c.order_id AND o.channel = c.channel ORDER BY 1";
    app.rows.texts(sql).await
}

on_both! {
    async fn each_shop_of_a_shopee_app_fetches_its_own_orders(kind: Kind) {
        let mut app = start(kind, "shopee", shopee).await;
        let now = app.clock_s();
        show_orders(&app, now).await;
        for (order, shop) in [("2411240000001", shop_id(0)), ("2411240000002", shop_id(1)),
                              ("2411240000003", NOBODYS)] {
            app.send(&shopee_knock(&app, &shopee_push(order, shop, now))).await;
        }
        app.settle().await;
        assert_eq!(filed(&app).await, both(["2411240000001", "2411240000002"]));
        let detail = "/api/v2/order/get_order_detail";
        assert_eq!(asked(&app, detail, "shop_id").await, ["900000001", "900000002"]);
        assert_eq!(asked(&app, detail, "access_token").await, ["north-access", "south-access"]);
        assert_eq!(
            parked(&app).await,
            ["market: no channel is configured for its account 900000003"]
        );
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn an_authorisation_of_several_shops_reaches_each_of_them(kind: Kind) {
        let mut app = start(kind, "shopee", shopee).await;
        let push = json!({"code": 12, "timestamp": app.clock_s(), "data": {
            "merchant_expire_soon": [], "user_expire_soon": [],
            "shop_expire_soon": [shop_id(0), shop_id(1), NOBODYS],
            "expire_before": app.clock_s() + 600_000, "page_no": 1, "total_page": 1,
        }});
        for _ in 0..2 {
            app.send(&shopee_knock(&app, &push)).await;
        }
        app.settle().await;
        let told = "SELECT channel FROM notice WHERE kind = 'account' AND state = 'done' ORDER BY channel";
        assert_eq!(app.rows.texts(told).await, SHOPS);
        assert_eq!(
            parked(&app).await,
            ["market: no channel is configured for its account 900000003"]
        );
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn lost_pushes_are_asked_for_once_per_app_and_go_to_their_shops(kind: Kind) {
        let mut app = start(kind, "shopee", shopee).await;
        let now = app.clock_s();
        show_orders(&app, now).await;
        let lost: Vec<Value> = [("2411240000001", shop_id(0)), ("2411240000002", shop_id(1)),
                                ("2411240000003", NOBODYS)]
            .iter()
            .map(|(order, shop)| json!({"data": shopee_push(order, *shop, now).to_string()}))
            .collect();
        Mock::given(method("GET"))
            .and(path("/api/v2/push/get_lost_push_message"))
            .respond_with(good(&json!({
                "push_message_list": lost, "has_next_page": false, "last_message_id": 77,
            })))
            .mount(&app.shopee)
            .await;
        let confirm = "/api/v2/push/confirm_consumed_lost_push_message";
        Mock::given(method("POST"))
            .and(path(confirm))
            .respond_with(good(&json!({})))
            .mount(&app.shopee)
            .await;
        // The second shop asks on behalf of both; the first then finds that it is done.
        for id in ["south", "north"] {
            let channel = app.gateway.config.channel(id).unwrap().clone();
            poll::turn(&app.gateway, &channel, "lost_push").await.unwrap();
        }
        app.settle().await;
        assert_eq!(filed(&app).await, both(["2411240000001", "2411240000002"]));
        assert_eq!(asked(&app, confirm, "partner_id").await.len(), 1);
        assert_eq!(
            parked(&app).await,
            ["market: no channel is configured for its account 900000003"]
        );
        // What is parked counts as found, too: nobody had it.
        let desk = Desk::of(&app, &["channels:read"]).await;
        let polls = &desk.channel("market").await["polls"];
        assert_eq!(polls[0]["kind"], "lost_push");
        assert_eq!(polls[0]["found"], 3);
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn each_shop_of_a_lazada_app_fetches_its_own_orders(kind: Kind) {
        let mut app = start(kind, "lazada", lazada).await;
        let head = include_str!("../../connectors/fixtures/lazada/head_ordinary.json");
        let items = include_str!("../../connectors/fixtures/lazada/order_items_ordinary.json");
        for (place, document) in [
            ("/order/get", format!(r#"{{"code":"0","data":{head}}}"#)),
            ("/order/items/get", items.to_owned()),
        ] {
            Mock::given(method("GET"))
                .and(path(place))
                .respond_with(move |request: &Request| {
                    let order = parameter(request, "order_id");
                    let own = document.replace("501234567890123", &order);
                    ResponseTemplate::new(200).set_body_raw(own, "application/json")
                })
                .mount(&app.shopee)
                .await;
        }
        for (order, shop) in [("501", shop_id(0)), ("502", shop_id(1)), ("503", NOBODYS)] {
            let body = json!({
                "seller_id": shop.to_string(), "message_type": 0, "timestamp": app.clock_s(),
                "site": "lazada_vn",
                "data": {"order_status": "pending", "trade_order_id": order,
                         "trade_order_line_id": format!("{order}1"),
                         "status_update_time": 1_790_305_260, "buyer_id": "1"},
            })
            .to_string();
            let secrets = &app.secrets;
            let (secret, key) = (&secrets.lazada_app_secret, &secrets.lazada_app_key);
            let signature = signing::lazada_push(secret, key, body.as_bytes());
            let knock = Knock::post(DOOR, body.into_bytes());
            app.send(&knock.with("authorization", &signature)).await;
        }
        app.settle().await;
        assert_eq!(filed(&app).await, both(["501", "502"]));
        assert_eq!(
            asked(&app, "/order/get", "access_token").await,
            ["north-access", "south-access"]
        );
        assert_eq!(
            parked(&app).await,
            ["market: no channel is configured for its account 900000003"]
        );
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn each_shop_of_a_tiktok_app_fetches_its_own_orders(kind: Kind) {
        let mut app = start(kind, "tiktok_shop", tiktok).await;
        let detail = include_str!("../../connectors/fixtures/tiktok_shop/order_detail_ordinary.json");
        Mock::given(method("GET"))
            .and(path("/order/202309/orders"))
            .respond_with(|request: &Request| {
                let own = detail.replace("580012345678901234", &parameter(request, "ids"));
                answered(&serde_json::from_str(&own).unwrap())
            })
            .mount(&app.shopee)
            .await;
        for (order, shop) in [("5801", shop_id(0)), ("5802", shop_id(1)), ("5803", NOBODYS)] {
            let body = json!({
                "type": 1, "tts_notification_id": format!("75{order}"),
                "shop_id": shop.to_string(), "timestamp": app.clock_s(),
                "data": {"is_on_hold_order": false, "order_id": order,
                         "order_status": "AWAITING_SHIPMENT", "update_time": 1_790_308_860},
            })
            .to_string();
            let secrets = &app.secrets;
            let (secret, key) = (&secrets.tiktok_app_secret, &secrets.tiktok_app_key);
            let signature = signing::tiktok_push(secret, key, body.as_bytes());
            let knock = Knock::post(DOOR, body.into_bytes());
            app.send(&knock.with("authorization", &signature)).await;
        }
        app.settle().await;
        assert_eq!(filed(&app).await, both(["5801", "5802"]));
        assert_eq!(
            asked(&app, "/order/202309/orders", "shop_cipher").await,
            ["cipher-0", "cipher-1"]
        );
        assert_eq!(
            parked(&app).await,
            ["market: no channel is configured for its account 900000003"]
        );
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn the_same_number_in_two_shops_of_a_haravan_app_is_two_orders(kind: Kind) {
        let mut app = start(kind, "haravan", haravan).await;
        let body = include_bytes!("../../connectors/fixtures/haravan/orders_create.json");
        let signature = signing::base64_body(HARAVAN_SECRET, body);
        for shop in [shop_id(0), shop_id(1), NOBODYS] {
            let knock = Knock::post(DOOR, body.to_vec())
                .with("x-haravan-topic", "orders/create")
                .with("x-haravan-org-id", &shop.to_string())
                .with("x-haravan-hmacsha256", &signature);
            app.send(&knock).await;
        }
        app.settle().await;
        assert_eq!(filed(&app).await, both(["1900000011", "1900000011"]));
        assert_eq!(
            parked(&app).await,
            ["market: no channel is configured for its account 900000003"]
        );
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn a_batch_of_several_pages_reaches_each_of_them(kind: Kind) {
        let mut app = start(kind, "facebook", facebook).await;
        let pages = [shop_id(0), shop_id(1), NOBODYS].map(|page| page.to_string());
        let entries = [
            entry(&app, &pages[0], "an"),
            entry(&app, &pages[2], "nobody"),
            entry(&app, &pages[1], "binh"),
            entry(&app, &pages[0], "chi"),
        ];
        app.send(&meta_knock(&app, "page", &entries)).await;
        // Meta bundles a repeat as it likes: each part is known all the same.
        let again = [entries[2].clone(), entries[0].clone(), entries[3].clone()];
        app.send(&meta_knock(&app, "page", &again)).await;
        app.settle().await;
        assert_eq!(carts(&app).await, ["north an", "north chi", "south binh"]);
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM message").await, 3);
        assert_eq!(
            parked(&app).await,
            ["market: no channel is configured for its account 900000003"]
        );
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn an_instagram_account_is_found_by_the_page_that_it_belongs_to(kind: Kind) {
        let app = start(kind, "facebook", facebook).await;
        let entries = [entry(&app, &instagram(1), "dung"), entry(&app, &instagram(0), "giang")];
        app.send(&meta_knock(&app, "instagram", &entries)).await;
        app.settle().await;
        assert_eq!(carts(&app).await, ["north giang", "south dung"]);
        app.finish().await;
    }

    async fn what_was_parked_is_handed_to_its_channel_once_there_is_one(kind: Kind) {
        let known = Arc::new(AtomicBool::new(false));
        let west = Arc::clone(&known);
        let app = Setup::default()
            .edit_in(move |config, world| {
                let shops = ["north", "south", "west"];
                let there = if west.load(Ordering::SeqCst) { 3 } else { 2 };
                share(config, "haravan", &shops[..there], |n| haravan(world, n));
            })
            // Only the second gateway works, which knows the third shop.
            .roles([Role::Receive])
            .start(kind)
            .await;
        let body = include_bytes!("../../connectors/fixtures/haravan/orders_create.json");
        let knock = Knock::post(DOOR, body.to_vec())
            .with("x-haravan-topic", "orders/create")
            .with("x-haravan-org-id", &NOBODYS.to_string())
            .with("x-haravan-hmacsha256", &signing::base64_body(HARAVAN_SECRET, body));
        app.send(&knock).await;
        app.settle().await;
        let seq = app.rows.number("SELECT seq FROM message").await;
        let db = &app.gateway.db;
        let stored = messages::sealed(db, seq).await.unwrap().unwrap();
        let refused = replay::read(&app.gateway, "market", &stored).unwrap_err();
        assert!(refused.to_string().contains("no channel is configured"), "{refused}");
        assert_eq!(parked(&app).await.len(), 1, "it stays where it is");

        known.store(true, Ordering::SeqCst);
        let roles = BTreeSet::from([Role::Receive, Role::Work]);
        let second = app.world.gateway(2, &roles).await;
        let reading = replay::read(&second.gateway, "market", &stored).unwrap();
        for _ in 0..2 {
            reading.hand_over(&second.gateway).await.unwrap();
        }
        replays::replay(db, seq, "lan", app.clock.now_ms(), &reading.notices).await.unwrap();
        second.gateway.bells.ring(News::Inbox);
        app.settle().await;
        let west = ("west".to_owned(), "1900000011".to_owned());
        assert_eq!(filed(&app).await, [west]);
        assert_eq!(parked(&app).await, [""; 0]);
        second.stop().await;
        app.finish().await;
    }

    async fn a_message_that_names_no_shop_says_so(kind: Kind) {
        let mut app = start(kind, "lazada", lazada).await;
        let body = r#"{"message_type":0,"data":{"trade_order_id":"501","order_status":"pending"}}"#;
        let secrets = &app.secrets;
        let (secret, key) = (&secrets.lazada_app_secret, &secrets.lazada_app_key);
        let signature = signing::lazada_push(secret, key, body.as_bytes());
        let knock = Knock::post(DOOR, body.as_bytes().to_vec());
        app.send(&knock.with("authorization", &signature)).await;
        app.settle().await;
        assert_eq!(
            parked(&app).await,
            ["market: it names no account by which its app could find a channel"]
        );
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn lazada_is_answered_within_its_half_second_also_while_the_store_stalls(kind: Kind) {
        let app = Setup::default()
            .edit_in(|config, world| {
                share(config, "lazada", &SHOPS, |n| lazada(world, n));
                // Nothing is durable before a batch has gathered for so long.
                config.inbox.group_commit.max_wait_us = 3_000_000;
                config.server.request_timeout_ms = 60_000;
            })
            .roles([Role::Receive])
            .start(kind)
            .await;
        let body = r#"{"seller_id":"900000001","message_type":3,"data":{}}"#;
        let secrets = &app.secrets;
        let (secret, key) = (&secrets.lazada_app_secret, &secrets.lazada_app_key);
        let signature = signing::lazada_push(secret, key, body.as_bytes());
        let knock = Knock::post(DOOR, body.as_bytes().to_vec()).with("authorization", &signature);
        let started = Instant::now();
        assert_eq!(app.knock(&knock).await.status, 503, "it comes again");
        assert!(started.elapsed() < Duration::from_millis(2_500), "{:?}", started.elapsed());
        app.until("it is stored all the same", async || {
            app.rows.number("SELECT COUNT(*) FROM message").await == 1
        })
        .await;
        app.finish().await;
    }
}
