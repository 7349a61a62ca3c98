//! Customers as staff see them: who is one, who is not, who may be written to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::order::{Action, Edit};
use domain::snapshot::Buyer;
use futures_util::future::join_all;
use kenh::app::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Kind, TestApp, on_both};
use crate::desk::Desk;
use crate::senders::{Knock, WebOrder};
use crate::shopee;

const STAFF: [&str; 5] = [
    "customers:read",
    "conversations:write",
    "orders:read",
    "orders:write",
    "pii:read",
];

impl Desk<'_> {
    async fn customer(&self, id: &str) -> Value {
        self.get(&format!("/customers/{id}")).await
    }

    /// The ids that a list gives, page by page.
    async fn list(&self, query: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/customers?{query}{cursor}")).await;
            for customer in page["data"].as_array().unwrap() {
                ids.push(text(&customer["id"]));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    }

    /// Every customer: its identities as `phone …` and `channel user`.
    async fn partition(&self) -> BTreeSet<BTreeSet<String>> {
        let mut sets = BTreeSet::new();
        for id in self.list("limit=200").await {
            sets.insert(names(&self.customer(&id).await));
        }
        sets
    }

    /// The customer that an order shows.
    async fn of_order(&self, external_id: &str) -> String {
        let id = self.app().order(external_id).await.id;
        let order = self.get(&format!("/orders/{id}")).await;
        text(&order["buyer"]["customer_id"])
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

fn names(customer: &Value) -> BTreeSet<String> {
    let identities = customer["identities"].as_array().unwrap();
    identities
        .iter()
        .map(|one| match one["phone"].as_str() {
            Some(phone) => phone.to_owned(),
            None => format!("{} {}", text(&one["channel"]), text(&one["user"])),
        })
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const PERSON: &str = "246845883529197922";

fn zalo(app: &TestApp, mut event: Value) -> Knock {
    let oa = app.secrets.zalo_oa_id.clone();
    event["recipient"] = json!({"id": oa});
    event["sender"] = json!({"id": PERSON});
    app.world.zalo(&event)
}

fn zalo_text(app: &TestApp, id: &str, said: &str) -> Knock {
    let message = json!({"text": said, "msg_id": id});
    zalo(
        app,
        json!({"event_name": "user_send_text", "message": message}),
    )
}

fn zalo_form(app: &TestApp, phone: &str) -> Knock {
    let info = json!({"name": "Nguyễn Lan", "phone": phone, "address": "12 Nguyễn Trãi",
                      "ward": "P. Bến Thành", "district": "", "city": "TP.HCM"});
    zalo(app, json!({"event_name": "user_submit_info", "info": info}))
}

fn zalo_follow(app: &TestApp, event: &str) -> Knock {
    let oa = app.secrets.zalo_oa_id.clone();
    app.world.zalo(&json!({
        "event_name": event, "oa_id": oa, "follower": {"id": PERSON}, "source": "oa_profile",
    }))
}

on_both! {
    async fn one_phone_is_one_customer_in_every_channel_and_spelling(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        let entered = desk.call(Method::POST, "/orders", Some(&json!({
            "channel": "hotline", "status": "confirmed",
            "buyer": {"name": "Chị Lan", "phone": "+84 90 123 45 67"},
            "ship_to": {"name": "Anh Bình", "phone": "0987654321",
                        "text": "5 Lê Lợi, P. Bến Thành, TP.HCM", "province": "TP.HCM"},
            "lines": [{"id": "1", "sku": "AC-9000", "name": "AC-9000", "quantity": 1, "unit_price": 12_990_000}],
            "payment": {"method": "cod"}, "confirm_duplicate": true,
        }))).await;
        assert_eq!(entered.status, 201, "{}", entered.json);
        let id = desk.of_order("WEB-1").await;
        assert_eq!(entered.json["buyer"]["customer_id"], id.as_str());
        app.web(&WebOrder::new("WEB-2").from("Trần Bình", "0912345678"), "order.created").await;
        app.settle().await;

        for spelling in ["0901234567", "84901234567", "090%20123.45.67", "%2B84901234567"] {
            assert_eq!(desk.list(&format!("phone={spelling}")).await, [id.as_str()], "{spelling}");
        }
        assert_eq!(desk.list("phone=0987654321").await, [""; 0], "a recipient is no buyer");
        for q in ["lan", "Nguyễn", "nguyen thi LAN", "chi lan"] {
            assert_eq!(desk.list(&format!("q={q}")).await, [id.as_str()], "{q}");
        }
        assert_eq!(desk.list("q=lan%20binh").await, [""; 0]);
        assert_eq!(desk.list("channel=hotline").await, [id.as_str()]);
        assert_eq!(desk.list("channel=web").await.len(), 2);
        assert_eq!(desk.list("channel=web&q=binh").await.len(), 1);

        let customer = desk.customer(&id).await;
        assert_eq!(names(&customer), set(&["+84901234567"]));
        let orders = customer["orders"].as_array().unwrap();
        assert_eq!(orders.len(), 2);
        assert_eq!(orders[1]["code"], app.order("WEB-1").await.code);
        assert_eq!(orders[1]["total"], 12_990_000);
        let channels: Vec<(String, i64)> = customer["channels"].as_array().unwrap().iter()
            .map(|one| (text(&one["channel"]), one["orders"].as_i64().unwrap()))
            .collect();
        assert_eq!(channels, [("hotline".to_owned(), 1), ("web".to_owned(), 1)]);
        assert_eq!(customer["merges"], json!([]));
        app.finish().await;
    }

    async fn a_masked_phone_makes_nobody_one(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        shopee::show_orders(&app, app.clock_s()).await;
        let at = app.clock_s();
        app.send(&app.shopee_push("m1", "2411240000001", "READY_TO_SHIP", at)).await;
        app.send(&app.shopee_push("m2", "2411240000002", "READY_TO_SHIP", at)).await;
        // Masked in the same way, by somebody without an account.
        app.web(&WebOrder::new("WEB-1").from("N******n", "******67"), "order.created").await;
        app.settle().await;
        let id = desk.of_order("2411240000001").await;
        assert_eq!(desk.of_order("2411240000002").await, id);
        assert_eq!(desk.partition().await, BTreeSet::from([set(&["shopee-vn 1"])]));
        assert_eq!(app.order("WEB-1").await.buyer.customer_id, None);
        assert_eq!(desk.customer(&id).await["name"], Value::Null, "half a name is none");
        app.finish().await;
    }

    async fn a_form_makes_two_customers_one_and_the_younger_id_leads_to_the_older(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        let older = desk.of_order("WEB-1").await;
        app.clock.advance(Duration::from_mins(1));
        app.send(&zalo_text(&app, "m1", "sđt chồng em 0901 234 567 nha")).await;
        app.settle().await;
        let younger = desk.list("channel=zalo-oa").await.remove(0);
        assert_ne!(younger, older, "a phone in a text may be anybody's");

        app.clock.advance(Duration::from_mins(1));
        app.send(&zalo_form(&app, "84901234567")).await;
        app.settle().await;
        assert_eq!(desk.list("limit=10").await, [older.as_str()]);
        let answer = desk.call(Method::GET, &format!("/customers/{younger}"), None).await;
        assert_eq!(answer.json["id"], older.as_str());
        assert_eq!(answer.header("content-location"), Some(format!("/api/v1/customers/{older}").as_str()));
        let customer = answer.json;
        let zalo_id = format!("zalo-oa {PERSON}");
        assert_eq!(names(&customer), set(&["+84901234567", &zalo_id]));
        assert_eq!(customer["name"], "Nguyễn Lan", "the newest");
        assert_eq!(desk.list("q=thi%20lan").await, [older.as_str()], "and the name of before");
        let merge = &customer["merges"][0];
        assert_eq!((&merge["kind"], &merge["from"], &merge["into"]),
            (&json!("merged"), &json!(younger), &json!(older)));
        assert_eq!((&merge["channel"], &merge["phone"]), (&json!("zalo-oa"), &json!("+84901234567")));
        let message = merge["message_id"].as_i64().unwrap();
        let told = desk.call(Method::GET, &format!("/inbox/{message}"), None).await;
        assert_eq!(told.status, 403, "the token may not read it, but it is there");
        let conversation = text(&customer["conversations"][0]["id"]);
        let chat = desk.get(&format!("/conversations/{conversation}")).await;
        assert_eq!(chat["customer_id"], older.as_str());
        assert_eq!(customer["orders"].as_array().unwrap().len(), 1);

        // The form again, by a replay: nothing is told twice.
        app.clock.advance(Duration::from_mins(1));
        app.send(&zalo_form(&app, "0901234567")).await;
        app.settle().await;
        assert_eq!(desk.customer(&older).await["merges"].as_array().unwrap().len(), 1);
        app.finish().await;
    }

    async fn a_phone_of_many_persons_is_shared_and_joins_nobody(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        let shop = "0901234567";
        for n in 1..=3 {
            let order = WebOrder::new(&format!("WEB-{n}")).user(&format!("u{n}")).from("Lan", shop);
            app.web(&order, "order.created").await;
            app.clock.advance(Duration::from_secs(1));
            app.settle().await;
        }
        let family = set(&["+84901234567", "web u1", "web u2", "web u3"]);
        assert_eq!(desk.partition().await, BTreeSet::from([family]));
        let first = desk.of_order("WEB-1").await;

        let order = WebOrder::new("WEB-4").user("u4").from("Mai", shop);
        app.web(&order, "order.created").await;
        app.settle().await;
        let alone = ["+84901234567", "web u1", "web u2", "web u3", "web u4"].map(|one| set(&[one]));
        assert_eq!(desk.partition().await, BTreeSet::from(alone));
        assert_eq!(desk.of_order("WEB-1").await, first);
        let second = desk.of_order("WEB-2").await;
        assert_ne!(second, first, "an order goes with its own buyer");
        let customer = desk.customer(&second).await;
        assert_eq!(customer["orders"].as_array().unwrap().len(), 1);
        assert_eq!(customer["beside"][0]["phone"], "+84901234567");
        assert_eq!(customer["merges"].as_array().unwrap().last().unwrap()["kind"], "parted");
        assert_eq!(customer["flags"], json!([]));
        let found = desk.list(&format!("phone={shop}")).await;
        assert_eq!(found.len(), 5, "the phone, and everybody who used it");
        let mut flagged = 0;
        for id in &found {
            flagged += usize::from(desk.customer(id).await["flags"] == json!(["shared"]));
        }
        assert_eq!(flagged, 1);
        app.finish().await;
    }

    async fn one_person_may_have_an_account_in_every_channel(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        app.web(&WebOrder::new("WEB-1").user("u1"), "order.created").await;
        app.send(&zalo_form(&app, "0901234567")).await;
        app.settle().await;
        let zalo_id = format!("zalo-oa {PERSON}");
        let all = set(&["+84901234567", "web u1", &zalo_id]);
        assert_eq!(desk.partition().await, BTreeSet::from([all]));
        // A gift does not make its recipient a buyer, nor the buyer another one.
        let gift = WebOrder::new("WEB-2").user("u1").gift_to("0987654321");
        app.web(&gift, "order.created").await;
        app.settle().await;
        assert_eq!(desk.partition().await.len(), 1);
        assert_eq!(desk.of_order("WEB-2").await, desk.of_order("WEB-1").await);
        app.finish().await;
    }

    async fn the_order_of_the_messages_does_not_matter(kind: Kind) {
        let mut ends = Vec::new();
        for reversed in [false, true] {
            let app = TestApp::start(kind).await;
            let desk = Desk::of(&app, &STAFF).await;
            let order = |n: u32, user: &str, phone: u32| {
                let order = WebOrder::new(&format!("WEB-{n}"))
                    .user(user)
                    .from("Lan", &format!("090123456{phone}"));
                app.web_message(&order, "order.created")
            };
            let mut messages = vec![
                order(1, "a", 1), order(2, "b", 1), order(3, "b", 2), order(4, "c", 3),
                order(5, "d", 3), order(6, "e", 3), order(7, "f", 3), order(8, "c", 2),
                app.web_message(&WebOrder::new("WEB-9").from("Mai", "0901234569"), "order.created"),
            ];
            if reversed {
                messages.reverse();
            }
            for message in &messages {
                app.send(message).await;
                app.settle().await;
            }
            ends.push(desk.partition().await);
            app.finish().await;
        }
        let expected = BTreeSet::from([
            set(&["web a", "web b", "web c", "+84901234561", "+84901234562"]),
            set(&["web d"]), set(&["web e"]), set(&["web f"]),
            set(&["+84901234563"]), set(&["+84901234569"]),
        ]);
        assert_eq!(ends, [expected.clone(), expected]);
    }

    async fn the_latest_word_on_consent_counts(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        let late = zalo_follow(&app, "follow");
        app.clock.advance(Duration::from_mins(1));
        app.send(&zalo_follow(&app, "follow")).await;
        app.settle().await;
        let id = desk.list("channel=zalo-oa").await.remove(0);
        let standing = |customer: &Value| {
            let consents = customer["consents"].as_array().unwrap();
            consents.iter()
                .map(|one| (text(&one["channel"]), text(&one["state"])))
                .collect::<BTreeMap<_, _>>()
        };
        let zalo_is = |state: &str| BTreeMap::from([("zalo-oa".to_owned(), state.to_owned())]);
        assert_eq!(standing(&desk.customer(&id).await), zalo_is("granted"));
        app.clock.advance(Duration::from_mins(1));
        app.send(&zalo_follow(&app, "unfollow")).await;
        app.send(&late).await;
        app.settle().await;
        assert_eq!(standing(&desk.customer(&id).await), zalo_is("withdrawn"));

        app.clock.advance(Duration::from_mins(1));
        let put = |channel: &str, state: &str, reason: &str| {
            json!({"channel": channel, "state": state, "reason": reason})
        };
        let path = format!("/customers/{id}/consent");
        let said = put("zalo-oa", "granted", "asked on the phone");
        let answer = desk.call(Method::PUT, &path, Some(&said)).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!(answer.json["customer_id"], id.as_str());
        assert_eq!(standing(&answer.json), zalo_is("granted"));
        let shown = desk.customer(&id).await;
        let history = shown["consent_history"].as_array().unwrap();
        assert_eq!(history.len(), 4);
        assert_eq!(history[3]["actor"], "lan");
        assert_eq!(history[3]["reason"], "asked on the phone");
        assert_eq!(history[2]["source"], "channel");
        let audit = app.rows.texts("SELECT detail FROM audit WHERE action = 'customer.consent'").await;
        assert_eq!(audit, ["zalo-oa granted: asked on the phone"]);

        // It stays when the customer turns out to be an older one.
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        app.clock.advance(Duration::from_mins(1));
        app.send(&zalo_form(&app, "0901234567")).await;
        app.settle().await;
        assert_eq!(standing(&desk.customer(&desk.of_order("WEB-1").await).await), zalo_is("granted"));

        for (body, field) in [
            (put("zalo", "granted", "x"), "channel"),
            (put("zalo-oa", "maybe", "x"), "state"),
            (put("zalo-oa", "granted", " "), "reason"),
        ] {
            let answer = desk.call(Method::PUT, &path, Some(&body)).await;
            assert_eq!((answer.status, text(&answer.json["field"])), (422, field.to_owned()));
        }
        let reader = Desk::of(&app, &["customers:read"]).await;
        assert_eq!(reader.call(Method::PUT, &path, Some(&said)).await.status, 403);
        app.finish().await;
    }

    async fn personal_data_is_hidden_without_the_scope_for_it(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        app.web(&WebOrder::new("WEB-1").user("user-77"), "order.created").await;
        app.settle().await;
        let id = desk.of_order("WEB-1").await;
        let body = json!({"channel": "web", "state": "withdrawn", "reason": "gọi cho mẹ của Lan"});
        let put = desk.call(Method::PUT, &format!("/customers/{id}/consent"), Some(&body)).await;
        assert_eq!(put.status, 200);
        let reader = Desk::of(&app, &["customers:read"]).await;
        let shown = reader.customer(&id).await;
        assert_eq!(shown["name"], "N••• T••• L•••");
        let phones: Vec<&Value> = shown["identities"].as_array().unwrap().iter()
            .map(|one| &one["phone"])
            .filter(|phone| !phone.is_null())
            .collect();
        assert_eq!(phones, ["09•••••567"]);
        let page = reader.get("/customers?phone=0901234567").await;
        for answer in [&shown, &page] {
            let written = answer.to_string();
            for secret in ["user-77", "901234567", "Lan", "Nguyễn"] {
                assert!(!written.contains(secret), "{secret}: {written}");
            }
        }
        let stranger = Desk::of(&app, &["orders:read", "pii:read"]).await;
        for path in ["/customers".to_owned(), format!("/customers/{id}")] {
            assert_eq!(stranger.call(Method::GET, &path, None).await.status, 403, "{path}");
        }
        for unknown in ["cus_1", "cus_00000000000000000000000000", "ord_1"] {
            let answer = reader.call(Method::GET, &format!("/customers/{unknown}"), None).await;
            assert_eq!((answer.status, text(&answer.json["code"])), (404, "not-found".to_owned()));
        }
        for query in ["q=", "q=%2E", "phone=******67", "channel=nowhere", "limit=201", "cursor=x", "name=lan"] {
            let answer = reader.call(Method::GET, &format!("/customers?{query}"), None).await;
            assert_eq!(answer.status, 422, "{query}: {}", answer.json);
        }
        app.finish().await;
    }

    async fn a_list_is_read_page_by_page(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        for n in 0..7 {
            let order = WebOrder::new(&format!("WEB-{n}")).from("Lan", &format!("090123456{n}"));
            app.web(&order, "order.created").await;
            app.clock.advance(Duration::from_secs(1));
        }
        app.settle().await;
        let all = desk.list("limit=200").await;
        let mut newest_first = all.clone();
        newest_first.sort();
        newest_first.reverse();
        assert_eq!((all.len(), &all), (7, &newest_first));
        assert_eq!(desk.list("limit=3").await, all);
        assert_eq!(desk.list("limit=2&q=lan&channel=web").await, all);
        app.finish().await;
    }

    async fn staff_who_write_the_phone_of_a_chat_s_order_bind_it(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        app.send(&app.facebook_cart("psid-1", "AC-9000", 12_990_000)).await;
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        let draft = app.orders().await.into_iter().find(|one| one.channel == "facebook-page").unwrap();
        assert_eq!(desk.partition().await, BTreeSet::from([set(&["+84901234567"]), set(&["facebook-page psid-1"])]));
        let edit = Edit {
            buyer: Some(Buyer { name: Some("Lan".into()), phone: Some("0901234567".into()), ..Buyer::default() }),
            ..Edit::default()
        };
        app.command(&draft.external_id, Action::Edit(Box::new(edit))).await.unwrap();
        assert_eq!(desk.partition().await, BTreeSet::from([set(&["+84901234567", "facebook-page psid-1"])]));
        let id = desk.of_order(&draft.external_id).await;
        assert_eq!(id, desk.of_order("WEB-1").await);
        assert_eq!(desk.customer(&id).await["merges"][0]["order_id"], draft.id.as_str());
        app.command(&draft.external_id, Action::Reject).await.unwrap();
        app.settle().await;
        app.finish().await;
    }

    async fn an_order_of_before_gets_its_customer_at_its_next_change(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        let order = WebOrder::new("WEB-1").card();
        app.web(&order, "order.created").await;
        app.settle().await;
        // As an order looks that was stored before there were customers.
        let id = app.order("WEB-1").await.buyer.customer_id.unwrap();
        let forget = format!("UPDATE orders SET customer_id = NULL, doc = REPLACE(doc, '\"customer_id\":\"{id}\"', '\"customer_id\":null')");
        for sql in [forget.as_str(), "DELETE FROM customer_term", "DELETE FROM customer_identity"] {
            app.rows.run(sql).await;
        }
        assert_eq!(app.order("WEB-1").await.buyer.customer_id, None);
        let code = app.order("WEB-1").await.code;
        app.send(&app.vnpay(&format!("{code}-1"), 12_990_000, 1)).await;
        app.settle().await;
        assert_eq!(desk.list("phone=0901234567").await, [desk.of_order("WEB-1").await]);
        assert_eq!(desk.list("q=nguyen").await.len(), 1);
        app.finish().await;
    }

    async fn who_left_is_not_written_to_and_following_is_no_word_to_answer(kind: Kind) {
        let app = TestApp::start(kind).await;
        let desk = Desk::of(&app, &STAFF).await;
        let answers = async |key: &str| {
            let path = app.rows.text("SELECT id FROM conversation").await.unwrap();
            let body = json!({"text": "Dạ shop chào mình ạ"});
            let answer = desk
                .post(&format!("/conversations/{path}/reply"), key, &body)
                .await;
            (
                answer.problem(),
                answer.json["detail"].as_str().unwrap().to_owned(),
            )
        };
        app.send(&zalo_follow(&app, "follow")).await;
        app.settle().await;
        let (problem, detail) = answers("followed").await;
        assert_eq!(problem, "409 not-allowed");
        assert!(detail.contains("next word"), "{detail}");

        app.send(&zalo_text(&app, "m1", "alo shop")).await;
        app.clock.advance(std::time::Duration::from_secs(60));
        app.send(&zalo_follow(&app, "unfollow")).await;
        app.settle().await;
        let (problem, detail) = answers("left").await;
        assert_eq!(problem, "409 not-allowed");
        assert!(detail.contains("consent"), "{detail}");
        app.finish().await;
    }
}

/// Many workers of two gateways meet the same persons at once, each message another binding.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_who_meet_the_same_persons_at_once_agree() {
    let app = TestApp::start(Kind::Postgres).await;
    let desk = Desk::of(&app, &STAFF).await;
    let second = app
        .gateway(2, &BTreeSet::from([Role::Receive, Role::Work]))
        .await;
    let doors = [app.url.clone(), format!("http://{}", second.address)];
    // A ring of 24 persons and 24 phones, each with two of the others; and a phone that all have.
    let mut orders = Vec::new();
    for n in 0..24 {
        for (m, phone) in [n, (n + 1) % 24].into_iter().enumerate() {
            let order = WebOrder::new(&format!("WEB-{n}-{m}"))
                .user(&format!("u{n}"))
                .from("Lan", &format!("09012345{phone:02}"));
            orders.push(order);
        }
        let order = WebOrder::new(&format!("SHOP-{n}"))
            .user(&format!("u{n}"))
            .from("Lan", "0987654321");
        orders.push(order);
    }
    let sent = orders.iter().enumerate().map(|(n, order)| {
        let message = app.web_message(order, "order.created");
        let (app, door) = (&app, &doors[(n * 7 + n / 5) % 2]);
        async move { app.world.knock(door, &message).await.status }
    });
    assert!(join_all(sent).await.iter().all(|status| *status == 200));
    app.settle().await;
    let mut ring: BTreeSet<String> = (0..24).map(|n| format!("web u{n}")).collect();
    ring.extend((0..24).map(|n| format!("+849012345{n:02}")));
    let expected = BTreeSet::from([ring, set(&["+84987654321"])]);
    assert_eq!(desk.partition().await, expected);
    let known = app
        .rows
        .number("SELECT COUNT(*) FROM customer_identity")
        .await;
    assert_eq!(known, 49, "each identity once");
    let first = desk.of_order("WEB-0-0").await;
    for n in 0..24 {
        assert_eq!(desk.of_order(&format!("SHOP-{n}")).await, first);
    }
    second.stop().await;
    app.finish().await;
}
