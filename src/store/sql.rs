//! Composing statements that run unchanged on SQLite and PostgreSQL.
//!
//! The SQL of Kenh is written by hand, because its claims, conditional updates and multi-row
//! upserts are the design; sea-orm carries the statements, binds the values and reads the rows.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, FromQueryResult, QueryResult, Statement, Value,
};

/// Rows per multi-row statement. SQLite takes 32,766 variables and PostgreSQL 65,535; with the
/// widest table here this stays below both.
pub(crate) const ROWS: usize = 512;

/// A statement under construction: text with a `?` for each of the values behind it. A literal
/// question mark has no place in the SQL of Kenh.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            values: Vec::new(),
        }
    }

    /// Appends plain text.
    pub(crate) fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Puts plain text before all.
    #[cfg(test)]
    pub(crate) fn behind(mut self, text: &str) -> Self {
        self.text.insert_str(0, text);
        self
    }

    /// Appends plain text where the database needs it.
    pub(crate) fn push_for(self, backend: DbBackend, wanted: DbBackend, text: &str) -> Self {
        if backend == wanted {
            self.push(text)
        } else {
            self
        }
    }

    /// Appends a placeholder for `value`.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.add(value.into());
        self
    }

    fn add(&mut self, value: Value) {
        self.values.push(value);
        self.text.push('?');
    }

    /// Appends `(?, ?, …)`. The list is padded to a power of two with its last value, so that
    /// few distinct statements exist and the driver's statement cache holds them.
    pub(crate) fn bind_list<V: Into<Value> + Clone>(mut self, values: &[V]) -> Self {
        assert!(!values.is_empty(), "an empty IN list has no meaning in SQL");
        let wanted = values.len().next_power_of_two();
        self.text.push('(');
        for n in 0..wanted {
            if n > 0 {
                self.text.push_str(", ");
            }
            let value = values.get(n).or(values.last()).expect("not empty");
            self.add(value.clone().into());
        }
        self.text.push(')');
        self
    }

    /// Appends `(?, ?), (?, ?), …`.
    fn rows(mut self, rows: Vec<Vec<Value>>) -> Self {
        for (n, row) in rows.into_iter().enumerate() {
            self.text.push_str(if n == 0 { "(" } else { ", (" });
            for (m, value) in row.into_iter().enumerate() {
                if m > 0 {
                    self.text.push_str(", ");
                }
                self.add(value);
            }
            self.text.push(')');
        }
        self
    }

    /// SQLite keeps placeholders without a number as they are; those with one it looks up by name,
    /// each in the list of all, which in a statement of many rows costs more than the rows.
    /// PostgreSQL knows numbers only.
    fn statement(self, backend: DbBackend) -> Statement {
        let text = match backend {
            DbBackend::Postgres => numbered(&self.text, self.values.len()),
            _ => self.text,
        };
        Statement::from_sql_and_values(backend, text, self.values)
    }

    /// Runs it; the number of rows changed.
    pub(crate) async fn run(self, on: &impl ConnectionTrait) -> Result<u64, DbErr> {
        let result: ExecResult = on
            .execute_raw(self.statement(on.get_database_backend()))
            .await?;
        Ok(result.rows_affected())
    }

    /// All rows.
    pub(crate) async fn all(self, on: &impl ConnectionTrait) -> Result<Vec<QueryResult>, DbErr> {
        on.query_all_raw(self.statement(on.get_database_backend()))
            .await
    }

    /// The first row.
    pub(crate) async fn one(self, on: &impl ConnectionTrait) -> Result<Option<QueryResult>, DbErr> {
        on.query_one_raw(self.statement(on.get_database_backend()))
            .await
    }

    /// All rows as `T`.
    pub(crate) async fn read<T: FromQueryResult>(
        self,
        on: &impl ConnectionTrait,
    ) -> Result<Vec<T>, DbErr> {
        self.all(on)
            .await?
            .iter()
            .map(|row| T::from_query_result(row, ""))
            .collect()
    }

    /// The first row as `T`.
    pub(crate) async fn read_one<T: FromQueryResult>(
        self,
        on: &impl ConnectionTrait,
    ) -> Result<Option<T>, DbErr> {
        self.one(on)
            .await?
            .map(|row| T::from_query_result(&row, ""))
            .transpose()
    }
}

/// The text with `$1`, `$2`, … in the place of each `?`.
fn numbered(text: &str, values: usize) -> String {
    let mut out = String::with_capacity(text.len() + 3 * values);
    for (n, part) in text.split('?').enumerate() {
        if n > 0 {
            out.push('$');
            out.push_str(&n.to_string());
        }
        out.push_str(part);
    }
    out
}

/// Statements up to this size exist in every size; larger ones in multiples of it.
const STEP: usize = 16;

/// Splits `n` rows into at most [`ROWS`] each, and so that a batch takes two statements at most
/// while few distinct statements exist: the driver's cache must hold them, and every further
/// statement is a round trip.
fn chunks(mut n: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    while n > 0 {
        let size = if n >= ROWS {
            ROWS
        } else if n > STEP {
            n - n % STEP
        } else {
            n
        };
        sizes.push(size);
        n -= size;
    }
    sizes
}

/// Inserts many rows: `{head} VALUES (…), (…) {tail}`; the number of rows changed.
pub(crate) async fn insert_many(
    on: &impl ConnectionTrait,
    head: &str,
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Result<u64, DbErr> {
    let mut changed = 0;
    let mut rows = rows.into_iter();
    for size in chunks(rows.len()) {
        let chunk: Vec<_> = rows.by_ref().take(size).collect();
        changed += Sql::new(head)
            .push(" VALUES ")
            .rows(chunk)
            .push(" ")
            .push(tail)
            .run(on)
            .await?;
    }
    Ok(changed)
}

/// Like [`insert_many`], with a `RETURNING` in the tail; the rows that it gave back.
pub(crate) async fn insert_returning(
    on: &impl ConnectionTrait,
    head: &str,
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Result<Vec<QueryResult>, DbErr> {
    let mut given = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter();
    for size in chunks(rows.len()) {
        let chunk: Vec<_> = rows.by_ref().take(size).collect();
        given.extend(
            Sql::new(head)
                .push(" VALUES ")
                .rows(chunk)
                .push(" ")
                .push(tail)
                .all(on)
                .await?,
        );
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_few_statements_of_few_sizes() {
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..=2 * ROWS {
            let sizes = chunks(n);
            assert_eq!(sizes.iter().sum::<usize>(), n);
            assert!(sizes.len() <= n / ROWS + 2);
            seen.extend(sizes);
        }
        assert!(seen.len() <= STEP + ROWS / STEP);
    }

    #[test]
    fn lists_are_padded_with_their_last_value() {
        let sql = Sql::new("x IN ").bind_list(&[1_i64, 2, 3]);
        assert_eq!(sql.text, "x IN (?, ?, ?, ?)");
        assert_eq!(sql.values[3], Value::from(3_i64));
        let postgres = sql.statement(DbBackend::Postgres);
        assert_eq!(postgres.sql, "x IN ($1, $2, $3, $4)");
    }
}
