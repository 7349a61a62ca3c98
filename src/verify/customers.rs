//! Customers: the identities that bindings connect, derived again.

use std::collections::BTreeMap;

use domain::customer::{Limits, Member, regroup};
use domain::id::CustomerId;

use super::{Finding, Findings};
use crate::store::Error;
use crate::store::customers::books::Loose;
use crate::store::ledger::Books;

/// Customers in memory at once.
const PAGE: i64 = 500;

/// Nobody is shared but those who are marked so: what was counted when, only the settings of that
/// day know.
const MARKED: Limits = Limits {
    users_per_phone: usize::MAX,
    phones_per_user: usize::MAX,
};

/// A gateway writes no such rows.
const RESTORE: &str = "rows were written by another hand: restore customer_identity and customer_binding from a backup";

pub(super) async fn check(books: &Books, findings: &mut Findings) -> Result<(), Error> {
    let mut after = String::new();
    loop {
        let (members, bindings) = books.customers(&after, PAGE).await?;
        let Some(last) = members.iter().map(|member| &member.customer).max() else {
            break;
        };
        after = last.as_str().to_owned();
        names(&members, findings);
        for (customer, apart) in regroup(&members, &bindings, &MARKED).parted {
            findings.add(Finding {
                code: "customer-unproven",
                what: format!("the identity {apart} belongs to it, and no document shows that"),
                place: format!("customer {customer}"),
                remedy: RESTORE.to_owned(),
            });
        }
    }
    loose(books.customers_kept_apart().await?, findings, |row| {
        Finding {
            code: "customer-apart",
            what: format!("a document shows that it and {} are one", row.other),
            place: format!("customer {}", row.id),
            remedy: RESTORE.to_owned(),
        }
    });
    loose(books.orders_of_lost_customers().await?, findings, |row| {
        Finding {
            code: "customer-missing",
            what: format!(
                "it belongs to the identity {}, which is not there",
                row.other
            ),
            place: format!("order {}", row.id),
            remedy: RESTORE.to_owned(),
        }
    });
    Ok(())
}

/// A customer is called by its oldest identity.
fn names(members: &[Member], findings: &mut Findings) {
    let mut oldest: BTreeMap<&CustomerId, &CustomerId> = BTreeMap::new();
    for member in members {
        let least = oldest.entry(&member.customer).or_insert(&member.id);
        *least = (*least).min(&member.id);
    }
    for (customer, least) in oldest {
        if customer != least {
            findings.add(Finding {
                code: "customer-misnamed",
                what: format!("its oldest identity is {least}"),
                place: format!("customer {customer}"),
                remedy: RESTORE.to_owned(),
            });
        }
    }
}

fn loose(rows: Vec<Loose>, findings: &mut Findings, finding: impl Fn(Loose) -> Finding) {
    let total = rows.first().map_or(0, |row| row.total);
    let more = usize::try_from(total)
        .unwrap_or(0)
        .saturating_sub(rows.len());
    findings.count_more(more);
    for row in rows {
        findings.add(finding(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TempDb;
    use crate::verify::{Options, Report, run};
    use domain::order::Settings;

    fn id(number: u128) -> String {
        CustomerId::from_uuid(number).to_string()
    }

    async fn identity(db: &TempDb, number: u128, customer: u128, key: &str, shared: u8) {
        db.run(&format!(
            "INSERT INTO customer_identity (id, key, customer_id, channel, shared, created_at) \
             VALUES ('{}', '{key}', '{}', 'web', {shared}, 0)",
            id(number),
            id(customer)
        ))
        .await;
    }

    /// A person with a phone, and a shop's phone that another person has used.
    async fn customers() -> TempDb {
        let db = TempDb::new().await;
        identity(&db, 1, 1, "user:web:1", 0).await;
        identity(&db, 2, 1, "phone:+84901234567", 0).await;
        identity(&db, 3, 3, "phone:+84987654321", 1).await;
        identity(&db, 4, 4, "user:web:4", 0).await;
        for (user, phone) in [(1, 2), (1, 3), (4, 3)] {
            db.run(&format!(
                "INSERT INTO customer_binding (user_id, phone_id, at) VALUES ('{}', '{}', 0)",
                id(user),
                id(phone)
            ))
            .await;
        }
        db
    }

    async fn verified(db: &TempDb) -> Report {
        let options = Options::all(jiff::Timestamp::UNIX_EPOCH);
        run(db, &Settings::default(), &options).await.unwrap()
    }

    fn codes(report: &Report) -> Vec<&'static str> {
        report.findings.iter().map(|finding| finding.code).collect()
    }

    #[tokio::test]
    async fn customers_that_bindings_prove_balance() {
        let report = verified(&customers().await).await;
        assert!(report.balanced, "{:#?}", report.findings);
    }

    #[tokio::test]
    async fn an_identity_that_no_document_shows_to_belong_is_found() {
        let db = customers().await;
        db.run(&format!(
            "UPDATE customer_identity SET customer_id = '{}' WHERE id = '{}'",
            id(1),
            id(4)
        ))
        .await;
        let report = verified(&db).await;
        assert_eq!(codes(&report), ["customer-unproven"]);
        assert!(report.findings[0].what.contains(&id(4)));
        assert!(report.findings[0].place.contains(&id(1)));
    }

    #[tokio::test]
    async fn two_customers_that_a_document_shows_to_be_one_are_found() {
        let db = customers().await;
        db.run(&format!(
            "UPDATE customer_identity SET customer_id = id WHERE id = '{}'",
            id(2)
        ))
        .await;
        let report = verified(&db).await;
        assert_eq!(codes(&report), ["customer-apart"]);
        assert!(report.findings[0].what.contains(&id(2)));
    }

    #[tokio::test]
    async fn a_customer_that_is_not_called_by_its_oldest_identity_is_found() {
        let db = customers().await;
        db.run(&format!(
            "UPDATE customer_identity SET customer_id = '{}' WHERE customer_id = '{}'",
            id(2),
            id(1)
        ))
        .await;
        let report = verified(&db).await;
        assert!(codes(&report).contains(&"customer-misnamed"), "{report:?}");
    }
}
