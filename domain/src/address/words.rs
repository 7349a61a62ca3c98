//! An address as words: its parts, and the words around a province's name that are not the name.

use unicode_normalization::UnicodeNormalization;

use super::province::Letters;
use crate::text::fold;

/// One word, as written and folded.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) written: String,
    pub(super) folded: String,
}

impl Word {
    /// Whether it has letters with marks: only then does a missing mark mean something.
    pub(super) fn is_marked(&self) -> bool {
        !self.written.is_ascii()
    }

    pub(super) fn is_number(&self) -> bool {
        self.folded.bytes().all(|byte| byte.is_ascii_digit())
    }

    pub(super) fn begins_with_digit(&self) -> bool {
        self.folded
            .starts_with(|letter: char| letter.is_ascii_digit())
    }
}

/// The parts of an address as words, those without any left out: parted at commas and the like; at a
/// dash only between spaces (`Q1 - TP.HCM`, but `HO-CHI-MINH`), unless the dash is part of a name.
pub(super) fn parts(text: &str) -> Vec<Vec<Word>> {
    let composed: String = text.nfkc().collect();
    let dashed = [" - ", " – ", " — "]
        .iter()
        .fold(composed, |text, dash| text.replace(dash, DASH));
    let mut parts: Vec<Vec<Word>> = Vec::new();
    for between_commas in dashed.split([
        ',', ';', '\n', '\r', '\t', '|', '•', '，', '、', '(', ')', '[', ']',
    ]) {
        for (at, between_dashes) in between_commas.split(DASH).enumerate() {
            let next = composed_words(between_dashes);
            match parts.last_mut() {
                Some(before) if at > 0 && has_dash(before, &next) => before.extend(next),
                _ if next.is_empty() => {}
                _ => parts.push(next),
            }
        }
    }
    parts
}

/// What stands for a dash between spaces: no text has this sign.
const DASH: &str = "\u{1e}";

/// Whether a name has its dash between these words.
fn has_dash(before: &[Word], after: &[Word]) -> bool {
    let ([.., one, two], [three, rest @ ..]) = (before, after) else {
        return false;
    };
    let four = rest.first().map_or("", |word| &*word.folded);
    NAMES_WITH_A_DASH.contains(&[&*one.folded, &*two.folded, &*three.folded, four])
}

const NAMES_WITH_A_DASH: [[&str; 4]; 10] = [
    ["ba", "ria", "vung", "tau"],
    ["thua", "thien", "hue", ""],
    ["van", "mieu", "quoc", "tu"],
    ["phan", "rang", "thap", "cham"],
    ["chan", "may", "lang", "co"],
    ["lam", "vien", "da", "lat"],
    ["xuan", "huong", "da", "lat"],
    ["cam", "ly", "da", "lat"],
    ["xuan", "truong", "da", "lat"],
    ["lang", "biang", "da", "lat"],
];

/// The words of a text; anything that is no letter or digit parts them.
pub(super) fn words(text: &str) -> Vec<Word> {
    let composed: String = text.nfkc().collect();
    composed_words(&composed)
}

fn composed_words(composed: &str) -> Vec<Word> {
    composed
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|written| !written.is_empty())
        .map(|written| Word {
            folded: fold(written),
            written: written.to_owned(),
        })
        .filter(|word| !word.folded.is_empty())
        .collect()
}

/// The words before `Việt Nam`, a postal code and a phone number.
pub(super) fn without_country(words: &[Word]) -> &[Word] {
    let mut words = words;
    loop {
        words = match words {
            [rest @ .., viet, nam] if viet.folded == "viet" && nam.folded == "nam" => rest,
            [rest @ .., last] if matches!(&*last.folded, "vietnam" | "vn") => rest,
            [rest @ .., last] if is_phone_or_post(last) => rest,
            // 0901 234 567
            [rest @ .., one, two, three]
                if one.folded.starts_with('0')
                    && [one, two, three]
                        .iter()
                        .all(|word| word.is_number() && word.folded.len() >= 3) =>
            {
                rest
            }
            words => return words,
        };
    }
}

/// No house, street or ward has a number of so many digits.
pub(super) fn is_phone_or_post(word: &Word) -> bool {
    word.is_number() && (5..=12).contains(&word.folded.len())
}

/// Whether a part at the end is a word to the courier.
pub(super) fn is_note(words: &[Word]) -> bool {
    match words {
        [] => true,
        [first, second, ..] if first.folded == "giao" => matches!(
            &*second.folded,
            "hang" | "gio" | "sau" | "truoc" | "trong" | "vao" | "luc" | "den" | "buoi" | "ngay"
        ),
        [first, ..] => matches!(
            &*first.folded,
            "goi" | "call" | "ship" | "luu" | "note" | "lh" | "sdt" | "dt" | "tel" | "xin" | "nho"
        ),
    }
}

/// The words without `tỉnh`, `TP` and the like around them, and whether there was one.
pub(super) fn without_type(words: &[Word]) -> (&[Word], bool) {
    // With its marks, if there are any: a shop for `máy tính` is not in the province after it.
    let reads = |at: usize, folded: &str, name: &str| {
        words.get(at).is_some_and(|word| {
            word.folded == folded
                && (!word.is_marked() || Letters::of(&word.written).reads_as(&Letters::of(name)))
        })
    };
    let city = reads(0, "thanh", "thành") && reads(1, "pho", "phố");
    let front = if city || (reads(0, "t", "t") && reads(1, "p", "p")) {
        2
    } else {
        let kinds = [("tinh", "tỉnh"), ("tp", "tp"), ("t", "t")];
        usize::from(kinds.iter().any(|(folded, kind)| reads(0, folded, kind)))
    };
    let rest = &words[front..];
    match rest {
        [name @ .., last] if matches!(&*last.folded, "city" | "province") => (name, true),
        name => (name, front > 0),
    }
}

/// Whether what follows these words can be a province: not after a word that begins the name of a
/// street, a ward or a house, nor right after the house number (12 Hà Nội is a street).
pub(super) fn may_stand_before(before: &[Word]) -> bool {
    let mut left = before;
    while let [rest @ .., last] = left {
        if !last.begins_with_digit() {
            break;
        }
        left = rest;
    }
    let after_number = left.len() < before.len();
    if after_number {
        while let [rest @ .., last] = left {
            if !matches!(&*last.folded, "so" | "nha" | "sn") {
                break;
            }
            left = rest;
        }
        return !left.is_empty();
    }
    left.last()
        .is_some_and(|last| !BEGINS_A_NAME.contains(&&*last.folded))
}

/// Folded words after which a province's name is the name of something else.
const BEGINS_A_NAME: [&str; 44] = [
    "duong", "d", "pho", "lo", "ql", "tl", "hem", "ngo", "ngach", "kiet", // ways
    "phuong", "p", "f", "xa", "x", "quan", "q", "huyen", "h", "tx", "tt", "tran", // units
    "ap", "thon", "to", "khom", "khu", "kdc", "kp", "kcn", "lang", // places in them
    "cho", "cau", "toa", "cu", "xe", "tu", "ba", "truong", "hang", "san", "vien", "cong", "ho",
];
