//! What all simulated partners share: the books, the door of the gateway under test, the
//! sending client, the faults, and the count of work still under way.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use tokio::task::JoinSet;

use crate::{
    Options,
    books::Ledger,
    faults::{Faults, hash},
    partners::{
        facebook::Page, lazada::LazadaShop, money::Money, shopee::Shop, shops::Shops,
        tiki::TikiShop, tiktok::TikTokShop, website::Listener, woocommerce::Site, zalo::Account,
    },
    secrets::Secrets,
};

/// Locks, also after a panic elsewhere: the books stay readable when a test has failed.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shared by every server and sender of one sandbox.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) secrets: Secrets,
    pub(crate) faults: Faults,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) lazada: Mutex<LazadaShop>,
    pub(crate) shopee: Mutex<Shop>,
    pub(crate) tiki: Mutex<TikiShop>,
    pub(crate) tiktok: Mutex<TikTokShop>,
    pub(crate) woocommerce: Mutex<Site>,
    pub(crate) facebook: Mutex<Page>,
    pub(crate) zalo: Mutex<Account>,
    pub(crate) money: Mutex<Money>,
    pub(crate) shops: Mutex<Shops>,
    pub(crate) website: Mutex<Listener>,
    door: RwLock<Option<String>>,
    client: reqwest::Client,
    pending: AtomicUsize,
    tasks: Mutex<JoinSet<()>>,
}

/// What the gateway answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One request to the gateway.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// From the root of the door, query included.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
}

impl World {
    pub(crate) fn new(options: Options, ledger: Ledger) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(2))
            .user_agent("kenh-sandbox")
            .build()?;
        let secrets = options.secrets.clone();
        Ok(Self {
            faults: Faults::new(options.seed, options.faults),
            lazada: Mutex::new(LazadaShop::new(&secrets)),
            shopee: Mutex::new(Shop::new(&secrets)),
            tiki: Mutex::new(TikiShop::new(&secrets)),
            tiktok: Mutex::new(TikTokShop::new(&secrets)),
            woocommerce: Mutex::new(Site::default()),
            facebook: Mutex::new(Page::new(&secrets)),
            zalo: Mutex::new(Account::new(&secrets)),
            money: Mutex::new(Money::default()),
            shops: Mutex::new(Shops::default()),
            website: Mutex::new(Listener::default()),
            door: RwLock::new(options.door.clone()),
            ledger: Mutex::new(ledger),
            secrets,
            options,
            client,
            pending: AtomicUsize::new(0),
            tasks: Mutex::new(JoinSet::new()),
        })
    }

    pub(crate) fn set_door(&self, url: &str) {
        let trimmed = url.trim_end_matches('/').to_owned();
        *self.door.write().unwrap_or_else(PoisonError::into_inner) = Some(trimmed);
    }

    /// Where this channel's messages go, as its vendor has it written down.
    pub(crate) fn door_address(&self, channel: &str) -> String {
        let door = self.door.read().unwrap_or_else(PoisonError::into_inner);
        format!("{}/webhooks/{channel}", door.as_deref().unwrap_or_default())
    }

    /// Sends once; `None` when no whole answer came back.
    pub(crate) async fn send(&self, outgoing: Outgoing) -> Option<Answer> {
        let door = self
            .door
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        let mut request = self
            .client
            .request(outgoing.method, format!("{door}{}", outgoing.path))
            .timeout(outgoing.timeout)
            .body(outgoing.body);
        for (name, value) in outgoing.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let body = response.bytes().await.ok()?.to_vec();
        Some(Answer { status, body })
    }

    /// Runs `work` in the background; the sandbox is not quiet before it ends.
    pub(crate) fn job(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        self.pending.fetch_add(1, Ordering::SeqCst);
        let guard = Pending(Arc::clone(self));
        let mut tasks = held(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _guard = guard;
            work.await;
        });
    }

    /// Background work that has not ended.
    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::SeqCst)
    }

    /// Ends all background work.
    pub(crate) fn stop(&self) {
        held(&self.tasks).abort_all();
    }

    /// A seeded pause of a partner's people and machines, within the configured bounds.
    pub(crate) async fn pause(&self, key: &str) {
        let (low, high) = self.options.pause_ms;
        let span = high.saturating_sub(low).saturating_add(1);
        let wait = low + hash(self.options.seed, key) % span;
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

struct Pending(Arc<World>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Unix seconds now.
pub(crate) fn seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Now, RFC 3339 UTC with milliseconds.
pub(crate) fn now_text() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// The wait before try number `attempt + 1`: 40 ms doubling up to a second.
pub(crate) fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(40 * (1_u64 << attempt.min(6))).min(Duration::from_secs(1))
}
