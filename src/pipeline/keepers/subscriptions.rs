//! Subscriptions: looks whether vendors still send to our doors, and puts right what can be put
//! right from here.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use connectors::channel::CallContext;
use connectors::feedback::{Subscribed, Subscriptions};

use crate::config::ChannelConfig;
use crate::gateway::Gateway;
use crate::pipeline::{ingest, tokens};
use crate::store::Error;
use crate::store::subscriptions::{self, Subscription};

/// Everything that is needed is subscribed.
pub const GOOD: &str = "good";
/// A person must put it right.
pub const BROKEN: &str = "broken";
/// The vendor could not be asked.
pub const UNREACHABLE: &str = "unreachable";
/// A setting is missing.
pub const UNSET: &str = "unset";

/// Calls of one look at most; a connector that wants more is going in circles.
const MOST_PARTS: usize = 64;

/// A vendor that could not be asked is asked again after this, milliseconds.
const AGAIN_MS: i64 = 120_000;

/// Looks after all subscriptions.
#[derive(Debug, Default)]
pub(super) struct Keeper;

impl super::Keeper for Keeper {
    const ROLE: &'static str = "subscriptions";
    const EVERY: Duration = Duration::from_secs(30);
    const LEASE_MS: i64 = 300_000;

    async fn turn(&mut self, gateway: &Gateway) -> Result<(), Error> {
        turn(gateway).await
    }
}

/// Looks at every subscription whose time has come.
///
/// # Errors
/// When the database refuses.
pub async fn turn(gateway: &Gateway) -> Result<(), Error> {
    let seen: BTreeMap<String, Subscription> = subscriptions::all(&gateway.db)
        .await?
        .into_iter()
        .map(|seen| (seen.channel.clone(), seen))
        .collect();
    for channel in gateway.config.channels.iter().filter(|c| c.enabled) {
        if gateway.shutdown.is_triggered() {
            return Ok(());
        }
        let Some(kept) = channel.channel.subscriptions() else {
            continue;
        };
        let before = seen.get(&channel.id);
        if before.is_some_and(|seen| due_at(seen, kept) > gateway.now_ms()) {
            continue;
        }
        let (state, detail) = look(gateway, channel, kept).await;
        let after = standing(gateway, channel, before, state, detail);
        subscriptions::put(&gateway.db, &after).await?;
    }
    Ok(())
}

fn due_at(seen: &Subscription, kept: &dyn Subscriptions) -> i64 {
    let every_ms = kept.every_s().saturating_mul(1000);
    let pause = if seen.state == UNREACHABLE {
        every_ms.min(AGAIN_MS)
    } else {
        every_ms
    };
    seen.checked_at.saturating_add(pause)
}

/// What a look leaves behind. A subscription that was broken stays so while its vendor cannot be
/// asked.
fn standing(
    gateway: &Gateway,
    channel: &ChannelConfig,
    before: Option<&Subscription>,
    state: &'static str,
    detail: Option<String>,
) -> Subscription {
    let checked_at = gateway.now_ms();
    match before {
        Some(seen) if seen.state == BROKEN && state == UNREACHABLE => Subscription {
            checked_at,
            ..seen.clone()
        },
        Some(_) | None => {
            if before.is_none_or(|seen| seen.state != state) && state != GOOD {
                tracing::warn!(
                    channel = channel.id,
                    state,
                    reason = detail.as_deref().unwrap_or_default(),
                    "a webhook subscription is not as it should be"
                );
            }
            Subscription {
                channel: channel.id.clone(),
                state: state.to_owned(),
                detail,
                checked_at,
            }
        }
    }
}

/// The public address of the door that a channel uses.
fn door(gateway: &Gateway, channel: &ChannelConfig) -> Option<String> {
    let host = gateway.config.server.public_url.as_ref()?;
    let id = channel.app.as_ref().unwrap_or(&channel.id);
    Some(format!("{host}/webhooks/{id}"))
}

async fn look(
    gateway: &Gateway,
    channel: &ChannelConfig,
    kept: &dyn Subscriptions,
) -> (&'static str, Option<String>) {
    let door = door(gateway, channel);
    let door = door.as_deref();
    let mut access = match tokens::access(gateway, channel).await {
        Ok(access) => access,
        Err(error) => return (UNREACHABLE, Some(error.to_string())),
    };
    let mut renewed = false;
    let mut got: Vec<Bytes> = Vec::new();
    while got.len() < MOST_PARTS {
        let context = CallContext {
            now: gateway.clock.now(),
            access_token: access.as_ref().map(tokens::Access::token),
        };
        let request = match kept.request(door, &got, context) {
            Ok(request) => request,
            Err(error) => return (UNSET, Some(error.to_string())),
        };
        let response = match ingest::send(gateway, channel, request).await {
            Ok(response) => response,
            Err((_, reason)) => return (UNREACHABLE, Some(reason)),
        };
        match kept.read(door, &got, &response) {
            Subscribed::Part(part) => got.push(part),
            Subscribed::Good => return (GOOD, None),
            Subscribed::Repaired => {
                tracing::warn!(
                    channel = channel.id,
                    "a webhook subscription was gone or disabled and is in force again; what was missed comes by polling"
                );
                return (GOOD, None);
            }
            Subscribed::TokenExpired if !renewed => {
                renewed = true;
                access = match tokens::renew(gateway, channel, access.as_ref()).await {
                    Ok(access) => Some(access),
                    Err(error) => return (UNREACHABLE, Some(error.to_string())),
                };
            }
            Subscribed::TokenExpired => {
                return (UNREACHABLE, Some("the access token is expired".to_owned()));
            }
            Subscribed::Retry { reason } => return (UNREACHABLE, Some(reason)),
            Subscribed::Broken { reason } => return (BROKEN, Some(reason)),
        }
    }
    (
        BROKEN,
        Some("the vendor's calls never come to an end".to_owned()),
    )
}
