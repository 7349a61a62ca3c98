//! Names of people beside a phone or in a part of their own. They are recognised only so that they
//! are no words that nobody understood.

use super::reading::{Mark, Reading};
use super::words::Meaning;

/// Family and given names that are hardly anything else, without marks.
const NAMES: &[&str] = &[
    "nguyen", "tran", "pham", "phan", "vo", "bui", "ngo", "ly", "le", "hoang", "huynh", "truong",
    "dinh", "lan", "hoa", "hien", "huong", "linh", "thao", "nga", "ngoc", "quynh", "tuan", "hung",
    "long", "khanh", "kien", "cuong", "duc", "hieu", "trung", "vinh", "oanh", "thuy", "nhung",
    "trinh", "tam", "hanh", "phuc", "hoai", "nhi", "vy", "yen", "khoa", "phong", "quang", "thang",
    "tung", "dat", "loan", "lien", "tham", "thom", "nhan", "diep", "diem", "giang", "hao", "hau",
    "bich", "cuc", "dao", "xuan", "thi",
];
/// Words of one name at most.
const LONGEST: usize = 5;

pub(super) fn find(reading: &mut Reading<'_>) {
    for at in 0..reading.tokens.len() {
        if reading.mark_of(at) == Some(Mark::Phone) {
            if reading.mark_of(at + 1) != Some(Mark::Phone) {
                forwards(reading, at + 1);
            }
            if at == 0 || reading.mark_of(at - 1) != Some(Mark::Phone) {
                backwards(reading, at);
            }
        } else if reading.says(at, Meaning::NameWord) || reading.says(at, Meaning::Person) {
            let next = at + 1;
            if reading.says(next, Meaning::NameWord) {
                continue;
            }
            let next = if reading.is_sign(next, ':') {
                next + 1
            } else {
                next
            };
            if reading.is_free_word(next) && is_name(reading, next, Place::Called) {
                forwards(reading, next);
            }
        }
    }
    parts_of_their_own(reading);
}

/// How sure the place makes it that a word is a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind `chị`, `tên`.
    Called,
    /// Beside a phone or in a part of its own.
    Beside,
}

/// Names behind `start`, with a sign in front.
fn forwards(reading: &mut Reading<'_>, start: usize) {
    let mut at = start;
    if is_divider(reading, at) {
        at += 1;
    }
    // `0901234567 chị Lan`: the title is a word of its own.
    if reading.says(at, Meaning::Person) {
        at += 1;
    }
    let first = at;
    while at < first + LONGEST && reading.is_free_word(at) && is_name(reading, at, Place::Beside) {
        at += 1;
    }
    reading.mark(first, at, Mark::Name);
}

/// Names before a phone, with a sign or `sđt` between.
fn backwards(reading: &mut Reading<'_>, phone: usize) {
    let mut at = phone;
    while at > 0 && (is_divider(reading, at - 1) || reading.says(at - 1, Meaning::PhoneWord)) {
        at -= 1;
    }
    let end = at;
    while at > 0
        && end - at < LONGEST
        && reading.is_free_word(at - 1)
        && is_name(reading, at - 1, Place::Beside)
    {
        at -= 1;
    }
    reading.mark(at, end, Mark::Name);
}

fn is_divider(reading: &Reading<'_>, at: usize) -> bool {
    [',', '-', '.', ':', '(', ')', '/', '–']
        .iter()
        .any(|sign| reading.is_sign(at, *sign))
}

/// `- Hoa -`: capitals only, between two signs or line ends.
fn parts_of_their_own(reading: &mut Reading<'_>) {
    let mut start = 0;
    for end in 0..=reading.tokens.len() {
        let at_end = end == reading.tokens.len();
        let goes_on =
            !at_end && !is_divider(reading, end) && (end == start || !reading.tokens[end].new_line);
        if goes_on {
            continue;
        }
        let length = end - start;
        let all = (1..LONGEST).contains(&length)
            && (start..end)
                .all(|at| reading.is_free_word(at) && is_name(reading, at, Place::Beside));
        if all && start > 0 {
            reading.mark(start, end, Mark::Name);
        }
        start = if at_end || reading.tokens[end].new_line {
            end
        } else {
            end + 1
        };
    }
}

/// A word that no list has and that begins with a capital, or a common name. Words that mean something
/// are names only behind a title and with a capital.
fn is_name(reading: &Reading<'_>, at: usize, place: Place) -> bool {
    let token = &reading.tokens[at];
    let begins_a_sentence = at == 0
        || token.new_line
        || ['.', '!', '?']
            .iter()
            .any(|sign| reading.is_sign(at - 1, *sign));
    let capital = token.capital && reading.has_small_letters && !begins_a_sentence;
    match reading.meaning(at) {
        None => capital || NAMES.contains(&token.bare.as_str()),
        Some(Meaning::Later | Meaning::Cancel | Meaning::Order | Meaning::Otherwise) => {
            capital && (place == Place::Called || ["huy", "mai"].contains(&token.lower.as_str()))
        }
        Some(_) => false,
    }
}
