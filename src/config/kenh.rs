//! `kenh.toml`: the process itself. Every key has a safe default; the file may be empty.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::calls::Rate;
use super::network::Network;
use super::secret;
use crate::crypto::KeySource;

/// `kenh.toml` as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "kenh.toml")]
pub(super) struct Written {
    /// The door.
    pub server: Server,
    /// The store.
    pub database: WrittenDatabase,
    /// Orders.
    pub orders: Orders,
    /// Customers.
    pub customers: Customers,
    /// Which target carries out the legs that name none.
    pub legs: Legs,
    /// Received messages.
    pub inbox: Inbox,
    /// What is not kept for good.
    pub keep: Keep,
    /// The workers.
    pub work: Work,
    /// Field encryption.
    pub security: WrittenSecurity,
    /// Where alarms go.
    pub alerts: WrittenAlerts,
    /// The log.
    pub log: Log,
    /// What callers may do at most.
    pub limits: Limits,
}

/// The door: `[server]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The address under which vendors reach this gateway, `https://kenh.example.vn`, without a
    /// path: webhooks are subscribed to doors below it.
    #[schemars(length(min = 1))]
    pub public_url: Option<String>,
    /// Largest request body; a larger one is answered 413 without being buffered.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub max_body_bytes: usize,
    /// A connection whose next request head is not there in this time is closed, milliseconds: one
    /// that sends it slowly, and one that sends none.
    #[schemars(range(min = 100, max = 60_000))]
    pub head_timeout_ms: u64,
    /// How long a sender may take for its body, milliseconds.
    #[schemars(range(min = 100, max = 300_000))]
    pub read_timeout_ms: u64,
    /// How long an answer may take, milliseconds.
    #[schemars(range(min = 100, max = 300_000))]
    pub request_timeout_ms: u64,
    /// How long work in hand may take to end after a signal, seconds.
    #[schemars(range(max = 600))]
    pub shutdown_grace_s: u64,
    /// Connections open at once; further ones wait.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_connections: usize,
    /// Proxies whose `X-Forwarded-For` is believed. Nobody's by default.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            public_url: None,
            max_body_bytes: 1_048_576,
            head_timeout_ms: 20_000,
            read_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            shutdown_grace_s: 25,
            max_connections: 4_096,
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[database]` as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WrittenDatabase {
    /// `sqlite://PATH` or `postgres://…`. A URL with a password is a secret: `{ env = "…" }`.
    pub url: UrlOrSecret,
    /// Connections of the pool (for SQLite: readers; there is always one writer).
    #[schemars(range(min = 1, max = 1_000))]
    pub max_connections: u32,
    /// How long to wait for a free connection, milliseconds.
    #[schemars(range(min = 100, max = 60_000))]
    pub acquire_timeout_ms: u64,
    /// SQLite: how long to wait for another process's lock, milliseconds.
    #[schemars(range(min = 0, max = 60_000))]
    pub busy_timeout_ms: u64,
}

impl Default for WrittenDatabase {
    fn default() -> Self {
        Self {
            url: UrlOrSecret::Url("sqlite://kenh.db".to_owned()),
            max_connections: 8,
            acquire_timeout_ms: 5_000,
            busy_timeout_ms: 5_000,
        }
    }
}

/// A URL, in the open where it holds no password or token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum UrlOrSecret {
    /// The URL itself.
    Url(String),
    /// Where it is kept.
    Secret(secret::Written),
}

/// The store: `[database]`.
#[derive(Debug, Clone)]
pub struct Database {
    /// The URL; it may hold a password.
    pub url: SecretString,
    /// Connections of the pool (for SQLite: readers; there is always one writer).
    pub max_connections: u32,
    /// How long to wait for a free connection, milliseconds.
    pub acquire_timeout_ms: u64,
    /// SQLite: how long to wait for another process's lock, milliseconds.
    pub busy_timeout_ms: u64,
}

/// When an order claims stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReserveWhen {
    /// As soon as it is known.
    Placed,
    /// When the channel or our staff have confirmed it.
    #[default]
    Confirmed,
    /// When it is paid (COD counts as confirmed).
    Paid,
}

/// Orders: `[orders]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Orders {
    /// Two to four capital letters before the eight digits of an order's code.
    #[schemars(regex(pattern = "^[A-Z]{2,4}$"))]
    pub code_prefix: String,
    /// When an order claims stock, for channels that do not say otherwise.
    pub reserve_when: ReserveWhen,
    /// How long a reservation holds before its fulfillment order is released, seconds.
    #[schemars(range(min = 60, max = 2_592_000))]
    pub reservation_ttl_s: u64,
    /// How long a notice waits for an order that is not known yet before it is fetched, seconds.
    #[schemars(range(max = 86_400))]
    pub unknown_order_wait_s: u64,
    /// How often an order is routed anew after rejections before a person must look.
    #[schemars(range(min = 1, max = 100))]
    pub max_routing_rounds: u32,
    /// How long a backorder waits before it is routed again, seconds.
    #[schemars(range(min = 10, max = 604_800))]
    pub backorder_retry_s: u64,
    /// How long a warranty waits after delivery for the serials of a product that has them,
    /// seconds.
    #[schemars(range(max = 2_592_000))]
    pub serial_wait_s: u64,
    /// Class in `tax.toml` of products that name none.
    #[schemars(length(min = 1))]
    pub default_tax_class: String,
    /// Invoice series where the location has none.
    pub default_series: Option<String>,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            code_prefix: "KE".to_owned(),
            reserve_when: ReserveWhen::default(),
            reservation_ttl_s: 86_400,
            unknown_order_wait_s: 120,
            max_routing_rounds: 5,
            backorder_retry_s: 900,
            serial_wait_s: 3_600,
            default_tax_class: "standard".to_owned(),
            default_series: None,
        }
    }
}

/// What still proves that two identities are one customer: `[customers]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Customers {
    /// Persons of one channel who may have the same phone; with more of them, the phone is shared
    /// and joins nobody.
    #[schemars(range(min = 1, max = 100))]
    pub users_per_phone: usize,
    /// Phones under which one person of a channel may appear; with more of them, the account is
    /// shared and joins nobody.
    #[schemars(range(min = 1, max = 100))]
    pub phones_per_user: usize,
}

impl Default for Customers {
    fn default() -> Self {
        let limits = domain::customer::Limits::default();
        Self {
            users_per_phone: limits.users_per_phone,
            phones_per_user: limits.phones_per_user,
        }
    }
}

impl From<Customers> for domain::customer::Limits {
    fn from(customers: Customers) -> Self {
        Self {
            users_per_phone: customers.users_per_phone,
            phones_per_user: customers.phones_per_user,
        }
    }
}

/// Which target carries out the legs that name none: `[legs]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Legs {
    /// Issues invoices; a target of kind `invoicing`.
    pub invoice_target: Option<String>,
    /// Installs where a rule names no team; a target of kind `service_center`.
    pub installation_target: Option<String>,
    /// Activates warranties; a target of kind `service_center`.
    pub warranty_target: Option<String>,
}

/// Many messages, one commit: `[inbox.group_commit]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupCommit {
    /// Messages of one commit at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_batch: usize,
    /// How long the first message may wait for others, microseconds; 0 takes what is there.
    #[schemars(range(max = 1_000_000))]
    pub max_wait_us: u64,
}

impl Default for GroupCommit {
    fn default() -> Self {
        Self {
            max_batch: 128,
            max_wait_us: 1_000,
        }
    }
}

/// How long what is not kept for good stays: `[keep]`. Orders, receipts, the stock ledger and the
/// audit log have no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Days of the change feed: who was away longer reads the orders again.
    #[schemars(range(min = 1, max = 3_650))]
    pub changes_days: u32,
    /// Days in which an `Idempotency-Key` gives its first answer again.
    #[schemars(range(min = 1, max = 3_650))]
    pub keys_days: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            changes_days: 90,
            keys_days: 90,
        }
    }
}

/// Received messages: `[inbox]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Inbox {
    /// Days that raw bodies are kept; receipts and hashes stay for good.
    #[schemars(range(min = 1, max = 3_650))]
    pub raw_days: u32,
    /// Many messages, one commit.
    pub group_commit: GroupCommit,
    /// Rejected requests kept per channel for diagnosis, the newest ones.
    #[schemars(range(max = 1_000))]
    pub rejected_sample: u32,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            raw_days: 90,
            group_commit: GroupCommit::default(),
            rejected_sample: 50,
        }
    }
}

/// The workers: `[work]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Work {
    /// How long a worker may hold a row before another takes it over, seconds.
    #[schemars(range(min = 5, max = 3_600))]
    pub lease_s: u64,
    /// Orders settled in one transaction at most.
    #[schemars(range(min = 1, max = 1_000))]
    pub settle_batch: usize,
    /// Fetches of one channel under way at once.
    #[schemars(range(min = 1, max = 1_000))]
    pub fetch_concurrency: usize,
    /// How often idle workers look for work, milliseconds.
    #[schemars(range(min = 10, max = 60_000))]
    pub idle_poll_ms: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            lease_s: 60,
            settle_batch: 32,
            fetch_concurrency: 16,
            idle_poll_ms: 500,
        }
    }
}

/// `[security]` as written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WrittenSecurity {
    /// Keys of field encryption; the first one seals, all of them open.
    pub keys: Vec<WrittenKey>,
}

/// One key as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenKey {
    /// A short name that is stored beside every sealed value.
    #[schemars(length(min = 1, max = 32))]
    pub id: String,
    /// Name of the environment variable: 32 bytes in hex or base64, or at least 32 characters.
    #[schemars(length(min = 1))]
    pub env: String,
}

/// Field encryption: `[security]`.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// The first one seals, all of them open.
    pub keys: Vec<KeySource>,
}

/// `[alerts]` as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WrittenAlerts {
    /// Write alarms to the log, at level `error`.
    pub log: bool,
    /// Post alarms as JSON to this URL. One with a token in it is a secret: `{ env = "…" }`.
    pub webhook: Option<UrlOrSecret>,
    /// The same alarm is not repeated within this time, seconds.
    #[schemars(range(max = 86_400))]
    pub repeat_after_s: u64,
}

impl Default for WrittenAlerts {
    fn default() -> Self {
        Self {
            log: true,
            webhook: None,
            repeat_after_s: 900,
        }
    }
}

/// Where alarms go: `[alerts]`.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// Write alarms to the log, at level `error`.
    pub log: bool,
    /// Post alarms as JSON to this URL; it may hold a token.
    pub webhook: Option<SecretString>,
    /// The same alarm is not repeated within this time, seconds.
    pub repeat_after_s: u64,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,kenh=debug`.
    #[schemars(length(min = 1))]
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: "info".to_owned(),
        }
    }
}

/// What callers may do at most: `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// API requests of one token.
    pub api: Rate,
    /// Messages of one channel.
    pub intake: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            api: Rate {
                per_second: 200,
                burst: 400,
            },
            intake: Rate {
                per_second: 20_000,
                burst: 40_000,
            },
        }
    }
}
