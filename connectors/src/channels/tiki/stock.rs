//! Setting what is on sale at Tiki: an absolute level in the seller's warehouse.

use bytes::Bytes;
use domain::task::{Given, Outcome, StockLevel};
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::{Tiki, api};
use crate::channel::CallContext;
use crate::feedback::{Step, Stock, Try};
use crate::payload::word;
use crate::target::BuildError;

const UPDATE: &str = "/integration/v2/products/updateSku";

impl Stock for Tiki {
    fn request(
        &self,
        level: &StockLevel,
        _: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let product: u64 = level.channel_sku.parse().map_err(|_| BuildError {
            what: "channel_sku: expected a product id of Tiki".to_owned(),
        })?;
        let inventory = self.inventory(None)?;
        let body = json!({
            "product_id": product,
            "seller_warehouse": inventory.to_string(),
            "warehouse_quantities": [
                { "warehouse_id": inventory, "qty_available": level.available.max(0) }
            ],
        });
        self.build(Method::PUT, UPDATE, Some(&body), call)
    }

    /// Tiki takes a change at once or refuses it; some products wait for a person at Tiki.
    fn read(&self, _: &StockLevel, _: Try<'_>, response: &Response<Bytes>) -> Step {
        let document = match api::good(response) {
            Ok(document) => document,
            Err(step) => return *step,
        };
        let state = document.get("state").and_then(Value::as_str).map(word);
        match state.as_deref() {
            Some("rejected") => api::refused("rejected", "Tiki rejected the change"),
            Some(_) | None => Step::Done(Outcome::Accepted {
                given: Given {
                    state,
                    ..Given::default()
                },
            }),
        }
    }
}
