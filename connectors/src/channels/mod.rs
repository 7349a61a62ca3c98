//! The registry of channels: one list, one line per connector.

use domain::money::Amount;
use domain::snapshot::Snapshot;
use http::StatusCode;
use schemars::Schema;
use serde_json::Value;

use crate::channel::Channel;
use crate::inbound::{Acknowledgement, Received};
use crate::settings::SettingsError;

mod calls;
pub mod casso;
pub mod facebook;
pub mod haravan;
pub mod lazada;
pub mod momo;
pub mod omicall;
pub(crate) mod provider;
pub mod sapo_omni;
pub mod sapo_web;
pub mod sepay;
pub mod shopee;
pub mod shopify;
pub mod staff;
mod storefront;
pub mod stringee;
pub mod tiki;
pub mod tiktok_shop;
pub mod vnpay;
pub mod website;
pub mod woocommerce;
pub mod zalo;
pub mod zalo_checkout;
pub mod zalopay;

/// What a connector is told about the channel it is built for, beside its settings.
#[derive(Debug, Clone)]
pub struct ChannelContext {
    /// The channel's id in the operator's configuration (`shopee-vn`).
    pub id: String,
}

/// A channel ready to use, or what is wrong with its settings.
pub type Built = Result<Box<dyn Channel>, SettingsError>;

/// One connector.
#[derive(Debug, Clone, Copy)]
pub struct ChannelEntry {
    /// The word after `connector =`.
    pub name: &'static str,
    /// Builds a channel from its settings, secrets already resolved.
    pub build: fn(&Value, &ChannelContext) -> Built,
    /// JSON Schema of the settings as people write them.
    pub schema: fn() -> Schema,
    /// One line for people.
    pub summary: &'static str,
}

/// All connectors, in the order they are shown.
pub const CHANNELS: &[ChannelEntry] = &[
    website::ENTRY,
    woocommerce::ENTRY,
    shopify::ENTRY,
    haravan::ENTRY,
    sapo_web::ENTRY,
    sapo_omni::ENTRY,
    shopee::ENTRY,
    lazada::ENTRY,
    tiktok_shop::ENTRY,
    tiki::ENTRY,
    facebook::ENTRY,
    zalo::ENTRY,
    stringee::ENTRY,
    omicall::ENTRY,
    vnpay::ENTRY,
    momo::ENTRY,
    zalopay::ENTRY,
    zalo_checkout::ENTRY,
    sepay::ENTRY,
    casso::ENTRY,
    staff::ENTRY,
];

/// The connector of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ChannelEntry> {
    CHANNELS.iter().find(|entry| entry.name == name)
}

/// The answer of vendors that only look at the status: 200 once stored (also for a repeat), 401
/// for what is not believed, 503 to be tried again. Always without a body.
pub(crate) fn plain_answer(received: &Received) -> Acknowledgement {
    Acknowledgement::empty(match received {
        Received::Stored(_) | Received::Duplicate(_) => StatusCode::OK,
        Received::Rejected(_) => StatusCode::UNAUTHORIZED,
        Received::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    })
}

/// What the buyer owes: the stated grand total, else the sum of lines and order-level amounts.
/// Amounts and counts are bounded when they are read, so the sum stays within 64 bits; a snapshot
/// from elsewhere is held at the limits.
pub(crate) fn amount_due(snapshot: &Snapshot) -> Amount {
    let totals = snapshot.totals.unwrap_or_default();
    if let Some(stated) = totals.grand_total {
        return stated;
    }
    let items = snapshot.lines.iter().flatten().fold(0_i64, |sum, line| {
        let gross = line.unit_price.0.saturating_mul(i64::from(line.quantity));
        sum.saturating_add(gross.saturating_sub(line.discount.0))
    });
    Amount(
        items
            .saturating_sub(totals.seller_discount.0)
            .saturating_sub(totals.channel_discount.0)
            .saturating_add(totals.shipping.0)
            .saturating_add(totals.fees.0),
    )
}
