//! A channel that says nothing although it should.

use std::time::Duration;

use kenh::app::Role;
use kenh::pipeline::keepers::silence;
use kenh::pipeline::timers;
use serde_json::Value;

use super::alarms;
use crate::app::{Kind, Setup, TestApp, on_both};
use crate::desk::Desk;

const HOUR_MS: i64 = 3_600_000;
const WEEK_HOURS: i64 = 168;

/// No worker counts beside the test.
async fn start(kind: Kind) -> TestApp {
    Setup::default()
        .roles([Role::Receive, Role::Api])
        .start(kind)
        .await
}

/// So many messages of the website at a moment of the past.
async fn came(app: &TestApp, channel: &str, source: &str, at: i64, messages: i64) {
    let rows: Vec<String> = (0..messages)
        .map(|n| format!("('{channel}', 'past-{source}-{at}-{n}', '{source}', 'h', {at})"))
        .collect();
    let rows = rows.join(", ");
    app.rows
        .run(&format!(
            "INSERT INTO message (channel, dedup_key, source, body_hash, received_at) VALUES {rows}"
        ))
        .await;
}

/// Eight weeks in which the website brought twenty messages in each hour around now.
async fn history(app: &TestApp) {
    let this_hour = app.gateway.now_ms().div_euclid(HOUR_MS);
    for week in 1..=8 {
        for around in -2..=2 {
            let hour = this_hour - week * WEEK_HOURS + around;
            came(app, "web", "push", hour * HOUR_MS + 1_000, 20).await;
        }
    }
}

async fn volume(app: &TestApp) -> Value {
    let desk = Desk::of(app, &["channels:read"]).await;
    desk.channel("web").await["volume"].clone()
}

async fn gauge(app: &TestApp) -> String {
    timers::refresh_gauges(&app.gateway).await.unwrap();
    let page = app.gateway.metrics.encode();
    let line = page
        .lines()
        .find(|line| line.starts_with("kenh_channel_silent{channel=\"web\"}"));
    line.unwrap().to_owned()
}

/// What was made up has no receipts.
async fn forget(app: &TestApp) {
    app.rows
        .run("DELETE FROM message WHERE dedup_key LIKE 'past-%'")
        .await;
}

on_both! {
    async fn a_channel_that_brings_nothing_at_its_busy_hour_is_alarmed_until_a_message_comes(kind: Kind) {
        let app = start(kind).await;
        history(&app).await;
        let now = app.gateway.now_ms();
        let last = now - 40 * 60_000;
        came(&app, "web", "push", last, 1).await;
        // What a poll finds says nothing about the door.
        came(&app, "web", "poll", now - 60_000, 1).await;
        silence::count(&app.gateway).await.unwrap();

        let seen = volume(&app).await;
        assert_eq!(seen["state"], "silent", "{seen}");
        assert_eq!(seen["expected_since_last"], 13, "{seen}");
        assert_eq!(seen["last_at"], "2026-11-24T02:20:01Z", "{seen}");
        assert_eq!(alarms(&app, "silent/").await, ["silent/web"]);
        assert!(gauge(&app).await.ends_with(" 1"));

        came(&app, "web", "push", now, 1).await;
        let seen = volume(&app).await;
        assert_eq!((&seen["state"], &seen["expected_since_last"]), (&"usual".into(), &0.into()));
        assert!(alarms(&app, "silent/").await.is_empty());
        assert!(gauge(&app).await.ends_with(" 0"));
        forget(&app).await;
        app.finish().await;
    }

    async fn a_channel_of_less_than_two_weeks_is_only_learned(kind: Kind) {
        let app = start(kind).await;
        let this_hour = app.gateway.now_ms().div_euclid(HOUR_MS);
        came(&app, "web", "push", (this_hour - WEEK_HOURS) * HOUR_MS, 500).await;
        silence::count(&app.gateway).await.unwrap();
        let seen = volume(&app).await;
        assert_eq!((&seen["state"], &seen["expected_since_last"]), (&"learning".into(), &Value::Null));
        forget(&app).await;
        app.finish().await;
    }

    async fn hours_are_counted_once_they_are_over_and_the_oldest_are_dropped(kind: Kind) {
        let app = start(kind).await;
        history(&app).await;
        silence::count(&app.gateway).await.unwrap();
        let this_hour = app.gateway.now_ms().div_euclid(HOUR_MS);
        came(&app, "web", "push", app.gateway.now_ms(), 3).await;
        silence::count(&app.gateway).await.unwrap();
        let of = async |hour: i64| {
            let sql = format!("SELECT messages FROM channel_hour WHERE channel = 'web' AND hour = {hour}");
            app.rows.all(&sql).await.first().map(|row| row.try_get_by::<i64, _>(0).unwrap())
        };
        assert_eq!(of(this_hour - WEEK_HOURS).await, Some(20));
        assert_eq!(of(this_hour).await, None, "an hour that is not over needs no row");
        app.clock.advance(Duration::from_secs(3_800));
        silence::count(&app.gateway).await.unwrap();
        assert_eq!(of(this_hour).await, Some(3));
        let before = app.rows.number("SELECT MIN(hour) FROM channel_hour").await;
        app.clock.advance(Duration::from_secs(3 * 7 * 86_400));
        silence::count(&app.gateway).await.unwrap();
        assert!(app.rows.number("SELECT MIN(hour) FROM channel_hour").await > before);
        forget(&app).await;
        app.finish().await;
    }
}
