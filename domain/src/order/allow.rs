//! What staff may do with an order in its present state.

use super::fact::Action;
use super::status::{Fulfillment, Lifecycle};
use super::{ChannelStatus, Order, Settings};

impl Order {
    /// Whether the order's state allows the action; else why not, in words for staff.
    ///
    /// # Errors
    /// The reason.
    pub fn allows(&self, action: &Action, settings: &Settings) -> Result<(), String> {
        let ended = matches!(
            self.judged.lifecycle,
            Lifecycle::Closed | Lifecycle::Cancelled
        );
        let inside = matches!(
            self.judged.fulfillment,
            Fulfillment::Unallocated | Fulfillment::Allocated | Fulfillment::Packed
        );
        let status = self.judged.status.as_str();
        match action {
            Action::Refund {
                reference,
                transaction,
                amount,
            } => self.may_refund(reference, transaction, *amount, settings),
            Action::Confirm
                if !matches!(
                    self.judged.lifecycle,
                    Lifecycle::Draft | Lifecycle::Pending | Lifecycle::OnHold
                ) =>
            {
                Err(format!(
                    "it is {status}; only an order that waits is confirmed"
                ))
            }
            Action::Confirm if self.judged.lines.is_empty() => {
                Err("it has no lines yet; add them first".to_owned())
            }
            Action::Reject if self.said.status() != Some(ChannelStatus::Draft) => {
                Err("only a draft is rejected; cancel the order instead".to_owned())
            }
            Action::Release if self.judged.holds.is_empty() => {
                Err(format!("it is {status} and not held"))
            }
            Action::Cancel
            | Action::Reroute
            | Action::Transfer { .. }
            | Action::CancelLine { .. }
                if !inside =>
            {
                Err(format!("it is {status}; the goods have left already"))
            }
            Action::CancelLine { line } if !self.judged.lines.iter().any(|l| l.id == *line) => {
                Err(format!("it has no line `{line}`"))
            }
            Action::Confirm
            | Action::Hold
            | Action::Release
            | Action::Cancel
            | Action::Reject
            | Action::Reroute
            | Action::Transfer { .. }
            | Action::CancelLine { .. }
            | Action::Edit(_)
                if ended =>
            {
                Err(format!("it is {status}"))
            }
            Action::Confirm
            | Action::Hold
            | Action::Release
            | Action::Cancel
            | Action::Reject
            | Action::Reroute
            | Action::Transfer { .. }
            | Action::CancelLine { .. }
            | Action::Edit(_) => Ok(()),
        }
    }
}
