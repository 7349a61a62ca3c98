//! The running gateway: what all roles share.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use connectors::channel::Channel;
use connectors::inbound::Inbound;
use domain::order::Settings;
use domain::routing::{Locations, RuleSet};

use crate::bells::Bells;
use crate::catalog::CatalogCache;
use crate::clock::{SharedClock, SharedIds};
use crate::codes::Codes;
use crate::config::{Config, Network};
use crate::crypto::KeyRing;
use crate::http::rate::Intake;
use crate::outbound::Client;
use crate::outbound::Gates;
use crate::pipeline::keepers::silence::Volumes;
use crate::pipeline::receive::Receiver;
use crate::pipeline::settle::Settler;
use crate::rejected::Rejected;
use crate::rulebook::Rulebook;
use crate::shutdown::Shutdown;
use crate::store::Db;
use crate::telemetry::Metrics;

/// One door: a path under `/webhooks/` and the language spoken there.
#[derive(Debug, Clone)]
pub struct Door {
    /// The last part of its path.
    pub id: String,
    /// Verifies and reads.
    pub inbound: Arc<dyn Inbound>,
    /// Addresses that may knock; empty means all.
    pub allow_from: Vec<Network>,
    /// How much may come in.
    pub intake: Arc<Intake>,
}

/// What all roles share. One per process, behind an `Arc`.
#[derive(Debug)]
pub struct Gateway {
    /// The configuration in force.
    pub config: Config,
    /// Where goods are.
    pub locations: Locations,
    /// The rules in force.
    pub rules: ArcSwap<RuleSet>,
    /// Where they come from.
    pub rulebook: Rulebook,
    /// What the order aggregate must know of the configuration.
    pub settings: Settings,
    /// Products and SKU mappings, as last read.
    pub catalog: CatalogCache,
    /// How many messages channels bring.
    pub volumes: Volumes,
    /// The database.
    pub db: Db,
    /// Time.
    pub clock: SharedClock,
    /// Ids.
    pub ids: SharedIds,
    /// Field encryption and keyed hashes.
    pub keys: Arc<KeyRing>,
    /// Numbers for operators.
    pub metrics: Arc<Metrics>,
    /// The only thing that sends.
    pub client: Client,
    /// Rate, concurrency and breaker of every channel and target.
    pub gates: Gates,
    /// All doors by id.
    pub doors: BTreeMap<String, Door>,
    /// Into the inbox.
    pub receiver: Receiver,
    /// Into the settling worker.
    pub settler: Settler,
    /// Rejected requests, counted and sampled.
    pub rejected: Rejected,
    /// Ring when there is something new.
    pub bells: Arc<Bells>,
    /// Order codes.
    pub codes: Codes,
    /// Stops everything.
    pub shutdown: Shutdown,
}

impl Gateway {
    /// The inbound side of a channel or target by the id under which its messages are stored.
    #[must_use]
    pub fn inbound(&self, id: &str) -> Option<Arc<dyn Inbound>> {
        if let Some(channel) = self.config.channel(id) {
            return Some(Arc::<dyn Channel>::clone(&channel.channel));
        }
        if let Some(app) = self.config.app(id) {
            return Some(Arc::<dyn Channel>::clone(&app.channel));
        }
        let target = self.config.target(id)?;
        Some(Arc::<dyn connectors::target::Target>::clone(&target.target))
    }

    /// Wall time in milliseconds, the form that the store keeps.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// A fresh token for leases.
    #[must_use]
    pub fn lease_token(&self) -> String {
        format!("{:032x}", self.ids.next(self.now_ms()))
    }
}
