//! Bells: "there is something new", within this process and, on PostgreSQL, to the other replicas.
//!
//! A bell only shortens a wait. Who waits also looks by itself every now and then, because polling
//! the database is the truth: a ring may be lost, and a ring may come for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::future::join;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::shutdown::Shutdown;
use crate::store::Db;

/// Rings of this long are told to the other replicas together.
const GATHER: Duration = Duration::from_millis(20);

/// A broken line to the database is tried again after this.
const BROKEN: Duration = Duration::from_secs(2);

/// What is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Notices in the inbox.
    Inbox,
    /// Tasks in the outbox.
    Outbox,
    /// Changes that have no position in the feed yet.
    Change,
    /// Changes in the feed.
    Published,
}

impl News {
    const ALL: [Self; 4] = [Self::Inbox, Self::Outbox, Self::Change, Self::Published];

    fn bit(self) -> u8 {
        1 << self as u8
    }

    fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
            Self::Change => "change",
            Self::Published => "published",
        }
    }
}

/// The bells of one process.
#[derive(Debug, Default)]
pub struct Bells {
    bells: [Notify; 4],
    /// Rings that the other replicas have not been told of.
    untold: AtomicU8,
    teller: Notify,
}

impl Bells {
    /// Rings, here and soon at the other replicas.
    pub fn ring(&self, news: News) {
        self.ring_here(news);
        if self.untold.fetch_or(news.bit(), Ordering::AcqRel) == 0 {
            self.teller.notify_one();
        }
    }

    /// Rings in this process alone: nobody else is concerned.
    pub fn ring_here(&self, news: News) {
        let bell = &self.bells[news as usize];
        match news {
            // One worker waits for these; a ring while it works is kept for it.
            News::Inbox | News::Change => bell.notify_one(),
            // Many wait for these: the workers of all targets, the readers of the feed.
            News::Outbox | News::Published => bell.notify_waiters(),
        }
    }

    /// Waits for the next ring; one between this call and the first poll counts.
    pub fn heard(&self, news: News) -> Notified<'_> {
        self.bells[news as usize].notified()
    }

    fn take_untold(&self) -> u8 {
        self.untold.swap(0, Ordering::AcqRel)
    }
}

/// The line between the replicas: tells them what rang here, and rings here what they tell. On
/// SQLite, where one process owns the file, there is nobody to tell.
///
/// Telling happens after the commits, on a connection of its own: a notification inside a
/// transaction makes all such transactions commit one after the other.
pub async fn connect(bells: Arc<Bells>, db: Db, own: String, shutdown: Shutdown) {
    if db.is_sqlite() {
        return;
    }
    let work = join(tell(&bells, &db, &own), hear(&bells, &db, &own));
    tokio::select! {
        () = shutdown.triggered() => {}
        _ = work => {}
    }
}

async fn tell(bells: &Bells, db: &Db, own: &str) {
    loop {
        bells.teller.notified().await;
        tokio::time::sleep(GATHER).await;
        let untold = bells.take_untold();
        let mut words = own.to_owned();
        for news in News::ALL {
            if untold & news.bit() != 0 {
                words.push(' ');
                words.push_str(news.word());
            }
        }
        if let Err(error) = db.tell(&words).await {
            tracing::debug!(error = %crate::telemetry::chain(&error), "could not ring at the other replicas; they will look by themselves");
        }
    }
}

async fn hear(bells: &Bells, db: &Db, own: &str) {
    loop {
        match db.listen().await {
            Ok(mut line) => loop {
                match line.hear().await {
                    Ok(words) => ring_told(bells, own, &words),
                    Err(error) => {
                        tracing::warn!(error = %crate::telemetry::chain(&error), "lost the line to the other replicas; it is opened again");
                        break;
                    }
                }
            },
            Err(error) => {
                tracing::warn!(error = %crate::telemetry::chain(&error), "could not open the line to the other replicas; it is tried again");
            }
        }
        tokio::time::sleep(BROKEN).await;
    }
}

fn ring_told(bells: &Bells, own: &str, words: &str) {
    let mut words = words.split(' ');
    if words.next() == Some(own) {
        return;
    }
    for word in words {
        // A word of a newer replica is not known here, and does no harm.
        if let Some(news) = News::ALL.into_iter().find(|news| news.word() == word) {
            bells.ring_here(news);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn has_rung(bells: &Bells, news: News) -> bool {
        bells.heard(news).now_or_never().is_some()
    }

    #[test]
    fn what_others_tell_rings_here_and_is_not_told_on() {
        let bells = Bells::default();
        ring_told(&bells, "me", "other inbox change a-later-word");
        assert!(has_rung(&bells, News::Inbox));
        assert!(has_rung(&bells, News::Change));
        assert_eq!(bells.take_untold(), 0);
    }

    #[test]
    fn what_rang_here_comes_back_without_a_second_ring() {
        let bells = Bells::default();
        ring_told(&bells, "me", "me inbox");
        assert!(!has_rung(&bells, News::Inbox));
    }

    #[test]
    fn rings_gather_until_they_are_told() {
        let bells = Bells::default();
        bells.ring(News::Outbox);
        bells.ring(News::Inbox);
        bells.ring(News::Inbox);
        assert_eq!(bells.take_untold(), News::Outbox.bit() | News::Inbox.bit());
        assert_eq!(bells.take_untold(), 0);
    }

    #[test]
    fn all_who_wait_for_the_outbox_hear_one_ring() {
        let bells = Bells::default();
        let first = bells.heard(News::Outbox);
        let second = bells.heard(News::Outbox);
        bells.ring(News::Outbox);
        assert!(first.now_or_never().is_some());
        assert!(second.now_or_never().is_some());
    }
}
