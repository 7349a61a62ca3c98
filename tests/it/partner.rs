//! A partner that keeps the open contract (`docs/contract/README.md`): it answers like a real
//! system, does an effect once, and remembers every call. A test can make it misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    /// `Idempotency-Key`
    pub key: String,
    pub body: Value,
    pub headers: http::HeaderMap,
}

/// How a partner misbehaves.
#[derive(Debug, Clone)]
pub enum Then {
    /// Answers this and does nothing.
    Instead(ResponseTemplate),
    /// Does its work and then answers this.
    After(ResponseTemplate),
}

#[derive(Debug)]
struct Script {
    method: &'static str,
    prefix: String,
    left: usize,
    then: Then,
}

#[derive(Debug, Default)]
struct Books {
    calls: Vec<Call>,
    /// Id → state of everything that exists.
    states: BTreeMap<String, Value>,
    /// Effects in their order, as `POST /reservations res_…`.
    effects: Vec<String>,
    bodies: BTreeMap<String, String>,
    scripts: Vec<Script>,
    violations: BTreeSet<String>,
    numbers: u32,
}

/// A running partner. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Partner {
    pub id: String,
    secret: String,
    server: Arc<MockServer>,
    books: Arc<Mutex<Books>>,
}

impl Partner {
    pub async fn start(id: &str, secret: &str) -> Self {
        let partner = Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            server: Arc::new(MockServer::start().await),
            books: Arc::default(),
        };
        let answers = Answers {
            secret: partner.secret.clone(),
            books: Arc::clone(&partner.books),
        };
        Mock::given(any())
            .respond_with(answers)
            .mount(&partner.server)
            .await;
        partner
    }

    pub fn url(&self) -> String {
        self.server.uri()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// The next `times` calls of this kind are answered with `then`.
    pub fn script(&self, method: &'static str, prefix: &str, times: usize, then: Then) {
        self.books().scripts.push(Script {
            method,
            prefix: prefix.to_owned(),
            left: times,
            then,
        });
    }

    /// Back to good behaviour.
    pub fn behave(&self) {
        self.books().scripts.clear();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.books().calls.clone()
    }

    /// Calls of one method below one path.
    pub fn count(&self, method: &str, prefix: &str) -> usize {
        self.of(method, prefix).len()
    }

    pub fn of(&self, method: &str, prefix: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.method == method && call.path.starts_with(prefix));
        calls
    }

    /// The only call of one method below one path.
    pub fn only(&self, method: &str, prefix: &str) -> Call {
        let mut calls = self.of(method, prefix);
        assert_eq!(
            calls.len(),
            1,
            "{method} {prefix} at {}: {calls:#?}",
            self.id
        );
        calls.remove(0)
    }

    /// What was done, in its order.
    pub fn effects(&self) -> Vec<String> {
        self.books().effects.clone()
    }

    /// Effects whose words begin so, for instance `POST /reservations`.
    pub fn done(&self, prefix: &str) -> usize {
        self.effects()
            .iter()
            .filter(|e| e.starts_with(prefix))
            .count()
    }

    /// Everything that exists and is not called off: id → state.
    pub fn live(&self) -> BTreeMap<String, String> {
        self.books()
            .states
            .iter()
            .map(|(id, object)| (id.clone(), word(&object["state"])))
            .filter(|(_, state)| !matches!(state.as_str(), "released" | "cancelled" | "consumed"))
            .collect()
    }

    /// Breaches of the contract by the caller.
    pub fn violations(&self) -> BTreeSet<String> {
        self.books().violations.clone()
    }
}

struct Answers {
    secret: String,
    books: Arc<Mutex<Books>>,
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().to_owned();
        let method = request.method.to_string();
        let header = |name: &str| {
            let value = request.headers.get(name).and_then(|v| v.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let key = header("idempotency-key");
        let mut books = self.books.lock().unwrap();
        let signed = sandbox::signing::standard_matches(
            &self.secret,
            &header("webhook-id"),
            header("webhook-timestamp").parse().unwrap_or_default(),
            &request.body,
            &header("webhook-signature"),
        );
        if !signed {
            books
                .violations
                .insert(format!("{method} {path} is not signed"));
        }
        if method != "GET" {
            // One effect, one key, one content.
            let text = format!("{method} {path} {}", String::from_utf8_lossy(&request.body));
            let first = books
                .bodies
                .entry(key.clone())
                .or_insert_with(|| text.clone());
            if *first != text {
                let words = format!("key {key} was used for {first} and for {text}");
                books.violations.insert(words);
            }
        }
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let script = books
            .scripts
            .iter_mut()
            .find(|s| s.left > 0 && s.method == method && path.starts_with(&s.prefix))
            .map(|script| {
                script.left -= 1;
                script.then.clone()
            });
        let template = match script {
            Some(Then::Instead(template)) => template,
            Some(Then::After(template)) => {
                books.act(&method, &path, &body);
                template
            }
            None => {
                let (status, answer) = books.act(&method, &path, &body);
                ResponseTemplate::new(status).set_body_json(answer)
            }
        };
        books.calls.push(Call {
            method,
            path,
            key,
            body,
            headers: request.headers.clone(),
        });
        template
    }
}

impl Books {
    fn act(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", [_, id]) => match self.states.get(*id) {
                Some(object) => (200, object.clone()),
                None => (404, json!({"code": "not_found"})),
            },
            ("POST", ["reservations"]) => self.create(path, "reservation_id", body, "held"),
            ("POST", ["fulfillment-orders"]) => {
                if let Some(held) = self.states.get_mut(&word(&body["reservation_id"])) {
                    held["state"] = json!("consumed");
                }
                self.create(path, "fulfillment_order_id", body, "planned")
            }
            ("POST", ["invoices"]) => {
                let known = self.states.contains_key(&word(&body["invoice_request_id"]));
                if !known {
                    self.numbers += 1;
                }
                let number = format!("{:08}", self.numbers);
                let made = self.create(path, "invoice_request_id", body, "issued");
                let object = self
                    .states
                    .get_mut(&word(&body["invoice_request_id"]))
                    .unwrap();
                if !known {
                    object["number"] = json!(number);
                    object["series"] = body["series"].clone();
                }
                (made.0, object.clone())
            }
            ("POST", ["invoices", _, "adjustments"]) => {
                self.numbers += 1;
                let number = format!("{:08}", self.numbers);
                let (status, _) = self.create(path, "adjustment_id", body, "adjusted");
                (status, json!({"number": number, "series": "1C26MAA"}))
            }
            ("POST", ["work-orders"]) => self.create(path, "external_id", body, "waiting"),
            ("POST", ["warranties"]) => self.create(path, "warranty_id", body, "active"),
            ("POST", ["work-orders", id, "release"]) => self.turn(method, path, id, "released "),
            ("POST", ["work-orders", id, "cancel"]) => self.turn(method, path, id, "cancelled"),
            ("PATCH", ["work-orders", id, "appointment"]) => self.turn(method, path, id, "waiting"),
            ("DELETE", ["reservations", id]) => self.turn(method, path, id, "released"),
            ("DELETE", ["fulfillment-orders", id]) => self.turn(method, path, id, "cancelled"),
            _ => (405, json!({"code": "no_such_call"})),
        }
    }

    fn create(&mut self, path: &str, name: &str, body: &Value, state: &str) -> (u16, Value) {
        let id = word(&body[name]);
        if let Some(object) = self.states.get(&id) {
            return (200, object.clone());
        }
        let object = json!({name: id, "state": state});
        self.effects.push(format!("POST {path} {id}"));
        self.states.insert(id, object.clone());
        (201, object)
    }

    fn turn(&mut self, method: &str, path: &str, id: &str, state: &str) -> (u16, Value) {
        let Some(object) = self.states.get_mut(id) else {
            return (404, json!({"code": "not_found"}));
        };
        self.effects.push(format!("{method} {path}"));
        object["state"] = json!(state.trim());
        // A released work order goes on; a released reservation is gone.
        if state.ends_with(' ') {
            object["state"] = json!("open");
        }
        (200, object.clone())
    }
}

/// An answer that comes after the caller has lost patience.
pub fn late(status: u16, by: Duration) -> ResponseTemplate {
    ResponseTemplate::new(status).set_delay(by)
}
