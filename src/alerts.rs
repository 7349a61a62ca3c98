//! Alarms: what should make somebody look. They go to the log and, where `[alerts] webhook` is
//! set, as JSON to an address.
//!
//! Conditions are read from the database and the gates every few seconds. An alarm is raised when
//! its condition begins and repeated while it lasts; when it ends, that is said too. Alarms name
//! channels, targets and counts, never a person.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::inbound::Rejection;
use domain::order::Settings;
use domain::silence::Volume;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::config::TargetKind;
use crate::gateway::Gateway;
use crate::outbound::limits::BreakerState;
use crate::outbound::{GateKey, SendOptions};
use crate::pipeline::keepers::subscriptions::BROKEN;
use crate::store::accounts::Account;
use crate::store::{Error, accounts, alarms, polls, questions, rejections, subscriptions};

/// How often the conditions are read.
const EVERY: Duration = Duration::from_secs(10);

/// Tokens are alarmed this long before they end.
const TOKEN_WARNING_MS: i64 = 14 * 86_400_000;

/// A poll is alarmed when it came to no end for so many of its intervals.
const INTERVALS: i64 = 3;

/// Questions about payments that fail for so long are alarmed.
const QUESTIONS_FAIL_MS: i64 = 600_000;

/// So many refused signatures within an hour or two are alarmed: our secret is wrong, or somebody
/// tries to pass for the vendor.
const REFUSALS: i64 = 20;

const HOUR_MS: i64 = 3_600_000;

/// Refusals are told for so long: nothing undoes one, and a person should have looked by then.
const REFUSED_NEWS_MS: i64 = 24 * HOUR_MS;

/// Invoices are alarmed this long before the end of their legal day's time.
const INVOICE_WARNING_MS: i64 = 3_600_000;

/// One alarm as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// What it is about; the same while the condition lasts.
    pub key: String,
    /// `raised` or `cleared`.
    pub state: &'static str,
    /// One sentence.
    pub text: String,
    /// The page that says what to do.
    pub remedy: &'static str,
}

/// Reads the conditions until shutdown.
pub async fn run(gateway: Arc<Gateway>) {
    let mut standing: BTreeMap<String, i64> = BTreeMap::new();
    while !gateway.shutdown.is_triggered() {
        match conditions(&gateway).await {
            Ok(now) => raise(&gateway, &mut standing, now).await,
            Err(error) => {
                tracing::error!(error = %crate::telemetry::chain(&error), "could not read the alarms' conditions");
            }
        }
        tokio::select! {
            () = gateway.shutdown.triggered() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn raise(gateway: &Gateway, standing: &mut BTreeMap<String, i64>, now: Vec<Alarm>) {
    let at = gateway.now_ms();
    let repeat = i64::try_from(gateway.config.alerts.repeat_after_s)
        .unwrap_or(i64::MAX / 1000)
        .saturating_mul(1000);
    let ended: Vec<String> = standing
        .keys()
        .filter(|key| !now.iter().any(|alarm| alarm.key == **key))
        .cloned()
        .collect();
    for key in ended {
        standing.remove(&key);
        let alarm = Alarm {
            text: "it is over".to_owned(),
            key,
            state: "cleared",
            remedy: "docs/operating.md",
        };
        send(gateway, &alarm).await;
    }
    for alarm in now {
        let due = standing
            .get(&alarm.key)
            .is_none_or(|told| at - told >= repeat);
        if due {
            standing.insert(alarm.key.clone(), at);
            send(gateway, &alarm).await;
        }
    }
}

async fn send(gateway: &Gateway, alarm: &Alarm) {
    if gateway.config.alerts.log {
        if alarm.state == "raised" {
            tracing::error!(
                alarm = alarm.key,
                remedy = alarm.remedy,
                "alarm: {}",
                alarm.text
            );
        } else {
            tracing::info!(alarm = alarm.key, "alarm cleared");
        }
    }
    let Some(address) = &gateway.config.alerts.webhook else {
        return;
    };
    let body = serde_json::to_vec(alarm).expect("an alarm is plain data");
    let request = http::Request::post(address.expose_secret())
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(bytes::Bytes::from(body));
    let sent = match request {
        Ok(request) => {
            // Operators choose this address themselves, often inside their own network.
            let options = SendOptions {
                internal: true,
                timeout: Duration::from_secs(5),
                ..SendOptions::default()
            };
            gateway
                .client
                .send(request, &options)
                .await
                .map_err(|error| error.to_string())
                .and_then(|response| {
                    if response.status().is_success() {
                        Ok(())
                    } else {
                        Err(format!("answered {}", response.status()))
                    }
                })
        }
        Err(_) => Err("the address is not usable".to_owned()),
    };
    if let Err(reason) = sent {
        tracing::error!(
            alarm = alarm.key,
            reason,
            "could not post an alarm to [alerts] webhook"
        );
    }
}

fn alarm(key: String, text: String) -> Alarm {
    Alarm {
        key,
        state: "raised",
        text,
        remedy: "docs/operating.md",
    }
}

/// What should make somebody look now.
///
/// # Errors
/// When the database refuses.
pub async fn conditions(gateway: &Gateway) -> Result<Vec<Alarm>, Error> {
    let now = gateway.now_ms();
    let mut found = Vec::new();
    for (channel, n) in alarms::dead_notices(&gateway.db).await? {
        found.push(alarm(
            format!("dead-messages/{channel}"),
            format!("{n} messages of {channel} wait for a person"),
        ));
    }
    for (target, n) in alarms::dead_tasks(&gateway.db).await? {
        found.push(alarm(
            format!("dead-deliveries/{target}"),
            format!("{n} deliveries to {target} gave up; see `kenh redrive`"),
        ));
    }
    for (target, n) in alarms::refused_news(&gateway.db, now - REFUSED_NEWS_MS).await? {
        found.push(alarm(
            format!("refused-news/{target}"),
            format!("{target} refused {n} of our messages within a day; see its deliveries"),
        ));
    }
    let oversold = alarms::oversold(&gateway.db).await?;
    if oversold > 0 {
        found.push(alarm(
            "oversold".to_owned(),
            format!("{oversold} counters promise more than is there"),
        ));
    }
    found.extend(
        accounts::all(&gateway.db)
            .await?
            .iter()
            .filter_map(|account| of_account(account, renews_itself(gateway, account), now)),
    );
    found.extend(of_channels(gateway, now).await?);
    found.extend(of_polls(gateway, now).await?);
    for target in &gateway.config.targets {
        let open = gateway
            .gates
            .get(&GateKey::owner(&target.id))
            .is_some_and(|gate| !matches!(gate.state().breaker, BreakerState::Closed));
        if open {
            found.push(alarm(
                format!("breaker/{}", target.id),
                format!("{} does not answer; nothing is sent to it", target.id),
            ));
        }
        if target.kind == TargetKind::Invoicing
            && let Some(before) = target.deadline.and_then(|time| warning_begins(now, time))
        {
            let n = alarms::waiting_invoices(&gateway.db, &target.id, before).await?;
            if n > 0 {
                found.push(alarm(
                    format!("invoices-late/{}", target.id),
                    format!("{n} invoices are not issued and their legal day is ending"),
                ));
            }
        }
    }
    Ok(found)
}

/// Whether a channel gets new access tokens with the keys of the configuration alone.
fn renews_itself(gateway: &Gateway, account: &Account) -> bool {
    gateway
        .config
        .channel(&account.channel)
        .and_then(|channel| channel.channel.tokens())
        .is_some_and(|tokens| !tokens.needs_refresh_token())
}

/// An account that a person must authorise again, or soon must: its refresh token ends, the vendor
/// has announced an end, or there is nothing to refresh its access token with.
fn of_account(account: &Account, renews_itself: bool, now: i64) -> Option<Alarm> {
    let channel = &account.channel;
    match account.state.as_str() {
        "reauthorize" | "revoked" => {
            return Some(alarm(
                format!("authorize/{channel}"),
                format!("{channel} must be authorised again"),
            ));
        }
        "expiring" => {
            return Some(alarm(
                format!("expiring/{channel}"),
                format!("the authorisation of {channel} ends soon"),
            ));
        }
        _ => {}
    }
    let lasts = account.refresh.is_some() || renews_itself;
    let access_ends = account.access_expires_at.filter(|_| !lasts);
    let ends = [
        account.refresh_expires_at,
        account.authorized_until,
        access_ends,
    ];
    let end = ends.into_iter().flatten().min()?;
    (end - now < TOKEN_WARNING_MS).then(|| {
        alarm(
            format!("expiring/{channel}"),
            format!("the tokens or the authorisation of {channel} end within 14 days"),
        )
    })
}

/// Polls that have come to no end for several intervals: they fail, or nobody runs them.
async fn of_polls(gateway: &Gateway, now: i64) -> Result<Vec<Alarm>, Error> {
    let mut found = Vec::new();
    for position in polls::all(&gateway.db).await? {
        let channel = gateway.config.channel(&position.channel);
        let polling = channel
            .filter(|channel| channel.enabled)
            .and_then(|channel| channel.channel.polling());
        let Some(polling) = polling.filter(|p| p.kinds().contains(&position.kind.as_str())) else {
            continue;
        };
        let longest = polling.every_s(&position.kind) * 1000 * INTERVALS;
        // One that is catching up after a long pause, page by page, is at work.
        let stands = position.last_error.is_some() || now - position.updated_at > longest;
        if stands && now - position.watermark > longest {
            let reason = position.last_error.as_deref().unwrap_or("nobody polls");
            found.push(alarm(
                format!("polling/{}", position.channel),
                format!(
                    "the poll `{}` of {} has come to no end since {}: {reason}",
                    position.kind,
                    position.channel,
                    crate::pipeline::deliver::at(position.watermark),
                ),
            ));
        }
    }
    // A channel is alarmed once, whichever of its polls stands.
    found.dedup_by(|one, before| one.key == before.key);
    Ok(found)
}

/// Channels that bring nothing, whose subscription is broken, or that cannot be asked.
async fn of_channels(gateway: &Gateway, now: i64) -> Result<Vec<Alarm>, Error> {
    let mut found = Vec::new();
    let volumes = gateway
        .volumes
        .look(&gateway.db, &gateway.config, now)
        .await?;
    for (channel, standing) in volumes {
        if let Volume::Silent { expected_milli } = standing.volume {
            let expected = expected_milli / 1000;
            let since = standing.last_ms.map_or_else(
                || "so far".to_owned(),
                |last| format!("since {}", crate::pipeline::deliver::at(last)),
            );
            found.push(alarm(
                format!("silent/{channel}"),
                format!(
                    "nothing came from {channel} {since}; {expected} messages were to be expected"
                ),
            ));
        }
    }
    let is_enabled = |id: &str| {
        let channel = gateway.config.channel(id);
        channel.is_some_and(|channel| channel.enabled)
    };
    for channel in gateway.config.channels.iter().filter(|one| one.enabled) {
        let gate = gateway.gates.get(&GateKey::owner(&channel.id));
        if gate.is_some_and(|gate| !matches!(gate.state().breaker, BreakerState::Closed)) {
            found.push(alarm(
                format!("breaker/{}", channel.id),
                format!("{} does not answer; nothing is asked of it", channel.id),
            ));
        }
    }
    let last_hour = now - now.rem_euclid(HOUR_MS) - HOUR_MS;
    let mut refused: BTreeMap<String, i64> = BTreeMap::new();
    for (channel, reason, n) in rejections::counts(&gateway.db, last_hour).await? {
        if reason == Rejection::BadSignature.as_str() && is_enabled(&channel) {
            *refused.entry(channel).or_default() += n;
        }
    }
    for (channel, n) in refused {
        let language = gateway.config.channel(&channel).map(|c| &*c.channel);
        let most = match language {
            Some(language) if language.is_refusal_final() => 1,
            _ => REFUSALS,
        };
        if n >= most {
            found.push(alarm(
                format!("refused/{channel}"),
                format!(
                    "{n} requests to {channel} had a wrong signature within two hours: the secret \
                     is not the vendor's any more, or somebody forges; see `/api/v1/inbox/rejected`"
                ),
            ));
        }
    }
    for seen in subscriptions::all(&gateway.db).await? {
        if seen.state == BROKEN && is_enabled(&seen.channel) {
            let channel = &seen.channel;
            let why = seen.detail.as_deref().unwrap_or("nobody knows why");
            found.push(alarm(
                format!("subscription/{channel}"),
                format!("{channel} does not send to us any more: {why}"),
            ));
        }
    }
    for (channel, n) in questions::failing(&gateway.db, now - QUESTIONS_FAIL_MS).await? {
        if is_enabled(&channel) {
            found.push(alarm(
                format!("payments/{channel}"),
                format!("{channel} cannot be asked about {n} payments that nobody has reported on"),
            ));
        }
    }
    Ok(found)
}

/// Invoices written before this moment are late or about to be, milliseconds; `None` while the
/// day's deadline is far.
fn warning_begins(now: i64, deadline: jiff::civil::Time) -> Option<i64> {
    let zone = TimeZone::get(Settings::LEGAL_ZONE).expect("the time zone is bundled");
    let local = crate::pipeline::deliver::at(now).to_zoned_datetime(zone.clone());
    let due = zone
        .to_timestamp(local.date().to_datetime(deadline))
        .ok()?
        .as_millisecond();
    let midnight = zone
        .to_timestamp(local.date().to_datetime(jiff::civil::Time::midnight()))
        .ok()?
        .as_millisecond();
    // Before the last hour only those of an earlier day are late.
    Some(if due - now < INVOICE_WARNING_MS {
        now
    } else {
        midnight
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000_000;
    const DAY: i64 = 86_400_000;

    fn account(refresh: bool, access_ends: i64, refresh_ends: Option<i64>) -> Account {
        Account {
            channel: "shop".to_owned(),
            access: Some(vec![1]),
            refresh: refresh.then(|| vec![2]),
            access_expires_at: Some(access_ends),
            refresh_expires_at: refresh_ends,
            authorized_until: None,
            state: "ok".to_owned(),
            detail: None,
            version: 1,
            updated_at: 0,
        }
    }

    fn key(account: &Account, renews_itself: bool) -> Option<String> {
        of_account(account, renews_itself, NOW).map(|alarm| alarm.key)
    }

    #[test]
    fn an_access_token_that_nothing_can_refresh_is_alarmed_two_weeks_ahead() {
        let expiring = Some("expiring/shop".to_owned());
        assert_eq!(key(&account(false, NOW + 13 * DAY, None), false), expiring);
        assert_eq!(key(&account(false, NOW + 15 * DAY, None), false), None);
        // An hour is no alarm where it is refreshed, with a refresh token or the app's own keys.
        assert_eq!(key(&account(true, NOW + DAY / 24, None), false), None);
        assert_eq!(key(&account(false, NOW + DAY / 24, None), true), None);
    }

    #[test]
    fn the_end_that_a_vendor_names_is_alarmed_whatever_else_lasts() {
        let expiring = Some("expiring/shop".to_owned());
        let named = account(true, NOW + 90 * DAY, Some(NOW + 13 * DAY));
        assert_eq!(key(&named, false), expiring);
        let only_named = Account {
            access: None,
            access_expires_at: None,
            ..account(false, 0, Some(NOW + 13 * DAY))
        };
        assert_eq!(key(&only_named, true), expiring);
        let later = account(false, NOW + 13 * DAY, Some(NOW + 90 * DAY));
        assert_eq!(key(&later, false), expiring);
    }

    #[test]
    fn an_account_that_waits_for_a_person_is_alarmed_by_its_state() {
        let revoked = Account {
            state: "revoked".to_owned(),
            ..account(true, NOW + DAY, None)
        };
        assert_eq!(key(&revoked, false), Some("authorize/shop".to_owned()));
    }

    #[test]
    fn before_the_last_hour_only_invoices_of_an_earlier_day_are_late() {
        let noon: jiff::Timestamp = "2026-11-24T05:00:00Z".parse().unwrap();
        let midnight: jiff::Timestamp = "2026-11-23T17:00:00Z".parse().unwrap();
        let late: jiff::Timestamp = "2026-11-24T16:10:00Z".parse().unwrap();
        let deadline = jiff::civil::time(23, 55, 0, 0);
        assert_eq!(
            warning_begins(noon.as_millisecond(), deadline),
            Some(midnight.as_millisecond())
        );
        assert_eq!(
            warning_begins(late.as_millisecond(), deadline),
            Some(late.as_millisecond())
        );
    }
}
