//! Stock as routing sees it: what could still be promised, and how busy a location is today.

use std::collections::{BTreeMap, HashMap};

use super::{Location, Locations};

/// The stock at one moment. The shell fills a [`StockTable`] from the ledger for the order's SKUs.
pub trait Stock {
    /// Pieces of `sku` that `location` can still promise: on hand − reserved − the location's
    /// safety stock, which may be negative. `None` if it does not carry the SKU at all.
    fn available(&self, location: &str, sku: &str) -> Option<i64>;

    /// [`Stock::available`] for several SKUs of one location, in their order.
    fn available_each(&self, location: &str, skus: &[&str]) -> Vec<Option<i64>> {
        skus.iter()
            .map(|sku| self.available(location, sku))
            .collect()
    }

    /// Orders that `location` got today (legal day, Asia/Ho_Chi_Minh).
    fn load_today(&self, location: &str) -> u32;
}

/// Stock held in memory.
#[derive(Debug, Clone, Default)]
pub struct StockTable {
    places: HashMap<String, Place>,
}

#[derive(Debug, Clone, Default)]
struct Place {
    /// A table holds the few SKUs of an order: walking a small tree beats hashing.
    available: BTreeMap<String, i64>,
    load: u32,
}

impl StockTable {
    /// An empty table: nothing anywhere.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what `location` can promise of `sku`; safety stock is already taken off.
    pub fn set_available(&mut self, location: &str, sku: &str, pieces: i64) {
        self.place(location)
            .available
            .insert(sku.to_owned(), pieces);
    }

    /// Sets the counters of one SKU at a location and takes off its safety stock.
    pub fn set_counters(&mut self, location: &Location, sku: &str, on_hand: i64, reserved: i64) {
        self.set_available(
            &location.id,
            sku,
            on_hand - reserved - i64::from(location.safety_stock),
        );
    }

    /// Sets how many orders `location` got today.
    pub fn set_load(&mut self, location: &str, orders: u32) {
        self.place(location).load = orders;
    }

    fn place(&mut self, location: &str) -> &mut Place {
        self.places.entry(location.to_owned()).or_default()
    }
}

impl Stock for StockTable {
    fn available(&self, location: &str, sku: &str) -> Option<i64> {
        self.places.get(location)?.available.get(sku).copied()
    }

    fn available_each(&self, location: &str, skus: &[&str]) -> Vec<Option<i64>> {
        let place = self.places.get(location);
        skus.iter()
            .map(|sku| place?.available.get(*sku).copied())
            .collect()
    }

    fn load_today(&self, location: &str) -> u32 {
        self.places.get(location).map_or(0, |place| place.load)
    }
}

/// Enough of everything everywhere: what a rule's own test sees if it names no stock.
#[derive(Debug, Clone, Copy)]
pub struct Plenty<'a>(
    /// The locations that have it.
    pub &'a Locations,
);

impl Stock for Plenty<'_> {
    fn available(&self, location: &str, _sku: &str) -> Option<i64> {
        self.0.get(location).map(|_| 1_000_000)
    }

    fn load_today(&self, _location: &str) -> u32 {
        0
    }
}
