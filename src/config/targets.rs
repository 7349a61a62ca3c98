//! `targets.toml`: the systems that we call.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::target::Target;
use jiff::civil::Time;
use schemars::JsonSchema;
use serde::Deserialize;

use super::calls::{Breaker, Calls, Rate, Retry};
use super::channels::{default_concurrency, default_rate, default_timeout_ms, yes};
use super::network::Network;
use super::secret;

/// `targets.toml` as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "targets.toml")]
pub(super) struct Written {
    /// Systems that we call: inventory, invoicing, service centers.
    pub targets: BTreeMap<String, WrittenTarget>,
}

/// What a target does for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Holds stock and ships.
    Inventory,
    /// Issues invoices.
    Invoicing,
    /// Installs, repairs and keeps warranties.
    ServiceCenter,
    /// Carries parcels.
    Carrier,
    /// Tells people.
    Notify,
}

impl TargetKind {
    /// The word used in the file, in columns and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Invoicing => "invoicing",
            Self::ServiceCenter => "service_center",
            Self::Carrier => "carrier",
            Self::Notify => "notify",
        }
    }
}

/// `[targets.<id>]` as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTarget {
    /// What it does for us.
    pub kind: TargetKind,
    /// The connector: `rest` is our open contract.
    pub connector: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its base address.
    #[schemars(length(min = 1))]
    pub url: String,
    /// Signs our requests and its callbacks.
    #[expect(
        dead_code,
        reason = "resolved from its place in the file, where mistakes are told"
    )]
    pub secret: secret::Written,
    /// `false`: nothing is sent, tasks wait; its door is closed.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// It is inside our network: private addresses are allowed.
    #[serde(default)]
    pub internal: bool,
    /// Addresses that its callbacks may come from; empty means all.
    #[serde(default)]
    pub allow_from: Vec<Network>,
    /// How often we may call it.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// Calls under way at once.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 1_000))]
    pub concurrency: usize,
    /// How long one call may take, milliseconds.
    #[serde(default = "default_timeout_ms")]
    #[schemars(range(min = 10, max = 300_000))]
    pub timeout_ms: u64,
    /// When to try again.
    #[serde(default)]
    pub retry: Retry,
    /// When to stop calling it for a while.
    #[serde(default)]
    pub breaker: Breaker,
    /// Time of the legal day by which an invoice must be issued; alarms instead of giving up.
    /// Invoicing only; `"23:55"` if it is left out.
    pub deadline: Option<String>,
}

/// A system that we call.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    /// Its id, the last part of its callback door; unique among apps, channels and targets.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it does for us.
    pub kind: TargetKind,
    /// The connector's name.
    pub connector: String,
    /// Its base address.
    pub url: String,
    /// Nothing is sent while it is `false`.
    pub enabled: bool,
    /// Addresses that its callbacks may come from; empty means all.
    pub allow_from: Vec<Network>,
    /// How it is called.
    pub calls: Calls,
    /// When to try again.
    pub retry: Retry,
    /// Invoicing: the time of the legal day (Asia/Ho_Chi_Minh) by which an invoice must be issued.
    pub deadline: Option<Time>,
    /// Its language.
    pub target: Arc<dyn Target>,
}
