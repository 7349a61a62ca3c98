//! Comments under a live sale: what a buyer wants, of which product, and how to reach them.
//!
//! A wrong draft order costs far more than a question to staff. So a draft is made only of a comment
//! that is explained to its last number and word: the text becomes tokens, each step marks what it
//! can explain, and what is left without a mark sends the comment to a person. Nothing here confirms
//! an order, and nothing here knows what was sold before, what is in stock or who is writing.
//!
//! The order of the steps matters and was found by testing: a hidden phone before stretched letters
//! are shortened, accounts before phones, phones and prices before codes, codes before quantities.

mod accounts;
mod address;
mod codes;
mod cuts;
mod hidden;
mod intent;
mod lexicon;
mod lines;
mod live;
mod names;
mod phones;
mod quantities;
mod reading;
mod reason;
mod sentences;
mod token;
mod variants;
mod verdict;
mod words;

use serde::{Deserialize, Serialize};

use crate::phone::Phone;

pub use live::{Live, Product};
pub use reason::{Reason, Says, Weight};

/// A comment as it was written. An edit is a comment of its own, read again as a whole; a removed
/// comment has no text and nothing to read.
#[derive(Debug, Clone, Copy)]
pub struct Comment<'a> {
    /// The text; at most 2,000 characters of it are read.
    pub text: &'a str,
    /// Who wrote it.
    pub author: Author,
}

/// Who wrote a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// Anybody but the page.
    Customer,
    /// The page itself, or one of its staff in its name.
    Page,
}

/// What is known beside the comment.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// A phone of this person is stored.
    pub phone_on_file: bool,
    /// Earlier comments of the same person in the same live, without earlier versions of this one.
    /// Letter case, marks and signs do not matter. The last hundred are looked at.
    pub previous: Vec<String>,
}

/// What was understood of a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Understanding {
    /// What the writer wants.
    pub intent: Intent,
    /// What to do with it.
    pub action: Action,
    /// Products to order, cancel or change. With any action but [`Action::Draft`] they are a guess.
    pub lines: Vec<Line>,
    /// Codes of the list that are written in the comment, in that order, each once.
    pub mentions: Vec<String>,
    /// Phone numbers of the comment, each once.
    pub phones: Vec<PhoneFound>,
    /// Whether a phone was given.
    pub phone_state: PhoneState,
    /// What was understood and why a person has to look.
    pub reasons: Vec<Reason>,
}

/// One product of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// As the live's list spells it.
    pub code: String,
    /// The product's key.
    pub sku: String,
    /// Pieces; with an action other than draft it may be 0 or above the limit.
    pub quantity: u32,
    /// As written, or the product's own variant that was meant: `đen, M`.
    pub variant: Option<String>,
    /// The comment says the quantity; otherwise it is one by default.
    pub quantity_stated: bool,
}

/// A phone number of a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneFound {
    /// The number.
    pub e164: Phone,
    /// What it is and how it was read.
    pub kind: PhoneKind,
}

/// What a phone number is and how it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneKind {
    /// A mobile number as written.
    Mobile,
    /// A mobile number that was written without its 0.
    Rebuilt,
    /// A mobile number of before 2018, moved to its new prefix.
    OldPrefix,
    /// A landline, which gets no text message.
    Landline,
    /// A number of another country.
    Foreign,
}

/// Whether a phone was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneState {
    /// A whole number stands in the comment.
    Ok,
    /// None is spoken of.
    None,
    /// Its digits are hidden, or it was given elsewhere.
    Hidden,
    /// Digits are missing.
    Partial,
}

/// What the writer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Nothing was read: the page wrote it.
    Ignored,
    /// To advertise, or to take the shop's buyers away.
    Spam,
    /// To complain.
    Complaint,
    /// To change an order.
    Change,
    /// To cancel an order.
    Cancel,
    /// To say that money was sent.
    PaymentClaim,
    /// To know how an order stands.
    OrderStatus,
    /// Not to order yet.
    NegatedOrder,
    /// To know something about a product.
    Question,
    /// To order.
    Order,
    /// To be called or written to.
    Contact,
    /// To talk.
    Chatter,
}

/// What to do with a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make a draft order, for staff to confirm.
    Draft,
    /// Ask for the phone, once, by private reply.
    NeedPhone,
    /// Ask for the product.
    NeedProduct,
    /// Staff read it before anything is made of it.
    Review,
    /// Keep the phone as a lead.
    Lead,
    /// Staff answer in the conversation.
    Conversation,
    /// Staff have something to do about an order.
    StaffTask,
    /// The same comment again: nothing new.
    Duplicate,
    /// Nothing.
    Ignore,
}

/// Reads a comment. Any text is safe; the work grows with its length and the code list's.
#[must_use]
pub fn parse(comment: &Comment<'_>, live: &Live, known: &Known) -> Understanding {
    match comment.author {
        Author::Page => verdict::ignored(),
        Author::Customer => verdict::decide(read(comment.text, live), comment.text, known),
    }
}

/// Explains as much of a text as can be explained.
fn read<'a>(text: &str, live: &'a Live) -> reading::Reading<'a> {
    let mut reading = reading::Reading::new(text, live);
    hidden::find(&mut reading);
    accounts::cut(&mut reading);
    phones::find(&mut reading);
    cuts::cut(&mut reading);
    codes::find(&mut reading);
    variants::find(&mut reading);
    address::cut(&mut reading);
    codes::find_product_names(&mut reading);
    quantities::find(&mut reading);
    codes::find_unknown(&mut reading);
    names::find(&mut reading);
    reading
}
