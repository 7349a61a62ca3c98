//! Signatures made by npm `vnpay` 2.5.0.

use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::inbound::Source;

const SECRET: &str = "VNPAYTESTSECRET0123456789ABCDEFG";
const IPN: &str = "vnp_TxnRef=SO-000123-1&vnp_TransactionStatus=00&vnp_ResponseCode=00&vnp_TransactionNo=14226112&vnp_OrderInfo=Thanh+toan+don+hang+SO-000123+%282+SP%29+%26+phu+kien&vnp_PayDate=20251204110012&vnp_CardType=ATM&vnp_BankTranNo=VNP14226112&vnp_BankCode=NCB&vnp_Amount=58000000&vnp_TmnCode=MAUTEST1&vnp_SecureHashType=HmacSHA512&vnp_SecureHash=ad0e47b247803de7389c45d55a00a72fba2aa4d2a7c6eba3e2bf6a624c69c777f8417fc4769c1bddcaa260d4145c323598c29a151c76dc2efdba9252c694ab1b";
/// Sent by the library's own server in a live run; the secret is the one of that run.
const CAPTURED: &str = "vnp_Amount=1398000000&vnp_BankCode=NCB&vnp_BankTranNo=VNP14226112&vnp_CardType=ATM&vnp_OrderInfo=Thanh+toan+don+hang+WEB-1001%3A+M%C3%A1y+l%E1%BB%8Dc+n%C6%B0%E1%BB%9Bc&vnp_PayDate=20261124101500&vnp_ResponseCode=00&vnp_TmnCode=2QXUI4B4&vnp_TransactionNo=14226112&vnp_TransactionStatus=00&vnp_TxnRef=WEB-1001&vnp_SecureHash=6ca3ba1665ad14013f6644bb809a4e1ff5584e7d112037550e618f6cd4499b8f1ae650da217bf73982a88ccaad0336560c65091b2a194f90680e509d56329ef5";

fn channel_of(tmn_code: &str, secret: &str) -> Box<dyn Channel> {
    build(
        &json!({ "tmn_code": tmn_code, "hash_secret": { "$secret": [secret] } }),
        &ChannelContext {
            id: "vnpay".to_owned(),
        },
    )
    .unwrap()
}

fn channel() -> Box<dyn Channel> {
    channel_of("MAUTEST1", SECRET)
}

fn ipn() -> &'static str {
    IPN
}

fn get(query: &str) -> RawWebhook {
    RawWebhook {
        method: Method::GET,
        uri: format!("/webhooks/vnpay?{query}").parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

fn holds(channel: &dyn Channel, query: &str) -> bool {
    matches!(
        channel.verify(&get(query), Timestamp::UNIX_EPOCH),
        Verdict::Message(_)
    )
}

fn message(query: &str) -> VerifiedWebhook {
    VerifiedWebhook::from_inbox(Source::Push, None, query.to_owned(), Bytes::new())
}

fn payment(query: &str) -> PaymentNotice {
    let notices = channel().parse(&message(query)).unwrap();
    match notices.into_iter().next().unwrap().body {
        NoticeBody::Payment(payment) => payment,
        body => panic!("{body:?}"),
    }
}

#[test]
fn the_librarys_messages_are_believed_in_any_order_and_either_case() {
    let channel = channel();
    assert!(holds(channel.as_ref(), ipn()));
    assert!(holds(
        channel_of("2QXUI4B4", "SECRETSECRETSECRETSECRET").as_ref(),
        CAPTURED
    ));
    let mut pairs: Vec<&str> = ipn().split('&').collect();
    pairs.reverse();
    assert!(holds(channel.as_ref(), &pairs.join("&")));
    let (fields, hash) = ipn().split_once("vnp_SecureHash=").unwrap();
    let upper = format!("{fields}vnp_SecureHash={}", hash.to_uppercase());
    assert!(holds(channel.as_ref(), &upper));
    // Fields of our own address, and empty ones, are not signed.
    let more = format!("from=console&{}&vnp_Bill=", ipn());
    assert!(holds(channel.as_ref(), &more));
}

#[test]
fn a_message_spelled_anew_on_the_way_is_still_believed() {
    let respelled = ipn()
        .replace('+', "%20")
        .replace("%282+SP%29", "(2%20SP)")
        .replace("%28", "(")
        .replace("%29", ")");
    assert_ne!(respelled, ipn());
    assert!(holds(channel().as_ref(), &respelled));
}

#[test]
fn a_changed_message_is_not_believed() {
    let channel = channel();
    let hash = ipn().find("vnp_SecureHashType").unwrap();
    for (at, _) in ipn().char_indices() {
        // The hash's type is not signed, and a change of case of the hash means nothing.
        if (hash..).contains(&at) {
            continue;
        }
        let mut bytes = ipn().as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(!holds(channel.as_ref(), &changed), "at {at}: {changed}");
    }
    for (changed, rejection) in [
        (
            ipn().replace("vnp_SecureHash=ad", "vnp_SecureHash=ae"),
            Rejection::BadSignature,
        ),
        (
            ipn().replace("vnp_SecureHash=ad", "vnp_SecureHash=zz"),
            Rejection::MalformedSignature,
        ),
        (
            ipn().split_once("&vnp_SecureHash=").unwrap().0.to_owned(),
            Rejection::MissingSignature,
        ),
        // A second amount, before or after the signed one.
        (format!("vnp_Amount=1&{}", ipn()), Rejection::BadSignature),
        (format!("{}&vnp_Amount=1", ipn()), Rejection::BadSignature),
    ] {
        match channel.verify(&get(&changed), Timestamp::UNIX_EPOCH) {
            Verdict::Rejected(seen) => assert_eq!(seen, rejection, "{changed}"),
            verdict => panic!("{verdict:?}"),
        }
    }
}

#[test]
fn another_terminals_money_is_not_ours() {
    let verdict = channel_of("OTHER001", SECRET).verify(&get(ipn()), Timestamp::UNIX_EPOCH);
    assert!(matches!(verdict, Verdict::Rejected(Rejection::Malformed)));
    let mut post = get(ipn());
    post.method = Method::POST;
    let verdict = channel().verify(&post, Timestamp::UNIX_EPOCH);
    assert!(matches!(verdict, Verdict::Rejected(Rejection::Malformed)));
}

#[test]
fn a_payment_is_read_exactly() {
    assert_eq!(
        payment(ipn()),
        PaymentNotice {
            reference: "SO-000123-1".to_owned(),
            transaction: "14226112".to_owned(),
            amount: Amount(580_000),
            state: PaymentState::Paid,
            // 11:00:12 in Vietnam.
            at: "2025-12-04T04:00:12Z".parse().unwrap(),
            provider_code: "00/00".to_owned(),
        }
    );
    assert_eq!(
        channel().preflight(&message(ipn())),
        Some(Preflight::Payment {
            reference: "SO-000123-1".to_owned(),
            amount: 580_000
        })
    );
    assert_eq!(
        channel().dedup_key(&message(ipn())),
        "SO-000123-1:14226112:00"
    );
}

#[test]
fn money_is_received_only_when_both_codes_say_so() {
    let state = |response: &str, status: &str| {
        payment(
            &ipn()
                .replace(
                    "vnp_ResponseCode=00",
                    &format!("vnp_ResponseCode={response}"),
                )
                .replace(
                    "vnp_TransactionStatus=00",
                    &format!("vnp_TransactionStatus={status}"),
                ),
        )
        .state
    };
    assert_eq!(state("00", "00"), PaymentState::Paid);
    assert_eq!(state("00", "02"), PaymentState::Failed);
    assert_eq!(state("00", "01"), PaymentState::Failed);
    assert_eq!(state("00", ""), PaymentState::Failed);
    assert_eq!(state("24", "00"), PaymentState::Failed);
    assert_eq!(state("24", "02"), PaymentState::Failed);
    assert_eq!(state("07", "00"), PaymentState::Suspect);
    assert_eq!(state("00", "07"), PaymentState::Suspect);
}

#[test]
fn a_field_that_cannot_be_read_is_named() {
    let what = |from: &str, to: &str| {
        channel()
            .parse(&message(&ipn().replace(from, to)))
            .unwrap_err()
            .what
    };
    let amount = "vnp_Amount: expected whole đồng times 100";
    assert_eq!(what("Amount=58000000", "Amount=58000050"), amount);
    assert_eq!(what("Amount=58000000", "Amount=-58000000"), amount);
    assert_eq!(
        what("Amount=58000000", "Amount=99999999999999999999"),
        amount
    );
    assert_eq!(what("Amount=58000000", "Amount="), "vnp_Amount: missing");
    assert_eq!(
        what("PayDate=20251204110012", "PayDate=20251304110012"),
        "vnp_PayDate: expected yyyyMMddHHmmss"
    );
    assert_eq!(what("vnp_TxnRef", "vnp_X"), "vnp_TxnRef: missing");
    let twice = format!("{}&vnp_Amount=1", ipn());
    assert_eq!(
        channel().parse(&message(&twice)).unwrap_err().what,
        "a field is repeated"
    );
}

#[test]
fn every_outcome_is_answered_with_vnpays_own_code_and_http_200() {
    let channel = channel();
    let replies: Value = serde_json::from_str(
        r#"{"ok":{"RspCode":"00","Message":"Confirm Success"},"not_found":{"RspCode":"01","Message":"Order not found"},"already":{"RspCode":"02","Message":"Order already confirmed"},"amount":{"RspCode":"04","Message":"Invalid amount"},"checksum":{"RspCode":"97","Message":"Fail checksum"},"unknown":{"RspCode":"99","Message":"Unknown error"}}"#,
    )
    .unwrap();
    use PaymentAnswer::{AlreadyPaid, Due, UnknownOrder, WrongAmount};
    for (received, reply) in [
        (Received::Stored(Some(Due)), "ok"),
        (Received::Stored(Some(UnknownOrder)), "not_found"),
        (Received::Stored(Some(WrongAmount)), "amount"),
        (Received::Stored(Some(AlreadyPaid)), "already"),
        (Received::Stored(None), "unknown"),
        (Received::Duplicate(Some(Due)), "already"),
        (Received::Duplicate(Some(AlreadyPaid)), "already"),
        (Received::Duplicate(Some(UnknownOrder)), "not_found"),
        (Received::Duplicate(Some(WrongAmount)), "amount"),
        (Received::Duplicate(None), "unknown"),
        (Received::Rejected(Rejection::BadSignature), "checksum"),
        (Received::Rejected(Rejection::Malformed), "checksum"),
        (Received::Unavailable, "unknown"),
    ] {
        let answer = channel.acknowledge(&received);
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.content_type, Some("application/json"));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body, replies[reply], "{received:?}");
    }
}

proptest! {
    /// Any query at all ends with a value or an error, and none is believed.
    #[test]
    fn a_changed_query_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 33_u8..127), 1..8),
    ) {
        let mut bytes = ipn().as_bytes().to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let query = String::from_utf8(bytes).unwrap();
        let channel = channel();
        let message = message(&query);
        prop_assert_eq!(channel.parse(&message), channel.parse(&message));
        prop_assert!(!channel.dedup_key(&message).is_empty());
        channel.preflight(&message);
    }

    /// Amounts survive the hundredfold and back.
    #[test]
    fn amounts_are_exact(amount in 0_i64..=92_233_720_368_547_758) {
        let query = ipn().replace("58000000", &format!("{amount}00"));
        prop_assert_eq!(payment(&query).amount, Amount(amount));
    }
}
