//! Finds the phrases of the word list in a comment, the longest first.
//!
//! A word with marks means what is written; a word without any may stand for several. The list
//! itself says what to make of those, by holding them without marks as entries of their own.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::token::{Token, without_runs};
use super::words::{Meaning, PHRASES};
use crate::address::legacy_provinces;
use crate::text::{fold, normalize_tones};

/// What a word means here, as part of which phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sense {
    pub(super) meaning: Meaning,
    /// It begins the phrase.
    pub(super) first: bool,
}

/// The sense of every token; `None` for signs, numbers and words that are not in the list.
pub(super) fn senses(tokens: &[Token]) -> Vec<Option<Sense>> {
    let mut senses = vec![None; tokens.len()];
    let mut at = 0;
    while at < tokens.len() {
        let Some((length, meaning)) = phrase_at(tokens, at) else {
            at += 1;
            continue;
        };
        for (place, sense) in senses[at..at + length].iter_mut().enumerate() {
            *sense = Some(Sense {
                meaning,
                first: place == 0,
            });
        }
        at += length;
    }
    senses
}

struct Phrase {
    /// With marks, and without.
    words: Vec<(String, String)>,
    meaning: Meaning,
}

/// By the first word without marks.
static LEXICON: LazyLock<HashMap<String, Vec<Phrase>>> = LazyLock::new(|| {
    let mut lexicon: HashMap<String, Vec<Phrase>> = HashMap::new();
    let listed = PHRASES
        .iter()
        .flat_map(|(meaning, phrases)| phrases.split('|').map(|phrase| (*meaning, phrase.trim())))
        .filter(|(_, phrase)| !phrase.is_empty());
    let provinces = legacy_provinces()
        .iter()
        .map(|province| (Meaning::Place, province.name));
    for (meaning, phrase) in listed.chain(provinces) {
        let words: Vec<(String, String)> = normalize_tones(&phrase.to_lowercase())
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(|word| (word.to_owned(), fold(word)))
            .collect();
        let Some((_, first)) = words.first() else {
            continue;
        };
        lexicon
            .entry(first.clone())
            .or_default()
            .push(Phrase { words, meaning });
    }
    lexicon
});

fn phrase_at(tokens: &[Token], at: usize) -> Option<(usize, Meaning)> {
    let first = &tokens[at];
    if !first.is_word() {
        return None;
    }
    let known = |token: &Token| LEXICON.get(&fold(&token.lower)).map(Vec::as_slice);
    if let Some(found) = known(first).and_then(|phrases| longest(phrases, tokens, at, first)) {
        return Some(found);
    }
    // `okk`, `đenn`: no Vietnamese syllable ends in a doubled letter.
    let single = without_runs(&first.lower, 2);
    if single == first.lower {
        return None;
    }
    let first = Token {
        lower: single,
        ..first.clone()
    };
    known(&first).and_then(|phrases| longest(phrases, tokens, at, &first))
}

fn longest(
    phrases: &[Phrase],
    tokens: &[Token],
    at: usize,
    first: &Token,
) -> Option<(usize, Meaning)> {
    phrases
        .iter()
        .filter_map(|phrase| {
            let mut exact = 0_usize;
            for (place, (marked, plain)) in phrase.words.iter().enumerate() {
                let token = if place == 0 {
                    first
                } else {
                    tokens.get(at + place)?
                };
                if token.lower == *marked {
                    exact += 1;
                } else if !(token.is_word() && token.plain && token.lower == *plain) {
                    return None;
                }
            }
            Some((phrase.words.len(), exact, phrase.meaning))
        })
        .max_by_key(|(length, exact, _)| (*length, *exact))
        .map(|(length, _, meaning)| (length, meaning))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::token::Text;
    use super::*;

    fn meanings(text: &str) -> Vec<Option<Meaning>> {
        senses(&Text::read(text).tokens)
            .into_iter()
            .map(|sense| sense.map(|it| it.meaning))
            .collect()
    }

    #[test]
    fn the_longest_phrase_counts_with_or_without_its_marks() {
        let number = Some(Meaning::OldNumber);
        assert_eq!(meanings("số cũ"), [number, number]);
        assert_eq!(meanings("so cu"), [number, number]);
        assert_eq!(meanings("số"), [Some(Meaning::PhoneWord)]);
        assert_eq!(meanings("okkkk"), [Some(Meaning::Filler)]);
        assert_eq!(meanings("okk"), [Some(Meaning::Filler)]);
        assert_eq!(meanings("Sài Gòn"), [Some(Meaning::Place); 2]);
        assert_eq!(meanings("xyz"), [None]);
    }

    #[test]
    fn a_word_without_marks_has_one_meaning_or_an_entry_of_its_own() {
        let mut by_plain: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut own = BTreeSet::new();
        for phrases in LEXICON.values() {
            for phrase in phrases {
                let join = |words: Vec<&str>| words.join(" ");
                let marked = join(phrase.words.iter().map(|it| it.0.as_str()).collect());
                let plain = join(phrase.words.iter().map(|it| it.1.as_str()).collect());
                if marked == plain {
                    own.insert(plain.clone());
                }
                by_plain
                    .entry(plain)
                    .or_default()
                    .insert(format!("{:?}", phrase.meaning));
            }
        }
        let unclear: Vec<_> = by_plain
            .iter()
            .filter(|(plain, meanings)| meanings.len() > 1 && !own.contains(*plain))
            .collect();
        assert!(unclear.is_empty(), "{unclear:?}");
    }

    #[test]
    fn no_phrase_is_listed_with_two_meanings() {
        let mut seen: BTreeMap<String, Meaning> = BTreeMap::new();
        for phrases in LEXICON.values() {
            for phrase in phrases {
                let words: Vec<&str> = phrase.words.iter().map(|it| it.0.as_str()).collect();
                let before = seen.insert(words.join(" "), phrase.meaning);
                assert!(
                    before.is_none_or(|meaning| meaning == phrase.meaning),
                    "{words:?}"
                );
            }
        }
    }
}
