//! Counters against their ledger and against what orders hold.

use std::collections::BTreeMap;

use super::{Finding, Findings, PlaceRow};
use crate::store::Error;
use crate::store::ledger::Books;

pub(super) async fn check(
    books: &Books,
    held: BTreeMap<(String, String), i64>,
    findings: &mut Findings,
) -> Result<Vec<PlaceRow>, Error> {
    for row in books.drifted().await? {
        findings.add(Finding {
            code: "counter-drifted",
            what: format!(
                "the counter says on hand {}, reserved {}; its movements say on hand {}, reserved {}",
                row.on_hand, row.reserved, row.ledger_on_hand, row.ledger_reserved
            ),
            place: format!("{} at {}", row.sku, row.location),
            remedy: if row.ledger_reserved < 0 {
                "the ledger itself releases more than was reserved: restore from a backup".to_owned()
            } else {
                "`kenh verify --repair` sets the counter to the sum of its movements".to_owned()
            },
        });
    }
    let mut by_orders: BTreeMap<String, i64> = BTreeMap::new();
    for ((location, _), units) in &held {
        *by_orders.entry(location.clone()).or_default() += units;
    }
    let mut held = held;
    for row in books.promised().await? {
        let wanted = held
            .remove(&(row.location.clone(), row.sku.clone()))
            .unwrap_or(0);
        if row.reserved < 0 {
            findings.add(Finding {
                code: "reserved-negative",
                what: format!("{} units are reserved", row.reserved),
                place: format!("{} at {}", row.sku, row.location),
                remedy: "`kenh verify --repair` sets the counter to the sum of its movements"
                    .to_owned(),
            });
        }
        differs(findings, &row.location, &row.sku, row.reserved, wanted);
    }
    for ((location, sku), wanted) in held {
        differs(findings, &location, &sku, 0, wanted);
    }
    Ok(books
        .places()
        .await?
        .into_iter()
        .map(|place| PlaceRow {
            held_by_orders: by_orders.remove(&place.location).unwrap_or(0),
            location: place.location,
            skus: place.skus,
            on_hand: place.on_hand,
            reserved: place.reserved,
            oversold: place.oversold,
        })
        .collect())
}

fn differs(findings: &mut Findings, location: &str, sku: &str, reserved: i64, wanted: i64) {
    if reserved == wanted {
        return;
    }
    findings.add(Finding {
        code: "reserved-differs",
        what: format!("{reserved} units are reserved, live orders hold {wanted}"),
        place: format!("{sku} at {location}"),
        remedy: "if the counter drifted too, repair it first (`kenh verify --repair`); otherwise an order \
                 or a movement was written by another hand: compare with a backup"
            .to_owned(),
    });
}
