//! Website orders paid through VNPay: the gateway's own order code is the payment reference,
//! and the IPN wants its truthful `RspCode`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use reqwest::Method;

use super::{
    Run,
    sender::{Message, Repeats, Sign, Wants},
    staff,
    website::WebOrder,
};
use crate::{partners::money::Provider, secrets::channel, signing, world::held};

pub(crate) const CONNECTOR: &str = "vnpay";

/// How long the site waits for the order code before the buyer gives up paying.
const CODE_PATIENCE: Duration = Duration::from_secs(120);

/// One IPN call. `amount` in đồng; the wire carries it times a hundred.
fn ipn(run: &Run, reference: &str, amount: i64, transaction: u32, wants: Wants) -> Message {
    let local = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(7);
    let pairs = [
        ("vnp_TxnRef", reference.to_owned()),
        ("vnp_TransactionStatus", "00".to_owned()),
        ("vnp_ResponseCode", "00".to_owned()),
        ("vnp_TransactionNo", transaction.to_string()),
        ("vnp_OrderInfo", format!("Thanh toan don hang {reference}")),
        ("vnp_PayDate", local.strftime("%Y%m%d%H%M%S").to_string()),
        ("vnp_CardType", "ATM".to_owned()),
        ("vnp_BankTranNo", format!("VNP{transaction}")),
        ("vnp_BankCode", "NCB".to_owned()),
        ("vnp_Amount", (amount * 100).to_string()),
        ("vnp_TmnCode", run.world.secrets.vnpay_tmn_code.clone()),
    ];
    let hash = signing::vnpay(
        &run.world.secrets.vnpay_hash_secret,
        &signing::vnpay_base(&pairs),
    );
    // Delivered unsorted, as the vendor does.
    let query: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", signing::form_encode(value)))
        .collect();
    Message {
        connector: CONNECTOR,
        label: format!("{CONNECTOR}:{reference}:{transaction}:{amount}"),
        method: Method::GET,
        path: format!(
            "/webhooks/{}?{}&vnp_SecureHash={hash}",
            channel::VNPAY,
            query.join("&")
        ),
        body: Vec::new(),
        sign: Sign::Fixed(Vec::new()),
        wants,
        repeats: Repeats::Patient,
        timeout: Duration::from_secs(15),
    }
}

/// A card order: cancelled before payment, or paid (sometimes with a wrong amount first).
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let mut order = WebOrder::place(run, rng, number, "card");
    order.tell(run, "order.created").await;
    if run.cancels(&order.external_id) {
        run.pause(rng, 200).await;
        return order.cancel(run).await;
    }
    let Some(code) = code(run, &order.external_id).await else {
        run.unexpected(format!("vnpay: no order code for {}", order.external_id));
        return;
    };
    let amount = order.basket.grand_total();
    let transaction = 14_000_000 + number * 10;
    let reference = format!("{code}-1");
    held(&run.world.money).pay(Provider::Vnpay, &reference, amount);
    if number.is_multiple_of(3) {
        let wrong = ipn(
            run,
            &reference,
            amount - 1_000,
            transaction,
            Wants::Code("04"),
        );
        run.count(CONNECTOR, |sent| sent.messages += 1);
        run.deliver(&wrong).await;
    }
    if number.is_multiple_of(4) {
        // The check digit of a reference that nobody gave out hardly ever fits, and if it does
        // the order still does not exist.
        let unknown = format!(
            "{}99999999-1",
            code.trim_end_matches(|c: char| c.is_ascii_digit())
        );
        let unknown = ipn(run, &unknown, amount, transaction + 1, Wants::Code("01"));
        run.count(CONNECTOR, |sent| sent.messages += 1);
        run.deliver(&unknown).await;
    }
    let paid = ipn(run, &reference, amount, transaction + 2, Wants::Code("00"));
    run.count(CONNECTOR, |sent| sent.messages += 1);
    if run.deliver(&paid).await.is_some() && rng.bool() {
        run.count(CONNECTOR, |sent| sent.duplicates += 1);
        run.deliver(&Message {
            wants: Wants::Code("02"),
            ..paid
        })
        .await;
    }
}

/// The code under which the gateway knows an order, once it has settled it.
pub(crate) async fn code(run: &Run, external_id: &str) -> Option<String> {
    let started = Instant::now();
    let path = format!("/api/v1/orders?q={}", signing::form_encode(external_id));
    while started.elapsed() < CODE_PATIENCE {
        if let Some(answer) = staff::ask(run, Method::GET, &path, None, None).await {
            let listed = answer.json();
            let found = listed["data"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|order| {
                    order["external_id"] == external_id && order["channel"] == channel::WEB
                });
            if let Some(code) = found.and_then(|order| order["code"].as_str()) {
                return Some(code.to_owned());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}

/// A payment that VNPay never confirmed: the hash is made with another secret.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let genuine = ipn(
        run,
        "KX00000000-1",
        i64::from(rng.u32(1..9)) * 100_000,
        number,
        Wants::Refusal,
    );
    let (unsigned, hash) = genuine.path.rsplit_once('=').unwrap_or((&genuine.path, ""));
    let reversed: String = hash.chars().rev().collect();
    let path = format!("{unsigned}={reversed}");
    run.forge_message(Message { path, ..genuine }).await;
}
