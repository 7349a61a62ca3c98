//! Route: which channels a message of an app belongs to.
//!
//! Only the app's keys are shared: each part of a message is read by the connector of the channel
//! that has the account, with that channel's settings. What belongs to no channel stays under the
//! app's id, dead and therefore seen.

use std::panic::{AssertUnwindSafe, catch_unwind};

use connectors::inbound::{NoticeKind, Part, VerifiedWebhook};
use connectors::payload;

use super::receive::prepare;
use crate::config::AppConfig;
use crate::gateway::Gateway;
use crate::store::inbox::{Incoming, NewNotice, NewState};

/// The rows of a message, one for each account in it; never none.
#[must_use]
pub fn incoming(gateway: &Gateway, app: &AppConfig, message: &VerifiedWebhook) -> Vec<Incoming> {
    let whole = || Part {
        account: None,
        message: message.clone(),
    };
    // A connector must not panic on input; if one does, the message is still not lost.
    let mut parts = catch_unwind(AssertUnwindSafe(|| app.channel.by_account(message)))
        .unwrap_or_else(|_| vec![whole()]);
    if parts.is_empty() {
        parts.push(whole());
    }
    parts.iter().map(|part| row(gateway, app, part)).collect()
}

fn row(gateway: &Gateway, app: &AppConfig, part: &Part) -> Incoming {
    let now = gateway.now_ms();
    let channel = part
        .account
        .as_ref()
        .and_then(|account| app.accounts.get(account))
        .and_then(|id| gateway.config.channel(id));
    if let Some(channel) = channel {
        let inbound = &*channel.channel;
        return prepare(&channel.id, inbound, &part.message, &gateway.keys, now);
    }
    let mut parked = prepare(&app.id, &*app.channel, &part.message, &gateway.keys, now);
    let Some(account) = &part.account else {
        // What asks for nothing, or cannot be read at all, says so itself.
        for notice in &mut parked.notices {
            if matches!(notice.state, NewState::Waiting) {
                notice.state = NewState::Dead(NO_ACCOUNT.to_owned());
            }
        }
        return parked;
    };
    let account = payload::word(account);
    tracing::error!(
        app = app.id,
        account,
        "a message names an account that no channel has; it is parked"
    );
    parked.notices = vec![NewNotice {
        kind: NoticeKind::Account.as_str(),
        key: None,
        state: NewState::Dead(format!(
            "no channel is configured for its account {account}"
        )),
    }];
    parked
}

const NO_ACCOUNT: &str = "it names no account by which its app could find a channel";
