//! Phones that are not in the comment: digits hidden by `x` or `*`, or a word that they were given
//! in the chat or before.

use super::PhoneState;
use super::reading::{Mark, Reading};
use super::words::Meaning;

/// Words between "phone" and "inbox" that still belong together: `sđt em ib rồi`.
const APART: usize = 4;

pub(super) fn find(reading: &mut Reading<'_>) {
    find_masked(reading);
    find_given_elsewhere(reading);
}

/// `0901xxx567`, `09xx.xxx.567`, `0901•••567`. Two hidden digits at least: one `x` may be `x2`.
fn find_masked(reading: &mut Reading<'_>) {
    let mut at = 0;
    while at < reading.tokens.len() {
        let token = &reading.tokens[at];
        let begins = token.is_number()
            && (token.lower.starts_with('0') || token.lower.starts_with("84"))
            && reading.is_free(at);
        let end = if begins {
            masked_end(reading, at)
        } else {
            None
        };
        match end {
            Some(end) => {
                reading.mark(at, end, Mark::NoPhone);
                reading.phone_state = PhoneState::Hidden;
                at = end;
            }
            None => at += 1,
        }
    }
}

/// Where a masked number that begins at `start` ends.
fn masked_end(reading: &Reading<'_>, start: usize) -> Option<usize> {
    let (mut digits, mut hidden, mut dots) = (0_usize, 0_usize, 0_usize);
    let mut end = start;
    for at in start..reading.tokens.len().min(start + 24) {
        let token = &reading.tokens[at];
        if token.new_line && at > start {
            break;
        }
        if token.is_number() {
            digits += token.lower.len();
            end = at + 1;
        } else if token.is_word() && token.bare.bytes().all(|letter| letter == b'x') {
            // `x` between spaces multiplies.
            if !token.glued && token.bare.len() < 2 {
                break;
            }
            hidden += token.bare.len();
            end = at + 1;
        } else if ['*', '•', '●', '∗', '·', '#', '_', '?']
            .iter()
            .any(|it| token.is_sign(*it))
        {
            hidden += 1;
            end = at + 1;
        } else if token.is_sign('.') {
            dots += 1;
            if reading.is_sign(at + 1, '.') && reading.is_glued(at + 1) {
                hidden += 1;
                end = at + 1;
            }
        } else if !token.is_sign('-') {
            break;
        }
        if digits > 9 || dots > 12 {
            break;
        }
    }
    (hidden >= 2 && (2..=9).contains(&digits)).then_some(end)
}

/// `sđt em ib rồi`, `ib số rồi nha`, `số cũ`, `đuôi 567`.
fn find_given_elsewhere(reading: &mut Reading<'_>) {
    let mut last_phone: Option<usize> = None;
    let mut last_inbox: Option<usize> = None;
    for at in 0..reading.tokens.len() {
        if reading.tokens[at].is_number() && reading.tokens[at].lower.len() >= 7 {
            // A number that stands here was given here.
            last_phone = None;
            continue;
        }
        let meaning = reading.meaning(at);
        if meaning == Some(Meaning::OldNumber) {
            reading.mark(at, at + 1, Mark::NoPhone);
            reading.phone_state = PhoneState::Hidden;
        }
        let other = if meaning == Some(Meaning::PhoneWord) {
            last_phone = Some(at);
            last_inbox
        } else if meaning == Some(Meaning::Inbox) {
            last_inbox = Some(at);
            last_phone
        } else {
            None
        };
        if let Some(other) = other
            && at - other <= APART
        {
            give(reading, other, at);
        }
    }
    for at in 1..reading.tokens.len() {
        let is_tail = reading.is_free_number(at)
            && (3..=4).contains(&reading.tokens[at].lower.len())
            && reading.reads(at - 1, &["đuôi", "cuối"]);
        if is_tail {
            reading.mark(at - 1, at + 1, Mark::NoPhone);
            reading.phone_state = PhoneState::Hidden;
        }
    }
}

/// Explains the words of "the phone is in the chat", with a `rồi` behind them or an `đã` between.
fn give(reading: &mut Reading<'_>, one: usize, other: usize) {
    let (first, last) = (one.min(other), one.max(other));
    reading.phone_state = PhoneState::Hidden;
    for at in first..=last + 2 {
        let meaning = reading.meaning(at);
        let names = meaning == Some(Meaning::PhoneWord) || meaning == Some(Meaning::Inbox);
        let done = meaning == Some(Meaning::Done);
        let explains =
            at <= last && (names || done) || done && (at == last + 1 || reading.is_free(last + 1));
        if explains {
            reading.mark(at, at + 1, Mark::NoPhone);
        }
    }
}
