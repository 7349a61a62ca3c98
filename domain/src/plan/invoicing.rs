//! Invoices: issued once at the legal moment for what the buyer has, corrected with negative
//! amounts for what comes back.
//!
//! There is one invoice per order, not one per parcel: it is due when the last fulfillment order
//! has reached the moment that the rule names (delivery, unless it says otherwise), and it is in
//! the series of the location of the first fulfillment order that counts. Parcels that came back
//! without being delivered are left out of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::fulfillment::{EventKind, State};
use crate::id::InvoiceRequestId;
use crate::invoice;
use crate::order::effects::EffectState;
use crate::order::{Adjustment, Fulfillment, InvoiceRecord, Lifecycle, Order};
use crate::payment::PaymentStatus;
use crate::routing::Moment;
use crate::task::{InvoiceBody, InvoiceBuyer, InvoiceLine, Leg, TaskBody};

use super::{Call, Draft, legal_day};

/// What is printed for a retail buyer who gives no name.
const CONSUMER: &str = "Bán cho người tiêu dùng";

/// Units per order line.
type Units = BTreeMap<String, u32>;

impl Order {
    /// Replays every invoice; says whether any state changed.
    pub(crate) fn refresh_invoices(&mut self) -> bool {
        let mut changed = false;
        for record in &mut self.invoices {
            let mut state = invoice::State::Due;
            let mut take = |event: &invoice::Event| {
                if let Ok(next) = state.apply(event) {
                    state = next;
                }
            };
            match self.effects.get(&record.key) {
                None | Some(EffectState::Withdrawn { .. }) => {}
                Some(
                    EffectState::Pending
                    | EffectState::Withdrawing
                    | EffectState::Dead { .. }
                    | EffectState::Abandoned { .. },
                ) => take(&invoice::Event::Sent),
                Some(EffectState::Done { given, .. }) => {
                    take(&invoice::Event::Sent);
                    if given.number.is_some() {
                        take(&invoice::Event::Numbered {
                            number: given.number.clone(),
                            series: given
                                .series
                                .clone()
                                .or_else(|| Some(record.body.series.clone())),
                        });
                    }
                }
                Some(EffectState::Refused { code, message, .. }) => {
                    take(&invoice::Event::Refused {
                        reason: format!("{code}: {message}"),
                    });
                }
            }
            for (_, (_, kind)) in self.invoice_logs.get(&record.id).into_iter().flatten() {
                take(&invoice::Event::Reported(kind.clone()));
            }
            if record
                .adjustments
                .iter()
                .any(|one| self.effects.is_done(&one.key))
            {
                take(&invoice::Event::Adjusted);
            }
            changed |= state != record.state;
            record.state = state;
        }
        changed
    }

    /// Corrections that no answer has settled yet.
    pub(crate) fn open_adjustments(&self) -> usize {
        self.invoices
            .iter()
            .flat_map(|record| &record.adjustments)
            .filter(|one| {
                !matches!(
                    self.effects.get(&one.key),
                    Some(EffectState::Done { .. } | EffectState::Refused { .. })
                )
            })
            .count()
    }

    pub(super) fn plan_invoice(&mut self, draft: &mut Draft<'_>) {
        let live = self.invoices.len().checked_sub(1).filter(|place| {
            let record = &self.invoices[*place];
            let never = matches!(
                self.effects.get(&record.key),
                Some(EffectState::Withdrawn { .. })
            );
            !never && left(record).values().any(|units| *units > 0)
        });
        match live {
            Some(place) => self.correct(draft, place),
            None => self.issue(draft),
        }
    }

    /// Takes off what the buyer does not have any more.
    fn correct(&mut self, draft: &mut Draft<'_>, place: usize) {
        let record = self.invoices[place].clone();
        let wanted = self.units_still_wanted(&record);
        let standing = left(&record);
        let off: Units = standing
            .iter()
            .filter_map(|(line, units)| {
                let keep = wanted.get(line).copied().unwrap_or(0);
                units
                    .checked_sub(keep)
                    .filter(|off| *off > 0)
                    .map(|off| (line.clone(), off))
            })
            .collect();
        let leaving = self.effects.is_leaving(&record.key);
        if off.is_empty() && !leaving {
            return;
        }
        match self.effects.get(&record.key) {
            Some(EffectState::Pending | EffectState::Dead { .. }) => {
                // Nothing of it is wanted: it may still be stopped. For a part of it, wait for its
                // number first.
                if off == standing {
                    self.stop(draft, &record.key);
                }
            }
            Some(EffectState::Done { .. }) if !off.is_empty() => self.adjust(draft, place, off),
            // It may have been issued; once given up, it is not relied on any more.
            Some(EffectState::Abandoned { .. }) => self.adjust(draft, place, standing),
            Some(
                EffectState::Done { .. }
                | EffectState::Withdrawing
                | EffectState::Withdrawn { .. }
                | EffectState::Refused { .. },
            )
            | None => {}
        }
    }

    fn adjust(&mut self, draft: &mut Draft<'_>, place: usize, off: Units) {
        let record = &self.invoices[place];
        let number = record.adjustments.len() + 1;
        let id = InvoiceRequestId::derive(
            self.id.timestamp_ms(),
            &[
                self.id.as_str(),
                &record.id,
                "adjustment",
                &number.to_string(),
            ],
        )
        .to_string();
        let key = format!("{}.invoice.{id}.{}-undo", self.code, record.generation);
        let (lines, total, tax_total) = negative(record, &off);
        let reason = if self.judged.lifecycle == Lifecycle::Cancelled {
            "order cancelled"
        } else {
            "goods returned"
        };
        let (target, series) = (record.target.clone(), record.body.series.clone());
        let call = Call {
            key: &key,
            target: Some(&target),
            leg: Leg::Invoice,
            subject: &id,
            generation: record.generation,
            serial: Some(&series),
            body: TaskBody::AdjustInvoice {
                invoice_request_id: record.id.clone(),
                adjustment_id: id.clone(),
                order_ref: self.code.as_str().to_owned(),
                reason: reason.to_owned(),
                lines: lines.clone(),
                total,
                tax_total,
            },
        };
        let adjustment = Adjustment {
            id: id.clone(),
            key: key.clone(),
            units: off,
            lines,
            total,
            tax_total,
        };
        self.emit(draft, call);
        self.invoices[place].adjustments.push(adjustment);
    }

    /// Units of an issued invoice that the buyer is to keep.
    fn units_still_wanted(&self, record: &InvoiceRecord) -> Units {
        if self.judged.lifecycle == Lifecycle::Cancelled {
            return Units::new();
        }
        let mut wanted = invoiced(record);
        for (line_id, units) in &mut wanted {
            // Invoiced before delivery and left out since: only what has left all the same stays.
            let asked = self
                .judged
                .lines
                .iter()
                .find(|line| line.id == *line_id)
                .map_or(0, |line| line.quantity);
            let (sent, back) = self.units_sent_and_back(line_id);
            *units = (*units).min(asked.max(sent)).saturating_sub(back);
        }
        if self.parts.is_empty() && self.judged.fulfillment == Fulfillment::Returned {
            return Units::new();
        }
        wanted
    }

    /// Units of a line that have left any location, and those of them that are back.
    fn units_sent_and_back(&self, line_id: &str) -> (u32, u32) {
        let (mut sent, mut back) = (0_u32, 0_u32);
        for part in self.parts.iter().filter(|part| part.counts()) {
            let log = self.fulfillment_logs.get(&part.id);
            for line in part.lines.iter().filter(|line| line.line_id == line_id) {
                let units = part.units_left(line, log);
                sent = sent.saturating_add(units);
                if matches!(part.state, State::Returned { .. }) {
                    back = back.saturating_add(units);
                }
            }
        }
        (sent, back)
    }

    /// When the invoice became due and for how many units, by the rule's moment. `None`: not yet.
    pub(crate) fn invoice_due(&self) -> Option<(Timestamp, Units)> {
        let leg = self.decision.as_ref()?.legs.invoice.as_ref()?;
        let judged = &self.judged;
        let settled = match judged.lifecycle {
            Lifecycle::Cancelled | Lifecycle::Draft => false,
            Lifecycle::Pending | Lifecycle::Open | Lifecycle::OnHold | Lifecycle::Closed => true,
        };
        if !settled || judged.lines.is_empty() {
            return None;
        }
        // All that is wanted and has not come back: an invoice that a return has corrected to
        // nothing is not issued again.
        let everything: Units = judged
            .lines
            .iter()
            .map(|line| {
                let (_, back) = self.units_sent_and_back(&line.id);
                (line.id.clone(), line.quantity.saturating_sub(back))
            })
            .filter(|(_, units)| *units > 0)
            .collect();
        let gone = judged.outside && judged.fulfillment == Fulfillment::Returned;
        if everything.is_empty() || gone {
            return None;
        }
        match leg.when {
            Moment::OnPayment => match judged.payment {
                PaymentStatus::Paid | PaymentStatus::CodRemitted => {
                    Some((self.last_payment_at()?, everything))
                }
                PaymentStatus::Unpaid
                | PaymentStatus::Authorized
                | PaymentStatus::PartiallyPaid
                | PaymentStatus::PartiallyRefunded
                | PaymentStatus::Refunded
                | PaymentStatus::Failed
                | PaymentStatus::CodPending => None,
            },
            Moment::OnAllocation | Moment::OnPacking if self.parts.is_empty() => None,
            Moment::OnAllocation => {
                let allocated = judged.lines.iter().all(|line| self.covers(line))
                    && self
                        .parts
                        .iter()
                        .all(|part| !part.counts() || part.stands());
                let at = self.parts.iter().map(|part| part.planned_at).max()?;
                allocated.then_some((at, everything))
            }
            Moment::OnPacking => self.reached(|part, log| {
                let packed = log.into_iter().flatten().find_map(|(_, (at, kind))| {
                    matches!(kind, EventKind::Packed { .. } | EventKind::Shipped { .. })
                        .then_some(*at)
                });
                packed.or_else(|| part.delivered_at(log))
            }),
            Moment::OnShipment => self.reached(|part, log| {
                let shipped = log.into_iter().flatten().find_map(|(_, (at, kind))| {
                    matches!(kind, EventKind::Shipped { .. }).then_some(*at)
                });
                shipped.or_else(|| part.delivered_at(log))
            }),
            Moment::OnDelivery => self.reached(crate::order::part::Part::delivered_at),
            Moment::OnInstallation => {
                let (delivered, units) = self.reached(crate::order::part::Part::delivered_at)?;
                match self.work_orders.last().map(|work| &work.state) {
                    Some(crate::service::State::Completed { at, .. }) => {
                        Some((delivered.max(*at), units))
                    }
                    // Nothing to install after all, or nobody will: delivery was the moment.
                    None if !self.needs_visit() => Some((delivered, units)),
                    Some(
                        crate::service::State::Cancelled | crate::service::State::Refused { .. },
                    ) => Some((delivered, units)),
                    None
                    | Some(
                        crate::service::State::Waiting
                        | crate::service::State::Released
                        | crate::service::State::Scheduled { .. }
                        | crate::service::State::Assigned
                        | crate::service::State::OnSite
                        | crate::service::State::Incomplete { .. },
                    ) => None,
                }
            }
        }
    }

    /// The moment at which the last part came to what `at` looks for, and the units of the parts
    /// that did. Parts that came back without it are final and left out.
    fn reached(
        &self,
        at: impl Fn(
            &crate::order::part::Part,
            Option<&crate::fulfillment::EventLog>,
        ) -> Option<Timestamp>,
    ) -> Option<(Timestamp, Units)> {
        let judged = &self.judged;
        if judged.outside {
            let there = matches!(
                judged.fulfillment,
                Fulfillment::Delivered | Fulfillment::Returning
            );
            let units = judged
                .lines
                .iter()
                .map(|line| (line.id.clone(), line.quantity))
                .collect();
            return there
                .then_some(())
                .and(self.revised_at())
                .map(|moment| (moment, units));
        }
        if !judged.lines.iter().all(|line| self.covers(line)) {
            return None;
        }
        let mut last: Option<Timestamp> = None;
        let mut units = Units::new();
        for part in self.parts.iter().filter(|part| part.counts()) {
            let log = self.fulfillment_logs.get(&part.id);
            let gone = matches!(part.state, State::Returned { .. });
            match at(part, log) {
                Some(moment) => last = last.max(Some(moment)),
                None if gone => {}
                None => return None,
            }
            if gone {
                continue;
            }
            for line in part.lines.iter().filter(|line| !line.rule_gift) {
                let left = if part.has_left() {
                    part.units_left(line, log)
                } else {
                    line.quantity
                };
                if left > 0 {
                    *units.entry(line.line_id.clone()).or_default() += left;
                }
            }
        }
        let moment = last?;
        (!units.is_empty()).then_some((moment, units))
    }

    fn issue(&mut self, draft: &mut Draft<'_>) {
        // A refused invoice waits for a person to correct and redrive it.
        let Some((moment, units)) = self.invoice_due() else {
            return;
        };
        let settings = draft.context.settings;
        let leg_target = self
            .decision
            .as_ref()
            .and_then(|decision| decision.legs.invoice.as_ref())
            .and_then(|leg| leg.target.clone());
        let Some(target) = leg_target.or_else(|| settings.invoice_target.clone()) else {
            return;
        };
        let location = self
            .parts
            .iter()
            .find(|part| part.counts())
            .map(|part| part.location.as_str());
        let Some(series) = settings.series(location) else {
            self.tag(draft, "no-invoice-series");
            return;
        };
        let generation = u32::try_from(self.invoices.len())
            .expect("an order has few invoices")
            .saturating_add(1);
        let id = InvoiceRequestId::derive(
            self.id.timestamp_ms(),
            &[self.id.as_str(), "invoice", &generation.to_string()],
        )
        .to_string();
        let day = legal_day(moment);
        let Some(body) = self.invoice_body(draft, &id, series, day, &units) else {
            self.tag(draft, "no-tax-rate");
            return;
        };
        let key = format!("{}.invoice.{id}.{generation}", self.code);
        let call = Call {
            key: &key,
            target: Some(&target),
            leg: Leg::Invoice,
            subject: &id,
            generation,
            serial: Some(series),
            body: TaskBody::IssueInvoice(body.clone()),
        };
        self.emit(draft, call);
        self.invoices.push(InvoiceRecord {
            id,
            key,
            generation,
            target,
            body,
            adjustments: Vec::new(),
            state: invoice::State::Due,
        });
    }

    /// `None` where the tax table has no rate for a line.
    fn invoice_body(
        &self,
        draft: &Draft<'_>,
        id: &str,
        series: &str,
        day: jiff::civil::Date,
        units: &Units,
    ) -> Option<InvoiceBody> {
        let settings = draft.context.settings;
        let judged = &self.judged;
        let mut lines = Vec::new();
        let mut of_all = 0_i64;
        let mut complete = true;
        for line in &judged.lines {
            let whole = line.total.minor_units();
            of_all = of_all.saturating_add(whole);
            let quantity = units.get(&line.id).copied().unwrap_or(0).min(line.quantity);
            complete &= quantity == line.quantity;
            if quantity == 0 {
                continue;
            }
            let amount = share(whole, i64::from(quantity), i64::from(line.quantity));
            let tax_class = line
                .tax_class
                .clone()
                .unwrap_or_else(|| settings.default_tax_class.clone());
            let tax_rate = settings.tax_rate(&tax_class, day)?;
            lines.push(InvoiceLine {
                line_id: line.id.clone(),
                sku: line.sku.clone().unwrap_or_default(),
                name: line.name.clone(),
                unit: line.unit.clone().unwrap_or_else(|| "cái".to_owned()),
                quantity,
                amount,
                tax_class,
                tax_rate,
                tax_amount: tax_inside(amount, tax_rate),
            });
        }
        let amounts: i64 = lines
            .iter()
            .fold(0, |sum, line| sum.saturating_add(line.amount));
        let totals = &judged.totals;
        // A part of the order bears its part of shipping and discount, by value.
        let part = |amount: i64| {
            if complete {
                amount
            } else {
                share(amount, amounts, of_all)
            }
        };
        let shipping = part(totals.shipping.saturating_add(totals.fees).minor_units());
        let total = part(totals.grand_total.minor_units());
        let discount = amounts.saturating_add(shipping).saturating_sub(total);
        let mut body = InvoiceBody {
            invoice_request_id: id.to_owned(),
            series: series.to_owned(),
            order_ref: self.code.as_str().to_owned(),
            channel: self.channel.clone(),
            external_id: self.external_id.clone(),
            legal_day: day.to_string(),
            currency: judged.currency.clone(),
            buyer: self.invoice_buyer(),
            lines,
            discount,
            shipping,
            total,
            tax_total: 0,
            payment_method: judged
                .method
                .map_or("prepaid", |method| method.as_str())
                .to_owned(),
        };
        body.tax_total = net_lines(&body).iter().map(|(_, tax)| tax).sum();
        Some(body)
    }

    fn invoice_buyer(&self) -> InvoiceBuyer {
        let judged = &self.judged;
        let shown = |text: &Option<String>| {
            text.clone()
                .filter(|text| !crate::order::looks_masked(text))
        };
        let request = judged.invoice_request.clone().unwrap_or_default();
        let name = shown(&judged.buyer.name);
        let address = request
            .address
            .or_else(|| name.as_ref().and_then(|_| shown(&judged.ship_to.text)));
        InvoiceBuyer {
            name: name
                .or_else(|| request.company.clone())
                .unwrap_or_else(|| CONSUMER.to_owned()),
            company: request.company,
            tax_code: request.tax_code,
            address,
            email: request.email.or_else(|| shown(&judged.buyer.email)),
        }
    }
}

fn invoiced(record: &InvoiceRecord) -> Units {
    record
        .body
        .lines
        .iter()
        .map(|line| (line.line_id.clone(), line.quantity))
        .collect()
}

/// Units of an invoice that no correction has taken off.
fn left(record: &InvoiceRecord) -> Units {
    let mut units = invoiced(record);
    for adjustment in &record.adjustments {
        for (line, off) in &adjustment.units {
            if let Some(units) = units.get_mut(line) {
                *units = units.saturating_sub(*off);
            }
        }
    }
    units
}

/// Negative lines, total and tax for `off`. Cumulated shares: however many steps the units of a
/// line come back in, they add up to the line, and all lines to the invoice.
fn negative(record: &InvoiceRecord, off: &Units) -> (Vec<InvoiceLine>, i64, i64) {
    let standing = left(record);
    let net = net_lines(&record.body);
    let mut lines = Vec::new();
    let (mut total, mut tax_total) = (0_i64, 0_i64);
    for (line, (amount, tax)) in record.body.lines.iter().zip(net) {
        let Some(units) = off.get(&line.line_id).copied() else {
            continue;
        };
        let before = line.quantity - standing.get(&line.line_id).copied().unwrap_or(0);
        let of = |whole: i64| {
            let quantity = i64::from(line.quantity);
            share(whole, i64::from(before + units), quantity)
                - share(whole, i64::from(before), quantity)
        };
        let (amount, tax) = (of(amount), of(tax));
        total -= amount;
        tax_total -= tax;
        lines.push(InvoiceLine {
            quantity: units,
            amount: -amount,
            tax_amount: -tax,
            ..line.clone()
        });
    }
    (lines, total, tax_total)
}

/// What each line bears of the total (its amount with its part of shipping and discount, by value,
/// the rest on the last line) and the tax inside that.
fn net_lines(body: &InvoiceBody) -> Vec<(i64, i64)> {
    let amounts: i64 = body
        .lines
        .iter()
        .fold(0, |sum, line| sum.saturating_add(line.amount));
    let mut rest = body.total;
    let last = body.lines.len().saturating_sub(1);
    body.lines
        .iter()
        .enumerate()
        .map(|(number, line)| {
            let net = if number == last {
                rest
            } else {
                share(body.total, line.amount, amounts)
            };
            rest = rest.saturating_sub(net);
            (net, tax_inside(net, line.tax_rate))
        })
        .collect()
}

/// The tax inside a tax-inclusive amount: `amount × rate / (100 + rate)`, half up.
fn tax_inside(amount: i64, rate: u32) -> i64 {
    share(amount, i64::from(rate), 100 + i64::from(rate))
}

/// `amount × part / whole`, half up (away from zero for negative amounts); 0 of nothing.
fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    let (amount, part, whole) = (i128::from(amount), i128::from(part), i128::from(whole));
    let product = amount * part;
    let half = whole.abs() / 2;
    let adjusted = if (product < 0) == (whole < 0) {
        product.abs() + half
    } else {
        -(product.abs() + half)
    };
    i64::try_from(adjusted / whole.abs()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tax_inside_an_amount_is_rounded_half_up() {
        assert_eq!(tax_inside(12_990_000, 8), 962_222);
        assert_eq!(tax_inside(108, 8), 8);
        assert_eq!(tax_inside(0, 8), 0);
        assert_eq!(tax_inside(110, 10), 10);
        // 5.5 exactly.
        assert_eq!(share(11, 1, 2), 6);
        assert_eq!(share(-11, 1, 2), -6);
        assert_eq!(share(5, 1, 0), 0);
    }
}
