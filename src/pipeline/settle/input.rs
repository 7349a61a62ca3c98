//! What can be handed to settling, and what comes back to those who wait.

use connectors::inbound::{
    AccountNotice, ConversationNotice, FulfillmentEvent, InvoiceEvent, PaymentNotice, RatingNotice,
    ServiceEvent, StockCount,
};
use domain::order::Command;
use domain::order::Order;
use domain::payment::PaymentFact;
use domain::snapshot::Snapshot;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::store::notices::NoticeEnd;
use crate::store::outbox::Finished;
use crate::store::stock;
use crate::store::tx::OrderRef;

/// Where an answer goes.
pub type Reply = oneshot::Sender<Result<Done, Refusal>>;

/// One input.
#[derive(Debug)]
pub enum Input {
    /// A leased notice, parsed and fetched.
    Notice(Box<NoticeInput>),
    /// A finished try of a task.
    Task(Box<Finished>),
    /// Staff want something of an order.
    Command(Box<CommandInput>),
    /// Staff enter an order.
    Create(Box<Create>),
    /// Staff assign a payment to an order.
    Book(Box<Book>),
    /// Somebody sets stock.
    Count(Box<Count>),
    /// An order must look at itself again.
    Nudge {
        /// Order.
        order_id: String,
        /// Why.
        cause: Nudge,
    },
}

/// Why an order must look at itself again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// The time that it asked for has come.
    Timer,
    /// Products or SKU mappings changed.
    Catalog,
}

impl Input {
    /// Where the answer goes, if somebody waits for one.
    pub(super) fn into_reply(self) -> Option<Reply> {
        match self {
            Self::Command(command) => Some(command.reply),
            Self::Create(create) => Some(create.reply),
            Self::Book(book) => Some(book.reply),
            Self::Count(count) => Some(count.reply),
            Self::Notice(_) | Self::Task(_) | Self::Nudge { .. } => None,
        }
    }
}

/// A leased notice on its way to its end.
#[derive(Debug)]
pub struct NoticeInput {
    /// Message.
    pub message_seq: i64,
    /// Position in it.
    pub ordinal: i64,
    /// Lease.
    pub token: String,
    /// Channel or target.
    pub channel: String,
    /// Connector, for new orders.
    pub connector: String,
    /// Tries before this one.
    pub attempts: i64,
    /// When the notice was written, milliseconds.
    pub created_at: i64,
    /// Polling brought its message: what it changes had escaped the channel's pushes.
    pub is_polled: bool,
    /// What it says.
    pub what: Prepared,
    /// Room in the ingest pipeline, free again when this is dropped.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// What a notice says, ready to be settled.
#[derive(Debug)]
pub enum Prepared {
    /// The order's document.
    Order(Box<Snapshot>),
    /// Money.
    Payment(PaymentNotice),
    /// Chat, comment, cart or form.
    Conversation(Box<ConversationNotice>),
    /// A location reports.
    Fulfillment(FulfillmentEvent),
    /// The invoicing system reports.
    Invoice(InvoiceEvent),
    /// The service center reports.
    Service(ServiceEvent),
    /// A count.
    Stock(StockCount),
    /// A buyer rates an order.
    Rating(RatingNotice),
    /// Something about the account.
    Account(AccountNotice),
    /// Its end is known already.
    End(NoticeEnd),
}

/// A command for one order.
#[derive(Debug)]
pub struct CommandInput {
    /// Which order.
    pub order: OrderRef,
    /// What.
    pub command: Command,
    /// Only if the order still has this version.
    pub expected_version: Option<i64>,
    /// Where the answer goes.
    pub reply: Reply,
}

/// An order that staff enter.
#[derive(Debug)]
pub struct Create {
    /// Channel.
    pub channel: String,
    /// Connector.
    pub connector: String,
    /// Who.
    pub actor: String,
    /// Idempotency key.
    pub key: String,
    /// Hash of the body, so that the same key with another body is refused.
    pub body_hash: String,
    /// What.
    pub snapshot: Box<Snapshot>,
    /// Words for the audit log.
    pub detail: String,
    /// Where the answer goes.
    pub reply: Reply,
}

/// A payment that found no order by itself, and whose it is.
#[derive(Debug)]
pub struct Book {
    /// Which order.
    pub order: OrderRef,
    /// The message that told of the payment.
    pub message_seq: i64,
    /// The place of its notice there.
    pub ordinal: i64,
    /// The payment as the message tells it.
    pub payment: PaymentFact,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Where the answer goes.
    pub reply: Reply,
}

/// Absolute counts that somebody sets.
#[derive(Debug)]
pub struct Count {
    /// Who.
    pub actor: String,
    /// What.
    pub counts: Vec<stock::Count>,
    /// Where the answer goes.
    pub reply: Reply,
}

/// What came of an input that somebody waits for.
#[derive(Debug)]
pub enum Done {
    /// The order as it is now.
    Order {
        /// The aggregate.
        order: Box<Order>,
        /// Version of its row.
        version: i64,
        /// It was made by this input.
        created: bool,
    },
    /// So many counters changed.
    Counted(usize),
}

/// Why an input was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such order.
    #[error("there is no such order")]
    NotFound,
    /// The order is not in a state that allows it.
    #[error("the order does not allow it: {0}")]
    NotAllowed(String),
    /// Somebody else changed the order first.
    #[error("the order has version {0} by now")]
    Changed(i64),
    /// The idempotency key was used for something else.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// The database does not take it now.
    #[error("the gateway cannot take it now")]
    Unavailable,
}
