//! The catalog in memory: a few thousand products that every order asks for, read again when the
//! tables changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use domain::order as context;

use crate::store::products::{self, Mapping, Mark, Product};
use crate::store::{Db, Error};

/// Products and mappings as last read.
#[derive(Debug, Default)]
pub struct Catalog {
    products: HashMap<String, context::Product>,
    mappings: HashMap<(String, String), String>,
}

impl Catalog {
    /// From rows.
    #[must_use]
    pub fn new(products: Vec<Product>, mappings: Vec<Mapping>) -> Self {
        Self {
            products: products
                .into_iter()
                .map(|p| (p.sku.clone(), for_orders(p)))
                .collect(),
            mappings: mappings
                .into_iter()
                .map(|m| ((m.channel, m.channel_sku), m.sku))
                .collect(),
        }
    }

    /// All articles of a channel, each with our SKU.
    pub fn articles(&self, channel: &str) -> impl Iterator<Item = (&str, &str)> {
        self.mappings
            .iter()
            .filter(move |((of, _), _)| of == channel)
            .map(|((_, article), sku)| (article.as_str(), sku.as_str()))
    }

    /// Our SKU of a channel's article.
    #[must_use]
    pub fn article(&self, channel: &str, article: &str) -> Option<&str> {
        let key = (channel.to_owned(), article.to_owned());
        self.mappings.get(&key).map(String::as_str)
    }
}

fn for_orders(product: Product) -> context::Product {
    context::Product {
        sku: product.sku,
        category: product.category,
        brand: product.brand,
        tags: product.tags,
        serial_tracked: product.serial_tracked,
        installation: product.installation,
        warranty_months: product.warranty_months,
        tax_class: product.tax_class,
        unit: product.unit,
        kit: product
            .components
            .into_iter()
            .map(|part| (part.sku, part.quantity))
            .collect(),
    }
}

impl context::Catalog for Catalog {
    fn product(&self, sku: &str) -> Option<&context::Product> {
        self.products.get(sku)
    }

    /// A mapping of the channel's own id wins, then one of the seller SKU, then the seller SKU
    /// itself if we have it.
    fn sku_for(
        &self,
        channel: &str,
        channel_sku: Option<&str>,
        seller_sku: Option<&str>,
    ) -> Option<String> {
        for written in [channel_sku, seller_sku].into_iter().flatten() {
            let key = (channel.to_owned(), written.to_owned());
            if let Some(sku) = self.mappings.get(&key) {
                return Some(sku.clone());
            }
        }
        seller_sku
            .filter(|sku| self.products.contains_key(*sku))
            .map(str::to_owned)
    }
}

/// The catalog in force.
#[derive(Debug, Default)]
pub struct CatalogCache {
    current: ArcSwap<Catalog>,
    mark: Mutex<Mark>,
}

impl CatalogCache {
    /// The catalog as last read.
    #[must_use]
    pub fn current(&self) -> Arc<Catalog> {
        self.current.load_full()
    }

    /// Reads the catalog again if it changed; whether it did.
    ///
    /// # Errors
    /// When the database refuses; the old catalog stays in force.
    pub async fn refresh(&self, db: &Db) -> Result<bool, Error> {
        let mark = products::mark(db).await?;
        if *self.mark.lock().unwrap_or_else(PoisonError::into_inner) == mark {
            return Ok(false);
        }
        let (products, mappings) = products::all(db).await?;
        self.current
            .store(Arc::new(Catalog::new(products, mappings)));
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
        Ok(true)
    }
}
