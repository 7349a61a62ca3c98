//! Simulated partners: channel APIs, Hub, invoicing and service center, with injected faults.
//!
//! Deliberately independent of the other crates: own signing code, own books in its own store,
//! so that a mistake shared by both sides cannot hide.
//!
//! [`Sandbox::start`] opens one server per partner; [`Sandbox::run`] plays the storefront
//! against the gateway's door; [`Sandbox::audit`] compares what was sold with what the partners
//! hold.
#![cfg_attr(test, allow(clippy::unwrap_used))]
// A WooCommerce order is one `json!` of some fifty fields.
#![recursion_limit = "256"]

mod audit;
mod books;
mod control;
mod faults;
mod partners;
mod secrets;
pub mod signing;
mod storefront;
mod wire;
mod world;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, task::JoinHandle};

pub use crate::{
    audit::{OrderLink, Tamper},
    books::{
        Books, ChannelBooks, FulfillmentState, InvoiceState, Kind, Line, ReservationState,
        TargetSummary, WorkState,
    },
    faults::{Fault, Faults, MOST_PER_KEY},
    secrets::{Secrets, TokenPair, channel},
    storefront::{Component, Product, Scenario, ScenarioReport, Sent},
};
use crate::{
    books::{Ledger, TargetBooks},
    partners::{
        Partner,
        callback::{Happening, report},
        money::Provider,
        shops::Platform,
    },
    world::{Outgoing, World, held, now_text},
};

/// What can go wrong with the sandbox itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port was taken or not allowed.
    #[error("could not listen on {address} for {partner}")]
    Listen {
        /// Whose server.
        partner: String,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The sending client could not be made.
    #[error("could not make the HTTP client")]
    Client(#[source] reqwest::Error),
    /// Two targets with one id, or an id that a channel API has.
    #[error("two partners are called {0}")]
    Name(String),
    /// A scenario without products.
    #[error("the catalog of the scenario is empty")]
    EmptyCatalog,
    /// The gateway's order list could not be read.
    #[error("could not list the gateway's orders: {0}")]
    Links(String),
}

/// One target to play.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetSpec {
    /// Its id in the gateway's `targets.toml`: callbacks go to `/webhooks/{id}`.
    pub id: String,
    /// What it is.
    pub kind: Kind,
}

/// How the sandbox behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Fixes every choice that partners make.
    pub seed: u64,
    /// Whether partners fail, stall, repeat and reorder.
    pub faults: bool,
    /// The targets.
    pub targets: Vec<TargetSpec>,
    /// Base URL of the gateway; can follow by [`Sandbox::set_door`].
    pub door: Option<String>,
    /// Accounts and secrets.
    pub secrets: Secrets,
    /// Of a hundred fulfillment orders, how many their location rejects.
    pub reject_percent: u64,
    /// Of a hundred reservations, how many are refused with 409 `insufficient`.
    pub insufficient_percent: u64,
    /// Of a hundred reservations, how many are refused with 423 `closed`.
    pub closed_percent: u64,
    /// Least and most pause between two steps of a partner, in milliseconds.
    pub pause_ms: (u64, u64),
    /// First of consecutive ports: the channels' APIs in the order of [`Sandbox::start`], control,
    /// then the targets as listed. Without it every server takes a free port.
    pub listen_base: Option<u16>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            faults: false,
            targets: Vec::new(),
            door: None,
            secrets: Secrets::default(),
            reject_percent: 2,
            insufficient_percent: 0,
            closed_percent: 0,
            pause_ms: (10, 60),
            listen_base: None,
        }
    }
}

/// The running partners. Dropping it stops them.
pub struct Sandbox {
    world: Arc<World>,
    servers: Vec<JoinHandle<()>>,
    addresses: BTreeMap<String, String>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sandbox")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens every partner's server on 127.0.0.1.
    ///
    /// # Errors
    /// When a port is taken, a name is used twice, or the client cannot be made.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let mut partners = vec![
            ("lazada".to_owned(), Partner::Lazada),
            ("lazada_auth".to_owned(), Partner::LazadaAuth),
            ("shopee".to_owned(), Partner::Shopee),
            ("woocommerce".to_owned(), Partner::WooCommerce),
            ("facebook".to_owned(), Partner::Facebook),
            ("zalo".to_owned(), Partner::Zalo),
            ("zalo_oauth".to_owned(), Partner::ZaloOauth),
            ("tiki".to_owned(), Partner::Tiki),
            ("vnpay".to_owned(), Partner::Provider(Provider::Vnpay)),
            ("momo".to_owned(), Partner::Provider(Provider::Momo)),
            ("zalopay".to_owned(), Partner::Provider(Provider::ZaloPay)),
            (
                "zalo_checkout".to_owned(),
                Partner::Provider(Provider::ZaloCheckout),
            ),
            ("sepay".to_owned(), Partner::Provider(Provider::Sepay)),
            ("casso".to_owned(), Partner::Provider(Provider::Casso)),
            ("tiktok".to_owned(), Partner::TikTok),
            ("tiktok_auth".to_owned(), Partner::TikTokAuth),
            ("shopify".to_owned(), Partner::Shop(Platform::Shopify)),
            ("haravan".to_owned(), Partner::Shop(Platform::Haravan)),
            ("sapo_web".to_owned(), Partner::Shop(Platform::SapoWeb)),
            ("sapo_omni".to_owned(), Partner::Shop(Platform::SapoOmni)),
            ("website".to_owned(), Partner::Website),
            ("control".to_owned(), Partner::Control),
        ];
        let mut ledger = Ledger {
            crossing: Duration::from_secs(if options.faults { 10 } else { 2 }),
            ..Ledger::default()
        };
        for spec in &options.targets {
            partners.push((spec.id.clone(), Partner::Target(spec.id.clone())));
            ledger
                .targets
                .insert(spec.id.clone(), TargetBooks::new(spec.kind));
        }
        let base = options.listen_base;
        let world = Arc::new(World::new(options, ledger).map_err(Error::Client)?);
        let mut sandbox = Self {
            world,
            servers: Vec::new(),
            addresses: BTreeMap::new(),
        };
        for ((name, partner), offset) in partners.into_iter().zip(0..) {
            let port = base.map_or(0, |base| base.saturating_add(offset));
            let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let listening = async {
                let listener = TcpListener::bind(wanted).await?;
                let address = listener.local_addr()?;
                Ok((listener, address))
            };
            let (listener, address) = listening.await.map_err(|source| Error::Listen {
                partner: name.clone(),
                address: wanted,
                source,
            })?;
            if sandbox
                .addresses
                .insert(name.clone(), format!("http://{address}"))
                .is_some()
            {
                return Err(Error::Name(name));
            }
            let world = Arc::clone(&sandbox.world);
            sandbox
                .servers
                .push(partners::serve(listener, world, partner));
        }
        Ok(sandbox)
    }

    /// Partner name or target id → base URL. `control` is the sandbox's own door.
    pub fn addresses(&self) -> &BTreeMap<String, String> {
        &self.addresses
    }

    /// Where the gateway listens, without a trailing slash or with one.
    pub fn set_door(&self, url: &str) {
        self.world.set_door(url);
    }

    /// Accounts and secrets of all partners.
    pub fn secrets(&self) -> &Secrets {
        &self.world.secrets
    }

    /// What the gateway must find in its environment: variable → value.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let ids = self
            .world
            .options
            .targets
            .iter()
            .map(|spec| spec.id.as_str());
        self.world.secrets.environment(ids)
    }

    /// Tells an inventory target how many units it has, for `GET /stock`.
    pub fn set_stock(&self, target: &str, location: &str, sku: &str, on_hand: i64) {
        if let Some(books) = held(&self.world.ledger).targets.get_mut(target) {
            books
                .stock
                .insert((location.to_owned(), sku.to_owned()), on_hand);
        }
    }

    /// An inventory target counts a shelf and reports it with `stock.changed`.
    pub fn recount(&self, target: &str, location: &str, sku: &str, on_hand: i64) {
        self.set_stock(target, location, sku, on_hand);
        let sequence = {
            let mut ledger = held(&self.world.ledger);
            let Some(books) = ledger.targets.get_mut(target) else {
                return;
            };
            let place = (location.to_owned(), sku.to_owned());
            let counts = books.counts.entry(place).or_insert(0);
            *counts += 1;
            *counts
        };
        let happening = Happening {
            kind: "stock.changed",
            subject: format!("{location}.{sku}"),
            sequence,
            data: serde_json::json!({"location": location, "sku": sku, "on_hand": on_hand,
                "as_of": now_text()}),
        };
        let (world, target) = (Arc::clone(&self.world), target.to_owned());
        self.world
            .job(async move { report(&world, &target, happening).await });
    }

    /// The seller authorises the app for the Lazada shop again: a new pair, the old ones are dead.
    pub fn authorize_lazada(&self) -> TokenPair {
        held(&self.world.lazada).grant(self.world.options.seed)
    }

    /// The seller authorises the app again: a new pair, the old refresh token is spent.
    pub fn authorize_shopee(&self) -> TokenPair {
        held(&self.world.shopee).grant(self.world.options.seed)
    }

    /// The seller authorises the app for the TikTok shop again: a new pair.
    pub fn authorize_tiktok(&self) -> TokenPair {
        held(&self.world.tiktok).grant(self.world.options.seed)
    }

    /// A buyer of the TikTok shop asks the seller to cancel this order; the request's id. Nothing
    /// for an order that is not there or has left.
    pub fn ask_to_cancel_on_tiktok(&self, order_id: &str) -> Option<String> {
        storefront::tiktok::ask_to_cancel(&self.world, order_id)
    }

    /// The administrator authorises the app again: a new pair, the old refresh token is spent.
    pub fn authorize_zalo(&self) -> TokenPair {
        held(&self.world.zalo).grant(self.world.options.seed)
    }

    /// A buyer pays at VNPay, MoMo, ZaloPay (`vnpay`, `momo`, `zalopay`) or in the Mini App
    /// (`zalo_checkout`), and nobody reports it; the provider's transaction. For tests of
    /// questions and refunds. `None` for another provider.
    pub fn pay_unheard(&self, provider: &str, reference: &str, amount: i64) -> Option<String> {
        let provider = Provider::named(provider)?;
        let payment = held(&self.world.money).pay(provider, reference, amount);
        Some(match provider {
            Provider::ZaloCheckout => payment.order_id,
            Provider::Vnpay
            | Provider::Momo
            | Provider::ZaloPay
            | Provider::Sepay
            | Provider::Casso => payment.transaction.to_string(),
        })
    }

    /// What a provider has given back of a payment, in đồng.
    pub fn refunded(&self, provider: &str, reference: &str) -> i64 {
        Provider::named(provider).map_or(0, |provider| {
            held(&self.world.money).refunded(provider, reference)
        })
    }

    /// A transfer reaches the bank account that SePay or Casso (`sepay`, `casso`) watches, and
    /// nobody reports it; the transfer's id. Negative amounts go out.
    pub fn transfer_unheard(&self, provider: &str, amount: i64, text: &str) -> Option<i64> {
        let provider = Provider::named(provider)?;
        Some(held(&self.world.money).transfer(provider, amount, text).id)
    }

    /// A buyer orders at the Shopee shop and nobody reports it: the order's number. It stands at
    /// `status`, Shopee's own word, since `at`, Unix seconds. For tests of polling and reconciling;
    /// [`Self::audit`] does not know of it.
    pub fn sell_unheard_on_shopee(
        &self,
        product: &Product,
        status: &'static str,
        at: i64,
    ) -> String {
        storefront::shopee::unheard::sell(&self.world, product, status, at)
    }

    /// An order of the Shopee shop moves on, now, and nobody reports it. False for one that is not
    /// there.
    pub fn move_unheard_on_shopee(&self, order_sn: &str, status: &'static str) -> bool {
        storefront::shopee::unheard::move_on(&self.world, order_sn, status)
    }

    /// Shopee pushes, once, how an order stands; true when the gateway acknowledged it as Shopee
    /// wants it. Asked again it repeats the very same message, until the order has moved on.
    pub async fn push_from_shopee(&self, order_sn: &str) -> bool {
        storefront::shopee::unheard::push(&self.world, order_sn).await
    }

    /// Every order that the Shopee shop lists, by number, in Shopee's own words: the whole document
    /// of `get_order_detail`.
    pub fn shopee_orders(&self) -> BTreeMap<String, serde_json::Value> {
        let shop = held(&self.world.shopee);
        let listed = shop.orders.iter().filter(|(_, order)| !order.bait);
        listed
            .map(|(number, order)| (number.clone(), order.document.clone()))
            .collect()
    }

    /// Plays a scenario to its end. Partners' callbacks may still be under way afterwards.
    ///
    /// # Errors
    /// When the catalog is empty.
    pub async fn run(&self, scenario: Scenario) -> Result<ScenarioReport, Error> {
        storefront::run(Arc::clone(&self.world), scenario).await
    }

    /// A picture of all books.
    pub fn books(&self) -> Books {
        held(&self.world.ledger).picture()
    }

    /// Compares what was sold with what the partners hold; empty when they agree.
    pub fn audit(&self, links: &[OrderLink]) -> Vec<String> {
        audit::audit(&held(&self.world.ledger), links)
    }

    /// Falsifies the books; false when they hold nothing to falsify.
    pub fn tamper(&self, how: Tamper) -> bool {
        audit::tamper(&mut held(&self.world.ledger), how)
    }

    /// Whether every callback is delivered and no partner is in the middle of something.
    pub fn is_quiet(&self) -> bool {
        self.world.pending() == 0
    }

    /// Waits until the partners have been quiet for half a second; false after `patience`.
    /// The gateway may still be working, and then wake them up again.
    pub async fn settled(&self, patience: Duration) -> bool {
        let started = Instant::now();
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < Duration::from_millis(500) {
            if !self.is_quiet() {
                quiet_since = Instant::now();
            }
            if started.elapsed() > patience {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        true
    }

    /// Reads the gateway's orders through its API, for [`Self::audit`].
    ///
    /// # Errors
    /// When a page cannot be had or read.
    pub async fn links(&self, api_token: &str) -> Result<Vec<OrderLink>, Error> {
        let mut links = Vec::new();
        let mut cursor = String::new();
        loop {
            let outgoing = Outgoing {
                method: Method::GET,
                path: format!("/api/v1/orders?limit=200{cursor}"),
                headers: vec![("authorization", format!("Bearer {api_token}"))],
                body: Vec::new(),
                timeout: Duration::from_secs(15),
            };
            let answer = self.world.send(outgoing).await;
            let answer = answer.ok_or_else(|| Error::Links("no answer".to_owned()))?;
            let page = answer.json();
            let rows = page["data"].as_array();
            let rows = rows.ok_or_else(|| Error::Links(format!("status {}", answer.status)))?;
            links.extend(rows.iter().map(link));
            match page["next_cursor"].as_str() {
                Some(next) if !next.is_empty() => {
                    cursor = format!("&cursor={}", signing::form_encode(next));
                }
                _ => return Ok(links),
            }
        }
    }

    /// Whether the gateway answers on `/readyz`.
    pub async fn door_ready(&self) -> bool {
        let outgoing = Outgoing {
            method: Method::GET,
            path: "/readyz".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(2),
        };
        self.world
            .send(outgoing)
            .await
            .is_some_and(|answer| answer.success())
    }

    /// Stops all servers and all work.
    pub async fn shutdown(mut self) {
        self.stop();
        for server in self.servers.drain(..) {
            // An aborted server ends with a join error, which is what was asked for.
            drop(server.await);
        }
    }

    fn stop(&self) {
        self.world.stop();
        for server in &self.servers {
            server.abort();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
    }
}

fn link(row: &serde_json::Value) -> OrderLink {
    let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let holds = row["holds"]
        .as_array()
        .is_some_and(|holds| !holds.is_empty());
    OrderLink {
        order_ref: text("code"),
        channel: text("channel"),
        external_id: text("external_id"),
        held: holds || row["status"] == "on_hold",
        status: text("status"),
        installation: None,
    }
}

impl Product {
    /// A small assortment for runs that bring none: two installable, three serial-tracked.
    pub fn samples() -> Vec<Self> {
        let product = |sku: &str, name: &str, price: i64, category: &str, serial, install| Self {
            sku: sku.to_owned(),
            name: name.to_owned(),
            price,
            category: category.to_owned(),
            serial_tracked: serial,
            installable: install,
            components: Vec::new(),
        };
        vec![
            product(
                "AC-9000",
                "Máy lạnh 1 HP",
                12_990_000,
                "air-conditioner",
                true,
                true,
            ),
            product("TV-55", "Tivi 4K 55 inch", 10_490_000, "tv", true, true),
            product(
                "PHONE-15",
                "Điện thoại 128GB",
                17_990_000,
                "phone",
                true,
                false,
            ),
            product(
                "BUDS-2",
                "Tai nghe không dây",
                1_290_000,
                "audio",
                false,
                false,
            ),
            product(
                "CHARGER-20W",
                "Củ sạc 20W",
                290_000,
                "accessory",
                false,
                false,
            ),
        ]
    }
}
