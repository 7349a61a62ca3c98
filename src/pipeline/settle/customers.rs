//! Customers: what the documents of a batch show of persons becomes identities and bindings, and
//! each order and conversation gets the identity that it belongs to.
//!
//! It is done for the whole batch at once, after its inputs are taken and before anything is
//! planned: a fixed number of statements, however many inputs there are, and most of them only when
//! there is something new.

mod group;

use std::collections::{BTreeMap, BTreeSet};

use domain::conversation::Heard;
use domain::customer::{ConsentState, Evidence, consent_of};
use domain::snapshot::Snapshot;
use domain::text::fold;

use self::group::Found;
use super::batch::Batch;
use super::input::NoticeInput;
use super::take::AHEAD_MS;
use crate::store::Error;
use crate::store::customers::consent::Reported;
use crate::store::customers::{Source, Written, channel_term, name_term};

/// Words of a name that a customer is found by.
const MOST_WORDS: usize = 16;

/// What one document shows.
#[derive(Debug)]
pub(super) struct Shown {
    evidence: Evidence,
    channel: String,
    source: Source,
    consent: Option<ConsentState>,
    /// The conversation that belongs to the person: channel and person.
    conversation: Option<(String, String)>,
}

/// What the documents of a batch show of persons.
#[derive(Debug, Default)]
pub(super) struct People {
    shown: Vec<Shown>,
    /// Orders of whose buyer something was said, with the time of the word, milliseconds.
    orders: BTreeMap<String, i64>,
}

impl Batch<'_> {
    /// A document of an order was taken.
    pub(super) fn show_order(&mut self, id: &str, snapshot: &Snapshot, message_seq: Option<i64>) {
        let channel = self.slots[id].loaded.order.channel().to_owned();
        let at = self.not_ahead(snapshot.revised_at.as_millisecond());
        self.people.shown.push(Shown {
            evidence: Evidence::of_snapshot(&channel, snapshot),
            channel,
            source: Source {
                order_id: Some(id.to_owned()),
                message_seq,
                at,
            },
            consent: None,
            conversation: None,
        });
        self.people.orders.insert(id.to_owned(), at);
    }

    /// Something was said of an order's buyer, in no document of its own.
    pub(super) fn show_buyer(&mut self, id: &str) {
        self.people.orders.insert(id.to_owned(), self.now_ms);
    }

    /// A message of a person was taken.
    pub(super) fn show_person(&mut self, notice: &NoticeInput, heard: &Heard) {
        self.people.shown.push(Shown {
            evidence: Evidence::of_heard(&notice.channel, heard),
            channel: notice.channel.clone(),
            source: Source {
                order_id: None,
                message_seq: Some(notice.message_seq),
                at: self.not_ahead(heard.at.as_millisecond()),
            },
            consent: consent_of(&heard.kind).filter(|_| !heard.outgoing),
            conversation: Some((notice.channel.clone(), heard.person.clone())),
        });
    }

    /// A time that the future cannot keep others from following.
    fn not_ahead(&self, at: i64) -> i64 {
        at.min(self.now_ms.saturating_add(AHEAD_MS))
    }

    /// Finds the customers of all that the batch has taken.
    pub(super) async fn find_customers(&mut self) -> Result<(), Error> {
        let owners = self.owners();
        let shown = std::mem::take(&mut self.people.shown);
        let all: Vec<&Shown> = shown.iter().chain(owners.values()).collect();
        if all.iter().all(|one| one.evidence.identity().is_none()) {
            return Ok(());
        }
        let mut found = self.identities(&all).await?;
        self.group(&all, &mut found).await?;
        self.remember(&all, &found).await?;
        for (id, shown) in &owners {
            let identity = shown.evidence.identity().and_then(|one| found.id(&one));
            if let (Some(identity), Some(slot)) = (identity, self.slots.get_mut(id)) {
                slot.changed |= slot.loaded.order.link_customer(identity.as_str());
            }
        }
        for one in &shown {
            let identity = one.evidence.identity().and_then(|one| found.id(&one));
            let conversation = one
                .conversation
                .as_ref()
                .and_then(|key| self.conversations.get_mut(key));
            if let (Some(identity), Some((loaded, changed))) = (identity, conversation)
                && loaded.customer_id.as_deref() != Some(identity.as_str())
            {
                loaded.customer_id = Some(identity.as_str().to_owned());
                *changed = true;
            }
        }
        Ok(())
    }

    /// What the orders themselves show of their buyers: those of which something was said, and
    /// those that have changed and have no customer yet.
    fn owners(&mut self) -> BTreeMap<String, Shown> {
        let orders = std::mem::take(&mut self.people.orders);
        let mut owners = BTreeMap::new();
        for (id, slot) in &self.slots {
            let order = &slot.loaded.order;
            let at = match orders.get(id) {
                Some(at) => *at,
                None if slot.changed && order.customer_id().is_none() => {
                    order.columns().placed_at.as_millisecond()
                }
                None => continue,
            };
            let shown = Shown {
                evidence: order.buyer_evidence(),
                channel: order.channel().to_owned(),
                source: Source {
                    order_id: Some(id.clone()),
                    message_seq: None,
                    at,
                },
                consent: None,
                conversation: None,
            };
            owners.insert(id.clone(), shown);
        }
        owners
    }

    /// Stores what customers are found by, and what channels say of consent.
    async fn remember(&self, all: &[&Shown], found: &Found) -> Result<(), Error> {
        let (mut first, mut further) = (BTreeSet::new(), BTreeSet::new());
        let mut consents = Vec::new();
        for one in all {
            let Some(identity) = one.evidence.identity() else {
                continue;
            };
            let Some(known) = found.known.get(&identity.key()) else {
                continue;
            };
            let id = &known.member.id;
            let fresh = found.fresh.contains(id);
            // A person in a channel has one channel; a phone appears in any of them.
            if known.channel != one.channel {
                further.insert((channel_term(&one.channel), id.clone()));
            }
            if let Some(name) = &one.evidence.name
                && (fresh || known.name.as_ref() != Some(name))
            {
                for word in fold(name)
                    .split(' ')
                    .filter(|word| !word.is_empty())
                    .take(MOST_WORDS)
                {
                    let terms = if fresh { &mut first } else { &mut further };
                    terms.insert((name_term(&self.gateway.keys, word), id.clone()));
                }
            }
            if let Some(state) = one.consent {
                consents.push(Reported {
                    identity: id.clone(),
                    channel: one.channel.clone(),
                    state,
                    at: one.source.at,
                    message_seq: one.source.message_seq,
                });
            }
        }
        self.tx.add_customer_terms(&first, Written::Never).await?;
        self.tx
            .add_customer_terms(&further, Written::Perhaps)
            .await?;
        self.tx.keep_consents(self.now_ms, &consents).await
    }
}
