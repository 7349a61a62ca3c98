//! Poll: what a channel has and we may have missed goes into the same inbox.
//!
//! Each poll of a channel has a watermark in the database and one worker at a time. A page is
//! stored before the position moves; if the process dies in between, the page comes again and its
//! messages are duplicates.

use std::sync::Arc;
use std::time::Duration;

use connectors::channel::{CallContext, Confirmed, PollWindow, Polled, Polling};
use connectors::inbound::VerifiedWebhook;
use futures_util::future::join_all;

use crate::config::{AppConfig, ChannelConfig};
use crate::crash;
use crate::gateway::Gateway;
use crate::pipeline::receive::prepare;
use crate::pipeline::{deliver, ingest, route, tokens};
use crate::store::inbox::ReceiptOutcome;
use crate::store::polls::{self, Position};

/// A worker may hold a poll so long, milliseconds.
const LEASE_MS: i64 = 120_000;

/// A poll that failed comes again after this, milliseconds.
const AFTER_ERROR_MS: i64 = 15_000;

/// A vendor may ask for a longer pause, up to this.
const LONGEST_PAUSE_S: u64 = 3_600;

/// Runs one poll of one channel until shutdown.
pub async fn run(gateway: Arc<Gateway>, channel: ChannelConfig, kind: &'static str) {
    while !gateway.shutdown.is_triggered() {
        let wait = match turn(&gateway, &channel, kind).await {
            Ok(wait) => wait,
            Err(reason) => {
                tracing::warn!(
                    channel = channel.id,
                    kind,
                    reason,
                    "could not poll a channel"
                );
                Duration::from_millis(AFTER_ERROR_MS.unsigned_abs())
            }
        };
        tokio::select! {
            () = gateway.shutdown.triggered() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One turn: nothing if it is not due or another worker has it, else window after window up to
/// now; how long to wait for the next.
///
/// # Errors
/// In words that are safe to log.
pub async fn turn(
    gateway: &Gateway,
    channel: &ChannelConfig,
    kind: &'static str,
) -> Result<Duration, String> {
    let Some(polling) = channel.channel.polling() else {
        return Ok(Duration::from_secs(3600));
    };
    let every_ms = polling.every_s(kind) * 1000;
    let now = gateway.now_ms();
    let token = gateway.lease_token();
    let owner = owner(gateway, channel, polling, kind);
    let claimed = polls::claim(&gateway.db, owner.id(), kind, &token, now, now + LEASE_MS)
        .await
        .map_err(|e| crate::telemetry::chain(&e))?;
    let Some(position) = claimed else {
        return Ok(Duration::from_millis(every_ms.min(5_000).unsigned_abs()));
    };
    let mut moved = false;
    let result = window(gateway, owner, polling, kind, &position, &token, &mut moved).await;
    // A cursor may be refused for good. One that is refused after a turn that failed already is
    // given up: the window begins again, and what is known already is a duplicate. A vendor that
    // has no time now has not refused it.
    let start_over = matches!(result, Err(Failure::Refused(_)))
        && !moved
        && position.cursor.is_some()
        && position.last_error.is_some();
    let next_at = gateway.now_ms()
        + match &result {
            Ok(()) => every_ms,
            Err(failure) => failure.pause_ms(),
        };
    let result = result.map_err(Failure::into_reason);
    polls::release(
        &gateway.db,
        owner.id(),
        kind,
        &token,
        &polls::TurnEnd {
            next_at,
            error: result.as_ref().err().map(String::as_str),
            start_over,
        },
        gateway.now_ms(),
    )
    .await
    .map_err(|e| crate::telemetry::chain(&e))?;
    result?;
    Ok(Duration::from_millis(
        (next_at - gateway.now_ms()).max(10).unsigned_abs(),
    ))
}

/// Who asks, and for whom.
#[derive(Clone, Copy)]
struct Owner<'a> {
    /// It calls the vendor.
    channel: &'a ChannelConfig,
    /// What comes is for all channels of this app. They share the position, so that one of them
    /// asks, whichever comes first.
    app: Option<&'a AppConfig>,
}

impl Owner<'_> {
    /// Under which the position is kept.
    fn id(&self) -> &str {
        self.app.map_or(&self.channel.id, |app| &app.id)
    }
}

fn owner<'a>(
    gateway: &'a Gateway,
    channel: &'a ChannelConfig,
    polling: &dyn Polling,
    kind: &str,
) -> Owner<'a> {
    let app = channel.app.as_deref().filter(|_| polling.is_app_wide(kind));
    Owner {
        channel,
        app: app.and_then(|id| gateway.config.app(id)),
    }
}

/// Why a page could not be read.
enum Failure {
    /// The vendor, the token or our own store cannot do it now; a vendor may say for how long.
    Later {
        after_s: Option<u64>,
        reason: String,
    },
    /// The vendor refuses this very request, or answers what we cannot read.
    Refused(String),
}

impl Failure {
    fn later(reason: impl Into<String>) -> Self {
        Self::Later {
            after_s: None,
            reason: reason.into(),
        }
    }

    fn pause_ms(&self) -> i64 {
        let asked = match self {
            Self::Later { after_s, .. } => after_s.unwrap_or(0).min(LONGEST_PAUSE_S),
            Self::Refused(_) => 0,
        };
        AFTER_ERROR_MS.max(i64::try_from(asked).unwrap_or(0) * 1000)
    }

    fn into_reason(self) -> String {
        match self {
            Self::Later { reason, .. } | Self::Refused(reason) => reason,
        }
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        Self::later(crate::telemetry::chain(&error))
    }
}

async fn window(
    gateway: &Gateway,
    owner: Owner<'_>,
    polling: &dyn Polling,
    kind: &'static str,
    position: &Position,
    token: &str,
    moved: &mut bool,
) -> Result<(), Failure> {
    let now = gateway.now_ms();
    let longest = polling.longest_window_s(kind).saturating_mul(1000);
    let end = |from: i64| now.min(from.saturating_add(longest));
    let mut watermark = position.watermark;
    let mut from = position
        .window_from
        .unwrap_or(watermark - polling.overlap_s(kind) * 1000);
    let mut to = position.window_to.unwrap_or_else(|| end(from));
    let mut cursor = position.cursor.clone();
    loop {
        let window = PollWindow {
            from: deliver::at(from),
            to: deliver::at(to),
            cursor: cursor.take(),
        };
        let asked = window.cursor.clone();
        let (found, next) = match page(gateway, owner, polling, kind, &window).await? {
            Paged::Kept { found, next } => (found, next),
            Paged::Narrow => {
                to = narrower(from, to)?;
                continue;
            }
        };
        if next.is_some() && next == asked {
            // Going on would ask for the same page for ever.
            let reason = "the vendor names the page that was just read as the next one";
            return Err(Failure::Refused(reason.to_owned()));
        }
        crash::point("poll.before_position");
        let mut goes_on = true;
        if next.is_none() {
            // A window that had to be made shorter may end within the overlap: the watermark stays
            // then, and what is left of the turn begins where this window ended.
            watermark = watermark.max(to);
            goes_on = to < now;
            from = to;
            to = end(from);
        }
        let within = |at: i64| goes_on.then_some(at);
        polls::advance(
            &gateway.db,
            owner.id(),
            kind,
            token,
            &polls::Step {
                watermark,
                window_from: within(from),
                window_to: within(to),
                cursor: next.clone(),
                found,
                now: gateway.now_ms(),
                lease_until: gateway.now_ms() + LEASE_MS,
            },
        )
        .await?;
        *moved = true;
        if !goes_on || gateway.shutdown.is_triggered() {
            return Ok(());
        }
        cursor = next;
    }
}

/// What one page came to.
enum Paged {
    /// Its messages are stored: how many were new to us, and the cursor of the next page.
    Kept { found: i64, next: Option<String> },
    /// More changed in the window than the vendor lets us page through.
    Narrow,
}

/// Half of a window that holds too much. What the next window starts with is what this one ends
/// with, so nothing falls between them.
fn narrower(from: i64, to: i64) -> Result<i64, Failure> {
    let half = from + (to - from) / 2;
    if half - from < 1000 {
        return Err(Failure::Refused(
            "more changed within a second than the vendor lets us page through".to_owned(),
        ));
    }
    Ok(half)
}

async fn page(
    gateway: &Gateway,
    owner: Owner<'_>,
    polling: &dyn Polling,
    kind: &'static str,
    window: &PollWindow,
) -> Result<Paged, Failure> {
    let channel = owner.channel;
    let later = |error: tokens::Error| Failure::later(error.to_string());
    let mut access = tokens::access(gateway, channel).await.map_err(later)?;
    let mut renewed = false;
    loop {
        let context = CallContext {
            now: gateway.clock.now(),
            access_token: access.as_ref().map(tokens::Access::token),
        };
        let response = ingest::send(gateway, channel, polling.request(kind, window, context))
            .await
            .map_err(|(after_s, reason)| Failure::Later { after_s, reason })?;
        match polling
            .read(kind, window, &response)
            .map_err(|e| Failure::Refused(e.to_string()))?
        {
            Polled::Page { messages, next } => {
                let found = keep(gateway, owner, &messages).await?;
                // Only now, when the page is durable, may the vendor forget it.
                if let Some(confirm) = polling.confirm(kind, &response, context) {
                    crash::point("poll.before_confirm");
                    let answer = ingest::send(gateway, channel, confirm)
                        .await
                        .map_err(|(after_s, reason)| Failure::Later { after_s, reason })?;
                    match polling.read_confirm(kind, &answer) {
                        Confirmed::Done => {}
                        Confirmed::Retry { after_s, reason } => {
                            return Err(Failure::Later { after_s, reason });
                        }
                        Confirmed::Refused { reason } => return Err(Failure::Refused(reason)),
                    }
                }
                return Ok(Paged::Kept { found, next });
            }
            Polled::Narrow => return Ok(Paged::Narrow),
            Polled::TokenExpired if !renewed => {
                access = Some(
                    tokens::renew(gateway, channel, access.as_ref())
                        .await
                        .map_err(later)?,
                );
                renewed = true;
            }
            Polled::TokenExpired => return Err(Failure::later("the access token is expired")),
            Polled::Retry { after_s, reason } => return Err(Failure::Later { after_s, reason }),
            Polled::Refused { reason } => return Err(Failure::Refused(reason)),
            Polled::Account { reason } => {
                tracing::error!(
                    channel = channel.id,
                    reason,
                    "a channel refuses our account"
                );
                return Err(Failure::later(reason));
            }
        }
    }
}

/// Puts the messages of a page into the inbox, all in a few commits; how many were new to us.
async fn keep(
    gateway: &Gateway,
    owner: Owner<'_>,
    messages: &[VerifiedWebhook],
) -> Result<i64, Failure> {
    let rows = messages.iter().flat_map(|message| match owner.app {
        Some(app) => route::incoming(gateway, app, message),
        None => vec![prepare(
            &owner.channel.id,
            &*owner.channel.channel,
            message,
            &gateway.keys,
            gateway.now_ms(),
        )],
    });
    let stored = rows.map(|row| gateway.receiver.store(row));
    let mut found = 0;
    for stored in join_all(stored).await {
        let stored = stored.map_err(|e| Failure::later(e.to_string()))?;
        if stored.outcome == ReceiptOutcome::New {
            found += 1;
        }
    }
    Ok(found)
}
