//! Codes of the live's list, and what is written like a code and is none of them.
//!
//! A code is found only where it stands by itself. `A120` holds no `A12`, and `a 12 cái` is twelve
//! pieces for somebody who is called `anh`.

use std::collections::HashSet;

use super::live::{Spelling, name_tokens, spellings};
use super::quantities::{UNITS, is_times};
use super::reading::{CodeAt, Mark, Reading};
use super::reason::Reason;
use super::token::{Kind, Token};
use super::words::Meaning;
use crate::text::nearest;

/// Units of what is no quantity of pieces; a code with a space in it does not stand before them.
const OTHER_UNITS: &[&str] = &[
    "k", "tr", "h", "giờ", "tháng", "năm", "ngày", "tuần", "inch", "in", "gb", "tb", "w", "kg",
    "m", "cm", "mm", "lít", "l", "mah", "nghìn", "ngàn", "triệu", "đ", "người", "lần", "phút",
];
/// One letter that is also how people call each other, or a unit, or a word of teenagers.
const CALLS: &[&str] = &[
    "a", "b", "c", "d", "e", "k", "m", "o", "q", "p", "r", "s", "t", "u", "x", "j",
];
/// A building or a flat of an address. Word for word: `căn` without its mark is `cần`.
const BUILDINGS: &[&str] = &[
    "tòa",
    "toa",
    "block",
    "lô",
    "căn",
    "phòng",
    "phong",
    "nhà",
    "hẻm",
    "hem",
    "ngõ",
    "ngo",
    "dãy",
    "khu",
    "tầng",
    "lầu",
    "lau",
    "đường",
];
/// First letters of codes that are also districts, wards and weekdays: `q7`, `p5`, `t7`.
const PLACES: &[&str] = &["q", "p", "f", "t"];

pub(super) fn find(reading: &mut Reading<'_>) {
    let spellings = spellings(reading.live);
    let mut at = 0;
    while at < reading.tokens.len() {
        let found = match spellings.get(&reading.tokens[at].bare) {
            Some(known) if reading.is_free(at) => code_at(reading, known, at),
            Some(_) | None => None,
        };
        at = match found {
            Some((end, spelling)) => take(reading, at, end, spelling),
            None => at + 1,
        };
    }
    let mut seen = HashSet::new();
    for code in reading.codes.clone() {
        if !seen.insert(code.code.clone()) {
            reading.doubt(Reason::CodeRepeated { product: code.code });
        }
    }
}

fn code_at<'s, 'l>(
    reading: &Reading<'_>,
    known: &'s [Spelling<'l>],
    start: usize,
) -> Option<(usize, &'s Spelling<'l>)> {
    let token = &reading.tokens[start];
    let touches = token.glued && start > 0 && reading.tokens[start - 1].is_alphanumeric();
    let number_goes_on = token.is_number() && reading.is_part_of_a_longer_number(start);
    if touches || number_goes_on {
        return None;
    }
    known.iter().find_map(|spelling| {
        let end = spelled_end(reading, &spelling.parts, start)?;
        stands_alone(reading, start, end, spelling).then_some((end, spelling))
    })
}

/// Where the parts of a code end, with at most one space, dot or dash between two of them.
fn spelled_end(reading: &Reading<'_>, parts: &[String], start: usize) -> Option<usize> {
    let mut at = start;
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            let signed = ['.', '-', '_']
                .iter()
                .any(|sign| reading.is_sign(at, *sign));
            if signed && reading.is_glued(at) && reading.is_glued(at + 1) {
                at += 1;
            }
        }
        let token = reading.tokens.get(at)?;
        if token.bare != *part || !reading.is_free(at) || (place > 0 && token.new_line) {
            return None;
        }
        at += 1;
    }
    Some(at)
}

fn is_spaced(reading: &Reading<'_>, start: usize, end: usize) -> bool {
    reading.tokens[start + 1..end]
        .iter()
        .any(|token| !token.glued)
}

fn stands_alone(reading: &Reading<'_>, start: usize, end: usize, spelling: &Spelling<'_>) -> bool {
    let next = reading.tokens.get(end);
    let touches = next.is_some_and(|next| next.glued && next.is_alphanumeric());
    if touches && !is_times(reading, end) {
        return false;
    }
    let before = start.checked_sub(1);
    let labelled = before.is_some_and(|before| {
        reading.says(before, Meaning::CodeWord) || reading.is_sign(before, '#')
    });
    let counts = next.is_some_and(|next| next.reads_any(UNITS) || next.reads_any(OTHER_UNITS));
    let only_digits = spelling
        .parts
        .iter()
        .all(|part| part.bytes().all(|letter| letter.is_ascii_digit()));
    if only_digits {
        // A bare number may be anything; `find_unknown` sees to it when nothing else explains it.
        return labelled && !counts;
    }
    if is_spaced(reading, start, end) && (counts || reading.is_sign(end, '%')) {
        return false;
    }
    // A code that is also a word is one only where it is written as a code.
    let is_word = end == start + 1 && reading.meaning(start).is_some();
    !is_word || labelled || reading.tokens[start].capital
}

fn take(reading: &mut Reading<'_>, start: usize, end: usize, spelling: &Spelling<'_>) -> usize {
    let product = || spelling.code.to_owned();
    let before = start.checked_sub(1);
    if before.is_some_and(|before| {
        reading.is_free(before) && BUILDINGS.contains(&reading.tokens[before].lower.as_str())
    }) {
        reading.mark(start, end, Mark::Address);
        reading.doubt(Reason::CodeInAddress { product: product() });
        return end;
    }
    let word = end == start + 1 && reading.meaning(start).is_some();
    let labelled = before.is_some_and(|before| reading.says(before, Meaning::CodeWord));
    let spaced_call = is_spaced(reading, start, end)
        && reading.tokens[start].bare.len() == 1
        && !is_meant_as_a_code(reading, start, end);
    let counts = reading.tokens[start].is_number()
        && (is_spaced(reading, start, end)
            || (start + 1..end)
                .any(|at| reading.reads(at, UNITS) || reading.reads(at, OTHER_UNITS)));
    let ordered = before.is_none_or(|before| reading.says(before, Meaning::Order));
    let place = end > start + 1 && reading.tokens[start].reads_any(PLACES) && !ordered;
    if spelling.is_shared || spaced_call || ((word || counts || place) && !labelled) {
        reading.doubt(Reason::UnclearCode { product: product() });
    }
    reading.mark(start, end, Mark::Code);
    reading.codes.push(CodeAt {
        start,
        end,
        code: product(),
    });
    end
}

/// Whether one letter, a space and a number are a code and not "anh, 12 …": behind a word that orders
/// and before nothing that could be counted or live there.
fn is_meant_as_a_code(reading: &Reading<'_>, start: usize, end: usize) -> bool {
    let letter = &reading.tokens[start];
    let calls = letter.reads_any(CALLS);
    let ordered = start.checked_sub(1).is_some_and(|before| {
        reading.says(before, Meaning::Order) || reading.says(before, Meaning::CodeWord)
    });
    let capital = letter.capital && reading.has_small_letters;
    let given = start.checked_sub(1).is_some_and(|before| {
        reading.says(before, Meaning::Give) || reading.says(before, Meaning::Person)
    });
    let behind = match reading.tokens.get(end) {
        None => true,
        Some(next) if next.kind == Kind::Sign => true,
        Some(_) if reading.mark_of(end) == Some(Mark::Phone) => true,
        Some(_) if is_times(reading, end) => true,
        Some(_) => [
            Meaning::Order,
            Meaning::Filler,
            Meaning::Shop,
            Meaning::PhoneWord,
            Meaning::ColourWord,
            Meaning::AmountWord,
        ]
        .iter()
        .any(|meaning| reading.says(end, *meaning)),
    };
    behind && !given && (ordered || capital || !calls)
}

/// Explains the product's own name beside its code: `2 củ sạc A12`, `máy lọc không khí MH102`. A name
/// of another product is a doubt.
pub(super) fn find_product_names(reading: &mut Reading<'_>) {
    for code in reading.codes.clone() {
        let Some(product) = reading.live.products.get(&code.code) else {
            continue;
        };
        let name = name_tokens(&product.name);
        let mut end = code.start;
        while end > 0 && (reading.says(end - 1, Meaning::CodeWord) || is_bracket(reading, end - 1))
        {
            end -= 1;
        }
        while let Some(start) = name_run(reading, &name, end, Side::Before) {
            reading.mark(start, end, Mark::ProductName);
            end = start;
        }
        let mut start = code.end;
        while is_bracket(reading, start) {
            start += 1;
        }
        while let Some(end) = name_run(reading, &name, start, Side::Behind) {
            reading.mark(start, end, Mark::ProductName);
            start = end;
        }
    }
    find_other_products(reading);
}

fn is_bracket(reading: &Reading<'_>, at: usize) -> bool {
    ['(', ')', '-', ':']
        .iter()
        .any(|sign| reading.is_sign(at, *sign))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
}

/// The longest piece of the name that stands at `at`, and its other end. A single short or doubtful
/// word is no name.
fn name_run(reading: &Reading<'_>, name: &[Token], at: usize, side: Side) -> Option<usize> {
    let most = name.len().min(16);
    (1..=most).rev().find_map(|length| {
        let start = match side {
            Side::Before => at.checked_sub(length)?,
            Side::Behind => at,
        };
        let written = reading.tokens.get(start..start + length)?;
        let free = (start..start + length).all(|place| reading.is_free(place));
        let same = |piece: &[Token]| {
            piece
                .iter()
                .zip(written)
                .all(|(one, other)| same(one, other))
        };
        let known = free && name.windows(length).any(same);
        let single = &written[0];
        let fits = length > 1
            || (single.is_word()
                && single.bare.len() > 1
                && reading
                    .meaning(start)
                    .is_none_or(|it| it == Meaning::Goods || it == Meaning::Unit));
        (known && fits).then_some(match side {
            Side::Before => start,
            Side::Behind => start + length,
        })
    })
}

fn same(name: &Token, written: &Token) -> bool {
    if name.is_number() || written.is_number() {
        name.lower == written.lower
    } else {
        written.reads(&name.lower)
    }
}

/// Two words in a row of the name of a product whose code is not written.
fn find_other_products(reading: &mut Reading<'_>) {
    if reading.codes.is_empty() {
        return;
    }
    let mut first_words: HashSet<(String, String)> = HashSet::new();
    for product in reading.live.products.values() {
        if let [first, second, ..] = &name_tokens(&product.name)[..] {
            first_words.insert((first.bare.clone(), second.bare.clone()));
        }
    }
    let named = (1..reading.tokens.len()).any(|at| {
        let pair = (
            reading.tokens[at - 1].bare.clone(),
            reading.tokens[at].bare.clone(),
        );
        let own = reading.mark_of(at) == Some(Mark::ProductName)
            || reading.mark_of(at - 1) == Some(Mark::ProductName)
            || reading.mark_of(at) == Some(Mark::Code);
        !own && first_words.contains(&pair)
    });
    if named {
        reading.doubt(Reason::OtherProduct);
    }
}

/// Letters that touch digits, and numbers behind `mã`, that nothing has explained; and numbers that are
/// codes made of digits only.
pub(super) fn find_unknown(reading: &mut Reading<'_>) {
    let digits_only: HashSet<&str> = reading
        .live
        .products
        .keys()
        .map(String::as_str)
        .filter(|code| code.bytes().all(|letter| letter.is_ascii_digit()))
        .collect();
    for at in 0..reading.tokens.len() {
        if !reading.tokens[at].is_number() {
            continue;
        }
        let is_digit_code = digits_only.contains(reading.tokens[at].lower.as_str());
        let counted = reading
            .quantities
            .iter()
            .find(|quantity| (quantity.start..quantity.end).contains(&at))
            .map(|quantity| (quantity.end - quantity.start, quantity.value));
        let bare_quantity = counted.is_some_and(|(length, _)| length == 1);
        if is_digit_code && (reading.is_free(at) || bare_quantity) {
            let product = reading.tokens[at].lower.clone();
            reading.doubt(Reason::UnclearCode {
                product: product.clone(),
            });
            if reading.is_free(at) {
                reading.mark(at, at + 1, Mark::Code);
                let place = reading.codes.partition_point(|code| code.start < at);
                let code = CodeAt {
                    start: at,
                    end: at + 1,
                    code: product,
                };
                reading.codes.insert(place, code);
            }
            continue;
        }
        if let Some(start) = unknown_start(reading, at) {
            let end = at + 1 + usize::from(letters_go_on(reading, at + 1));
            let written = reading.written(start, end).to_uppercase();
            let is_short = written.chars().count() <= 10;
            let codes = reading.live.products.keys().map(String::as_str);
            reading.doubt(Reason::UnknownCode {
                nearest: nearest(&written, codes).map(str::to_owned),
                written: if is_short { written } else { "…".into() },
            });
            reading.mark(start, end, Mark::UnknownCode);
        }
    }
}

fn letters_go_on(reading: &Reading<'_>, at: usize) -> bool {
    reading.is_glued(at) && reading.is_free_word(at) && reading.tokens[at].bare.len() <= 4
}

fn unknown_start(reading: &Reading<'_>, at: usize) -> Option<usize> {
    if !reading.is_free(at) || at == 0 || reading.tokens[at].lower.len() > 6 {
        return None;
    }
    let before = at - 1;
    if reading.is_free_word(before) && reading.is_glued(at) {
        return Some(before);
    }
    if at >= 2
        && (reading.is_sign(before, '-') || reading.is_sign(before, '.'))
        && reading.is_glued(at)
        && reading.is_glued(before)
        && reading.is_free_word(before - 1)
        && reading.tokens[before - 1].bare.len() <= 4
    {
        return Some(before - 1);
    }
    (reading.says(before, Meaning::CodeWord) || reading.is_sign(before, '#')).then_some(at)
}
