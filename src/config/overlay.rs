//! A programmatic layer over the files, for the demo and for tests: it replaces addresses,
//! secrets, `internal`, rates, retries, breakers, the listening address and the database, and
//! nothing else. What it replaces can be printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::calls::{Breaker, Rate, Retry};
use super::document::{Document, join};

/// What is replaced. `None` and empty maps leave the files' values.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// `[server] listen`.
    pub listen: Option<SocketAddr>,
    /// `[database] url`.
    pub database_url: Option<String>,
    /// Id of a channel, app or target → name of an address setting (`base_url`, `oauth_url`,
    /// `auth_url`, `callback_url`; `url` for targets) → address.
    pub addresses: BTreeMap<String, BTreeMap<String, String>>,
    /// Environment variable → its text, instead of the process's environment.
    pub secrets: BTreeMap<String, String>,
    /// Every channel and target counts as internal: private addresses are allowed.
    pub internal: bool,
    /// Rate of calls to every channel and target.
    pub rate: Option<Rate>,
    /// Retries of every target.
    pub retry: Option<Retry>,
    /// Breaker of every channel and target.
    pub breaker: Option<Breaker>,
}

/// The settings that are addresses.
const ADDRESSES: [&str; 7] = [
    "url",
    "base_url",
    "auth_url",
    "oauth_url",
    "callback_url",
    "template_url",
    "webhook_url",
];

impl Overlay {
    /// An environment that asks the overlay first.
    pub fn env<'a>(
        &'a self,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| self.secrets.get(name).cloned().or_else(|| env(name))
    }

    /// What is replaced, a line each. Secrets by the names of their variables only.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            writeln!(text, "{words}").expect("invariant: a string takes all text");
        };
        if let Some(listen) = self.listen {
            line(format!("server.listen = {listen}"));
        }
        if let Some(url) = &self.database_url {
            line(format!("database.url = {}", without_password(url)));
        }
        for (id, addresses) in &self.addresses {
            for (key, address) in addresses {
                line(format!("{id}: {key} = {address}"));
            }
        }
        if !self.secrets.is_empty() {
            let names: Vec<&str> = self.secrets.keys().map(String::as_str).collect();
            line(format!("secrets: {}", names.join(", ")));
        }
        if self.internal {
            line("all channels and targets: internal = true".to_owned());
        }
        if let Some(rate) = self.rate {
            let Rate { per_second, burst } = rate;
            line(format!(
                "all channels and targets: rate = {per_second}/s, burst {burst}"
            ));
        }
        if let Some(retry) = self.retry {
            line(format!(
                "all channels and targets: retry = first {} ms, factor {}/1000, at most {} ms, give up after {} s",
                retry.first_ms, retry.factor.milli, retry.max_ms, retry.give_up_after_s
            ));
        }
        if let Some(breaker) = self.breaker {
            line(format!(
                "all channels and targets: breaker = {} failures in {} s, cool down {} s",
                breaker.failures, breaker.window_s, breaker.cool_down_s
            ));
        }
        text
    }

    /// Replaces in `kenh.toml`.
    pub(super) fn put_kenh(&self, kenh: &mut Document) {
        if let Some(listen) = self.listen {
            put(
                &mut kenh.value,
                &["server", "listen"],
                json!(listen.to_string()),
            );
        }
        if let Some(url) = &self.database_url {
            put(&mut kenh.value, &["database", "url"], json!(url));
        }
    }

    /// Replaces in the table `section` (`apps`, `channels`, `targets`) of a file. Returns the ids
    /// whose addresses were found.
    pub(super) fn put_partners(&self, document: &mut Document, section: &str) -> Vec<String> {
        let mut found = Vec::new();
        for id in document.keys(&join("", section)) {
            if section != "apps" {
                if self.internal {
                    put(
                        &mut document.value,
                        &[section, &id, "internal"],
                        json!(true),
                    );
                }
                if let Some(Rate { per_second, burst }) = self.rate {
                    let rate = json!({ "per_second": per_second, "burst": burst });
                    put(&mut document.value, &[section, &id, "rate"], rate);
                }
                if let Some(Breaker {
                    failures,
                    window_s,
                    cool_down_s,
                }) = self.breaker
                {
                    let breaker = json!({ "failures": failures, "window_s": window_s, "cool_down_s": cool_down_s });
                    put(&mut document.value, &[section, &id, "breaker"], breaker);
                }
            }
            if section != "apps"
                && let Some(Retry {
                    first_ms,
                    factor,
                    max_ms,
                    give_up_after_s,
                }) = self.retry
            {
                let retry = json!({ "first_ms": first_ms, "factor": factor.as_number(), "max_ms": max_ms, "give_up_after_s": give_up_after_s });
                put(&mut document.value, &[section, &id, "retry"], retry);
            }
            let Some(addresses) = self.addresses.get(&id) else {
                continue;
            };
            for (key, address) in addresses
                .iter()
                .filter(|(key, _)| ADDRESSES.contains(&key.as_str()))
            {
                let path: &[&str] = match section {
                    "targets" => &[section, &id, key],
                    _ => &[section, &id, "settings", key],
                };
                put(&mut document.value, path, json!(address));
            }
            found.push(id);
        }
        found
    }
}

fn put(root: &mut Value, path: &[&str], value: Value) {
    match path {
        [] => *root = value,
        [key, rest @ ..] => {
            if !root.is_object() {
                *root = json!({});
            }
            if let Some(table) = root.as_object_mut() {
                put(table.entry(*key).or_insert(Value::Null), rest, value);
            }
        }
    }
}

/// A URL without what stands between `:` and `@`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((user, place)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{place}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_variables_and_hides_their_text() {
        let overlay = Overlay {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            database_url: Some("postgres://kenh:hunter2@db/kenh".to_owned()),
            addresses: BTreeMap::from([(
                "hub-wms".to_owned(),
                BTreeMap::from([("url".to_owned(), "http://127.0.0.1:9".to_owned())]),
            )]),
            secrets: BTreeMap::from([("KENH_WEB_SECRET".to_owned(), "hunter2".to_owned())]),
            internal: true,
            rate: Some(Rate {
                per_second: 1_000,
                burst: 2_000,
            }),
            retry: Some(Retry::default()),
            breaker: Some(Breaker::default()),
        };
        let text = overlay.describe();
        assert!(!text.contains("hunter2"), "{text}");
        insta::assert_snapshot!(text);
    }
}
