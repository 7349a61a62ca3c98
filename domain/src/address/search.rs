//! Which province a text names.
//!
//! The last part of an address is its province, if it is one as a whole. Elsewhere a name counts
//! only with its type in front (`tỉnh`, `TP`) or when it is distinctive: streets and wards are
//! called Thái Bình, Bình Phước and Điện Biên all over the country. Two different provinces in one
//! address, or a name that only might be one, decide nothing.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::province::{Letters, NAMES};
use super::words::{Word, is_note, may_stand_before, parts, without_country, without_type, words};
use super::{CodeSystem, LegacyProvince, Province, by_code};

/// What a text says about the province.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// This one, for certain.
    Exact {
        /// The province in force.
        province: &'static Province,
        /// The old province that was named, where its name or code is gone.
        from_legacy: Option<&'static LegacyProvince>,
    },
    /// One or more candidates, none certain: a person chooses.
    Ambiguous(Vec<&'static Province>),
    /// Nothing that looks like a province.
    Unknown,
}

impl Match {
    /// The province, if it is certain.
    #[must_use]
    pub fn exact(&self) -> Option<&'static Province> {
        match self {
            Self::Exact { province, .. } => Some(province),
            Self::Ambiguous(_) | Self::Unknown => None,
        }
    }
}

/// Reads a province field: a name in any spelling (`TP.HCM`, `HO-CHI-MINH`, `Tỉnh Bình Dương`), a
/// two-digit code, or an address that somebody put into it.
#[must_use]
pub fn parse_province(text: &str) -> Match {
    let trimmed = text.trim();
    if trimmed.len() == 2 && trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        // The list is not given, but where both have the code they mean the same province of today.
        return match by_code(CodeSystem::Vn2025_07, trimmed) {
            Match::Unknown => by_code(CodeSystem::Legacy, trimmed),
            found @ (Match::Exact { .. } | Match::Ambiguous(_)) => found,
        };
    }
    match whole(&words(trimmed)) {
        Some((found, _)) => found,
        None => find_province_in_text(trimmed),
    }
}

/// Looks for the province at the end of an address in free text.
#[must_use]
pub fn find_province_in_text(text: &str) -> Match {
    find_province(&parts(text)).province
}

/// What the parts of a text say about the province.
pub(super) struct Said {
    pub(super) province: Match,
    /// Two provinces are named, each for certain: nothing else in the address may choose.
    pub(super) contradictory: bool,
}

/// Looks for the province at the end of the parts of a text.
pub(super) fn find_province(parts: &[Vec<Word>]) -> Said {
    let mut parts: Vec<&[Word]> = parts
        .iter()
        .map(Vec::as_slice)
        .filter(|words| !without_country(words).is_empty())
        .collect();
    while parts.len() > 1 && parts.last().is_some_and(|last| is_note(last)) {
        parts.pop();
    }
    let Some((last, before)) = parts.split_last() else {
        return Said {
            province: Match::Unknown,
            contradictory: false,
        };
    };

    let end = ending(last);
    let mut found: Vec<Match> = Vec::new();
    if let Ending::Certain(hit, _) = &end {
        found.push(hit.clone());
    }
    for part in before.iter().rev().take(EARLIER_PARTS) {
        let hit = match whole(part) {
            Some((hit, Weight::Typed | Weight::Distinctive)) => Some(hit),
            Some((_, Weight::Bare)) => None,
            // Not what merely ends so: a shop may be called Bún chả Hà Nội.
            None => match ending(part) {
                Ending::Certain(hit, Weight::Typed) => Some(hit),
                Ending::Certain(_, Weight::Distinctive | Weight::Bare)
                | Ending::Perhaps(_)
                | Ending::Nothing => None,
            },
        };
        found.extend(hit);
    }
    let all_certain = found.iter().all(|one| one.exact().is_some());
    match (agree(found), end) {
        (Match::Unknown, Ending::Perhaps(candidates)) => Said {
            province: Match::Ambiguous(candidates),
            contradictory: false,
        },
        (province, _) => Said {
            contradictory: all_certain && matches!(province, Match::Ambiguous(_)),
            province,
        },
    }
}

/// The first match if all name one province, else all that are named.
pub(super) fn agree(found: Vec<Match>) -> Match {
    let mut candidates: Vec<&'static Province> = Vec::new();
    let mut certain = true;
    for one in &found {
        let named: &[&'static Province] = match one {
            Match::Exact { province, .. } => &[*province],
            Match::Ambiguous(provinces) => {
                certain = false;
                provinces
            }
            Match::Unknown => &[],
        };
        for province in named {
            if !candidates.contains(province) {
                candidates.push(province);
            }
        }
    }
    match candidates.len() {
        0 => Match::Unknown,
        1 if certain => found
            .into_iter()
            .find(|one| one.exact().is_some())
            .unwrap_or(Match::Unknown),
        _ => Match::Ambiguous(candidates),
    }
}

/// How many parts before the last are looked at, for a note or the country code at the end.
const EARLIER_PARTS: usize = 3;

/// `Thành phố Bà Rịa - Vũng Tàu` has six words; the limit bounds the work on a long text.
const LONGEST_NAME: usize = 8;

/// How much a name that makes up a whole part can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// `tỉnh`, `TP`, `city` beside it.
    Typed,
    /// Nothing else is called so.
    Distinctive,
    /// Only the name.
    Bare,
}

/// What the last words of a part say.
enum Ending {
    Certain(Match, Weight),
    Perhaps(Vec<&'static Province>),
    Nothing,
}

/// Whether the folded letters are those of a name, perhaps with a type glued to it: most words are
/// not, and this is much quicker than reading their marks.
fn is_known(words: &[Word]) -> bool {
    static FOLDED: LazyLock<HashSet<String>> =
        LazyLock::new(|| NAMES.iter().map(|name| name.letters.folded()).collect());
    let joined: String = words.iter().map(|word| &*word.folded).collect();
    FOLDED.contains(&joined)
        || ["tp", "tinh", "thanhpho"]
            .iter()
            .filter_map(|kind| joined.strip_prefix(kind))
            .any(|name| FOLDED.contains(name))
}

/// The province that all of the words together name.
fn whole(words: &[Word]) -> Option<(Match, Weight)> {
    let (name, typed) = without_type(without_country(words));
    if name.is_empty() || name.len() > LONGEST_NAME {
        return None;
    }
    if !is_known(name) {
        return None;
    }
    // Spaces matter to the placing of tones (`Hoà Bình`), then no more.
    let written: Vec<&str> = name.iter().map(|word| &*word.written).collect();
    let letters = Letters::of(&written.join(" "));
    if let Some((found, distinctive)) = named(&letters) {
        let weight = match (typed, distinctive) {
            (true, _) => Weight::Typed,
            (false, true) => Weight::Distinctive,
            (false, false) => Weight::Bare,
        };
        return Some((found, weight));
    }
    // TPHCM, tphanoi
    let glued = ["tp", "tỉnh", "thành phố"]
        .iter()
        .find_map(|kind| named(&letters.without_prefix(kind)?));
    glued.map(|(found, _)| (found, Weight::Typed))
}

fn named(letters: &Letters) -> Option<(Match, bool)> {
    let mut distinctive = false;
    let found: Vec<Match> = NAMES
        .iter()
        .filter(|name| letters.reads_as(&name.letters))
        .map(|name| {
            distinctive |= name.distinctive;
            Match::Exact {
                province: name.province,
                from_legacy: name.from_legacy,
            }
        })
        .collect();
    match agree(found) {
        Match::Unknown => None,
        found @ (Match::Exact { .. } | Match::Ambiguous(_)) => Some((found, distinctive)),
    }
}

/// Whether all of the words together name a province, or nothing is left of them.
pub(super) fn names_a_province(words: &[Word]) -> bool {
    without_country(words).is_empty() || whole(words).is_some()
}

/// The province that a part ends with: the whole part, or its last words, the most words first.
fn ending(words: &[Word]) -> Ending {
    if let Some((found, weight)) = whole(words) {
        return Ending::Certain(found, weight);
    }
    let words = without_country(words);
    for start in words.len().saturating_sub(LONGEST_NAME).max(1)..words.len() {
        let (before, tail) = words.split_at(start);
        let Some((found, weight)) = whole(tail) else {
            continue;
        };
        // A lone `T.` in the middle is an initial, not `tỉnh`.
        let initial = tail[0].folded == "t" && tail.get(1).is_none_or(|word| word.folded != "p");
        match weight {
            Weight::Typed if !initial => return Ending::Certain(found, weight),
            Weight::Distinctive if may_stand_before(before) => {
                return Ending::Certain(found, weight);
            }
            Weight::Distinctive => return Ending::Nothing,
            // One syllable ends too many names: 12 Nguyen Hue.
            Weight::Typed | Weight::Bare if tail.len() > 1 && may_stand_before(before) => {
                return match found {
                    Match::Exact { province, .. } => Ending::Perhaps(vec![province]),
                    Match::Ambiguous(provinces) => Ending::Perhaps(provinces),
                    Match::Unknown => Ending::Nothing,
                };
            }
            Weight::Typed | Weight::Bare => {}
        }
    }
    Ending::Nothing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::super::{legacy_provinces, provinces};
    use super::*;
    use crate::text::fold;

    /// `79`, `79 from 74`, `48 or 75?`, `-`.
    fn brief(found: &Match) -> String {
        match found {
            Match::Exact {
                province,
                from_legacy: None,
            } => province.code.to_owned(),
            Match::Exact {
                province,
                from_legacy: Some(legacy),
            } => format!("{} from {}", province.code, legacy.code),
            Match::Ambiguous(provinces) => {
                let codes: Vec<&str> = provinces.iter().map(|province| province.code).collect();
                format!("{}?", codes.join(" or "))
            }
            Match::Unknown => "-".to_owned(),
        }
    }

    #[test]
    fn every_name_old_and_new_is_found_in_every_spelling() {
        let now = provinces().iter().map(|now| (now.name, now.full_name, now));
        let old = legacy_provinces().iter().map(|legacy| {
            let survived = provinces().iter().find(|now| now.name == legacy.name);
            (
                legacy.name,
                legacy.full_name,
                survived.unwrap_or(legacy.current),
            )
        });
        for (name, full_name, province) in now.chain(old) {
            let upper = fold(name).to_uppercase();
            for spelling in [
                name.to_owned(),
                full_name.to_owned(),
                full_name.to_uppercase(),
                full_name.nfd().collect(),
                upper.replace(' ', "-"),
                upper.replace(' ', ""),
                format!("T. {name}"),
                format!("{upper} Province, Việt Nam"),
                format!("{name} 100000"),
            ] {
                assert_eq!(
                    parse_province(&spelling).exact(),
                    Some(province),
                    "{spelling}"
                );
                let text = format!("12 Nguyễn Trãi, P. Bến Thành, {spelling}");
                assert_eq!(
                    find_province_in_text(&text).exact(),
                    Some(province),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_field_is_read_as_shops_fill_it() {
        for (field, expected) in [
            ("HO-CHI-MINH", "79"),
            ("TP. Hồ Chí Minh", "79"),
            ("Tp. HCM", "79"),
            ("T.P. HCM", "79"),
            ("TPHCM", "79"),
            ("TP Hồ Chí Minh", "79"),
            ("Ho Chi Minh City", "79"),
            ("Sài Gòn", "79"),
            ("SG", "79"),
            ("HN", "01"),
            ("tphanoi", "01"),
            ("Thừa Thiên - Huế", "46"),
            ("Hu\u{1ebf}", "46"),
            ("BRVT", "79 from 77"),
            ("Bà Rịa – Vũng Tàu", "79 from 77"),
            ("Bình Dương", "79 from 74"),
            ("Hoà Bình", "25 from 17"),
            ("Dak Lak", "66"),
            ("Đăk Nông", "68 from 67"),
            ("Kontum", "51 from 62"),
            ("79", "79"),
            ("24", "24"),
            ("74", "79 from 74"),
            ("99", "-"),
            ("Quận 7, TP.HCM", "79"),
            ("DN", "48 or 75?"),
            ("Quận 1", "-"),
            ("Phù Yên", "-"),
            ("VN-44", "-"),
            ("", "-"),
            ("Việt Nam", "-"),
        ] {
            assert_eq!(brief(&parse_province(field)), expected, "{field}");
        }
    }

    #[test]
    fn the_end_of_an_address_names_the_province() {
        for (text, expected) in [
            ("12 Nguyễn Trãi, P. Bến Thành, TP.HCM", "79"),
            ("12 nguyen trai p ben thanh q1 hcm", "79"),
            ("12 Nguyễn Trãi - Q.1 - TP.HCM", "79"),
            (
                "12 Nguyễn Trãi, Phường Bến Thành, Quận 1, Thành phố Hồ Chí Minh, Việt Nam",
                "79",
            ),
            ("12 Nguyễn Trãi, Q.1 TPHCM 700000", "79"),
            ("12 Lê Lợi, Thủ Dầu Một, Bình Dương", "79 from 74"),
            ("45 Cầu Giấy Hà Nội", "01"),
            ("Số 5 ngõ 12, Quận 3 Hà Nội", "01"),
            ("Xã Ea H’Leo, Đăk Lăk", "66"),
            ("8 Lê Lợi, Phường Vũng Tàu, TP Hồ Chí Minh", "79"),
            ("8 Lê Lợi, Bà Rịa - Vũng Tàu", "79 from 77"),
            ("xã Hòa Bình, Hòa Bình, Bạc Liêu", "96 from 95"),
            ("12 Nguyễn Trãi, TP.HCM, gọi trước khi giao", "79"),
            ("12 Nguyễn Trãi, Q1, TP HCM, 0901234567", "79"),
            ("3 Hùng Vương tỉnh Quảng Ngãi", "51"),
            ("Đường Hà Nội, Quận Hồng Bàng, Hải Phòng", "31"),
            ("Cửa hàng điện máy Sài Gòn, 5 Lê Lợi, Đà Nẵng", "48"),
        ] {
            assert_eq!(brief(&find_province_in_text(text)), expected, "{text}");
            let decomposed: String = text.nfd().collect();
            assert_eq!(
                brief(&find_province_in_text(&decomposed)),
                expected,
                "{text} decomposed"
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_province_decides_nothing() {
        for (text, expected) in [
            ("Q.1", "-"),
            ("12 Nguyễn Trãi, Quận 1", "-"),
            ("12 Hà Nội", "-"),
            ("123 Xa lộ Hà Nội", "-"),
            ("123 Xa lộ Hà Nội, Thủ Đức", "-"),
            ("12 Nguyễn Huệ", "-"),
            ("12 Nguyen Hue", "-"),
            ("45 đường Điện Biên Phủ", "-"),
            ("Phường Sài Gòn", "-"),
            ("12 Phường Bình Dương", "-"),
            ("5 đường Hồ Chí Minh", "-"),
            ("10 Lê Lợi, Phù Yên", "-"),
            ("Bún chả Hà Nội, 12 Lê Lợi, Quận 1", "-"),
            ("Cửa hàng máy tính Bình Dương", "79?"),
            ("Bình Dương, Đông Triều", "-"),
            // a person sees the suggestion
            ("12 Nguyễn Thái Bình", "33?"),
            ("12 đường 5, Hiệp Bình Phước", "75?"),
            // two provinces
            ("TP Huế, Đà Nẵng", "48 or 46?"),
            ("Hà Nội, TP.HCM", "79 or 01?"),
            ("12 Lê Lợi, DN", "48 or 75?"),
        ] {
            assert_eq!(brief(&find_province_in_text(text)), expected, "{text}");
        }
    }

    #[test]
    fn two_names_of_one_province_agree() {
        assert_eq!(
            brief(&find_province_in_text("Tỉnh Bình Dương, TP.HCM")),
            "79"
        );
        assert_eq!(
            brief(&find_province_in_text("TP Bắc Giang, Bắc Ninh")),
            "24"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text: String) {
            let field = parse_province(&text);
            // A field is read at least as generously as the end of a text.
            prop_assert!(find_province_in_text(&text).exact().is_none() || field != Match::Unknown);
        }

        #[test]
        fn what_is_certain_does_not_depend_on_the_unicode_form(words in prop::collection::vec(
            prop::sample::select(vec!["Hà", "Nội", "TP", ".", "Huế", ",", "Bình", "Dương", "12", "Q", "Hoà", "HCM", "tỉnh"]), 0..8
        )) {
            let text = words.join(" ");
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(find_province_in_text(&text), find_province_in_text(&decomposed));
        }
    }
}
