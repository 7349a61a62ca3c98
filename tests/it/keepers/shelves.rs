//! What channels are told of the stock on sale.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kenh::alerts;
use kenh::config::Shelf;
use kenh::pipeline::keepers::shelves::Keeper;
use kenh::pipeline::settle::{Count, Input};
use kenh::store::products::{self, KitPart, Mapping, Product};
use kenh::store::stock;
use serde_json::{Value, json};
use wiremock::matchers::path_regex;
use wiremock::{Mock, Request, ResponseTemplate};

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::{only, speaks};
use crate::senders::WebOrder;

const FAN: &str = "FAN-SENKO-16";
const PHONE: &str = "KAQ-U95";
const KIT: &str = "FAN-AND-PHONE";
const BUFFER: i64 = 1;
const PLACES: [&str; 2] = ["hub-hcm", "store-hcm-q1"];

/// The shop's articles: what it has on sale by what it accepted, and in which order.
#[derive(Default)]
struct Shop {
    on_sale: BTreeMap<String, i64>,
    accepted: Vec<(String, i64)>,
    /// Tells what happens to the next calls; the last one stays.
    moods: Vec<Mood>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Works,
    /// It is down.
    Down,
    /// It says no.
    Refuses,
    /// It has done it, and the answer is lost.
    Mumbles,
}

impl Shop {
    fn mood(&mut self) -> Mood {
        if self.moods.len() > 1 {
            self.moods.remove(0)
        } else {
            self.moods.first().copied().unwrap_or(Mood::Works)
        }
    }

    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let article = request.url.path().rsplit('/').next().unwrap().to_owned();
        if request.method.as_str() == "GET" {
            let body =
                json!({"id": article.parse::<u64>().unwrap(), "type": "simple", "parent_id": 0});
            return ResponseTemplate::new(200).set_body_json(body);
        }
        let mood = self.mood();
        if mood == Mood::Down {
            return ResponseTemplate::new(503);
        }
        if mood == Mood::Refuses {
            let body = json!({"code": "woocommerce_rest_product_invalid", "message": "no"});
            return ResponseTemplate::new(400).set_body_json(body);
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let level = body["stock_quantity"].as_i64().unwrap();
        self.accepted.push((article.clone(), level));
        self.on_sale.insert(article, level);
        if mood == Mood::Mumbles {
            ResponseTemplate::new(502)
        } else {
            ResponseTemplate::new(200).set_body_json(json!({"id": 1}))
        }
    }
}

async fn start(kind: Kind) -> (TestApp, Arc<Mutex<Shop>>) {
    let app = Setup::default()
        .edit_in(|config, world| {
            let secret = json!({"$secret": ["s"]});
            let settings = json!({
                "secret": secret, "consumer_key": secret, "consumer_secret": secret,
                "base_url": world.woocommerce.uri(), "set_stock": true,
            });
            let channel = only(config, "woo-outlet");
            speaks(channel, "woocommerce", &settings);
            channel.shelf = Some(Shelf {
                buffer: BUFFER,
                locations: PLACES.map(str::to_owned).to_vec(),
            });
        })
        .start(kind)
        .await;
    let shop = Arc::new(Mutex::new(Shop::default()));
    let answering = Arc::clone(&shop);
    Mock::given(path_regex(r"^/wp-json/wc/v3/products/\d+$"))
        .respond_with(move |request: &Request| answering.lock().unwrap().answer(request))
        .mount(&app.woocommerce)
        .await;
    let kit = Product {
        sku: KIT.to_owned(),
        name: KIT.to_owned(),
        components: [(FAN, 2), (PHONE, 1)]
            .map(|(sku, quantity)| KitPart {
                sku: sku.to_owned(),
                quantity,
            })
            .to_vec(),
        ..Product::default()
    };
    let now = app.gateway.now_ms();
    products::put(&app.gateway.db, now, &[kit]).await.unwrap();
    // The last is a seller's own SKU: an order may name it, no level can be set for it.
    let mappings = [("501", FAN), ("502", PHONE), ("503", KIT), ("fan-16", FAN)];
    let mappings = mappings.map(|(channel_sku, sku)| Mapping {
        channel: "woo-outlet".to_owned(),
        channel_sku: channel_sku.to_owned(),
        sku: sku.to_owned(),
    });
    products::map(&app.gateway.db, now, &mappings)
        .await
        .unwrap();
    app.gateway.catalog.refresh(&app.gateway.db).await.unwrap();
    (app, shop)
}

async fn count(app: &TestApp, sequence: i64, location: &str, sku: &str, on_hand: i64) {
    let count = stock::Count {
        location: location.to_owned(),
        sku: sku.to_owned(),
        on_hand,
        as_of: app.gateway.now_ms(),
        sequence,
        safety: None,
        reference: format!("count-{sequence}"),
    };
    let counted = app.gateway.settler.ask(|reply| {
        Input::Count(Box::new(Count {
            actor: "staff".to_owned(),
            counts: vec![count],
            reply,
        }))
    });
    counted.await.unwrap();
}

/// Turns and deliveries until nothing changes any more.
async fn settled(app: &TestApp, keeper: &mut Keeper) {
    for _ in 0..2 {
        keeper.turn(&app.gateway).await.unwrap();
        app.settle().await;
    }
}

/// What should be on sale, by the tables.
async fn available(app: &TestApp) -> BTreeMap<String, i64> {
    let mut sum = BTreeMap::from(["501", "502", "503"].map(|article| (article.to_owned(), 0)));
    for place in PLACES {
        let of = async |sku: &str| {
            let sql = format!(
                "SELECT CAST(COALESCE(SUM(CASE WHEN on_hand - reserved - safety > 0 \
                 THEN on_hand - reserved - safety ELSE 0 END), 0) AS BIGINT) FROM stock \
                 WHERE location = '{place}' AND sku = '{sku}'"
            );
            app.rows.number(&sql).await
        };
        let (fans, phones) = (of(FAN).await, of(PHONE).await);
        for (article, units) in [
            ("501", fans),
            ("502", phones),
            ("503", (fans / 2).min(phones)),
        ] {
            *sum.get_mut(article).unwrap() += units;
        }
    }
    sum.into_iter()
        .map(|(article, units)| (article, (units - BUFFER).max(0)))
        .collect()
}

on_both! {
    async fn a_shop_is_told_what_its_locations_can_send_less_what_is_held_back(kind: Kind) {
        let (app, shop) = start(kind).await;
        let mut keeper = Keeper::default();
        let mut sequence = 0;
        for (location, sku, on_hand) in [
            ("hub-hcm", FAN, 12), ("store-hcm-q1", FAN, 4), ("hub-hanoi", FAN, 500),
            ("hub-hcm", PHONE, 3), ("store-hcm-q1", PHONE, 9),
        ] {
            sequence += 1;
            count(&app, sequence, location, sku, on_hand).await;
        }
        settled(&app, &mut keeper).await;
        // The hub keeps two of each back, the store one: 10 + 3 fans, 1 + 8 phones, and a kit of
        // two fans and a phone is sent from one place: 1 + 1. One of each is held back.
        let expected = [("501", 12), ("502", 8), ("503", 1)];
        let expected = BTreeMap::from(expected.map(|(article, units)| (article.to_owned(), units)));
        assert_eq!(shop.lock().unwrap().on_sale, expected);
        assert_eq!(available(&app).await, expected);

        // An order takes units from the shelf, and only what changed is told.
        shop.lock().unwrap().accepted.clear();
        app.web(&WebOrder::new("WEB-1").of(PHONE, 1, 6_990_000), "order.created").await;
        app.settle().await;
        settled(&app, &mut keeper).await;
        let expected = available(&app).await;
        assert_eq!(shop.lock().unwrap().on_sale, expected);
        let told = shop.lock().unwrap().accepted.clone();
        assert!(told.iter().all(|(article, _)| article != "501"), "{told:?}");
        assert!(!told.is_empty());
        let tasks = app.rows.number("SELECT COUNT(*) FROM task WHERE op = 'set_stock' AND subject = 'fan-16'").await;
        assert_eq!(tasks, 0);
        app.finish().await;
    }

    async fn a_shop_that_was_down_hears_the_last_level_only(kind: Kind) {
        let (app, shop) = start(kind).await;
        let mut keeper = Keeper::default();
        settled(&app, &mut keeper).await;
        shop.lock().unwrap().moods = vec![Mood::Down];
        shop.lock().unwrap().accepted.clear();
        for units in [40, 30, 20] {
            count(&app, units, "hub-hcm", FAN, 100 - units).await;
            keeper.turn(&app.gateway).await.unwrap();
        }
        shop.lock().unwrap().moods = vec![Mood::Works];
        settled(&app, &mut keeper).await;
        let told: Vec<_> = shop.lock().unwrap().accepted.iter()
            .filter(|(article, _)| article == "501").map(|(_, units)| *units).collect();
        assert_eq!(told.last(), available(&app).await.get("501"));
        let left = app.rows.number("SELECT COUNT(*) FROM task WHERE op = 'set_stock' AND state NOT IN ('delivered', 'withdrawn')").await;
        assert_eq!(left, 0);
        app.finish().await;
    }

    async fn a_level_that_a_shop_refused_is_alarmed_and_told_again_though_nothing_moved(kind: Kind) {
        let (app, shop) = start(kind).await;
        let mut keeper = Keeper::default();
        count(&app, 1, "hub-hcm", FAN, 40).await;
        shop.lock().unwrap().moods = vec![Mood::Refuses];
        settled(&app, &mut keeper).await;
        assert!(shop.lock().unwrap().on_sale.is_empty());
        let standing = alerts::conditions(&app.gateway).await.unwrap();
        assert!(standing.iter().any(|alarm| alarm.key == "refused-news/woo-outlet"), "{standing:?}");
        shop.lock().unwrap().moods = vec![Mood::Works];
        app.clock.advance(Duration::from_secs(600));
        settled(&app, &mut keeper).await;
        let wanted = available(&app).await;
        assert_eq!(shop.lock().unwrap().on_sale, wanted);
        app.clock.advance(Duration::from_secs(86_400));
        let standing = alerts::conditions(&app.gateway).await.unwrap();
        assert!(standing.iter().all(|alarm| alarm.key != "refused-news/woo-outlet"));
        app.finish().await;
    }

    async fn after_things_settle_the_last_accepted_level_is_what_is_available(kind: Kind) {
        for seed in 0..3 {
            let (app, shop) = start(kind).await;
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut keeper = Keeper::default();
            for sequence in 1..=30 {
                shop.lock().unwrap().moods = (0..6)
                    .map(|_| match rng.u8(0..10) {
                        0..=2 => Mood::Down,
                        3..=4 => Mood::Mumbles,
                        _ => Mood::Works,
                    })
                    .chain([Mood::Works])
                    .collect();
                let place = PLACES[rng.usize(0..PLACES.len())];
                let sku = [FAN, PHONE][rng.usize(0..2)];
                count(&app, sequence, place, sku, rng.i64(0..12)).await;
                match rng.u8(0..4) {
                    0 => keeper.turn(&app.gateway).await.unwrap(),
                    1 => settled(&app, &mut keeper).await,
                    // The role has moved to another process, which remembers nothing.
                    2 => keeper = Keeper::default(),
                    _ => {}
                }
            }
            settled(&app, &mut keeper).await;
            let told = shop.lock().unwrap().on_sale.clone();
            assert_eq!(told, available(&app).await, "seed {seed}");
            app.finish().await;
        }
    }
}
