//! Names of products: the one of a code beside it, and those of others.

use super::catalogue::name_tokens;
use super::reading::{Mark, Reading};
use super::reason::Reason;
use super::token::Token;
use super::words::Meaning;

/// Explains the product's own name beside its code: `2 củ sạc A12`, `máy lọc không khí MH102`. A name
/// of another product is a doubt.
pub(super) fn find(reading: &mut Reading<'_>) {
    for code in reading.codes.clone() {
        let Some(product) = reading.catalogue.product(&code.code) else {
            continue;
        };
        let name = name_tokens(&product.name);
        let mut end = code.start;
        while end > 0
            && (reading.says(end - 1, Meaning::CodeWord)
                || is_bracket(reading, end - 1)
                || reading.mark_of(end - 1) == Some(Mark::Variant))
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
    let named = (1..reading.tokens.len()).any(|at| {
        let (first, second) = (&reading.tokens[at - 1], &reading.tokens[at]);
        let own = reading.mark_of(at) == Some(Mark::ProductName)
            || reading.mark_of(at - 1) == Some(Mark::ProductName)
            || reading.mark_of(at) == Some(Mark::Code);
        !own && reading.catalogue.has_beginning(&first.bare, &second.bare)
    });
    if named {
        reading.doubt(Reason::OtherProduct);
    }
}
