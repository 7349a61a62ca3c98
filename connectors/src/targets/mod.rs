//! The registry of targets: one list, one line per connector.

pub mod rest;

use crate::settings::{Secrets, SettingsError};
use crate::target::Target;

/// What a target is built from: its table in the operator's configuration, secrets resolved.
#[derive(Debug, Clone)]
pub struct TargetSettings {
    /// The target's id (`hub-wms`); its callbacks come to `/webhooks/{id}`.
    pub id: String,
    /// `inventory`, `invoicing`, `service_center` …
    pub kind: String,
    /// Where its calls go: `http(s)://host[:port][/prefix]`.
    pub url: String,
    /// Signs our calls and its callbacks; two while rotating.
    pub secrets: Secrets,
}

/// A target ready to use, or what is wrong with its settings.
pub type Built = Result<Box<dyn Target>, SettingsError>;

/// One connector.
#[derive(Debug, Clone, Copy)]
pub struct TargetEntry {
    /// The word after `connector =`.
    pub name: &'static str,
    /// The kinds of targets that it can be.
    pub kinds: &'static [&'static str],
    /// Builds a target; refuses a kind that is not among `kinds`.
    pub build: fn(&TargetSettings) -> Built,
    /// One line for people.
    pub summary: &'static str,
}

/// All connectors, in the order they are shown.
pub const TARGETS: &[TargetEntry] = &[TargetEntry {
    name: "rest",
    kinds: rest::KINDS,
    build: rest::build,
    summary: "The open target contract: a system that was made or changed to fit Kenh",
}];

/// The connector of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static TargetEntry> {
    TARGETS.iter().find(|entry| entry.name == name)
}
