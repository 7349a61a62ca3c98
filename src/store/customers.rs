//! Customers: identities, what binds them, and who they are together; written in the settling
//! transaction. What is shown of them is read in [`read`]; consent is in [`consent`].
//!
//! One rule keeps workers apart: whoever changes which identities belong to a customer holds the
//! row of the customer's oldest identity, the one whose id the customer has.

pub mod books;
pub mod consent;
pub mod read;

use std::collections::{BTreeSet, HashMap};

use domain::customer::{Binding, Identity, Member};
use domain::id::CustomerId;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult};

use super::db::Error;
use super::sql::{Sql, insert_many, insert_returning};
use super::tx::Tx;
use crate::crypto::KeyRing;

/// Values of one `IN` at most: below what either database binds.
const AT_ONCE: usize = 1_024;

/// An identity as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// [`Identity::key`].
    pub key: String,
    /// Whom it belongs to.
    pub member: Member,
    /// The channel in which it was first seen.
    pub channel: String,
    /// The newest name under which it appeared.
    pub name: Option<String>,
    /// When that was, milliseconds; 0 without a name.
    pub name_at: i64,
}

impl Known {
    fn read(row: &QueryResult) -> Result<Self, Error> {
        let shared: i64 = row.try_get("", "shared")?;
        Ok(Self {
            key: row.try_get("", "key")?,
            member: Member {
                id: customer_id(&row.try_get::<String>("", "id")?)?,
                customer: customer_id(&row.try_get::<String>("", "customer_id")?)?,
                shared: shared != 0,
            },
            channel: row.try_get("", "channel")?,
            name: row.try_get("", "name")?,
            name_at: row.try_get("", "name_at")?,
        })
    }
}

/// The document that bound two identities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// The order that it was about.
    pub order_id: Option<String>,
    /// The message that brought it.
    pub message_seq: Option<i64>,
    /// When it was written, milliseconds.
    pub at: i64,
}

/// Two customers that became one, or one that stands alone again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// `merged` or `parted`.
    pub kind: &'static str,
    /// The customer that was.
    pub from: CustomerId,
    /// The customer that is.
    pub into: CustomerId,
    /// What did it: the person's id …
    pub user: CustomerId,
    /// … and the phone,
    pub phone: CustomerId,
    /// … in this document.
    pub source: Source,
}

/// Whether some of the terms may have been written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The identities are new.
    Never,
    /// They are not.
    Perhaps,
}

const COLUMNS: &str =
    "SELECT id, key, customer_id, channel, shared, name, name_at FROM customer_identity WHERE ";

impl Tx {
    /// The identities of some keys. What is not known is not in the map.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn identities(&self, keys: &[String]) -> Result<HashMap<String, Known>, Error> {
        let mut known = HashMap::with_capacity(keys.len());
        for keys in keys.chunks(AT_ONCE) {
            let rows = Sql::new(COLUMNS).push("key IN ").bind_list(keys);
            for row in rows.all(self.on()).await? {
                let one = Known::read(&row)?;
                known.insert(one.key.clone(), one);
            }
        }
        Ok(known)
    }

    /// Stores identities that were not known; the keys of those that it stored. The others were
    /// stored by somebody else meanwhile. Give them in the order of their keys: two workers that
    /// store the same ones then wait for each other in one direction only.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_identities(
        &self,
        now: i64,
        identities: &[Known],
    ) -> Result<BTreeSet<String>, Error> {
        let rows = identities.iter().map(|one| row_of(now, one)).collect();
        insert_returning(
            self.on(),
            "INSERT INTO customer_identity (id, key, customer_id, channel, shared, name, name_at, created_at)",
            rows,
            "ON CONFLICT (key) DO NOTHING RETURNING key",
        )
        .await?
        .iter()
        .map(|row| Ok(row.try_get("", "key")?))
        .collect()
    }

    /// Stores bindings (person, phone, document), in the order of their ids; those that are new.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn bind(
        &self,
        bindings: &[(CustomerId, CustomerId, Source)],
    ) -> Result<BTreeSet<(CustomerId, CustomerId)>, Error> {
        let rows = bindings
            .iter()
            .map(|(user, phone, source)| {
                vec![
                    user.as_str().into(),
                    phone.as_str().into(),
                    source.order_id.clone().into(),
                    source.message_seq.into(),
                    source.at.into(),
                ]
            })
            .collect();
        insert_returning(
            self.on(),
            "INSERT INTO customer_binding (user_id, phone_id, order_id, message_seq, at)",
            rows,
            "ON CONFLICT (user_id, phone_id) DO NOTHING RETURNING user_id, phone_id",
        )
        .await?
        .iter()
        .map(|row| {
            let user: String = row.try_get("", "user_id")?;
            let phone: String = row.try_get("", "phone_id")?;
            Ok((customer_id(&user)?, customer_id(&phone)?))
        })
        .collect()
    }

    /// Keeps others from changing these identities, and who belongs to the customers among them,
    /// until the end of the transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lock_identities(&self, ids: &BTreeSet<CustomerId>) -> Result<(), Error> {
        // SQLite has one writer, and this is it.
        if self.on().get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        for ids in texts(ids).chunks(AT_ONCE) {
            Sql::new("SELECT id FROM customer_identity WHERE id IN ")
                .bind_list(ids)
                // Others may still point to the row.
                .push(" ORDER BY id FOR NO KEY UPDATE")
                .all(self.on())
                .await?;
        }
        Ok(())
    }

    /// All identities of some customers.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn members(&self, customers: &BTreeSet<CustomerId>) -> Result<Vec<Known>, Error> {
        self.identities_where("customer_id IN ", customers).await
    }

    /// Some identities, by their own ids.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn identities_of(&self, ids: &BTreeSet<CustomerId>) -> Result<Vec<Known>, Error> {
        self.identities_where("id IN ", ids).await
    }

    async fn identities_where(
        &self,
        condition: &str,
        ids: &BTreeSet<CustomerId>,
    ) -> Result<Vec<Known>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in texts(ids).chunks(AT_ONCE) {
            let sql = Sql::new(COLUMNS).push(condition).bind_list(ids);
            for row in sql.push(" ORDER BY id").all(self.on()).await? {
                found.push(Known::read(&row)?);
            }
        }
        Ok(found)
    }

    /// All bindings that touch some identities.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn bindings_of(
        &self,
        ids: &BTreeSet<CustomerId>,
    ) -> Result<BTreeSet<Binding>, Error> {
        bindings_of(self.on(), &texts(ids)).await
    }

    /// Writes identities anew: whom they belong to, and their names.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn update_identities(&self, now: i64, identities: &[Known]) -> Result<(), Error> {
        insert_many(
            self.on(),
            "INSERT INTO customer_identity (id, key, customer_id, channel, shared, name, name_at, created_at)",
            identities.iter().map(|one| row_of(now, one)).collect(),
            "ON CONFLICT (id) DO UPDATE SET customer_id = excluded.customer_id, \
             shared = excluded.shared, name = excluded.name, name_at = excluded.name_at",
        )
        .await?;
        Ok(())
    }

    /// Writes down which customers became one, and which stand alone again.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn keep_merges(&self, now: i64, merges: &[Merge]) -> Result<(), Error> {
        let rows = merges
            .iter()
            .map(|merge| {
                vec![
                    merge.kind.into(),
                    merge.from.as_str().into(),
                    merge.into.as_str().into(),
                    merge.user.as_str().into(),
                    merge.phone.as_str().into(),
                    merge.source.order_id.clone().into(),
                    merge.source.message_seq.into(),
                    now.into(),
                ]
            })
            .collect();
        insert_many(
            self.on(),
            "INSERT INTO customer_merge (kind, from_id, into_id, user_id, phone_id, order_id, message_seq, at)",
            rows,
            "",
        )
        .await?;
        Ok(())
    }

    /// Adds what identities are found by: term, identity.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_customer_terms(
        &self,
        terms: &BTreeSet<(String, CustomerId)>,
        written: Written,
    ) -> Result<(), Error> {
        let rows = terms
            .iter()
            .map(|(term, id)| vec![term.as_str().into(), id.as_str().into()])
            .collect();
        let tail = match written {
            // Looking for a conflict that cannot be costs as much again as writing.
            Written::Never => "",
            Written::Perhaps => "ON CONFLICT (term, identity_id) DO NOTHING",
        };
        insert_many(
            self.on(),
            "INSERT INTO customer_term (term, identity_id)",
            rows,
            tail,
        )
        .await?;
        Ok(())
    }
}

fn row_of(now: i64, one: &Known) -> Vec<sea_orm::Value> {
    vec![
        one.member.id.as_str().into(),
        one.key.as_str().into(),
        one.member.customer.as_str().into(),
        one.channel.as_str().into(),
        i64::from(one.member.shared).into(),
        one.name.clone().into(),
        one.name_at.into(),
        now.into(),
    ]
}

fn texts(ids: &BTreeSet<CustomerId>) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

/// An id that we have written ourselves.
pub(crate) fn customer_id(text: &str) -> Result<CustomerId, Error> {
    text.parse().map_err(|_| Error::Document {
        what: "customer's id",
        source: serde::de::Error::custom("it is not of the form `cus_…`"),
    })
}

/// Characters of a word's hash: 128 bits tell all words apart, and each is in an index.
const HASH_CHARS: usize = 32;

/// How a word of a customer's name is written among the terms.
#[must_use]
pub(crate) fn name_term(keys: &KeyRing, word: &str) -> String {
    shortened(keys.lookup_hash("name", word))
}

/// The terms under which a word of a name may have been written, one per key.
#[must_use]
pub(crate) fn name_terms(keys: &KeyRing, word: &str) -> Vec<String> {
    let hashes = keys.lookup_hashes("name", word);
    hashes.into_iter().map(shortened).collect()
}

fn shortened(mut hash: String) -> String {
    hash.truncate(HASH_CHARS);
    hash
}

/// How a further channel of a customer is written among the terms.
#[must_use]
pub(crate) fn channel_term(channel: &str) -> String {
    format!("channel:{channel}")
}

/// All bindings that touch some identities.
pub(crate) async fn bindings_of(
    on: &impl ConnectionTrait,
    ids: &[String],
) -> Result<BTreeSet<Binding>, Error> {
    let mut bindings = BTreeSet::new();
    for column in ["user_id", "phone_id"] {
        for ids in ids.chunks(AT_ONCE) {
            let rows = Sql::new(
                "SELECT b.user_id, b.phone_id, u.key FROM customer_binding b \
                 JOIN customer_identity u ON u.id = b.user_id WHERE b.",
            )
            .push(column)
            .push(" IN ")
            .bind_list(ids)
            .all(on)
            .await?;
            for row in rows {
                let key: String = row.try_get("", "key")?;
                let channel = match Identity::from_key(&key) {
                    Some(Identity::User(user)) => user.channel,
                    Some(Identity::Phone(_)) | None => String::new(),
                };
                bindings.insert(Binding {
                    user: customer_id(&row.try_get::<String>("", "user_id")?)?,
                    channel,
                    phone: customer_id(&row.try_get::<String>("", "phone_id")?)?,
                });
            }
        }
    }
    Ok(bindings)
}
