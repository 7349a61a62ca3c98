//! Reconciling a shop: what its pushes lost, changed behind our back or said twice is found by a
//! comparison with the shop's own books, and taken.

use std::collections::BTreeMap;

use domain::order::OrderView;
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use kenh::clock::Clock;
use kenh::config::{ChannelConfig, Rate};
use kenh::pipeline::reconcile::{self, FindingKind, Mode, Report};
use sandbox::{Options, Product, Sandbox};
use serde_json::Value;

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::desk::Desk;

/// Orders of the shop.
const ORDERS: i64 = 10_000;
/// Of these were never pushed.
const LOST: usize = 50;
/// Moved on without a push after the first one.
const CHANGED: usize = 20;
/// Were pushed twice.
const DOUBLED: i64 = 10;

/// Pages of the shop's list, and calls that name all its orders.
const PAGES: u64 = 100;
const BATCHES: u64 = 200;

/// Orders that are pushed before the gateway gets time to settle them.
const PART: usize = 1_000;

/// Pushes under way at once.
const SENDERS: usize = 64;

/// The vendor's longest window is fifteen days: a walk over all orders needs two.
const DAYS: i64 = 20;

/// A gateway beside a Shopee shop with books of its own.
pub struct Shop {
    pub app: TestApp,
    pub sandbox: Sandbox,
    pub opened: Timestamp,
}

/// What pushes will make of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pushed,
    Doubled,
    Lost,
    /// Pushed, and moved on in silence.
    Changed(&'static str),
}

struct Sold {
    order_sn: String,
    fate: Fate,
}

impl Shop {
    pub async fn open(kind: Kind) -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let opened = Timestamp::now();
        let app = Setup::default()
            // The sandbox refuses calls that are signed at any time but the machine's.
            .at(opened)
            .shopee_at(&sandbox.addresses()["shopee"])
            .edit(|config| {
                let shopee = config.channels.iter_mut().find(|c| c.id == "shopee-vn");
                // The clock stands, so the bucket must hold all calls of the test.
                shopee.unwrap().calls.rate = Rate {
                    per_second: 100_000,
                    burst: 1_000_000,
                };
            })
            .start(kind)
            .await;
        sandbox.set_door(&app.url);
        Self {
            app,
            sandbox,
            opened,
        }
    }

    /// Order number `n` of the shop, spread over [`DAYS`] days.
    ///
    /// The mass is unpaid, completed or cancelled. Such an order is fetched, stored and shown like
    /// any other, but the gateway reserves and ships nothing for it: 10,000 orders to be served
    /// would cost tens of thousands of calls to targets, which other tests are about. Among the
    /// lost and the changed ones are such that must be served.
    fn sell(&self, n: i64) -> Sold {
        let (fate, status) = match n {
            n if n % 200 == 7 => {
                let all = [
                    "READY_TO_SHIP",
                    "UNPAID",
                    "READY_TO_SHIP",
                    "COMPLETED",
                    "CANCELLED",
                ];
                let turn = usize::try_from(n / 200).unwrap() % all.len();
                (Fate::Lost, all[turn])
            }
            n if n % 1000 == 11 => (Fate::Changed("READY_TO_SHIP"), "UNPAID"),
            n if n % 1000 == 511 => (Fate::Changed("CANCELLED"), "UNPAID"),
            n if n % 1000 == 13 => (Fate::Doubled, "UNPAID"),
            n if n % 20 == 0 => (Fate::Pushed, "COMPLETED"),
            n if n % 20 == 1 => (Fate::Pushed, "CANCELLED"),
            _ => (Fate::Pushed, "UNPAID"),
        };
        let first = self.opened - SignedDuration::from_hours(24 * DAYS);
        let at = first.as_second() + n * DAYS * 86_400 / ORDERS;
        let order_sn = self.sandbox.sell_unheard_on_shopee(&phone(), status, at);
        Sold { order_sn, fate }
    }

    /// Pushes these orders, a good part at a time, until all are settled.
    async fn push(&self, orders: &[&str]) {
        for part in orders.chunks(PART) {
            stream::iter(part)
                .for_each_concurrent(SENDERS, async |order_sn| {
                    assert!(self.sandbox.push_from_shopee(order_sn).await, "{order_sn}");
                })
                .await;
            self.app.settle().await;
            self.keep_time();
        }
    }

    /// Calls of the shop's API so far.
    fn calls(&self) -> u64 {
        self.sandbox.books().channels["shopee"].requests
    }

    /// What is signed by a clock that stands gets too old for the sandbox after five minutes.
    fn keep_time(&self) {
        let ours = self.app.clock.now();
        self.app.clock.set(ours.max(Timestamp::now()));
    }

    /// Until neither side has anything left to do.
    pub async fn settle(&self) {
        self.app.settle().await;
        let patience = std::time::Duration::from_secs(60);
        assert!(self.sandbox.settled(patience).await);
        self.app.settle().await;
        self.keep_time();
    }

    fn channel(&self) -> ChannelConfig {
        self.app
            .gateway
            .config
            .channel("shopee-vn")
            .unwrap()
            .clone()
    }

    async fn reconcile(&self, mode: Mode) -> Report {
        let day = SignedDuration::from_hours(24);
        let span = (
            self.opened - day * (i32::try_from(DAYS).unwrap() + 1),
            self.opened + day,
        );
        reconcile::run(&self.app.gateway, &self.channel(), span, mode, &|_| {})
            .await
            .unwrap()
    }

    /// Everything that a reconciliation could write.
    pub async fn written(&self) -> Vec<i64> {
        let mut counts = Vec::new();
        for table in [
            "message",
            "receipt",
            "notice",
            "orders",
            "task",
            "audit",
            "found_by_poll",
        ] {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            counts.push(self.app.rows.number(&sql).await);
        }
        let versions = "SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM orders";
        counts.push(self.app.rows.number(versions).await);
        counts
    }
}

pub fn phone() -> Product {
    let samples = Product::samples();
    Product {
        sku: "KAQ-U95".to_owned(),
        name: "KAQ U95".to_owned(),
        price: 6_990_000,
        ..samples.into_iter().find(|p| p.category == "phone").unwrap()
    }
}

/// Shopee's word, the sum and the moment of the last change, by order: what both sides must agree
/// on.
type Books = BTreeMap<String, (String, i64, i64)>;

/// As the shop has it. It tells no sum before an order is paid and 0 after it is cancelled; then
/// the goods and their shipping are what the order is about.
fn of_shop(orders: BTreeMap<String, Value>) -> Books {
    let stands = |document: &Value| {
        let status = document["order_status"].as_str().unwrap().to_owned();
        let total = if matches!(status.as_str(), "UNPAID" | "CANCELLED") {
            let items = document["item_list"].as_array().unwrap().iter();
            let sum = items.map(|item| {
                item["model_discounted_price"].as_i64().unwrap()
                    * item["model_quantity_purchased"].as_i64().unwrap()
            });
            sum.sum::<i64>() + document["estimated_shipping_fee"].as_i64().unwrap()
        } else {
            document["total_amount"].as_i64().unwrap()
        };
        (status, total, document["update_time"].as_i64().unwrap())
    };
    orders
        .iter()
        .map(|(sn, document)| (sn.clone(), stands(document)))
        .collect()
}

fn of_gateway(orders: Vec<OrderView>) -> Books {
    let stands = |order: OrderView| {
        let status = order.channel_status.unwrap();
        let at = order.revised_at.unwrap().as_second();
        (order.external_id, (status, order.totals.grand_total.0, at))
    };
    let all = orders.len();
    let books: Books = orders.into_iter().map(stands).collect();
    assert_eq!(books.len(), all, "orders that are stored twice");
    books
}

fn ids(report: &Report, of: impl Fn(&FindingKind) -> bool) -> Vec<&str> {
    let found = report.findings.iter().filter(|one| of(&one.kind));
    let mut ids: Vec<&str> = found.map(|one| one.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

fn with(sold: &[Sold], of: impl Fn(Fate) -> bool) -> Vec<&str> {
    let all = sold.iter().filter(|one| of(one.fate));
    let mut ids: Vec<&str> = all.map(|one| one.order_sn.as_str()).collect();
    ids.sort_unstable();
    ids
}

/// A report names exactly what was lost and what changed.
fn names_it_all(report: &Report, sold: &[Sold]) {
    assert_eq!(report.listed, sold.len());
    assert_eq!(report.same, sold.len() - LOST - CHANGED);
    let missing = ids(report, |kind| matches!(kind, FindingKind::Missing));
    assert_eq!(missing, with(sold, |fate| fate == Fate::Lost));
    assert_eq!(missing.len(), LOST);
    let differing = ids(report, |kind| matches!(kind, FindingKind::Differs(_)));
    assert_eq!(
        differing,
        with(sold, |fate| matches!(fate, Fate::Changed(_)))
    );
    assert_eq!(differing.len(), CHANGED);
    assert_eq!(report.findings.len(), LOST + CHANGED);
}

on_both! {
    /// Some 95 s of one core in an unoptimized build, most of it JSON: 30,000 comparisons and
    /// 10,000 orders through the door.
    async fn a_shop_of_10000_orders_with_lost_changed_and_doubled_ones_ends_equal_to_it(kind: Kind) {
        let shop = Shop::open(kind).await;
        let app = &shop.app;
        let sold: Vec<Sold> = (0..ORDERS).map(|n| shop.sell(n)).collect();
        shop.push(&with(&sold, |fate| fate != Fate::Lost)).await;
        shop.push(&with(&sold, |fate| fate == Fate::Doubled)).await;
        let lost = i64::try_from(LOST).unwrap();
        let count = async |sql: &str| app.rows.number(sql).await;
        assert_eq!(count("SELECT COUNT(*) FROM orders").await, ORDERS - lost);
        let doubled = "SELECT COUNT(*) FROM receipt WHERE outcome = 'duplicate'";
        assert_eq!(count(doubled).await, DOUBLED);
        for one in &sold {
            if let Fate::Changed(status) = one.fate {
                assert!(shop.sandbox.move_unheard_on_shopee(&one.order_sn, status));
            }
        }

        let (before, calls) = (shop.written().await, shop.calls());
        names_it_all(&shop.reconcile(Mode::Look).await, &sold);
        // A hundred in a page, fifty in a call, and the escrow of each that has one.
        let alone = shop.calls() - calls - PAGES - BATCHES;
        assert!(alone < 600, "{alone} calls about one order each");
        assert_eq!(shop.written().await, before, "looking changes nothing");

        let taking = shop.reconcile(Mode::Take).await;
        names_it_all(&taking, &sold);
        assert!(taking.findings.iter().all(|one| one.taken));
        shop.settle().await;

        let again = shop.reconcile(Mode::Look).await;
        assert_eq!(again.findings, []);
        assert_eq!(again.same, sold.len());
        let ours = of_gateway(app.orders().await);
        assert_eq!(i64::try_from(ours.len()).unwrap(), ORDERS);
        let theirs = of_shop(shop.sandbox.shopee_orders());
        let unlike: Vec<_> = theirs.iter().filter(|(sn, stands)| ours.get(*sn) != Some(stands)).collect();
        assert!(unlike.is_empty() && ours.len() == theirs.len(), "{unlike:#?}");
        let channel = Desk::of(app, &["channels:read"]).await.channel("shopee-vn").await;
        assert_eq!(channel["found_by_poll"], LOST + CHANGED);
        assert_eq!(shop.sandbox.books().violations, Vec::<String>::new());
        shop.app.finish().await;
    }
}
