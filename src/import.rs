//! Puts `catalog.toml` into the database: products, and the opening stock of counters that do not
//! exist yet.

use domain::routing::Locations;

use crate::config::{self, Catalog};
use crate::store::products::{KitPart, Product};
use crate::store::{Db, Error, products, stock};

/// What was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Products written; one that was there is replaced.
    pub products: usize,
    /// Opening counts in the file; a counter that was there is left alone.
    pub counts: usize,
}

/// Imports a catalog.
///
/// # Errors
/// When the database refuses.
pub async fn catalog(
    db: &Db,
    catalog: &Catalog,
    locations: &Locations,
    now: i64,
) -> Result<Imported, Error> {
    let rows: Vec<Product> = catalog.products.iter().map(product).collect();
    products::put(db, now, &rows).await?;
    let counts: Vec<stock::Count> = catalog
        .stock
        .iter()
        .map(|opening| stock::Count {
            location: opening.location.clone(),
            sku: opening.sku.clone(),
            on_hand: i64::from(opening.on_hand),
            as_of: now,
            sequence: 0,
            safety: locations
                .get(&opening.location)
                .map(|l| i64::from(l.safety_stock)),
            reference: "opening".to_owned(),
        })
        .collect();
    stock::open(db, now, &counts).await?;
    Ok(Imported {
        products: rows.len(),
        counts: counts.len(),
    })
}

fn product(product: &config::Product) -> Product {
    Product {
        sku: product.sku.clone(),
        name: product.name.clone(),
        category: Some(product.category.clone()),
        brand: product.brand.clone(),
        tags: Vec::new(),
        price: product.price,
        tax_class: product.tax_class.clone(),
        unit: None,
        serial_tracked: product.serial_tracked,
        installation: product.installation,
        warranty_months: product.warranty_months,
        components: product
            .components
            .iter()
            .map(|part| KitPart {
                sku: part.sku.clone(),
                quantity: part.quantity,
            })
            .collect(),
    }
}
