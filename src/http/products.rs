//! `/api/v1/products` and `/api/v1/sku-mappings`: the catalog, and what channels call its
//! articles. One fix here releases all orders that are held for its lack.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, Scope};
use super::extract::{self, Query};
use super::page;
use super::problem::Problem;
use super::stock::kits;
use crate::gateway::Gateway;
use crate::pipeline::timers;
use crate::store::products::{self, Author, Mapping, Product};

/// Products or mappings in one request at most.
const MOST: usize = 5_000;

/// Characters of a SKU at most.
const SKU_LENGTH: usize = 64;

/// Characters of any other text at most.
const TEXT_LENGTH: usize = 500;

/// Months of warranty at most.
const MOST_MONTHS: u32 = 240;

/// Pieces of a part in one kit at most.
const MOST_PIECES: u32 = 1_000;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(list, put))
        .routes(routes!(list_mappings, put_mappings))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this category.
    category: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200; 50 if left out.
    limit: Option<u32>,
}

/// A page of products.
#[derive(Debug, Serialize, ToSchema)]
struct ProductPage {
    /// In the order of the SKUs.
    data: Vec<Product>,
    /// Send it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// What was written.
#[derive(Debug, Serialize, ToSchema)]
struct Written {
    /// How many.
    written: usize,
}

/// Products by SKU
#[utoipa::path(
    get, path = "/products", tag = "catalog", operation_id = "list_products", params(Filter),
    responses((status = 200, description = "A page", body = ProductPage)),
    security(("token" = ["stock:read"])),
)]
async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<ProductPage>, Problem> {
    caller.require(Scope::StockRead)?;
    let limit = page::limit(filter.limit)?;
    let after = filter.cursor.unwrap_or_default();
    let data = products::page(&gateway.db, filter.category.as_deref(), &after, limit).await?;
    let is_full = i64::try_from(data.len()).is_ok_and(|n| n >= limit);
    let next_cursor = data.last().filter(|_| is_full).map(|p| p.sku.clone());
    Ok(Json(ProductPage { data, next_cursor }))
}

/// Writes products
///
/// Each product of the list replaces the one with its SKU as a whole; others stay. Held orders look
/// at themselves again.
#[utoipa::path(
    put, path = "/products", tag = "catalog", operation_id = "put_products",
    request_body = Vec<Product>,
    responses((status = 200, description = "They are in force", body = Written)),
    security(("token" = ["stock:write"])),
)]
async fn put(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    extract::Json(list): extract::Json<Vec<Product>>,
) -> Result<Json<Written>, Problem> {
    caller.require(Scope::StockWrite)?;
    caller.require_unbound()?;
    at_most(list.len())?;
    let parts = list
        .iter()
        .flat_map(|product| &product.components)
        .map(|part| part.sku.as_str());
    let known = kits(&gateway.db, parts).await?;
    check(&list, known, |class| {
        gateway.config.tax.rates().is_empty() || gateway.config.tax.knows(class)
    })?;
    let author = Author {
        actor: caller.actor(),
        action: "product.put",
    };
    products::put_as(&gateway.db, gateway.now_ms(), author, &list).await?;
    take_effect(&gateway).await;
    Ok(Json(Written {
        written: list.len(),
    }))
}

fn at_most(n: usize) -> Result<(), Problem> {
    if n > MOST {
        return Err(Problem::invalid("", format!("at most {MOST} at once")));
    }
    Ok(())
}

/// Lets this process see the new catalog at once; others read it within seconds. The write is
/// done by then: if this fails, the timer does it.
async fn take_effect(gateway: &Arc<Gateway>) {
    let refreshed = gateway.catalog.refresh(&gateway.db).await;
    if let Err(error) = refreshed {
        tracing::warn!(error = %crate::telemetry::chain(&error), "could not read the catalog after it was written; a timer will");
        return;
    }
    let gateway = Arc::clone(gateway);
    let tracker = gateway.shutdown.clone();
    // There may be thousands of held orders, and nobody needs to wait for them.
    tracker.spawn(async move {
        if let Err(error) = timers::nudge_held(&gateway).await {
            tracing::error!(error = %crate::telemetry::chain(&error), "could not wake the held orders after a change of the catalog");
        }
    });
}

/// Checks products; `known` says which of their parts are stored, and whether each is a kit.
fn check(
    list: &[Product],
    mut known: HashMap<String, bool>,
    has_tax_class: impl Fn(&str) -> bool,
) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    for (n, product) in list.iter().enumerate() {
        let wrong = |field: &str, detail: &str| Problem::invalid(format!("[{n}].{field}"), detail);
        sku(&product.sku).map_err(|detail| wrong("sku", detail))?;
        if !seen.insert(product.sku.as_str()) {
            return Err(wrong("sku", "is given twice"));
        }
        text(&product.name).map_err(|detail| wrong("name", detail))?;
        for (field, value) in [
            ("category", &product.category),
            ("brand", &product.brand),
            ("tax_class", &product.tax_class),
            ("unit", &product.unit),
        ] {
            if let Some(value) = value {
                text(value).map_err(|detail| wrong(field, detail))?;
            }
        }
        for (m, tag) in product.tags.iter().enumerate() {
            text(tag).map_err(|detail| wrong(&format!("tags[{m}]"), detail))?;
        }
        if product.price.is_some_and(|price| price < 0) {
            return Err(wrong("price", "must not be negative"));
        }
        if let Some(class) = &product.tax_class
            && !has_tax_class(class)
        {
            return Err(wrong("tax_class", "tax.toml has no such class"));
        }
        if product.warranty_months > MOST_MONTHS {
            return Err(wrong("warranty_months", "must be at most 240"));
        }
        known.insert(product.sku.clone(), !product.components.is_empty());
    }
    for (n, product) in list.iter().enumerate() {
        let mut parts = BTreeSet::new();
        for (m, part) in product.components.iter().enumerate() {
            let wrong = |field: &str, detail: &str| {
                Problem::invalid(format!("[{n}].components[{m}].{field}"), detail)
            };
            match known.get(&part.sku) {
                None => return Err(wrong("sku", "there is no such product")),
                Some(true) => return Err(wrong("sku", "a kit cannot be a part of a kit")),
                Some(false) => {}
            }
            if !parts.insert(&part.sku) {
                return Err(wrong("sku", "is given twice"));
            }
            if !(1..=MOST_PIECES).contains(&part.quantity) {
                return Err(wrong("quantity", "must be between 1 and 1000"));
            }
        }
    }
    Ok(())
}

fn sku(written: &str) -> Result<(), &'static str> {
    text(written)?;
    if written.chars().count() > SKU_LENGTH {
        return Err("must have at most 64 characters");
    }
    Ok(())
}

fn text(written: &str) -> Result<(), &'static str> {
    if written.trim().is_empty() {
        return Err("must not be empty");
    }
    if written.trim() != written {
        return Err("must not begin or end with a space");
    }
    if written.chars().any(char::is_control) {
        return Err("must not hold control characters");
    }
    if written.chars().count() > TEXT_LENGTH {
        return Err("must have at most 500 characters");
    }
    Ok(())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MappingFilter {
    /// Only of this channel.
    channel: Option<String>,
    /// Only those that lead to this SKU.
    sku: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200; 50 if left out.
    limit: Option<u32>,
}

/// A page of SKU mappings.
#[derive(Debug, Serialize, ToSchema)]
struct MappingPage {
    /// In the order of channel and channel SKU.
    data: Vec<Mapping>,
    /// Send it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// What channels call our products
#[utoipa::path(
    get, path = "/sku-mappings", tag = "catalog", operation_id = "list_sku_mappings",
    params(MappingFilter),
    responses((status = 200, description = "A page", body = MappingPage)),
    security(("token" = ["stock:read"])),
)]
async fn list_mappings(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<MappingFilter>,
) -> Result<Json<MappingPage>, Problem> {
    caller.require(Scope::StockRead)?;
    let limit = page::limit(filter.limit)?;
    let (channel, channel_sku) = page::read_pair(filter.cursor.as_deref())?;
    let data = products::mappings(
        &gateway.db,
        filter.channel.as_deref(),
        filter.sku.as_deref(),
        (&channel, &channel_sku),
        limit,
    )
    .await?;
    let is_full = i64::try_from(data.len()).is_ok_and(|n| n >= limit);
    let next_cursor = data
        .last()
        .filter(|_| is_full)
        .map(|m| page::pair_cursor(&m.channel, &m.channel_sku));
    Ok(Json(MappingPage { data, next_cursor }))
}

/// Writes SKU mappings
///
/// Each mapping of the list replaces the one of its channel and channel SKU; others stay. Held
/// orders look at themselves again.
#[utoipa::path(
    put, path = "/sku-mappings", tag = "catalog", operation_id = "put_sku_mappings",
    request_body = Vec<Mapping>,
    responses((status = 200, description = "They are in force", body = Written)),
    security(("token" = ["stock:write"])),
)]
async fn put_mappings(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    extract::Json(list): extract::Json<Vec<Mapping>>,
) -> Result<Json<Written>, Problem> {
    caller.require(Scope::StockWrite)?;
    caller.require_unbound()?;
    at_most(list.len())?;
    let known = kits(&gateway.db, list.iter().map(|m| m.sku.as_str())).await?;
    let mut seen = BTreeSet::new();
    for (n, mapping) in list.iter().enumerate() {
        let wrong = |field: &str, detail: &str| Problem::invalid(format!("[{n}].{field}"), detail);
        if gateway.config.channel(&mapping.channel).is_none() {
            return Err(wrong("channel", "there is no such channel"));
        }
        text(&mapping.channel_sku).map_err(|detail| wrong("channel_sku", detail))?;
        if !known.contains_key(&mapping.sku) {
            return Err(wrong("sku", "there is no such product"));
        }
        if !seen.insert((&mapping.channel, &mapping.channel_sku)) {
            return Err(wrong("channel_sku", "is given twice for this channel"));
        }
    }
    let author = Author {
        actor: caller.actor(),
        action: "sku_mapping.put",
    };
    products::map_as(&gateway.db, gateway.now_ms(), author, &list).await?;
    take_effect(&gateway).await;
    Ok(Json(Written {
        written: list.len(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::products::KitPart;

    fn product(sku: &str, parts: &[&str]) -> Product {
        Product {
            sku: sku.to_owned(),
            name: "Máy lạnh".to_owned(),
            components: parts
                .iter()
                .map(|sku| KitPart {
                    sku: (*sku).to_owned(),
                    quantity: 1,
                })
                .collect(),
            ..Product::default()
        }
    }

    fn refused(list: &[Product]) -> String {
        let problem = check(list, HashMap::new(), |class| class == "standard").unwrap_err();
        format!("{problem:?}")
    }

    #[test]
    fn a_kit_of_products_of_the_same_list_is_good() {
        let list = [
            product("KIT", &["A", "B"]),
            product("A", &[]),
            product("B", &[]),
        ];
        assert!(check(&list, HashMap::new(), |_| true).is_ok());
    }

    #[test]
    fn a_wrong_product_is_named_by_its_place_and_field() {
        let kit_of_kit = [
            product("KIT", &["K2"]),
            product("K2", &["A"]),
            product("A", &[]),
        ];
        assert!(refused(&kit_of_kit).contains("[0].components[0].sku"));
        assert!(refused(&[product("KIT", &["missing"])]).contains("[0].components[0].sku"));
        assert!(refused(&[product("A", &[]), product("A", &[])]).contains("[1].sku"));
        assert!(refused(&[product(" A", &[])]).contains("[0].sku"));
        let taxed = Product {
            tax_class: Some("luxury".to_owned()),
            ..product("A", &[])
        };
        assert!(refused(&[taxed]).contains("[0].tax_class"));
    }
}
