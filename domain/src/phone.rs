//! Phone numbers as E.164, with Vietnam's ways of writing them understood.
//!
//! A masked number (`09••••567`, `84********18`) is not a wrong number: marketplaces hide them,
//! and nobody tries to guess the rest. What is certain becomes a [`Phone`]; what had to be repaired
//! says how, so that a caller who wants a person to look can ask for it.
//!
//! [`Phone`] prints itself masked under `{:?}` and has no `Display`: the number leaves only through
//! [`Phone::as_str`], [`Phone::national`] and serialization.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_normalization::UnicodeNormalization;

/// A dialable number in E.164 form, `+84901234567`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(Box<str>);

/// What a text in a phone field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A whole number.
    Valid(Phone),
    /// A number with digits hidden by the channel or the buyer.
    Masked,
    /// Empty, too short, too long, two numbers at once, or no number.
    Invalid,
}

/// What had to be changed, beyond the way of writing, to make a number valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// An 11-digit mobile of before 2018, moved to its new prefix.
    OldPrefix,
    /// Nine digits of a mobile without its leading 0, as spreadsheets leave them.
    MissingZero,
}

impl Phone {
    /// Reads a phone field.
    #[must_use]
    pub fn parse(text: &str) -> Parsed {
        Self::read(text).0
    }

    /// Reads a phone field and says what was repaired.
    #[must_use]
    pub fn read(text: &str) -> (Parsed, Option<Repair>) {
        let symbols = match symbols(text) {
            Ok(symbols) => symbols,
            Err(parsed) => return (parsed, None),
        };
        match number(&symbols) {
            Some((phone, repair)) => (Parsed::Valid(phone), repair),
            None => (Parsed::Invalid, None),
        }
    }

    /// The number in E.164 form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as it is dialled in Vietnam: `0901234567`; a foreign one stays E.164.
    #[must_use]
    pub fn national(&self) -> String {
        match self.0.strip_prefix("+84") {
            Some(national) => format!("0{national}"),
            None => self.0.to_string(),
        }
    }

    /// A Vietnamese mobile: what can get a text message or a Zalo notification.
    #[must_use]
    pub fn is_mobile(&self) -> bool {
        self.0.strip_prefix("+84").is_some_and(is_mobile)
    }

    /// The number as lists and logs may show it: `09•••••123`.
    #[must_use]
    pub fn masked(&self) -> String {
        let number = self.national();
        // Two characters of a national number, three with the plus; every character is ASCII.
        let (shown, last) = if number.starts_with('+') {
            (3, 2)
        } else {
            (2, 3)
        };
        let end = number.len() - last;
        format!("{}•••••{}", &number[..shown], &number[end..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

impl Serialize for Phone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Phone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Self::parse(&String::deserialize(deserializer)?) {
            Parsed::Valid(phone) => Ok(phone),
            Parsed::Masked | Parsed::Invalid => Err(de::Error::custom(
                "could not read the phone number: it is not a whole one",
            )),
        }
    }
}

/// The digits, with a `+` kept in front, or what the text is instead.
fn symbols(text: &str) -> Result<String, Parsed> {
    let mut symbols = String::with_capacity(text.len());
    let mut hidden = 0_usize;
    let mut crosses = 0_usize;
    // NFKC turns full-width digits into ours.
    for letter in text.nfkc() {
        match letter {
            '0'..='9' => symbols.push(letter),
            '+' if symbols.is_empty() => symbols.push(letter),
            '*' | '•' | '●' | '∗' | '＊' => hidden += 1,
            'x' | 'X' => crosses += 1,
            '.' | '-' | '(' | ')' | '–' | '—' | '\u{2010}' | '\u{2011}' => {}
            // Zero-width and direction marks come along when a number is copied from a chat.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => {}
            space if space.is_whitespace() => {}
            _ => return Err(Parsed::Invalid),
        }
    }
    // One `x` is an extension or a typing error; two stand for digits.
    if hidden > 0 || crosses > 1 {
        return Err(Parsed::Masked);
    }
    if crosses > 0 {
        return Err(Parsed::Invalid);
    }
    Ok(symbols)
}

fn number(symbols: &str) -> Option<(Phone, Option<Repair>)> {
    if let Some(international) = symbols.strip_prefix('+').or(symbols.strip_prefix("00")) {
        return match international.strip_prefix("84") {
            Some(national) => vietnamese(national),
            None => foreign(international).map(|phone| (phone, None)),
        };
    }
    if symbols.starts_with('0') {
        return vietnamese(symbols);
    }
    if let Some(found) = symbols.strip_prefix("84").and_then(vietnamese) {
        return Some(found);
    }
    if is_mobile(symbols) {
        return Some((vietnam(symbols), Some(Repair::MissingZero)));
    }
    None
}

/// A Vietnamese number after its country code, with or without the 0 that people leave there.
fn vietnamese(digits: &str) -> Option<(Phone, Option<Repair>)> {
    let national = digits.strip_prefix('0').unwrap_or(digits);
    if is_mobile(national) || is_landline(national) {
        return Some((vietnam(national), None));
    }
    if national.len() != 10 {
        return None;
    }
    let (old, rest) = national.split_at(3);
    let new = OLD_PREFIXES.iter().find(|(prefix, _)| *prefix == old)?.1;
    Some((vietnam(&format!("{new}{rest}")), Some(Repair::OldPrefix)))
}

fn vietnam(national: &str) -> Phone {
    Phone(format!("+84{national}").into_boxed_str())
}

/// Nine digits after the 0. Which prefixes are in use changes; the first digit has not since 2018.
fn is_mobile(national: &str) -> bool {
    national.len() == 9 && national.starts_with(['3', '5', '7', '8', '9'])
}

/// `02` and 8 or 9 digits.
fn is_landline(national: &str) -> bool {
    (9..=10).contains(&national.len()) && national.starts_with('2')
}

/// E.164: at most 15 digits, the country code does not begin with 0. The shortest real subscriber
/// numbers with their country code have 7.
fn foreign(digits: &str) -> Option<Phone> {
    let fits = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
    fits.then(|| Phone(format!("+{digits}").into_boxed_str()))
}

/// The move from 11 to 10 digits in 2018 (without the leading 0).
const OLD_PREFIXES: [(&str, &str); 21] = [
    // Viettel
    ("162", "32"),
    ("163", "33"),
    ("164", "34"),
    ("165", "35"),
    ("166", "36"),
    ("167", "37"),
    ("168", "38"),
    ("169", "39"),
    // MobiFone
    ("120", "70"),
    ("121", "79"),
    ("122", "77"),
    ("126", "76"),
    ("128", "78"),
    // VinaPhone
    ("123", "83"),
    ("124", "84"),
    ("125", "85"),
    ("127", "81"),
    ("129", "82"),
    // Vietnamobile and Gmobile
    ("186", "56"),
    ("188", "58"),
    ("199", "59"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn valid(text: &str) -> Option<String> {
        match Phone::parse(text) {
            Parsed::Valid(phone) => Some(phone.as_str().to_owned()),
            Parsed::Masked | Parsed::Invalid => None,
        }
    }

    #[test]
    fn every_way_to_write_a_mobile_is_one_number() {
        for text in [
            "0901234567",
            "0901 234 567",
            "0901.234.567",
            "090-123-4567",
            "(090) 123 4567",
            "84901234567",
            "+84901234567",
            "+84 90 123 4567",
            "(+84)901234567",
            "+840901234567",
            "0084901234567",
            "0084 0901234567",
            "\u{feff}0901\u{a0}234\u{200b}567",
            "０９０１２３４５６７",
        ] {
            assert_eq!(valid(text).as_deref(), Some("+84901234567"), "{text}");
            assert_eq!(Phone::read(text).1, None, "{text}");
        }
    }

    #[test]
    fn old_prefixes_move_and_say_so() {
        for (old, new) in [
            ("01621234567", "+84321234567"),
            ("0169 123 4567", "+84391234567"),
            ("+841201234567", "+84701234567"),
            ("841271234567", "+84811234567"),
            ("01291234567", "+84821234567"),
            ("01861234567", "+84561234567"),
            ("01991234567", "+84591234567"),
        ] {
            assert_eq!(valid(old).as_deref(), Some(new), "{old}");
            assert_eq!(Phone::read(old).1, Some(Repair::OldPrefix), "{old}");
        }
        assert_eq!(valid("01601234567"), None, "never was a prefix");
    }

    #[test]
    fn a_zero_that_a_spreadsheet_ate_is_put_back() {
        let (parsed, repair) = Phone::read("901234567");
        assert!(matches!(parsed, Parsed::Valid(phone) if phone.as_str() == "+84901234567"));
        assert_eq!(repair, Some(Repair::MissingZero));
        // A mobile that itself begins with 84 is not read as a country code.
        assert_eq!(valid("845678901").as_deref(), Some("+84845678901"));
        assert_eq!(valid("0845678901").as_deref(), Some("+84845678901"));
    }

    #[test]
    fn landlines_are_valid_but_no_mobiles() {
        for text in ["028 3822 1234", "+842838221234", "0251 3822 123"] {
            let Parsed::Valid(phone) = Phone::parse(text) else {
                unreachable!("{text} is a landline");
            };
            assert!(!phone.is_mobile(), "{text}");
        }
    }

    #[test]
    fn foreign_numbers_are_kept_as_they_are() {
        assert_eq!(valid("+1 (202) 555-0143").as_deref(), Some("+12025550143"));
        assert_eq!(valid("0065 6123 4567").as_deref(), Some("+6561234567"));
        assert_eq!(valid("+1234567890123456"), None);
    }

    #[test]
    fn hidden_digits_are_masked_not_invalid() {
        for text in [
            "84********18",
            "(+84)90*****18",
            "******18",
            "09•••••123",
            "0901xxx567",
            "*",
        ] {
            assert_eq!(Phone::parse(text), Parsed::Masked, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_invalid() {
        for text in [
            "",
            " ",
            "0912",
            "09012345678",
            "0901234567 / 0912345678",
            "0901234567 ext 5",
            "0901234567x",
            "1800 1234",
            "19001234",
            "hotline",
            "+84",
            "+",
            "00",
            "0101234567",
            "+84 123",
            "٠٩٠١٢٣٤٥٦٧",
            "0901234567+",
        ] {
            assert_eq!(Phone::parse(text), Parsed::Invalid, "{text}");
        }
    }

    #[test]
    fn a_number_shows_itself_masked_only() {
        let Parsed::Valid(phone) = Phone::parse("0901234123") else {
            unreachable!("a mobile");
        };
        assert_eq!(phone.masked(), "09•••••123");
        assert_eq!(format!("{phone:?}"), "Phone(09•••••123)");
        assert_eq!(phone.national(), "0901234123");
        let Parsed::Valid(foreign) = Phone::parse("+6561234567") else {
            unreachable!("a foreign number");
        };
        assert_eq!(foreign.masked(), "+65•••••67");
    }

    proptest! {
        #[test]
        fn reading_twice_changes_nothing(text in "[+0-9 .()-]{0,20}") {
            if let Parsed::Valid(phone) = Phone::parse(&text) {
                prop_assert_eq!(Phone::parse(phone.as_str()), Parsed::Valid(phone.clone()));
                prop_assert_eq!(Phone::parse(&phone.national()), Parsed::Valid(phone.clone()));
                let json = serde_json::to_string(&phone).unwrap();
                prop_assert_eq!(serde_json::from_str::<Phone>(&json).unwrap(), phone);
            }
        }

        #[test]
        fn a_mobile_is_found_behind_any_prefix_and_separators(
            national in "[35789][0-9]{8}", way in 0_usize..4, separator in "[ .-]?"
        ) {
            let prefix = ["0", "84", "+84", "0084"][way];
            let text = format!("{prefix}{}{separator}{}", &national[..4], &national[4..]);
            prop_assert_eq!(valid(&text), Some(format!("+84{national}")));
        }

        #[test]
        fn any_text_is_safe_and_what_is_valid_is_e164(text: String) {
            if let Some(number) = valid(&text) {
                prop_assert!(number.starts_with('+'));
                prop_assert!((8..=16).contains(&number.len()));
                prop_assert!(number[1..].bytes().all(|byte| byte.is_ascii_digit()));
            }
        }

        #[test]
        fn the_middle_never_shows(national in "[35789][0-9]{8}") {
            let Parsed::Valid(phone) = Phone::parse(&format!("0{national}")) else {
                unreachable!("a mobile");
            };
            prop_assert!(!phone.masked().contains(&national[1..]));
            prop_assert_eq!(phone.masked().chars().count(), 10);
        }
    }
}
