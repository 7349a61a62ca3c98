//! Messages of persons: each goes into its conversation, and a cart makes a draft order that
//! staff must confirm.

use std::collections::BTreeSet;

use connectors::feedback::Window;
use connectors::inbound::ConversationNotice;
use domain::conversation::{Conversation, Heard};
use domain::id::ConversationId;
use domain::task::{ChannelMessage, Leg, Task, TaskBody};

use super::batch::{Batch, Codes, Slot};
use super::input::NoticeInput;
use crate::store::conversations::LoadedConversation;
use crate::store::notices::NoticeEnd;
use crate::store::tx::OrderRef;
use crate::store::{Error, lives};
use domain::live::{Sale, post_of};
use domain::order::{Context, Fact, Status};

fn heard(notice: &ConversationNotice) -> Heard {
    Heard {
        person: notice.person.clone(),
        account: notice.account.clone(),
        message_id: notice.message_id.clone(),
        kind: notice.kind.clone(),
        outgoing: notice.outgoing,
        text: notice.text.clone(),
        buyer: notice.buyer.clone(),
        address: notice.address.clone(),
        lines: notice.lines.clone(),
        at: notice.at,
        hints: notice.hints.clone(),
    }
}

/// What to ask a person who orders and told no phone: once per live sale, which the key sees to.
fn question(
    conversation: &Conversation,
    person: &str,
    sale: &Sale,
    comment: &str,
) -> Option<(String, ChannelMessage)> {
    let text = sale.ask_phone.clone()?;
    let comment_at = conversation.lacks_a_phone(comment)?;
    let id = conversation.id().to_string();
    let key = format!("message/{id}/ask-phone/{}", sale.post);
    let question = ChannelMessage {
        conversation: id,
        account: conversation.account().to_owned(),
        person: person.to_owned(),
        text,
        comment: Some(comment.to_owned()),
        last_heard_at: None,
        comment_at: Some(comment_at),
        by_hand: false,
    };
    Some((key, question))
}

impl Batch<'_> {
    /// Takes a message into its conversation, and what it makes of orders.
    pub(super) async fn converse(
        &mut self,
        notice: &NoticeInput,
        message: &ConversationNotice,
        context: &Context<'_>,
        codes: &mut Codes,
    ) -> Result<NoticeEnd, Error> {
        let key = (notice.channel.clone(), message.person.clone());
        if !self.conversations.contains_key(&key) {
            let persons = [message.person.clone()];
            let known = self
                .tx
                .load_conversations(&notice.channel, &persons)
                .await?;
            let loaded = known.into_values().next().unwrap_or_else(|| {
                let id = ConversationId::from_uuid(self.gateway.ids.next(self.now_ms));
                LoadedConversation {
                    conversation: Conversation::new(
                        id,
                        &notice.channel,
                        &message.account,
                        &message.person,
                    ),
                    row_version: 0,
                    customer_id: None,
                }
            });
            self.conversations.insert(key.clone(), (loaded, false));
        }
        let heard = heard(message);
        let sale = self.sale_of(&notice.channel, &key, &heard).await?;
        let (loaded, changed) = self.conversations.get_mut(&key).expect("just put there");
        let applied = loaded.conversation.apply(&heard, sale.as_ref());
        *changed |= applied.changed;
        let asked = sale
            .as_ref()
            .and_then(|sale| question(&loaded.conversation, &key.1, sale, &heard.message_id));
        if let Some(question) = asked {
            self.ask(&notice.channel, question);
        }
        self.show_person(notice, &heard);
        let mut order_id = None;
        for mut draft in applied.drafts {
            let external_id = draft.external_id.clone();
            self.fetch_slot(&notice.channel, &external_id).await?;
            let (id, _) =
                self.find_or_create(&notice.channel, &notice.connector, &external_id, codes)?;
            // What staff have confirmed stays as it was confirmed; that the person has changed
            // their words since is for a person to see.
            let order = &self.slots[&id].loaded.order;
            if order.channel_status().is_some() && order.status() != Status::Draft {
                draft.lines = None;
                draft
                    .tags
                    .push("comment-changed-after-confirmation".to_owned());
            }
            self.apply(&id, &Fact::Snapshot(Box::new(draft)), context);
            self.show_buyer(&id);
            let (loaded, changed) = self.conversations.get_mut(&key).expect("just put there");
            *changed |= loaded.conversation.link_draft(&external_id, &id);
            order_id = Some(id);
        }
        Ok(NoticeEnd::Done { order_id })
    }

    /// Sends a question, if the channel lets us write to the person now.
    fn ask(&mut self, channel: &str, (key, question): (String, ChannelMessage)) {
        let configured = self.gateway.config.channel(channel);
        let messages = configured
            .filter(|channel| channel.enabled)
            .and_then(|channel| channel.channel.messages());
        let is_open = messages.is_some_and(|messages| {
            question.text.chars().count() <= messages.longest()
                && messages.window(&question, self.gateway.clock.now()) != Window::Closed
        });
        if !is_open {
            return;
        }
        self.writes.tasks.push((
            None,
            Task {
                key,
                target: channel.to_owned(),
                leg: Leg::Channel,
                subject: question.conversation.clone(),
                generation: 1,
                serial: Some(format!("message/{}", question.conversation)),
                not_before: None,
                body: TaskBody::ChannelMessage(question),
            },
        ));
    }

    /// Staff have confirmed a draft: its conversation waits for us no longer.
    pub(super) async fn convert(&mut self, order_id: &str) -> Result<(), Error> {
        let order = &self.slots[order_id].loaded.order;
        let Some(person) = order.channel_person() else {
            return Ok(());
        };
        let key = (order.channel().to_owned(), person.to_owned());
        let external_id = order.external_id().to_owned();
        if !self.conversations.contains_key(&key) {
            let persons = [key.1.clone()];
            let known = self.tx.load_conversations(&key.0, &persons).await?;
            let Some(loaded) = known.into_values().next() else {
                return Ok(());
            };
            self.conversations.insert(key.clone(), (loaded, false));
        }
        let now = self.gateway.clock.now();
        if let Some((loaded, changed)) = self.conversations.get_mut(&key) {
            *changed |= loaded.conversation.convert(&external_id, order_id, now);
        }
        Ok(())
    }

    /// The live sale under whose post a comment stands, or stood before it was removed.
    async fn sale_of(
        &mut self,
        channel: &str,
        key: &(String, String),
        heard: &Heard,
    ) -> Result<Option<Sale>, Error> {
        if !matches!(heard.kind.as_str(), "comment" | "removal") || heard.outgoing {
            return Ok(None);
        }
        let (loaded, _) = &self.conversations[key];
        let known = loaded.conversation.hints_of(&heard.message_id);
        let Some(post) = post_of(&heard.hints).or_else(|| post_of(known)) else {
            return Ok(None);
        };
        let place = (channel.to_owned(), post.to_owned());
        if let Some(known) = self.sales.get(&place) {
            return Ok(known.clone());
        }
        let sale = lives::of_post(self.tx.on(), &place.0, &place.1).await?;
        self.sales.insert(place, sale.clone());
        Ok(sale)
    }

    /// Loads an order that the batch did not know it would need.
    async fn fetch_slot(&mut self, channel: &str, external_id: &str) -> Result<(), Error> {
        let reference = OrderRef::External {
            channel: channel.to_owned(),
            external_id: external_id.to_owned(),
        };
        if self.ids.contains_key(&reference) {
            return Ok(());
        }
        let found = self.tx.find(&BTreeSet::from([reference])).await?;
        let wanted: BTreeSet<String> = found
            .values()
            .filter(|id| !self.slots.contains_key(*id))
            .cloned()
            .collect();
        self.ids.extend(found);
        for (id, loaded) in self.tx.load(&wanted).await? {
            self.slots.insert(id, Slot::stored(loaded));
        }
        Ok(())
    }

    /// Writes the conversations of the batch.
    pub(super) async fn save_conversations(&mut self) -> Result<(), Error> {
        let changed: Vec<_> = self
            .conversations
            .iter()
            .filter(|(_, (_, changed))| *changed)
            .map(|((channel, person), (loaded, _))| (channel.as_str(), person.as_str(), loaded))
            .collect();
        self.tx.save_conversations(self.now_ms, &changed).await
    }
}
