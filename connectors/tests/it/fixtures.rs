//! Loading `connectors/fixtures`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use connectors::channel::{Channel, PollWindow};
use connectors::channels::{self, ChannelContext};
use connectors::inbound::RawWebhook;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// What a case is and what is expected of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// Where the bytes come from.
    pub source: String,
    /// What they are.
    #[serde(rename = "as")]
    pub kind: Kind,
    /// What verification must say of a webhook.
    #[serde(default)]
    pub expect: Expect,
    /// Request line and headers of a webhook or handshake.
    #[serde(default = "post")]
    pub method: String,
    #[serde(default = "slash")]
    pub uri: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The time at which it arrives; the start of 2026 where it does not matter.
    #[serde(default = "new_year")]
    pub now: Timestamp,
    /// Settings that differ from the connector's `settings.json`; `null` removes one.
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// The header that holds the signature: each flipped byte of it must be refused.
    pub signature_header: Option<String>,
    /// Off where a header holds more signatures than needed.
    #[serde(default = "yes")]
    pub signature_flips: bool,
    /// Further headers that are signed.
    #[serde(default)]
    pub signed_headers: Vec<String>,
    /// What the signature covers.
    #[serde(default)]
    pub signed: Signed,
    /// Query parameters that are not covered (`signed = "query"`).
    #[serde(default)]
    pub unsigned_params: Vec<String>,
    /// HTTP status and headers of an answer.
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
    /// Kind and window of a poll.
    #[serde(rename = "kind")]
    pub poll: Option<String>,
    pub window: Option<Window>,
    /// What was asked for, where it was not an order (`as = "fetch"`).
    pub subject: Option<String>,
    /// Files with the answers of the earlier calls of one conversation.
    #[serde(default)]
    pub got: Vec<String>,
    /// An earlier try of the same intention ended without an answer.
    #[serde(default)]
    pub unknown: bool,
    /// What is told or asked: a channel task, stock level, message, payment question or label.
    pub about: Option<Value>,
    /// Of an order that staff entered.
    pub idempotency_key: Option<String>,
    /// The message says itself that its totals do not add up.
    #[serde(default)]
    pub totals_differ: bool,
    /// Verified, but not of the vendor's form: parsing must refuse it.
    #[serde(default)]
    pub unreadable: bool,
    /// The file with the bytes, `<case>.json` where missing; no such file is an empty body.
    pub body: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A request to our door.
    Webhook,
    /// A subscription handshake to our door.
    Handshake,
    /// A vendor's order document.
    Document,
    /// An answer to `fetch`.
    Fetch,
    /// An answer to a poll.
    Poll,
    /// An answer to a token refresh.
    Refresh,
    /// A body of `POST /api/v1/orders`.
    Entered,
    /// An answer to feedback on an order (`about` is the channel task).
    Feedback,
    /// An answer to setting a stock level.
    Stock,
    /// An answer to a message for a person.
    Message,
    /// An answer to a payment question.
    Query,
    /// An answer to asking for a label.
    Label,
    /// An answer to looking after the subscription.
    Subscription,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    #[default]
    Message,
    Ping,
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signed {
    #[default]
    Body,
    Query,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
    pub cursor: Option<String>,
}

fn post() -> String {
    "POST".to_owned()
}

fn slash() -> String {
    "/".to_owned()
}

fn new_year() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn yes() -> bool {
    true
}

fn ok() -> u16 {
    200
}

/// One case of a connector, with the channel built from its settings.
#[derive(Debug)]
pub struct Case {
    pub connector: &'static str,
    pub name: String,
    pub meta: Meta,
    pub body: Bytes,
    pub channel: Box<dyn Channel>,
}

impl Case {
    /// For messages of failing assertions.
    pub fn label(&self) -> String {
        format!("{}/{}", self.connector, self.name)
    }

    pub fn request(&self) -> RawWebhook {
        RawWebhook {
            method: Method::from_bytes(self.meta.method.as_bytes()).unwrap(),
            uri: self.meta.uri.parse().unwrap(),
            headers: header_map(&self.meta.headers),
            body: self.body.clone(),
        }
    }

    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.meta.status.try_into().unwrap();
        *response.headers_mut() = header_map(&self.meta.response_headers);
        response
    }

    /// The files that it is made of.
    pub fn files(&self) -> Vec<String> {
        let body = self.meta.body.clone();
        let body = body.unwrap_or_else(|| format!("{}.json", self.name));
        let meta = format!("{}.meta.json", self.name);
        self.meta.got.iter().cloned().chain([body, meta]).collect()
    }

    /// The answers of the earlier calls.
    pub fn got(&self) -> Vec<Bytes> {
        let folder = root().join(self.connector);
        let read = |file: &String| fs::read(folder.join(file)).unwrap().into();
        self.meta.got.iter().map(read).collect()
    }

    pub fn window(&self) -> PollWindow {
        let window = self.meta.window.clone().expect("a poll has a window");
        PollWindow {
            from: window.from,
            to: window.to,
            cursor: window.cursor,
        }
    }
}

fn header_map(headers: &BTreeMap<String, String>) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A connector's settings, secrets resolved.
pub fn settings(connector: &str) -> Value {
    json(&root().join(connector).join("settings.json"))
}

/// A connector built from its `settings.json` with some settings changed.
pub fn build(connector: &str, changes: &BTreeMap<String, Value>) -> Box<dyn Channel> {
    let mut settings = settings(connector);
    let map = settings.as_object_mut().unwrap();
    for (key, value) in changes {
        if value.is_null() {
            map.remove(key);
        } else {
            map.insert(key.clone(), value.clone());
        }
    }
    let entry = channels::find(connector).expect("a connector of the registry");
    let context = ChannelContext {
        id: format!("{connector}-test"),
    };
    (entry.build)(&settings, &context).unwrap_or_else(|error| panic!("{connector}: {error}"))
}

/// The names of all files of a connector's fixtures.
pub fn files(connector: &str) -> Vec<String> {
    let files = fs::read_dir(root().join(connector)).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// All cases of a connector of the registry, by name.
pub fn cases(connector: &'static str) -> Vec<Case> {
    let folder = root().join(connector);
    let Ok(files) = fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = files
        .filter_map(|file| file.unwrap().file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".meta.json").map(str::to_owned))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let path = folder.join(format!("{name}.meta.json"));
            let meta: Meta = serde_json::from_value(json(&path))
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file = meta.body.clone().unwrap_or_else(|| format!("{name}.json"));
            let body = fs::read(folder.join(file)).unwrap_or_default();
            Case {
                channel: build(connector, &meta.settings),
                connector,
                name,
                meta,
                body: body.into(),
            }
        })
        .collect()
}

/// All cases of all connectors.
pub fn all() -> Vec<Case> {
    channels::CHANNELS
        .iter()
        .flat_map(|entry| cases(entry.name))
        .collect()
}
