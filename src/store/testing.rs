//! A database for the tests of this module.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::task::TaskBody;

use super::db::Db;
use super::sql::{Sql, insert_many};

static MADE: AtomicU32 = AtomicU32::new(0);

/// A migrated database in a file of its own, gone with its owner.
#[derive(Debug)]
pub(crate) struct TempDb {
    db: Db,
    path: PathBuf,
}

impl TempDb {
    pub(crate) async fn new() -> Self {
        let n = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kenh-store-{}-{n}.db", std::process::id()));
        let db = Db::open(&format!("sqlite://{}", path.display()), 2)
            .await
            .unwrap();
        db.migrate().await.unwrap();
        Self { db, path }
    }

    /// The column `x` of a query.
    pub(crate) async fn text(&self, query: &str) -> Vec<String> {
        Sql::new(query)
            .all(self.db.reader())
            .await
            .unwrap()
            .iter()
            .map(|row| row.try_get("", "x").unwrap())
            .collect()
    }

    /// One statement without parameters.
    pub(crate) async fn run(&self, statement: &str) {
        Sql::new(statement).run(self.db.writer()).await.unwrap();
    }
}

impl Deref for TempDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

impl Drop for TempDb {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut name = self.path.clone().into_os_string();
            name.push(end);
            // What is left behind lies in the folder for temporary files.
            std::fs::remove_file(name).ok();
        }
    }
}

/// A pending task of the order `ord_1`, which is made if it is not there.
pub(crate) async fn task(db: &Db, key: &str, target: &str, op: &str) {
    Sql::new(
        "INSERT INTO orders (id, code, channel, connector, external_id, status, lifecycle, payment, \
         fulfillment, currency, grand_total, amount_due, placed_at, received_at, updated_at, version, doc) \
         VALUES ('ord_1', 'K1', 'web', 'website', 'WEB-1', 'open', 'open', 'paid', 'none', 'VND', 1, 0, 1, 1, 1, 1, '{}') \
         ON CONFLICT (id) DO NOTHING",
    )
    .run(db.writer())
    .await
    .unwrap();
    let body = TaskBody::ReleaseReservation {
        reservation_id: "res_1".to_owned(),
    };
    insert_many(
        db.writer(),
        "INSERT INTO task (key, order_id, target, op, leg, subject, generation, state, not_before, created_at, body)",
        vec![vec![
            key.into(),
            "ord_1".into(),
            target.into(),
            op.into(),
            "fulfillment".into(),
            "res_1".into(),
            0_i64.into(),
            "pending".into(),
            0_i64.into(),
            0_i64.into(),
            serde_json::to_string(&body).unwrap().into(),
        ]],
        "",
    )
    .await
    .unwrap();
}
