//! The platforms' own documents of a new order.

use std::sync::Arc;

use fastrand::Rng;
use serde_json::{Value, json};

use super::super::{Basket, BasketLine, Run};
use crate::{faults::hash, partners::shops::Platform, world::seconds};

/// A new order.
pub(crate) struct Placed {
    pub(crate) id: u64,
    pub(crate) platform: Platform,
    pub(crate) basket: Basket,
    pub(crate) cod: bool,
    /// Unix seconds.
    pub(crate) placed: i64,
}

impl Placed {
    pub(crate) fn new(
        run: &Arc<Run>,
        rng: &mut Rng,
        number: u32,
        platform: Platform,
        cod: bool,
    ) -> Self {
        // Shopify's ids are beyond the numbers that a float holds exactly.
        let first = match platform {
            Platform::Shopify => 5_900_000_000_000_000_001,
            Platform::Haravan => 1_900_000_011,
            Platform::SapoWeb => 90_000_201,
            Platform::SapoOmni => 90_000_101,
        };
        let nth = run.scenario.seed % 900 * 100_000 + u64::from(number);
        // Room for the ids of lines, which follow their order's.
        Self {
            id: first + nth * 100,
            platform,
            basket: Basket::discounted(rng, &run.scenario.catalog),
            cod,
            placed: seconds() - 1,
        }
    }

    pub(crate) fn document(&self) -> Value {
        match self.platform {
            Platform::Shopify => self.shopify(),
            Platform::Haravan => self.haravan(),
            Platform::SapoWeb => self.sapo_web(),
            Platform::SapoOmni => self.sapo_omni(),
        }
    }

    fn at(&self) -> String {
        self.platform.stamp(self.placed)
    }

    /// Family name and given name, as the forms ask for them.
    fn names(&self) -> (&str, &str) {
        let name = &self.basket.person.name;
        name.rsplit_once(' ').unwrap_or(("", name))
    }

    fn lines(&self) -> impl Iterator<Item = (u64, &BasketLine)> {
        (10_u64..)
            .step_by(5)
            .map(|n| self.id + n)
            .zip(&self.basket.lines)
    }

    fn variant(&self, line: &BasketLine) -> u64 {
        hash(0, &line.product.sku) % 9_000_000_000 + 1_000_000_000
    }

    fn line_discounts(&self) -> i64 {
        self.basket.lines.iter().map(|line| line.discount).sum()
    }

    fn gross(&self) -> i64 {
        self.basket.items() + self.line_discounts()
    }

    fn gateway(&self) -> &'static str {
        if self.cod {
            "Thanh toán khi giao hàng (COD)"
        } else {
            "Chuyển khoản ngân hàng"
        }
    }

    /// Money as text; `total_discounts` holds the lines' discounts too, and each line its share of
    /// the order's.
    fn shopify(&self) -> Value {
        let (basket, person, place) = (&self.basket, &self.basket.person, &self.basket.place);
        let (family, given) = self.names();
        let mut share = basket.seller_discount;
        let lines: Vec<Value> = self
            .lines()
            .map(|(id, line)| {
                // The first line bears the order's discount.
                let off = line.discount + std::mem::take(&mut share);
                let allocations = if off > 0 {
                    json!([{ "amount": off.to_string(), "discount_application_index": 0 }])
                } else {
                    json!([])
                };
                json!({
                    "id": id, "admin_graphql_api_id": format!("gid://shopify/LineItem/{id}"),
                    "current_quantity": line.quantity, "fulfillable_quantity": line.quantity,
                    "fulfillment_service": "manual", "fulfillment_status": null,
                    "gift_card": false, "grams": 120, "name": line.product.name,
                    "price": line.product.price.to_string(), "product_exists": true,
                    "product_id": self.variant(line) + 7, "properties": [],
                    "quantity": line.quantity, "requires_shipping": true,
                    "sku": line.product.sku, "taxable": true, "title": line.product.name,
                    "total_discount": "0", "variant_id": self.variant(line),
                    "variant_title": null, "vendor": "Mẫu",
                    "discount_allocations": allocations,
                })
            })
            .collect();
        let total = basket.grand_total().to_string();
        let goods = (basket.items() - basket.seller_discount).to_string();
        let shipping = basket.shipping.to_string();
        let money = json!({ "amount": shipping, "currency_code": "VND" });
        json!({
            "id": self.id, "admin_graphql_api_id": format!("gid://shopify/Order/{}", self.id),
            "app_id": 580_111, "browser_ip": "203.0.113.9", "buyer_accepts_marketing": false,
            "cancel_reason": null, "cancelled_at": null,
            "cart_token": format!("{:032x}", self.id), "checkout_id": self.id + 1,
            "client_details": null, "closed_at": null, "confirmation_number": "MAU0001CT",
            "confirmed": true, "contact_email": person.email, "created_at": self.at(),
            "currency": "VND", "current_subtotal_price": goods, "current_total_price": total,
            "customer_locale": "vi", "discount_codes": [], "email": person.email,
            "financial_status": "pending", "fulfillment_status": null,
            "name": format!("#{}", self.id % 100_000), "note": null, "note_attributes": [],
            "number": self.id % 100_000, "order_number": self.id % 100_000,
            "order_status_url": "https://mau.myshopify.com/1/orders/x/authenticate?key=y",
            "payment_gateway_names": [self.gateway()], "phone": person.phone,
            "presentment_currency": "VND", "processed_at": self.at(), "source_name": "web",
            "subtotal_price": goods, "tags": "", "taxes_included": true, "test": false,
            "token": format!("{:010x}", self.id),
            "total_discounts": (self.line_discounts() + basket.seller_discount).to_string(),
            "total_line_items_price": self.gross().to_string(), "total_outstanding": total,
            "total_price": total,
            "total_shipping_price_set": { "shop_money": money, "presentment_money": money },
            "total_tax": "0", "total_weight": 0, "updated_at": self.at(),
            "customer": { "id": self.id + 2, "email": person.email, "first_name": given,
                "last_name": family, "phone": person.phone },
            "shipping_address": { "first_name": given, "last_name": family,
                "address1": place.line, "address2": place.ward, "phone": person.phone,
                "city": place.district, "zip": "700000", "province": place.province,
                "country": "Vietnam", "country_code": "VN", "province_code": null,
                "company": null, "latitude": null, "longitude": null,
                "name": format!("{given} {family}") },
            "line_items": lines,
            "shipping_lines": [{ "id": self.id + 3, "code": "Standard", "price": shipping,
                "source": "shopify", "title": "Giao hàng tiêu chuẩn" }],
            "refunds": [], "fulfillments": [], "billing_address": null,
        })
    }

    /// Money as numbers with decimals, which are put into the text by hand: `json!` would write
    /// them through a float.
    fn haravan(&self) -> Value {
        let (basket, person, place) = (&self.basket, &self.basket.person, &self.basket.place);
        let (family, given) = self.names();
        let lines: Vec<Value> = self
            .lines()
            .map(|(id, line)| {
                json!({
                    "id": id, "variant_id": self.variant(line),
                    "product_id": self.variant(line) + 7, "title": line.product.name,
                    "variant_title": null, "name": line.product.name, "sku": line.product.sku,
                    "barcode": null, "price": decimal(line.product.price),
                    "price_original": decimal(line.product.price), "price_promotion": decimal(0),
                    "quantity": line.quantity, "total_discount": decimal(line.discount),
                    "fulfillable_quantity": line.quantity,
                    "fulfillment_status": "notfulfilled", "requires_shipping": true,
                })
            })
            .collect();
        let code = if self.cod { "COD" } else { "BankTransfer" };
        json!({
            "id": self.id, "order_number": format!("#{}", self.id % 1_000_000),
            "name": format!("#{}", self.id % 1_000_000), "number": self.id,
            "email": person.email, "contact_email": person.email, "created_at": self.at(),
            "updated_at": self.at(), "currency": "VND", "financial_status": "pending",
            "fulfillment_status": "notfulfilled", "confirmed_status": "unconfirmed",
            "cancelled_status": "uncancelled", "closed_status": "unclosed",
            "cancel_reason": null, "cancelled_at": null, "gateway": self.gateway(),
            "gateway_code": code, "source_name": "web", "location_id": 900_001,
            "subtotal_price": decimal(basket.items() - basket.seller_discount),
            "total_line_items_price": decimal(self.gross()),
            "total_discounts": decimal(self.line_discounts() + basket.seller_discount),
            "total_tax": decimal(0), "total_price": decimal(basket.grand_total()),
            "total_weight": decimal(0), "token": format!("{:032x}", self.id), "tags": null,
            "note": null, "note_attributes": [], "discount_codes": [],
            "customer": { "id": self.id + 1, "first_name": given, "last_name": family,
                "phone": person.phone, "email": person.email },
            "shipping_address": { "first_name": given, "last_name": family, "name": person.name,
                "address1": place.line, "phone": person.phone, "ward": place.ward,
                "ward_code": null, "district": place.district, "district_code": null,
                "province": place.province, "province_code": null, "country": "Vietnam",
                "country_code": "VN" },
            "line_items": lines,
            "shipping_lines": [{ "code": null, "title": "Giao hàng tận nơi",
                "price": decimal(basket.shipping), "source": null }],
            "transactions": [{ "id": self.id + 2, "amount": decimal(basket.grand_total()),
                "kind": "pending", "gateway": code, "status": null, "currency": "VND",
                "created_at": self.at() }],
            "fulfillments": [], "refunds": [], "ref_order_id": 0, "utm_source": null,
            "omni_order_status": 0,
        })
    }

    fn sapo_web(&self) -> Value {
        let (basket, person, place) = (&self.basket, &self.basket.person, &self.basket.place);
        let (family, given) = self.names();
        let lines: Vec<Value> = self
            .lines()
            .map(|(id, line)| {
                json!({
                    "id": id, "product_id": self.variant(line) + 7,
                    "variant_id": self.variant(line), "title": line.product.name,
                    "variant_title": null, "name": line.product.name, "sku": line.product.sku,
                    "vendor": "Mẫu", "quantity": line.quantity, "price": line.product.price,
                    "grams": 60, "requires_shipping": true, "total_discount": line.discount,
                    "fulfillable_quantity": line.quantity, "fulfillment_status": null,
                })
            })
            .collect();
        json!({
            "id": self.id, "name": format!("#{}", self.id % 10_000),
            "order_number": self.id % 10_000, "number": self.id % 1_000, "email": person.email,
            "phone": person.phone, "created_on": self.at(), "modified_on": self.at(),
            "processed_on": self.at(), "cancelled_on": null, "closed_on": null,
            "cancel_reason": null, "currency": "VND", "financial_status": "pending",
            "fulfillment_status": null, "status": "open", "gateway": self.gateway(),
            "source_name": "web", "total_price": basket.grand_total(),
            "total_line_items_price": self.gross(),
            "total_discounts": self.line_discounts() + basket.seller_discount,
            "total_weight": 120, "token": format!("{:010x}", self.id), "note": "", "tags": "",
            "landing_site": "/", "discount_codes": [],
            "shipping_address": { "first_name": given, "last_name": family, "name": person.name,
                "phone": person.phone, "address1": place.line, "ward": place.ward,
                "district": place.district, "province": place.province, "country": "Vietnam",
                "country_code": "VN" },
            "line_items": lines,
            "shipping_lines": [{ "code": "STD", "title": "Giao hàng tận nơi",
                "price": basket.shipping, "source": "bizweb" }],
            "fulfillments": [], "refunds": [],
        })
    }

    fn sapo_omni(&self) -> Value {
        let (basket, person, place) = (&self.basket, &self.basket.person, &self.basket.place);
        let lines: Vec<Value> = self
            .lines()
            .map(|(id, line)| {
                json!({
                    "id": id, "variant_id": self.variant(line),
                    "product_id": self.variant(line) + 7, "product_name": line.product.name,
                    "variant_name": line.product.name, "sku": line.product.sku,
                    "barcode": line.product.sku, "price": line.product.price,
                    "quantity": line.quantity, "line_amount": line.total(),
                    "discount_amount": line.discount,
                })
            })
            .collect();
        json!({
            "id": self.id, "tenant_id": 90_001, "location_id": 90_002,
            "code": format!("SON{:06}", self.id % 1_000_000), "created_on": self.at(),
            "modified_on": self.at(), "issued_on": self.at(), "ship_on": null,
            "ship_on_min": null, "ship_on_max": null, "account_id": 90_003,
            "assignee_id": 90_003, "customer_id": self.id + 1,
            "customer_data": { "id": self.id + 1, "tenant_id": 90_001, "code": "CUZN00001",
                "name": person.name, "phone_number": person.phone, "addresses": [] },
            "contact_id": null, "billing_address": null,
            "shipping_address": { "id": self.id + 2, "label": "Giao hàng", "first_name": null,
                "last_name": null, "address1": place.line, "phone_number": person.phone,
                "country": "Việt Nam", "city": place.province, "district": place.district,
                "ward": place.ward, "full_address": null },
            "email": person.email, "phone_number": person.phone, "status": "draft",
            "packed_status": "unpacked", "fulfillment_status": "unshipped",
            "received_status": "unreceived", "payment_status": "unpaid",
            "return_status": "unreturned", "source_id": 900_006,
            "total": basket.grand_total(),
            "total_discount": self.line_discounts() + basket.seller_discount, "total_tax": 0,
            "note": null, "tags": [], "delivery_fee": { "fee": basket.shipping },
            "order_line_items": lines, "prepayments": [], "fulfillments": [],
            "order_returns": [], "channel": null, "finalized_on": null, "completed_on": null,
        })
    }
}

/// `290000.0`, as Haravan writes it. Parsed from its text, so that no sum is done with it.
fn decimal(amount: i64) -> Value {
    serde_json::from_str(&format!("{amount}.0")).unwrap_or(Value::Null)
}
