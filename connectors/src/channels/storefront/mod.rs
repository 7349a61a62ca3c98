//! What the shop platforms have in common: WooCommerce, Shopify, Haravan and Sapo Web write money,
//! names and addresses alike, and the last three share the form of an order, of their webhooks and
//! of their REST API. What one vendor alone does stays in that vendor's module.

use serde::Deserialize;

pub(super) mod address;
pub(super) mod api;
pub(super) mod deeds;
pub(super) mod document;
pub(super) mod gateway;
pub(super) mod money;
pub(super) mod polling;
pub(super) mod snapshot;
pub(super) mod subscriptions;
pub(super) mod webhook;

use crate::inbound::PayloadError;
use crate::literal::Literal;

/// A vendor's numeric id, as digits.
///
/// # Errors
/// Names `field` when it is anything else.
pub(super) fn numeric_id(id: &Literal, field: &str) -> Result<String, PayloadError> {
    digits(id.as_str())
        .map(str::to_owned)
        .ok_or_else(|| PayloadError::new(format!("{field}: expected a whole number")))
}

/// The text where it is a number that may stand in a path.
pub(super) fn digits(text: &str) -> Option<&str> {
    let is_number =
        !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(text)
}

/// What becomes of an order that is paid at the door and that nobody at the shop has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConfirmCod {
    /// It is pending until staff confirm it, as shops do that call the buyer first.
    #[default]
    ByHand,
    /// It is confirmed as soon as it is placed.
    AtOnce,
}
