//! Short-lived access tokens of channels.
//!
//! One refresh per account at a time, under a lease in the account's row. The new pair is stored
//! before its first use. If the process dies after the vendor answered and before the pair was
//! stored, the next refresh goes out with the old refresh token: a vendor that still takes it gives
//! another pair, one that does not refuses it, and the account is marked at once so that a person
//! authorises it again. Nothing else is lost: whatever needs the token waits.
//!
//! Where the keys of the configuration are enough for a new access token (client credentials), the
//! account makes itself at the first call, under the same lease, and a refusal is tried again after
//! a while: whoever mends the keys need not import anything.

use std::sync::Arc;
use std::time::Duration;

use connectors::channel::{Channel, Refreshed, TokenPair, Tokens};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::clock::SharedClock;
use crate::config::ChannelConfig;
use crate::crash;
use crate::crypto::KeyRing;
use crate::gateway::Gateway;
use crate::outbound::{Client, SendOptions};
use crate::store::Db;
use crate::store::accounts::{self, Account, SealedPair};

/// State of an account that a person must authorise again.
pub const REAUTHORIZE: &str = "reauthorize";

/// Keys that the vendor refused are tried again after this, milliseconds.
const KEYS_AGAIN_MS: i64 = 600_000;

/// A refresh may take at least this long before another worker tries, milliseconds.
const LEASE_MS: i64 = 60_000;

/// A fresh pair that could not be stored is stored again after this.
const STORE_AGAIN: Duration = Duration::from_millis(200);

/// Why there is no usable access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody has imported tokens for this channel.
    #[error("channel {0} has no tokens; run `kenh token import {0} …`")]
    NoTokens(String),
    /// The vendor wants a person to authorise again.
    #[error("channel {channel} must be authorised again: {reason}")]
    Reauthorize {
        /// Channel.
        channel: String,
        /// The vendor's reason.
        reason: String,
    },
    /// Not now.
    #[error("could not refresh the token of channel {channel}: {reason}")]
    Later {
        /// Channel.
        channel: String,
        /// Why.
        reason: String,
    },
}

/// An access token, and the version of the account that it is of.
#[derive(Debug, Clone)]
pub struct Access {
    token: SecretString,
    version: i64,
}

impl Access {
    /// The token.
    #[must_use]
    pub fn token(&self) -> &SecretString {
        &self.token
    }
}

/// The access token in force, refreshed when it is about to end; `None` for vendors that have
/// none.
///
/// # Errors
/// When there is none and none can be had now.
pub async fn access(gateway: &Gateway, channel: &ChannelConfig) -> Result<Option<Access>, Error> {
    let Some(tokens) = channel.channel.tokens() else {
        return Ok(None);
    };
    let account = load(gateway, channel, tokens).await?;
    let early = tokens.refresh_early_s() * 1000;
    if account.access_expires_at.unwrap_or(0) - early > gateway.now_ms() {
        return of(gateway, channel, &account).map(Some);
    }
    refresh(gateway, channel, tokens, account.version)
        .await
        .map(Some)
}

/// Replaces an access token that the vendor refused. Many calls may have gone out with it: only
/// the first of them to come here refreshes, and the others get what it got.
///
/// # Errors
/// When no new one can be had now.
pub async fn renew(
    gateway: &Gateway,
    channel: &ChannelConfig,
    refused: Option<&Access>,
) -> Result<Access, Error> {
    let no_tokens = || Error::NoTokens(channel.id.clone());
    let tokens = channel.channel.tokens().ok_or_else(no_tokens)?;
    let refused = refused.ok_or_else(no_tokens)?;
    refresh(gateway, channel, tokens, refused.version).await
}

fn of(gateway: &Gateway, channel: &ChannelConfig, account: &Account) -> Result<Access, Error> {
    Ok(Access {
        token: open(&gateway.keys, channel, account.access.as_deref())?,
        version: account.version,
    })
}

/// The account, if it can be used at all: a refresh that the vendor has refused for good is not
/// tried again until a person has brought a new pair.
async fn load(
    gateway: &Gateway,
    channel: &ChannelConfig,
    tokens: &dyn Tokens,
) -> Result<Account, Error> {
    let refused = |error: crate::store::Error| later(channel, crate::telemetry::chain(&error));
    let found = accounts::load(&gateway.db, &channel.id)
        .await
        .map_err(refused)?;
    let account = if tokens.needs_refresh_token() {
        found.filter(|account| account.refresh.is_some() || account.access.is_some())
    } else if found.is_some() {
        found
    } else {
        accounts::open(&gateway.db, &channel.id, gateway.now_ms())
            .await
            .map_err(refused)?
    }
    .ok_or_else(|| Error::NoTokens(channel.id.clone()))?;
    let pause_is_over =
        !tokens.needs_refresh_token() && gateway.now_ms() - account.updated_at >= KEYS_AGAIN_MS;
    if account.state == REAUTHORIZE && !pause_is_over {
        return Err(Error::Reauthorize {
            channel: channel.id.clone(),
            reason: account.detail.unwrap_or_default(),
        });
    }
    Ok(account)
}

fn later(channel: &ChannelConfig, reason: String) -> Error {
    Error::Later {
        channel: channel.id.clone(),
        reason,
    }
}

fn open(
    keys: &KeyRing,
    channel: &ChannelConfig,
    sealed: Option<&[u8]>,
) -> Result<SecretString, Error> {
    let sealed = sealed.ok_or_else(|| Error::NoTokens(channel.id.clone()))?;
    let plain = keys
        .open(sealed, place(&channel.id).as_bytes())
        .map_err(|_| later(channel, "the stored token does not open".to_owned()))?;
    let text = std::str::from_utf8(&plain)
        .map_err(|_| later(channel, "the stored token is damaged".to_owned()))?;
    Ok(SecretString::from(text.to_owned()))
}

/// Binds a sealed token to its channel.
#[must_use]
pub fn place(channel: &str) -> String {
    format!("token/{channel}")
}

/// Seals a pair for the account's row.
#[must_use]
pub fn seal_pair(keys: &KeyRing, channel: &str, pair: &TokenPair) -> SealedPair {
    let place = place(channel);
    SealedPair {
        access: keys.seal(pair.access.expose_secret().as_bytes(), place.as_bytes()),
        refresh: pair
            .refresh
            .as_ref()
            .map(|r| keys.seal(r.expose_secret().as_bytes(), place.as_bytes())),
        access_expires_at: pair.access_expires_at.as_millisecond(),
        refresh_expires_at: pair.refresh_expires_at.map(|t| t.as_millisecond()),
    }
}

/// Refreshes unless somebody else does: then waits for their pair.
async fn refresh(
    gateway: &Gateway,
    channel: &ChannelConfig,
    tokens: &dyn Tokens,
    seen_version: i64,
) -> Result<Access, Error> {
    // A call that is still under way must never lose its lease: a second use of a single-use
    // refresh token kills the account.
    let timeout_ms = i64::try_from(channel.calls.timeout_ms).unwrap_or(i64::MAX / 4);
    for _ in 0..=(timeout_ms / 100 + 50) {
        let attempt = Attempt {
            db: gateway.db.clone(),
            keys: Arc::clone(&gateway.keys),
            client: gateway.client.clone(),
            clock: Arc::clone(&gateway.clock),
            channel: channel.clone(),
            lease: gateway.lease_token(),
            lease_ms: (2 * timeout_ms).max(LEASE_MS),
        };
        // In a task of its own: whoever asked may be gone before the vendor has answered (a client
        // hangs up, and its handler is dropped), and the pair must be stored all the same.
        let ended = gateway.shutdown.spawn(attempt.run(seen_version)).await;
        let ended = ended.map_err(|_| later(channel, "the refresh ended badly".to_owned()))?;
        if let Some(access) = ended? {
            return Ok(access);
        }
        let account = load(gateway, channel, tokens).await?;
        if account.version != seen_version {
            return of(gateway, channel, &account);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(later(channel, "another worker is refreshing it".to_owned()))
}

/// One try to get a new pair, with all that it needs: it outlives its caller.
struct Attempt {
    db: Db,
    keys: Arc<KeyRing>,
    client: Client,
    clock: SharedClock,
    channel: ChannelConfig,
    lease: String,
    lease_ms: i64,
}

impl Attempt {
    /// The new token; `None` where another worker has the lease, or was faster.
    async fn run(self, seen_version: i64) -> Result<Option<Access>, Error> {
        let channel = &self.channel;
        let Some(tokens) = channel.channel.tokens() else {
            return Err(Error::NoTokens(channel.id.clone()));
        };
        let now = self.clock.now_ms();
        let until = now + self.lease_ms;
        let lease_ends = Instant::now() + Duration::from_millis(self.lease_ms.unsigned_abs());
        let claimed =
            accounts::claim(&self.db, &channel.id, &self.lease, seen_version, now, until).await;
        let claimed = claimed.map_err(|error| later(channel, crate::telemetry::chain(&error)))?;
        match claimed {
            Some(account) => self.call(tokens, &account, lease_ends).await.map(Some),
            None => Ok(None),
        }
    }

    async fn call(
        &self,
        tokens: &dyn Tokens,
        account: &Account,
        lease_ends: Instant,
    ) -> Result<Access, Error> {
        let channel = &self.channel;
        let refresh_token = match &account.refresh {
            None if !tokens.needs_refresh_token() => SecretString::default(),
            sealed => open(&self.keys, channel, sealed.as_deref())?,
        };
        let request = tokens.refresh(&refresh_token, self.clock.now());
        let options = SendOptions {
            timeout: Duration::from_millis(channel.calls.timeout_ms),
            internal: channel.calls.internal,
            ..SendOptions::default()
        };
        crash::point("tokens.before_refresh");
        let refreshed = match self.client.send(request, &options).await {
            Ok(response) => tokens.read_refresh(&response, self.clock.now()),
            Err(error) => Refreshed::Retry {
                reason: error.to_string(),
            },
        };
        match refreshed {
            Refreshed::Pair(pair) => {
                crash::point("tokens.after_answer");
                let sealed = seal_pair(&self.keys, &channel.id, &pair);
                self.store(&sealed, lease_ends).await.map_err(|error| {
                    let error = crate::telemetry::chain(&error);
                    tracing::error!(
                        channel = channel.id,
                        error,
                        "a fresh token pair could not be stored; the account may have to be authorised again"
                    );
                    later(channel, error)
                })?;
                crash::point("tokens.after_store");
                tracing::info!(channel = channel.id, "refreshed the channel's access token");
                Ok(Access {
                    token: pair.access,
                    version: account.version + 1,
                })
            }
            Refreshed::Retry { reason } => {
                self.release("ok", None).await;
                Err(later(channel, reason))
            }
            Refreshed::Reauthorize { reason } => {
                self.release(REAUTHORIZE, Some(&reason)).await;
                tracing::error!(
                    channel = channel.id,
                    reason,
                    "a channel must be authorised again by a person"
                );
                Err(Error::Reauthorize {
                    channel: channel.id.clone(),
                    reason,
                })
            }
        }
    }

    /// Stores the pair, again and again while the lease lasts: the vendor takes the old refresh
    /// token no more, and the new one is nowhere but here.
    async fn store(
        &self,
        pair: &SealedPair,
        lease_ends: Instant,
    ) -> Result<(), crate::store::Error> {
        let id = &self.channel.id;
        loop {
            let now = self.clock.now_ms();
            match accounts::store_pair(&self.db, id, &self.lease, now, pair).await {
                Ok(()) => return Ok(()),
                Err(error @ crate::store::Error::Conflict { .. }) => {
                    // An earlier try may have come through, and only its answer been lost.
                    let stored = accounts::load(&self.db, id).await?;
                    let is_ours = stored.is_some_and(|s| s.access.as_ref() == Some(&pair.access));
                    return if is_ours { Ok(()) } else { Err(error) };
                }
                Err(error) if Instant::now() + STORE_AGAIN >= lease_ends => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        channel = id,
                        error = %crate::telemetry::chain(&error),
                        "could not store a fresh token pair; trying again"
                    );
                    tokio::time::sleep(STORE_AGAIN).await;
                }
            }
        }
    }

    async fn release(&self, state: &str, detail: Option<&str>) {
        let now = self.clock.now_ms();
        let id = &self.channel.id;
        if let Err(error) = accounts::release(&self.db, id, &self.lease, now, state, detail).await {
            tracing::warn!(channel = id, error = %crate::telemetry::chain(&error), "could not release a token lease; it will expire");
        }
    }
}

/// Whether the connector has tokens at all.
#[must_use]
pub fn needed(channel: &dyn Channel) -> bool {
    channel.tokens().is_some()
}
