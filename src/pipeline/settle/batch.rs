//! One try at settling a batch in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::code::OrderCode;
use domain::conversation::draft_id;
use domain::id::OrderId;
use domain::live::Sale;
use domain::order::{Context, Fact};
use domain::order::{Order, OrderEvent, Settings};
use domain::routing::{Decision, StockTable};
use domain::task::Task;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::customers::People;
use super::fact_of;
use super::input::{Done, Input, Prepared, Refusal};
use crate::crash;
use crate::gateway::Gateway;
use crate::store::Error;
use crate::store::conversations::LoadedConversation;
use crate::store::inbox::order_code_of;
use crate::store::notices::NoticeEnd;
use crate::store::questions;
use crate::store::stock;
use crate::store::tx::{Loaded, OrderRef, Tx};

/// What a committed batch did.
pub(super) struct Settled {
    /// One per input, where somebody waits.
    pub(super) answers: Vec<Option<Result<Done, Refusal>>>,
    /// Tasks written.
    pub(super) tasks: usize,
    /// Orders written.
    pub(super) changes: usize,
}

/// Codes for orders that the batch makes.
pub(super) type Codes = Vec<OrderCode>;

/// An order in work.
pub(super) struct Slot {
    pub(super) loaded: Loaded,
    pub(super) changed: bool,
    pub(super) events: Vec<OrderEvent>,
    pub(super) change: &'static str,
}

impl Slot {
    /// An order as it was stored.
    pub(super) fn stored(loaded: Loaded) -> Self {
        Self {
            loaded,
            changed: false,
            events: Vec::new(),
            change: "updated",
        }
    }
}

/// Everything that the batch will write.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) tasks: Vec<(Option<String>, Task)>,
    pub(super) withdraw: Vec<(String, String)>,
    pub(super) movements: Vec<stock::Movement>,
    pub(super) decisions: Vec<(String, Decision)>,
    pub(super) loads: BTreeMap<String, i64>,
    pub(super) ends: Vec<(i64, i64, String, NoticeEnd)>,
    pub(super) audit: Vec<[String; 4]>,
    /// Orders that only polling brought or changed, by channel.
    pub(super) found: BTreeMap<String, i64>,
    /// Payments that their providers have not decided.
    pub(super) questions: Vec<questions::Opened>,
}

/// A batch in work: the open transaction, and what is known so far.
pub(super) struct Batch<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) tx: Tx,
    pub(super) now: Timestamp,
    pub(super) now_ms: i64,
    pub(super) day: String,
    pub(super) slots: BTreeMap<String, Slot>,
    pub(super) ids: HashMap<OrderRef, String>,
    pub(super) conversations: BTreeMap<(String, String), (LoadedConversation, bool)>,
    pub(super) people: People,
    /// Live sales by channel and post, as far as comments of the batch named them.
    pub(super) sales: HashMap<(String, String), Option<Sale>>,
    pub(super) writes: Writes,
    pub(super) stock: StockTable,
    pub(super) known_skus: BTreeSet<String>,
    pub(super) levels: HashMap<(String, String), i64>,
    pub(super) loads_read: bool,
}

/// Settles a batch, or nothing of it.
pub(super) async fn settle_once(gateway: &Gateway, inputs: &[Input]) -> Result<Settled, Error> {
    let new_orders = inputs.iter().filter(|i| may_create(i)).count();
    let mut codes = gateway.codes.take(&gateway.db, new_orders).await?;
    let catalog = gateway.catalog.current();
    let now = gateway.clock.now();
    let mut batch = Batch {
        gateway,
        tx: Tx::begin(&gateway.db).await?,
        now,
        now_ms: now.as_millisecond(),
        day: legal_day(now),
        slots: BTreeMap::new(),
        ids: HashMap::new(),
        conversations: BTreeMap::new(),
        people: People::default(),
        sales: HashMap::new(),
        writes: Writes::default(),
        stock: StockTable::new(),
        known_skus: BTreeSet::new(),
        levels: HashMap::new(),
        loads_read: false,
    };
    let context = Context {
        now,
        catalog: &*catalog,
        settings: &gateway.settings,
    };
    batch.load(inputs).await?;
    let mut answers = Vec::with_capacity(inputs.len());
    for input in inputs {
        answers.push(batch.take(input, &context, &mut codes).await?);
    }
    batch.find_customers().await?;
    batch.advance_all(&context).await?;
    crash::point("settle.before_commit");
    let (tasks, changes, orders) = batch.write(inputs).await?;
    crash::point("settle.after_commit");
    gateway.codes.give_back(codes).await;
    Ok(Settled {
        answers: answers
            .into_iter()
            .map(|a| a.map(|a| a.resolve(&orders)))
            .collect(),
        tasks,
        changes,
    })
}

/// An answer whose order is known only after the write.
pub(super) enum Pending {
    Order { id: String, created: bool },
    Ready(Result<Done, Refusal>),
}

impl Pending {
    fn resolve(self, orders: &BTreeMap<String, (Order, i64)>) -> Result<Done, Refusal> {
        match self {
            Self::Ready(ready) => ready,
            Self::Order { id, created } => {
                let (order, version) = orders.get(&id).ok_or(Refusal::NotFound)?;
                Ok(Done::Order {
                    order: Box::new(order.clone()),
                    version: *version,
                    created,
                })
            }
        }
    }
}

fn may_create(input: &Input) -> bool {
    match input {
        Input::Create(_) => true,
        Input::Notice(notice) => {
            matches!(notice.what, Prepared::Order(_) | Prepared::Conversation(_))
        }
        Input::Task(_)
        | Input::Command(_)
        | Input::Book(_)
        | Input::Count(_)
        | Input::Nudge { .. } => false,
    }
}

/// The legal day is counted in Vietnam.
fn legal_day(now: Timestamp) -> String {
    let zone = TimeZone::get(Settings::LEGAL_ZONE).expect("the time zone is bundled");
    now.to_zoned_datetime(zone).date().to_string()
}

fn reference_of(input: &Input) -> Option<OrderRef> {
    match input {
        Input::Nudge { order_id, .. } => Some(OrderRef::Id(order_id.clone())),
        Input::Command(command) => Some(command.order.clone()),
        Input::Book(book) => Some(book.order.clone()),
        Input::Task(task) => {
            fact_of(task, Timestamp::UNIX_EPOCH)?;
            task.task.order_id.clone().map(OrderRef::Id)
        }
        Input::Create(create) => Some(OrderRef::External {
            channel: create.channel.clone(),
            external_id: create.snapshot.external_id.clone(),
        }),
        Input::Count(_) => None,
        Input::Notice(notice) => match &notice.what {
            Prepared::Order(snapshot) => Some(OrderRef::External {
                channel: notice.channel.clone(),
                external_id: snapshot.external_id.clone(),
            }),
            Prepared::Payment(payment) => {
                Some(OrderRef::Code(order_code_of(&payment.reference).to_owned()))
            }
            Prepared::Rating(rating) => Some(OrderRef::Code(rating.order_ref.clone())),
            Prepared::Fulfillment(event) => Some(OrderRef::Subject {
                target: notice.channel.clone(),
                subject: event.fulfillment_order_id.clone(),
            }),
            Prepared::Invoice(event) => Some(OrderRef::Subject {
                target: notice.channel.clone(),
                subject: event.invoice_request_id.clone(),
            }),
            Prepared::Service(event) => Some(OrderRef::Subject {
                target: notice.channel.clone(),
                subject: event.service_order_id.clone(),
            }),
            Prepared::Conversation(message) if !message.lines.is_empty() => {
                Some(OrderRef::External {
                    channel: notice.channel.clone(),
                    external_id: draft_id(&message.message_id),
                })
            }
            Prepared::Conversation(_)
            | Prepared::Stock(_)
            | Prepared::Account(_)
            | Prepared::End(_) => None,
        },
    }
}

impl Batch<'_> {
    /// Finds and locks every order that the batch is about.
    pub(super) async fn load(&mut self, inputs: &[Input]) -> Result<(), Error> {
        let refs: BTreeSet<OrderRef> = inputs.iter().filter_map(reference_of).collect();
        self.ids = self.tx.find(&refs).await?;
        let ids: BTreeSet<String> = self.ids.values().cloned().collect();
        for (id, loaded) in self.tx.load(&ids).await? {
            self.slots.insert(id, Slot::stored(loaded));
        }
        Ok(())
    }

    pub(super) fn known(&self, reference: &OrderRef) -> Option<String> {
        self.ids
            .get(reference)
            .filter(|id| self.slots.contains_key(*id))
            .cloned()
    }

    /// The order of a reference, made if it is not there yet.
    pub(super) fn find_or_create(
        &mut self,
        channel: &str,
        connector: &str,
        external_id: &str,
        codes: &mut Codes,
    ) -> Result<(String, bool), Error> {
        let reference = OrderRef::External {
            channel: channel.to_owned(),
            external_id: external_id.to_owned(),
        };
        if let Some(id) = self.known(&reference) {
            return Ok((id, false));
        }
        let code = codes.pop().ok_or(Error::Conflict {
            what: "an order number",
        })?;
        let id = OrderId::from_uuid(self.gateway.ids.next(self.now_ms));
        let order = Order::new(id.clone(), code, channel, connector, external_id, self.now);
        let id = id.as_str().to_owned();
        self.ids.insert(reference, id.clone());
        self.slots.insert(
            id.clone(),
            Slot {
                loaded: Loaded {
                    order,
                    row_version: 0,
                },
                changed: true,
                events: Vec::new(),
                change: "created",
            },
        );
        Ok((id, true))
    }

    pub(super) fn apply(&mut self, id: &str, fact: &Fact, context: &Context<'_>) -> bool {
        let slot = self.slots.get_mut(id).expect("a known id has its slot");
        let applied = slot.loaded.order.apply(fact, context);
        slot.changed |= applied.changed;
        slot.events.extend(applied.events);
        applied.changed
    }
}
