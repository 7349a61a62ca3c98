//! Labelled comments: every row is understood as its label says.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::comment::{Author, Comment, Known, Live, Product, Understanding, parse};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Row {
    n: u32,
    text: String,
    author: Author,
    /// One of `lives.json`; none is the given catalogue.
    #[serde(default)]
    live: Option<String>,
    ctx: Context,
    expect: Value,
}

#[derive(Deserialize)]
struct Context {
    pinned: Option<String>,
    customer_phone_on_file: bool,
    previous: Option<Previous>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Previous {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Catalogue {
    catalogue: BTreeMap<String, String>,
    qty_limit: u32,
}

fn given_live() -> Live {
    let catalogue: Catalogue =
        serde_json::from_str(include_str!("data/comments/catalogue.json")).unwrap();
    let product = |(code, name): (String, String)| {
        let sku = format!("SKU-{code}");
        (
            code,
            Product {
                sku,
                name,
                variants: vec![],
            },
        )
    };
    Live {
        quantity_limit: catalogue.qty_limit,
        ..Live::new(catalogue.catalogue.into_iter().map(product).collect())
    }
}

fn rows(text: &str) -> Vec<Row> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn understand(row: &Row, lives: &BTreeMap<String, Live>) -> Understanding {
    let mut live = match &row.live {
        Some(name) => lives[name].clone(),
        None => given_live(),
    };
    live.pinned.clone_from(&row.ctx.pinned);
    let known = Known {
        phone_on_file: row.ctx.customer_phone_on_file,
        previous: match &row.ctx.previous {
            None => vec![],
            Some(Previous::One(text)) => vec![text.clone()],
            Some(Previous::Several(texts)) => texts.clone(),
        },
    };
    let comment = Comment {
        text: &row.text,
        author: row.author,
    };
    parse(&comment, &live, &known)
}

/// The parts of an understanding that the labels speak of.
fn labels(understood: &Understanding) -> Value {
    let lines: Vec<Value> = understood
        .lines
        .iter()
        .map(|line| json!({"code": line.code, "qty": line.quantity, "variant": line.variant}))
        .collect();
    let phones: Vec<&str> = understood
        .phones
        .iter()
        .map(|found| found.e164.as_str())
        .collect();
    json!({
        "intent": understood.intent,
        "lines": lines,
        "mentions": understood.mentions,
        "phones": phones,
        "phone_state": understood.phone_state,
        "action": understood.action,
    })
}

/// Every row that is understood otherwise, in words.
fn misread(rows: &[Row]) -> String {
    let lives: BTreeMap<String, Live> =
        serde_json::from_str(include_str!("data/comments/lives.json")).unwrap();
    let mut report = String::new();
    for row in rows {
        let understood = understand(row, &lives);
        let found = labels(&understood);
        if found != row.expect {
            writeln!(
                report,
                "{} {:?}\n  expected {}\n  found    {found}\n  because  {:?}",
                row.n, row.text, row.expect, understood.reasons
            )
            .unwrap();
        }
    }
    report
}

#[test]
fn every_given_comment_is_understood_as_labelled() {
    let rows = rows(include_str!("data/comments/given.jsonl"));
    assert_eq!(rows.len(), 42);
    let misread = misread(&rows);
    assert!(misread.is_empty(), "\n{misread}");
}
