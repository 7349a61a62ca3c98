//! The partners' servers: one listener per partner, one place that reads a request, injects a
//! fault around its effect, and writes the answer.

pub(crate) mod banks;
pub(crate) mod callback;
pub(crate) mod checkout;
pub(crate) mod facebook;
pub(crate) mod inventory;
pub(crate) mod invoicing;
pub(crate) mod lazada;
pub(crate) mod momo;
pub(crate) mod money;
pub(crate) mod service_center;
pub(crate) mod shopee;
pub(crate) mod shops;
pub(crate) mod target;
pub(crate) mod tiki;
pub(crate) mod tiktok;
pub(crate) mod vnpay;
pub(crate) mod website;
pub(crate) mod woocommerce;
pub(crate) mod zalo;
pub(crate) mod zalopay;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    control,
    faults::Fault,
    wire::{Shears, Wire},
    world::World,
};

/// Whose server a listener is.
#[derive(Debug, Clone)]
pub(crate) enum Partner {
    Lazada,
    LazadaAuth,
    Shopee,
    Tiki,
    TikTok,
    TikTokAuth,
    WooCommerce,
    Facebook,
    Zalo,
    ZaloOauth,
    Provider(money::Provider),
    Shop(shops::Platform),
    Website,
    Target(String),
    Control,
}

/// One request as a partner reads it.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) segments: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) wire: Wire,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Method and path segments, for `match`.
    pub(crate) fn route(&self) -> (&str, Vec<&str>) {
        (
            self.method.as_str(),
            self.segments.iter().map(String::as_str).collect(),
        )
    }
}

/// One answer of a partner.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// A body that is not JSON.
    pub(crate) raw: Option<(&'static str, Vec<u8>)>,
}

impl Reply {
    pub(crate) fn bytes(content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            raw: Some((content_type, body)),
            ..Self::empty(200)
        }
    }

    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            headers: Vec::new(),
            raw: None,
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            headers: Vec::new(),
            raw: None,
        }
    }

    fn into_response(self) -> Response {
        let mut builder = Response::builder().status(self.status);
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        let body = match (self.body, self.raw) {
            (None, Some((content_type, bytes))) => {
                builder = builder.header("content-type", content_type);
                Body::from(bytes)
            }
            (Some(value), _) => {
                builder = builder.header("content-type", "application/json");
                Body::from(value.to_string())
            }
            (None, None) => Body::empty(),
        };
        builder
            .body(body)
            .expect("statuses and headers of replies are constants or digits")
    }
}

/// Does `effect` as `fault` allows: not at all, late, or without the answer arriving.
pub(crate) async fn around(
    fault: Option<Fault>,
    wire: &Wire,
    effect: impl FnOnce() -> Reply,
) -> Reply {
    match fault {
        None => effect(),
        Some(Fault::ServerError(status)) => Reply::empty(status),
        Some(Fault::TooMany) => Reply {
            headers: vec![("retry-after", "1".to_owned())],
            ..Reply::empty(429)
        },
        Some(Fault::Stall(wait)) => {
            let reply = effect();
            tokio::time::sleep(wait).await;
            reply
        }
        Some(Fault::Hang(wait)) => {
            let reply = effect();
            tokio::time::sleep(wait).await;
            wire.cut_after(0);
            reply
        }
        Some(Fault::AnswerLost) => {
            let reply = effect();
            wire.cut_after(0);
            reply
        }
        Some(Fault::HalfWritten) => {
            let reply = effect();
            // Heads are about 120 bytes: the cut falls inside the body, if there is one.
            wire.cut_after(if reply.body.is_some() { 130 } else { 0 });
            reply
        }
    }
}

/// Serves `partner` on `listener` until the task is aborted.
pub(crate) fn serve(listener: TcpListener, world: Arc<World>, partner: Partner) -> JoinHandle<()> {
    let router = Router::new()
        .fallback(answer)
        .with_state((world, partner))
        .into_make_service_with_connect_info::<Wire>();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(Shears(listener), router).await {
            tracing::error!(%error, "a simulated partner stopped serving");
        }
    })
}

async fn answer(
    State((world, partner)): State<(Arc<World>, Partner)>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call {
        method,
        path: uri.path().to_owned(),
        segments: uri
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect(),
        query: pairs(uri.query().unwrap_or_default()),
        headers,
        body,
        wire,
    };
    let reply = match partner {
        Partner::Lazada => lazada::answer(&world, call).await,
        Partner::LazadaAuth => lazada::auth(&world, call).await,
        Partner::Shopee => shopee::answer(&world, call).await,
        Partner::Tiki => tiki::answer(&world, call).await,
        Partner::TikTok => tiktok::answer(&world, call).await,
        Partner::TikTokAuth => tiktok::refresh(&world, call).await,
        Partner::WooCommerce => woocommerce::answer(&world, call).await,
        Partner::Facebook => facebook::answer(&world, call).await,
        Partner::Zalo => zalo::answer(&world, call).await,
        Partner::ZaloOauth => zalo::refresh(&world, call).await,
        Partner::Provider(provider) => money::answer(&world, provider, call).await,
        Partner::Shop(platform) => shops::answer(&world, platform, call).await,
        Partner::Website => website::answer(&world, call).await,
        Partner::Target(id) => target::answer(&world, &id, call).await,
        Partner::Control => control::answer(&world, call).await,
    };
    reply.into_response()
}

/// The decoded pairs of a query or a form body; of a repeated name the last.
pub(crate) fn pairs(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|digits| hex::decode(digits).ok());
        match escaped {
            Some(byte) => {
                out.extend(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
