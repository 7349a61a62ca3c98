//! The order code that people read, type and put on a bank transfer: a prefix of 2–4 letters,
//! 8 digits and a check digit, for example `KH000012347`.
//!
//! The check digit is Damm's (totally anti-symmetric quasigroup of order 10): it catches every
//! single wrong digit and every swap of two neighbours, which Luhn does not (09 and 90). It covers
//! the digits only, because one installation has one prefix.
//!
//! Banks strip punctuation and customers add text of their own, so [`find_in_text`] looks for a
//! fixed length twice: first with the separators in place, then without them and only for review.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not an order code. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The prefix is not 2–4 ASCII letters.
    #[error("could not read the order code prefix: it takes 2 to 4 letters A–Z")]
    Prefix,
    /// Not a prefix and nine digits.
    #[error("could not read the order code: it is a prefix and 9 digits")]
    Shape,
    /// The check digit says that a digit is wrong.
    #[error("could not read the order code: its check digit does not fit, a digit is wrong")]
    Check,
    /// The sequence has run out of its 8 digits, or is 0.
    #[error("could not make an order code: the sequence must be 1 to 99,999,999")]
    Sequence,
    /// Not a code, a dash and an attempt number.
    #[error("could not read the payment reference: it is an order code, a dash and a number")]
    Reference,
}

const SEQUENCE_DIGITS: usize = 8;
const DIGITS: usize = SEQUENCE_DIGITS + 1;
const MAX_SEQUENCE: u32 = 99_999_999;

/// A text with so many orders is for a person anyway; the limit bounds the work on a long one.
const ENOUGH_CODES: usize = 8;

/// The letters that all order codes of one installation begin with, in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// The letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let letters = text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !letters || !(2..=4).contains(&text.len()) {
            return Err(Error::Prefix);
        }
        Ok(Self(text.to_ascii_uppercase().into_boxed_str()))
    }
}

/// A whole, checked order code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderCode(Box<str>);

impl OrderCode {
    /// The code of the order with this number in the installation's own sequence.
    ///
    /// # Errors
    /// [`Error::Sequence`] for 0 or more than 8 digits.
    pub fn new(prefix: &Prefix, sequence: u32) -> Result<Self, Error> {
        if sequence == 0 || sequence > MAX_SEQUENCE {
            return Err(Error::Sequence);
        }
        let digits = format!("{sequence:08}");
        let check = damm(digits.bytes());
        Ok(Self(format!("{prefix}{digits}{check}").into_boxed_str()))
    }

    /// The code as it is stored and printed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The letters in front.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0[..self.0.len() - DIGITS]
    }

    /// The number in the installation's sequence.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        let end = self.0.len() - 1;
        self.0[end - SEQUENCE_DIGITS..end]
            .parse()
            .expect("a code holds eight digits before its check digit")
    }

    /// The reference of the order's `attempt`-th payment, `code-attempt`: payment gateways want a
    /// new one each time.
    #[must_use]
    pub fn payment_reference(&self, attempt: u32) -> PaymentReference {
        PaymentReference {
            code: self.clone(),
            attempt,
        }
    }
}

impl fmt::Display for OrderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OrderCode {
    type Err = Error;

    /// Reads a code as a person types it: any letter case, spaces around.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let Some((letters, digits)) = text
            .len()
            .checked_sub(DIGITS)
            .and_then(|at| text.split_at_checked(at))
        else {
            return Err(Error::Shape);
        };
        let prefix: Prefix = letters.parse().map_err(|_| Error::Shape)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Shape);
        }
        // The check digit takes the running state back to 0.
        if damm(digits.bytes()) != 0 {
            return Err(Error::Check);
        }
        Ok(Self(format!("{prefix}{digits}").into_boxed_str()))
    }
}

impl AsRef<str> for OrderCode {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for OrderCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for OrderCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// What a payment gateway knows one payment attempt by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PaymentReference {
    /// The order.
    pub code: OrderCode,
    /// Which attempt to pay it, from 1.
    pub attempt: u32,
}

impl fmt::Display for PaymentReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.code, self.attempt)
    }
}

impl FromStr for PaymentReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (code, attempt) = text.split_once('-').ok_or(Error::Reference)?;
        if attempt.is_empty() || !attempt.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Reference);
        }
        Ok(Self {
            code: code.parse()?,
            attempt: attempt.parse().map_err(|_| Error::Reference)?,
        })
    }
}

/// What a bank transfer's text says about which order it pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No code: the transfer goes to the unmatched list, never guessed by its amount.
    Nothing,
    /// One code, written so that it cannot be misread.
    Certain(OrderCode),
    /// One code, but found only with the separators removed, or beside a damaged one: a person
    /// must look.
    Review(OrderCode),
    /// Several orders in one text: a person must share the money out.
    Ambiguous(Vec<OrderCode>),
}

/// Looks for order codes with this prefix in a transfer's text.
#[must_use]
pub fn find_in_text(prefix: &Prefix, text: &str) -> Found {
    let text: Vec<u8> = text.to_uppercase().into_bytes();
    let written = scan(prefix, &text, Separators::AsWritten);
    if let [code] = &written.codes[..] {
        return if written.damaged {
            Found::Review(code.clone())
        } else {
            Found::Certain(code.clone())
        };
    }
    if written.codes.len() > 1 {
        return Found::Ambiguous(written.codes);
    }

    // Here a phone number or a date may follow the code directly; the fixed length keeps them out.
    let squeezed: Vec<u8> = text
        .into_iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
        .collect();
    let mut codes = scan(prefix, &squeezed, Separators::Removed).codes;
    match codes.len() {
        0 => Found::Nothing,
        1 => Found::Review(codes.remove(0)),
        _ => Found::Ambiguous(codes),
    }
}

#[derive(Clone, Copy)]
enum Separators {
    AsWritten,
    Removed,
}

#[derive(Default)]
struct Scan {
    codes: Vec<OrderCode>,
    /// Something had a code's shape and a wrong check digit.
    damaged: bool,
}

fn scan(prefix: &Prefix, text: &[u8], separators: Separators) -> Scan {
    let mut scan = Scan::default();
    let letters = prefix.as_str().as_bytes();
    for start in 0..text.len() {
        let Some(rest) = text[start..].strip_prefix(letters) else {
            continue;
        };
        let rest = match (separators, rest) {
            (Separators::AsWritten, [b' ' | b'.' | b'-', rest @ ..]) => rest,
            (Separators::AsWritten | Separators::Removed, rest) => rest,
        };
        let Some((digits, after)) = rest.split_at_checked(DIGITS) else {
            continue;
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            continue;
        }
        let runs_on = after.first().is_some_and(u8::is_ascii_digit);
        if runs_on && matches!(separators, Separators::AsWritten) {
            continue;
        }
        if damm(digits.iter().copied()) != 0 {
            scan.damaged = true;
            continue;
        }
        let digits: String = digits.iter().copied().map(char::from).collect();
        let code = OrderCode(format!("{prefix}{digits}").into_boxed_str());
        if !scan.codes.contains(&code) {
            scan.codes.push(code);
        }
        if scan.codes.len() == ENOUGH_CODES {
            break;
        }
    }
    scan
}

/// Damm's quasigroup (H. Michael Damm, 2004): row = state, column = digit.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// The state after these ASCII digits: the check digit to append, or 0 once it is there.
fn damm(digits: impl Iterator<Item = u8>) -> u8 {
    digits.fold(0, |state, digit| {
        DAMM[usize::from(state)][usize::from(digit - b'0')]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix() -> Prefix {
        "KH".parse().unwrap()
    }

    fn code(sequence: u32) -> OrderCode {
        OrderCode::new(&prefix(), sequence).unwrap()
    }

    #[test]
    fn the_check_digit_is_damms() {
        // The published example: 572 takes the check digit 4.
        assert_eq!(damm(b"572".iter().copied()), 4);
        assert_eq!(damm(b"5724".iter().copied()), 0);
        let code = code(572);
        assert_eq!(code.as_str(), "KH000005724");
        assert_eq!((code.prefix(), code.sequence()), ("KH", 572));
    }

    #[test]
    fn prefixes_are_two_to_four_letters() {
        assert_eq!("kenh".parse::<Prefix>().unwrap().as_str(), "KENH");
        for bad in ["", "K", "KENHS", "K1", "ĐH", "K-"] {
            assert_eq!(bad.parse::<Prefix>(), Err(Error::Prefix), "{bad}");
        }
        assert_eq!(OrderCode::new(&prefix(), 0), Err(Error::Sequence));
        assert_eq!(OrderCode::new(&prefix(), 100_000_000), Err(Error::Sequence));
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        assert_eq!(" kh000005724 ".parse(), Ok(code(572)));
        for bad in [
            "",
            "KH00000572",
            "000005724",
            "KH 00005724",
            "KHđ00005724",
            "ĐĐ000005724",
        ] {
            assert_eq!(bad.parse::<OrderCode>(), Err(Error::Shape), "{bad}");
        }
        assert!(serde_json::from_str::<OrderCode>("\"KH000005725\"").is_err());
    }

    #[test]
    fn a_payment_reference_names_the_order_and_the_attempt() {
        let reference = code(572).payment_reference(2);
        assert_eq!(reference.to_string(), "KH000005724-2");
        assert_eq!("KH000005724-2".parse(), Ok(reference));
        for bad in [
            "KH000005724",
            "KH000005724-",
            "KH000005724-x",
            "KH000005724-+1",
        ] {
            assert_eq!(
                bad.parse::<PaymentReference>(),
                Err(Error::Reference),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_transfer_text_names_its_order() {
        let certain = || Found::Certain(code(572));
        let review = || Found::Review(code(572));
        let cases = [
            ("KH000005724", certain()),
            ("NGUYEN VAN A chuyen tien kh000005724 cam on", certain()),
            ("MBVCB.123456789.KH-000005724.CT tu 0011", certain()),
            ("KH 000005724 sdt 0901234567", certain()),
            ("KH000005724-2", certain()),
            ("KH000005724 kh000005724", certain()),
            ("thanh toán đơn KH.000005724", certain()),
            // separators inside, or something glued on: found, but somebody looks
            ("KH 000 005 724", review()),
            ("KH0000057242", review()),
            ("KH0000057240901234567", review()),
            ("KH000005724 KH000005725", review()),
            // a wrong digit, another prefix, too short
            ("KH000005725", Found::Nothing),
            ("SO000005724", Found::Nothing),
            ("KH00000572", Found::Nothing),
            ("chuyen tien mua may lanh", Found::Nothing),
            ("", Found::Nothing),
        ];
        for (text, expected) in cases {
            assert_eq!(find_in_text(&prefix(), text), expected, "{text}");
        }
    }

    #[test]
    fn two_orders_in_one_text_are_for_a_person() {
        let both = Found::Ambiguous(vec![code(572), code(573)]);
        let text = format!("{} va {}", code(572), code(573));
        assert_eq!(find_in_text(&prefix(), &text), both);
        let glued = format!("{}{}", code(572), code(573));
        assert_eq!(find_in_text(&prefix(), &glued), both);
    }

    proptest! {
        #[test]
        fn every_single_wrong_digit_and_every_swap_is_caught(
            sequence in 1..=MAX_SEQUENCE, at in 0..DIGITS, other in 0_u8..10
        ) {
            let good = code(sequence);
            let mut wrong = good.as_str().as_bytes().to_vec();
            wrong[2 + at] = b'0' + other;
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert_eq!(wrong.parse::<OrderCode>().is_ok(), wrong == good.as_str());

            let mut swapped = good.as_str().as_bytes().to_vec();
            let at = at.min(DIGITS - 2);
            swapped.swap(2 + at, 3 + at);
            let swapped = String::from_utf8(swapped).unwrap();
            prop_assert_eq!(swapped.parse::<OrderCode>().is_ok(), swapped == good.as_str());
        }

        #[test]
        fn a_code_between_words_is_always_found(sequence in 1..=MAX_SEQUENCE, before in "[A-JL-Z ]{0,20}", after in "( [A-JL-Z0-9]{0,20})?") {
            let text = format!("{before}{}{after}", code(sequence));
            prop_assert_eq!(find_in_text(&prefix(), &text), Found::Certain(code(sequence)));
        }

        #[test]
        fn any_text_is_safe_to_search(text: String) {
            let found = find_in_text(&prefix(), &text);
            prop_assert!(found == Found::Nothing || text.to_uppercase().contains("K"));
        }
    }
}
