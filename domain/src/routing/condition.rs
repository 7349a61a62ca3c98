//! The conditions of a rule and how they are judged: one at a time, all must hold, and the first
//! that fails is named by its path in the file.

use jiff::{SignedDuration, Timestamp};

use super::calendar::{Clock, Weekday, local};
use super::{FulfilledBy, Region, RoutingLine, RoutingOrder};

/// One key of `when`. A list holds if one of its values fits.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each is the key of that name in the file; see docs/routing.md"
)]
pub enum Condition {
    Channel(Vec<String>),
    Connector(Vec<String>),
    /// VN-2025-07 codes, and codes from before July 2025, written `old:24`: one of either fits.
    Province {
        new: Vec<String>,
        legacy: Vec<String>,
    },
    Region(Vec<Region>),
    Ward(Vec<String>),
    Total(Range),
    Quantity(Range),
    PaymentMethod(Vec<String>),
    Cod(Range),
    AnyLine(LineMatch),
    AllLines(LineMatch),
    CustomerGroup(Vec<String>),
    Tag(Vec<String>),
    PlacedAt(Window),
    Weekday(Vec<Weekday>),
    PromisedBy(Window),
    /// The promise is at most this many hours after the order was placed.
    PromisedWithin {
        hours: u32,
    },
    FulfilledBy(FulfilledBy),
    Not(Vec<Condition>),
    Any(Vec<Vec<Condition>>),
    All(Vec<Vec<Condition>>),
}

/// What one line must be: all that is given must hold for the same line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineMatch {
    /// Categories; empty for any.
    pub category: Vec<String>,
    /// Brands; empty for any.
    pub brand: Vec<String>,
    /// SKUs; empty for any.
    pub sku: Vec<String>,
    /// Beginnings of SKUs; empty for any.
    pub sku_prefix: Vec<String>,
    /// Product tags; empty for any.
    pub tag: Vec<String>,
}

/// An inclusive range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub min: i64,
    /// At most.
    pub max: i64,
}

/// A stretch of time, and hours within each day, in Vietnam.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// Between these clock times; past midnight if the first is the later one.
    pub time: Option<(Clock, Clock)>,
}

impl Range {
    fn contains(self, value: i64) -> bool {
        self.min <= value && value <= self.max
    }
}

impl Window {
    fn contains(self, at: Timestamp) -> bool {
        let time_fits = self.time.is_none_or(|(from, to)| {
            let time = Clock::of(local(at));
            if from <= to {
                from <= time && time < to
            } else {
                from <= time || time < to
            }
        });
        time_fits && self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }
}

impl LineMatch {
    fn holds(&self, line: &RoutingLine) -> bool {
        self.first_failure(line).is_none()
    }

    fn first_failure(&self, line: &RoutingLine) -> Option<&'static str> {
        let fits = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|one| one == found))
        };
        if !fits(&self.category, line.category.as_deref()) {
            return Some("category");
        }
        if !fits(&self.brand, line.brand.as_deref()) {
            return Some("brand");
        }
        if !fits(&self.sku, Some(&line.sku)) {
            return Some("sku");
        }
        if !self.sku_prefix.is_empty()
            && !self
                .sku_prefix
                .iter()
                .any(|prefix| line.sku.starts_with(prefix))
        {
            return Some("sku_prefix");
        }
        let tagged = self.tag.is_empty() || self.tag.iter().any(|tag| line.tags.contains(tag));
        (!tagged).then_some("tag")
    }
}

/// What the conditions see of an order, with what is derived from it derived once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub order: &'a RoutingOrder,
    pub region: Option<Region>,
}

impl<'a> Subject<'a> {
    pub(super) fn of(order: &'a RoutingOrder) -> Self {
        Self {
            order,
            region: order.region(),
        }
    }
}

/// The path of the first condition that fails; `None` if all hold.
pub(super) fn first_failure(conditions: &[Condition], subject: Subject<'_>) -> Option<String> {
    let failed = conditions
        .iter()
        .find(|condition| !condition.holds(subject))?;
    Some(format!("when.{}", failed.path_of_failure(subject)))
}

/// Whether all conditions hold.
pub(super) fn all_hold(conditions: &[Condition], subject: Subject<'_>) -> bool {
    conditions.iter().all(|condition| condition.holds(subject))
}

impl Condition {
    fn holds(&self, subject: Subject<'_>) -> bool {
        let order = subject.order;
        match self {
            Self::Channel(values) => values.contains(&order.channel),
            Self::Connector(values) => values.contains(&order.connector),
            Self::Province { new, legacy } => {
                among(new, order.province.as_deref())
                    || among(legacy, order.legacy_province.as_deref())
            }
            Self::Region(values) => subject
                .region
                .is_some_and(|region| values.contains(&region)),
            Self::Ward(values) => {
                let legacy = order
                    .legacy_ward
                    .as_deref()
                    .map(|code| format!("old:{code}"));
                among(values, order.ward.as_deref()) || among(values, legacy.as_deref())
            }
            Self::Total(range) => range.contains(order.total),
            Self::Quantity(range) => range.contains(order.quantity()),
            Self::PaymentMethod(values) => values.contains(&order.payment_method),
            Self::Cod(range) => range.contains(order.cod),
            Self::AnyLine(wanted) => order.lines.iter().any(|line| wanted.holds(line)),
            // An order without lines has no line that could ask for anything.
            Self::AllLines(wanted) => {
                !order.lines.is_empty() && order.lines.iter().all(|line| wanted.holds(line))
            }
            Self::CustomerGroup(values) => among(values, order.customer_group.as_deref()),
            Self::Tag(values) => values.iter().any(|tag| order.tags.contains(tag)),
            Self::PlacedAt(window) => window.contains(order.placed_at),
            Self::Weekday(days) => days.contains(&Weekday::of(local(order.placed_at).date())),
            Self::PromisedBy(window) => order
                .promised_by
                .is_some_and(|promise| window.contains(promise)),
            Self::PromisedWithin { hours } => order.promised_by.is_some_and(|promise| {
                promise.duration_since(order.placed_at)
                    <= SignedDuration::from_hours(i64::from(*hours))
            }),
            Self::FulfilledBy(who) => order.fulfilled_by == *who,
            Self::Not(conditions) => !all_hold(conditions, subject),
            Self::Any(groups) => groups.iter().any(|group| all_hold(group, subject)),
            Self::All(groups) => groups.iter().all(|group| all_hold(group, subject)),
        }
    }

    /// The key, and for nested ones the first inner key that failed.
    fn path_of_failure(&self, subject: Subject<'_>) -> String {
        match self {
            Self::AnyLine(wanted) => line_path(self.key(), wanted, subject.order.lines.last()),
            Self::AllLines(wanted) => {
                let failing = subject.order.lines.iter().find(|line| !wanted.holds(line));
                line_path(self.key(), wanted, failing)
            }
            Self::All(groups) => {
                let inner = groups
                    .iter()
                    .flatten()
                    .find(|condition| !condition.holds(subject));
                inner.map_or_else(
                    || "all".to_owned(),
                    |inner| format!("all.{}", inner.path_of_failure(subject)),
                )
            }
            other => other.key().to_owned(),
        }
    }

    /// The key under `when`.
    pub(super) const fn key(&self) -> &'static str {
        match self {
            Self::Channel(_) => "channel",
            Self::Connector(_) => "connector",
            Self::Province { .. } => "province",
            Self::Region(_) => "region",
            Self::Ward(_) => "ward",
            Self::Total(_) => "total",
            Self::Quantity(_) => "quantity",
            Self::PaymentMethod(_) => "payment_method",
            Self::Cod(_) => "cod",
            Self::AnyLine(_) => "any_line",
            Self::AllLines(_) => "all_lines",
            Self::CustomerGroup(_) => "customer_group",
            Self::Tag(_) => "tag",
            Self::PlacedAt(_) => "placed_at",
            Self::Weekday(_) => "weekday",
            Self::PromisedBy(_) | Self::PromisedWithin { .. } => "promised_by",
            Self::FulfilledBy(_) => "fulfilled_by",
            Self::Not(_) => "not",
            Self::Any(_) => "any",
            Self::All(_) => "all",
        }
    }
}

fn line_path(key: &str, wanted: &LineMatch, line: Option<&RoutingLine>) -> String {
    match line.and_then(|line| wanted.first_failure(line)) {
        Some(inner) => format!("{key}.{inner}"),
        None => key.to_owned(),
    }
}

fn among(values: &[String], found: Option<&str>) -> bool {
    found.is_some_and(|found| values.iter().any(|value| value == found))
}
