//! API tokens: who may do what. Only the hash of a token is stored.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use sea_orm::FromQueryResult;

use super::audit;
use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

/// Who makes and revokes tokens: whoever has the command line.
const OPERATOR: &str = "operator";

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read orders.
    OrdersRead,
    /// Enter and change orders.
    OrdersWrite,
    /// Read the outbox.
    DeliveriesRead,
    /// Redrive deliveries.
    DeliveriesWrite,
    /// Read the inbox, without raw bodies.
    InboxRead,
    /// Read raw bodies.
    InboxRaw,
    /// Replay messages.
    InboxReplay,
    /// Read the rules.
    RoutingRead,
    /// Publish rules.
    RoutingWrite,
    /// Read stock, products and mappings.
    StockRead,
    /// Set stock, products and mappings.
    StockWrite,
    /// Read customers.
    CustomersRead,
    /// Assign and close conversations.
    ConversationsWrite,
    /// Read the health of channels and targets.
    ChannelsRead,
    /// See names, phones and addresses.
    PiiRead,
    /// Everything.
    Admin,
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope")]
pub struct UnknownScope(String);

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 16] = [
        Self::OrdersRead,
        Self::OrdersWrite,
        Self::DeliveriesRead,
        Self::DeliveriesWrite,
        Self::InboxRead,
        Self::InboxRaw,
        Self::InboxReplay,
        Self::RoutingRead,
        Self::RoutingWrite,
        Self::StockRead,
        Self::StockWrite,
        Self::CustomersRead,
        Self::ConversationsWrite,
        Self::ChannelsRead,
        Self::PiiRead,
        Self::Admin,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::DeliveriesRead => "deliveries:read",
            Self::DeliveriesWrite => "deliveries:write",
            Self::InboxRead => "inbox:read",
            Self::InboxRaw => "inbox:raw",
            Self::InboxReplay => "inbox:replay",
            Self::RoutingRead => "routing:read",
            Self::RoutingWrite => "routing:write",
            Self::StockRead => "stock:read",
            Self::StockWrite => "stock:write",
            Self::CustomersRead => "customers:read",
            Self::ConversationsWrite => "conversations:write",
            Self::ChannelsRead => "channels:read",
            Self::PiiRead => "pii:read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A token to be stored.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// `tok_…`
    pub id: String,
    /// [`crate::crypto::ApiToken::hash`].
    pub hash: String,
    /// Whom it stands for, as the audit log names them.
    pub actor: String,
    /// What it may do: the words of [`Scope`], which the caller has checked.
    pub scopes: Vec<String>,
    /// The only location whose orders it sees, if it is bound to one.
    pub location: Option<String>,
    /// When it was made, milliseconds.
    pub created_at: i64,
    /// Not valid from then on, milliseconds.
    pub expires_at: Option<i64>,
}

/// A stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `tok_…`
    pub id: String,
    /// Whom it stands for.
    pub actor: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The only location whose orders it sees.
    pub location: Option<String>,
    /// When it was made, milliseconds.
    pub created_at: i64,
    /// Not valid from then on, milliseconds.
    pub expires_at: Option<i64>,
    /// When it was revoked, milliseconds.
    pub revoked_at: Option<i64>,
}

impl Token {
    /// Neither revoked nor expired at `now` (milliseconds).
    #[must_use]
    pub fn is_valid(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

#[derive(FromQueryResult)]
struct Row {
    id: String,
    actor: String,
    scopes: String,
    location: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<Row> for Token {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            actor: row.actor,
            // A scope that only a newer program knows gives nothing here.
            scopes: row
                .scopes
                .split(' ')
                .filter_map(|word| word.parse().ok())
                .collect(),
            location: row.location,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

const COLUMNS: &str =
    "SELECT id, actor, scopes, location, created_at, expires_at, revoked_at FROM api_token";

/// Stores a token.
///
/// # Errors
/// When the database refuses.
pub async fn create(db: &Db, token: &NewToken) -> Result<(), Error> {
    let scopes = token.scopes.join(" ");
    let tx = db.begin().await?;
    insert_many(
        &tx,
        "INSERT INTO api_token (id, hash, actor, scopes, location, created_at, expires_at)",
        vec![vec![
            token.id.as_str().into(),
            token.hash.as_str().into(),
            token.actor.as_str().into(),
            scopes.as_str().into(),
            token.location.clone().into(),
            token.created_at.into(),
            token.expires_at.into(),
        ]],
        "",
    )
    .await?;
    let detail = format!("for {} with {scopes}", token.actor);
    audit::add(
        &tx,
        token.created_at,
        OPERATOR,
        "token.create",
        &token.id,
        &detail,
    )
    .await?;
    Ok(tx.commit().await?)
}

/// All tokens, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &Db) -> Result<Vec<Token>, Error> {
    let rows: Vec<Row> = Sql::new(COLUMNS)
        .push(" ORDER BY created_at DESC, id DESC")
        .read(db.reader())
        .await?;
    Ok(rows.into_iter().map(Token::from).collect())
}

/// Revokes a token for good; whether it was there and not revoked before.
///
/// # Errors
/// When the database refuses.
pub async fn revoke(db: &Db, id: &str, now: i64) -> Result<bool, Error> {
    let tx = db.begin().await?;
    let changed = Sql::new("UPDATE api_token SET revoked_at = ")
        .bind(now)
        .push(" WHERE id = ")
        .bind(id)
        .push(" AND revoked_at IS NULL")
        .run(&tx)
        .await?;
    if changed == 1 {
        audit::add(&tx, now, OPERATOR, "token.revoke", id, "").await?;
    }
    tx.commit().await?;
    Ok(changed == 1)
}

/// The token with that hash, valid or not.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &Db, hash: &str) -> Result<Option<Token>, Error> {
    let row: Option<Row> = Sql::new(COLUMNS)
        .push(" WHERE hash = ")
        .bind(hash)
        .read_one(db.reader())
        .await?;
    Ok(row.map(Token::from))
}

/// The token with that id, valid or not.
///
/// # Errors
/// When the database refuses.
pub async fn by_id(db: &Db, id: &str) -> Result<Option<Token>, Error> {
    let row: Option<Row> = Sql::new(COLUMNS)
        .push(" WHERE id = ")
        .bind(id)
        .read_one(db.reader())
        .await?;
    Ok(row.map(Token::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_read_as_it_is_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!("orders".parse::<Scope>().is_err());
    }

    #[test]
    fn a_token_ends_at_its_expiry_and_at_its_revocation() {
        let mut token = Token {
            id: "tok_1".to_owned(),
            actor: "a".to_owned(),
            scopes: BTreeSet::new(),
            location: None,
            created_at: 0,
            expires_at: Some(10),
            revoked_at: None,
        };
        assert!(token.is_valid(9));
        assert!(!token.is_valid(10));
        token.revoked_at = Some(3);
        assert!(!token.is_valid(9));
    }
}
