//! Shopee's answers about one order, as far as they are read.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::literal::Literal;

/// What [`super::fetch`] put together, an answer of `get_order_detail`, or one order of it.
#[derive(Deserialize)]
pub(super) struct Whole<'a> {
    #[serde(borrow)]
    pub(super) order_detail: Option<Answer<'a>>,
    #[serde(borrow)]
    pub(super) response: Option<Response<'a>>,
    #[serde(borrow)]
    pub(super) escrow: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tracking: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) returns: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) response: Option<Response<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Tracking {
    pub(super) response: Option<TrackingNumber>,
}

#[derive(Deserialize)]
pub(super) struct TrackingNumber {
    pub(super) tracking_number: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) order_list: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Order {
    pub(super) order_sn: String,
    pub(super) order_status: String,
    #[serde(default = "vnd")]
    pub(super) currency: String,
    #[serde(default)]
    pub(super) cod: bool,
    pub(super) total_amount: Option<Literal>,
    pub(super) estimated_shipping_fee: Option<Literal>,
    #[serde(default)]
    pub(super) pending_terms: Option<Vec<String>>,
    pub(super) message_to_seller: Option<String>,
    pub(super) create_time: Literal,
    pub(super) update_time: Literal,
    pub(super) pay_time: Option<Literal>,
    pub(super) ship_by_date: Option<Literal>,
    pub(super) buyer_user_id: Option<Literal>,
    pub(super) buyer_username: Option<String>,
    pub(super) recipient_address: Option<Address>,
    pub(super) item_list: Option<Vec<Item>>,
    pub(super) cancel_by: Option<String>,
    pub(super) cancel_reason: Option<String>,
    pub(super) buyer_cancel_reason: Option<String>,
    pub(super) fulfillment_flag: Option<String>,
    pub(super) pickup_done_time: Option<Literal>,
    pub(super) booking_sn: Option<String>,
    #[serde(default)]
    pub(super) advance_package: Option<bool>,
    pub(super) package_list: Option<Vec<Package>>,
}

#[derive(Deserialize)]
pub(super) struct Address {
    pub(super) name: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) town: Option<String>,
    pub(super) district: Option<String>,
    pub(super) city: Option<String>,
    pub(super) state: Option<String>,
    pub(super) full_address: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) item_id: Literal,
    pub(super) item_name: Option<String>,
    pub(super) item_sku: Option<String>,
    pub(super) model_id: Option<Literal>,
    pub(super) model_name: Option<String>,
    pub(super) model_sku: Option<String>,
    pub(super) model_quantity_purchased: Literal,
    pub(super) model_original_price: Option<Literal>,
    pub(super) model_discounted_price: Option<Literal>,
    pub(super) promotion_type: Option<String>,
    #[serde(default)]
    pub(super) add_on_deal: Option<bool>,
    #[serde(default)]
    pub(super) main_item: Option<bool>,
    pub(super) add_on_deal_id: Option<Literal>,
    pub(super) cancelled_qty: Option<Literal>,
    pub(super) cancel_requested_qty: Option<Literal>,
}

#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) logistics_status: Option<String>,
}

fn vnd() -> String {
    "VND".to_owned()
}

impl Item {
    /// Article and model; 0 stands for an article without models.
    pub(super) fn channel_sku(&self) -> String {
        let model = self.model_id.as_ref().map_or("0", Literal::as_str);
        format!("{}.{model}", self.item_id)
    }

    pub(super) fn deal(&self) -> Option<&Literal> {
        self.add_on_deal_id
            .as_ref()
            .filter(|id| !id.is_zero_or_empty())
    }
}
