//! Reading the `[[test]]` tables of a rule file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use toml::Spanned;

use super::problem::Problems;
use super::read::{Table, choose, one_or_many, text};
use super::rules_file::Context;
use super::rules_file_when::payment_method;
use super::tests_in_file::{Count, Expect, InFileTest};
use super::{FulfilledBy, Position, RoutingLine, RoutingOrder, region_of};
use crate::text::line_and_column;

/// When a test takes place if it does not say: a Monday morning, everything open.
const USUAL_MOMENT: &str = "2026-01-05T10:00:00+07:00";

const LEGS: [(&str, &str); 5] = [
    ("invoice", "invoice"),
    ("installation", "installation"),
    ("warranty", "warranty"),
    ("carrier", "carrier"),
    ("notify", "notify"),
];

const OUTCOMES: [(&str, &str); 5] = [
    ("allocated", "allocated"),
    ("marketplace", "marketplace"),
    ("hold", "hold"),
    ("backorder", "backorder"),
    ("cancel", "cancel"),
];

/// Reads all tests; `rules` are the names that they may expect.
pub(super) fn read(
    file: &str,
    tables: Vec<Table<'_>>,
    rules: &BTreeMap<String, usize>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Vec<InFileTest> {
    let mut reader = Reader {
        file,
        rules,
        context,
        problems,
    };
    tables
        .into_iter()
        .filter_map(|table| reader.test(table))
        .collect()
}

struct Reader<'a, 'p, 'f> {
    file: &'a str,
    rules: &'a BTreeMap<String, usize>,
    context: &'a Context<'a>,
    problems: &'p mut Problems<'f>,
}

impl Reader<'_, '_, '_> {
    fn test(&mut self, mut table: Table<'_>) -> Option<InFileTest> {
        let (line, _) = line_and_column(self.file, table.span().start);
        let name = table.required_text("name", self.problems);
        let usual: Timestamp = USUAL_MOMENT
            .parse()
            .expect("invariant: the constant is a moment");
        let at = table.moment("at", self.problems).unwrap_or(usual);
        for key in ["order", "expect"] {
            if !table.has(key) {
                table.missing(key, self.problems);
            }
        }
        let order = table
            .table("order", self.problems)
            .map(|order| self.order(order, at));
        let stock = table.has("stock").then(|| {
            let counts = table.tables("stock", self.problems);
            counts
                .into_iter()
                .filter_map(|count| self.count(count))
                .collect()
        });
        table.take("stock");
        let expect = table
            .table("expect", self.problems)
            .map(|expect| self.expect(expect));
        table.finish(self.problems);
        Some(InFileTest {
            name: name?.into_inner(),
            line,
            at,
            order: order?,
            stock,
            expect: expect?,
        })
    }

    fn order(&mut self, mut table: Table<'_>, at: Timestamp) -> RoutingOrder {
        let channel = table.text("channel", self.problems);
        let channels = &self.context.channels;
        if let Some(channel) = &channel
            && !channels.is_empty()
            && !channels.contains_key(channel.get_ref())
        {
            self.problems.unknown(
                channel.span(),
                "channel",
                channel.get_ref(),
                channels.keys().map(String::as_str),
            );
        }
        let channel = channel.map(Spanned::into_inner).unwrap_or_default();
        let connector = table
            .text("connector", self.problems)
            .map(Spanned::into_inner);
        let connector = connector
            .or_else(|| channels.get(&channel).cloned())
            .unwrap_or_default();
        let written = table.text("province", self.problems);
        let (mut province, mut legacy_province) = (None, None);
        if let Some(written) = written {
            match written.get_ref().strip_prefix("old:") {
                Some(old) => legacy_province = Some(old.to_owned()),
                None if region_of(written.get_ref()).is_some() => {
                    province = Some(written.into_inner())
                }
                None => {
                    self.problems
                        .unknown_code(written.span(), "province", written.get_ref(), "79")
                }
            }
        }
        let (mut ward, mut legacy_ward) = (None, None);
        if let Some(written) = string(table.text("ward", self.problems)) {
            match written.strip_prefix("old:") {
                Some(old) => legacy_ward = Some(old.to_owned()),
                None => ward = Some(written),
            }
        }
        let position = table
            .table("position", self.problems)
            .and_then(|mut position| {
                let (lat, lon) = (
                    position.fraction("lat", self.problems),
                    position.fraction("lon", self.problems),
                );
                position.finish(self.problems);
                Position::new(lat?, lon?)
            });
        let lines: Vec<RoutingLine> = table
            .tables("lines", self.problems)
            .into_iter()
            .enumerate()
            .filter_map(|(place, line)| self.line(line, place))
            .collect();
        let worth = lines
            .iter()
            .map(RoutingLine::value)
            .fold(0, i64::saturating_add);
        let fixed_location = self.location(&mut table, "fixed_location");
        let excluded = table.texts("excluded", self.problems).unwrap_or_default();
        let order = RoutingOrder {
            channel,
            connector,
            province,
            legacy_province,
            ward,
            legacy_ward,
            region: None,
            position,
            total: table
                .integer("total", 0..=i64::MAX, self.problems)
                .unwrap_or(worth),
            cod: table
                .integer("cod", 0..=i64::MAX, self.problems)
                .unwrap_or(0),
            payment_method: table
                .text("payment_method", self.problems)
                .and_then(|method| payment_method(&method, self.problems))
                .unwrap_or_else(|| "prepaid".to_owned()),
            tags: strings(table.texts("tags", self.problems)),
            customer_group: string(table.text("customer_group", self.problems)),
            placed_at: table.moment("placed_at", self.problems).unwrap_or(at),
            promised_by: table.moment("promised_by", self.problems),
            fulfilled_by: table
                .choice(
                    "fulfilled_by",
                    &[
                        ("us", FulfilledBy::Us),
                        ("marketplace", FulfilledBy::Marketplace),
                    ],
                    self.problems,
                )
                .unwrap_or(FulfilledBy::Us),
            fixed_location,
            lines,
            excluded: excluded.into_iter().map(Spanned::into_inner).collect(),
            round: table.count("round", 0, self.problems).unwrap_or(0),
        };
        table.finish(self.problems);
        order
    }

    fn line(&mut self, mut table: Table<'_>, place: usize) -> Option<RoutingLine> {
        let id = string(table.text("id", self.problems)).unwrap_or_else(|| (place + 1).to_string());
        let sku = table.required_text("sku", self.problems);
        let category = table.text("category", self.problems);
        let known = &self.context.categories;
        if let Some(category) = &category
            && !known.is_empty()
            && !known.contains(category.get_ref())
        {
            self.problems.unknown(
                category.span(),
                "category",
                category.get_ref(),
                known.iter().map(String::as_str),
            );
        }
        let kit = table.tables("kit", self.problems);
        let kit = kit.into_iter().filter_map(|mut part| {
            let sku = part.required_text("sku", self.problems);
            let quantity = part.count("quantity", 1, self.problems).unwrap_or(1);
            part.finish(self.problems);
            Some((sku?.into_inner(), quantity))
        });
        let kit = kit.collect();
        let line = RoutingLine {
            id,
            sku: sku.map(Spanned::into_inner).unwrap_or_default(),
            category: string(category),
            brand: string(table.text("brand", self.problems)),
            tags: strings(table.texts("tags", self.problems)),
            quantity: table.count("quantity", 1, self.problems).unwrap_or(1),
            unit_price: table
                .integer("unit_price", 0..=i64::MAX, self.problems)
                .unwrap_or(0),
            gift_of: string(table.text("gift_of", self.problems)),
            bundle: string(table.text("bundle", self.problems)),
            kit,
        };
        table.finish(self.problems);
        (!line.sku.is_empty()).then_some(line)
    }

    fn count(&mut self, mut table: Table<'_>) -> Option<Count> {
        for key in ["location", "on_hand"] {
            if !table.has(key) {
                table.missing(key, self.problems);
            }
        }
        let location = self.location(&mut table, "location");
        let sku = table.required_text("sku", self.problems);
        let on_hand = table.integer("on_hand", 0..=i64::from(u32::MAX), self.problems);
        table.finish(self.problems);
        Some(Count {
            location: location?,
            sku: sku?.into_inner(),
            on_hand: on_hand?,
        })
    }

    fn expect(&mut self, mut table: Table<'_>) -> Expect {
        let rule = table.text("rule", self.problems);
        if let Some(rule) = &rule
            && !self.rules.contains_key(rule.get_ref())
        {
            self.problems.unknown(
                rule.span(),
                "rule",
                rule.get_ref(),
                self.rules.keys().map(String::as_str),
            );
        }
        let locations = self.list(&mut table, "locations");
        for id in locations.iter().flatten() {
            self.known_location(id);
        }
        let legs = self.list(&mut table, "legs").map(|legs| {
            let known = legs
                .iter()
                .filter_map(|leg| choose(leg, "leg", &LEGS, self.problems));
            known.map(str::to_owned).collect()
        });
        let expect = Expect {
            rule: string(rule),
            outcome: table
                .choice("outcome", &OUTCOMES, self.problems)
                .map(str::to_owned),
            reason: string(table.text("reason", self.problems)),
            locations: locations.map(|ids| ids.into_iter().map(Spanned::into_inner).collect()),
            parcels: table.count("parcels", 0, self.problems),
            legs,
            installation: string(table.text("installation", self.problems)),
            tags: self
                .list(&mut table, "tags")
                .map(|tags| tags.into_iter().map(Spanned::into_inner).collect()),
        };
        table.finish(self.problems);
        expect
    }

    /// A list that may be empty: to expect nothing is an expectation.
    fn list(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<Vec<Spanned<String>>> {
        let value = table.take(key)?;
        Some(
            one_or_many(value)
                .into_iter()
                .filter_map(|item| text(item, key, self.problems))
                .collect(),
        )
    }

    fn location(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<String> {
        let id = table.text(key, self.problems)?;
        self.known_location(&id);
        Some(id.into_inner())
    }

    fn known_location(&mut self, id: &Spanned<String>) {
        let locations = self.context.locations;
        if locations.get(id.get_ref()).is_none() {
            let known = locations.iter().map(|location| location.id.as_str());
            self.problems
                .unknown(id.span(), "location", id.get_ref(), known);
        }
    }
}

fn string(written: Option<Spanned<String>>) -> Option<String> {
    written.map(Spanned::into_inner)
}

fn strings(written: Option<Vec<Spanned<String>>>) -> Vec<String> {
    written
        .unwrap_or_default()
        .into_iter()
        .map(Spanned::into_inner)
        .collect()
}
