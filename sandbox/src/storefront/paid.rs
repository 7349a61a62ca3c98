//! Website orders paid by wallet, in the Mini App or by bank transfer: the gateway's own order code
//! is the reference, and every provider wants its own exact answer.

use std::sync::Arc;

use fastrand::Rng;

use super::{Run, sender::Message, transfers, vnpay, wallets, website::WebOrder};
use crate::partners::money::Provider;

/// The providers of these stories, in turn. VNPay has a story of its own.
const TURN: [Provider; 5] = [
    Provider::Momo,
    Provider::ZaloPay,
    Provider::ZaloCheckout,
    Provider::Sepay,
    Provider::Casso,
];

/// Two slots of the wheel's twenty.
fn provider(number: u32) -> Provider {
    let turn = number / 20 * 2 + u32::from(number % 20 > 10);
    TURN[usize::try_from(turn).unwrap_or(0) % TURN.len()]
}

/// Placed, and cancelled before it is paid, or paid.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let provider = provider(number);
    let method = match provider {
        Provider::Sepay | Provider::Casso => "bank_transfer",
        Provider::Vnpay => "card",
        Provider::Momo | Provider::ZaloPay | Provider::ZaloCheckout => "wallet",
    };
    let mut order = WebOrder::place(run, rng, number, method);
    order.tell(run, "order.created").await;
    if run.cancels(&order.external_id) {
        run.pause(rng, 200).await;
        return order.cancel(run).await;
    }
    let Some(code) = vnpay::code(run, &order.external_id).await else {
        let name = provider.name();
        run.unexpected(format!("{name}: no order code for {}", order.external_id));
        return;
    };
    let amount = order.basket.grand_total();
    match provider {
        Provider::Momo => wallets::momo(run, rng, &code, amount).await,
        Provider::ZaloPay => wallets::zalopay(run, rng, &code, amount).await,
        Provider::ZaloCheckout => wallets::checkout(run, rng, &code, amount).await,
        Provider::Sepay | Provider::Casso => {
            transfers::pay(run, rng, provider, &code, amount).await;
        }
        Provider::Vnpay => {}
    }
}

/// Sends a provider's message, and now and then once more.
pub(super) async fn tell(run: &Arc<Run>, rng: &mut Rng, message: Message) {
    let connector = message.connector;
    run.count(connector, |sent| sent.messages += 1);
    let again = message.again();
    if run.deliver(&message).await.is_some() && rng.bool() {
        run.count(connector, |sent| sent.duplicates += 1);
        run.deliver(&again).await;
    }
}

/// A payment that the provider at this turn never took: signed with a secret that nobody gave out.
pub(crate) async fn forge(run: &Arc<Run>, number: u32, turn: usize) {
    let secret = "a-secret-of-somebody-else";
    let reference = format!("KX{number:09}");
    let message = match TURN[turn % TURN.len()] {
        Provider::Momo => wallets::ipn(run, &reference, 100_000, 0, 1, secret),
        Provider::ZaloPay => wallets::callback(run, &reference, 100_000, 1, secret),
        Provider::ZaloCheckout => {
            let payment = crate::partners::money::Payment {
                amount: 100_000,
                transaction: i64::from(number),
                order_id: format!("1900000000_{number}"),
                paid_at: 0,
                refunds: std::collections::BTreeMap::new(),
            };
            wallets::result(run, &reference, &payment, secret)
        }
        of @ (Provider::Sepay | Provider::Casso | Provider::Vnpay) => {
            let transfer = crate::partners::money::Transfer {
                id: i64::from(number),
                amount: 100_000,
                text: reference.clone(),
                at: jiff::Timestamp::now(),
            };
            transfers::arrival(of, &transfer, secret)
        }
    };
    run.forge_message(message).await;
}
