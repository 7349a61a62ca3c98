//! Silence: counts what came in each hour, and judges by that whether a channel says less than it
//! should.
//!
//! One process counts, each judges for itself: an API that runs apart knows as much as the worker
//! that alarms.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::silence::{self, Hours, Volume, WEEK_HOURS, WEEKS};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::store::volumes::{self, HOUR_MS};
use crate::store::{Db, Error};

/// A message is stored a moment after it came: an hour is over when this much of the next one is,
/// milliseconds.
const LATE_MS: i64 = 120_000;

/// Hours counted in one statement.
const AT_ONCE: i64 = 6;

/// A week more than is looked back on, so that the oldest hour is whole.
const KEPT_HOURS: i64 = (WEEKS + 1) * WEEK_HOURS;

/// Counts the hours that are over.
#[derive(Debug, Default)]
pub(super) struct Keeper;

impl super::Keeper for Keeper {
    const ROLE: &'static str = "channel-hours";
    const EVERY: Duration = Duration::from_secs(60);
    const LEASE_MS: i64 = 150_000;

    async fn turn(&mut self, gateway: &Gateway) -> Result<(), Error> {
        count(gateway).await
    }
}

/// Channels that have no door: everything comes by polling.
fn pulled(config: &Config) -> Vec<String> {
    let channels = config.channels.iter();
    channels
        .filter(|channel| !channel.channel.pushes())
        .map(|channel| channel.id.clone())
        .collect()
}

/// Counts every hour that is over and not counted yet; the first time, those of the weeks that are
/// looked back on. An interruption costs nothing: it goes on behind the last hour that was kept.
///
/// # Errors
/// When the database refuses.
pub async fn count(gateway: &Gateway) -> Result<(), Error> {
    let pulled = pulled(&gateway.config);
    let over = (gateway.now_ms() - LATE_MS).div_euclid(HOUR_MS);
    let oldest = over - KEPT_HOURS;
    let counted = volumes::counted(&gateway.db).await?;
    let mut next = counted.map_or(oldest, |last| (last + 1).max(oldest));
    if next >= over {
        return Ok(());
    }
    while next < over && !gateway.shutdown.is_triggered() {
        let end = (next + AT_ONCE).min(over);
        let rows = volumes::count(&gateway.db, next, end, &pulled).await?;
        volumes::keep(&gateway.db, &rows, end - 1).await?;
        next = end;
    }
    volumes::prune(&gateway.db, oldest).await?;
    Ok(())
}

/// How a channel's volume stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The verdict.
    pub volume: Volume,
    /// When the last message that counts came, milliseconds.
    pub last_ms: Option<i64>,
}

/// What one process remembers, so that a look reads only what is new.
#[derive(Debug, Default)]
pub struct Volumes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    counted: Option<i64>,
    hours: BTreeMap<String, Hours>,
    last: BTreeMap<String, i64>,
    looked_at: Option<i64>,
}

impl Volumes {
    /// How every enabled channel stands now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn look(
        &self,
        db: &Db,
        config: &Config,
        now: i64,
    ) -> Result<BTreeMap<String, Standing>, Error> {
        let mut known = self.0.lock().await;
        known.refresh(db, &pulled(config), now).await?;
        let channels = config.channels.iter().filter(|channel| channel.enabled);
        let none = Hours::new();
        Ok(channels
            .map(|channel| {
                let hours = known.hours.get(&channel.id).unwrap_or(&none);
                let last_ms = known.last.get(&channel.id).copied();
                let first = hours.keys().next().copied();
                let volume = silence::judge(hours, first, last_ms, now);
                (channel.id.clone(), Standing { volume, last_ms })
            })
            .collect())
    }
}

impl Known {
    async fn refresh(&mut self, db: &Db, pulled: &[String], now: i64) -> Result<(), Error> {
        let counted = volumes::counted(db).await?;
        if self.looked_at.is_none() || counted != self.counted {
            let this_hour = now.div_euclid(HOUR_MS);
            self.hours = volumes::hours(db, this_hour - KEPT_HOURS).await?;
            self.counted = counted;
        }
        // Behind the last look, with room for what was stored late; at first, what is not counted
        // yet.
        let from = match self.looked_at {
            Some(at) => at - LATE_MS,
            None => counted.map_or(now - HOUR_MS, |hour| (hour + 1) * HOUR_MS),
        };
        for (channel, at) in volumes::last(db, from, i64::MAX, pulled).await? {
            let last = self.last.entry(channel).or_insert(at);
            *last = at.max(*last);
        }
        self.looked_at = Some(now);
        // Channels that were quiet since: their last message is in their last counted hour.
        let quiet: Vec<(String, i64)> = self
            .hours
            .iter()
            .filter(|(channel, _)| !self.last.contains_key(*channel))
            .filter_map(|(channel, hours)| Some((channel.clone(), *hours.keys().next_back()?)))
            .collect();
        for (channel, hour) in quiet {
            let within = volumes::last(db, hour * HOUR_MS, (hour + 1) * HOUR_MS, pulled).await?;
            let at = within.get(&channel).copied();
            self.last.insert(channel, at.unwrap_or(hour * HOUR_MS));
        }
        Ok(())
    }
}
