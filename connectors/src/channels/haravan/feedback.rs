//! What Haravan is told: its own confirmation, cancellations, fulfillments; and its stock, which is
//! set by product and variant, so that the variant's product is asked for first.

use bytes::Bytes;
use domain::task::{ChannelTask, Given, NewsKind, StockLevel};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::Haravan;
use crate::channel::CallContext;
use crate::channels::storefront::api::{self, judge};
use crate::channels::storefront::deeds::{self, Rest as _, number};
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::payload;
use crate::target::BuildError;

impl Feedback for Haravan {
    fn takes(&self) -> &'static [NewsKind] {
        &[NewsKind::Accepted, NewsKind::Shipped, NewsKind::Cancelled]
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        deeds::next(self, task, attempt)
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        deeds::read(self, task, attempt, response)
    }

    fn stock(&self) -> Option<&dyn Stock> {
        self.settings.stock_location_id.map(|_| self as &dyn Stock)
    }
}

#[derive(Deserialize)]
struct Answer {
    variant: Variant,
}

#[derive(Deserialize)]
struct Variant {
    product_id: u64,
}

impl Stock for Haravan {
    fn request(
        &self,
        level: &StockLevel,
        attempt: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let variant = number(&level.channel_sku, "channel_sku")?;
        let Some(product) = attempt.got.first() else {
            let path = format!("/variants/{variant}.json");
            return Ok(self.call(Method::GET, &path, None));
        };
        let location = self.settings.stock_location_id.ok_or_else(|| BuildError {
            what: "stock_location_id: is not set".to_owned(),
        })?;
        let product = number(&String::from_utf8_lossy(product), "product_id")?;
        let body = json!({ "inventory": {
            "location_id": location, "type": "set", "reason": "newproduct", "note": "Kenh",
            "line_items": [{
                "product_id": product, "product_variant_id": variant, "quantity": level.available,
            }],
        } });
        Ok(self.call(Method::POST, "/inventories/adjustorset.json", Some(&body)))
    }

    fn read(&self, _: &StockLevel, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        if let Some(step) = judge(response).failed() {
            return step;
        }
        if !attempt.got.is_empty() {
            return api::accepted(Given::default());
        }
        match payload::read::<Answer>(response.body()) {
            Ok(answer) => Step::Part(Bytes::from(answer.variant.product_id.to_string())),
            Err(_) => api::unreadable("variant"),
        }
    }
}
