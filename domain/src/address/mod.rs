//! Vietnamese addresses, before and after the reform of 1 July 2025 (63 provinces → 34, districts
//! abolished).
//!
//! [`resolve`] decides the province, the region and, where it can, the ward or commune in force, and
//! keeps the buyer's own text beside the result, untouched. A wrong province sends an air conditioner
//! across the country, so what is not certain stays undecided: without a province the order is held
//! for a person; without a ward it is routed by the province. `docs/addresses.md` has the figures.

mod locate;
mod mentions;
mod province;
mod resolve;
mod search;
mod units;
mod ward;
mod words;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use province::{LegacyProvince, Province, by_code, legacy_provinces, provinces};
pub use resolve::{AddressInput, Resolved, resolve};
pub use search::{Match, find_province_in_text, parse_province};
pub use units::{Kind, OldDistrict, OldWard, Unit, old_districts, old_wards, unit, units};

/// Why a word of this module could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not `north`, `central` or `south`.
    #[error("could not read the region: it is north, central or south")]
    Region,
    /// Not one of the two lists of codes.
    #[error("could not read the code system: it is VN-2025-07 or legacy")]
    CodeSystem,
}

/// The third of the country that a Hub serves. A convention, not law; no province of either list
/// crosses a border of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// Codes 01–37.
    North,
    /// Codes 38–68, the Central Highlands included.
    Central,
    /// Codes 70–96.
    South,
}

impl Region {
    /// All three, from north to south.
    pub const ALL: [Self; 3] = [Self::North, Self::Central, Self::South];

    /// The region of a two-digit province code. The same ranges hold for both code systems; codes
    /// in a range that no province has are not refused here.
    #[must_use]
    pub fn of_province_code(code: &str) -> Option<Self> {
        if code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match code.parse::<u8>().ok()? {
            1..=37 => Some(Self::North),
            38..=68 => Some(Self::Central),
            70..=96 => Some(Self::South),
            _ => None,
        }
    }

    /// The word in JSON and TOML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::North => "north",
            Self::Central => "central",
            Self::South => "south",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Region {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|region| region.as_str() == text)
            .ok_or(Error::Region)
    }
}

/// Which list a code belongs to. A bare code is not enough: 24 was Bắc Giang and is Bắc Ninh.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum CodeSystem {
    /// The 34 provinces in force since 1 July 2025 (Decision 19/2025/QĐ-TTg).
    #[serde(rename = "VN-2025-07")]
    Vn2025_07,
    /// The 63 provinces before.
    #[serde(rename = "legacy")]
    Legacy,
}

impl CodeSystem {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vn2025_07 => "VN-2025-07",
            Self::Legacy => "legacy",
        }
    }
}

impl fmt::Display for CodeSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CodeSystem {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Vn2025_07, Self::Legacy]
            .into_iter()
            .find(|system| system.as_str() == text)
            .ok_or(Error::CodeSystem)
    }
}

/// How sure a code is. An address that leaves a doubt beyond these has no code.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Written in full, and nothing else is called so.
    Exact,
    /// Concluded: an old ward without its district, a new name that an old ward elsewhere had, a
    /// province from its district. Ask before a carrier is booked.
    Likely,
    /// An old commune that was divided: the successor that took most of it. Good for routing, not
    /// for a carrier.
    Default,
}

impl Confidence {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Likely => "likely",
            Self::Default => "default",
        }
    }
}

/// Where an order goes: `ship_to` in the contract. Its `{:?}` shows the province and the region
/// only, because the rest is personal.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    /// Who receives it.
    pub name: Option<String>,
    /// E.164 where the number is whole, else as the channel sent it (masked, relayed).
    pub phone: Option<String>,
    /// House number and street.
    pub line: Option<String>,
    /// Ward or commune as written.
    pub ward: Option<String>,
    /// District as written; addresses since July 2025 have none.
    pub district: Option<String>,
    /// The province's short name, `Hồ Chí Minh`; as written while it is not known.
    pub province: Option<String>,
    /// Its code, `79`; `None` while it is not known.
    pub province_code: Option<String>,
    /// How sure the province is; `None` while it is not known.
    pub province_confidence: Option<Confidence>,
    /// The code of the ward, commune or special zone in force, `26743`; `None` while it is not
    /// certain enough.
    pub ward_code: Option<String>,
    /// Its name in force, `Phường Bến Thành`, where the address may have an old one.
    pub ward_name: Option<String>,
    /// How sure `ward_code` is.
    pub ward_confidence: Option<Confidence>,
    /// The list that `province_code` and `ward_code` are from.
    pub code_system: Option<CodeSystem>,
    /// The region of the province.
    pub region: Option<Region>,
    /// The address in the old units, where the buyer named an old province or a district.
    pub legacy: Option<LegacyAddress>,
    /// The address as the buyer wrote it, or its parts joined where it came in parts.
    pub text: Option<String>,
    /// Latitude in degrees, only together with `lon`.
    pub lat: Option<f64>,
    /// Longitude in degrees, only together with `lat`.
    pub lon: Option<f64>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("province_code", &self.province_code)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// The part of an address that is in the units of before July 2025.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LegacyAddress {
    /// The old province's code, in the list of 63.
    pub province_code: Option<String>,
    /// The old province's short name, `Bình Dương`.
    pub province: Option<String>,
    /// The old district as written.
    pub district: Option<String>,
    /// The ward as written beside an old province or district.
    pub ward: Option<String>,
    /// The old district's code, `760`; `None` while it is not certain.
    pub district_code: Option<String>,
    /// The old ward's code, `26743`; `None` while it is not certain.
    pub ward_code: Option<String>,
    /// The list that these codes are from.
    pub code_system: Option<CodeSystem>,
}

impl fmt::Debug for LegacyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyAddress")
            .field("province_code", &self.province_code)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_follow_the_code_ranges() {
        for (code, region) in [
            ("01", Some(Region::North)),
            ("37", Some(Region::North)),
            ("38", Some(Region::Central)),
            ("68", Some(Region::Central)),
            ("70", Some(Region::South)),
            ("96", Some(Region::South)),
            ("00", None),
            ("69", None),
            ("97", None),
            ("1", None),
            ("+1", None),
            ("079", None),
        ] {
            assert_eq!(Region::of_province_code(code), region, "{code}");
        }
    }

    #[test]
    fn words_are_the_same_in_json_and_text() {
        for region in Region::ALL {
            assert_eq!(serde_json::to_value(region).unwrap(), region.as_str());
            assert_eq!(region.as_str().parse(), Ok(region));
        }
        for system in [CodeSystem::Vn2025_07, CodeSystem::Legacy] {
            assert_eq!(serde_json::to_value(system).unwrap(), system.as_str());
            assert_eq!(system.as_str().parse(), Ok(system));
        }
    }

    #[test]
    fn a_debug_line_holds_nothing_personal() {
        let address = Address {
            name: Some("An".into()),
            text: Some("12 Nguyễn Trãi".into()),
            province_code: Some("79".into()),
            ..Address::default()
        };
        assert_eq!(
            format!("{address:?}"),
            r#"Address { province_code: Some("79"), region: None, .. }"#
        );
    }
}
