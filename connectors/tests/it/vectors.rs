//! Signature vectors made with the vendors' own and other independent software
//! (`vectors/signatures.json`, with the signed bytes under `vectors/bodies`).
//!
//! Each must verify, and must fail with one byte changed; where the connector exists, the vector
//! goes through it. A vector of a shape that is not known here fails the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use connectors::channel::Channel;
use connectors::channels::{self, ChannelContext};
use connectors::inbound::{Proof, RawWebhook, Rejection, Verdict};
use connectors::settings::Secrets;
use connectors::signature::standard_webhooks::Keys;
use connectors::signature::{self as sign};
use connectors::vietqr::{self, Account};
use domain::money::Amount;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

const COUNT: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors")
}

/// One vector with its fields checked off: what stays unread is a shape that we do not know.
struct Vector {
    name: String,
    fields: BTreeMap<String, Value>,
}

impl Vector {
    fn text(&mut self, field: &str) -> String {
        self.optional(field)
            .unwrap_or_else(|| panic!("{}: no {field}", self.name))
    }

    fn optional(&mut self, field: &str) -> Option<String> {
        self.fields.remove(field).map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    fn map(&mut self, field: &str) -> BTreeMap<String, String> {
        let value = self
            .fields
            .remove(field)
            .unwrap_or_else(|| panic!("{}: no {field}", self.name));
        serde_json::from_value(value).unwrap()
    }

    /// The signed bytes, from their file or written in the vector.
    fn body(&mut self) -> Vec<u8> {
        if let Some(body) = self.optional("body") {
            return body.into_bytes();
        }
        let file = self.text("body_file");
        let body =
            fs::read(root().join("bodies").join(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        if let Some(length) = self.optional("body_len") {
            assert_eq!(length, body.len().to_string(), "{file}");
        }
        if let Some(hash) = self.optional("body_sha256") {
            assert_eq!(hash, connectors::payload::digest(&body), "{file}");
        }
        body
    }

    fn secrets(&mut self, field: &str) -> Secrets {
        Secrets::one(self.text(field)).expect("a secret is not empty")
    }

    fn secret(&mut self, field: &str) -> SecretString {
        SecretString::from(self.text(field))
    }

    /// Fields that describe the vector and are not part of the sum.
    fn note(&mut self, fields: &[&str]) {
        for field in fields {
            self.fields.remove(*field);
        }
    }

    fn finish(self) {
        let unknown: Vec<&String> = self.fields.keys().collect();
        assert!(
            unknown.is_empty(),
            "{}: fields not understood: {unknown:?}",
            self.name
        );
    }
}

/// The check holds, and with one byte of the message or of the signature changed it does not.
fn holds(
    name: &str,
    body: &[u8],
    signature: &str,
    check: impl Fn(&[u8], &str) -> Result<Proof, Rejection>,
) {
    assert!(
        check(body, signature).is_ok(),
        "{name}: {:?}",
        check(body, signature)
    );
    for position in [0, body.len() / 2, body.len() - 1] {
        let mut body = body.to_vec();
        body[position] ^= 1;
        assert!(
            check(&body, signature).is_err(),
            "{name}: body changed at {position}"
        );
    }
    for position in [signature.len() / 2, signature.len() - 2] {
        let changed = changed_at(signature, position);
        assert!(
            check(body, &changed).is_err(),
            "{name}: signature changed at {position}"
        );
    }
}

fn changed_at(text: &str, position: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[position] ^= 1;
    String::from_utf8(bytes).unwrap()
}

fn request(method: Method, uri: &str, headers: &[(&str, &str)], body: &[u8]) -> RawWebhook {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    RawWebhook {
        method,
        uri: uri.parse().unwrap(),
        headers,
        body: body.to_vec().into(),
    }
}

/// The channel of that connector; a vector of one that is gone must not pass in silence.
fn channel(connector: &str, settings: &Value) -> Box<dyn Channel> {
    let entry = channels::find(connector).unwrap_or_else(|| panic!("no connector {connector}"));
    let context = ChannelContext {
        id: "vectors".to_owned(),
    };
    (entry.build)(settings, &context).unwrap_or_else(|error| panic!("{connector}: {error}"))
}

fn resolved(secret: &Secrets) -> Value {
    let values: Vec<&str> = secret
        .all()
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    json!({ "$secret": values })
}

/// Through a connector: believed as it is, refused with one byte of the body changed.
fn through(connector: &str, settings: &Value, raw: &RawWebhook, now: Timestamp) {
    let channel = channel(connector, settings);
    let verdict = channel.verify(raw, now);
    assert!(
        matches!(verdict, Verdict::Message(_)),
        "{connector}: {verdict:?}"
    );
    for position in 0..raw.body.len() {
        let mut body = raw.body.to_vec();
        body[position] ^= 1;
        let raw = RawWebhook {
            body: body.into(),
            ..raw.clone()
        };
        let verdict = channel.verify(&raw, now);
        assert!(
            matches!(verdict, Verdict::Rejected(_)),
            "{connector} at {position}: {verdict:?}"
        );
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn every_vector_verifies_and_fails_with_one_byte_changed() {
    let file: Value =
        serde_json::from_slice(&fs::read(root().join("signatures.json")).unwrap()).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), COUNT, "vectors were added or lost");
    for vector in vectors {
        let fields = vector.as_object().unwrap().clone();
        let name = fields
            .get("name")
            .or(fields.get("id"))
            .and_then(Value::as_str)
            .unwrap()
            .to_owned();
        let mut vector = Vector {
            name: name.clone(),
            fields: fields.into_iter().collect(),
        };
        if vector.fields.contains_key("platform") {
            vector.note(&["id"]);
        }
        vector.note(&[
            "name",
            "produced_by",
            "verified_by",
            "platform",
            "kind",
            "algorithm",
            "published",
        ]);
        check(&name, &mut vector);
        vector.finish();
    }
}

fn check(name: &str, vector: &mut Vector) {
    let (family, rest) = name.split_once(['/', '-']).unwrap_or((name, ""));
    match (family, rest) {
        ("shopee", rest) if rest.starts_with("push") => shopee_push(vector),
        ("shopee", rest) if rest.starts_with("api") => shopee_api(rest, vector),
        ("tiktok", rest) if rest.starts_with("push") => tiktok_push(vector),
        ("lazada" | "tiktok", rest) if rest.starts_with("push") => app_key_and_body(vector),
        ("lazada", rest) if rest.starts_with("api") => lazada_api(vector),
        ("tiktok", rest) if rest.starts_with("api") => tiktok_api(vector),
        ("tiki", "basic-auth") => tiki_basic(vector),
        ("standard_webhooks", "verify_outcomes") => standard_webhooks_outcomes(vector),
        ("standard_webhooks", _) => standard_webhooks(vector),
        ("meta", rest) if rest.starts_with("appsecret_proof") => appsecret_proof(vector),
        ("meta", _) => meta(vector),
        ("woocommerce" | "shopify" | "haravan" | "sapo_web" | "sapo_omni", _) => {
            base64_body(vector);
        }
        ("vnpay", "ipn_success") => vnpay_ipn(vector),
        ("vnpay", "pay_url") => vnpay_pay_url(vector),
        ("zalopay", "callback") => zalopay_callback(vector),
        ("zalopay", _) => hmac_over(vector, "key1", "base_string", "mac"),
        ("zalo_checkout", "callback") => zalo_checkout_callback(vector),
        ("zalo_checkout", _) => hmac_over(vector, "private_key", "mac_base", "mac"),
        ("casso", _) => casso(vector),
        ("vietqr", _) => vietqr(vector),
        ("zalo_oa", _) => zalo_oa(vector),
        ("sepay", "hmac") => sepay(vector),
        ("stringee", _) => stringee(vector),
        ("momo", "ipn_success") => momo_ipn(vector),
        ("momo", _) => hmac_over(vector, "secret_key", "base_string", "signature"),
        _ => panic!("{name}: a vector of a shape that is not known"),
    }
}

fn shopee_push(vector: &mut Vector) {
    let (key, url, body) = (vector.text("key"), vector.text("url"), vector.body());
    let (header, given) = (vector.text("header"), vector.text("expected"));
    let settings = |push_key: &str, url: &str| {
        json!({
            "partner_id": 1, "shop_id": 812_345_678, "callback_url": url,
            "partner_key": {"$secret": ["the partner key"]}, "push_key": {"$secret": [push_key]},
        })
    };
    let raw = request(
        Method::POST,
        "/webhooks/shopee",
        &[(&header, &given)],
        &body,
    );
    if key.is_empty() {
        assert!(sign::shopee_signed_with_empty_key(&url, &body, &given));
        let channel = channel("shopee", &settings("shpk", &url));
        assert!(matches!(channel.verify(&raw, at(0)), Verdict::Ping(_)));
        return;
    }
    let secrets = Secrets::one(key.as_str()).unwrap();
    holds(&vector.name, &body, &given, |body, given| {
        sign::shopee_push(&secrets, &url, body, Some(given))
    });
    through("shopee", &settings(&key, &url), &raw, at(0));
    // The URL is signed to the letter, and nothing may follow the body.
    for wrong in [url.replace("https", "http"), format!("{url}/")] {
        assert!(sign::shopee_push(&secrets, &wrong, &body, Some(&given)).is_err());
    }
    let newline = [body.as_slice(), b"\n"].concat();
    assert!(sign::shopee_push(&secrets, &url, &newline, Some(&given)).is_err());
}

fn shopee_api(rest: &str, vector: &mut Vector) {
    let (key, base, expected) = (
        vector.secret("key"),
        vector.text("base_string"),
        vector.text("expected"),
    );
    assert_eq!(sign::hmac_sha256_hex_of(&key, &[base.as_bytes()]), expected);
    let token = SecretString::from("4f3e2d1c0b9a89786756453423120f1e");
    let made = match rest {
        "api-shop" => {
            let shop = Some((&token, 812_345_678));
            sign::shopee_api_sign(
                &key,
                1_000_001,
                "/api/v2/order/get_order_detail",
                1_790_305_266,
                shop,
            )
        }
        "api-public" => sign::shopee_api_sign(
            &key,
            1_000_001,
            "/api/v2/auth/access_token/get",
            1_790_305_266,
            None,
        ),
        _ => return,
    };
    assert_eq!(made, expected);
}

fn app_key_and_body(vector: &mut Vector) {
    vector.note(&["header"]);
    let (key, app, body) = (vector.secrets("key"), vector.text("app_key"), vector.body());
    let given = vector.text("expected");
    holds(&vector.name, &body, &given, |body, given| {
        sign::hmac_sha256_hex(&key, &[app.as_bytes(), body], "", Some(given))
    });
    assert!(sign::hmac_sha256_hex(&key, &[&body], "", Some(&given)).is_err());
}

fn sorted(params: &BTreeMap<String, String>) -> String {
    params
        .iter()
        .map(|(key, value)| format!("{key}{value}"))
        .collect()
}

fn lazada_api(vector: &mut Vector) {
    let base = vector.text("base_string");
    let (path, params) = (vector.text("path"), vector.map("params"));
    assert_eq!(base, format!("{path}{}", sorted(&params)));
    let pairs: Vec<(&str, &str)> = params.iter().map(|(k, v)| (&**k, &**v)).collect();
    let made = sign::lazada_api_sign(&vector.secret("key"), &path, &pairs);
    assert_eq!(made, vector.text("expected"));
}

fn tiktok_push(vector: &mut Vector) {
    let fields = vector.fields.clone();
    let (key, app, body) = (vector.text("key"), vector.text("app_key"), vector.body());
    let (header, given) = (vector.text("header"), vector.text("expected"));
    let settings = json!({
        "app_key": app, "app_secret": {"$secret": [key]},
        "shop_id": "7495812345678901234", "shop_cipher": "GCP_madeUpCipher0001",
    });
    let raw = request(
        Method::POST,
        "/webhooks/tiktok",
        &[(&header, &given)],
        &body,
    );
    through("tiktok_shop", &settings, &raw, at(0));
    vector.fields = fields;
    app_key_and_body(vector);
}

fn tiktok_api(vector: &mut Vector) {
    let (key, base) = (vector.secret("key"), vector.text("base_string"));
    let (path, query, body) = (
        vector.text("path"),
        vector.map("query"),
        vector.text("body"),
    );
    let secret = key.expose_secret();
    assert_eq!(
        base,
        format!("{secret}{path}{}{body}{secret}", sorted(&query))
    );
    let expected = vector.text("expected");
    assert_eq!(sign::hmac_sha256_hex_of(&key, &[base.as_bytes()]), expected);
    // In any order, and whatever stands beside it that is not covered.
    let mut pairs: Vec<(&str, &str)> = query
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    pairs.reverse();
    pairs.extend([("sign", "00"), ("access_token", "t")]);
    let made = sign::tiktok_api_sign(&key, &path, &pairs, body.as_bytes());
    assert_eq!(made, expected);
}

fn tiki_basic(vector: &mut Vector) {
    let (key, base) = (vector.secret("key"), vector.text("base_string"));
    let (user, _) = base.split_once(':').unwrap();
    assert_eq!(
        sign::basic_auth(user, &key).expose_secret(),
        vector.text("expected")
    );
}

const WEBHOOK_HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

fn standard_webhook(id: &str, timestamp: i64, signature: &str, body: &[u8]) -> RawWebhook {
    let timestamp = timestamp.to_string();
    let [a, b, c] = WEBHOOK_HEADERS;
    request(
        Method::POST,
        "/webhooks/web",
        &[(a, id), (b, &timestamp), (c, signature)],
        body,
    )
}

fn standard_webhooks(vector: &mut Vector) {
    vector.note(&["note", "headers"]);
    let (id, body, signature) = (vector.text("id"), vector.body(), vector.text("signature"));
    let timestamp: i64 = vector.text("timestamp").parse().unwrap();
    let current = vector.secrets("secret");
    let old = vector
        .optional("old_secret")
        .map(|old| Secrets::one(old).unwrap());
    for secrets in [Some(current.clone()), old.clone()].into_iter().flatten() {
        let keys = Keys::new(&secrets).unwrap();
        let check = |body: &[u8], signature: &str| {
            keys.verify(
                &standard_webhook(&id, timestamp, signature, body),
                at(timestamp),
                300,
            )
        };
        assert!(check(&body, &signature).is_ok());
        if old.is_none() {
            holds(&vector.name, &body, &signature, check);
            assert_eq!(keys.sign(&id, timestamp, &body), signature);
        }
        let raw = standard_webhook(&id, timestamp, &signature, &body);
        through(
            "website",
            &json!({ "secret": resolved(&secrets) }),
            &raw,
            at(timestamp),
        );
    }
}

/// What the reference library said of the rotation vector, case by case.
fn standard_webhooks_outcomes(vector: &mut Vector) {
    let outcomes = vector.map("outcomes");
    assert_eq!(outcomes.len(), 9);
    let new = Keys::new(&Secrets::one("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()).unwrap();
    let old = Keys::new(&Secrets::one("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap()).unwrap();
    let (id, ts) = ("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", 1_764_820_800);
    let body = fs::read(root().join("bodies/standard_webhooks/order_created.json")).unwrap();
    let both = format!("{} {}", old.sign(id, ts, &body), new.sign(id, ts, &body));
    let one = new.sign(id, ts, &body);
    for (case, expected) in outcomes {
        let (keys, now, signature) = match case.as_str() {
            "rotation header, new secret, now=ts" => (&new, ts, both.clone()),
            "rotation header, old secret, now=ts" => (&old, ts, both.clone()),
            "now=ts+300" => (&new, ts + 300, one.clone()),
            "now=ts+301" => (&new, ts + 301, one.clone()),
            "now=ts-300" => (&new, ts - 300, one.clone()),
            "now=ts-301" => (&new, ts - 301, one.clone()),
            "signature with v2, prefix only" => (&new, ts, one.replace("v1,", "v2,")),
            "signature without comma" => (&new, ts, one.replace("v1,", "")),
            "unknown version then valid" => (&new, ts, format!("v9,AAAA {one}")),
            other => panic!("an outcome that is not known: {other}"),
        };
        let result = keys.verify(&standard_webhook(id, ts, &signature, &body), at(now), 300);
        match expected.as_str() {
            "ok" => assert!(result.is_ok(), "{case}: {result:?}"),
            "Message timestamp too old" | "Message timestamp too new" => {
                assert_eq!(result.unwrap_err(), Rejection::StaleTimestamp, "{case}");
            }
            "No matching signature found" => assert!(result.is_err(), "{case}"),
            other => panic!("{case}: an outcome that is not known: {other}"),
        }
    }
}

fn meta(vector: &mut Vector) {
    vector.note(&["header"]);
    let (secrets, body, given) = (
        vector.secrets("secret"),
        vector.body(),
        vector.text("signature"),
    );
    holds(&vector.name, &body, &given, |body, given| {
        sign::hmac_sha256_hex(&secrets, &[body], "sha256=", Some(given))
    });
    let settings = json!({
        "app_secret": resolved(&secrets), "verify_token": {"$secret": ["token"]}, "page_tokens": {},
    });
    let raw = request(
        Method::POST,
        "/webhooks/facebook",
        &[("X-Hub-Signature-256", &given)],
        &body,
    );
    through("facebook", &settings, &raw, at(0));
}

fn appsecret_proof(vector: &mut Vector) {
    let (secret, token) = (vector.secret("app_secret"), vector.secret("access_token"));
    assert_eq!(
        sign::appsecret_proof(&secret, &token),
        vector.text("appsecret_proof")
    );
}

/// Kind B: the raw body, base64, through the shop's own connector.
fn base64_body(vector: &mut Vector) {
    let header = vector.text("header");
    let (secrets, body, given) = (
        vector.secrets("secret"),
        vector.body(),
        vector.text("signature"),
    );
    holds(&vector.name, &body, &given, |body, given| {
        sign::hmac_sha256_base64(&secrets, body, Some(given))
    });
    let connector = vector.name.split('/').next().unwrap_or_default().to_owned();
    let mut settings = json!({
        "secret": resolved(&secrets), "base_url": "https://shop.example.invalid",
    });
    let credentials: &[&str] = match connector.as_str() {
        "woocommerce" => &["consumer_key", "consumer_secret"],
        _ => &["access_token"],
    };
    for name in credentials {
        settings[*name] = json!({"$secret": ["a-credential"]});
    }
    let raw = request(Method::POST, "/webhooks/shop", &[(&header, &given)], &body);
    through(&connector, &settings, &raw, at(0));
}

fn vnpay_ipn(vector: &mut Vector) {
    vector.note(&["lib_verify", "lib_verify_tampered"]);
    let (secrets, query) = (vector.secrets("secret"), vector.text("query_delivered"));
    assert_eq!(sign::vnpay_base(&query), vector.text("base_string"));
    assert!(query.contains(&vector.text("secure_hash")));
    assert!(sign::vnpay_query(&secrets, &query).is_ok());
    let tampered = query.replace("vnp_Amount=58000000", "vnp_Amount=58000001");
    assert_eq!(
        sign::vnpay_query(&secrets, &tampered).unwrap_err(),
        Rejection::BadSignature
    );
    let settings = json!({"tmn_code": "MAUTEST1", "hash_secret": resolved(&secrets)});
    for (query, believed) in [(&query, true), (&tampered, false)] {
        let raw = request(Method::GET, &format!("/webhooks/vnpay?{query}"), &[], b"");
        let channel = channel("vnpay", &settings);
        let verdict = channel.verify(&raw, at(0));
        assert_eq!(
            matches!(verdict, Verdict::Message(_)),
            believed,
            "{verdict:?}"
        );
    }
}

fn vnpay_pay_url(vector: &mut Vector) {
    let (secrets, url) = (vector.secrets("secret"), vector.text("url"));
    let (base, hash) = (vector.text("base_string"), vector.text("secure_hash"));
    let (_, query) = url.split_once('?').unwrap();
    assert_eq!(sign::vnpay_base(query), base);
    assert_eq!(
        sign::hmac_sha512_hex_of(secrets.primary(), &[base.as_bytes()]),
        hash
    );
    assert!(sign::vnpay_query(&secrets, query).is_ok());
    assert!(sign::vnpay_query(&secrets, &query.replace("Locale=vn", "Locale=vm")).is_err());
}

fn zalopay_callback(vector: &mut Vector) {
    let body = vector.body();
    let envelope: Value = serde_json::from_slice(&body).unwrap();
    let (data, mac) = (vector.text("data"), vector.text("mac"));
    assert_eq!(
        (&envelope["data"], &envelope["mac"]),
        (&json!(data), &json!(mac))
    );
    let secrets = vector.secrets("key2");
    holds(&vector.name, data.as_bytes(), &mac, |data, mac| {
        sign::hmac_sha256_hex(&secrets, &[data], "", Some(mac))
    });
    let settings = json!({
        "app_id": 2553, "key1": {"$secret": ["key1"]}, "key2": resolved(&secrets),
    });
    let raw = request(Method::POST, "/webhooks/zalopay", &[], &body);
    through("zalopay", &settings, &raw, at(0));
}

fn zalo_checkout_callback(vector: &mut Vector) {
    let body = vector.body();
    let envelope: Value = serde_json::from_slice(&body).unwrap();
    let secrets = vector.secrets("private_key");
    for (base, mac) in [("mac_base", "mac"), ("overall_base", "overallMac")] {
        let (base, given) = (vector.text(base), vector.text(mac));
        assert_eq!(envelope[mac], json!(given));
        holds(&vector.name, base.as_bytes(), &given, |base, given| {
            sign::hmac_sha256_hex(&secrets, &[base], "", Some(given))
        });
    }
    let settings = json!({"app_id": "4012345678901234567", "private_key": resolved(&secrets)});
    let raw = request(Method::POST, "/webhooks/zalo-checkout", &[], &body);
    through("zalo_checkout", &settings, &raw, at(0));
}

fn hmac_over(vector: &mut Vector, key: &str, base: &str, mac: &str) {
    let (secrets, base, mac) = (vector.secrets(key), vector.text(base), vector.text(mac));
    assert_eq!(
        sign::hmac_sha256_hex_of(secrets.primary(), &[base.as_bytes()]),
        mac
    );
    holds(&vector.name, base.as_bytes(), &mac, |base, mac| {
        sign::hmac_sha256_hex(&secrets, &[base], "", Some(mac))
    });
}

fn momo_ipn(vector: &mut Vector) {
    let bytes = vector.body();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    let (access_key, base) = (
        vector.text("access_key"),
        vector.fields["base_string"].clone(),
    );
    assert_eq!(body["signature"], vector.fields["signature"]);
    assert!(
        base.as_str()
            .unwrap()
            .starts_with(&format!("accessKey={access_key}&amount="))
    );
    let settings = json!({
        "partner_code": body["partnerCode"],
        "access_key": {"$secret": [access_key]},
        "secret_key": {"$secret": [vector.fields["secret_key"]]},
    });
    let raw = request(Method::POST, "/webhooks/momo", &[], &bytes);
    through("momo", &settings, &raw, at(0));
    hmac_over(vector, "secret_key", "base_string", "signature");
}

fn casso(vector: &mut Vector) {
    let header = vector.text("header");
    let (secrets, body, given) = (
        vector.secrets("checksum_key"),
        vector.body(),
        vector.text("signature"),
    );
    let timestamp = vector.text("timestamp_ms");
    assert!(
        vector
            .text("base_string")
            .starts_with(&format!("{timestamp}.{{\"data\":"))
    );
    holds(&vector.name, &body, &given, |body, given| {
        sign::casso(&secrets, body, Some(given))
    });
    let settings = json!({"checksum_key": resolved(&secrets), "order_code_prefix": "KH"});
    let raw = request(Method::POST, "/webhooks/casso", &[(&header, &given)], &body);
    through("casso", &settings, &raw, at(0));
}

fn vietqr(vector: &mut Vector) {
    vector.note(&["decoded"]);
    let payload = vector.text("payload");
    if let Some(bank_bin) = vector.optional("bank_bin") {
        let (number, purpose) = (vector.text("account"), vector.text("purpose"));
        let amount = Amount(vector.text("amount").parse().unwrap());
        let account = Account {
            bank_bin: &bank_bin,
            number: &number,
        };
        let made = vietqr::payload(account, Some(amount), Some(&purpose));
        assert_eq!(made.as_deref(), Ok(&*payload));
    }
    let (text, checksum) = payload.split_at(payload.len() - 4);
    assert_eq!(sign::vietqr_checksum(text), checksum);
    assert_ne!(sign::vietqr_checksum(&changed_at(text, 20)), checksum);
}

fn zalo_oa(vector: &mut Vector) {
    let header = vector.text("header");
    let (secrets, app, body) = (
        vector.secrets("oa_secret_key"),
        vector.text("app_id"),
        vector.body(),
    );
    let (timestamp, given) = (vector.text("timestamp"), vector.text("signature"));
    let check =
        |body: &[u8], given: &str| sign::zalo_oa(&secrets, &app, body, &timestamp, Some(given));
    holds(&vector.name, &body, &given, check);
    assert!(
        check(&body, given.strip_prefix("mac=").unwrap()).is_ok(),
        "the prefix may be missing"
    );
    let settings = json!({
        "app_id": app, "oa_id": "4000000000000000045", "oa_secret": resolved(&secrets),
        "app_secret": {"$secret": ["app"]},
    });
    let now = at(timestamp.parse::<i64>().unwrap() / 1000);
    through(
        "zalo",
        &settings,
        &request(Method::POST, "/webhooks/zalo", &[(&header, &given)], &body),
        now,
    );
}

fn sepay(vector: &mut Vector) {
    let (secrets, body, headers) = (
        vector.secrets("secret"),
        vector.body(),
        vector.map("headers"),
    );
    let (timestamp, given) = (&headers["X-SePay-Timestamp"], &headers["X-SePay-Signature"]);
    let sent: i64 = timestamp.parse().unwrap();
    let check = |body: &[u8], given: &str, now: i64| {
        sign::timestamped_body(&secrets, Some(timestamp), body, Some(given), at(now), 300)
    };
    holds(&vector.name, &body, given, |body, given| {
        check(body, given, sent + 300)
    });
    assert_eq!(
        check(&body, given, sent + 301).unwrap_err(),
        Rejection::StaleTimestamp
    );
    let settings = json!({"secret": resolved(&secrets), "order_code_prefix": "KH"});
    let signed = [
        ("x-sepay-timestamp", &**timestamp),
        ("x-sepay-signature", &**given),
    ];
    let raw = request(Method::POST, "/webhooks/sepay", &signed, &body);
    through("sepay", &settings, &raw, at(sent));
}

fn stringee(vector: &mut Vector) {
    vector.note(&["header"]);
    let (secrets, signed, given) = (
        vector.secrets("signing_secret"),
        vector.body(),
        vector.text("signature"),
    );
    holds(&vector.name, &signed, &given, |signed, given| {
        sign::hmac_sha1_base64(&secrets, signed, Some(given))
    });
    let secret = secrets.primary().expose_secret();
    let settings = json!({"signing_secret": {"$secret": [secret]}, "answer": "agent_1"});
    let header = [("x-stringee-signature", &*given)];
    if vector.name.ends_with(".json") {
        let raw = request(Method::POST, "/webhooks/stringee", &header, &signed);
        through("stringee", &settings, &raw, at(0));
    } else {
        let target = String::from_utf8(signed).unwrap();
        let raw = request(Method::GET, target.trim_end(), &header, b"");
        let channel = channel("stringee", &settings);
        assert!(matches!(channel.verify(&raw, at(0)), Verdict::Ping(_)));
    }
}
