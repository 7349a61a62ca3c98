//! A gateway of its own for each test: the shipped configuration, a fresh SQLite database, time
//! that stands still, and the HTTP door on a free port.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kenh::app::{self, Parts, Role, Running};
use kenh::clock::{FakeClock, SystemIds};
use kenh::config::{self, Overlay};
use kenh::crypto::{ApiToken, sha256_hex};
use kenh::store::products::{self, Product};
use kenh::store::{Db, stock, tokens};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Articles that a test sells: SKU, name and category.
const ARTICLES: [(&str, &str, &str); 2] = [
    ("AC-9000", "Máy lạnh AC-9000", "air-conditioner"),
    ("TV-55", "Smart TV 55", "tv"),
];

pub struct App {
    running: Option<Running>,
    pub clock: Arc<FakeClock>,
    door: String,
    http: reqwest::Client,
    folder: PathBuf,
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Answer {
    /// The code of a problem, as `422 invalid-field`.
    pub fn problem(&self) -> String {
        let kind = self.headers[reqwest::header::CONTENT_TYPE]
            .to_str()
            .unwrap();
        assert_eq!(kind, "application/problem+json", "{}", self.text);
        format!(
            "{} {}",
            self.status.as_u16(),
            self.json["code"].as_str().unwrap()
        )
    }
}

impl App {
    /// Starts a gateway that answers the API; nothing is sent to partners.
    pub async fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("kenh-it-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let database = format!("sqlite://{}", folder.join("kenh.db").display());
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let secrets: BTreeMap<String, String> = config::variables(&dir)
            .into_iter()
            .map(|name| {
                let value = if name.starts_with("KENH_KEY") {
                    sha256_hex(name.as_bytes())
                } else {
                    "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()
                };
                (name, value)
            })
            .collect();
        let overlay = Overlay {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            database_url: Some(database.clone()),
            secrets,
            ..Overlay::default()
        };
        let loaded = config::load(&dir, &|_| None, Some(&overlay)).unwrap();
        let db = Db::open(&database, 4).await.unwrap();
        db.migrate().await.unwrap();
        // Ten in the morning in Vietnam, on a working day.
        let clock = FakeClock::at("2026-11-24T03:00:00Z".parse().unwrap());
        let assembled = app::assemble(Parts {
            loaded,
            db,
            clock: clock.shared(),
            ids: SystemIds::shared(),
            rules_dir: None,
        })
        .await
        .unwrap();
        fill(&assembled.gateway).await;
        let running = assembled.start(&BTreeSet::from([Role::Api])).await.unwrap();
        Self {
            door: format!("http://{}", running.address),
            running: Some(running),
            clock: Arc::new(clock),
            http: reqwest::Client::new(),
            folder,
        }
    }

    pub fn gateway(&self) -> &kenh::gateway::Gateway {
        &self.running.as_ref().unwrap().gateway
    }

    /// A token of `actor`; bound to a location if one is given.
    pub async fn token(&self, actor: &str, scopes: &[&str], location: Option<&str>) -> String {
        let token = ApiToken::generate();
        let gateway = self.gateway();
        let stored = tokens::NewToken {
            id: format!("tok_{}", &token.hash()[..12]),
            hash: token.hash(),
            actor: actor.to_owned(),
            scopes: scopes.iter().map(|&s| s.to_owned()).collect(),
            location: location.map(str::to_owned),
            created_at: gateway.now_ms(),
            expires_at: None,
        };
        tokens::create(&gateway.db, &stored).await.unwrap();
        token.expose().to_owned()
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.door));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer {
            status,
            headers,
            text,
            json,
        }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, Some(token), &[], None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some(token), &[], Some(body))
            .await
    }

    /// A stream of server-sent events.
    pub async fn stream(
        &self,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
    ) -> reqwest::Response {
        let mut request = self
            .http
            .get(format!("{}{path}", self.door))
            .bearer_auth(token)
            .header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

async fn fill(gateway: &kenh::gateway::Gateway) {
    let now = gateway.now_ms();
    let products: Vec<Product> = ARTICLES
        .iter()
        .map(|(sku, name, category)| Product {
            sku: (*sku).to_owned(),
            name: (*name).to_owned(),
            category: Some((*category).to_owned()),
            ..Product::default()
        })
        .collect();
    products::put(&gateway.db, now, &products).await.unwrap();
    gateway.catalog.refresh(&gateway.db).await.unwrap();
    let counts: Vec<stock::Count> = ["hub-hcm", "hub-hanoi", "hub-danang"]
        .iter()
        .flat_map(|location| ARTICLES.iter().map(move |(sku, ..)| (*location, *sku)))
        .map(|(location, sku)| stock::Count {
            location: location.to_owned(),
            sku: sku.to_owned(),
            on_hand: 1_000,
            as_of: now,
            sequence: 0,
            safety: None,
            reference: format!("opening/{location}/{sku}"),
        })
        .collect();
    stock::open(&gateway.db, now, &counts).await.unwrap();
}
