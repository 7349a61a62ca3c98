//! What the door is compared with: the same server without a store, and stores without a group.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use connectors::inbound::{Inbound, RawWebhook, Received, Verdict};
use http::StatusCode;
use kenh::gateway::Gateway;
use kenh::http::body;
use kenh::pipeline::receive::prepare;
use kenh::store::Db;
use kenh::store::inbox::{self, Incoming};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::messages::{CHANNEL, Website};

/// What a reference server does with a message that it has verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    Nothing,
    /// The same rows as the door, in a transaction of its own.
    EachAlone,
}

/// A server that verifies like the door.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
}

struct Shared {
    gateway: Arc<Gateway>,
    inbound: Arc<dyn Inbound>,
    keeps: Keeps,
}

impl Server {
    /// Starts it in the runtime of the caller, as the gateway is.
    pub async fn start(gateway: Arc<Gateway>, keeps: Keeps) -> Result<Self, Error> {
        let inbound = gateway.inbound(CHANNEL).ok_or("no such channel")?;
        let shared = Arc::new(Shared {
            gateway,
            inbound,
            keeps,
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            // As the door does it.
            drop(stream.set_nodelay(true));
        });
        let router = Router::new()
            .route("/webhooks/{*path}", any(take))
            .with_state(shared);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = async { axum::serve(listener, router).await } => drop(served),
                () = stopped.cancelled() => {}
            }
        });
        Ok(Self { address, stop })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn take(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, stream) = request.into_parts();
    let server = &shared.gateway.config.server;
    let longest = Duration::from_millis(server.read_timeout_ms);
    let Ok(bytes) = body::read(&parts.headers, stream, server.max_body_bytes, longest).await else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let raw = RawWebhook {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: bytes,
    };
    let Verdict::Message(message) = shared.inbound.verify(&raw, shared.gateway.clock.now()) else {
        return empty(StatusCode::UNAUTHORIZED);
    };
    if shared.keeps == Keeps::EachAlone {
        let gateway = &shared.gateway;
        let now = gateway.now_ms();
        let incoming = prepare(CHANNEL, &*shared.inbound, &message, &gateway.keys, now);
        if inbox::receive(&gateway.db, &[incoming]).await.is_err() {
            return empty(StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    empty(shared.inbound.acknowledge(&Received::Stored(None)).status)
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// `n` further messages, verified, sealed and ready to be stored.
pub fn prepared(gateway: &Gateway, website: &Website, n: usize) -> Result<Vec<Incoming>, Error> {
    let inbound = gateway.inbound(CHANNEL).ok_or("no such channel")?;
    (0..n)
        .map(|_| {
            let raw = website.raw()?;
            let Verdict::Message(message) = inbound.verify(&raw, gateway.clock.now()) else {
                return Err("the gateway does not believe the website".into());
            };
            let now = gateway.now_ms();
            Ok(prepare(CHANNEL, &*inbound, &message, &gateway.keys, now))
        })
        .collect()
}

/// One transaction for each message, `at_once` at a time, without any HTTP: messages stored, and
/// in what time.
pub async fn one_commit_each(
    db: &Db,
    messages: Vec<Incoming>,
    at_once: usize,
    longest: Duration,
) -> Result<(usize, Duration), Error> {
    let messages = Arc::new(messages);
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let (db, messages, next) = (db.clone(), Arc::clone(&messages), Arc::clone(&next));
            tokio::spawn(async move {
                let mut stored = 0;
                while start.elapsed() < longest {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(message) = messages.get(n) else {
                        break;
                    };
                    inbox::receive(&db, std::slice::from_ref(message)).await?;
                    stored += 1;
                }
                Ok::<usize, kenh::store::Error>(stored)
            })
        })
        .collect();
    let mut stored = 0;
    for worker in workers {
        stored += worker.await??;
    }
    Ok((stored, start.elapsed()))
}
