//! The outbound half of a channel: fetching, normalizing, tokens and polling. All pure: requests
//! out, answers in; the shell sends.
//!
//! What only some vendors can do is data that is absent ([`Channel::tokens`], [`Channel::polling`],
//! [`Channel::feedback`], …), never a call that says "not implemented".

use std::fmt::Debug;

use bytes::Bytes;
use domain::money::Amount;
use domain::snapshot::{Cancellation, ChannelStatus, Deadlines, FulfilledBy, Snapshot};
use http::{Request, Response};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::feedback::{Feedback, Labels, Messages, Notices, Payments, Subscriptions};
use crate::inbound::{Inbound, Normalized, NoticeBody, NoticeKind, PayloadError, VerifiedWebhook};

/// What a call may know: the time and the account's current access token.
#[derive(Debug, Clone, Copy)]
pub struct CallContext<'a> {
    /// Now.
    pub now: Timestamp,
    /// The access token in force, for vendors that have one.
    pub access_token: Option<&'a SecretString>,
}

/// A channel: everything that one vendor can do.
pub trait Channel: Inbound {
    /// The connector's name in the registry.
    fn connector(&self) -> &'static str;

    /// The kinds of notices whose documents [`Channel::fetch`] can get; empty where the vendor
    /// sends everything whole and has no way to ask.
    fn fetches(&self) -> &'static [NoticeKind];

    /// The next request that gets what is wanted, given the answers so far (some vendors need two
    /// or three calls for one order). `None` where it cannot be asked for.
    fn fetch(
        &self,
        wanted: Wanted<'_>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>>;

    /// Sorts the answer of [`Channel::fetch`]: HTTP 200 with an error inside is read here. After
    /// [`Fetched::Part`] the next request is asked for with this part added to `got`.
    fn read_fetch(&self, wanted: Wanted<'_>, got: &[Bytes], response: &Response<Bytes>) -> Fetched;

    /// Fetching many orders with one call, where the vendor answers so.
    fn batches(&self) -> Option<&dyn Batches> {
        None
    }

    /// Vendor document → snapshot.
    ///
    /// # Errors
    /// When a field that the order cannot do without is missing or of another type.
    fn normalize(&self, document: &[u8]) -> Normalized;

    /// What the fetched document of a [`Wanted::Subject`] says.
    ///
    /// # Errors
    /// When the document is not of the vendor's form, and where nothing but orders can be asked
    /// for.
    fn answered(&self, _subject: &str, _document: &[u8]) -> Result<NoticeBody, PayloadError> {
        Err(PayloadError::new("this vendor is asked for orders only"))
    }

    /// The vendor's names of this channel's accounts (shop, page, OA), as [`Inbound::by_account`]
    /// names them: a door that several channels share finds the channel by them. Empty where the
    /// vendor has no such doors, or the settings name none.
    fn accounts(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the vendor sends anything to the door; `false`: everything comes by polling.
    fn pushes(&self) -> bool {
        true
    }

    /// Whether the vendor never repeats a message that we refused for its signature: one refusal
    /// may then be an order that only polling brings.
    fn is_refusal_final(&self) -> bool {
        false
    }

    /// Short-lived tokens, where the vendor has them.
    fn tokens(&self) -> Option<&dyn Tokens> {
        None
    }

    /// Polling and sweeps, where the vendor has them.
    fn polling(&self) -> Option<&dyn Polling> {
        None
    }

    /// Telling the vendor what became of an order on our side, where it wants to know.
    fn feedback(&self) -> Option<&dyn Feedback> {
        None
    }

    /// Shipping labels, where the vendor makes them.
    fn labels(&self) -> Option<&dyn Labels> {
        None
    }

    /// Writing to persons, where the vendor has conversations.
    fn messages(&self) -> Option<&dyn Messages> {
        None
    }

    /// Telling buyers of orders of other channels, where texts for it are configured.
    fn notices(&self) -> Option<&dyn Notices> {
        None
    }

    /// Asking how a payment stands, for payment providers.
    fn payments(&self) -> Option<&dyn Payments> {
        None
    }

    /// Keeping webhook subscriptions alive, where the vendor deletes or disables them.
    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        None
    }
}

/// What is asked of a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// An order's document, by the channel's id.
    Order(&'a str),
    /// Something else that a notice named ([`NoticeBody::Ask`]), in the connector's own words.
    Subject(&'a str),
}

/// What became of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// A part of the document: one more call is needed. For [`Channel::fetch`]'s `got`.
    Part(Bytes),
    /// The whole document.
    Document(Bytes),
    /// The channel does not know the order (yet).
    NotFound,
    /// The channel had the order and has it no more: it is cancelled, see [`gone`].
    Gone,
    /// The access token is expired: refresh once, then try again.
    TokenExpired,
    /// Not now; seconds as a lower bound where the vendor says.
    Retry {
        /// Lower bound.
        after_s: Option<u64>,
        /// Why, safe to log.
        reason: String,
    },
    /// This request will never work.
    Refused {
        /// Why, safe to log.
        reason: String,
    },
    /// Credentials or contract: a person must act.
    Account {
        /// Why, safe to log.
        reason: String,
    },
}

/// The first call of many fetches as one. It only saves calls: an order that a batch does not give
/// is fetched alone, and tells then why.
pub trait Batches: Debug + Send + Sync {
    /// Orders that one call may name at most.
    fn most(&self) -> usize;

    /// The call for these orders, by the channel's ids; `None` where one of the ids cannot be asked
    /// for.
    fn request(&self, external_ids: &[&str], call: CallContext<'_>) -> Option<Request<Bytes>>;

    /// What the answer gives of each order, as [`Channel::read_fetch`] sorts a first answer: the
    /// whole document, or the part with which [`Channel::fetch`] goes on. Empty where the answer is
    /// not good.
    fn read(&self, response: &Response<Bytes>) -> Vec<(String, Fetched)>;
}

/// What is known of an order that its channel has deleted: a bare cancellation at `at`. Its
/// `placed_at` says nothing; an order that is known keeps its own.
#[must_use]
pub fn gone(external_id: &str, at: Timestamp) -> Snapshot {
    Snapshot {
        external_id: external_id.to_owned(),
        placed_at: at,
        revised_at: at,
        status: ChannelStatus::Cancelled,
        channel_status: "deleted".to_owned(),
        cancel_requested: false,
        cancellation: Some(Cancellation {
            by: "channel".to_owned(),
            reason: "deleted".to_owned(),
        }),
        buyer: None,
        ship_to: None,
        lines: None,
        currency: "VND".to_owned(),
        totals: None,
        payment_method: None,
        payment: None,
        paid: None,
        refunded: Amount::default(),
        fulfilled_by: FulfilledBy::Us,
        fixed_location: None,
        deadlines: Deadlines::default(),
        note: None,
        coupon: None,
        appointment: None,
        invoice_request: None,
        tags: Vec::new(),
    }
}

/// A pair of tokens as the vendor gave it.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// Access token.
    pub access: SecretString,
    /// Refresh token, where there is one.
    pub refresh: Option<SecretString>,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// When the refresh token ends, where the vendor says or its documents do.
    pub refresh_expires_at: Option<Timestamp>,
}

/// Refreshing short-lived tokens. The shell runs one refresh per account at a time and stores the
/// new pair before its first use.
pub trait Tokens: Debug + Send + Sync {
    /// The refresh call.
    fn refresh(&self, refresh_token: &SecretString, now: Timestamp) -> Request<Bytes>;

    /// Reads its answer.
    fn read_refresh(&self, response: &Response<Bytes>, now: Timestamp) -> Refreshed;

    /// Whether a new access token takes a refresh token; `false`: the keys of the configuration
    /// are enough, and nobody needs to import a first pair.
    fn needs_refresh_token(&self) -> bool {
        true
    }

    /// Refresh this long before the access token ends, seconds.
    fn refresh_early_s(&self) -> i64;
}

/// What became of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    /// The new pair.
    Pair(TokenPair),
    /// Try again later.
    Retry {
        /// Why, safe to log.
        reason: String,
    },
    /// A person must authorise again.
    Reauthorize {
        /// Why, safe to log.
        reason: String,
    },
}

/// Where a poll stands. Opaque to the shell but for the watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollWindow {
    /// Changed at or after.
    pub from: Timestamp,
    /// Changed before.
    pub to: Timestamp,
    /// The vendor's page cursor, `None` on the first page.
    pub cursor: Option<String>,
}

/// One page of a poll.
#[derive(Debug)]
pub enum Polled {
    /// Items for the inbox, and the cursor of the next page.
    Page {
        /// Verified by our own authenticated call.
        messages: Vec<VerifiedWebhook>,
        /// Next page.
        next: Option<String>,
    },
    /// The access token is expired.
    TokenExpired,
    /// Not now.
    Retry {
        /// Lower bound, seconds.
        after_s: Option<u64>,
        /// Why, safe to log.
        reason: String,
    },
    /// The vendor refuses this very request, its cursor perhaps.
    Refused {
        /// Why, safe to log.
        reason: String,
    },
    /// More changed in the window than the vendor lets us page through: ask for a shorter one.
    Narrow,
    /// A person must act.
    Account {
        /// Why, safe to log.
        reason: String,
    },
}

/// Asking a vendor what changed.
pub trait Polling: Debug + Send + Sync {
    /// The names of the polls of this vendor (`orders`, `lost_push`), each with its own watermark.
    fn kinds(&self) -> &'static [&'static str];

    /// How often, seconds.
    fn every_s(&self, kind: &str) -> i64;

    /// Repeat this much of the last window, seconds.
    fn overlap_s(&self, kind: &str) -> i64;

    /// The longest window that the vendor allows, seconds.
    fn longest_window_s(&self, kind: &str) -> i64;

    /// Whether the vendor keeps one list for all accounts of an app: it is then asked for once per
    /// app, and what it brings is sorted by account ([`Inbound::by_account`]).
    fn is_app_wide(&self, _kind: &str) -> bool {
        false
    }

    /// The request for one page.
    fn request(&self, kind: &str, window: &PollWindow, call: CallContext<'_>) -> Request<Bytes>;

    /// Reads one page.
    ///
    /// # Errors
    /// When the answer is not of the vendor's form.
    fn read(
        &self,
        kind: &str,
        window: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError>;

    /// The call that tells the vendor that a page is stored durably (Shopee's lost pushes), given
    /// the page's cursor or last id.
    fn confirm(
        &self,
        _kind: &str,
        _response: &Response<Bytes>,
        _call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        None
    }

    /// What the vendor says to [`Polling::confirm`]; only asked by those that make that call.
    fn read_confirm(&self, _kind: &str, _response: &Response<Bytes>) -> Confirmed {
        Confirmed::Done
    }
}

/// What became of a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// The vendor forgets the page.
    Done,
    /// Not now: the page will come again.
    Retry {
        /// Lower bound, seconds.
        after_s: Option<u64>,
        /// Why, safe to log.
        reason: String,
    },
    /// The vendor does not take it: a person must act.
    Refused {
        /// Why, safe to log.
        reason: String,
    },
}
