//! Two databases, one schema.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use kenh::store::{Error, SCHEMA_VERSION};

use crate::app::{Kind, Place, on_both};
use crate::rows::Rows;

/// What a schema consists of, in words that both databases share.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// `table.column` → class of its type and whether it may be empty.
    columns: BTreeMap<String, String>,
    /// `table (column, column)` of primary and unique keys.
    keys: BTreeSet<String>,
    /// Names of checks.
    checks: BTreeSet<String>,
    /// `index on table (column, column)`, with `where` if it is partial.
    indexes: BTreeSet<String>,
    /// `table.column → table.column`
    references: BTreeSet<String>,
}

async fn sqlite(rows: &Rows) -> Schema {
    let mut schema = Schema::default();
    let tables = rows
        .all("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_%' ESCAPE '\\'")
        .await;
    for table in tables {
        let name: String = table.try_get("", "name").unwrap();
        let sql: String = table.try_get("", "sql").unwrap();
        for part in sql.split("CONSTRAINT ").skip(1) {
            let (constraint, rest) = part.split_once(' ').unwrap();
            if rest.trim_start().starts_with("CHECK") {
                schema.checks.insert(constraint.to_owned());
            }
        }
        let mut primary = BTreeMap::new();
        for column in rows
            .all(&format!(
                "SELECT name, type, \"notnull\" AS filled, pk FROM pragma_table_info('{name}')"
            ))
            .await
        {
            let column_name: String = column.try_get("", "name").unwrap();
            let kind: String = column.try_get("", "type").unwrap();
            let filled: i64 = column.try_get("", "filled").unwrap();
            let pk: i64 = column.try_get("", "pk").unwrap();
            if pk > 0 {
                primary.insert(pk, column_name.clone());
            }
            let empty = if filled == 0 && pk == 0 {
                " or nothing"
            } else {
                ""
            };
            let class = match kind.as_str() {
                "INTEGER" => "number",
                "TEXT" => "text",
                "BLOB" => "bytes",
                other => panic!("{name}.{column_name} is {other}"),
            };
            schema
                .columns
                .insert(format!("{name}.{column_name}"), format!("{class}{empty}"));
        }
        let primary: Vec<String> = primary.into_values().collect();
        schema
            .keys
            .insert(format!("{name} ({})", primary.join(", ")));
        for index in rows
            .all(&format!(
                "SELECT name, origin, partial FROM pragma_index_list('{name}')"
            ))
            .await
        {
            let index_name: String = index.try_get("", "name").unwrap();
            let origin: String = index.try_get("", "origin").unwrap();
            let partial: i64 = index.try_get("", "partial").unwrap();
            let columns = rows
                .texts(&format!(
                    "SELECT name FROM pragma_index_info('{index_name}') ORDER BY seqno"
                ))
                .await
                .join(", ");
            match origin.as_str() {
                "c" => {
                    let part = if partial == 1 { " where" } else { "" };
                    schema
                        .indexes
                        .insert(format!("{index_name} on {name} ({columns}){part}"));
                }
                _ => {
                    schema.keys.insert(format!("{name} ({columns})"));
                }
            }
        }
        for key in rows.all(&format!("SELECT \"table\" AS other, \"from\" AS here, \"to\" AS there FROM pragma_foreign_key_list('{name}')")).await {
            let [other, here, there] = ["other", "here", "there"].map(|c| key.try_get::<String>("", c).unwrap());
            schema.references.insert(format!("{name}.{here} → {other}.{there}"));
        }
    }
    schema
}

async fn postgres(rows: &Rows) -> Schema {
    let mut schema = Schema::default();
    let columns = rows
        .all(
            "SELECT CAST(table_name AS TEXT) AS t, CAST(column_name AS TEXT) AS c, CAST(data_type AS TEXT) AS k, \
             CAST(is_nullable AS TEXT) AS n FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_%'",
        )
        .await;
    for column in columns {
        let [table, name, kind, nullable] =
            ["t", "c", "k", "n"].map(|c| column.try_get::<String>("", c).unwrap());
        let class = match kind.as_str() {
            "bigint" => "number",
            "text" => "text",
            "bytea" => "bytes",
            other => panic!("{table}.{name} is {other}"),
        };
        let empty = if nullable == "YES" { " or nothing" } else { "" };
        schema
            .columns
            .insert(format!("{table}.{name}"), format!("{class}{empty}"));
    }
    let constraints = rows
        .all(
            "SELECT CAST(c.conname AS TEXT) AS name, CAST(c.contype AS TEXT) AS kind, CAST(r.relname AS TEXT) AS t, \
             COALESCE((SELECT string_agg(CAST(a.attname AS TEXT), ', ' ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(num, n) \
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num), '') AS columns, \
             COALESCE((SELECT CAST(f.relname AS TEXT) || '.' || CAST(a.attname AS TEXT) FROM pg_class f \
             JOIN pg_attribute a ON a.attrelid = f.oid AND a.attnum = c.confkey[1] WHERE f.oid = c.confrelid), '') AS other \
             FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid \
             JOIN pg_namespace s ON s.oid = r.relnamespace \
             WHERE s.nspname = current_schema() AND r.relname NOT LIKE '\\_%'",
        )
        .await;
    for constraint in constraints {
        let [name, kind, table, columns, other] = ["name", "kind", "t", "columns", "other"]
            .map(|c| constraint.try_get::<String>("", c).unwrap());
        match kind.as_str() {
            "p" | "u" => schema.keys.insert(format!("{table} ({columns})")),
            "c" => schema.checks.insert(name),
            "f" => schema
                .references
                .insert(format!("{table}.{columns} → {other}")),
            _ => true,
        };
    }
    let indexes = rows
        .all(
            "SELECT CAST(i.relname AS TEXT) AS name, CAST(r.relname AS TEXT) AS t, \
             CASE WHEN x.indpred IS NULL THEN '' ELSE ' where' END AS part, \
             (SELECT string_agg(CAST(a.attname AS TEXT), ', ' ORDER BY k.n) FROM unnest(CAST(x.indkey AS SMALLINT[])) WITH ORDINALITY k(num, n) \
             JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.num) AS columns \
             FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid \
             JOIN pg_namespace s ON s.oid = r.relnamespace \
             WHERE s.nspname = current_schema() AND r.relname NOT LIKE '\\_%' \
             AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid AND c.contype IN ('p', 'u'))",
        )
        .await;
    for index in indexes {
        let [name, table, part, columns] =
            ["name", "t", "part", "columns"].map(|c| index.try_get::<String>("", c).unwrap());
        schema
            .indexes
            .insert(format!("{name} on {table} ({columns}){part}"));
    }
    schema
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_have_the_same_schema() {
    let mut schemas = Vec::new();
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let place = Place::new(kind);
        let db = place.open().await;
        db.migrate().await.unwrap();
        let rows = Rows::open(&place.url).await;
        schemas.push(match kind {
            Kind::Sqlite => sqlite(&rows).await,
            Kind::Postgres => postgres(&rows).await,
        });
        rows.close().await;
        db.close().await;
    }
    let postgres = schemas.pop().unwrap();
    let sqlite = schemas.pop().unwrap();
    assert!(sqlite.columns.len() > 100, "{sqlite:#?}");
    assert!(sqlite.checks.len() > 5 && sqlite.indexes.len() > 20 && sqlite.references.len() > 5);
    assert_eq!(sqlite.columns, postgres.columns);
    assert_eq!(sqlite.keys, postgres.keys);
    assert_eq!(sqlite.checks, postgres.checks);
    assert_eq!(sqlite.indexes, postgres.indexes);
    assert_eq!(sqlite.references, postgres.references);
}

/// The version that the driver brings along, not the machine's: `RETURNING`, `UPDATE … FROM` and
/// `STRICT` need it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_the_bundled_one() {
    let place = Place::new(Kind::Sqlite);
    let rows = Rows::open(&format!("{}?mode=rwc", place.url)).await;
    let version = rows.text("SELECT sqlite_version()").await.unwrap();
    let parts: Vec<u32> = version.split('.').map(|p| p.parse().unwrap()).collect();
    assert!(parts >= vec![3, 50, 0], "{version}");
    rows.close().await;
}

on_both! {
    async fn migrating_again_changes_nothing_and_starts_may_coincide(kind: Kind) {
        let place = Place::new(kind);
        let db = place.open().await;
        let others = match kind {
            // One process owns the file; its tasks may still start together.
            Kind::Sqlite => vec![db.clone(), db.clone(), db.clone()],
            Kind::Postgres => join_all((0..3).map(|_| place.open())).await,
        };
        let done = join_all(others.iter().map(kenh::store::Db::migrate)).await;
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        db.migrate().await.unwrap();
        db.check_schema().await.unwrap();
        let rows = Rows::open(&place.url).await;
        assert_eq!(rows.number("SELECT COUNT(*) FROM _sqlx_migrations").await, SCHEMA_VERSION);
        rows.close().await;
        if kind == Kind::Postgres {
            join_all(others.iter().map(kenh::store::Db::close)).await;
        }
        db.close().await;
    }

    async fn an_older_database_is_brought_up_to_date_with_all_that_it_holds(kind: Kind) {
        let place = Place::new(kind);
        let db = place.open().await;
        db.migrate().await.unwrap();
        let rows = Rows::open(&place.url).await;
        // As the first version left it.
        for sql in [
            "DROP TABLE customer_term", "DROP TABLE customer_consent", "DROP TABLE customer_merge",
            "DROP TABLE customer_binding", "DROP TABLE customer_identity",
            "DROP INDEX orders_customer", "ALTER TABLE orders DROP COLUMN customer_id",
            "DROP INDEX conversation_customer", "ALTER TABLE conversation DROP COLUMN customer_id",
            "DROP INDEX orders_unpaid", "DROP TABLE stock_told", "DROP TABLE channel_hour", "DROP TABLE payment_question",
            "DROP TABLE live", "DROP TABLE found_by_poll", "DROP TABLE subscription",
            "ALTER TABLE poll_position DROP COLUMN window_from",
            "ALTER TABLE channel_account DROP COLUMN authorized_until",
            "DROP INDEX notice_payment",
            "ALTER TABLE channel_account ADD COLUMN previous TEXT",
            "ALTER TABLE channel_account ADD COLUMN attempt_at TEXT",
            "DROP TABLE booked_payment", "DROP INDEX task_refused_news",
            "DELETE FROM _sqlx_migrations WHERE version > 1",
            "INSERT INTO orders (id, code, channel, connector, external_id, status, lifecycle, payment, \
             fulfillment, currency, grand_total, amount_due, placed_at, received_at, updated_at, version, doc) \
             VALUES ('ord_1', 'K1', 'web', 'website', '1', 'confirmed', 'open', 'paid', 'unallocated', \
             'VND', 0, 0, 0, 0, 0, 1, '{}')",
            "INSERT INTO task (key, order_id, target, op, leg, subject, generation, state, not_before, created_at, body) \
             VALUES ('k', 'ord_1', 'hub', 'reserve', 'reservation', 's', 1, 'pending', 0, 0, '{}')",
            "INSERT INTO attempt (task_seq, number, call, started_at, duration_ms, outcome, detail) \
             SELECT seq, 1, 'send', 0, 1, 'retry', '' FROM task",
            "INSERT INTO conversation (id, channel, person, state, updated_at, version, doc) \
             VALUES ('cnv_1', 'zalo-oa', '2468', 'open', 0, 1, '{}')",
        ] {
            rows.run(sql).await;
        }
        // SQLite writes the table anew, whatever its constraints are.
        if kind == Kind::Postgres {
            rows.run("ALTER TABLE task DROP CONSTRAINT task_has_order").await;
        }
        assert!(matches!(db.check_schema().await, Err(Error::SchemaVersion { found: 1 })));
        db.migrate().await.unwrap();
        db.check_schema().await.unwrap();
        let held = rows.number("SELECT COUNT(*) FROM conversation WHERE customer_id IS NULL").await;
        assert_eq!(held, 1);
        let tried = "SELECT COUNT(*) FROM task t JOIN attempt a ON a.task_seq = t.seq WHERE t.key = 'k'";
        assert_eq!(rows.number(tried).await, 1);
        rows.close().await;
        db.close().await;
    }

    async fn a_schema_of_another_version_is_refused(kind: Kind) {
        let place = Place::new(kind);
        let db = place.open().await;
        assert!(matches!(db.check_schema().await, Err(Error::SchemaVersion { found: 0 })));
        db.migrate().await.unwrap();
        let rows = Rows::open(&place.url).await;
        rows.run("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").await;
        assert!(matches!(db.check_schema().await, Err(Error::SchemaVersion { found: 9999 })));
        rows.close().await;
        db.close().await;
    }

    async fn the_database_itself_refuses_what_must_not_be(kind: Kind) {
        let place = Place::new(kind);
        let db = place.open().await;
        db.migrate().await.unwrap();
        let rows = Rows::open(&place.url).await;
        rows.run("INSERT INTO stock (location, sku, on_hand, updated_at) VALUES ('a', 'b', 1, 0)").await;
        for sql in [
            "UPDATE stock SET reserved = -1",
            "UPDATE stock SET safety = -1",
            "INSERT INTO stock (location, sku, on_hand, updated_at) VALUES ('a', 'b', 1, 0)",
            "INSERT INTO receipt (channel, received_at, message_seq, outcome) VALUES ('web', 0, 1, 'lost')",
            "INSERT INTO notice (message_seq, ordinal, channel, kind, state, not_before, created_at) VALUES (77, 0, 'web', 'order', 'waiting', 0, 0)",
        ] {
            assert!(rows.refuses(sql).await, "{sql}");
        }
        rows.close().await;
        db.close().await;
    }
}
