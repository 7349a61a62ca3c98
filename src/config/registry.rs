//! The connectors that a configuration may name. One value, so that tests bring their own.

use connectors::channels::{CHANNELS, ChannelEntry};

use connectors::targets::{TARGETS, TargetEntry};

/// The connectors of channels and of targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registry {
    /// Channels.
    pub channels: &'static [ChannelEntry],
    /// Targets.
    pub targets: &'static [TargetEntry],
}

impl Registry {
    /// All that this program speaks.
    pub const ALL: Self = Self {
        channels: CHANNELS,
        targets: TARGETS,
    };

    pub fn channel(&self, name: &str) -> Option<&'static ChannelEntry> {
        self.channels.iter().find(|entry| entry.name == name)
    }

    pub fn target(&self, name: &str) -> Option<&'static TargetEntry> {
        self.targets.iter().find(|entry| entry.name == name)
    }
}
