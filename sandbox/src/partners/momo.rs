//! MoMo's payment API v2: status and refunds, signatures over sorted fields with the access key.

use serde_json::{Value, json};

use super::{
    Call, Reply,
    money::{Provider, field, violation},
};
use crate::{
    signing,
    world::{World, held},
};

const US: Provider = Provider::Momo;

/// MoMo's bounds of a refund, đồng.
const REFUNDS: std::ops::RangeInclusive<i64> = 1_000..=50_000_000;

/// The text that MoMo signs: `accessKey` and the fields, by name.
pub(crate) fn base(access_key: &str, body: &Value, names: &[&str]) -> String {
    let pairs: Vec<String> = names
        .iter()
        .map(|name| format!("{name}={}", field(body, name)))
        .collect();
    format!("accessKey={access_key}&{}", pairs.join("&"))
}

fn said(world: &World, status: u16, code: i64, message: &str) -> Reply {
    if code != 0 {
        held(&world.ledger).channel(US.name()).refused += 1;
    }
    let answer = json!({
        "partnerCode": world.secrets.momo_partner_code,
        "resultCode": code,
        "message": message,
        "responseTime": jiff::Timestamp::now().as_millisecond(),
    });
    Reply::json(status, answer)
}

pub(crate) fn act(world: &World, call: &Call) -> Reply {
    let names: &[&str] = match (call.method.as_str(), &*call.path) {
        ("POST", "/v2/gateway/api/query") => &["orderId", "partnerCode", "requestId"],
        ("POST", "/v2/gateway/api/refund") => &[
            "amount",
            "description",
            "orderId",
            "partnerCode",
            "requestId",
            "transId",
        ],
        _ => return Reply::empty(404),
    };
    let body = call.json();
    let secrets = &world.secrets;
    let expected = signing::wallet(
        &secrets.momo_secret_key,
        &base(&secrets.momo_access_key, &body, names),
    );
    if field(&body, "signature") != expected {
        violation(world, US, "signature does not match");
        return said(world, 400, 13, "Merchant authentication failed.");
    }
    if field(&body, "partnerCode") != secrets.momo_partner_code {
        violation(world, US, "another partner's code");
        return said(world, 400, 13, "Merchant authentication failed.");
    }
    let request_id = field(&body, "requestId");
    if request_id.is_empty() || request_id.len() > 50 {
        violation(world, US, "requestId is not 1 to 50 characters");
        return said(world, 400, 20, "Bad format request.");
    }
    if !held(&world.money).requests.insert((US, request_id)) {
        return said(world, 400, 40, "Duplicated requestId.");
    }
    if names.len() == 3 {
        query(world, &field(&body, "orderId"))
    } else {
        refund(world, &body)
    }
}

fn query(world: &World, order_id: &str) -> Reply {
    let mut money = held(&world.money);
    let Some(payment) = money.payment(US, order_id) else {
        drop(money);
        return said(world, 400, 42, "Invalid orderId or orderId is not found.");
    };
    let refunds: Vec<Value> = payment
        .refunds
        .iter()
        .map(|(id, refund)| {
            json!({"orderId": id, "amount": refund.amount, "resultCode": 0,
                "transId": refund.transaction, "createdTime": payment.paid_at})
        })
        .collect();
    let answer = json!({
        "partnerCode": world.secrets.momo_partner_code,
        "orderId": order_id,
        "requestId": "sandbox",
        "extraData": "",
        "amount": payment.amount,
        "transId": payment.transaction,
        "payType": "qr",
        "resultCode": 0,
        "refundTrans": refunds,
        "message": "Successful.",
        "responseTime": payment.paid_at,
    });
    Reply::json(200, answer)
}

fn refund(world: &World, body: &Value) -> Reply {
    let (order_id, transaction) = (field(body, "orderId"), field(body, "transId"));
    let amount = body["amount"].as_i64().unwrap_or(0);
    let mut money = held(&world.money);
    let known = money
        .payments
        .iter()
        .find(|((provider, _), payment)| {
            *provider == US && payment.transaction.to_string() == transaction
        })
        .map(|((_, reference), payment)| (reference.clone(), payment.clone()));
    let Some((reference, payment)) = known else {
        drop(money);
        return said(world, 400, 1080, "The refund's transId is not found.");
    };
    if order_id == reference {
        drop(money);
        violation(world, US, "a refund with the payment's own orderId");
        return said(world, 400, 41, "Duplicated orderId.");
    }
    if payment.refunds.contains_key(&order_id) {
        drop(money);
        return said(world, 400, 41, "Duplicated orderId.");
    }
    if !REFUNDS.contains(&amount) {
        drop(money);
        return said(world, 400, 22, "Amount is out of range.");
    }
    let given = money.refund(US, &reference, &order_id, amount);
    drop(money);
    let Some(number) = given else {
        if payment.returned() > 0 {
            violation(world, US, "the same money was asked back twice");
        }
        return said(world, 400, 1081, "Refund rejected.");
    };
    let answer = json!({
        "partnerCode": world.secrets.momo_partner_code,
        "orderId": order_id,
        "requestId": body["requestId"],
        "amount": amount,
        "transId": number,
        "resultCode": 0,
        "message": "Successful.",
        "responseTime": jiff::Timestamp::now().as_millisecond(),
    });
    Reply::json(200, answer)
}
