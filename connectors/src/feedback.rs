//! What we tell a channel, and ask it beside orders: feedback on orders, labels, messages to
//! persons, payments, subscriptions. All pure: requests out, answers in; the shell sends, and for
//! everything that changes something at the vendor the outbox repeats it.
//!
//! One intention may need several calls (Shopee: shipping parameters, then the shipment, then the
//! tracking number). [`Try`] carries the answers so far, [`Step`] says whether another call
//! follows. A process that dies in between begins again with the first call; so every first call
//! must be harmless, and after an unknown outcome ([`Try::unknown`]) it must look before it acts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use bytes::Bytes;
use domain::task::{
    BuyerEvent, BuyerNotice, ChannelMessage, ChannelTask, NewsKind, Outcome, StockLevel,
};
use http::{Request, Response};
use jiff::Timestamp;

use crate::channel::CallContext;
use crate::inbound::{PayloadError, VerifiedWebhook};
use crate::target::BuildError;

/// One try of one intention.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// The same for every try of one intention; for vendors that take one.
    pub key: &'a str,
    /// The answers of this try's earlier calls, as [`Step::Part`] gave them.
    pub got: &'a [Bytes],
    /// An earlier try ended without an answer and may have worked: look before acting.
    pub unknown: bool,
}

/// What one answer brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Another call follows; its request is made with this added to [`Try::got`].
    Part(Bytes),
    /// The intention has come to its end, or to a pause.
    Done(Outcome),
    /// The access token is expired: refresh once, then the same call again.
    TokenExpired,
}

/// Telling the vendor what became of an order on our side.
pub trait Feedback: Debug + Send + Sync {
    /// The news that this vendor takes; nothing else is ever planned for it.
    fn takes(&self) -> &'static [NewsKind];

    /// The next request.
    ///
    /// # Errors
    /// When a field that this vendor needs is missing.
    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError>;

    /// Sorts the answer to the request made with the same `attempt`.
    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step;

    /// Setting what is on sale there, where the vendor takes it.
    fn stock(&self) -> Option<&dyn Stock> {
        None
    }
}

/// Setting how many units of an article are on sale at the channel. Levels are absolute, so a
/// repeat is harmless.
pub trait Stock: Debug + Send + Sync {
    /// The next request that sets the level.
    ///
    /// # Errors
    /// When the article's id is not one of this vendor's.
    fn request(
        &self,
        level: &StockLevel,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError>;

    /// Sorts the answer.
    fn read(&self, level: &StockLevel, attempt: Try<'_>, response: &Response<Bytes>) -> Step;
}

/// A parcel whose label is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelOf<'a> {
    /// The channel's order id.
    pub external_id: &'a str,
    /// The vendor's id of the parcel, where it gave one.
    pub parcel: Option<&'a str>,
    /// Tracking number, where it is known.
    pub tracking: Option<&'a str>,
}

/// What asking for a label brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelled {
    /// Another call follows.
    Part(Bytes),
    /// The label.
    Label {
        /// `application/pdf`, `text/html` …
        content_type: String,
        /// The document.
        body: Bytes,
    },
    /// The vendor is still making it.
    NotYet,
    /// The access token is expired.
    TokenExpired,
    /// Not now.
    Retry {
        /// Lower bound, seconds.
        after_s: Option<u64>,
        /// Why, safe to log.
        reason: String,
    },
    /// There will be no label.
    Refused {
        /// Why, safe to log.
        reason: String,
    },
}

/// Shipping labels that the vendor makes.
pub trait Labels: Debug + Send + Sync {
    /// The next request, given the answers so far.
    ///
    /// # Errors
    /// When something that this vendor needs is not known (yet).
    fn request(
        &self,
        label: LabelOf<'_>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError>;

    /// Sorts the answer.
    fn read(&self, label: LabelOf<'_>, got: &[Bytes], response: &Response<Bytes>) -> Labelled;
}

/// Whether a person may be written to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Yes, until then where there is an end.
    Open {
        /// End of the window.
        until: Option<Timestamp>,
    },
    /// Not in this way: the person must write first, or another channel must be used.
    Closed,
}

/// Writing to persons.
pub trait Messages: Debug + Send + Sync {
    /// Whether the vendor lets us write this now.
    fn window(&self, message: &ChannelMessage, now: Timestamp) -> Window;

    /// The longest text, in characters.
    fn longest(&self) -> usize;

    /// The next request.
    ///
    /// # Errors
    /// When the person or account is not one of this channel's.
    fn request(
        &self,
        message: &ChannelMessage,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError>;

    /// Sorts the answer.
    fn read(&self, message: &ChannelMessage, attempt: Try<'_>, response: &Response<Bytes>) -> Step;
}

/// A notice that will not be sent, and never could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// A word for the refusal: `maybe_told`, `cannot_be_told`.
    pub code: &'static str,
    /// Why, safe to log.
    pub reason: String,
}

/// Telling buyers what became of their orders, whatever channel these came from.
pub trait Notices: Debug + Send + Sync {
    /// What it tells of → the facts that the text needs ([`BuyerEvent::facts`]).
    fn events(&self) -> BTreeMap<BuyerEvent, BTreeSet<String>>;

    /// The moment at which a notice may go: now, or the end of the night.
    fn not_before(&self, now: Timestamp) -> Timestamp;

    /// The next request. [`Step::Part`] stands for a way that the vendor refused: nothing of the
    /// notice has gone out by then.
    ///
    /// # Errors
    /// When there is nobody to send it to or nothing to say, and after an unknown outcome where
    /// the vendor cannot be asked: a buyer who is told twice is worse than one who is not told.
    fn request(
        &self,
        notice: &BuyerNotice,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, Untold>;

    /// Sorts the answer to the request made with the same `attempt`.
    fn read(
        &self,
        notice: &BuyerNotice,
        attempt: Try<'_>,
        response: &Response<Bytes>,
        now: Timestamp,
    ) -> Step;
}

/// A payment that nobody has reported on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentQuestion<'a> {
    /// Our payment reference, `code-attempt`.
    pub reference: &'a str,
    /// The provider's transaction, where an earlier message named it.
    pub transaction: Option<&'a str>,
    /// When the payment was begun, as far as we know: when the order was placed.
    pub begun_at: Timestamp,
    /// A text that is different for every question, for providers that want one.
    pub nonce: &'a str,
}

/// What a provider says of a payment.
#[derive(Debug)]
pub enum Queried {
    /// It is known: a message for the inbox, to be parsed like a pushed one.
    Message(VerifiedWebhook),
    /// It is known and not decided yet.
    Pending,
    /// The provider does not know it: the buyer never began to pay.
    Unknown,
    /// The access token is expired.
    TokenExpired,
    /// Not now.
    Retry {
        /// Lower bound, seconds.
        after_s: Option<u64>,
        /// Why, safe to log.
        reason: String,
    },
    /// A person must act.
    Account {
        /// Why, safe to log.
        reason: String,
    },
}

/// Asking a provider how a payment stands.
pub trait Payments: Debug + Send + Sync {
    /// Ask when nothing was heard for so long after the payment was begun, seconds.
    fn ask_after_s(&self) -> i64;

    /// Ask no more after so long, seconds: the provider has given the payment up by then.
    fn give_up_after_s(&self) -> i64;

    /// For providers that know a payment by the day on which it was begun: where to look next for
    /// one that they do not know under `begun_at`, which the buyer may have begun on a later day.
    fn next_begun_at(&self, _begun_at: Timestamp, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    /// The question.
    fn query(&self, question: PaymentQuestion<'_>, call: CallContext<'_>) -> Request<Bytes>;

    /// Reads the answer.
    ///
    /// # Errors
    /// When the answer is not of the provider's form, or its signature is wrong.
    fn read_query(
        &self,
        question: PaymentQuestion<'_>,
        response: &Response<Bytes>,
    ) -> Result<Queried, PayloadError>;
}

/// What a look at a subscription showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscribed {
    /// Another call follows (to repair what is missing).
    Part(Bytes),
    /// Everything that we need is subscribed.
    Good,
    /// It was missing or disabled and is in force again.
    Repaired,
    /// The access token is expired.
    TokenExpired,
    /// Not now.
    Retry {
        /// Why, safe to log.
        reason: String,
    },
    /// It cannot be repaired from here.
    Broken {
        /// Why, safe to log.
        reason: String,
    },
}

/// Keeping webhook subscriptions alive at vendors that delete or disable them.
pub trait Subscriptions: Debug + Send + Sync {
    /// How often to look, seconds.
    fn every_s(&self) -> i64;

    /// The next request, given the answers so far. `door` is the public address of our door for
    /// this channel, where the configuration names it.
    ///
    /// # Errors
    /// When something is not configured that is needed to look or to repair.
    fn request(
        &self,
        door: Option<&str>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError>;

    /// Sorts the answer.
    fn read(&self, door: Option<&str>, got: &[Bytes], response: &Response<Bytes>) -> Subscribed;
}
