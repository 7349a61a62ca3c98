//! The configuration: TOML files as written, checked all at once, then values that the rest of the
//! program can trust.
//!
//! Nothing outside this module knows TOML, and nothing here knows the store or the network.

pub mod calls;
pub mod catalog;
pub mod channels;
mod document;
pub mod kenh;
mod load;
pub mod network;
pub mod overlay;
mod partners;
pub mod problem;
mod registry;
mod rules;
pub mod schema;
pub mod secret;
mod settings;
mod shape;
pub mod targets;
pub mod tax;
pub mod watch;

#[cfg(test)]
mod tests;

use std::path::Path;

use domain::routing::{Locations, RuleSet};

pub use calls::{Breaker, Calls, Factor, Rate, Retry};
pub use catalog::{Catalog, KitPart, OpeningStock, Product};
pub use channels::{AppConfig, ChannelConfig, Shelf};
pub use kenh::{
    Alerts, Customers, Database, GroupCommit, Inbox, Keep, Legs, Limits, Log, LogFormat, Orders,
    ReserveWhen, Security, Server, Work,
};
pub use network::Network;
pub use overlay::Overlay;
pub use problem::{Problem, Severity, render};
pub use rules::Known;
pub use targets::{TargetConfig, TargetKind};
pub use tax::{Tax, TaxRate};

/// A configuration that was read, checked and built.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Everything but the following.
    pub config: Config,
    /// Places that hold stock.
    pub locations: Locations,
    /// The rules of the files: a draft until they are published.
    pub rules: RuleSet,
    /// Articles and opening stock; empty without `catalog.toml`.
    pub catalog: Catalog,
    /// What other rules may refer to, for [`watch::Watcher`] and for checking drafts.
    pub known: Known,
    /// What somebody should look at.
    pub warnings: Vec<Problem>,
}

/// Reads the folder of a configuration. Variables come from `env`; an [`Overlay`] replaces
/// addresses and the like.
///
/// # Errors
/// All mistakes of all files at once, in order of the files, warnings last within their place.
pub fn load(
    dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    overlay: Option<&Overlay>,
) -> Result<Loaded, Vec<Problem>> {
    load::load(dir, env, overlay, registry::Registry::ALL)
}

/// Reads the process's environment; for `env` of [`load`].
#[must_use]
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The names of all environment variables that the files of a folder name, in alphabetical order.
/// What cannot be read names none.
#[must_use]
pub fn variables(dir: &Path) -> Vec<String> {
    load::Files::open(dir).variables()
}

/// All that was read and found valid, but for locations, rules and catalog.
#[derive(Debug, Clone)]
pub struct Config {
    /// The door.
    pub server: Server,
    /// The store.
    pub database: Database,
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
    pub security: Security,
    /// Where alarms go.
    pub alerts: Alerts,
    /// The log.
    pub log: Log,
    /// What callers may do at most.
    pub limits: Limits,
    /// Doors that several channels share.
    pub apps: Vec<AppConfig>,
    /// Accounts through which messages come in, by id.
    pub channels: Vec<ChannelConfig>,
    /// Systems that we call, by id.
    pub targets: Vec<TargetConfig>,
    /// VAT rates.
    pub tax: Tax,
}

impl Config {
    /// The channel of that id.
    #[must_use]
    pub fn channel(&self, id: &str) -> Option<&ChannelConfig> {
        self.channels.iter().find(|channel| channel.id == id)
    }

    /// The app of that id.
    #[must_use]
    pub fn app(&self, id: &str) -> Option<&AppConfig> {
        self.apps.iter().find(|app| app.id == id)
    }

    /// The target of that id.
    #[must_use]
    pub fn target(&self, id: &str) -> Option<&TargetConfig> {
        self.targets.iter().find(|target| target.id == id)
    }
}
