//! Channel accounts: sealed tokens, their ends, and the lease of the one who refreshes them.

use connectors::inbound::AccountState;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::db::{Db, Error};
use super::sql::Sql;

/// A channel's account as stored.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Account {
    /// Channel.
    pub channel: String,
    /// Sealed access token.
    pub access: Option<Vec<u8>>,
    /// Sealed refresh token.
    pub refresh: Option<Vec<u8>>,
    /// When the access token ends, milliseconds.
    pub access_expires_at: Option<i64>,
    /// When the refresh token ends, milliseconds.
    pub refresh_expires_at: Option<i64>,
    /// When the authorisation itself ends, as the vendor has announced, milliseconds.
    pub authorized_until: Option<i64>,
    /// `ok`, `reauthorize`, `expiring`, `revoked`.
    pub state: String,
    /// Words beside the state.
    pub detail: Option<String>,
    /// Rises with every stored pair or state.
    pub version: i64,
    /// Last change, milliseconds.
    pub updated_at: i64,
}

/// A pair ready to be stored.
#[derive(Debug, Clone)]
pub struct SealedPair {
    /// Sealed access token.
    pub access: Vec<u8>,
    /// Sealed refresh token, where the vendor gave one.
    pub refresh: Option<Vec<u8>>,
    /// When the access token ends, milliseconds.
    pub access_expires_at: i64,
    /// When the refresh token ends, milliseconds.
    pub refresh_expires_at: Option<i64>,
}

const COLUMNS: &str = "channel, access, refresh, access_expires_at, refresh_expires_at, authorized_until, state, detail, version, updated_at";

/// One account.
///
/// # Errors
/// When the database refuses.
pub async fn load(db: &Db, channel: &str) -> Result<Option<Account>, Error> {
    Ok(Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM channel_account WHERE channel = ")
        .bind(channel)
        .read_one(db.reader())
        .await?)
}

/// All accounts.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &Db) -> Result<Vec<Account>, Error> {
    Ok(Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM channel_account ORDER BY channel")
        .read(db.reader())
        .await?)
}

/// Puts in a pair that a person brought.
///
/// # Errors
/// When the database refuses.
pub async fn import(db: &Db, channel: &str, now: i64, pair: &SealedPair) -> Result<(), Error> {
    Sql::new(
        "INSERT INTO channel_account (channel, access, refresh, access_expires_at, refresh_expires_at, state, version, updated_at) VALUES (",
    )
    .bind(channel)
    .push(", ")
    .bind(pair.access.clone())
    .push(", ")
    .bind(pair.refresh.clone())
    .push(", ")
    .bind(pair.access_expires_at)
    .push(", ")
    .bind(pair.refresh_expires_at)
    .push(", 'ok', 1, ")
    .bind(now)
    .push(
        ") ON CONFLICT (channel) DO UPDATE SET access = excluded.access, \
         refresh = excluded.refresh, access_expires_at = excluded.access_expires_at, \
         refresh_expires_at = excluded.refresh_expires_at, authorized_until = NULL, state = 'ok', detail = NULL, \
         version = channel_account.version + 1, lease_token = NULL, lease_until = 0, updated_at = excluded.updated_at",
    )
    .run(db.writer())
    .await?;
    Ok(())
}

/// Makes an account that has no tokens yet, unless it is there; the account.
///
/// # Errors
/// When the database refuses.
pub async fn open(db: &Db, channel: &str, now: i64) -> Result<Option<Account>, Error> {
    Sql::new("INSERT INTO channel_account (channel, state, version, updated_at) VALUES (")
        .bind(channel)
        .push(", 'ok', 0, ")
        .bind(now)
        .push(") ON CONFLICT (channel) DO NOTHING")
        .run(db.writer())
        .await?;
    // Not from a reader, which on SQLite may still be in an older snapshot.
    Ok(Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM channel_account WHERE channel = ")
        .bind(channel)
        .read_one(db.writer())
        .await?)
}

/// Claims the right to refresh, if nobody has it and the pair is still the one that was seen.
///
/// # Errors
/// When the database refuses.
pub async fn claim(
    db: &Db,
    channel: &str,
    lease: &str,
    seen_version: i64,
    now: i64,
    until: i64,
) -> Result<Option<Account>, Error> {
    Ok(Sql::new("UPDATE channel_account SET lease_token = ")
        .bind(lease)
        .push(", lease_until = ")
        .bind(until)
        .push(" WHERE channel = ")
        .bind(channel)
        .push(" AND version = ")
        .bind(seen_version)
        .push(" AND lease_until <= ")
        .bind(now)
        .push(" RETURNING ")
        .push(COLUMNS)
        .read_one(db.writer())
        .await?)
}

/// Stores a refreshed pair. The lease must still be held. An announced end of the authorisation
/// stays: new tokens do not put it off.
///
/// # Errors
/// [`Error::Conflict`] when it is not.
pub async fn store_pair(
    db: &Db,
    channel: &str,
    lease: &str,
    now: i64,
    pair: &SealedPair,
) -> Result<(), Error> {
    let changed = Sql::new("UPDATE channel_account SET access = ")
        .bind(pair.access.clone())
        .push(", refresh = COALESCE(")
        .bind(pair.refresh.clone())
        .push(", refresh), access_expires_at = ")
        .bind(pair.access_expires_at)
        .push(", refresh_expires_at = COALESCE(")
        .bind(pair.refresh_expires_at)
        .push(
            ", refresh_expires_at), \
             detail = CASE WHEN state = 'expiring' THEN detail END, \
             state = CASE WHEN state = 'expiring' THEN state ELSE 'ok' END, \
             version = version + 1, lease_token = NULL, lease_until = 0, updated_at = ",
        )
        .bind(now)
        .push(" WHERE channel = ")
        .bind(channel)
        .push(" AND lease_token = ")
        .bind(lease)
        .run(db.writer())
        .await?;
    if changed == 1 {
        Ok(())
    } else {
        Err(Error::Conflict {
            what: "a token's lease",
        })
    }
}

/// Ends a lease without a pair. `ok` leaves the version alone, so that the next worker tries
/// again; any other state is an end of its own.
///
/// # Errors
/// When the database refuses.
pub async fn release(
    db: &Db,
    channel: &str,
    lease: &str,
    now: i64,
    state: &str,
    detail: Option<&str>,
) -> Result<(), Error> {
    let mut sql =
        Sql::new("UPDATE channel_account SET lease_token = NULL, lease_until = 0, updated_at = ")
            .bind(now);
    if state != "ok" {
        sql = sql
            .push(", version = version + 1, state = ")
            .bind(state)
            .push(", detail = ")
            .bind(detail.map(str::to_owned));
    }
    sql.push(" WHERE channel = ")
        .bind(channel)
        .push(" AND lease_token = ")
        .bind(lease)
        .run(db.writer())
        .await?;
    Ok(())
}

/// Notes what a vendor said about the account (authorised, expiring, revoked).
///
/// # Errors
/// When the database refuses.
pub(crate) async fn note(
    on: &impl ConnectionTrait,
    channel: &str,
    now: i64,
    state: &str,
    detail: &str,
    until: Option<i64>,
) -> Result<(), Error> {
    Sql::new("INSERT INTO channel_account (channel, authorized_until, state, detail, version, updated_at) VALUES (")
        .bind(channel)
        .push(", ")
        .bind(until)
        .push(", ")
        .bind(state)
        .push(", ")
        .bind(detail)
        .push(", 1, ")
        .bind(now)
        .push(
            ") ON CONFLICT (channel) DO UPDATE SET state = excluded.state, detail = excluded.detail, \
             authorized_until = CASE WHEN excluded.state = 'ok' THEN excluded.authorized_until \
             ELSE COALESCE(excluded.authorized_until, channel_account.authorized_until) END, \
             updated_at = excluded.updated_at",
        )
        .run(on)
        .await?;
    Ok(())
}

/// The word of an account's state.
#[must_use]
pub fn word(state: AccountState) -> &'static str {
    match state {
        AccountState::Authorized => "ok",
        AccountState::Expiring => "expiring",
        AccountState::Revoked => "revoked",
    }
}
