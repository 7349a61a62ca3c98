//! An address as words: its parts, and the words around a province's name that are not the name.

use unicode_normalization::UnicodeNormalization;

use super::province::Letters;
use crate::text::fold;

/// One word, as written and folded.
pub(super) struct Word {
    pub(super) written: String,
    pub(super) folded: String,
}

/// The words of a text; anything that is no letter or digit parts them.
pub(super) fn words(text: &str) -> Vec<Word> {
    let composed: String = text.nfkc().collect();
    composed
        .split(|letter: char| !letter.is_alphanumeric())
        .map(|written| Word {
            folded: fold(written),
            written: written.to_owned(),
        })
        .filter(|word| !word.folded.is_empty())
        .collect()
}

/// The parts of an address: at commas and the like; at a dash only between spaces (`Q1 - TP.HCM`, but `HO-CHI-MINH`).
pub(super) fn split(text: &str) -> Vec<String> {
    let composed: String = text.nfkc().collect();
    [" - ", " – ", " — "]
        .iter()
        .fold(composed, |text, dash| text.replace(dash, ","))
        .split([',', ';', '\n', '\r', '\t', '|', '•', '，', '、'])
        .map(str::to_owned)
        .collect()
}

/// The words before `Việt Nam` and a postal code.
pub(super) fn without_country(words: &[Word]) -> &[Word] {
    let mut words = words;
    loop {
        words = match words {
            [rest @ .., viet, nam] if viet.folded == "viet" && nam.folded == "nam" => rest,
            [rest @ .., last] if matches!(&*last.folded, "vietnam" | "vn") => rest,
            [rest @ .., last] if is_postal_code(&last.folded) => rest,
            words => return words,
        };
    }
}

fn is_postal_code(word: &str) -> bool {
    (5..=6).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words without `tỉnh`, `TP` and the like around them, and whether there was one.
pub(super) fn without_type(words: &[Word]) -> (&[Word], bool) {
    // With its marks, if there are any: a shop for `máy tính` is not in the province after it.
    let reads = |at: usize, name: &str| {
        words
            .get(at)
            .is_some_and(|word| Letters::of(&word.written).reads_as(&Letters::of(name)))
    };
    let front = if (reads(0, "thành") && reads(1, "phố")) || (reads(0, "t") && reads(1, "p")) {
        2
    } else {
        usize::from(["tỉnh", "tp", "t"].iter().any(|kind| reads(0, kind)))
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
    let is_number = |word: &Word| {
        word.folded
            .starts_with(|letter: char| letter.is_ascii_digit())
    };
    while let [rest @ .., last] = left {
        if !is_number(last) {
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
