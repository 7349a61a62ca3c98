//! Settle (T2 and T3): facts in, order, stock, tasks and notices out, in one transaction.
//!
//! Everything that changes an order comes through here: snapshots, payments, callbacks, outcomes
//! of tasks, staff's commands and timers. Many inputs share one commit. If the process dies before
//! it, nothing happened: leases expire and the inputs come again. If it dies after, everything
//! happened, and the conditions on the leases keep a repeat from counting twice.
//!
//! A batch that loses a race (stock gone, an order changed by another replica, a lease lost) is
//! decided again on fresh data; in the end its inputs are taken one by one, so that one of them
//! cannot hold up the others.

mod advance;
mod batch;
mod conversations;
mod customers;
mod input;
mod take;
mod write;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use domain::order::Fact;
use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use input::{
    Book, CommandInput, Count, Create, Done, Input, NoticeInput, Nudge, Prepared, Refusal, Reply,
};
pub(crate) use write::tracking_term;

use crate::bells::News;
use crate::gateway::Gateway;
use crate::store;
use crate::store::notices::NoticeEnd;

/// How often a batch that lost a race is tried again as a whole.
const RACES: u32 = 3;

/// How often a single input that lost a race is tried again.
const SINGLE_RACES: u32 = 20;

/// A notice that cannot be settled is dead after this time, milliseconds.
const SETTLE_FOR_MS: i64 = 3_600_000;

/// The way into the settling worker. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Settler {
    queue: mpsc::Sender<Input>,
}

/// The other end of a [`Settler`]'s queue, shared by its workers.
pub type Queue = Arc<Mutex<mpsc::Receiver<Input>>>;

impl Settler {
    /// A settler and its queue. `room` inputs may wait; beyond that their senders do.
    #[must_use]
    pub fn new(room: usize) -> (Self, Queue) {
        let (queue, inputs) = mpsc::channel(room.max(1));
        (Self { queue }, Arc::new(Mutex::new(inputs)))
    }

    /// Hands an input over; returns when there is room for it. After shutdown the input is
    /// dropped: its lease expires and it comes again.
    pub async fn submit(&self, input: Input) {
        if self.queue.send(input).await.is_err() {
            tracing::debug!("the settling worker has stopped; the input will come again");
        }
    }

    /// Hands over an input that wants an answer, and waits for it.
    pub async fn ask(&self, make: impl FnOnce(Reply) -> Input) -> Result<Done, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.submit(make(reply)).await;
        answer.await.unwrap_or(Err(Refusal::Unavailable))
    }
}

/// One settling worker. After `stop` it still empties the queue, then it ends.
pub async fn run(gateway: Arc<Gateway>, queue: Queue, stop: CancellationToken) {
    let most = gateway.config.work.settle_batch;
    let mut inputs = Vec::with_capacity(most);
    loop {
        {
            // Held only while waiting, so that the workers take turns at the queue.
            let mut queue = queue.lock().await;
            tokio::select! {
                biased;
                n = queue.recv_many(&mut inputs, most) => if n == 0 { return },
                () = stop.cancelled() => return,
            }
        }
        settle(&gateway, std::mem::take(&mut inputs)).await;
    }
}

/// Settles a batch, whatever it takes.
pub async fn settle(gateway: &Gateway, inputs: Vec<Input>) {
    let mut races = 0;
    loop {
        match guarded(gateway, &inputs).await {
            Ok(done) => {
                finish(gateway, inputs, done);
                return;
            }
            Err(error) if error.is_race() && races < RACES && inputs.len() > 1 => races += 1,
            Err(error) => {
                if inputs.len() > 1 {
                    tracing::debug!(
                        error = %crate::telemetry::chain(&error),
                        inputs = inputs.len(),
                        "a batch could not be settled as a whole; settling its inputs one by one"
                    );
                }
                break;
            }
        }
    }
    for input in inputs {
        settle_single(gateway, input).await;
    }
}

async fn settle_single(gateway: &Gateway, input: Input) {
    let mut races = 0;
    let error = loop {
        match guarded(gateway, std::slice::from_ref(&input)).await {
            Ok(done) => {
                finish(gateway, vec![input], done);
                return;
            }
            Err(store::Error::LeaseLost { what }) => {
                tracing::debug!(what, "another worker took over; nothing was written");
                if let Some(reply) = input.into_reply() {
                    respond(reply, Err(Refusal::Unavailable));
                }
                return;
            }
            Err(error) if error.is_race() && races < SINGLE_RACES => {
                races += 1;
                tokio::task::yield_now().await;
            }
            Err(error) => break error,
        }
    };
    let reason = crate::telemetry::chain(&error);
    match input {
        Input::Notice(notice) => {
            tracing::error!(
                channel = notice.channel,
                message = notice.message_seq,
                error = reason,
                "could not settle a notice"
            );
            let end = if gateway.now_ms() - notice.created_at > SETTLE_FOR_MS {
                NoticeEnd::Dead {
                    reason: format!("could not be settled: {reason}"),
                }
            } else {
                NoticeEnd::Later {
                    not_before: gateway.now_ms() + 1000 * (1 << notice.attempts.clamp(0, 8)),
                    reason,
                }
            };
            let ended = Input::Notice(Box::new(NoticeInput {
                what: Prepared::End(end),
                ..*notice
            }));
            // If even this fails, the lease expires and the notice comes again.
            if let Err(error) = guarded(gateway, &[ended]).await {
                tracing::error!(error = %crate::telemetry::chain(&error), "could not put a notice off");
            }
        }
        Input::Task(task) => tracing::error!(
            task = task.task.key,
            error = reason,
            "could not record the outcome of a task; its lease will expire and the target be asked"
        ),
        Input::Nudge { order_id, .. } => {
            tracing::error!(order = order_id, error = reason, "could not wake an order");
            // Later, so that one order that cannot be woken does not keep the others from it.
            let later = gateway.now_ms() + 300_000;
            if let Err(error) = store::upkeep::put_off_wake(&gateway.db, &order_id, later).await {
                tracing::error!(error = %crate::telemetry::chain(&error), "could not put off a wake");
            }
        }
        Input::Command(_) | Input::Create(_) | Input::Book(_) | Input::Count(_) => {
            tracing::error!(error = reason, "could not carry out a command");
            if let Some(reply) = input.into_reply() {
                respond(reply, Err(Refusal::Unavailable));
            }
        }
    }
}

/// One try. A panic in it is a defect, but it must not take the worker with it: the transaction is
/// rolled back, and the input that caused it is found by taking the inputs one by one.
async fn guarded(gateway: &Gateway, inputs: &[Input]) -> Result<batch::Settled, store::Error> {
    AssertUnwindSafe(batch::settle_once(gateway, inputs))
        .catch_unwind()
        .await
        .unwrap_or(Err(store::Error::Panicked))
}

/// After the commit: answer those who wait, and ring the bells.
fn finish(gateway: &Gateway, inputs: Vec<Input>, done: batch::Settled) {
    for (input, answer) in inputs.into_iter().zip(done.answers) {
        if let (Some(reply), Some(answer)) = (input.into_reply(), answer) {
            respond(reply, answer);
        }
    }
    if done.tasks > 0 {
        gateway.bells.ring(News::Outbox);
    }
    if done.changes > 0 {
        gateway.bells.ring(News::Change);
    }
}

fn respond(reply: Reply, answer: Result<Done, Refusal>) {
    if reply.send(answer).is_err() {
        tracing::debug!("whoever asked has hung up; the work is done all the same");
    }
}

/// The fact of a finished task, if the order must hear of it.
fn fact_of(finished: &crate::store::outbox::Finished, at: jiff::Timestamp) -> Option<Fact> {
    use crate::store::outbox::TaskEnd;
    let key = finished.task.key.clone();
    match &finished.end {
        TaskEnd::Delivered(outcome) | TaskEnd::Refused(outcome) => Some(Fact::Task {
            key,
            outcome: outcome.clone(),
            at,
        }),
        TaskEnd::Dead { reason, .. } => Some(Fact::TaskDead {
            key,
            reason: reason.clone(),
            at,
        }),
        TaskEnd::Again { .. } | TaskEnd::GivenBack { .. } => None,
    }
}
