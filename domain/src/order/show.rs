//! Showing an order: the API's view, the columns of lists, and the masked view.

use crate::fulfillment::{EventKind, State};
use crate::money::Amount;
use crate::payment::PaymentFact;
use crate::phone::{Parsed, Phone};
use crate::rating::Rating;
use crate::routing::Moment;
use crate::text::{fold, mask_name};

use super::channel::value;
use super::judge::dialable;
use super::part::Part;
use super::view::{
    BuyerView, Columns, DecisionView, FulfillmentLineView, FulfillmentView, InvoiceView, LineView,
    OrderView, PaymentView, ReceivedView, ServiceView, UnderstoodView, WarrantyView,
};
use super::{Order, Status, hold};

/// Words of names that an order is found by.
const MOST_NAME_WORDS: usize = 16;

impl Order {
    /// The order as the API shows it, personal data included.
    #[must_use]
    pub fn view(&self) -> OrderView {
        let judged = &self.judged;
        let said = &self.said;
        let stage = value(&said.stage);
        OrderView {
            id: self.id.to_string(),
            code: self.code.to_string(),
            channel: self.channel.clone(),
            connector: self.connector.clone(),
            external_id: self.external_id.clone(),
            status: judged.status,
            lifecycle: judged.lifecycle,
            fulfillment: judged.fulfillment,
            channel_status: stage.map(|stage| stage.word.clone()),
            cancel_requested: stage.is_some_and(|stage| stage.cancel_requested),
            cancellation: stage
                .and_then(|stage| stage.cancellation.clone())
                .or_else(|| {
                    judged
                        .cancel_reason
                        .clone()
                        .map(|reason| crate::snapshot::Cancellation {
                            by: "seller".to_owned(),
                            reason,
                        })
                }),
            placed_at: value(&said.placed_at).copied(),
            revised_at: said.revised_at(),
            received_at: self.received_at,
            version: self.version,
            deadlines: said.deadlines(),
            fulfilled_by: judged.fulfilled_by,
            buyer: BuyerView {
                name: judged.buyer.name.clone(),
                phone: dialable(judged.buyer.phone.as_deref()),
                email: judged.buyer.email.clone(),
                masked: judged.buyer_masked,
                customer_id: self.customer_id.clone(),
            },
            ship_to: judged.ship_to.clone(),
            lines: judged
                .lines
                .iter()
                .map(|line| LineView {
                    id: line.id.clone(),
                    sku: line.sku.clone(),
                    channel_sku: line.channel_sku.clone(),
                    name: line.name.clone(),
                    category: line.category.clone(),
                    quantity: line.quantity,
                    unit_price: line.unit_price,
                    discount: line.discount,
                    total: line.total,
                    gift: line.gift,
                })
                .collect(),
            currency: judged.currency.clone(),
            totals: judged.totals,
            payment: PaymentView {
                method: judged.method,
                status: judged.payment,
                paid: judged.paid,
                refunded: judged.refunded,
                received: self
                    .incoming()
                    .map(|payment| ReceivedView {
                        provider: payment.provider.clone(),
                        reference: payment.reference.clone(),
                        transaction: payment.transaction.clone(),
                        amount: payment.amount,
                        at: payment.at,
                    })
                    .collect(),
            },
            note: judged.note.clone(),
            coupon: value(&said.coupon).cloned(),
            appointment: judged.appointment.clone(),
            invoice_request: judged.invoice_request.clone(),
            decision: self.decision.as_ref().map(|decision| DecisionView {
                rule: decision.rule.clone(),
                rules_version: decision.rules_version.clone(),
            }),
            fulfillment_orders: self.parts.iter().map(|part| self.part_view(part)).collect(),
            invoice: self.invoice_view(),
            service_orders: self
                .work_orders
                .iter()
                .map(|work| ServiceView {
                    id: work.id.clone(),
                    kind: work.kind.clone(),
                    target: work.target.clone(),
                    state: work.state.as_str().to_owned(),
                    reason: match &work.state {
                        crate::service::State::Incomplete { reason }
                        | crate::service::State::Refused { reason } => Some(reason.clone()),
                        crate::service::State::Waiting
                        | crate::service::State::Released
                        | crate::service::State::Scheduled { .. }
                        | crate::service::State::Assigned
                        | crate::service::State::OnSite
                        | crate::service::State::Completed { .. }
                        | crate::service::State::Cancelled => None,
                    },
                })
                .collect(),
            warranties: self
                .warranties
                .iter()
                .map(|warranty| WarrantyView {
                    id: warranty.id.clone(),
                    sku: warranty.sku.clone(),
                    serial: warranty.serial.clone(),
                    active: self.effects.is_done(&warranty.key),
                })
                .collect(),
            ratings: self.ratings(),
            holds: judged.holds.clone(),
            tags: judged.tags.clone(),
            understood: (judged.status == Status::Draft).then(|| self.understood()),
        }
    }

    fn ratings(&self) -> Vec<Rating> {
        let mut ratings: Vec<Rating> = self.ratings.values().cloned().collect();
        ratings.sort();
        ratings
    }

    fn part_view(&self, part: &Part) -> FulfillmentView {
        let log = self.fulfillment_logs.get(&part.id);
        let (mut tracking, mut shipped_at) = (None, None);
        for (_, (at, kind)) in log.into_iter().flatten() {
            if let EventKind::Shipped {
                tracking: parcel, ..
            } = kind
            {
                shipped_at = shipped_at.or(Some(*at));
                tracking = parcel.clone().or(tracking);
            }
        }
        let collected = log
            .into_iter()
            .flatten()
            .find_map(|(_, (_, kind))| match kind {
                EventKind::Delivered { cod_collected } => *cod_collected,
                EventKind::Accepted
                | EventKind::Rejected { .. }
                | EventKind::Packed { .. }
                | EventKind::Shipped { .. }
                | EventKind::Failed { .. }
                | EventKind::Returned => None,
            });
        FulfillmentView {
            id: part.id.clone(),
            location: part.location.clone(),
            state: part.state.as_str().to_owned(),
            reason: match &part.state {
                State::Rejected { reason }
                | State::Cancelled { reason }
                | State::DeliveryFailed { reason, .. } => Some(reason.clone()),
                State::Planned
                | State::Reserving
                | State::Reserved
                | State::Released
                | State::Accepted
                | State::Packed
                | State::Shipped { .. }
                | State::Delivered { .. }
                | State::Returning { .. }
                | State::Returned { .. } => None,
            },
            lines: part
                .lines
                .iter()
                .map(|line| FulfillmentLineView {
                    line_id: line.line_id.clone(),
                    sku: line.sku.clone(),
                    quantity: line.quantity,
                    serials: Part::serials(&line.line_id, log),
                })
                .collect(),
            tracking,
            cod: part.cod,
            cod_collected: collected,
            shipped_at,
            delivered_at: part.delivered_at(log),
        }
    }

    fn invoice_view(&self) -> InvoiceView {
        let Some(record) = self.invoices.last() else {
            let state = if self.invoice_due().is_some() {
                "due"
            } else {
                "not_due"
            };
            return InvoiceView {
                id: None,
                state: state.to_owned(),
                number: None,
                series: None,
                authority_code: None,
                legal_day: None,
                total: None,
                adjusted: 0,
            };
        };
        let (number, series) = record.state.number();
        let authority_code = match &record.state {
            crate::invoice::State::Coded { authority_code, .. } => authority_code.clone(),
            crate::invoice::State::NotDue
            | crate::invoice::State::Due
            | crate::invoice::State::SentUnknown
            | crate::invoice::State::Issued { .. }
            | crate::invoice::State::Refused { .. }
            | crate::invoice::State::Adjusted { .. }
            | crate::invoice::State::Replaced => None,
        };
        InvoiceView {
            id: Some(record.id.clone()),
            state: record.state.as_str().to_owned(),
            number: number.map(str::to_owned),
            series: series
                .map(str::to_owned)
                .or_else(|| Some(record.body.series.clone())),
            authority_code,
            legal_day: Some(record.body.legal_day.clone()),
            total: Some(record.body.total),
            adjusted: record
                .adjustments
                .iter()
                .filter(|one| self.effects.is_done(&one.key))
                .map(|one| one.total)
                .sum(),
        }
    }

    fn understood(&self) -> UnderstoodView {
        let judged = &self.judged;
        let known = judged
            .lines
            .iter()
            .filter(|line| line.sku.is_some())
            .count();
        UnderstoodView {
            known_lines: u32::try_from(known).unwrap_or(u32::MAX),
            unknown_lines: judged
                .lines
                .iter()
                .filter(|line| line.sku.is_none())
                .map(|line| line.name.clone())
                .collect(),
            phone: self.whole_phone().is_some(),
            province: !judged
                .holds
                .iter()
                .any(|hold| hold.code == hold::UNKNOWN_PROVINCE)
                && judged.ship_to.province_code.is_some(),
            why: Vec::new(),
        }
    }

    /// The buyer's phone, else the recipient's, if it is a whole number.
    fn whole_phone(&self) -> Option<String> {
        [
            self.judged.buyer.phone.as_deref(),
            self.judged.ship_to.phone.as_deref(),
        ]
        .into_iter()
        .flatten()
        .find_map(|phone| match Phone::parse(phone) {
            Parsed::Valid(whole) => Some(whole.as_str().to_owned()),
            Parsed::Masked | Parsed::Invalid => None,
        })
    }

    /// What lists filter and sort by.
    #[must_use]
    pub fn columns(&self) -> Columns {
        let judged = &self.judged;
        let mut name_words: Vec<String> = [&judged.buyer.name, &judged.ship_to.name]
            .into_iter()
            .flatten()
            .filter(|name| !super::looks_masked(name))
            .flat_map(|name| fold(name).split(' ').map(str::to_owned).collect::<Vec<_>>())
            .filter(|word| !word.is_empty())
            // More words are no name, and each is a row of the index.
            .take(MOST_NAME_WORDS)
            .collect();
        name_words.sort();
        name_words.dedup();
        let mut locations: Vec<String> = self
            .parts
            .iter()
            .filter(|part| part.counts())
            .map(|part| part.location.clone())
            .collect();
        locations.sort();
        locations.dedup();
        let mut tracking: Vec<String> = Vec::new();
        for (_, kind) in self
            .fulfillment_logs
            .values()
            .flatten()
            .map(|(_, report)| report)
        {
            if let EventKind::Shipped {
                tracking: Some(parcel),
                ..
            } = kind
                && !tracking.contains(&parcel.number)
            {
                tracking.push(parcel.number.clone());
            }
        }
        Columns {
            status: judged.status,
            lifecycle: judged.lifecycle,
            payment: judged.payment,
            fulfillment: judged.fulfillment,
            placed_at: self.placed_at(),
            updated_at: self.updated_at,
            held: judged.holds.first().map(|hold| hold.code.clone()),
            cod: judged.totals.cod,
            grand_total: judged.totals.grand_total,
            phone: self.whole_phone(),
            name_words,
            locations,
            tracking,
            next_wake: self.next_wake,
        }
    }

    /// What the buyer still owes: the due of a payment question.
    #[must_use]
    pub fn amount_due(&self) -> Amount {
        self.judged
            .totals
            .grand_total
            .saturating_sub(self.judged.paid)
            .at_least_zero()
    }

    /// What payment providers have reported, by reference and transaction.
    pub fn payment_facts(&self) -> impl Iterator<Item = &PaymentFact> {
        self.payments.values()
    }

    /// The moment at which the invoice is issued, where the decision asks for one.
    #[must_use]
    pub fn invoice_moment(&self) -> Option<Moment> {
        Some(self.decision.as_ref()?.legs.invoice.as_ref()?.when)
    }

    pub(crate) fn revised_at(&self) -> Option<jiff::Timestamp> {
        self.said.revised_at()
    }

    pub(crate) fn ship_by(&self) -> Option<jiff::Timestamp> {
        self.said.deadlines().ship_by
    }
}

impl OrderView {
    /// The view without personal data, for tokens that may not see it: names as initials, phones
    /// as first and last digits, no street, no free text.
    #[must_use]
    pub fn masked(mut self) -> Self {
        let name = |name: &mut Option<String>| *name = name.as_deref().map(mask_name);
        let phone = |phone: &mut Option<String>| {
            *phone = phone.as_deref().map(|text| match Phone::parse(text) {
                Parsed::Valid(whole) => whole.masked(),
                Parsed::Masked => text.to_owned(),
                Parsed::Invalid => "•••".to_owned(),
            });
        };
        name(&mut self.buyer.name);
        phone(&mut self.buyer.phone);
        self.buyer.email = self.buyer.email.map(|_| "•••".to_owned());
        self.buyer.masked = true;
        name(&mut self.ship_to.name);
        phone(&mut self.ship_to.phone);
        self.ship_to.line = self.ship_to.line.map(|_| "•••".to_owned());
        self.ship_to.text = self.ship_to.text.map(|_| "•••".to_owned());
        self.ship_to.lat = None;
        self.ship_to.lon = None;
        self.note = self.note.map(|_| "•••".to_owned());
        self.coupon = self.coupon.map(|_| "•••".to_owned());
        for rating in &mut self.ratings {
            rating.note = rating.note.take().map(|_| "•••".to_owned());
        }
        if let Some(cancellation) = &mut self.cancellation {
            "•••".clone_into(&mut cancellation.reason);
        }
        self.invoice_request =
            self.invoice_request
                .map(|request| crate::snapshot::InvoiceRequest {
                    // A private buyer's tax code is the number of their identity card.
                    company: request.company.map(|_| "•••".to_owned()),
                    tax_code: request.tax_code.map(|_| "•••".to_owned()),
                    address: request.address.map(|_| "•••".to_owned()),
                    email: request.email.map(|_| "•••".to_owned()),
                });
        self
    }
}
