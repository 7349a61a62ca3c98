//! The transaction APIs of SePay and Casso: one transfer, and the list of a span of days.

use serde_json::{Value, json};

use super::{
    Call, Reply,
    money::{Provider, Transfer, local, violation},
};
use crate::world::{World, held};

/// The account that both watch.
pub(crate) const ACCOUNT: &str = "0123499999";

/// Casso's largest page.
const LARGEST_PAGE: usize = 100;

fn transfers(world: &World, provider: Provider) -> Vec<Transfer> {
    let money = held(&world.money);
    money
        .transfers
        .iter()
        .filter(|((of, _), _)| *of == provider)
        .map(|(_, transfer)| transfer.clone())
        .collect()
}

/// Refuses a call without the credential.
fn stranger(world: &World, provider: Provider, call: &Call, expected: &str) -> Option<Reply> {
    if call.header("authorization") == expected {
        return None;
    }
    violation(world, provider, "a call without the right credential");
    held(&world.ledger).channel(provider.name()).refused += 1;
    Some(Reply::json(
        401,
        json!({"error": 401, "message": "Unauthorized"}),
    ))
}

fn within(transfer: &Transfer, from: &str, to: &str) -> bool {
    let day = local(transfer.at, "%Y-%m-%d");
    (from.is_empty() || &*day >= from) && (to.is_empty() || &*day <= to)
}

fn sepay_row(transfer: &Transfer) -> Value {
    let (came, went) = (transfer.amount.max(0), (-transfer.amount).max(0));
    json!({
        "id": transfer.id.to_string(),
        "bank_brand_name": "Vietcombank",
        "account_number": ACCOUNT,
        "transaction_date": local(transfer.at, "%Y-%m-%d %H:%M:%S"),
        "amount_out": format!("{went}.00"),
        "amount_in": format!("{came}.00"),
        "accumulated": "20580000.00",
        "transaction_content": transfer.text,
        "reference_number": format!("FT{}", transfer.id),
        "code": null,
        "sub_account": null,
        "bank_account_id": "19",
    })
}

pub(crate) fn sepay(world: &World, call: &Call) -> Reply {
    let bearer = format!("Bearer {}", world.secrets.sepay_api_token);
    if let Some(refusal) = stranger(world, Provider::Sepay, call, &bearer) {
        return refusal;
    }
    let all = transfers(world, Provider::Sepay);
    let good = json!({"success": true});
    match call.route() {
        ("GET", path) if path[..] == ["userapi", "transactions", "list"] => {
            let (from, to) = (
                call.parameter("transaction_date_min"),
                call.parameter("transaction_date_max"),
            );
            let account = call.parameter("account_number");
            let limit: usize = call.parameter("limit").parse().unwrap_or(5000);
            if limit > 5000 {
                violation(world, Provider::Sepay, "more than 5000 rows in one call");
            }
            let rows: Vec<Value> = all
                .iter()
                .rev()
                .filter(|transfer| within(transfer, from, to))
                .filter(|_| account.is_empty() || account == ACCOUNT)
                .take(limit.min(5000))
                .map(sepay_row)
                .collect();
            Reply::json(
                200,
                json!({"status": 200, "error": null, "messages": good, "transactions": rows}),
            )
        }
        ("GET", path) => match path[..] {
            ["userapi", "transactions", "details", id] => {
                let found = all.iter().find(|transfer| transfer.id.to_string() == id);
                match found {
                    Some(transfer) => Reply::json(
                        200,
                        json!({"status": 200, "error": null, "messages": good,
                            "transaction": sepay_row(transfer)}),
                    ),
                    None => Reply::json(404, json!({"status": 404, "error": "Not found"})),
                }
            }
            _ => Reply::empty(404),
        },
        _ => Reply::empty(404),
    }
}

fn casso_row(transfer: &Transfer) -> Value {
    json!({
        "id": transfer.id,
        "tid": format!("FT{}", transfer.id),
        "description": transfer.text,
        "amount": transfer.amount,
        "cusumBalance": 25_580_000,
        "when": local(transfer.at, "%Y-%m-%dT%H:%M:%S"),
        "bankSubAccId": ACCOUNT,
        "paymentChannel": "",
        "virtualAccount": "",
        "virtualAccountName": "",
        "corresponsiveName": "",
        "corresponsiveAccount": "",
        "corresponsiveBankId": "",
        "corresponsiveBankName": "",
        "accountId": 733,
        "bankCodeName": "vietcombank",
    })
}

pub(crate) fn casso(world: &World, call: &Call) -> Reply {
    let key = format!("Apikey {}", world.secrets.casso_api_token);
    if let Some(refusal) = stranger(world, Provider::Casso, call, &key) {
        return refusal;
    }
    let all = transfers(world, Provider::Casso);
    match call.route() {
        ("GET", path) if path[..] == ["v2", "transactions"] => {
            let (from, to) = (call.parameter("fromDate"), call.parameter("toDate"));
            let number = |name: &str, otherwise: usize| -> usize {
                call.parameter(name).parse().unwrap_or(otherwise).max(1)
            };
            let (page, size) = (number("page", 1), number("pageSize", 10));
            if size > LARGEST_PAGE {
                violation(world, Provider::Casso, "a page of more than 100 rows");
            }
            let size = size.min(LARGEST_PAGE);
            let mut found: Vec<&Transfer> = all
                .iter()
                .filter(|transfer| within(transfer, from, to))
                .collect();
            if call.parameter("sort") == "DESC" {
                found.reverse();
            }
            let pages = found.len().div_ceil(size);
            let rows: Vec<Value> = found
                .iter()
                .skip((page - 1) * size)
                .take(size)
                .map(|transfer| casso_row(transfer))
                .collect();
            let next = (page < pages).then_some(page + 1);
            let previous = (page > 1).then_some(page - 1);
            Reply::json(
                200,
                json!({"error": 0, "message": "success", "data": {"page": page,
                    "pageSize": size, "nextPage": next, "prevPage": previous,
                    "totalPages": pages, "totalRecords": found.len(), "records": rows}}),
            )
        }
        ("GET", path) => match path[..] {
            ["v2", "transactions", id] => {
                let found = all.iter().find(|transfer| transfer.id.to_string() == id);
                match found {
                    Some(transfer) => Reply::json(
                        200,
                        json!({"error": 0, "message": "success", "data": casso_row(transfer)}),
                    ),
                    None => Reply::json(404, json!({"error": 404, "message": "not found"})),
                }
            }
            _ => Reply::empty(404),
        },
        _ => Reply::empty(404),
    }
}
