//! Keepers: what looks after channels by itself, beside the messages that come in. Whether
//! messages come at all, payments that nobody reported on, webhook subscriptions, stock on sale.
//!
//! Each keeper is a role that one process at a time has, under a lease. Two that hold it at once
//! (a process that hung and woke) do no harm: what they write is compared with what is there.

use std::sync::Arc;
use std::time::Duration;

use crate::gateway::Gateway;
use crate::store::{Error, upkeep};

pub mod payments;
pub mod shelves;
pub mod silence;
pub mod subscriptions;

/// Work that one process at a time does every so often. What it remembers between two turns is
/// lost with the role.
trait Keeper: Default + Send + 'static {
    /// The name of the role.
    const ROLE: &'static str;
    /// The time between two turns.
    const EVERY: Duration;
    /// The role is taken over from a dead process after this, milliseconds; longer than a turn.
    const LEASE_MS: i64;

    fn turn(&mut self, gateway: &Gateway) -> impl Future<Output = Result<(), Error>> + Send;
}

/// What needs no partner: starts with the workers.
pub fn start(gateway: &Arc<Gateway>) {
    spawn::<silence::Keeper>(gateway);
    spawn::<shelves::Keeper>(gateway);
}

/// What asks partners by itself: starts with the polls.
pub fn start_asking(gateway: &Arc<Gateway>) {
    spawn::<payments::Keeper>(gateway);
    spawn::<subscriptions::Keeper>(gateway);
}

fn spawn<K: Keeper>(gateway: &Arc<Gateway>) {
    gateway.shutdown.spawn(run::<K>(Arc::clone(gateway)));
}

async fn run<K: Keeper>(gateway: Arc<Gateway>) {
    let token = gateway.lease_token();
    let mut keeper = K::default();
    while !gateway.shutdown.is_triggered() {
        let now = gateway.now_ms();
        let held = upkeep::hold_role(&gateway.db, K::ROLE, &token, now, now + K::LEASE_MS).await;
        let done = match held {
            Ok(true) => Box::pin(keeper.turn(&gateway)).await,
            Ok(false) => {
                keeper = K::default();
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(
                role = K::ROLE,
                error = %crate::telemetry::chain(&error),
                "a keeper's turn failed; it is tried again"
            );
        }
        tokio::select! {
            () = gateway.shutdown.triggered() => {}
            () = tokio::time::sleep(K::EVERY) => {}
        }
    }
    // The next process need not wait for the end of the lease.
    let now = gateway.now_ms();
    if let Err(error) = upkeep::hold_role(&gateway.db, K::ROLE, &token, now, now).await {
        tracing::debug!(role = K::ROLE, error = %crate::telemetry::chain(&error), "a role was not given back; its lease will expire");
    }
}
