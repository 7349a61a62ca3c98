//! What a Tiki order says of its payment.

use domain::money::Amount;
use domain::snapshot::{ChannelPayment, ChannelStatus, PaymentMethod};

use super::document::Order;
use super::order::{CURRENCY, is_over};
use crate::inbound::PayloadError;
use crate::literal::Literal;

/// What is known of the money.
pub(super) struct Paid {
    pub(super) method: Option<PaymentMethod>,
    pub(super) state: Option<ChannelPayment>,
    pub(super) amount: Option<Amount>,
}

/// `collectible_amount` is what the carrier takes at the door; the rest of the total is paid. The
/// state of a cash order reads `success` from the beginning and says nothing.
pub(super) fn paid(order: &Order, status: ChannelStatus) -> Result<Paid, PayloadError> {
    let invoice = order.invoice.as_ref();
    let amount = |literal: Option<&Literal>, field: &str| {
        literal
            .map(|literal| literal.amount(field, CURRENCY))
            .transpose()
    };
    let total = amount(
        invoice.and_then(|invoice| invoice.grand_total.as_ref()),
        "invoice.grand_total",
    )?;
    let collects = amount(
        invoice.and_then(|invoice| invoice.collectible_amount.as_ref()),
        "invoice.collectible_amount",
    )?;
    let Some(payment) = &order.payment else {
        return Ok(Paid {
            method: None,
            state: None,
            amount: None,
        });
    };
    let is_cash = payment.method.as_deref() == Some("cod")
        || payment.is_prepaid == Some(false)
        || collects.is_some_and(|collects| collects.0 > 0);
    let method = if is_cash {
        PaymentMethod::Cod
    } else {
        PaymentMethod::Prepaid
    };
    let waits = matches!(
        order.status.as_deref(),
        Some("waiting_payment" | "payment_review")
    );
    let succeeded = payment
        .status
        .as_deref()
        .is_none_or(|word| word == "success");
    let (state, amount) = if is_cash {
        let collects = collects.or(total).unwrap_or_default();
        let total = total.unwrap_or(collects);
        let paid = Amount((total.0 - collects.0).max(0));
        match (paid.0, is_over(status)) {
            (_, true) | (0, false) => (ChannelPayment::Unpaid, Some(Amount::default())),
            (paid, false) if paid >= total.0 => (ChannelPayment::Paid, Some(total)),
            (paid, false) => (ChannelPayment::PartiallyPaid, Some(Amount(paid))),
        }
    } else if waits || !succeeded {
        (ChannelPayment::Unpaid, Some(Amount::default()))
    } else if is_over(status) {
        // Tiki holds the money and gives it back by itself.
        (ChannelPayment::Refunded, None)
    } else {
        (ChannelPayment::Paid, total)
    };
    Ok(Paid {
        method: Some(method),
        state: Some(state),
        amount,
    })
}
