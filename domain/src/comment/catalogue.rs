//! A live's code list, arranged for looking codes and names up in a comment.

use std::collections::{HashMap, HashSet};

use super::live::{Live, Product};
use super::token::{Kind, Text, Token};
use crate::text::fold;

/// A code of the list.
#[derive(Debug)]
pub(super) struct Spelling<'a> {
    pub(super) code: &'a str,
    /// It has no letters.
    pub(super) is_number: bool,
    /// Another code of the list reads the same.
    pub(super) is_shared: bool,
}

/// The code list of one live, by spelling.
#[derive(Debug)]
pub(super) struct Catalogue<'a> {
    pub(super) live: &'a Live,
    /// By the parts with a space between: `MH102` is `mh 102`.
    spellings: HashMap<String, Spelling<'a>>,
    /// Parts of the code that has the most.
    pub(super) most_parts: usize,
    first_words: HashSet<String>,
    /// First two words of names.
    beginnings: HashSet<String>,
}

impl<'a> Catalogue<'a> {
    pub(super) fn of(live: &'a Live) -> Self {
        let mut catalogue = Self {
            live,
            spellings: HashMap::with_capacity(live.products.len()),
            most_parts: 0,
            first_words: HashSet::new(),
            beginnings: HashSet::new(),
        };
        for (code, product) in &live.products {
            let parts = parts(code);
            if parts.is_empty() {
                continue;
            }
            catalogue.most_parts = catalogue.most_parts.max(parts.len());
            catalogue
                .spellings
                .entry(parts.join(" "))
                .and_modify(|known| known.is_shared = true)
                .or_insert(Spelling {
                    code,
                    is_number: parts.iter().all(|part| is_number(part)),
                    is_shared: false,
                });
            let name = fold(&product.name);
            let mut words = name.splitn(3, ' ').filter(|word| !word.is_empty());
            if let Some(first) = words.next() {
                catalogue.first_words.insert(first.to_owned());
                if let Some(second) = words.next() {
                    catalogue.beginnings.insert(format!("{first} {second}"));
                }
            }
        }
        catalogue
    }

    /// The code with these parts, folded, with a space between.
    pub(super) fn spelling(&self, parts: &str) -> Option<&Spelling<'a>> {
        self.spellings.get(parts)
    }

    pub(super) fn product(&self, code: &str) -> Option<&'a Product> {
        self.live.products.get(code)
    }

    /// Whether a name in the list begins with this word, folded.
    pub(super) fn has_first_word(&self, word: &str) -> bool {
        self.first_words.contains(word)
    }

    /// Whether a name in the list begins with these two words, folded.
    pub(super) fn has_beginning(&self, first: &str, second: &str) -> bool {
        self.beginnings.contains(&format!("{first} {second}"))
    }
}

fn is_number(part: &str) -> bool {
    part.bytes().all(|letter| letter.is_ascii_digit())
}

/// Runs of letters and runs of digits, folded.
fn parts(code: &str) -> Vec<String> {
    let folded = fold(code);
    let mut parts = Vec::new();
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        let letters: Vec<char> = word.chars().collect();
        let runs = letters.chunk_by(|one, next| one.is_ascii_digit() == next.is_ascii_digit());
        parts.extend(runs.map(|run| run.iter().collect::<String>()));
    }
    parts
}

/// The words and numbers of a product's name.
pub(super) fn name_tokens(name: &str) -> Vec<Token> {
    let mut tokens = Text::read(name).tokens;
    tokens.retain(|token| matches!(token.kind, Kind::Word | Kind::Number));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_parted_between_letters_and_digits() {
        assert_eq!(parts("MH102"), ["mh", "102"]);
        assert_eq!(parts("IP15PM"), ["ip", "15", "pm"]);
        assert_eq!(parts("SP.01-Đ"), ["sp", "01", "d"]);
        assert_eq!(parts("12"), ["12"]);
        assert!(parts("--").is_empty());
    }

    #[test]
    fn codes_that_read_the_same_are_known_to_be_shared() {
        let product = Product {
            sku: "S".into(),
            name: "Củ sạc nhanh".into(),
            variants: vec![],
        };
        let codes = ["A12", "a-12", "B7"];
        let live = Live::new(codes.map(|code| (code.to_owned(), product.clone())).into());
        let catalogue = Catalogue::of(&live);
        assert!(catalogue.spelling("a 12").is_some_and(|it| it.is_shared));
        assert!(catalogue.spelling("b 7").is_some_and(|it| !it.is_shared));
        assert!(catalogue.spelling("b").is_none());
        assert!(catalogue.has_first_word("cu") && catalogue.has_beginning("cu", "sac"));
    }
}
