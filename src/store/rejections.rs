//! Counts and samples of rejected requests.

use sea_orm::FromQueryResult;

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

/// One rejected request, sealed.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Sample {
    /// Channel or target.
    pub channel: String,
    /// Why.
    pub reason: String,
    /// When, milliseconds.
    pub received_at: i64,
    /// Sealed request.
    pub request: Vec<u8>,
}

/// Adds counts (channel, hour, reason, count) and samples, keeping the newest `keep` samples of
/// each channel.
///
/// # Errors
/// When the database refuses.
pub async fn write(
    db: &Db,
    counts: &[(&str, i64, &str, i64)],
    samples: Vec<Sample>,
    keep: u32,
) -> Result<(), Error> {
    let tx = db.begin().await?;
    insert_many(
        &tx,
        "INSERT INTO rejected_count (channel, hour, reason, count)",
        counts
            .iter()
            .map(|(channel, hour, reason, count)| {
                vec![
                    (*channel).into(),
                    (*hour).into(),
                    (*reason).into(),
                    (*count).into(),
                ]
            })
            .collect(),
        "ON CONFLICT (channel, hour, reason) DO UPDATE SET count = rejected_count.count + excluded.count",
    )
    .await?;
    let mut channels: Vec<String> = samples.iter().map(|s| s.channel.clone()).collect();
    channels.sort();
    channels.dedup();
    insert_many(
        &tx,
        "INSERT INTO rejected_sample (channel, reason, received_at, request)",
        samples
            .into_iter()
            .map(|s| {
                vec![
                    s.channel.into(),
                    s.reason.into(),
                    s.received_at.into(),
                    s.request.into(),
                ]
            })
            .collect(),
        "",
    )
    .await?;
    for channel in channels {
        Sql::new("DELETE FROM rejected_sample WHERE channel = ")
            .bind(channel.as_str())
            .push(" AND seq NOT IN (SELECT seq FROM rejected_sample WHERE channel = ")
            .bind(channel.as_str())
            .push(" ORDER BY seq DESC LIMIT ")
            .bind(i64::from(keep))
            .push(")")
            .run(&tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Rejections of a channel since an hour, by reason.
///
/// # Errors
/// When the database refuses.
pub async fn counts(db: &Db, since: i64) -> Result<Vec<(String, String, i64)>, Error> {
    Sql::new(
        "SELECT channel, reason, CAST(SUM(count) AS BIGINT) AS n FROM rejected_count WHERE hour >= ",
    )
    .bind(since)
    .push(" GROUP BY channel, reason ORDER BY channel, reason")
    .all(db.reader())
    .await?
    .iter()
    .map(|row| {
        Ok((
            row.try_get("", "channel")?,
            row.try_get("", "reason")?,
            row.try_get("", "n")?,
        ))
    })
    .collect()
}

/// What is shown of a kept sample: never the request itself.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct SampleRow {
    /// Row.
    pub seq: i64,
    /// Channel or target.
    pub channel: String,
    /// Why.
    pub reason: String,
    /// When, milliseconds.
    pub received_at: i64,
}

/// The newest kept samples, newest first, of one channel or of all.
///
/// # Errors
/// When the database refuses.
pub async fn samples(db: &Db, channel: Option<&str>, limit: i64) -> Result<Vec<SampleRow>, Error> {
    let mut sql = Sql::new("SELECT seq, channel, reason, received_at FROM rejected_sample");
    if let Some(channel) = channel {
        sql = sql.push(" WHERE channel = ").bind(channel);
    }
    Ok(sql
        .push(" ORDER BY seq DESC LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDb;
    use super::*;

    fn sample(channel: &str, at: i64) -> Sample {
        Sample {
            channel: channel.to_owned(),
            reason: "bad_signature".to_owned(),
            received_at: at,
            request: b"sealed".to_vec(),
        }
    }

    #[tokio::test]
    async fn counts_add_up_and_only_the_newest_samples_are_kept() {
        let db = TempDb::new().await;
        let samples_in = vec![
            sample("web", 1),
            sample("web", 2),
            sample("web", 3),
            sample("momo", 4),
        ];
        write(&db, &[("web", 0, "bad_signature", 3)], samples_in, 2)
            .await
            .unwrap();
        write(&db, &[("web", 0, "bad_signature", 4)], Vec::new(), 2)
            .await
            .unwrap();
        let counted = counts(&db, 0).await.unwrap();
        assert_eq!(counted, [("web".to_owned(), "bad_signature".to_owned(), 7)]);
        let kept: Vec<i64> = samples(&db, Some("web"), 9)
            .await
            .unwrap()
            .iter()
            .map(|s| s.received_at)
            .collect();
        assert_eq!(kept, [3, 2]);
        assert_eq!(samples(&db, None, 9).await.unwrap().len(), 3);
    }
}
