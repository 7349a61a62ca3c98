//! What the inbox keeps of a verified message: query and body in one sealed value.

use bytes::Bytes;
use connectors::inbound::VerifiedWebhook;

use crate::crypto::{self, KeyRing};
use crate::store::notices::StoredMessage;

/// Binds a sealed message to its use, so that it opens nowhere else.
const PLACE: &[u8] = b"message";

/// Why a stored message cannot be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its retention time is over.
    #[error("the raw message was pruned")]
    Pruned,
    /// No configured key opens it.
    #[error("the raw message does not open with the configured keys")]
    Sealed,
    /// It opens, but is not what was sealed.
    #[error("the raw message is damaged")]
    Damaged,
}

fn pack(message: &VerifiedWebhook) -> Vec<u8> {
    let query = message.query().as_bytes();
    let length = u32::try_from(query.len()).expect("a request line is shorter than 4 GiB");
    let mut plain = Vec::with_capacity(4 + query.len() + message.body().len());
    plain.extend_from_slice(&length.to_be_bytes());
    plain.extend_from_slice(query);
    plain.extend_from_slice(message.body());
    plain
}

/// Seals query and body; also gives the hash by which repeats are recognised.
#[must_use]
pub fn seal(keys: &KeyRing, message: &VerifiedWebhook) -> (Vec<u8>, String) {
    let plain = pack(message);
    let hash = crypto::sha256_hex(&plain);
    (keys.seal(&plain, PLACE), hash)
}

/// Opens a stored message.
///
/// # Errors
/// When it was pruned, or no key opens it.
pub fn open(keys: &KeyRing, stored: &StoredMessage) -> Result<VerifiedWebhook, Error> {
    let sealed = stored.body.as_deref().ok_or(Error::Pruned)?;
    let plain = keys.open(sealed, PLACE).map_err(|_| Error::Sealed)?;
    let (length, rest) = plain.split_first_chunk::<4>().ok_or(Error::Damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Error::Damaged)?;
    if rest.len() < length {
        return Err(Error::Damaged);
    }
    let (query, body) = rest.split_at(length);
    let query = std::str::from_utf8(query).map_err(|_| Error::Damaged)?;
    Ok(VerifiedWebhook::from_inbox(
        stored.source(),
        stored.topic.clone(),
        query.to_owned(),
        Bytes::copy_from_slice(body),
    ))
}
