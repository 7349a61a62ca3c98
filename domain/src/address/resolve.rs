//! From an address in a channel's parts to an [`Address`] with its province decided, or not.

use super::locate::{Located, locate};
use super::mentions::{Part, Role};
use super::search::{agree, find_province};
use super::words::{Word, parts};
use super::{Address, CodeSystem, LegacyAddress, Match, parse_province};
use crate::phone::{Parsed, Phone};
use crate::text::nfc;

/// An address as a channel gives it: in parts, as one text, or both.
#[derive(Clone, PartialEq, Default)]
pub struct AddressInput {
    /// Who receives it.
    pub name: Option<String>,
    /// As the channel sent it.
    pub phone: Option<String>,
    /// The whole address as the buyer wrote it.
    pub text: Option<String>,
    /// House number and street.
    pub line: Option<String>,
    /// Ward or commune.
    pub ward: Option<String>,
    /// District, or what the shop calls "city" below the province.
    pub district: Option<String>,
    /// Province: a name, a spelling of it or a code.
    pub province: Option<String>,
    /// Latitude in degrees.
    pub lat: Option<f64>,
    /// Longitude in degrees.
    pub lon: Option<f64>,
}

/// An address, and what was found out about its province: what is not [`Match::Exact`] is a hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The address.
    pub address: Address,
    /// How its province was found.
    pub province_match: Match,
}

/// Decides the province of an address, and the ward where it can. The province field and the text
/// must not contradict each other; the other parts are asked only while those two say nothing.
#[must_use]
pub fn resolve(input: AddressInput) -> Resolved {
    let line = tidy(input.line);
    let ward = tidy(input.ward);
    let district = tidy(input.district);
    let written_province = tidy(input.province);
    let written_text = input.text.filter(|text| !text.trim().is_empty());

    let text_parts = words_of(written_text.as_deref());
    let line_parts = words_of(line.as_deref());
    let field = written_province.as_deref().map(parse_province);
    let text = find_province(&text_parts);
    let field_is_certain = field.as_ref().and_then(Match::exact).is_some();
    let mut contradictory = text.contradictory;
    let mut written = combine(field, Some(text.province));
    contradictory |= field_is_certain && matches!(written, Match::Ambiguous(_));
    if written == Match::Unknown {
        let line = find_province(&line_parts);
        contradictory |= line.contradictory;
        written = combine(district.as_deref().map(city), Some(line.province));
    }

    let mut all: Vec<Part> = Vec::new();
    let mut add = |role, parts: &[Vec<Word>]| {
        all.extend(parts.iter().map(|words| Part::new(role, words)));
    };
    add(Role::Text, &line_parts);
    add(Role::Ward, &words_of(ward.as_deref()));
    add(Role::District, &words_of(district.as_deref()));
    let province_parts = words_of(written_province.as_deref());
    // Somebody put an address into the field.
    if province_parts.len() > 1 {
        add(Role::Text, &province_parts);
    }
    add(Role::Text, &text_parts);
    let located = if contradictory {
        Located::undecided(written)
    } else {
        locate(&all, written)
    };

    let text = written_text.or_else(|| {
        let parts = [&line, &ward, &district, &written_province];
        let joined: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        (!joined.is_empty()).then(|| joined.join(", "))
    });
    let (lat, lon) = position(input.lat, input.lon).unzip();
    let mut address = Address {
        name: tidy(input.name),
        phone: tidy(input.phone).map(dialable),
        line,
        ward,
        district,
        province: written_province,
        text,
        lat,
        lon,
        ..Address::default()
    };
    fill(&mut address, &located);
    Resolved {
        address,
        province_match: located.province,
    }
}

fn fill(address: &mut Address, located: &Located) {
    let Match::Exact {
        province,
        from_legacy,
    } = &located.province
    else {
        return;
    };
    let below = &located.below;
    let old_province = from_legacy.or(below.district.map(|district| district.province));
    address.legacy = old_province.map(|legacy| LegacyAddress {
        province_code: Some(legacy.code.to_owned()),
        province: Some(legacy.name.to_owned()),
        district: address.district.clone(),
        ward: address.ward.clone(),
        district_code: below.district.map(|district| district.code.to_owned()),
        ward_code: below.ward.map(|ward| ward.code.to_owned()),
        code_system: Some(CodeSystem::Legacy),
    });
    address.province = Some(province.name.to_owned());
    address.province_code = Some(province.code.to_owned());
    address.province_confidence = Some(located.confidence);
    address.code_system = Some(CodeSystem::Vn2025_07);
    address.region = Some(province.region);
    if let Some((unit, confidence)) = below.unit {
        address.ward_code = Some(unit.code.to_owned());
        address.ward_name = Some(unit.full_name());
        address.ward_confidence = Some(confidence);
    }
}

fn words_of(text: Option<&str>) -> Vec<Vec<Word>> {
    text.map(parts).unwrap_or_default()
}

/// Two certain findings must agree; a certain one beats an uncertain one; two uncertain ones are
/// put together.
fn combine(field: Option<Match>, text: Option<Match>) -> Match {
    let found: Vec<Match> = [field, text].into_iter().flatten().collect();
    let certain: Vec<Match> = found
        .iter()
        .filter(|one| one.exact().is_some())
        .cloned()
        .collect();
    agree(if certain.is_empty() { found } else { certain })
}

/// Shops without a province field put one of the seven cities here. Any other province's name in
/// this place may be a district (Hòa Bình in Bạc Liêu), so it only suggests.
fn city(district: &str) -> Match {
    match parse_province(district) {
        Match::Exact { province, .. } if !province.full_name.starts_with("Thành phố ") => {
            Match::Ambiguous(vec![province])
        }
        Match::Exact {
            province,
            from_legacy: Some(_),
        } => Match::Ambiguous(vec![province]),
        found @ (Match::Exact { .. } | Match::Ambiguous(_) | Match::Unknown) => found,
    }
}

fn tidy(part: Option<String>) -> Option<String> {
    part.map(|part| nfc(part.trim()))
        .filter(|part| !part.is_empty())
}

fn dialable(phone: String) -> String {
    match Phone::parse(&phone) {
        Parsed::Valid(whole) => whole.as_str().to_owned(),
        // Masked and relayed numbers are kept as they are; nobody tries to see through them.
        Parsed::Masked | Parsed::Invalid => phone,
    }
}

/// Both or neither, and on the globe. (0, 0) is what a form sends that has no position.
fn position(lat: Option<f64>, lon: Option<f64>) -> Option<(f64, f64)> {
    let (lat, lon) = (lat?, lon?);
    let on_globe = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    let unset = lat == 0.0 && lon == 0.0;
    (on_globe && !unset).then_some((lat, lon))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(parts: &[(&str, &str)]) -> AddressInput {
        let part = |wanted: &str| {
            let found = parts.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        };
        AddressInput {
            name: part("name"),
            phone: part("phone"),
            text: part("text"),
            line: part("line"),
            ward: part("ward"),
            district: part("district"),
            province: part("province"),
            lat: None,
            lon: None,
        }
    }

    fn code(parts: &[(&str, &str)]) -> Option<String> {
        resolve(input(parts)).address.province_code
    }

    #[test]
    fn the_websites_own_document_becomes_the_contracts_address() {
        let resolved = resolve(AddressInput {
            lat: Some(10.77),
            lon: Some(106.69),
            ..input(&[
                ("name", "Nguyễn Văn An"),
                ("phone", "0901 234 567"),
                ("text", "12 Nguyễn Trãi, P. Bến Thành, TP.HCM"),
                ("province", "TP.HCM"),
            ])
        });
        insta::assert_json_snapshot!(resolved.address);
    }

    #[test]
    fn an_old_province_is_kept_beside_the_new_one() {
        let resolved = resolve(input(&[
            ("line", "8 Đại lộ Bình Dương"),
            ("ward", "Phường Phú Hòa"),
            ("district", "TP. Thủ Dầu Một"),
            ("province", "Tỉnh Bình Dương"),
        ]));
        insta::assert_json_snapshot!(resolved.address);
    }

    #[test]
    fn the_buyers_text_is_not_touched() {
        let text = "  12 Nguye\u{302}\u{303}n Tra\u{303}i,\n TP.HCM ";
        let resolved = resolve(input(&[("text", text)]));
        assert_eq!(resolved.address.text.as_deref(), Some(text));
        assert_eq!(resolved.address.province_code.as_deref(), Some("79"));
    }

    #[test]
    fn a_field_and_a_text_that_contradict_each_other_decide_nothing() {
        let resolved = resolve(input(&[
            ("text", "12 Nguyễn Trãi, Q1, TP.HCM"),
            ("province", "Hà Nội"),
        ]));
        assert!(matches!(&resolved.province_match, Match::Ambiguous(both) if both.len() == 2));
        assert_eq!(resolved.address.province.as_deref(), Some("Hà Nội"));
        assert_eq!(resolved.address.province_code, None);
        assert_eq!(resolved.address.region, None);
    }

    #[test]
    fn a_certain_field_beats_a_doubtful_text_and_the_other_way_round() {
        let doubtful = "12 Nguyễn Thái Bình";
        assert_eq!(
            code(&[("text", doubtful), ("province", "HO-CHI-MINH")]).as_deref(),
            Some("79")
        );
        assert_eq!(
            code(&[("text", "5 Lê Lợi, TP Huế"), ("province", "DN")]).as_deref(),
            Some("46")
        );
        assert_eq!(code(&[("text", doubtful)]), None);
    }

    #[test]
    fn a_city_in_the_district_field_counts_and_a_districts_name_does_not() {
        assert_eq!(
            code(&[("district", "Huế"), ("province", "")]).as_deref(),
            Some("46")
        );
        assert_eq!(code(&[("district", "Hòa Bình")]), None);
        // The only Quận 1 of the country.
        assert_eq!(code(&[("district", "Quận 1")]).as_deref(), Some("79"));
        assert_eq!(
            code(&[
                ("line", "12 Nguyễn Trãi, Q1, TP.HCM"),
                ("district", "Quận 1")
            ])
            .as_deref(),
            Some("79")
        );
    }

    #[test]
    fn a_masked_phone_and_an_unknown_province_are_kept_as_written() {
        let resolved = resolve(input(&[("phone", "******18"), ("province", "H****")]));
        assert_eq!(resolved.province_match, Match::Unknown);
        assert_eq!(resolved.address.phone.as_deref(), Some("******18"));
        assert_eq!(resolved.address.province.as_deref(), Some("H****"));
        assert_eq!(resolve(AddressInput::default()).address, Address::default());
    }

    #[test]
    fn half_a_position_or_one_off_the_globe_is_dropped() {
        for (lat, lon) in [
            (Some(10.0), None),
            (Some(91.0), Some(106.0)),
            (Some(0.0), Some(0.0)),
            (Some(f64::NAN), Some(106.0)),
        ] {
            let address = resolve(AddressInput {
                lat,
                lon,
                ..AddressInput::default()
            })
            .address;
            assert_eq!((address.lat, address.lon), (None, None));
        }
    }
}
