//! Tiki's order document, as far as it is read. Nearly everything may be missing or null.

use serde::Deserialize;

use super::money::{Discounts, IncomeDetail, Invoice, LineInvoice};
use crate::literal::Literal;
use crate::payload::filled;

#[derive(Deserialize)]
pub(super) struct Order {
    pub(super) code: Literal,
    pub(super) status: Option<String>,
    pub(super) fulfillment_type: Option<String>,
    #[serde(default)]
    pub(super) items: Option<Vec<Item>>,
    pub(super) status_histories: Option<Vec<History>>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    pub(super) original_code: Option<Literal>,
    pub(super) parent_code: Option<Literal>,
    pub(super) relation_code: Option<Literal>,
    pub(super) linked_code: Option<Literal>,
    pub(super) siblings: Option<Vec<Linked>>,
    #[serde(default)]
    pub(super) is_rma: Option<bool>,
    pub(super) rma_info: Option<Rma>,
    pub(super) multiseller_confirmation: Option<Multiseller>,
    #[serde(default)]
    pub(super) has_backorder_items: Option<bool>,
    pub(super) payment: Option<Payment>,
    pub(super) invoice: Option<Invoice>,
    pub(super) shipping: Option<Shipping>,
    pub(super) customer: Option<Customer>,
    pub(super) cancel_info: Option<Cancel>,
    pub(super) tiki_warehouse: Option<Warehouse>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) id: Literal,
    pub(super) product: Option<Product>,
    pub(super) price: Option<Literal>,
    pub(super) qty: Literal,
    pub(super) parent_item_id: Option<Literal>,
    #[serde(default)]
    pub(super) is_free_gift: Option<bool>,
    pub(super) confirmation: Option<Confirmation>,
    pub(super) invoice: Option<LineInvoice>,
    pub(super) seller_income_detail: Option<IncomeDetail>,
}

#[derive(Deserialize)]
pub(super) struct Product {
    pub(super) id: Option<Literal>,
    pub(super) sku: Option<Literal>,
    pub(super) seller_product_code: Option<Literal>,
    pub(super) name: Option<String>,
    pub(super) inventory_type: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Confirmation {
    pub(super) status: Option<String>,
    pub(super) available_confirm_sla: Option<String>,
    pub(super) pickup_confirm_sla: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct History {
    pub(super) status: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Linked {
    pub(super) code: Option<Literal>,
}

#[derive(Deserialize)]
pub(super) struct Rma {
    pub(super) original_order_code: Option<Literal>,
    pub(super) exchanged_order_code: Option<Literal>,
    pub(super) status: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Multiseller {
    #[serde(default)]
    pub(super) need_other_sellers_confirm: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Payment {
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) is_prepaid: Option<bool>,
    pub(super) status: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Shipping {
    pub(super) tracking_code: Option<Literal>,
    pub(super) address: Option<Address>,
}

#[derive(Deserialize)]
pub(super) struct Address {
    pub(super) full_name: Option<String>,
    pub(super) street: Option<String>,
    pub(super) ward: Option<String>,
    pub(super) district: Option<String>,
    pub(super) region: Option<String>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<Literal>,
}

#[derive(Deserialize)]
pub(super) struct Customer {
    pub(super) id: Option<Literal>,
    pub(super) full_name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Cancel {
    pub(super) reason_code: Option<Literal>,
    pub(super) reason_text: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Warehouse {
    pub(super) code: Option<String>,
}

impl Item {
    /// The article by which stock is set; where an answer leaves it out, Tiki's own SKU.
    pub(super) fn channel_sku(&self) -> Option<String> {
        let product = self.product.as_ref()?;
        [&product.id, &product.sku]
            .into_iter()
            .flatten()
            .find(|literal| !literal.is_zero_or_empty())
            .map(Literal::to_string)
    }

    /// What the seller typed; often empty.
    pub(super) fn seller_sku(&self) -> Option<String> {
        let code = self.product.as_ref()?.seller_product_code.as_ref()?;
        filled(Some(code.to_string()))
    }

    pub(super) fn discounts(&self) -> Discounts<'_> {
        Discounts {
            invoice: self.invoice.as_ref(),
            detail: self.seller_income_detail.as_ref(),
        }
    }

    pub(super) fn confirmation(&self) -> &str {
        self.confirmation
            .as_ref()
            .and_then(|confirmation| confirmation.status.as_deref())
            .unwrap_or_default()
    }

    pub(super) fn waits(&self) -> bool {
        self.confirmation() == "waiting"
    }

    pub(super) fn is_given_back(&self) -> bool {
        self.confirmation() == "seller_canceled"
    }

    pub(super) fn inventory(&self) -> &str {
        self.product
            .as_ref()
            .and_then(|product| product.inventory_type.as_deref())
            .unwrap_or_default()
    }
}

impl Address {
    pub(super) fn phone(&self) -> Option<String> {
        filled(Some(self.phone.as_ref()?.to_string()))
    }
}
