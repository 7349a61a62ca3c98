//! What looks after channels by itself: silence, payments, subscriptions, stock on sale, tokens.

use std::sync::Arc;

use connectors::channels::{CHANNELS, ChannelContext};
use kenh::alerts;
use kenh::config::{ChannelConfig, Config};
use serde_json::Value;

use crate::app::TestApp;

mod payments;
mod shelves;
mod silence;
mod subscriptions;
mod tokens;

/// Lets a configured channel speak a connector's language, with settings as the shell resolves
/// them.
fn speaks(channel: &mut ChannelConfig, connector: &str, settings: &Value) {
    let entry = CHANNELS.iter().find(|e| e.name == connector).unwrap();
    let context = ChannelContext {
        id: channel.id.clone(),
    };
    channel.channel = Arc::from((entry.build)(settings, &context).unwrap());
    connector.clone_into(&mut channel.connector);
}

/// All others are closed: nobody calls their vendors.
fn only<'c>(config: &'c mut Config, id: &str) -> &'c mut ChannelConfig {
    for channel in &mut config.channels {
        channel.enabled = channel.id == id || channel.id == "web";
    }
    config.channels.iter_mut().find(|c| c.id == id).unwrap()
}

/// The keys of what is alarmed now, of one kind.
async fn alarms(app: &TestApp, kind: &str) -> Vec<String> {
    let standing = alerts::conditions(&app.gateway).await.unwrap();
    let keys = standing.into_iter().map(|alarm| alarm.key);
    keys.filter(|key| key.starts_with(kind)).collect()
}
