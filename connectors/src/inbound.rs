//! The inbound contract that channels and targets share: raw bytes in, verified message out.
//!
//! [`VerifiedWebhook`] can be made only with a [`Proof`], and a proof only by the checks of
//! [`crate::signature`] or by an authenticated call of our own: forgetting to verify does not
//! compile.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use domain::snapshot::Snapshot;
use http::{HeaderMap, Method, StatusCode, Uri};
use jiff::Timestamp;

pub use crate::notice::{
    AccountNotice, AccountState, ConversationNotice, FulfillmentEvent, FulfillmentEventKind,
    InvoiceEvent, InvoiceEventKind, Notice, NoticeBody, NoticeKind, OrderDocument, PaymentNotice,
    PaymentState, Question, RatingNotice, ServiceEvent, ServiceEventKind, StockCount,
};

/// A request as it came through the door, before anything is believed.
#[derive(Clone)]
pub struct RawWebhook {
    /// GET for VNPay and handshakes, POST otherwise.
    pub method: Method,
    /// The original request URI, path and query as received.
    pub uri: Uri,
    /// Headers as received.
    pub headers: HeaderMap,
    /// The raw body; signatures are over these bytes.
    pub body: Bytes,
}

impl Debug for RawWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Bodies and queries carry personal data: only sizes are shown.
        f.debug_struct("RawWebhook")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl RawWebhook {
    /// The header's value as text, if present and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The raw query string, without `?`.
    #[must_use]
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or("")
    }
}

/// Evidence that a check succeeded. Only this crate can make one.
#[derive(Debug, Clone, Copy)]
pub struct Proof(());

impl Proof {
    /// For the checks of this crate, after they succeeded.
    pub(crate) fn checked() -> Self {
        Self(())
    }
}

/// Where a verified message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The vendor sent it and its signature held.
    Push,
    /// We fetched it over an authenticated call (polling, lost-push sweep).
    Poll,
}

impl Source {
    /// The word stored in the inbox.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
        }
    }
}

/// A message whose origin is certain. The inbox accepts nothing else.
#[derive(Clone)]
pub struct VerifiedWebhook {
    source: Source,
    topic: Option<String>,
    query: String,
    body: Bytes,
}

impl Debug for VerifiedWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedWebhook")
            .field("source", &self.source)
            .field("topic", &self.topic)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl VerifiedWebhook {
    /// After a signature check. `topic` is what the vendor says in headers that parsing needs
    /// (WooCommerce topic, `webhook-id` …); it is stored with the message.
    #[must_use]
    pub fn new(raw: &RawWebhook, topic: Option<String>, _proof: Proof) -> Self {
        Self {
            source: Source::Push,
            topic,
            query: raw.query().to_owned(),
            body: raw.body.clone(),
        }
    }

    /// One item of an authenticated answer.
    #[must_use]
    pub fn polled(topic: Option<String>, body: Bytes, _proof: Proof) -> Self {
        Self {
            source: Source::Poll,
            topic,
            query: String::new(),
            body,
        }
    }

    /// What the inbox stored when the message was verified. For the store and for replay only.
    #[must_use]
    pub fn from_inbox(source: Source, topic: Option<String>, query: String, body: Bytes) -> Self {
        Self {
            source,
            topic,
            query,
            body,
        }
    }

    /// What of a certain message belongs to one account, written as a message of its own.
    pub(crate) fn part(&self, body: Bytes) -> Self {
        Self {
            body,
            ..self.clone()
        }
    }

    /// Pushed or polled.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The vendor's topic or delivery header that was kept.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// The raw query string (vendors that deliver by GET).
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The raw body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// What verification says of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Certain: goes into the inbox.
    Message(VerifiedWebhook),
    /// A liveness check of the vendor: answered, never stored.
    Ping(Acknowledgement),
    /// Not believed: counted, sampled, answered, never stored.
    Rejected(Rejection),
}

/// Why a request was not believed. The words are safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    /// The header or field with the signature is missing.
    #[error("signature missing")]
    MissingSignature,
    /// The signature is not in the vendor's form.
    #[error("signature malformed")]
    MalformedSignature,
    /// No secret gives this signature.
    #[error("signature mismatch")]
    BadSignature,
    /// The signed time is outside the tolerated window.
    #[error("timestamp outside the window")]
    StaleTimestamp,
    /// The request is not of a form that can be verified at all.
    #[error("not a message of this vendor")]
    Malformed,
}

impl Rejection {
    /// The word used as a metric label and in samples.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::MalformedSignature => "malformed_signature",
            Self::BadSignature => "bad_signature",
            Self::StaleTimestamp => "stale_timestamp",
            Self::Malformed => "malformed",
        }
    }
}

/// The exact answer that a vendor wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// HTTP status.
    pub status: StatusCode,
    /// `content-type`, if there is a body.
    pub content_type: Option<&'static str>,
    /// Body; often it must be empty.
    pub body: Bytes,
}

impl Acknowledgement {
    /// A status with a zero-length body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: None,
            body: Bytes::new(),
        }
    }

    /// 200 with a JSON body.
    #[must_use]
    pub fn json(body: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: Some("application/json"),
            body: Bytes::from_static(body.as_bytes()),
        }
    }
}

/// What became of a request, for [`Inbound::acknowledge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Durable now, first time seen.
    Stored(Option<PaymentAnswer>),
    /// Seen before (also when the same key came with other content).
    Duplicate(Option<PaymentAnswer>),
    /// Not believed.
    Rejected(Rejection),
    /// The store could not take it: the vendor must try again.
    Unavailable,
}

/// A question that a channel may ask before it answers its vendor; the shell answers it with one
/// indexed read in the receiving transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Preflight {
    /// Is this payment reference known, what is due, is it paid?
    Payment {
        /// The reference that the vendor gave back, `code-attempt`.
        reference: String,
        /// The amount that the vendor says, whole đồng.
        amount: i64,
    },
}

/// The answer to [`Preflight::Payment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentAnswer {
    /// No order has this code.
    UnknownOrder,
    /// The amount is not what is due.
    WrongAmount,
    /// It was paid before this message.
    AlreadyPaid,
    /// Known and due.
    Due,
}

/// What of a message belongs to one of the vendor's accounts.
#[derive(Debug, Clone)]
pub struct Part {
    /// The account; `None` where the message names none.
    pub account: Option<String>,
    /// The message, or what of it is this account's.
    pub message: VerifiedWebhook,
}

/// Why a verified message could not be read. The words name the field, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not read the message: {what}")]
pub struct PayloadError {
    /// Field path and expectation, free of personal data.
    pub what: String,
}

impl PayloadError {
    /// From words that hold no content of the message.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

/// What every door speaks: channels and the callbacks of targets.
pub trait Inbound: Debug + Send + Sync {
    /// Believes the request or not. No default body, ever.
    fn verify(&self, raw: &RawWebhook, now: Timestamp) -> Verdict;

    /// The permanent business key of this message within its channel: vendor's event id where it
    /// is stable, else the business key with its revision, a body hash only where there is
    /// neither.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String;

    /// The notices of the message, in order. An unknown topic yields an ignored notice, not an
    /// error.
    ///
    /// # Errors
    /// When the message is not of the vendor's form: it is dead-lettered and can be replayed.
    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError>;

    /// What must be known before the vendor is answered.
    fn preflight(&self, _message: &VerifiedWebhook) -> Option<Preflight> {
        None
    }

    /// The vendor's account (shop, page, OA) that the message belongs to, for doors that several
    /// channels share.
    fn account(&self, _message: &VerifiedWebhook) -> Option<String> {
        None
    }

    /// The message by its accounts, for vendors that put several into one. Each part is parsed by
    /// the channel that has the account, and what is not that channel's must do nothing there.
    fn by_account(&self, message: &VerifiedWebhook) -> Vec<Part> {
        vec![Part {
            account: self.account(message),
            message: message.clone(),
        }]
    }

    /// The exact answer that this vendor wants.
    fn acknowledge(&self, received: &Received) -> Acknowledgement;

    /// The vendor waits so long for its answer, from sending to reading; `None` where nothing is
    /// known that is shorter than our own limit.
    fn ack_within(&self) -> Option<Duration> {
        None
    }

    /// Answers a subscription handshake (a GET that is not a message), if the vendor has one.
    fn handshake(&self, _raw: &RawWebhook) -> Option<Acknowledgement> {
        None
    }

    /// The vendor does not sign bodies: confirm by fetch before money or stock moves.
    fn weak(&self) -> bool {
        false
    }
}

/// The normal form of an order document.
pub type Normalized = Result<Snapshot, PayloadError>;
