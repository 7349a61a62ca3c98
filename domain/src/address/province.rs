//! The provinces, old and new, and the names that people write for them.
//!
//! The table is `data/provinces_63_to_34.csv`: no old province was split, so an old name or code
//! always leads to one new province. Where a name survived the reform it means the new province of
//! that name, even where the code went to the other partner.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{CodeSystem, Match, Region};
use crate::text::normalize_tones;

const TABLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../data/provinces_63_to_34.csv"
));

/// One of the 34 provinces in force.
#[derive(Debug, PartialEq, Eq)]
pub struct Province {
    /// Two digits, in [`CodeSystem::Vn2025_07`].
    pub code: &'static str,
    /// Without the type: `Hồ Chí Minh`.
    pub name: &'static str,
    /// With the type: `Thành phố Hồ Chí Minh`.
    pub full_name: &'static str,
    /// The region.
    pub region: Region,
}

/// One of the 63 provinces before July 2025.
#[derive(Debug, PartialEq, Eq)]
pub struct LegacyProvince {
    /// Two digits, in [`CodeSystem::Legacy`].
    pub code: &'static str,
    /// Without the type: `Bình Dương`.
    pub name: &'static str,
    /// With the type: `Tỉnh Bình Dương`.
    pub full_name: &'static str,
    /// What it is part of now.
    pub current: &'static Province,
}

/// The 34 provinces in force, by code.
#[must_use]
pub fn provinces() -> &'static [Province] {
    &PROVINCES
}

/// The 63 provinces before July 2025, by code.
#[must_use]
pub fn legacy_provinces() -> &'static [LegacyProvince] {
    &LEGACY
}

/// The province that a code of the given list stands for today.
#[must_use]
pub fn by_code(system: CodeSystem, code: &str) -> Match {
    match system {
        CodeSystem::Vn2025_07 => match current(code) {
            Some(province) => Match::Exact {
                province,
                from_legacy: None,
            },
            None => Match::Unknown,
        },
        CodeSystem::Legacy => match LEGACY.iter().find(|legacy| legacy.code == code) {
            Some(legacy) => Match::Exact {
                province: legacy.current,
                from_legacy: Some(legacy),
            },
            None => Match::Unknown,
        },
    }
}

static PROVINCES: LazyLock<Vec<Province>> = LazyLock::new(|| {
    let mut provinces: Vec<Province> = Vec::new();
    for [_, _, code, full_name, _] in rows() {
        if provinces.iter().all(|province| province.code != code) {
            provinces.push(Province {
                code,
                name: short(full_name),
                full_name,
                region: Region::of_province_code(code).expect("the table's codes have a region"),
            });
        }
    }
    provinces.sort_by_key(|province| province.code);
    provinces
});

static LEGACY: LazyLock<Vec<LegacyProvince>> = LazyLock::new(|| {
    rows()
        .map(|[code, full_name, new_code, _, _]| LegacyProvince {
            code,
            name: short(full_name),
            full_name,
            current: current(new_code).expect("the table's new codes are the 34"),
        })
        .collect()
});

fn rows() -> impl Iterator<Item = [&'static str; 5]> {
    TABLE.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        fields
            .try_into()
            .expect("every row of the embedded table has five fields")
    })
}

fn short(full_name: &'static str) -> &'static str {
    full_name
        .strip_prefix("Thành phố ")
        .or_else(|| full_name.strip_prefix("Tỉnh "))
        .unwrap_or(full_name)
}

fn current(code: &str) -> Option<&'static Province> {
    PROVINCES.iter().find(|province| province.code == code)
}

/// Text as letters with their marks apart, everything between them dropped: `Bình Dương`,
/// `BINH-DUONG` and `binhduong` have the same letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letters(Vec<(char, u16)>);

impl Letters {
    pub(super) fn of(text: &str) -> Self {
        let mut letters: Vec<(char, u16)> = Vec::with_capacity(text.len());
        let decomposed = normalize_tones(text);
        for letter in decomposed.nfkd().flat_map(char::to_lowercase) {
            match letter {
                'đ' => letters.push(('d', STROKE)),
                mark if is_combining_mark(mark) => {
                    if let Some((_, marks)) = letters.last_mut() {
                        *marks |= bit(mark);
                    }
                }
                letter if letter.is_alphanumeric() => letters.push((letter, 0)),
                _ => {}
            }
        }
        Self(letters)
    }

    /// Whether this is `name` with all, some or none of its marks. A mark that the name does not
    /// have makes it another name: Phù Yên is a district, Phú Yên was a province.
    pub(super) fn reads_as(&self, name: &Self) -> bool {
        self.0.len() == name.0.len()
            && self
                .0
                .iter()
                .zip(&name.0)
                .all(|(written, meant)| written.0 == meant.0 && written.1 & !meant.1 == 0)
    }

    /// The letters alone.
    pub(super) fn folded(&self) -> String {
        self.0.iter().map(|(letter, _)| letter).collect()
    }

    /// What is left after a word that these letters begin with, read as in [`Self::reads_as`].
    pub(super) fn without_prefix(&self, word: &str) -> Option<Self> {
        let word = Self::of(word);
        let (front, rest) = self.0.split_at_checked(word.0.len())?;
        Self(front.to_vec())
            .reads_as(&word)
            .then(|| Self(rest.to_vec()))
    }
}

const STROKE: u16 = 1 << 8;

fn bit(mark: char) -> u16 {
    match mark {
        '\u{300}' => 1,      // grave
        '\u{301}' => 1 << 1, // acute
        '\u{303}' => 1 << 2, // tilde
        '\u{309}' => 1 << 3, // hook above
        '\u{323}' => 1 << 4, // dot below
        '\u{302}' => 1 << 5, // circumflex
        '\u{306}' => 1 << 6, // breve
        '\u{31b}' => 1 << 7, // horn
        _ => 1 << 15,        // no Vietnamese letter has it
    }
}

/// A name that somebody may write, and what it stands for.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) letters: Letters,
    pub(super) province: &'static Province,
    pub(super) from_legacy: Option<&'static LegacyProvince>,
    /// Too much of its own to be the end of a street's, ward's or person's name: it may be believed
    /// without a comma or a type in front. `Thái Bình` may not: Nguyễn Thái Bình is a street.
    pub(super) distinctive: bool,
}

pub(super) static NAMES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let now = PROVINCES.iter().map(|province| Name {
        letters: Letters::of(province.name),
        province,
        from_legacy: None,
        distinctive: matches!(province.code, "01" | "79"),
    });
    let gone = LEGACY
        .iter()
        .filter(|legacy| PROVINCES.iter().all(|now| now.name != legacy.name))
        .map(|legacy| Name {
            letters: Letters::of(legacy.name),
            province: legacy.current,
            from_legacy: Some(legacy),
            distinctive: legacy.code == "77",
        });
    let other = OTHER_NAMES.iter().map(|(name, code, distinctive)| {
        let legacy = LEGACY
            .iter()
            .find(|legacy| legacy.code == *code)
            .expect("other names are given by codes of the table");
        let survived = PROVINCES.iter().find(|now| now.name == legacy.name);
        Name {
            letters: Letters::of(name),
            province: survived.unwrap_or(legacy.current),
            from_legacy: survived.is_none().then_some(legacy),
            distinctive: *distinctive,
        }
    });
    now.chain(gone).chain(other).collect()
});

/// Short forms and other spellings, by the old code (names keep theirs through the reform), and
/// whether they are distinctive. One that stands for several provinces is listed for each.
const OTHER_NAMES: [(&str, &str, bool); 26] = [
    ("HN", "01", true),
    ("HCM", "79", true),
    ("HCMC", "79", true),
    ("SG", "79", true),
    ("Sài Gòn", "79", true),
    ("BRVT", "77", true),
    ("Vũng Tàu", "77", false),
    ("Bà Rịa", "77", false),
    ("Thừa Thiên Huế", "46", true),
    ("TT Huế", "46", true),
    ("HP", "31", false),
    ("Bắc Cạn", "06", false),
    ("Đắc Lắc", "66", false),
    ("Đắc Lắk", "66", false),
    ("Đắk Lắc", "66", false),
    ("Đắc Nông", "67", false),
    ("Kon Tum", "62", false),
    ("ĐN", "48", false),
    ("ĐN", "75", false),
    ("BD", "74", false),
    ("BĐ", "52", false),
    ("QN", "22", false),
    ("QN", "49", false),
    ("QN", "51", false),
    ("BT", "60", false),
    ("BT", "83", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_63_old_and_34_new_provinces() {
        assert_eq!((LEGACY.len(), PROVINCES.len()), (63, 34));
        let per_region = Region::ALL.map(|region| {
            PROVINCES
                .iter()
                .filter(|province| province.region == region)
                .count()
        });
        assert_eq!(per_region, [15, 11, 8]);
        for row in rows() {
            let said = row[4].to_lowercase();
            assert_eq!(Region::of_province_code(row[0]).unwrap().as_str(), said);
            assert_eq!(Region::of_province_code(row[2]).unwrap().as_str(), said);
        }
    }

    #[test]
    fn a_code_means_what_its_list_says() {
        let names = |system, code| match by_code(system, code) {
            Match::Exact {
                province,
                from_legacy,
            } => Some((province.name, from_legacy.map(|legacy| legacy.name))),
            Match::Ambiguous(_) | Match::Unknown => None,
        };
        assert_eq!(names(CodeSystem::Vn2025_07, "24"), Some(("Bắc Ninh", None)));
        assert_eq!(
            names(CodeSystem::Legacy, "24"),
            Some(("Bắc Ninh", Some("Bắc Giang")))
        );
        assert_eq!(
            names(CodeSystem::Legacy, "74"),
            Some(("Hồ Chí Minh", Some("Bình Dương")))
        );
        assert_eq!(names(CodeSystem::Vn2025_07, "74"), None);
        assert_eq!(names(CodeSystem::Vn2025_07, ""), None);
    }

    #[test]
    fn an_old_code_never_leads_elsewhere_than_the_same_new_code() {
        // So a bare code decides the province, whichever list it is from.
        for legacy in LEGACY.iter() {
            if let Some(now) = current(legacy.code) {
                assert_eq!(now.code, legacy.current.code, "{}", legacy.full_name);
            }
        }
    }

    #[test]
    fn marks_may_be_missing_but_not_added() {
        let name = Letters::of("Phú Yên");
        for written in ["Phú Yên", "PHU YEN", "phu-yên", "phuyen"] {
            assert!(Letters::of(written).reads_as(&name), "{written}");
        }
        assert!(!Letters::of("Phù Yên").reads_as(&name));
        assert!(!Letters::of("Phú Yênn").reads_as(&name));
        assert!(Letters::of("Hoà Bình").reads_as(&Letters::of("Hòa Bình")));
        assert!(!Letters::of("Nguyễn Huệ").reads_as(&Letters::of("Nguyễn Huế")));
    }
}
