//! Locations and rules: read by the domain, their mistakes told like all others.

use std::collections::{BTreeMap, BTreeSet};

use domain::routing::{Context, Hours, Kind, Location, Locations, Region, RuleSet};
use serde_json::Value;

use super::catalog::Catalog;
use super::document::{Document, MOST_SYNTAX_ERRORS, join};
use super::load::target_of_kind;
use super::partners::Kinds;
use super::problem::Problem;
use super::targets::TargetKind;

/// What a rule file may refer to; owned, so that rules can be read again later.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// All locations.
    pub locations: Locations,
    /// Targets: id → kind; `None` while the kind itself is wrong.
    pub targets: BTreeMap<String, Option<TargetKind>>,
    /// Channels: id → connector.
    pub channels: BTreeMap<String, String>,
    /// Categories of the catalog; empty: not checked.
    pub categories: BTreeSet<String>,
}

impl Known {
    /// Reads a rule set's text and runs its tests.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn read(&self, text: &str) -> Result<RuleSet, Vec<Problem>> {
        let mut document = Document::parse("routing.toml", text.to_owned());
        match self.rules(&mut document) {
            Some(rules) if document.problems.iter().all(Problem::is_warning) => Ok(rules),
            Some(_) | None => Err(document.problems),
        }
    }

    /// Reads rules and runs the tests that stand among them. `None` after an error, which is then
    /// among the document's problems.
    pub(super) fn rules(&self, file: &mut Document) -> Option<RuleSet> {
        let context = Context {
            locations: &self.locations,
            targets: words(&self.targets, TargetKind::ServiceCenter),
            channels: self.channels.clone(),
            categories: self.categories.clone(),
        };
        if file.problems.len() >= MOST_SYNTAX_ERRORS {
            return None;
        }
        // What cannot be parsed as TOML was found when the file was opened, and is found again.
        file.problems.clear();
        match RuleSet::parse(&file.text, &file.file, &context) {
            Err(problems) => {
                take(file, problems);
                None
            }
            Ok(rules) => {
                let failures = rules.run_tests(&self.locations);
                for failure in &failures {
                    let message = format!("the test `{}` fails: {}", failure.test, failure.message);
                    let place = (failure.line, 1);
                    let problem =
                        Problem::at_position(&file.file, file.masked(), place, message, None);
                    file.problems.push(problem);
                }
                failures.is_empty().then_some(rules)
            }
        }
    }
}

/// Reads `locations.toml`. After a mistake, stand-ins with the same ids: other files may refer to
/// them without being blamed for it.
pub(super) fn locations(file: &mut Document, kinds: &Kinds) -> Locations {
    if file.is_unreadable() || file.problems.len() >= MOST_SYNTAX_ERRORS {
        return Locations::default();
    }
    // What cannot be parsed as TOML is reported again, with the rest.
    file.problems.clear();
    match Locations::parse(&file.text, &file.file, &words(kinds, TargetKind::Inventory)) {
        Ok(locations) => {
            for location in &locations {
                let at = join(&join("/locations", &location.id), "target");
                if kinds.contains_key(&location.target) {
                    target_of_kind(file, &at, &location.target, TargetKind::Inventory, kinds);
                }
            }
            locations
        }
        Err(problems) => {
            take(file, problems);
            Locations::new(stand_ins(file))
        }
    }
}

/// Reads `routing.toml`.
pub(super) fn rules(file: &mut Document, known: &Known) -> Option<RuleSet> {
    if file.is_unreadable() {
        return None;
    }
    known.rules(file)
}

/// What rules may refer to, from the other files.
pub(super) fn known(
    locations: &Locations,
    targets: &Kinds,
    channels: &Document,
    catalog: &Catalog,
) -> Known {
    let connector_of = |id: &String| {
        let at = join(&join("/channels", id), "connector");
        Some(channels.value.pointer(&at)?.as_str()?.to_owned())
    };
    let channels = channels
        .keys("/channels")
        .into_iter()
        .filter_map(|id| connector_of(&id).map(|connector| (id, connector)))
        .collect();
    Known {
        locations: locations.clone(),
        targets: targets.clone(),
        channels,
        categories: catalog.categories(),
    }
}

/// Kinds as words; a target whose kind is wrong is taken for what is `wanted`, for it was told.
fn words(kinds: &Kinds, wanted: TargetKind) -> BTreeMap<String, String> {
    let word = |kind: &Option<TargetKind>| kind.unwrap_or(wanted).as_str().to_owned();
    kinds
        .iter()
        .map(|(id, kind)| (id.clone(), word(kind)))
        .collect()
}

fn take(file: &mut Document, problems: Vec<domain::routing::Problem>) {
    for problem in problems {
        let place = (problem.line, problem.column);
        let told = Problem::at_position(
            &file.file,
            file.masked(),
            place,
            problem.message,
            problem.suggestion,
        );
        file.problems.push(told);
    }
}

fn stand_ins(file: &Document) -> Vec<Location> {
    let Some(hours) = Hours::parse("00:00-24:00") else {
        return Vec::new();
    };
    let table = |id: &str| file.value.pointer(&join("/locations", id));
    let list = |id: &str, key: &str| -> Vec<String> {
        let items = table(id).and_then(|table| table.get(key)?.as_array());
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let kind_of = |id: &str| {
        let written = table(id)?.get("kind")?.as_str()?;
        Kind::NAMES
            .iter()
            .find(|(name, _)| *name == written)
            .map(|(_, kind)| *kind)
    };
    file.keys("/locations")
        .into_iter()
        .map(|id| Location {
            kind: kind_of(&id).unwrap_or(Kind::Hub),
            name: id.clone(),
            target: String::new(),
            province: String::new(),
            region: Region::South,
            position: None,
            hours,
            closed_on: Vec::new(),
            closed_dates: Vec::new(),
            cut_off: hours.closes,
            daily_capacity: None,
            safety_stock: 0,
            services: list(&id, "services"),
            tags: list(&id, "tags"),
            rank: 1,
            priority: 1,
            cost: 0,
            active: true,
            sells_online: true,
            channels: Vec::new(),
            serves: Vec::new(),
            serves_within_m: None,
            invoice_series: None,
            id,
        })
        .collect()
}
