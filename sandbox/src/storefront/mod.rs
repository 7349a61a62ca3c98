//! The traffic: buyers order on every channel, each vendor tells the gateway in its own way,
//! staff confirm drafts, buyers change their minds, and forgers try their luck.

pub(crate) mod facebook;
pub(crate) mod lazada;
pub(crate) mod paid;
pub(crate) mod people;
pub(crate) mod phone;
pub(crate) mod sender;
#[cfg(test)]
mod shapes;
pub(crate) mod shopee;
pub(crate) mod shops;
pub(crate) mod staff;
pub(crate) mod tiki;
pub(crate) mod tiktok;
pub(crate) mod transfers;
pub(crate) mod vnpay;
pub(crate) mod wallets;
pub(crate) mod website;
pub(crate) mod woocommerce;
pub(crate) mod zalo;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};

use self::sender::{Message, Sign};
use crate::{
    books::{Fate, Kind, Sale, SoldLine},
    faults::hash,
    partners::shops::Platform,
    world::{World, held, now_text},
};

/// A part of a kit.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Component {
    /// The part's SKU.
    pub sku: String,
    /// Units in one kit.
    pub quantity: i64,
}

/// Something on sale.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Product {
    /// The gateway's SKU, also used on the channels.
    pub sku: String,
    /// Vietnamese name.
    pub name: String,
    /// Price of one unit in đồng, tax included.
    pub price: i64,
    /// Category slug.
    #[serde(default)]
    pub category: String,
    /// Whether units carry serial numbers and therefore a warranty each.
    #[serde(default)]
    pub serial_tracked: bool,
    /// Whether the gateway's rules ask for an installation.
    #[serde(default)]
    pub installable: bool,
    /// What is in it, if it is a kit.
    #[serde(default)]
    pub components: Vec<Component>,
}

/// What to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scenario {
    /// Orders to sell, over all channels.
    pub orders: u32,
    /// Fixes every choice.
    #[serde(default)]
    pub seed: u64,
    /// What is on sale; must not be empty.
    pub catalog: Vec<Product>,
    /// Bearer token of the gateway's API, for staff and for payment references.
    pub api_token: String,
    /// Orders per second; without it as fast as `concurrency` allows.
    #[serde(default)]
    pub pace: Option<u32>,
    /// Orders that are under way at the same time.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Of a hundred orders, how many the buyer cancels.
    #[serde(default = "default_cancel_percent")]
    pub cancel_percent: u64,
    /// Province codes (2025-07) in which the rules install; none means everywhere.
    #[serde(default)]
    pub install_in: Option<Vec<String>>,
}

fn default_concurrency() -> usize {
    16
}

fn default_cancel_percent() -> u64 {
    6
}

impl Scenario {
    /// A scenario with everything else at its default.
    pub fn new(orders: u32, seed: u64, catalog: Vec<Product>, api_token: &str) -> Self {
        Self {
            orders,
            seed,
            catalog,
            api_token: api_token.to_owned(),
            pace: None,
            concurrency: default_concurrency(),
            cancel_percent: default_cancel_percent(),
            install_in: None,
        }
    }
}

/// What one connector's vendor sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sent {
    /// Orders sold on it.
    pub orders: u64,
    /// Different messages, forged ones not counted.
    pub messages: u64,
    /// Further copies of acknowledged messages.
    pub duplicates: u64,
    /// Tries after the first, of any message.
    pub retries: u64,
    /// Messages that nobody acknowledged within the vendor's patience.
    pub lost: u64,
    /// Orders that the buyer cancelled.
    pub cancelled: u64,
    /// Forged messages.
    pub forged: u64,
    /// Of those, refused.
    pub refused: u64,
}

/// What a scenario did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// Per connector.
    pub by_connector: BTreeMap<String, Sent>,
    /// Drafts that staff confirmed.
    pub drafts_confirmed: u64,
    /// Drafts that staff turned down.
    pub drafts_rejected: u64,
    /// Carts for which no draft showed up in time.
    pub drafts_missing: u64,
    /// Answers of the gateway that the vendor would not accept.
    pub unexpected: Vec<String>,
    /// From the first message to the last, in milliseconds.
    pub took_ms: u64,
}

/// Answers of the gateway kept as unexpected; more would only repeat them.
const MOST_UNEXPECTED: usize = 200;

/// One scenario under way.
pub(crate) struct Run {
    pub(crate) world: Arc<World>,
    pub(crate) scenario: Scenario,
    tally: Mutex<ScenarioReport>,
    stragglers: AtomicUsize,
    carts: AtomicUsize,
}

impl Run {
    pub(crate) fn count(&self, connector: &str, change: impl FnOnce(&mut Sent)) {
        let mut tally = held(&self.tally);
        change(tally.by_connector.entry(connector.to_owned()).or_default());
    }

    pub(crate) fn tally(&self, change: impl FnOnce(&mut ScenarioReport)) {
        change(&mut held(&self.tally));
    }

    pub(crate) fn unexpected(&self, text: String) {
        let mut tally = held(&self.tally);
        if tally.unexpected.len() < MOST_UNEXPECTED {
            tracing::warn!(answer = text, "an answer that the vendor would not accept");
            tally.unexpected.push(text);
        }
    }

    /// A seeded yes or no about `key`.
    pub(crate) fn chance(&self, key: &str, percent: u64) -> bool {
        crate::faults::chance(self.scenario.seed, key, percent)
    }

    pub(crate) fn cancels(&self, external_id: &str) -> bool {
        self.chance(
            &format!("cancel:{external_id}"),
            self.scenario.cancel_percent,
        )
    }

    /// Writes a sale into the storefront's own books before anybody hears of it.
    pub(crate) fn sold(
        &self,
        connector: &str,
        channel: &str,
        external_id: &str,
        basket: &Basket,
        cash: Cash,
    ) {
        let sale = Sale {
            cash: match cash {
                Cash::Due => Some(basket.grand_total()),
                Cash::NotDue => Some(0),
                Cash::Untold => None,
            },
            lines: basket.sold_lines(),
            grand_total: basket.grand_total(),
            province_code: basket.place.code.to_owned(),
            fate: Fate::Wanted,
            cancelled_at: None,
        };
        let key = (channel.to_owned(), external_id.to_owned());
        held(&self.world.ledger).sales.insert(key, sale);
        self.count(connector, |sent| sent.orders += 1);
    }

    /// The buyer does not want it any more.
    pub(crate) fn cancelled(&self, connector: &str, channel: &str, external_id: &str) {
        let key = (channel.to_owned(), external_id.to_owned());
        if let Some(sale) = held(&self.world.ledger).sales.get_mut(&key) {
            sale.fate = Fate::Cancelled;
            sale.cancelled_at = Some(Instant::now());
        }
        self.count(connector, |sent| sent.cancelled += 1);
    }

    /// Remembers an order that must never come to exist.
    pub(crate) fn forged(&self, channel: &str, external_id: &str) {
        let key = (channel.to_owned(), external_id.to_owned());
        held(&self.world.ledger).forged.insert(key);
    }

    /// A buyer's or vendor's pause between two steps, up to `most_ms`.
    pub(crate) async fn pause(&self, rng: &mut Rng, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(rng.u64(3..most_ms.max(4)))).await;
    }
}

/// Whether the buyer pays at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cash {
    /// All of it.
    Due,
    /// Nothing.
    NotDue,
    /// The channel does not say, or its own carrier takes it.
    Untold,
}

/// What one buyer buys, and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Basket {
    pub(crate) lines: Vec<BasketLine>,
    pub(crate) shipping: i64,
    pub(crate) seller_discount: i64,
    pub(crate) person: people::Person,
    pub(crate) place: people::Place,
}

#[derive(Debug, Clone)]
pub(crate) struct BasketLine {
    pub(crate) product: Product,
    pub(crate) quantity: i64,
    /// Taken off the whole line, in đồng.
    pub(crate) discount: i64,
}

impl BasketLine {
    pub(crate) fn total(&self) -> i64 {
        self.quantity * self.product.price - self.discount
    }
}

impl Basket {
    pub(crate) fn fill(rng: &mut Rng, catalog: &[Product]) -> Self {
        let mut lines: Vec<BasketLine> = Vec::new();
        let wanted = [1, 1, 1, 1, 1, 2, 2, 3][rng.usize(0..8)];
        for _ in 0..wanted {
            let product = &catalog[rng.usize(0..catalog.len())];
            if lines.iter().any(|line| line.product.sku == product.sku) {
                continue;
            }
            let quantity = [1, 1, 1, 1, 1, 2][rng.usize(0..6)];
            lines.push(BasketLine {
                product: product.clone(),
                quantity,
                discount: 0,
            });
        }
        let items: i64 = lines.iter().map(BasketLine::total).sum();
        let shipping = if items >= 2_000_000 { 0 } else { 30_000 };
        let person = people::person(rng);
        let place = people::place(rng);
        Self {
            lines,
            shipping,
            seller_discount: 0,
            person,
            place,
        }
    }

    /// As [`Self::fill`], with the discounts that a shop of our own gives.
    pub(crate) fn discounted(rng: &mut Rng, catalog: &[Product]) -> Self {
        let mut basket = Self::fill(rng, catalog);
        for line in &mut basket.lines {
            if rng.u8(0..10) < 3 {
                // Five per cent of the line, in whole thousands.
                line.discount = line.total() / 20 / 1000 * 1000;
            }
        }
        let cheapest = basket
            .lines
            .iter()
            .map(BasketLine::total)
            .min()
            .unwrap_or(0);
        if rng.u8(0..10) < 2 && cheapest > 500_000 {
            basket.seller_discount = 50_000;
        }
        basket
    }

    pub(crate) fn items(&self) -> i64 {
        self.lines.iter().map(BasketLine::total).sum()
    }

    pub(crate) fn grand_total(&self) -> i64 {
        self.items() - self.seller_discount + self.shipping
    }

    fn sold_lines(&self) -> Vec<SoldLine> {
        self.lines
            .iter()
            .map(|line| SoldLine {
                sku: line.product.sku.clone(),
                quantity: line.quantity,
            })
            .collect()
    }
}

/// What one slot of the wheel sells.
#[derive(Debug, Clone, Copy)]
enum Story {
    Website,
    Vnpay,
    Paid,
    WooCommerce,
    Lazada,
    Shopee,
    Tiki,
    TikTok,
    Platform,
    Facebook,
    Hotline,
    Counter,
}

/// The mix of a day, in twenty slots.
const WHEEL: [Story; 20] = [
    Story::Website,
    Story::Shopee,
    Story::WooCommerce,
    Story::Vnpay,
    Story::Facebook,
    Story::Hotline,
    Story::Shopee,
    Story::Paid,
    Story::WooCommerce,
    Story::TikTok,
    Story::Vnpay,
    Story::Counter,
    Story::Website,
    Story::Lazada,
    Story::Facebook,
    Story::Platform,
    Story::Platform,
    Story::Vnpay,
    Story::Tiki,
    Story::Paid,
];

/// Runs a scenario to its end: every message acknowledged or given up, every cart decided.
pub(crate) async fn run(
    world: Arc<World>,
    scenario: Scenario,
) -> Result<ScenarioReport, crate::Error> {
    if scenario.catalog.is_empty() {
        return Err(crate::Error::EmptyCatalog);
    }
    let started = Instant::now();
    {
        let mut ledger = held(&world.ledger);
        for product in &scenario.catalog {
            ledger.catalog.insert(product.sku.clone(), product.clone());
        }
        ledger.install_in = scenario.install_in.clone();
    }
    let run = Arc::new(Run {
        world,
        scenario,
        tally: Mutex::new(ScenarioReport::default()),
        stragglers: AtomicUsize::new(0),
        carts: AtomicUsize::new(0),
    });
    shopee::greet(&run).await;
    woocommerce::greet(&run).await;
    shops::greet(&run).await;
    facebook::greet(&run).await;
    let selling = Arc::new(AtomicUsize::new(1));
    let desk = tokio::spawn(staff::desk(Arc::clone(&run), Arc::clone(&selling)));
    sell(&run).await;
    while run.stragglers.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tiki::drained(&run).await;
    selling.store(0, Ordering::SeqCst);
    if desk.await.is_err() {
        run.unexpected("the staff desk stopped early".to_owned());
    }
    let mut report = held(&run.tally).clone();
    report.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

async fn sell(run: &Arc<Run>) {
    let mut stories = JoinSet::new();
    let places = Arc::new(Semaphore::new(run.scenario.concurrency.max(1)));
    let mut ticks = run.scenario.pace.filter(|pace| *pace > 0).map(|pace| {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / pace);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        ticks
    });
    for number in 0..run.scenario.orders {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let run = Arc::clone(run);
        stories.spawn(async move {
            let _place = place;
            Box::pin(tell(&run, number)).await;
        });
        while stories.try_join_next().is_some() {}
    }
    while stories.join_next().await.is_some() {}
}

async fn tell(run: &Arc<Run>, number: u32) {
    let mut rng = Rng::with_seed(hash(run.scenario.seed, &format!("story {number}")));
    let slot = usize::try_from(number).unwrap_or(0) % WHEEL.len();
    match WHEEL[slot] {
        Story::Website => website::order(run, &mut rng, number).await,
        Story::Vnpay => vnpay::order(run, &mut rng, number).await,
        Story::Paid => paid::order(run, &mut rng, number).await,
        Story::WooCommerce => woocommerce::order(run, &mut rng, number).await,
        Story::Lazada => lazada::order(run, &mut rng, number).await,
        Story::Platform => shops::order(run, &mut rng, number, platform(number)).await,
        Story::Shopee => shopee::order(run, &mut rng, number).await,
        Story::Tiki => tiki::order(run, &mut rng, number).await,
        Story::TikTok => tiktok::order(run, &mut rng, number).await,
        Story::Facebook => facebook::cart(run, &mut rng, number).await,
        Story::Hotline => {
            staff::order(run, &mut rng, number, crate::secrets::channel::HOTLINE).await
        }
        Story::Counter => {
            staff::order(run, &mut rng, number, crate::secrets::channel::COUNTER).await
        }
    }
    // Everything else that comes in through the same doors.
    match slot {
        2 => zalo::chatter(run, &mut rng, number).await,
        6 => facebook::chatter(run, &mut rng, number).await,
        4 => facebook::live(run, &mut rng, number).await,
        5 => phone::hotline(run, &mut rng, number).await,
        11 => phone::counter(run, &mut rng, number).await,
        8 => lazada::chatter(run, &mut rng, number).await,
        _ => {}
    }
    // Each forger tries once in the first round and then every hundred orders.
    if usize::try_from(number % 100).unwrap_or(0) == slot {
        match slot {
            0 => website::forge(run, &mut rng, number).await,
            1 => shopee::forge(run, &mut rng, number).await,
            2 => woocommerce::forge(run, &mut rng, number).await,
            3 => vnpay::forge(run, &mut rng, number).await,
            4 => facebook::forge(run, &mut rng, number).await,
            5 => zalo::forge(run, &mut rng, number).await,
            6 => forge_callback(run, number).await,
            18 => tiki::forge(run, &mut rng, number).await,
            7..=11 => paid::forge(run, number, slot - 7).await,
            13 => lazada::forge(run, &mut rng, number).await,
            14 => tiktok::forge(run, &mut rng, number).await,
            15 => {
                for platform in Platform::ALL {
                    shops::forge(run, &mut rng, number, platform).await;
                }
            }
            _ => {}
        }
    }
}

/// The two slots of a round go to two platforms, and those of the next to the other two.
fn platform(number: u32) -> Platform {
    let turn = number / 20 * 2 + u32::from(number % 20 == 16);
    match turn % 4 {
        0 => Platform::Shopify,
        1 => Platform::Haravan,
        2 => Platform::SapoWeb,
        _ => Platform::SapoOmni,
    }
}

/// Somebody who does not know a target's secret reports a delivery in its name.
async fn forge_callback(run: &Arc<Run>, number: u32) {
    let targets = &run.world.options.targets;
    let Some(hub) = targets.iter().find(|spec| spec.kind == Kind::Inventory) else {
        return;
    };
    let id = format!("evt_forged_{number}");
    let body = json!({
        "type": "fulfillment.delivered", "id": id, "occurred_at": now_text(), "sequence": 9,
        "data": {"fulfillment_order_id": "ful_forged", "cod_collected": 0},
    });
    let sign = Sign::Standard {
        id: id.clone(),
        secret: "whsec_Zm9yZ2VkLXNlY3JldC1vZi1ub2JvZHktYXQtYWxsLTAy".to_owned(),
    };
    let body = body.to_string().into_bytes();
    run.forge_message(Message::post("callback", &hub.id, id, body, sign))
        .await;
}
