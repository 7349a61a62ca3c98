//! Webhooks of Shopify, Haravan and Sapo: one body signed as kind B, everything else in headers.
//!
//! The spellings of topics differ (`orders/update`, `orders/updated`), so they are read as sets. A
//! topic says what happened, never how the order stands now: that is in the body or fetched.

use jiff::Timestamp;
use serde::Deserialize;

use super::numeric_id;
use crate::inbound::{
    AccountNotice, AccountState, Normalized, Notice, NoticeBody, OrderDocument, PayloadError,
    RawWebhook, Verdict, VerifiedWebhook,
};
use crate::literal::Literal;
use crate::settings::Secrets;
use crate::{payload, signature};

/// The names of one vendor's headers; the first that is there counts.
pub(in crate::channels) struct Headers {
    pub(in crate::channels) signature: &'static [&'static str],
    pub(in crate::channels) topic: &'static [&'static str],
    /// The vendor's id of the event, the same over its retries.
    pub(in crate::channels) event: &'static [&'static str],
    pub(in crate::channels) shop: &'static [&'static str],
    pub(in crate::channels) test: &'static [&'static str],
}

/// The topic of orders that we polled.
pub(in crate::channels) const POLLED: &str = "polled";

/// What of the headers is stored with a message.
struct Kept {
    topic: String,
    event: String,
    shop: String,
    test: bool,
}

impl Kept {
    fn of(raw: &RawWebhook, headers: &Headers) -> Self {
        let word = |names: &[&str]| {
            let value = names.iter().find_map(|name| raw.header(name));
            let value = payload::word(value.unwrap_or_default());
            if value.is_empty() {
                "-".to_owned()
            } else {
                value
            }
        };
        Self {
            topic: word(headers.topic).to_ascii_lowercase(),
            event: word(headers.event),
            shop: word(headers.shop),
            test: word(headers.test).eq_ignore_ascii_case("true"),
        }
    }

    fn written(&self) -> String {
        let test = if self.test { " test" } else { "" };
        format!("{} {} {}{test}", self.topic, self.event, self.shop)
    }

    fn read(message: &VerifiedWebhook) -> Self {
        let mut words = message.topic().unwrap_or_default().split(' ');
        let mut next = || {
            words
                .next()
                .filter(|w| !w.is_empty())
                .unwrap_or("-")
                .to_owned()
        };
        Self {
            topic: next(),
            event: next(),
            shop: next(),
            test: next() == "test",
        }
    }
}

/// Believes a webhook or not.
pub(in crate::channels) fn verify(
    raw: &RawWebhook,
    secret: &Secrets,
    headers: &Headers,
) -> Verdict {
    let given = headers.signature.iter().find_map(|name| raw.header(name));
    match signature::hmac_sha256_base64(secret, &raw.body, given) {
        Ok(proof) => {
            let kept = Kept::of(raw, headers).written();
            Verdict::Message(VerifiedWebhook::new(raw, Some(kept), proof))
        }
        Err(rejection) => Verdict::Rejected(rejection),
    }
}

/// The shop that the vendor says it is.
pub(in crate::channels) fn account(message: &VerifiedWebhook) -> Option<String> {
    Some(Kept::read(message).shop).filter(|shop| shop != "-")
}

/// A shop of the settings as [`account`] names it.
pub(in crate::channels) fn shop(configured: &str) -> String {
    payload::word(configured)
}

/// The few fields that tell messages apart.
#[derive(Deserialize)]
struct Peek {
    id: Option<Literal>,
    order_id: Option<Literal>,
    order_edit: Option<Edit>,
    test: Option<bool>,
    created_at: Option<String>,
    created_on: Option<String>,
    updated_at: Option<String>,
    modified_on: Option<String>,
}

#[derive(Deserialize)]
struct Edit {
    order_id: Option<Literal>,
}

impl Peek {
    fn changed(&self) -> Option<&str> {
        self.updated_at.as_deref().or(self.modified_on.as_deref())
    }

    /// A body with less than the whole order: the subscription names its fields.
    fn is_thin(&self) -> bool {
        self.changed().is_none() || (self.created_at.is_none() && self.created_on.is_none())
    }
}

/// What a topic is about.
enum About {
    Order,
    DeletedOrder,
    /// A part of an order that names it: refunds, fulfillments, edits.
    PartOfOrder,
    Uninstalled,
    Other,
}

fn about(topic: &str) -> About {
    match topic.split_once('/') {
        Some(("orders", "delete" | "deleted")) => About::DeletedOrder,
        Some(("orders", "edited")) => About::PartOfOrder,
        Some(("orders", _)) => About::Order,
        Some((
            "refunds" | "fulfillments" | "fulfillment_events" | "order_transactions"
            | "transactions",
            _,
        )) => About::PartOfOrder,
        Some(("app", "uninstalled")) => About::Uninstalled,
        // Without the header there is nothing that a shop sends here but orders.
        None if topic == POLLED || topic == "-" => About::Order,
        Some(_) | None => About::Other,
    }
}

/// Shop, topic, thing and its time of change, and the event's id where the vendor gives one. A
/// deletion and a part of an order have no time of change, so there the event or the body counts.
pub(in crate::channels) fn dedup_key(message: &VerifiedWebhook) -> String {
    let kept = Kept::read(message);
    let peek = payload::read::<Peek>(message.body()).ok();
    let id = peek.as_ref().and_then(|peek| peek.id.as_ref());
    let changed = peek.as_ref().and_then(Peek::changed).map(moment);
    // A test notification may show a real order, and must not stand in its way.
    let test = if kept.test { ":test" } else { "" };
    let (Some(id), Some(changed)) = (id, changed) else {
        let told = if kept.event == "-" {
            payload::digest(message.body())
        } else {
            kept.event.clone()
        };
        return format!("{}:{}:{told}{test}", kept.topic, kept.shop);
    };
    let id = payload::word(id.as_str());
    format!(
        "{}:{}:{id}:{changed}:{}{test}",
        kept.topic, kept.shop, kept.event
    )
}

/// A time in one spelling, whatever zone it was written in.
fn moment(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.to_string(),
        Err(_) => payload::word(text),
    }
}

/// The notices of a message. `configured` is the only shop that this channel serves, where it is
/// named.
///
/// # Errors
/// When an order is not of the vendor's form, or another shop's.
pub(in crate::channels) fn parse(
    message: &VerifiedWebhook,
    configured: Option<&str>,
    normalize: impl Fn(&[u8]) -> Normalized,
) -> Result<Vec<Notice>, PayloadError> {
    let kept = Kept::read(message);
    if kept.test {
        return Ok(vec![ignored("a test notification")]);
    }
    if configured.is_some_and(|ours| kept.shop != "-" && shop(ours) != kept.shop) {
        // An order of another shop is a gap in the configuration, and somebody must see it.
        return match about(&kept.topic) {
            About::Order | About::DeletedOrder | About::PartOfOrder => {
                Err(PayloadError::new("shop: this message is for another shop"))
            }
            About::Uninstalled | About::Other => Ok(vec![ignored("a message of another shop")]),
        };
    }
    let notice = match about(&kept.topic) {
        About::Other => ignored(&format!("topic {} is not about orders", kept.topic)),
        About::Uninstalled => Notice {
            key: None,
            body: NoticeBody::Account(AccountNotice {
                state: AccountState::Revoked,
                detail: "the app was uninstalled from the shop".to_owned(),
                until: None,
            }),
        },
        About::DeletedOrder => fetch(payload::read::<Peek>(message.body())?.id.as_ref(), "id")?,
        About::PartOfOrder => {
            let peek: Peek = payload::read(message.body())?;
            let edited = peek.order_edit.and_then(|edit| edit.order_id);
            fetch(peek.order_id.or(edited).as_ref(), "order_id")?
        }
        About::Order => {
            let peek: Peek = payload::read(message.body())?;
            if peek.test == Some(true) {
                ignored("a test order")
            } else if peek.is_thin() {
                fetch(peek.id.as_ref(), "id")?
            } else {
                whole(normalize(message.body())?)
            }
        }
    };
    Ok(vec![notice])
}

/// An order marked as a test by the buyer's side of the shop.
pub(in crate::channels) fn is_test_order(document: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        order: Option<Marked>,
        test: Option<bool>,
    }
    #[derive(Deserialize)]
    struct Marked {
        test: Option<bool>,
    }
    payload::read::<Envelope>(document).is_ok_and(|envelope| {
        let inner = envelope.order.and_then(|order| order.test);
        inner.or(envelope.test) == Some(true)
    })
}

fn ignored(reason: &str) -> Notice {
    Notice {
        key: None,
        body: NoticeBody::Ignored {
            reason: reason.to_owned(),
        },
    }
}

fn fetch(id: Option<&Literal>, field: &str) -> Result<Notice, PayloadError> {
    let id = id.ok_or_else(|| PayloadError::new(format!("{field}: missing")))?;
    let external_id = numeric_id(id, field)?;
    Ok(Notice {
        key: Some(external_id.clone()),
        body: NoticeBody::Order {
            external_id,
            revision: None,
            document: OrderDocument::Fetch,
        },
    })
}

fn whole(snapshot: domain::snapshot::Snapshot) -> Notice {
    Notice {
        key: Some(snapshot.external_id.clone()),
        body: NoticeBody::Order {
            external_id: snapshot.external_id.clone(),
            revision: Some(snapshot.revised_at),
            document: OrderDocument::Here(Box::new(snapshot)),
        },
    }
}
