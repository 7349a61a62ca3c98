//! Signature checks of every kind in use; each success yields a proof.
//!
//! Everything here works on the bytes as received and compares in constant time. A check tries
//! every secret in force, so a rotation needs no pause. Hexadecimal is accepted in both cases:
//! the case carries no secret, and one vendor is known to change it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::{CtOutput, Digest};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::inbound::{Proof, Rejection};
use crate::settings::Secrets;

mod canonical;
mod outgoing;
pub mod standard_webhooks;

pub use canonical::casso;
pub use outgoing::{
    appsecret_proof, basic_auth, hmac_sha256_hex_of, hmac_sha512_hex_of, lazada_api_sign,
    shopee_api_sign, tiktok_api_sign, vietqr_checksum,
};

type HmacSha1 = Hmac<Sha1>;
type HmacSha256 = Hmac<Sha256>;
type HmacSha512 = Hmac<Sha512>;

/// Kinds A, G and H: HMAC-SHA256 over the concatenated `signed` parts, hexadecimal, behind an
/// optional fixed `prefix` (Meta: `sha256=`; empty for the others).
///
/// # Errors
/// Missing, malformed or not made with any of the secrets.
pub fn hmac_sha256_hex(
    secrets: &Secrets,
    signed: &[&[u8]],
    prefix: &str,
    given: Option<&str>,
) -> Result<Proof, Rejection> {
    let tag = hex_tag(prefix, given)?;
    accept(
        secrets
            .keys()
            .any(|key| mac_holds::<HmacSha256>(key, signed, &tag)),
    )
}

/// HMAC-SHA512 over the concatenated `signed` parts, hexadecimal (answers of VNPay's merchant API).
///
/// # Errors
/// Missing, malformed or not made with any of the secrets.
pub fn hmac_sha512_hex(
    secrets: &Secrets,
    signed: &[&[u8]],
    given: Option<&str>,
) -> Result<Proof, Rejection> {
    let tag = hex_tag("", given)?;
    accept(
        secrets
            .keys()
            .any(|key| mac_holds::<HmacSha512>(key, signed, &tag)),
    )
}

/// Kind B: HMAC-SHA256 over the raw body, base64 with padding (WooCommerce, Shopify, Haravan,
/// Sapo).
///
/// # Errors
/// Missing, malformed or not made with any of the secrets.
pub fn hmac_sha256_base64(
    secrets: &Secrets,
    body: &[u8],
    given: Option<&str>,
) -> Result<Proof, Rejection> {
    let tag = base64_tag(given)?;
    accept(
        secrets
            .keys()
            .any(|key| mac_holds::<HmacSha256>(key, &[body], &tag)),
    )
}

/// Kind D: HMAC-SHA256 over `{timestamp}.{raw body}`, hexadecimal behind `sha256=` (SePay).
///
/// # Errors
/// As [`hmac_sha256_hex`], and stale when the signed time is more than `tolerance_s` away.
pub fn timestamped_body(
    secrets: &Secrets,
    timestamp: Option<&str>,
    body: &[u8],
    given: Option<&str>,
    now: Timestamp,
    tolerance_s: i64,
) -> Result<Proof, Rejection> {
    let timestamp = timestamp.ok_or(Rejection::MissingSignature)?;
    let proof = hmac_sha256_hex(
        secrets,
        &[timestamp.as_bytes(), b".", body],
        "sha256=",
        given,
    )?;
    fresh(timestamp, now, tolerance_s)?;
    Ok(proof)
}

/// Kind E: plain SHA-256 (not HMAC) over app id, raw body, timestamp text and secret, hexadecimal
/// behind `mac=` or bare (Zalo OA; some receivers report no prefix).
///
/// # Errors
/// Missing, malformed or not made with any of the secrets.
pub fn zalo_oa(
    secrets: &Secrets,
    app_id: &str,
    body: &[u8],
    timestamp: &str,
    given: Option<&str>,
) -> Result<Proof, Rejection> {
    let given = given.ok_or(Rejection::MissingSignature)?;
    let tag = hex_tag("", Some(given.strip_prefix("mac=").unwrap_or(given)))?;
    accept(secrets.keys().any(|key| {
        let hash = Sha256::new()
            .chain_update(app_id.as_bytes())
            .chain_update(body)
            .chain_update(timestamp.as_bytes())
            .chain_update(key);
        same(&hash.finalize(), &tag)
    }))
}

/// Kind F: HMAC-SHA512 over the query's pairs sorted by key, hexadecimal in `vnp_SecureHash`
/// (VNPay). The pairs are taken as received; pairs without a value and the hash's own fields stay
/// out.
///
/// # Errors
/// Missing, malformed or not made with any of the secrets.
pub fn vnpay_query(secrets: &Secrets, query: &str) -> Result<Proof, Rejection> {
    let given = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("vnp_SecureHash="));
    let tag = hex_tag("", given)?;
    let base = vnpay_base(query);
    accept(
        secrets
            .keys()
            .any(|key| mac_holds::<HmacSha512>(key, &[base.as_bytes()], &tag)),
    )
}

/// The text that VNPay signs: non-empty pairs sorted by key, without the hash and its type.
#[must_use]
pub fn vnpay_base(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, value)| {
            !value.is_empty() && !matches!(*key, "vnp_SecureHash" | "vnp_SecureHashType")
        })
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join("&")
}

/// Kind J: HMAC-SHA1 over the POST body, or over path and query of a GET, base64 (Stringee).
///
/// # Errors
/// Missing, malformed or not made with any of the secrets.
pub fn hmac_sha1_base64(
    secrets: &Secrets,
    signed: &[u8],
    given: Option<&str>,
) -> Result<Proof, Rejection> {
    let tag = base64_tag(given)?;
    accept(
        secrets
            .keys()
            .any(|key| mac_holds::<HmacSha1>(key, &[signed], &tag)),
    )
}

/// Shopee push: HMAC-SHA256 over `callback URL|raw body`, lower hex without prefix. The URL is
/// the one in the vendor's console, not the one that a proxy shows.
///
/// # Errors
/// Missing, malformed or not made with any of the secrets.
pub fn shopee_push(
    secrets: &Secrets,
    callback_url: &str,
    body: &[u8],
    given: Option<&str>,
) -> Result<Proof, Rejection> {
    hmac_sha256_hex(secrets, &[callback_url.as_bytes(), b"|", body], "", given)
}

/// A token that is sent as it is (old Casso, SePay's API key, OmiCall): equality, without telling
/// by time how much of it was right.
///
/// # Errors
/// Missing or not one of the secrets.
pub fn token(secrets: &Secrets, given: Option<&str>) -> Result<Proof, Rejection> {
    let given = given.ok_or(Rejection::MissingSignature)?;
    let hash = Sha256::digest(given.as_bytes());
    accept(secrets.keys().any(|key| same(&Sha256::digest(key), &hash)))
}

/// Whether a secret that a person typed somewhere (a handshake's verify token) is one of ours.
#[must_use]
pub fn token_matches(secrets: &Secrets, given: &str) -> bool {
    token(secrets, Some(given)).is_ok()
}

/// The proof for items of an answer to our own authenticated call.
pub(crate) fn own_call() -> Proof {
    Proof::checked()
}

fn accept(holds: bool) -> Result<Proof, Rejection> {
    if holds {
        Ok(Proof::checked())
    } else {
        Err(Rejection::BadSignature)
    }
}

fn fresh(timestamp: &str, now: Timestamp, tolerance_s: i64) -> Result<(), Rejection> {
    let at: i64 = timestamp
        .parse()
        .map_err(|_| Rejection::MalformedSignature)?;
    if at.abs_diff(now.as_second()) > tolerance_s.unsigned_abs() {
        return Err(Rejection::StaleTimestamp);
    }
    Ok(())
}

fn hex_tag(prefix: &str, given: Option<&str>) -> Result<Vec<u8>, Rejection> {
    let given = given.ok_or(Rejection::MissingSignature)?;
    let digits = given
        .strip_prefix(prefix)
        .ok_or(Rejection::MalformedSignature)?;
    if digits.is_empty() {
        return Err(Rejection::MissingSignature);
    }
    hex::decode(digits).map_err(|_| Rejection::MalformedSignature)
}

fn base64_tag(given: Option<&str>) -> Result<Vec<u8>, Rejection> {
    let given = given
        .filter(|g| !g.is_empty())
        .ok_or(Rejection::MissingSignature)?;
    STANDARD
        .decode(given)
        .map_err(|_| Rejection::MalformedSignature)
}

fn mac_holds<M: Mac + KeyInit>(key: &[u8], signed: &[&[u8]], tag: &[u8]) -> bool {
    fed::<M>(key, signed).verify_slice(tag).is_ok()
}

fn fed<M: Mac + KeyInit>(key: &[u8], signed: &[&[u8]]) -> M {
    let mut mac =
        <M as KeyInit>::new_from_slice(key).expect("invariant: HMAC takes any key length");
    for part in signed {
        mac.update(part);
    }
    mac
}

/// Constant-time equality of a SHA-256 value with bytes of any length.
fn same(hash: &hmac::digest::Output<Sha256>, given: &[u8]) -> bool {
    let Ok(given) = <[u8; 32]>::try_from(given) else {
        return false;
    };
    CtOutput::<HmacSha256>::new(*hash) == CtOutput::<HmacSha256>::new(given.into())
}

fn key_of(secret: &SecretString) -> &[u8] {
    secret.expose_secret().as_bytes()
}

/// Never empty: see [`Secrets`]. Shopee's console signs its first ping with no key at all, before
/// the push key is saved; that proves nothing, so it yields no [`Proof`].
#[must_use]
pub fn shopee_signed_with_empty_key(callback_url: &str, body: &[u8], given: &str) -> bool {
    hex_tag("", Some(given))
        .is_ok_and(|tag| mac_holds::<HmacSha256>(b"", &[callback_url.as_bytes(), b"|", body], &tag))
}

#[cfg(test)]
mod tests;
