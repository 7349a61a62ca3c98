//! Notices: the things that one message reports.

use domain::money::Amount;
use domain::rating::Stars;
use domain::snapshot::{Buyer, Snapshot, SnapshotLine};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kinds of notices; a column, a metric label and a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// An order changed at its channel.
    Order,
    /// Money came or went.
    Payment,
    /// A chat message or comment.
    Conversation,
    /// A phone call.
    Call,
    /// A location reports on a fulfillment order.
    Fulfillment,
    /// The invoicing system reports.
    Invoice,
    /// The service center reports.
    Service,
    /// An absolute stock count.
    Stock,
    /// A buyer rates an order.
    Rating,
    /// Credentials, authorisation, subscription.
    Account,
    /// Nothing to do; the reason is kept.
    Ignored,
}

impl NoticeKind {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Conversation => "conversation",
            Self::Call => "call",
            Self::Fulfillment => "fulfillment",
            Self::Invoice => "invoice",
            Self::Service => "service",
            Self::Stock => "stock",
            Self::Rating => "rating",
            Self::Account => "account",
            Self::Ignored => "ignored",
        }
    }
}

/// One thing that a message reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What it is about within the channel: the external order id, our subject id, a person's id
    /// or `location/sku`. Notices with the same key are settled one after the other.
    pub key: Option<String>,
    /// What it says.
    pub body: NoticeBody,
}

/// What a notice says.
#[derive(Debug, Clone, PartialEq)]
pub enum NoticeBody {
    /// An order changed.
    Order {
        /// The channel's order id.
        external_id: String,
        /// When the channel says that it changed; a fetched document older than this is fetched
        /// again a little later.
        revision: Option<Timestamp>,
        /// The document itself, or the order to fetch it.
        document: OrderDocument,
    },
    /// Money came or went.
    Payment(PaymentNotice),
    /// A chat message, comment, cart or form.
    Conversation(Box<ConversationNotice>),
    /// A location reports.
    Fulfillment(FulfillmentEvent),
    /// The invoicing system reports.
    Invoice(InvoiceEvent),
    /// The service center reports.
    Service(ServiceEvent),
    /// An absolute count.
    Stock(StockCount),
    /// A phone call.
    Call(Box<ConversationNotice>),
    /// A buyer rates an order of ours.
    Rating(RatingNotice),
    /// Something about the account.
    Account(AccountNotice),
    /// The message only names the thing: it must be fetched ([`crate::channel::Wanted::Subject`]).
    Ask(Question),
    /// Nothing to do.
    Ignored {
        /// Why, in words that are safe to log.
        reason: String,
    },
}

impl NoticeBody {
    /// The kind, for columns and labels.
    #[must_use]
    pub fn kind(&self) -> NoticeKind {
        match self {
            Self::Order { .. } => NoticeKind::Order,
            Self::Payment(_) => NoticeKind::Payment,
            Self::Conversation(_) => NoticeKind::Conversation,
            Self::Fulfillment(_) => NoticeKind::Fulfillment,
            Self::Invoice(_) => NoticeKind::Invoice,
            Self::Service(_) => NoticeKind::Service,
            Self::Stock(_) => NoticeKind::Stock,
            Self::Call(_) => NoticeKind::Call,
            Self::Rating(_) => NoticeKind::Rating,
            Self::Account(_) => NoticeKind::Account,
            Self::Ask(question) => question.kind,
            Self::Ignored { .. } => NoticeKind::Ignored,
        }
    }
}

/// Something to ask the vendor for before anything moves: a lead form that a message only points
/// to, a transfer that an unsigned message reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The kind of notice that the answer makes.
    pub kind: NoticeKind,
    /// What to ask for, in the connector's own words.
    pub subject: String,
}

/// Where the order's document is.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderDocument {
    /// The message carried it.
    Here(Box<Snapshot>),
    /// Only a hint: fetch the order.
    Fetch,
}

pub use domain::payment::PaymentState;

/// Money came or went, reported by a payment provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentNotice {
    /// Our payment reference, `code-attempt`.
    pub reference: String,
    /// The provider's transaction id; with `reference` it identifies the payment.
    pub transaction: String,
    /// Amount.
    pub amount: Amount,
    /// How it stands.
    pub state: PaymentState,
    /// When, according to the provider.
    pub at: Timestamp,
    /// The provider's own code, kept and shown.
    pub provider_code: String,
}

/// A chat message, comment, cart or form of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationNotice {
    /// The person within the channel account.
    pub person: String,
    /// The channel account (page, OA).
    pub account: String,
    /// The vendor's id of the message; a repeat replaces it.
    pub message_id: String,
    /// `message`, `comment`, `cart`, `form`, `postback`, `follow`, `unfollow`, `echo`, `removal`,
    /// `status` …
    pub kind: String,
    /// True when our side wrote it.
    pub outgoing: bool,
    /// Text as written.
    pub text: Option<String>,
    /// Person's details, where the message carries them (a form, a comment's name).
    pub buyer: Option<Buyer>,
    /// The address of a form, in one text.
    pub address: Option<String>,
    /// Lines of a cart: they make a draft order.
    pub lines: Vec<SnapshotLine>,
    /// When, according to the vendor.
    pub at: Timestamp,
    /// Anything else worth showing (attachment kinds, referral, rating).
    pub hints: Vec<String>,
}

/// What a location reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FulfillmentEvent {
    /// Our id.
    pub fulfillment_order_id: String,
    /// Rises per fulfillment order.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: FulfillmentEventKind,
}

pub use domain::fulfillment::EventKind as FulfillmentEventKind;
pub use domain::invoice::EventKind as InvoiceEventKind;
pub use domain::service::EventKind as ServiceEventKind;

/// What the invoicing system reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceEvent {
    /// Our id.
    pub invoice_request_id: String,
    /// Rises per invoice.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: InvoiceEventKind,
}

/// What the service center reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// Our id of the work order.
    pub service_order_id: String,
    /// Rises per work order.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: ServiceEventKind,
}

/// An absolute stock count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockCount {
    /// Location.
    pub location: String,
    /// Our SKU.
    pub sku: String,
    /// Units on hand.
    pub on_hand: i64,
    /// The count holds as of this moment and supersedes movements before it.
    pub as_of: Timestamp,
    /// Rises per location and SKU.
    pub sequence: i64,
}

/// A buyer's word on one of our orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatingNotice {
    /// Our order code.
    pub order_ref: String,
    /// The vendor's id of the rating; a repeat replaces it.
    pub id: String,
    /// One to five.
    pub stars: Stars,
    /// The buyer's own words.
    pub note: Option<String>,
    /// What the buyer picked from a list of the shop's.
    pub feedbacks: Vec<String>,
    /// When, according to the vendor.
    pub at: Timestamp,
}

/// Something about the account at the vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountNotice {
    /// What is the matter.
    pub state: AccountState,
    /// The vendor's words, safe to log.
    pub detail: String,
    /// Until when, where the vendor says.
    pub until: Option<Timestamp>,
}

/// What is the matter with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Authorised.
    Authorized,
    /// The authorisation ends soon: a person must renew it.
    Expiring,
    /// The authorisation is gone.
    Revoked,
}
