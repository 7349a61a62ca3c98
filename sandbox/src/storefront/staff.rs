//! People with a bearer token: the call center and the counter type orders, and the desk turns
//! drafts into orders or turns them down.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Basket, Cash, Run, facebook::CART, people, website};
use crate::{
    books::Fate,
    secrets::channel,
    world::{Answer, Outgoing, backoff, held, now_text},
};

pub(crate) const CONNECTOR: &str = "staff";

/// How long staff try one action while the door is down.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the desk waits for a cart's draft after the last one that it saw.
const DRAFT_PATIENCE: Duration = Duration::from_secs(60);

/// One call of the gateway's API; `None` when no answer came.
pub(crate) async fn ask(
    run: &Run,
    method: Method,
    path: &str,
    body: Option<&Value>,
    key: Option<&str>,
) -> Option<Answer> {
    let mut headers = vec![(
        "authorization",
        format!("Bearer {}", run.scenario.api_token),
    )];
    headers.extend(key.map(|key| ("idempotency-key", key.to_owned())));
    headers.extend(body.map(|_| ("content-type", "application/json".to_owned())));
    let body = body.map(Value::to_string).unwrap_or_default().into_bytes();
    let outgoing = Outgoing {
        method,
        path: path.to_owned(),
        headers,
        body,
        timeout: Duration::from_secs(15),
    };
    run.world.send(outgoing).await
}

/// Repeats until the API answers with anything but a passing trouble.
async fn insist(
    run: &Run,
    method: &Method,
    path: &str,
    body: Option<&Value>,
    key: Option<&str>,
) -> Option<(Answer, bool)> {
    let started = Instant::now();
    for attempt in 0_u32.. {
        let answer = ask(run, method.clone(), path, body, key).await;
        if let Some(answer) = answer.filter(|a| a.status < 500 && a.status != 429) {
            return Some((answer, attempt > 0));
        }
        if started.elapsed() > PATIENCE {
            break;
        }
        run.count(CONNECTOR, |sent| sent.retries += 1);
        tokio::time::sleep(backoff(attempt)).await;
    }
    None
}

fn order_id(answer: &Answer) -> Option<String> {
    let body = answer.json();
    let id = body["id"].as_str().or_else(|| body["data"]["id"].as_str());
    id.map(str::to_owned)
}

/// An order taken by phone or at the counter; typed once, sent twice by a nervous button.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32, on: &'static str) {
    let basket = Basket::discounted(rng, &run.scenario.catalog);
    let prefix = if on == channel::HOTLINE { "HL" } else { "CT" };
    let external_id = format!("{prefix}-{}{number:05}", 1000 + run.scenario.seed % 1000);
    let paid = on == channel::COUNTER;
    let cash = if paid { Cash::NotDue } else { Cash::Due };
    run.sold(CONNECTOR, on, &external_id, &basket, cash);
    let document = website::document(&basket, &external_id, &now_text(), "confirmed")
        .with_payment(
            if paid { "card" } else { "cod" },
            paid,
            basket.grand_total(),
        )
        .with("channel", json!(on))
        .with("entered_by", json!("an.tt"))
        .with(
            "call_ref",
            match on {
                channel::HOTLINE => {
                    json!({"provider": "stringee", "call_id": format!("call-{number}")})
                }
                _ => Value::Null,
            },
        )
        .0;
    let key = format!("staff-{external_id}");
    run.count(CONNECTOR, |sent| sent.messages += 1);
    let made = insist(
        run,
        &Method::POST,
        "/api/v1/orders",
        Some(&document),
        Some(&key),
    )
    .await;
    let Some((made, _)) = made.filter(|(answer, _)| answer.success()) else {
        run.unexpected(format!("staff: {external_id} was not taken"));
        return;
    };
    let id = order_id(&made);
    run.count(CONNECTOR, |sent| sent.duplicates += 1);
    let again = insist(
        run,
        &Method::POST,
        "/api/v1/orders",
        Some(&document),
        Some(&key),
    )
    .await;
    if again.and_then(|(answer, _)| order_id(&answer)) != id || id.is_none() {
        run.unexpected(format!(
            "staff: the repeat of {external_id} gave another order"
        ));
    }
    let Some(id) = id.filter(|_| run.cancels(&external_id)) else {
        return;
    };
    run.pause(rng, 400).await;
    if held(&run.world.ledger).any_shipped(on, &external_id) {
        return; // Staff see that the goods have left.
    }
    let path = format!("/api/v1/orders/{id}/cancel");
    let reason = json!({"reason": "khách đổi ý"});
    let key = format!("cancel-{external_id}");
    let answer = insist(run, &Method::POST, &path, Some(&reason), Some(&key)).await;
    match answer {
        // The parcel left while the request was on its way: the order goes on.
        Some((answer, false)) if answer.status == 409 => {}
        Some((answer, repeated)) if answer.success() || (repeated && answer.status == 409) => {
            run.cancelled(CONNECTOR, on, &external_id);
        }
        _ => run.unexpected(format!("staff: {external_id} could not be cancelled")),
    }
}

/// Does one write; a conflict after an unknown outcome means that the first try had worked.
async fn settle(run: &Run, method: &Method, path: &str, body: &Value, key: &str) -> bool {
    match insist(run, method, path, Some(body), Some(key)).await {
        Some((answer, repeated)) if answer.success() || (repeated && answer.status == 409) => true,
        Some((answer, _)) => {
            let said: String = String::from_utf8_lossy(&answer.body)
                .chars()
                .take(160)
                .collect();
            run.unexpected(format!("staff: {method} {path}: {} {said}", answer.status));
            false
        }
        None => {
            run.unexpected(format!("staff: {method} {path} was never answered"));
            false
        }
    }
}

/// Works through the drafts until selling is over and every cart is decided.
pub(crate) async fn desk(run: Arc<Run>, selling: Arc<AtomicUsize>) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut last_found = Instant::now();
    loop {
        let sold_out = selling.load(Ordering::SeqCst) == 0;
        if !sold_out {
            last_found = Instant::now();
        }
        let drafts = drafts(&run).await;
        for draft in drafts {
            let id = draft["id"].as_str().unwrap_or_default().to_owned();
            if id.is_empty() || !seen.insert(id.clone()) {
                continue;
            }
            last_found = Instant::now();
            decide(&run, &id, &draft).await;
        }
        if sold_out && run.open_carts() == 0 {
            return;
        }
        if last_found.elapsed() > DRAFT_PATIENCE {
            let missing = u64::try_from(run.open_carts()).unwrap_or(u64::MAX);
            run.tally(|report| report.drafts_missing = missing);
            return;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// All drafts, page by page.
async fn drafts(run: &Run) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/orders?status=draft&limit=200{cursor}");
        let Some(answer) = ask(run, Method::GET, &path, None, None).await else {
            return all;
        };
        let page = answer.json();
        all.extend(page["data"].as_array().into_iter().flatten().cloned());
        match page["next_cursor"].as_str() {
            Some(next) if !next.is_empty() => {
                cursor = format!("&cursor={}", crate::signing::form_encode(next));
            }
            _ => return all,
        }
    }
}

async fn decide(run: &Arc<Run>, id: &str, listed: &Value) {
    // A list need not show lines and identities; the order itself does.
    let path = format!("/api/v1/orders/{id}");
    let whole = insist(run, &Method::GET, &path, None, None).await;
    let whole = whole
        .filter(|(answer, _)| answer.success())
        .map(|(answer, _)| answer.json());
    let draft = whole.as_ref().unwrap_or(listed);
    let on = draft["channel"].as_str().unwrap_or_default();
    let external_id = draft["external_id"].as_str().unwrap_or_default();
    let cart = (on == channel::FACEBOOK)
        .then(|| claim(run, external_id, draft))
        .flatten();
    let Some(province_seed) = cart else {
        // A contact card, a lead or a question: no lines, so nothing to confirm.
        if run.chance(&format!("turn:{external_id}"), 50) {
            reject(run, id).await;
        }
        return;
    };
    if run.chance(&format!("turn:{external_id}"), 15) {
        if let Some(sale) = held(&run.world.ledger)
            .sales
            .get_mut(&(on.to_owned(), external_id.to_owned()))
        {
            sale.fate = Fate::Turned;
        }
        reject(run, id).await;
        return;
    }
    let mut rng = Rng::with_seed(province_seed);
    let (person, place) = (people::person(&mut rng), people::place(&mut rng));
    if let Some(sale) = held(&run.world.ledger)
        .sales
        .get_mut(&(on.to_owned(), external_id.to_owned()))
    {
        sale.province_code = place.code.to_owned();
    }
    let details = json!({
        "buyer": {"name": person.name, "phone": person.phone},
        "ship_to": {"text": place.text, "province": place.province},
    });
    let path = format!("/api/v1/orders/{id}");
    if settle(
        run,
        &Method::PATCH,
        &path,
        &details,
        &format!("details-{id}"),
    )
    .await
    {
        let reason = json!({"reason": "khách xác nhận qua tin nhắn"});
        let path = format!("{path}/confirm");
        if settle(run, &Method::POST, &path, &reason, &format!("confirm-{id}")).await {
            run.tally(|report| report.drafts_confirmed += 1);
        }
    }
}

async fn reject(run: &Run, id: &str) {
    let reason = json!({"reason": "khách không mua"});
    let path = format!("/api/v1/orders/{id}/reject");
    if settle(run, &Method::POST, &path, &reason, &format!("reject-{id}")).await {
        run.tally(|report| report.drafts_rejected += 1);
    }
}

/// Finds the cart behind a draft: by the buyer's id if the gateway shows it, else by its lines.
/// The sale then goes by the gateway's external id. Returns a seed for the buyer's details.
fn claim(run: &Run, external_id: &str, draft: &Value) -> Option<u64> {
    let text = draft.to_string();
    let mut ledger = held(&run.world.ledger);
    let carts: Vec<(String, String)> = ledger
        .sales
        .keys()
        .filter(|(on, id)| on == channel::FACEBOOK && id.starts_with(CART))
        .cloned()
        .collect();
    // The same buyer's question may have become a draft of its own, without lines.
    let empty = draft["lines"].as_array().is_some_and(Vec::is_empty);
    let by_buyer = carts
        .iter()
        .find(|(_, id)| !empty && text.contains(&id[CART.len()..]));
    let by_lines = carts.iter().find(|key| {
        let lines = draft["lines"].as_array().map_or(&[][..], Vec::as_slice);
        let mut drafted: Vec<(String, i64)> = lines
            .iter()
            .map(|line| {
                let sku = line["sku"].as_str().unwrap_or_default().to_owned();
                (sku, line["quantity"].as_i64().unwrap_or(0))
            })
            .collect();
        drafted.sort();
        let mut sold: Vec<(String, i64)> = ledger.sales[*key]
            .lines
            .iter()
            .map(|line| (line.sku.clone(), line.quantity))
            .collect();
        sold.sort();
        !drafted.is_empty() && drafted == sold
    });
    let key = by_buyer.or(by_lines)?.clone();
    let sale = ledger.sales.remove(&key)?;
    let seed = crate::faults::hash(run.scenario.seed, &key.1);
    ledger.sales.insert((key.0, external_id.to_owned()), sale);
    drop(ledger);
    run.cart_decided();
    Some(seed)
}
