//! Properties of the checks; the vendors' vectors are in `tests/vectors.rs`.

use http::{HeaderMap, HeaderValue, Method, Uri};
use proptest::prelude::*;

use super::*;
use crate::inbound::RawWebhook;

fn secrets(value: &str) -> Secrets {
    Secrets::one(value).unwrap()
}

fn webhook(id: &str, at: i64, signature: &str, body: &[u8]) -> RawWebhook {
    let mut headers = HeaderMap::new();
    let at = at.to_string();
    for (name, value) in [
        ("webhook-id", id),
        ("webhook-timestamp", &at),
        ("webhook-signature", signature),
    ] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    RawWebhook {
        method: Method::POST,
        uri: Uri::from_static("/webhooks/web"),
        headers,
        body: body.to_vec().into(),
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap()
}

#[test]
fn the_window_of_standard_webhooks_is_inclusive_on_both_sides() {
    let keys =
        standard_webhooks::Keys::new(&secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
    let raw = webhook("m", 1000, &keys.sign("m", 1000, b"{}"), b"{}");
    for now in [700, 1000, 1300] {
        assert!(keys.verify(&raw, second(now), 300).is_ok(), "{now}");
    }
    for now in [699, 1301] {
        assert_eq!(
            keys.verify(&raw, second(now), 300).unwrap_err(),
            Rejection::StaleTimestamp
        );
    }
}

#[test]
fn a_forged_message_is_never_called_stale() {
    let keys =
        standard_webhooks::Keys::new(&secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
    let raw = webhook("m", 1, "v1,AAAA", b"{}");
    assert_eq!(
        keys.verify(&raw, second(9_999_999), 300).unwrap_err(),
        Rejection::BadSignature
    );
}

#[test]
fn a_secret_that_is_not_base64_is_refused_when_it_is_read() {
    for wrong in ["whsec_", "whsec_not base64!", "whsec_đ"] {
        assert!(
            standard_webhooks::Keys::new(&secrets(wrong)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn an_empty_or_cut_signature_is_refused() {
    let key = secrets("k");
    let whole = hmac_sha256_hex_of(key.primary(), &[b"body"]);
    assert!(hmac_sha256_hex(&key, &[b"body"], "", Some(&whole)).is_ok());
    assert!(hmac_sha256_hex(&key, &[b"body"], "", Some(&whole.to_uppercase())).is_ok());
    for (given, why) in [
        (None, Rejection::MissingSignature),
        (Some(""), Rejection::MissingSignature),
        (Some("zz"), Rejection::MalformedSignature),
        (Some(&whole[..62]), Rejection::BadSignature),
    ] {
        assert_eq!(
            hmac_sha256_hex(&key, &[b"body"], "", given).unwrap_err(),
            why
        );
    }
}

#[test]
fn a_static_token_must_be_equal() {
    let key = secrets("token-1");
    assert!(token(&key, Some("token-1")).is_ok());
    for wrong in ["token-2", "token-", "token-11", ""] {
        assert_eq!(
            token(&key, Some(wrong)).unwrap_err(),
            Rejection::BadSignature
        );
    }
}

#[test]
fn an_empty_key_is_recognised_but_proves_nothing() {
    let tag = {
        let mac = fed::<HmacSha256>(b"", &[b"https://a", b"|", b"{}"]);
        hex::encode(mac.finalize().into_bytes())
    };
    assert!(shopee_signed_with_empty_key("https://a", b"{}", &tag));
    assert!(shopee_push(&secrets("k"), "https://a", b"{}", Some(&tag)).is_err());
}

proptest! {
    #[test]
    fn no_header_makes_a_check_panic(given in ".{0,80}", body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let key = secrets("k");
        let keys = standard_webhooks::Keys::new(&secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        prop_assert!(hmac_sha256_hex(&key, &[&body], "sha256=", Some(&given)).is_err());
        prop_assert!(hmac_sha256_base64(&key, &body, Some(&given)).is_err());
        prop_assert!(hmac_sha1_base64(&key, &body, Some(&given)).is_err());
        prop_assert!(zalo_oa(&key, "1", &body, "2", Some(&given)).is_err());
        prop_assert!(vnpay_query(&key, &given).is_err());
        prop_assert!(casso(&key, &body, Some(&given)).is_err());
        prop_assert!(timestamped_body(&key, Some(&given), &body, Some(&given), second(0), 300).is_err());
        if let Ok(value) = HeaderValue::from_str(&given) {
            let mut raw = webhook("m", 0, "v1,AAAA", &body);
            raw.headers.insert("webhook-signature", value);
            prop_assert!(keys.verify(&raw, second(0), 300).is_err());
        }
    }

    #[test]
    fn what_we_sign_with_two_keys_verifies_with_either(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let old = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let both: Secrets = serde_json::from_value(serde_json::json!({"$secret": [new, old]})).unwrap();
        let signature = standard_webhooks::Keys::new(&both).unwrap().sign("m", 7, &body);
        for one in [old, new] {
            let keys = standard_webhooks::Keys::new(&secrets(one)).unwrap();
            prop_assert!(keys.verify(&webhook("m", 7, &signature, &body), second(7), 0).is_ok());
        }
    }
}
