//! What the telephone providers have in common: numbers in every way of writing, and one notice per
//! call that each state of the call replaces.

use domain::phone::{Parsed, Phone};
use domain::snapshot::Buyer;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::inbound::{ConversationNotice, Notice, NoticeBody};
use crate::payload::word;

/// Who began a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The person called us.
    Inbound,
    /// We called the person.
    Outbound,
}

/// One state of one call, as a provider reports it.
#[derive(Debug)]
pub(super) struct Call {
    /// The provider's id of the call.
    pub(super) id: String,
    /// Who began it.
    pub(super) direction: Direction,
    /// The person's number as the provider writes it; nothing where it is hidden.
    pub(super) person: Option<String>,
    /// Our number as the provider writes it.
    pub(super) ours: Option<String>,
    /// The provider's word for the state.
    pub(super) status: String,
    /// How far the call is in that state. A provider's clock may give two states of a call the same
    /// moment; the later one must win all the same, so the rank is added to it in milliseconds.
    pub(super) rank: i64,
    /// When.
    pub(super) at: Timestamp,
    /// The person hung up, or was sent away, before anybody of ours answered.
    pub(super) missed: bool,
    /// Anything else worth showing: duration, agent, recording.
    pub(super) hints: Vec<String>,
}

impl Call {
    /// The call as a notice of the person's conversation.
    pub(super) fn notice(self) -> Notice {
        let outgoing = self.direction == Direction::Outbound;
        let number = Number::of(self.person.as_deref());
        let mut hints = vec![
            match self.direction {
                Direction::Inbound => "direction:inbound".to_owned(),
                Direction::Outbound => "direction:outbound".to_owned(),
            },
            format!("status:{}", word(&self.status)),
        ];
        hints.extend(self.hints);
        if self.missed && !outgoing {
            hints.push("missed".to_owned());
            // Nobody can call a number back that is not shown.
            if number != Number::Hidden {
                hints.push("call_back".to_owned());
            }
        }
        let (person, phone) = match number {
            Number::Phone(phone) => (phone.clone(), Some(phone)),
            Number::Other(digits) => (format!("tel:{digits}"), None),
            // Two hidden callers are not the same person.
            Number::Hidden => {
                hints.push("hidden_number".to_owned());
                (format!("hidden:{}", self.id), None)
            }
        };
        Notice {
            key: Some(person.clone()),
            body: NoticeBody::Call(Box::new(ConversationNotice {
                person,
                account: account(self.ours.as_deref()),
                message_id: self.id,
                kind: "call".to_owned(),
                outgoing,
                text: None,
                buyer: phone.map(|phone| Buyer {
                    phone: Some(phone),
                    ..Buyer::default()
                }),
                address: None,
                lines: Vec::new(),
                at: self
                    .at
                    .checked_add(SignedDuration::from_millis(self.rank))
                    .unwrap_or(self.at),
                hints,
            })),
        }
    }
}

/// What stands in a number's field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Number {
    /// A whole number, E.164.
    Phone(String),
    /// Digits that are no number of the national plan: a hotline, an extension, a foreign number
    /// without its plus.
    Other(String),
    /// Nothing, or a word such as `anonymous`.
    Hidden,
}

impl Number {
    fn of(text: Option<&str>) -> Self {
        let Some(text) = text else {
            return Self::Hidden;
        };
        match Phone::parse(text) {
            Parsed::Valid(phone) => Self::Phone(phone.as_str().to_owned()),
            Parsed::Masked => Self::Hidden,
            Parsed::Invalid => {
                let digits: String = text.chars().filter(char::is_ascii_digit).take(20).collect();
                // SIP networks write a hidden number as zeros, or as a word.
                if digits.chars().all(|digit| digit == '0') {
                    return Self::Hidden;
                }
                Self::Other(digits)
            }
        }
    }
}

/// Our number, E.164 where it is in the national plan (a hotline such as 1900 1234 is not).
fn account(text: Option<&str>) -> String {
    match Number::of(text) {
        Number::Phone(phone) => phone,
        Number::Other(digits) => digits,
        Number::Hidden => "unknown".to_owned(),
    }
}

/// Whether a field holds a telephone number and not an agent's name or extension.
pub(super) fn is_number(text: &str) -> bool {
    matches!(Phone::parse(text), Parsed::Valid(_))
}

/// Text or number at a pointer, as text; empty counts as missing.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number at a pointer, written as number or text.
pub(super) fn whole(value: &Value, pointer: &str) -> Option<i64> {
    text(value, pointer)?.parse().ok()
}

/// Milliseconds since 1970 at a pointer; 0 stands for "not yet".
pub(super) fn milliseconds(value: &Value, pointer: &str) -> Option<Timestamp> {
    let number = whole(value, pointer).filter(|number| *number > 0)?;
    Timestamp::from_millisecond(number).ok()
}

/// Adds `name:value`.
pub(super) fn hint(hints: &mut Vec<String>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        hints.push(format!("{name}:{value}"));
    }
}

/// A notice that asks for nothing.
pub(super) fn ignored(reason: impl Into<String>) -> Notice {
    Notice {
        key: None,
        body: NoticeBody::Ignored {
            reason: reason.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_one_person_however_it_is_written() {
        for written in ["84901234567", "0901234567", "+84901234567", "090 123 4567"] {
            assert_eq!(
                Number::of(Some(written)),
                Number::Phone("+84901234567".to_owned()),
                "{written}"
            );
        }
        for written in ["842871234567", "02871234567", "+84 28 7123 4567"] {
            assert_eq!(
                Number::of(Some(written)),
                Number::Phone("+842871234567".to_owned()),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_whole_number_is_kept_apart() {
        for written in [
            None,
            Some("anonymous"),
            Some("Restricted"),
            Some("0000"),
            Some("09****4567"),
        ] {
            assert_eq!(Number::of(written), Number::Hidden, "{written:?}");
        }
        assert_eq!(
            Number::of(Some("19001234")),
            Number::Other("19001234".to_owned())
        );
        assert_eq!(
            Number::of(Some("85223456789")),
            Number::Other("85223456789".to_owned())
        );
    }
}
