//! `/api/v1/inbox/{id}/replay`: a stored message read again with today's connector.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, Scope};
use super::extract::{self, Raw};
use super::inbox::sealed;
use super::problem::{Code, Problem};
use crate::bells::News;
use crate::gateway::Gateway;
use crate::pipeline::replay::{self, Document, Effect};
use crate::store::inbox::{NewNotice, NewState};
use crate::store::{messages, replays};

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(replay_message))
}

/// How to replay a message. The body may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReplayRequest {
    /// Tell only what today's connector reads.
    #[serde(default)]
    dry_run: bool,
}

/// One field of an order that would be different. Personal data is masked on both sides.
#[derive(Debug, Serialize, ToSchema)]
struct FieldChange {
    /// Path of the field, such as `lines[0].quantity`.
    field: String,
    /// As it is.
    #[schema(value_type = Object)]
    from: Value,
    /// As it would be.
    #[schema(value_type = Object)]
    to: Value,
}

/// One notice of the new reading.
#[derive(Debug, Serialize, ToSchema)]
struct ReadNotice {
    /// Kind.
    kind: &'static str,
    /// What it is about within the channel.
    key: Option<String>,
    /// `waiting`: it is settled; or `ignored`.
    state: &'static str,
    /// Why it is ignored.
    reason: Option<String>,
    /// For an order in a dry run: `here` if the message carries its document, `fetch` if it is
    /// fetched.
    document: Option<&'static str>,
    /// For an order in a dry run: ours, if it is known.
    order_id: Option<String>,
    /// In a dry run: what would be different in the order.
    changes: Vec<FieldChange>,
}

impl ReadNotice {
    fn new(notice: &NewNotice, effect: Option<Effect>) -> Self {
        let (state, reason) = match &notice.state {
            NewState::Waiting => ("waiting", None),
            NewState::Ignored(reason) => ("ignored", Some(reason.clone())),
            NewState::Dead(reason) => ("dead", Some(reason.clone())),
        };
        let (document, order_id, changes) = match effect {
            None => (None, None, Vec::new()),
            Some(effect) => (
                Some(match effect.document {
                    Document::Here => "here",
                    Document::Fetch => "fetch",
                }),
                effect.order_id,
                effect.changes,
            ),
        };
        Self {
            kind: notice.kind,
            key: notice.key.clone(),
            state,
            reason,
            document,
            order_id,
            changes: changes
                .into_iter()
                .map(|change| FieldChange {
                    field: change.field,
                    from: change.from,
                    to: change.to,
                })
                .collect(),
        }
    }
}

/// What a replay read, and did.
#[derive(Debug, Serialize, ToSchema)]
struct Replayed {
    /// Nothing was done.
    dry_run: bool,
    /// First position of the new notices; null in a dry run.
    reading: Option<i64>,
    /// Dead notices that the new reading replaces; they are ignored now.
    replaced: u64,
    /// What today's connector reads.
    notices: Vec<ReadNotice>,
}

/// Reads a message again with today's connector
///
/// The new notices are settled like those of a new message; what says the same again changes
/// nothing. Dead notices of earlier readings are replaced.
#[utoipa::path(
    post, path = "/inbox/{id}/replay", tag = "inbox", operation_id = "replay_message",
    params(("id" = i64, Path, description = "The message")),
    request_body(content = ReplayRequest, description = "May be left out"),
    responses(
        (status = 200, description = "What was read", body = Replayed),
        (status = 404, description = "There is no such message"),
        (status = 409, description = "It cannot be read: gone, or not by today's connector"),
    ),
    security(("token" = ["inbox:replay"])),
)]
async fn replay_message(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Result<Json<Replayed>, Problem> {
    caller.require(Scope::InboxReplay)?;
    caller.require_unbound()?;
    let request: ReplayRequest = if body.is_empty() {
        ReplayRequest::default()
    } else {
        extract::json(&body)?
    };
    let id = extract::row_number(&id)?;
    let whole = messages::one(&gateway.db, id)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    let channel = whole.message.channel;
    let stored = sealed(&gateway, id).await?;
    let reading = replay::read(&gateway, &channel, &stored).map_err(refused)?;
    if request.dry_run {
        let effects = reading.effects(&gateway, &channel).await.map_err(refused)?;
        let notices = reading
            .notices
            .iter()
            // A message with nothing in it has one notice that says so, and no effect.
            .zip(effects.into_iter().chain(std::iter::repeat(None)))
            .map(|(notice, effect)| ReadNotice::new(notice, effect))
            .collect();
        return Ok(Json(Replayed {
            dry_run: true,
            reading: None,
            replaced: 0,
            notices,
        }));
    }
    reading.hand_over(&gateway).await?;
    let now = gateway.now_ms();
    let replayed = replays::replay(&gateway.db, id, caller.actor(), now, &reading.notices)
        .await
        .map_err(|error| {
            if error.is_race() {
                Problem::new(Code::VersionConflict)
                    .detail("somebody replays this message at the same moment")
            } else {
                Problem::from(error)
            }
        })?;
    gateway.bells.ring(News::Inbox);
    tracing::info!(
        actor = caller.actor(),
        message = id,
        channel,
        notices = replayed.notices,
        "a message was replayed"
    );
    Ok(Json(Replayed {
        dry_run: false,
        reading: Some(replayed.base),
        replaced: replayed.replaced,
        notices: reading
            .notices
            .iter()
            .map(|notice| ReadNotice::new(notice, None))
            .collect(),
    }))
}

fn refused(error: replay::Error) -> Problem {
    match error {
        replay::Error::Store(error) => error.into(),
        error @ (replay::Error::NoChannel
        | replay::Error::Content(_)
        | replay::Error::Unreadable(_)) => Problem::new(Code::NotAllowed).detail(error.to_string()),
    }
}
