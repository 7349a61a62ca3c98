//! The API beside a gateway with partners, as somebody with a token of their own sees it.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::app::TestApp;

/// The API with a token of its own.
pub struct Desk<'a> {
    app: &'a TestApp,
    token: String,
}

/// What came back; `json` is null where the body is none.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `409 not-allowed`
    pub fn problem(&self) -> String {
        format!("{} {}", self.status, self.json["code"].as_str().unwrap())
    }
}

impl<'a> Desk<'a> {
    pub async fn of(app: &'a TestApp, scopes: &[&str]) -> Self {
        let token = app.api_token(scopes).await;
        Self { app, token }
    }

    pub fn app(&self) -> &TestApp {
        self.app
    }

    /// A call whose idempotency key depends on its path.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let key = format!("{:x}", path.len());
        self.keyed(method, path, Some(&key), body).await
    }

    pub async fn keyed(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let url = format!("{}/api/v1{path}", self.app.url);
        let mut request = self.app.http.request(method, url).bearer_auth(&self.token);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap().to_vec();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Answer {
            status,
            headers,
            body,
            json,
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json);
        answer.json
    }

    /// One channel as the API shows it.
    pub async fn channel(&self, id: &str) -> Value {
        let channels = self.get("/channels").await;
        let mut all = channels["data"].as_array().unwrap().iter();
        all.find(|channel| channel["id"] == id).unwrap().clone()
    }

    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.keyed(Method::POST, path, Some(key), Some(body)).await
    }
}
