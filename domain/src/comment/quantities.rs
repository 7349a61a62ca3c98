//! Quantities as they are written. Which product they count is decided in [`super::lines`].

use super::reading::{Form, Mark, QuantityAt, Reading};
use super::reason::Reason;
use super::words::Meaning;

/// What pieces are counted with. `c` is `cái`; pairs, dozens and boxes of many are left out, because
/// they are not one piece.
pub(super) const UNITS: &[&str] = &[
    "cái", "chiếc", "bộ", "con", "hộp", "cây", "c", "sp", "sản", "máy", "cục", "cai", "em", "mã",
    "đơn", "món",
];
/// One order or one code is one piece; two of them need not be two pieces of one product.
const ONE_ONLY: &[&str] = &["mã", "đơn", "em"];
/// Units that are also people, so that `cho 2 con` may be for two children.
const PEOPLE: &[&str] = &["con", "em"];
const LABELS_BEFORE_A_NUMBER: &[char] = &[':', '=', '-', '.'];
const NUMERALS: &[(&str, u32)] = &[
    ("một", 1),
    ("hai", 2),
    ("ba", 3),
    ("bốn", 4),
    ("năm", 5),
    ("sáu", 6),
    ("bảy", 7),
    ("bẩy", 7),
    ("tám", 8),
    ("chín", 9),
    ("mười", 10),
];

pub(super) fn find(reading: &mut Reading<'_>) {
    let mut at = 0;
    while at < reading.tokens.len() {
        let found = if reading.is_free(at) {
            each(reading, at)
                .or_else(|| behind(reading, at))
                .or_else(|| counted(reading, at))
                .or_else(|| before(reading, at))
                .or_else(|| bare(reading, at))
        } else {
            None
        };
        at = match found {
            Some(quantity) => {
                let end = quantity.end;
                reading.mark(quantity.start, end, Mark::Quantity);
                reading.quantities.push(quantity);
                end
            }
            None => at + 1,
        };
    }
}

/// Whether a sign of multiplication and a number stand at `at`: `x2`, `* 2`, `×2`.
pub(super) fn is_times(reading: &Reading<'_>, at: usize) -> bool {
    let sign = reading.tokens.get(at).is_some_and(|token| {
        (token.is_word() && token.lower == "x") || token.is_sign('*') || token.is_sign('×')
    });
    sign && small_number(reading, at + 1).is_some()
}

/// A lone number of at most three digits.
fn small_number(reading: &Reading<'_>, at: usize) -> Option<u32> {
    if !reading.is_free_number(at)
        || reading.tokens[at].lower.len() > 3
        || reading.is_part_of_a_longer_number(at)
    {
        return None;
    }
    reading.tokens[at].value()
}

/// `mỗi mã 2 cái`, `mỗi loại 1`.
fn each(reading: &Reading<'_>, at: usize) -> Option<QuantityAt> {
    if !reading.begins(at, Meaning::Each) {
        return None;
    }
    let number = (at + 1..at + 3).find(|place| reading.meaning(*place) != Some(Meaning::Each))?;
    let (value, mut end) = number_at(reading, number)?;
    if reading.reads(end, UNITS) && reading.is_free(end) {
        end += 1;
    }
    Some(QuantityAt {
        start: at,
        end,
        value,
        form: Form::Each,
    })
}

/// `x2`, `sl: 2`.
fn behind(reading: &Reading<'_>, at: usize) -> Option<QuantityAt> {
    let number = if is_times(reading, at) {
        at + 1
    } else if reading.begins(at, Meaning::AmountWord) {
        let mut number = at + 1;
        while reading.says(number, Meaning::AmountWord)
            || LABELS_BEFORE_A_NUMBER
                .iter()
                .any(|sign| reading.is_sign(number, *sign))
            || reading.reads(number, &["là"])
        {
            number += 1;
        }
        number
    } else {
        return None;
    };
    let value = small_number(reading, number)?;
    let mut end = number + 1;
    if reading.reads(end, UNITS) && reading.is_free(end) && unit_ends(reading, end) {
        end += unit_length(reading, end);
    }
    // `x2k`, `sl 2tr`: part of something else.
    let goes_on = reading.is_glued(end) && reading.tokens[end].is_alphanumeric();
    (!goes_on).then_some(QuantityAt {
        start: at,
        end,
        value,
        form: Form::Behind,
    })
}

/// `2 cái`, `hai cái`, `2c`.
fn counted(reading: &mut Reading<'_>, at: usize) -> Option<QuantityAt> {
    let (value, unit) = number_at(reading, at)?;
    let charger = reading.reads(unit, &["củ"])
        && (reading.reads(unit + 1, &["sạc"]) || sells_chargers(reading));
    if !(reading.reads(unit, UNITS) || charger) || !reading.is_free(unit) {
        return None;
    }
    if !unit_ends(reading, unit) {
        return None;
    }
    let em = reading.reads(unit, &["em"]);
    let for_people = reading.reads(unit, PEOPLE)
        && (at > 0 && reading.reads(at - 1, &["cho", "của", "nhà"])
            || em && !next_is_a_code(reading, unit + 1));
    let several = value != 1 && reading.reads(unit, ONE_ONLY);
    if for_people || several {
        return None;
    }
    // Without its mark `sau` is "after" as often as six.
    if reading.tokens[at].plain && reading.reads(at, &["năm", "sáu", "bảy", "tám", "bốn"]) {
        reading.doubt(Reason::QuantityUnclear);
    }
    Some(QuantityAt {
        start: at,
        end: unit + unit_length(reading, unit),
        value,
        form: Form::Counted,
    })
}

/// `sản phẩm` are two words.
fn unit_length(reading: &Reading<'_>, at: usize) -> usize {
    if reading.reads(at, &["sản"]) { 2 } else { 1 }
}

/// Whether the token at `at` is a unit there, and not the beginning of something else: `2 c Lan`,
/// `2 máy giặt`, `2 mã A12`.
fn unit_ends(reading: &Reading<'_>, at: usize) -> bool {
    if reading.reads(at, &["sản"]) {
        return reading.reads(at + 1, &["phẩm"]);
    }
    if reading.is_glued(at + 1) && reading.tokens[at + 1].is_alphanumeric() {
        return false;
    }
    if !reading.reads(at, &["c", "em", "mã", "đơn"]) || reading.is_glued(at) {
        return true;
    }
    reading.tokens.get(at + 1).is_none_or(|next| {
        !next.is_word()
            || next.new_line
            || reading.mark_of(at + 1) == Some(Mark::Code)
            || reading.mark_of(at + 1) == Some(Mark::Variant)
            || reading.says(at + 1, Meaning::Filler)
            || reading.says(at + 1, Meaning::PhoneWord)
    })
}

fn sells_chargers(reading: &Reading<'_>) -> bool {
    reading.codes.iter().any(|code| {
        reading
            .live
            .products
            .get(&code.code)
            .is_some_and(|product| product.name.to_lowercase().starts_with("củ"))
    })
}

/// `2 A12`, `2x A12`, `1 màu đen size M A12`: a number and its code, with nothing between that could be
/// counted instead. It must not stand behind another code, where it would count that one.
fn before(reading: &Reading<'_>, at: usize) -> Option<QuantityAt> {
    let value = small_number(reading, at).or_else(|| ordered_numeral(reading, at))?;
    let touches = at > 0 && reading.is_glued(at) && reading.tokens[at - 1].is_alphanumeric();
    if touches {
        return None;
    }
    let mut end = at + 1;
    if reading.reads(end, &["x"]) && reading.is_free(end) || reading.is_sign(end, '×') {
        end += 1;
    }
    next_is_a_code(reading, end).then_some(QuantityAt {
        start: at,
        end,
        value,
        form: Form::Before,
    })
}

/// `lấy hai A12`. Brothers and fathers are called `hai` and `ba` too, so a word that orders has to stand
/// right before it.
fn ordered_numeral(reading: &Reading<'_>, at: usize) -> Option<u32> {
    let ordered = at > 0 && reading.says(at - 1, Meaning::Order);
    let token = &reading.tokens[at];
    let (word, value) = NUMERALS.iter().find(|(word, _)| token.lower == *word)?;
    (ordered && *word != "ba" && reading.is_free(at)).then_some(*value)
}

/// Whether a code follows, with only its name, its variants or `mã` before it.
fn next_is_a_code(reading: &Reading<'_>, from: usize) -> bool {
    let mut at = from;
    loop {
        match reading.mark_of(at) {
            Some(Mark::Code) => return true,
            Some(Mark::Variant | Mark::ProductName) => at += 1,
            Some(_) => return false,
            None if reading.says(at, Meaning::CodeWord) => at += 1,
            None => return false,
        }
    }
}

/// `A12 2`: a number right behind its code, or behind the code's variants. Probably the quantity.
fn bare(reading: &mut Reading<'_>, at: usize) -> Option<QuantityAt> {
    let value = small_number(reading, at)?;
    if reading.tokens[at].lower.len() > 2 || reading.tokens[at].lower.starts_with('0') {
        return None;
    }
    let touches = reading.is_glued(at + 1) && reading.tokens[at + 1].is_alphanumeric();
    let mut behind = at;
    let code = loop {
        behind = behind.checked_sub(1)?;
        let skips = match reading.mark_of(behind) {
            Some(Mark::Code) => break reading.codes.iter().find(|code| code.end == behind + 1)?,
            Some(Mark::Variant | Mark::ProductName) => true,
            Some(_) => false,
            None => LABELS_BEFORE_A_NUMBER
                .iter()
                .chain(&[',', '(', '+'])
                .any(|sign| reading.is_sign(behind, *sign)),
        };
        if !skips {
            return None;
        }
    };
    if touches {
        return None;
    }
    let product = code.code.clone();
    reading.doubt(Reason::BareQuantity {
        product,
        quantity: value,
    });
    Some(QuantityAt {
        start: at,
        end: at + 1,
        value,
        form: Form::Bare,
    })
}

/// A number in digits or as one word, and the place behind it. `mười hai` and `2 3` are not read.
fn number_at(reading: &Reading<'_>, at: usize) -> Option<(u32, usize)> {
    if let Some(value) = small_number(reading, at) {
        let touches = at > 0 && reading.is_glued(at) && reading.tokens[at - 1].is_word();
        return (!touches).then_some((value, at + 1));
    }
    let numeral = |at: usize| {
        let token = reading.tokens.get(at)?;
        let (_, value) = NUMERALS.iter().find(|(word, _)| token.reads(word))?;
        Some(*value)
    };
    let value = numeral(at)?;
    let longer = at > 0 && (numeral(at - 1).is_some() || reading.tokens[at - 1].is_number());
    let goes_on =
        reading.reads(at + 1, &["mươi", "trăm", "chục", "mốt"]) || numeral(at + 1).is_some();
    (!longer && !goes_on && reading.is_free(at)).then_some((value, at + 1))
}
