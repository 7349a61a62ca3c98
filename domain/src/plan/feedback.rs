//! Telling the channel what became of its order, and the buyer's provider to give money back.
//!
//! News is derived like every other effect: what the order is now, minus what has been told.
//! Nothing is told that the channel's own last word is already past, and one order's news goes out
//! one after the other, so that no channel hears of a delivery before the shipment.

use crate::fulfillment::State;
use crate::order::effects::EffectState;
use crate::order::part::Part;
use crate::order::{Fulfillment, Lifecycle, Order, RefundAsked};
use crate::snapshot::ChannelStatus;
use crate::task::{
    CancelReason, ChannelLine, ChannelTask, Leg, News, NewsKind, TaskBody, Tracking,
};

use super::{Call, Draft};

/// How far a channel's word is on the way of an order that goes well; what ended otherwise is past
/// everything.
fn progress(status: ChannelStatus) -> u8 {
    match status {
        ChannelStatus::Draft | ChannelStatus::Pending => 0,
        ChannelStatus::Confirmed => 1,
        ChannelStatus::Packed => 2,
        ChannelStatus::Shipped => 3,
        ChannelStatus::Delivered => 4,
        ChannelStatus::Completed
        | ChannelStatus::Cancelled
        | ChannelStatus::DeliveryFailed
        | ChannelStatus::ReturnRequested
        | ChannelStatus::Returned => 5,
    }
}

impl Order {
    pub(super) fn plan_feedback(&mut self, draft: &mut Draft<'_>) {
        self.plan_refunds(draft);
        let Some(takes) = draft.context.settings.feedback.get(&self.channel) else {
            return;
        };
        let Some(status) = self.channel_status() else {
            return;
        };
        let takes = |kind| takes.contains(&kind);
        let said = progress(status);
        if self.judged.lifecycle == Lifecycle::Cancelled {
            if said < 5 {
                self.tell_cancelled(draft, &takes);
            }
            return;
        }
        if self.judged.lifecycle == Lifecycle::Draft || self.judged.outside {
            return;
        }
        if takes(NewsKind::CancelAnswered) && self.cancel_requested() && self.goes_on_all_the_same()
        {
            let news = News::CancelAnswered {
                accept: false,
                text: String::new(),
            };
            let wish = self.wish();
            let subject = self.id.as_str().to_owned();
            self.tell_again(draft, "cancel-refused", subject, wish, news);
        }
        if takes(NewsKind::Cancelled) && said < 3 {
            self.tell_cancelled_lines(draft);
        }
        if takes(NewsKind::Accepted) && said < 2 && self.is_held_in_full() {
            let news = News::Accepted {
                lines: self.channel_lines(),
                location: self.parts.first().map(|part| part.location.clone()),
            };
            self.tell(draft, "accepted", self.id.as_str().to_owned(), news);
        }
        for part in self.parts.clone() {
            if part.counts() {
                self.tell_of_part(draft, &part, said, &takes);
            }
            if !part.stands() {
                self.stop_packing_news(draft, &part);
            }
        }
    }

    fn tell_of_part(
        &mut self,
        draft: &mut Draft<'_>,
        part: &Part,
        said: u8,
        takes: &impl Fn(NewsKind) -> bool,
    ) {
        let packing = matches!(part.state, State::Accepted | State::Packed) && part.stands();
        let parcel = || part.id.clone();
        if takes(NewsKind::Arranged) && said < 2 && packing && !self.is_shipped_in_advance() {
            let lines = self.lines_of(part);
            let news = News::Arranged {
                parcel: parcel(),
                lines,
            };
            self.tell_again(draft, "arranged", parcel(), self.arrangement(), news);
        }
        let packed = part.state == State::Packed && part.stands();
        if takes(NewsKind::Packed) && said < 3 && packed {
            let key = self.news_key("arranged", &part.id, self.arrangement());
            let arranged = self.effects.get(&key);
            let channel_parcel = match arranged {
                Some(EffectState::Done { given, .. }) => Some(given.partner_id.clone()),
                // Not arranged by us: the channel knows the parcel by the order.
                None => Some(None),
                Some(_) => None,
            };
            if let Some(channel_parcel) = channel_parcel {
                let lines = self.lines_of(part);
                let news = News::Packed {
                    parcel: parcel(),
                    lines,
                    channel_parcel,
                };
                self.tell(draft, "packed", parcel(), news);
            }
        }
        let (left, tracking) = match &part.state {
            State::Shipped { at, tracking } | State::Delivered { at, tracking, .. } => {
                (Some(*at), tracking.as_ref())
            }
            State::Planned
            | State::Reserving
            | State::Reserved
            | State::Released
            | State::Accepted
            | State::Packed
            | State::DeliveryFailed { .. }
            | State::Returning { .. }
            | State::Returned { .. }
            | State::Rejected { .. }
            | State::Cancelled { .. } => (None, None),
        };
        if let Some(at) = left
            && takes(NewsKind::Shipped)
            && said < 3
        {
            let news = News::Shipped {
                parcel: parcel(),
                lines: self.lines_of(part),
                tracking: tracking.map(|tracking| Tracking {
                    number: tracking.number.clone(),
                    carrier: Some(tracking.carrier.clone()),
                }),
                at,
            };
            self.tell(draft, "shipped", parcel(), news);
        }
        match &part.state {
            State::Delivered { at, .. } if takes(NewsKind::Delivered) && said < 4 => {
                let news = News::Delivered {
                    parcel: parcel(),
                    at: *at,
                };
                self.tell(draft, "delivered", parcel(), news);
            }
            State::DeliveryFailed { at, reason } if takes(NewsKind::DeliveryFailed) && said < 4 => {
                let news = News::DeliveryFailed {
                    parcel: parcel(),
                    reason: reason.clone(),
                    at: *at,
                };
                self.tell(draft, "delivery-failed", parcel(), news);
            }
            State::Planned
            | State::Reserving
            | State::Reserved
            | State::Released
            | State::Accepted
            | State::Packed
            | State::Shipped { .. }
            | State::Delivered { .. }
            | State::DeliveryFailed { .. }
            | State::Returning { .. }
            | State::Returned { .. }
            | State::Rejected { .. }
            | State::Cancelled { .. } => {}
        }
    }

    /// We have called the order off, and the channel does not know. An open wish of the buyer is
    /// answered instead, where the channel takes answers.
    fn tell_cancelled(&mut self, draft: &mut Draft<'_>, takes: &impl Fn(NewsKind) -> bool) {
        let subject = self.id.as_str().to_owned();
        // What is still to be told would set the channel's carrier in motion for nothing.
        self.stop_news(draft, "accepted", &subject);
        for part in self.parts.clone() {
            self.stop_packing_news(draft, &part);
        }
        if takes(NewsKind::CancelAnswered) && self.cancel_requested() {
            let news = News::CancelAnswered {
                accept: true,
                text: String::new(),
            };
            self.tell_again(draft, "cancel-granted", subject, self.wish(), news);
        } else if takes(NewsKind::Cancelled) {
            let text = self.judged.cancel_reason.clone().unwrap_or_default();
            let news = News::Cancelled {
                reason: self.cancel_kind(&text),
                text,
                lines: self.channel_lines(),
                whole: true,
            };
            self.tell(draft, "cancelled", subject, news);
        }
    }

    /// Lines that staff have left out while the rest goes on.
    fn tell_cancelled_lines(&mut self, draft: &mut Draft<'_>) {
        for line in self.lines_left_out() {
            let step = format!("cancelled-{}", line.line_id);
            let news = News::Cancelled {
                reason: CancelReason::OutOfStock,
                text: String::new(),
                lines: vec![line],
                whole: false,
            };
            self.tell(draft, &step, self.id.as_str().to_owned(), news);
        }
    }

    fn stop_packing_news(&mut self, draft: &mut Draft<'_>, part: &Part) {
        self.stop_news(draft, "arranged", &part.id);
        self.stop_news(draft, "packed", &part.id);
    }

    fn stop_news(&mut self, draft: &mut Draft<'_>, step: &str, subject: &str) {
        for generation in 1..=self.arrangement() {
            let key = self.news_key(step, subject, generation);
            if self.effects.get(&key) == Some(&EffectState::Pending) {
                self.stop(draft, &key);
            }
        }
    }

    /// Where a rule or routing gave up, the reason is stock. Staff may begin theirs with the word.
    fn cancel_kind(&self, text: &str) -> CancelReason {
        let word = text.split([':', ' ']).next().unwrap_or_default();
        match word {
            "out_of_stock" => CancelReason::OutOfStock,
            "buyer_asked" => CancelReason::BuyerAsked,
            "unpaid" => CancelReason::Unpaid,
            _ if self.routing.cancelled.as_deref() == Some(text) => CancelReason::OutOfStock,
            _ => CancelReason::Other,
        }
    }

    /// Stock is held for every line, by the locations' own word.
    pub(crate) fn is_held_in_full(&self) -> bool {
        let standing = self.parts.iter().filter(|part| part.counts());
        self.judged.fulfillment != Fulfillment::Unallocated
            && self.judged.lifecycle == Lifecycle::Open
            && standing.clone().next().is_some()
            && standing.clone().all(|part| {
                part.stands() && self.effects.is_done(&part.reserve_key(self.code.as_str()))
            })
    }

    /// The marketplace has taken the parcel before there was an order.
    fn is_shipped_in_advance(&self) -> bool {
        self.judged.tags.iter().any(|tag| tag == "advance_package")
    }

    fn channel_lines(&self) -> Vec<ChannelLine> {
        let lines = self.judged.lines.iter();
        lines
            .map(|line| self.channel_line(&line.id, line.quantity))
            .collect()
    }

    fn lines_of(&self, part: &Part) -> Vec<ChannelLine> {
        part.lines
            .iter()
            .filter(|line| !line.rule_gift)
            .map(|line| self.channel_line(&line.line_id, line.quantity))
            .collect()
    }

    fn channel_line(&self, id: &str, quantity: u32) -> ChannelLine {
        let line = self.judged.lines.iter().find(|line| line.id == id);
        ChannelLine {
            line_id: id.to_owned(),
            channel_sku: line.and_then(|line| line.channel_sku.clone()),
            sku: line.and_then(|line| line.sku.clone()),
            quantity,
        }
    }

    /// Refunds that staff asked for, each once, at the provider that took the money.
    fn plan_refunds(&mut self, draft: &mut Draft<'_>) {
        for refund in self.refunds_asked() {
            let Some(earlier) = self.refunds_before(&refund) else {
                continue;
            };
            let RefundAsked {
                command,
                provider,
                reference,
                transaction,
                amount,
                paid,
                paid_at,
                asked_at,
                text,
                actor,
            } = refund;
            let takes = draft.context.settings.feedback.get(&provider);
            if !takes.is_some_and(|takes| takes.contains(&NewsKind::Refunded)) {
                continue;
            }
            let news = News::Refunded {
                reference,
                transaction,
                amount,
                paid,
                paid_at,
                asked_at,
                earlier,
                text,
                actor,
            };
            self.send_news(draft, "refund", &provider, (command, 1), news);
        }
    }

    fn tell(&mut self, draft: &mut Draft<'_>, step: &str, subject: String, news: News) {
        self.tell_again(draft, step, subject, 1, news);
    }

    /// Tells what the channel may ask for again: once each time.
    fn tell_again(
        &mut self,
        draft: &mut Draft<'_>,
        step: &str,
        subject: String,
        generation: u32,
        news: News,
    ) {
        let channel = self.channel.clone();
        self.send_news(draft, step, &channel, (subject, generation), news);
    }

    fn send_news(
        &mut self,
        draft: &mut Draft<'_>,
        step: &str,
        channel: &str,
        (subject, generation): (String, u32),
        news: News,
    ) {
        let key = self.news_key(step, &subject, generation);
        if self.effects.get(&key).is_some() {
            return;
        }
        let serial = format!("{channel}/{}", self.code.as_str());
        let body = TaskBody::Channel(ChannelTask {
            order_ref: self.code.as_str().to_owned(),
            external_id: self.external_id.clone(),
            news,
        });
        let call = Call {
            key: &key,
            target: Some(channel),
            leg: Leg::Channel,
            subject: &subject,
            generation,
            serial: Some(&serial),
            body,
        };
        self.emit(draft, call);
    }
}
