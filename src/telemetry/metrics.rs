//! Counters, gauges and histograms, in the OpenMetrics text format.
//!
//! Events are counted where they happen. Gauges that describe the database (how much waits, how
//! old it is) are set by whoever answers the scrape, just before [`Metrics::encode`]: a number
//! that is read when it is asked for cannot drift from the tables.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::labels::{Capped, Listed};

/// The content type of what [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// More routes, reasons or kinds than this are a mistake.
const MAX_ROUTES: usize = 200;
const MAX_REASONS: usize = 64;
const MAX_KINDS: usize = 16;

const ACK_BUCKETS_S: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0,
];
const ATTEMPT_BUCKETS_S: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
const COMMIT_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The ids of the configuration in force: the only channel and target labels there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Ids of channels and apps.
    pub channels: Vec<String>,
    /// Ids of targets.
    pub targets: Vec<String>,
}

/// How a target's breaker stands, as the number in `kenh_breaker_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerLevel {
    /// 0: calls go through.
    Closed,
    /// 1: one call tries whether the target is back.
    HalfOpen,
    /// 2: nothing goes through.
    Open,
}

/// All metrics of one process. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    channels: Listed,
    targets: Listed,
    routes: Capped,
    reasons: Capped,
    kinds: Capped,
    webhooks: Family<ChannelOutcome, Counter>,
    unknown_values: Family<Channel, Counter>,
    ack: Histogram,
    group_commit_size: Histogram,
    inbox_waiting: Family<Channel, Count>,
    inbox_age: Family<Channel, Seconds>,
    outbox_waiting: Family<Target, Count>,
    outbox_age: Family<Target, Seconds>,
    attempts: Family<TargetOutcome, Counter>,
    attempt: Family<Target, Histogram, AttemptBuckets>,
    breaker_state: Family<Target, Count>,
    token_expiry: Family<Channel, Count>,
    channel_silent: Family<Channel, Count>,
    dead: Family<Kind, Count>,
    rules_valid: Count,
    orders_held: Family<Reason, Count>,
    http_requests: Family<RouteStatus, Counter>,
}

type Count = Gauge<i64, AtomicI64>;
type Seconds = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Channel {
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelOutcome {
    channel: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Target {
    target: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetOutcome {
    target: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteStatus {
    route: String,
    status: String,
}

#[derive(Clone, Copy)]
struct AttemptBuckets;

impl MetricConstructor<Histogram> for AttemptBuckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(ATTEMPT_BUCKETS_S)
    }
}

/// A registry in the making.
struct Builder(Registry);

impl Builder {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn add_seconds<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0
            .register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }
}

impl Metrics {
    /// Metrics that have counted nothing, for a configuration with these ids.
    #[must_use]
    pub fn new(names: Names) -> Self {
        let mut b = Builder(Registry::with_prefix("kenh"));
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        b.0.register("build", "The running version", version);
        let inner = Inner {
            webhooks: b.add(
                "webhooks",
                "Requests at the webhook door by what became of them",
                Family::default(),
            ),
            unknown_values: b.add(
                "unknown_values",
                "Words of a vendor in an order that the connector does not know; kept as tags",
                Family::default(),
            ),
            ack: b.add_seconds(
                "ack",
                "Time from a webhook's last byte to its acknowledgement",
                Histogram::new(ACK_BUCKETS_S),
            ),
            group_commit_size: b.add(
                "group_commit_size",
                "Messages per commit of the inbox writer",
                Histogram::new(COMMIT_BUCKETS),
            ),
            inbox_waiting: b.add(
                "inbox_waiting",
                "Notices that are not settled",
                Family::default(),
            ),
            inbox_age: b.add_seconds(
                "inbox_age",
                "Age of the oldest notice that is not settled",
                Family::default(),
            ),
            outbox_waiting: b.add(
                "outbox_waiting",
                "Tasks that are not delivered",
                Family::default(),
            ),
            outbox_age: b.add_seconds(
                "outbox_age",
                "Age of the oldest task that is not delivered",
                Family::default(),
            ),
            attempts: b.add(
                "attempts",
                "Attempts to deliver a task by outcome",
                Family::default(),
            ),
            attempt: b.add_seconds(
                "attempt",
                "Time of an attempt from sending to the whole answer",
                Family::new_with_constructor(AttemptBuckets),
            ),
            breaker_state: b.add(
                "breaker_state",
                "Breaker of a target: 0 closed, 1 half open, 2 open",
                Family::default(),
            ),
            token_expiry: b.add_seconds(
                "token_expiry",
                "Time until a channel's access token expires, negative after that",
                Family::default(),
            ),
            channel_silent: b.add(
                "channel_silent",
                "1 while a channel brings nothing although it should",
                Family::default(),
            ),
            dead: b.add(
                "dead",
                "Dead letters that wait for a person",
                Family::default(),
            ),
            rules_valid: b.add(
                "rules_valid",
                "Whether the latest rule file is in force: 0 if it was refused",
                Count::default(),
            ),
            orders_held: b.add("orders_held", "Orders on hold by reason", Family::default()),
            http_requests: b.add(
                "http_requests",
                "HTTP requests by route template and status",
                Family::default(),
            ),
            channels: Listed::default(),
            targets: Listed::default(),
            routes: Capped::new(MAX_ROUTES),
            reasons: Capped::new(MAX_REASONS),
            kinds: Capped::new(MAX_KINDS),
            registry: b.0,
        };
        let metrics = Self {
            inner: Arc::new(inner),
        };
        metrics.rename(names);
        metrics
    }

    /// Takes the ids of a new configuration. What is no longer there loses its gauges, so that no
    /// alarm hangs on a channel that was removed; its counters stay.
    pub fn rename(&self, names: Names) {
        for channel in self.inner.channels.replace(names.channels) {
            let label = Channel { channel };
            self.inner.inbox_waiting.remove(&label);
            self.inner.inbox_age.remove(&label);
            self.inner.token_expiry.remove(&label);
            self.inner.channel_silent.remove(&label);
        }
        for target in self.inner.targets.replace(names.targets) {
            let label = Target { target };
            self.inner.outbox_waiting.remove(&label);
            self.inner.outbox_age.remove(&label);
            self.inner.breaker_state.remove(&label);
        }
    }

    /// So many words in an order of a channel that its connector does not know.
    pub fn unknown_values(&self, channel: &str, n: u64) {
        let channel = self.inner.channels.label(channel);
        let label = Channel { channel };
        self.inner.unknown_values.get_or_create(&label).inc_by(n);
    }

    /// One request at the webhook door, by a fixed name of what became of it.
    pub fn webhook(&self, channel: &str, outcome: &'static str) {
        let channel = self.inner.channels.label(channel);
        let label = ChannelOutcome { channel, outcome };
        self.inner.webhooks.get_or_create(&label).inc();
    }

    /// How long one sender waited for its acknowledgement.
    pub fn acknowledged(&self, took: Duration) {
        self.inner.ack.observe(took.as_secs_f64());
    }

    /// One commit of the inbox writer with so many messages.
    pub fn group_commit(&self, messages: u32) {
        self.inner.group_commit_size.observe(f64::from(messages));
    }

    /// One attempt at a target, by a fixed name of its outcome, and how long it took.
    pub fn attempt(&self, target: &str, outcome: &'static str, took: Duration) {
        let target = self.inner.targets.label(target);
        let label = TargetOutcome {
            target: target.clone(),
            outcome,
        };
        self.inner.attempts.get_or_create(&label).inc();
        let label = Target { target };
        self.inner
            .attempt
            .get_or_create(&label)
            .observe(took.as_secs_f64());
    }

    /// One HTTP request, by the *template* of its route (`/api/v1/orders/{id}`) and its status.
    /// Pass `None` for what matched no route.
    pub fn http_request(&self, route: Option<&str>, status: http::StatusCode) {
        let route = match route {
            Some(template) => self.inner.routes.label(template),
            None => super::UNKNOWN.to_owned(),
        };
        let status = status.as_str().to_owned();
        let label = RouteStatus { route, status };
        self.inner.http_requests.get_or_create(&label).inc();
    }

    /// How many notices of a channel wait, and how old the oldest is (zero if none).
    pub fn set_inbox(&self, channel: &str, waiting: u64, oldest: Duration) {
        let channel = self.inner.channels.label(channel);
        let label = Channel { channel };
        let inner = &self.inner;
        inner
            .inbox_waiting
            .get_or_create(&label)
            .set(count(waiting));
        inner
            .inbox_age
            .get_or_create(&label)
            .set(oldest.as_secs_f64());
    }

    /// How many tasks for a target wait, and how old the oldest is (zero if none).
    pub fn set_outbox(&self, target: &str, waiting: u64, oldest: Duration) {
        let target = self.inner.targets.label(target);
        let label = Target { target };
        let inner = &self.inner;
        inner
            .outbox_waiting
            .get_or_create(&label)
            .set(count(waiting));
        inner
            .outbox_age
            .get_or_create(&label)
            .set(oldest.as_secs_f64());
    }

    /// How a target's breaker stands.
    pub fn set_breaker(&self, target: &str, level: BreakerLevel) {
        let level = match level {
            BreakerLevel::Closed => 0,
            BreakerLevel::HalfOpen => 1,
            BreakerLevel::Open => 2,
        };
        let target = self.inner.targets.label(target);
        let label = Target { target };
        self.inner.breaker_state.get_or_create(&label).set(level);
    }

    /// Seconds until a channel's access token expires; negative if it has.
    pub fn set_token_expiry(&self, channel: &str, seconds: i64) {
        let channel = self.inner.channels.label(channel);
        let label = Channel { channel };
        self.inner.token_expiry.get_or_create(&label).set(seconds);
    }

    /// Whether a channel brings nothing although it should.
    pub fn set_channel_silent(&self, channel: &str, silent: bool) {
        let channel = self.inner.channels.label(channel);
        let label = Channel { channel };
        let level = i64::from(silent);
        self.inner.channel_silent.get_or_create(&label).set(level);
    }

    /// All dead letters by kind; a kind that is not named has none.
    pub fn set_dead<'a>(&self, by_kind: impl IntoIterator<Item = (&'a str, u64)>) {
        let sums = sums(&self.inner.kinds, by_kind);
        self.inner.dead.clear();
        for (kind, dead) in sums {
            self.inner.dead.get_or_create(&Kind { kind }).set(dead);
        }
    }

    /// All orders on hold by reason; a reason that is not named holds none.
    pub fn set_orders_held<'a>(&self, by_reason: impl IntoIterator<Item = (&'a str, u64)>) {
        let sums = sums(&self.inner.reasons, by_reason);
        self.inner.orders_held.clear();
        for (reason, held) in sums {
            let label = Reason { reason };
            self.inner.orders_held.get_or_create(&label).set(held);
        }
    }

    /// Whether the latest rule file is in force. Also false until the first one is.
    pub fn set_rules_valid(&self, valid: bool) {
        self.inner.rules_valid.set(i64::from(valid));
    }

    /// Everything, as OpenMetrics text; serve it as [`CONTENT_TYPE`].
    #[must_use]
    pub fn encode(&self) -> String {
        let mut page = String::new();
        text::encode(&mut page, &self.inner.registry).expect("writing into a string does not fail");
        page
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Counts by label: several values past the bound share one.
fn sums<'a>(
    labels: &Capped,
    counts: impl IntoIterator<Item = (&'a str, u64)>,
) -> BTreeMap<String, i64> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for (value, number) in counts {
        let sum = sums.entry(labels.label(value)).or_default();
        *sum = sum.saturating_add(count(number));
    }
    sums
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
