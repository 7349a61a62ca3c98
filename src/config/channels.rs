//! `channels.toml`: the accounts through which messages come in.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::channel::Channel;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::calls::{Breaker, Calls, Rate, Retry};
use super::kenh::ReserveWhen;
use super::network::Network;

/// `channels.toml` as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "channels.toml")]
pub(super) struct Written {
    /// Vendors with one callback address for many shops: the keys and the door.
    pub apps: BTreeMap<String, WrittenApp>,
    /// Accounts: a shop, a page, an OA, a site, a call center.
    pub channels: BTreeMap<String, WrittenChannel>,
}

/// `[apps.<id>]` as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenApp {
    /// The connector of the app and of all its channels.
    pub connector: String,
    /// What people call it.
    pub name: Option<String>,
    /// `false` closes the door.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Addresses that may knock; empty means all.
    #[serde(default)]
    pub allow_from: Vec<Network>,
    /// The connector's settings that its channels share.
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "put together and resolved from its place in the file"
    )]
    pub settings: Map<String, Value>,
}

/// `[channels.<id>]` as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenChannel {
    /// The connector: which vendor's language is spoken.
    pub connector: String,
    /// The app whose keys and door it uses; its own if there is none.
    pub app: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// `false` closes the door and stops fetching and polling.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The vendor is inside our network: private addresses are allowed.
    #[serde(default)]
    pub internal: bool,
    /// When its orders claim stock, if not as `[orders]` says.
    pub reserve_when: Option<ReserveWhen>,
    /// Addresses that may knock; empty means all.
    #[serde(default)]
    pub allow_from: Vec<Network>,
    /// How often we may call the vendor.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// Calls to the vendor under way at once.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 1_000))]
    pub concurrency: usize,
    /// How long one call to the vendor may take, milliseconds.
    #[serde(default = "default_timeout_ms")]
    #[schemars(range(min = 10, max = 300_000))]
    pub timeout_ms: u64,
    /// When to try again to tell the vendor something.
    #[serde(default)]
    pub retry: Retry,
    /// When to stop calling the vendor for a while.
    #[serde(default)]
    pub breaker: Breaker,
    /// For payment providers: the channels whose orders are paid through it. It is asked about
    /// payments of their orders that nobody has reported on. For channels that tell buyers: the
    /// channels whose buyers are told of their orders.
    #[serde(default)]
    pub serves: Vec<String>,
    /// Tell the vendor how many units of its mapped articles are on sale.
    #[serde(default)]
    pub publish_stock: bool,
    /// Units of each article that are held back from what is published.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub stock_buffer: u32,
    /// Locations whose stock is on sale there; empty means all.
    #[serde(default)]
    pub stock_locations: Vec<String>,
    /// The connector's settings.
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "put together and resolved from its place in the file"
    )]
    pub settings: Map<String, Value>,
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn default_rate() -> Rate {
    Rate {
        per_second: 10,
        burst: 20,
    }
}

pub(super) fn default_concurrency() -> usize {
    8
}

pub(super) fn default_timeout_ms() -> u64 {
    10_000
}

/// One door with one set of keys for several accounts of a vendor.
#[derive(Debug, Clone)]
pub struct AppConfig {
    /// Its id, the last part of the door's path; unique among apps, channels and targets.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The connector's name.
    pub connector: String,
    /// A closed door answers 404.
    pub enabled: bool,
    /// Addresses that may knock; empty means all.
    pub allow_from: Vec<Network>,
    /// Verifies, parses and names the account of a message.
    pub channel: Arc<dyn Channel>,
    /// (account as the vendor names it, id of its channel).
    pub accounts: BTreeMap<String, String>,
}

/// One account through which messages come in.
#[derive(Debug, Clone)]
pub struct ChannelConfig {
    /// Its id; unique among apps, channels and targets.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The connector's name.
    pub connector: String,
    /// The app whose door it uses; `None`: it is its own.
    pub app: Option<String>,
    /// A closed channel answers 404, fetches and polls nothing.
    pub enabled: bool,
    /// When its orders claim stock.
    pub reserve_when: ReserveWhen,
    /// Addresses that may knock; empty means all.
    pub allow_from: Vec<Network>,
    /// How the vendor is called.
    pub calls: Calls,
    /// When to try again to tell the vendor something.
    pub retry: Retry,
    /// The channels whose orders are paid through it, or whose buyers it tells.
    pub serves: Vec<String>,
    /// What is on sale there; `None`: nothing is published.
    pub shelf: Option<Shelf>,
    /// The vendor's language.
    pub channel: Arc<dyn Channel>,
}

/// How stock is published to a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Units of each article that are held back.
    pub buffer: i64,
    /// Locations whose stock is on sale there; empty means all.
    pub locations: Vec<String>,
}
