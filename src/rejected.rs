//! Rejected requests: counted per channel, hour and reason, with a bounded sample for diagnosis.
//! They never reach the inbox.
//!
//! Counts gather in memory and are written once a second: an attacker must not be able to make
//! the database work. If the process dies, at most a second of counts is lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use connectors::inbound::{RawWebhook, Rejection};

use crate::crypto::KeyRing;
use crate::store::{Db, Error, rejections};

const HOUR_MS: i64 = 3_600_000;

/// Samples that may wait for the next write, over all channels.
const WAITING_SAMPLES: usize = 64;

/// Bytes of a body that a sample keeps.
const SAMPLE_BYTES: usize = 4096;

/// Binds a sealed sample to its use.
pub const PLACE: &[u8] = b"rejected";

/// Counts and samples that are not written yet.
#[derive(Debug, Default)]
pub struct Rejected {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    counts: BTreeMap<(String, i64, &'static str), i64>,
    samples: VecDeque<rejections::Sample>,
}

impl Rejected {
    /// Takes note of a rejected request.
    pub fn note(
        &self,
        keys: &KeyRing,
        channel: &str,
        raw: &RawWebhook,
        reason: Rejection,
        now_ms: i64,
    ) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = now_ms - now_ms.rem_euclid(HOUR_MS);
        *waiting
            .counts
            .entry((channel.to_owned(), hour, reason.as_str()))
            .or_default() += 1;
        if waiting.samples.len() < WAITING_SAMPLES {
            waiting.samples.push_back(rejections::Sample {
                channel: channel.to_owned(),
                reason: reason.as_str().to_owned(),
                received_at: now_ms,
                // Anybody may have sent it, so it is sealed like a message.
                request: keys.seal(&request_text(raw), PLACE),
            });
        }
    }

    /// Writes what has gathered and prunes old samples beyond `keep` per channel.
    ///
    /// # Errors
    /// When the database refuses; the counts are then kept for the next time.
    pub async fn flush(&self, db: &Db, keep: u32) -> Result<(), Error> {
        let (counts, samples) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            (
                std::mem::take(&mut waiting.counts),
                std::mem::take(&mut waiting.samples),
            )
        };
        if counts.is_empty() && samples.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = counts
            .iter()
            .map(|((channel, hour, reason), count)| (channel.as_str(), *hour, *reason, *count))
            .collect();
        let result = rejections::write(db, &rows, samples.into_iter().collect(), keep).await;
        if result.is_err() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, count) in counts {
                *waiting.counts.entry(key).or_default() += count;
            }
        }
        result
    }
}

/// Request line, header names with their values, and the beginning of the body.
fn request_text(raw: &RawWebhook) -> Vec<u8> {
    let mut text = format!("{} {}\n", raw.method, raw.uri).into_bytes();
    for (name, value) in &raw.headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(&raw.body[..raw.body.len().min(SAMPLE_BYTES)]);
    text
}
