//! The retailer's own site: Standard Webhooks with the whole order document.

use std::sync::Arc;

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Basket, Cash, Run,
    sender::{Message, Sign},
};
use crate::{secrets::channel, world::now_text};

pub(crate) const CONNECTOR: &str = "website";

/// One order of the site and how often it was revised.
pub(crate) struct WebOrder {
    pub(crate) external_id: String,
    pub(crate) basket: Basket,
    placed_at: String,
    method: &'static str,
    status: &'static str,
    paid: bool,
    note: Option<String>,
    messages: u32,
}

impl WebOrder {
    pub(crate) fn place(run: &Run, rng: &mut Rng, number: u32, method: &'static str) -> Self {
        let basket = Basket::discounted(rng, &run.scenario.catalog);
        let external_id = format!("WEB-{}{number:05}", 1000 + run.scenario.seed % 1000);
        let cash = if method == "cod" {
            Cash::Due
        } else {
            Cash::NotDue
        };
        run.sold(CONNECTOR, channel::WEB, &external_id, &basket, cash);
        Self {
            external_id,
            basket,
            placed_at: now_text(),
            method,
            status: "confirmed",
            paid: false,
            note: None,
            messages: 0,
        }
    }

    fn document(&self) -> Value {
        document(
            &self.basket,
            &self.external_id,
            &self.placed_at,
            self.status,
        )
        .with_payment(self.method, self.paid, self.basket.grand_total())
        .with("note", json!(self.note))
        .0
    }

    /// Tells the gateway what the order is now.
    pub(crate) async fn tell(&mut self, run: &Arc<Run>, kind: &str) {
        self.messages += 1;
        let mut data = self.document();
        if kind == "order.cancelled" {
            data["reason"] = json!("changed_mind");
        }
        let body = json!({"type": kind, "timestamp": now_text(), "data": data});
        let id = format!("msg_{}_{}", self.external_id, self.messages);
        let secret = run.world.secrets.web_secret.clone();
        run.send(message(format!("{CONNECTOR}:{id}"), &body, id, secret))
            .await;
    }

    pub(crate) async fn cancel(&mut self, run: &Arc<Run>) {
        if crate::world::held(&run.world.ledger).any_shipped(channel::WEB, &self.external_id) {
            return; // The shop offers no cancellation any more.
        }
        self.status = "cancelled";
        run.cancelled(CONNECTOR, channel::WEB, &self.external_id);
        self.tell(run, "order.cancelled").await;
    }
}

fn message(label: String, body: &Value, id: String, secret: String) -> Message {
    let sign = Sign::Standard { id, secret };
    Message::post(
        CONNECTOR,
        channel::WEB,
        label,
        body.to_string().into_bytes(),
        sign,
    )
}

/// The order document of the website and of staff, without its payment.
pub(crate) struct Document(pub(crate) Value);

impl Document {
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.0[field] = value;
        self
    }

    pub(crate) fn with_payment(self, method: &str, paid: bool, grand_total: i64) -> Self {
        let status = if paid { "paid" } else { "unpaid" };
        let amount = if paid { grand_total } else { 0 };
        self.with(
            "payment",
            json!({"method": method, "status": status, "paid": amount}),
        )
    }
}

pub(crate) fn document(
    basket: &Basket,
    external_id: &str,
    placed_at: &str,
    status: &str,
) -> Document {
    let lines: Vec<Value> = basket
        .lines
        .iter()
        .zip(1..)
        .map(|(line, number): (_, u32)| {
            json!({
                "id": number.to_string(),
                "sku": line.product.sku,
                "name": line.product.name,
                "quantity": line.quantity,
                "unit_price": line.product.price,
                "discount": line.discount,
            })
        })
        .collect();
    let (person, place) = (&basket.person, &basket.place);
    Document(json!({
        "external_id": external_id,
        "placed_at": placed_at,
        "revised_at": now_text(),
        "status": status,
        "buyer": {"name": person.name, "phone": person.phone, "email": person.email},
        "ship_to": {
            "name": person.name, "phone": person.phone, "text": place.text, "line": place.line,
            "ward": place.ward, "district": place.district, "province": place.province,
            "lat": null, "lon": null,
        },
        "lines": lines,
        "totals": {
            "shipping": basket.shipping, "seller_discount": basket.seller_discount, "fees": 0,
            "grand_total": basket.grand_total(),
        },
        "note": null,
        "coupon": null,
        "appointment": {"window_start": null, "window_end": null},
    }))
}

/// Placed, perhaps corrected, perhaps paid, perhaps cancelled.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let method = ["cod", "cod", "prepaid", "card", "bank_transfer"][rng.usize(0..5)];
    let mut order = WebOrder::place(run, rng, number, method);
    let cancels = run.cancels(&order.external_id);
    let early = cancels && rng.bool();
    order.tell(run, "order.created").await;
    run.pause(rng, 60).await;
    if rng.u8(0..4) == 0 {
        order.note = Some("Gọi trước khi giao".to_owned());
        order.tell(run, "order.updated").await;
        run.pause(rng, 60).await;
    }
    if early {
        return order.cancel(run).await;
    }
    if method != "cod" {
        run.pause(rng, 120).await;
        order.paid = true;
        order.tell(run, "order.paid").await;
    }
    if cancels {
        run.pause(rng, 500).await;
        order.cancel(run).await;
    }
}

/// An order signed with a secret that nobody gave out.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let external_id = format!("WEB-FORGED-{number}");
    run.forged(channel::WEB, &external_id);
    let basket = Basket::fill(rng, &run.scenario.catalog);
    let data = document(&basket, &external_id, &now_text(), "confirmed").with_payment(
        "prepaid",
        true,
        basket.grand_total(),
    );
    let body = json!({"type": "order.created", "timestamp": now_text(), "data": data.0});
    let secret = "whsec_Zm9yZ2VkLXNlY3JldC1vZi1ub2JvZHktYXQtYWxsLTAx".to_owned();
    let id = format!("msg_forged_{number}");
    run.forge_message(message(format!("{CONNECTOR}:{id}"), &body, id, secret))
        .await;
}
