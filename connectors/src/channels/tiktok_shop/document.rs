//! The vendor's order, price detail and return documents, field by field.
//!
//! Ids come as texts, amounts as decimal texts, times as seconds; all are read as literals, so that
//! a number in their place is no reason to lose an order. Every field that an order can do without
//! may be missing or `null`.

use domain::money::Amount;
use jiff::Timestamp;
use serde::Deserialize;

use crate::inbound::PayloadError;
use crate::literal::Literal;

/// `GET /order/202309/orders` and `POST /order/202309/orders/search`, one of `data.orders`.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: Literal,
    pub(super) status: String,
    pub(super) user_id: Option<Literal>,
    pub(super) buyer_nickname: Option<String>,
    pub(super) buyer_message: Option<String>,
    pub(super) create_time: Literal,
    pub(super) update_time: Option<Literal>,
    pub(super) paid_time: Option<Literal>,
    pub(super) collection_time: Option<Literal>,
    pub(super) rts_sla_time: Option<Literal>,
    pub(super) tts_sla_time: Option<Literal>,
    pub(super) shipping_due_time: Option<Literal>,
    pub(super) collection_due_time: Option<Literal>,
    pub(super) fulfillment_type: Option<String>,
    pub(super) shipping_type: Option<String>,
    pub(super) delivery_option_id: Option<Literal>,
    pub(super) is_cod: Option<bool>,
    pub(super) is_sample_order: Option<bool>,
    pub(super) is_replacement_order: Option<bool>,
    pub(super) is_exchange_order: Option<bool>,
    pub(super) is_buyer_request_cancel: Option<bool>,
    pub(super) cancel_reason: Option<String>,
    pub(super) cancellation_initiator: Option<String>,
    pub(super) order_type: Option<String>,
    pub(super) split_or_combine_tag: Option<String>,
    pub(super) recipient_address: Option<Address>,
    pub(super) payment: Option<Payment>,
    pub(super) line_items: Option<Vec<Item>>,
}

/// Missing while the order is unpaid or on hold; masked when the vendor's carrier ships.
#[derive(Debug, Deserialize)]
pub(super) struct Address {
    pub(super) name: Option<String>,
    pub(super) phone_number: Option<String>,
    pub(super) full_address: Option<String>,
    pub(super) address_detail: Option<String>,
    pub(super) address_line1: Option<String>,
    pub(super) district_info: Option<Vec<District>>,
}

/// One level of an address: L0 the country, L1 the province, then what the country has.
#[derive(Debug, Deserialize)]
pub(super) struct District {
    pub(super) address_level: Option<String>,
    pub(super) address_level_name: Option<String>,
    pub(super) address_name: Option<String>,
}

/// One unit of one SKU: the vendor has no quantities.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub(super) id: Literal,
    pub(super) product_id: Option<Literal>,
    pub(super) product_name: Option<String>,
    pub(super) sku_id: Literal,
    pub(super) sku_name: Option<String>,
    pub(super) seller_sku: Option<String>,
    pub(super) original_price: Option<Literal>,
    pub(super) sale_price: Option<Literal>,
    pub(super) seller_discount: Option<Literal>,
    pub(super) platform_discount: Option<Literal>,
    pub(super) currency: Option<String>,
    pub(super) display_status: Option<String>,
    pub(super) package_id: Option<Literal>,
    pub(super) package_status: Option<String>,
    pub(super) tracking_number: Option<String>,
    pub(super) is_gift: Option<bool>,
    pub(super) cancel_user: Option<String>,
    pub(super) cancel_reason: Option<String>,
    pub(super) combined_listing_skus: Option<Vec<Component>>,
}

/// What one unit of a virtual bundle is made of.
#[derive(Debug, Deserialize)]
pub(super) struct Component {
    pub(super) product_id: Option<Literal>,
    pub(super) sku_id: Literal,
    pub(super) seller_sku: Option<String>,
    pub(super) sku_count: Literal,
}

/// What the buyer pays. `total_amount` is `original_total_product_price − seller_discount −
/// platform_discount + shipping_fee` and whatever of the fees and taxes this country has.
#[derive(Debug, Deserialize)]
pub(super) struct Payment {
    pub(super) currency: Option<String>,
    pub(super) original_total_product_price: Option<Literal>,
    pub(super) seller_discount: Option<Literal>,
    pub(super) platform_discount: Option<Literal>,
    pub(super) payment_platform_discount: Option<Literal>,
    pub(super) original_shipping_fee: Option<Literal>,
    pub(super) shipping_fee_seller_discount: Option<Literal>,
    pub(super) shipping_fee_platform_discount: Option<Literal>,
    pub(super) shipping_fee_cofunded_discount: Option<Literal>,
    pub(super) shipping_fee: Option<Literal>,
    pub(super) tax: Option<Literal>,
    pub(super) handling_fee: Option<Literal>,
    pub(super) item_insurance_fee: Option<Literal>,
    pub(super) shipping_insurance_fee: Option<Literal>,
    pub(super) small_order_fee: Option<Literal>,
    pub(super) buyer_service_fee: Option<Literal>,
    pub(super) payment_discount_service_fee: Option<Literal>,
    pub(super) total_amount: Option<Literal>,
}

/// `GET /order/202407/orders/{id}/price_detail`, `data`. The documents call the voucher fields
/// types in one place and show amounts in another.
#[derive(Debug, Deserialize)]
pub(super) struct PriceDetail {
    pub(super) voucher_deduction_seller: Option<Literal>,
    pub(super) voucher_deduction_platform: Option<Literal>,
}

/// `POST /return_refund/202309/returns/search`, one of `data.return_orders`.
#[derive(Debug, Deserialize)]
pub(super) struct Return {
    pub(super) order_id: Option<Literal>,
    pub(super) return_status: Option<String>,
    pub(super) return_type: Option<String>,
    pub(super) can_buyer_keep_item: Option<bool>,
    pub(super) update_time: Option<Literal>,
    pub(super) refund_amount: Option<Refund>,
    pub(super) return_line_items: Option<Vec<ReturnedItem>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) refund_total: Option<Literal>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReturnedItem {
    pub(super) order_line_item_id: Option<Literal>,
}

/// An amount where nothing and an empty text stand for zero.
pub(super) fn money(
    literal: Option<&Literal>,
    field: &str,
    currency: &str,
) -> Result<Amount, PayloadError> {
    match literal {
        Some(literal) if !literal.as_str().trim().is_empty() => literal.amount(field, currency),
        Some(_) | None => Ok(Amount::default()),
    }
}

/// Whether a time or id is there and not 0.
pub(super) fn is_set(literal: Option<&Literal>) -> bool {
    literal.is_some_and(|literal| !literal.is_zero_or_empty())
}

/// A moment in seconds.
pub(super) fn seconds(literal: &Literal, field: &str) -> Result<Timestamp, PayloadError> {
    Timestamp::from_second(literal.whole(field)?)
        .map_err(|_| PayloadError::new(format!("{field}: expected unix seconds")))
}

/// A moment in seconds, where one is said.
pub(super) fn moment(
    literal: Option<&Literal>,
    field: &str,
) -> Result<Option<Timestamp>, PayloadError> {
    match literal {
        Some(literal) if !literal.is_zero_or_empty() => seconds(literal, field).map(Some),
        Some(_) | None => Ok(None),
    }
}
