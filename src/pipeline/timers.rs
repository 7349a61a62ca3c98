//! Timers: due orders, expired leases, the change feed, rules and catalog of the database, what
//! is not kept for good, numbers for operators. Polling the database is the truth; the bells only shorten
//! the wait.

use std::sync::Arc;
use std::time::Duration;

use domain::silence::Volume;

use crate::bells::News;
use crate::gateway::Gateway;
use crate::outbound::GateKey;
use crate::pipeline::settle::{Input, Nudge};
use crate::rulebook::Looked;
use crate::store::{Error, accounts, outbox, upkeep};

/// Orders woken in one turn.
const WAKES: i64 = 500;

/// Changes published in one statement.
const CHANGES: i64 = 2_000;

/// The publisher's role is taken over after this, milliseconds.
const ROLE_MS: i64 = 10_000;

/// Rows dropped in one statement.
const PRUNES: i64 = 1_000;

const DAY_MS: i64 = 86_400_000;

/// Repeats `work` every `every` until shutdown; an error is logged and the next turn tries again.
async fn repeat<F, R>(gateway: Arc<Gateway>, what: &'static str, every: Duration, work: F)
where
    F: Fn(Arc<Gateway>) -> R,
    R: Future<Output = Result<(), Error>>,
{
    while !gateway.shutdown.is_triggered() {
        if let Err(error) = work(Arc::clone(&gateway)).await {
            tracing::error!(what, error = %crate::telemetry::chain(&error), "a timer's work failed; it is tried again");
        }
        tokio::select! {
            () = gateway.shutdown.triggered() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// Starts the timers of a worker.
pub fn start(gateway: &Arc<Gateway>) {
    let spawn = |what, every, work: fn(Arc<Gateway>) -> _| {
        let gateway = Arc::clone(gateway);
        let tracker = gateway.shutdown.clone();
        tracker.spawn(repeat(gateway, what, every, move |g| boxed(work(g))));
    };
    spawn("wake", Duration::from_millis(500), |g| {
        Box::pin(wake(g)) as Work
    });
    spawn("reclaim", Duration::from_secs(2), |g| {
        Box::pin(reclaim(g)) as Work
    });
    spawn("catalog", Duration::from_secs(2), |g| {
        Box::pin(catalog(g)) as Work
    });
    spawn("rules", Duration::from_secs(2), |g| {
        Box::pin(rules(g)) as Work
    });
    spawn("rejected", Duration::from_secs(1), |g| {
        Box::pin(rejected(g)) as Work
    });
    spawn("gauges", Duration::from_secs(5), |g| {
        Box::pin(gauges(g)) as Work
    });
    spawn("prune", Duration::from_secs(600), |g| {
        Box::pin(prune(g)) as Work
    });
    // What was imported or mapped while nobody was there to tell the held orders.
    let held = Arc::clone(gateway);
    gateway.shutdown.spawn(async move {
        if let Err(error) = nudge_held(&held).await {
            tracing::error!(error = %crate::telemetry::chain(&error), "could not look at the held orders again");
        }
    });
    let publisher = Arc::clone(gateway);
    gateway.shutdown.spawn(publish(publisher));
}

type Work = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

fn boxed(work: Work) -> Work {
    work
}

async fn wake(gateway: Arc<Gateway>) -> Result<(), Error> {
    let due = upkeep::due_orders(&gateway.db, gateway.now_ms(), WAKES).await?;
    for order_id in due {
        gateway
            .settler
            .submit(Input::Nudge {
                order_id,
                cause: Nudge::Timer,
            })
            .await;
    }
    Ok(())
}

async fn reclaim(gateway: Arc<Gateway>) -> Result<(), Error> {
    let taken = outbox::reclaim_expired(&gateway.db, gateway.now_ms()).await?;
    if taken > 0 {
        tracing::warn!(
            tasks = taken,
            "took back the leases of a worker that died; their targets will be asked first"
        );
        gateway.bells.ring(News::Outbox);
    }
    Ok(())
}

/// Reads the catalog again if it changed, and lets every held order look at itself again: one fix
/// in the mapping table releases all that share the cause.
async fn catalog(gateway: Arc<Gateway>) -> Result<(), Error> {
    if !gateway.catalog.refresh(&gateway.db).await? {
        return Ok(());
    }
    nudge_held(&gateway).await
}

/// Lets every held order look at itself again.
///
/// # Errors
/// When the database refuses.
pub async fn nudge_held(gateway: &Gateway) -> Result<(), Error> {
    let mut after = String::new();
    loop {
        let held = upkeep::held_orders(&gateway.db, &after, WAKES).await?;
        let Some(last) = held.last() else {
            return Ok(());
        };
        after.clone_from(last);
        for order_id in held {
            gateway
                .settler
                .submit(Input::Nudge {
                    order_id,
                    cause: Nudge::Catalog,
                })
                .await;
        }
    }
}

/// Publishes a changed rules file, and takes over newer published rules.
async fn rules(gateway: Arc<Gateway>) -> Result<(), Error> {
    let now = gateway.now_ms();
    match gateway.rulebook.look(&gateway.db, now).await? {
        Looked::Same => {}
        Looked::Published(version) => {
            tracing::info!(version, "published the changed rules file");
        }
        Looked::Bad(problems) => {
            gateway.metrics.set_rules_valid(false);
            tracing::error!(
                mistakes = problems.len(),
                "the rules file has mistakes; the rules in force stay\n{}",
                crate::config::render(&problems)
            );
        }
    }
    let version = gateway.rules.load().version().to_owned();
    match gateway.rulebook.newer(&gateway.db, &version, now).await? {
        None => {}
        Some((published, Ok(rules))) => {
            gateway.rules.store(Arc::new(rules));
            gateway.metrics.set_rules_valid(true);
            tracing::info!(
                version = published.version,
                author = published.author,
                "new rules are in force"
            );
            nudge_held(&gateway).await?;
        }
        Some((published, Err(problems))) => {
            gateway.metrics.set_rules_valid(false);
            tracing::error!(
                version = published.version,
                "published rules do not fit this configuration; the old ones stay\n{}",
                crate::config::render(&problems)
            );
        }
    }
    Ok(())
}

async fn rejected(gateway: Arc<Gateway>) -> Result<(), Error> {
    gateway
        .rejected
        .flush(&gateway.db, gateway.config.inbox.rejected_sample)
        .await
}

async fn prune(gateway: Arc<Gateway>) -> Result<(), Error> {
    let now = gateway.now_ms();
    let days_ago = |days: u32| now - i64::from(days) * DAY_MS;
    let raw = days_ago(gateway.config.inbox.raw_days);
    while upkeep::prune_raw(&gateway.db, now, raw, PRUNES).await? > 0 {
        if gateway.shutdown.is_triggered() {
            return Ok(());
        }
    }
    let keep = gateway.config.keep;
    let changes = days_ago(keep.changes_days);
    while upkeep::prune_changes(&gateway.db, changes, PRUNES).await? > 0 {
        if gateway.shutdown.is_triggered() {
            return Ok(());
        }
    }
    let keys = days_ago(keep.keys_days);
    while upkeep::prune_keys(&gateway.db, keys, PRUNES).await? > 0 {
        if gateway.shutdown.is_triggered() {
            return Ok(());
        }
    }
    Ok(())
}

/// Gives committed changes their positions, while this process holds the role.
async fn publish(gateway: Arc<Gateway>) {
    let token = gateway.lease_token();
    let mut held_until = 0;
    while !gateway.shutdown.is_triggered() {
        let now = gateway.now_ms();
        if now > held_until - ROLE_MS / 2 {
            let until = now + ROLE_MS;
            match upkeep::hold_role(&gateway.db, "changes", &token, now, until).await {
                Ok(true) => held_until = until,
                Ok(false) => held_until = 0,
                Err(error) => {
                    tracing::error!(error = %crate::telemetry::chain(&error), "could not take the publisher's role");
                }
            }
        }
        if held_until > now {
            loop {
                match upkeep::publish_changes(&gateway.db, CHANGES).await {
                    Ok(0) => break,
                    Ok(_) => gateway.bells.ring(News::Published),
                    Err(error) => {
                        tracing::error!(error = %crate::telemetry::chain(&error), "could not publish changes");
                        break;
                    }
                }
            }
        }
        // Many changes share one statement; a reader of the feed waits a little for it.
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::select! {
            () = gateway.shutdown.triggered() => {}
            () = gateway.bells.heard(News::Change) => {}
            () = tokio::time::sleep(Duration::from_millis(900)) => {}
        }
    }
}

async fn gauges(gateway: Arc<Gateway>) -> Result<(), Error> {
    refresh_gauges(&gateway).await
}

/// Reads the numbers that `/metrics` shows.
///
/// # Errors
/// When the database refuses.
pub async fn refresh_gauges(gateway: &Gateway) -> Result<(), Error> {
    let now = gateway.now_ms();
    let age = |oldest: Option<i64>| {
        Duration::from_millis((now - oldest.unwrap_or(now)).max(0).unsigned_abs())
    };
    let inbox = upkeep::inbox_backlog(&gateway.db).await?;
    for id in gateway.doors.keys() {
        let row = inbox.iter().find(|row| row.channel == *id);
        gateway.metrics.set_inbox(
            id,
            row.map_or(0, |r| r.waiting.unsigned_abs()),
            age(row.and_then(|r| r.oldest)),
        );
    }
    let outbox = outbox::backlog(&gateway.db).await?;
    for id in crate::app::recipients(&gateway.config) {
        let row = outbox.iter().find(|row| row.target == id);
        gateway.metrics.set_outbox(
            &id,
            row.map_or(0, |r| r.waiting.unsigned_abs()),
            age(row.and_then(|r| r.oldest)),
        );
        if let Some(gate) = gateway.gates.get(&GateKey::owner(&id)) {
            gateway
                .metrics
                .set_breaker(&id, gate.state().breaker.into());
        }
    }
    for account in accounts::all(&gateway.db).await? {
        let tokens = account.refresh_expires_at.or(account.access_expires_at);
        let ends = [tokens, account.authorized_until];
        if let Some(end) = ends.into_iter().flatten().min() {
            gateway
                .metrics
                .set_token_expiry(&account.channel, (end - now) / 1000);
        }
    }
    let volumes = gateway
        .volumes
        .look(&gateway.db, &gateway.config, now)
        .await?;
    for (channel, standing) in volumes {
        let silent = matches!(standing.volume, Volume::Silent { .. });
        gateway.metrics.set_channel_silent(&channel, silent);
    }
    let (notices, tasks) = upkeep::dead(&gateway.db).await?;
    gateway.metrics.set_dead([
        ("notice", notices.unsigned_abs()),
        ("task", tasks.unsigned_abs()),
    ]);
    let held = upkeep::held(&gateway.db).await?;
    gateway
        .metrics
        .set_orders_held(held.iter().map(|(r, n)| (r.as_str(), n.unsigned_abs())));
    Ok(())
}
