//! What the order must know of the world to judge itself: catalog, settings and the time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::buyer_notice::BuyerEvent;
use crate::feedback::NewsKind;

/// The world at the moment of a call.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The time.
    pub now: Timestamp,
    /// Products and SKU mappings, as far as this order's lines need them.
    pub catalog: &'a dyn Catalog,
    /// Configuration.
    pub settings: &'a Settings,
}

/// Products and SKU mappings.
pub trait Catalog: Send + Sync {
    /// The product of one of our SKUs.
    fn product(&self, sku: &str) -> Option<&Product>;

    /// Our SKU for a channel's article: by the mapping table, else the seller's own SKU where it
    /// is one of ours.
    fn sku_for(
        &self,
        channel: &str,
        channel_sku: Option<&str>,
        seller_sku: Option<&str>,
    ) -> Option<String>;
}

/// A product as orders need it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Product {
    /// Our SKU.
    pub sku: String,
    /// Category.
    pub category: Option<String>,
    /// Brand.
    pub brand: Option<String>,
    /// Tags for routing rules.
    pub tags: Vec<String>,
    /// Each unit has a serial number that warranty needs.
    pub serial_tracked: bool,
    /// Needs a technician's visit where the routing decision asks for one.
    pub installation: bool,
    /// Months of warranty; 0 = none.
    pub warranty_months: u32,
    /// Class in the tax table; `None` = [`Settings::default_tax_class`].
    pub tax_class: Option<String>,
    /// Unit of measure as printed on an invoice; `None` = `cái`.
    pub unit: Option<String>,
    /// For a kit: each component's SKU and how many of it one kit needs.
    pub kit: Vec<(String, u32)>,
}

/// From when on stock may be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReserveWhen {
    /// As soon as the order is placed, paid or not.
    Placed,
    /// When the channel (or staff) confirms it and, unless it is cash on delivery, money is there
    /// or authorized.
    #[default]
    Confirmed,
    /// When it is confirmed and paid in full; cash on delivery counts as paid by its nature.
    Paid,
}

/// A location, as far as orders need it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LocationSettings {
    /// The inventory target that speaks for it; `None` = nothing to call, our ledger is the truth
    /// and staff report progress.
    pub target: Option<String>,
    /// Invoice series of the location; `None` = [`Settings::default_series`].
    pub invoice_series: Option<String>,
    /// What people call it; `None` = its id.
    pub name: Option<String>,
}

/// An account that tells buyers what became of their orders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Teller {
    /// The channel that tells.
    pub channel: String,
    /// What it tells of → the facts that its text cannot do without.
    pub events: BTreeMap<BuyerEvent, BTreeSet<String>>,
    /// Whose buyers: channel of the order → what people call it.
    pub serves: BTreeMap<String, String>,
}

/// A rate of the tax table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRate {
    /// Class of products.
    pub class: String,
    /// Percent.
    pub rate: u32,
    /// First legal day (Asia/Ho_Chi_Minh) on which it holds; a later entry of the class ends it.
    pub valid_from: Date,
}

/// Configuration that orders read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `reserve_when` of channels that differ from [`Settings::reserve_when`].
    pub channels: BTreeMap<String, ReserveWhen>,
    /// For every other channel.
    pub reserve_when: ReserveWhen,
    /// Locations by id.
    pub locations: BTreeMap<String, LocationSettings>,
    /// The invoicing target where the decision names none; `None` = no invoices from here.
    pub invoice_target: Option<String>,
    /// The service center where the decision names none.
    pub installation_target: Option<String>,
    /// The warranty center where the decision names none.
    pub warranty_target: Option<String>,
    /// Invoice series where the location has none.
    pub default_series: Option<String>,
    /// The tax table.
    pub tax: Vec<TaxRate>,
    /// Class of products that name none.
    pub default_tax_class: String,
    /// What each channel wants to be told; nothing where it is not named.
    pub feedback: BTreeMap<String, BTreeSet<NewsKind>>,
    /// Who tells buyers; of two that could tell a buyer the same, the first does.
    pub tellers: Vec<Teller>,
    /// How long a reservation lasts before its fulfillment order is released, seconds.
    pub reservation_ttl_s: i64,
    /// How often an order is routed again after rejections before a person must look.
    pub max_routing_rounds: u32,
    /// How long a backorder waits before it is routed again, seconds.
    pub backorder_retry_s: i64,
    /// How long a warranty waits after delivery for the serials of a serial-tracked product,
    /// seconds.
    pub serial_wait_s: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            channels: BTreeMap::new(),
            reserve_when: ReserveWhen::default(),
            locations: BTreeMap::new(),
            invoice_target: None,
            installation_target: None,
            warranty_target: None,
            default_series: None,
            tax: Vec::new(),
            default_tax_class: "standard".to_owned(),
            feedback: BTreeMap::new(),
            tellers: Vec::new(),
            reservation_ttl_s: 1_800,
            max_routing_rounds: 3,
            backorder_retry_s: 900,
            serial_wait_s: 3_600,
        }
    }
}

impl Settings {
    /// Legal days are counted here.
    pub const LEGAL_ZONE: &'static str = "Asia/Ho_Chi_Minh";

    /// `reserve_when` of a channel.
    #[must_use]
    pub fn reserve_when(&self, channel: &str) -> ReserveWhen {
        self.channels
            .get(channel)
            .copied()
            .unwrap_or(self.reserve_when)
    }

    /// Who tells buyers of a channel's orders of this.
    #[must_use]
    pub fn teller(&self, channel: &str, event: BuyerEvent) -> Option<&Teller> {
        let mut tellers = self.tellers.iter();
        tellers.find(|teller| {
            teller.serves.contains_key(channel) && teller.events.contains_key(&event)
        })
    }

    /// What people call a location.
    #[must_use]
    pub fn location_name<'a>(&'a self, location: &'a str) -> &'a str {
        self.locations
            .get(location)
            .and_then(|known| known.name.as_deref())
            .unwrap_or(location)
    }

    /// The target that speaks for a location.
    #[must_use]
    pub fn location_target(&self, location: &str) -> Option<&str> {
        self.locations.get(location)?.target.as_deref()
    }

    /// The invoice series of a location; `None` for orders that no location of ours sends.
    #[must_use]
    pub fn series(&self, location: Option<&str>) -> Option<&str> {
        location
            .and_then(|id| self.locations.get(id)?.invoice_series.as_deref())
            .or(self.default_series.as_deref())
    }

    /// The rate of a class on a legal day; `None` where the table says nothing.
    #[must_use]
    pub fn tax_rate(&self, class: &str, day: Date) -> Option<u32> {
        self.tax
            .iter()
            .filter(|row| row.class == class && row.valid_from <= day)
            .max_by_key(|row| row.valid_from)
            .map(|row| row.rate)
    }
}
