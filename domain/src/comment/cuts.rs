//! Numbers that are no quantity and no code: money, percentages, promotions, times and emoticons.

use super::reading::{Mark, Reading};

const THOUSANDS: &[&str] = &["k", "ka", "ng", "nghìn", "ngàn", "cành"];
const MILLIONS: &[&str] = &["tr", "triệu", "củ"];
const DONG: &[&str] = &["đ", "vnđ", "vnd", "đồng", "₫"];
const PARTS_OF_DAY: &[&str] = &["sáng", "trưa", "chiều", "tối", "đêm"];

pub(super) fn cut(reading: &mut Reading<'_>) {
    for at in 0..reading.tokens.len() {
        if !reading.is_free_number(at) {
            continue;
        }
        // First match wins.
        let found = emoticon(reading, at)
            .or_else(|| promotion(reading, at))
            .or_else(|| percentage(reading, at))
            .or_else(|| money(reading, at))
            .or_else(|| time(reading, at));
        if let Some((start, end, mark)) = found {
            reading.mark(start, end, mark);
        }
    }
}

type Cut = (usize, usize, Mark);

/// `<3`.
fn emoticon(reading: &Reading<'_>, at: usize) -> Option<Cut> {
    let heart = at > 0
        && reading.is_glued(at)
        && reading.is_sign(at - 1, '<')
        && reading.tokens[at].lower.bytes().all(|digit| digit == b'3');
    heart.then(|| (at - 1, at + 1, Mark::Emoticon))
}

/// `mua 1 tặng 1`, `1 đổi 1`. With another number in front it may be the quantity as well.
fn promotion(reading: &Reading<'_>, at: usize) -> Option<Cut> {
    let joined = reading.is_free_number(at + 2);
    if !joined || reading.tokens[at].lower != "1" || reading.tokens[at + 2].lower != "1" {
        return None;
    }
    if reading.reads(at + 1, &["đổi"]) {
        return Some((at, at + 3, Mark::Promotion));
    }
    let bought = at > 0 && reading.reads(at - 1, &["mua"]);
    let given = reading.reads(at + 1, &["tặng", "free", "được"]);
    (bought && given).then(|| (at - 1, at + 3, Mark::Promotion))
}

/// `10%`, `10 phần trăm`.
fn percentage(reading: &Reading<'_>, at: usize) -> Option<Cut> {
    if reading.is_sign(at + 1, '%') {
        return Some((at, at + 2, Mark::Promotion));
    }
    let words = reading.reads(at + 1, &["phần"]) && reading.reads(at + 2, &["trăm"]);
    words.then_some((at, at + 3, Mark::Promotion))
}

/// `350k`, `3tr5`, `1.290.000đ`, `2 củ` but not `2 củ sạc`.
fn money(reading: &Reading<'_>, at: usize) -> Option<Cut> {
    let touches_a_word = at > 0 && reading.is_glued(at) && reading.tokens[at - 1].is_word();
    if touches_a_word || reading.tokens[at].lower.starts_with('0') {
        return None;
    }
    let glued = reading.is_glued(at + 1);
    let digits = reading.tokens[at].lower.len();
    // `5k` may be a fee or a slip of the finger for `5c`; `350 k` is a price, `1 k` asks.
    if reading.reads(at + 1, THOUSANDS) && (2..=5).contains(&digits) {
        let shorthand = reading.reads(at + 1, &["k", "ng"]) && !glued && digits < 3;
        return (!shorthand).then_some((at, at + 2, Mark::Money));
    }
    if reading.reads(at + 1, MILLIONS) && digits <= 3 {
        // `2 củ A12`: chargers are counted with the same word.
        let next = reading.tokens.get(at + 2);
        if reading.reads(at + 1, &["củ"]) && next.is_some_and(|next| next.is_alphanumeric()) {
            return None;
        }
        let rest = reading.is_free_number(at + 2) && reading.is_glued(at + 2) && glued;
        return Some((at, at + 2 + usize::from(rest), Mark::Money));
    }
    let end = grouped_end(reading, at);
    if reading.reads(end, DONG) || reading.is_sign(end, '₫') {
        let certain = end > at + 1 || digits >= 4;
        return certain.then_some((at, end + 1, Mark::Money));
    }
    (end > at + 1).then_some((at, end, Mark::Money))
}

/// The end of a number whose thousands are parted: `1.290.000`.
fn grouped_end(reading: &Reading<'_>, at: usize) -> usize {
    let first = reading.tokens[at].lower.len();
    let mut end = at + 1;
    if !(1..=3).contains(&first) {
        return end;
    }
    while (reading.is_sign(end, '.') || reading.is_sign(end, ','))
        && reading.is_glued(end)
        && reading.is_glued(end + 1)
        && reading.is_free_number(end + 1)
        && reading.tokens[end + 1].lower.len() == 3
    {
        end += 2;
    }
    end
}

/// When to deliver or to call: `sau 17h`, `8h30 sáng`, `ngày 24/11`, `giao thứ 7`. Any other time is
/// left unexplained.
fn time(reading: &Reading<'_>, at: usize) -> Option<Cut> {
    let before = |words: &[&str]| at > 0 && reading.reads(at - 1, words);
    if reading.reads(at + 1, &["h", "giờ"]) {
        let minutes = reading.is_glued(at + 2) && reading.is_free_number(at + 2);
        let end = at + 2 + usize::from(minutes);
        if before(&["sau", "trước", "lúc", "khoảng", "tầm", "từ", "đến"]) {
            return Some((at - 1, end, Mark::Time));
        }
        let part = reading.reads(end, PARTS_OF_DAY);
        let delivers = before(&["giao", "gọi", "nhận"]);
        return (part || delivers).then_some((at, end + usize::from(part), Mark::Time));
    }
    if before(&["ngày"]) {
        let month = reading.is_sign(at + 1, '/') && reading.is_free_number(at + 2);
        let end = if month { at + 3 } else { at + 1 };
        // `ngày 2 cái` counts, and so does `ngày 2 A12`.
        let delivers = at >= 2 && reading.reads(at - 2, &["giao", "nhận", "ship", "gửi"]);
        let counts = reading
            .tokens
            .get(end)
            .is_some_and(|next| next.is_word() && !next.new_line);
        return (delivers && !counts).then_some((at - 1, end, Mark::Time));
    }
    let weekday = before(&["thứ"])
        && (2..=7).contains(&reading.tokens[at].value().unwrap_or(0))
        && at >= 2
        && reading.reads(at - 2, &["giao", "nhận", "sáng", "chiều", "tối", "gọi"]);
    weekday.then(|| (at - 1, at + 1, Mark::Time))
}
