//! Receive (T1): many verified messages, one transaction, one sync, then the answers.
//!
//! A request waits only for the commit that carries it. While one batch is being committed the
//! next one gathers, so that batches grow by themselves where a sync is slow. If the process
//! dies before the commit, the sender was not answered and repeats; if it dies after, the unique
//! key makes the repeat a duplicate.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use connectors::inbound::{Inbound, NoticeBody, NoticeKind, VerifiedWebhook};
use tokio::sync::{mpsc, oneshot};

use crate::bells::{Bells, News};
use crate::config::GroupCommit;
use crate::crash;
use crate::crypto::KeyRing;
use crate::pipeline::envelope;
use crate::store::inbox::{self, Incoming, NewNotice, NewState, Stored};
use crate::store::{self, Db};
use crate::telemetry::Metrics;

/// How often a batch that lost a race is tried again before its messages are taken one by one.
const RACES: u32 = 3;

/// The message could not be made durable; the sender must try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("could not store the message")]
pub struct Unavailable;

struct Job {
    incoming: Incoming,
    reply: oneshot::Sender<Result<Stored, Unavailable>>,
}

/// The entry to the inbox. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Receiver {
    queue: mpsc::Sender<Job>,
}

impl Receiver {
    /// A receiver and the worker behind it; the worker ends when all receivers are gone.
    pub fn new(
        db: Db,
        settings: GroupCommit,
        metrics: Arc<Metrics>,
        bells: Arc<Bells>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        // Twice a batch may wait; beyond that the doors hold back, which is what the senders'
        // time-outs and retries are for.
        let (queue, jobs) = mpsc::channel(settings.max_batch.saturating_mul(2).max(64));
        (Self { queue }, run(db, settings, metrics, bells, jobs))
    }

    /// Stores one message; returns when it is durable.
    ///
    /// # Errors
    /// [`Unavailable`] when it is not, and the sender must try again.
    pub async fn store(&self, incoming: Incoming) -> Result<Stored, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .send(Job { incoming, reply })
            .await
            .map_err(|_| Unavailable)?;
        answer.await.map_err(|_| Unavailable)?
    }
}

async fn run(
    db: Db,
    settings: GroupCommit,
    metrics: Arc<Metrics>,
    bells: Arc<Bells>,
    mut jobs: mpsc::Receiver<Job>,
) {
    let mut batch = Vec::with_capacity(settings.max_batch);
    while jobs.recv_many(&mut batch, settings.max_batch).await > 0 {
        if settings.max_wait_us > 0 && batch.len() < settings.max_batch {
            let wait = Duration::from_micros(settings.max_wait_us);
            let room = settings.max_batch - batch.len();
            // A time-out only means that nobody else came.
            if let Ok(0) | Err(_) =
                tokio::time::timeout(wait, jobs.recv_many(&mut batch, room)).await
            {}
        }
        metrics.group_commit(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        commit(&db, std::mem::take(&mut batch)).await;
        bells.ring(News::Inbox);
    }
}

async fn commit(db: &Db, jobs: Vec<Job>) {
    let (incoming, replies): (Vec<_>, Vec<_>) =
        jobs.into_iter().map(|j| (j.incoming, j.reply)).unzip();
    match store_batch(db, &incoming).await {
        Ok(stored) => {
            crash::point("receive.after_commit");
            for (reply, stored) in replies.into_iter().zip(stored) {
                answer(reply, Ok(stored));
            }
        }
        Err(error) if incoming.len() == 1 || error.is_outage() => {
            tracing::error!(error = %crate::telemetry::chain(&error), "could not store messages; their senders are told to try again");
            for reply in replies {
                answer(reply, Err(Unavailable));
            }
        }
        Err(error) => {
            tracing::warn!(
                error = %crate::telemetry::chain(&error),
                messages = incoming.len(),
                "could not store a batch; storing its messages one by one"
            );
            // One message that the database refuses must not take the others with it.
            for (incoming, reply) in incoming.into_iter().zip(replies) {
                let stored = store_batch(db, std::slice::from_ref(&incoming)).await;
                if let Err(error) = &stored {
                    tracing::error!(
                        error = %crate::telemetry::chain(error),
                        channel = incoming.channel,
                        "could not store a message"
                    );
                }
                answer(reply, stored.map_err(|_| Unavailable).map(|s| s[0]));
            }
        }
    }
}

fn answer(
    reply: oneshot::Sender<Result<Stored, Unavailable>>,
    result: Result<Stored, Unavailable>,
) {
    if reply.send(result).is_err() {
        tracing::debug!("a sender hung up before its answer; it will repeat and be a duplicate");
    }
}

async fn store_batch(db: &Db, incoming: &[Incoming]) -> Result<Vec<Stored>, store::Error> {
    let mut races = 0;
    loop {
        crash::point("receive.before_commit");
        match inbox::receive(db, incoming).await {
            Err(error) if error.is_race() && races < RACES => races += 1,
            result => return result,
        }
    }
}

/// Turns a verified message into a row: key, notices, sealed content. Reading it is pure and
/// takes microseconds, so it happens before the commit; a message that cannot be read is stored
/// all the same, with one dead notice that says why.
#[must_use]
pub fn prepare(
    id: &str,
    inbound: &dyn Inbound,
    message: &VerifiedWebhook,
    keys: &KeyRing,
    now_ms: i64,
) -> Incoming {
    let (body, body_hash) = envelope::seal(keys, message);
    // A connector must not panic on input; if one does, the message is still not lost.
    let read = catch_unwind(AssertUnwindSafe(|| {
        (inbound.dedup_key(message), inbound.parse(message))
    }));
    let (dedup_key, parsed) = match read {
        Ok((key, parsed)) => (key, parsed.map_err(|e| e.to_string())),
        Err(_) => (
            format!("hash:{body_hash}"),
            Err("the connector could not cope with the message".to_owned()),
        ),
    };
    let notices = match parsed {
        Ok(notices) if notices.is_empty() => vec![NewNotice {
            kind: NoticeKind::Ignored.as_str(),
            key: None,
            state: NewState::Ignored("there is nothing in it".to_owned()),
        }],
        Ok(notices) => notices
            .into_iter()
            .map(|notice| NewNotice {
                kind: notice.body.kind().as_str(),
                key: notice.key.map(clean),
                state: match notice.body {
                    NoticeBody::Ignored { reason } => NewState::Ignored(clean(reason)),
                    _ => NewState::Waiting,
                },
            })
            .collect(),
        Err(reason) => vec![NewNotice {
            kind: NoticeKind::Order.as_str(),
            key: None,
            state: NewState::Dead(clean(reason)),
        }],
    };
    Incoming {
        channel: id.to_owned(),
        dedup_key: clean(dedup_key),
        source: message.source(),
        topic: message.topic().map(|t| clean(t.to_owned())),
        body,
        body_hash,
        received_at: now_ms,
        notices,
        preflight: inbound.preflight(message),
    }
}

/// PostgreSQL's text takes no NUL, and a hostile sender may put one anywhere.
fn clean(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}
