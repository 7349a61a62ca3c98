//! The catalog in force: products, and what channels call them.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryResult};
use serde::{Deserialize, Serialize};

use super::db::{Db, Error};
use super::sql::{ROWS, Sql, insert_many};

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Our SKU.
    pub sku: String,
    /// Name as printed on invoices.
    pub name: String,
    /// Category, the word that routing rules use.
    #[serde(default)]
    pub category: Option<String>,
    /// Brand.
    #[serde(default)]
    pub brand: Option<String>,
    /// Free tags for routing rules.
    #[serde(default)]
    pub tags: Vec<String>,
    /// List price in whole đồng, tax included.
    #[serde(default)]
    pub price: Option<i64>,
    /// Tax class, the word that `tax.toml` uses.
    #[serde(default)]
    pub tax_class: Option<String>,
    /// Unit of measure as printed on invoices.
    #[serde(default)]
    pub unit: Option<String>,
    /// Every unit has a serial number or IMEI.
    #[serde(default)]
    pub serial_tracked: bool,
    /// It is installed at the buyer's place.
    #[serde(default)]
    pub installation: bool,
    /// Months of warranty; 0 for none.
    #[serde(default)]
    pub warranty_months: u32,
    /// For a kit: what is in it. A kit has no stock of its own.
    #[serde(default)]
    pub components: Vec<KitPart>,
}

/// A part of a kit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KitPart {
    /// SKU.
    pub sku: String,
    /// Units per kit.
    pub quantity: u32,
}

/// What a channel calls a product.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    FromQueryResult,
    utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Channel.
    pub channel: String,
    /// The channel's article id or the seller SKU written there.
    pub channel_sku: String,
    /// Our SKU.
    pub sku: String,
}

/// A mark that changes whenever the catalog does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromQueryResult)]
pub struct Mark {
    /// Number of products.
    pub products: i64,
    /// Their newest change.
    pub products_at: i64,
    /// Number of mappings.
    pub mappings: i64,
    /// Their newest change.
    pub mappings_at: i64,
}

/// The mark of the catalog as it is now.
///
/// # Errors
/// When the database refuses.
pub async fn mark(db: &Db) -> Result<Mark, Error> {
    Ok(Sql::new(
        "SELECT (SELECT COUNT(*) FROM product) AS products, \
         (SELECT COALESCE(MAX(updated_at), 0) FROM product) AS products_at, \
         (SELECT COUNT(*) FROM sku_mapping) AS mappings, \
         (SELECT COALESCE(MAX(updated_at), 0) FROM sku_mapping) AS mappings_at",
    )
    .read_one(db.reader())
    .await?
    .unwrap_or_default())
}

/// All products and mappings.
///
/// # Errors
/// When the database refuses or a document is not readable.
pub async fn all(db: &Db) -> Result<(Vec<Product>, Vec<Mapping>), Error> {
    let products = Sql::new("SELECT doc FROM product ORDER BY sku")
        .all(db.reader())
        .await?
        .iter()
        .map(product)
        .collect::<Result<_, Error>>()?;
    let mappings =
        Sql::new("SELECT channel, channel_sku, sku FROM sku_mapping ORDER BY channel, channel_sku")
            .read(db.reader())
            .await?;
    Ok((products, mappings))
}

/// Writes products; one that is there is replaced.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &Db, now: i64, products: &[Product]) -> Result<(), Error> {
    write(db, now, products, (None, Vec::new())).await
}

/// Writes products like [`put`], with one line per product in the audit log.
///
/// # Errors
/// When the database refuses.
pub async fn put_as(
    db: &Db,
    now: i64,
    author: Author<'_>,
    products: &[Product],
) -> Result<(), Error> {
    let lines = products
        .iter()
        .map(|p| (p.sku.clone(), p.name.clone()))
        .collect();
    write(db, now, products, (Some(author), lines)).await
}

async fn write(
    db: &Db,
    now: i64,
    products: &[Product],
    audit: (Option<Author<'_>>, Vec<(String, String)>),
) -> Result<(), Error> {
    let mut rows = Vec::with_capacity(products.len());
    for product in products {
        let doc = serde_json::to_string(product).map_err(|source| Error::Document {
            what: "product",
            source,
        })?;
        rows.push(vec![
            product.sku.as_str().into(),
            product.name.as_str().into(),
            product.category.clone().into(),
            now.into(),
            doc.into(),
        ]);
    }
    let tx = db.begin().await?;
    let at = stamp(&tx, "product", now).await?;
    for row in &mut rows {
        row[3] = at.into();
    }
    insert_many(
        &tx,
        "INSERT INTO product (sku, name, category, updated_at, doc)",
        rows,
        "ON CONFLICT (sku) DO UPDATE SET name = excluded.name, category = excluded.category, \
         updated_at = excluded.updated_at, doc = excluded.doc",
    )
    .await?;
    note(&tx, now, audit).await?;
    tx.commit().await?;
    Ok(())
}

/// Who changes the catalog, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author<'a> {
    /// Who.
    pub actor: &'a str,
    /// What, such as `product.put`.
    pub action: &'static str,
}

async fn note(
    on: &impl ConnectionTrait,
    now: i64,
    (author, lines): (Option<Author<'_>>, Vec<(String, String)>),
) -> Result<(), Error> {
    let Some(author) = author else { return Ok(()) };
    insert_many(
        on,
        "INSERT INTO audit (at, actor, action, subject, detail)",
        lines
            .into_iter()
            .map(|(subject, detail)| {
                vec![
                    now.into(),
                    author.actor.into(),
                    author.action.into(),
                    subject.into(),
                    detail.into(),
                ]
            })
            .collect(),
        "",
    )
    .await?;
    Ok(())
}

/// The time of a write: later than that of every write before, so that [`mark`] changes even when
/// two fall into one millisecond or the clocks of two replicas differ. On PostgreSQL the lock
/// makes writers take turns, or two could get the same time.
async fn stamp(on: &impl ConnectionTrait, table: &'static str, now: i64) -> Result<i64, Error> {
    if on.get_database_backend() == DbBackend::Postgres {
        Sql::new("LOCK TABLE ")
            .push(table)
            .push(" IN SHARE ROW EXCLUSIVE MODE")
            .run(on)
            .await?;
    }
    let last: i64 = Sql::new("SELECT COALESCE(MAX(updated_at), 0) AS last FROM ")
        .push(table)
        .one(on)
        .await?
        .map(|row| row.try_get("", "last"))
        .transpose()?
        .unwrap_or(0);
    Ok(now.max(last + 1))
}

/// Writes mappings; one that is there is replaced.
///
/// # Errors
/// When the database refuses.
pub async fn map(db: &Db, now: i64, mappings: &[Mapping]) -> Result<(), Error> {
    write_mappings(db, now, mappings, (None, Vec::new())).await
}

/// Writes mappings like [`map`], with one line per mapping in the audit log.
///
/// # Errors
/// When the database refuses.
pub async fn map_as(
    db: &Db,
    now: i64,
    author: Author<'_>,
    mappings: &[Mapping],
) -> Result<(), Error> {
    let lines = mappings
        .iter()
        .map(|m| (format!("{}/{}", m.channel, m.channel_sku), m.sku.clone()))
        .collect();
    write_mappings(db, now, mappings, (Some(author), lines)).await
}

async fn write_mappings(
    db: &Db,
    now: i64,
    mappings: &[Mapping],
    audit: (Option<Author<'_>>, Vec<(String, String)>),
) -> Result<(), Error> {
    let tx = db.begin().await?;
    let at = stamp(&tx, "sku_mapping", now).await?;
    insert_many(
        &tx,
        "INSERT INTO sku_mapping (channel, channel_sku, sku, updated_at)",
        mappings
            .iter()
            .map(|m| {
                vec![
                    m.channel.as_str().into(),
                    m.channel_sku.as_str().into(),
                    m.sku.as_str().into(),
                    at.into(),
                ]
            })
            .collect(),
        "ON CONFLICT (channel, channel_sku) DO UPDATE SET sku = excluded.sku, updated_at = excluded.updated_at",
    )
    .await?;
    note(&tx, now, audit).await?;
    tx.commit().await?;
    Ok(())
}

fn product(row: &QueryResult) -> Result<Product, Error> {
    let doc: String = row.try_get("", "doc")?;
    serde_json::from_str(&doc).map_err(|source| Error::Document {
        what: "product",
        source,
    })
}

/// Products after a SKU, in the order of the SKUs.
///
/// # Errors
/// When the database refuses or a document is not readable.
pub async fn page(
    db: &Db,
    category: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<Product>, Error> {
    let mut sql = Sql::new("SELECT doc FROM product WHERE sku > ").bind(after);
    if let Some(category) = category {
        sql = sql.push(" AND category = ").bind(category);
    }
    sql.push(" ORDER BY sku LIMIT ")
        .bind(limit)
        .all(db.reader())
        .await?
        .iter()
        .map(product)
        .collect()
}

/// Products of these SKUs; what is not there is left out.
///
/// # Errors
/// When the database refuses or a document is not readable.
pub async fn of_skus(db: &Db, skus: &[String]) -> Result<Vec<Product>, Error> {
    let mut found = Vec::with_capacity(skus.len());
    for chunk in skus.chunks(ROWS) {
        for row in Sql::new("SELECT doc FROM product WHERE sku IN ")
            .bind_list(chunk)
            .all(db.reader())
            .await?
        {
            found.push(product(&row)?);
        }
    }
    Ok(found)
}

/// Mappings of a channel, to a SKU, or all, after a place, in the order of channel and channel SKU.
///
/// # Errors
/// When the database refuses.
pub async fn mappings(
    db: &Db,
    channel: Option<&str>,
    sku: Option<&str>,
    after: (&str, &str),
    limit: i64,
) -> Result<Vec<Mapping>, Error> {
    let mut sql = Sql::new(
        "SELECT channel, channel_sku, sku FROM sku_mapping WHERE (channel, channel_sku) > (",
    )
    .bind(after.0)
    .push(", ")
    .bind(after.1)
    .push(")");
    if let Some(channel) = channel {
        sql = sql.push(" AND channel = ").bind(channel);
    }
    if let Some(sku) = sku {
        sql = sql.push(" AND sku = ").bind(sku);
    }
    Ok(sql
        .push(" ORDER BY channel, channel_sku LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDb;
    use super::*;

    fn product(sku: &str, name: &str) -> Product {
        Product {
            sku: sku.to_owned(),
            name: name.to_owned(),
            ..Product::default()
        }
    }

    #[tokio::test]
    async fn every_write_changes_the_mark_even_within_one_millisecond_or_after_a_clock_went_back() {
        let db = TempDb::new().await;
        put(&db, 100, &[product("A", "one")]).await.unwrap();
        let first = mark(&db).await.unwrap();
        put(&db, 100, &[product("A", "two")]).await.unwrap();
        let second = mark(&db).await.unwrap();
        put(&db, 50, &[product("A", "three")]).await.unwrap();
        let third = mark(&db).await.unwrap();
        assert_ne!(first, second);
        assert_ne!(second, third);
        assert_eq!(
            page(&db, None, "", 9).await.unwrap(),
            [product("A", "three")]
        );
    }

    #[tokio::test]
    async fn mappings_are_replaced_by_channel_and_article_and_each_write_is_audited() {
        let db = TempDb::new().await;
        let mapping = |sku: &str| Mapping {
            channel: "shopee-vn".to_owned(),
            channel_sku: "11.22".to_owned(),
            sku: sku.to_owned(),
        };
        let author = || Author {
            actor: "lan",
            action: "sku_mapping.put",
        };
        map_as(&db, 1, author(), &[mapping("A")]).await.unwrap();
        map_as(&db, 2, author(), &[mapping("B")]).await.unwrap();
        let seen = mappings(&db, Some("shopee-vn"), None, ("", ""), 9)
            .await
            .unwrap();
        assert_eq!(seen, [mapping("B")]);
        assert!(
            mappings(&db, None, Some("A"), ("", ""), 9)
                .await
                .unwrap()
                .is_empty()
        );
        let after = mappings(&db, None, None, ("shopee-vn", "11.22"), 9)
            .await
            .unwrap();
        assert!(after.is_empty());
        let audit = db
            .text("SELECT subject || ' ' || detail AS x FROM audit ORDER BY seq")
            .await;
        assert_eq!(audit, ["shopee-vn/11.22 A", "shopee-vn/11.22 B"]);
    }
}
