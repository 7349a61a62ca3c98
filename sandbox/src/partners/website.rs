//! The retailer's own site as a listener: our events, signed by Standard Webhooks. Each is taken
//! once by its id; a repeat must say the same.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{Call, Reply, around};
use crate::{
    secrets::channel,
    signing,
    world::{World, held, seconds},
};

/// The events that were taken, by id.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    taken: BTreeMap<String, (Value, Value)>,
}

const KINDS: [&str; 7] = [
    "order.accepted",
    "order.packed",
    "order.shipped",
    "order.delivered",
    "order.delivery_failed",
    "order.cancelled",
    "stock.changed",
];

pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("website").requests += 1;
    let (id, at) = (call.header("webhook-id"), call.header("webhook-timestamp"));
    let at: i64 = at.parse().unwrap_or(0);
    let genuine = signing::standard_matches(
        &world.secrets.web_callback_secret,
        id,
        at,
        &call.body,
        call.header("webhook-signature"),
    );
    if id.is_empty() || !genuine || (seconds() - at).abs() > 300 {
        let mut ledger = held(&world.ledger);
        ledger.channel("website").refused += 1;
        ledger.violation("website: an event that is not signed or is stale".to_owned());
        return Reply::empty(401);
    }
    let fault = world.faults.draw(&format!("website:{id}"));
    if fault.is_some() {
        held(&world.ledger).channel("website").refused += 1;
    }
    around(fault, &call.wire, || take(world, id, &call.json())).await
}

fn take(world: &World, id: &str, event: &Value) -> Reply {
    let kind = event["type"].as_str().unwrap_or_default().to_owned();
    let said = (event["type"].clone(), event["data"].clone());
    let known = held(&world.website)
        .taken
        .insert(id.to_owned(), said.clone());
    let mut ledger = held(&world.ledger);
    match known {
        Some(known) if known != said => {
            ledger.violation(format!("website: {id} says something else the second time"));
            return Reply::json(400, json!({ "error": "another body under this id" }));
        }
        Some(_) => return Reply::empty(200),
        None => {}
    }
    if !KINDS.contains(&&*kind) {
        ledger.violation(format!("website: an event of type {kind}"));
        return Reply::json(400, json!({ "error": "unknown type" }));
    }
    let order = event["data"]["external_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let sold = ledger
        .sales
        .contains_key(&(channel::WEB.to_owned(), order.clone()));
    if kind != "stock.changed" && !sold {
        ledger.violation(format!("website: {kind} of {order}, which was never sold"));
    }
    *ledger.channel("website").told.entry(kind).or_insert(0) += 1;
    Reply::empty(200)
}
