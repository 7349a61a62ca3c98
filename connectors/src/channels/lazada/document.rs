//! The fields that we read of Lazada's order and item documents.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::inbound::PayloadError;
use crate::literal::Literal;

/// A value that no order may fail for: texts, numbers and booleans as text, anything else as
/// nothing. The vendor writes the same field in several of these ways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Loose(Option<String>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }))
    }
}

impl Loose {
    /// The text, if it says anything; the vendor also writes `null` as a text.
    pub(super) fn text(&self) -> Option<&str> {
        let text = self.0.as_deref()?.trim();
        (!text.is_empty() && text != "null").then_some(text)
    }

    pub(super) fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// An id: `0` stands for none.
    pub(super) fn id(&self) -> Option<&str> {
        self.text().filter(|text| *text != "0")
    }

    /// `true`, `"true"` or `1`.
    pub(super) fn is_true(&self) -> bool {
        self.text()
            .is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"))
    }
}

/// Both documents, as [`super::fetch`] joins them.
#[derive(Deserialize)]
pub(super) struct Joined {
    pub(super) order: Order,
    pub(super) items: Vec<Item>,
}

/// `data` of `/order/get`. There is no status of the order here, only the set of its items'.
#[derive(Deserialize)]
pub(super) struct Order {
    pub(super) order_id: Literal,
    #[serde(default)]
    pub(super) created_at: Loose,
    #[serde(default)]
    pub(super) updated_at: Loose,
    /// The items before vouchers and shipping.
    pub(super) price: Option<Literal>,
    pub(super) voucher: Option<Literal>,
    pub(super) voucher_seller: Option<Literal>,
    pub(super) voucher_platform: Option<Literal>,
    /// What the buyer is charged, discounts taken off.
    pub(super) shipping_fee: Option<Literal>,
    #[serde(default)]
    pub(super) voucher_code: Loose,
    #[serde(default)]
    pub(super) payment_method: Loose,
    #[serde(default)]
    pub(super) buyer_note: Loose,
    #[serde(default)]
    pub(super) remarks: Loose,
    #[serde(default)]
    pub(super) tax_code: Loose,
    #[serde(default)]
    pub(super) extra_attributes: Loose,
    #[serde(default)]
    pub(super) need_cancel_confirm: Loose,
    #[serde(default)]
    pub(super) is_cancel_pending: Loose,
    #[serde(default)]
    pub(super) customer_first_name: Loose,
    #[serde(default)]
    pub(super) customer_last_name: Loose,
    pub(super) address_shipping: Option<Address>,
    pub(super) address_billing: Option<Address>,
}

/// Personal data is masked unless the app has the approval.
#[derive(Deserialize)]
pub(super) struct Address {
    #[serde(default)]
    pub(super) first_name: Loose,
    #[serde(default)]
    pub(super) last_name: Loose,
    #[serde(default)]
    pub(super) phone: Loose,
    #[serde(default)]
    pub(super) phone2: Loose,
    /// House number and street.
    #[serde(default)]
    pub(super) address1: Loose,
    #[serde(default)]
    pub(super) address2: Loose,
    /// Province.
    #[serde(default)]
    pub(super) address3: Loose,
    /// City or district.
    #[serde(default)]
    pub(super) address4: Loose,
    /// Ward.
    #[serde(default)]
    pub(super) address5: Loose,
    #[serde(default)]
    pub(super) city: Loose,
    #[serde(default, rename = "addressDistrict")]
    pub(super) district: Loose,
    /// The vendor's own misspelling.
    #[serde(default, rename = "addressDsitrict")]
    pub(super) dsitrict: Loose,
}

/// One unit, a row of `/order/items/get`.
#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) order_item_id: Literal,
    #[serde(default)]
    pub(super) status: Loose,
    #[serde(default)]
    pub(super) name: Loose,
    #[serde(default)]
    pub(super) variation: Loose,
    /// The seller's SKU.
    #[serde(default)]
    pub(super) sku: Loose,
    #[serde(default)]
    pub(super) shop_sku: Loose,
    #[serde(default)]
    pub(super) sku_id: Loose,
    #[serde(default)]
    pub(super) product_id: Loose,
    pub(super) item_price: Option<Literal>,
    /// After vouchers.
    pub(super) paid_price: Option<Literal>,
    pub(super) voucher_amount: Option<Literal>,
    pub(super) voucher_seller: Option<Literal>,
    pub(super) voucher_platform: Option<Literal>,
    pub(super) shipping_amount: Option<Literal>,
    #[serde(default)]
    pub(super) currency: Loose,
    #[serde(default)]
    pub(super) reason: Loose,
    #[serde(default)]
    pub(super) reason_detail: Loose,
    #[serde(default)]
    pub(super) cancel_return_initiator: Loose,
    #[serde(default)]
    pub(super) return_status: Loose,
    #[serde(default)]
    pub(super) reverse_order_id: Loose,
    #[serde(default)]
    pub(super) package_id: Loose,
    #[serde(default)]
    pub(super) tracking_code: Loose,
    #[serde(default)]
    pub(super) is_fbl: Loose,
    #[serde(default)]
    pub(super) is_digital: Loose,
    #[serde(default)]
    pub(super) delivery_option_sof: Loose,
    #[serde(default)]
    pub(super) sla_time_stamp: Loose,
    /// Milliseconds.
    #[serde(default)]
    pub(super) payment_time: Loose,
    #[serde(default)]
    pub(super) updated_at: Loose,
    #[serde(default)]
    pub(super) buyer_id: Loose,
    #[serde(default)]
    pub(super) need_cancel_confirm: Loose,
    #[serde(default)]
    pub(super) is_cancel_pending: Loose,
    /// Milliseconds; the vendor accepts a cancellation by itself then.
    #[serde(default)]
    pub(super) cancel_trigger_time: Loose,
}

impl Item {
    /// The number itself, for comparing; ids are numbers that the vendor sometimes writes as text.
    pub(super) fn id(&self) -> &str {
        self.order_item_id.as_str()
    }

    /// The buyer has asked to cancel it.
    pub(super) fn cancel_requested(&self) -> bool {
        self.need_cancel_confirm.is_true() || self.is_cancel_pending.is_true()
    }

    /// `product.sku`, the two ids that setting its stock needs.
    pub(super) fn channel_sku(&self) -> Option<String> {
        match (self.product_id.id(), self.sku_id.id()) {
            (Some(product), Some(sku)) => Some(format!("{product}.{sku}")),
            (None, _) | (_, None) => self.shop_sku.owned(),
        }
    }
}

/// `2026-09-25 10:00:00 +0700`, and the other forms that the vendor's documents show; without an
/// offset it is the shop's, seven hours.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", text)
        .or_else(|_| text.parse::<Timestamp>())
        .ok()
        .or_else(|| {
            let local: DateTime = text.parse().ok()?;
            Offset::constant(7).to_timestamp(local).ok()
        })
}

/// Seconds or milliseconds: the vendor's guide shows one and its messages the other.
pub(super) fn epoch(text: &str) -> Option<Timestamp> {
    const SECONDS_END: i64 = 100_000_000_000;
    let number: i64 = text.parse().ok()?;
    if number > SECONDS_END {
        Timestamp::from_millisecond(number).ok()
    } else if number > 0 {
        Timestamp::from_second(number).ok()
    } else {
        None
    }
}

/// A time that an order cannot do without.
pub(super) fn required_time(value: &Loose, field: &str) -> Result<Timestamp, PayloadError> {
    value
        .text()
        .and_then(time)
        .ok_or_else(|| PayloadError::new(format!("{field}: expected a date and time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_spellings_of_one_moment_are_one_moment() {
        for text in [
            "2026-09-25 10:00:00 +0700",
            "2026-09-25T10:00:00+07:00",
            "2026-09-25T03:00:00Z",
            "2026-09-25 10:00:00",
        ] {
            let at = time(text).map(Timestamp::as_second);
            assert_eq!(at, Some(1_790_305_200), "{text}");
        }
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn an_outer_timestamp_may_be_in_seconds_or_milliseconds() {
        for text in ["1790305200", "1790305200000"] {
            assert_eq!(epoch(text).map(Timestamp::as_second), Some(1_790_305_200));
        }
        for none in ["0", "-1", "", "soon"] {
            assert_eq!(epoch(none), None);
        }
    }
}
