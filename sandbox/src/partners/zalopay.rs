//! ZaloPay v2: order status, refunds that are worked on after they are answered, and their status.

use serde_json::{Value, json};

use super::{
    Call, Reply,
    money::{Provider, field, local, violation},
};
use crate::{
    signing,
    world::{World, held},
};

const US: Provider = Provider::ZaloPay;

/// How far a call's timestamp may be off, milliseconds.
const WINDOW_MS: i64 = 15 * 60 * 1000;

fn said(world: &World, code: i64, sub: i64, message: &str) -> Reply {
    if code != 1 {
        held(&world.ledger).channel(US.name()).refused += 1;
    }
    Reply::json(
        200,
        json!({"return_code": code, "return_message": message, "sub_return_code": sub,
            "sub_return_message": message}),
    )
}

pub(crate) fn act(world: &World, call: &Call) -> Reply {
    let names: &[&str] = match (call.method.as_str(), &*call.path) {
        ("POST", "/v2/query") => &["app_id", "app_trans_id"],
        ("POST", "/v2/query_refund") => &["app_id", "m_refund_id", "timestamp"],
        ("POST", "/v2/refund") => &[
            "app_id",
            "zp_trans_id",
            "amount",
            "description",
            "timestamp",
        ],
        _ => return Reply::empty(404),
    };
    let body = call.json();
    let key1 = &world.secrets.zalopay_key1;
    let mut values: Vec<String> = names.iter().map(|name| field(&body, name)).collect();
    if call.path == "/v2/query" {
        values.push(key1.clone());
    }
    if field(&body, "mac") != signing::wallet(key1, &values.join("|")) {
        violation(world, US, "mac does not match");
        return said(world, 2, -402, "Mac is invalid.");
    }
    if body["app_id"] != world.secrets.zalopay_app_id {
        violation(world, US, "another app's id");
        return said(world, 2, -401, "App is invalid.");
    }
    match &*call.path {
        "/v2/query" => query(world, &body),
        "/v2/query_refund" => query_refund(world, &body),
        _ => refund(world, &body),
    }
}

fn query(world: &World, body: &Value) -> Reply {
    let app_trans_id = field(body, "app_trans_id");
    let Some((day, reference)) = app_trans_id
        .split_once('_')
        .filter(|(day, _)| day.len() == 6)
    else {
        violation(world, US, "app_trans_id does not begin with a day");
        return said(world, 2, -68, "app_trans_id is invalid.");
    };
    let mut money = held(&world.money);
    let payment = money.payment(US, reference).cloned();
    drop(money);
    let paid_on = |payment: &super::money::Payment| {
        let at = jiff::Timestamp::from_millisecond(payment.paid_at).unwrap_or_default();
        local(at, "%y%m%d")
    };
    let Some(payment) = payment.filter(|payment| paid_on(payment) == day) else {
        return said(world, 2, -101, "The transaction does not exist.");
    };
    Reply::json(
        200,
        json!({"return_code": 1, "return_message": "Giao dịch thành công", "sub_return_code": 1,
            "sub_return_message": "Giao dịch thành công", "is_processing": false,
            "amount": payment.amount, "zp_trans_id": payment.transaction,
            "server_time": payment.paid_at, "discount_amount": 0}),
    )
}

/// The refund of that id, and the payment that it belongs to.
fn find(world: &World, id: &str) -> Option<super::money::Refund> {
    let money = held(&world.money);
    money
        .payments
        .iter()
        .filter(|((provider, _), _)| *provider == US)
        .find_map(|(_, payment)| payment.refunds.get(id).cloned())
}

fn query_refund(world: &World, body: &Value) -> Reply {
    match find(world, &field(body, "m_refund_id")) {
        None => said(world, 2, -101, "The refund does not exist."),
        Some(refund) => Reply::json(
            200,
            json!({"return_code": 1, "return_message": "Hoàn tiền giao dịch thành công",
                "sub_return_code": 1, "sub_return_message": "", "refund_id": refund.transaction}),
        ),
    }
}

/// Taken in hand: what became of it is asked for later.
fn refund(world: &World, body: &Value) -> Reply {
    let now = jiff::Timestamp::now();
    let id = field(body, "m_refund_id");
    let begins = format!("{}_{}_", local(now, "%y%m%d"), world.secrets.zalopay_app_id);
    if !id.starts_with(&begins) || id.len() > 45 {
        violation(world, US, "m_refund_id is not yymmdd_appid_…");
        return said(world, 2, -68, "m_refund_id is invalid.");
    }
    let timestamp = body["timestamp"].as_i64().unwrap_or(0);
    if (now.as_millisecond() - timestamp).abs() > WINDOW_MS {
        violation(world, US, "the timestamp of a refund is far off");
        return said(world, 2, -54, "timestamp is invalid.");
    }
    if find(world, &id).is_some() {
        return said(world, 2, -26, "The refund exists.");
    }
    let (transaction, amount) = (
        field(body, "zp_trans_id"),
        body["amount"].as_i64().unwrap_or(0),
    );
    let mut money = held(&world.money);
    let known = money
        .payments
        .iter()
        .find(|((provider, _), payment)| {
            *provider == US && payment.transaction.to_string() == transaction
        })
        .map(|((_, reference), payment)| (reference.clone(), payment.returned()));
    let Some((reference, returned)) = known else {
        drop(money);
        return said(world, 2, -101, "The transaction does not exist.");
    };
    let given = money.refund(US, &reference, &id, amount);
    drop(money);
    match given {
        Some(_) => said(world, 3, 2, "The refund is being worked on."),
        None => {
            if returned > 0 {
                violation(world, US, "the same money was asked back twice");
            }
            said(world, 2, -14, "The refund was refused.")
        }
    }
}
