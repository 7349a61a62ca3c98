//! How a target reports back: signed, in order as a rule, repeated until the gateway takes it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    signing,
    world::{Outgoing, World, backoff, held, now_text, seconds},
};

/// How long a callback is tried while the door is down.
const PATIENCE: Duration = Duration::from_secs(180);
/// How many plain refusals (4xx) end it early.
const MOST_REFUSALS: u32 = 12;

/// One thing that happened at a target.
pub(crate) struct Happening {
    pub(crate) kind: &'static str,
    /// Whose story it is: sequences rise per subject.
    pub(crate) subject: String,
    pub(crate) sequence: u32,
    pub(crate) data: Value,
}

/// Reports, and returns when the gateway has acknowledged. While faults are on some reports are
/// overtaken by later ones and some come twice.
pub(crate) async fn report(world: &Arc<World>, target: &str, happening: Happening) {
    let id = format!(
        "evt_{}_{}_{}",
        happening.subject,
        happening.sequence,
        happening.kind.rsplit('.').next().unwrap_or_default()
    );
    let body = json!({
        "type": happening.kind,
        "id": id,
        "occurred_at": now_text(),
        "sequence": happening.sequence,
        "data": happening.data,
    })
    .to_string()
    .into_bytes();
    let twice = world.faults.chance(&format!("twice:{id}"), 10);
    let overtaken = world.faults.chance(&format!("overtaken:{id}"), 10);
    let sending = {
        let (world, target, id) = (Arc::clone(world), target.to_owned(), id);
        async move {
            if overtaken {
                let late = 80 + crate::faults::hash(world.options.seed, &id) % 300;
                tokio::time::sleep(Duration::from_millis(late)).await;
            }
            deliver(&world, &target, &id, &body).await;
            if twice {
                deliver(&world, &target, &id, &body).await;
            }
        }
    };
    if overtaken {
        world.job(sending);
    } else {
        sending.await;
    }
}

async fn deliver(world: &Arc<World>, target: &str, id: &str, body: &[u8]) {
    let started = Instant::now();
    let secret = world.secrets.target(target);
    let mut refusals = 0;
    for attempt in 0_u32.. {
        let at = seconds();
        let answer = world
            .send(Outgoing {
                method: Method::POST,
                path: format!("/webhooks/{target}"),
                headers: vec![
                    ("content-type", "application/json".to_owned()),
                    ("webhook-id", id.to_owned()),
                    ("webhook-timestamp", at.to_string()),
                    (
                        "webhook-signature",
                        signing::standard(&secret, id, at, body),
                    ),
                ],
                body: body.to_vec(),
                timeout: Duration::from_secs(15),
            })
            .await;
        match answer {
            Some(answer) if answer.success() => {
                held(&world.ledger).target(target).callbacks += 1;
                return;
            }
            Some(answer) if (400..500).contains(&answer.status) && answer.status != 429 => {
                refusals += 1;
                if refusals >= MOST_REFUSALS {
                    let status = answer.status;
                    held(&world.ledger).violation(format!(
                        "door: callback {id} of {target} refused with {status}"
                    ));
                    return;
                }
            }
            _ => {}
        }
        if started.elapsed() > PATIENCE {
            held(&world.ledger).violation(format!(
                "door: callback {id} of {target} was never acknowledged"
            ));
            return;
        }
        tokio::time::sleep(backoff(attempt)).await;
    }
}
