//! The shop platforms' side of an order: the shop keeps it, every change is told with the whole
//! document under a topic, and a lost message is found by polling. Shopify repeats eight times and
//! then deletes the subscription.

mod documents;

use std::sync::Arc;

use fastrand::Rng;
use serde_json::{Value, json};

pub(crate) use documents::Placed;

use super::{
    Basket, Cash, Run,
    sender::{Message, Repeats, Sign, Wants},
};
use crate::{
    faults::hash,
    partners::shops::Platform,
    signing,
    world::{Answer, Outgoing, World, backoff, held, seconds},
};

/// Shopify's eight retries over four hours, a thousand times faster.
const EIGHT: &[u64] = &[60, 120, 300, 900, 1_800, 3_000, 4_000, 4_300];
/// Nobody knows how often the others repeat.
const FEW: &[u64] = &[300, 1_200, 3_000];

fn headers(
    platform: Platform,
    world: &World,
    topic: &str,
    event: &str,
    body: &[u8],
    secret: &str,
) -> Vec<(&'static str, String)> {
    let signature = signing::base64_body(secret, body);
    let json = ("content-type", "application/json".to_owned());
    match platform {
        Platform::Shopify => {
            let id = hash(world.options.seed, event);
            vec![
                json,
                ("x-shopify-topic", topic.to_owned()),
                ("x-shopify-hmac-sha256", signature),
                (
                    "x-shopify-shop-domain",
                    "mau-dien-may.myshopify.com".to_owned(),
                ),
                ("x-shopify-api-version", "2025-10".to_owned()),
                (
                    "x-shopify-webhook-id",
                    format!("{:08x}-0000-4000-8000-{:012x}", id >> 32, id & 0xffff_ffff),
                ),
                ("x-shopify-test", "false".to_owned()),
            ]
        }
        Platform::Haravan => vec![
            json,
            ("x-haravan-topic", topic.to_owned()),
            ("x-haravan-hmacsha256", signature),
            ("x-haravan-org-id", "200000000001".to_owned()),
        ],
        Platform::SapoWeb | Platform::SapoOmni => {
            let tenant = if platform == Platform::SapoWeb {
                "mau-dien-may.mysapo.net"
            } else {
                "mau-dien-may.mysapogo.com"
            };
            vec![
                json,
                ("x-sapo-topic", topic.to_owned()),
                ("x-sapo-hmac-sha256", signature),
                ("x-sapo-tenant-domain", tenant.to_owned()),
                ("x-sapo-test", "false".to_owned()),
                ("x-event-version", "1".to_owned()),
            ]
        }
    }
}

fn message(world: &World, platform: Platform, topic: &str, event: &str, body: Vec<u8>) -> Message {
    let secret = platform.secret(&world.secrets);
    let headers = headers(platform, world, topic, event, &body, secret);
    let repeats = match platform {
        Platform::Shopify => Repeats::Ladder(EIGHT),
        Platform::Haravan | Platform::SapoWeb | Platform::SapoOmni => Repeats::Ladder(FEW),
    };
    Message {
        repeats,
        ..Message::post(
            platform.name(),
            platform.channel(),
            format!("{}:{event}", platform.name()),
            body,
            Sign::Fixed(headers),
        )
    }
}

/// The GET by which Haravan's console asks whether the door is ours.
pub(crate) async fn greet(run: &Arc<Run>) {
    let channel = Platform::Haravan.channel();
    let token = &run.world.secrets.haravan_verify_token;
    let asks = |token: &str, label: &str| Message {
        method: reqwest::Method::GET,
        path: format!("/webhooks/{channel}?hub.verify_token={token}&hub.challenge=1158201444"),
        ..Message::post(
            Platform::Haravan.name(),
            channel,
            format!("haravan:{label}"),
            Vec::new(),
            Sign::Fixed(Vec::new()),
        )
    };
    match run.deliver(&asks(token, "handshake")).await {
        Some(answer) if answer.body == b"1158201444" => {}
        Some(_) | None => run.unexpected("haravan: the handshake was not answered".to_owned()),
    }
}

/// One order of a story.
struct Story<'a> {
    run: &'a Arc<Run>,
    platform: Platform,
    id: u64,
    messages: u32,
}

impl Story<'_> {
    fn change(&self, how: impl FnOnce(&mut Value)) {
        held(&self.run.world.shops)
            .of(self.platform)
            .change(self.platform, self.id, how);
    }

    /// Tells what the order is now, if the shop has a subscription for that.
    async fn tell(&mut self, topic: &str) {
        let body = {
            let mut shops = held(&self.run.world.shops);
            let shop = shops.of(self.platform);
            if !shop.topics.contains(topic) && self.platform != Platform::SapoOmni {
                return;
            }
            match shop.orders.get(&self.id) {
                Some(order) => order.to_string(),
                None => json!({ "id": self.id }).to_string(),
            }
        };
        self.messages += 1;
        let event = format!("{}.{}", self.id, self.messages);
        let sent = message(
            &self.run.world,
            self.platform,
            topic,
            &event,
            body.into_bytes(),
        );
        if !self.run.send(sent).await && self.platform == Platform::Shopify {
            held(&self.run.world.shops)
                .of(self.platform)
                .topics
                .remove(topic);
        }
    }

    async fn update(&mut self, topic: &str, how: impl FnOnce(&mut Value)) {
        self.change(how);
        self.tell(topic).await;
    }
}

/// Placed, perhaps confirmed or paid, perhaps corrected, perhaps cancelled or deleted.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32, platform: Platform) {
    let cod = rng.u8(0..3) > 0;
    let placed = Placed::new(run, rng, number, platform, cod);
    let id = placed.id;
    let external_id = id.to_string();
    let cash = match platform {
        // Its orders do not name their means of payment.
        Platform::SapoOmni => Cash::Untold,
        Platform::Shopify | Platform::Haravan | Platform::SapoWeb if cod => Cash::Due,
        Platform::Shopify | Platform::Haravan | Platform::SapoWeb => Cash::NotDue,
    };
    let channel = platform.channel();
    run.sold(platform.name(), channel, &external_id, &placed.basket, cash);
    held(&run.world.shops)
        .of(platform)
        .orders
        .insert(id, placed.document());
    let mut story = Story {
        run,
        platform,
        id,
        messages: 0,
    };
    story.tell("orders/create").await;
    if rng.u8(0..5) == 0 {
        story.tell(platform.updated()).await;
    }
    run.pause(rng, 80).await;
    let cancels = run.cancels(&external_id);
    let early = cancels && rng.bool();
    if !early {
        match platform {
            Platform::Haravan if cod => {
                let confirm = |order: &mut Value| order["confirmed_status"] = json!("confirmed");
                story.update("orders/updated", confirm).await;
            }
            Platform::SapoOmni => {
                story
                    .update("orders/update", |order| {
                        if order["status"] == "draft" {
                            order["status"] = json!("finalized");
                        }
                        if !cod {
                            order["payment_status"] = json!("paid");
                        }
                    })
                    .await;
            }
            Platform::Shopify | Platform::Haravan | Platform::SapoWeb if !cod => {
                let pay = |order: &mut Value| order["financial_status"] = json!("paid");
                story.update("orders/paid", pay).await;
            }
            Platform::Shopify | Platform::Haravan | Platform::SapoWeb => {}
        }
    }
    if rng.u8(0..5) == 0 {
        run.pause(rng, 80).await;
        let note = |order: &mut Value| order["note"] = json!("Gọi trước khi giao");
        story.update(platform.updated(), note).await;
    }
    if cancels {
        run.pause(rng, 400).await;
        let deletes = platform != Platform::SapoOmni && rng.u8(0..4) == 0;
        cancel(&mut story, &external_id, deletes).await;
    }
}

async fn cancel(story: &mut Story<'_>, external_id: &str, deletes: bool) {
    let (run, platform, id) = (Arc::clone(story.run), story.platform, story.id);
    if held(&run.world.ledger).any_shipped(platform.channel(), external_id) {
        return; // The shop offers no cancellation any more.
    }
    run.cancelled(platform.name(), platform.channel(), external_id);
    if deletes {
        held(&run.world.shops).of(platform).orders.remove(&id);
        return story.tell("orders/delete").await;
    }
    let at = platform.stamp(seconds());
    let topic = match platform {
        Platform::SapoOmni => "orders/update",
        Platform::Shopify | Platform::Haravan | Platform::SapoWeb => "orders/cancelled",
    };
    story
        .update(topic, |order| {
            match platform {
                Platform::Shopify => order["cancelled_at"] = json!(at),
                Platform::Haravan => {
                    order["cancelled_at"] = json!(at);
                    order["cancelled_status"] = json!("cancelled");
                }
                Platform::SapoWeb => {
                    order["cancelled_on"] = json!(at);
                    order["status"] = json!("cancelled");
                }
                Platform::SapoOmni => order["status"] = json!("cancelled"),
            }
            if platform != Platform::SapoOmni {
                order["cancel_reason"] = json!("customer");
            }
        })
        .await;
}

/// Tells of a change that the gateway made at the shop.
pub(crate) async fn echo(world: &Arc<World>, platform: Platform, id: u64) {
    world.pause(&format!("echo:{}:{id}", platform.name())).await;
    let (body, changed) = {
        let mut shops = held(&world.shops);
        let Some(order) = shops.of(platform).orders.get(&id) else {
            return;
        };
        (
            order.to_string().into_bytes(),
            order[platform.changed()].to_string(),
        )
    };
    let (topic, event) = (platform.updated(), format!("echo.{id}.{changed}"));
    let secret = platform.secret(&world.secrets);
    let headers = headers(platform, world, topic, &event, &body, secret);
    for attempt in 0..8 {
        let answer: Option<Answer> = world
            .send(Outgoing {
                method: reqwest::Method::POST,
                path: format!("/webhooks/{}", platform.channel()),
                headers: headers.clone(),
                body: body.clone(),
                timeout: std::time::Duration::from_secs(5),
            })
            .await;
        if answer.is_some_and(|answer| answer.success()) {
            return;
        }
        tokio::time::sleep(backoff(attempt)).await;
    }
}

/// A document signed with a guessed secret, of an order that the shop would not show.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32, platform: Platform) {
    let basket = Basket::fill(rng, &run.scenario.catalog);
    let placed = Placed {
        id: 66_600_000_000 + u64::from(number),
        platform,
        basket,
        cod: true,
        placed: seconds(),
    };
    run.forged(platform.channel(), &placed.id.to_string());
    let body = placed.document().to_string().into_bytes();
    let event = format!("forged.{}", placed.id);
    let genuine = message(&run.world, platform, "orders/create", &event, body.clone());
    let forged = headers(
        platform,
        &run.world,
        "orders/create",
        &event,
        &body,
        "guessed",
    );
    run.forge_message(Message {
        sign: Sign::Fixed(forged),
        repeats: Repeats::Patient,
        wants: Wants::Refusal,
        ..genuine
    })
    .await;
}
