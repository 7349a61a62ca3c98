//! A routing rule in its validated form.

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::decision::Legs;
use super::{Kind, Region};

/// A rule: for which orders, from where, and what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name, unique in the file.
    pub name: String,
    /// All must hold; empty for the default.
    pub when: Vec<Condition>,
    /// The legs of its orders.
    pub legs: Legs,
    /// Lines that must leave together.
    pub keep_together: Vec<Together>,
    /// Where the goods may come from, tried in order.
    pub sources: Vec<Source>,
    /// What to do if the lines cannot be placed.
    pub otherwise: Otherwise,
    /// Hold every order of this rule for a person, with this reason.
    pub hold: Option<String>,
    /// Tags for the order.
    pub tags: Vec<String>,
    /// Order of work, higher first.
    pub priority: i32,
    /// Gifts to add: (SKU, quantity).
    pub gifts: Vec<(String, u32)>,
    /// For a pick-up: another location may fill the order and move it to the fixed store.
    pub transfer_to_store: bool,
}

/// A set of locations, in which order to prefer them, and how far to split.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Which locations.
    pub from: Filter,
    /// Lexicographic; the location's id breaks the last tie.
    pub sort: Vec<SortKey>,
    /// Pieces of each SKU left at the location, on top of its own safety stock.
    pub keep_back: u32,
    /// Whether it may send what can no longer leave before the promise.
    pub late_ok: bool,
    /// How far an order may be split; `None` for never.
    pub split: Option<Split>,
}

/// Which locations a source asks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Kinds; empty for all.
    pub kind: Vec<Kind>,
    /// Regions.
    pub region: Option<Same<Region>>,
    /// Provinces.
    pub province: Option<Same<String>>,
    /// These ids only; empty for all.
    pub location: Vec<String>,
    /// Services that it must offer, all of them.
    pub service: Vec<String>,
    /// Tags that it must have, all of them.
    pub tag: Vec<String>,
    /// Metres at most.
    pub within_m: Option<u32>,
    /// Whether it must be open at the moment of the decision.
    pub open_now: bool,
}

/// The order's own, or one of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Same<T> {
    /// The same as the order's.
    AsOrder,
    /// One of these.
    OneOf(Vec<T>),
}

/// Bounds of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Parcels at most, over the whole order; at least 2.
    pub max_parcels: u32,
    /// No parcel of a split order may be worth less, in đồng.
    pub min_value: i64,
}

/// What must leave together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Lines of the same bundle.
    Bundle,
    /// A gift and the line that it is a gift to.
    Gift,
    /// All lines of the order.
    Order,
}

impl Together {
    /// The words used in rules.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("bundle", Self::Bundle),
        ("gift", Self::Gift),
        ("order", Self::Order),
    ];
}

/// What to do if the lines cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otherwise {
    /// What.
    pub action: Action,
    /// A short code for it, `no-stock`.
    pub reason: String,
}

/// What to do with an order that a rule cannot place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A person must look.
    Hold,
    /// Wait for stock.
    Backorder,
    /// Give up.
    Cancel,
    /// Let the next matching rule try.
    NextRule,
}

impl Action {
    /// The words used in rules.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("hold", Self::Hold),
        ("backorder", Self::Backorder),
        ("cancel", Self::Cancel),
        ("next_rule", Self::NextRule),
    ];
}

/// By what to prefer a location. For every key the smaller value wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SortKey {
    /// 0 if the promise can be kept, else 1; without a promise, days until it leaves.
    Promise,
    /// Parcels of the whole plan; for one location, the groups of lines that it cannot send.
    Parcels,
    /// 0 in the order's province, else 1.
    SameProvince,
    /// 0 in the order's region, else 1.
    SameRegion,
    /// The Hub's rank.
    HubRank,
    /// Metres.
    Distance,
    /// Thousandths of the day's capacity in use; orders today where there is no capacity.
    Load,
    /// Pieces left of the scarcest SKU, most first (so the value is negative).
    StockDepth,
    /// The location's cost of a parcel, in đồng.
    Cost,
    /// The location's priority.
    Priority,
}

impl SortKey {
    /// The words used in rules.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("promise", Self::Promise),
        ("parcels", Self::Parcels),
        ("same_province", Self::SameProvince),
        ("same_region", Self::SameRegion),
        ("hub_rank", Self::HubRank),
        ("distance", Self::Distance),
        ("load", Self::Load),
        ("stock_depth", Self::StockDepth),
        ("cost", Self::Cost),
        ("priority", Self::Priority),
    ];
}
