//! `/api/v1/changes`: the feed of changed orders, in pages or as a stream of server-sent events.
//!
//! A position is given after commit by one publisher, so a reader that goes on after the last
//! position that it saw misses nothing, however it reads.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::extract::{self, Query};
use super::page;
use super::problem::{Code, Problem};
use crate::bells::News;
use crate::gateway::Gateway;
use crate::store::feed;

/// Changes that a stream reads at once.
const BATCH: i64 = 200;

/// A ring of another replica may be lost: a stream that waits looks this often all the same.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A comment goes out this often, so that proxies keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Changes after this position; from the oldest that is kept if left out.
    after: Option<i64>,
    /// Rows of a page, 1 to 200; 50 if left out. A stream has no pages.
    limit: Option<u32>,
}

/// An order changed.
#[derive(Debug, Serialize, ToSchema)]
struct Change {
    /// Place in the feed; rises.
    position: i64,
    /// Order.
    order_id: String,
    /// The order's version after the change.
    version: i64,
    /// `created` or `updated`.
    kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<feed::Change> for Change {
    fn from(row: feed::Change) -> Self {
        Self {
            position: row.position,
            order_id: row.order_id,
            version: row.version,
            kind: row.kind,
            at: time(row.at),
        }
    }
}

/// A page of the feed.
#[derive(Debug, Serialize, ToSchema)]
struct Changes {
    /// Oldest first.
    data: Vec<Change>,
    /// Send it as `after` for what comes next; there is always a next.
    next: i64,
}

/// The feed of changed orders
///
/// With `Accept: text/event-stream` the answer is a stream of events `change` whose id is the
/// position; `Last-Event-ID` goes before `after`.
#[utoipa::path(
    get, path = "/changes", tag = "changes", operation_id = "list_changes", params(Wanted),
    responses(
        (status = 200, description = "A page, or a stream", content(
            (Changes = "application/json"), (Change = "text/event-stream"),
        )),
        (status = 410, description = "The position is older than what is kept"),
    ),
    security(("token" = ["orders:read"])),
)]
async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Scope::OrdersRead)?;
    caller.require_unbound()?;
    let limit = page::limit(wanted.limit)?;
    let mut after = wanted.after;
    let streamed = wants_stream(&headers);
    if streamed && let Some(last) = extract::header(&headers, "last-event-id")? {
        let last = last.trim().parse();
        after = Some(last.map_err(|_| Problem::invalid("Last-Event-ID", "must be a position"))?);
    }
    if after.is_some_and(|after| after < 0) {
        return Err(Problem::invalid("after", "must be 0 or a position"));
    }
    let after = kept(&gateway, after).await?;
    if streamed {
        let events = Sse::new(stream(gateway, caller, after))
            .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here"));
        return Ok(events.into_response());
    }
    let found = feed::changes(&gateway.db, after, limit).await?;
    if skips(after, &found) {
        return Err(gone(
            "they were dropped a moment ago; read the orders again",
        ));
    }
    let data: Vec<Change> = found.into_iter().map(Change::from).collect();
    let next = data.last().map_or(after, |change| change.position);
    Ok(Json(Changes { data, next }).into_response())
}

/// The position to go on from; without one, from the oldest change that is kept. A position beyond
/// the newest was given by a database that has been restored since.
async fn kept(gateway: &Gateway, after: Option<i64>) -> Result<i64, Problem> {
    let (oldest, newest) = feed::ends(&gateway.db).await?.unwrap_or((1, 0));
    match after {
        None => Ok(oldest - 1),
        Some(after) if (oldest - 1..=newest).contains(&after) => Ok(after),
        Some(_) => Err(gone(&format!(
            "the feed holds positions {oldest} to {newest}; read the orders again, then go on from there"
        ))),
    }
}

fn gone(detail: &str) -> Problem {
    Problem::new(Code::ChangesGone).detail(detail)
}

/// Positions rise by one: a gap was made by dropping what lay in it, after `kept` had looked.
fn skips(after: i64, found: &[feed::Change]) -> bool {
    found
        .first()
        .is_some_and(|first| first.position > after + 1)
}

fn wants_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// Changes after a position, until the gateway stops or the token ends. When the database does not
/// answer, the stream ends and its reader comes again with the last id.
fn stream(
    gateway: Arc<Gateway>,
    caller: Caller,
    after: i64,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let start = (gateway, caller, after, Vec::new().into_iter());
    stream::unfold(
        start,
        |(gateway, caller, mut after, mut batch)| async move {
            loop {
                if let Some(change) = batch.next() {
                    let change: Change = change;
                    after = change.position;
                    let event = Event::default()
                        .event("change")
                        .id(after.to_string())
                        .json_data(&change)
                        .expect("a change is JSON");
                    return Some((Ok(event), (gateway, caller, after, batch)));
                }
                batch = next_batch(&gateway, &caller, after).await?.into_iter();
            }
        },
    )
}

/// The next changes, as soon as there are some; `None` at the end.
async fn next_batch(gateway: &Gateway, caller: &Caller, after: i64) -> Option<Vec<Change>> {
    loop {
        // Heard from before the look on, or what is published in between rings unheard.
        let published = gateway.bells.heard(News::Published);
        if gateway.shutdown.is_triggered() {
            return None;
        }
        match feed::changes(&gateway.db, after, BATCH).await {
            Ok(found) if found.is_empty() => {}
            // The reader comes again with its last position, and is told.
            Ok(found) if skips(after, &found) => return None,
            // Asked for each batch: a stream may outlive its token by days.
            Ok(_) if !caller.is_still_valid(gateway).await => return None,
            Ok(found) => return Some(found.into_iter().map(Change::from).collect()),
            Err(error) => {
                tracing::warn!(error = %crate::telemetry::chain(&error), "a change stream ends because the database does not answer");
                return None;
            }
        }
        tokio::select! {
            () = gateway.shutdown.triggered() => return None,
            () = published => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_sent_only_to_those_who_ask_for_one() {
        let asks = |accept: &'static str| {
            wants_stream(&HeaderMap::from_iter([(
                header::ACCEPT,
                http::HeaderValue::from_static(accept),
            )]))
        };
        assert!(asks("text/event-stream"));
        assert!(asks("application/json, text/event-stream;q=0.9"));
        assert!(!asks("application/json"));
        assert!(!asks("*/*"));
        assert!(!wants_stream(&HeaderMap::new()));
    }
}
