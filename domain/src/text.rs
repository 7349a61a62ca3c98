//! Vietnamese text: one form to store, one to compare, and near misses for error messages.
//!
//! Comparing goes from strict to loose: [`nfc`] equal, then [`normalize_tones`] equal (`Hoà` is
//! `Hòa`), then [`fold`] equal. Folding makes different names equal (Tân Thành, Tân Thạnh), so a
//! folded hit decides nothing where it is not unique.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{compose, decompose_canonical, is_combining_mark};

/// The composed form (NFC) that is stored; channels send both forms.
#[must_use]
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// Lower case without marks, đ as d, apostrophes dropped, everything else that is not a letter or
/// digit as single spaces: `"TP. Hồ Chí Minh"` → `"tp ho chi minh"`.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        folded.push_str(text);
        folded.make_ascii_lowercase();
        return folded;
    }
    // Compatibility decomposition: full-width letters and digits become the usual ones.
    for letter in text.nfkd().flat_map(char::to_lowercase) {
        match letter {
            'đ' => folded.push('d'),
            // Ea H'Leo is written with either, or with none.
            '\'' | '’' | '‘' | 'ʼ' => {}
            mark if is_combining_mark(mark) => {}
            letter if letter.is_alphanumeric() => folded.push(letter),
            _ if folded.ends_with(' ') || folded.is_empty() => {}
            _ => folded.push(' '),
        }
    }
    if folded.ends_with(' ') {
        folded.pop();
    }
    folded
}

/// Puts the tone of `oa`, `oe` and `uy` where the older rule puts it: on the first vowel at the end
/// of a syllable (`hòa`, `thủy`), on the second before another letter (`hoàn`) and after `q`
/// (`quý`). Both placements are correct Vietnamese; the province list uses this one. Gives NFC.
#[must_use]
pub fn normalize_tones(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut letters: Vec<Letter> = text.nfc().map(Letter::split).collect();
    for first in 0..letters.len().saturating_sub(1) {
        let second = first + 1;
        let pair = (lower(letters[first].base), lower(letters[second].base));
        if !matches!(pair, ('o', 'a') | ('o', 'e') | ('u', 'y')) {
            continue;
        }
        let tone = match (letters[first].tone, letters[second].tone) {
            (Some(tone), None) | (None, Some(tone)) => tone,
            (None, None) | (Some(_), Some(_)) => continue,
        };
        let after_q = first > 0 && pair.0 == 'u' && lower(letters[first - 1].base) == 'q';
        let syllable_goes_on = letters
            .get(second + 1)
            .is_some_and(|next| next.base.is_alphabetic());
        let (on_first, on_second) = if after_q || syllable_goes_on {
            (None, Some(tone))
        } else {
            (Some(tone), None)
        };
        letters[first].tone = on_first;
        letters[second].tone = on_second;
    }
    letters
        .into_iter()
        .flat_map(|letter| [Some(letter.base), letter.tone])
        .flatten()
        .nfc()
        .collect()
}

/// A letter with its own hat, horn or breve, and its tone apart.
struct Letter {
    base: char,
    tone: Option<char>,
}

impl Letter {
    fn split(letter: char) -> Self {
        let whole = Self {
            base: letter,
            tone: None,
        };
        if letter.is_ascii() {
            return whole;
        }
        let (mut base, mut tone) = (None, None);
        let mut composes = true;
        decompose_canonical(letter, |part| {
            if is_tone(part) {
                tone = Some(part);
            } else if let Some(before) = base {
                match compose(before, part) {
                    Some(both) => base = Some(both),
                    None => composes = false,
                }
            } else {
                base = Some(part);
            }
        });
        match base {
            Some(base) if composes => Self { base, tone },
            // A lone mark, or a letter that does not compose again: leave it as it is.
            _ => whole,
        }
    }
}

/// Grave, acute, tilde, hook above, dot below.
fn is_tone(mark: char) -> bool {
    matches!(
        mark,
        '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}'
    )
}

fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// The candidate that `name` was most likely meant to be, for "did you mean": at most two edits, or
/// a third of the length where that is more; one for names of three letters or fewer. Of two
/// equally near ones the first is taken. Letter case does not count.
#[must_use]
pub fn nearest<'a, S: AsRef<str> + ?Sized + 'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a S>,
) -> Option<&'a str> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let limit = match name.len() {
        0 => return None,
        1..=3 => 1,
        length => (length / 3).max(2),
    };
    candidates
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.as_ref().to_lowercase().chars().collect();
            (edits(&name, &letters), candidate.as_ref())
        })
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Damerau–Levenshtein distance (optimal string alignment): insert, delete, replace, swap.
fn edits(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut row = Vec::with_capacity(other.len() + 1);
        row.push(i + 1);
        for (j, against) in other.iter().enumerate() {
            let replaced = above[j] + usize::from(letter != against);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && one[i - 1] == *against && *letter == other[j - 1];
            if swapped {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = above;
        above = row;
    }
    above[other.len()]
}

/// A person's name as lists and logs may show it: `"Nguyễn Văn An"` → `"N••• V••• A•••"`. The
/// number of dots is fixed, so that it does not give the length away.
#[must_use]
pub fn mask_name(name: &str) -> String {
    let mut masked = String::new();
    let composed = nfc(name);
    for word in composed.split_whitespace() {
        if !masked.is_empty() {
            masked.push(' ');
        }
        masked.extend(word.chars().next());
        masked.push_str("•••");
    }
    masked
}

/// Line and column of a byte of a text; both from 1, columns in characters. A place beyond the end, or
/// within a character, is the end of the text.
#[must_use]
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start_of_line = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[start_of_line..].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folding_leaves_letters_digits_and_single_spaces() {
        for (text, folded) in [
            ("TP. Hồ Chí Minh", "tp ho chi minh"),
            ("Đắk Lắk", "dak lak"),
            ("Bà Rịa - Vũng Tàu", "ba ria vung tau"),
            ("Bà Rịa–Vũng Tàu", "ba ria vung tau"),
            ("HO-CHI-MINH", "ho chi minh"),
            ("Ea H'Leo", "ea hleo"),
            ("Ea H’Leo", "ea hleo"),
            ("  ...  ", ""),
            ("ＴＰ　１", "tp 1"),
            ("ĐƯỜNG Số 5", "duong so 5"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
            let decomposed: String = text.nfd().collect();
            assert_eq!(fold(&decomposed), folded, "{text} decomposed");
        }
    }

    #[test]
    fn both_tone_placements_are_one_spelling() {
        for (text, normal) in [
            ("Hoà Bình", "Hòa Bình"),
            ("Hòa Bình", "Hòa Bình"),
            ("Thuỷ", "Thủy"),
            ("HOÀ", "HÒA"),
            ("khoẻ", "khỏe"),
            ("Hoàn Kiếm", "Hoàn Kiếm"),
            ("Hòan Kiếm", "Hoàn Kiếm"),
            ("ngoài", "ngoài"),
            ("Quý", "Quý"),
            ("Qúy", "Quý"),
            ("Nguyễn Huệ", "Nguyễn Huệ"),
            ("Huỳnh Tấn Phát", "Huỳnh Tấn Phát"),
            ("12 Nguyễn Trãi", "12 Nguyễn Trãi"),
        ] {
            assert_eq!(normalize_tones(text), normal, "{text}");
        }
    }

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_is_not() {
        let keys = ["connector", "settings", "timeout_ms", "url", "retry"];
        assert_eq!(nearest("conector", keys), Some("connector"));
        assert_eq!(nearest("conenctor", keys), Some("connector"));
        assert_eq!(nearest("Timeout-ms", keys), Some("timeout_ms"));
        assert_eq!(nearest("ulr", keys), Some("url"));
        assert_eq!(nearest("abc", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest("breaker", keys), None);
        let owned = vec![String::from("hub-hcm"), String::from("hub-hni")];
        assert_eq!(nearest("hub-hmc", &owned), Some("hub-hcm"));
    }

    #[test]
    fn names_show_their_initials_only() {
        assert_eq!(mask_name("Nguyễn Văn An"), "N••• V••• A•••");
        assert_eq!(mask_name("  Đào  "), "Đ•••");
        assert_eq!(mask_name(""), "");
    }

    proptest! {
        #[test]
        fn folding_and_tones_are_stable(text: String) {
            let folded = fold(&text);
            prop_assert_eq!(&fold(&folded), &folded);
            let tones = normalize_tones(&text);
            prop_assert_eq!(&normalize_tones(&tones), &tones);
            prop_assert_eq!(nfc(&tones), tones);
        }

        #[test]
        fn moving_a_tone_never_changes_the_folded_text(text in "[a-zàáảãạòóỏõọùúủũụỳýỷỹỵ ]{0,20}") {
            prop_assert_eq!(fold(&normalize_tones(&text)), fold(&text));
        }

        #[test]
        fn the_distance_is_symmetric_and_zero_only_for_equals(one in "[abc]{0,6}", other in "[abc]{0,6}") {
            let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert_eq!(edits(&a, &b) == 0, a == b);
            prop_assert!(edits(&a, &b) <= a.len().max(b.len()));
        }
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(line_and_column("một\nhai ba", "một\nhai ".len()), (2, 5));
        assert_eq!(line_and_column("một", 99), (1, 4));
    }
}
