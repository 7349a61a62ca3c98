//! Customers as `kenh verify` reads them, at the moment of the other books.

use domain::customer::{Binding, Member};
use sea_orm::FromQueryResult;

use super::{AT_ONCE, Known, bindings_of};
use crate::store::db::Error;
use crate::store::ledger::{Books, NAMED};
use crate::store::sql::Sql;

/// Two customers that a binding joins, or an order without its customer.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Loose {
    /// What does not fit: a customer, or an order.
    pub id: String,
    /// What it does not fit to: a customer, or an identity.
    pub other: String,
    /// How many of its kind there are.
    pub total: i64,
}

impl Books {
    /// The identities of up to `limit` customers after `after` in the order of their ids, with the
    /// bindings that touch them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn customers(
        &self,
        after: &str,
        limit: i64,
    ) -> Result<(Vec<Member>, Vec<Binding>), Error> {
        let mut customers: Vec<String> = Vec::new();
        for row in
            Sql::new("SELECT DISTINCT customer_id FROM customer_identity WHERE customer_id > ")
                .bind(after)
                .push(" ORDER BY customer_id LIMIT ")
                .bind(limit)
                .all(self.on())
                .await?
        {
            customers.push(row.try_get("", "customer_id")?);
        }
        let mut members = Vec::with_capacity(customers.len());
        for customers in customers.chunks(AT_ONCE) {
            let rows = Sql::new(
                "SELECT id, key, customer_id, channel, shared, name, name_at FROM customer_identity \
                 WHERE customer_id IN ",
            )
            .bind_list(customers)
            .push(" ORDER BY id")
            .all(self.on())
            .await?;
            for row in &rows {
                members.push(Known::read(row)?.member);
            }
        }
        let ids: Vec<String> = members
            .iter()
            .map(|member| member.id.as_str().to_owned())
            .collect();
        let bindings = bindings_of(self.on(), &ids).await?;
        Ok((members, bindings.into_iter().collect()))
    }

    /// Customers that a binding shows to be one, and that are two.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn customers_kept_apart(&self) -> Result<Vec<Loose>, Error> {
        Ok(Sql::new(
            "SELECT u.customer_id AS id, p.customer_id AS other, COUNT(*) OVER () AS total \
             FROM customer_binding b JOIN customer_identity u ON u.id = b.user_id \
             JOIN customer_identity p ON p.id = b.phone_id \
             WHERE u.shared = 0 AND p.shared = 0 AND u.customer_id <> p.customer_id \
             ORDER BY b.user_id, b.phone_id LIMIT ",
        )
        .bind(NAMED)
        .read(self.on())
        .await?)
    }

    /// Orders that belong to an identity that is not there.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn orders_of_lost_customers(&self) -> Result<Vec<Loose>, Error> {
        Ok(Sql::new(
            "SELECT o.id, o.customer_id AS other, COUNT(*) OVER () AS total FROM orders o \
             WHERE o.customer_id IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM customer_identity i WHERE i.id = o.customer_id) \
             ORDER BY o.id LIMIT ",
        )
        .bind(NAMED)
        .read(self.on())
        .await?)
    }
}
