//! Orders of which nobody hears unless a test says so: sold and moved on without a push, for tests
//! of polling and reconciling. The audited sales do not know them.

use std::time::Duration;

use fastrand::Rng;
use serde_json::json;

use super::{ShopeeOrder, envelope, outgoing};
use crate::{
    faults::hash,
    partners::shopee::ShopOrder,
    storefront::{Basket, Product},
    world::{World, held, seconds},
};

/// An acknowledgement may take long where thousands of pushes come at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sells an order of one article that stands at `status` since `at`, Unix seconds; its number.
pub(crate) fn sell(world: &World, product: &Product, status: &'static str, at: i64) -> String {
    let mut shop = held(&world.shopee);
    // The vendor's numbers look random; multiplying by an odd number gives each count its own.
    let count = u32::try_from(shop.orders.len()).unwrap_or(u32::MAX);
    let tag = count.wrapping_mul(2_654_435_761);
    let day = jiff::Timestamp::from_second(at).unwrap_or_default();
    let order_sn = format!("{}{tag:08X}", day.strftime("%y%m%d"));
    let mut rng = Rng::with_seed(hash(world.options.seed, &order_sn));
    let order = ShopeeOrder {
        order_sn: order_sn.clone(),
        basket: Basket::fill(&mut rng, std::slice::from_ref(product)),
        cod: false,
        created: at,
        paid: is_paid(status).then_some(at),
        updated: at,
    };
    let stored = ShopOrder {
        status,
        document: order.document(status),
        update_time: at,
        bait: false,
        seller_voucher: 0,
        numbered: false,
        label_asked: 0,
    };
    shop.orders.insert(order_sn.clone(), stored);
    order_sn
}

/// Moves an order on, now; false for one that is not there.
pub(crate) fn move_on(world: &World, order_sn: &str, status: &'static str) -> bool {
    let mut shop = held(&world.shopee);
    let Some(order) = shop.orders.get_mut(order_sn) else {
        return false;
    };
    if status == "CANCELLED" {
        order.cancel("buyer", "Buyer Request to Cancel");
        return true;
    }
    order.advance(status);
    if is_paid(status) && order.document["pay_time"].is_null() {
        order.document["pay_time"] = json!(order.update_time);
        order.document["total_amount"] = json!(order.price());
    }
    true
}

fn is_paid(status: &str) -> bool {
    !matches!(status, "UNPAID" | "CANCELLED")
}

/// Pushes once how an order stands; true when it was acknowledged. The message is the same, byte
/// for byte, as long as the order stands there.
pub(crate) async fn push(world: &World, order_sn: &str) -> bool {
    let envelope = {
        let shop = held(&world.shopee);
        let Some(order) = shop.orders.get(order_sn) else {
            return false;
        };
        let mut envelope = envelope(world, order_sn, order.status, order.update_time);
        envelope["timestamp"] = json!(order.update_time.min(seconds()));
        envelope
    };
    let push = crate::world::Outgoing {
        timeout: PATIENCE,
        ..outgoing(world, &envelope)
    };
    let answer = world.send(push).await;
    answer.is_some_and(|answer| answer.success() && answer.body.is_empty())
}
