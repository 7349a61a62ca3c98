//! Taking inputs in: each becomes a fact of an order, a count, a message of a conversation.

use std::collections::BTreeSet;

use domain::code::OrderCode;
use domain::order::{Action, Command, Context, Fact};
use domain::payment::PaymentFact;
use domain::rating::Rating;

use super::batch::{Batch, Codes, Pending, Slot};
use super::fact_of;
use super::input::{Book, Done, Input, NoticeInput, Nudge, Prepared, Refusal};
use crate::pipeline::keepers::payments::is_open;
use crate::pipeline::{deliver, ingest};
use crate::store::inbox::order_code_of;
use crate::store::notices::{self, Booking, NoticeEnd};
use crate::store::tx::OrderRef;
use crate::store::{Error, accounts, questions, stock};

/// Clocks of partners may be ahead of ours by this much, milliseconds.
pub(super) const AHEAD_MS: i64 = 300_000;

impl Batch<'_> {
    pub(super) async fn take(
        &mut self,
        input: &Input,
        context: &Context<'_>,
        codes: &mut Codes,
    ) -> Result<Option<Pending>, Error> {
        match input {
            Input::Notice(notice) => {
                let end = self.take_notice(notice, context, codes).await?;
                self.writes.ends.push((
                    notice.message_seq,
                    notice.ordinal,
                    notice.token.clone(),
                    end,
                ));
                Ok(None)
            }
            Input::Task(task) => {
                if let (Some(fact), Some(order)) = (fact_of(task, self.now), &task.task.order_id)
                    && self.slots.contains_key(order)
                {
                    self.apply(order, &fact, context);
                }
                Ok(None)
            }
            Input::Nudge { order_id, cause } => {
                if self.slots.contains_key(order_id) {
                    let fact = match cause {
                        Nudge::Timer => Fact::Wake,
                        Nudge::Catalog => Fact::CatalogChanged,
                    };
                    self.apply(order_id, &fact, context);
                    // Saved even if nothing changed, so that the timer moves on.
                    if *cause == Nudge::Timer {
                        self.slots.get_mut(order_id).expect("checked").changed = true;
                    }
                }
                Ok(None)
            }
            Input::Command(input) => {
                let Some(id) = self.known(&input.order) else {
                    return Ok(Some(Pending::Ready(Err(Refusal::NotFound))));
                };
                let pending = self.command(&id, &input.command, input.expected_version, context);
                if matches!(
                    (&pending, &input.command.action),
                    (Pending::Order { .. }, Action::Confirm)
                ) {
                    self.convert(&id).await?;
                }
                Ok(Some(pending))
            }
            Input::Create(create) => {
                let earlier = self.tx.find_key(&create.actor, &create.key).await?;
                if let Some((earlier, hash)) = earlier {
                    return self.repeat(create, &earlier, &hash).await.map(Some);
                }
                let (id, created) = self.find_or_create(
                    &create.channel,
                    &create.connector,
                    &create.snapshot.external_id,
                    codes,
                )?;
                if !created {
                    return Ok(Some(Pending::Ready(Err(Refusal::NotAllowed(
                        "an order with this external_id exists in the channel".to_owned(),
                    )))));
                }
                self.tx
                    .claim_key(
                        self.now_ms,
                        &create.actor,
                        &create.key,
                        &create.body_hash,
                        &id,
                    )
                    .await?;
                self.apply(&id, &Fact::Snapshot(create.snapshot.clone()), context);
                self.show_order(&id, &create.snapshot, None);
                self.writes.audit.push([
                    create.actor.clone(),
                    "order.create".to_owned(),
                    id.clone(),
                    create.detail.clone(),
                ]);
                Ok(Some(Pending::Order { id, created: true }))
            }
            Input::Book(book) => self.book(book, context).await.map(Some),
            Input::Count(count) => {
                let mut changed = 0;
                for one in &count.counts {
                    if self.tx.count_stock(self.now_ms, one).await? {
                        changed += 1;
                    }
                    self.writes.audit.push([
                        count.actor.clone(),
                        "stock.count".to_owned(),
                        format!("{}/{}", one.location, one.sku),
                        format!("on_hand {}", one.on_hand),
                    ]);
                }
                Ok(Some(Pending::Ready(Ok(Done::Counted(changed)))))
            }
        }
    }

    /// Staff say whose money a payment is that found no order by itself. Its transaction is booked
    /// once, whichever of its messages is given and however often.
    async fn book(&mut self, book: &Book, context: &Context<'_>) -> Result<Pending, Error> {
        let refused = |words: &str| Pending::Ready(Err(Refusal::NotAllowed(words.to_owned())));
        let Some(id) = self.known(&book.order) else {
            return Ok(Pending::Ready(Err(Refusal::NotFound)));
        };
        let payment = &book.payment;
        let booking = Booking {
            channel: &payment.provider,
            transaction: &payment.transaction,
            order_id: &id,
            message_seq: book.message_seq,
            ordinal: book.ordinal,
            actor: &book.actor,
        };
        let on = self.tx.on();
        match notices::booked(on, booking.channel, booking.transaction).await? {
            Some(order) if order != id => {
                return Ok(refused("this payment is booked to another order"));
            }
            Some(_) => {
                // Perhaps by another of its messages, which then was the last that waited.
                notices::end_dead(on, self.now_ms, &booking).await?;
            }
            None => {
                if !notices::end_dead(on, self.now_ms, &booking).await? {
                    return Ok(refused(
                        "only a payment that waits for a person can be booked",
                    ));
                }
                notices::book(on, self.now_ms, &booking).await?;
                self.apply(&id, &Fact::Payment(payment.clone()), context);
                self.writes.audit.push([
                    book.actor.clone(),
                    "order.payment".to_owned(),
                    id.clone(),
                    format!(
                        "message {}/{}: {}",
                        book.message_seq, book.ordinal, book.reason
                    ),
                ]);
            }
        }
        Ok(Pending::Order { id, created: false })
    }

    /// The same idempotency key again: the same answer, and nothing new.
    pub(super) async fn repeat(
        &mut self,
        create: &super::input::Create,
        earlier: &str,
        hash: &str,
    ) -> Result<Pending, Error> {
        if hash != create.body_hash {
            return Ok(Pending::Ready(Err(Refusal::KeyReused)));
        }
        if !self.slots.contains_key(earlier) {
            let ids = BTreeSet::from([earlier.to_owned()]);
            for (id, loaded) in self.tx.load(&ids).await? {
                self.slots.insert(id, Slot::stored(loaded));
            }
        }
        Ok(Pending::Order {
            id: earlier.to_owned(),
            created: false,
        })
    }

    pub(super) fn command(
        &mut self,
        id: &str,
        command: &Command,
        expected_version: Option<i64>,
        context: &Context<'_>,
    ) -> Pending {
        let order = &self.slots[id].loaded.order;
        match order.staff_command(&command.id) {
            // The same request again, perhaps at the same moment: answered like the first.
            Some(known) if known.action == command.action => {
                return Pending::Order {
                    id: id.to_owned(),
                    created: false,
                };
            }
            Some(_) => return Pending::Ready(Err(Refusal::KeyReused)),
            None => {}
        }
        let version = i64::try_from(order.version()).unwrap_or(i64::MAX);
        if expected_version.is_some_and(|expected| expected != version) {
            return Pending::Ready(Err(Refusal::Changed(version)));
        }
        if let Err(reason) = order.allows(&command.action, context.settings) {
            return Pending::Ready(Err(Refusal::NotAllowed(reason)));
        }
        self.apply(id, &Fact::Staff(Box::new(command.clone())), context);
        if matches!(&command.action, Action::Edit(edit) if edit.buyer.is_some()) {
            self.show_buyer(id);
        }
        self.writes.audit.push([
            command.actor.clone(),
            format!("order.{}", command.action.as_str()),
            id.to_owned(),
            command.reason.clone(),
        ]);
        Pending::Order {
            id: id.to_owned(),
            created: false,
        }
    }

    pub(super) async fn take_notice(
        &mut self,
        notice: &NoticeInput,
        context: &Context<'_>,
        codes: &mut Codes,
    ) -> Result<NoticeEnd, Error> {
        let channel = notice.channel.as_str();
        let (reference, fact) = match &notice.what {
            Prepared::End(end) => return Ok(end.clone()),
            Prepared::Order(snapshot) => {
                let (id, created) =
                    self.find_or_create(channel, &notice.connector, &snapshot.external_id, codes)?;
                let mut snapshot = snapshot.clone();
                // A revision far ahead of our clock would silence everything after it. Bounded by
                // the time of its notice, which is the same however often it is settled.
                let latest = deliver::at(notice.created_at.saturating_add(AHEAD_MS));
                snapshot.revised_at = snapshot.revised_at.min(latest);
                self.show_order(&id, &snapshot, Some(notice.message_seq));
                let tags = snapshot.tags.iter();
                let unknown = tags.filter(|tag| tag.starts_with("unknown_")).count();
                if unknown > 0 {
                    let unknown = u64::try_from(unknown).unwrap_or(u64::MAX);
                    self.gateway.metrics.unknown_values(channel, unknown);
                }
                let changed = self.apply(&id, &Fact::Snapshot(snapshot), context);
                if notice.is_polled && (created || changed) && self.has_pushes(channel) {
                    *self.writes.found.entry(channel.to_owned()).or_default() += 1;
                }
                return Ok(NoticeEnd::Done { order_id: Some(id) });
            }
            Prepared::Conversation(conversation) => {
                return self.converse(notice, conversation, context, codes).await;
            }
            Prepared::Stock(count) => {
                let owner = self
                    .gateway
                    .locations
                    .get(&count.location)
                    .filter(|location| location.target == channel);
                let Some(owner) = owner else {
                    return Ok(NoticeEnd::Dead {
                        reason: "it counts stock of a location that is not the target's".to_owned(),
                    });
                };
                let is_stocked = context
                    .catalog
                    .product(&count.sku)
                    .is_some_and(|product| product.kit.is_empty());
                if !is_stocked {
                    return Ok(NoticeEnd::Dead {
                        reason: "it counts a SKU that is not in the catalog".to_owned(),
                    });
                }
                if count.as_of.as_millisecond() > self.now_ms + AHEAD_MS {
                    return Ok(NoticeEnd::Dead {
                        reason: "it counts stock as of a moment that is still to come".to_owned(),
                    });
                }
                let safety = i64::from(owner.safety_stock);
                let count = stock::Count {
                    location: count.location.clone(),
                    sku: count.sku.clone(),
                    on_hand: count.on_hand,
                    as_of: count.as_of.as_millisecond(),
                    sequence: count.sequence,
                    safety: Some(safety),
                    reference: format!("{channel}/{}/{}", notice.message_seq, notice.ordinal),
                };
                let changed = self.tx.count_stock(self.now_ms, &count).await?;
                return Ok(if changed {
                    NoticeEnd::Done { order_id: None }
                } else {
                    NoticeEnd::Ignored {
                        reason: "older than the last count".to_owned(),
                    }
                });
            }
            Prepared::Account(account) => {
                accounts::note(
                    self.tx.on(),
                    channel,
                    self.now_ms,
                    accounts::word(account.state),
                    &account.detail,
                    account.until.map(|t| t.as_millisecond()),
                )
                .await?;
                tracing::warn!(
                    channel,
                    state = accounts::word(account.state),
                    "a channel reports on its authorisation"
                );
                return Ok(NoticeEnd::Done { order_id: None });
            }
            Prepared::Payment(payment) => (
                OrderRef::Code(order_code_of(&payment.reference).to_owned()),
                Fact::Payment(ingest::payment_fact(channel, payment)),
            ),
            Prepared::Rating(rating) => (
                OrderRef::Code(rating.order_ref.clone()),
                Fact::Rated(Rating {
                    at: rating.at,
                    stars: rating.stars,
                    note: rating.note.clone(),
                    feedbacks: rating.feedbacks.clone(),
                    id: rating.id.clone(),
                    channel: channel.to_owned(),
                }),
            ),
            Prepared::Fulfillment(event) => (
                OrderRef::Subject {
                    target: notice.channel.clone(),
                    subject: event.fulfillment_order_id.clone(),
                },
                Fact::Fulfillment {
                    id: event.fulfillment_order_id.clone(),
                    sequence: event.sequence,
                    at: event.at,
                    kind: event.kind.clone(),
                },
            ),
            Prepared::Invoice(event) => (
                OrderRef::Subject {
                    target: notice.channel.clone(),
                    subject: event.invoice_request_id.clone(),
                },
                Fact::Invoice {
                    id: event.invoice_request_id.clone(),
                    sequence: event.sequence,
                    at: event.at,
                    kind: event.kind.clone(),
                },
            ),
            Prepared::Service(event) => (
                OrderRef::Subject {
                    target: notice.channel.clone(),
                    subject: event.service_order_id.clone(),
                },
                Fact::Service {
                    id: event.service_order_id.clone(),
                    sequence: event.sequence,
                    at: event.at,
                    kind: event.kind.clone(),
                },
            ),
        };
        let Some(id) = self.known(&reference) else {
            let end = self.of_nobody(notice, &reference);
            // A push and the list tell of one transfer: the first of them waits for a person.
            // Other providers' notices have the reference as their key, and say several things of it.
            if let (NoticeEnd::Dead { .. }, Fact::Payment(payment)) = (&end, &fact)
                && payment.transaction != payment.reference
                && self
                    .tx
                    .was_reported(channel, &payment.transaction, notice.message_seq)
                    .await?
            {
                return Ok(NoticeEnd::Ignored {
                    reason: "an earlier message reported the same transaction".to_owned(),
                });
            }
            return Ok(end);
        };
        self.apply(&id, &fact, context);
        if let Fact::Payment(payment) = &fact {
            self.ask_later(payment);
        }
        Ok(NoticeEnd::Done { order_id: Some(id) })
    }

    /// A payment that is not decided is asked about, in case the decision is never reported.
    fn ask_later(&mut self, payment: &PaymentFact) {
        let provider = self.gateway.config.channel(&payment.provider);
        if let Some(payments) = provider.and_then(|channel| channel.channel.payments())
            && is_open(payment.state)
        {
            let pause_ms = payments.ask_after_s().saturating_mul(1000);
            self.writes.questions.push(questions::Opened {
                channel: payment.provider.clone(),
                reference: payment.reference.clone(),
                next_at: self.now_ms.saturating_add(pause_ms),
            });
        }
    }

    /// Where polling is only the net below the pushes.
    fn has_pushes(&self, channel: &str) -> bool {
        let channel = self.gateway.config.channel(channel);
        channel.is_some_and(|channel| channel.channel.pushes())
    }

    /// A notice whose reference leads to no order.
    fn of_nobody(&self, notice: &NoticeInput, reference: &OrderRef) -> NoticeEnd {
        let OrderRef::Code(code) = reference else {
            return self.unknown_order(notice);
        };
        if code.parse::<OrderCode>().is_ok() {
            return self.unknown_order(notice);
        }
        // No order will ever have this code: its check digit does not fit.
        let reason = if code.is_empty() {
            "no order code in it: find out whose money this is, and book it by hand"
        } else {
            "its reference is not an order code"
        };
        NoticeEnd::Dead {
            reason: reason.to_owned(),
        }
    }

    /// A notice about an order that is not known yet waits a bounded time: the order's own
    /// message may be on its way.
    pub(super) fn unknown_order(&self, notice: &NoticeInput) -> NoticeEnd {
        let waited = self.now_ms - notice.created_at;
        let longest =
            i64::try_from(self.gateway.config.orders.unknown_order_wait_s).unwrap_or(0) * 1000;
        let next = (1_i64 << notice.attempts.clamp(0, 9)) * 500;
        if waited >= longest {
            tracing::error!(
                channel = notice.channel,
                message = notice.message_seq,
                "a notice names an order that nobody knows; it needs a person"
            );
            return NoticeEnd::Dead {
                reason: "it names an order that is not known".to_owned(),
            };
        }
        NoticeEnd::Later {
            not_before: (self.now_ms + next).min(notice.created_at + longest),
            reason: "waiting for its order".to_owned(),
        }
    }
}
