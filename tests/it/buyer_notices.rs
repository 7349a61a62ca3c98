//! What buyers are told on their phones, and what they say of it: once, whatever the network does,
//! by day, and only while it is news.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::code::OrderCode;
use domain::order::OrderView;
use kenh::clock::Clock;
use kenh::config::{self, Overlay};
use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::{only, speaks};
use crate::desk::Desk;
use crate::senders::WebOrder;

/// The phones behind Zalo's API.
#[derive(Default)]
struct Phones {
    /// Every template that was sent.
    rang: Vec<Value>,
    loses_answers: usize,
    busy: usize,
}

impl Phones {
    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        assert_eq!(request.url.path(), "/message/template");
        if self.busy > 0 {
            self.busy -= 1;
            return ResponseTemplate::new(200).set_body_json(json!({"error": -32, "message": "x"}));
        }
        self.rang
            .push(serde_json::from_slice(&request.body).unwrap());
        if self.loses_answers > 0 {
            self.loses_answers -= 1;
            return ResponseTemplate::new(502);
        }
        let sent = json!({"error": 0, "message": "Success", "data": {"msg_id": "m1"}});
        ResponseTemplate::new(200).set_body_json(sent)
    }
}

struct Case {
    app: TestApp,
    phones: Arc<Mutex<Phones>>,
    _zalo: MockServer,
}

impl Case {
    /// A gateway that tells buyers of the website of parcels.
    async fn start(kind: Kind) -> Self {
        let zalo = MockServer::start().await;
        let phones = Arc::new(Mutex::new(Phones::default()));
        let answers = Arc::clone(&phones);
        Mock::given(method("POST"))
            .respond_with(move |request: &Request| answers.lock().unwrap().answer(request))
            .mount(&zalo)
            .await;
        let uri = zalo.uri();
        let app = Setup::default()
            .edit_in(move |config, world| {
                let secrets = &world.secrets;
                let secret = |text: &str| json!({"$secret": [text]});
                let settings = json!({
                    "app_id": secrets.zalo_app_id, "oa_id": secrets.zalo_oa_id,
                    "oa_secret": secret(&secrets.zalo_oa_secret),
                    "app_secret": secret(&secrets.zalo_app_secret),
                    "base_url": uri, "oauth_url": uri, "template_url": uri,
                    "templates": {
                        "shipped": {"template_id": "7895417", "fields": {
                            "order_code": "code", "customer_name": "name", "tracking": "tracking",
                            "total": "total",
                        }},
                        "delivered": {"template_id": "7895418", "fields": {"order_code": "code"}},
                    },
                });
                let channel = only(config, "zalo-oa");
                speaks(channel, "zalo", &settings);
                channel.serves = vec!["web".to_owned()];
                let mut others = config.channels.iter_mut();
                others.find(|c| c.id == "hotline").unwrap().enabled = true;
            })
            .start(kind)
            .await;
        Self {
            app,
            phones,
            _zalo: zalo,
        }
    }

    /// An order whose parcel is packed.
    async fn packed(&self, order: &WebOrder) -> OrderView {
        self.app.web(order, "order.created").await;
        self.app.settle().await;
        self.app.order(&order.external_id).await
    }

    /// Its parcel leaves; the report says so as often as it likes.
    async fn shipped(&self, order: &OrderView, times: usize) {
        let parcel = &order.fulfillment_orders[0].id;
        let target = self.app.parcel_target(parcel);
        let lines = json!([{"line_id": "1", "quantity": 1, "serials": ["IMEI-1"]}]);
        let report = self.app.callback_message(
            target,
            "fulfillment.shipped",
            1,
            json!({"fulfillment_order_id": parcel, "lines": lines,
                   "tracking": {"carrier": "GHN", "number": "GHN1"}}),
        );
        for _ in 0..times {
            self.app.send(&report).await;
        }
    }

    async fn delivered(&self, order: &OrderView) {
        let parcel = &order.fulfillment_orders[0].id;
        let target = self.app.parcel_target(parcel);
        let data = json!({"fulfillment_order_id": parcel});
        self.app
            .callback(target, "fulfillment.delivered", 2, data)
            .await;
    }

    fn rang(&self) -> Vec<Value> {
        self.phones.lock().unwrap().rang.clone()
    }

    /// How each notice ended: its state, tries and last outcome.
    async fn ends(&self) -> Vec<String> {
        self.app
            .rows
            .texts(
                "SELECT state || ' ' || CAST(attempts AS TEXT) || ' ' || COALESCE(last_outcome, '') FROM task \
                 WHERE op = 'notify_buyer' ORDER BY seq",
            )
            .await
    }

    /// A buyer rates what the template was about.
    async fn rates(&self, message: &str, tracking: &str, stars: u8) {
        let event = json!({
            "oa_id": self.app.secrets.zalo_oa_id, "event_name": "user_feedback",
            "message": {"note": "Giao nhanh", "rate": stars, "msg_id": message,
                "submit_time": self.app.clock.now_ms().to_string(),
                "feedbacks": ["Nhân viên nhiệt tình"], "tracking_id": tracking},
        });
        self.app.send(&self.app.zalo(&event)).await;
    }

    async fn dead_reasons(&self) -> Vec<String> {
        let sql = "SELECT COALESCE(reason, '') FROM notice WHERE state = 'dead'";
        self.app.rows.texts(sql).await
    }
}

/// The code that the order after this one gets.
fn code_after(code: &str) -> String {
    let (letters, digits) = code.split_at(code.len() - 9);
    let number: u32 = digits[..8].parse().unwrap();
    let code = OrderCode::new(&letters.parse().unwrap(), number + 1).unwrap();
    code.to_string()
}

on_both! {
    async fn the_buyer_of_a_shipped_order_is_told_once_however_often_it_is_reported(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        assert_eq!(case.rang(), Vec::<Value>::new());
        case.shipped(&order, 3).await;
        case.app.settle().await;
        assert_eq!(case.rang(), [json!({
            "phone": "84901234567", "template_id": "7895417", "tracking_id": order.code,
            "template_data": {"order_code": order.code, "customer_name": "Nguyễn Thị Lan",
                "tracking": "GHN1", "total": "6.990.000đ"},
        })]);
        case.delivered(&order).await;
        case.shipped(&order, 1).await;
        case.app.settle().await;
        let rang = case.rang();
        assert_eq!(rang.len(), 2, "{rang:#?}");
        assert_eq!(rang[1]["template_id"], "7895418");
        case.app.finish().await;
    }

    async fn after_a_lost_answer_the_phone_does_not_ring_again_and_nobody_is_called(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        case.phones.lock().unwrap().loses_answers = 1;
        case.shipped(&order, 1).await;
        case.app.settle().await;
        assert_eq!(case.rang().len(), 1);
        let ends = case.ends().await;
        assert!(ends[0].starts_with("refused 2 ") && ends[0].contains("maybe_told"), "{ends:?}");
        // The order says so, and later news is told all the same.
        let desk = Desk::of(&case.app, &["orders:read"]).await;
        let timeline = desk.get(&format!("/orders/{}/timeline", order.id)).await;
        assert!(timeline.to_string().contains("maybe_told"), "{timeline:#}");
        case.delivered(&order).await;
        case.app.settle().await;
        assert_eq!(case.rang().len(), 2);
        case.app.finish().await;
    }

    async fn a_busy_channel_is_tried_again(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        case.phones.lock().unwrap().busy = 2;
        case.shipped(&order, 1).await;
        case.app.settle().await;
        assert_eq!(case.rang().len(), 1);
        assert!(case.ends().await[0].starts_with("delivered 3 "));
        case.app.finish().await;
    }

    async fn hidden_phones_landlines_and_other_channels_are_told_nothing(kind: Kind) {
        let case = Case::start(kind).await;
        for (id, phone) in [("WEB-1", "0901***567"), ("WEB-2", "028 7123 4567")] {
            let buyer = WebOrder::phone(id).from("Nguyễn Thị Lan", phone).gift_to("0912345678");
            let order = case.packed(&buyer).await;
            case.shipped(&order, 1).await;
        }
        let staff = Desk::of(&case.app, &["orders:read", "orders:write"]).await;
        let mut document = WebOrder::phone("HOTLINE-1").document();
        document["channel"] = json!("hotline");
        document["entered_by"] = json!("lan");
        let entered = staff.call(Method::POST, "/orders", Some(&document)).await;
        assert_eq!(entered.status, 201, "{}", entered.json);
        case.app.settle().await;
        let order = case.app.order("HOTLINE-1").await;
        case.shipped(&order, 1).await;
        case.app.settle().await;
        assert_eq!(case.app.order("HOTLINE-1").await.fulfillment.as_str(), "shipped");
        assert_eq!(case.ends().await, Vec::<String>::new());
        case.app.finish().await;
    }

    async fn at_night_news_waits_until_six_and_uses_up_no_try(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        // 23:00 in Vietnam.
        case.app.clock.set("2026-11-24T16:00:00Z".parse().unwrap());
        case.shipped(&order, 1).await;
        let waits = || async { case.ends().await.iter().any(|end| end.contains("night")) };
        case.app.until("the notice is given back", waits).await;
        assert!(case.ends().await[0].starts_with("pending 0 "));
        let due = case.app.rows.number("SELECT not_before FROM task WHERE op = 'notify_buyer'").await;
        let six: jiff::Timestamp = "2026-11-24T23:00:00Z".parse().unwrap();
        assert_eq!(due, six.as_millisecond());
        assert_eq!(case.rang().len(), 0);
        // The morning has its own tries: the night is not held against them.
        case.phones.lock().unwrap().busy = 1;
        case.app.settle().await;
        assert!(case.app.clock.now() >= six);
        assert_eq!(case.rang().len(), 1);
        assert!(case.ends().await[0].starts_with("delivered 2 "));
        case.app.finish().await;
    }

    async fn what_arrived_in_the_night_is_told_as_arrived_and_not_as_on_its_way(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        case.app.clock.set("2026-11-24T16:00:00Z".parse().unwrap());
        case.shipped(&order, 1).await;
        let waits = || async { case.ends().await.iter().any(|end| end.contains("night")) };
        case.app.until("the notice is given back", waits).await;
        case.delivered(&order).await;
        case.app.settle().await;
        let rang = case.rang();
        assert_eq!(rang.len(), 1, "{rang:#?}");
        assert_eq!(rang[0]["template_id"], "7895418");
        let ends = case.ends().await;
        assert!(ends[0].starts_with("withdrawn"), "{ends:?}");
        case.app.finish().await;
    }

    async fn old_news_is_not_told(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        let parcel = &order.fulfillment_orders[0].id;
        let target = case.app.parcel_target(parcel);
        let lines = json!([{"line_id": "1", "quantity": 1, "serials": ["IMEI-1"]}]);
        let shipped_at = case.app.clock.now();
        case.app.pass(Duration::from_secs(25 * 3600)).await;
        // The location was cut off and reports late what happened then.
        let body = json!({"type": "fulfillment.shipped", "id": "evt_late",
            "occurred_at": shipped_at.to_string(), "sequence": 1,
            "data": {"fulfillment_order_id": parcel, "lines": lines,
                "tracking": {"carrier": "GHN", "number": "GHN1"}}});
        let secret = case.app.secrets.target(target);
        let late = case.app.standard(&format!("/webhooks/{target}"), &secret, "evt_late", &body);
        case.app.send(&late).await;
        case.app.settle().await;
        assert_eq!(case.app.order("WEB-1").await.fulfillment.as_str(), "shipped");
        assert_eq!(case.ends().await, Vec::<String>::new());
        case.app.finish().await;
    }

    async fn news_that_could_not_be_sent_for_a_day_is_given_up_quietly(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        case.app.clock.set("2026-11-24T16:00:00Z".parse().unwrap());
        case.shipped(&order, 1).await;
        let waits = || async { case.ends().await.iter().any(|end| end.contains("night")) };
        case.app.until("the notice is given back", waits).await;
        case.app.clock.advance(Duration::from_secs(25 * 3600));
        case.app.settle().await;
        assert_eq!(case.rang().len(), 0);
        let ends = case.ends().await;
        assert!(ends[0].starts_with("refused") && ends[0].contains("too_late"), "{ends:?}");
        case.app.finish().await;
    }

    async fn a_rating_joins_its_order_once_and_hides_the_buyers_words(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        case.rates("m1", &order.code, 5).await;
        case.rates("m1", &order.code, 5).await;
        case.app.settle().await;
        let path = format!("/orders/{}", order.id);
        let open = Desk::of(&case.app, &["orders:read", "pii:read"]).await;
        let ratings = open.get(&path).await["ratings"].clone();
        assert_eq!(ratings.as_array().unwrap().len(), 1, "{ratings:#}");
        assert_eq!(ratings[0]["stars"], 5);
        assert_eq!(ratings[0]["note"], "Giao nhanh");
        assert_eq!(ratings[0]["feedbacks"], json!(["Nhân viên nhiệt tình"]));
        assert_eq!(ratings[0]["channel"], "zalo-oa");
        let closed = Desk::of(&case.app, &["orders:read"]).await;
        assert_eq!(closed.get(&path).await["ratings"][0]["note"], "•••");
        let timeline = closed.get(&format!("{path}/timeline")).await.to_string();
        assert!(timeline.contains("\"rating\"") && !timeline.contains("nhanh"), "{timeline}");
        case.app.finish().await;
    }

    async fn a_rating_that_overtakes_its_order_waits_for_it(kind: Kind) {
        let case = Case::start(kind).await;
        let first = case.packed(&WebOrder::phone("WEB-1")).await;
        case.rates("m2", &code_after(&first.code), 2).await;
        let waits = || async {
            let waiting = "SELECT COUNT(*) FROM notice WHERE state = 'waiting' AND attempts > 0";
            case.app.rows.number(waiting).await == 1
        };
        case.app.until("the rating waits", waits).await;
        let second = case.packed(&WebOrder::phone("WEB-2").from("Trần Thị Mẫu", "0912345678")).await;
        assert_eq!(second.code, code_after(&first.code));
        case.app.settle().await;
        let second = case.app.order("WEB-2").await;
        assert_eq!(second.ratings[0].stars.number(), 2);
        assert!(case.app.order("WEB-1").await.ratings.is_empty());
        case.app.finish().await;
    }

    async fn a_rating_of_an_order_that_never_comes_is_parked(kind: Kind) {
        let mut case = Case::start(kind).await;
        let order = case.packed(&WebOrder::phone("WEB-1")).await;
        case.rates("m3", &code_after(&code_after(&order.code)), 1).await;
        case.app.settle().await;
        assert_eq!(case.dead_reasons().await, ["it names an order that is not known"]);
        case.app.expects_dead(1, 0);
        case.app.finish().await;
    }

    async fn a_rating_of_somebody_elses_number_stays_a_conversation(kind: Kind) {
        let case = Case::start(kind).await;
        case.rates("m4", "SO-000123", 3).await;
        case.app.settle().await;
        let kinds = case.app.rows.texts("SELECT kind FROM notice").await;
        assert_eq!(kinds, ["conversation"]);
        case.app.finish().await;
    }
}

#[test]
fn templates_without_channels_to_serve_are_named_by_the_check() {
    let folder = std::env::temp_dir().join(format!("kenh_it_templates_{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(crate::app::shipped()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
    let file = folder.join("channels.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("\n[channels.zalo-oa.settings.templates.shipped]\ntemplate_id = \"1\"\n");
    std::fs::write(&file, text).unwrap();
    let variables = config::variables(&folder).into_iter();
    let secret = "0123456789abcdef0123456789abcdef";
    let secrets = variables.map(|name| (name, secret.repeat(2))).collect();
    let overlay = Overlay {
        secrets,
        internal: true,
        ..Overlay::default()
    };
    let problems = config::load(&folder, &|_| None, Some(&overlay)).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    let said = config::render(&problems);
    for words in ["nobody's buyers to tell", "add `serves = "] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
