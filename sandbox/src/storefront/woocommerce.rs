//! A WooCommerce shop: an unsigned ping first, then signed documents, never repeated. A shop
//! whose message got lost sends again only when somebody touches the order.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Basket, BasketLine, Cash, Run,
    sender::{Message, Repeats, Sign, Wants},
};
use crate::{
    faults::hash,
    secrets::channel,
    signing,
    world::{Outgoing, World, backoff, held, seconds},
};

pub(crate) const CONNECTOR: &str = "woocommerce";

/// How long somebody keeps touching an order whose messages are lost.
const PATIENCE: Duration = Duration::from_secs(120);

fn headers(
    seed: u64,
    topic: &str,
    delivery: &str,
    body: &[u8],
    secret: &str,
) -> Vec<(&'static str, String)> {
    let event = topic.rsplit('.').next().unwrap_or_default();
    let id = hash(seed, delivery);
    vec![
        ("content-type", "application/json".to_owned()),
        (
            "user-agent",
            "WooCommerce/9.4.2 Hookshot (WordPress/6.7)".to_owned(),
        ),
        (
            "x-wc-webhook-source",
            "https://outlet.example.vn/".to_owned(),
        ),
        ("x-wc-webhook-topic", topic.to_owned()),
        ("x-wc-webhook-resource", "order".to_owned()),
        ("x-wc-webhook-event", event.to_owned()),
        ("x-wc-webhook-signature", signing::woocommerce(secret, body)),
        ("x-wc-webhook-id", "12".to_owned()),
        ("x-wc-webhook-delivery-id", format!("{id:016x}{id:016x}")),
    ]
}

fn message(run: &Run, topic: &str, delivery: &str, body: Vec<u8>, secret: &str) -> Message {
    let headers = headers(run.scenario.seed, topic, delivery, &body, secret);
    Message {
        repeats: Repeats::Once,
        ..Message::post(
            CONNECTOR,
            channel::WOO,
            format!("{CONNECTOR}:{delivery}"),
            body,
            Sign::Fixed(headers),
        )
    }
}

/// The ping of a webhook that was just made; the console repeats it until it is answered.
pub(crate) async fn greet(run: &Arc<Run>) {
    let headers = vec![(
        "content-type",
        "application/x-www-form-urlencoded".to_owned(),
    )];
    let ping = Message::post(
        CONNECTOR,
        channel::WOO,
        "woocommerce:ping".to_owned(),
        b"webhook_id=12".to_vec(),
        Sign::Fixed(headers),
    );
    if run.deliver(&ping).await.is_none() {
        run.unexpected("woocommerce: the ping was not answered with 2xx".to_owned());
    }
}

pub(super) struct WooOrder {
    pub(super) id: i64,
    pub(super) basket: Basket,
    pub(super) cod: bool,
    pub(super) status: &'static str,
    pub(super) paid: Option<i64>,
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) note: &'static str,
    pub(super) messages: u32,
}

/// WordPress prints local time without a zone.
fn stamp(at: i64, offset_s: i64) -> String {
    let moment = jiff::Timestamp::from_second(at + offset_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

const VIETNAM_S: i64 = 7 * 3600;

impl WooOrder {
    pub(super) fn document(&self) -> Value {
        let (person, place) = (&self.basket.person, &self.basket.place);
        let (family, given) = person.name.rsplit_once(' ').unwrap_or(("", &person.name));
        // A shop plug-in for Vietnam writes this one as a code, the others by name.
        let state = if place.province == "Hồ Chí Minh" {
            "HO-CHI-MINH"
        } else {
            place.province
        };
        let mut billing = json!({
            "first_name": given, "last_name": family, "company": "", "address_1": place.line,
            "address_2": place.ward, "city": place.district, "state": state, "postcode": "",
            "country": "VN", "email": person.email.clone().unwrap_or_default(),
            "phone": person.phone,
        });
        let mut shipping = billing.clone();
        if let Some(fields) = shipping.as_object_mut() {
            fields.remove("email");
        }
        if self.id % 3 == 0 {
            // Half of the themes leave the shipping address empty.
            for (_, value) in shipping.as_object_mut().into_iter().flatten() {
                *value = json!("");
            }
            billing["country"] = json!("VN");
        }
        let lines: Vec<Value> = self
            .basket
            .lines
            .iter()
            .zip(1..)
            .map(|(line, n)| self.line(line, n))
            .collect();
        let gmt = |at: Option<i64>| at.map(|at| stamp(at, 0));
        let local = |at: Option<i64>| at.map(|at| stamp(at, VIETNAM_S));
        let discount: i64 = self.basket.lines.iter().map(|line| line.discount).sum();
        let (method, title) = if self.cod {
            ("cod", "Trả tiền khi nhận hàng")
        } else {
            ("bacs", "Chuyển khoản ngân hàng")
        };
        json!({
            "id": self.id, "parent_id": 0, "status": self.status, "currency": "VND",
            "version": "9.4.2", "prices_include_tax": true,
            "date_created": local(Some(self.created)), "date_modified": local(Some(self.modified)),
            "discount_total": discount.to_string(), "discount_tax": "0",
            "shipping_total": self.basket.shipping.to_string(), "shipping_tax": "0",
            "cart_tax": "0", "total": self.basket.grand_total().to_string(), "total_tax": "0",
            "customer_id": 0, "order_key": format!("wc_order_{:012x}", self.id),
            "billing": billing, "shipping": shipping,
            "payment_method": method, "payment_method_title": title,
            "transaction_id": "", "customer_ip_address": "203.0.113.9",
            "customer_user_agent": "Mozilla/5.0", "created_via": "checkout",
            "customer_note": self.note, "date_completed": null,
            "date_paid": local(self.paid), "cart_hash": format!("{:032x}", self.id),
            "number": self.id.to_string(), "meta_data": [], "line_items": lines, "tax_lines": [],
            "shipping_lines": [{"id": self.id * 10 + 9, "method_title": "Giao hàng tiêu chuẩn",
                "method_id": "flat_rate", "instance_id": "1",
                "total": self.basket.shipping.to_string(), "total_tax": "0", "taxes": [],
                "meta_data": []}],
            "fee_lines": [], "coupon_lines": [], "refunds": [], "payment_url": "",
            "is_editable": false, "needs_payment": false, "needs_processing": true,
            "date_created_gmt": gmt(Some(self.created)),
            "date_modified_gmt": gmt(Some(self.modified)),
            "date_completed_gmt": null, "date_paid_gmt": gmt(self.paid), "currency_symbol": "₫",
        })
    }

    fn line(&self, line: &BasketLine, number: i64) -> Value {
        json!({
            "id": self.id * 10 + number, "name": line.product.name, "product_id": 90 + number,
            "variation_id": 0, "quantity": line.quantity, "tax_class": "",
            "subtotal": (line.total() + line.discount).to_string(), "subtotal_tax": "0",
            "total": line.total().to_string(), "total_tax": "0", "taxes": [], "meta_data": [],
            "sku": line.product.sku, "price": line.total() / line.quantity.max(1),
            "image": {"id": "15", "src": ""}, "parent_name": null,
        })
    }

    /// Changes the order in the shop; its modification time moves by at least a second, since
    /// two changes within one second cannot be told apart by anybody.
    fn change(&mut self, run: &Run) {
        self.modified = seconds().max(self.modified + 1);
        let mut document = self.document();
        let mut site = held(&run.world.woocommerce);
        if let Some(known) = site.orders.get(&self.id) {
            // What the gateway made of it stays, unless the buyer is done with it.
            let ended = ["completed", "cancelled"]
                .iter()
                .any(|end| known["status"] == *end);
            if ended && !["cancelled", "trash"].contains(&self.status) {
                document["status"] = known["status"].clone();
            }
        }
        site.orders.insert(self.id, document);
    }

    /// Sends the present document under `topic`, until one of them arrives.
    async fn tell(&mut self, run: &Arc<Run>, topic: &str) {
        let mut topic = topic;
        let started = Instant::now();
        for attempt in 0_u32.. {
            self.messages += 1;
            let delivery = format!("{}.{}", self.id, self.messages);
            let body = if topic == "order.deleted" {
                json!({"id": self.id}).to_string().into_bytes()
            } else {
                let site = held(&run.world.woocommerce);
                let order = site.orders.get(&self.id).cloned();
                signing::ascii_json(&order.unwrap_or_else(|| self.document()))
            };
            if !held(&run.world.woocommerce).sends(topic) {
                return; // Disabled: only polling finds it now.
            }
            let sent = run
                .send(message(
                    run,
                    topic,
                    &delivery,
                    body,
                    &run.world.secrets.woo_secret,
                ))
                .await;
            held(&run.world.woocommerce).delivered(sent);
            if sent || started.elapsed() > PATIENCE {
                return;
            }
            tokio::time::sleep(backoff(attempt)).await;
            if topic != "order.deleted" {
                self.change(run);
                topic = "order.updated";
            }
        }
    }
}

/// Created, perhaps corrected or paid, perhaps cancelled or thrown away.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let id =
        i64::try_from(run.scenario.seed % 900).unwrap_or(0) * 100_000 + 700_000 + i64::from(number);
    let basket = Basket::fill(rng, &run.scenario.catalog);
    let external_id = id.to_string();
    let cod = rng.u8(0..3) > 0;
    let cash = if cod { Cash::Due } else { Cash::NotDue };
    run.sold(CONNECTOR, channel::WOO, &external_id, &basket, cash);
    let now = seconds();
    let mut order = WooOrder {
        id,
        basket,
        cod,
        status: if cod { "processing" } else { "on-hold" },
        paid: None,
        created: now,
        modified: now - 1,
        note: "",
        messages: 0,
    };
    order.change(run);
    order.tell(run, "order.created").await;
    if rng.u8(0..5) == 0 {
        // Real shops send the very same bytes again as an update.
        order.tell(run, "order.updated").await;
    }
    run.pause(rng, 80).await;
    let cancels = run.cancels(&external_id);
    let early = cancels && rng.bool();
    if !cod && !early {
        order.status = "processing";
        order.paid = Some(seconds());
        order.change(run);
        order.tell(run, "order.updated").await;
    }
    if rng.u8(0..5) == 0 {
        run.pause(rng, 80).await;
        order.note = "Gọi trước khi giao";
        order.change(run);
        order.tell(run, "order.updated").await;
    }
    if !cancels {
        return;
    }
    run.pause(rng, 400).await;
    if held(&run.world.ledger).any_shipped(channel::WOO, &external_id) {
        return; // The shop offers no cancellation any more.
    }
    run.cancelled(CONNECTOR, channel::WOO, &external_id);
    let deleted = rng.u8(0..4) == 0;
    order.status = if deleted { "trash" } else { "cancelled" };
    order.change(run);
    order
        .tell(
            run,
            if deleted {
                "order.deleted"
            } else {
                "order.updated"
            },
        )
        .await;
}

/// The gateway changed an order's status through the API.
pub(crate) fn restate(order: &mut Value, status: &str) {
    let before = order["date_modified_gmt"]
        .as_str()
        .map(|text| format!("{text}Z"));
    let before: Option<jiff::Timestamp> = before.and_then(|text| text.parse().ok());
    let at = seconds().max(before.map_or(0, |before| before.as_second() + 1));
    order["status"] = json!(status);
    order["date_modified_gmt"] = json!(stamp(at, 0));
    order["date_modified"] = json!(stamp(at, VIETNAM_S));
    if status == "completed" {
        order["date_completed_gmt"] = json!(stamp(at, 0));
        order["date_completed"] = json!(stamp(at, VIETNAM_S));
    }
}

/// The site tells once of a change that the gateway made; a lost message is found by polling.
pub(crate) async fn echo(world: &Arc<World>, id: i64) {
    world.pause(&format!("echo:woocommerce:{id}")).await;
    let body = {
        let site = held(&world.woocommerce);
        match site.orders.get(&id).filter(|_| site.sends("order.updated")) {
            Some(order) => signing::ascii_json(order),
            None => return,
        }
    };
    let delivery = format!("echo.{id}.{}", hash(0, &String::from_utf8_lossy(&body)));
    let headers = headers(
        world.options.seed,
        "order.updated",
        &delivery,
        &body,
        &world.secrets.woo_secret,
    );
    let answer = world
        .send(Outgoing {
            method: reqwest::Method::POST,
            path: format!("/webhooks/{}", channel::WOO),
            headers,
            body,
            timeout: Duration::from_secs(60),
        })
        .await;
    let arrived = answer.is_some_and(|answer| answer.success());
    held(&world.woocommerce).delivered(arrived);
}

/// A document signed with a guessed secret.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let id = 66_600_000 + i64::from(number);
    run.forged(channel::WOO, &id.to_string());
    let now = seconds();
    let order = WooOrder {
        id,
        basket: Basket::fill(rng, &run.scenario.catalog),
        cod: true,
        status: "processing",
        paid: None,
        created: now,
        modified: now,
        note: "",
        messages: 0,
    };
    let body = signing::ascii_json(&order.document());
    let forged = message(
        run,
        "order.created",
        &format!("forged-{id}"),
        body,
        "guessed",
    );
    // The forger insists where the shop would not.
    run.forge_message(Message {
        repeats: Repeats::Patient,
        wants: Wants::Refusal,
        ..forged
    })
    .await;
}
