//! Reading `locations.toml`: written tables in, validated [`Locations`] or all problems out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use jiff::civil;
use toml::Spanned;

use super::calendar::{Clock, Hours, Weekday};
use super::location::UNRANKED;
use super::problem::{Problem, Problems};
use super::read::{Table, parse};
use super::{Kind, Location, Locations, Position, region_of};

impl Locations {
    /// Reads `config/locations.toml`. `known_targets` maps each target's id to its kind; an empty
    /// map is not checked against.
    ///
    /// # Errors
    /// All problems of the file, each with its line and column.
    pub fn parse(
        text: &str,
        file_name: &str,
        known_targets: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file_name, text);
        let tree = parse(text, &mut problems);
        let mut file = Table::new(tree.get_ref(), 0..0, "the file");
        let mut found = Vec::new();
        let mut series: BTreeMap<String, String> = BTreeMap::new();
        match file.table("locations", &mut problems) {
            None if problems.is_empty() => {
                problems.add(0..0, "the file names no location: write `[locations.<id>]`")
            }
            None => {}
            Some(locations) => {
                for (id, at, value) in locations.entries() {
                    let Some(table) = Table::of(value, "a location", &mut problems) else {
                        continue;
                    };
                    check_id(id, at, &mut problems);
                    let location =
                        read_location(id, table, known_targets, &mut series, &mut problems);
                    found.extend(location);
                }
            }
        }
        file.finish(&mut problems);
        if problems.is_empty() {
            Ok(Self::new(found))
        } else {
            Err(problems.into_list())
        }
    }
}

/// Ids stand in addresses and logs: small letters, digits and hyphens.
fn check_id(id: &str, at: Range<usize>, problems: &mut Problems<'_>) {
    let fits = id
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !fits || id.is_empty() {
        problems.add(
            at,
            format!("location `{id}`: an id has only small letters, digits and hyphens"),
        );
    }
}

fn read_location(
    id: &str,
    mut table: Table<'_>,
    known_targets: &BTreeMap<String, String>,
    series: &mut BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) -> Option<Location> {
    if !table.has("kind") {
        table.missing("kind", problems);
    }
    let kind = table.choice("kind", &Kind::NAMES, problems);
    let name = table.required_text("name", problems);
    let target = table.required_text("target", problems);
    if let Some(target) = &target {
        check_target(target, known_targets, problems);
    }
    let province = table
        .required_text("province", problems)
        .and_then(|code| read_province(code, problems));
    let position = read_position(&mut table, problems);
    let hours = table.required_text("hours", problems).and_then(|hours| {
        let read = Hours::parse(hours.get_ref());
        if read.is_none() {
            problems.add(
                hours.span(),
                format!(
                    "`{}` are no hours: write them as \"08:00-21:00\"",
                    hours.get_ref()
                ),
            );
        }
        read
    });
    let cut_off = table
        .text("cut_off", problems)
        .and_then(|time| read_cut_off(&time, hours, problems));
    let closed_on = table
        .choices("closed_on", &Weekday::NAMES, problems)
        .unwrap_or_default();
    let dates = table.texts("closed_dates", problems).unwrap_or_default();
    let closed_dates = dates
        .iter()
        .filter_map(|date| read_date(date, problems))
        .collect();
    let daily_capacity = table.count("daily_capacity", 1, problems);
    let safety_stock = table.count("safety_stock", 0, problems).unwrap_or(0);
    let services = plain(table.texts("services", problems));
    let tags = plain(table.texts("tags", problems));
    let rank = table.count("rank", 1, problems).unwrap_or(UNRANKED);
    let priority = table.count("priority", 1, problems).unwrap_or(UNRANKED);
    let cost = table.integer("cost", 0..=i64::MAX, problems).unwrap_or(0);
    let active = table.boolean("active", problems).unwrap_or(true);
    let sells_online = table.boolean("sells_online", problems).unwrap_or(true);
    let channels = plain(table.texts("channels", problems));
    let serves = table.texts("serves", problems).unwrap_or_default();
    let serves = serves
        .into_iter()
        .filter_map(|code| read_province(code, problems))
        .collect();
    let serves_within_m = table
        .count("serves_km", 1, problems)
        .map(|km| km.saturating_mul(1_000));
    let invoice_series = table.text("invoice_series", problems);
    if let Some(invoice_series) = &invoice_series {
        check_series(id, invoice_series, series, problems);
    }
    table.finish(problems);
    let (province, hours) = (province?, hours?);
    Some(Location {
        id: id.to_owned(),
        kind: kind?,
        name: name?.into_inner(),
        target: target?.into_inner(),
        region: region_of(&province)?,
        province,
        position,
        hours,
        closed_on,
        closed_dates,
        cut_off: cut_off.unwrap_or(hours.closes),
        daily_capacity,
        safety_stock,
        services,
        tags,
        rank,
        priority,
        cost,
        active,
        sells_online,
        channels,
        serves,
        serves_within_m,
        invoice_series: invoice_series.map(Spanned::into_inner),
    })
}

fn check_target(
    target: &Spanned<String>,
    known: &BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) {
    if known.is_empty() {
        return;
    }
    match known.get(target.get_ref()) {
        None => problems.unknown(
            target.span(),
            "target",
            target.get_ref(),
            known.keys().map(String::as_str),
        ),
        Some(kind) if kind != "inventory" => problems.add(
            target.span(),
            format!(
                "target `{}` is of kind `{kind}`; a location needs one of kind `inventory`",
                target.get_ref()
            ),
        ),
        Some(_) => {}
    }
}

fn read_province(code: Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    if region_of(code.get_ref()).is_none() {
        let span = code.span();
        problems.unknown_code(span, "province (code of July 2025)", code.get_ref(), "79");
        return None;
    }
    Some(code.into_inner())
}

fn read_position(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Position> {
    let mut written = table.table("position", problems)?;
    for key in ["lat", "lon"] {
        if !written.has(key) {
            written.missing(key, problems);
        }
    }
    let (lat, lon) = (
        written.fraction("lat", problems),
        written.fraction("lon", problems),
    );
    let span = written.span();
    written.finish(problems);
    let position = Position::new(lat?, lon?);
    if position.is_none() {
        problems.add(
            span,
            "`position` is not on the globe: lat is within ±90, lon within ±180",
        );
    }
    position
}

fn read_cut_off(
    written: &Spanned<String>,
    hours: Option<Hours>,
    problems: &mut Problems<'_>,
) -> Option<Clock> {
    let Some(time) = Clock::parse(written.get_ref()) else {
        problems.add(
            written.span(),
            format!("`{}` is no time: write it as \"16:00\"", written.get_ref()),
        );
        return None;
    };
    if let Some(hours) = hours
        && (time <= hours.opens || time > hours.closes)
    {
        problems.add(
            written.span(),
            format!("the cut-off {time} is outside the hours {hours}"),
        );
    }
    Some(time)
}

fn read_date(written: &Spanned<String>, problems: &mut Problems<'_>) -> Option<civil::Date> {
    let date = civil::Date::from_str(written.get_ref()).ok();
    if date.is_none() {
        problems.add(
            written.span(),
            format!(
                "`{}` is no date: write it as \"2027-02-06\"",
                written.get_ref()
            ),
        );
    }
    date
}

/// A series belongs to one location: it has one worker, and its numbers have no gaps. Circular
/// 78: a digit, a letter for the kind, two digits for the year, a letter for the use, and two
/// letters that the seller is free to choose.
fn check_series(
    id: &str,
    written: &Spanned<String>,
    series: &mut BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) {
    let shape = |(at, byte): (usize, u8)| match at {
        0 | 2 | 3 => byte.is_ascii_digit(),
        _ => byte.is_ascii_uppercase(),
    };
    let text = written.get_ref();
    if text.len() != 7 || !text.bytes().enumerate().all(shape) {
        problems.add(
            written.span(),
            format!("`{text}` is no invoice series: write it as \"1C26MAA\""),
        );
    } else if let Some(other) = series.insert(text.clone(), id.to_owned()) {
        problems.add(
            written.span(),
            format!("series `{text}` belongs to location `{other}` already"),
        );
    }
}

fn plain(written: Option<Vec<Spanned<String>>>) -> Vec<String> {
    written
        .unwrap_or_default()
        .into_iter()
        .map(Spanned::into_inner)
        .collect()
}
