//! Payment providers and bank accounts as a connector meets them, and what the tests' own gateway
//! knows of their messages. The signed texts are written here once more.

use reqwest::Method;
use sandbox::{Options, Sandbox, Secrets, signing};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn pairs(data: &Value, names: &[&str]) -> String {
    let pairs: Vec<String> = names
        .iter()
        .map(|name| format!("{name}={}", text(&data[*name])))
        .collect();
    pairs.join("&")
}

/// Whether a message of this channel carries its provider's signature.
pub fn genuine(
    secrets: &Secrets,
    channel: &str,
    header: &dyn Fn(&str) -> String,
    body: &[u8],
) -> bool {
    let document: Value = serde_json::from_slice(body).unwrap();
    match channel {
        "momo" => {
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
            let base = format!(
                "accessKey={}&{}",
                secrets.momo_access_key,
                pairs(&document, &names)
            );
            document["signature"] == signing::wallet(&secrets.momo_secret_key, &base)
        }
        "zalopay" => {
            let data = document["data"].as_str().unwrap();
            document["mac"] == signing::wallet(&secrets.zalopay_key2, data)
        }
        "zalo-checkout" => {
            let (key, data) = (&secrets.zalo_checkout_private_key, &document["data"]);
            if document["overallMac"].is_null() {
                let base = pairs(data, &["appId", "orderId", "method"]);
                return document["mac"] == signing::wallet(key, &base);
            }
            let mut all: Vec<&str> = data
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            all.sort_unstable();
            let base = pairs(
                data,
                &[
                    "appId",
                    "amount",
                    "description",
                    "orderId",
                    "message",
                    "resultCode",
                    "transId",
                ],
            );
            document["mac"] == signing::wallet(key, &base)
                && document["overallMac"] == signing::wallet(key, &pairs(data, &all))
        }
        "sepay" => {
            header("x-sepay-signature")
                == signing::sepay(&secrets.sepay_secret, &header("x-sepay-timestamp"), body)
        }
        "casso" => {
            let given = header("x-casso-signature");
            let at = given.split(',').next().unwrap().strip_prefix("t=").unwrap();
            given == signing::casso(&secrets.casso_checksum_key, at.parse().unwrap(), &document)
        }
        other => panic!("not a provider: {other}"),
    }
}

/// What a repeat has in common with its first copy.
pub fn key(channel: &str, document: &Value) -> String {
    let data = match &document["data"] {
        Value::String(inner) => serde_json::from_str(inner).unwrap(),
        other => other.clone(),
    };
    let id = [&data["zp_trans_id"], &data["transId"], &data["orderId"]];
    let id = id.into_iter().find(|id| !id.is_null()).unwrap();
    format!("{channel}:{}", text(id))
}

async fn start() -> Sandbox {
    Sandbox::start(Options::default()).await.unwrap()
}

async fn post(sandbox: &Sandbox, provider: &str, path: &str, body: &Value) -> Value {
    let url = format!("{}{path}", sandbox.addresses()[provider]);
    let request = reqwest::Client::new().post(url).json(body);
    request.send().await.unwrap().json().await.unwrap()
}

async fn get(sandbox: &Sandbox, provider: &str, path: &str, credential: &str) -> (u16, Value) {
    let url = format!("{}{path}", sandbox.addresses()[provider]);
    let request = reqwest::Client::new()
        .request(Method::GET, url)
        .header("authorization", credential);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn momo(sandbox: &Sandbox, names: &[&str], mut body: Value) -> Value {
    let secrets = sandbox.secrets();
    body["partnerCode"] = json!(secrets.momo_partner_code);
    let base = format!(
        "accessKey={}&{}",
        secrets.momo_access_key,
        pairs(&body, names)
    );
    body["signature"] = json!(signing::wallet(&secrets.momo_secret_key, &base));
    body
}

#[tokio::test]
async fn momo_lists_a_refund_at_the_paid_order_and_gives_no_money_back_twice() {
    let sandbox = start().await;
    let transaction = sandbox
        .pay_unheard("momo", "KX000000011-1", 580_000)
        .unwrap();
    let query = |id: &str| {
        let body = json!({"orderId": "KX000000011-1", "requestId": id});
        momo(&sandbox, &["orderId", "partnerCode", "requestId"], body)
    };
    let refund = |id: &str, order: &str| {
        let body = json!({"amount": 580_000, "description": "x", "orderId": order,
            "requestId": id, "transId": transaction.parse::<i64>().unwrap()});
        let names = [
            "amount",
            "description",
            "orderId",
            "partnerCode",
            "requestId",
            "transId",
        ];
        momo(&sandbox, &names, body)
    };
    let (ask, give) = ("/v2/gateway/api/query", "/v2/gateway/api/refund");
    let first = post(&sandbox, "momo", ask, &query("q1")).await;
    assert_eq!(
        (&first["resultCode"], &first["refundTrans"]),
        (&json!(0), &json!([]))
    );
    let done = post(&sandbox, "momo", give, &refund("r1", "KX000000011-1-R1")).await;
    assert_eq!(done["resultCode"], 0);
    let again = post(&sandbox, "momo", give, &refund("r1", "KX000000011-1-R1")).await;
    assert_eq!(again["resultCode"], 40);
    let again = post(&sandbox, "momo", give, &refund("r2", "KX000000011-1-R1")).await;
    assert_eq!(again["resultCode"], 41);
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    let seen = post(&sandbox, "momo", ask, &query("q2")).await;
    assert_eq!(seen["refundTrans"][0]["orderId"], "KX000000011-1-R1");
    // Another refund of the same money is what a gateway must never ask for.
    let twice = post(&sandbox, "momo", give, &refund("r3", "KX000000011-1-R2")).await;
    assert_eq!(twice["resultCode"], 1081);
    assert_eq!(sandbox.refunded("momo", "KX000000011-1"), 580_000);
    assert_eq!(
        sandbox.books().violations,
        ["momo: the same money was asked back twice"]
    );
    let mut forged = query("q3");
    forged["orderId"] = json!("OTHER");
    assert_eq!(post(&sandbox, "momo", ask, &forged).await["resultCode"], 13);
}

#[tokio::test]
async fn zalopay_works_on_a_refund_and_tells_of_it_under_its_id() {
    let sandbox = start().await;
    let transaction = sandbox
        .pay_unheard("zalopay", "KX000000011-1", 580_000)
        .unwrap();
    let secrets = sandbox.secrets();
    let (app, key1) = (secrets.zalopay_app_id, &secrets.zalopay_key1);
    let now = jiff::Timestamp::now();
    let day = (now + jiff::SignedDuration::from_hours(7))
        .strftime("%y%m%d")
        .to_string();
    let at = now.as_millisecond();
    let trans = format!("{day}_KX000000011-1");
    let mac = signing::wallet(key1, &format!("{app}|{trans}|{key1}"));
    let asked = json!({"app_id": app, "app_trans_id": trans, "mac": mac});
    let status = post(&sandbox, "zalopay", "/v2/query", &asked).await;
    assert_eq!(
        (&status["return_code"], &status["amount"]),
        (&json!(1), &json!(580_000))
    );
    let id = format!("{day}_{app}_abc");
    let mac = signing::wallet(key1, &format!("{app}|{id}|{at}"));
    let look = json!({"app_id": app, "m_refund_id": id, "timestamp": at, "mac": mac});
    assert_eq!(
        post(&sandbox, "zalopay", "/v2/query_refund", &look).await["return_code"],
        2
    );
    let mac = signing::wallet(key1, &format!("{app}|{transaction}|580000|x|{at}"));
    let give = json!({"app_id": app, "m_refund_id": id, "zp_trans_id": transaction,
        "amount": 580_000, "timestamp": at, "description": "x", "mac": mac});
    assert_eq!(
        post(&sandbox, "zalopay", "/v2/refund", &give).await["return_code"],
        3
    );
    assert_eq!(
        post(&sandbox, "zalopay", "/v2/query_refund", &look).await["return_code"],
        1
    );
    assert_eq!(
        post(&sandbox, "zalopay", "/v2/refund", &give).await["return_code"],
        2
    );
    assert_eq!(sandbox.refunded("zalopay", "KX000000011-1"), 580_000);
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    let mut forged = asked;
    forged["mac"] = json!("00");
    assert_eq!(
        post(&sandbox, "zalopay", "/v2/query", &forged).await["return_code"],
        2
    );
    assert_eq!(sandbox.books().violations, ["zalopay: mac does not match"]);
}

fn vnpay(sandbox: &Sandbox, fields: &[(&str, &str)]) -> Value {
    let values: Vec<&str> = fields.iter().map(|(_, value)| *value).collect();
    let mut body: Value = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let hash = signing::vnpay(&sandbox.secrets().vnpay_hash_secret, &values.join("|"));
    body["vnp_SecureHash"] = json!(hash);
    body
}

#[tokio::test]
async fn vnpay_shows_the_refund_at_the_payment_and_answers_with_its_hash() {
    let sandbox = start().await;
    let transaction = sandbox
        .pay_unheard("vnpay", "KX000000011-1", 580_000)
        .unwrap();
    let terminal = sandbox.secrets().vnpay_tmn_code.clone();
    let query = |id: &str| {
        vnpay(
            &sandbox,
            &[
                ("vnp_RequestId", id),
                ("vnp_Version", "2.1.0"),
                ("vnp_Command", "querydr"),
                ("vnp_TmnCode", &terminal),
                ("vnp_TxnRef", "KX000000011-1"),
                ("vnp_TransactionDate", "20251204110012"),
                ("vnp_CreateDate", "20251204110012"),
                ("vnp_IpAddr", "127.0.0.1"),
                ("vnp_OrderInfo", "x"),
            ],
        )
    };
    let refund = |id: &str| {
        vnpay(
            &sandbox,
            &[
                ("vnp_RequestId", id),
                ("vnp_Version", "2.1.0"),
                ("vnp_Command", "refund"),
                ("vnp_TmnCode", &terminal),
                ("vnp_TransactionType", "02"),
                ("vnp_TxnRef", "KX000000011-1"),
                ("vnp_Amount", "58000000"),
                ("vnp_TransactionNo", &transaction),
                ("vnp_TransactionDate", "20251204110012"),
                ("vnp_CreateBy", "lan"),
                ("vnp_CreateDate", "20251204110012"),
                ("vnp_IpAddr", "127.0.0.1"),
                ("vnp_OrderInfo", "x"),
            ],
        )
    };
    let path = "/merchant_webapi/api/transaction";
    let paid = post(&sandbox, "vnpay", path, &query("q1")).await;
    assert_eq!(
        (
            &paid["vnp_TransactionType"],
            &paid["vnp_TransactionStatus"],
            &paid["vnp_Amount"]
        ),
        (&json!("01"), &json!("00"), &json!("58000000"))
    );
    assert!(paid["vnp_SecureHash"].is_string());
    assert_eq!(
        post(&sandbox, "vnpay", path, &refund("r1")).await["vnp_ResponseCode"],
        "00"
    );
    assert_eq!(
        post(&sandbox, "vnpay", path, &refund("r1")).await["vnp_ResponseCode"],
        "94"
    );
    let seen = post(&sandbox, "vnpay", path, &query("q2")).await;
    assert_eq!(seen["vnp_TransactionType"], "02");
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    assert_eq!(
        post(&sandbox, "vnpay", path, &refund("r2")).await["vnp_ResponseCode"],
        "95"
    );
    assert_eq!(sandbox.refunded("vnpay", "KX000000011-1"), 580_000);
    assert_eq!(
        sandbox.books().violations,
        ["vnpay: the same money was asked back twice"]
    );
}

#[tokio::test]
async fn the_mini_app_tells_the_status_of_its_own_order() {
    let sandbox = start().await;
    let order = sandbox
        .pay_unheard("zalo_checkout", "KX000000011", 580_000)
        .unwrap();
    let secrets = sandbox.secrets();
    let (app, key) = (
        &secrets.zalo_checkout_app_id,
        &secrets.zalo_checkout_private_key,
    );
    let mac = signing::wallet(
        key,
        &format!("appId={app}&orderId={order}&privateKey={key}"),
    );
    let path = format!("/api/transaction/get-status?appId={app}&orderId={order}&mac={mac}");
    let (_, status) = get(&sandbox, "zalo_checkout", &path, "").await;
    assert_eq!(
        (&status["returnCode"], &status["amount"]),
        (&json!(1), &json!(580_000))
    );
    assert!(
        status["extradata"]
            .as_str()
            .unwrap()
            .contains("%22KX000000011%22")
    );
    let (_, refused) = get(&sandbox, "zalo_checkout", &path.replace(&mac, "00"), "").await;
    assert_eq!(refused["returnCode"], -1);
}

#[tokio::test]
async fn both_aggregators_list_transfers_to_who_has_the_key() {
    let sandbox = start().await;
    let secrets = sandbox.secrets();
    let bearer = format!("Bearer {}", secrets.sepay_api_token);
    let key = format!("Apikey {}", secrets.casso_api_token);
    let came = sandbox
        .transfer_unheard("sepay", 580_000, "KX000000011")
        .unwrap();
    sandbox.transfer_unheard("sepay", -1_000, "phi").unwrap();
    let (_, list) = get(
        &sandbox,
        "sepay",
        "/userapi/transactions/list?limit=5000",
        &bearer,
    )
    .await;
    assert_eq!(list["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(list["transactions"][1]["amount_in"], "580000.00");
    let path = format!("/userapi/transactions/details/{came}");
    let (_, one) = get(&sandbox, "sepay", &path, &bearer).await;
    assert_eq!(one["transaction"]["transaction_content"], "KX000000011");
    for _ in 0..3 {
        sandbox
            .transfer_unheard("casso", 1_000, "KX000000011")
            .unwrap();
    }
    let first = get(
        &sandbox,
        "casso",
        "/v2/transactions?page=1&pageSize=2",
        &key,
    )
    .await
    .1;
    let last = get(
        &sandbox,
        "casso",
        "/v2/transactions?page=2&pageSize=2",
        &key,
    )
    .await
    .1;
    assert_eq!(
        (&first["data"]["nextPage"], &last["data"]["nextPage"]),
        (&json!(2), &json!(null))
    );
    assert_eq!(last["data"]["records"].as_array().unwrap().len(), 1);
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    for (provider, path) in [
        ("sepay", "/userapi/transactions/list"),
        ("casso", "/v2/transactions"),
    ] {
        assert_eq!(get(&sandbox, provider, path, "Bearer x").await.0, 401);
    }
    assert_eq!(sandbox.books().violations.len(), 2);
}
