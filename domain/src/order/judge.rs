//! The judgement: everything that follows from what was said, decided and done.
//!
//! It is computed anew after every change, from the whole order, so nothing in it can be stale or
//! depend on the order of arrival.

use serde::{Deserialize, Serialize};

use crate::address::{Address, AddressInput, Match, resolve};
use crate::money::Amount;
use crate::payment::{Money, PaymentFact, PaymentState, PaymentStatus};
use crate::phone::{Parsed, Phone};
use crate::snapshot::{
    Appointment, Buyer, ChannelPayment, ChannelStatus, FulfilledBy, InvoiceRequest, PaymentMethod,
    ShipTo, SnapshotLine, SnapshotTotals,
};
use crate::stamp::{ContentHash, content_hash};

use super::channel::{looks_masked, value};
use super::context::{Context, ReserveWhen};
use super::hold::{self, Hold};
use super::staff::StaffView;
use super::status::{Fulfillment, Lifecycle, LifecycleFacts, Status};
use super::view::TotalsView;
use super::{Order, money};

/// What follows from the facts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) status: Status,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) fulfillment: Fulfillment,
    pub(crate) payment: PaymentStatus,
    pub(crate) paid: Amount,
    pub(crate) refunded: Amount,
    pub(crate) method: Option<PaymentMethod>,
    pub(crate) lines: Vec<Line>,
    pub(crate) currency: String,
    pub(crate) totals: TotalsView,
    pub(crate) buyer: Buyer,
    pub(crate) buyer_masked: bool,
    pub(crate) ship_to: Address,
    /// What `ship_to` and `province` were resolved from.
    pub(crate) ship_to_said: Option<ShipTo>,
    pub(crate) province: Province,
    /// `false` only before the first judgement.
    pub(crate) resolved: bool,
    /// Hash of the destination; `None` while the channel hides it.
    pub(crate) address_hash: Option<ContentHash>,
    pub(crate) note: Option<String>,
    pub(crate) appointment: Option<Appointment>,
    pub(crate) invoice_request: Option<InvoiceRequest>,
    pub(crate) fixed_location: Option<String>,
    pub(crate) fulfilled_by: FulfilledBy,
    pub(crate) holds: Vec<Hold>,
    pub(crate) tags: Vec<String>,
    pub(crate) cancel_reason: Option<String>,
    /// Confirmed and, where it must be, paid.
    pub(crate) ready: bool,
    /// Somebody else ships it: the marketplace, or it had left before we came to it.
    pub(crate) outside: bool,
}

/// A line that is wanted, with what the catalog says of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) sku: Option<String>,
    pub(crate) channel_sku: Option<String>,
    pub(crate) name: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Amount,
    pub(crate) discount: Amount,
    pub(crate) total: Amount,
    pub(crate) gift: bool,
    pub(crate) parent: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) brand: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) serial_tracked: bool,
    pub(crate) installation: bool,
    pub(crate) warranty_months: u32,
    pub(crate) tax_class: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) kit: Vec<(String, u32)>,
}

/// Fields that staff can edit and a channel can contradict.
const EDITABLE: [&str; 6] = [
    "buyer",
    "ship_to",
    "lines",
    "note",
    "appointment",
    "invoice_request",
];

impl Order {
    /// Judges the order anew; says whether anything came out differently.
    pub(crate) fn refresh(&mut self, context: &Context<'_>) -> bool {
        let stage = value(&self.said.stage).cloned();
        let mut changed = false;
        for part in &mut self.parts {
            let before = (part.state.clone(), part.invalid.len());
            part.replay(
                self.code.as_str(),
                self.fulfillment_logs.get(&part.id),
                &self.effects,
                stage.as_ref(),
            );
            changed |= before != (part.state.clone(), part.invalid.len());
        }
        changed |= self.refresh_services();
        changed |= self.refresh_invoices();
        let judged = self.judge(context);
        changed |= judged != self.judged;
        self.judged = judged;
        // With other lines or another destination, routing may do better than it did.
        let outdated = self
            .routing
            .hold
            .as_ref()
            .is_some_and(|hold| hold.basis != self.routing_basis());
        if outdated {
            self.routing.hold = None;
            self.routing.round = 0;
            self.routing.excluded.clear();
            self.judged = self.judge(context);
            changed = true;
        }
        changed
    }

    fn judge(&self, context: &Context<'_>) -> Judged {
        let staff = self.staff.fold();
        let said = &self.said;
        let status = said.status();
        let wanted = self.wanted_lines(&staff);
        let lines: Vec<Line> = wanted.iter().map(|line| self.line(line, context)).collect();
        let stated = value(&said.totals).copied().unwrap_or_default();
        let untouched = staff.edit.lines.is_none() && staff.cancelled_lines.is_empty();
        let items = money::items(&wanted).unwrap_or_default();
        let grand_total = stated
            .grand_total
            .filter(|_| untouched)
            .or_else(|| money::grand_total(items, &stated))
            .unwrap_or_default()
            .at_least_zero();

        let ship_to = staff.edit.ship_to.clone().or_else(|| said.ship_to());
        // Resolving reads free text; most changes leave the destination alone.
        let (address, province) = if self.judged.ship_to_said == ship_to && self.judged.resolved {
            (self.judged.ship_to.clone(), self.judged.province)
        } else {
            destination(ship_to.as_ref())
        };
        let buyer = staff.edit.buyer.clone().unwrap_or_else(|| Buyer {
            name: said.buyer_name.get().cloned(),
            phone: said.buyer_phone.get().cloned(),
            email: said.buyer_email.get().cloned(),
            external_id: value(&said.buyer_external_id).cloned(),
        });
        let buyer_masked = [&buyer.name, &buyer.phone, &buyer.email]
            .into_iter()
            .flatten()
            .any(|text| looks_masked(text));

        let fulfillment = self.fulfillment_axis(&lines, status);
        let money = self.money(grand_total, fulfillment);
        let payment = money.status();
        let fulfilled_by = value(&said.fulfilled_by).copied().unwrap_or_default();
        let marketplace = fulfilled_by == FulfilledBy::Marketplace
            || self
                .decision
                .as_ref()
                .is_some_and(|decision| decision.marketplace);
        let outside = marketplace || (self.parts.is_empty() && status.is_some_and(has_left));

        let by_channel = status == Some(ChannelStatus::Cancelled);
        let cancel_reason = staff
            .cancelled
            .as_ref()
            .map(|called| called.reason.clone())
            .or_else(|| by_channel.then(|| self.channel_cancel_reason()))
            .or_else(|| self.routing.cancelled.clone())
            .or_else(|| {
                // Every line was left out by staff.
                (lines.is_empty() && !staff.cancelled_lines.is_empty())
                    .then(|| "every line cancelled".to_owned())
            });
        let cancelled = cancel_reason.is_some();
        let draft = status == Some(ChannelStatus::Draft) && !staff.confirmed;
        let ready = !draft && self.is_ready(&staff, &money, payment, context);
        let holds = if cancelled || status.is_none() {
            Vec::new()
        } else {
            self.holds(
                &staff,
                &lines,
                &money,
                &stated,
                untouched,
                province,
                marketplace,
            )
        };
        let allocated = self.parts.iter().any(super::part::Part::counts);
        let facts = LifecycleFacts {
            cancelled,
            draft,
            held: !holds.is_empty(),
            waiting: !ready && !allocated && !outside,
            finished: self.is_finished(fulfillment, outside, status),
        };
        let lifecycle = facts.lifecycle();
        let mut judged = Judged {
            status: Status::of(lifecycle, fulfillment),
            lifecycle,
            fulfillment,
            payment,
            paid: money.paid,
            refunded: money.refunded,
            method: money.method,
            lines,
            currency: value(&said.currency)
                .cloned()
                .unwrap_or_else(|| "VND".to_owned()),
            totals: TotalsView {
                items,
                seller_discount: stated.seller_discount,
                channel_discount: stated.channel_discount,
                shipping: stated.shipping,
                fees: stated.fees,
                grand_total,
                cod: money.cod(),
            },
            buyer,
            buyer_masked,
            address_hash: address_hash(&address),
            ship_to: address,
            ship_to_said: ship_to,
            province,
            resolved: true,
            note: staff
                .edit
                .note
                .clone()
                .or_else(|| value(&said.note).cloned()),
            appointment: staff
                .edit
                .appointment
                .clone()
                .or_else(|| value(&said.appointment).cloned()),
            invoice_request: staff
                .edit
                .invoice_request
                .clone()
                .or_else(|| value(&said.invoice_request).cloned()),
            fixed_location: staff
                .transfer
                .clone()
                .or_else(|| value(&said.fixed_location).cloned()),
            fulfilled_by,
            holds,
            tags: Vec::new(),
            cancel_reason,
            ready,
            outside,
        };
        judged.tags = self.tags(&staff, &judged);
        judged
    }

    /// The lines that are wanted: staff's, else the channel's, without those left out.
    fn wanted_lines(&self, staff: &StaffView) -> Vec<SnapshotLine> {
        let lines = staff
            .edit
            .lines
            .as_ref()
            .or_else(|| value(&self.said.lines));
        lines
            .into_iter()
            .flatten()
            .filter(|line| line.quantity > 0 && !staff.cancelled_lines.contains(&line.id))
            .cloned()
            .collect()
    }

    fn line(&self, line: &SnapshotLine, context: &Context<'_>) -> Line {
        let sku = context.catalog.sku_for(
            &self.channel,
            line.channel_sku.as_deref(),
            line.sku.as_deref(),
        );
        let product = sku
            .as_deref()
            .and_then(|sku| context.catalog.product(sku))
            .cloned();
        let known = product.unwrap_or_default();
        Line {
            id: line.id.clone(),
            sku,
            channel_sku: line.channel_sku.clone().or_else(|| line.sku.clone()),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            total: money::line_total(line).unwrap_or_default(),
            gift: line.gift,
            parent: line.parent.clone(),
            category: known.category,
            brand: known.brand,
            tags: known.tags,
            serial_tracked: known.serial_tracked,
            installation: known.installation,
            warranty_months: known.warranty_months,
            tax_class: known.tax_class,
            unit: known.unit,
            kit: known.kit,
        }
    }

    /// The parts that count, and one unallocated part if a line has none.
    fn fulfillment_axis(&self, lines: &[Line], status: Option<ChannelStatus>) -> Fulfillment {
        let mut stages: Vec<Fulfillment> = self
            .parts
            .iter()
            .filter(|part| part.counts())
            .map(super::part::Part::stage)
            .collect();
        if stages.is_empty() {
            return status.map_or(Fulfillment::Unallocated, Fulfillment::of_channel);
        }
        if lines.iter().any(|line| !self.covers(line)) {
            stages.push(Fulfillment::Unallocated);
        }
        Fulfillment::of_parts(&stages)
    }

    /// A part covers the line: with all its units while inside, for good once it has left.
    pub(crate) fn covers(&self, line: &Line) -> bool {
        let mut units = 0_u32;
        for part in self.parts.iter().filter(|part| part.counts()) {
            for covered in part
                .lines
                .iter()
                .filter(|covered| covered.line_id == line.id)
            {
                if part.has_left() || part.kept {
                    return true;
                }
                units = units.saturating_add(covered.quantity);
            }
        }
        units >= line.quantity
    }

    fn money(&self, due: Amount, fulfillment: Fulfillment) -> Money {
        let said = &self.said;
        let channel = value(&said.payment).copied();
        let stated = value(&said.paid).copied().unwrap_or_default();
        let whole = match channel {
            Some(
                ChannelPayment::Paid | ChannelPayment::PartiallyRefunded | ChannelPayment::Refunded,
            ) => due,
            Some(
                ChannelPayment::Unpaid
                | ChannelPayment::Authorized
                | ChannelPayment::PartiallyPaid
                | ChannelPayment::Failed,
            )
            | None => Amount::ZERO,
        };
        let received = self.received();
        let returned = self.reported(PaymentState::Refunded);
        let under_way = self.payments.values().any(|payment| {
            matches!(
                payment.state,
                PaymentState::Pending | PaymentState::Authorized
            )
        });
        let collected = self
            .fulfillment_logs
            .values()
            .flatten()
            .any(|(_, (_, kind))| matches!(
                kind,
                crate::fulfillment::EventKind::Delivered { cod_collected: Some(cash) } if *cash > 0
            ));
        Money {
            due,
            paid: stated.max(whole).max(received),
            refunded: value(&said.refunded)
                .copied()
                .unwrap_or_default()
                .max(returned)
                .max(self.refunded_by_us()),
            method: value(&said.payment_method).copied(),
            channel,
            authorized: self.reported(PaymentState::Authorized),
            failed: received == Amount::ZERO
                && !under_way
                && self
                    .payments
                    .values()
                    .any(|payment| payment.state == PaymentState::Failed),
            handed_over: collected || fulfillment == Fulfillment::Delivered,
            remitted: self
                .remitted
                .values()
                .fold(Amount::ZERO, |sum, row| sum.saturating_add(row.amount)),
        }
    }

    /// What providers say of payments in this state, in all.
    fn reported(&self, state: PaymentState) -> Amount {
        self.payments
            .values()
            .filter(|payment| payment.state == state)
            .fold(Amount::ZERO, |sum, payment| {
                sum.saturating_add(payment.amount)
            })
    }

    /// What providers have received: payments, and suspect ones that staff have accepted.
    fn received(&self) -> Amount {
        self.payments
            .values()
            .filter(|payment| match payment.state {
                PaymentState::Paid => true,
                PaymentState::Suspect => self.accepted.contains(&suspicion(payment).cause()),
                PaymentState::Pending
                | PaymentState::Authorized
                | PaymentState::Failed
                | PaymentState::Refunded => false,
            })
            .fold(Amount::ZERO, |sum, payment| {
                sum.saturating_add(payment.amount)
            })
    }

    /// Whether stock may be reserved. See [`ReserveWhen`].
    fn is_ready(
        &self,
        staff: &StaffView,
        money: &Money,
        payment: PaymentStatus,
        context: &Context<'_>,
    ) -> bool {
        let status = self.said.status();
        let confirmed = staff.confirmed
            || match status {
                Some(
                    ChannelStatus::Confirmed
                    | ChannelStatus::Packed
                    | ChannelStatus::Shipped
                    | ChannelStatus::Delivered
                    | ChannelStatus::Completed
                    | ChannelStatus::ReturnRequested
                    | ChannelStatus::Returned
                    | ChannelStatus::DeliveryFailed,
                ) => true,
                Some(ChannelStatus::Draft | ChannelStatus::Pending | ChannelStatus::Cancelled)
                | None => false,
            };
        let on_delivery = money.method == Some(PaymentMethod::Cod);
        let paid = on_delivery
            || matches!(
                payment,
                PaymentStatus::Paid | PaymentStatus::PartiallyRefunded
            )
            || money.due == Amount::ZERO && !self.judge_unknown_lines();
        // A marketplace that confirms a prepaid order and says nothing of the money has it.
        let vouched_for = money.channel.is_none()
            && matches!(money.method, Some(PaymentMethod::Prepaid) | None)
            && money.paid == Amount::ZERO;
        match context.settings.reserve_when(&self.channel) {
            ReserveWhen::Placed => status.is_some(),
            ReserveWhen::Confirmed => {
                confirmed
                    && (paid
                        || payment == PaymentStatus::Authorized
                        || vouched_for
                        || staff.confirmed)
            }
            ReserveWhen::Paid => confirmed && paid,
        }
    }

    /// No document has carried lines yet: a total of 0 means nothing.
    fn judge_unknown_lines(&self) -> bool {
        self.said.lines.is_none()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one list of causes, each from its own source"
    )]
    fn holds(
        &self,
        staff: &StaffView,
        lines: &[Line],
        money: &Money,
        stated: &SnapshotTotals,
        untouched: bool,
        province: Province,
        marketplace: bool,
    ) -> Vec<Hold> {
        let mut holds = Vec::new();
        let said = &self.said;
        if staff.held.is_some() {
            holds.push(Hold::new(hold::STAFF, None));
        }
        if let Some(currency) = value(&said.currency).filter(|currency| *currency != "VND") {
            holds.push(Hold::new(hold::CURRENCY, Some(currency.clone())));
        }
        if untouched
            && let (Some(lines), Some(_)) = (value(&said.lines), value(&said.totals))
            && let Some(field) = money::misfit(lines, stated)
        {
            holds.push(Hold::new(hold::TOTALS, Some(field)));
        }
        for line in lines
            .iter()
            .filter(|line| line.sku.is_none() && !self.covers(line))
        {
            let article = line
                .channel_sku
                .clone()
                .unwrap_or_else(|| format!("line {}", line.id));
            holds.push(Hold::new(hold::UNKNOWN_SKU, Some(article)));
        }
        let fixed = staff.transfer.is_some() || value(&said.fixed_location).is_some();
        match province {
            Province::Known => {}
            // Picked up, or sent by somebody else: nobody needs the address.
            Province::Unwritten if fixed || marketplace => {}
            Province::Unknown if marketplace => {}
            Province::Unwritten if said.lines.is_none() => {}
            Province::Unwritten | Province::Unknown => {
                let waits = lines.iter().any(|line| !self.covers(line));
                if waits || lines.is_empty() {
                    holds.push(Hold::new(
                        hold::UNKNOWN_PROVINCE,
                        Some("ship_to.province".into()),
                    ));
                }
            }
        }
        for payment in self.payments.values() {
            if payment.state == PaymentState::Suspect {
                holds.push(suspicion(payment));
            }
        }
        let received = self.received();
        let kept = received.saturating_sub(money.refunded);
        if said.lines.is_some() {
            let amounts = Some(format!("{kept} of {}", money.due));
            if kept > money.due {
                holds.push(Hold::new(hold::OVER_PAYMENT, amounts));
            } else if received > Amount::ZERO
                && money.status() == PaymentStatus::PartiallyPaid
                && money.method != Some(PaymentMethod::Cod)
            {
                holds.push(Hold::new(hold::UNDER_PAYMENT, amounts));
            }
        }
        for field in EDITABLE {
            if self.edit_differs(staff, field) {
                holds.push(Hold::new(hold::EDITED_DIFFERS, Some(field.to_owned())));
            }
        }
        if value(&said.stage).is_some_and(|stage| stage.cancel_requested) {
            holds.push(Hold::new(hold::CANCEL_REQUESTED, None));
        }
        if let Some(stopped) = &self.routing.hold {
            holds.push(Hold {
                code: stopped.code.clone(),
                detail: stopped.detail.clone(),
            });
        }
        holds.retain(|hold| !(hold.can_be_accepted() && self.accepted.contains(&hold.cause())));
        holds.sort();
        holds.dedup();
        holds
    }

    /// The channel's value of a field that staff have edited, hashed.
    pub(super) fn channel_hash(&self, field: &str) -> ContentHash {
        let said = &self.said;
        let text = match field {
            "buyer" => json(&Buyer {
                name: said.buyer_name.get().cloned(),
                phone: said.buyer_phone.get().cloned(),
                email: said.buyer_email.get().cloned(),
                external_id: None,
            }),
            "ship_to" => json(&said.ship_to().unwrap_or_default()),
            "lines" => json(&value(&said.lines)),
            "note" => json(&value(&said.note)),
            "appointment" => json(&value(&said.appointment)),
            _ => json(&value(&said.invoice_request)),
        };
        content_hash(&text)
    }

    /// The channel now says something that it did not say when staff edited the field, and that is
    /// not what staff wrote either.
    fn edit_differs(&self, staff: &StaffView, field: &str) -> bool {
        let edited = match field {
            "buyer" => staff.edit.buyer.as_ref().map(|buyer| {
                json(&Buyer {
                    external_id: None,
                    ..buyer.clone()
                })
            }),
            "ship_to" => staff.edit.ship_to.as_ref().map(json),
            "lines" => staff.edit.lines.as_ref().map(|lines| json(&Some(lines))),
            "note" => staff.edit.note.as_ref().map(|note| json(&Some(note))),
            "appointment" => staff
                .edit
                .appointment
                .as_ref()
                .map(|window| json(&Some(window))),
            _ => staff
                .edit
                .invoice_request
                .as_ref()
                .map(|request| json(&Some(request))),
        };
        let Some(edited) = edited else { return false };
        let now = self.channel_hash(field);
        now != content_hash(&edited) && self.edit_bases.get(field).is_some_and(|base| *base != now)
    }

    /// Remembers what the channel says now of the fields that staff have set.
    pub(super) fn rebase_edits(&mut self, fields: impl Iterator<Item = &'static str>) {
        for field in fields {
            let hash = self.channel_hash(field);
            self.edit_bases.insert(field.to_owned(), hash);
        }
    }

    /// All fields with an edit.
    pub(super) fn edited_fields(edit: &super::Edit) -> impl Iterator<Item = &'static str> {
        let set = [
            edit.buyer.is_some(),
            edit.ship_to.is_some(),
            edit.lines.is_some(),
            edit.note.is_some(),
            edit.appointment.is_some(),
            edit.invoice_request.is_some(),
        ];
        EDITABLE
            .into_iter()
            .zip(set)
            .filter(|(_, set)| *set)
            .map(|(field, _)| field)
    }

    fn channel_cancel_reason(&self) -> String {
        value(&self.said.stage)
            .and_then(|stage| stage.cancellation.as_ref())
            .map_or_else(|| "channel".to_owned(), |said| said.reason.clone())
    }

    /// Every leg is done: the goods are with the buyer (or back), the invoice exists, no visit is
    /// outstanding.
    fn is_finished(
        &self,
        fulfillment: Fulfillment,
        outside: bool,
        status: Option<ChannelStatus>,
    ) -> bool {
        let over = matches!(fulfillment, Fulfillment::Delivered | Fulfillment::Returned);
        if !over {
            return false;
        }
        let Some(decision) = &self.decision else {
            return outside
                && matches!(
                    status,
                    Some(ChannelStatus::Completed | ChannelStatus::Returned)
                );
        };
        let invoiced = match self.invoices.last() {
            None => decision.legs.invoice.is_none() || fulfillment == Fulfillment::Returned,
            Some(invoice) => {
                self.open_adjustments() == 0
                    && match &invoice.state {
                        crate::invoice::State::Issued { .. }
                        | crate::invoice::State::Coded { .. }
                        | crate::invoice::State::Adjusted { .. }
                        | crate::invoice::State::Replaced => true,
                        crate::invoice::State::NotDue
                        | crate::invoice::State::Due
                        | crate::invoice::State::SentUnknown
                        | crate::invoice::State::Refused { .. } => false,
                    }
            }
        };
        let visited = match self.work_orders.last() {
            None => !self.wants_visit(),
            // Called off with the order, and the order lives again.
            Some(work) if work.closed => !self.wants_visit(),
            Some(work) => work.state.is_over(),
        };
        invoiced && visited
    }

    fn tags(&self, staff: &StaffView, judged: &Judged) -> Vec<String> {
        let mut tags = self.said.tags();
        tags.extend(staff.edit.tags.iter().flatten().cloned());
        tags.extend(self.own_tags.iter().cloned());
        if judged.cancel_reason.is_some() && self.received() > judged.refunded {
            tags.insert("refund-due".to_owned());
        }
        if self.parts.iter().any(|part| !part.invalid.is_empty()) {
            tags.insert("contradictory-reports".to_owned());
        }
        if self.effects.is_news_refused() {
            tags.insert("news-refused".to_owned());
        }
        tags.into_iter().collect()
    }
}

/// A payment that a person must look at.
fn suspicion(payment: &PaymentFact) -> Hold {
    Hold::new(hold::SUSPECT_PAYMENT, Some(payment.transaction.clone()))
}

/// What is known of the province.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Province {
    /// Certain.
    Known,
    /// An address, but no certain province in it.
    Unknown,
    /// No address at all.
    #[default]
    Unwritten,
}

fn destination(ship_to: Option<&ShipTo>) -> (Address, Province) {
    let Some(ship_to) = ship_to else {
        return (Address::default(), Province::Unwritten);
    };
    let degrees = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
    let resolved = resolve(AddressInput {
        name: ship_to.name.clone(),
        phone: ship_to.phone.clone(),
        text: ship_to.text.clone(),
        line: ship_to.line.clone(),
        ward: ship_to.ward.clone(),
        district: ship_to.district.clone(),
        province: ship_to.province.clone(),
        lat: degrees(&ship_to.lat),
        lon: degrees(&ship_to.lon),
    });
    let written = [
        &ship_to.text,
        &ship_to.line,
        &ship_to.ward,
        &ship_to.district,
        &ship_to.province,
    ]
    .into_iter()
    .flatten()
    .any(|text| !text.trim().is_empty());
    let province = match resolved.province_match {
        Match::Exact { .. } => Province::Known,
        Match::Ambiguous(_) | Match::Unknown if written => Province::Unknown,
        Match::Ambiguous(_) | Match::Unknown => Province::Unwritten,
    };
    (resolved.address, province)
}

/// Name, phone, text and province of a destination that is shown in clear.
fn address_hash(address: &Address) -> Option<ContentHash> {
    let parts = [
        &address.name,
        &address.phone,
        &address.line,
        &address.ward,
        &address.district,
        &address.province,
        &address.text,
    ];
    let hidden = parts.into_iter().flatten().any(|text| looks_masked(text));
    let empty = parts.into_iter().all(Option::is_none);
    (!hidden && !empty).then(|| content_hash(&json(&parts)))
}

/// The channel says that the goods are past our doors.
fn has_left(status: ChannelStatus) -> bool {
    match status {
        ChannelStatus::Shipped
        | ChannelStatus::Delivered
        | ChannelStatus::Completed
        | ChannelStatus::DeliveryFailed
        | ChannelStatus::ReturnRequested
        | ChannelStatus::Returned => true,
        ChannelStatus::Draft
        | ChannelStatus::Pending
        | ChannelStatus::Confirmed
        | ChannelStatus::Packed
        | ChannelStatus::Cancelled => false,
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("only structs with text keys are hashed")
}

/// A phone as targets and people need it: normalized, or as it was written.
pub(crate) fn dialable(phone: Option<&str>) -> Option<String> {
    let phone = phone?;
    match Phone::parse(phone) {
        Parsed::Valid(whole) => Some(whole.as_str().to_owned()),
        Parsed::Masked | Parsed::Invalid => Some(phone.to_owned()),
    }
}
