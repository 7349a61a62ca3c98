//! VNPay's merchant API: questions and refunds at one address, hashes both ways.

use serde_json::{Value, json};

use super::{
    Call, Reply,
    money::{Payment, Provider, field, local, violation},
};
use crate::{
    signing,
    world::{World, held},
};

const US: Provider = Provider::Vnpay;

const QUERY: [&str; 9] = [
    "vnp_RequestId",
    "vnp_Version",
    "vnp_Command",
    "vnp_TmnCode",
    "vnp_TxnRef",
    "vnp_TransactionDate",
    "vnp_CreateDate",
    "vnp_IpAddr",
    "vnp_OrderInfo",
];

const REFUND: [&str; 13] = [
    "vnp_RequestId",
    "vnp_Version",
    "vnp_Command",
    "vnp_TmnCode",
    "vnp_TransactionType",
    "vnp_TxnRef",
    "vnp_Amount",
    "vnp_TransactionNo",
    "vnp_TransactionDate",
    "vnp_CreateBy",
    "vnp_CreateDate",
    "vnp_IpAddr",
    "vnp_OrderInfo",
];

fn joined(body: &Value, names: &[&str]) -> String {
    let values: Vec<String> = names.iter().map(|name| field(body, name)).collect();
    values.join("|")
}

/// An answer with its hash over `signed` values.
fn signed(world: &World, answer: Value, to_refund: bool) -> Reply {
    let mut names = vec![
        "vnp_ResponseId",
        "vnp_Command",
        "vnp_ResponseCode",
        "vnp_Message",
        "vnp_TmnCode",
        "vnp_TxnRef",
        "vnp_Amount",
        "vnp_BankCode",
        "vnp_PayDate",
        "vnp_TransactionNo",
        "vnp_TransactionType",
        "vnp_TransactionStatus",
        "vnp_OrderInfo",
    ];
    if !to_refund {
        names.extend(["vnp_PromotionCode", "vnp_PromotionAmount"]);
    }
    let hash = signing::vnpay(&world.secrets.vnpay_hash_secret, &joined(&answer, &names));
    let mut answer = answer;
    answer["vnp_SecureHash"] = json!(hash);
    Reply::json(200, answer)
}

/// A refusal without a hash, as the vendor sends it.
fn refused(world: &World, code: &str, message: &str) -> Reply {
    held(&world.ledger).channel(US.name()).refused += 1;
    Reply::json(
        200,
        json!({"vnp_ResponseCode": code, "vnp_Message": message}),
    )
}

pub(crate) fn act(world: &World, call: &Call) -> Reply {
    if (call.method.as_str(), &*call.path) != ("POST", "/merchant_webapi/api/transaction") {
        return Reply::empty(404);
    }
    let body = call.json();
    let command = field(&body, "vnp_Command");
    let names: &[&str] = match command.as_str() {
        "querydr" => &QUERY,
        "refund" => &REFUND,
        _ => return refused(world, "03", "Invalid format"),
    };
    let expected = signing::vnpay(&world.secrets.vnpay_hash_secret, &joined(&body, names));
    if field(&body, "vnp_SecureHash") != expected {
        violation(world, US, "vnp_SecureHash does not match");
        return refused(world, "97", "Invalid checksum");
    }
    if field(&body, "vnp_TmnCode") != world.secrets.vnpay_tmn_code {
        violation(world, US, "another terminal's code");
        return refused(world, "02", "Invalid TmnCode");
    }
    let request_id = field(&body, "vnp_RequestId");
    let fits = (1..=32).contains(&request_id.len())
        && request_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !fits {
        violation(world, US, "vnp_RequestId is not 1 to 32 letters and digits");
        return refused(world, "03", "Invalid format");
    }
    if !held(&world.money).requests.insert((US, request_id.clone())) {
        return refused(world, "94", "Duplicate request");
    }
    if command == "querydr" {
        query(world, &body)
    } else {
        refund(world, &body, &request_id)
    }
}

fn query(world: &World, body: &Value) -> Reply {
    let reference = field(body, "vnp_TxnRef");
    let mut money = held(&world.money);
    let Some(payment) = money.payment(US, &reference) else {
        drop(money);
        return refused(world, "91", "Transaction not found");
    };
    // The latest of the payment's transactions is shown.
    let last = payment
        .refunds
        .values()
        .max_by_key(|r| r.transaction)
        .cloned();
    let whole = last
        .as_ref()
        .is_some_and(|refund| refund.amount == payment.amount);
    let (kind, status, amount, number) = match &last {
        None => ("01", "00", payment.amount, payment.transaction),
        Some(refund) if whole => ("02", "05", refund.amount, refund.transaction),
        Some(refund) => ("03", "05", refund.amount, refund.transaction),
    };
    let answer = shown(
        world, payment, &reference, "querydr", kind, status, amount, number,
    );
    drop(money);
    signed(world, answer, false)
}

#[expect(clippy::too_many_arguments, reason = "one answer of fifteen fields")]
fn shown(
    world: &World,
    payment: &Payment,
    reference: &str,
    command: &str,
    kind: &str,
    status: &str,
    amount: i64,
    number: i64,
) -> Value {
    let paid_at = jiff::Timestamp::from_millisecond(payment.paid_at).unwrap_or_default();
    json!({
        "vnp_ResponseId": format!("r{number}"),
        "vnp_Command": command,
        "vnp_ResponseCode": "00",
        "vnp_Message": "Success",
        "vnp_TmnCode": world.secrets.vnpay_tmn_code,
        "vnp_TxnRef": reference,
        "vnp_Amount": (amount * 100).to_string(),
        "vnp_OrderInfo": format!("Thanh toan don hang {reference}"),
        "vnp_BankCode": "NCB",
        "vnp_PayDate": local(paid_at, "%Y%m%d%H%M%S"),
        "vnp_TransactionNo": number.to_string(),
        "vnp_TransactionType": kind,
        "vnp_TransactionStatus": status,
    })
}

fn refund(world: &World, body: &Value, request_id: &str) -> Reply {
    let reference = field(body, "vnp_TxnRef");
    let hundredfold: i64 = field(body, "vnp_Amount").parse().unwrap_or(0);
    let amount = hundredfold / 100;
    let mut money = held(&world.money);
    let Some(payment) = money.payment(US, &reference).cloned() else {
        drop(money);
        return refused(world, "91", "Transaction not found");
    };
    let kind = field(body, "vnp_TransactionType");
    let wrong = if field(body, "vnp_TransactionNo") != payment.transaction.to_string() {
        Some("vnp_TransactionNo is another payment's")
    } else if (kind == "02") != (amount == payment.amount) {
        Some("vnp_TransactionType does not fit the amount")
    } else if payment.returned() > 0 && payment.returned() + amount > payment.amount {
        Some("the same money was asked back twice")
    } else {
        None
    };
    let given = match wrong {
        Some(_) => None,
        None => money.refund(US, &reference, request_id, amount),
    };
    drop(money);
    if let Some(rule) = wrong {
        violation(world, US, rule);
    }
    let Some(number) = given else {
        return refused(world, "95", "The transaction was refused");
    };
    let answer = shown(
        world, &payment, &reference, "refund", &kind, "05", amount, number,
    );
    signed(world, answer, true)
}
