//! Finds phone numbers in a comment. What a number means is left to [`Phone::read`]; this module
//! knows only where one can begin and end.

use super::reading::{Mark, Reading};
use super::reason::Reason;
use super::{PhoneFound, PhoneKind, PhoneState};
use crate::phone::{Parsed, Phone, Repair};

/// Tokens of the longest way to write a number: pairs of digits with signs between.
const LONGEST: usize = 24;
/// The shortest piece of a number that is worth asking for the rest of it.
const PARTIAL: std::ops::RangeInclusive<usize> = 7..=9;

/// What makes a short group behind a number a quantity.
const COUNTERS: &[&str] = &["cái", "chiếc", "bộ", "hộp", "cây", "cục"];

pub(super) fn find(reading: &mut Reading<'_>) {
    let mut at = 0;
    while at < reading.tokens.len() {
        if !may_begin(reading, at) {
            at += 1;
            continue;
        }
        let groups = groups(reading, at);
        at = if let Some(found) = whole(reading, &groups) {
            take(reading, at, found)
        } else if let Some(end) = partial(&groups) {
            reading.mark(at, end, Mark::NoPhone);
            if reading.phone_state == PhoneState::None {
                reading.phone_state = PhoneState::Partial;
            }
            end
        } else {
            at + 1
        };
    }
    let whole_and_partial =
        !reading.phones.is_empty() && reading.phone_state == PhoneState::Partial;
    if !reading.phones.is_empty() {
        reading.phone_state = PhoneState::Ok;
    }
    if whole_and_partial {
        reading.doubt(Reason::PhoneUnclear);
    }
    if reading.phones.len() > 1 {
        reading.doubt(Reason::SeveralPhones);
    }
}

/// A number up to one of the places where it could end.
struct Group {
    /// Digits so far, a plus in front where it is written.
    digits: String,
    end: usize,
    /// Digits of the last group, and whether a space stands before it.
    length: usize,
    spaced: bool,
}

/// A number at its first token, which touches no letter but those of a word that cannot be part of a
/// code, and no digit.
fn may_begin(reading: &Reading<'_>, at: usize) -> bool {
    if !reading.is_free(at) {
        return false;
    }
    let token = &reading.tokens[at];
    if token.is_sign('+') {
        return reading.is_glued(at + 1) && reading.is_free_number(at + 1);
    }
    let digits = token.is_number();
    if !digits && !is_zero(reading, at) {
        return false;
    }
    match at.checked_sub(1).map(|before| &reading.tokens[before]) {
        Some(before) if token.glued && before.is_word() => {
            digits && token.lower.len() >= 10 && before.bare.len() >= 2
        }
        Some(before) if token.glued => !before.is_alphanumeric(),
        Some(_) | None => true,
    }
}

/// The letter `o`, written for a 0 beside digits.
fn is_zero(reading: &Reading<'_>, at: usize) -> bool {
    let token = &reading.tokens[at];
    if !token.is_word() || !token.bare.bytes().all(|letter| letter == b'o') || !token.plain {
        return false;
    }
    let number = |at: usize| reading.tokens.get(at).is_some_and(|it| it.is_number());
    (token.glued && at > 0 && number(at - 1)) || (reading.is_glued(at + 1) && number(at + 1))
}

fn groups(reading: &Reading<'_>, start: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut digits = String::new();
    let mut at = start;
    if reading.is_sign(at, '+') {
        digits.push('+');
        at += 1;
    }
    let mut spaced = false;
    while at < reading.tokens.len().min(start + LONGEST) && digits.len() < 18 {
        let token = &reading.tokens[at];
        let group = if token.is_number() {
            token.lower.clone()
        } else if is_zero(reading, at) {
            "0".repeat(token.bare.len())
        } else {
            break;
        };
        // `0901234 2 cái`: the 2 is no part of the number.
        let counts = reading
            .tokens
            .get(at + 1)
            .is_some_and(|next| next.reads_any(COUNTERS) && group.len() <= 2 && !next.new_line);
        if !reading.is_free(at) || (counts && at > start) {
            break;
        }
        digits.push_str(&group);
        groups.push(Group {
            digits: digits.clone(),
            end: at + 1,
            length: group.len(),
            spaced,
        });
        let Some(next) = next_group(reading, at + 1) else {
            break;
        };
        spaced = next.1;
        at = next.0;
    }
    // A group that touches more digits does not end a number.
    groups.retain(|group| {
        !(reading.is_glued(group.end)
            && (reading.tokens[group.end].is_number() || is_zero(reading, group.end)))
    });
    groups
}

/// The token after at most two signs or spaces, and whether a space is among them.
fn next_group(reading: &Reading<'_>, mut at: usize) -> Option<(usize, bool)> {
    let mut separators = 0_usize;
    let mut spaced = false;
    loop {
        let token = reading.tokens.get(at)?;
        if token.new_line {
            return None;
        }
        if !token.glued {
            separators += 1;
            spaced = true;
        }
        let separates = ['.', '-', '–', '—', '_', '(', ')']
            .iter()
            .any(|it| token.is_sign(*it));
        if separates {
            separators += 1;
        }
        if separators > 2 {
            return None;
        }
        if !separates {
            return Some((at, spaced));
        }
        at += 1;
    }
}

struct Found {
    phone: Phone,
    kind: PhoneKind,
    end: usize,
    is_clear: bool,
}

/// The best whole number: a mobile as written before one that had to be repaired.
fn whole(reading: &Reading<'_>, groups: &[Group]) -> Option<Found> {
    let mut best: Option<(usize, Found)> = None;
    for (place, group) in groups.iter().enumerate() {
        let Some((phone, kind)) = read(&group.digits) else {
            continue;
        };
        let first = groups[0].length;
        let rank = match kind {
            PhoneKind::Mobile => 0,
            PhoneKind::OldPrefix => 1,
            PhoneKind::Landline | PhoneKind::Foreign => 2,
            PhoneKind::Rebuilt => {
                // Small groups are quantities and prices, and so is a number of round thousands.
                let price = group.digits.ends_with("000") && place > 0;
                if first < 3 || price || is_price(reading, group.end) {
                    continue;
                }
                3
            }
        };
        // `090 123 456 7 A12`: the 7 may as well count the product.
        let is_clear = groups[..=place]
            .iter()
            .all(|group| !(group.spaced && group.length < 2) && (first > 1 || place == 0));
        let found = Found {
            phone,
            kind,
            end: group.end,
            is_clear,
        };
        // Of two landlines the longer one, else the first that is found.
        let better = best.as_ref().is_none_or(|(known, _)| {
            rank < *known || (rank == *known && kind == PhoneKind::Landline)
        });
        if better {
            best = Some((rank, found));
        }
    }
    best.map(|(_, found)| found)
}

fn is_price(reading: &Reading<'_>, at: usize) -> bool {
    reading.is_glued(at) && reading.reads(at, &["đ", "vnđ", "vnd", "k", "tr"])
}

fn read(digits: &str) -> Option<(Phone, PhoneKind)> {
    // `84 0901…`: 84 is a country code only where the number goes on as one.
    if digits.starts_with("840") {
        return None;
    }
    let (parsed, repair) = Phone::read(digits);
    let Parsed::Valid(phone) = parsed else {
        return None;
    };
    let vietnamese = phone.as_str().starts_with("+84");
    let kind = match repair {
        Some(Repair::OldPrefix) => PhoneKind::OldPrefix,
        Some(Repair::MissingZero) => PhoneKind::Rebuilt,
        None if phone.is_mobile() => PhoneKind::Mobile,
        None if vietnamese => PhoneKind::Landline,
        None => PhoneKind::Foreign,
    };
    Some((phone, kind))
}

fn take(reading: &mut Reading<'_>, start: usize, found: Found) -> usize {
    reading.mark(start, found.end, Mark::Phone);
    if !found.is_clear {
        reading.doubt(Reason::PhoneUnclear);
    }
    let known = reading
        .phones
        .iter_mut()
        .find(|known| known.e164 == found.phone);
    match known {
        Some(known) if found.kind == PhoneKind::Mobile => known.kind = found.kind,
        Some(_) => {}
        None => reading.phones.push(PhoneFound {
            e164: found.phone,
            kind: found.kind,
        }),
    }
    found.end
}

/// A mobile number that ends too early.
fn partial(groups: &[Group]) -> Option<usize> {
    let last = groups.last()?;
    let mobile =
        last.digits.starts_with('0') && last.digits[1..].starts_with(['3', '5', '7', '8', '9']);
    (mobile && PARTIAL.contains(&last.digits.len())).then_some(last.end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::live::Live;
    use super::*;

    fn found(text: &str) -> (Vec<(String, PhoneKind)>, PhoneState, bool) {
        let live = Live::new(BTreeMap::new());
        let mut reading = Reading::new(text, &live);
        super::super::hidden::find(&mut reading);
        super::super::accounts::cut(&mut reading);
        find(&mut reading);
        let phones = reading
            .phones
            .iter()
            .map(|found| (found.e164.national(), found.kind))
            .collect();
        (phones, reading.phone_state, reading.doubts.is_empty())
    }

    #[test]
    fn every_usual_way_to_write_a_mobile_is_found() {
        for text in [
            "0901234567",
            "0901 234 567",
            "0901.234.567",
            "090-123-4567",
            "(090) 123 4567",
            "84901234567",
            "+84 90 123 4567",
            "+840901234567",
            "0084901234567",
            "o9o1234567",
            "O901 234 567",
            "0901234567nha",
            "sđt0901234567",
            "A1 2 0901234567",
            "12 0901234567 2",
            "0901234567 0901234567",
        ] {
            let (phones, state, clear) = found(text);
            let expected = [("0901234567".to_owned(), PhoneKind::Mobile)];
            assert_eq!(phones, expected, "{text}");
            assert_eq!(state, PhoneState::Ok, "{text}");
            assert!(clear, "{text}");
        }
    }

    #[test]
    fn repaired_and_other_numbers_say_what_they_are() {
        for (text, number, kind) in [
            ("901234567", "0901234567", PhoneKind::Rebuilt),
            ("901.234.567", "0901234567", PhoneKind::Rebuilt),
            ("01681234567", "0381234567", PhoneKind::OldPrefix),
            ("0168 123 4567", "0381234567", PhoneKind::OldPrefix),
            ("028 3823 4567", "02838234567", PhoneKind::Landline),
            ("0251 382 345", "0251382345", PhoneKind::Landline),
            ("+6561234567", "+6561234567", PhoneKind::Foreign),
        ] {
            assert_eq!(found(text).0, [(number.to_owned(), kind)], "{text}");
        }
    }

    #[test]
    fn what_is_no_phone_is_left_for_others() {
        for text in [
            "1.290.000",
            "350.000.000",
            "09012345678",
            "0123456789",
            "19001234",
            "A0901234567",
            "2 cái",
            "12 34 56",
            "stk 0123456789012",
            "24/11/2026",
            "84 84",
        ] {
            assert!(found(text).0.is_empty(), "{text}");
        }
    }

    #[test]
    fn hidden_and_incomplete_numbers_have_a_state_of_their_own() {
        for text in [
            "0901xxx567",
            "0901 xxx 567",
            "09xx.xxx.567",
            "0901***567",
            "0901•••567",
            "0901...567",
            "sđt em ib rồi nha",
            "em ib sdt roi",
            "số cũ nha",
            "sđt đuôi 567",
        ] {
            assert_eq!(found(text).1, PhoneState::Hidden, "{text}");
        }
        for text in ["0905.111.22", "0905111", "09051112 2 cái"] {
            assert_eq!(found(text).1, PhoneState::Partial, "{text}");
        }
        for text in ["chốt A12", "0905", "0901234567x2 x"] {
            assert_ne!(found(text).1, PhoneState::Hidden, "{text}");
        }
    }

    #[test]
    fn a_number_that_can_be_read_in_two_ways_is_doubted() {
        for text in [
            "090 123 456 7 A12",
            "0901234567 0912345678",
            "0901234567 0905111",
            "tk 0901234567",
        ] {
            assert!(!found(text).2, "{text}");
        }
        assert!(found("A12 2 901234567").2, "the kind says it, not a doubt");
    }
}
