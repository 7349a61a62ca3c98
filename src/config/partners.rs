//! Channels, apps and targets: from their tables to connectors that are built.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::channel::Channel;
use connectors::channels::ChannelContext;
use connectors::targets::TargetSettings;
use domain::routing::Locations;
use jiff::civil::Time;

use super::calls::Calls;
use super::channels::{self, AppConfig, ChannelConfig, Shelf, WrittenApp, WrittenChannel};
use super::document::{Document, join};
use super::kenh::ReserveWhen;
use super::problem::did_you_mean;
use super::registry::Registry;
use super::schema;
use super::secret::Resolver;
use super::settings::{self, Settings};
use super::shape::At;
use super::targets::{self, TargetConfig, TargetKind, WrittenTarget};

/// Invoices are due on the legal day; this leaves time to alarm and to act.
const DEFAULT_DEADLINE: &str = "23:55";

/// Checks the shape of both files and that no id is used twice: doors, tokens and stored rows name
/// a partner by its id alone.
pub(super) fn check(channels: &mut Document, targets: &mut Document) {
    channels.check(&schema::of::<channels::Written>(), "");
    targets.check(&schema::of::<targets::Written>(), "");
    let mut seen: BTreeMap<String, &'static str> = BTreeMap::new();
    for (section, what) in [("apps", "app"), ("channels", "channel")] {
        ids(channels, section, what, &mut seen);
    }
    ids(targets, "targets", "target", &mut seen);
}

fn ids(
    document: &mut Document,
    section: &str,
    what: &'static str,
    seen: &mut BTreeMap<String, &'static str>,
) {
    for id in document.keys(&join("", section)) {
        let at = join(&join("", section), &id);
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(allowed) {
            let message =
                format!("the id `{id}` is part of an address: expected 1 to 64 of a-z, 0-9 and -");
            document.problem_at(&at, At::Key, message, None);
        }
        if let Some(other) = seen.get(&id) {
            let message = format!(
                "the id `{id}` is used twice: there is {} with it",
                with_article(other)
            );
            let hint = Some("ids are unique across apps, channels and targets".to_owned());
            document.problem_at(&at, At::Key, message, hint);
        } else {
            seen.insert(id, what);
        }
    }
}

fn with_article(what: &str) -> String {
    let article = if what.starts_with('a') { "an" } else { "a" };
    format!("{article} {what}")
}

/// Target → its kind, `None` where that is wrong: others may still refer to the target.
pub(super) type Kinds = BTreeMap<String, Option<TargetKind>>;

/// The kind of each target, also of those that have mistakes.
pub(super) fn kinds(targets: &Document) -> Kinds {
    let kind_of = |id: &str| {
        let kind = targets
            .value
            .pointer(&join(&join("/targets", id), "kind"))?;
        serde_json::from_value(kind.clone()).ok()
    };
    targets
        .keys("/targets")
        .into_iter()
        .map(|id| {
            let kind = kind_of(&id);
            (id, kind)
        })
        .collect()
}

/// An app while its channels are read.
struct Door {
    written: WrittenApp,
    /// Account → channel.
    accounts: BTreeMap<String, String>,
    /// The settings of its first channel.
    sample: Option<Settings>,
}

/// Apps and channels whose tables are right and whose connectors could be built.
pub(super) fn channels(
    file: &mut Document,
    secrets: &Resolver<'_>,
    registry: Registry,
    reserve_when: ReserveWhen,
) -> (Vec<AppConfig>, Vec<ChannelConfig>) {
    let mut apps: BTreeMap<String, Door> = BTreeMap::new();
    for id in file.keys("/apps") {
        if let Some(written) = file.read::<WrittenApp>(&join("/apps", &id)) {
            connector_exists(
                file,
                &join("/apps", &id),
                &written.connector,
                registry.channels.iter().map(|entry| entry.name),
            );
            let door = Door {
                written,
                accounts: BTreeMap::new(),
                sample: None,
            };
            apps.insert(id, door);
        }
    }
    let mut built = Vec::new();
    for id in file.keys("/channels") {
        let at = join("/channels", &id);
        let Some(written) = file.read::<WrittenChannel>(&at) else {
            continue;
        };
        let mut settings = Settings::new(&at);
        if let Some(app) = &written.app {
            let app_at = join(&at, "app");
            if let Some(Door { written: owner, .. }) = apps.get(app) {
                if owner.connector != written.connector {
                    let message = format!(
                        "the app `{app}` speaks {}, this channel {}",
                        owner.connector, written.connector
                    );
                    file.problem_at(&app_at, At::Value, message, None);
                    continue;
                }
                settings.add(file, &join(&join("/apps", app), "settings"));
            } else {
                let known: Vec<&str> = apps.keys().map(String::as_str).collect();
                let hint = did_you_mean(app, known)
                    .unwrap_or_else(|| format!("add [apps.{app}] to this file"));
                file.problem_at(
                    &app_at,
                    At::Value,
                    format!("unknown app `{app}`"),
                    Some(hint),
                );
                continue;
            }
        }
        settings.add(file, &join(&at, "settings"));
        let names = registry.channels.iter().map(|entry| entry.name);
        connector_exists(file, &at, &written.connector, names);
        let channel = build_channel(file, &id, &written.connector, &settings, secrets, registry);
        if let Some(door) = written.app.as_ref().and_then(|app| apps.get_mut(app)) {
            if let Some(channel) = &channel {
                join_app(file, &at, &id, &**channel, &mut door.accounts);
            }
            door.sample.get_or_insert(settings);
        }
        let Some(channel) = channel else { continue };
        if channel.weak() && written.allow_from.is_empty() {
            let message =
                format!("the messages of `{id}` are not signed and may come from anybody");
            let hint = Some("add `allow_from = [\"…\"]` with the vendor's addresses".to_owned());
            file.warn_at(&at, At::Key, message, hint);
        }
        serves(file, &at, &*channel, &written.serves);
        let shelf = shelf(file, &at, &*channel, &written);
        built.push(ChannelConfig {
            name: written.name.unwrap_or_else(|| id.clone()),
            id,
            connector: written.connector,
            app: written.app,
            enabled: written.enabled,
            reserve_when: written.reserve_when.unwrap_or(reserve_when),
            allow_from: written.allow_from,
            calls: Calls {
                internal: written.internal,
                rate: written.rate,
                concurrency: written.concurrency,
                timeout_ms: written.timeout_ms,
                breaker: written.breaker,
            },
            retry: written.retry,
            serves: written.serves,
            shelf,
            channel,
        });
    }
    (doors(file, apps, secrets, registry), built)
}

/// Payment providers serve other channels, and so do those that tell buyers; the channels must
/// exist.
fn serves(file: &mut Document, at: &str, channel: &dyn Channel, served: &[String]) {
    let tells = channel.notices().is_some();
    if served.is_empty() && tells {
        // Nothing would ever be told, and nobody would know why.
        let message = "it has texts for buyers and nobody's buyers to tell".to_owned();
        let hint = "add `serves = [\"…\"]` with the channels whose buyers are told of their orders";
        file.problem_at(at, At::Key, message, Some(hint.to_owned()));
        return;
    }
    let at = join(at, "serves");
    if !served.is_empty() && channel.payments().is_none() && !tells {
        let message = format!(
            "{} cannot be asked how a payment stands, and tells buyers nothing",
            channel.connector()
        );
        let hint = Some("remove `serves`, or configure what buyers are told".to_owned());
        file.problem_at(&at, At::Key, message, hint);
        return;
    }
    let known = file.keys("/channels");
    for (index, id) in served
        .iter()
        .enumerate()
        .filter(|(_, id)| !known.contains(id))
    {
        let hint = did_you_mean(id, known.iter().map(String::as_str))
            .unwrap_or_else(|| format!("add [channels.{id}] to this file"));
        let message = format!("unknown channel `{id}`");
        file.problem_at(&format!("{at}/{index}"), At::Value, message, Some(hint));
    }
}

/// What is published to a channel that can be told.
fn shelf(
    file: &mut Document,
    at: &str,
    channel: &dyn Channel,
    written: &WrittenChannel,
) -> Option<Shelf> {
    if !written.publish_stock {
        return None;
    }
    if channel.feedback().and_then(|told| told.stock()).is_none() {
        let message = format!("{} cannot be told what is on sale", channel.connector());
        let hint = Some(
            "`kenh channels` shows which can; some need a setting of their own for it".to_owned(),
        );
        file.problem_at(&join(at, "publish_stock"), At::Key, message, hint);
        return None;
    }
    Some(Shelf {
        buffer: i64::from(written.stock_buffer),
        locations: written.stock_locations.clone(),
    })
}

/// The locations that channels name exist.
pub(super) fn stock_locations(file: &mut Document, locations: &Locations) {
    for id in file.keys("/channels") {
        let at = join(&join("/channels", &id), "stock_locations");
        let named: Vec<String> = file
            .value
            .pointer(&at)
            .and_then(|named| serde_json::from_value(named.clone()).ok())
            .unwrap_or_default();
        for (index, location) in named.iter().enumerate() {
            if locations.get(location).is_some() {
                continue;
            }
            let hint = did_you_mean(location, locations.iter().map(|known| known.id.as_str()))
                .unwrap_or_else(|| format!("add [locations.{location}] to locations.toml"));
            let message = format!("unknown location `{location}`");
            file.problem_at(&format!("{at}/{index}"), At::Value, message, Some(hint));
        }
    }
}

/// The app finds its channel by the account that a message names.
fn join_app(
    file: &mut Document,
    at: &str,
    id: &str,
    channel: &dyn Channel,
    accounts: &mut BTreeMap<String, String>,
) {
    let own = channel.accounts();
    if own.is_empty() {
        let message =
            format!("no message of its app would find `{id}`: its settings name no account");
        let hint = "set the shop, page or account, or give the channel a door of its own by removing `app`";
        file.problem_at(
            &join(at, "settings"),
            At::Key,
            message,
            Some(hint.to_owned()),
        );
    }
    for account in own {
        if let Some(other) = accounts.insert(account.clone(), id.to_owned()) {
            let message =
                format!("the account {account} belongs to the channel `{other}` of the same app");
            file.problem_at(&join(at, "settings"), At::Key, message, None);
        }
    }
}

fn doors(
    file: &mut Document,
    apps: BTreeMap<String, Door>,
    secrets: &Resolver<'_>,
    registry: Registry,
) -> Vec<AppConfig> {
    let mut built = Vec::new();
    for (id, door) in apps {
        let Door {
            written,
            accounts,
            sample,
        } = door;
        let Some(settings) = sample else {
            let hint = Some(format!(
                "add `app = \"{id}\"` to a channel, or remove the app"
            ));
            file.problem_at(
                &join("/apps", &id),
                At::Key,
                format!("no channel uses the app `{id}`"),
                hint,
            );
            continue;
        };
        // The keys of the door are the same for all its channels; the first one's settings serve.
        let channel = build_channel(file, &id, &written.connector, &settings, secrets, registry);
        let Some(channel) = channel else { continue };
        built.push(AppConfig {
            name: written.name.unwrap_or_else(|| id.clone()),
            id,
            connector: written.connector,
            enabled: written.enabled,
            allow_from: written.allow_from,
            channel,
            accounts,
        });
    }
    built
}

fn build_channel(
    file: &mut Document,
    id: &str,
    connector: &str,
    settings: &Settings,
    secrets: &Resolver<'_>,
    registry: Registry,
) -> Option<Arc<dyn Channel>> {
    let entry = registry.channel(connector)?;
    let schema = (entry.schema)().to_value();
    let resolved = settings.resolve(file, &schema, secrets)?;
    match (entry.build)(&resolved, &ChannelContext { id: id.to_owned() }) {
        Ok(channel) => Some(Arc::from(channel)),
        Err(error) => {
            settings.refused(file, &error);
            None
        }
    }
}

/// Targets whose tables are right and whose connectors could be built.
pub(super) fn targets(
    file: &mut Document,
    secrets: &Resolver<'_>,
    registry: Registry,
) -> Vec<TargetConfig> {
    let mut built = Vec::new();
    for id in file.keys("/targets") {
        let at = join("/targets", &id);
        let Some(written) = file.read::<WrittenTarget>(&at) else {
            continue;
        };
        let names = registry.targets.iter().map(|entry| entry.name);
        connector_exists(file, &at, &written.connector, names);
        let mistake = address_mistake(&written.url);
        if let Some(message) = mistake {
            file.problem_at(&join(&at, "url"), At::Value, message, None);
        }
        if written.url.starts_with("http://") && !written.internal {
            let message = "personal data would travel unencrypted";
            let hint =
                Some("use https://, or `internal = true` inside your own network".to_owned());
            file.warn_at(&join(&at, "url"), At::Value, message, hint);
        }
        let deadline = deadline(file, &at, &written);
        let secret = settings::secret(file, &join(&at, "secret"), secrets);
        let Some(entry) = registry.target(&written.connector) else {
            continue;
        };
        if !entry.kinds.contains(&written.kind.as_str()) {
            let message = format!(
                "the connector {} cannot be of kind {}",
                entry.name,
                written.kind.as_str()
            );
            let hint = Some(format!("it can be: {}", entry.kinds.join(", ")));
            file.problem_at(&join(&at, "kind"), At::Value, message, hint);
            continue;
        }
        let (Some(secrets), None) = (secret, mistake) else {
            continue;
        };
        let settings = TargetSettings {
            id: id.clone(),
            kind: written.kind.as_str().to_owned(),
            url: written.url.clone(),
            secrets,
        };
        let target = match (entry.build)(&settings) {
            Ok(target) => Arc::from(target),
            Err(error) => {
                Settings::new(&at).refused(file, &error);
                continue;
            }
        };
        built.push(TargetConfig {
            name: written.name.unwrap_or_else(|| id.clone()),
            id,
            kind: written.kind,
            connector: written.connector,
            url: written.url,
            enabled: written.enabled,
            allow_from: written.allow_from,
            calls: Calls {
                internal: written.internal,
                rate: written.rate,
                concurrency: written.concurrency,
                timeout_ms: written.timeout_ms,
                breaker: written.breaker,
            },
            retry: written.retry,
            deadline,
            target,
        });
    }
    built
}

fn deadline(file: &mut Document, at: &str, written: &WrittenTarget) -> Option<Time> {
    let at = join(at, "deadline");
    if written.kind != TargetKind::Invoicing {
        if written.deadline.is_some() {
            file.problem_at(
                &at,
                At::Key,
                "only targets of kind invoicing have a deadline",
                None,
            );
        }
        return None;
    }
    let text = written.deadline.as_deref().unwrap_or(DEFAULT_DEADLINE);
    let time = Time::strptime("%H:%M", text).ok();
    if time.is_none() {
        let hint = Some(format!("for example \"{DEFAULT_DEADLINE}\""));
        file.problem_at(
            &at,
            At::Value,
            format!("\"{text}\" is no time of day"),
            hint,
        );
    }
    time
}

fn connector_exists<'n>(
    file: &mut Document,
    at: &str,
    connector: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) {
    if names.clone().any(|name| name == connector) {
        return;
    }
    let hint = did_you_mean(connector, names.clone())
        .unwrap_or_else(|| format!("known: {}", names.collect::<Vec<_>>().join(", ")));
    let message = format!("unknown connector `{connector}`");
    file.problem_at(&join(at, "connector"), At::Value, message, Some(hint));
}

/// What is wrong with the base address of a partner, if anything.
pub(super) fn address_mistake(address: &str) -> Option<&'static str> {
    let uri: http::Uri = match address.parse() {
        Ok(uri) => uri,
        Err(_) => return Some("this is no address: expected https://…"),
    };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            Some("an address must hold no user name or password")
        }
        (Some("http" | "https"), Some(_)) => None,
        _ => Some("this is no address: expected https://…"),
    }
}
