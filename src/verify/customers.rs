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

/// Settling looks at a customer whenever a document shows one.
const AGAIN: &str = "rows were written by another hand: restore the tables customer_identity and customer_binding from a backup";

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
                remedy: AGAIN.to_owned(),
            });
        }
    }
    loose(books.customers_kept_apart().await?, findings, |row| {
        Finding {
            code: "customer-apart",
            what: format!("a document shows that it and {} are one", row.other),
            place: format!("customer {}", row.id),
            remedy: AGAIN.to_owned(),
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
            remedy: AGAIN.to_owned(),
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
                remedy: AGAIN.to_owned(),
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
