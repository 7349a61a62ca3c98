//! An e-invoice provider: numbers invoices per series without a gap, has them coded by the tax
//! authority, and keeps adjustments.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Call, Reply,
    callback::{Happening, report},
    target::{Ask, Effect, Then, no_such_call, not_found},
};
use crate::{
    books::{Invoice, InvoiceState, TargetBooks},
    faults::{chance, hash},
    world::{World, held},
};

/// Of a hundred invoices, how many get their number later, by callback.
const LATER_PERCENT: u64 = 20;

pub(crate) fn apply(ask: &mut Ask<'_>, call: &Call) -> Effect {
    let (method, segments) = call.route();
    match (method, segments.as_slice()) {
        ("POST", ["invoices"]) => issue(ask),
        ("POST", ["invoices", id, "adjustments"]) => Effect::of(adjust(ask, id)),
        _ => no_such_call(ask, call),
    }
}

pub(crate) fn look_up(books: &TargetBooks, call: &Call) -> Option<Value> {
    let (_, segments) = call.route();
    match segments.as_slice() {
        ["invoices", id] => books.invoices.get(*id).map(|invoice| body(id, invoice)),
        ["invoices", id, "adjustments", adjustment] => {
            let invoice = books.invoices.get(*id)?;
            let number = invoice.adjustment_numbers.get(*adjustment)?;
            Some(json!({"adjustment_id": adjustment, "number": number, "series": invoice.series}))
        }
        _ => None,
    }
}

fn body(id: &str, invoice: &Invoice) -> Value {
    json!({
        "invoice_request_id": id,
        "state": invoice.state,
        "series": invoice.series,
        "number": invoice.number,
        "tax_code_of_authority": invoice.authority_code,
    })
}

fn issue(ask: &mut Ask<'_>) -> Effect {
    let id = ask.text("invoice_request_id");
    let order_ref = ask.text("order_ref");
    let Some(total) = ask.body["total"].as_i64().filter(|_| !id.is_empty()) else {
        ask.violation("an invoice without invoice_request_id or total");
        return Effect::of(refused("unreadable"));
    };
    if let Some(known) = ask.ledger.target(ask.target).invoices.get(&id).cloned() {
        ask.violation(&format!(
            "invoice {id} was asked for again under another key"
        ));
        return Effect::of(Reply::json(200, body(&id, &known)));
    }
    check_sums(ask, &id, total);
    let later = chance(
        ask.world.options.seed,
        &format!("later:{order_ref}"),
        LATER_PERCENT,
    );
    let series = ask.text("series");
    let number = (!later).then(|| next_number(ask.ledger.target(ask.target), &series));
    let invoice = Invoice {
        order_ref,
        channel: ask.text("channel"),
        external_id: ask.text("external_id"),
        series,
        number,
        authority_code: None,
        total,
        state: if later {
            InvoiceState::Accepted
        } else {
            InvoiceState::Issued
        },
        adjustments: std::collections::BTreeMap::new(),
        adjustment_numbers: std::collections::BTreeMap::new(),
        sequence: 0,
    };
    let (status, answer) = if later {
        (202, json!({"state": "accepted"}))
    } else {
        (
            201,
            json!({"number": invoice.number, "series": invoice.series, "state": "issued"}),
        )
    };
    ask.ledger
        .target(ask.target)
        .invoices
        .insert(id.clone(), invoice);
    Effect {
        reply: Reply::json(status, answer),
        then: Then::Invoice { id, issued: !later },
    }
}

fn refused(code: &str) -> Reply {
    Reply::json(
        422,
        json!({"code": code, "message": "the invoice cannot be issued"}),
    )
}

fn next_number(books: &mut TargetBooks, series: &str) -> String {
    let last = books.numbers.entry(series.to_owned()).or_insert(0);
    *last += 1;
    format!("{last:08}")
}

/// An invoice whose parts do not add up is refused by every real provider; here it is written
/// down and issued, so that the audit sees the wrong total as well.
fn check_sums(ask: &mut Ask<'_>, id: &str, total: i64) {
    let sum = |field: &str| -> i64 {
        ask.body["lines"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|line| line[field].as_i64().unwrap_or(0))
            .sum()
    };
    let (amounts, taxes) = (sum("amount"), sum("tax_amount"));
    let shipping = ask.body["shipping"].as_i64().unwrap_or(0);
    let discount = ask.body["discount"].as_i64().unwrap_or(0);
    let tax_total = ask.body["tax_total"].as_i64().unwrap_or(0);
    let no_lines = ask.body["lines"].as_array().is_none_or(Vec::is_empty);
    if amounts + shipping - discount != total {
        ask.violation(&format!(
            "invoice {id}: lines, shipping and discount do not give the total"
        ));
    }
    // The tax inside shipping and discount may be in the total's tax only.
    if tax_total < 0 || tax_total > total || (shipping == 0 && discount == 0 && taxes != tax_total)
    {
        ask.violation(&format!(
            "invoice {id}: the lines' tax does not give tax_total"
        ));
    }
    if no_lines || ask.text("legal_day").len() != 10 || ask.text("series").is_empty() {
        ask.violation(&format!(
            "invoice {id}: lines, legal_day or series is missing"
        ));
    }
}

fn adjust(ask: &mut Ask<'_>, id: &str) -> Reply {
    let adjustment = ask.text("adjustment_id");
    let amount = ask.body["total"].as_i64().unwrap_or(0);
    let known = match ask.ledger.target(ask.target).invoices.get(id) {
        None => return not_found(),
        Some(invoice) => invoice.clone(),
    };
    if known.adjustments.contains_key(&adjustment) {
        ask.violation(&format!(
            "adjustment {adjustment} came again under another key"
        ));
        let number = known.adjustment_numbers.get(&adjustment);
        return Reply::json(200, json!({"number": number, "series": known.series}));
    }
    if known.number.is_none() {
        ask.violation(&format!("invoice {id} is adjusted before it has a number"));
    }
    if amount >= 0 || known.remaining() + amount < 0 {
        ask.violation(&format!(
            "adjustment {adjustment} takes more than invoice {id} holds"
        ));
    }
    let books = ask.ledger.target(ask.target);
    let number = next_number(books, &known.series);
    if let Some(invoice) = books.invoices.get_mut(id) {
        invoice.adjustments.insert(adjustment.clone(), amount);
        invoice
            .adjustment_numbers
            .insert(adjustment, number.clone());
    }
    Reply::json(201, json!({"number": number, "series": known.series}))
}

/// `issued` (when the number came later) and `coded`.
pub(crate) async fn live(world: &Arc<World>, target: &str, id: &str, issued: bool) {
    let steps: &[InvoiceState] = if issued {
        &[InvoiceState::Coded]
    } else {
        &[InvoiceState::Issued, InvoiceState::Coded]
    };
    for state in steps {
        world.pause(&format!("{id}.{state:?}")).await;
        let happening = {
            let mut ledger = held(&world.ledger);
            let books = ledger.target(target);
            let Some(series) = books.invoices.get(id).map(|invoice| invoice.series.clone()) else {
                return;
            };
            let number = (*state == InvoiceState::Issued).then(|| next_number(books, &series));
            let Some(invoice) = books.invoices.get_mut(id) else {
                return;
            };
            invoice.state = *state;
            invoice.number = number.or_else(|| invoice.number.clone());
            invoice.sequence += 1;
            let kind = if *state == InvoiceState::Coded {
                let code = format!("M1-{:016X}", hash(world.options.seed, id));
                invoice.authority_code = Some(code);
                "invoice.coded"
            } else {
                "invoice.issued"
            };
            let mut data = json!({
                "invoice_request_id": id,
                "series": invoice.series,
                "number": invoice.number,
            });
            if let Some(code) = &invoice.authority_code {
                data["authority_code"] = json!(code);
            }
            Happening {
                kind,
                subject: id.to_owned(),
                sequence: invoice.sequence,
                data,
            }
        };
        report(world, target, happening).await;
    }
}
