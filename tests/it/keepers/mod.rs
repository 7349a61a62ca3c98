//! What looks after channels by itself: silence, payments, subscriptions, stock on sale, tokens.

use kenh::alerts;

use crate::app::TestApp;

mod payments;
mod refusals;
mod shelves;
mod silence;
mod subscriptions;
mod tokens;

/// The keys of what is alarmed now, of one kind.
async fn alarms(app: &TestApp, kind: &str) -> Vec<String> {
    let standing = alerts::conditions(&app.gateway).await.unwrap();
    let keys = standing.into_iter().map(|alarm| alarm.key);
    keys.filter(|key| key.starts_with(kind)).collect()
}
