//! Addresses: numbers that are houses, alleys, wards and districts, and the words around them.
//!
//! An address is only recognised, so that its numbers are no quantities; what it says is read
//! elsewhere. Where it is not certain to be one, its numbers stay unexplained.

use super::reading::{Mark, Reading};
use super::words::Meaning;

/// Words before a number that make it part of an address, also without marks.
const STRONG: &[&str] = &[
    "quận",
    "phường",
    "hẻm",
    "ngõ",
    "ngách",
    "kiệt",
    "ấp",
    "thôn",
    "xóm",
    "kp",
    "block",
    "lầu",
    "ql",
    "khóm",
    "phòng",
    "xã",
    "tdp",
];
/// The same, but other words without their marks: `to`, `can 2 cái`, `tang 1`.
const EXACT: &[&str] = &[
    "tổ",
    "căn",
    "tầng",
    "lô",
    "đường",
    "phố",
    "khu",
    "tòa",
    "cc",
];
const TWO_WORDS: &[[&str; 2]] = &[
    ["số", "nhà"],
    ["nhà", "số"],
    ["đường", "số"],
    ["khu", "phố"],
    ["căn", "hộ"],
    ["quốc", "lộ"],
    ["tỉnh", "lộ"],
    ["chung", "cư"],
    ["tòa", "nhà"],
];
/// Districts and wards in short, with the highest number that there is.
const SHORT: &[(&str, u32)] = &[("q", 12), ("p", 28), ("f", 28)];
/// Words behind which a place follows.
const TOWARDS: &[&str] = &[
    "về", "tới", "đến", "ở", "ship", "giao", "gửi", "tại", "qua", "địa", "chỉ",
];
/// First words of streets and of the people they are named after.
const STREETS: &[&str] = &[
    "nguyễn", "trần", "lê", "phạm", "phan", "võ", "bùi", "đinh", "lý", "ngô", "hoàng", "huỳnh",
    "trương", "điện", "cách", "quang", "tôn", "pasteur", "cộng", "tô", "hồ", "đặng",
];
/// Tokens behind the beginning of an address that may belong to it.
const LONGEST: usize = 60;

pub(super) fn cut(reading: &mut Reading<'_>) {
    let mut at = 0;
    while at < reading.tokens.len() {
        let labelled = is_label(reading, at);
        if let Some(end) = labelled {
            let next = words_end(reading, end, Sure::Yes);
            reading.mark(at, end, Mark::Address);
            at = next.max(end);
        } else if let Some((start, end)) = numbered(reading, at).or_else(|| house(reading, at)) {
            reading.mark(start, end, Mark::Address);
            at = words_end(reading, end, Sure::No).max(at + 1);
        } else {
            at += 1;
        }
    }
}

/// Whether an address was announced in words, so that any number before a word is a house.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sure {
    Yes,
    No,
}

/// `địa chỉ`, `đc:`; `đc` alone is also "can".
fn is_label(reading: &Reading<'_>, at: usize) -> Option<usize> {
    if !reading.is_free(at) {
        return None;
    }
    if reading.begins(at, Meaning::AddressWord) {
        let mut end = at + 1;
        while reading.says(end, Meaning::AddressWord) && !reading.begins(end, Meaning::AddressWord)
        {
            end += 1;
        }
        return Some(end);
    }
    let short = reading.reads(at, &["đc"])
        && (reading.tokens[at].lower == "đc" || reading.tokens[at].plain);
    let colon = reading.is_sign(at + 1, ':');
    let number = reading.is_free_number(at + 1) && !reading.is_glued(at + 1);
    let split = reading.reads(at, &["đ", "d"])
        && reading.is_sign(at + 1, '/')
        && reading.reads(at + 2, &["c"]);
    if split {
        return Some(at + 3);
    }
    (short && (colon || number)).then_some(at + 1)
}

/// `quận 7`, `hẻm 12/3`, `số nhà 5`, `P5 Q1` behind an address or a word like `ship`.
fn numbered(reading: &Reading<'_>, at: usize) -> Option<(usize, usize)> {
    let token = reading
        .tokens
        .get(at)
        .filter(|_| reading.is_free_word(at))?;
    let two = TWO_WORDS
        .iter()
        .any(|[one, other]| reading.reads(at, &[one]) && reading.reads(at + 1, &[other]));
    let strong = token.reads_any(STRONG) || EXACT.contains(&token.lower.as_str());
    let short = SHORT.iter().find(|(word, _)| token.lower == *word);
    let mut number = if two { at + 2 } else { at + 1 };
    if ['.', ':', '-']
        .iter()
        .any(|sign| reading.is_sign(number, *sign))
    {
        number += 1;
    }
    if !reading.is_free_number(number) || counts(reading, number) {
        return None;
    }
    if let Some((_, highest)) = short {
        let value = reading.tokens[number].value()?;
        let known = (1..=*highest).contains(&value) && follows_a_place(reading, at);
        return known.then(|| (at, number_end(reading, number)));
    }
    (two || strong).then(|| (at, number_end(reading, number)))
}

/// Whether the token stands behind an address, a phone or a word that leads to a place.
fn follows_a_place(reading: &Reading<'_>, at: usize) -> bool {
    let mut before = at;
    for _ in 0..3 {
        let Some(place) = before.checked_sub(1) else {
            return false;
        };
        match reading.mark_of(place) {
            Some(Mark::Address | Mark::Phone) => return true,
            Some(_) => return false,
            None if reading.reads(place, TOWARDS) || reading.says(place, Meaning::Place) => {
                return true;
            }
            None if [',', '-', '.', '/', ':']
                .iter()
                .any(|sign| reading.is_sign(place, *sign)) => {}
            None => return false,
        }
        before = place;
    }
    false
}

/// A house number before the name of a street: `12 Nguyễn Trãi`, `45/6A Lê Lợi`.
fn house(reading: &Reading<'_>, at: usize) -> Option<(usize, usize)> {
    if !reading.is_free_number(at) || counts(reading, at) || reading.tokens[at].lower.len() > 4 {
        return None;
    }
    let touches = at > 0 && reading.is_glued(at) && reading.tokens[at - 1].is_alphanumeric();
    let end = number_end(reading, at);
    let (first, second) = (reading.tokens.get(end)?, reading.tokens.get(end + 1)?);
    let words = first.is_word() && second.is_word() && !first.glued && !second.glued;
    let free =
        reading.is_free(end) && reading.is_free(end + 1) && !second.new_line && !first.new_line;
    if touches || !words || !free {
        return None;
    }
    let capitals = reading.has_small_letters && first.capital && second.capital;
    let place = |at: usize| reading.meaning(at).is_some_and(is_of_a_place);
    let unlisted = |at: usize| reading.meaning(at).is_none() || place(at);
    let known = first.reads_any(STREETS) && first.lower.len() > 2;
    let street = capitals || known || (place(end) && place(end + 1));
    (street && unlisted(end) && unlisted(end + 1) && !names_a_product(reading, end))
        .then_some((at, end))
}

fn is_of_a_place(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Place | Meaning::PlaceWord)
}

/// `2 Tai Nghe`: goods are counted.
fn names_a_product(reading: &Reading<'_>, at: usize) -> bool {
    let token = &reading.tokens[at];
    reading.live.products.values().any(|product| {
        product
            .name
            .split_whitespace()
            .next()
            .is_some_and(|first| token.reads(&first.to_lowercase()))
    })
}

/// Whether the number counts pieces: before a unit, before a code, behind `x`.
fn counts(reading: &Reading<'_>, at: usize) -> bool {
    let unit = reading.reads(at + 1, super::quantities::UNITS) && !reading.is_glued(at + 2);
    unit || reading.mark_of(at + 1) == Some(Mark::Code)
        || (at > 0 && super::quantities::is_times(reading, at - 1))
}

/// `12/3`, `12A`, `12/3/5B`.
fn number_end(reading: &Reading<'_>, start: usize) -> usize {
    let mut end = start + 1;
    while end < start + 12 {
        let slash = reading.is_sign(end, '/') || reading.is_sign(end, '-');
        let letter = reading.is_free_word(end)
            && reading.is_glued(end)
            && reading.tokens[end].bare.len() == 1;
        if slash
            && reading.is_glued(end)
            && reading.is_glued(end + 1)
            && reading.is_free_number(end + 1)
        {
            end += 2;
        } else if letter {
            end += 1;
        } else {
            break;
        }
    }
    end
}

/// Explains the words of an address from `start` on, and its numbers where it was announced. It ends at
/// a code, a phone, a quantity and at a word that orders; a word that changes an order stays unexplained.
fn words_end(reading: &mut Reading<'_>, start: usize, sure: Sure) -> usize {
    let mut at = start;
    while at < reading.tokens.len().min(start + LONGEST) {
        if !reading.is_free(at)
            || reading.says(at, Meaning::Order)
            || reading.says(at, Meaning::Give)
        {
            break;
        }
        if let Some((first, end)) = numbered(reading, at) {
            reading.mark(first, end, Mark::Address);
            at = end;
            continue;
        }
        let token = &reading.tokens[at];
        if token.is_number() {
            let end = number_end(reading, at);
            let word = reading
                .tokens
                .get(end)
                .is_some_and(|next| next.is_word() && !next.glued && !next.new_line);
            let fits = sure == Sure::Yes && word && !counts(reading, at) && reading.is_free(end);
            if !fits && house(reading, at).is_none() {
                break;
            }
            reading.mark(at, end, Mark::Address);
            at = end;
            continue;
        }
        let of_an_address = match reading.meaning(at) {
            None => token.is_word() && !token.glued,
            Some(meaning) => {
                is_of_a_place(meaning)
                    || (token.capital && reading.has_small_letters && is_name_like(meaning))
            }
        };
        if of_an_address {
            reading.mark(at, at + 1, Mark::Address);
        }
        at += 1;
    }
    at
}

/// Words that are also parts of names: with a capital letter within an address they are.
fn is_name_like(meaning: Meaning) -> bool {
    matches!(
        meaning,
        Meaning::Filler | Meaning::Person | Meaning::Later | Meaning::Praise | Meaning::Connect
    )
}
