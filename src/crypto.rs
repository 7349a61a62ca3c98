//! Secrets at rest: field encryption with a key ring, keyed hashes for look-up, and API tokens.
//!
//! It does not know what the fields are. A caller names the place of a value (table, column and
//! row id) as *additional data*, so that a sealed value that is copied to another row does not
//! open there.
//!
//! # Keys
//! Every key of `[security] keys = [{ id, env }]` is one environment variable with either 32
//! bytes in hex or base64, or any text of at least 32 characters. Whatever its form, it goes
//! through HKDF-SHA256 (salt `kenh/master/v1`) and two independent keys come out: one for
//! sealing (`kenh/field/v1`, AES-256-GCM) and one for look-up hashes (`kenh/lookup/v1`,
//! HMAC-SHA256). HKDF does not slow down guessing, so a text must be as hard to guess as 32
//! random characters: make one with `openssl rand -base64 32`.
//!
//! To rotate, put the new key first and keep the old one behind it: the first key seals and
//! hashes, all of them open and look up. A key may go once nothing is sealed with it.

use std::collections::HashSet;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hkdf, hmac, rand};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

/// The first byte of everything sealed, so that the layout can change one day.
const LAYOUT: u8 = 1;
const TAG_LEN: usize = 16;
const KEY_LEN: usize = 32;
const MAX_ID_LEN: usize = 32;
const TOKEN_PREFIX: &str = "kenh_";
const TOKEN_CHARS: usize = 43;

/// What can go wrong with keys and sealed values. Nothing here carries a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The ring is empty.
    #[error("could not make a key ring: it needs at least one key")]
    NoKeys,
    /// A key id is not 1 to 32 characters of `a-z 0-9 _ -`.
    #[error("could not use key {id:?}: an id has 1 to 32 characters of a-z, 0-9, _ and -")]
    BadId {
        /// The id as given.
        id: String,
    },
    /// Two keys have the same id.
    #[error("could not use key {id:?}: its id is given twice")]
    SameId {
        /// The id.
        id: String,
    },
    /// The environment variable of a key is not set.
    #[error("could not use key {id:?}: the environment variable {env} is not set")]
    Unset {
        /// The key's id.
        id: String,
        /// The name of the variable.
        env: String,
    },
    /// A key is too short to be safe.
    #[error("could not use key {id:?}: it needs 32 bytes in hex or base64, or 32 characters")]
    TooShort {
        /// The key's id.
        id: String,
    },
    /// The value was not sealed by this program, or was cut off.
    #[error("could not open a sealed value: it is not one")]
    NotSealed,
    /// The value was sealed with a key that the ring no longer has.
    #[error("could not open a sealed value: key {id:?} is not in the ring")]
    UnknownKey {
        /// The id of the missing key.
        id: String,
    },
    /// The value was changed, belongs to another place, or the key's secret is another one.
    #[error("could not open a value sealed with key {id:?}: it was altered or moved")]
    Altered {
        /// The id of the key that was tried.
        id: String,
    },
}

/// One key as the configuration gives it.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// A short name that is stored beside every sealed value.
    pub id: String,
    /// 32 bytes in hex or base64, or any text of at least 32 characters.
    pub secret: SecretString,
}

/// The keys in use. The first one seals; all of them open.
pub struct KeyRing {
    keys: Vec<Key>,
}

struct Key {
    id: String,
    field: RandomizedNonceKey,
    lookup: hmac::Key,
}

impl KeyRing {
    /// A ring from keys in order: the first one seals.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::BadId`], [`Error::SameId`], [`Error::TooShort`].
    pub fn new(sources: &[KeySource]) -> Result<Self, Error> {
        let mut ids = HashSet::new();
        let mut keys = Vec::with_capacity(sources.len());
        for source in sources {
            if !ids.insert(source.id.as_str()) {
                return Err(Error::SameId {
                    id: source.id.clone(),
                });
            }
            keys.push(Key::new(source)?);
        }
        if keys.is_empty() {
            return Err(Error::NoKeys);
        }
        Ok(Self { keys })
    }

    /// A ring from `(id, name of the environment variable)` in order, read through `variable`
    /// (`|name| std::env::var(name).ok()` outside tests).
    ///
    /// # Errors
    /// As [`KeyRing::new`], and [`Error::Unset`].
    pub fn from_variables<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let sources = entries
            .into_iter()
            .map(|(id, env)| match variable(env) {
                Some(secret) => Ok(KeySource {
                    id: id.to_owned(),
                    secret: secret.into(),
                }),
                None => Err(Error::Unset {
                    id: id.to_owned(),
                    env: env.to_owned(),
                }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Self::new(&sources)
    }

    /// A ring with one random key that is gone with the process: for a database that is, too.
    #[must_use]
    pub fn ephemeral() -> Self {
        let secret = hex::encode(*random_bytes());
        let source = KeySource {
            id: "ephemeral".to_owned(),
            secret: secret.into(),
        };
        Self::new(std::slice::from_ref(&source)).expect("64 hex characters are a key")
    }

    /// Encrypts `plain` with the first key. `place` names where the value lives (such as
    /// `tokens/access/<row id>`); the same bytes are needed to open it. The result holds the
    /// key's id and a random nonce and is about 30 bytes longer than `plain`.
    #[must_use]
    pub fn seal(&self, plain: &[u8], place: &[u8]) -> Vec<u8> {
        let key = self.keys.first().expect("a ring has at least one key");
        let header = key.header();
        let mut body = plain.to_vec();
        let nonce = key
            .field
            .seal_in_place_append_tag(Aad::from(bound(&header, place)), &mut body)
            .expect("a field is far below the 64 GiB that AES-GCM takes");
        let mut sealed = header;
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        sealed
    }

    /// Decrypts what [`KeyRing::seal`] made for the same `place`. The bytes are wiped from
    /// memory when dropped.
    ///
    /// # Errors
    /// [`Error::NotSealed`], [`Error::UnknownKey`], [`Error::Altered`].
    pub fn open(&self, sealed: &[u8], place: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let parts = Parts::of(sealed).ok_or(Error::NotSealed)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.id == parts.id)
            .ok_or_else(|| Error::UnknownKey {
                id: parts.id.to_owned(),
            })?;
        let altered = || Error::Altered { id: key.id.clone() };
        let mut body = Zeroizing::new(parts.body.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(parts.nonce).map_err(|_| altered())?;
        let aad = Aad::from(bound(parts.header, place));
        let plain_len = key
            .field
            .open_in_place(nonce, aad, &mut body)
            .map_err(|_| altered())?
            .len();
        body.truncate(plain_len);
        Ok(body)
    }

    /// Whether a sealed value should be sealed again because its key is no longer the first.
    #[must_use]
    pub fn is_stale(&self, sealed: &[u8]) -> bool {
        let first = self.keys.first().map(|key| key.id.as_str());
        Parts::of(sealed).is_some_and(|parts| Some(parts.id) != first)
    }

    /// A keyed hash under which a value can be found without being readable: 64 hex characters,
    /// HMAC-SHA256 with the first key. Different `domain`s (such as `phone`, `name_word`) give
    /// unrelated hashes. Normalise the value first.
    #[must_use]
    pub fn lookup_hash(&self, domain: &'static str, value: &str) -> String {
        let key = self.keys.first().expect("a ring has at least one key");
        key.lookup_hash(domain, value)
    }

    /// The hashes of a value under every key, the first key's first: what to search for, so that
    /// rows written before a rotation are found as well.
    #[must_use]
    pub fn lookup_hashes(&self, domain: &'static str, value: &str) -> Vec<String> {
        self.keys
            .iter()
            .map(|key| key.lookup_hash(domain, value))
            .collect()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("KeyRing").field("ids", &ids).finish()
    }
}

impl Key {
    fn new(source: &KeySource) -> Result<Self, Error> {
        let id = &source.id;
        let good_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if id.is_empty() || id.len() > MAX_ID_LEN || !id.chars().all(good_char) {
            return Err(Error::BadId { id: id.clone() });
        }
        let material = material(source.secret.expose_secret().trim())
            .ok_or_else(|| Error::TooShort { id: id.clone() })?;
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"kenh/master/v1");
        let master = salt.extract(&material);
        let field = RandomizedNonceKey::new(&AES_256_GCM, &*derived(&master, b"kenh/field/v1"))
            .expect("AES-256 takes a key of 32 bytes");
        let lookup = hmac::Key::new(hmac::HMAC_SHA256, &*derived(&master, b"kenh/lookup/v1"));
        Ok(Self {
            id: id.clone(),
            field,
            lookup,
        })
    }

    fn header(&self) -> Vec<u8> {
        let id_len = u8::try_from(self.id.len()).expect("an id has at most 32 characters");
        let mut header = vec![LAYOUT, id_len];
        header.extend_from_slice(self.id.as_bytes());
        header
    }

    fn lookup_hash(&self, domain: &str, value: &str) -> String {
        let mut context = hmac::Context::with_key(&self.lookup);
        context.update(domain.as_bytes());
        // Without a separator ("phone", "84…") and ("phone84", "…") would be one value.
        context.update(&[0]);
        context.update(value.as_bytes());
        hex::encode(context.sign())
    }
}

/// A sealed value taken apart: layout, length of id, id, nonce, ciphertext and tag.
struct Parts<'a> {
    header: &'a [u8],
    id: &'a str,
    nonce: &'a [u8],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let (&layout, rest) = sealed.split_first()?;
        let (&id_len, _) = rest.split_first()?;
        if layout != LAYOUT {
            return None;
        }
        let (header, rest) = sealed.split_at_checked(2 + usize::from(id_len))?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        if body.len() < TAG_LEN {
            return None;
        }
        let id = std::str::from_utf8(header.get(2..)?).ok()?;
        Some(Self {
            header,
            id,
            nonce,
            body,
        })
    }
}

/// The additional data: the header is covered too, so that a key's id cannot be swapped.
fn bound(header: &[u8], place: &[u8]) -> Vec<u8> {
    [header, place].concat()
}

fn derived(master: &hkdf::Prk, purpose: &[u8]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut key = Zeroizing::new([0_u8; KEY_LEN]);
    master
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .expect("32 bytes are one block of HKDF-SHA256");
    key
}

/// The bytes of a key's text: 32 from hex or base64 of any alphabet, else the text itself.
fn material(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let encodings = [
        hex::decode(text).ok(),
        lenient(&alphabet::STANDARD).decode(text).ok(),
        lenient(&alphabet::URL_SAFE).decode(text).ok(),
    ];
    for bytes in encodings.into_iter().flatten() {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() == KEY_LEN {
            return Some(bytes);
        }
    }
    (text.chars().count() >= 32).then(|| Zeroizing::new(text.as_bytes().to_vec()))
}

fn lenient(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

fn random_bytes() -> Zeroizing<[u8; KEY_LEN]> {
    let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
    rand::fill(bytes.as_mut_slice()).expect("the system's random generator answers");
    bytes
}

/// A new API token in clear, which is shown to a person once and never stored.
pub struct ApiToken {
    secret: SecretString,
}

impl ApiToken {
    /// A token with 256 random bits: `kenh_` and 43 characters of base64url.
    #[must_use]
    pub fn generate() -> Self {
        let text = BASE64_URL_SAFE_NO_PAD.encode(random_bytes().as_slice());
        Self {
            secret: format!("{TOKEN_PREFIX}{text}").into(),
        }
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// What to store: SHA-256 in hex. The token has 256 random bits, so a slow hash would add
    /// nothing.
    #[must_use]
    pub fn hash(&self) -> String {
        sha256_hex(self.expose().as_bytes())
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

/// The stored form of a token that somebody presents, or `None` if it cannot be one, which saves
/// the look-up.
#[must_use]
pub fn presented_token_hash(presented: &str) -> Option<String> {
    let text = presented.strip_prefix(TOKEN_PREFIX)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (text.len() == TOKEN_CHARS && text.bytes().all(good)).then(|| sha256_hex(presented.as_bytes()))
}

/// SHA-256 as 64 hex characters.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

#[cfg(test)]
mod tests;
