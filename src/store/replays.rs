//! Replays: a stored message read again by today's connector.

use super::db::{Db, Error};
use super::inbox::NewNotice;
use super::sql::{Sql, insert_many};
use crate::crash;

/// What a replay wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Ordinal of the first new notice.
    pub base: i64,
    /// New notices.
    pub notices: usize,
    /// Dead notices of earlier readings that the new one replaces.
    pub replaced: u64,
}

/// Adds a new reading of a message: its notices after all earlier ones. Dead notices of earlier
/// readings are replaced by it and end as ignored; one that only asked for a fetch is not in any
/// reading, so it waits again instead. Settling folds what it has seen before, so a reading that
/// says the same again changes nothing.
///
/// # Errors
/// When the database refuses; a replay at the same moment is a race.
pub async fn replay(
    db: &Db,
    seq: i64,
    actor: &str,
    now: i64,
    notices: &[NewNotice],
) -> Result<Replayed, Error> {
    let tx = db.begin().await?;
    let row = Sql::new(
        "SELECT channel, (SELECT COALESCE(MAX(ordinal), -1) + 1 FROM notice WHERE message_seq = message.seq) AS base \
         FROM message WHERE seq = ",
    )
    .bind(seq)
    .one(&tx)
    .await?
    .ok_or(Error::Conflict { what: "a message" })?;
    let channel: String = row.try_get("", "channel")?;
    let base: i64 = row.try_get("", "base")?;
    let replaced =
        Sql::new("UPDATE notice SET state = 'ignored', reason = 'replayed', finished_at = ")
            .bind(now)
            .push(" WHERE state = 'dead' AND fetch_only = 0 AND message_seq = ")
            .bind(seq)
            .run(&tx)
            .await?;
    Sql::new(
        "UPDATE notice SET state = 'waiting', reason = 'replayed', finished_at = NULL, attempts = 0, not_before = ",
    )
    .bind(now)
    .push(" WHERE state = 'dead' AND fetch_only = 1 AND message_seq = ")
    .bind(seq)
    .run(&tx)
    .await?;
    crash::point("replay.after_reset");
    let rows = notices
        .iter()
        .zip(base..)
        .map(|(notice, ordinal)| {
            let (state, reason, finished) = notice.state.columns(now);
            vec![
                seq.into(),
                ordinal.into(),
                channel.as_str().into(),
                notice.kind.into(),
                notice.key.clone().into(),
                state.into(),
                reason.into(),
                base.into(),
                now.into(),
                now.into(),
                finished.into(),
            ]
        })
        .collect();
    insert_many(
        &tx,
        "INSERT INTO notice (message_seq, ordinal, channel, kind, key, state, reason, replay_base, not_before, created_at, finished_at)",
        rows,
        "",
    )
    .await?;
    insert_many(
        &tx,
        "INSERT INTO audit (at, actor, action, subject, detail)",
        vec![vec![
            now.into(),
            actor.into(),
            "inbox.replay".into(),
            format!("message {seq}").into(),
            format!(
                "{} notices from {base}, {replaced} dead ones replaced",
                notices.len()
            )
            .into(),
        ]],
        "",
    )
    .await?;
    tx.commit().await?;
    Ok(Replayed {
        base,
        notices: notices.len(),
        replaced,
    })
}

#[cfg(test)]
mod tests {
    use super::super::inbox::{Incoming, NewState, receive};
    use super::super::notices::claim;
    use super::super::testing::TempDb;
    use super::*;
    use connectors::inbound::Source;

    fn notice(state: NewState) -> NewNotice {
        NewNotice {
            kind: "order",
            key: Some("WEB-1".to_owned()),
            state,
        }
    }

    fn message(hash: &str, notices: Vec<NewNotice>) -> Incoming {
        Incoming {
            channel: "web".to_owned(),
            dedup_key: "k".to_owned(),
            source: Source::Push,
            topic: None,
            body: b"sealed".to_vec(),
            body_hash: hash.to_owned(),
            received_at: 10,
            notices,
            preflight: None,
        }
    }

    async fn states(db: &TempDb) -> Vec<String> {
        db.text(
            "SELECT ordinal || ' ' || state || ' ' || COALESCE(reason, '-') || ' ' || replay_base AS x \
             FROM notice ORDER BY ordinal",
        )
        .await
    }

    #[tokio::test]
    async fn a_replay_replaces_what_could_not_be_read_and_leaves_what_was_settled() {
        let db = TempDb::new().await;
        let dead = NewState::Dead("no id".to_owned());
        let notices = vec![notice(NewState::Ignored("a ping".to_owned())), notice(dead)];
        receive(&db, &[message("h", notices)]).await.unwrap();

        let reading = [
            notice(NewState::Ignored("a ping".to_owned())),
            notice(NewState::Waiting),
        ];
        let replayed = replay(&db, 1, "lan", 50, &reading).await.unwrap();

        assert_eq!(
            replayed,
            Replayed {
                base: 2,
                notices: 2,
                replaced: 1
            }
        );
        assert_eq!(
            states(&db).await,
            [
                "0 ignored a ping 0",
                "1 ignored replayed 0",
                "2 ignored a ping 2",
                "3 waiting - 2",
            ]
        );
        let leased = claim(&db, "t", 50, 100, 10, &[]).await.unwrap();
        assert_eq!((leased[0].ordinal, leased[0].replay_base), (3, 2));
        let audit = db
            .text("SELECT actor || ' ' || action || ' ' || subject AS x FROM audit")
            .await;
        assert_eq!(audit, ["lan inbox.replay message 1"]);
    }

    #[tokio::test]
    async fn a_dead_fetch_waits_again_because_no_reading_holds_it() {
        let db = TempDb::new().await;
        receive(&db, &[message("h", vec![notice(NewState::Waiting)])])
            .await
            .unwrap();
        receive(&db, &[message("other", vec![notice(NewState::Waiting)])])
            .await
            .unwrap();
        db.run("UPDATE notice SET state = 'dead', reason = 'gone', finished_at = 20 WHERE fetch_only = 1").await;

        replay(&db, 1, "lan", 50, &[notice(NewState::Waiting)])
            .await
            .unwrap();

        assert_eq!(
            states(&db).await,
            ["0 waiting - 0", "1 waiting replayed 0", "2 waiting - 2"]
        );
    }

    #[tokio::test]
    async fn a_replay_of_a_message_that_is_not_there_writes_nothing() {
        let db = TempDb::new().await;
        let result = replay(&db, 7, "lan", 50, &[notice(NewState::Waiting)]).await;
        assert!(result.is_err_and(|error| error.is_race()));
        assert!(db.text("SELECT action AS x FROM audit").await.is_empty());
    }
}
