//! `/api/v1/channels` and `/api/v1/targets`: is everything well? Counts are of the last 24 hours.
//! Tokens are never shown, only whether and until when they work.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::silence::Volume;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::problem::Problem;
use crate::gateway::Gateway;
use crate::outbound::limits::BreakerState;
use crate::outbound::{Gate, GateKey};
use crate::pipeline::keepers::silence::Standing;
use crate::store::accounts::{self, Account};
use crate::store::health::{self, Outbox, Traffic};
use crate::store::polls::{self, Position};
use crate::store::subscriptions::{self, Subscription};
use crate::store::upkeep::{self, Waiting};
use crate::store::{Error, found, rejections};

const DAY_MS: i64 = 86_400_000;

const HOUR_MS: i64 = 3_600_000;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(channels))
        .routes(routes!(targets))
}

/// What came in through a door in the last 24 hours, and what waits.
#[derive(Debug, Serialize, ToSchema)]
struct Intake {
    /// When the last message came; null if none ever came.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_message_at: Option<Timestamp>,
    /// Messages that were new.
    new: i64,
    /// Messages that came again.
    duplicate: i64,
    /// Messages that came again with other content.
    conflict: i64,
    /// Requests that were not believed, by reason.
    rejected: Vec<RejectedCount>,
    /// Notices that wait.
    waiting: i64,
    /// Notices that need a person.
    dead: i64,
    /// Age of the oldest notice that waits.
    queue_age_s: i64,
}

/// Requests that were not believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct RejectedCount {
    /// Why, such as `bad_signature`.
    reason: String,
    /// How many.
    count: i64,
}

/// Where a gate stands.
#[derive(Debug, Serialize, ToSchema)]
struct Flow {
    /// `closed`, `half_open` or `open`: with an open breaker nothing is sent.
    breaker: &'static str,
    /// What holds calls back now: `concurrency`, `rate`, `breaker`, `throttled` or `account`.
    held_by: Option<&'static str>,
    /// How long it still does, where that is known.
    held_for_ms: Option<u64>,
    /// Calls of this process under way.
    calls: usize,
}

impl Flow {
    fn of(gate: &Gate) -> Self {
        let state = gate.state();
        Self {
            breaker: match state.breaker {
                BreakerState::Closed => "closed",
                BreakerState::HalfOpen => "half_open",
                BreakerState::Open { .. } => "open",
            },
            held_by: state.held.map(|wait| wait.cause.as_str()),
            held_for_ms: state
                .held
                .and_then(|wait| wait.retry_in)
                .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            calls: state.in_flight,
        }
    }
}

/// An account's tokens: only how they stand.
#[derive(Debug, Serialize, ToSchema)]
struct AccountHealth {
    /// `ok`, `expiring`, `reauthorize` or `revoked`.
    state: String,
    /// Words beside the state.
    detail: Option<String>,
    /// When the access token ends; it is refreshed before.
    #[schema(value_type = Option<String>, format = DateTime)]
    access_expires_at: Option<Timestamp>,
    /// When the refresh token ends: a person must authorise again before.
    #[schema(value_type = Option<String>, format = DateTime)]
    refresh_expires_at: Option<Timestamp>,
    /// When the authorisation itself ends, as the vendor has announced: no refresh puts it off.
    #[schema(value_type = Option<String>, format = DateTime)]
    authorized_until: Option<Timestamp>,
    /// Last change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Account> for AccountHealth {
    fn from(account: Account) -> Self {
        Self {
            state: account.state,
            detail: account.detail,
            access_expires_at: account.access_expires_at.map(time),
            refresh_expires_at: account.refresh_expires_at.map(time),
            authorized_until: account.authorized_until.map(time),
            updated_at: time(account.updated_at),
        }
    }
}

/// Where a poll stands.
#[derive(Debug, Serialize, ToSchema)]
struct PollHealth {
    /// Which poll, such as `orders`.
    kind: String,
    /// All changes before this are in the inbox.
    #[schema(value_type = String, format = DateTime)]
    watermark: Timestamp,
    /// Messages that this poll brought and that were new.
    found: i64,
    /// Why the last turn failed.
    last_error: Option<String>,
    /// Last turn or page.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Position> for PollHealth {
    fn from(position: Position) -> Self {
        Self {
            kind: position.kind,
            watermark: time(position.watermark),
            found: position.found,
            last_error: position.last_error,
            updated_at: time(position.updated_at),
        }
    }
}

/// Whether as many messages come as usual, by the hours of the weeks before.
#[derive(Debug, Serialize, ToSchema)]
struct VolumeHealth {
    /// `learning` (less than two weeks are known), `usual` or `silent`.
    state: &'static str,
    /// Messages that were to be expected since the last one; null while it is learned.
    expected_since_last: Option<i64>,
    /// When the last message came that counts: pushes; of a channel without a door, polled ones.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_at: Option<Timestamp>,
}

impl From<Standing> for VolumeHealth {
    fn from(standing: Standing) -> Self {
        Self {
            state: standing.volume.as_str(),
            expected_since_last: match standing.volume {
                Volume::Learning => None,
                Volume::Usual { expected_milli } | Volume::Silent { expected_milli } => {
                    Some(expected_milli / 1000)
                }
            },
            last_at: standing.last_ms.map(time),
        }
    }
}

/// How a webhook subscription stood when it was last looked after.
#[derive(Debug, Serialize, ToSchema)]
struct SubscriptionHealth {
    /// `good`, `broken` (a person must look), `unreachable` or `unset` (a setting is missing).
    state: String,
    /// Why, where it is not good.
    detail: Option<String>,
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
}

impl From<Subscription> for SubscriptionHealth {
    fn from(seen: Subscription) -> Self {
        Self {
            state: seen.state,
            detail: seen.detail,
            checked_at: time(seen.checked_at),
        }
    }
}

/// A channel, or an app whose door several channels share.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelHealth {
    /// Id.
    id: String,
    /// `channel` or `app`.
    kind: &'static str,
    /// Which vendor's language is spoken.
    connector: String,
    /// The app whose door it uses: requests that were not believed are counted there.
    app: Option<String>,
    /// Its door is open.
    enabled: bool,
    /// The vendor does not sign bodies: nothing is believed that we did not fetch.
    weak: bool,
    /// What came in.
    intake: Intake,
    /// Calls to the vendor; null for an app.
    flow: Option<Flow>,
    /// Its tokens, where the vendor has them.
    account: Option<AccountHealth>,
    /// Its polls.
    polls: Vec<PollHealth>,
    /// Orders that polling or a reconciliation brought or changed before any push did: what the
    /// pushes lost, or brought late.
    found_by_poll: i64,
    /// Whether as many messages come as usual; null for an app and for a closed channel.
    volume: Option<VolumeHealth>,
    /// Its webhook subscription, where the vendor deletes or disables them.
    subscription: Option<SubscriptionHealth>,
}

/// All channels.
#[derive(Debug, Serialize, ToSchema)]
struct Channels {
    /// In the order of the configuration, apps last.
    data: Vec<ChannelHealth>,
}

/// What the intake of all doors is read from, in a fixed number of queries.
struct Readings {
    now: i64,
    traffic: HashMap<String, Traffic>,
    rejected: HashMap<String, Vec<RejectedCount>>,
    waiting: Vec<Waiting>,
    dead: HashMap<String, i64>,
}

impl Readings {
    async fn take(gateway: &Gateway, ids: &[String]) -> Result<Self, Error> {
        let now = gateway.now_ms();
        let since = now - DAY_MS;
        let mut rejected: HashMap<String, Vec<RejectedCount>> = HashMap::new();
        // Rejections are counted by the hour: the hour that the day began in counts in full.
        let first_hour = since - since.rem_euclid(HOUR_MS);
        for (channel, reason, count) in rejections::counts(&gateway.db, first_hour).await? {
            rejected
                .entry(channel)
                .or_default()
                .push(RejectedCount { reason, count });
        }
        Ok(Self {
            now,
            traffic: health::traffic(&gateway.db, since, ids).await?,
            rejected,
            waiting: upkeep::inbox_backlog(&gateway.db).await?,
            dead: health::dead_notices(&gateway.db).await?,
        })
    }

    fn intake(&mut self, id: &str) -> Intake {
        let traffic = self.traffic.get(id).copied().unwrap_or_default();
        let waiting = self.waiting.iter().find(|row| row.channel == id);
        Intake {
            last_message_at: traffic.last_message_at.map(time),
            new: traffic.receipts.new,
            duplicate: traffic.receipts.duplicate,
            conflict: traffic.receipts.conflict,
            rejected: self.rejected.remove(id).unwrap_or_default(),
            waiting: waiting.map_or(0, |row| row.waiting),
            dead: self.dead.get(id).copied().unwrap_or(0),
            queue_age_s: age_s(self.now, waiting.and_then(|row| row.oldest)),
        }
    }
}

fn age_s(now: i64, oldest: Option<i64>) -> i64 {
    oldest.map_or(0, |at| (now - at).max(0) / 1000)
}

fn flow(gateway: &Gateway, id: &str) -> Option<Flow> {
    gateway
        .gates
        .get(&GateKey::owner(id))
        .map(|gate| Flow::of(&gate))
}

/// Health of all channels
#[utoipa::path(
    get, path = "/channels", tag = "health", operation_id = "list_channels",
    responses((status = 200, description = "All channels", body = Channels)),
    security(("token" = ["channels:read"])),
)]
async fn channels(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Json<Channels>, Problem> {
    caller.require(Scope::ChannelsRead)?;
    let config = &gateway.config;
    let ids: Vec<String> = config
        .channels
        .iter()
        .map(|channel| &channel.id)
        .chain(config.apps.iter().map(|app| &app.id))
        .cloned()
        .collect();
    let mut readings = Readings::take(&gateway, &ids).await?;
    let mut accounts: HashMap<String, Account> = accounts::all(&gateway.db)
        .await?
        .into_iter()
        .map(|account| (account.channel.clone(), account))
        .collect();
    let found = found::all(&gateway.db).await?;
    let mut positions: HashMap<String, Vec<PollHealth>> = HashMap::new();
    for position in polls::all(&gateway.db).await? {
        positions
            .entry(position.channel.clone())
            .or_default()
            .push(position.into());
    }
    let mut volumes = gateway
        .volumes
        .look(&gateway.db, config, gateway.now_ms())
        .await?;
    let mut subscribed: HashMap<String, Subscription> = subscriptions::all(&gateway.db)
        .await?
        .into_iter()
        .map(|seen| (seen.channel.clone(), seen))
        .collect();
    let mut data = Vec::with_capacity(ids.len());
    for channel in &config.channels {
        data.push(ChannelHealth {
            id: channel.id.clone(),
            kind: "channel",
            connector: channel.connector.clone(),
            app: channel.app.clone(),
            enabled: channel.enabled,
            weak: channel.channel.weak(),
            intake: readings.intake(&channel.id),
            flow: flow(&gateway, &channel.id),
            account: accounts.remove(&channel.id).map(AccountHealth::from),
            polls: positions.remove(&channel.id).unwrap_or_default(),
            found_by_poll: found.get(&channel.id).copied().unwrap_or(0),
            volume: volumes.remove(&channel.id).map(VolumeHealth::from),
            subscription: subscribed.remove(&channel.id).map(SubscriptionHealth::from),
        });
    }
    for app in &config.apps {
        data.push(ChannelHealth {
            id: app.id.clone(),
            kind: "app",
            connector: app.connector.clone(),
            app: None,
            enabled: app.enabled,
            weak: app.channel.weak(),
            intake: readings.intake(&app.id),
            flow: None,
            account: None,
            polls: positions.remove(&app.id).unwrap_or_default(),
            found_by_poll: 0,
            volume: None,
            subscription: None,
        });
    }
    Ok(Json(Channels { data }))
}

/// A target.
#[derive(Debug, Serialize, ToSchema)]
struct TargetHealth {
    /// Id.
    id: String,
    /// `inventory`, `invoicing`, `service_center`, `carrier` or `notify`.
    kind: &'static str,
    /// Which language is spoken.
    connector: String,
    /// Deliveries go out; its callbacks are taken all the same.
    enabled: bool,
    /// Calls to it; those of this process.
    flow: Option<Flow>,
    /// Deliveries that wait.
    waiting: i64,
    /// Deliveries under way, of all processes.
    in_flight: i64,
    /// Deliveries that need a person.
    dead: i64,
    /// Age of the oldest delivery that waits or is under way.
    queue_age_s: i64,
    /// When a delivery last succeeded; null if none of the newest 20,000 deliveries did.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_delivered_at: Option<Timestamp>,
    /// Its callbacks.
    callbacks: Intake,
}

/// All targets.
#[derive(Debug, Serialize, ToSchema)]
struct Targets {
    /// In the order of the configuration.
    data: Vec<TargetHealth>,
}

/// Health of all targets
#[utoipa::path(
    get, path = "/targets", tag = "health", operation_id = "list_targets",
    responses((status = 200, description = "All targets", body = Targets)),
    security(("token" = ["channels:read"])),
)]
async fn targets(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Json<Targets>, Problem> {
    caller.require(Scope::ChannelsRead)?;
    let configured = &gateway.config.targets;
    let ids: Vec<String> = configured.iter().map(|target| target.id.clone()).collect();
    let mut readings = Readings::take(&gateway, &ids).await?;
    let outboxes = health::outboxes(&gateway.db).await?;
    let data = configured
        .iter()
        .map(|target| {
            let outbox: Outbox = outboxes.get(&target.id).copied().unwrap_or_default();
            TargetHealth {
                id: target.id.clone(),
                kind: target.kind.as_str(),
                connector: target.connector.clone(),
                enabled: target.enabled,
                flow: flow(&gateway, &target.id),
                waiting: outbox.waiting,
                in_flight: outbox.in_flight,
                dead: outbox.dead,
                queue_age_s: age_s(readings.now, outbox.oldest),
                last_delivered_at: outbox.last_delivered_at.map(time),
                callbacks: readings.intake(&target.id),
            }
        })
        .collect();
    Ok(Json(Targets { data }))
}
