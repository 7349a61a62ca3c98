//! What routing may know of an order. The order aggregate builds it; no personal data is in it.

use serde::{Deserialize, Serialize};

use super::{Position, Region, legacy_region_of, region_of};

/// An order, as far as routing is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingOrder {
    /// The channel's id, `shopee-vn`.
    pub channel: String,
    /// The channel's connector, `shopee`.
    pub connector: String,
    /// Province of delivery, VN-2025-07 code.
    pub province: Option<String>,
    /// Province from before July 2025, if the buyer's address was an old one.
    pub legacy_province: Option<String>,
    /// Ward or commune of delivery, VN-2025-07 code; of a divided old commune, the default.
    pub ward: Option<String>,
    /// Ward from before July 2025, if the buyer's address was an old one.
    #[serde(default)]
    pub legacy_ward: Option<String>,
    /// Region of delivery; taken from the province where it is `None`.
    pub region: Option<Region>,
    /// Where exactly, if known; the centre of the ward, else of the province stands in for it.
    pub position: Option<Position>,
    /// Grand total in đồng.
    pub total: i64,
    /// To be collected on delivery, in đồng; 0 if nothing is.
    pub cod: i64,
    /// `cod, prepaid, bank_transfer, card, wallet, installment`.
    pub payment_method: String,
    /// The order's own tags.
    pub tags: Vec<String>,
    /// The buyer's group, if the customer is known.
    pub customer_group: Option<String>,
    /// When the buyer ordered.
    pub placed_at: jiff::Timestamp,
    /// When the goods were promised at the buyer's door.
    pub promised_by: Option<jiff::Timestamp>,
    /// Who sends the goods.
    pub fulfilled_by: FulfilledBy,
    /// The location that the channel or the buyer (pick-up) has fixed.
    pub fixed_location: Option<String>,
    /// What was ordered.
    pub lines: Vec<RoutingLine>,
    /// Locations that rejected this order, or did not answer in time.
    pub excluded: Vec<String>,
    /// How many times the order was routed before: 0 at first.
    pub round: u32,
}

/// One line item, as far as routing is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingLine {
    /// The line's id within its order.
    pub id: String,
    /// Our SKU.
    pub sku: String,
    /// Category in the catalog.
    pub category: Option<String>,
    /// Brand in the catalog.
    pub brand: Option<String>,
    /// Tags of the product.
    pub tags: Vec<String>,
    /// How many, at least 1.
    pub quantity: u32,
    /// Price of one in đồng.
    pub unit_price: i64,
    /// The line that this line is a gift to.
    pub gift_of: Option<String>,
    /// The bundle that this line belongs to.
    pub bundle: Option<String>,
    /// For a kit: each component's SKU and how many of it one kit needs. Empty for plain goods.
    pub kit: Vec<(String, u32)>,
}

/// Who sends the goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FulfilledBy {
    /// One of our locations.
    Us,
    /// The marketplace, from its own warehouse or from the location that it fixed.
    Marketplace,
}

impl FulfilledBy {
    /// The word used in rules.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Marketplace => "marketplace",
        }
    }
}

impl RoutingOrder {
    /// The region of delivery: as given, else that of the province, else that of the old province.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        self.region
            .or_else(|| self.province.as_deref().and_then(region_of))
            .or_else(|| self.legacy_province.as_deref().and_then(legacy_region_of))
    }

    /// All pieces of all lines together.
    #[must_use]
    pub fn quantity(&self) -> i64 {
        self.lines.iter().map(|line| i64::from(line.quantity)).sum()
    }
}

impl RoutingLine {
    /// What this line takes from the stock: (SKU, quantity), the components for a kit.
    pub fn demand(&self) -> impl Iterator<Item = (&str, i64)> {
        let quantity = i64::from(self.quantity);
        let plain = self.kit.is_empty().then_some((self.sku.as_str(), quantity));
        let components = self
            .kit
            .iter()
            .map(move |(sku, each)| (sku.as_str(), quantity * i64::from(*each)));
        plain.into_iter().chain(components)
    }

    /// Quantity × unit price, in đồng.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.unit_price.saturating_mul(i64::from(self.quantity))
    }
}
