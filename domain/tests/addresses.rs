//! The labelled addresses of `data/addresses/`: what share is read rightly, wrongly or not at all.

#![allow(clippy::unwrap_used)]

use domain::address::{Address, AddressInput, Confidence, resolve};

const LABELLED: &str = include_str!("data/addresses/labelled.tsv");

/// A row of the set.
struct Row {
    written: &'static str,
    input: AddressInput,
    province: Option<&'static str>,
    ward: Option<&'static str>,
    divided: bool,
    what: &'static str,
}

fn rows() -> Vec<Row> {
    LABELLED.lines().skip(1).map(row).collect()
}

fn row(line: &'static str) -> Row {
    let fields: Vec<&str> = line.split('\t').collect();
    let [written, province, ward, what] = fields[..] else {
        panic!("a row has four fields: {line}")
    };
    let code = |label: &'static str| (label != "-").then(|| label.trim_end_matches('?'));
    Row {
        written,
        input: input(written),
        province: code(province),
        ward: code(ward),
        divided: ward.ends_with('?'),
        what,
    }
}

fn input(written: &str) -> AddressInput {
    let plain = written.replace("\\n", "\n").replace("\\\\", "\\");
    let fields = plain
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let Some(fields) = fields else {
        return AddressInput {
            text: Some(plain),
            ..AddressInput::default()
        };
    };
    let mut input = AddressInput::default();
    for field in fields.split('|') {
        let (name, value) = field.split_once('=').unwrap();
        let part = match name {
            "text" => &mut input.text,
            "line" => &mut input.line,
            "ward" => &mut input.ward,
            "district" => &mut input.district,
            "province" => &mut input.province,
            other => panic!("no field is called {other}"),
        };
        *part = Some(value.to_owned());
    }
    input
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Share {
    right: usize,
    wrong: usize,
    undecided: usize,
}

impl Share {
    /// Counts an answer; a line about it unless it is right.
    fn count(&mut self, said: Option<&str>, meant: Option<&str>, row: &Row) -> Option<String> {
        let word = match said {
            _ if said == meant => {
                self.right += 1;
                return None;
            }
            Some(_) => {
                self.wrong += 1;
                "wrong"
            }
            None => {
                self.undecided += 1;
                "undecided"
            }
        };
        let said = said.unwrap_or("-");
        let meant = meant.unwrap_or("-");
        Some(format!(
            "{word}: {} ({}): {said} for {meant}",
            row.written, row.what
        ))
    }
}

#[test]
fn the_shares_that_the_documentation_states_are_true() {
    let (mut provinces, mut wards) = (Share::default(), Share::default());
    let mut lines = Vec::new();
    for row in rows() {
        let address = resolve(row.input.clone()).address;
        lines.extend(provinces.count(address.province_code.as_deref(), row.province, &row));
        lines.extend(wards.count(address.ward_code.as_deref(), row.ward, &row));
    }
    let report = lines.join("\n");
    assert_eq!(provinces.wrong, 0, "{report}");
    // 0.5 %
    assert!(wards.wrong * 200 <= rows().len(), "{wards:?}\n{report}");
    let stated = (
        Share {
            right: 418,
            wrong: 0,
            undecided: 0,
        },
        Share {
            right: 416,
            wrong: 0,
            undecided: 2,
        },
    );
    assert_eq!((provinces, wards), stated, "{report}");
}

#[test]
fn an_old_commune_that_was_divided_is_said_to_be() {
    for row in rows().iter().filter(|row| row.ward.is_some()) {
        let address = resolve(row.input.clone()).address;
        let Some(confidence) = address.ward_confidence else {
            continue;
        };
        assert_eq!(
            confidence == Confidence::Default,
            row.divided,
            "{}",
            row.written
        );
    }
}

#[test]
fn a_code_never_comes_without_its_confidence_and_system() {
    for row in rows() {
        let Address {
            province_code,
            province_confidence,
            ward_code,
            ward_name,
            ward_confidence,
            code_system,
            ..
        } = resolve(row.input).address;
        assert_eq!(province_code.is_some(), province_confidence.is_some());
        assert_eq!(province_code.is_some(), code_system.is_some());
        assert_eq!(ward_code.is_some(), ward_confidence.is_some());
        assert_eq!(ward_code.is_some(), ward_name.is_some());
        assert!(ward_code.is_none() || province_code.is_some());
    }
}
