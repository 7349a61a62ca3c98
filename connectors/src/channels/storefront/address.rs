//! Names and addresses as the forms of foreign shop software take them from Vietnamese buyers.

use domain::snapshot::ShipTo;

use crate::payload::filled;

/// An address with the fields that some shop or other has.
#[derive(Debug, Default)]
pub(in crate::channels) struct Written {
    pub(in crate::channels) name: Option<String>,
    pub(in crate::channels) phone: Option<String>,
    pub(in crate::channels) line: Option<String>,
    pub(in crate::channels) second: Option<String>,
    pub(in crate::channels) ward: Option<String>,
    pub(in crate::channels) district: Option<String>,
    pub(in crate::channels) city: Option<String>,
    pub(in crate::channels) province: Option<String>,
}

impl Written {
    /// Ward and district have no fields of their own in foreign software, so buyers write them into
    /// the second line and the city.
    pub(in crate::channels) fn ship_to(self) -> ShipTo {
        let [line, second, ward, district, city, province] = [
            self.line,
            self.second,
            self.ward,
            self.district,
            self.city,
            self.province,
        ]
        .map(filled);
        let mut text: Vec<&str> = Vec::new();
        for part in [&line, &second, &ward, &district, &city, &province]
            .into_iter()
            .filter_map(Option::as_deref)
        {
            if !text.contains(&part) {
                text.push(part);
            }
        }
        let text = (!text.is_empty()).then(|| text.join(", "));
        let (district, province) = match (district, city, province) {
            (Some(district), city, province) => (Some(district), province.or(city)),
            (None, city, Some(province)) => (city, Some(province)),
            (None, Some(city), None) if is_district(&city) => (Some(city), None),
            (None, city, None) => (None, city),
        };
        ShipTo {
            name: self.name,
            phone: filled(self.phone),
            text,
            line,
            ward: ward.or_else(|| second.filter(|second| is_ward(second))),
            district,
            province,
            lat: None,
            lon: None,
        }
    }
}

/// Vietnamese shops label the last name "Họ" and the first name "Tên", so the full name is last
/// before first, except where the buyer typed the family name into the first field.
pub(in crate::channels) fn full_name(
    first: Option<String>,
    last: Option<String>,
    country: Option<&str>,
) -> Option<String> {
    let (first, last) = match (filled(first), filled(last)) {
        (Some(first), Some(last)) => (first, last),
        (first, last) => return first.or(last),
    };
    let is_vietnamese = country.is_none_or(|c| c.is_empty() || c.eq_ignore_ascii_case("VN"));
    let first_leads =
        !is_vietnamese || (begins_with_family_name(&first) && !begins_with_family_name(&last));
    Some(if first_leads {
        format!("{first} {last}")
    } else {
        format!("{last} {first}")
    })
}

/// The family names of nine in ten Vietnamese.
fn begins_with_family_name(name: &str) -> bool {
    const FAMILY_NAMES: [&str; 18] = [
        "nguyễn", "trần", "lê", "phạm", "hoàng", "huỳnh", "phan", "vũ", "võ", "đặng", "bùi", "đỗ",
        "hồ", "ngô", "dương", "lý", "đinh", "trương",
    ];
    let first = name
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_lowercase();
    FAMILY_NAMES.contains(&first.as_str())
}

fn is_ward(text: &str) -> bool {
    let text = text.to_lowercase();
    ["phường", "xã", "thị trấn", "p.", "p ", "đặc khu"]
        .iter()
        .any(|word| text.starts_with(word))
}

fn is_district(text: &str) -> bool {
    let text = text.to_lowercase();
    ["quận", "huyện", "thị xã", "q.", "q ", "h."]
        .iter()
        .any(|word| text.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn ward_and_district_are_found_where_buyers_write_them() {
        let place = Written {
            line: text("12 Nguyễn Trãi"),
            second: text("Phường Bến Thành"),
            city: text("Quận 1"),
            province: text("Hồ Chí Minh"),
            ..Written::default()
        }
        .ship_to();
        assert_eq!(place.ward.as_deref(), Some("Phường Bến Thành"));
        assert_eq!(place.district.as_deref(), Some("Quận 1"));
        assert_eq!(place.province.as_deref(), Some("Hồ Chí Minh"));
        assert_eq!(
            place.text.as_deref(),
            Some("12 Nguyễn Trãi, Phường Bến Thành, Quận 1, Hồ Chí Minh")
        );
    }

    #[test]
    fn fields_of_their_own_are_taken_as_they_are() {
        let place = Written {
            line: text("12 Nguyễn Trãi"),
            ward: text("Phường Bến Thành"),
            district: text("Quận 1"),
            city: text("TP Hồ Chí Minh"),
            ..Written::default()
        }
        .ship_to();
        assert_eq!(place.district.as_deref(), Some("Quận 1"));
        assert_eq!(place.province.as_deref(), Some("TP Hồ Chí Minh"));
    }

    #[test]
    fn a_family_name_in_the_first_field_leads() {
        let name = |first, last, country| full_name(text(first), text(last), country).unwrap();
        assert_eq!(name("Mẫu", "Trần Thị", Some("VN")), "Trần Thị Mẫu");
        assert_eq!(name("Trần", "Bình", Some("VN")), "Trần Bình");
        assert_eq!(name("Ada", "Lovelace", Some("GB")), "Ada Lovelace");
    }
}
