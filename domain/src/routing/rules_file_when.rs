//! Reading `when`: the conditions of a rule.

use std::ops::Range as Span;

use toml::Spanned;

use super::calendar::{Clock, Weekday};
use super::condition::{Condition, LineMatch, Range, Window};
use super::problem::Problems;
use super::read::{Table, choose};
use super::rules_file::Context;
use super::{FulfilledBy, Region, legacy_region_of, region_of};

/// The payment methods of an order.
const PAYMENT_METHODS: [(&str, &str); 6] = [
    ("cod", "cod"),
    ("prepaid", "prepaid"),
    ("bank_transfer", "bank_transfer"),
    ("card", "card"),
    ("wallet", "wallet"),
    ("installment", "installment"),
];

/// How deep `not`, `any` and `all` may nest: deeper ones nobody can read.
const MAX_DEPTH: u32 = 8;

/// Reads a `when` table; an empty one is a problem, for it would be a second default.
pub(super) fn read(
    table: Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Condition> {
    When {
        context,
        problems,
        depth: 0,
    }
    .all_of(table)
}

struct When<'a, 'p, 'f> {
    context: &'a Context<'a>,
    problems: &'p mut Problems<'f>,
    depth: u32,
}

impl When<'_, '_, '_> {
    fn all_of(&mut self, mut table: Table<'_>) -> Vec<Condition> {
        let mut found = Vec::new();
        let before = self.problems.count();
        if self.depth > MAX_DEPTH {
            self.problems.add(
                table.span(),
                format!("conditions nest deeper than {MAX_DEPTH}"),
            );
            return found;
        }
        self.of_order(&mut table, &mut found);
        self.of_place(&mut table, &mut found);
        self.of_money(&mut table, &mut found);
        for (key, make) in [
            ("any_line", Condition::AnyLine as fn(LineMatch) -> Condition),
            (
                "all_lines",
                Condition::AllLines as fn(LineMatch) -> Condition,
            ),
        ] {
            if let Some(line) = table.table(key, self.problems) {
                found.push(make(self.line(line)));
            }
        }
        self.of_time(&mut table, &mut found);
        self.nested(&mut table, &mut found);
        if found.is_empty() && self.problems.count() == before {
            self.problems.add(
                table.span(),
                "an empty condition fits every order: that is what `[default]` is for",
            );
        }
        table.finish(self.problems);
        found
    }

    fn of_order(&mut self, table: &mut Table<'_>, found: &mut Vec<Condition>) {
        let channels = &self.context.channels;
        let written = table.texts("channel", self.problems);
        let connectors = table.texts("connector", self.problems);
        if !channels.is_empty() {
            for channel in written
                .iter()
                .flatten()
                .filter(|channel| !channels.contains_key(channel.get_ref()))
            {
                self.problems.unknown(
                    channel.span(),
                    "channel",
                    channel.get_ref(),
                    channels.keys().map(String::as_str),
                );
            }
            for connector in connectors.iter().flatten() {
                if !channels.values().any(|known| known == connector.get_ref()) {
                    self.problems.unknown(
                        connector.span(),
                        "connector of a channel",
                        connector.get_ref(),
                        channels.values().map(String::as_str),
                    );
                }
            }
        }
        if let (Some(written), Some(connectors)) = (&written, &connectors) {
            let fits = written.iter().any(|channel| {
                channels
                    .get(channel.get_ref())
                    .is_none_or(|own| connectors.iter().any(|one| one.get_ref() == own))
            });
            if let (false, Some(first)) = (fits, connectors.first()) {
                self.problems.add(
                    first.span(),
                    "no channel of this rule has that connector: the rule never matches",
                );
            }
        }
        push(found, written, Condition::Channel);
        push(found, connectors, Condition::Connector);
        push(
            found,
            table.texts("customer_group", self.problems),
            Condition::CustomerGroup,
        );
        push(found, table.texts("tag", self.problems), Condition::Tag);
        let who = [
            ("us", FulfilledBy::Us),
            ("marketplace", FulfilledBy::Marketplace),
        ];
        found.extend(
            table
                .choice("fulfilled_by", &who, self.problems)
                .map(Condition::FulfilledBy),
        );
    }

    fn of_place(&mut self, table: &mut Table<'_>, found: &mut Vec<Condition>) {
        let (mut new, mut legacy) = (Vec::new(), Vec::new());
        let provinces = table.texts("province", self.problems);
        for code in provinces.iter().flatten() {
            match code.get_ref().strip_prefix("old:") {
                Some(old) if legacy_region_of(old).is_some() => legacy.push(old.to_owned()),
                Some(old) => self.problems.unknown_code(
                    code.span(),
                    "province from before July 2025",
                    old,
                    "old:77",
                ),
                None if region_of(code.get_ref()).is_some() => new.push(code.get_ref().clone()),
                None if legacy_region_of(code.get_ref()).is_some() => self.problems.add_with_hint(
                    code.span(),
                    format!(
                        "province `{}` was merged into another one in July 2025",
                        code.get_ref()
                    ),
                    Some(format!(
                        "write `old:{}` for addresses from before",
                        code.get_ref()
                    )),
                ),
                None => self
                    .problems
                    .unknown_code(code.span(), "province", code.get_ref(), "79"),
            }
        }
        let names: Vec<(&'static str, Region)> =
            Region::ALL.map(|region| (region.as_str(), region)).to_vec();
        let regions = table.choices("region", &names, self.problems);
        if let (Some(regions), Some(written)) = (&regions, &provinces)
            && !regions.is_empty()
            && !(new.is_empty() && legacy.is_empty())
        {
            let inside = new
                .iter()
                .filter_map(|code| region_of(code))
                .chain(legacy.iter().filter_map(|code| legacy_region_of(code)));
            if !inside.into_iter().any(|region| regions.contains(&region)) {
                let span = written.first().map_or(table.span(), Spanned::span);
                self.problems.add(
                    span,
                    "none of these provinces is in the region of this rule: the rule never matches",
                );
            }
        }
        if provinces.is_some() {
            found.push(Condition::Province { new, legacy });
        }
        found.extend(regions.map(Condition::Region));
        let wards = table.texts("ward", self.problems);
        for ward in wards.iter().flatten() {
            let digits = ward
                .get_ref()
                .strip_prefix("old:")
                .unwrap_or(ward.get_ref());
            if digits.len() != 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                self.problems.add(
                    ward.span(),
                    format!(
                        "`{}` is no ward: write its five digits, or `old:` and them",
                        ward.get_ref()
                    ),
                );
            }
        }
        push(found, wards, Condition::Ward);
    }

    fn of_money(&mut self, table: &mut Table<'_>, found: &mut Vec<Condition>) {
        found.extend(self.range(table, "total").map(Condition::Total));
        found.extend(self.range(table, "quantity").map(Condition::Quantity));
        if let Some(methods) = table.choices("payment_method", &PAYMENT_METHODS, self.problems) {
            found.push(Condition::PaymentMethod(
                methods.into_iter().map(str::to_owned).collect(),
            ));
        }
        found.extend(self.range(table, "cod").map(Condition::Cod));
    }

    /// `{ min = …, max = … }`, both included, at least one of them.
    fn range(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<Range> {
        let mut written = table.table(key, self.problems)?;
        let span = written.span();
        if !written.has("min") && !written.has("max") {
            self.problems
                .add(span.clone(), format!("`{key}` needs `min` or `max`"));
        }
        let min = written
            .integer("min", 0..=i64::MAX, self.problems)
            .unwrap_or(i64::MIN);
        let max = written
            .integer("max", 0..=i64::MAX, self.problems)
            .unwrap_or(i64::MAX);
        written.finish(self.problems);
        if min > max {
            self.problems.add(
                span,
                format!("`{key}`: min is above max, so the rule never matches"),
            );
        }
        Some(Range { min, max })
    }

    fn line(&mut self, mut table: Table<'_>) -> LineMatch {
        let before = self.problems.count();
        let category = table.texts("category", self.problems).unwrap_or_default();
        let known = &self.context.categories;
        if !known.is_empty() {
            for one in category.iter().filter(|one| !known.contains(one.get_ref())) {
                self.problems.unknown(
                    one.span(),
                    "category",
                    one.get_ref(),
                    known.iter().map(String::as_str),
                );
            }
        }
        let line = LineMatch {
            category: strings(category),
            brand: strings(table.texts("brand", self.problems).unwrap_or_default()),
            sku: strings(table.texts("sku", self.problems).unwrap_or_default()),
            sku_prefix: strings(table.texts("sku_prefix", self.problems).unwrap_or_default()),
            tag: strings(table.texts("tag", self.problems).unwrap_or_default()),
        };
        if line == LineMatch::default() && self.problems.count() == before {
            self.problems.add(
                table.span(),
                "the condition on lines is empty: every order fits it",
            );
        }
        if !line.sku.is_empty()
            && !line.sku_prefix.is_empty()
            && !line
                .sku
                .iter()
                .any(|sku| line.sku_prefix.iter().any(|prefix| sku.starts_with(prefix)))
        {
            self.problems.add(
                table.span(),
                "no SKU of the list has one of these prefixes: the rule never matches",
            );
        }
        table.finish(self.problems);
        line
    }

    fn of_time(&mut self, table: &mut Table<'_>, found: &mut Vec<Condition>) {
        if let Some(mut placed) = table.table("placed_at", self.problems) {
            found.push(Condition::PlacedAt(self.window(&mut placed)));
            placed.finish(self.problems);
        }
        found.extend(
            table
                .choices("weekday", &Weekday::NAMES, self.problems)
                .map(Condition::Weekday),
        );
        if let Some(mut promised) = table.table("promised_by", self.problems) {
            if let Some(hours) = promised.count("within_hours", 1, self.problems) {
                found.push(Condition::PromisedWithin { hours });
            }
            let window = self.window(&mut promised);
            if window != Window::default() || !promised.has("within_hours") {
                found.push(Condition::PromisedBy(window));
            }
            promised.finish(self.problems);
        }
    }

    fn window(&mut self, table: &mut Table<'_>) -> Window {
        let from = table.moment("from", self.problems);
        let to = table.moment("to", self.problems);
        let time = table
            .text("time", self.problems)
            .and_then(|written| self.times(&written));
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            self.problems.add(
                table.span(),
                "the window ends before it begins: the rule never matches",
            );
        }
        Window { from, to, time }
    }

    /// `22:00-06:00`: past midnight if it ends before it begins.
    fn times(&mut self, written: &Spanned<String>) -> Option<(Clock, Clock)> {
        let times = written
            .get_ref()
            .split_once('-')
            .and_then(|(from, to)| Some((Clock::parse(from)?, Clock::parse(to)?)));
        match times {
            Some((from, to)) if from != to => times,
            _ => {
                self.problems.add(
                    written.span(),
                    format!(
                        "`{}` are no times: write them as \"08:00-12:00\"",
                        written.get_ref()
                    ),
                );
                None
            }
        }
    }

    fn nested(&mut self, table: &mut Table<'_>, found: &mut Vec<Condition>) {
        self.depth += 1;
        if let Some(inner) = table.table("not", self.problems) {
            found.push(Condition::Not(self.all_of(inner)));
        }
        for (key, make) in [
            (
                "any",
                Condition::Any as fn(Vec<Vec<Condition>>) -> Condition,
            ),
            (
                "all",
                Condition::All as fn(Vec<Vec<Condition>>) -> Condition,
            ),
        ] {
            let present: Option<Span<usize>> = table.has(key).then(|| table.span());
            let before = self.problems.count();
            let groups: Vec<Vec<Condition>> = table
                .tables(key, self.problems)
                .into_iter()
                .map(|group| self.all_of(group))
                .collect();
            match present {
                Some(span) if groups.is_empty() && self.problems.count() == before => {
                    self.problems.add(span, format!("`{key}` is an empty list"));
                }
                Some(_) => found.push(make(groups)),
                None => {}
            }
        }
        self.depth -= 1;
    }
}

fn push(
    found: &mut Vec<Condition>,
    written: Option<Vec<Spanned<String>>>,
    make: fn(Vec<String>) -> Condition,
) {
    found.extend(written.map(|values| make(strings(values))));
}

fn strings(written: Vec<Spanned<String>>) -> Vec<String> {
    written.into_iter().map(Spanned::into_inner).collect()
}

/// Reads a payment method anywhere else in the file.
pub(super) fn payment_method(
    written: &Spanned<String>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    choose(written, "payment method", &PAYMENT_METHODS, problems).map(str::to_owned)
}
