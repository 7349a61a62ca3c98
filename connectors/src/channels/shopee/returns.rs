//! Returns of a Shopee order. The order's own status says only that one is under way; whether it
//! was granted, whether the goods are back and what was given back stands in the return.

use domain::money::Amount;
use domain::snapshot::{ChannelPayment, ChannelStatus, Snapshot};
use jiff::Timestamp;
use serde::Deserialize;

use crate::inbound::PayloadError;
use crate::literal::Literal;
use crate::payload::word;

#[derive(Deserialize)]
pub(super) struct Answer {
    response: Option<Return>,
}

#[derive(Deserialize)]
struct Return {
    return_sn: Option<String>,
    status: Option<String>,
    refund_amount: Option<Literal>,
    update_time: Option<Literal>,
    /// 0 goods and money, 1 money only.
    return_solution: Option<Literal>,
    #[serde(default)]
    needs_logistics: Option<bool>,
    reverse_logistic_status: Option<String>,
    logistics_status: Option<String>,
}

impl Return {
    fn is_granted(&self) -> bool {
        self.status.as_deref() == Some("ACCEPTED")
    }

    fn is_open(&self) -> bool {
        matches!(
            self.status.as_deref(),
            Some("REQUESTED" | "PROCESSING" | "JUDGING" | "SELLER_DISPUTE")
        )
    }

    fn is_of_goods(&self) -> bool {
        match self.return_solution.as_ref().map(Literal::as_str) {
            Some("0") => true,
            Some("1") => false,
            Some(_) | None => self.needs_logistics == Some(true),
        }
    }

    /// Asked for and not decided, or granted and the goods are not back.
    fn is_under_way(&self) -> bool {
        self.is_open() || (self.is_granted() && self.is_of_goods() && !self.is_back())
    }

    fn is_back(&self) -> bool {
        let states = [&self.reverse_logistic_status, &self.logistics_status];
        states
            .into_iter()
            .flatten()
            .any(|state| state == "LOGISTICS_DELIVERY_DONE")
    }
}

/// Folds the returns into the order's snapshot. An order and its returns are versions of one
/// document: the newest of their times is its revision.
pub(super) fn apply(snapshot: &mut Snapshot, answers: &[Answer]) -> Result<(), PayloadError> {
    let returns: Vec<&Return> = answers
        .iter()
        .filter_map(|answer| answer.response.as_ref())
        .collect();
    let mut refunded = 0;
    for one in &returns {
        if let Some(at) = &one.update_time {
            let at = Timestamp::from_second(at.whole("returns.update_time")?)
                .map_err(|_| PayloadError::new("returns.update_time: expected unix seconds"))?;
            snapshot.revised_at = snapshot.revised_at.max(at);
        }
        // Money follows the goods where goods go back.
        if one.is_granted()
            && !one.is_under_way()
            && let Some(amount) = &one.refund_amount
        {
            refunded += amount
                .amount("returns.refund_amount", &snapshot.currency)?
                .0
                .abs();
        }
        snapshot.tags.push(format!(
            "return:{}:{}",
            word(one.return_sn.as_deref().unwrap_or_default()),
            word(one.status.as_deref().unwrap_or_default())
        ));
    }
    if refunded > 0 && snapshot.payment == Some(ChannelPayment::Paid) {
        snapshot.refunded = Amount(refunded);
        let is_all = snapshot.paid.is_some_and(|paid| refunded >= paid.0);
        snapshot.payment = Some(if is_all {
            ChannelPayment::Refunded
        } else {
            ChannelPayment::PartiallyRefunded
        });
    }
    let arrived = matches!(
        snapshot.status,
        ChannelStatus::Shipped
            | ChannelStatus::Delivered
            | ChannelStatus::Completed
            | ChannelStatus::ReturnRequested
    );
    if arrived {
        if returns.iter().any(|one| one.is_under_way()) {
            snapshot.status = ChannelStatus::ReturnRequested;
        } else if returns
            .iter()
            .any(|one| one.is_granted() && one.is_of_goods())
        {
            snapshot.status = ChannelStatus::Returned;
        }
    }
    Ok(())
}
