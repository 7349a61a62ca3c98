//! What a buyer says of an order: stars, and a word where they have one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One to five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stars(u8);

impl Stars {
    /// The number, if it is one of 1 to 5.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (1..=5).contains(&number).then_some(Self(number))
    }

    /// 1 to 5.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// One rating. Of two with one id the greater counts: the later, and among those of one moment the
/// one with more stars.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rating {
    /// When, according to the channel.
    pub at: Timestamp,
    /// One to five.
    pub stars: Stars,
    /// The buyer's own words.
    pub note: Option<String>,
    /// What the buyer picked from a list of the shop's.
    pub feedbacks: Vec<String>,
    /// The channel's id of the rating.
    pub id: String,
    /// The channel that it came through.
    pub channel: String,
}

impl Rating {
    /// What makes it one rating: another one with this key replaces it, or is replaced.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}|{}", self.channel, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five_stars() {
        assert_eq!(Stars::new(0), None);
        assert_eq!(Stars::new(1).map(Stars::number), Some(1));
        assert_eq!(Stars::new(5).map(Stars::number), Some(5));
        assert_eq!(Stars::new(6), None);
    }
}
