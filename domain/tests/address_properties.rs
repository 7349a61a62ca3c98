//! What holds for every address: no text breaks the reader or is changed, and another spelling of
//! an address never leads elsewhere.
#![allow(clippy::unwrap_used)]

use domain::address::{Address, AddressInput, old_wards, resolve, units};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

fn read(text: &str) -> Address {
    resolve(AddressInput {
        text: Some(text.to_owned()),
        ..AddressInput::default()
    })
    .address
}

fn codes(address: &Address) -> [Option<&str>; 2] {
    [&address.province_code, &address.ward_code].map(Option::as_deref)
}

fn stripped(text: &str) -> String {
    let plain = text.replace('đ', "d").replace('Đ', "D");
    plain
        .nfd()
        .filter(|letter| !is_combining_mark(*letter))
        .collect()
}

/// `hòa` as `hoà`, and the other way round.
fn tones_moved(text: &str) -> String {
    const PLACES: [(&str, &str); 15] = [
        ("òa", "oà"),
        ("óa", "oá"),
        ("ỏa", "oả"),
        ("õa", "oã"),
        ("ọa", "oạ"),
        ("òe", "oè"),
        ("óe", "oé"),
        ("ỏe", "oẻ"),
        ("õe", "oẽ"),
        ("ọe", "oẹ"),
        ("ùy", "uỳ"),
        ("úy", "uý"),
        ("ủy", "uỷ"),
        ("ũy", "uỹ"),
        ("ụy", "uỵ"),
    ];
    let composed: String = text.nfc().collect();
    let marker = "\u{e000}";
    PLACES.iter().fold(composed, |text, (one, other)| {
        text.replace(one, marker)
            .replace(other, one)
            .replace(marker, other)
    })
}

/// The other spellings of a text must not lead to another unit.
fn check_spellings(text: &str) {
    let address = read(text);
    assert_eq!(address.text.as_deref(), Some(text), "kept byte for byte");
    let said = codes(&address);
    let nfd: String = text.nfd().collect();
    let nfc: String = text.nfc().collect();
    for same in [
        &nfd,
        &nfc,
        &tones_moved(text),
        &text.to_uppercase(),
        &text.to_lowercase(),
    ] {
        assert_eq!(codes(&read(same)), said, "{same}");
    }
    let without_marks = read(&stripped(text));
    for (said, plain) in said.into_iter().zip(codes(&without_marks)) {
        if said.is_some() {
            assert!(
                plain.is_none() || plain == said,
                "{text}: {said:?}, {plain:?} without marks"
            );
        }
    }
}

/// An address with a unit of the table in it, old or new, in many manners.
fn addresses() -> impl Strategy<Value = String> {
    let street = prop::sample::select(vec![
        "12 Nguyễn Trãi, ",
        "Số 5 ngõ 12 ",
        "",
        "123 Xa lộ Hà Nội, ",
        "chị Hoa 0987654321 - thôn 3, ",
        "Tòa S2 ",
    ]);
    let comma = prop::sample::select(vec![", ", " ", " - ", "\n"]);
    let kinds = prop::sample::select(vec!["full", "none", "P.", "xã "]);
    let now = (0..units().len(), kinds.clone(), any::<bool>()).prop_map(|(at, kind, province)| {
        let unit = &units()[at];
        let name = match kind {
            "full" => unit.full_name(),
            "none" => unit.name.to_owned(),
            kind => format!("{kind}{}", unit.name),
        };
        let province = province.then(|| unit.province.full_name.to_owned());
        vec![Some(name), None, province]
    });
    let old = (0..old_wards().len(), kinds, any::<[bool; 3]>()).prop_map(
        |(at, kind, [typed, district, province])| {
            let ward = &old_wards()[at];
            let name = match kind {
                "full" => format!("{} {}", ward.kind.word(), ward.name),
                "none" => ward.name.to_owned(),
                kind => format!("{kind}{}", ward.name),
            };
            let of = ward.district();
            let district = district.then(|| match typed {
                true => format!("{} {}", of.kind.word(), of.name),
                false => of.name.to_owned(),
            });
            let province = province.then(|| of.province.name.to_owned());
            vec![Some(name), district, province]
        },
    );
    (street, prop_oneof![now, old], comma).prop_map(|(street, parts, comma)| {
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("{street}{}", parts.join(comma))
    })
}

/// Every so manieth: in a debug build all of them take minutes. All are found.
const STEP: usize = 7;

#[test]
fn a_unit_in_force_is_found_by_its_full_name() {
    for unit in units().iter().step_by(STEP) {
        let text = format!(
            "12 Lê Lợi, {}, {}",
            unit.full_name(),
            unit.province.full_name
        );
        let address = read(&text);
        assert_eq!(
            codes(&address),
            [Some(unit.province.code), Some(unit.code)],
            "{text}"
        );
    }
}

#[test]
fn an_old_ward_is_found_by_its_full_name() {
    for ward in old_wards().iter().step_by(STEP) {
        let district = ward.district();
        let text = format!(
            "12 Lê Lợi, {} {}, {} {}, {}",
            ward.kind.word(),
            ward.name,
            district.kind.word(),
            district.name,
            district.province.full_name
        );
        let address = read(&text);
        let into = ward.became().next().unwrap();
        assert_eq!(
            codes(&address),
            [Some(into.province.code), Some(into.code)],
            "{text}"
        );
        let legacy = address.legacy.unwrap();
        assert_eq!(legacy.ward_code.as_deref(), Some(ward.code), "{text}");
        assert_eq!(
            legacy.district_code.as_deref(),
            Some(district.code),
            "{text}"
        );
    }
}

#[test]
fn no_spelling_of_a_labelled_address_leads_elsewhere() {
    for line in include_str!("data/addresses/labelled.tsv").lines().skip(1) {
        let text = line.split('\t').next().unwrap();
        if !text.starts_with('{') && !text.is_empty() {
            check_spellings(text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_safe_and_kept_as_it_is(text in any::<String>(), ward in any::<String>(), district in any::<String>()) {
        let address = resolve(AddressInput {
            text: Some(text.clone()),
            ward: Some(ward),
            district: Some(district),
            ..AddressInput::default()
        }).address;
        if !text.trim().is_empty() {
            prop_assert_eq!(address.text.as_deref(), Some(&*text));
        }
    }

    #[test]
    fn no_spelling_leads_elsewhere(text in addresses()) {
        check_spellings(&text);
    }
}
