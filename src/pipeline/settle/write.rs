//! Writing: all that a batch has changed, in one go at the end of its transaction.

use std::collections::{BTreeMap, BTreeSet};

use domain::order::{Order, OrderEvent};
use domain::task::TaskBody;

use super::batch::Batch;
use super::input::Input;
use crate::store::outbox::TaskEnd;
use crate::store::questions;
use crate::store::tx::Save;
use crate::store::{Error, found, shelves};

impl Batch<'_> {
    pub(super) async fn flush_tasks(&mut self) -> Result<usize, Error> {
        let tasks = std::mem::take(&mut self.writes.tasks);
        // The tasks point to their orders, which must be there first.
        if tasks.is_empty() {
            return Ok(0);
        }
        self.save_new_orders().await?;
        self.tx.insert_tasks(self.now_ms, &tasks).await?;
        Ok(tasks.len())
    }

    /// Stores orders of this batch that tasks must be able to point to before the batch ends.
    pub(super) async fn save_new_orders(&mut self) -> Result<(), Error> {
        let new: Vec<String> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.loaded.row_version == 0)
            .map(|(id, _)| id.clone())
            .collect();
        self.save(&new).await?;
        Ok(())
    }

    pub(super) async fn save(&mut self, ids: &[String]) -> Result<(), Error> {
        let mut saves = Vec::with_capacity(ids.len());
        for id in ids {
            let slot = &self.slots[id];
            let columns = slot.loaded.order.columns();
            let keys = &self.gateway.keys;
            let mut terms: BTreeSet<String> = columns
                .name_words
                .iter()
                .map(|word| keys.lookup_hash("name", word))
                .collect();
            terms.extend(columns.tracking.iter().map(|number| tracking_term(number)));
            saves.push(Save {
                loaded: &slot.loaded,
                phone_hash: columns
                    .phone
                    .as_ref()
                    .map(|phone| keys.lookup_hash("phone", phone)),
                terms,
                events: slot.events.iter().map(describe).collect(),
                change: slot.change,
            });
        }
        self.tx.save(self.now_ms, &saves).await?;
        for id in ids {
            let slot = self.slots.get_mut(id).expect("just saved");
            slot.loaded.row_version += 1;
            slot.events.clear();
            slot.changed = false;
            slot.change = "updated";
        }
        Ok(())
    }

    pub(super) async fn write(
        mut self,
        inputs: &[Input],
    ) -> Result<(usize, usize, BTreeMap<String, (Order, i64)>), Error> {
        let changed: Vec<String> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.changed)
            .map(|(id, _)| id.clone())
            .collect();
        self.save(&changed).await?;
        self.save_conversations().await?;
        let mut tasks = self.flush_tasks().await?;
        let finished: Vec<_> = inputs
            .iter()
            .filter_map(|input| match input {
                Input::Task(task) => Some(&**task),
                _ => None,
            })
            .collect();
        tasks += finished.len();
        let writes = std::mem::take(&mut self.writes);
        self.tx
            .keep_decisions(self.now_ms, &writes.decisions)
            .await?;
        self.tx.finish_tasks(self.now_ms, &finished).await?;
        let refused: Vec<_> = finished
            .iter()
            .filter(|done| {
                matches!(done.end, TaskEnd::Refused(_))
                    && matches!(done.task.body, TaskBody::ChannelStock(_))
            })
            .map(|done| {
                let task = &done.task;
                (&*task.target, &*task.subject, &*task.key)
            })
            .collect();
        shelves::forget_refused(self.tx.on(), &refused).await?;
        self.tx.end_notices(self.now_ms, &writes.ends).await?;
        self.tx.audit(self.now_ms, &writes.audit).await?;
        found::add(self.tx.on(), self.now_ms, &writes.found).await?;
        questions::reopen(self.tx.on(), self.now_ms, &writes.questions).await?;
        // Last, because all workers want the same few counters: their locks are then held for no
        // longer than the commit.
        self.tx.add_loads(&self.day, &writes.loads).await?;
        self.tx.move_stock(self.now_ms, &writes.movements).await?;
        let orders = self
            .slots
            .into_iter()
            .map(|(id, slot)| (id, (slot.loaded.order, slot.loaded.row_version)))
            .collect();
        self.tx.commit().await?;
        Ok((tasks, changed.len(), orders))
    }
}

/// How a tracking number is written among an order's terms.
#[must_use]
pub(crate) fn tracking_term(number: &str) -> String {
    format!("tracking:{number}")
}

fn describe(event: &OrderEvent) -> (String, String) {
    let detail = serde_json::json!({
        "subject": event.subject,
        "from": event.from,
        "to": event.to,
        "detail": event.detail,
    });
    (event.kind.clone(), detail.to_string())
}
