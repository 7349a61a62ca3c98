//! The shape of `routing.toml` and `locations.toml` as an administrator writes them.
//!
//! These types are what editors see (`kenh schema` prints their JSON Schema). Files are read with
//! positions and all their problems by the parsers beside; a test keeps the two in step.
#![expect(
    missing_docs,
    reason = "the comments of these types are the descriptions in the schema"
)]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Action, Kind, Moment, Region, SortKey, Weekday};

/// The JSON Schema of `routing.toml`.
#[must_use]
pub fn routing_schema() -> schemars::Schema {
    schemars::schema_for!(RoutingFile)
}

/// The JSON Schema of `locations.toml`.
#[must_use]
pub fn locations_schema() -> schemars::Schema {
    schemars::schema_for!(LocationsFile)
}

/// One value or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// Rules in order, first match wins.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingFile {
    /// The version of this language: 1.
    pub version: u32,
    /// Who wrote the file.
    pub author: Option<String>,
    /// From when the rules are meant to be in force.
    pub active_from: Option<Written>,
    /// After how many rejections only Hubs are asked (3).
    pub max_rounds: Option<u32>,
    /// For orders that no rule fits.
    pub default: DefaultRule,
    #[serde(default)]
    pub rule: Vec<Rule>,
    #[serde(default)]
    pub test: Vec<Test>,
}

/// A date and time, as TOML or as a string; without an offset in Vietnam's time.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Written {
    Text(String),
    #[schemars(with = "String")]
    Native(toml::value::Datetime),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultRule {
    pub name: String,
    pub legs: Option<Legs>,
    pub keep_together: Option<OneOrMany<Together>>,
    pub source: Option<OneOrMany<Source>>,
    pub otherwise: Option<Otherwise>,
    pub hold: Option<String>,
    pub tag: Option<OneOrMany<String>>,
    pub priority: Option<i32>,
    pub gift: Option<OneOrMany<Gift>>,
    pub transfer_to_store: Option<bool>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique; it stands in every decision.
    pub name: String,
    /// All keys must hold.
    pub when: When,
    /// What follows besides the goods; an invoice on delivery if not written.
    pub legs: Option<Legs>,
    /// Lines that must leave together.
    pub keep_together: Option<OneOrMany<Together>>,
    /// Where the goods may come from, tried in order.
    pub source: Option<OneOrMany<Source>>,
    /// What to do if the lines cannot be placed; hold with `no-stock` if not written.
    pub otherwise: Option<Otherwise>,
    /// Hold every order of this rule, with this reason.
    pub hold: Option<String>,
    /// Tags to put on the order.
    pub tag: Option<OneOrMany<String>>,
    /// Order of work at the location, higher first.
    pub priority: Option<i32>,
    /// Gifts to add, if one of the order's own parcels has them.
    pub gift: Option<OneOrMany<Gift>>,
    /// Another location may fill a pick-up and move it to the store.
    pub transfer_to_store: Option<bool>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    pub channel: Option<OneOrMany<String>>,
    pub connector: Option<OneOrMany<String>>,
    /// Codes of July 2025 (`79`), or of before (`old:24`).
    pub province: Option<OneOrMany<String>>,
    pub region: Option<OneOrMany<Region>>,
    /// Five digits, or `old:` and five digits.
    pub ward: Option<OneOrMany<String>>,
    /// Grand total in đồng.
    pub total: Option<Range>,
    /// Pieces of all lines.
    pub quantity: Option<Range>,
    pub payment_method: Option<OneOrMany<PaymentMethod>>,
    /// To be collected on delivery, in đồng.
    pub cod: Option<Range>,
    /// One line must fit all keys.
    pub any_line: Option<Line>,
    /// Every line must fit all keys.
    pub all_lines: Option<Line>,
    pub customer_group: Option<OneOrMany<String>>,
    pub tag: Option<OneOrMany<String>>,
    pub placed_at: Option<Window>,
    /// The day in Vietnam on which the order was placed.
    pub weekday: Option<OneOrMany<Weekday>>,
    pub promised_by: Option<Promise>,
    pub fulfilled_by: Option<Sender>,
    /// Must not hold.
    pub not: Option<Box<When>>,
    /// One of them must hold.
    pub any: Option<OneOrMany<Box<When>>>,
    /// All of them must hold.
    pub all: Option<OneOrMany<Box<When>>>,
}

/// From `min` to `max`, both included.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub min: Option<i64>,
    pub max: Option<i64>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub category: Option<OneOrMany<String>>,
    pub brand: Option<OneOrMany<String>>,
    pub sku: Option<OneOrMany<String>>,
    /// The beginning of the SKU.
    pub sku_prefix: Option<OneOrMany<String>>,
    pub tag: Option<OneOrMany<String>>,
}

/// A stretch of time; `to` is not in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub from: Option<Written>,
    pub to: Option<Written>,
    /// `08:00-12:00` of each day.
    pub time: Option<String>,
}

/// When the goods were promised.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    pub from: Option<Written>,
    pub to: Option<Written>,
    /// `08:00-12:00` of the promised day.
    pub time: Option<String>,
    /// At most so many hours after the order was placed.
    pub within_hours: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    Cod,
    Prepaid,
    BankTransfer,
    Card,
    Wallet,
    Installment,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    Us,
    Marketplace,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Together {
    Bundle,
    Gift,
    Order,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Legs {
    pub invoice: Option<Leg>,
    pub installation: Option<Leg>,
    pub warranty: Option<Leg>,
    pub carrier: Option<Leg>,
    pub notify: Option<Leg>,
}

/// `{ target, when }`, or one of the two as a word, or true or false.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Leg {
    Wanted(bool),
    /// A moment for `invoice` and `warranty` (or `none`), else a target.
    Word(String),
    Full(FullLeg),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FullLeg {
    /// The target to call; the only one of its kind if not written.
    pub target: Option<String>,
    /// The moment that releases it.
    pub when: Option<Moment>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub from: From,
    /// Lexicographic; the location's id is the last tie-break.
    pub sort: Option<OneOrMany<SortKey>>,
    /// Pieces left at the location on top of its own safety stock.
    pub keep_back: Option<u32>,
    /// It may send what can no longer leave before the promise.
    pub late_ok: Option<bool>,
    /// How far the order may be split; never if not written.
    pub split: Option<Split>,
}

/// Which locations.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct From {
    pub kind: Option<OneOrMany<Kind>>,
    /// `same` as the order's, or regions.
    pub region: Option<OneOrMany<String>>,
    /// `same` as the order's, or codes.
    pub province: Option<OneOrMany<String>>,
    /// Ids.
    pub location: Option<OneOrMany<String>>,
    /// All of them must be offered.
    pub service: Option<OneOrMany<String>>,
    /// All of them must be there.
    pub tag: Option<OneOrMany<String>>,
    pub within_km: Option<u32>,
    pub open_now: Option<bool>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// 2 to 20, over the whole order.
    pub max_parcels: u32,
    /// No parcel of a split order may be worth less, in đồng.
    pub min_value: Option<i64>,
}

/// `{ action, reason }`; or for short `{ hold = "reason" }`, or the action as a word.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Otherwise {
    Word(Action),
    Full(FullOtherwise),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FullOtherwise {
    pub action: Option<Action>,
    pub reason: Option<String>,
    pub hold: Option<String>,
    pub backorder: Option<String>,
    pub cancel: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gift {
    pub sku: String,
    pub quantity: Option<u32>,
}

/// An order, the stock, and what must come of it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub name: String,
    /// The moment of the decision; a Monday morning if not written.
    pub at: Option<Written>,
    pub order: TestOrder,
    /// Enough of everything everywhere if not written.
    pub stock: Option<Vec<TestStock>>,
    pub expect: Expect,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestOrder {
    pub channel: Option<String>,
    /// That of the channel if not written.
    pub connector: Option<String>,
    pub province: Option<String>,
    pub ward: Option<String>,
    pub position: Option<Position>,
    /// The worth of the lines if not written.
    pub total: Option<i64>,
    pub cod: Option<i64>,
    pub payment_method: Option<PaymentMethod>,
    pub tags: Option<OneOrMany<String>>,
    pub customer_group: Option<String>,
    pub placed_at: Option<Written>,
    pub promised_by: Option<Written>,
    pub fulfilled_by: Option<Sender>,
    pub fixed_location: Option<String>,
    pub lines: Vec<TestLine>,
    /// Locations that rejected the order.
    pub excluded: Option<OneOrMany<String>>,
    pub round: Option<u32>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestLine {
    pub id: Option<String>,
    pub sku: String,
    pub category: Option<String>,
    pub brand: Option<String>,
    pub tags: Option<OneOrMany<String>>,
    pub quantity: Option<u32>,
    pub unit_price: Option<i64>,
    pub gift_of: Option<String>,
    pub bundle: Option<String>,
    /// Components, if it is a kit.
    pub kit: Option<Vec<Gift>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestStock {
    pub location: String,
    pub sku: String,
    pub on_hand: i64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub rule: Option<String>,
    /// `allocated, marketplace, hold, backorder, cancel`.
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub locations: Option<OneOrMany<String>>,
    pub parcels: Option<u32>,
    pub legs: Option<OneOrMany<String>>,
    /// The target of the installation.
    pub installation: Option<String>,
    pub tags: Option<OneOrMany<String>>,
}

/// Degrees, WGS 84.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pub lat: f64,
    pub lon: f64,
}

/// All locations by id.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationsFile {
    pub locations: BTreeMap<String, Location>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    pub kind: Kind,
    pub name: String,
    /// The target that keeps its stock.
    pub target: String,
    /// Code of July 2025.
    pub province: String,
    pub position: Option<Position>,
    /// `08:00-21:00`.
    pub hours: String,
    /// Orders before this time leave the same day; the closing time if not written.
    pub cut_off: Option<String>,
    /// Weekdays without work.
    pub closed_on: Option<OneOrMany<Weekday>>,
    /// Dates without work, `2027-02-06`.
    pub closed_dates: Option<OneOrMany<String>>,
    /// Orders a day; no limit if not written.
    pub daily_capacity: Option<u32>,
    /// Pieces of each SKU that it never promises (0).
    pub safety_stock: Option<u32>,
    pub services: Option<OneOrMany<String>>,
    pub tags: Option<OneOrMany<String>>,
    /// Preference among Hubs, 1 first.
    pub rank: Option<u32>,
    /// Preference among all, 1 first.
    pub priority: Option<u32>,
    /// Cost of a parcel in đồng.
    pub cost: Option<i64>,
    pub active: Option<bool>,
    pub sells_online: Option<bool>,
    /// Channels that it works for; all if not written.
    pub channels: Option<OneOrMany<String>>,
    /// Provinces that it serves; all if not written.
    pub serves: Option<OneOrMany<String>>,
    /// Kilometres within which it serves whatever the province.
    pub serves_km: Option<u32>,
    /// `1C26MAA`.
    pub invoice_series: Option<String>,
}
