//! Counts and movements of stock.

use super::super::testing::TempDb;
use super::*;

async fn counted(db: &Db, location: &str, sku: &str, on_hand: i64, sequence: i64) -> bool {
    let tx = db.begin().await.unwrap();
    let changed = count(
        &tx,
        1_000,
        &Count {
            location: location.to_owned(),
            sku: sku.to_owned(),
            on_hand,
            as_of: sequence,
            sequence,
            safety: None,
            reference: format!("test/{sequence}"),
        },
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    changed
}

#[tokio::test]
async fn an_older_count_changes_nothing() {
    let db = TempDb::new().await;
    assert!(counted(&db, "hub", "A", 5, 20).await);
    assert!(!counted(&db, "hub", "A", 9, 10).await);
    let seen = list(&db, None, None, ("", ""), 10).await.unwrap();
    assert_eq!((seen[0].on_hand, seen[0].sequence), (5, 20));
    assert!(disagreements(&db).await.unwrap().is_empty());
}

/// What happened is what counts, not when we heard of it.
#[tokio::test]
async fn counts_and_movements_in_any_order_give_the_same_units() {
    #[derive(Clone, Copy)]
    enum Report {
        Counted { at: i64, units: i64 },
        Moved { at: i64, units: i64 },
    }
    let reports = [
        Report::Moved { at: 10, units: -1 },
        Report::Counted { at: 15, units: 9 },
        Report::Moved { at: 18, units: -3 },
        Report::Counted { at: 20, units: 6 },
        Report::Moved { at: 30, units: -2 },
    ];
    let db = TempDb::new().await;
    for n in 0..120_usize {
        let sku = format!("A-{n:03}");
        let mut rest = reports.to_vec();
        let mut code = n;
        let opening = Count {
            location: "hub".to_owned(),
            sku: sku.clone(),
            on_hand: 10,
            as_of: 1,
            sequence: 0,
            safety: None,
            reference: "opening".to_owned(),
        };
        open(&db, 1, &[opening]).await.unwrap();
        while !rest.is_empty() {
            let report = rest.remove(code % rest.len());
            code /= rest.len() + 1;
            match report {
                Report::Counted { at, units } => {
                    counted(&db, "hub", &sku, units, at).await;
                }
                Report::Moved { at, units } => {
                    let movement = Movement {
                        location: "hub".to_owned(),
                        sku: sku.clone(),
                        kind: "adjusted",
                        on_hand: units,
                        reserved: 0,
                        order_id: None,
                        reference: format!("test/{at}"),
                        happened_at: at,
                    };
                    let tx = db.begin().await.unwrap();
                    apply(&tx, 1_000, &[movement]).await.unwrap();
                    tx.commit().await.unwrap();
                }
            }
        }
        let seen = list(&db, None, Some(&sku), ("", ""), 10).await.unwrap();
        assert_eq!(seen[0].on_hand, 4, "in order {n}");
    }
    assert!(disagreements(&db).await.unwrap().is_empty());
}

#[tokio::test]
async fn counters_are_paged_by_location_and_sku() {
    let db = TempDb::new().await;
    for (location, sku) in [("hub", "A"), ("hub", "B"), ("store", "A")] {
        counted(&db, location, sku, 1, 1).await;
    }
    let places = |rows: Vec<Counter>| -> Vec<String> {
        rows.into_iter()
            .map(|c| format!("{}/{}", c.location, c.sku))
            .collect()
    };
    let first = list(&db, None, None, ("", ""), 2).await.unwrap();
    assert_eq!(places(first), ["hub/A", "hub/B"]);
    let second = list(&db, None, None, ("hub", "B"), 2).await.unwrap();
    assert_eq!(places(second), ["store/A"]);
    let of_sku = list(&db, None, Some("A"), ("", ""), 9).await.unwrap();
    assert_eq!(places(of_sku), ["hub/A", "store/A"]);
    let of_location = list(&db, Some("hub"), None, ("", ""), 9).await.unwrap();
    assert_eq!(places(of_location), ["hub/A", "hub/B"]);
}
