//! Setting what can be sold, as an absolute number of units. It is what the vendor calls sellable:
//! units that its own carts hold are not in it.

use bytes::Bytes;
use domain::task::{Given, Outcome, StockLevel};
use http::{Request, Response};

use super::Lazada;
use super::api::judge;
use super::feedback::{trouble, unbuildable};
use crate::channel::CallContext;
use crate::feedback::{Step, Stock, Try};
use crate::target::BuildError;

const UPDATE: &str = "/product/stock/sellable/update";

impl Stock for Lazada {
    fn request(
        &self,
        level: &StockLevel,
        _: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let ids = level.channel_sku.split_once('.');
        let (product, sku) = ids
            .filter(|(product, sku)| is_number(product) && is_number(sku))
            .ok_or_else(|| unbuildable("channel_sku: expected the ids of product and SKU"))?;
        let units = level.available.max(0);
        let quantity = format!("<SellableQuantity>{units}</SellableQuantity>");
        let quantity = match &self.0.warehouse_code {
            // Sellers with one warehouse must not use this form. The code is checked to be plain.
            Some(code) => format!(
                "<MultiWarehouseInventories><MultiWarehouseInventory>\
                 <WarehouseCode>{code}</WarehouseCode>{quantity}\
                 </MultiWarehouseInventory></MultiWarehouseInventories>"
            ),
            None => quantity,
        };
        let payload = format!(
            "<Request><Product><Skus><Sku><ItemId>{product}</ItemId><SkuId>{sku}</SkuId>\
             {quantity}</Sku></Skus></Product></Request>"
        );
        self.post(UPDATE, &[("payload", &payload)], call)
    }

    /// 501 and 4170 (less stock during a campaign) are refusals that a person must look at.
    fn read(&self, _: &StockLevel, _: Try<'_>, response: &Response<Bytes>) -> Step {
        trouble(judge(response)).unwrap_or(Step::Done(Outcome::Accepted {
            given: Given::default(),
        }))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}
