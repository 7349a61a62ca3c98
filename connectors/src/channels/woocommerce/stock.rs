//! What is on sale. Orders name a variation by its own id, the API only below its product: so the
//! article is asked for first.

use bytes::Bytes;
use domain::task::{Given, StockLevel};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::{WooCommerce, judge};
use crate::channel::CallContext;
use crate::channels::storefront::api;
use crate::channels::storefront::deeds::number;
use crate::feedback::{Step, Stock, Try};
use crate::payload;
use crate::target::BuildError;

#[derive(Deserialize)]
struct Article {
    #[serde(default)]
    parent_id: u64,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Stock for WooCommerce {
    fn request(
        &self,
        level: &StockLevel,
        attempt: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let id = number(&level.channel_sku, "channel_sku")?;
        let Some(parent) = attempt.got.first() else {
            let path = format!("/products/{id}?_fields=id,type,parent_id");
            return Ok(self.send(Method::GET, &path, None));
        };
        let path = match number(&String::from_utf8_lossy(parent), "parent_id")? {
            0 => format!("/products/{id}"),
            parent => format!("/products/{parent}/variations/{id}"),
        };
        let body = json!({ "manage_stock": true, "stock_quantity": level.available });
        Ok(self.send(Method::PUT, &path, Some(&body)))
    }

    fn read(&self, _: &StockLevel, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        if let Some(step) = judge(response).failed() {
            return step;
        }
        if !attempt.got.is_empty() {
            return api::accepted(Given::default());
        }
        match payload::read::<Article>(response.body()) {
            // A grouped product's child also names a parent, but is a product of its own.
            Ok(article) if article.kind.as_deref() != Some("variation") => {
                Step::Part(Bytes::from_static(b"0"))
            }
            Ok(article) => Step::Part(Bytes::from(article.parent_id.to_string())),
            Err(_) => api::unreadable("article"),
        }
    }
}
