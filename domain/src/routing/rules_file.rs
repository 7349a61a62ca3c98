//! Reading `routing.toml`: the rules in, a validated [`RuleSet`] or all problems out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::DeValue;

use super::decision::Legs;
use super::problem::{Problem, Problems};
use super::read::{Table, Value, choose, parse, text};
use super::rule::{Action, Filter, Otherwise, Rule, Same, SortKey, Source, Split, Together};
use super::rule_set::{Head, RuleSet};
use super::{Kind, Locations, Region, region_of, rules_file_tests, rules_file_when};

/// Rounds of rejection before only Hubs are asked, if the file does not say.
const MAX_ROUNDS: u32 = 3;

/// What a rule file may refer to. Empty maps and sets are not checked against.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// All locations.
    pub locations: &'a Locations,
    /// Targets: id → kind (`inventory, invoicing, service_center, carrier, notify`).
    pub targets: BTreeMap<String, String>,
    /// Channels: id → connector.
    pub channels: BTreeMap<String, String>,
    /// Categories of the catalog.
    pub categories: BTreeSet<String>,
}

impl<'a> Context<'a> {
    /// A context that knows only the locations.
    #[must_use]
    pub fn new(locations: &'a Locations) -> Self {
        Self {
            locations,
            targets: BTreeMap::new(),
            channels: BTreeMap::new(),
            categories: BTreeSet::new(),
        }
    }
}

impl RuleSet {
    /// Reads and checks a rule file. `file_name` only stands in the problems.
    ///
    /// # Errors
    /// All problems of the file, each with its line and column. Its `[[test]]`s are read but not
    /// run: see [`RuleSet::run_tests`].
    pub fn parse(text: &str, file_name: &str, context: &Context<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(file_name, text);
        let tree = parse(text, &mut problems);
        let mut file = Table::new(tree.get_ref(), 0..0, "the file");
        if !file.has("version") {
            file.missing("version", &mut problems);
        }
        file.integer("version", 1..=1, &mut problems);
        let head = Head {
            version: version_of(text),
            author: file.text("author", &mut problems).map(Spanned::into_inner),
            active_from: file.moment("active_from", &mut problems),
            max_rounds: file
                .count("max_rounds", 1, &mut problems)
                .unwrap_or(MAX_ROUNDS),
        };
        let mut reader = Reader {
            context,
            problems,
            names: BTreeMap::new(),
        };
        let mut rules: Vec<Rule> = Vec::new();
        for table in file.tables("rule", &mut reader.problems) {
            rules.extend(reader.rule(table, Place::Rule));
        }
        if !file.has("default") {
            reader.problems.add(
                0..0,
                "the file needs a `[default]` for orders that no rule fits",
            );
        }
        if let Some(table) = file.table("default", &mut reader.problems) {
            rules.extend(reader.rule(table, Place::Default));
        }
        let tests = file.tables("test", &mut reader.problems);
        let tests =
            rules_file_tests::read(text, tests, &reader.names, context, &mut reader.problems);
        file.finish(&mut reader.problems);
        if !reader.problems.is_empty() {
            return Err(reader.problems.into_list());
        }
        Ok(Self::new(head, rules, tests))
    }
}

/// The first 16 hexadecimal digits of the content's SHA-256.
fn version_of(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(8)
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("invariant: writing to a string does not fail");
            hex
        })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Rule,
    Default,
}

pub(super) struct Reader<'a, 'p> {
    pub(super) context: &'a Context<'a>,
    pub(super) problems: Problems<'p>,
    /// Names of rules so far, and where they stand.
    names: BTreeMap<String, usize>,
}

impl Reader<'_, '_> {
    fn rule(&mut self, mut table: Table<'_>, place: Place) -> Option<Rule> {
        let name = table.required_text("name", &mut self.problems);
        if let Some(name) = &name
            && self
                .names
                .insert(name.get_ref().clone(), name.span().start)
                .is_some()
        {
            self.problems.add(
                name.span(),
                format!("a second rule with the name `{}`", name.get_ref()),
            );
        }
        let when = match place {
            Place::Default => Vec::new(),
            Place::Rule => match table.table("when", &mut self.problems) {
                Some(when) => rules_file_when::read(when, self.context, &mut self.problems),
                None => {
                    if !table.has("when") {
                        table.missing("when", &mut self.problems);
                    }
                    Vec::new()
                }
            },
        };
        let legs = match table.table("legs", &mut self.problems) {
            Some(legs) => self.legs(legs),
            None => Legs::default(),
        };
        let keep_together = table
            .choices("keep_together", &Together::NAMES, &mut self.problems)
            .unwrap_or_default();
        let sources: Vec<Source> = table
            .tables("source", &mut self.problems)
            .into_iter()
            .map(|source| self.source(source))
            .collect();
        let otherwise = table
            .take("otherwise")
            .and_then(|value| self.otherwise(value, place));
        let hold = table
            .text("hold", &mut self.problems)
            .map(Spanned::into_inner);
        let tags = plain(table.texts("tag", &mut self.problems));
        let priority = table
            .integer(
                "priority",
                i64::from(i32::MIN)..=i64::from(i32::MAX),
                &mut self.problems,
            )
            .and_then(|priority| i32::try_from(priority).ok());
        let gifts = table
            .tables("gift", &mut self.problems)
            .into_iter()
            .filter_map(|gift| self.gift(gift))
            .collect();
        let transfer_to_store = table
            .boolean("transfer_to_store", &mut self.problems)
            .unwrap_or(false);
        if sources.is_empty() && hold.is_none() && !table.has("source") {
            self.problems.add(
                table.span(),
                "the rule has neither a `source` nor a `hold`: its orders could never leave",
            );
        }
        if hold.is_some() && !sources.is_empty() {
            self.problems.add(
                table.span(),
                "the rule holds every order, so its sources are never asked",
            );
        }
        table.finish(&mut self.problems);
        Some(Rule {
            name: name?.into_inner(),
            when,
            legs,
            keep_together,
            sources,
            otherwise: otherwise.unwrap_or_else(|| Otherwise {
                action: Action::Hold,
                reason: "no-stock".to_owned(),
            }),
            hold,
            tags,
            priority: priority.unwrap_or(0),
            gifts,
            transfer_to_store,
        })
    }

    fn gift(&mut self, mut table: Table<'_>) -> Option<(String, u32)> {
        let sku = table.required_text("sku", &mut self.problems);
        let quantity = table.count("quantity", 1, &mut self.problems).unwrap_or(1);
        table.finish(&mut self.problems);
        Some((sku?.into_inner(), quantity))
    }

    fn source(&mut self, mut table: Table<'_>) -> Source {
        if !table.has("from") {
            table.missing("from", &mut self.problems);
        }
        let span = table.span();
        let before = self.problems.count();
        let from = table
            .table("from", &mut self.problems)
            .map(|from| self.filter(from))
            .unwrap_or_default();
        let reachable = self
            .context
            .locations
            .iter()
            .any(|location| reaches(&from, location));
        if self.problems.count() == before && !reachable {
            self.problems.add(
                span,
                "no location fits `from`: the source can never send anything",
            );
        }
        let sort = table
            .choices("sort", &SortKey::NAMES, &mut self.problems)
            .unwrap_or_default();
        for (at, key) in sort.iter().enumerate() {
            if sort[..at].contains(key) {
                let name = SortKey::NAMES
                    .iter()
                    .find(|(_, known)| known == key)
                    .map_or("", |(name, _)| name);
                self.problems
                    .add(table.span(), format!("the sort key `{name}` stands twice"));
            }
        }
        let keep_back = table.count("keep_back", 0, &mut self.problems).unwrap_or(0);
        let late_ok = table
            .boolean("late_ok", &mut self.problems)
            .unwrap_or(false);
        let split = table.table("split", &mut self.problems).map(|mut split| {
            if !split.has("max_parcels") {
                split.missing("max_parcels", &mut self.problems);
            }
            let max_parcels = split.integer("max_parcels", 2..=20, &mut self.problems);
            let min_value = split
                .integer("min_value", 0..=i64::MAX, &mut self.problems)
                .unwrap_or(0);
            split.finish(&mut self.problems);
            Split {
                max_parcels: max_parcels
                    .and_then(|most| u32::try_from(most).ok())
                    .unwrap_or(2),
                min_value,
            }
        });
        table.finish(&mut self.problems);
        Source {
            from,
            sort,
            keep_back,
            late_ok,
            split,
        }
    }

    fn filter(&mut self, mut table: Table<'_>) -> Filter {
        let locations = self.context.locations;
        let problems = &mut self.problems;
        let region_names: Vec<(&'static str, Region)> =
            Region::ALL.map(|region| (region.as_str(), region)).to_vec();
        let kind = table
            .choices("kind", &Kind::NAMES, problems)
            .unwrap_or_default();
        let region = same(table.texts("region", problems), |word| {
            choose(word, "region", &region_names, problems)
        });
        let province = same(table.texts("province", problems), |code| {
            if region_of(code.get_ref()).is_none() {
                problems.unknown_code(
                    code.span(),
                    "province (code of July 2025)",
                    code.get_ref(),
                    "79",
                );
            }
            Some(code.get_ref().clone())
        });
        let location = table.texts("location", problems).unwrap_or_default();
        for id in &location {
            if locations.get(id.get_ref()).is_none() {
                let known = locations.iter().map(|location| location.id.as_str());
                problems.unknown(id.span(), "location", id.get_ref(), known);
            }
        }
        let service = table.texts("service", problems).unwrap_or_default();
        for name in &service {
            let known: BTreeSet<&str> = locations
                .iter()
                .flat_map(|location| &location.services)
                .map(String::as_str)
                .collect();
            if !known.contains(name.get_ref().as_str()) {
                problems.unknown(name.span(), "service", name.get_ref(), known);
            }
        }
        let tag = table.texts("tag", problems).unwrap_or_default();
        for name in &tag {
            let known: BTreeSet<&str> = locations
                .iter()
                .flat_map(|location| &location.tags)
                .map(String::as_str)
                .collect();
            if !known.contains(name.get_ref().as_str()) {
                problems.unknown(name.span(), "location tag", name.get_ref(), known);
            }
        }
        let within_m = table
            .count("within_km", 1, problems)
            .map(|km| km.saturating_mul(1_000));
        let open_now = table.boolean("open_now", problems).unwrap_or(false);
        table.finish(problems);
        Filter {
            kind,
            region,
            province,
            location: location.into_iter().map(Spanned::into_inner).collect(),
            service: service.into_iter().map(Spanned::into_inner).collect(),
            tag: tag.into_iter().map(Spanned::into_inner).collect(),
            within_m,
            open_now,
        }
    }

    /// `{ action = "hold", reason = "…" }`; the short forms `{ hold = "…" }` and `"next_rule"` mean
    /// the same.
    fn otherwise(&mut self, value: Value<'_>, place: Place) -> Option<Otherwise> {
        let problems = &mut self.problems;
        let (action, reason) = if matches!(value.get_ref(), DeValue::String(_)) {
            let word = text(value, "otherwise", problems)?;
            (choose(&word, "action", &Action::NAMES, problems), None)
        } else {
            let mut table = Table::of(value, "otherwise", problems)?;
            let mut action = table.choice("action", &Action::NAMES, problems);
            let mut reason = table.text("reason", problems).map(Spanned::into_inner);
            for (key, short) in [
                ("hold", Action::Hold),
                ("backorder", Action::Backorder),
                ("cancel", Action::Cancel),
            ] {
                let Some(code) = table.text(key, problems) else {
                    continue;
                };
                if action.replace(short).is_some()
                    || reason.replace(code.get_ref().clone()).is_some()
                {
                    problems.add(
                        code.span(),
                        "`otherwise` says two things: one action with one reason",
                    );
                }
            }
            if action.is_none() && !table.has("action") {
                table.missing("action", problems);
            }
            table.finish(problems);
            (action, reason)
        };
        let action = action?;
        if action == Action::NextRule && place == Place::Default {
            problems.add(
                value.span(),
                "the default is the last rule: there is no next one",
            );
        }
        Some(Otherwise {
            action,
            reason: reason.unwrap_or_else(|| "no-stock".to_owned()),
        })
    }
}

/// `"same"`, or a list of values.
fn same<T>(
    words: Option<Vec<Spanned<String>>>,
    mut read: impl FnMut(&Spanned<String>) -> Option<T>,
) -> Option<Same<T>> {
    let words = words?;
    match words.as_slice() {
        [only] if only.get_ref() == "same" => Some(Same::AsOrder),
        _ => Some(Same::OneOf(words.iter().filter_map(&mut read).collect())),
    }
}

/// Whether some order could find this location through the filter.
fn reaches(from: &Filter, location: &super::Location) -> bool {
    (from.kind.is_empty() || from.kind.contains(&location.kind))
        && (from.location.is_empty() || from.location.contains(&location.id))
        && !matches!(&from.region, Some(Same::OneOf(regions)) if !regions.contains(&location.region))
        && !matches!(&from.province, Some(Same::OneOf(provinces)) if !provinces.contains(&location.province))
        && from
            .service
            .iter()
            .all(|service| location.services.contains(service))
        && from.tag.iter().all(|tag| location.tags.contains(tag))
}

fn plain(written: Option<Vec<Spanned<String>>>) -> Vec<String> {
    written
        .unwrap_or_default()
        .into_iter()
        .map(Spanned::into_inner)
        .collect()
}
