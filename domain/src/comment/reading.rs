//! A comment while it is read: its tokens, what the words mean, and which tokens are explained.

use super::lexicon::{Sense, senses};
use super::live::Live;
use super::reason::Reason;
use super::token::{Text, Token};
use super::words::Meaning;
use super::{PhoneFound, PhoneState};

/// What a token was explained as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Phone,
    /// A phone that was not given in full, here or elsewhere.
    NoPhone,
    Account,
    Money,
    Promotion,
    Time,
    Emoticon,
    Address,
    Code,
    /// Written like a code, and none of this live.
    UnknownCode,
    Quantity,
    Variant,
    /// The product's own name beside its code.
    ProductName,
    /// A person's name.
    Name,
}

/// A code of the live as it stands in the comment.
#[derive(Debug, Clone)]
pub(super) struct CodeAt {
    pub(super) start: usize,
    /// Behind the last token.
    pub(super) end: usize,
    pub(super) code: String,
}

/// How a quantity was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `x2`, `sl 2`: behind its code.
    Behind,
    /// `2 cái`: on either side.
    Counted,
    /// `2 A12`, `2x A12`: before its code.
    Before,
    /// `A12 2`: probably a quantity.
    Bare,
    /// `mỗi mã 2`.
    Each,
}

/// A quantity as it stands in the comment.
#[derive(Debug, Clone)]
pub(super) struct QuantityAt {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) value: u32,
    pub(super) form: Form,
}

/// A colour, size or measure as it stands in the comment.
#[derive(Debug, Clone)]
pub(super) struct VariantAt {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: String,
    pub(super) kind: VariantKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VariantKind {
    Colour,
    Size,
    Measure,
}

/// A comment while it is read.
pub(super) struct Reading<'a> {
    pub(super) live: &'a Live,
    pub(super) tokens: Vec<Token>,
    pub(super) has_small_letters: bool,
    senses: Vec<Option<Sense>>,
    marks: Vec<Option<Mark>>,
    pub(super) phones: Vec<PhoneFound>,
    pub(super) phone_state: PhoneState,
    pub(super) codes: Vec<CodeAt>,
    pub(super) quantities: Vec<QuantityAt>,
    pub(super) variants: Vec<VariantAt>,
    pub(super) doubts: Vec<Reason>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: &str, live: &'a Live) -> Self {
        let text = Text::read(text);
        let mut reading = Self {
            live,
            senses: senses(&text.tokens),
            marks: vec![None; text.tokens.len()],
            tokens: text.tokens,
            has_small_letters: text.has_small_letters,
            phones: Vec::new(),
            phone_state: PhoneState::None,
            codes: Vec::new(),
            quantities: Vec::new(),
            variants: Vec::new(),
            doubts: Vec::new(),
        };
        if text.too_long {
            reading.doubt(Reason::TooLong);
        }
        reading
    }

    /// Explains tokens. What is explained already keeps its first explanation.
    pub(super) fn mark(&mut self, start: usize, end: usize, mark: Mark) {
        let end = end.min(self.marks.len());
        for slot in self.marks.get_mut(start..end).unwrap_or_default() {
            if slot.is_none() {
                *slot = Some(mark);
            }
        }
    }

    pub(super) fn mark_of(&self, at: usize) -> Option<Mark> {
        self.marks.get(at).copied().flatten()
    }

    /// Whether the token exists and nothing explains it yet.
    pub(super) fn is_free(&self, at: usize) -> bool {
        self.marks.get(at).is_some_and(Option::is_none)
    }

    pub(super) fn is_free_number(&self, at: usize) -> bool {
        self.is_free(at) && self.tokens[at].is_number()
    }

    pub(super) fn is_free_word(&self, at: usize) -> bool {
        self.is_free(at) && self.tokens[at].is_word()
    }

    /// What the list says of a token, explained or not.
    pub(super) fn meaning(&self, at: usize) -> Option<Meaning> {
        self.senses.get(at).copied().flatten().map(|it| it.meaning)
    }

    /// Whether the token begins a phrase of the list.
    pub(super) fn begins(&self, at: usize, meaning: Meaning) -> bool {
        self.senses.get(at).copied().flatten()
            == Some(Sense {
                meaning,
                first: true,
            })
    }

    /// Whether the token is an unexplained word of this meaning.
    pub(super) fn says(&self, at: usize, meaning: Meaning) -> bool {
        self.is_free(at) && self.meaning(at) == Some(meaning)
    }

    /// Whether the token touches the one before it.
    pub(super) fn is_glued(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.glued)
    }

    pub(super) fn is_sign(&self, at: usize, sign: char) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_sign(sign))
    }

    pub(super) fn reads(&self, at: usize, words: &[&str]) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|token| token.reads_any(words))
    }

    pub(super) fn doubt(&mut self, doubt: Reason) {
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    /// What a stretch of the comment looks like, in small letters.
    pub(super) fn written(&self, start: usize, end: usize) -> String {
        let mut text = String::new();
        for (place, token) in self.tokens[start..end].iter().enumerate() {
            if place > 0 && !token.glued {
                text.push(' ');
            }
            text.push_str(&token.lower);
        }
        text
    }

    /// Whether two tokens around `at` form one written number with a sign between: `1.5`, `2-3`.
    pub(super) fn is_part_of_a_longer_number(&self, at: usize) -> bool {
        let joined = |sign: usize, number: usize| {
            self.tokens.get(sign).is_some_and(|token| {
                ['.', ',', '-', '/', ':']
                    .iter()
                    .any(|it| token.is_sign(*it))
            }) && self.tokens.get(number).is_some_and(Token::is_number)
                && !matches!(self.mark_of(number), Some(Mark::Code | Mark::Phone))
        };
        let behind = self.is_glued(at + 1) && self.is_glued(at + 2) && joined(at + 1, at + 2);
        let ahead = at >= 2 && self.is_glued(at) && self.is_glued(at - 1) && joined(at - 1, at - 2);
        behind || ahead
    }
}
