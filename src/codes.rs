//! Order codes, taken from the database in blocks, so that no lock is held while orders settle.

use domain::code::{OrderCode, Prefix};
use tokio::sync::Mutex;

use crate::store::{Db, Error, tx};

/// Numbers per block. A crash leaves a hole of at most so many; holes are harmless.
const BLOCK: i64 = 200;

/// A supply of order codes.
#[derive(Debug)]
pub struct Codes {
    prefix: Prefix,
    next: Mutex<std::ops::Range<i64>>,
}

impl Codes {
    /// A supply that starts empty.
    #[must_use]
    pub fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            next: Mutex::new(0..0),
        }
    }

    /// Takes `n` codes; those that are not used are lost.
    ///
    /// # Errors
    /// When the database refuses, or all codes of the prefix are used up.
    pub async fn take(&self, db: &Db, n: usize) -> Result<Vec<OrderCode>, Error> {
        let mut next = self.next.lock().await;
        let mut codes = Vec::with_capacity(n);
        while codes.len() < n {
            if next.is_empty() {
                let last = tx::take_numbers(db, BLOCK).await?;
                *next = last - BLOCK + 1..last + 1;
            }
            let number = next.next().expect("the block is not empty");
            let code = u32::try_from(number)
                .ok()
                .and_then(|sequence| OrderCode::new(&self.prefix, sequence).ok())
                .ok_or(Error::Conflict {
                    what: "the last order code of its prefix",
                })?;
            codes.push(code);
        }
        // The lowest is used first, and what is left can be given back.
        codes.reverse();
        Ok(codes)
    }

    /// Gives codes back that were not used.
    pub async fn give_back(&self, codes: Vec<OrderCode>) {
        let mut next = self.next.lock().await;
        for code in codes {
            // Only the one right before the next can come back; any other stays a hole.
            if i64::from(code.sequence()) == next.start - 1 && !next.is_empty() {
                next.start -= 1;
            }
        }
    }
}
