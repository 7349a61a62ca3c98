//! Every signature that the simulated partners make or check, written from the vendors' rules
//! and held against `vectors/signatures.json`. It shares no code with the gateway, so that a
//! mistake made on one side shows up as a refused message instead of hiding on both.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// HMAC-SHA256 of `parts` joined without a separator.
fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// One `v1,` entry of Standard Webhooks over `{id}.{timestamp}.{body}`.
///
/// The secret is `whsec_` and base64; a secret that is not base64 is used as its bytes, which is
/// wrong on purpose rather than silent: the other side then refuses the signature.
pub fn standard(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> String {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD
        .decode(encoded)
        .unwrap_or_else(|_| encoded.as_bytes().to_vec());
    let seconds = timestamp.to_string();
    let mac = hmac_sha256(&key, &[id.as_bytes(), b".", seconds.as_bytes(), b".", body]);
    format!("v1,{}", STANDARD.encode(mac))
}

/// Whether one of the space-separated entries of `header` is the signature of `body`.
pub fn standard_matches(secret: &str, id: &str, timestamp: i64, body: &[u8], header: &str) -> bool {
    let expected = standard(secret, id, timestamp, body);
    header.split(' ').any(|entry| entry == expected)
}

/// Shopee's push signature: lower hex over `callback_url|raw_body`.
pub fn shopee_push(push_key: &str, callback_url: &str, body: &[u8]) -> String {
    hex::encode(hmac_sha256(
        push_key.as_bytes(),
        &[callback_url.as_bytes(), b"|", body],
    ))
}

/// Shopee's API signature over the plain base string
/// `partner_id + path + timestamp [+ access_token + shop_id]`.
pub fn shopee_api(partner_key: &str, base: &str) -> String {
    hex::encode(hmac_sha256(partner_key.as_bytes(), &[base.as_bytes()]))
}

/// TikTok Shop's webhook signature: lower hex over `app_key + raw_body`.
pub fn tiktok_push(app_secret: &str, app_key: &str, body: &[u8]) -> String {
    hex::encode(hmac_sha256(
        app_secret.as_bytes(),
        &[app_key.as_bytes(), body],
    ))
}

/// TikTok Shop's API signature: path, sorted pairs and body between two copies of the secret, and
/// that secret as the key. `sign` and `access_token` stay out.
pub fn tiktok_api<'a>(
    app_secret: &str,
    path: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) -> String {
    let mut pairs: Vec<(&str, &str)> = pairs
        .into_iter()
        .filter(|(name, _)| *name != "sign" && *name != "access_token")
        .collect();
    pairs.sort_unstable();
    let mut text = format!("{app_secret}{path}");
    for (name, value) in pairs {
        text.push_str(name);
        text.push_str(value);
    }
    hex::encode(hmac_sha256(
        app_secret.as_bytes(),
        &[text.as_bytes(), body, app_secret.as_bytes()],
    ))
}

/// Lazada's push signature: lower hex over `app_key + raw_body`.
pub fn lazada_push(app_secret: &str, app_key: &str, body: &[u8]) -> String {
    hex::encode(hmac_sha256(
        app_secret.as_bytes(),
        &[app_key.as_bytes(), body],
    ))
}

/// Lazada's API signature: path and sorted pairs, upper hex. `pairs` are without `sign`.
pub fn lazada_api<'a>(
    app_secret: &str,
    path: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
    pairs.sort_unstable();
    let mut text = path.to_owned();
    for (name, value) in pairs {
        text.push_str(name);
        text.push_str(value);
    }
    hex::encode_upper(hmac_sha256(app_secret.as_bytes(), &[text.as_bytes()]))
}

/// WooCommerce's `X-WC-Webhook-Signature`: base64 over the raw body.
pub fn woocommerce(secret: &str, body: &[u8]) -> String {
    base64_body(secret, body)
}

/// Base64 over the raw body, as Shopify (`X-Shopify-Hmac-Sha256`), Haravan (`X-Haravan-Hmacsha256`)
/// and Sapo (`X-Sapo-Hmac-SHA256`) sign it.
pub fn base64_body(secret: &str, body: &[u8]) -> String {
    STANDARD.encode(hmac_sha256(secret.as_bytes(), &[body]))
}

/// Meta's `X-Hub-Signature-256`: lower hex over the raw body, with its prefix.
pub fn meta(app_secret: &str, body: &[u8]) -> String {
    format!(
        "sha256={}",
        hex::encode(hmac_sha256(app_secret.as_bytes(), &[body]))
    )
}

/// Meta's `appsecret_proof` for one access token.
pub fn appsecret_proof(app_secret: &str, access_token: &str) -> String {
    hex::encode(hmac_sha256(
        app_secret.as_bytes(),
        &[access_token.as_bytes()],
    ))
}

/// Zalo's `X-ZEvent-Signature`: a plain SHA-256, not an HMAC, over
/// `app_id + raw_body + timestamp + oa_secret`.
pub fn zalo(app_id: &str, body: &[u8], timestamp: &str, oa_secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(app_id.as_bytes());
    hash.update(body);
    hash.update(timestamp.as_bytes());
    hash.update(oa_secret.as_bytes());
    format!("mac={}", hex::encode(hash.finalize()))
}

/// Stringee's `X-STRINGEE-SIGNATURE`: base64 HMAC-SHA1 over the body of an event, or over path and
/// query of an answer request.
pub fn stringee(signing_secret: &str, signed: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(signing_secret.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(signed);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// VNPay's base string: the pairs sorted by name, values form-encoded, joined by `&`.
pub fn vnpay_base(pairs: &[(&str, String)]) -> String {
    let mut sorted: Vec<_> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    sorted.sort_by_key(|(name, _)| *name);
    let encoded: Vec<String> = sorted
        .iter()
        .map(|(name, value)| format!("{name}={}", form_encode(value)))
        .collect();
    encoded.join("&")
}

/// VNPay's `vnp_SecureHash`: lower hex HMAC-SHA512 over the base string.
pub fn vnpay(hash_secret: &str, base: &str) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(hash_secret.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(base.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Lower hex HMAC-SHA256 over a base text: MoMo's fields, ZaloPay's joined values and inner text,
/// CheckoutSDK's fields. Each vendor's base is written where its messages are.
pub fn wallet(key: &str, base: &str) -> String {
    hex::encode(hmac_sha256(key.as_bytes(), &[base.as_bytes()]))
}

/// SePay's `X-SePay-Signature` over `{timestamp}.{body}`.
pub fn sepay(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mac = hmac_sha256(secret.as_bytes(), &[timestamp.as_bytes(), b".", body]);
    format!("sha256={}", hex::encode(mac))
}

/// Casso's `X-Casso-Signature` of version 2: HMAC-SHA512 over `{t}.` and the document with its
/// keys sorted.
pub fn casso(checksum_key: &str, timestamp_ms: i64, document: &serde_json::Value) -> String {
    let base = format!("{timestamp_ms}.{}", sorted(document));
    format!("t={timestamp_ms},v1={}", vnpay(checksum_key, &base))
}

/// Compact JSON, object keys sorted at every level: what JavaScript writes after sorting.
fn sorted(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            let fields: Vec<String> = names
                .into_iter()
                .map(|name| format!("{}:{}", Value::from(name.as_str()), sorted(&fields[name])))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(sorted).collect();
            format!("[{}]", items.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// `application/x-www-form-urlencoded` as browsers and the vendor's library write it.
pub fn form_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    out
}

/// The value of an `Authorization: Basic` header.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// JSON with every character outside ASCII as `\uXXXX`, the form that PHP and Meta put on the
/// wire and sign.
pub fn ascii_json(value: &serde_json::Value) -> Vec<u8> {
    let mut out = String::new();
    for character in value.to_string().chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        let mut units = [0_u16; 2];
        for unit in character.encode_utf16(&mut units) {
            out.push_str("\\u");
            out.push_str(&hex::encode(unit.to_be_bytes()));
        }
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn root() -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
    }

    fn vectors() -> Vec<Value> {
        let text = std::fs::read(root().join("../vectors/signatures.json")).unwrap();
        let file: Value = serde_json::from_slice(&text).unwrap();
        file["vectors"].as_array().unwrap().clone()
    }

    fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
        vector[field]
            .as_str()
            .unwrap_or_else(|| panic!("{field} in {vector}"))
    }

    fn body(vector: &Value) -> Vec<u8> {
        match vector["body_file"].as_str() {
            Some(file) => std::fs::read(root().join("fixtures").join(file)).unwrap(),
            None => text(vector, "body").as_bytes().to_vec(),
        }
    }

    fn shared_body(vector: &Value) -> Vec<u8> {
        let file = text(vector, "body_file");
        std::fs::read(root().join("../vectors/bodies").join(file)).unwrap()
    }

    #[test]
    fn every_vector_of_a_simulated_vendor_is_reproduced() {
        let mut checked = 0;
        for vector in vectors() {
            let name = vector["id"]
                .as_str()
                .filter(|_| vector["platform"].is_string())
                .or(vector["name"].as_str())
                .unwrap()
                .to_owned();
            let (made, expected) = match name.split(['/', '-']).next().unwrap() {
                "shopee" if name.starts_with("shopee-push") => (
                    shopee_push(text(&vector, "key"), text(&vector, "url"), &body(&vector)),
                    text(&vector, "expected").to_owned(),
                ),
                "shopee" => (
                    shopee_api(text(&vector, "key"), text(&vector, "base_string")),
                    text(&vector, "expected").to_owned(),
                ),
                "tiktok" if name.starts_with("tiktok-push") => (
                    tiktok_push(
                        text(&vector, "key"),
                        text(&vector, "app_key"),
                        &body(&vector),
                    ),
                    text(&vector, "expected").to_owned(),
                ),
                "tiktok" => {
                    let query = vector["query"].as_object().unwrap();
                    let pairs = query.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap()));
                    let made = tiktok_api(
                        text(&vector, "key"),
                        text(&vector, "path"),
                        pairs,
                        text(&vector, "body").as_bytes(),
                    );
                    (made, text(&vector, "expected").to_owned())
                }
                "lazada" if name.starts_with("lazada-push") => (
                    lazada_push(
                        text(&vector, "key"),
                        text(&vector, "app_key"),
                        &body(&vector),
                    ),
                    text(&vector, "expected").to_owned(),
                ),
                "lazada" => {
                    let pairs = vector["params"].as_object().unwrap();
                    let pairs = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap()));
                    let made = lazada_api(text(&vector, "key"), text(&vector, "path"), pairs);
                    (made, text(&vector, "expected").to_owned())
                }
                "tiki" => {
                    let (user, password) = text(&vector, "base_string").split_once(':').unwrap();
                    (basic(user, password), text(&vector, "expected").to_owned())
                }
                "standard_webhooks" if vector["signature"].is_string() => {
                    let (id, at) = (text(&vector, "id"), vector["timestamp"].as_i64().unwrap());
                    let mut made = standard(text(&vector, "secret"), id, at, &body(&vector));
                    if let Some(old) = vector["old_secret"].as_str() {
                        let second = standard(old, id, at, &body(&vector));
                        made = if text(&vector, "signature").starts_with(&made) {
                            format!("{made} {second}")
                        } else {
                            format!("{second} {made}")
                        };
                    }
                    (made, text(&vector, "signature").to_owned())
                }
                "meta" if vector["appsecret_proof"].is_string() => (
                    appsecret_proof(text(&vector, "app_secret"), text(&vector, "access_token")),
                    text(&vector, "appsecret_proof").to_owned(),
                ),
                "meta" => (
                    meta(text(&vector, "secret"), &body(&vector)),
                    text(&vector, "signature").to_owned(),
                ),
                "woocommerce" => (
                    woocommerce(text(&vector, "secret"), &body(&vector)),
                    text(&vector, "signature").to_owned(),
                ),
                "shopify" | "haravan" | "sapo_web" | "sapo_omni" => (
                    base64_body(text(&vector, "secret"), &body(&vector)),
                    text(&vector, "signature").to_owned(),
                ),
                "zalo_oa" => (
                    zalo(
                        text(&vector, "app_id"),
                        &body(&vector),
                        text(&vector, "timestamp"),
                        text(&vector, "oa_secret_key"),
                    ),
                    text(&vector, "signature").to_owned(),
                ),
                "stringee" => (
                    stringee(text(&vector, "signing_secret"), &body(&vector)),
                    text(&vector, "signature").to_owned(),
                ),
                "momo" => (
                    wallet(text(&vector, "secret_key"), text(&vector, "base_string")),
                    text(&vector, "signature").to_owned(),
                ),
                "zalopay" if vector["key2"].is_string() => (
                    wallet(text(&vector, "key2"), text(&vector, "data")),
                    text(&vector, "mac").to_owned(),
                ),
                "zalopay" => (
                    wallet(text(&vector, "key1"), text(&vector, "base_string")),
                    text(&vector, "mac").to_owned(),
                ),
                "zalo_checkout" => {
                    let key = text(&vector, "private_key");
                    let mut made = wallet(key, text(&vector, "mac_base"));
                    let mut expected = text(&vector, "mac").to_owned();
                    if let Some(base) = vector["overall_base"].as_str() {
                        made += &wallet(key, base);
                        expected += text(&vector, "overallMac");
                    }
                    (made, expected)
                }
                "sepay" => (
                    sepay(
                        text(&vector, "secret"),
                        text(&vector["headers"], "X-SePay-Timestamp"),
                        &shared_body(&vector),
                    ),
                    text(&vector["headers"], "X-SePay-Signature").to_owned(),
                ),
                "casso" => {
                    let document = serde_json::from_slice(&shared_body(&vector)).unwrap();
                    let at = vector["timestamp_ms"].as_i64().unwrap();
                    let key = text(&vector, "checksum_key");
                    (
                        casso(key, at, &document),
                        text(&vector, "signature").to_owned(),
                    )
                }
                "vnpay" => (
                    vnpay(text(&vector, "secret"), text(&vector, "base_string")),
                    text(&vector, "secure_hash").to_owned(),
                ),
                _ => continue,
            };
            assert_eq!(made, expected, "{name}");
            checked += 1;
        }
        assert_eq!(checked, 56, "a vector was added, renamed or dropped");
    }

    #[test]
    fn vnpay_sorts_and_encodes_as_the_vendor_does() {
        let pairs = [
            ("vnp_TxnRef", "SO-000123-1".to_owned()),
            (
                "vnp_OrderInfo",
                "Thanh toan don hang SO-000123 (2 SP) & phu kien".to_owned(),
            ),
            ("vnp_Empty", String::new()),
        ];
        assert_eq!(
            vnpay_base(&pairs),
            "vnp_OrderInfo=Thanh+toan+don+hang+SO-000123+%282+SP%29+%26+phu+kien&vnp_TxnRef=SO-000123-1"
        );
    }

    #[test]
    fn json_on_the_wire_is_escaped_as_meta_signs_it() {
        let value: Value = serde_json::json!({"name": "Củ 😀"});
        assert_eq!(ascii_json(&value), br#"{"name":"C\u1ee7 \ud83d\ude00"}"#);
    }
}
