//! Finding the rules that can match an order without walking them all.
//!
//! Each discrete condition at the top of a rule's `when` (or inside `all`) sets the rule's bit for
//! each of its values; a rule without such a condition has its bit for every value. The rules that
//! can match are the AND over the conditions, 64 rules a step, in the order of the file. The index
//! may let too many rules through, never too few: those that pass are still judged in full.

use std::collections::HashMap;

use super::condition::{Condition, LineMatch, Subject};
use super::rule::Rule;

/// A set of rules by their place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    fn empty(rules: usize) -> Self {
        Self(vec![0; rules.div_ceil(64)])
    }

    fn set(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn add_all(&mut self, other: &Self) {
        self.0
            .iter_mut()
            .zip(&other.0)
            .for_each(|(word, other)| *word |= other);
    }

    fn keep_only(&mut self, other: &Self) {
        self.0
            .iter_mut()
            .zip(&other.0)
            .for_each(|(word, other)| *word &= other);
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            std::iter::successors((word != 0).then_some(word), |rest| {
                let rest = rest & (rest - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |rest| {
                at * 64 + usize::try_from(rest.trailing_zeros()).expect("invariant: below 64")
            })
        })
    }
}

/// What the index looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aspect {
    Channel,
    Connector,
    Province,
    Region,
    Ward,
    PaymentMethod,
    FulfilledBy,
    CustomerGroup,
    Tag,
    Category,
    Brand,
    Sku,
}

const ASPECTS: [Aspect; 12] = [
    Aspect::Channel,
    Aspect::Connector,
    Aspect::Province,
    Aspect::Region,
    Aspect::Ward,
    Aspect::PaymentMethod,
    Aspect::FulfilledBy,
    Aspect::CustomerGroup,
    Aspect::Tag,
    Aspect::Category,
    Aspect::Brand,
    Aspect::Sku,
];

/// The index of a rule set.
#[derive(Debug, Clone)]
pub(super) struct Index {
    everything: Bits,
    aspects: Vec<Indexed>,
}

#[derive(Debug, Clone)]
struct Indexed {
    aspect: Aspect,
    /// Rules that do not look at this aspect.
    indifferent: Bits,
    by_value: HashMap<String, Bits>,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut everything = Bits::empty(rules.len());
        (0..rules.len()).for_each(|place| everything.set(place));
        let aspects = ASPECTS
            .into_iter()
            .filter_map(|aspect| Indexed::new(aspect, rules))
            .collect();
        Self {
            everything,
            aspects,
        }
    }

    /// Places of the rules that can match, in the order of the file.
    pub(super) fn candidates(&self, subject: Subject<'_>) -> Vec<usize> {
        let mut result = self.everything.clone();
        for indexed in &self.aspects {
            let mut fitting = indexed.indifferent.clone();
            each_value(indexed.aspect, subject, |value| {
                if let Some(bits) = indexed.by_value.get(value) {
                    fitting.add_all(bits);
                }
            });
            result.keep_only(&fitting);
        }
        result.places().collect()
    }
}

impl Indexed {
    /// `None` if no rule looks at this aspect.
    fn new(aspect: Aspect, rules: &[Rule]) -> Option<Self> {
        let mut indifferent = Bits::empty(rules.len());
        let mut by_value: HashMap<String, Bits> = HashMap::new();
        for (place, rule) in rules.iter().enumerate() {
            match wanted_values(aspect, &rule.when) {
                None => indifferent.set(place),
                Some(values) => {
                    for value in values {
                        by_value
                            .entry(value)
                            .or_insert_with(|| Bits::empty(rules.len()))
                            .set(place);
                    }
                }
            }
        }
        (!by_value.is_empty()).then_some(Self {
            aspect,
            indifferent,
            by_value,
        })
    }
}

/// The values of which an order must have at least one, by the first condition that says so.
fn wanted_values(aspect: Aspect, conditions: &[Condition]) -> Option<Vec<String>> {
    conditions.iter().find_map(|condition| match condition {
        Condition::All(groups) => groups.iter().find_map(|group| wanted_values(aspect, group)),
        // "All lines" implies "some line", for an order without lines fits neither.
        Condition::AnyLine(line) | Condition::AllLines(line) => wanted_of_line(aspect, line),
        other => wanted_of_order(aspect, other),
    })
}

fn wanted_of_line(aspect: Aspect, line: &LineMatch) -> Option<Vec<String>> {
    let values = match aspect {
        Aspect::Category => &line.category,
        Aspect::Brand => &line.brand,
        Aspect::Sku => &line.sku,
        _ => return None,
    };
    (!values.is_empty()).then(|| values.clone())
}

fn wanted_of_order(aspect: Aspect, condition: &Condition) -> Option<Vec<String>> {
    match (aspect, condition) {
        (Aspect::Channel, Condition::Channel(values))
        | (Aspect::Connector, Condition::Connector(values))
        | (Aspect::Ward, Condition::Ward(values))
        | (Aspect::PaymentMethod, Condition::PaymentMethod(values))
        | (Aspect::CustomerGroup, Condition::CustomerGroup(values))
        | (Aspect::Tag, Condition::Tag(values)) => Some(values.clone()),
        (Aspect::Province, Condition::Province { new, legacy }) => Some(
            new.iter()
                .cloned()
                .chain(legacy.iter().map(|code| legacy_key(code)))
                .collect(),
        ),
        (Aspect::Region, Condition::Region(regions)) => Some(
            regions
                .iter()
                .map(|region| region.as_str().to_owned())
                .collect(),
        ),
        (Aspect::FulfilledBy, Condition::FulfilledBy(who)) => Some(vec![who.as_str().to_owned()]),
        _ => None,
    }
}

fn legacy_key(code: &str) -> String {
    format!("old:{code}")
}

/// Calls `with` for each value that the order has of an aspect.
fn each_value<'a>(aspect: Aspect, subject: Subject<'a>, mut with: impl FnMut(&str)) {
    let order = subject.order;
    let mut one = |value: Option<&'a str>| value.into_iter().for_each(&mut with);
    match aspect {
        Aspect::Channel => one(Some(&order.channel)),
        Aspect::Connector => one(Some(&order.connector)),
        Aspect::Province => {
            one(order.province.as_deref());
            if let Some(code) = &order.legacy_province {
                with(&legacy_key(code));
            }
        }
        Aspect::Region => one(subject.region.map(super::Region::as_str)),
        Aspect::Ward => {
            one(order.ward.as_deref());
            if let Some(code) = &order.legacy_ward {
                with(&legacy_key(code));
            }
        }
        Aspect::PaymentMethod => one(Some(&order.payment_method)),
        Aspect::FulfilledBy => one(Some(order.fulfilled_by.as_str())),
        Aspect::CustomerGroup => one(order.customer_group.as_deref()),
        Aspect::Tag => order.tags.iter().for_each(|tag| one(Some(tag))),
        Aspect::Category => order
            .lines
            .iter()
            .for_each(|line| one(line.category.as_deref())),
        Aspect::Brand => order
            .lines
            .iter()
            .for_each(|line| one(line.brand.as_deref())),
        Aspect::Sku => order.lines.iter().for_each(|line| one(Some(&line.sku))),
    }
}
