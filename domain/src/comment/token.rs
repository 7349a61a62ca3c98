//! A comment as tokens: runs of letters, runs of digits, and single signs.
//!
//! Everything after this works on tokens and marks them as explained. What carries no mark at the
//! end was not understood, so nothing can be forgotten.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::text::{fold, normalize_tones};

/// Characters of a comment that are read. Longer ones are no orders, and bounded work matters more.
pub(super) const LONGEST: usize = 2_000;

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters of any script.
    Word,
    /// ASCII digits, after NFKC made full-width ones so.
    Number,
    /// Digits of other scripts and number symbols: a number that nobody here can read.
    Foreign,
    /// One character of punctuation, an emoji and the like.
    Sign,
}

/// One token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Lower case without marks, every letter as often as it was written: for codes.
    pub(super) bare: String,
    /// Lower case with marks, the tone where [`normalize_tones`] puts it, letters that were
    /// stretched (`chốtttt`) written once: for words.
    pub(super) lower: String,
    /// The word has no marks at all, so it may stand for any word that folds to it.
    pub(super) plain: bool,
    /// Nothing stands between it and the token before.
    pub(super) glued: bool,
    /// A new line began before it.
    pub(super) new_line: bool,
    /// Its first letter is upper case.
    pub(super) capital: bool,
}

impl Token {
    /// Whether it is this sign.
    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign && self.lower.starts_with(sign)
    }

    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }

    pub(super) fn is_number(&self) -> bool {
        self.kind == Kind::Number
    }

    /// Letters or digits: what would make a longer token of one that touches it.
    pub(super) fn is_alphanumeric(&self) -> bool {
        match self.kind {
            Kind::Word | Kind::Number | Kind::Foreign => true,
            Kind::Sign => false,
        }
    }

    /// Whether the word is `pattern`, with all its marks or with none.
    pub(super) fn reads(&self, pattern: &str) -> bool {
        self.is_word() && (self.lower == pattern || (self.plain && folds_to(pattern, &self.lower)))
    }

    pub(super) fn reads_any(&self, patterns: &[&str]) -> bool {
        patterns.iter().any(|pattern| self.reads(pattern))
    }

    /// The value of a number of at most six digits.
    pub(super) fn value(&self) -> Option<u32> {
        if self.is_number() && self.lower.len() <= 6 {
            self.lower.parse().ok()
        } else {
            None
        }
    }
}

/// A comment as tokens.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) tokens: Vec<Token>,
    /// It was longer than [`LONGEST`]; the rest was not read.
    pub(super) too_long: bool,
    /// It has small letters, so a capital one says something.
    pub(super) has_small_letters: bool,
}

impl Text {
    pub(super) fn read(text: &str) -> Self {
        let composed: String = text
            .chars()
            .take(LONGEST)
            .filter(|letter| !is_invisible(*letter))
            .nfkc()
            .collect();
        let mut reader = Reader::default();
        for letter in normalize_tones(&composed).chars() {
            reader.take(letter);
        }
        Self {
            tokens: reader.finish(),
            too_long: text.chars().nth(LONGEST).is_some(),
            has_small_letters: composed.chars().any(char::is_lowercase),
        }
    }
}

/// Zero-width and direction marks, which come along when a text is copied from a chat, and the
/// selectors that make a digit an emoji.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{20e3}'
    )
}

#[derive(Default)]
struct Reader {
    tokens: Vec<Token>,
    gap: bool,
    new_line: bool,
    open: Option<(Kind, String)>,
}

impl Reader {
    fn take(&mut self, letter: char) {
        if letter.is_whitespace() {
            self.close();
            self.gap = true;
            self.new_line |= letter == '\n';
            return;
        }
        let within_word = matches!(&self.open, Some((Kind::Word, _)));
        let kind = if letter.is_ascii_digit() {
            Kind::Number
        } else if letter.is_alphabetic() || (is_combining_mark(letter) && within_word) {
            Kind::Word
        } else if letter.is_numeric() || letter == '🔟' {
            Kind::Foreign
        } else if is_combining_mark(letter) {
            return;
        } else {
            Kind::Sign
        };
        match &mut self.open {
            Some((open, written)) if *open == kind && kind != Kind::Sign => written.push(letter),
            _ => {
                self.close();
                self.open = Some((kind, letter.to_string()));
            }
        }
    }

    fn close(&mut self) {
        let Some((kind, written)) = self.open.take() else {
            return;
        };
        let small = written.to_lowercase();
        let (bare, lower) = match kind {
            Kind::Word => (fold(&small), without_runs(&small, 3)),
            Kind::Number | Kind::Foreign | Kind::Sign => (small.clone(), small),
        };
        self.tokens.push(Token {
            kind,
            plain: lower.is_ascii(),
            bare,
            lower,
            glued: !self.gap && !self.tokens.is_empty(),
            new_line: self.new_line,
            capital: written.chars().next().is_some_and(char::is_uppercase),
        });
        self.gap = false;
        self.new_line = false;
    }

    fn finish(mut self) -> Vec<Token> {
        self.close();
        self.tokens
    }
}

/// The word with every run of `length` or more equal letters written once.
pub(super) fn without_runs(word: &str, length: usize) -> String {
    let mut short = String::with_capacity(word.len());
    let letters: Vec<char> = word.chars().collect();
    for run in letters.chunk_by(|one, next| one == next) {
        let kept = if run.len() >= length { 1 } else { run.len() };
        short.extend(run.iter().take(kept));
    }
    short
}

/// Whether a word of the lists, in small letters, loses its marks to `plain`.
pub(super) fn folds_to(pattern: &str, plain: &str) -> bool {
    pattern
        .nfd()
        .filter(|letter| !is_combining_mark(*letter))
        .map(|letter| if letter == 'đ' { 'd' } else { letter })
        .eq(plain.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(text: &str) -> Vec<String> {
        let tokens = Text::read(text).tokens;
        tokens.into_iter().map(|token| token.lower).collect()
    }

    #[test]
    fn letters_digits_and_signs_are_parted_and_know_whether_they_touch() {
        assert_eq!(
            lower("chốt A12x2, ❤️"),
            ["chốt", "a", "12", "x", "2", ",", "❤"]
        );
        let tokens = Text::read("A 12\nb").tokens;
        assert!(!tokens[1].glued && !tokens[1].new_line && tokens[2].new_line);
        assert!(Text::read("A12").tokens[1].glued);
    }

    #[test]
    fn stretched_full_width_hidden_and_keycap_letters_become_usual_ones() {
        assert_eq!(lower("Chốttttt"), ["chốt"]);
        assert_eq!(lower("Ａ１２"), ["a", "12"]);
        assert_eq!(lower("09\u{200b}01"), ["0901"]);
        assert_eq!(lower("2\u{fe0f}\u{20e3}"), ["2"]);
        assert_eq!(lower("huỷ"), ["hủy"]);
        assert_eq!(Text::read("AAA1").tokens[0].bare, "aaa");
    }

    #[test]
    fn a_word_is_read_with_all_its_marks_or_with_none() {
        let word = |text: &str| Text::read(text).tokens.remove(0);
        assert!(word("hồng").reads("hồng"));
        assert!(word("hong").reads("hồng") && word("hong").reads("hông"));
        assert!(!word("hông").reads("hồng"));
        assert!(word("do").reads("đỏ"));
    }

    #[test]
    fn digits_of_other_scripts_are_numbers_that_nobody_reads() {
        let kinds: Vec<Kind> = Text::read("٣ 🔟 Ⅳ ②")
            .tokens
            .iter()
            .map(|token| token.kind)
            .collect();
        // NFKC makes Ⅳ letters and ② a digit.
        assert_eq!(
            kinds,
            [Kind::Foreign, Kind::Foreign, Kind::Word, Kind::Number]
        );
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert!(!Text::read(&"a".repeat(LONGEST)).too_long);
        assert!(Text::read(&"a".repeat(LONGEST + 1)).too_long);
    }
}
