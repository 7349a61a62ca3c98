//! What SePay and Casso send when money moves on the bank account.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use reqwest::Method;
use serde_json::json;

use super::{
    Run, paid,
    sender::{Message, Repeats, Sign, Wants},
};
use crate::{
    partners::{
        banks::ACCOUNT,
        money::{Provider, Transfer, local},
    },
    secrets::channel,
    signing,
    world::{held, seconds},
};

/// After 1, 1, 2, 3, 5, 8 and 13 minutes; a minute is a second and a half here.
const SEPAY: Repeats = Repeats::Ladder(&[1_500, 1_500, 3_000, 4_500, 7_500, 12_000, 19_500]);
/// Nothing is documented of Casso.
const CASSO: Repeats = Repeats::Ladder(&[500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);

/// The message of one transfer. SePay signs the time of the try within five minutes, so a ladder of
/// a minute needs no new signature.
pub(super) fn arrival(provider: Provider, transfer: &Transfer, secret: &str) -> Message {
    let at = local(transfer.at, "%Y-%m-%d %H:%M:%S");
    let (channel, body, sign, wants, repeats) = if provider == Provider::Casso {
        let document = json!({"error": 0, "data": {
            "id": transfer.id,
            "reference": format!("FT{}", transfer.id),
            "description": transfer.text,
            "amount": transfer.amount,
            "runningBalance": 25_580_000,
            "transactionDateTime": at,
            "accountNumber": ACCOUNT,
            "bankName": "Vietcombank",
            "bankAbbreviation": "VCB",
            "virtualAccountNumber": "",
            "virtualAccountName": "",
            "counterAccountName": "TRAN THI MẪU",
            "counterAccountNumber": "8888888888",
            "counterAccountBankId": "970415",
            "counterAccountBankName": "VietinBank",
        }});
        let now = seconds() * 1000;
        let signature = signing::casso(secret, now, &document);
        let headers = vec![("x-casso-signature", signature)];
        let body = document.to_string();
        (channel::CASSO, body, headers, Wants::Success, CASSO)
    } else {
        let incoming = transfer.amount > 0;
        let body = json!({
            "id": transfer.id,
            "gateway": "Vietcombank",
            "transactionDate": at,
            "accountNumber": ACCOUNT,
            "code": null,
            "content": transfer.text,
            "transferType": if incoming { "in" } else { "out" },
            "transferAmount": transfer.amount.abs(),
            "accumulated": 20_580_000,
            "subAccount": null,
            "referenceCode": format!("FT{}", transfer.id),
            "description": "",
        })
        .to_string();
        let timestamp = seconds().to_string();
        let signature = signing::sepay(secret, &timestamp, body.as_bytes());
        let headers = vec![
            ("x-sepay-timestamp", timestamp),
            ("x-sepay-signature", signature),
        ];
        let wants = Wants::Exactly(r#"{"success":true}"#);
        (channel::SEPAY, body, headers, wants, SEPAY)
    };
    Message {
        connector: provider.name(),
        label: format!("{}:{}", provider.name(), transfer.id),
        method: Method::POST,
        path: format!("/webhooks/{channel}"),
        body: body.into_bytes(),
        sign: Sign::Fixed(sign),
        wants,
        repeats,
        timeout: Duration::from_secs(30),
    }
}

/// How people and banks write the code on a transfer.
fn text(rng: &mut Rng, code: &str) -> String {
    let (letters, digits) = code.split_at(code.len().saturating_sub(9));
    match rng.u8(0..4) {
        0 => format!("{code} TRAN THI MAU chuyen tien"),
        1 => format!("MBVCB.4511.{letters}-{digits}.CT tu 0011 den 0022"),
        2 => format!("thanh toan don {} cam on shop", code.to_lowercase()),
        _ => format!("{letters} {digits} sdt 0901234567"),
    }
}

/// At once, or a part and then the rest; sometimes the shop itself pays somebody meanwhile.
pub(super) async fn pay(
    run: &Arc<Run>,
    rng: &mut Rng,
    provider: Provider,
    code: &str,
    amount: i64,
) {
    let secrets = &run.world.secrets;
    let secret = match provider {
        Provider::Casso => secrets.casso_checksum_key.clone(),
        Provider::Vnpay
        | Provider::Momo
        | Provider::ZaloPay
        | Provider::ZaloCheckout
        | Provider::Sepay => secrets.sepay_secret.clone(),
    };
    let mut parts = vec![amount];
    if rng.u8(0..3) == 0 {
        let first = amount / 3 / 1000 * 1000;
        parts = vec![first, amount - first];
    }
    if rng.u8(0..4) == 0 {
        let out = held(&run.world.money).transfer(provider, -250_000, "tra tien dien");
        paid::tell(run, rng, arrival(provider, &out, &secret)).await;
    }
    for part in parts.into_iter().filter(|part| *part > 0) {
        let words = text(rng, code);
        let transfer = held(&run.world.money).transfer(provider, part, &words);
        paid::tell(run, rng, arrival(provider, &transfer, &secret)).await;
        run.pause(rng, 120).await;
    }
}
