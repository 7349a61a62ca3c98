//! What is on sale: Shopify counts inventory items per location, orders name variants; so the
//! variant's item is asked for first.

use bytes::Bytes;
use domain::task::{Given, StockLevel};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::Shopify;
use crate::channel::CallContext;
use crate::channels::storefront::api::{self, judge};
use crate::channels::storefront::deeds::{Rest as _, number};
use crate::feedback::{Step, Stock, Try};
use crate::payload;
use crate::target::BuildError;

#[derive(Deserialize)]
struct Answer {
    variant: Variant,
}

#[derive(Deserialize)]
struct Variant {
    inventory_item_id: u64,
    inventory_management: Option<String>,
}

impl Stock for Shopify {
    fn request(
        &self,
        level: &StockLevel,
        attempt: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let Some(item) = attempt.got.first() else {
            let variant = number(&level.channel_sku, "channel_sku")?;
            let path = format!(
                "/variants/{variant}.json?fields=id,inventory_item_id,inventory_management"
            );
            return Ok(self.call(Method::GET, &path, None));
        };
        let location = self.settings.stock_location_id.ok_or_else(|| BuildError {
            what: "stock_location_id: is not set".to_owned(),
        })?;
        let item = number(&String::from_utf8_lossy(item), "inventory_item_id")?;
        let body = json!({
            "location_id": location, "inventory_item_id": item, "available": level.available,
        });
        Ok(self.call(Method::POST, "/inventory_levels/set.json", Some(&body)))
    }

    fn read(&self, _: &StockLevel, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        if let Some(step) = judge(response).failed() {
            return step;
        }
        if !attempt.got.is_empty() {
            return api::accepted(Given::default());
        }
        match payload::read::<Answer>(response.body()) {
            Ok(Answer { variant }) if variant.inventory_management.is_none() => {
                api::refused("not_tracked", "the shop does not count this article")
            }
            Ok(Answer { variant }) => {
                Step::Part(Bytes::from(variant.inventory_item_id.to_string()))
            }
            Err(_) => api::unreadable("variant"),
        }
    }
}
