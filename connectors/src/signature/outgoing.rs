//! Signatures that we make for our own calls to vendors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use secrecy::{ExposeSecret, SecretString};

use super::{HmacSha256, HmacSha512, fed, key_of};

/// Lower hex HMAC-SHA256 over the concatenated parts.
#[must_use]
pub fn hmac_sha256_hex_of(secret: &SecretString, parts: &[&[u8]]) -> String {
    hex::encode(
        fed::<HmacSha256>(key_of(secret), parts)
            .finalize()
            .into_bytes(),
    )
}

/// Lower hex HMAC-SHA512 over the concatenated parts (VNPay's payment addresses).
#[must_use]
pub fn hmac_sha512_hex_of(secret: &SecretString, parts: &[&[u8]]) -> String {
    hex::encode(
        fed::<HmacSha512>(key_of(secret), parts)
            .finalize()
            .into_bytes(),
    )
}

/// Shopee Open Platform v2: `partner_id + path + timestamp`, for shop calls followed by
/// `access_token + shop_id`, HMAC-SHA256 with the partner key. Body and other parameters are not
/// covered.
#[must_use]
pub fn shopee_api_sign(
    partner_key: &SecretString,
    partner_id: u64,
    path: &str,
    timestamp_s: i64,
    shop: Option<(&SecretString, u64)>,
) -> String {
    let (partner_id, timestamp) = (partner_id.to_string(), timestamp_s.to_string());
    let shop_id = shop.map(|(_, id)| id.to_string()).unwrap_or_default();
    let token = shop.map_or("", |(token, _)| token.expose_secret());
    hmac_sha256_hex_of(
        partner_key,
        &[
            partner_id.as_bytes(),
            path.as_bytes(),
            timestamp.as_bytes(),
            token.as_bytes(),
            shop_id.as_bytes(),
        ],
    )
}

/// Lazada Open Platform: the API path followed by all parameters as `key` and `value`, sorted by key
/// in byte order, HMAC-SHA256 with the app secret, **upper** hex. `parameters` are un-encoded and
/// without `sign`.
#[must_use]
pub fn lazada_api_sign(
    app_secret: &SecretString,
    path: &str,
    parameters: &[(&str, &str)],
) -> String {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let mut parts = vec![path.as_bytes()];
    for (key, value) in sorted {
        parts.push(key.as_bytes());
        parts.push(value.as_bytes());
    }
    let tag = fed::<HmacSha256>(key_of(app_secret), &parts).finalize();
    hex::encode_upper(tag.into_bytes())
}

/// TikTok Shop's Partner API: path, the query's pairs sorted by key and joined without separators,
/// and the raw body, all wrapped in the app secret; HMAC-SHA256 with that secret. `sign` and
/// `access_token` are not covered. Values are taken as they are before they are percent-encoded.
#[must_use]
pub fn tiktok_api_sign(
    app_secret: &SecretString,
    path: &str,
    query: &[(&str, &str)],
    body: &[u8],
) -> String {
    let mut covered: Vec<&(&str, &str)> = query
        .iter()
        .filter(|(key, _)| !matches!(*key, "sign" | "access_token"))
        .collect();
    covered.sort_unstable();
    let pairs: String = covered
        .iter()
        .flat_map(|(key, value)| [*key, *value])
        .collect();
    let secret = key_of(app_secret);
    hmac_sha256_hex_of(
        app_secret,
        &[secret, path.as_bytes(), pairs.as_bytes(), body, secret],
    )
}

/// Meta's `appsecret_proof`: the access token under the app secret.
#[must_use]
pub fn appsecret_proof(app_secret: &SecretString, access_token: &SecretString) -> String {
    hmac_sha256_hex_of(app_secret, &[key_of(access_token)])
}

/// The value of `authorization` for HTTP Basic.
#[must_use]
pub fn basic_auth(user: &str, password: &SecretString) -> SecretString {
    let pair = format!("{user}:{}", password.expose_secret());
    SecretString::from(format!("Basic {}", STANDARD.encode(pair)))
}

/// The checksum at the end of a VietQR text (EMVCo: CRC-16/CCITT-FALSE, four upper hex digits) over
/// everything before it, `6304` included.
#[must_use]
pub fn vietqr_checksum(text: &str) -> String {
    let crc = text.bytes().fold(0xFFFF_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            let carry = crc & 0x8000 != 0;
            if carry { (crc << 1) ^ 0x1021 } else { crc << 1 }
        })
    });
    format!("{crc:04X}")
}
