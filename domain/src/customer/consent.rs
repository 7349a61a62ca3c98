//! Consent: whether we may write to a customer in a channel. It comes from the channel (a person
//! follows the account, or stops) or from staff, who say why. The latest word of a channel counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a customer allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// We may write.
    Granted,
    /// We must not. The greater of the two, so that it wins where both are said of one moment.
    Withdrawn,
}

impl ConsentState {
    /// The word used in the API and in columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "granted" => Some(Self::Granted),
            "withdrawn" => Some(Self::Withdrawn),
            _ => None,
        }
    }
}

/// Who says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsentSource {
    /// The channel reports what the person did there.
    Channel,
    /// A member of staff, for a reason.
    Staff {
        /// Who, as their token names them.
        actor: String,
        /// Why.
        reason: String,
    },
}

/// One word on consent. Sorted, the later word is the greater; of one moment, a withdrawal is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consent {
    /// When it was given or taken back.
    pub at: Timestamp,
    /// What.
    pub state: ConsentState,
    /// The channel that it is about.
    pub channel: String,
    /// Who says so.
    pub source: ConsentSource,
}

/// What a message of a conversation says of consent: following an account allows to write there.
#[must_use]
pub fn consent_of(kind: &str) -> Option<ConsentState> {
    match kind {
        "follow" => Some(ConsentState::Granted),
        "unfollow" => Some(ConsentState::Withdrawn),
        _ => None,
    }
}

/// The word that stands for each channel: the latest one, whatever the order of arrival.
#[must_use]
pub fn standing(consents: &[Consent]) -> BTreeMap<&str, &Consent> {
    let mut latest: BTreeMap<&str, &Consent> = BTreeMap::new();
    for consent in consents {
        let known = latest.entry(&consent.channel).or_insert(consent);
        if consent > *known {
            *known = consent;
        }
    }
    latest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::testing::minute;

    fn said(channel: &str, minutes: i64, state: ConsentState) -> Consent {
        Consent {
            at: minute(minutes),
            state,
            channel: channel.to_owned(),
            source: ConsentSource::Channel,
        }
    }

    #[test]
    fn the_latest_word_of_each_channel_counts_in_any_order_of_arrival() {
        let mut words = vec![
            said("zalo-oa", 1, ConsentState::Granted),
            said("zalo-oa", 3, ConsentState::Withdrawn),
            said("zalo-oa", 2, ConsentState::Granted),
            said("facebook-page", 1, ConsentState::Granted),
        ];
        for _ in 0..words.len() {
            words.rotate_left(1);
            let latest = standing(&words);
            assert_eq!(latest["zalo-oa"].state, ConsentState::Withdrawn);
            assert_eq!(latest["facebook-page"].state, ConsentState::Granted);
        }
        words.push(Consent {
            source: ConsentSource::Staff {
                actor: "lan".to_owned(),
                reason: "asked by phone".to_owned(),
            },
            ..said("zalo-oa", 4, ConsentState::Granted)
        });
        assert_eq!(standing(&words)["zalo-oa"].state, ConsentState::Granted);
    }

    #[test]
    fn of_one_moment_the_withdrawal_counts() {
        let both = [
            said("zalo-oa", 1, ConsentState::Withdrawn),
            said("zalo-oa", 1, ConsentState::Granted),
        ];
        assert_eq!(standing(&both)["zalo-oa"].state, ConsentState::Withdrawn);
    }

    #[test]
    fn only_following_and_its_end_speak_of_consent() {
        assert_eq!(consent_of("follow"), Some(ConsentState::Granted));
        assert_eq!(consent_of("unfollow"), Some(ConsentState::Withdrawn));
        assert_eq!(consent_of("message"), None);
        for state in [ConsentState::Granted, ConsentState::Withdrawn] {
            assert_eq!(ConsentState::from_word(state.as_str()), Some(state));
        }
    }
}
