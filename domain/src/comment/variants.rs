//! Colours, sizes and measures. Whose they are is decided in [`super::lines`].
//!
//! Without its marks a colour may be another word: `do` is red or "that", `hong` pink or "not", `trang`
//! white or somebody's name. Such a word is a colour behind `màu` only.

use super::reading::{Mark, Reading, VariantAt, VariantKind};
use super::reason::Reason;
use super::words::Meaning;

/// A colour, and whether the word without marks is certainly it.
const COLOURS: &[(&str, bool)] = &[
    ("đen", true),
    ("trắng", false),
    ("xanh", true),
    ("đỏ", false),
    ("vàng", false),
    ("hồng", false),
    ("tím", false),
    ("xám", true),
    ("ghi", false),
    ("bạc", false),
    ("nâu", false),
    ("cam", false),
    ("be", false),
    ("kem", false),
    ("rêu", false),
    ("black", true),
    ("white", true),
    ("blue", true),
    ("red", true),
    ("pink", true),
    ("gold", true),
    ("silver", true),
    ("gray", true),
    ("grey", true),
    ("titan", true),
    ("trong suốt", true),
];
/// What may stand behind a colour and belongs to it.
const SHADES: &[&str] = &[
    "dương",
    "lá",
    "ngọc",
    "rêu",
    "navy",
    "đậm",
    "nhạt",
    "da trời",
    "lá cây",
    "lam",
    "chuối",
    "than",
    "nhám",
    "bóng",
    "mờ",
    "phấn",
    "sen",
    "mint",
    "pastel",
    "biển",
];
/// Colours that are everyday words without `màu`: baby, with, to hold, to write down.
const WORDS: &[&str] = &["be", "kem", "cam", "ghi"];
/// Colours that are also names of people.
const NAMES: &[&str] = &["hồng", "cam", "bạc", "xanh", "vàng"];
const SIZES: &[&str] = &["xs", "s", "m", "l", "xl", "xxl", "xxxl"];
const MEASURES: &[&str] = &[
    "gb", "tb", "w", "inch", "inches", "mah", "hz", "mp", "btu", "kg", "mm", "cm", "mét",
];
/// Storage of phones, where `g` alone is written.
const STORAGE: &[&str] = &["64", "128", "256", "512"];

pub(super) fn find(reading: &mut Reading<'_>) {
    let mut at = 0;
    while at < reading.tokens.len() {
        let found = if reading.is_free(at) {
            colour(reading, at)
                .or_else(|| size(reading, at))
                .or_else(|| measure(reading, at))
        } else {
            None
        };
        at = match found {
            Some(variant) => {
                let end = variant.end;
                reading.mark(variant.start, end, Mark::Variant);
                reading.variants.push(variant);
                end
            }
            None => at + 1,
        };
    }
}

fn colour(reading: &mut Reading<'_>, at: usize) -> Option<VariantAt> {
    let labelled = reading.says(at, Meaning::ColourWord);
    let word = if labelled { at + 1 } else { at };
    let token = reading.tokens.get(word).filter(|_| reading.is_free(word))?;
    let two_words = |name: &str| {
        name.split(' ')
            .enumerate()
            .all(|(place, part)| reading.reads(word + place, &[part]))
    };
    let (name, certain) = *COLOURS.iter().find(|(name, _)| two_words(name))?;
    let exact = token.lower == name || name.contains(' ');
    if !labelled && (!exact || WORDS.contains(&name)) {
        // Beside its code it may well be the colour, and then it is not a word to pass over.
        let beside = is_beside_a_code(reading, word) || is_counted(reading, word);
        if !(certain && beside) {
            if beside && reading.meaning(word) != Some(Meaning::Order) {
                reading.doubt(Reason::VariantUnclear);
            }
            return None;
        }
    }
    let mut end = word + name.split(' ').count();
    let mut text = name.to_owned();
    let shade = SHADES.iter().find(|shade| {
        shade.split(' ').enumerate().all(|(place, part)| {
            reading.reads(end + place, &[part]) && reading.is_free(end + place)
        }) && **shade != name
    });
    if let Some(shade) = shade {
        text = format!("{name} {shade}");
        end += shade.split(' ').count();
    }
    if !labelled && is_a_name(reading, word, end, name) {
        reading.doubt(Reason::VariantUnclear);
        return None;
    }
    Some(VariantAt {
        start: at,
        end,
        text,
        kind: VariantKind::Colour,
    })
}

/// `chị Hồng`, `Hồng 0901…`: a colour that is written as somebody's name.
fn is_a_name(reading: &Reading<'_>, start: usize, end: usize, name: &str) -> bool {
    if !NAMES.contains(&name) {
        return false;
    }
    let called = start.checked_sub(1).is_some_and(|before| {
        reading.says(before, Meaning::Person) || reading.says(before, Meaning::NameWord)
    });
    let beside_a_phone = reading.mark_of(end) == Some(Mark::Phone)
        || start
            .checked_sub(1)
            .is_some_and(|before| reading.mark_of(before) == Some(Mark::Phone));
    let capital = reading.tokens[start].capital;
    called || (capital && (beside_a_phone || reading.has_small_letters && start > 0))
}

/// Whether only variants stand between the token and a code before it.
fn is_beside_a_code(reading: &Reading<'_>, at: usize) -> bool {
    let mut before = at;
    while let Some(place) = before.checked_sub(1) {
        match reading.mark_of(place) {
            Some(Mark::Code) => return true,
            Some(Mark::Variant) => before = place,
            Some(_) | None => return false,
        }
    }
    false
}

/// `2 cai den`.
fn is_counted(reading: &Reading<'_>, at: usize) -> bool {
    at > 0 && reading.reads(at - 1, &["cái", "chiếc", "bộ", "con", "c"])
}

/// `size M`, `size 39`; a bare `M` behind a colour or a code.
fn size(reading: &mut Reading<'_>, at: usize) -> Option<VariantAt> {
    let labelled = reading.says(at, Meaning::SizeWord);
    let place = if labelled { at + 1 } else { at };
    let token = reading
        .tokens
        .get(place)
        .filter(|_| reading.is_free(place))?;
    let touches = reading.is_glued(place + 1) && reading.tokens[place + 1].is_alphanumeric();
    let letter = SIZES.contains(&token.bare.as_str());
    let number = labelled && token.is_number() && token.lower.len() <= 2;
    if touches || !(letter || number) {
        return None;
    }
    if !labelled {
        let short = token.bare.len() == 1;
        let written_as_one = token.capital && reading.has_small_letters || !short;
        if !written_as_one || !is_beside_a_code(reading, place) {
            return None;
        }
    }
    Some(VariantAt {
        start: at,
        end: place + 1,
        text: token.bare.to_uppercase(),
        kind: VariantKind::Size,
    })
}

/// `128gb`, `55 inch`, `20w`.
fn measure(reading: &mut Reading<'_>, at: usize) -> Option<VariantAt> {
    if !reading.is_free_number(at) || reading.is_part_of_a_longer_number(at) {
        return None;
    }
    let touches_before = at > 0 && reading.is_glued(at) && reading.tokens[at - 1].is_word();
    let unit = reading
        .tokens
        .get(at + 1)
        .filter(|_| reading.is_free(at + 1))?;
    let storage =
        unit.lower == "g" && unit.glued && STORAGE.contains(&reading.tokens[at].lower.as_str());
    // `2 kg` asks ("không"); `5kg` weighs.
    let known = unit.is_word()
        && MEASURES.contains(&unit.lower.as_str())
        && (unit.glued || unit.lower != "kg");
    let inches = unit.is_sign('"') && unit.glued;
    let touches_behind = reading.is_glued(at + 2) && reading.tokens[at + 2].is_alphanumeric();
    if touches_before || touches_behind || !(storage || known || inches) {
        return None;
    }
    Some(VariantAt {
        start: at,
        end: at + 2,
        text: reading.written(at, at + 2),
        kind: VariantKind::Measure,
    })
}
