//! Bank accounts and wallets: digits that are no phone even where they look like one.

use super::reading::{Mark, Reading};
use super::reason::Reason;

const LABELS: &[&str] = &["stk", "tk", "tài khoản", "số tài khoản", "account", "acc"];
const BANKS: &[&str] = &[
    "vcb",
    "vietcombank",
    "tcb",
    "techcombank",
    "mb",
    "mbbank",
    "acb",
    "bidv",
    "vib",
    "tpb",
    "tpbank",
    "vpbank",
    "agribank",
    "agri",
    "sacombank",
    "vietinbank",
    "ctg",
    "shb",
    "hdbank",
    "ocb",
    "msb",
    "momo",
    "zalopay",
    "viettelpay",
];
/// Words that may stand between the label and the digits: `stk của em là …`.
const APART: usize = 5;

pub(super) fn cut(reading: &mut Reading<'_>) {
    let mut label: Option<usize> = None;
    let mut at = 0;
    while at < reading.tokens.len() {
        if is_label(reading, at) {
            label = Some(at);
        } else if label.is_some_and(|label| at - label > APART) {
            label = None;
        }
        if label.is_some() && reading.is_free_number(at) {
            let end = digits_end(reading, at);
            let digits: usize = reading.tokens[at..end]
                .iter()
                .filter(|token| token.is_number())
                .map(|token| token.lower.len())
                .sum();
            if digits >= 6 {
                // Some banks let the phone be the account: it may be meant as either.
                if digits <= 11 && reading.tokens[at].lower.starts_with(['0', '8']) {
                    reading.doubt(Reason::PhoneUnclear);
                }
                reading.mark(at, end, Mark::Account);
                label = None;
                at = end;
                continue;
            }
        }
        at += 1;
    }
}

fn is_label(reading: &Reading<'_>, at: usize) -> bool {
    let is = |label: &str| {
        label
            .split(' ')
            .enumerate()
            .all(|(place, word)| reading.reads(at + place, &[word]))
    };
    LABELS.iter().chain(BANKS).any(|label| is(label))
}

/// The end of groups of digits with one sign or space between.
fn digits_end(reading: &Reading<'_>, start: usize) -> usize {
    let mut end = start + 1;
    while end < reading.tokens.len().min(start + 12) {
        let next = &reading.tokens[end];
        if next.is_number() && !next.new_line && next.lower.len() >= 3 {
            end += 1;
        } else if (next.is_sign('.') || next.is_sign('-'))
            && reading.is_glued(end)
            && reading.is_glued(end + 1)
            && reading.is_free_number(end + 1)
        {
            end += 2;
        } else {
            break;
        }
    }
    end
}
