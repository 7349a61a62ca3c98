//! What MoMo, ZaloPay and the Mini App's CheckoutSDK send when a buyer has paid, or has not.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Run, paid,
    sender::{Message, Repeats, Sign, Wants},
};
use crate::{
    partners::{
        momo::base,
        money::{Payment, Provider, local},
    },
    secrets::channel,
    signing,
    world::held,
};

/// ZaloPay calls at most three times more; a minute of theirs is two seconds here.
const ZALOPAY: Repeats = Repeats::Ladder(&[2_000, 10_000, 30_000]);
/// Nothing is documented of the others; they are given up in the end.
const UNDOCUMENTED: Repeats = Repeats::Ladder(&[500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);

fn message(
    provider: Provider,
    channel: &str,
    label: String,
    body: &Value,
    wants: Wants,
    repeats: Repeats,
) -> Message {
    Message {
        connector: provider.name(),
        label: format!("{}:{label}", provider.name()),
        method: Method::POST,
        path: format!("/webhooks/{channel}"),
        body: body.to_string().into_bytes(),
        sign: Sign::Fixed(Vec::new()),
        wants,
        repeats,
        timeout: Duration::from_secs(15),
    }
}

/// MoMo's IPN.
pub(super) fn ipn(
    run: &Run,
    reference: &str,
    amount: i64,
    result: i64,
    transaction: i64,
    secret: &str,
) -> Message {
    let secrets = &run.world.secrets;
    let mut body = json!({
        "partnerCode": secrets.momo_partner_code,
        "orderId": reference,
        "requestId": format!("req-{reference}"),
        "amount": amount,
        "orderInfo": format!("Thanh toán đơn {reference}"),
        "orderType": "momo_wallet",
        "transId": transaction,
        "resultCode": result,
        "message": if result == 0 { "Thành công." } else { "Giao dịch đang được xử lý." },
        "payType": "qr",
        "responseTime": jiff::Timestamp::now().as_millisecond(),
        "extraData": "eyJzdG9yZSI6IkhDTTEifQ==",
    });
    let names = [
        "amount",
        "extraData",
        "message",
        "orderId",
        "orderInfo",
        "orderType",
        "partnerCode",
        "payType",
        "requestId",
        "responseTime",
        "resultCode",
        "transId",
    ];
    let text = base(&secrets.momo_access_key, &body, &names);
    body["signature"] = json!(signing::wallet(secret, &text));
    let label = format!("{reference}:{transaction}:{result}");
    message(
        Provider::Momo,
        channel::MOMO,
        label,
        &body,
        Wants::Status(204),
        UNDOCUMENTED,
    )
}

/// Perhaps refused at first, perhaps pending at first or late, then paid.
pub(super) async fn momo(run: &Arc<Run>, rng: &mut Rng, code: &str, amount: i64) {
    let secret = run.world.secrets.momo_secret_key.clone();
    let mut attempt = 1;
    if rng.u8(0..4) == 0 {
        let reference = format!("{code}-{attempt}");
        paid::tell(run, rng, ipn(run, &reference, amount, 1006, 0, &secret)).await;
        attempt += 1;
    }
    let reference = format!("{code}-{attempt}");
    let pending = ipn(run, &reference, amount, 7000, 0, &secret);
    let late = rng.bool();
    if !late {
        paid::tell(run, rng, pending.clone()).await;
    }
    let payment = held(&run.world.money).pay(Provider::Momo, &reference, amount);
    let done = ipn(run, &reference, amount, 0, payment.transaction, &secret);
    paid::tell(run, rng, done).await;
    if late {
        paid::tell(run, rng, pending).await;
    }
}

/// ZaloPay's callback: the inner text is what is signed.
pub(super) fn callback(
    run: &Run,
    reference: &str,
    amount: i64,
    transaction: i64,
    key2: &str,
) -> Message {
    let now = jiff::Timestamp::now();
    let data = json!({
        "app_id": run.world.secrets.zalopay_app_id,
        "app_trans_id": format!("{}_{reference}", local(now, "%y%m%d")),
        "app_time": now.as_millisecond(),
        "app_user": "khach-01",
        "amount": amount,
        "embed_data": json!({"order": reference}).to_string(),
        "item": "[{\"ten\":\"Củ sạc\"}]",
        "zp_trans_id": transaction,
        "server_time": now.as_millisecond(),
        "channel": 38,
        "merchant_user_id": "sandbox-user",
        "user_fee_amount": 0,
        "discount_amount": 0,
    })
    .to_string();
    let mac = signing::wallet(key2, &data);
    let body = json!({"data": data, "mac": mac, "type": 1});
    let label = format!("{reference}:{transaction}");
    message(
        Provider::ZaloPay,
        channel::ZALOPAY,
        label,
        &body,
        Wants::Number("return_code", 1),
        ZALOPAY,
    )
}

/// Only success is called back.
pub(super) async fn zalopay(run: &Arc<Run>, rng: &mut Rng, code: &str, amount: i64) {
    let key2 = run.world.secrets.zalopay_key2.clone();
    let reference = format!("{code}-1");
    let payment = held(&run.world.money).pay(Provider::ZaloPay, &reference, amount);
    let called = callback(run, &reference, amount, payment.transaction, &key2);
    paid::tell(run, rng, called).await;
}

fn pairs(data: &Value, names: &[&str]) -> String {
    let pairs: Vec<String> = names
        .iter()
        .map(|name| match &data[*name] {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    pairs.join("&")
}

/// CheckoutSDK's callback with both macs; our code stands in `extradata`.
pub(super) fn result(run: &Run, code: &str, payment: &Payment, key: &str) -> Message {
    let data = json!({
        "appId": run.world.secrets.zalo_checkout_app_id,
        "orderId": payment.order_id,
        "transId": format!("241204_{}", payment.transaction),
        "method": "ZALOPAY",
        "transTime": payment.paid_at,
        "merchantTransId": payment.transaction.to_string(),
        "amount": payment.amount,
        "description": format!("Thanh toán đơn {code}"),
        "resultCode": 1,
        "message": "Giao dịch thành công",
        "extradata": json!({ "orderCode": code }).to_string(),
    });
    let seven = [
        "appId",
        "amount",
        "description",
        "orderId",
        "message",
        "resultCode",
        "transId",
    ];
    let mut all: Vec<&str> = data
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    all.sort_unstable();
    let mac = signing::wallet(key, &pairs(&data, &seven));
    let overall = signing::wallet(key, &pairs(&data, &all));
    let body = json!({"data": data, "mac": mac, "overallMac": overall});
    let label = format!("{code}:{}", payment.transaction);
    message(
        Provider::ZaloCheckout,
        channel::ZALO_CHECKOUT,
        label,
        &body,
        Wants::Number("returnCode", 1),
        UNDOCUMENTED,
    )
}

/// The buyer chose a means before paying: only Zalo's order is named.
fn chosen(run: &Run, payment: &Payment, key: &str) -> Message {
    let data = json!({
        "appId": run.world.secrets.zalo_checkout_app_id,
        "orderId": payment.order_id,
        "method": "BANK",
    });
    let mac = signing::wallet(key, &pairs(&data, &["appId", "orderId", "method"]));
    let body = json!({"data": data, "mac": mac});
    let label = format!("chosen:{}", payment.order_id);
    message(
        Provider::ZaloCheckout,
        channel::ZALO_CHECKOUT,
        label,
        &body,
        Wants::Number("returnCode", 1),
        UNDOCUMENTED,
    )
}

/// Perhaps a notice of the chosen means first, then the payment.
pub(super) async fn checkout(run: &Arc<Run>, rng: &mut Rng, code: &str, amount: i64) {
    let key = run.world.secrets.zalo_checkout_private_key.clone();
    let payment = held(&run.world.money).pay(Provider::ZaloCheckout, code, amount);
    if rng.bool() {
        paid::tell(run, rng, chosen(run, &payment, &key)).await;
    }
    paid::tell(run, rng, result(run, code, &payment, &key)).await;
}
