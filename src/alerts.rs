//! Alarms: what should make somebody look. They go to the log and, where `[alerts] webhook` is
//! set, as JSON to an address.
//!
//! Conditions are read from the database and the gates every few seconds. An alarm is raised when
//! its condition begins and repeated while it lasts; when it ends, that is said too. Alarms name
//! channels, targets and counts, never a person.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::order::Settings;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::config::TargetKind;
use crate::gateway::Gateway;
use crate::outbound::limits::BreakerState;
use crate::outbound::{GateKey, SendOptions};
use crate::store::{Error, accounts, alarms};

/// How often the conditions are read.
const EVERY: Duration = Duration::from_secs(10);

/// Tokens are alarmed this long before they end.
const TOKEN_WARNING_MS: i64 = 14 * 86_400_000;

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
async fn conditions(gateway: &Gateway) -> Result<Vec<Alarm>, Error> {
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
    let oversold = alarms::oversold(&gateway.db).await?;
    if oversold > 0 {
        found.push(alarm(
            "oversold".to_owned(),
            format!("{oversold} counters promise more than is there"),
        ));
    }
    for account in accounts::all(&gateway.db).await? {
        let channel = &account.channel;
        match account.state.as_str() {
            "reauthorize" | "revoked" => found.push(alarm(
                format!("authorize/{channel}"),
                format!("{channel} must be authorised again"),
            )),
            "expiring" => found.push(alarm(
                format!("expiring/{channel}"),
                format!("the authorisation of {channel} ends soon"),
            )),
            _ => {
                if account
                    .refresh_expires_at
                    .is_some_and(|end| end - now < TOKEN_WARNING_MS)
                {
                    found.push(alarm(
                        format!("expiring/{channel}"),
                        format!("the tokens of {channel} end within 14 days"),
                    ));
                }
            }
        }
    }
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
