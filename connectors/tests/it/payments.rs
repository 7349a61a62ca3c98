//! The calls to payment providers: signatures, credentials, and that no money moves twice. The
//! expected signatures are Python's hmac over the base texts of the vendors' references.

use std::collections::BTreeMap;

use bytes::Bytes;
use connectors::channel::{CallContext, Channel, PollWindow, Wanted};
use connectors::channels::{self, ChannelContext};
use connectors::feedback::{PaymentQuestion, Step, Try};
use domain::money::Amount;
use domain::task::{ChannelTask, EarlierRefund, News, NewsKind, Outcome};
use http::{Method, Request, Response};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::fixtures::{build, settings};

const PROVIDERS: [&str; 4] = ["vnpay", "momo", "zalopay", "zalo_checkout"];
const KEY: &str = "KH000005724.channel.ref_1.1";

fn connector(name: &str) -> Box<dyn Channel> {
    build(name, &BTreeMap::new())
}

fn call(at: &str) -> CallContext<'static> {
    CallContext {
        now: at.parse().unwrap(),
        access_token: None,
    }
}

fn now() -> CallContext<'static> {
    call("2026-09-25T03:01:06Z")
}

fn question<'a>(reference: &'a str, transaction: Option<&'a str>) -> PaymentQuestion<'a> {
    PaymentQuestion {
        reference,
        transaction,
        begun_at: "2025-12-04T03:55:00Z".parse::<Timestamp>().unwrap(),
        nonce: "nonce-1",
    }
}

fn refund(transaction: &str, paid: i64) -> ChannelTask {
    ChannelTask {
        order_ref: "KH000005724".to_owned(),
        external_id: "WEB-1".to_owned(),
        news: News::Refunded {
            reference: "KH000005724-1".to_owned(),
            transaction: transaction.to_owned(),
            amount: Amount(580_000),
            paid: Amount(paid),
            paid_at: "2025-12-04T04:00:12Z".parse().unwrap(),
            // A little before midnight in Vietnam.
            asked_at: "2026-09-25T16:59:00Z".parse().unwrap(),
            earlier: Vec::new(),
            text: "Khách đổi ý".to_owned(),
            actor: "lan".to_owned(),
        },
    }
}

fn attempt(got: &[Bytes], unknown: bool) -> Try<'_> {
    Try {
        key: KEY,
        got,
        unknown,
    }
}

fn body(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap()
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status.try_into().unwrap();
    response
}

#[test]
fn a_question_is_signed_as_its_provider_wants() {
    let momo = connector("momo");
    let asked = momo
        .payments()
        .unwrap()
        .query(question("KH000005724-1", None), now());
    assert_eq!(asked.method(), Method::POST);
    assert_eq!(asked.uri(), "https://payment.momo.vn/v2/gateway/api/query");
    assert_eq!(
        body(&asked)["signature"],
        "eb778cf1ea048704037679601ab06008d0515e25317dd790bb20396ae7724596"
    );
    assert!(!asked.body().windows(10).any(|part| part == b"klm05TvNBz"));

    // The value of the vector `zalopay/query_mac`.
    let zalopay = connector("zalopay");
    let asked = zalopay
        .payments()
        .unwrap()
        .query(question("SO-000123-1", None), now());
    assert_eq!(body(&asked)["app_trans_id"], "251204_SO-000123-1");
    assert_eq!(
        body(&asked)["mac"],
        "5492c82f935b1106ba542afb0f2b4f6639da5c6aa4d527a217c448b8e5d403a2"
    );

    let checkout = connector("zalo_checkout");
    let payments = checkout.payments().unwrap();
    let asked = payments.query(question("KH000005724", Some("190_1764820000000")), now());
    assert_eq!(asked.method(), Method::GET);
    assert_eq!(asked.uri().path(), "/api/transaction/get-status");
    let query = asked.uri().query().unwrap();
    assert!(query.contains("orderId=190_1764820000000"), "{query}");
    assert!(
        query.ends_with("mac=be62e5e1aff510da713eb2228c23fa712d38298e2df00b6981a8caef1e89a895"),
        "{query}"
    );

    let vnpay = connector("vnpay");
    let asked = vnpay
        .payments()
        .unwrap()
        .query(question("KH000005724-1", None), now());
    let fields = body(&asked);
    // Dashes are none of the vendor's letters.
    assert_eq!(fields["vnp_RequestId"], "nonce1");
    assert_eq!(
        fields["vnp_SecureHash"],
        "c1c07e9b1861991c9e8116bd1deb06d2997e8134315be5b6de32b846dbf6a7c0300e391de29b05a91182a0ad78c129e8225f3e458162e44b502df4d359dc15a8"
    );
    for name in PROVIDERS {
        let payments = connector(name);
        let payments = payments.payments().unwrap();
        assert!(
            payments.ask_after_s() >= 900 && payments.give_up_after_s() > 3600,
            "{name}"
        );
    }
}

#[test]
fn a_refund_is_signed_as_its_provider_wants() {
    let looked = [Bytes::from_static(b"not refunded yet")];
    let momo = connector("momo");
    let sent = momo.feedback().unwrap();
    let sent = sent.request(
        &refund("4088878653", 580_000),
        attempt(&looked, false),
        now(),
    );
    let sent = body(&sent.unwrap());
    assert_eq!(sent["orderId"], "KH000005724-1-R47a1796c2f874e6d");
    assert_eq!(
        sent["signature"],
        "7d4fb72f163b3072dc875dea0d0d1d50fd76f2032747795b1c1b0afc4ed5dff9"
    );

    let looked = vec![Bytes::from_static(b"no refund under this id"); 4];
    let zalopay = connector("zalopay");
    let sent = zalopay.feedback().unwrap();
    let sent = sent.request(
        &refund("251204000000390", 580_000),
        attempt(&looked, false),
        now(),
    );
    let sent = body(&sent.unwrap());
    assert_eq!(sent["m_refund_id"], "260925_2553_47a1796c2f874e6d3ba1");
    assert_eq!(
        sent["mac"],
        "e6e1df6a1774177039880eda1b992f9921d6ff7f2bd68129d02722af661c5ba1"
    );

    // More was paid than goes back: a refund in part.
    let vnpay = connector("vnpay");
    let sent = vnpay.feedback().unwrap();
    let sent = sent.request(&refund("14226112", 600_000), attempt(&[], false), now());
    let sent = body(&sent.unwrap());
    assert_eq!(sent["vnp_TransactionType"], "03");
    assert_eq!(
        sent["vnp_SecureHash"],
        "722e2bf6a074ffc31a857a95865f5c896b7b760ad805712307c92e9fa523b31fc6fbd895e6d1e8887b9ea5a7c9e671bc170ae5952b51b00bdefd65d870192ba6"
    );
}

#[test]
fn every_try_of_a_refund_has_the_same_id_whenever_it_is_made() {
    for (name, got, field) in [
        ("momo", vec!["not refunded yet"], "orderId"),
        ("momo", vec!["not refunded yet"], "requestId"),
        ("zalopay", vec![], "m_refund_id"),
        ("zalopay", vec!["no refund under this id"], "m_refund_id"),
        ("vnpay", vec![], "vnp_RequestId"),
    ] {
        let channel = connector(name);
        let got: Vec<Bytes> = got.into_iter().map(Bytes::from).collect();
        let id = |at: &str| {
            let feedback = channel.feedback().unwrap();
            let request = feedback.request(&refund("1", 1), attempt(&got, false), call(at));
            body(&request.unwrap())[field].clone()
        };
        let first = id("2026-09-25T03:01:06Z");
        assert!(first.is_string());
        assert_eq!(first, id("2026-09-29T23:59:59Z"), "{name}");
    }
}

/// What a refund is at its provider: an address, and a body's command.
fn moves_money(request: &Request<Bytes>) -> bool {
    request.uri().path().ends_with("/refund") || body(request)["vnp_Command"] == "refund"
}

#[test]
fn after_an_unknown_outcome_every_provider_is_asked_before_money_moves() {
    for name in PROVIDERS {
        let channel = connector(name);
        let Some(feedback) = channel.feedback() else {
            assert_eq!(name, "zalo_checkout");
            continue;
        };
        assert_eq!(feedback.takes(), [NewsKind::Refunded], "{name}");
        let request = feedback
            .request(&refund("1", 580_000), attempt(&[], true), now())
            .unwrap();
        assert!(!moves_money(&request), "{name}");
    }
}

#[test]
fn a_refund_of_zalopay_is_looked_for_under_its_one_id_before_it_is_sent() {
    let channel = connector("zalopay");
    let feedback = channel.feedback().unwrap();
    let task = refund("251204000000390", 580_000);
    let nothing = answer(200, &json!({"return_code": 2, "sub_return_code": -101}));
    // Weeks later, after an outage or a redrive.
    let late = call("2026-10-20T03:00:00Z");
    let look = feedback.request(&task, attempt(&[], true), late).unwrap();
    assert!(!moves_money(&look));
    let Step::Part(part) = feedback.read(&task, attempt(&[], true), &nothing) else {
        panic!("a part")
    };
    let sent = feedback
        .request(&task, attempt(&[part], true), late)
        .unwrap();
    assert!(moves_money(&sent));
    for request in [look, sent] {
        let id = &body(&request)["m_refund_id"];
        assert_eq!(id, "260925_2553_47a1796c2f874e6d3ba1");
    }
}

#[test]
fn a_payment_of_zalopay_is_looked_for_on_every_day_since_the_order() {
    let channel = connector("zalopay");
    let payments = channel.payments().unwrap();
    // Half an hour before midnight in Vietnam, and an hour after it.
    let (placed, now) = (
        "2026-09-24T16:30:00Z",
        "2026-09-24T18:00:00Z".parse().unwrap(),
    );
    let mut next = Some(placed.parse::<Timestamp>().unwrap());
    let mut days = Vec::new();
    while let Some(begun_at) = next {
        let asked = PaymentQuestion {
            begun_at,
            ..question("KH000005724-1", None)
        };
        let request = payments.query(asked, call(placed));
        days.push(body(&request)["app_trans_id"].as_str().unwrap().to_owned());
        next = payments.next_begun_at(begun_at, now);
    }
    assert_eq!(days, ["260924_KH000005724-1", "260925_KH000005724-1"]);
}

#[test]
fn a_refund_of_vnpay_without_an_answer_is_asked_for_and_never_sent_again_in_the_same_try() {
    let channel = connector("vnpay");
    let feedback = channel.feedback().unwrap();
    let task = refund("14226112", 580_000);
    let Step::Part(open) = feedback.read(&task, attempt(&[], false), &answer(504, &json!({})))
    else {
        panic!("a part")
    };
    let got = [open];
    let request = feedback
        .request(&task, attempt(&got, false), now())
        .unwrap();
    assert!(!moves_money(&request));
    let step = feedback.read(&task, attempt(&got, false), &answer(503, &json!({})));
    assert!(
        matches!(step, Step::Done(Outcome::Retry { .. })),
        "{step:?}"
    );
}

/// VNPay's answer to a question about a payment with a refund in part of 580,000 đ.
fn refund_shown(number: &str) -> Response<Bytes> {
    let fields = [
        ("vnp_ResponseId", "r1"),
        ("vnp_Command", "querydr"),
        ("vnp_ResponseCode", "00"),
        ("vnp_Message", "Success"),
        ("vnp_TmnCode", "MAUTEST1"),
        ("vnp_TxnRef", "KH000005724-1"),
        ("vnp_Amount", "58000000"),
        ("vnp_BankCode", "NCB"),
        ("vnp_PayDate", "20251204110012"),
        ("vnp_TransactionNo", number),
        ("vnp_TransactionType", "03"),
        ("vnp_TransactionStatus", "05"),
        ("vnp_OrderInfo", "x"),
        ("vnp_PromotionCode", ""),
        ("vnp_PromotionAmount", ""),
    ];
    let values: Vec<&str> = fields.iter().map(|(_, value)| *value).collect();
    let mut document: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    let secret = SecretString::from("VNPAYTESTSECRET0123456789ABCDEFG");
    let hash = connectors::signature::hmac_sha512_hex_of(&secret, &[values.join("|").as_bytes()]);
    document.insert("vnp_SecureHash".to_owned(), Value::from(hash));
    answer(200, &Value::Object(document))
}

#[test]
fn an_earlier_refund_of_vnpay_is_not_taken_for_a_later_one_of_the_same_amount() {
    let channel = connector("vnpay");
    let feedback = channel.feedback().unwrap();
    let task = |number: Option<&str>| {
        let mut task = refund("14226112", 5_800_000);
        if let News::Refunded { earlier, .. } = &mut task.news {
            earlier.push(EarlierRefund {
                amount: Amount(580_000),
                number: number.map(str::to_owned),
            });
        }
        task
    };
    let look =
        |task: &ChannelTask| feedback.read(task, attempt(&[], true), &refund_shown("14226150"));
    // The one that we know: ours is not there, and is sent.
    let step = look(&task(Some("14226150")));
    assert!(matches!(step, Step::Part(_)), "{step:?}");
    // Another than the one that we know: ours.
    let step = look(&task(Some("14226140")));
    assert!(
        matches!(step, Step::Done(Outcome::Duplicate { .. })),
        "{step:?}"
    );
    // Nobody knows which: not done, not refused, and not sent again.
    let step = look(&task(None));
    assert!(
        matches!(step, Step::Done(Outcome::Retry { .. })),
        "{step:?}"
    );
}

#[test]
fn bank_transfers_are_asked_for_with_a_hidden_credential() {
    let window = PollWindow {
        from: "2026-09-24T16:30:00Z".parse().unwrap(),
        to: "2026-09-25T03:00:00Z".parse().unwrap(),
        cursor: Some("3".to_owned()),
    };
    for (name, credential, details, list) in [
        (
            "sepay",
            "Bearer sepay-api-token-for-tests",
            "https://my.sepay.vn/userapi/transactions/details/90000001",
            "/userapi/transactions/list?transaction_date_min=2026-09-24&transaction_date_max=2026-09-26&limit=5000",
        ),
        (
            "casso",
            "Apikey casso-api-key-for-tests",
            "https://oauth.casso.vn/v2/transactions/90000001",
            "/v2/transactions?fromDate=2026-09-24&toDate=2026-09-25&page=3&pageSize=100&sort=ASC",
        ),
    ] {
        let channel = connector(name);
        let wanted = Wanted::Subject("transaction:90000001");
        let one = channel.fetch(wanted, &[], now()).unwrap();
        assert_eq!(one.uri(), details);
        let polling = channel.polling().unwrap();
        let all = polling.request("transactions", &window, now());
        assert_eq!(all.uri().path_and_query().unwrap(), list);
        for request in [&one, &all] {
            let header = &request.headers()["authorization"];
            assert_eq!(header, credential);
            assert!(header.is_sensitive(), "{name}");
        }
        for wrong in [
            "",
            "order:1",
            "transaction:",
            "transaction:đ",
            "transaction:1 2",
        ] {
            let request = channel.fetch(Wanted::Subject(wrong), &[], now());
            assert!(request.is_none(), "{name}: {wrong}");
        }
        assert!(channel.fetch(Wanted::Order("1"), &[], now()).is_none());
        let every = polling.every_s("transactions");
        assert!((900..=1800).contains(&every) && polling.overlap_s("transactions") > every);
    }
}

#[test]
fn without_a_token_there_is_nothing_to_ask_with() {
    for name in ["sepay", "casso"] {
        let channel = build(
            name,
            &BTreeMap::from([("api_token".to_owned(), Value::Null)]),
        );
        assert!(
            channel.polling().is_none() && channel.fetches().is_empty(),
            "{name}"
        );
        let request = channel.fetch(Wanted::Subject("transaction:1"), &[], now());
        assert!(request.is_none(), "{name}");
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused_by_name() {
    let secret = json!({"$secret": ["s"]});
    for (name, key, value, path) in [
        ("sepay", "api_key", secret.clone(), "secret"),
        ("sepay", "secret", Value::Null, "secret"),
        (
            "sepay",
            "order_code_prefix",
            json!("K1"),
            "order_code_prefix",
        ),
        (
            "sepay",
            "api_token",
            json!({"$secret": ["two\nlines"]}),
            "api_token",
        ),
        ("casso", "secure_token", secret, "checksum_key"),
        ("casso", "checksum_key", Value::Null, "checksum_key"),
        ("casso", "order_code_prefix", json!(""), "order_code_prefix"),
        ("momo", "partner_code", json!(""), "partner_code"),
        ("momo", "base_url", json!("payment.momo.vn"), "base_url"),
        ("zalopay", "app_id", json!("x"), "app_id"),
        ("zalo_checkout", "app_id", json!(""), "app_id"),
        ("vnpay", "tmn_code", json!(""), "tmn_code"),
    ] {
        let mut settings = settings(name);
        let map = settings.as_object_mut().unwrap();
        if value.is_null() {
            map.remove(key);
        } else {
            map.insert(key.to_owned(), value);
        }
        let entry = channels::find(name).unwrap();
        let context = ChannelContext { id: "x".to_owned() };
        let error = (entry.build)(&settings, &context).unwrap_err();
        assert_eq!(error.path, path, "{name}: {error}");
    }
}
