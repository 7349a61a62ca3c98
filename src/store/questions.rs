//! Payments that providers are asked about: which orders wait for their money, and where each
//! question stands.

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

/// An order that waits for its money.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Awaiting {
    /// `ord_…`
    pub id: String,
    /// When it was placed, milliseconds.
    pub placed_at: i64,
    /// Rises with every change.
    pub version: i64,
}

/// Orders of a channel that are not paid, nor a draft, nor finished, placed from `from` to `to`,
/// after a place in the order of time and id. The conditions on the states are those of the index
/// `orders_unpaid`, word by word, or SQLite would not use it.
///
/// # Errors
/// When the database refuses.
pub async fn awaiting(
    db: &Db,
    channel: &str,
    (from, to): (i64, i64),
    after: (i64, &str),
    limit: i64,
) -> Result<Vec<Awaiting>, Error> {
    Ok(awaiting_sql(channel, (from, to), after, limit)
        .read(db.reader())
        .await?)
}

fn awaiting_sql(channel: &str, (from, to): (i64, i64), after: (i64, &str), limit: i64) -> Sql {
    Sql::new(
        "SELECT id, placed_at, version FROM orders WHERE \
         payment IN ('unpaid', 'authorized', 'partially_paid', 'failed') \
         AND lifecycle IN ('pending', 'open', 'on_hold') AND channel = ",
    )
    .bind(channel)
    .push(" AND placed_at >= ")
    .bind(from)
    .push(" AND placed_at <= ")
    .bind(to)
    .push(" AND (placed_at, id) > (")
    .bind(after.0)
    .push(", ")
    .bind(after.1)
    .push(") ORDER BY placed_at, id LIMIT ")
    .bind(limit)
}

/// Orders of a channel that were placed from `from` to before `to`, after a place in the order of
/// time and id.
///
/// # Errors
/// When the database refuses.
pub async fn placed(
    db: &Db,
    channel: &str,
    (from, to): (i64, i64),
    after: (i64, &str),
    limit: i64,
) -> Result<Vec<Awaiting>, Error> {
    Ok(
        Sql::new("SELECT id, placed_at, version FROM orders WHERE channel = ")
            .bind(channel)
            .push(" AND placed_at >= ")
            .bind(from)
            .push(" AND placed_at < ")
            .bind(to)
            .push(" AND (placed_at, id) > (")
            .bind(after.0)
            .push(", ")
            .bind(after.1)
            .push(") ORDER BY placed_at, id LIMIT ")
            .bind(limit)
            .read(db.reader())
            .await?,
    )
}

/// A question that is open.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Question {
    /// The payment, `code-attempt`.
    pub reference: String,
    /// How often it was asked.
    pub asked: i64,
    /// What was last said.
    pub detail: Option<String>,
    /// Since when it cannot be asked, milliseconds.
    pub failing_since: Option<i64>,
}

/// A question to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) channel: String,
    pub(crate) reference: String,
    pub(crate) next_at: i64,
}

fn rows(now: i64, questions: &[Opened]) -> Vec<Vec<sea_orm::Value>> {
    questions
        .iter()
        .map(|question| {
            vec![
                question.channel.as_str().into(),
                question.reference.as_str().into(),
                0_i64.into(),
                question.next_at.into(),
                "open".into(),
                now.into(),
            ]
        })
        .collect()
}

const INSERT: &str =
    "INSERT INTO payment_question (channel, reference, asked, next_at, state, updated_at)";

/// Opens questions; one that was asked before is left as it is.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn open(db: &Db, now: i64, questions: &[Opened]) -> Result<u64, Error> {
    Ok(insert_many(
        db.writer(),
        INSERT,
        rows(now, questions),
        "ON CONFLICT (channel, reference) DO NOTHING",
    )
    .await?)
}

/// Opens questions about payments of which the provider has said that they are not decided; one
/// that was closed is opened again.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn reopen(
    on: &impl ConnectionTrait,
    now: i64,
    questions: &[Opened],
) -> Result<(), Error> {
    // One statement must not meet the same row twice.
    let mut once: Vec<Opened> = Vec::with_capacity(questions.len());
    for question in questions {
        let same = |other: &Opened| {
            (&other.channel, &other.reference) == (&question.channel, &question.reference)
        };
        if !once.iter().any(same) {
            once.push(question.clone());
        }
    }
    insert_many(
        on,
        INSERT,
        rows(now, &once),
        "ON CONFLICT (channel, reference) DO UPDATE SET state = 'open', next_at = excluded.next_at, \
         updated_at = excluded.updated_at WHERE payment_question.state <> 'open'",
    )
    .await?;
    Ok(())
}

/// Questions of a channel whose time has come, the longest due first.
///
/// # Errors
/// When the database refuses.
pub async fn due(db: &Db, channel: &str, now: i64, limit: i64) -> Result<Vec<Question>, Error> {
    Ok(Sql::new(
        "SELECT reference, asked, detail, failing_since FROM payment_question \
         WHERE state = 'open' AND channel = ",
    )
    .bind(channel)
    .push(" AND next_at <= ")
    .bind(now)
    .push(" ORDER BY next_at LIMIT ")
    .bind(limit)
    .read(db.reader())
    .await?)
}

/// Where a question stands after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `open`, `answered`, `unknown` or `given_up`.
    pub state: &'static str,
    /// The provider was asked.
    pub asked: i64,
    /// When to ask again, milliseconds.
    pub next_at: i64,
    /// What was said, free of personal data.
    pub detail: Option<String>,
    /// Since when it cannot be asked, milliseconds.
    pub failing_since: Option<i64>,
}

/// Writes down where an open question stands. One that was closed meanwhile stays so.
///
/// # Errors
/// When the database refuses.
pub async fn put(
    db: &Db,
    channel: &str,
    reference: &str,
    standing: &Standing,
    now: i64,
) -> Result<(), Error> {
    Sql::new("UPDATE payment_question SET state = ")
        .bind(standing.state)
        .push(", asked = asked + ")
        .bind(standing.asked)
        .push(", next_at = ")
        .bind(standing.next_at)
        .push(", detail = ")
        .bind(standing.detail.clone())
        .push(", failing_since = ")
        .bind(standing.failing_since)
        .push(", updated_at = ")
        .bind(now)
        .push(" WHERE state = 'open' AND channel = ")
        .bind(channel)
        .push(" AND reference = ")
        .bind(reference)
        .run(db.writer())
        .await?;
    Ok(())
}

/// Channels with questions that could not be asked since before `before`, and how many.
///
/// # Errors
/// When the database refuses.
pub async fn failing(db: &Db, before: i64) -> Result<Vec<(String, i64)>, Error> {
    Sql::new(
        "SELECT channel, COUNT(*) AS n FROM payment_question WHERE state = 'open' AND failing_since <= ",
    )
    .bind(before)
    .push(" GROUP BY channel ORDER BY channel")
    .all(db.reader())
    .await?
    .iter()
    .map(|row| Ok((row.try_get("", "channel")?, row.try_get("", "n")?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDb;
    use super::*;

    /// How a database would find what [`awaiting`] asks for.
    async fn plan(db: &Db, explain: &str, column: &str) -> String {
        let sql = awaiting_sql("web", (1, 2), (0, ""), 500).behind(explain);
        let rows = sql.all(db.reader()).await.unwrap();
        let lines = rows
            .iter()
            .map(|row| row.try_get::<String>("", column).unwrap());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn orders_that_wait_for_money_are_found_by_their_own_index_on_sqlite() {
        let db = TempDb::new().await;
        let plan = plan(&db, "EXPLAIN QUERY PLAN ", "detail").await;
        assert!(plan.contains("orders_unpaid"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[tokio::test]
    async fn orders_that_wait_for_money_are_found_by_their_own_index_on_postgres() {
        let url = std::env::var("KENH_TEST_POSTGRES_URL")
            .unwrap_or_else(|_| panic!("run scripts/test, or set KENH_TEST_POSTGRES_URL"));
        let schema = format!("kenh_questions_{}", std::process::id());
        let db = Db::open_in_schema(&url, &schema, 2).await.unwrap();
        db.migrate().await.unwrap();
        // A planner that knows of an empty table reads it whole.
        for sql in [
            "INSERT INTO orders (id, code, channel, connector, external_id, status, lifecycle, payment, \
             fulfillment, currency, grand_total, amount_due, placed_at, received_at, updated_at, version, doc) \
             SELECT 'ord_' || n, 'K' || n, 'web', 'website', 'X-' || n, 'completed', 'closed', 'paid', \
             'delivered', 'VND', 1, 0, n, n, n, 1, '{}' FROM generate_series(1, 20000) AS n",
            "ANALYZE orders",
        ] {
            Sql::new(sql).run(db.writer()).await.unwrap();
        }
        let plan = plan(&db, "EXPLAIN ", "QUERY PLAN").await;
        db.close().await;
        Db::drop_schema(&url, &schema).await.unwrap();
        assert!(plan.contains("orders_unpaid"), "{plan}");
    }

    #[tokio::test]
    async fn a_question_that_was_closed_meanwhile_stays_closed_until_its_payment_is_undecided() {
        let db = TempDb::new().await;
        let question = Opened {
            channel: "pay".to_owned(),
            reference: "KE1-1".to_owned(),
            next_at: 5,
        };
        let standing = |state| Standing {
            state,
            asked: 1,
            next_at: 9,
            detail: None,
            failing_since: None,
        };
        let questions = std::slice::from_ref(&question);
        open(&db, 1, questions).await.unwrap();
        put(&db, "pay", "KE1-1", &standing("answered"), 2)
            .await
            .unwrap();
        put(&db, "pay", "KE1-1", &standing("open"), 3)
            .await
            .unwrap();
        open(&db, 4, questions).await.unwrap();
        assert!(due(&db, "pay", 100, 9).await.unwrap().is_empty());
        let twice = [question.clone(), question.clone()];
        reopen(db.writer(), 5, &twice).await.unwrap();
        let seen = due(&db, "pay", 100, 9).await.unwrap();
        assert_eq!((seen.len(), seen[0].asked), (1, 1));
    }
}
