//! What "newer" means, without a clock: every fact carries a stamp, and the greater stamp wins.
//!
//! A [`Register`] holds one field of an order under last-writer-wins. Its merge is commutative,
//! associative and idempotent, so the same set of messages ends in the same order however often and
//! in whatever sequence they arrive.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// Where a fact stands among others about the same thing: by its source's own revision, then by
/// rank (a cancellation beats an update of the same moment), then by content, so that the order is
/// total and no clock of ours decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The source's revision, usually its "updated at" in Unix milliseconds.
    pub revision: i64,
    /// Among equal revisions, the highest wins; cancellation is the highest.
    pub rank: u8,
    /// Among equal ranks, the content decides: arbitrary, but everywhere the same.
    pub hash: ContentHash,
}

impl Stamp {
    /// The stamp of a document with this content.
    #[must_use]
    pub fn new(revision: i64, rank: u8, content: &[u8]) -> Self {
        Self {
            revision,
            rank,
            hash: content_hash(content),
        }
    }
}

/// The first 128 bits of a SHA-256; 32 hex digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub u128);

/// The hash of some content. Equal content only means equal bytes: normalize first where two
/// spellings are one thing.
#[must_use]
pub fn content_hash(content: &[u8]) -> ContentHash {
    let bits = Sha256::digest(content)
        .iter()
        .take(16)
        .fold(0_u128, |bits, &byte| (bits << 8) | u128::from(byte));
    ContentHash(bits)
}

/// A text that is not 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("could not read the content hash: it is 32 lower-case hex digits")]
pub struct Error;

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ContentHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 32 || !digits {
            return Err(Error);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| Error)
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A value and the stamp of the document that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register<T> {
    /// Which document said so.
    pub stamp: Stamp,
    /// What it said.
    pub value: T,
}

impl<T> Register<T> {
    /// A value as a document states it.
    pub const fn new(stamp: Stamp, value: T) -> Self {
        Self { stamp, value }
    }

    /// Takes the other value if its stamp is greater; says whether it did. Equal stamps hold equal
    /// content by their hash, so nothing is lost by keeping ours.
    pub fn merge(&mut self, other: Self) -> bool {
        let newer = other.stamp > self.stamp;
        if newer {
            *self = other;
        }
        newer
    }

    /// Looks at the value with its stamp kept.
    pub fn as_ref(&self) -> Register<&T> {
        Register::new(self.stamp, &self.value)
    }

    /// Changes the value with its stamp kept.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Register<U> {
        Register::new(self.stamp, change(self.value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn register(revision: i64, rank: u8, value: &str) -> Register<String> {
        Register::new(
            Stamp::new(revision, rank, value.as_bytes()),
            value.to_owned(),
        )
    }

    #[test]
    fn revision_beats_rank_and_rank_beats_content() {
        let mut status = register(10, 9, "cancelled");
        assert!(!status.merge(register(9, 255, "older")));
        assert!(!status.merge(register(10, 1, "confirmed")));
        assert!(status.merge(register(11, 0, "confirmed")));
        assert_eq!(status.value, "confirmed");
        assert!(!status.merge(register(11, 0, "confirmed")));
    }

    #[test]
    fn a_stamp_reads_well_in_json() {
        insta::assert_json_snapshot!(register(1_764_000_000_000, 3, "abc"));
    }

    #[test]
    fn a_hash_is_32_lower_case_digits() {
        // SHA-256("abc"), FIPS 180-4.
        let hash = content_hash(b"abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in [
            "",
            "BA7816BF8F01CFEA414140DE5DAE2223",
            "+a7816bf8f01cfea414140de5dae2223",
        ] {
            assert_eq!(bad.parse::<ContentHash>(), Err(Error), "{bad}");
        }
    }

    fn any_register() -> impl Strategy<Value = Register<String>> {
        // Few distinct values, so that ties happen at every level.
        (0_i64..3, 0_u8..3, "[ab]{0,2}")
            .prop_map(|(revision, rank, value)| register(revision, rank, &value))
    }

    fn merged(mut one: Register<String>, other: &Register<String>) -> Register<String> {
        one.merge(other.clone());
        one
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent(
            a in any_register(), b in any_register(), c in any_register()
        ) {
            prop_assert_eq!(merged(a.clone(), &b), merged(b.clone(), &a));
            prop_assert_eq!(merged(merged(a.clone(), &b), &c), merged(a.clone(), &merged(b, &c)));
            prop_assert_eq!(merged(a.clone(), &a), a);
        }

        #[test]
        fn any_permutation_with_repeats_ends_the_same(
            documents in prop::collection::vec(any_register(), 1..6), picks in prop::collection::vec(0_usize..6, 0..20)
        ) {
            let fold = |mut end: Register<String>, more: Vec<&Register<String>>| {
                for document in more {
                    end.merge(document.clone());
                }
                end
            };
            let straight = fold(documents[0].clone(), documents.iter().collect());
            let mut jumbled: Vec<_> = picks.iter().map(|at| &documents[at % documents.len()]).collect();
            jumbled.extend(documents.iter().rev());
            prop_assert_eq!(fold(jumbled[0].clone(), jumbled), straight);
        }

        #[test]
        fn a_register_survives_json(register in any_register()) {
            let json = serde_json::to_string(&register).unwrap();
            prop_assert_eq!(serde_json::from_str::<Register<String>>(&json).unwrap(), register);
        }
    }
}
