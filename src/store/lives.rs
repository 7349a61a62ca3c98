//! Live sales: one row per post, with its code list as a document.

use domain::live::Sale;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::db::{Db, Error};
use super::sql::Sql;

/// A live sale as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its id, chosen by staff.
    pub id: String,
    /// The sale.
    pub sale: Sale,
    /// Rises with every change.
    pub version: i64,
    /// Last change, milliseconds.
    pub updated_at: i64,
}

#[derive(FromQueryResult)]
struct Row {
    id: String,
    updated_at: i64,
    version: i64,
    doc: String,
}

impl TryFrom<Row> for Stored {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            sale: serde_json::from_str(&row.doc).map_err(|source| Error::Document {
                what: "live sale",
                source,
            })?,
            id: row.id,
            version: row.version,
            updated_at: row.updated_at,
        })
    }
}

const COLUMNS: &str = "SELECT id, updated_at, version, doc FROM live ";

/// Writes a live sale; `expected` is the version that it must still have, where somebody says so.
/// The new version.
///
/// # Errors
/// [`Error::Conflict`] when it has another version, or another live sale has the post.
pub async fn put(
    db: &Db,
    id: &str,
    sale: &Sale,
    expected: Option<i64>,
    actor: &str,
    now: i64,
) -> Result<i64, Error> {
    let doc = serde_json::to_string(sale).map_err(|source| Error::Document {
        what: "live sale",
        source,
    })?;
    let tx = db.begin().await?;
    let taken = Sql::new("SELECT id FROM live WHERE channel = ")
        .bind(sale.channel.as_str())
        .push(" AND post = ")
        .bind(sale.post.as_str())
        .push(" AND id <> ")
        .bind(id)
        .one(&tx)
        .await?;
    if taken.is_some() {
        return Err(Error::Conflict {
            what: "another live sale of this post",
        });
    }
    let mut sql = Sql::new(
        "INSERT INTO live (id, channel, post, updated_at, version, doc) VALUES (",
    )
    .bind(id)
    .push(", ")
    .bind(sale.channel.as_str())
    .push(", ")
    .bind(sale.post.as_str())
    .push(", ")
    .bind(now)
    .push(", 1, ")
    .bind(doc)
    .push(
        ") ON CONFLICT (id) DO UPDATE SET channel = excluded.channel, post = excluded.post, \
             updated_at = excluded.updated_at, version = live.version + 1, doc = excluded.doc",
    );
    if let Some(expected) = expected {
        sql = sql.push(" WHERE live.version = ").bind(expected);
    }
    let row = sql.push(" RETURNING version").one(&tx).await?;
    let row = row.ok_or(Error::Conflict {
        what: "a live sale",
    })?;
    let version: i64 = row.try_get("", "version")?;
    Sql::new("INSERT INTO audit (at, actor, action, subject, detail) VALUES (")
        .bind(now)
        .push(", ")
        .bind(actor)
        .push(", 'live.put', ")
        .bind(id)
        .push(", ")
        .bind(format!("version {version}, {} codes", sale.articles.len()))
        .push(")")
        .run(&tx)
        .await?;
    tx.commit().await?;
    Ok(version)
}

/// One live sale.
///
/// # Errors
/// When the database refuses or the document is not readable.
pub async fn get(db: &Db, id: &str) -> Result<Option<Stored>, Error> {
    let row: Option<Row> = Sql::new(COLUMNS)
        .push("WHERE id = ")
        .bind(id)
        .read_one(db.reader())
        .await?;
    row.map(Stored::try_from).transpose()
}

/// The latest live sales.
///
/// # Errors
/// When the database refuses or a document is not readable.
pub async fn list(db: &Db, limit: i64) -> Result<Vec<Stored>, Error> {
    let rows: Vec<Row> = Sql::new(COLUMNS)
        .push("ORDER BY updated_at DESC, id LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?;
    rows.into_iter().map(Stored::try_from).collect()
}

/// The live sale of a post.
///
/// # Errors
/// When the database refuses or the document is not readable.
pub(crate) async fn of_post(
    on: &impl ConnectionTrait,
    channel: &str,
    post: &str,
) -> Result<Option<Sale>, Error> {
    let row: Option<Row> = Sql::new(COLUMNS)
        .push("WHERE channel = ")
        .bind(channel)
        .push(" AND post = ")
        .bind(post)
        .read_one(on)
        .await?;
    Ok(row.map(Stored::try_from).transpose()?.map(|it| it.sale))
}
