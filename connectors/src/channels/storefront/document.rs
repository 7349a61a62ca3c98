//! An order as Shopify writes it, with the fields that Haravan and Sapo Web added to the same form.
//!
//! Nothing is required but what no order can do without: an optional field may be missing or null,
//! and a list may be null. Times are `…_at` at Shopify and Haravan and `…_on` at Sapo.

use serde::Deserialize;
use serde_json::Value;

use super::address::{self, Written};
use crate::literal::Literal;
use crate::payload::{self, filled};

/// The order alone, or in the envelope `{"order": …}` of an answer.
#[derive(Deserialize)]
struct Envelope {
    order: Option<Order>,
}

/// Reads an order in or out of its envelope.
///
/// # Errors
/// The first wrong field.
pub(in crate::channels) fn read(document: &[u8]) -> Result<Order, crate::inbound::PayloadError> {
    match payload::read::<Envelope>(document) {
        Ok(Envelope { order: Some(order) }) => Ok(order),
        Ok(Envelope { order: None }) => payload::read(document),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
pub(in crate::channels) struct Order {
    pub(super) id: Literal,
    pub(super) created_at: Option<String>,
    pub(super) created_on: Option<String>,
    pub(super) updated_at: Option<String>,
    pub(super) modified_on: Option<String>,
    pub(super) cancelled_at: Option<String>,
    pub(super) cancelled_on: Option<String>,
    pub(super) cancel_reason: Option<String>,
    /// Haravan: `cancelled` or `uncancelled`.
    pub(super) cancelled_status: Option<String>,
    /// Haravan: `confirmed` or `unconfirmed`.
    pub(super) confirmed_status: Option<String>,
    /// Sapo: `open`, `closed` or `cancelled`.
    pub(super) status: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) financial_status: Option<String>,
    pub(super) fulfillment_status: Option<String>,
    pub(super) total_price: Literal,
    pub(super) total_discounts: Option<Literal>,
    pub(super) total_outstanding: Option<Literal>,
    pub(super) total_tip_received: Option<Literal>,
    /// As it is after edits; Shopify only.
    pub(super) current_total_price: Option<Literal>,
    pub(super) current_subtotal_price: Option<Literal>,
    pub(super) taxes_included: Option<Value>,
    pub(super) line_items: Option<Vec<Item>>,
    pub(super) shipping_lines: Option<Vec<Shipping>>,
    pub(super) shipping_address: Option<Address>,
    pub(super) billing_address: Option<Address>,
    pub(super) customer: Option<Customer>,
    pub(super) email: Option<String>,
    pub(super) contact_email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) gateway: Option<String>,
    pub(super) gateway_code: Option<String>,
    pub(super) payment_gateway_names: Option<Vec<String>>,
    pub(super) note: Option<String>,
    pub(super) tags: Option<Value>,
    pub(super) discount_codes: Option<Vec<Coupon>>,
    pub(super) refunds: Option<Vec<Refund>>,
    pub(super) transactions: Option<Vec<Transaction>>,
    pub(super) fulfillments: Option<Vec<Fulfillment>>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) id: Literal,
    pub(super) variant_id: Option<Literal>,
    pub(super) product_id: Option<Literal>,
    pub(super) name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) variant_title: Option<String>,
    pub(super) sku: Option<String>,
    pub(super) quantity: Literal,
    pub(super) current_quantity: Option<Literal>,
    pub(super) fulfillable_quantity: Option<Literal>,
    pub(super) price: Literal,
    pub(super) total_discount: Option<Literal>,
    pub(super) discount_allocations: Option<Vec<Allocation>>,
    pub(super) tax_lines: Option<Vec<Tax>>,
}

#[derive(Deserialize)]
pub(super) struct Allocation {
    pub(super) amount: Literal,
}

#[derive(Deserialize)]
pub(super) struct Tax {
    pub(super) price: Literal,
}

#[derive(Deserialize)]
pub(super) struct Shipping {
    pub(super) price: Literal,
    pub(super) discount_allocations: Option<Vec<Allocation>>,
    pub(super) tax_lines: Option<Vec<Tax>>,
    pub(super) is_removed: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Coupon {
    pub(super) code: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Refund {
    pub(super) transactions: Option<Vec<Transaction>>,
}

#[derive(Deserialize)]
pub(super) struct Transaction {
    pub(super) amount: Option<Literal>,
    pub(super) kind: Option<String>,
    pub(super) status: Option<String>,
}

impl Transaction {
    /// It went through: Haravan says nothing of that, Shopify says `success`.
    pub(super) fn succeeded(&self) -> bool {
        self.status
            .as_deref()
            .is_none_or(|status| status.is_empty() || status.eq_ignore_ascii_case("success"))
    }

    pub(super) fn is(&self, kinds: &[&str]) -> bool {
        self.kind
            .as_deref()
            .is_some_and(|kind| kinds.iter().any(|word| kind.eq_ignore_ascii_case(word)))
    }
}

#[derive(Deserialize)]
pub(super) struct Fulfillment {
    pub(super) id: Option<Literal>,
    pub(super) status: Option<String>,
    /// Shopify and Sapo: where the parcel is.
    pub(super) shipment_status: Option<String>,
    /// Haravan: the same in the carrier's words.
    pub(super) carrier_status_code: Option<String>,
    pub(super) tracking_number: Option<Literal>,
    pub(super) line_items: Option<Vec<Shipped>>,
}

#[derive(Deserialize)]
pub(super) struct Shipped {
    pub(super) id: Literal,
    pub(super) quantity: Literal,
}

impl Fulfillment {
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(
            self.status.as_deref(),
            Some("cancelled" | "error" | "failure")
        )
    }

    pub(super) fn whereabouts(&self) -> Option<&str> {
        self.shipment_status
            .as_deref()
            .or(self.carrier_status_code.as_deref())
    }
}

#[derive(Deserialize)]
pub(super) struct Customer {
    pub(super) id: Option<Literal>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) email: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Address {
    first_name: Option<String>,
    last_name: Option<String>,
    name: Option<String>,
    phone: Option<String>,
    address1: Option<String>,
    address2: Option<String>,
    ward: Option<String>,
    district: Option<String>,
    city: Option<String>,
    province: Option<String>,
    country_code: Option<String>,
}

impl Address {
    pub(super) fn is_filled(&self) -> bool {
        [&self.address1, &self.city, &self.province, &self.name]
            .into_iter()
            .any(|part| part.as_deref().is_some_and(|text| !text.trim().is_empty()))
    }

    pub(super) fn full_name(&self) -> Option<String> {
        let both =
            filled(self.first_name.clone()).is_some() && filled(self.last_name.clone()).is_some();
        let parts = address::full_name(
            self.first_name.clone(),
            self.last_name.clone(),
            self.country_code.as_deref(),
        );
        if both {
            parts
        } else {
            filled(self.name.clone()).or(parts)
        }
    }

    pub(super) fn phone(&self) -> Option<String> {
        filled(self.phone.clone())
    }

    pub(super) fn written(self) -> Written {
        Written {
            name: self.full_name(),
            phone: self.phone,
            line: self.address1,
            second: self.address2,
            ward: self.ward,
            district: self.district,
            city: self.city,
            province: self.province,
        }
    }
}
