//! The doors: `POST` and `GET /webhooks/{id}`, for channels, apps and targets alike.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use connectors::inbound::{
    Acknowledgement, RawWebhook, Received, Rejection, Verdict, VerifiedWebhook,
};
use futures_util::future::join_all;

use super::body;
use super::listener::Peer;
use super::problem::{Code, Problem};
use crate::gateway::{Door, Gateway};
use crate::pipeline::receive::{Unavailable, prepare};
use crate::pipeline::route;
use crate::store::inbox::{ReceiptOutcome, Stored};

/// The answer to a request at a door.
pub async fn knock(
    State(gateway): State<Arc<Gateway>>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let id = path.split('/').next().unwrap_or_default();
    let Some(door) = gateway.doors.get(id) else {
        gateway.metrics.webhook(id, "unknown_channel");
        return Problem::new(Code::UnknownChannel)
            .detail("no channel, app or target has this id")
            .into_response();
    };
    match receive(&gateway, door, request, started).await {
        Ok(response) => {
            gateway.metrics.acknowledged(started.elapsed());
            response
        }
        Err(problem) => {
            gateway.metrics.webhook(&door.id, problem.code().as_str());
            problem.into_response()
        }
    }
}

async fn receive(
    gateway: &Gateway,
    door: &Door,
    request: Request,
    started: Instant,
) -> Result<Response, Problem> {
    let (parts, stream) = request.into_parts();
    if !door.allow_from.is_empty() {
        let peer = parts
            .extensions
            .get::<ConnectInfo<Peer>>()
            .map(|info| info.0.0.ip());
        let caller = peer.and_then(|peer| client_address(gateway, peer, &parts.headers));
        let allowed = caller.is_some_and(|caller| {
            door.allow_from
                .iter()
                .any(|network| network.contains(caller))
        });
        if !allowed {
            return Err(Problem::new(Code::AddressNotAllowed)
                .detail("the caller's address is not in `allow_from`"));
        }
    }
    if door.intake.check().is_err() {
        return Err(Problem::new(Code::RateLimited)
            .detail("more messages than [limits] intake allows")
            .retry_after(1));
    }
    let server = &gateway.config.server;
    let bytes = body::read(
        &parts.headers,
        stream,
        server.max_body_bytes,
        Duration::from_millis(server.read_timeout_ms),
    )
    .await?;
    let raw = RawWebhook {
        method: parts.method,
        uri: parts
            .extensions
            .get::<axum::extract::OriginalUri>()
            .map_or(parts.uri, |original| original.0.clone()),
        headers: parts.headers,
        body: bytes,
    };
    if let Some(answer) = door.inbound.handshake(&raw) {
        gateway.metrics.webhook(&door.id, "handshake");
        return Ok(respond(answer));
    }
    match door.inbound.verify(&raw, gateway.clock.now()) {
        Verdict::Ping(answer) => {
            gateway.metrics.webhook(&door.id, "ping");
            Ok(respond(answer))
        }
        Verdict::Rejected(reason) => Ok(reject(gateway, door, &raw, reason)),
        Verdict::Message(message) => Ok(store(gateway, door, &message, started).await),
    }
}

/// The caller's address: what a trusted proxy says, else the peer itself; `None` when the proxy's
/// words cannot be read.
fn client_address(gateway: &Gateway, peer: IpAddr, headers: &http::HeaderMap) -> Option<IpAddr> {
    let trusted = |address: IpAddr| {
        gateway
            .config
            .server
            .trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    };
    if !trusted(peer) {
        return Some(peer);
    }
    let parts: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .collect();
    // The nearest hop that is not ours: everything left of it may be invented. A hop that is not
    // an address ends the walk, or its left neighbour could be passed off as the caller.
    for part in parts.into_iter().rev() {
        let part = part.trim();
        let hop = part
            .parse::<IpAddr>()
            .ok()
            .or_else(|| part.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
        if !trusted(hop) {
            return Some(hop);
        }
    }
    Some(peer)
}

/// Not believed: counted, sampled, and answered as this vendor needs; where the vendor has no
/// answer of its own, with a problem.
fn reject(gateway: &Gateway, door: &Door, raw: &RawWebhook, reason: Rejection) -> Response {
    gateway.metrics.webhook(&door.id, "rejected");
    gateway
        .rejected
        .note(&gateway.keys, &door.id, raw, reason, gateway.now_ms());
    tracing::warn!(
        channel = door.id,
        reason = reason.as_str(),
        "a message was not believed"
    );
    let answer = door.inbound.acknowledge(&Received::Rejected(reason));
    if answer.status.is_success() || !answer.body.is_empty() {
        return respond(answer);
    }
    Problem::new(Code::SignatureRejected)
        .detail(reason.to_string())
        .into_response()
}

async fn store(
    gateway: &Gateway,
    door: &Door,
    message: &VerifiedWebhook,
    started: Instant,
) -> Response {
    let rows = match gateway.config.app(&door.id) {
        Some(app) => route::incoming(gateway, app, message),
        None => {
            let now = gateway.now_ms();
            vec![prepare(
                &door.id,
                &*door.inbound,
                message,
                &gateway.keys,
                now,
            )]
        }
    };
    let until = started + patience(gateway, door);
    let stored = join_all(rows.into_iter().map(|row| async move {
        let id = row.channel.clone();
        // Stored after all is harmless: the sender repeats, and the repeat is a duplicate.
        let stored = tokio::time::timeout_at(until.into(), gateway.receiver.store(row))
            .await
            .unwrap_or(Err(Unavailable));
        let outcome = match &stored {
            Ok(stored) => match stored.outcome {
                ReceiptOutcome::New => "new",
                ReceiptOutcome::Duplicate => "duplicate",
                ReceiptOutcome::Conflict => "conflict",
            },
            Err(Unavailable) => "unavailable",
        };
        gateway.metrics.webhook(&id, outcome);
        stored
    }))
    .await;
    respond(door.inbound.acknowledge(&received(&stored)))
}

/// How long the sender may be kept waiting. A vendor's own limit includes the way there and back,
/// for which a fifth of it is left.
fn patience(gateway: &Gateway, door: &Door) -> Duration {
    let longest = Duration::from_millis(gateway.config.server.request_timeout_ms);
    match door.inbound.ack_within() {
        Some(limit) => longest.min(limit * 4 / 5),
        None => longest,
    }
}

/// One answer for all parts: only when each of them is durable may the vendor forget the message.
fn received(parts: &[Result<Stored, Unavailable>]) -> Received {
    let mut all = Received::Unavailable;
    for part in parts {
        let Ok(stored) = part else {
            return Received::Unavailable;
        };
        all = match (stored.outcome, all) {
            (ReceiptOutcome::New, _) => Received::Stored(stored.answer),
            (_, all @ Received::Stored(_)) => all,
            (ReceiptOutcome::Duplicate | ReceiptOutcome::Conflict, _) => {
                Received::Duplicate(stored.answer)
            }
        };
    }
    all
}

fn respond(answer: Acknowledgement) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    if let Some(kind) = answer.content_type {
        response.headers_mut().insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static(kind),
        );
    }
    response
}
