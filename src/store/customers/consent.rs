//! Words on consent: what channels report, and what staff set. Each is kept with the identities that
//! it is about, so that it stays with them whoever their customer turns out to be.

use domain::customer::{Consent, ConsentSource, ConsentState, Identity, User};
use domain::id::CustomerId;
use jiff::Timestamp;
use sea_orm::QueryResult;

use super::AT_ONCE;
use crate::store::audit;
use crate::store::db::{Db, Error};
use crate::store::sql::{Sql, insert_many};
use crate::store::tx::Tx;

/// What a channel reports of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The person.
    pub identity: CustomerId,
    /// The channel.
    pub channel: String,
    /// What they allow.
    pub state: ConsentState,
    /// When, milliseconds.
    pub at: i64,
    /// The message that says so.
    pub message_seq: Option<i64>,
}

/// What staff set for a customer.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The customer, under the id that it has now.
    pub customer: &'a str,
    /// The channel.
    pub channel: &'a str,
    /// What they allow.
    pub state: ConsentState,
    /// Who says so.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
}

const HEAD: &str = "INSERT INTO customer_consent \
     (identity_id, channel, state, source, actor, reason, message_seq, at, recorded_at)";
const TAIL: &str = "ON CONFLICT (identity_id, channel, at, source, state) DO NOTHING";

impl Tx {
    /// Keeps what channels report. A repeat changes nothing.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn keep_consents(&self, now: i64, reported: &[Reported]) -> Result<(), Error> {
        let rows = reported
            .iter()
            .map(|one| {
                vec![
                    one.identity.as_str().into(),
                    one.channel.as_str().into(),
                    one.state.as_str().into(),
                    "channel".into(),
                    None::<String>.into(),
                    None::<String>.into(),
                    one.message_seq.into(),
                    one.at.into(),
                    now.into(),
                ]
            })
            .collect();
        insert_many(self.on(), HEAD, rows, TAIL).await?;
        Ok(())
    }
}

/// Sets consent, for all identities of the customer, with a line in the audit log.
///
/// # Errors
/// [`Error::Conflict`] when there is no such customer any more; when the database refuses.
pub async fn set(db: &Db, now: i64, given: &Given<'_>) -> Result<(), Error> {
    let tx = Tx::begin(db).await?;
    let identities = Sql::new("SELECT id FROM customer_identity WHERE customer_id = ")
        .bind(given.customer)
        .push(" ORDER BY id")
        .all(tx.on())
        .await?;
    if identities.is_empty() {
        return Err(Error::Conflict { what: "a customer" });
    }
    let mut rows = Vec::with_capacity(identities.len());
    for identity in &identities {
        let id: String = identity.try_get("", "id")?;
        rows.push(vec![
            id.into(),
            given.channel.into(),
            given.state.as_str().into(),
            "staff".into(),
            given.actor.into(),
            given.reason.into(),
            None::<i64>.into(),
            now.into(),
            now.into(),
        ]);
    }
    insert_many(tx.on(), HEAD, rows, TAIL).await?;
    let detail = format!(
        "{} {}: {}",
        given.channel,
        given.state.as_str(),
        given.reason
    );
    audit::add(
        tx.on(),
        now,
        given.actor,
        "customer.consent",
        given.customer,
        &detail,
    )
    .await?;
    tx.commit().await
}

/// All that was said of some identities, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn of(db: &Db, identities: &[String]) -> Result<Vec<Consent>, Error> {
    let mut consents = Vec::new();
    for identities in identities.chunks(AT_ONCE) {
        let rows = Sql::new(
            "SELECT channel, state, actor, reason, at FROM customer_consent WHERE identity_id IN ",
        )
        .bind_list(identities)
        .all(db.reader())
        .await?;
        for row in &rows {
            consents.push(read(row)?);
        }
    }
    consents.sort();
    // What staff set stands beside each identity of the customer.
    consents.dedup();
    Ok(consents)
}

/// All that was said of a person of a channel, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn of_person(db: &Db, channel: &str, person: &str) -> Result<Vec<Consent>, Error> {
    let identity = Identity::User(User {
        channel: channel.to_owned(),
        id: person.to_owned(),
    });
    let rows = Sql::new("SELECT id FROM customer_identity WHERE key = ")
        .bind(identity.key())
        .all(db.reader())
        .await?;
    let ids: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get("", "id")).collect();
    of(db, &ids?).await
}

fn read(row: &QueryResult) -> Result<Consent, Error> {
    let state: String = row.try_get("", "state")?;
    let actor: Option<String> = row.try_get("", "actor")?;
    let reason: Option<String> = row.try_get("", "reason")?;
    Ok(Consent {
        at: Timestamp::from_millisecond(row.try_get("", "at")?).unwrap_or(Timestamp::UNIX_EPOCH),
        // The column takes no other words; if it did, the careful reading is the right one.
        state: ConsentState::from_word(&state).unwrap_or(ConsentState::Withdrawn),
        channel: row.try_get("", "channel")?,
        source: match actor {
            Some(actor) => ConsentSource::Staff {
                actor,
                reason: reason.unwrap_or_default(),
            },
            None => ConsentSource::Channel,
        },
    })
}
