//! Setting what is on sale.

use bytes::Bytes;
use domain::task::{Given, Outcome, StockLevel};
use http::{Request, Response};
use serde_json::json;

use super::TikTokShop;
use super::api::{Answer, judge, partial_failure, path_id};
use crate::channel::CallContext;
use crate::feedback::{Step, Stock, Try};
use crate::target::BuildError;

impl Stock for TikTokShop {
    fn request(
        &self,
        level: &StockLevel,
        _: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let wrong = || BuildError {
            what: "channel_sku: expected product id, point, SKU id".to_owned(),
        };
        let (product, sku) = level.channel_sku.split_once('.').ok_or_else(wrong)?;
        let product = path_id(product).filter(|id| *id != "0").ok_or_else(wrong)?;
        let sku = path_id(sku).ok_or_else(wrong)?;
        let mut there = json!({ "quantity": level.available.max(0) });
        if let Some(warehouse) = &self.0.warehouse_id {
            there["warehouse_id"] = json!(warehouse);
        }
        let path = format!("/product/202309/products/{product}/inventory/update");
        let body = json!({ "skus": [{ "id": sku, "inventory": [there] }] });
        self.post(&path, &[], &body, call).ok_or_else(wrong)
    }

    fn read(&self, _: &StockLevel, _: Try<'_>, response: &Response<Bytes>) -> Step {
        Step::Done(match judge(response) {
            Answer::Good(document) => match partial_failure(&document) {
                Some((code, message)) => Outcome::Refused {
                    code: code.to_string(),
                    message,
                },
                None => Outcome::Accepted {
                    given: Given::default(),
                },
            },
            Answer::TokenExpired => return Step::TokenExpired,
            Answer::Retry { after_s, reason } => Outcome::Retry { after_s, reason },
            Answer::Account { reason } => Outcome::Account { reason },
            Answer::Refused { code, reason } => Outcome::Refused {
                code: code.to_string(),
                message: reason,
            },
        })
    }
}
