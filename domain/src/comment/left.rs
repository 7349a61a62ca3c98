//! What nothing has explained at the end: the reason why a comment goes to a person.

use super::reading::Reading;
use super::reason::{Reason, Says};
use super::token::Kind;
use super::words::{Effect, Meaning};

/// Everything without a mark: numbers and words of doubt send the comment to a person, words that no
/// list has only keep it from being a draft.
pub(super) fn doubt(reading: &mut Reading<'_>) {
    let left: Vec<usize> = (0..reading.tokens.len())
        .filter(|at| reading.is_free(*at))
        .collect();
    let digits: usize = left
        .iter()
        .filter(|at| reading.tokens[**at].is_number())
        .map(|at| reading.tokens[*at].lower.len())
        .sum();
    let mut unknown = 0_usize;
    for at in left {
        let token = &reading.tokens[at];
        match token.kind {
            Kind::Number => {
                let number = masked_number(&token.lower, digits);
                reading.doubt(Reason::UnexplainedNumber { number });
            }
            Kind::Foreign => reading.doubt(Reason::UnreadableNumber),
            Kind::Sign => {
                if token.is_sign('?') || token.is_sign('❓') || token.is_sign('❔') {
                    reading.doubt(Reason::QuestionMark);
                } else if ['❌', '🚫', '⛔', '✖', '👎']
                    .iter()
                    .any(|it| token.is_sign(*it))
                {
                    let word = token.lower.clone();
                    reading.doubt(Reason::Word {
                        word,
                        says: Says::Denies,
                    });
                }
            }
            Kind::Word => match reading.meaning(at) {
                None => unknown += 1,
                Some(meaning) => match meaning.effect() {
                    Effect::Fits => {}
                    Effect::Changes(says) => doubt_word(reading, at, meaning, says),
                    Effect::Chat => reading.doubt(Reason::SpeaksOfChat),
                    // Without a code it only says what the writer looks for.
                    Effect::Goods if reading.codes.is_empty() => {}
                    Effect::Goods => reading.doubt(Reason::OtherProduct),
                    Effect::Unclear => unknown += 1,
                },
            },
        }
    }
    if unknown > 0 {
        reading.doubt(Reason::UnknownWords { count: unknown });
    }
}

/// Numbers that together are as long as a phone show their first digit only.
fn masked_number(number: &str, digits_left: usize) -> String {
    if number.len() <= 4 && digits_left < 8 && !number.starts_with('0') {
        return number.to_owned();
    }
    let first: String = number.chars().take(1).collect();
    format!("{first}•••")
}

fn doubt_word(reading: &mut Reading<'_>, at: usize, meaning: Meaning, says: Says) {
    if !reading.begins(at, meaning) {
        return;
    }
    let mut end = at + 1;
    while reading.says(end, meaning) && !reading.begins(end, meaning) {
        end += 1;
    }
    let word = reading.written(at, end);
    reading.doubt(Reason::Word { word, says });
}
