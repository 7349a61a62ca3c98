//! Commands of the program, run as an operator runs them: beside a gateway that works.

use std::collections::BTreeSet;

use connectors::channels::CHANNELS;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{World, on_both, shipped};
use crate::program::{Operator, Said, kenh, run};
use crate::reconcile::{Shop, phone};

/// `kenh channels` with the shipped configuration.
async fn channels(format: &str) -> Said {
    let mut command = kenh(&sandbox::Secrets::default());
    command
        .args(["channels", "--format", format, "--config"])
        .arg(shipped());
    let said = run(command).await;
    assert_eq!(said.code, 0, "{}", said.complaint);
    said
}

/// Words of the line that begins so.
fn row<'s>(said: &'s Said, begin: &str) -> Vec<&'s str> {
    let mut lines = said.out.lines();
    let line = lines.find(|line| line.split_whitespace().next() == Some(begin));
    line.unwrap_or_else(|| panic!("no {begin}:\n{}", said.out))
        .split_whitespace()
        .collect()
}

#[tokio::test]
async fn the_capability_matrix_has_a_row_for_every_connector() {
    let said = channels("text").await;
    let (matrix, _) = said.out.split_once("\ntold of its orders\n").unwrap();
    let rows: BTreeSet<&str> = matrix
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    let all: BTreeSet<&str> = CHANNELS.iter().map(|entry| entry.name).collect();
    assert_eq!(rows, all, "the shipped configuration shows every connector");
    let heads = row(&said, "channel");
    assert_eq!(heads[..4], ["channel", "connector", "door", "fetch"]);
    let shopee = row(&said, "shopee-vn");
    assert_eq!(shopee[..4], ["shopee-vn", "shopee", "signed", "order"]);
    assert_eq!(row(&said, "omicall")[2], "weak");
}

#[tokio::test]
async fn the_capability_matrix_is_there_for_programs_too() {
    let rows: Value = serde_json::from_str(&channels("json").await.out).unwrap();
    let rows = rows.as_array().unwrap();
    for entry in CHANNELS {
        assert!(
            rows.iter().any(|row| row["connector"] == entry.name),
            "{}",
            entry.name
        );
    }
    let shopee = rows
        .iter()
        .find(|row| row["channel"] == "shopee-vn")
        .unwrap();
    assert_eq!(shopee["polls"], json!(["orders", "lost_push"]));
    assert_eq!(
        (&shopee["tokens"], &shopee["weak"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn a_wrong_argument_ends_with_2_and_names_it() {
    for (words, named) in [
        ("reconcile", "<CHANNEL>"),
        ("reconcile shopee-vn", "--from"),
        (
            "reconcile shopee-vn --from yesterday",
            "2026-11-24T01:02:03Z",
        ),
        (
            "replay --channel web --from 2026-11-24 --dryrun",
            "--dry-run",
        ),
        ("replay --from 2026-11-24", "--channel"),
        ("channels --format xml", "json"),
        ("replai", "replay"),
    ] {
        let mut command = kenh(&sandbox::Secrets::default());
        command.args(words.split(' '));
        let said = run(command).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{words}");
        assert!(
            said.complaint.contains(named),
            "{words}: {}",
            said.complaint
        );
    }
}

on_both! {
    async fn reconcile_tells_takes_and_then_finds_the_same(kind: Kind) {
        let shop = Shop::open(kind).await;
        let operator = Operator::of(&shop.app.world, &shop.sandbox.addresses()["shopee"]);
        let hour_ago = shop.opened.as_second() - 3_600;
        let changed = shop.sandbox.sell_unheard_on_shopee(&phone(), "UNPAID", hour_ago);
        assert!(shop.sandbox.push_from_shopee(&changed).await);
        shop.settle().await;
        assert!(shop.sandbox.move_unheard_on_shopee(&changed, "CANCELLED"));
        let lost = shop.sandbox.sell_unheard_on_shopee(&phone(), "READY_TO_SHIP", hour_ago);
        let from = shop.opened - SignedDuration::from_hours(2);
        let reconcile = format!("reconcile shopee-vn --from {from}");

        let before = shop.written().await;
        let looked = operator.types(&format!("{reconcile} --dry-run")).await;
        assert_eq!(looked.code, 1, "{}", looked.complaint);
        let lines: Vec<&str> = looked.out.lines().collect();
        assert_eq!(lines[0], format!("missing     {lost}"));
        assert_eq!(lines[1], format!("differs     {changed}"));
        let status = r#"            channel_status: "UNPAID" -> "CANCELLED""#;
        assert!(lines.contains(&status), "{}", looked.out);
        assert_eq!(lines.last().unwrap(), &"2 listed, 0 the same, 1 missing, 1 differ, 0 unreadable");
        assert_eq!(shop.written().await, before, "looking changes nothing");

        let taken = operator.types(&reconcile).await;
        assert_eq!(taken.code, 1, "{}", taken.complaint);
        assert!(taken.out.contains(&format!("missing     {lost}, taken into the inbox\n")), "{}", taken.out);
        shop.settle().await;
        assert_eq!(shop.app.order(&changed).await.channel_status.unwrap(), "CANCELLED");
        assert_eq!(shop.app.order(&lost).await.fulfillment_orders.len(), 1);

        let same = operator.types(&reconcile).await;
        assert_eq!(same.code, 0, "{}{}", same.out, same.complaint);
        assert_eq!(same.out, "2 listed, 2 the same, 0 missing, 0 differ, 0 unreadable\n");
        let same = operator.types(&format!("{reconcile} --format json")).await;
        let report: Value = serde_json::from_str(&same.out).unwrap();
        assert_eq!(report, json!({"listed": 2, "same": 2, "findings": []}));
        shop.app.finish().await;
    }

    async fn reconcile_and_replay_say_what_to_do_instead(kind: Kind) {
        let world = World::on_the_machines_clock(kind).await;
        let operator = Operator::of(&world, &world.shopee.uri());
        for (words, code, remedy) in [
            ("reconcile nowhere --from 2026-11-24", 2, "there is no channel `nowhere`; `kenh channels` lists them\n"),
            ("reconcile shopee-vn --from 2026-11-24 --to 2026-11-23", 2, "--from must be before --to\n"),
            ("reconcile hotline --from 2026-11-23 --to 2026-11-24", 1, "could not reconcile: channel hotline cannot be asked what changed; see `kenh channels`\n"),
            ("replay --channel nowhere --from 2026-11-24", 2, "there is no channel or target `nowhere`; `kenh channels` lists the channels\n"),
            ("replay --channel web --from 2026-11-24 --to 2026-11-24", 2, "--from must be before --to\n"),
        ] {
            let said = operator.types(words).await;
            assert_eq!((said.code, said.complaint.as_str()), (code, remedy), "{words}");
            assert_eq!(said.out, "");
        }
    }
}
