//! Every connector behind the real door, with all webhooks that its fixtures hold: what is genuine
//! is stored once and acknowledged, a repeat is known, what is forged never comes in.

use std::path::PathBuf;

use connectors::channels::CHANNELS;
use jiff::Timestamp;
use kenh::app::Role;
use serde_json::Value;

use crate::app::{Setup, TestApp, on_both};
use crate::configured::speaks;
use crate::senders::Knock;

/// A webhook of a connector's fixtures.
struct Webhook {
    name: String,
    meta: Value,
    body: Vec<u8>,
}

fn folder(connector: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("connectors/fixtures/{connector}"))
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Those that arrive under the connector's usual settings.
fn webhooks(connector: &str) -> Vec<Webhook> {
    let folder = folder(connector);
    let files = std::fs::read_dir(&folder).unwrap();
    let mut found: Vec<Webhook> = files
        .filter_map(|file| file.unwrap().file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".meta.json").map(str::to_owned))
        .map(|name| {
            let meta = json(folder.join(format!("{name}.meta.json")));
            let file = meta["body"]
                .as_str()
                .map_or(format!("{name}.json"), str::to_owned);
            let body = std::fs::read(folder.join(file)).unwrap_or_default();
            Webhook { name, meta, body }
        })
        .filter(|webhook| webhook.meta["as"] == "webhook" && webhook.meta["settings"].is_null())
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

impl Webhook {
    /// As the vendor sends it, to the channel's own door.
    fn knock(&self, channel: &str) -> Knock {
        let uri = self.meta["uri"].as_str().unwrap_or("/");
        // Some vendors sign the address too, with what stands behind the channel.
        let behind = uri.strip_prefix("/webhooks/").map_or("", |rest| {
            rest.find(['/', '?']).map_or("", |at| &rest[at..])
        });
        let path = format!("/webhooks/{channel}{behind}");
        let mut knock = Knock::post(&path, self.body.clone());
        knock.get = self.meta["method"] == "GET";
        knock.headers.clear();
        for (name, value) in self.meta["headers"].as_object().into_iter().flatten() {
            knock = knock.with(name, value.as_str().unwrap());
        }
        knock
    }

    fn at(&self) -> Timestamp {
        let at = self.meta["now"].as_str().unwrap_or("2026-01-01T00:00:00Z");
        at.parse().unwrap()
    }
}

async fn counts(app: &TestApp) -> (i64, i64) {
    let messages = app.rows.number("SELECT COUNT(*) FROM message").await;
    (
        messages,
        app.rows.number("SELECT COUNT(*) FROM receipt").await,
    )
}

async fn last_outcome(app: &TestApp) -> String {
    let newest = "SELECT outcome FROM receipt ORDER BY seq DESC LIMIT 1";
    app.rows.text(newest).await.unwrap()
}

on_both! {
    async fn genuine_webhooks_of_every_connector_are_stored_once_and_forged_ones_never(kind: Kind) {
        let mut app = Setup::default()
            .roles([Role::Receive, Role::Api])
            .edit(|config| {
                for channel in &mut config.channels {
                    let connector = channel.connector.clone();
                    let settings = json(folder(&connector).join("settings.json"));
                    speaks(channel, &connector, &settings);
                    channel.allow_from.clear();
                }
            })
            .start(kind)
            .await;
        let mut unreadable = 0;
        for entry in CHANNELS {
            let channels = &app.gateway.config.channels;
            let channel = channels.iter().find(|channel| channel.connector == entry.name);
            let id = channel.expect("the shipped configuration has a channel of every connector").id.clone();
            let mut stored = 0;
            for webhook in webhooks(entry.name) {
                let label = format!("{}/{}", entry.name, webhook.name);
                app.clock.set(webhook.at());
                let (messages, receipts) = counts(&app).await;
                let knock = webhook.knock(&id);
                let answer = app.knock(&knock).await;
                match webhook.meta["expect"].as_str().unwrap_or("message") {
                    "message" => {
                        assert!(answer.status < 300, "{label}: {answer:?}");
                        let (now, taken) = counts(&app).await;
                        assert_eq!(taken, receipts + 1, "{label}");
                        assert!(now == messages + 1 || last_outcome(&app).await != "new", "{label}");
                        stored += now - messages;
                        // Kept all the same: a person looks at what nobody can read.
                        unreadable += i64::from(webhook.meta["unreadable"] == true);
                        let again = app.knock(&knock).await;
                        assert!(again.status < 300, "{label}, again: {again:?}");
                        assert_eq!(counts(&app).await, (now, receipts + 2), "{label}, again");
                        assert_ne!(last_outcome(&app).await, "new", "{label}, again");
                    }
                    "rejected" => assert_eq!(counts(&app).await, (messages, receipts), "{label}"),
                    _ => {
                        assert!(answer.status < 300, "{label}: {answer:?}");
                        assert_eq!(counts(&app).await, (messages, receipts), "{label}");
                    }
                }
            }
            // Tiki and staff send nothing to a door.
            let is_silent = !app.gateway.config.channel(&id).unwrap().channel.pushes() || entry.name == "staff";
            assert!(stored > 0 || is_silent, "{}: nothing was stored", entry.name);
        }
        // Nobody settles here: vendors would be asked for orders.
        app.rows.run("UPDATE notice SET state = 'ignored', reason = 'a test', finished_at = 1 WHERE state = 'waiting'").await;
        app.expects_dead(unreadable, 0);
        app.finish().await;
    }
}
