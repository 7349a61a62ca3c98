//! Holds: why an order does not go on, each with its cause.

use serde::{Deserialize, Serialize};

/// One reason to wait. It goes away with its cause.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// `staff`, `totals`, `currency`, `unknown-sku`, `unknown-province`, `suspect-payment`,
    /// `over-payment`, `under-payment`, `edited-differs`, `cancel-requested`, `no-location`, `backorder`, or the
    /// reason of a routing rule.
    pub code: String,
    /// The field, SKU or transaction that it is about. No personal data.
    pub detail: Option<String>,
}

/// Staff have stopped it.
pub(crate) const STAFF: &str = "staff";
/// The channel's total is not the sum of its parts.
pub(crate) const TOTALS: &str = "totals";
/// Not in đồng.
pub(crate) const CURRENCY: &str = "currency";
/// An article without one of our SKUs.
pub(crate) const UNKNOWN_SKU: &str = "unknown-sku";
/// A destination without a certain province.
pub(crate) const UNKNOWN_PROVINCE: &str = "unknown-province";
/// A payment that the provider suspects.
pub(crate) const SUSPECT_PAYMENT: &str = "suspect-payment";
/// More money than owed.
pub(crate) const OVER_PAYMENT: &str = "over-payment";
/// Some money, less than owed, and the rest is not cash on delivery.
pub(crate) const UNDER_PAYMENT: &str = "under-payment";
/// The channel now says something else than when staff edited the field.
pub(crate) const EDITED_DIFFERS: &str = "edited-differs";
/// The buyer has asked to cancel.
pub(crate) const CANCEL_REQUESTED: &str = "cancel-requested";
/// Routing gave up after too many rejections.
pub(crate) const NO_LOCATION: &str = "no-location";
/// Waits for stock.
pub(crate) const BACKORDER: &str = "backorder";

impl Hold {
    pub(crate) fn new(code: &str, detail: Option<String>) -> Self {
        Self {
            code: code.to_owned(),
            detail,
        }
    }

    /// What is remembered when staff accept it.
    pub(crate) fn cause(&self) -> String {
        format!(
            "{}|{}",
            self.code,
            self.detail.as_deref().unwrap_or_default()
        )
    }

    /// A person may say: go on all the same.
    pub(crate) fn can_be_accepted(&self) -> bool {
        matches!(
            self.code.as_str(),
            TOTALS | SUSPECT_PAYMENT | OVER_PAYMENT | UNDER_PAYMENT | CANCEL_REQUESTED
        )
    }

    /// What is still inside must not leave, so it is taken back. The others only stop what has not
    /// begun: too much or too little money, an unanswered wish to cancel and missing stock do no harm to a
    /// parcel that is being packed.
    pub(crate) fn pulls_back(&self) -> bool {
        matches!(
            self.code.as_str(),
            STAFF
                | TOTALS
                | CURRENCY
                | UNKNOWN_SKU
                | UNKNOWN_PROVINCE
                | SUSPECT_PAYMENT
                | EDITED_DIFFERS
        )
    }
}
