//! `catalog.toml`: articles and opening stock, for the demo and for a first import. The catalog in
//! force lives in the database.

use std::collections::{BTreeMap, BTreeSet};

use domain::routing::Locations;
use schemars::JsonSchema;
use serde::Deserialize;

use super::document::{Document, join};
use super::problem::did_you_mean;
use super::schema;
use super::shape::At;
use super::tax::Tax;

/// `catalog.toml` as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "catalog.toml")]
pub(super) struct Written {
    /// Articles.
    pub product: Vec<Product>,
    /// Stock of an empty database.
    pub stock: Vec<OpeningStock>,
}

/// An article: `[[product]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Our SKU.
    #[schemars(length(min = 1, max = 64))]
    pub sku: String,
    /// Its name on invoices and labels.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Category that rules speak of.
    #[schemars(length(min = 1))]
    pub category: String,
    /// Brand.
    pub brand: Option<String>,
    /// Price with tax, whole đồng.
    #[schemars(range(min = 0))]
    pub price: Option<i64>,
    /// Class in `tax.toml`; `[orders] default_tax_class` if it is left out.
    pub tax_class: Option<String>,
    /// Each piece has a serial number, noted when it is packed.
    #[serde(default)]
    pub serial_tracked: bool,
    /// Months of warranty; none if 0.
    #[serde(default)]
    #[schemars(range(max = 240))]
    pub warranty_months: u32,
    /// It is installed at the buyer's place.
    #[serde(default)]
    pub installation: bool,
    /// A kit is sold as one and leaves as these; it has no stock of its own.
    #[serde(default)]
    pub components: Vec<KitPart>,
}

/// A part of a kit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KitPart {
    /// Our SKU.
    pub sku: String,
    /// Pieces in one kit.
    #[schemars(range(min = 1, max = 1_000))]
    pub quantity: u32,
}

/// Stock of an empty database: an item of `stock`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpeningStock {
    /// Location.
    pub location: String,
    /// Our SKU.
    pub sku: String,
    /// Pieces on hand.
    #[schemars(range(max = 100_000_000))]
    pub on_hand: u32,
}

/// Articles and opening stock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// Articles.
    pub products: Vec<Product>,
    /// Stock of an empty database.
    pub stock: Vec<OpeningStock>,
}

impl Catalog {
    /// All categories.
    #[must_use]
    pub fn categories(&self) -> BTreeSet<String> {
        self.products
            .iter()
            .map(|product| product.category.clone())
            .collect()
    }
}

pub(super) fn read(file: &mut Document, tax: &Tax, locations: &Locations) -> Catalog {
    file.check(&schema::of::<Written>(), "");
    let products: Vec<(String, Product)> = file.read_list("/product");
    let stock: Vec<(String, OpeningStock)> = file.read_list("/stock");
    let mut skus = BTreeMap::new();
    for (at, product) in &products {
        let is_kit = !product.components.is_empty();
        if skus.insert(product.sku.as_str(), is_kit).is_some() {
            let message = format!("the SKU `{}` is used twice", product.sku);
            file.problem_at(&join(at, "sku"), At::Value, message, None);
        }
        tax_class(
            file,
            &join(at, "tax_class"),
            product.tax_class.as_deref(),
            tax,
        );
    }
    for (at, product) in &products {
        for (part, component) in product.components.iter().enumerate() {
            sku(
                file,
                &format!("{at}/components/{part}/sku"),
                &component.sku,
                &skus,
            );
        }
    }
    let mut counted = BTreeSet::new();
    for (at, count) in &stock {
        sku(file, &join(at, "sku"), &count.sku, &skus);
        if skus.get(count.sku.as_str()) == Some(&true) {
            let message = format!(
                "{} is a kit and has no stock of its own: its parts do",
                count.sku
            );
            file.problem_at(&join(at, "sku"), At::Value, message, None);
        }
        // Without locations there is nothing to compare with; that was reported by itself.
        if !locations.is_empty() && locations.get(&count.location).is_none() {
            let ids = locations.iter().map(|location| location.id.as_str());
            let hint = did_you_mean(&count.location, ids);
            let message = format!("unknown location `{}`", count.location);
            file.problem_at(&join(at, "location"), At::Value, message, hint);
        }
        if !counted.insert((&count.location, &count.sku)) {
            let message = format!("{} is counted twice at {}", count.sku, count.location);
            file.problem_at(at, At::Value, message, None);
        }
    }
    Catalog {
        products: products.into_iter().map(|(_, product)| product).collect(),
        stock: stock.into_iter().map(|(_, count)| count).collect(),
    }
}

fn sku(file: &mut Document, at: &str, sku: &str, known: &BTreeMap<&str, bool>) {
    if !known.contains_key(sku) {
        let hint = did_you_mean(sku, known.keys().copied());
        file.problem_at(at, At::Value, format!("unknown SKU `{sku}`"), hint);
    }
}

/// Reports a class that `tax.toml` does not have.
pub(super) fn tax_class(file: &mut Document, at: &str, class: Option<&str>, tax: &Tax) {
    let Some(class) = class else { return };
    if tax.rates().is_empty() || tax.knows(class) {
        return;
    }
    let known = tax.rates().iter().map(|rate| rate.class.as_str());
    let hint =
        did_you_mean(class, known).unwrap_or_else(|| "add a [[rate]] to tax.toml".to_owned());
    file.problem_at(
        at,
        At::Value,
        format!("unknown tax class `{class}`"),
        Some(hint),
    );
}
