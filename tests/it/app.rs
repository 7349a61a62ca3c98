//! A real gateway in this process, with partners that remember what reached them.
//!
//! The shipped configuration runs, with the demo's overlay. Time stands still unless a test or
//! [`TestApp::settle`] moves it; ids repeat. A test ends with [`TestApp::finish`], which refuses
//! left-over work and books that do not add up.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use connectors::channel::TokenPair;
use domain::order::{Action, Command, OrderView, Settings};
use jiff::Timestamp;
use kenh::app::{self, Parts, Role, Running};
use kenh::bells::News;
use kenh::clock::{Clock, FakeClock, SeededIds};
use kenh::config::{self, Breaker, Config, Factor, Overlay, Rate, Retry};
use kenh::crypto::{ApiToken, KeyRing};
use kenh::gateway::Gateway;
use kenh::import;
use kenh::pipeline::settle::{CommandInput, Done, Input, Refusal};
use kenh::pipeline::tokens;
use kenh::store::tx::OrderRef;
use kenh::store::{Db, accounts, numbers, stock, tokens as api_tokens};
use kenh::verify;
use secrecy::SecretString;
use wiremock::MockServer;

use crate::partner::Partner;
use crate::rows::Rows;

/// The targets of `config/targets.toml`.
pub const TARGETS: [&str; 7] = [
    "hub-wms",
    "store-pos",
    "einvoice",
    "technical-south",
    "technical-north",
    "technical-central",
    "warranty-center",
];

/// Where the clock stands at the beginning: ten in the morning in Vietnam, shops are open.
pub const START: &str = "2026-11-24T03:00:00Z";

/// Longer than any test needs, so that a defect ends in words and not in a hanging run.
const PATIENCE: Duration = Duration::from_secs(90);

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// Runs a test on both databases: `…::sqlite` and `…::postgres`.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($kind:ident: Kind) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn story($kind: $crate::app::Kind) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                Box::pin(story($crate::app::Kind::Sqlite)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                Box::pin(story($crate::app::Kind::Postgres)).await;
            }
        }
    )+};
}
pub(crate) use on_both;

/// The server for tests; never skipped in silence.
pub fn postgres_url() -> String {
    std::env::var("KENH_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| panic!("run scripts/test, or set KENH_TEST_POSTGRES_URL"))
}

/// A database of one test.
#[derive(Debug)]
pub struct Place {
    pub kind: Kind,
    /// With everything that a second connection needs.
    pub url: String,
    folder: PathBuf,
    schema: String,
}

impl Place {
    pub fn new(kind: Kind) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "kenh_it_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        );
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}", folder.join("kenh.db").display()),
            Kind::Postgres => {
                let url = postgres_url();
                let join = if url.contains('?') { '&' } else { '?' };
                format!("{url}{join}options[search_path]={name}")
            }
        };
        Self {
            kind,
            url,
            folder,
            schema: name,
        }
    }

    /// A folder of the test's own.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub async fn open(&self) -> Db {
        match self.kind {
            Kind::Sqlite => Db::open(&self.url, 4).await.unwrap(),
            Kind::Postgres => Db::open_in_schema(&postgres_url(), &self.schema, 12)
                .await
                .unwrap(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::fs::remove_dir_all(&self.folder).is_err() && !std::thread::panicking() {
            panic!("{} could not be removed", self.folder.display());
        }
        if self.kind == Kind::Postgres {
            let schema = self.schema.clone();
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(Db::drop_schema(&postgres_url(), &schema))
            });
            let dropped = dropped.join();
            if !std::thread::panicking() {
                dropped.unwrap().unwrap();
            }
        }
    }
}

/// Changes what was read of the files.
type Edit = Box<dyn Fn(&mut Config, &World) + Send>;

/// What a test changes before the start.
#[derive(Default)]
pub struct Setup {
    edit: Option<Edit>,
    roles: Option<BTreeSet<Role>>,
    first_tokens_expire_s: Option<i64>,
    start: Option<Timestamp>,
    shopee_at: Option<String>,
}

impl Setup {
    /// Changes what was read of the files.
    pub fn edit(self, edit: impl Fn(&mut Config) + Send + 'static) -> Self {
        self.edit_in(move |config, _| edit(config))
    }

    /// The same, where the world's addresses are needed.
    pub fn edit_in(mut self, edit: impl Fn(&mut Config, &World) + Send + 'static) -> Self {
        self.edit = Some(Box::new(edit));
        self
    }

    /// Other roles. Without this, polling rests, so that calls can be counted.
    pub fn roles(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.roles = Some(roles.into_iter().collect());
        self
    }

    /// The imported access tokens end so soon.
    pub fn tokens_expire_in(mut self, seconds: i64) -> Self {
        self.first_tokens_expire_s = Some(seconds);
        self
    }

    /// The clock begins here instead of at [`START`].
    pub fn at(mut self, start: Timestamp) -> Self {
        self.start = Some(start);
        self
    }

    /// Shopee's API is there instead of at [`World::shopee`].
    pub fn shopee_at(mut self, url: &str) -> Self {
        self.shopee_at = Some(url.to_owned());
        self
    }

    pub async fn start(self, kind: Kind) -> TestApp {
        Box::pin(TestApp::start_with(kind, self)).await
    }
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Work {
    total: i64,
    busy: i64,
    due: i64,
    wakes: i64,
    next: i64,
    finished: i64,
}

/// Everything around a gateway. Several gateways may share one.
pub struct World {
    pub clock: FakeClock,
    pub rows: Rows,
    pub secrets: sandbox::Secrets,
    /// Shopee's API; a test mounts what it answers.
    pub shopee: MockServer,
    /// WooCommerce's API.
    pub woocommerce: MockServer,
    pub http: reqwest::Client,
    partners: BTreeMap<String, Partner>,
    setup: Setup,
    pub place: Place,
}

/// The gateway and everything around it.
pub struct TestApp {
    pub gateway: Arc<Gateway>,
    pub world: World,
    pub url: String,
    running: Option<Running>,
    dead: (i64, i64),
    finished: bool,
    commands: AtomicU32,
}

impl std::ops::Deref for TestApp {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

fn overlay(
    secrets: &sandbox::Secrets,
    partners: &BTreeMap<String, Partner>,
    channels: &[(&str, String)],
) -> Overlay {
    let mut addresses: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (id, partner) in partners {
        let address = BTreeMap::from([("url".to_owned(), partner.url())]);
        addresses.insert(id.clone(), address);
    }
    for (id, url) in channels {
        let address = BTreeMap::from([("base_url".to_owned(), url.clone())]);
        addresses.insert((*id).to_owned(), address);
    }
    let mut variables = secrets.environment(TARGETS);
    variables.insert(
        "KENH_KEY_1".to_owned(),
        "0123456789abcdef0123456789abcdef".repeat(2),
    );
    Overlay {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        addresses,
        secrets: variables,
        internal: true,
        rate: Some(Rate {
            per_second: 5_000,
            burst: 5_000,
        }),
        retry: Some(Retry {
            first_ms: 100,
            factor: Factor { milli: 1_500 },
            max_ms: 2_000,
            give_up_after_s: 600,
        }),
        breaker: Some(Breaker {
            failures: 1_000,
            window_s: 5,
            cool_down_s: 1,
        }),
        ..Overlay::default()
    }
}

/// The folder of the shipped configuration.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

impl World {
    async fn new(kind: Kind, setup: Setup) -> Self {
        let place = Place::new(kind);
        let secrets = sandbox::Secrets::default();
        let mut partners = BTreeMap::new();
        for id in TARGETS {
            let partner = Partner::start(id, &secrets.target(id)).await;
            partners.insert(id.to_owned(), partner);
        }
        let db = place.open().await;
        db.migrate().await.unwrap();
        db.close().await;
        let start = setup.start.unwrap_or_else(|| START.parse().unwrap());
        Self {
            clock: FakeClock::at(start),
            rows: Rows::open(&place.url).await,
            secrets,
            shopee: MockServer::start().await,
            woocommerce: MockServer::start().await,
            http: reqwest::Client::new(),
            partners,
            setup,
            place,
        }
    }

    /// A world for the program itself, which has no clock but the machine's: its database holds
    /// catalog, stock and tokens.
    pub async fn on_the_machines_clock(kind: Kind) -> Self {
        let world = Self::new(kind, Setup::default()).await;
        world.clock.set(Timestamp::now());
        let loaded = world.load();
        let db = world.place.open().await;
        let now = world.clock.now_ms();
        import::catalog(&db, &loaded.catalog, &loaded.locations, now)
            .await
            .unwrap();
        let keys = KeyRing::new(&loaded.config.security.keys).unwrap();
        world.import_tokens(&db, &keys).await;
        db.close().await;
        world
    }

    /// The access tokens of all accounts have ended.
    pub async fn tokens_expired(&self) {
        self.rows
            .run("UPDATE channel_account SET access_expires_at = 0")
            .await;
    }

    /// A person authorises all accounts again, and what waited for that looks at once.
    pub async fn authorised_again(&self) {
        let loaded = self.load();
        let keys = KeyRing::new(&loaded.config.security.keys).unwrap();
        let db = self.place.open().await;
        self.rows.run("DELETE FROM channel_account").await;
        self.import_tokens(&db, &keys).await;
        db.close().await;
        self.rows.run("UPDATE notice SET not_before = 0").await;
    }

    /// What a dead process held is free, as if its time had passed.
    pub async fn leases_expire(&self) {
        for table in ["notice", "task", "channel_account", "poll_position"] {
            self.rows
                .run(&format!("UPDATE {table} SET lease_until = 0"))
                .await;
        }
        self.rows.run("UPDATE role_lease SET until = 0").await;
    }

    /// All books agree.
    pub async fn books_are_balanced(&self) {
        let loaded = self.load();
        let settings = app::settings(&loaded.config, &loaded.locations);
        let db = self.place.open().await;
        balanced(&db, &settings, self.clock.now()).await;
        db.close().await;
    }

    pub fn partner(&self, id: &str) -> &Partner {
        &self.partners[id]
    }

    /// The shipped configuration with this world's overlay.
    fn load(&self) -> config::Loaded {
        let shopee = self.setup.shopee_at.clone();
        let channels = [
            ("shopee-vn", shopee.unwrap_or_else(|| self.shopee.uri())),
            ("woo-outlet", self.woocommerce.uri()),
        ];
        let overlay = overlay(&self.secrets, &self.partners, &channels);
        let mut loaded = config::load(&shipped(), &|_| None, Some(&overlay))
            .unwrap_or_else(|problems| panic!("{}", config::render(&problems)));
        loaded.config.work.idle_poll_ms = 200;
        if let Some(edit) = &self.setup.edit {
            edit(&mut loaded.config, self);
        }
        loaded
    }

    /// Starts a gateway on this world's database.
    pub async fn gateway(&self, seed: u64, roles: &BTreeSet<Role>) -> Running {
        let loaded = self.load();
        let db = self.place.open().await;
        let now = self.clock.now_ms();
        import::catalog(&db, &loaded.catalog, &loaded.locations, now)
            .await
            .unwrap();
        let assembled = app::assemble(Parts {
            loaded,
            db,
            clock: self.clock.shared(),
            ids: Arc::new(SeededIds::new(seed)),
            rules_dir: None,
        })
        .await
        .unwrap();
        let gateway = &assembled.gateway;
        self.import_tokens(&gateway.db, &gateway.keys).await;
        assembled.start(roles).await.unwrap()
    }

    async fn import_tokens(&self, db: &Db, keys: &KeyRing) {
        for (channel, pair) in [
            ("shopee-vn", &self.secrets.shopee_tokens),
            ("zalo-oa", &self.secrets.zalo_tokens),
        ] {
            if accounts::load(db, channel).await.unwrap().is_some() {
                continue;
            }
            let life = self
                .setup
                .first_tokens_expire_s
                .unwrap_or(i64::from(pair.expires_in_s));
            let pair = TokenPair {
                access: SecretString::from(pair.access.clone()),
                refresh: Some(SecretString::from(pair.refresh.clone())),
                access_expires_at: self.clock.now() + jiff::SignedDuration::from_secs(life),
                refresh_expires_at: None,
            };
            let sealed = tokens::seal_pair(keys, channel, &pair);
            accounts::import(db, channel, self.clock.now_ms(), &sealed)
                .await
                .unwrap();
        }
    }
}

impl TestApp {
    pub async fn start(kind: Kind) -> Self {
        Setup::default().start(kind).await
    }

    async fn start_with(kind: Kind, setup: Setup) -> Self {
        let all = BTreeSet::from([Role::Receive, Role::Work, Role::Api]);
        let roles = setup.roles.clone().unwrap_or(all);
        let world = World::new(kind, setup).await;
        let running = world.gateway(1, &roles).await;
        // The opening stock was counted before anything that a test does.
        world.clock.advance(Duration::from_secs(1));
        Self {
            gateway: Arc::clone(&running.gateway),
            url: format!("http://{}", running.address),
            world,
            running: Some(running),
            dead: (0, 0),
            finished: false,
            commands: AtomicU32::new(0),
        }
    }

    /// A token for the API.
    pub async fn api_token(&self, scopes: &[&str]) -> String {
        let token = ApiToken::generate();
        let stored = api_tokens::NewToken {
            id: format!("tok_{}", &token.hash()[..12]),
            hash: token.hash(),
            actor: "lan".to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            location: None,
            created_at: self.gateway.now_ms(),
            expires_at: None,
        };
        api_tokens::create(&self.gateway.db, &stored).await.unwrap();
        token.expose().to_owned()
    }

    /// Every order, newest last.
    pub async fn orders(&self) -> Vec<OrderView> {
        let orders = numbers::all_orders(&self.gateway.db).await.unwrap();
        orders.iter().map(domain::order::Order::view).collect()
    }

    /// The order with the channel's id.
    pub async fn order(&self, external_id: &str) -> OrderView {
        let mut orders = self.orders().await;
        orders.retain(|order| order.external_id == external_id);
        assert_eq!(orders.len(), 1, "{external_id}: {orders:#?}");
        orders.remove(0)
    }

    /// A command of staff, as the API hands it on.
    pub async fn command(&self, external_id: &str, action: Action) -> Result<Done, Refusal> {
        let order = self.order(external_id).await;
        let number = self.commands.fetch_add(1, Ordering::SeqCst);
        self.gateway
            .settler
            .ask(|reply| {
                Input::Command(Box::new(CommandInput {
                    order: OrderRef::Id(order.id),
                    command: Command {
                        id: format!("cmd_{number}"),
                        actor: "staff".to_owned(),
                        at: self.clock.now(),
                        reason: "a test".to_owned(),
                        action,
                    },
                    expected_version: None,
                    reply,
                }))
            })
            .await
    }

    async fn work(&self) -> Work {
        let now = self.clock.now_ms();
        let sql = format!(
            "SELECT \
             (SELECT COUNT(*) FROM notice WHERE state = 'waiting') \
             + (SELECT COUNT(*) FROM task WHERE state IN ('pending', 'in_flight')) AS total, \
             (SELECT COUNT(*) FROM notice WHERE state = 'waiting' AND lease_until > {now}) \
             + (SELECT COUNT(*) FROM task WHERE state = 'in_flight' AND lease_until > {now}) AS busy, \
             (SELECT COUNT(*) FROM notice WHERE state = 'waiting' AND lease_until <= {now} AND not_before <= {now}) \
             + (SELECT COUNT(*) FROM task WHERE state = 'in_flight' AND lease_until <= {now}) \
             + (SELECT COUNT(*) FROM task WHERE state = 'pending' AND not_before <= {now}) AS due, \
             (SELECT COUNT(*) FROM orders WHERE next_wake <= {now}) AS wakes, \
             (SELECT COUNT(*) FROM attempt) \
             + (SELECT COUNT(*) FROM notice WHERE state <> 'waiting') AS finished, \
             CAST(COALESCE((SELECT MIN(not_before) FROM (\
             SELECT not_before FROM notice WHERE state = 'waiting' \
             UNION ALL SELECT not_before FROM task WHERE state = 'pending') waiting), 0) AS BIGINT) AS next"
        );
        let row = self.rows.all(&sql).await.remove(0);
        let number = |name: &str| row.try_get::<i64>("", name).unwrap();
        Work {
            total: number("total"),
            busy: number("busy"),
            due: number("due"),
            wakes: number("wakes"),
            next: number("next"),
            finished: number("finished"),
        }
    }

    fn ring(&self) {
        self.gateway.bells.ring(News::Inbox);
        self.gateway.bells.ring(News::Outbox);
    }

    /// Waits until nothing is under way. Where everything that is left waits for its time, the
    /// time comes.
    pub async fn settle(&self) {
        let started = Instant::now();
        let mut moved = Instant::now();
        let mut last = Work::default();
        let mut quiet = 0;
        while quiet < 2 {
            let work = self.work().await;
            assert!(started.elapsed() < PATIENCE, "still under way: {work:?}");
            if work != last {
                last = work;
                moved = Instant::now();
            }
            if work.total == 0 && work.wakes == 0 {
                quiet += 1;
            } else {
                quiet = 0;
                if work.total > 0 && work.busy == 0 && work.due == 0 {
                    let wait = (work.next - self.clock.now_ms()).max(1);
                    self.clock
                        .advance(Duration::from_millis(wait.unsigned_abs()));
                } else if work.busy == 0 && moved.elapsed() > Duration::from_millis(500) {
                    // A gate holds what is due, or one task of a series waits for another.
                    self.clock.advance(Duration::from_secs(1));
                    moved = Instant::now();
                }
                self.ring();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the world looks so; the time stands.
    pub async fn until<F>(&self, what: &str, mut holds: impl FnMut() -> F)
    where
        F: Future<Output = bool>,
    {
        let started = Instant::now();
        while !holds().await {
            assert!(started.elapsed() < PATIENCE, "never happened: {what}");
            self.ring();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lets time pass, then waits until what it brought is done.
    pub async fn pass(&self, by: Duration) {
        self.clock.advance(by);
        self.settle().await;
    }

    /// So many notices and tasks are dead in the end, and that is right.
    pub fn expects_dead(&mut self, notices: i64, tasks: i64) {
        self.dead = (notices, tasks);
    }

    /// Stops the gateway, checks that nothing is left over and that the books add up.
    pub async fn finish(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        let work = self.work().await;
        assert_eq!(work.total, 0, "left-over work: {work:?}");
        let reasons = self
            .rows
            .texts("SELECT COALESCE(reason, '') FROM notice WHERE state = 'dead'")
            .await;
        let notices = i64::try_from(reasons.len()).unwrap();
        let tasks = self
            .rows
            .number("SELECT COUNT(*) FROM task WHERE state = 'dead'")
            .await;
        assert_eq!(
            (notices, tasks),
            self.dead,
            "dead notices and tasks: {reasons:?}"
        );
        self.books_add_up().await;
        for partner in self.partners.values() {
            assert_eq!(partner.violations(), BTreeSet::new(), "at {}", partner.id);
        }
        self.finished = true;
    }

    async fn books_add_up(&self) {
        let db = self.place.open().await;
        balanced(&db, &self.gateway.settings, self.clock.now()).await;
        db.close().await;
        let received = self
            .rows
            .number("SELECT COUNT(*) FROM receipt WHERE outcome = 'new'")
            .await;
        let messages = self.rows.number("SELECT COUNT(*) FROM message").await;
        assert_eq!(received, messages, "receipts of new messages, and messages");
        let silent = self
            .rows
            .number(
                "SELECT COUNT(*) FROM message m WHERE NOT EXISTS \
                 (SELECT 1 FROM notice n WHERE n.message_seq = m.seq)",
            )
            .await;
        assert_eq!(silent, 0, "messages without a notice");
        let negative = self
            .rows
            .number("SELECT COUNT(*) FROM stock WHERE reserved < 0")
            .await;
        assert_eq!(negative, 0, "negative reservations");
    }
}

/// All books of a database agree.
async fn balanced(db: &Db, settings: &Settings, now: Timestamp) {
    assert_eq!(stock::disagreements(db).await.unwrap(), Vec::new());
    let report = verify::run(db, settings, &verify::Options::all(now))
        .await
        .unwrap();
    assert!(report.balanced, "{:#?}", report.findings);
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !self.finished && !std::thread::panicking() {
            panic!("a test must end with TestApp::finish");
        }
    }
}
