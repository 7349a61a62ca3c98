//! Channels of the shipped configuration, changed for a test.

use std::sync::Arc;

use connectors::channels::{CHANNELS, ChannelContext};
use kenh::config::{ChannelConfig, Config};
use serde_json::Value;

/// Lets a configured channel speak a connector's language, with settings as the shell resolves
/// them.
pub fn speaks(channel: &mut ChannelConfig, connector: &str, settings: &Value) {
    let entry = CHANNELS.iter().find(|e| e.name == connector).unwrap();
    let context = ChannelContext {
        id: channel.id.clone(),
    };
    channel.channel = Arc::from((entry.build)(settings, &context).unwrap());
    connector.clone_into(&mut channel.connector);
}

/// All others are closed: nobody calls their vendors.
pub fn only<'c>(config: &'c mut Config, id: &str) -> &'c mut ChannelConfig {
    for channel in &mut config.channels {
        channel.enabled = channel.id == id || channel.id == "web";
    }
    config.channels.iter_mut().find(|c| c.id == id).unwrap()
}
