//! Prefixed, sortable ids: `ord_` and 26 characters of lower-case Crockford base32.
//!
//! The 128 bits behind an id begin with a timestamp in milliseconds, most significant bit first,
//! and the alphabet is in ASCII order: sorting ids as text, in memory or in a database, sorts them
//! by time. This module has no randomness; the caller brings a UUIDv7, or derives the id from what
//! it names, so that a plan repeated after a crash gives the same ids again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// Why a text is not an id of the kind asked for. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another kind of id, or none.
    #[error("could not read the id: it must begin with `{expected}`")]
    Prefix {
        /// The prefix of the kind asked for.
        expected: &'static str,
    },
    /// Not 26 characters of the alphabet, or more than 128 bits.
    #[error(
        "could not read the id: after `{prefix}` come 26 characters of lower-case Crockford base32"
    )]
    Body {
        /// The prefix of the kind asked for.
        prefix: &'static str,
    },
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BODY_LENGTH: u32 = 26;

fn encode(prefix: &str, bits: u128) -> Box<str> {
    let mut text = String::with_capacity(prefix.len() + 26);
    text.push_str(prefix);
    for position in (0..BODY_LENGTH).rev() {
        let digit = (bits >> (5 * position)) & 31;
        let index = usize::try_from(digit).expect("five bits fit in usize");
        text.push(char::from(ALPHABET[index]));
    }
    text.into_boxed_str()
}

fn decode(prefix: &'static str, text: &str) -> Result<u128, Error> {
    let body = text
        .strip_prefix(prefix)
        .ok_or(Error::Prefix { expected: prefix })?;
    if body.len() != 26 {
        return Err(Error::Body { prefix });
    }
    let mut bits = 0_u128;
    for byte in body.bytes() {
        // No upper case and no look-alikes: one id has one spelling, because it is a key.
        let digit = ALPHABET
            .iter()
            .position(|&letter| letter == byte)
            .and_then(|index| u128::try_from(index).ok())
            .ok_or(Error::Body { prefix })?;
        if bits >> 123 != 0 {
            return Err(Error::Body { prefix });
        }
        bits = (bits << 5) | digit;
    }
    Ok(bits)
}

/// 48 bits of time, then 74 bits of SHA-256 over the prefix and the parts, in the shape of a
/// UUIDv8 (RFC 9562 §5.8: the version for bits of one's own making).
fn derived_bits(prefix: &str, at_ms: i64, parts: &[&str]) -> u128 {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&prefix).chain(parts) {
        // The length goes first, so that ["ab", "c"] and ["a", "bc"] are two ids.
        let length = u64::try_from(part.len()).expect("a length fits in 64 bits");
        hasher.update(length.to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher
        .finalize()
        .iter()
        .take(16)
        .fold(0_u128, |bits, &byte| (bits << 8) | u128::from(byte));
    let time = u128::from(at_ms.max(0).unsigned_abs()) & 0xFFFF_FFFF_FFFF;
    let random = hash & 0x0FFF_3FFF_FFFF_FFFF_FFFF;
    let version_and_variant = 0x8000_8000_0000_0000_0000;
    (time << 80) | version_and_variant | random
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The id of the 128 bits of a UUIDv7 (`Uuid::now_v7().as_u128()`).
            #[must_use]
            pub fn from_uuid(uuid: u128) -> Self {
                Self(encode(Self::PREFIX, uuid))
            }

            /// The id of what `parts` name: always the same for the same kind, time and parts.
            /// `at_ms` (Unix milliseconds; before 1970 counts as 1970) places it among the others
            /// and must itself be remembered, for example the order's own id's time.
            #[must_use]
            pub fn derive(at_ms: i64, parts: &[&str]) -> Self {
                Self(encode(Self::PREFIX, derived_bits(Self::PREFIX, at_ms, parts)))
            }

            /// The whole id, prefix included.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The 128 bits behind the id.
            #[must_use]
            pub fn to_uuid(&self) -> u128 {
                decode(Self::PREFIX, &self.0).expect("an id is checked where it is made")
            }

            /// The time in the id, Unix milliseconds.
            #[must_use]
            pub fn timestamp_ms(&self) -> i64 {
                i64::try_from(self.to_uuid() >> 80).expect("48 bits fit in i64")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                decode(Self::PREFIX, text).map(|_| Self(text.into()))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into_string()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// An order.
    OrderId = "ord_";
    /// A fulfillment order: the part of an order that one location must do.
    FulfillmentId = "ful_";
    /// A service order: an installation, warranty or repair job.
    ServiceId = "svc_";
    /// A request for an invoice; its number comes from the invoicing target.
    InvoiceRequestId = "inv_";
    /// A reservation of stock at a location.
    ReservationId = "res_";
    /// A warranty of one item.
    WarrantyId = "war_";
    /// A task: one intended outbound call.
    TaskId = "tsk_";
    /// A customer, across channels.
    CustomerId = "cus_";
    /// A conversation: a chat, a comment thread or a call.
    ConversationId = "cnv_";
    /// An API token.
    TokenId = "tok_";
    /// A message in the inbox.
    MessageId = "msg_";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_prefixed_and_26_characters_long() {
        let id = OrderId::from_uuid(0x0193_5C2A_1B2C_7DEF_8123_4567_89AB_CDEF);
        assert_eq!(id.as_str(), "ord_01jde2m6scfqqr28t5cy4tqkff");
        assert_eq!(id.timestamp_ms(), 0x0193_5C2A_1B2C);
        assert_eq!(
            OrderId::from_uuid(u128::MAX).as_str(),
            "ord_7zzzzzzzzzzzzzzzzzzzzzzzzz"
        );
    }

    #[test]
    fn a_foreign_or_damaged_id_is_refused() {
        let good = OrderId::from_uuid(7).to_string();
        assert_eq!(
            FulfillmentId::from_str(&good),
            Err(Error::Prefix { expected: "ful_" })
        );
        let too_big = "ord_80000000000000000000000000";
        let upper = good
            .to_uppercase()
            .replace("ORD_", "ord_")
            .replace('7', "A");
        for bad in [
            &good[..29],
            too_big,
            &upper,
            "ord_0000000000000000000000000l",
            "ord_",
        ] {
            assert_eq!(
                bad.parse::<OrderId>(),
                Err(Error::Body { prefix: "ord_" }),
                "{bad}"
            );
        }
        assert!(serde_json::from_str::<OrderId>("\"ord_1\"").is_err());
    }

    #[test]
    fn a_derived_id_is_the_same_again_and_differs_by_each_part() {
        let order = OrderId::from_uuid(42);
        let at_ms = 1_764_000_000_123;
        let first = FulfillmentId::derive(at_ms, &[order.as_str(), "1"]);
        assert_eq!(first, FulfillmentId::derive(at_ms, &[order.as_str(), "1"]));
        assert_eq!(first.timestamp_ms(), at_ms);
        assert_ne!(first, FulfillmentId::derive(at_ms, &[order.as_str(), "2"]));
        assert_ne!(
            FulfillmentId::derive(at_ms, &["ab", "c"]),
            FulfillmentId::derive(at_ms, &["a", "bc"])
        );
        assert_ne!(
            ServiceId::derive(at_ms, &["1"]).to_uuid(),
            ReservationId::derive(at_ms, &["1"]).to_uuid()
        );
        assert_eq!(first.to_uuid() >> 76 & 0xF, 8, "UUID version");
        assert_eq!(first.to_uuid() >> 62 & 0b11, 0b10, "UUID variant");
    }

    #[test]
    fn a_derived_id_never_changes_between_releases() {
        // Stored rows carry these ids: a change here would make every re-plan create twins.
        insta::assert_snapshot!(FulfillmentId::derive(1_764_000_000_123, &["ord_x", "1"]));
    }

    proptest! {
        #[test]
        fn an_id_survives_text_and_json(bits: u128) {
            let id = TaskId::from_uuid(bits);
            prop_assert_eq!(id.to_uuid(), bits);
            prop_assert_eq!(&id.as_str().parse::<TaskId>().unwrap(), &id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{id}\""));
            prop_assert_eq!(serde_json::from_str::<TaskId>(&json).unwrap(), id);
        }

        #[test]
        fn ids_sort_as_their_bits_do(one: u128, other: u128) {
            let (a, b) = (MessageId::from_uuid(one), MessageId::from_uuid(other));
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
            prop_assert_eq!(a.as_str().cmp(b.as_str()), one.cmp(&other));
        }

        #[test]
        fn a_later_derived_id_sorts_later(at_ms in 0_i64..1 << 47, later in 1_i64..1 << 40, part: String) {
            let early = WarrantyId::derive(at_ms, &[&part]);
            let late = WarrantyId::derive(at_ms + later, &[&part]);
            prop_assert!(early < late);
        }
    }
}
