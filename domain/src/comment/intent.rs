//! What the writer wants. The first that fits counts: advertising before complaints, changes before
//! cancellations, questions before orders.

use super::Intent;
use super::PhoneState;
use super::reading::{Mark, Reading};
use super::words::Meaning;

/// Tokens between two words that still belong together.
const NEAR: usize = 6;

pub(super) fn of(reading: &Reading<'_>) -> Intent {
    let said = Said { reading };
    if said.advertises() {
        Intent::Spam
    } else if said.complains() {
        Intent::Complaint
    } else if said.changes() {
        Intent::Change
    } else if said.cancels() {
        Intent::Cancel
    } else if said.paid() {
        Intent::PaymentClaim
    } else if said.asks_after_an_order() {
        Intent::OrderStatus
    } else if said.has(Meaning::Hold) {
        Intent::NegatedOrder
    } else if said.asks() {
        Intent::Question
    } else if said.orders() {
        Intent::Order
    } else if said.gives_a_phone() {
        Intent::Contact
    } else {
        Intent::Chatter
    }
}

/// Whether a word of the comment orders, beside its codes and phones.
pub(super) fn has_order_word(reading: &Reading<'_>) -> bool {
    let said = Said { reading };
    said.has(Meaning::Order) || said.gives()
}

struct Said<'r, 'l> {
    reading: &'r Reading<'l>,
}

impl Said<'_, '_> {
    fn places(&self, meaning: Meaning) -> impl Iterator<Item = usize> {
        (0..self.reading.tokens.len()).filter(move |at| self.reading.says(*at, meaning))
    }

    fn has(&self, meaning: Meaning) -> bool {
        self.places(meaning).next().is_some()
    }

    /// Whether a word of one meaning follows one of another within a few tokens.
    fn follows(&self, first: Meaning, then: &[Meaning]) -> bool {
        self.places(first).any(|at| {
            (at + 1..=at + NEAR)
                .any(|next| then.iter().any(|meaning| self.reading.says(next, *meaning)))
        })
    }

    fn has_sign(&self, sign: char) -> bool {
        self.reading.tokens.iter().any(|token| token.is_sign(sign))
    }

    fn has_code(&self) -> bool {
        !self.reading.codes.is_empty()
    }

    fn is_marked(&self, mark: Mark) -> bool {
        (0..self.reading.tokens.len()).any(|at| self.reading.mark_of(at) == Some(mark))
    }

    fn advertises(&self) -> bool {
        if self.has(Meaning::Spam) || self.has_link() {
            return true;
        }
        let contact =
            self.gives_a_phone() || self.has(Meaning::Inbox) || self.has(Meaning::PhoneWord);
        let offers = self.has(Meaning::RivalOffer) || self.reading_says_sells();
        let calls = self.has(Meaning::Crowd) || contact;
        (self.has(Meaning::Rival) && offers && calls && !self.has(Meaning::Order))
            || (self.has(Meaning::RivalOffer)
                && contact
                && !self.has_code()
                && !self.has(Meaning::Order))
    }

    fn reading_says_sells(&self) -> bool {
        (0..self.reading.tokens.len())
            .any(|at| self.reading.is_free(at) && self.reading.reads(at, &["bán", "sỉ"]))
    }

    /// `http://…`, `abc.com`, `zalo.me/…`.
    fn has_link(&self) -> bool {
        let is = |at: usize, words: &[&str]| {
            self.reading
                .tokens
                .get(at)
                .is_some_and(|token| words.contains(&token.lower.as_str()))
        };
        (0..self.reading.tokens.len()).any(|at| {
            is(at, &["http", "https", "www"])
                || (self.reading.is_sign(at, '.')
                    && at > 0
                    && self.reading.is_glued(at)
                    && self.reading.is_glued(at + 1)
                    && self.reading.tokens[at - 1].is_word()
                    && is(
                        at + 1,
                        &["com", "vn", "net", "me", "ly", "info", "shop", "xyz", "top"],
                    ))
        })
    }

    fn complains(&self) -> bool {
        // "If it is faulty, can I return it" asks.
        self.has(Meaning::Complaint) && !self.has(Meaning::Condition)
    }

    /// `đổi A12 sang B7`, `thay A12 bằng B7`, `sửa địa chỉ`. `đổi` alone may be a warranty's.
    fn changes(&self) -> bool {
        let target = |at: usize| {
            self.reading.mark_of(at) == Some(Mark::Code)
                || self.reading.mark_of(at) == Some(Mark::Variant)
                || [
                    Meaning::Order,
                    Meaning::CodeWord,
                    Meaning::ColourWord,
                    Meaning::SizeWord,
                    Meaning::AddressWord,
                    Meaning::PhoneWord,
                ]
                .iter()
                .any(|meaning| self.reading.says(at, *meaning))
                || self
                    .reading
                    .reads(at, &["sang", "qua", "thành", "bằng", "lại", "giúp", "đơn"])
        };
        let word = |at: usize| {
            self.reading.says(at, Meaning::Change)
                || (self.reading.is_free(at)
                    && self.reading.reads(at, &["đổi"])
                    && (at + 1..=at + NEAR)
                        .any(|next| self.reading.reads(next, &["sang", "qua", "thành"])))
        };
        (0..self.reading.tokens.len()).any(|at| word(at) && (at + 1..=at + NEAR).any(target))
    }

    /// `hủy`, `bỏ A12`, `không lấy`.
    fn cancels(&self) -> bool {
        let names_an_order = |at: usize| {
            self.reading.mark_of(at) == Some(Mark::Code)
                || self.reading.says(at, Meaning::CodeWord)
                || self.reading.reads(at, &["đơn"])
        };
        self.has(Meaning::Cancel)
            || (0..self.reading.tokens.len()).any(|at| {
                self.reading.is_free(at)
                    && self.reading.reads(at, &["hủy", "bỏ"])
                    && names_an_order(at + 1)
                    && !(at > 0 && self.reading.tokens[at - 1].is_number())
            })
    }

    /// `ck rồi`, `đã chuyển khoản`.
    fn paid(&self) -> bool {
        self.follows_closely(Meaning::Pay, Meaning::Done)
            || self.follows_closely(Meaning::Done, Meaning::Pay)
    }

    fn follows_closely(&self, first: Meaning, then: Meaning) -> bool {
        self.places(first)
            .any(|at| (at + 1..=at + 4).any(|next| self.reading.says(next, then)))
    }

    /// `đặt A12 rồi sao chưa thấy gọi`, `chốt rồi mà chưa thấy`.
    fn asks_after_an_order(&self) -> bool {
        let done_and_asking = self.follows(Meaning::Order, &[Meaning::Done])
            && (self.has(Meaning::NotYet) || self.has(Meaning::Ask) || self.has_sign('?'));
        self.has(Meaning::OrderStatus) || done_and_asking
    }

    /// A question with nothing that orders. A price may be asked with a word that orders as well.
    fn asks(&self) -> bool {
        if self.gives_a_phone() {
            return false;
        }
        let asks = self.has(Meaning::Ask)
            || self.has(Meaning::HalfAsk) && self.has(Meaning::No)
            || self.has(Meaning::Still)
            || self.has_sign('?')
            || self.has_sign('❓')
            || self.ends_with_no()
            || (self.has(Meaning::Inbox) && self.has_code() && !has_order_word(self.reading));
        if !has_order_word(self.reading) {
            return asks || self.ends_with_half_a_question();
        }
        self.has(Meaning::Ask) && self.reading.quantities.is_empty()
    }

    /// `A12 ko shop ơi`: a `không` with only polite words behind it.
    fn ends_with_no(&self) -> bool {
        self.places(Meaning::No)
            .any(|at| self.only_politeness_from(at + 1))
    }

    /// `A12 à`.
    fn ends_with_half_a_question(&self) -> bool {
        self.places(Meaning::HalfAsk)
            .any(|at| self.only_politeness_from(at + 1))
    }

    fn only_politeness_from(&self, start: usize) -> bool {
        (start..self.reading.tokens.len()).all(|at| {
            !self.reading.tokens[at].is_alphanumeric()
                || [
                    Meaning::Filler,
                    Meaning::Shop,
                    Meaning::Person,
                    Meaning::HalfAsk,
                    Meaning::No,
                ]
                .iter()
                .any(|meaning| self.reading.says(at, *meaning))
        })
    }

    /// `cho em 2 cái`, `cho chị A12`.
    fn gives(&self) -> bool {
        self.places(Meaning::Give).any(|at| {
            let mut next = at + 1;
            while self.reading.says(next, Meaning::Person)
                || self.reading.says(next, Meaning::CodeWord)
            {
                next += 1;
            }
            matches!(
                self.reading.mark_of(next),
                Some(Mark::Quantity | Mark::Code | Mark::UnknownCode | Mark::ProductName)
            )
        })
    }

    fn orders(&self) -> bool {
        if has_order_word(self.reading) {
            return true;
        }
        let named = self.has_code() || self.is_marked(Mark::UnknownCode);
        let phone = self.gives_a_phone();
        let pinned = self.reading.live.pinned_code().is_some();
        if phone {
            return named || pinned || !self.reading.quantities.is_empty();
        }
        if !self.reading.quantities.is_empty() {
            return named || pinned;
        }
        named && !self.only_looks_on()
    }

    /// Praise, waiting and calling friends, which mention a code and order nothing.
    fn only_looks_on(&self) -> bool {
        let calls_a_friend = (1..self.reading.tokens.len()).any(|at| {
            self.reading.reads(at, &["ơi"])
                && self.reading.is_free(at)
                && self.reading.meaning(at - 1).is_none()
                && self.reading.tokens[at - 1].is_word()
        });
        self.has(Meaning::Watch)
            || self.has(Meaning::Praise)
            || self.has(Meaning::Game)
            || calls_a_friend
            || self.has_sign('@')
    }

    fn gives_a_phone(&self) -> bool {
        self.reading.phone_state != PhoneState::None
    }
}
