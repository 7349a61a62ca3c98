//! What was understood of a comment and what was not, in machine words and in sentences for staff.
//!
//! Reasons hold codes, small numbers and words of our own lists only: no name, no address, no
//! phone but masked.

use serde::{Deserialize, Serialize};

use super::{Intent, PhoneKind};
use crate::phone::Phone;

/// What a reason does to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It only tells what was understood.
    Fact,
    /// It keeps the comment from becoming a draft order by itself.
    NoDraft,
    /// A person has to read the comment before anything is done.
    Review,
}

/// One thing that was understood, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The page wrote it.
    ByThePage,
    /// What the writer wants.
    Wants {
        /// What.
        intent: Intent,
    },
    /// A line and how its quantity was written; `None` where none was, which means 1.
    Line {
        /// The product's code.
        product: String,
        /// Pieces.
        quantity: u32,
        /// Variant as written.
        variant: Option<String>,
        /// The words of the quantity: `x2`.
        written: Option<String>,
    },
    /// A phone stands in the comment.
    PhoneGiven {
        /// Masked number.
        phone: String,
        /// What it is.
        kind: PhoneKind,
    },
    /// A phone of the writer is known.
    PhoneOnFile,
    /// The phone is hidden, or was given elsewhere.
    PhoneHidden,
    /// The phone lacks digits.
    PhoneIncomplete,
    /// The same person wrote the same before, in this live.
    Duplicate,

    /// Words that the list does not have.
    UnknownWords {
        /// How many.
        count: usize,
    },
    /// A code, and nothing that orders.
    NothingOrders,
    /// The writer speaks of the chat.
    SpeaksOfChat,

    /// Longer than what is read.
    TooLong,
    /// A number that nothing explains.
    UnexplainedNumber {
        /// The number, masked when it is long.
        number: String,
    },
    /// Digits of another script, or a number symbol.
    UnreadableNumber,
    /// Written like a code, and not in the list.
    UnknownCode {
        /// As written.
        written: String,
        /// The most similar code of the list.
        nearest: Option<String>,
    },
    /// It may be the code, or not: `a 12` is also "anh, 12 …".
    UnclearCode {
        /// The code.
        product: String,
    },
    /// The code stands where an address has a building or a flat.
    CodeInAddress {
        /// The code.
        product: String,
    },
    /// The code is written more than once.
    CodeRepeated {
        /// The code.
        product: String,
    },
    /// Codes with a sign between that may mean "or".
    CodesAlternative,
    /// No code; the pinned product was taken.
    PinnedTaken {
        /// Its code.
        product: String,
    },
    /// A number beside a code without a word that makes it a quantity.
    BareQuantity {
        /// The code.
        product: String,
        /// The number.
        quantity: u32,
    },
    /// 0, or more than the limit.
    QuantityOutOfRange {
        /// The code.
        product: String,
        /// What was written.
        quantity: u32,
        /// The limit.
        limit: u32,
    },
    /// Several quantities for one product.
    QuantityTwice {
        /// The code.
        product: String,
    },
    /// Quantities of which it is not certain what they count.
    QuantityUnclear,
    /// Several variants of one kind for one product.
    VariantTwice {
        /// The code.
        product: String,
    },
    /// Not one of the product's variants, or more than one of them.
    VariantUnknown {
        /// The code.
        product: String,
        /// As written.
        written: String,
    },
    /// The product has variants and none was chosen.
    VariantMissing {
        /// The code.
        product: String,
    },
    /// Variants of which it is not certain whose they are, or whether they are any.
    VariantUnclear,
    /// A measure that the product's name contradicts.
    MeasureDiffers {
        /// The code.
        product: String,
        /// As written.
        written: String,
    },
    /// Another product is named than the one of the code.
    OtherProduct,
    /// More than one phone.
    SeveralPhones,
    /// Digits that may be a phone and may be something else.
    PhoneUnclear,
    /// A word that changes what is wanted, or may.
    Word {
        /// The word, of our list.
        word: String,
        /// What it says.
        says: Says,
    },
    /// A question mark.
    QuestionMark,
    /// The same person ordered the same product before, in this live.
    OrderedBefore {
        /// The code.
        product: String,
    },
}

/// What a doubtful word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It asks.
    Asks,
    /// It denies, or asks.
    Denies,
    /// It is said of the past.
    Past,
    /// Only if.
    OnlyIf,
    /// One or the other.
    Either,
    /// More than is written here.
    More,
    /// Not now.
    Later,
    /// Something else than the usual.
    Otherwise,
    /// A game.
    Game,
    /// Waits or looks on.
    Watches,
    /// Money was or will be paid.
    Pays,
}

impl Reason {
    /// What it does to an order.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match self {
            Self::ByThePage
            | Self::Wants { .. }
            | Self::Line { .. }
            | Self::PhoneOnFile
            // Asked when staff confirm the draft, as for every order without its variant.
            | Self::VariantMissing { .. }
            | Self::PhoneHidden
            | Self::PhoneIncomplete
            | Self::Duplicate => Weight::Fact,
            Self::PhoneGiven { kind, .. } => match kind {
                PhoneKind::Mobile => Weight::Fact,
                PhoneKind::Rebuilt
                | PhoneKind::OldPrefix
                | PhoneKind::Landline
                | PhoneKind::Foreign => Weight::Review,
            },
            Self::UnknownWords { .. } | Self::NothingOrders | Self::SpeaksOfChat => Weight::NoDraft,
            Self::TooLong
            | Self::UnexplainedNumber { .. }
            | Self::UnreadableNumber
            | Self::UnknownCode { .. }
            | Self::UnclearCode { .. }
            | Self::CodeInAddress { .. }
            | Self::CodeRepeated { .. }
            | Self::CodesAlternative
            | Self::PinnedTaken { .. }
            | Self::BareQuantity { .. }
            | Self::QuantityOutOfRange { .. }
            | Self::QuantityTwice { .. }
            | Self::QuantityUnclear
            | Self::VariantTwice { .. }
            | Self::VariantUnknown { .. }
            | Self::VariantUnclear
            | Self::MeasureDiffers { .. }
            | Self::OtherProduct
            | Self::SeveralPhones
            | Self::PhoneUnclear
            | Self::Word { .. }
            | Self::QuestionMark
            | Self::OrderedBefore { .. } => Weight::Review,
        }
    }

    /// A phone as reasons may hold it.
    pub(super) fn phone(phone: &Phone, kind: PhoneKind) -> Self {
        Self::PhoneGiven {
            phone: phone.masked(),
            kind,
        }
    }
}
