//! The health of channels and targets in a fixed number of queries, whatever the number of
//! channels, each over a bounded part of its table.

use std::collections::{BTreeMap, HashMap};

use sea_orm::FromQueryResult;

use super::db::{Db, Error};
use super::deliveries::newest;
use super::messages::Receipts;
use super::sql::Sql;

/// The last success of a target is looked for among so many of the newest tasks.
const NEWEST_TASKS: i64 = 20_000;

/// What came in through one door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Verified requests since the moment asked for, by outcome.
    pub receipts: Receipts,
    /// When the last message came, milliseconds; `None` if none ever came.
    pub last_message_at: Option<i64>,
}

/// What came in since a moment, for every id of `ids`.
///
/// # Errors
/// When the database refuses.
pub async fn traffic(
    db: &Db,
    since: i64,
    ids: &[String],
) -> Result<HashMap<String, Traffic>, Error> {
    let mut traffic: HashMap<String, Traffic> = HashMap::new();
    // Receipts have no index by time, because every message would pay for it. The last message
    // from before has its receipt just before the first one that counts.
    let start = Sql::new(
        "SELECT COALESCE(MIN(r.seq), 0) AS start FROM receipt r WHERE r.message_seq = \
         (SELECT m.seq FROM message m WHERE m.received_at < ",
    )
    .bind(since)
    .push(" ORDER BY m.received_at DESC LIMIT 1)")
    .one(db.reader())
    .await?
    .map(|row| row.try_get::<i64>("", "start"))
    .transpose()?
    .unwrap_or(0);
    for row in Sql::new(
        "SELECT channel, outcome, COUNT(*) AS n, MAX(received_at) AS last FROM receipt WHERE seq >= ",
    )
    .bind(start)
    .push(" AND received_at >= ")
    .bind(since)
    .push(" GROUP BY channel, outcome")
    .all(db.reader())
    .await?
    {
        let of = traffic.entry(row.try_get("", "channel")?).or_default();
        let n: i64 = row.try_get("", "n")?;
        match row.try_get::<String>("", "outcome")?.as_str() {
            "new" => of.receipts.new = n,
            "duplicate" => of.receipts.duplicate = n,
            _ => of.receipts.conflict = n,
        }
        of.last_message_at = of.last_message_at.max(row.try_get("", "last")?);
    }
    let quiet: Vec<String> = ids
        .iter()
        .filter(|id| !traffic.contains_key(*id))
        .cloned()
        .collect();
    if !quiet.is_empty() {
        for row in
            Sql::new("SELECT channel, MAX(received_at) AS last FROM message WHERE channel IN ")
                .bind_list(&quiet)
                .push(" GROUP BY channel")
                .all(db.reader())
                .await?
        {
            let of = traffic.entry(row.try_get("", "channel")?).or_default();
            of.last_message_at = row.try_get("", "last")?;
        }
    }
    Ok(traffic)
}

/// Dead notices per channel or target.
///
/// # Errors
/// When the database refuses.
pub async fn dead_notices(db: &Db) -> Result<HashMap<String, i64>, Error> {
    Sql::new("SELECT channel, COUNT(*) AS n FROM notice WHERE state = 'dead' GROUP BY channel")
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "channel")?, row.try_get("", "n")?)))
        .collect()
}

/// How the outbox of one target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outbox {
    /// Tasks that wait.
    pub waiting: i64,
    /// Tasks under lease.
    pub in_flight: i64,
    /// Tasks that need a person.
    pub dead: i64,
    /// When the oldest task that waits or is under lease was written, milliseconds.
    pub oldest: Option<i64>,
    /// When a task last succeeded, milliseconds; `None` if none of the newest did.
    pub last_delivered_at: Option<i64>,
}

#[derive(FromQueryResult)]
struct Counted {
    target: String,
    state: String,
    n: i64,
    oldest: i64,
}

/// How every outbox stands.
///
/// # Errors
/// When the database refuses.
pub async fn outboxes(db: &Db) -> Result<BTreeMap<String, Outbox>, Error> {
    // One part per state, because each has an index of its own.
    let counted: Vec<Counted> = Sql::new(
        "SELECT target, 'pending' AS state, COUNT(*) AS n, MIN(created_at) AS oldest FROM task WHERE state = 'pending' GROUP BY target \
         UNION ALL \
         SELECT target, 'in_flight' AS state, COUNT(*) AS n, MIN(created_at) AS oldest FROM task WHERE state = 'in_flight' GROUP BY target \
         UNION ALL \
         SELECT target, 'dead' AS state, COUNT(*) AS n, MIN(created_at) AS oldest FROM task WHERE state = 'dead' GROUP BY target",
    )
    .read(db.reader())
    .await?;
    let mut outboxes: BTreeMap<String, Outbox> = BTreeMap::new();
    for row in counted {
        let of = outboxes.entry(row.target).or_default();
        match row.state.as_str() {
            "pending" => of.waiting = row.n,
            "in_flight" => of.in_flight = row.n,
            _ => {
                of.dead = row.n;
                continue;
            }
        }
        of.oldest = Some(of.oldest.map_or(row.oldest, |at| at.min(row.oldest)));
    }
    let floor = newest(db, "task").await? - NEWEST_TASKS;
    for row in Sql::new(
        "SELECT target, MAX(finished_at) AS last FROM task WHERE state = 'delivered' AND seq > ",
    )
    .bind(floor)
    .push(" GROUP BY target")
    .all(db.reader())
    .await?
    {
        let of = outboxes.entry(row.try_get("", "target")?).or_default();
        of.last_delivered_at = row.try_get("", "last")?;
    }
    Ok(outboxes)
}

#[cfg(test)]
mod tests {
    use super::super::inbox::{self, Incoming};
    use super::super::testing::{TempDb, task};
    use super::*;
    use connectors::inbound::Source;

    fn message(channel: &str, key: &str, at: i64) -> Incoming {
        Incoming {
            channel: channel.to_owned(),
            dedup_key: key.to_owned(),
            source: Source::Push,
            topic: None,
            body: Vec::new(),
            body_hash: "h".to_owned(),
            received_at: at,
            notices: Vec::new(),
            preflight: None,
        }
    }

    #[tokio::test]
    async fn only_receipts_since_the_moment_count_and_a_quiet_channel_keeps_its_last_message() {
        let db = TempDb::new().await;
        for (channel, key, at) in [
            ("web", "a", 100),
            ("old", "a", 110),
            ("web", "a", 120),
            ("web", "b", 200),
            ("web", "b", 210),
        ] {
            inbox::receive(&db, &[message(channel, key, at)])
                .await
                .unwrap();
        }
        let ids = ["web", "old", "never"].map(str::to_owned);
        let seen = traffic(&db, 150, &ids).await.unwrap();
        assert_eq!(
            seen["web"],
            Traffic {
                receipts: Receipts {
                    new: 1,
                    duplicate: 1,
                    conflict: 0
                },
                last_message_at: Some(210),
            }
        );
        assert_eq!(seen["old"].last_message_at, Some(110));
        assert_eq!(seen["old"].receipts, Receipts::default());
        assert!(!seen.contains_key("never"));
        let all = traffic(&db, 0, &ids).await.unwrap();
        assert_eq!(
            all["web"].receipts,
            Receipts {
                new: 2,
                duplicate: 2,
                conflict: 0
            }
        );
    }

    #[tokio::test]
    async fn an_outbox_shows_what_waits_what_died_and_the_last_success() {
        let db = TempDb::new().await;
        for key in ["k1", "k2", "k3", "k4"] {
            task(&db, key, "wms", "reserve").await;
        }
        db.run("UPDATE task SET created_at = seq * 10").await;
        db.run("UPDATE task SET state = 'dead', finished_at = 70 WHERE key = 'k1'")
            .await;
        db.run("UPDATE task SET state = 'in_flight' WHERE key = 'k3'")
            .await;
        db.run("UPDATE task SET state = 'delivered', finished_at = 90 WHERE key = 'k4'")
            .await;
        let seen = outboxes(&db).await.unwrap();
        assert_eq!(
            seen["wms"],
            Outbox {
                waiting: 1,
                in_flight: 1,
                dead: 1,
                oldest: Some(20),
                last_delivered_at: Some(90),
            }
        );
    }
}
