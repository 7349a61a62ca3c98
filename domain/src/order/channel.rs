//! The channel's side of an order: one register per group of fields, folded from snapshots.
//!
//! A snapshot says nothing of a field that it leaves out. Of two that speak of a field, the one
//! with the greater stamp counts. Channels hide names, phones and addresses for a while and show
//! them again later or never, so these have two registers: the newest clear value is shown, and
//! the newest masked one only while no clear one is known, whatever their times. Both rules look
//! only at the set of snapshots, never at their order of arrival.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::money::Amount;
use crate::snapshot::{
    Appointment, Cancellation, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy,
    InvoiceRequest, PaymentMethod, ShipTo, Snapshot, SnapshotLine, SnapshotTotals,
};
use crate::stamp::{Register, Stamp};

/// A register that may be empty.
pub(super) type Slot<T> = Option<Register<T>>;

/// Puts a value into a slot if it is newer; says whether the slot changed.
fn put<T>(slot: &mut Slot<T>, stamp: Stamp, value: T) -> bool {
    let incoming = Register::new(stamp, value);
    match slot {
        Some(register) => register.merge(incoming),
        None => {
            *slot = Some(incoming);
            true
        }
    }
}

fn put_some<T>(slot: &mut Slot<T>, stamp: Stamp, value: Option<T>) -> bool {
    value.is_some_and(|value| put(slot, stamp, value))
}

/// The value of a slot.
pub(super) fn value<T>(slot: &Slot<T>) -> Option<&T> {
    slot.as_ref().map(|register| &register.value)
}

/// A field that channels mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Maskable<T> {
    clear: Slot<T>,
    masked: Slot<T>,
}

impl<T> Default for Maskable<T> {
    fn default() -> Self {
        Self {
            clear: None,
            masked: None,
        }
    }
}

impl<T> Maskable<T> {
    fn put(&mut self, stamp: Stamp, value: Option<T>, is_masked: impl Fn(&T) -> bool) -> bool {
        let Some(value) = value else { return false };
        if is_masked(&value) {
            put(&mut self.masked, stamp, value)
        } else {
            put(&mut self.clear, stamp, value)
        }
    }

    /// The best value known.
    pub(super) fn get(&self) -> Option<&T> {
        value(&self.clear).or_else(|| value(&self.masked))
    }
}

/// Whether a channel has hidden part of a text.
pub(crate) fn looks_masked(text: &str) -> bool {
    text.contains(['*', '•', '●', '＊'])
}

fn address_masked(address: &ShipTo) -> bool {
    [
        &address.text,
        &address.line,
        &address.ward,
        &address.district,
        &address.province,
    ]
    .into_iter()
    .flatten()
    .any(|part| looks_masked(part))
}

/// The fields of every snapshot that belong to its status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stage {
    pub(super) status: ChannelStatus,
    pub(super) word: String,
    pub(super) at: Timestamp,
    pub(super) cancel_requested: bool,
    pub(super) cancellation: Option<Cancellation>,
}

/// What the channel says, all snapshots together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct ChannelSide {
    pub(super) stage: Slot<Stage>,
    pub(super) placed_at: Slot<Timestamp>,
    pub(super) currency: Slot<String>,
    pub(super) buyer_name: Maskable<String>,
    pub(super) buyer_phone: Maskable<String>,
    pub(super) buyer_email: Maskable<String>,
    pub(super) buyer_external_id: Slot<String>,
    pub(super) recipient: Maskable<String>,
    pub(super) recipient_phone: Maskable<String>,
    /// Without name and phone, which mask on their own.
    pub(super) address: Maskable<ShipTo>,
    pub(super) lines: Slot<Vec<SnapshotLine>>,
    pub(super) totals: Slot<SnapshotTotals>,
    pub(super) payment_method: Slot<PaymentMethod>,
    pub(super) payment: Slot<ChannelPayment>,
    pub(super) paid: Slot<Amount>,
    pub(super) refunded: Slot<Amount>,
    pub(super) fulfilled_by: Slot<FulfilledBy>,
    pub(super) fixed_location: Slot<String>,
    pub(super) confirm_by: Slot<Timestamp>,
    pub(super) ship_by: Slot<Timestamp>,
    pub(super) note: Slot<String>,
    pub(super) coupon: Slot<String>,
    pub(super) appointment: Slot<Appointment>,
    pub(super) invoice_request: Slot<InvoiceRequest>,
    /// The tags of the newest whole document; that is one with lines.
    tags: Slot<BTreeSet<String>>,
    /// The tags of the newest word without lines.
    bare_tags: Slot<BTreeSet<String>>,
}

/// The stamp of a snapshot: its revision, a cancel before everything else of the same moment, then
/// its content.
pub(super) fn stamp(snapshot: &Snapshot) -> Stamp {
    let content = serde_json::to_vec(snapshot).expect("a snapshot has only text keys");
    Stamp::new(
        snapshot.revised_at.as_millisecond(),
        snapshot.status.rank(),
        &content,
    )
}

impl ChannelSide {
    /// Folds a snapshot in; says whether anything is different now.
    pub(super) fn apply(&mut self, snapshot: Snapshot) -> bool {
        let stamp = stamp(&snapshot);
        let full = snapshot.lines.is_some();
        let mut changed = put(
            &mut self.stage,
            stamp,
            Stage {
                status: snapshot.status,
                word: snapshot.channel_status,
                at: snapshot.revised_at,
                cancel_requested: snapshot.cancel_requested,
                cancellation: snapshot.cancellation,
            },
        );
        changed |= put(&mut self.placed_at, stamp, snapshot.placed_at);
        changed |= put(&mut self.currency, stamp, snapshot.currency);
        if let Some(buyer) = snapshot.buyer {
            changed |= self
                .buyer_name
                .put(stamp, filled(buyer.name), |text| looks_masked(text));
            changed |= self
                .buyer_phone
                .put(stamp, filled(buyer.phone), |text| looks_masked(text));
            changed |= self
                .buyer_email
                .put(stamp, filled(buyer.email), |text| looks_masked(text));
            changed |= put_some(
                &mut self.buyer_external_id,
                stamp,
                filled(buyer.external_id),
            );
        }
        if let Some(ship_to) = snapshot.ship_to {
            let ShipTo { name, phone, .. } = ship_to.clone();
            let address = ShipTo {
                name: None,
                phone: None,
                ..ship_to
            };
            changed |= self
                .recipient
                .put(stamp, filled(name), |text| looks_masked(text));
            changed |= self
                .recipient_phone
                .put(stamp, filled(phone), |text| looks_masked(text));
            let said = (address != ShipTo::default()).then_some(address);
            changed |= self.address.put(stamp, said, address_masked);
        }
        changed |= put_some(&mut self.lines, stamp, snapshot.lines);
        changed |= put_some(&mut self.totals, stamp, snapshot.totals);
        changed |= put_some(&mut self.payment_method, stamp, snapshot.payment_method);
        // A bare status carries a refund of 0 only because the field has no "not said".
        let speaks_of_money = snapshot.payment.is_some()
            || snapshot.paid.is_some()
            || snapshot.refunded != Amount::ZERO;
        changed |= put_some(&mut self.payment, stamp, snapshot.payment);
        changed |= put_some(&mut self.paid, stamp, snapshot.paid);
        if speaks_of_money {
            changed |= put(&mut self.refunded, stamp, snapshot.refunded);
        }
        // Likewise: without lines, "us" is only the default.
        if full || snapshot.fulfilled_by == FulfilledBy::Marketplace {
            changed |= put(&mut self.fulfilled_by, stamp, snapshot.fulfilled_by);
        }
        changed |= put_some(
            &mut self.fixed_location,
            stamp,
            filled(snapshot.fixed_location),
        );
        changed |= put_some(&mut self.confirm_by, stamp, snapshot.deadlines.confirm_by);
        changed |= put_some(&mut self.ship_by, stamp, snapshot.deadlines.ship_by);
        changed |= put_some(&mut self.note, stamp, filled(snapshot.note));
        changed |= put_some(&mut self.coupon, stamp, filled(snapshot.coupon));
        changed |= put_some(&mut self.appointment, stamp, snapshot.appointment);
        changed |= put_some(&mut self.invoice_request, stamp, snapshot.invoice_request);
        // A whole document knows all that is worth seeing; a word on the status alone speaks only
        // for itself, and no longer than until the next whole document.
        let of = if full {
            &mut self.tags
        } else {
            &mut self.bare_tags
        };
        changed |= put(of, stamp, snapshot.tags.into_iter().collect());
        changed
    }

    /// What the channel says now beside its fields: the tags of the newest whole document, and
    /// those of a word without lines that is not older.
    pub(super) fn tags(&self) -> BTreeSet<String> {
        let mut tags = value(&self.tags).cloned().unwrap_or_default();
        let known = self.tags.as_ref().map(|whole| whole.stamp.revision);
        // Of one moment both count: neither knows of the other.
        if let Some(bare) = &self.bare_tags
            && known.is_none_or(|known| bare.stamp.revision >= known)
        {
            tags.extend(bare.value.iter().cloned());
        }
        tags
    }

    /// How far the channel says it has come; `None` before the first snapshot.
    pub(super) fn status(&self) -> Option<ChannelStatus> {
        value(&self.stage).map(|stage| stage.status)
    }

    pub(super) fn deadlines(&self) -> Deadlines {
        Deadlines {
            confirm_by: value(&self.confirm_by).copied(),
            ship_by: value(&self.ship_by).copied(),
        }
    }

    /// The address with its recipient put together again.
    pub(super) fn ship_to(&self) -> Option<ShipTo> {
        let known = self.address.get().is_some()
            || self.recipient.get().is_some()
            || self.recipient_phone.get().is_some();
        known.then(|| ShipTo {
            name: self.recipient.get().cloned(),
            phone: self.recipient_phone.get().cloned(),
            ..self.address.get().cloned().unwrap_or_default()
        })
    }

    /// The channel's newest revision.
    pub(super) fn revised_at(&self) -> Option<Timestamp> {
        value(&self.stage).map(|stage| stage.at)
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}
