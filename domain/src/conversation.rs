//! Conversations: what one person writes to one channel account, and what was understood of it.
//!
//! A conversation never makes a confirmed order. A cart makes a draft order, a form or a phone
//! number fills in the customer, and staff confirm. Messages are folded by their id, so repeats and
//! any order of arrival give the same conversation.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::comment::{self, Author, Comment, Known, Understanding, parse};
use crate::id::ConversationId;
use crate::live::Sale;
use crate::money::Amount;
use crate::phone::{Parsed, Phone};
use crate::snapshot::{
    Buyer, ChannelStatus, Deadlines, FulfilledBy, ShipTo, Snapshot, SnapshotLine,
};
use crate::text::mask_name;

/// How many messages are kept with the conversation; older ones stay in the inbox only.
pub const KEPT_MESSAGES: usize = 200;

/// One message, comment, cart or form, as a connector reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
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
    /// Person's details, where the message carries them.
    pub buyer: Option<Buyer>,
    /// The address of a form, in one text.
    pub address: Option<String>,
    /// Lines of a cart.
    pub lines: Vec<SnapshotLine>,
    /// When, according to the vendor.
    pub at: Timestamp,
    /// Anything else worth showing.
    pub hints: Vec<String>,
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The vendor's id.
    pub id: String,
    /// As in [`Heard::kind`].
    pub kind: String,
    /// True when our side wrote it.
    pub outgoing: bool,
    /// Text as written; gone when the person removed it.
    pub text: Option<String>,
    /// The person took it back.
    pub removed: bool,
    /// When, according to the vendor.
    pub at: Timestamp,
    /// Anything else worth showing.
    pub hints: Vec<String>,
    /// What was understood of a comment under a live sale, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub understood: Option<Box<Understanding>>,
}

/// Where a conversation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The person spoke last: somebody should answer.
    Open,
    /// We spoke last.
    Waiting,
    /// It became an order.
    Converted {
        /// `ord_…`
        order_id: String,
    },
    /// Closed by staff.
    Closed {
        /// Why.
        reason: String,
    },
}

impl State {
    /// The word used in the API and in columns.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Converted { .. } => "converted",
            Self::Closed { .. } => "closed",
        }
    }
}

/// What was understood of the person so far; each field from the newest message that says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Understood {
    /// Name.
    pub name: Option<Said>,
    /// Phone in E.164.
    pub phone: Option<Said>,
    /// E-mail.
    pub email: Option<Said>,
    /// Address in one text.
    pub address: Option<Said>,
}

/// A text and the message that said it; later messages win, then greater ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// Message.
    pub message_id: String,
    /// What.
    pub text: String,
}

/// A draft order that came out of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// When the cart was sent.
    pub at: Timestamp,
    /// The order's external id, see [`draft_id`].
    pub external_id: String,
    /// The order, once the shell has made it.
    pub order_id: Option<String>,
}

/// One person and one channel account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    id: ConversationId,
    channel: String,
    account: String,
    person: String,
    /// By (time, id), oldest first, at most [`KEPT_MESSAGES`].
    messages: Vec<Message>,
    understood: Understood,
    /// By the cart's message id.
    drafts: BTreeMap<String, Draft>,
    assignee: Option<String>,
    converted: Option<(Timestamp, String)>,
    closed: Option<(Timestamp, String)>,
    /// The person has said something since it became an order.
    #[serde(default)]
    heard_since: bool,
}

/// What hearing a message did.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Applied {
    /// Whether anything is different now.
    pub changed: bool,
    /// Snapshots to settle like any other: a new draft, or what has become known of the customer
    /// of a draft that is still open.
    pub drafts: Vec<Snapshot>,
}

impl Conversation {
    /// A conversation that has just begun.
    #[must_use]
    pub fn new(id: ConversationId, channel: &str, account: &str, person: &str) -> Self {
        Self {
            id,
            channel: channel.to_owned(),
            account: account.to_owned(),
            person: person.to_owned(),
            messages: Vec::new(),
            understood: Understood::default(),
            drafts: BTreeMap::new(),
            assignee: None,
            converted: None,
            closed: None,
            heard_since: false,
        }
    }

    /// `cnv_…`
    #[must_use]
    pub fn id(&self) -> &ConversationId {
        &self.id
    }

    /// Takes a message in. `sale` is the live sale under whose post a comment stands.
    pub fn apply(&mut self, heard: &Heard, sale: Option<&Sale>) -> Applied {
        let mut applied = Applied {
            changed: self.keep(heard),
            drafts: Vec::new(),
        };
        // Whatever its time: a word that came late was not there when somebody closed.
        if applied.changed && self.has_word(&heard.message_id) {
            self.closed = None;
            self.heard_since = self.converted.is_some();
        }
        let learned = !heard.outgoing && self.learn(heard);
        applied.changed |= learned;
        if let Some(sale) = sale {
            self.understand(sale, heard, &mut applied);
        }
        if let Some(draft) = draft_from_cart(heard, &self.understood) {
            let known = self.drafts.contains_key(&heard.message_id);
            if !known {
                let draft = Draft {
                    at: heard.at,
                    external_id: draft.external_id.clone(),
                    order_id: None,
                };
                self.drafts.insert(heard.message_id.clone(), draft);
                applied.changed = true;
            }
            applied.drafts.push(draft);
        } else if learned && let Some(draft) = self.open_draft() {
            applied
                .drafts
                .push(customer_of(draft, &self.understood, heard));
        }
        applied
    }

    /// Reads the person's comments under a live sale, each with those before it: an edit, a comment
    /// that comes late or a phone that is told later may change what another one means. One that
    /// says an order makes a draft; one that says none any more leaves its draft to staff.
    fn understand(&mut self, sale: &Sale, heard: &Heard, applied: &mut Applied) {
        let (list, mark) = (sale.list(), sale.mark());
        let phone_on_file = self.understood.phone.is_some();
        let mut previous: Vec<String> = Vec::new();
        let mut read = Vec::new();
        for message in &mut self.messages {
            let is_comment = message.kind == "comment" || message.removed;
            if !is_comment || message.outgoing || !message.hints.contains(&mark) {
                continue;
            }
            let over = sale.ended_at.is_some_and(|end| message.at > end);
            let understood = match &message.text {
                Some(text) if !over => {
                    let comment = Comment {
                        text,
                        author: Author::Customer,
                    };
                    let known = Known {
                        phone_on_file,
                        previous: previous.clone(),
                    };
                    previous.push(text.clone());
                    Some(Box::new(parse(&comment, &list, &known)))
                }
                Some(_) | None => None,
            };
            let changed = message.understood != understood;
            if changed {
                message.understood = understood;
                applied.changed = true;
            }
            if changed || message.id == heard.message_id {
                read.push(message.clone());
            }
        }
        for message in read {
            if let Some(phone) = message.understood.as_deref().and_then(only_mobile) {
                let said = Said {
                    at: message.at,
                    message_id: message.id.clone(),
                    text: phone.to_owned(),
                };
                applied.changed |= take(&mut self.understood.phone, Some(said));
            }
            self.draft_from_comment(sale, &message, heard, applied);
        }
    }

    fn draft_from_comment(
        &mut self,
        sale: &Sale,
        message: &Message,
        heard: &Heard,
        applied: &mut Applied,
    ) {
        let is_order = message
            .understood
            .as_ref()
            .is_some_and(|understood| understood.action == comment::Action::Draft);
        let known = self.drafts.get(&message.id).cloned();
        let draft = match (known, is_order) {
            (None, false) => return,
            (Some(draft), _) => draft,
            (None, true) => {
                let draft = Draft {
                    at: message.at,
                    external_id: draft_id(&message.id),
                    order_id: None,
                };
                self.drafts.insert(message.id.clone(), draft.clone());
                applied.changed = true;
                draft
            }
        };
        let mut snapshot = customer_of(&draft, &self.understood, heard);
        snapshot.revised_at = heard.at.max(message.at);
        snapshot.tags.push(format!("live:{}", sale.post));
        match message.understood.as_deref().filter(|_| is_order) {
            Some(understood) => snapshot.lines = Some(live_lines(sale, understood)),
            None => snapshot.tags.push("comment-no-order-any-more".to_owned()),
        }
        applied.drafts.push(snapshot);
    }

    /// When that comment was written, if it orders something and lacks only a phone.
    #[must_use]
    pub fn lacks_a_phone(&self, message_id: &str) -> Option<Timestamp> {
        let message = self
            .messages
            .iter()
            .find(|message| message.id == message_id)?;
        let action = message.understood.as_ref()?.action;
        (action == comment::Action::NeedPhone && self.understood.phone.is_none())
            .then_some(message.at)
    }

    /// The channel account: page, Official Account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What is known beside the text of a message.
    #[must_use]
    pub fn hints_of(&self, message_id: &str) -> &[String] {
        let mut messages = self.messages.iter();
        messages
            .find(|message| message.id == message_id)
            .map_or(&[], |message| &message.hints[..])
    }

    /// Why the draft of that external id was made, for staff.
    #[must_use]
    pub fn understanding_of(&self, external_id: &str) -> Option<&Understanding> {
        self.messages
            .iter()
            .find(|message| draft_id(&message.id) == external_id)?
            .understood
            .as_deref()
    }

    /// Upserts the message. A removal leaves the place and takes the words.
    fn keep(&mut self, heard: &Heard) -> bool {
        let removal = heard.kind == "removal";
        let incoming = Message {
            id: heard.message_id.clone(),
            kind: heard.kind.clone(),
            outgoing: heard.outgoing,
            text: heard.text.clone().filter(|_| !removal),
            removed: removal,
            at: heard.at,
            hints: heard.hints.clone(),
            understood: None,
        };
        let before = self.messages.clone();
        match self
            .messages
            .iter()
            .position(|message| message.id == heard.message_id)
        {
            Some(place) => {
                let known = &mut self.messages[place];
                // A removal is final, whenever it comes; of two versions the later counts, then
                // the greater content.
                let weight = |message: &Message| {
                    (
                        message.removed,
                        message.at,
                        message.text.clone(),
                        message.kind.clone(),
                    )
                };
                if weight(&incoming) > weight(known) {
                    // A removal may not repeat where the comment stood.
                    let hints = if incoming.hints.is_empty() {
                        std::mem::take(&mut known.hints)
                    } else {
                        incoming.hints.clone()
                    };
                    *known = Message { hints, ..incoming };
                }
            }
            None => self.messages.push(incoming),
        }
        self.messages
            .sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        let surplus = self.messages.len().saturating_sub(KEPT_MESSAGES);
        self.messages.drain(..surplus);
        self.messages != before
    }

    /// Takes name, phone, e-mail and address from a form's fields, and a phone from free text.
    fn learn(&mut self, heard: &Heard) -> bool {
        let said = |text: &str| Said {
            at: heard.at,
            message_id: heard.message_id.clone(),
            text: text.trim().to_owned(),
        };
        let buyer = heard.buyer.clone().unwrap_or_default();
        let known = &mut self.understood;
        let mut learned = false;
        learned |= take(&mut known.name, buyer.name.as_deref().map(said));
        learned |= take(&mut known.email, buyer.email.as_deref().map(said));
        learned |= take(&mut known.address, heard.address.as_deref().map(said));
        let phone = buyer
            .phone
            .as_deref()
            .and_then(whole_phone)
            .or_else(|| heard.text.as_deref().and_then(phone_in));
        learned |= take(&mut known.phone, phone.as_deref().map(said));
        learned
    }

    /// The newest draft, if it has not become an order.
    fn open_draft(&self) -> Option<&Draft> {
        let converted = self.converted.as_ref().map(|(_, order_id)| order_id);
        self.drafts
            .values()
            .max_by_key(|draft| (draft.at, &draft.external_id))
            .filter(|draft| converted.is_none() || draft.order_id.as_ref() != converted)
    }

    /// Notes the order that a draft became a row of.
    pub fn link_draft(&mut self, external_id: &str, order_id: &str) -> bool {
        let draft = self
            .drafts
            .values_mut()
            .find(|draft| draft.external_id == external_id);
        let new = draft
            .as_ref()
            .is_some_and(|draft| draft.order_id.as_deref() != Some(order_id));
        if let Some(draft) = draft.filter(|_| new) {
            draft.order_id = Some(order_id.to_owned());
        }
        new
    }

    /// Gives it to somebody, or to nobody.
    pub fn assign(&mut self, assignee: Option<&str>) {
        self.assignee = assignee.map(str::to_owned);
    }

    /// It became an order: staff have confirmed its draft. Waits no longer, until the person's
    /// next word.
    pub fn convert(&mut self, external_id: &str, order_id: &str, at: Timestamp) -> bool {
        let mut drafts = self.drafts.values();
        let is_its = drafts.any(|draft| draft.external_id == external_id);
        if is_its {
            self.converted = self.converted.take().max(Some((at, order_id.to_owned())));
            self.heard_since = false;
        }
        is_its
    }

    /// Nothing more to say. The person's next word opens it again.
    pub fn close(&mut self, reason: &str, at: Timestamp) {
        self.closed = self.closed.take().max(Some((at, reason.to_owned())));
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        let last = self.last_word();
        if let Some((_, reason)) = &self.closed {
            return State::Closed {
                reason: reason.clone(),
            };
        }
        if let Some((_, order_id)) = self.converted.as_ref().filter(|_| !self.heard_since) {
            return State::Converted {
                order_id: order_id.clone(),
            };
        }
        match last {
            Some(word) if word.outgoing => State::Waiting,
            Some(_) | None => State::Open,
        }
    }

    /// The last message that somebody wrote.
    fn last_word(&self) -> Option<&Message> {
        self.messages.iter().rev().find(|message| is_word(message))
    }

    /// Whether the message is kept and is something that the person says.
    fn has_word(&self, message_id: &str) -> bool {
        let mut messages = self.messages.iter();
        messages.any(|message| {
            message.id == message_id && is_word(message) && !message.outgoing && !message.removed
        })
    }

    /// The conversation as the API shows it, personal data included.
    #[must_use]
    pub fn view(&self) -> ConversationView {
        ConversationView {
            id: self.id.to_string(),
            channel: self.channel.clone(),
            account: self.account.clone(),
            person: self.person.clone(),
            state: self.state().as_str().to_owned(),
            assignee: self.assignee.clone(),
            name: text(&self.understood.name),
            phone: text(&self.understood.phone),
            email: text(&self.understood.email),
            address: text(&self.understood.address),
            order_id: self
                .converted
                .as_ref()
                .map(|(_, order_id)| order_id.clone())
                .or_else(|| self.open_draft().and_then(|draft| draft.order_id.clone())),
            last_at: self.messages.last().map(|message| message.at),
            waiting_since: self.waiting_since(),
            messages: self.messages.clone(),
        }
    }

    /// Since when the person has waited for an answer: its first unanswered message.
    fn waiting_since(&self) -> Option<Timestamp> {
        if self.state() != State::Open {
            return None;
        }
        self.messages
            .iter()
            .rev()
            .take_while(|message| !message.outgoing)
            .last()
            .map(|message| message.at)
    }
}

/// Receipts and follows are nothing that anybody wrote.
fn is_word(message: &Message) -> bool {
    !matches!(message.kind.as_str(), "status" | "follow" | "unfollow")
}

/// A conversation as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConversationView {
    /// `cnv_…`
    pub id: String,
    /// Channel.
    pub channel: String,
    /// Page or OA.
    pub account: String,
    /// Person within the account.
    pub person: String,
    /// `open`, `waiting`, `converted`, `closed`
    pub state: String,
    /// Who answers.
    pub assignee: Option<String>,
    /// Name, as understood.
    pub name: Option<String>,
    /// Phone, as understood.
    pub phone: Option<String>,
    /// E-mail, as understood.
    pub email: Option<String>,
    /// Address, as understood.
    pub address: Option<String>,
    /// The order that it became, else the draft.
    pub order_id: Option<String>,
    /// The last message.
    pub last_at: Option<Timestamp>,
    /// Since when the person waits for an answer.
    pub waiting_since: Option<Timestamp>,
    /// Messages, oldest first.
    pub messages: Vec<Message>,
}

impl ConversationView {
    /// The view without personal data: no words, initials, first and last digits.
    #[must_use]
    pub fn masked(mut self) -> Self {
        let hidden = |text: &mut Option<String>| *text = text.take().map(|_| "•••".to_owned());
        self.name = self.name.as_deref().map(mask_name);
        self.phone = self
            .phone
            .as_deref()
            .map(|phone| match Phone::parse(phone) {
                Parsed::Valid(whole) => whole.masked(),
                Parsed::Masked | Parsed::Invalid => "•••".to_owned(),
            });
        hidden(&mut self.email);
        hidden(&mut self.address);
        for message in &mut self.messages {
            hidden(&mut message.text);
        }
        self
    }
}

/// The one mobile number of a comment.
fn only_mobile(understood: &Understanding) -> Option<&str> {
    match &understood.phones[..] {
        [only] if only.kind == comment::PhoneKind::Mobile => Some(only.e164.as_str()),
        _ => None,
    }
}

/// The lines of a draft that a comment makes, at the prices of the sale.
fn live_lines(sale: &Sale, understood: &Understanding) -> Vec<SnapshotLine> {
    understood
        .lines
        .iter()
        .enumerate()
        .filter_map(|(place, line)| {
            let article = sale.articles.get(&line.code)?;
            let name = match &line.variant {
                Some(variant) => format!("{} ({variant})", article.name),
                None => article.name.clone(),
            };
            Some(SnapshotLine {
                id: format!("{}-{}", line.code, place + 1),
                channel_sku: None,
                sku: Some(article.sku.clone()),
                name,
                quantity: line.quantity,
                unit_price: article.price,
                discount: Amount(0),
                gift: false,
                parent: None,
            })
        })
        .collect()
}

/// The external id of the draft order that a cart or comment makes.
#[must_use]
pub fn draft_id(message_id: &str) -> String {
    format!("draft-{message_id}")
}

/// The draft order of a cart, with what is known of the customer; `None` for other messages.
#[must_use]
pub fn draft_from_cart(heard: &Heard, understood: &Understood) -> Option<Snapshot> {
    if heard.lines.is_empty() || heard.outgoing || heard.kind == "removal" {
        return None;
    }
    let draft = Draft {
        at: heard.at,
        external_id: draft_id(&heard.message_id),
        order_id: None,
    };
    let mut snapshot = customer_of(&draft, understood, heard);
    snapshot.lines = Some(heard.lines.clone());
    snapshot.note = heard.text.clone();
    Some(snapshot)
}

/// A snapshot of a draft that speaks of its customer alone.
fn customer_of(draft: &Draft, understood: &Understood, heard: &Heard) -> Snapshot {
    let buyer = Buyer {
        name: text(&understood.name),
        phone: text(&understood.phone),
        email: text(&understood.email),
        external_id: heard
            .buyer
            .as_ref()
            .and_then(|buyer| buyer.external_id.clone()),
    };
    let ship_to = ShipTo {
        name: buyer.name.clone(),
        phone: buyer.phone.clone(),
        text: text(&understood.address),
        ..ShipTo::default()
    };
    Snapshot {
        external_id: draft.external_id.clone(),
        placed_at: draft.at,
        revised_at: heard.at,
        status: ChannelStatus::Draft,
        channel_status: "draft".to_owned(),
        cancel_requested: false,
        cancellation: None,
        buyer: (buyer != Buyer::default()).then_some(buyer),
        ship_to: (ship_to != ShipTo::default()).then_some(ship_to),
        lines: None,
        currency: "VND".to_owned(),
        totals: None,
        payment_method: None,
        payment: None,
        paid: None,
        refunded: Amount(0),
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

fn text(said: &Option<Said>) -> Option<String> {
    said.as_ref().map(|said| said.text.clone())
}

fn take(slot: &mut Option<Said>, said: Option<Said>) -> bool {
    let Some(said) = said.filter(|said| !said.text.is_empty()) else {
        return false;
    };
    let newer = slot.as_ref().is_none_or(|known| said > *known);
    if newer {
        *slot = Some(said);
    }
    newer
}

fn whole_phone(text: &str) -> Option<String> {
    match Phone::parse(text) {
        Parsed::Valid(phone) => Some(phone.as_str().to_owned()),
        Parsed::Masked | Parsed::Invalid => None,
    }
}

/// The first run of digits in a text that is a whole Vietnamese mobile number. Spaces, dots and
/// dashes may stand inside; prices and dates are no mobile numbers.
fn phone_in(text: &str) -> Option<String> {
    text.split(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '+' | ' ' | '.' | '-')))
        .map(str::trim)
        .filter(|run| run.starts_with('0') || run.starts_with("+84") || run.starts_with("84"))
        .find_map(|run| match Phone::parse(run) {
            Parsed::Valid(phone) if phone.is_mobile() => Some(phone.as_str().to_owned()),
            Parsed::Valid(_) | Parsed::Masked | Parsed::Invalid => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::testing::{line, minute};

    fn heard(id: &str, minutes: i64, kind: &str, text: &str) -> Heard {
        Heard {
            person: "psid-1".into(),
            account: "page-1".into(),
            message_id: id.into(),
            kind: kind.into(),
            outgoing: false,
            text: Some(text.into()),
            buyer: None,
            address: None,
            lines: vec![],
            at: minute(minutes),
            hints: vec![],
        }
    }

    fn conversation() -> Conversation {
        Conversation::new(
            ConversationId::derive(0, &["x"]),
            "facebook",
            "page-1",
            "psid-1",
        )
    }

    #[test]
    fn the_person_s_word_opens_it_and_ours_makes_it_wait() {
        let mut chat = conversation();
        let _applied = chat.apply(&heard("m1", 1, "message", "còn hàng không?"), None);
        assert_eq!(chat.state(), State::Open);
        assert_eq!(chat.view().waiting_since, Some(minute(1)));
        let answer = Heard {
            outgoing: true,
            ..heard("m2", 2, "echo", "dạ còn")
        };
        let _applied = chat.apply(&answer, None);
        assert_eq!(chat.state(), State::Waiting);
        chat.close("no answer", minute(60));
        assert_eq!(chat.state().as_str(), "closed");
        // What was heard before closes nothing again, and a word opens it however late it came.
        let _applied = chat.apply(&heard("m1", 1, "message", "còn hàng không?"), None);
        assert_eq!(chat.state().as_str(), "closed");
        let _applied = chat.apply(&heard("m3", 59, "message", "lấy 1 cái"), None);
        assert_eq!(chat.state(), State::Open);
    }

    #[test]
    fn a_cart_makes_one_draft_and_a_form_fills_in_its_customer() {
        let mut chat = conversation();
        let cart = Heard {
            lines: vec![line("1", "AC-9000", 1, 12_990_000)],
            buyer: Some(Buyer {
                external_id: Some("psid-1".into()),
                ..Buyer::default()
            }),
            ..heard("m1", 1, "cart", "giao chiều")
        };
        let draft = chat.apply(&cart, None).drafts.remove(0);
        let person = draft.buyer.clone().unwrap().external_id;
        assert_eq!(
            person.as_deref(),
            Some("psid-1"),
            "the draft is the person's"
        );
        assert_eq!(
            (draft.external_id.as_str(), draft.status),
            ("draft-m1", ChannelStatus::Draft)
        );
        assert_eq!(chat.apply(&cart, None).drafts[0], draft);

        let form = Heard {
            buyer: Some(Buyer {
                name: Some("An".into()),
                phone: Some("0901 234 567".into()),
                ..Buyer::default()
            }),
            address: Some("12 Nguyễn Trãi, TP.HCM".into()),
            ..heard("m2", 2, "form", "")
        };
        let filled = chat.apply(&form, None).drafts.remove(0);
        assert_eq!(filled.external_id, "draft-m1");
        assert_eq!(filled.lines, None);
        assert_eq!(filled.buyer.unwrap().phone.as_deref(), Some("+84901234567"));
        assert_eq!(
            filled.ship_to.unwrap().text.as_deref(),
            Some("12 Nguyễn Trãi, TP.HCM")
        );
        assert!(chat.link_draft("draft-m1", "ord_1"));
        assert_eq!(chat.view().order_id.as_deref(), Some("ord_1"));
    }

    fn sale() -> Sale {
        let article = crate::live::Article {
            sku: "CHG-20W".into(),
            name: "Củ sạc nhanh 20W".into(),
            variants: vec![],
            price: Amount(190_000),
        };
        Sale {
            channel: "facebook".into(),
            post: "p1".into(),
            title: "20:00".into(),
            articles: [("A12".to_owned(), article)].into(),
            pinned: None,
            quantity_limit: 10,
            ask_phone: None,
            ended_at: Some(minute(90)),
        }
    }

    fn comment(id: &str, minutes: i64, text: &str) -> Heard {
        Heard {
            hints: vec!["live".into(), crate::live::post_mark("p1")],
            ..heard(id, minutes, "comment", text)
        }
    }

    #[test]
    fn a_clear_comment_under_a_live_sale_makes_a_draft_that_says_why() {
        let mut chat = conversation();
        let applied = chat.apply(&comment("c1", 1, "chốt A12 x2 0901234567"), Some(&sale()));
        let draft = &applied.drafts[0];
        assert_eq!(draft.external_id, "draft-c1");
        let lines = draft.lines.as_ref().unwrap();
        assert_eq!(
            (lines[0].quantity, lines[0].unit_price),
            (2, Amount(190_000))
        );
        assert_eq!(lines[0].sku.as_deref(), Some("CHG-20W"));
        let phone = draft.buyer.clone().unwrap().phone;
        assert_eq!(phone.as_deref(), Some("+84901234567"));
        let why = chat.understanding_of("draft-c1").unwrap();
        assert!(!why.reasons.is_empty());

        let stored = serde_json::to_string(&chat).unwrap();
        let back: Conversation = serde_json::from_str(&stored).unwrap();
        assert_eq!(back, chat, "understandings survive being stored");
    }

    #[test]
    fn an_edit_is_read_again_and_a_removal_leaves_the_draft_to_staff() {
        let mut chat = conversation();
        let said = |text: &str, minutes| comment("c1", minutes, text);
        let _first = chat.apply(&said("chốt A12 0901234567", 1), Some(&sale()));
        let edited = chat.apply(&said("chốt A12 x3 0901234567", 2), Some(&sale()));
        assert_eq!(edited.drafts[0].lines.as_ref().unwrap()[0].quantity, 3);
        let removal = Heard {
            hints: vec![],
            ..heard("c1", 3, "removal", "")
        };
        let removed = chat.apply(&removal, Some(&sale()));
        assert_eq!(removed.drafts[0].lines, None);
        assert!(
            removed.drafts[0]
                .tags
                .contains(&"comment-no-order-any-more".to_owned())
        );
    }

    #[test]
    fn what_is_not_beyond_doubt_makes_no_draft() {
        let mut chat = conversation();
        for (id, text) in [
            ("c1", "A12 bao nhiêu ạ"),
            ("c2", "chốt A12 7 0901234567 12"),
        ] {
            assert!(
                chat.apply(&comment(id, 1, text), Some(&sale()))
                    .drafts
                    .is_empty()
            );
        }
        let late = chat.apply(&comment("c3", 91, "chốt A12 0901234567"), Some(&sale()));
        assert!(late.drafts.is_empty(), "the sale is over");
    }

    #[test]
    fn a_phone_in_a_text_is_understood_and_a_price_is_not() {
        assert_eq!(
            phone_in("sđt em 0901.234.567 nha").as_deref(),
            Some("+84901234567")
        );
        assert_eq!(phone_in("giá 12.990.000 đ ngày 24-11-2026"), None);
    }

    #[test]
    fn any_order_of_arrival_gives_the_same_conversation_and_a_removal_is_final() {
        let mut all = vec![
            heard("m1", 1, "message", "a"),
            heard("m2", 2, "comment", "0901234567"),
            heard("m2", 5, "removal", ""),
            Heard {
                outgoing: true,
                ..heard("m3", 3, "echo", "b")
            },
        ];
        let fold = |all: &[Heard]| {
            let mut chat = conversation();
            for one in all {
                let _applied = chat.apply(one, None);
            }
            chat
        };
        let expected = fold(&all);
        all.reverse();
        all.extend(all.clone());
        assert_eq!(fold(&all), expected);
        let view = expected.view();
        let removed = view
            .messages
            .iter()
            .find(|message| message.id == "m2")
            .unwrap();
        assert!(removed.removed && removed.text.is_none());
        let text = serde_json::to_string(&view.masked()).unwrap();
        assert!(!text.contains("901234567"), "{text}");
    }

    #[test]
    fn only_the_last_messages_are_kept() {
        let mut chat = conversation();
        for number in 0..250 {
            let _applied = chat.apply(
                &heard(&format!("m{number:03}"), number, "message", "x"),
                None,
            );
        }
        let view = chat.view();
        assert_eq!(view.messages.len(), KEPT_MESSAGES);
        assert_eq!(view.messages[0].id, "m050");
    }
}
