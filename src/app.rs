//! Putting the gateway together, starting its roles and stopping them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use connectors::channel::Channel;
use connectors::target::Target;
use domain::order::{LocationSettings, ReserveWhen, Settings, TaxRate, Teller};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::alerts;
use crate::bells::{self, Bells};
use crate::catalog::CatalogCache;
use crate::clock::{SharedClock, SharedIds};
use crate::codes::Codes;
use crate::config::{self, Calls, Config, Loaded};
use crate::crypto::{self, KeyRing};
use crate::gateway::{Door, Gateway};
use crate::http::rate::intake;
use crate::outbound::{Client, GateKey, Gates, Limits, Policy, Rate};
use crate::pipeline::deliver::Recipient;
use crate::pipeline::keepers::silence::Volumes;
use crate::pipeline::receive::Receiver;
use crate::pipeline::settle::{self, Queue, Settler};
use crate::pipeline::{deliver, ingest, keepers, poll, timers};
use crate::rejected::Rejected;
use crate::rulebook::Rulebook;
use crate::shutdown::Shutdown;
use crate::store::{self, Db};
use crate::telemetry::{Metrics, Names};

/// Settling workers on PostgreSQL, where row locks keep them apart. SQLite has one writer.
const SETTLERS: usize = 3;

/// What a process can do; `serve` does all of it unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Role {
    /// Webhook doors.
    Receive,
    /// Ingest, settle, deliver and timers.
    Work,
    /// Polling of channels, and whatever else they are asked by themselves.
    Poll,
    /// The order API.
    Api,
}

impl Role {
    /// All roles.
    #[must_use]
    pub fn all() -> BTreeSet<Self> {
        BTreeSet::from([Self::Receive, Self::Work, Self::Poll, Self::Api])
    }
}

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error("could not use the database")]
    Store(#[from] store::Error),
    /// The keys of field encryption.
    #[error("could not use the keys of [security]")]
    Keys(#[from] crypto::Error),
    /// No key at all.
    #[error(
        "[security] keys is empty: messages and tokens are stored sealed; set keys = [{{ id = \"k1\", env = \"KENH_KEY_1\" }}]"
    )]
    NoKeys,
    /// The HTTP client.
    #[error("could not set up the HTTP client")]
    Client(#[from] crate::outbound::SetupError),
    /// The prefix of order codes.
    #[error("[orders] code_prefix is not usable")]
    Prefix(#[source] domain::code::Error),
    /// The listening address.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Published rules that this configuration cannot read.
    #[error("the published rules do not fit the configuration:\n{0}")]
    Rules(String),
}

/// What a gateway is made of, besides its configuration.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub loaded: Loaded,
    /// The database, open and migrated.
    pub db: Db,
    /// Time.
    pub clock: SharedClock,
    /// Ids.
    pub ids: SharedIds,
    /// Where the rules file lives, to watch it; `None`: rules come from the database alone.
    pub rules_dir: Option<std::path::PathBuf>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A gateway that is put together but not started.
pub struct Assembled {
    /// What all roles share.
    pub gateway: Arc<Gateway>,
    receiver: Work,
    queue: Queue,
}

/// A running gateway.
#[derive(Debug)]
pub struct Running {
    /// What all roles share.
    pub gateway: Arc<Gateway>,
    /// Where it listens.
    pub address: SocketAddr,
    settlers: Vec<JoinHandle<()>>,
    stop_settling: CancellationToken,
}

/// Puts a gateway together.
///
/// # Errors
/// When the database, the keys or the client are not usable.
pub async fn assemble(parts: Parts) -> Result<Assembled, Error> {
    let Parts {
        loaded,
        db,
        clock,
        ids,
        rules_dir,
    } = parts;
    let Loaded {
        config,
        locations,
        rules,
        known,
        ..
    } = loaded;
    db.check_schema().await?;
    if config.security.keys.is_empty() {
        return Err(Error::NoKeys);
    }
    let keys = Arc::new(KeyRing::new(&config.security.keys)?);
    let doors = doors(&config, &clock);
    let metrics = Arc::new(Metrics::new(Names {
        channels: doors
            .keys()
            .chain(config.channels.iter().map(|channel| &channel.id))
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        targets: recipients(&config),
    }));
    let gates = Gates::new(Arc::clone(&clock));
    gates.configure(limits(&config));
    let prefix = config.orders.code_prefix.parse().map_err(Error::Prefix)?;
    let bells = Arc::new(Bells::default());
    let (receiver, receiving) = Receiver::new(
        db.clone(),
        config.inbox.group_commit,
        Arc::clone(&metrics),
        Arc::clone(&bells),
    );
    let (settler, queue) = Settler::new(config.work.settle_batch.saturating_mul(4));
    let rulebook = Rulebook::new(known, rules_dir);
    let rules = rulebook.start(&db, rules, clock.now_ms()).await?;
    let catalog = CatalogCache::default();
    catalog.refresh(&db).await?;
    store::stock::set_safety(
        &db,
        &locations
            .iter()
            .map(|l| (l.id.clone(), i64::from(l.safety_stock)))
            .collect::<Vec<_>>(),
    )
    .await?;
    let gateway = Gateway {
        settings: settings(&config, &locations),
        config,
        locations,
        rules: ArcSwap::from_pointee(rules),
        rulebook,
        catalog,
        volumes: Volumes::default(),
        db,
        clock,
        ids,
        keys,
        metrics,
        client: Client::new(&Policy::default())?,
        gates,
        doors,
        receiver,
        settler,
        rejected: Rejected::default(),
        bells,
        codes: Codes::new(prefix),
        shutdown: Shutdown::new(),
    };
    gateway.metrics.set_rules_valid(true);
    Ok(Assembled {
        gateway: Arc::new(gateway),
        receiver: Box::pin(receiving),
        queue,
    })
}

impl Assembled {
    /// Starts the roles; listens on `[server] listen`.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(self, roles: &BTreeSet<Role>) -> Result<Running, Error> {
        let gateway = self.gateway;
        let wanted = gateway.config.server.listen;
        let listener = TcpListener::bind(wanted)
            .await
            .map_err(|source| Error::Listen {
                address: wanted,
                source,
            })?;
        let address = listener.local_addr().map_err(|source| Error::Listen {
            address: wanted,
            source,
        })?;
        // Not tracked: they end when nobody needs them any more.
        tokio::spawn(self.receiver);
        let stop_settling = CancellationToken::new();
        let workers = if gateway.db.is_sqlite() { 1 } else { SETTLERS };
        let settlers = (0..workers)
            .map(|_| {
                tokio::spawn(settle::run(
                    Arc::clone(&gateway),
                    Arc::clone(&self.queue),
                    stop_settling.clone(),
                ))
            })
            .collect();
        gateway.shutdown.spawn(bells::connect(
            Arc::clone(&gateway.bells),
            gateway.db.clone(),
            gateway.lease_token(),
            gateway.shutdown.clone(),
        ));
        if roles.contains(&Role::Work) {
            gateway.shutdown.spawn(ingest::run(Arc::clone(&gateway)));
            let targets = gateway.config.targets.iter().filter(|t| t.enabled);
            let channels = gateway.config.channels.iter().filter(|c| c.enabled);
            let recipients = targets
                .map(Recipient::from)
                .chain(channels.filter_map(Recipient::channel));
            for recipient in recipients {
                let worker = deliver::run(Arc::clone(&gateway), Arc::new(recipient));
                gateway.shutdown.spawn(worker);
            }
            timers::start(&gateway);
            keepers::start(&gateway);
            gateway.shutdown.spawn(alerts::run(Arc::clone(&gateway)));
        }
        if roles.contains(&Role::Poll) {
            keepers::start_asking(&gateway);
            for channel in gateway.config.channels.iter().filter(|c| c.enabled) {
                for kind in channel.channel.polling().map_or(&[][..], |p| p.kinds()) {
                    gateway
                        .shutdown
                        .spawn(poll::run(Arc::clone(&gateway), channel.clone(), kind));
                }
            }
        }
        let router = crate::http::router(&gateway, roles);
        gateway
            .shutdown
            .spawn(crate::http::serve(Arc::clone(&gateway), listener, router));
        tracing::info!(%address, "listening");
        Ok(Running {
            gateway,
            address,
            settlers,
            stop_settling,
        })
    }
}

impl Running {
    /// Stops: no new connections and leases, what is under way is finished, then the settling
    /// workers empty their queue. What does not end in time is left to its lease.
    pub async fn stop(self) {
        self.gateway.shutdown.trigger();
        let grace = Duration::from_secs(self.gateway.config.server.shutdown_grace_s);
        if let Err(unfinished) = self.gateway.shutdown.wait(grace).await {
            tracing::warn!(
                tasks = unfinished.tasks,
                "stopped with work under way; its leases will expire and it will be taken up again"
            );
        }
        self.stop_settling.cancel();
        for settler in self.settlers {
            if settler.await.is_err() {
                tracing::error!("a settling worker ended badly");
            }
        }
        if let Err(error) = self
            .gateway
            .rejected
            .flush(&self.gateway.db, self.gateway.config.inbox.rejected_sample)
            .await
        {
            tracing::warn!(error = %crate::telemetry::chain(&error), "could not write the last rejections");
        }
        self.gateway.db.close().await;
    }
}

fn doors(config: &Config, clock: &SharedClock) -> BTreeMap<String, Door> {
    let intake = || Arc::new(intake(config.limits.intake, clock));
    let mut doors = BTreeMap::new();
    for app in config.apps.iter().filter(|a| a.enabled) {
        doors.insert(
            app.id.clone(),
            Door {
                id: app.id.clone(),
                inbound: Arc::<dyn Channel>::clone(&app.channel),
                allow_from: app.allow_from.clone(),
                intake: intake(),
            },
        );
    }
    // A channel of an app knocks at the app's door and has none of its own.
    for channel in config
        .channels
        .iter()
        .filter(|c| c.enabled && c.app.is_none())
    {
        doors.insert(
            channel.id.clone(),
            Door {
                id: channel.id.clone(),
                inbound: Arc::<dyn Channel>::clone(&channel.channel),
                allow_from: channel.allow_from.clone(),
                intake: intake(),
            },
        );
    }
    for target in &config.targets {
        doors.insert(
            target.id.clone(),
            Door {
                id: target.id.clone(),
                inbound: Arc::<dyn Target>::clone(&target.target),
                allow_from: target.allow_from.clone(),
                intake: intake(),
            },
        );
    }
    doors
}

fn limits(config: &Config) -> Vec<(GateKey, Limits)> {
    let channels = config.channels.iter().map(|c| (&c.id, &c.calls));
    let targets = config.targets.iter().map(|t| (&t.id, &t.calls));
    channels
        .chain(targets)
        .map(|(id, calls)| (GateKey::owner(id), limits_of(calls)))
        .collect()
}

fn limits_of(calls: &Calls) -> Limits {
    let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Limits {
        rate: Some(Rate::per_second(
            at_least_one(calls.rate.per_second),
            at_least_one(calls.rate.burst),
        )),
        concurrency: at_least_one(u32::try_from(calls.concurrency).unwrap_or(u32::MAX)),
        breaker: Some(calls.breaker.settings()),
    }
}

/// Ids of all that tasks go to, for labels.
pub(crate) fn recipients(config: &Config) -> Vec<String> {
    let targets = config.targets.iter().map(|target| target.id.clone());
    let channels = config.channels.iter();
    let told = channels.filter(|channel| Recipient::channel(channel).is_some());
    targets
        .chain(told.map(|channel| channel.id.clone()))
        .collect()
}

fn reserve_when(when: config::ReserveWhen) -> ReserveWhen {
    match when {
        config::ReserveWhen::Placed => ReserveWhen::Placed,
        config::ReserveWhen::Confirmed => ReserveWhen::Confirmed,
        config::ReserveWhen::Paid => ReserveWhen::Paid,
    }
}

/// The channels that tell buyers, in the order of the file.
fn tellers(config: &Config) -> Vec<Teller> {
    let able = config.channels.iter().filter(|channel| channel.enabled);
    able.filter_map(|channel| {
        let events = channel.channel.notices()?.events();
        let serves = channel.serves.iter().map(|id| {
            let name = config.channel(id).map(|served| served.name.clone());
            (id.clone(), name.unwrap_or_else(|| id.clone()))
        });
        Some(Teller {
            channel: channel.id.clone(),
            events,
            serves: serves.collect(),
        })
    })
    .collect()
}

/// What the order aggregate must know of a configuration.
#[must_use]
pub fn settings(config: &Config, locations: &domain::routing::Locations) -> Settings {
    Settings {
        channels: config
            .channels
            .iter()
            .map(|c| (c.id.clone(), reserve_when(c.reserve_when)))
            .collect(),
        reserve_when: reserve_when(config.orders.reserve_when),
        locations: locations
            .iter()
            .map(|l| {
                (
                    l.id.clone(),
                    LocationSettings {
                        target: Some(l.target.clone()),
                        invoice_series: l.invoice_series.clone(),
                        name: Some(l.name.clone()),
                    },
                )
            })
            .collect(),
        invoice_target: config.legs.invoice_target.clone(),
        installation_target: config.legs.installation_target.clone(),
        warranty_target: config.legs.warranty_target.clone(),
        default_series: config.orders.default_series.clone(),
        default_tax_class: config.orders.default_tax_class.clone(),
        backorder_retry_s: i64::try_from(config.orders.backorder_retry_s).unwrap_or(i64::MAX),
        serial_wait_s: i64::try_from(config.orders.serial_wait_s).unwrap_or(i64::MAX),
        tax: config
            .tax
            .rates()
            .iter()
            .map(|rate| TaxRate {
                class: rate.class.clone(),
                rate: rate.percent,
                valid_from: rate.valid_from,
            })
            .collect(),
        feedback: config
            .channels
            .iter()
            .filter(|channel| channel.enabled)
            .filter_map(|channel| {
                let takes = channel.channel.feedback()?.takes();
                Some((channel.id.clone(), takes.iter().copied().collect()))
            })
            .collect(),
        tellers: tellers(config),
        reservation_ttl_s: i64::try_from(config.orders.reservation_ttl_s).unwrap_or(i64::MAX),
        max_routing_rounds: config.orders.max_routing_rounds,
    }
}
