//! What the plan must know of the channel's side to tell it the news.

use crate::snapshot::ChannelStatus;
use crate::task::ChannelLine;

use super::channel::value;
use super::hold::{self, Hold};
use super::{Lifecycle, Order};

impl Order {
    /// The channel's last word.
    #[must_use]
    pub fn channel_status(&self) -> Option<ChannelStatus> {
        self.said.status()
    }

    /// The buyer wants to cancel and waits for an answer.
    pub(crate) fn cancel_requested(&self) -> bool {
        value(&self.said.stage).is_some_and(|stage| stage.cancel_requested)
    }

    /// Staff have seen the buyer's wish and let the order go on.
    pub(crate) fn goes_on_all_the_same(&self) -> bool {
        let cause = Hold::new(hold::CANCEL_REQUESTED, None).cause();
        self.accepted.contains(&cause) && self.judged.lifecycle != Lifecycle::Cancelled
    }

    /// Lines that the channel still wants and staff have left out.
    pub(crate) fn lines_left_out(&self) -> Vec<ChannelLine> {
        let out = self.staff.fold().cancelled_lines;
        let said = value(&self.said.lines).into_iter().flatten();
        said.filter(|line| line.quantity > 0 && out.contains(&line.id))
            .map(|line| ChannelLine {
                line_id: line.id.clone(),
                channel_sku: line.channel_sku.clone(),
                sku: line.sku.clone(),
                quantity: line.quantity,
            })
            .collect()
    }
}
