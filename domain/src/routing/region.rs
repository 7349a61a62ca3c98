//! The three regions of Vietnam, and the province codes that routing knows.
//!
//! A region follows from the province's code alone: 01–37 north, 38–68 central (with the Central
//! Highlands), 70–96 south, for codes from before and after the reform of 2025. That is a
//! convention of the trade, not law; no province of 2025 crosses a border. Names, wards and the
//! conversion of old addresses are the business of [`crate::address`].

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Position;
use crate::address::unit;

/// A third of the country: how Hubs and technical teams are organised.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// Codes 01–37.
    North,
    /// Codes 38–68, the Central Highlands among them.
    Central,
    /// Codes 70–96.
    South,
}

impl Region {
    /// All regions, from north to south.
    pub const ALL: [Self; 3] = [Self::North, Self::Central, Self::South];

    /// The word used in rules and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::North => "north",
            Self::Central => "central",
            Self::South => "south",
        }
    }

    /// The region of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|region| region.as_str() == name)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The region of a province in force since July 2025, by its two-digit code. `None` if there is no
/// such province.
#[must_use]
pub fn region_of(province: &str) -> Option<Region> {
    PROVINCES
        .iter()
        .any(|(code, ..)| *code == province)
        .then(|| by_number(province))
        .flatten()
}

/// The region of one of the 63 provinces from before July 2025. `None` if there was no such
/// province.
#[must_use]
pub fn legacy_region_of(province: &str) -> Option<Region> {
    LEGACY
        .contains(&province)
        .then(|| by_number(province))
        .flatten()
}

/// The seat of a province's government (VN-2025-07 code): where we take an order to be when only
/// its province is known.
#[must_use]
pub fn centre_of(province: &str) -> Option<Position> {
    PROVINCES
        .iter()
        .find(|(code, ..)| *code == province)
        .and_then(|&(_, lat, lon)| Position::from_microdegrees(lat * 1_000, lon * 1_000))
}

/// The centre of a ward or commune in force (VN-2025-07 code), true to about 100 m.
#[must_use]
pub fn ward_centre_of(ward: &str) -> Option<Position> {
    let (lat, lon) = unit(ward)?.centre();
    Position::from_microdegrees(lat, lon)
}

/// The codes of the 34 provinces in force.
#[cfg(test)]
pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    PROVINCES.iter().map(|(code, ..)| *code)
}

fn by_number(code: &str) -> Option<Region> {
    match code.parse::<u8>().ok()? {
        1..=37 => Some(Region::North),
        38..=68 => Some(Region::Central),
        70..=96 => Some(Region::South),
        _ => None,
    }
}

/// (code, latitude, longitude) in thousandths of a degree.
const PROVINCES: [(&str, i32, i32); 34] = [
    ("01", 21_028, 105_854), // Hà Nội
    ("04", 22_666, 106_258), // Cao Bằng
    ("08", 21_823, 105_214), // Tuyên Quang
    ("11", 21_386, 103_023), // Điện Biên
    ("12", 22_396, 103_458), // Lai Châu
    ("14", 21_328, 103_914), // Sơn La
    ("15", 21_705, 104_875), // Lào Cai (seat in Yên Bái)
    ("19", 21_594, 105_848), // Thái Nguyên
    ("20", 21_853, 106_761), // Lạng Sơn
    ("22", 20_951, 107_080), // Quảng Ninh
    ("24", 21_273, 106_195), // Bắc Ninh (seat in Bắc Giang)
    ("25", 21_322, 105_402), // Phú Thọ
    ("31", 20_865, 106_684), // Hải Phòng
    ("33", 20_646, 106_051), // Hưng Yên
    ("37", 20_254, 105_975), // Ninh Bình
    ("38", 19_807, 105_776), // Thanh Hóa
    ("40", 18_679, 105_681), // Nghệ An
    ("42", 18_343, 105_906), // Hà Tĩnh
    ("44", 17_469, 106_622), // Quảng Trị (seat in Đồng Hới)
    ("46", 16_463, 107_590), // Huế
    ("48", 16_068, 108_212), // Đà Nẵng
    ("51", 15_120, 108_792), // Quảng Ngãi
    ("52", 13_782, 109_219), // Gia Lai (seat in Quy Nhơn)
    ("56", 12_239, 109_197), // Khánh Hòa
    ("66", 12_667, 108_038), // Đắk Lắk
    ("68", 11_940, 108_458), // Lâm Đồng
    ("75", 10_957, 106_843), // Đồng Nai
    ("79", 10_776, 106_701), // Hồ Chí Minh
    ("80", 10_536, 106_413), // Tây Ninh (seat in Tân An)
    ("82", 10_360, 106_360), // Đồng Tháp (seat in Mỹ Tho)
    ("86", 10_254, 105_972), // Vĩnh Long
    ("91", 10_012, 105_081), // An Giang (seat in Rạch Giá)
    ("92", 10_034, 105_788), // Cần Thơ
    ("96", 9_177, 105_150),  // Cà Mau
];

const LEGACY: [&str; 63] = [
    "01", "02", "04", "06", "08", "10", "11", "12", "14", "15", "17", "19", "20", "22", "24", "25",
    "26", "27", "30", "31", "33", "34", "35", "36", "37", "38", "40", "42", "44", "45", "46", "48",
    "49", "51", "52", "54", "56", "58", "60", "62", "64", "66", "67", "68", "70", "72", "74", "75",
    "77", "79", "80", "82", "83", "84", "86", "87", "89", "91", "92", "93", "94", "95", "96",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_province_has_a_region_and_the_counts_are_15_11_8() {
        let count = |wanted| {
            codes()
                .filter(|code| region_of(code) == Some(wanted))
                .count()
        };
        assert_eq!(
            (
                count(Region::North),
                count(Region::Central),
                count(Region::South)
            ),
            (15, 11, 8)
        );
        assert!(codes().all(|code| centre_of(code).is_some()));
        assert!(LEGACY.iter().all(|code| legacy_region_of(code).is_some()));
    }

    #[test]
    fn a_ward_has_a_centre_while_it_is_in_force() {
        let ben_thanh = ward_centre_of("26743").unwrap();
        let seat = centre_of("79").unwrap();
        assert!(ben_thanh.metres_to(seat) < 3_000);
        assert_eq!(ward_centre_of("26734"), None);
    }

    #[test]
    fn a_code_that_the_reform_abolished_is_only_legacy() {
        assert_eq!(region_of("77"), None);
        assert_eq!(legacy_region_of("77"), Some(Region::South));
        assert_eq!(region_of("69"), None);
        assert_eq!(region_of("7"), None);
    }
}
