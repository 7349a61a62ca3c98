//! The wards and communes in force, the districts and wards of before July 2025, and what each of
//! those became: `data/admin_units.txt`, made by `scripts/build-admin-units`.
//!
//! The table is read once, at its first use; `docs/addresses.md` says what that costs. Nothing here
//! decides what a text means.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::province::{LegacyProvince, Province, legacy_provinces, provinces};
use crate::text::fold;

const TABLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../data/admin_units.txt"
));

/// What a unit is called besides its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Phường.
    Ward,
    /// Xã.
    Commune,
    /// Thị trấn, until July 2025.
    Township,
    /// Đặc khu, since July 2025.
    SpecialZone,
    /// Quận, until July 2025.
    UrbanDistrict,
    /// Huyện, until July 2025.
    RuralDistrict,
    /// Thị xã, until July 2025.
    Town,
    /// Thành phố below a province, until July 2025.
    City,
}

impl Kind {
    /// As it stands before the name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ward => "Phường",
            Self::Commune => "Xã",
            Self::Township => "Thị trấn",
            Self::SpecialZone => "Đặc khu",
            Self::UrbanDistrict => "Quận",
            Self::RuralDistrict => "Huyện",
            Self::Town => "Thị xã",
            Self::City => "Thành phố",
        }
    }

    fn of_letter(letter: &str) -> Self {
        match letter {
            "P" => Self::Ward,
            "X" => Self::Commune,
            "T" => Self::Township,
            "K" => Self::SpecialZone,
            "Q" => Self::UrbanDistrict,
            "H" => Self::RuralDistrict,
            "S" => Self::Town,
            "C" => Self::City,
            _ => unreachable!("the embedded table has eight letters of kinds"),
        }
    }
}

/// A ward, commune or special zone in force.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// Five digits, in [`super::CodeSystem::Vn2025_07`].
    pub code: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Without the type: `Bến Thành`.
    pub name: &'static str,
    /// The province.
    pub province: &'static Province,
    centre: (i32, i32),
}

impl Unit {
    /// Its centre: latitude and longitude in millionths of a degree, true to about 100 m.
    #[must_use]
    pub fn centre(&self) -> (i32, i32) {
        self.centre
    }

    /// `Phường Bến Thành`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.kind.word(), self.name)
    }
}

/// A district of before July 2025.
#[derive(Debug, PartialEq, Eq)]
pub struct OldDistrict {
    /// Three digits, in [`super::CodeSystem::Legacy`].
    pub code: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Without the type: `Bình Thạnh`, `1`.
    pub name: &'static str,
    /// The old province.
    pub province: &'static LegacyProvince,
    /// The unit that an island district became, which had no wards.
    pub became: Option<&'static str>,
}

/// A ward, commune or township of before July 2025.
#[derive(Debug, PartialEq, Eq)]
pub struct OldWard {
    /// Five digits, in [`super::CodeSystem::Legacy`].
    pub code: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Without the type: `Đa Kao`, `12`.
    pub name: &'static str,
    /// Place of its district in the table.
    district: u16,
    /// Places of the units that it became, the default first.
    became: Box<[u16]>,
}

impl OldWard {
    /// The district.
    #[must_use]
    pub fn district(&self) -> &'static OldDistrict {
        &table().districts[usize::from(self.district)]
    }

    /// The units that it became, the default first; several if it was divided.
    pub fn became(&self) -> impl ExactSizeIterator<Item = &'static Unit> {
        self.became
            .iter()
            .map(|place| &table().units[usize::from(*place)])
    }
}

/// What a name may stand for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named {
    Unit(&'static Unit),
    District(&'static OldDistrict),
    Ward(&'static OldWard),
    /// A name that went out of use before 2025: the district that it is part of since.
    FormerDistrict(&'static OldDistrict),
    /// The same for a ward.
    FormerWard(&'static OldWard),
}

impl Named {
    /// The province of today that it lies in.
    pub(super) fn province(self) -> &'static Province {
        match self {
            Self::Unit(unit) => unit.province,
            Self::District(district) | Self::FormerDistrict(district) => district.province.current,
            Self::Ward(ward) | Self::FormerWard(ward) => ward.district().province.current,
        }
    }

    /// The name as it is written in full; `None` for former names, which are known folded only.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Unit(unit) => Some(unit.name),
            Self::District(district) => Some(district.name),
            Self::Ward(ward) => Some(ward.name),
            Self::FormerDistrict(_) | Self::FormerWard(_) => None,
        }
    }
}

/// The units in force, by province and code.
#[must_use]
pub fn units() -> &'static [Unit] {
    &table().units
}

/// The wards of before July 2025.
#[must_use]
pub fn old_wards() -> &'static [OldWard] {
    &table().wards
}

/// The districts of before July 2025.
#[must_use]
pub fn old_districts() -> &'static [OldDistrict] {
    &table().districts
}

/// The unit in force with this code.
#[must_use]
pub fn unit(code: &str) -> Option<&'static Unit> {
    let place = table().by_code.get(code)?;
    Some(&table().units[usize::from(*place)])
}

/// Whether some part of an old district belongs to a unit in force.
pub(super) fn overlap(district: &OldDistrict, unit: &Unit) -> bool {
    let wards = &table().wards;
    let start = wards.partition_point(|ward| {
        let of_ward = ward.district();
        (of_ward.province.code, of_ward.code) < (district.province.code, district.code)
    });
    wards[start..]
        .iter()
        .take_while(|ward| ward.district() == district)
        .any(|ward| ward.became().any(|into| into == unit))
}

/// What a folded name without spaces stands for, in the whole country.
pub(super) fn named(key: &str) -> impl Iterator<Item = Named> + use<> {
    let table = table();
    let entries: &'static [Entry] = table.names.get(key).map_or(&[], Vec::as_slice);
    entries.iter().map(|entry| match *entry {
        Entry::Unit(place) => Named::Unit(&table.units[usize::from(place)]),
        Entry::District(place) => Named::District(&table.districts[usize::from(place)]),
        Entry::Ward(place) => Named::Ward(&table.wards[usize::from(place)]),
        Entry::FormerDistrict(place) => Named::FormerDistrict(&table.districts[usize::from(place)]),
        Entry::FormerWard(place) => Named::FormerWard(&table.wards[usize::from(place)]),
    })
}

/// A place in one of the table's lists: 4 bytes, for there are some 15,000.
#[derive(Debug, Clone, Copy)]
enum Entry {
    Unit(u16),
    District(u16),
    Ward(u16),
    FormerDistrict(u16),
    FormerWard(u16),
}

struct Table {
    units: Vec<Unit>,
    districts: Vec<OldDistrict>,
    wards: Vec<OldWard>,
    by_code: HashMap<&'static str, u16>,
    names: HashMap<Box<str>, Vec<Entry>>,
}

fn table() -> &'static Table {
    static TABLE_READ: LazyLock<Table> = LazyLock::new(read);
    &TABLE_READ
}

fn read() -> Table {
    let mut table = Table {
        units: Vec::with_capacity(3_400),
        districts: Vec::with_capacity(700),
        wards: Vec::with_capacity(10_100),
        by_code: HashMap::with_capacity(3_400),
        names: HashMap::with_capacity(9_000),
    };
    let mut province: Option<&'static Province> = None;
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&'static str> = line.split('|').collect();
        match (fields.as_slice(), province) {
            (["P", code], _) => {
                province = provinces().iter().find(|known| known.code == *code);
            }
            (["D", rest @ ..], _) => {
                province = None;
                table.add_district(rest);
            }
            ([code, kind, name, lat, lon], Some(province)) => table.add_unit(Unit {
                code,
                kind: Kind::of_letter(kind),
                name,
                province,
                centre: (millionths(lat), millionths(lon)),
            }),
            ([code, kind, name, became, former @ ..], None) => {
                table.add_ward([code, kind, name, became], former.first().copied());
            }
            _ => unreachable!("the embedded table has no such line: {line}"),
        }
    }
    table
}

impl Table {
    fn add_unit(&mut self, unit: Unit) {
        let place = small(self.units.len());
        self.name(unit.name, Entry::Unit(place));
        self.by_code.insert(unit.code, place);
        self.units.push(unit);
    }

    fn add_district(&mut self, fields: &[&'static str]) {
        let [province, code, kind, name, more @ ..] = fields else {
            unreachable!("a district has four fields or more")
        };
        let place = small(self.districts.len());
        let legacy = legacy_provinces().iter().find(|old| old.code == *province);
        self.name(name, Entry::District(place));
        for former in more.get(1).iter().flat_map(|names| names.split(',')) {
            self.name(former, Entry::FormerDistrict(place));
        }
        self.districts.push(OldDistrict {
            code,
            kind: Kind::of_letter(kind),
            name,
            province: legacy.expect("the table's old provinces are the 63"),
            became: more.first().copied().filter(|code| !code.is_empty()),
        });
    }

    fn add_ward(&mut self, fields: [&'static str; 4], former: Option<&'static str>) {
        let [code, kind, name, became] = fields;
        let place = small(self.wards.len());
        self.name(name, Entry::Ward(place));
        for former in former.iter().flat_map(|names| names.split(',')) {
            self.name(former, Entry::FormerWard(place));
        }
        let became = became.split('+').map(|target| {
            let target = if target == "=" { code } else { target };
            *self
                .by_code
                .get(target)
                .expect("an old ward became a unit of the table")
        });
        self.wards.push(OldWard {
            code,
            kind: Kind::of_letter(kind),
            name,
            district: small(self.districts.len() - 1),
            became: became.collect(),
        });
    }

    fn name(&mut self, name: &str, entry: Entry) {
        let mut key = fold(name);
        key.retain(|letter| letter != ' ');
        self.names.entry(key.into()).or_default().push(entry);
    }
}

fn small(place: usize) -> u16 {
    u16::try_from(place).expect("the table has fewer than 65,536 units of each sort")
}

fn millionths(thousandths: &str) -> i32 {
    let degrees: i32 = thousandths
        .parse()
        .expect("the table's centres are whole thousandths");
    degrees * 1_000
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn every_unit_of_the_recipe_is_there() {
        assert_eq!(units().len(), 3_321);
        assert_eq!(old_wards().len(), 10_035);
        assert_eq!(old_districts().len(), 696);
        let kinds = [Kind::Ward, Kind::Commune, Kind::SpecialZone]
            .map(|kind| units().iter().filter(|unit| unit.kind == kind).count());
        assert_eq!(kinds, [697, 2_611, 13]);
        let now: HashSet<&str> = units().iter().map(|unit| unit.province.code).collect();
        let old = old_districts().iter().map(|old| old.province.code);
        assert_eq!((now.len(), old.collect::<HashSet<_>>().len()), (34, 63));
    }

    #[test]
    fn codes_are_five_digits_and_given_once() {
        let of = |codes: Vec<&'static str>| {
            assert!(
                codes
                    .iter()
                    .all(|code| code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_digit()))
            );
            codes.into_iter().collect::<HashSet<_>>().len()
        };
        assert_eq!(of(units().iter().map(|unit| unit.code).collect()), 3_321);
        assert_eq!(of(old_wards().iter().map(|old| old.code).collect()), 10_035);
        let districts: HashSet<&str> = old_districts().iter().map(|old| old.code).collect();
        assert_eq!(districts.len(), 696);
    }

    #[test]
    fn every_old_ward_became_units_of_its_own_province_and_every_unit_came_from_one() {
        let mut reached = BTreeSet::new();
        let mut divided = 0;
        for ward in old_wards() {
            divided += usize::from(ward.became().len() > 1);
            for into in ward.became() {
                assert_eq!(
                    into.province,
                    ward.district().province.current,
                    "{}",
                    ward.code
                );
                reached.insert(into.code);
            }
        }
        // 471 in the source, of which 19 are one with their namesakes taken away.
        assert_eq!(divided, 452);
        for district in old_districts() {
            reached.extend(district.became);
        }
        assert_eq!(reached.len(), 3_321);
    }

    #[test]
    fn the_known_errors_of_the_source_are_corrected() {
        assert_eq!(unit("06970"), None);
        assert_eq!(unit("06978").unwrap().full_name(), "Xã Ba Chẽ");
        assert_eq!(unit("26248").unwrap().full_name(), "Phường Trảng Bom");
    }

    #[test]
    fn a_centre_lies_in_vietnam() {
        for unit in units() {
            let (lat, lon) = unit.centre();
            assert!((8_000_000..23_500_000).contains(&lat), "{}", unit.code);
            assert!((102_000_000..115_000_000).contains(&lon), "{}", unit.code);
        }
    }

    #[test]
    fn a_district_overlaps_what_its_wards_became() {
        let district = |name| old_districts().iter().find(|old| old.name == name).unwrap();
        let saigon = unit("26740").unwrap();
        assert!(overlap(district("1"), saigon));
        assert!(!overlap(district("7"), saigon));
    }
}
