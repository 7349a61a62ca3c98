//! What staff do with a conversation: take it, answer it, close it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use connectors::feedback::Window;
use domain::conversation::Conversation as Aggregate;
use domain::customer::{ConsentState, standing};
use domain::task::{ChannelMessage, Leg, Task, TaskBody};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Conversation, found, show};
use crate::bells::News;
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::extract;
use crate::http::problem::{Code, Problem};
use crate::store::Error;
use crate::store::conversations::Row;
use crate::store::customers::consent;
use crate::store::tx::Tx;

/// How often an act is tried again when somebody else changes the conversation in that moment.
const TRIES: usize = 5;

/// Characters of a reason at most.
const REASON_CHARS: usize = 500;

/// Whose it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignRequest {
    /// Who answers it from now on; null gives it back to all.
    #[schema(max_length = 100)]
    assignee: Option<String>,
}

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseRequest {
    /// Why: 1 to 500 characters, kept in the audit log. No personal data, please.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// What to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyRequest {
    /// The text, as long as the channel lets it be.
    #[schema(min_length = 1)]
    text: String,
    /// Id of the comment that is answered in private; without it the person is answered.
    comment: Option<String>,
}

fn require(caller: &Caller) -> Result<(), Problem> {
    caller.require_unbound()?;
    caller.require(Scope::ConversationsWrite)
}

/// What an act writes beside the conversation.
struct Deed {
    action: &'static str,
    detail: String,
    task: Option<Task>,
}

/// What an answer is known by.
struct Repeatable<'a> {
    task_key: String,
    request: &'a ReplyRequest,
}

impl Repeatable<'_> {
    /// Whether a task of an earlier request asks for the same.
    fn is_same(&self, earlier: &TaskBody) -> bool {
        matches!(earlier, TaskBody::ChannelMessage(said)
            if said.text == self.request.text.trim() && said.comment == self.request.comment)
    }
}

/// Loads, changes and writes a conversation in one transaction, with its task and audit row. What
/// was done before under the same key is not done again.
async fn change(
    gateway: &Gateway,
    caller: &Caller,
    id: &str,
    repeatable: Option<&Repeatable<'_>>,
    act: impl Fn(&mut Aggregate, &Row) -> Result<Deed, Problem>,
) -> Result<Json<Conversation>, Problem> {
    for _ in 0..TRIES {
        let row = found(gateway, id).await?;
        let tx = Tx::begin(&gateway.db).await?;
        let persons = [row.person.clone()];
        let mut loaded = tx.load_conversations(&row.channel, &persons).await?;
        let Some(one) = loaded.get_mut(&row.person) else {
            return Err(Problem::new(Code::NotFound));
        };
        let now = gateway.now_ms();
        if let Some(repeatable) = repeatable
            && let Some(earlier) = tx.task_body(&repeatable.task_key).await?
        {
            return if repeatable.is_same(&earlier) {
                Ok(Json(show(caller, row, now)))
            } else {
                Err(Problem::new(Code::KeyReused))
            };
        }
        let deed = act(&mut one.conversation, &row)?;
        let saved = tx
            .save_conversations(now, &[(row.channel.as_str(), row.person.as_str(), &*one)])
            .await;
        match saved {
            Err(Error::Conflict { .. }) => continue,
            saved => saved?,
        }
        let told = deed.task.is_some();
        if let Some(task) = deed.task {
            tx.insert_tasks(now, &[(None, task)]).await?;
        }
        let audit = [
            caller.actor().to_owned(),
            deed.action.to_owned(),
            row.id.clone(),
            deed.detail,
        ];
        tx.audit(now, &[audit]).await?;
        tx.commit().await?;
        if told {
            gateway.bells.ring(News::Outbox);
        }
        return Ok(Json(show(caller, found(gateway, id).await?, now)));
    }
    Err(Problem::new(Code::Unavailable).retry_after(1))
}

/// Give a conversation to somebody
#[utoipa::path(
    post, path = "/conversations/{id}/assign", tag = "conversations",
    operation_id = "assign_conversation",
    params(("id" = String, Path, description = "Id (`cnv_…`)")),
    request_body = AssignRequest,
    responses(
        (status = 200, description = "The conversation as it is now", body = Conversation),
        (status = 404, description = "No such conversation"),
    ),
    security(("token" = ["conversations:write"])),
)]
pub(super) async fn assign(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
    extract::Json(request): extract::Json<AssignRequest>,
) -> Result<Json<Conversation>, Problem> {
    require(&caller)?;
    let assignee = request.assignee.as_deref().map(str::trim);
    if assignee.is_some_and(|name| name.is_empty() || name.chars().count() > 100) {
        return Err(Problem::invalid(
            "assignee",
            "must have 1 to 100 characters, or be null",
        ));
    }
    change(&gateway, &caller, &id, None, |conversation, _| {
        conversation.assign(assignee);
        Ok(Deed {
            action: "conversation.assign",
            detail: assignee.unwrap_or("nobody").to_owned(),
            task: None,
        })
    })
    .await
}

/// Close a conversation
///
/// The person's next word opens it again.
#[utoipa::path(
    post, path = "/conversations/{id}/close", tag = "conversations",
    operation_id = "close_conversation",
    params(("id" = String, Path, description = "Id (`cnv_…`)")),
    request_body = CloseRequest,
    responses(
        (status = 200, description = "The conversation as it is now", body = Conversation),
        (status = 404, description = "No such conversation"),
    ),
    security(("token" = ["conversations:write"])),
)]
pub(super) async fn close(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
    extract::Json(request): extract::Json<CloseRequest>,
) -> Result<Json<Conversation>, Problem> {
    require(&caller)?;
    let reason = request.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Problem::invalid("reason", "must have 1 to 500 characters"));
    }
    let now = gateway.clock.now();
    change(&gateway, &caller, &id, None, |conversation, _| {
        conversation.close(reason, now);
        Ok(Deed {
            action: "conversation.close",
            detail: reason.to_owned(),
            task: None,
        })
    })
    .await
}

/// Answer a conversation
///
/// The answer is sent through the outbox and shows up as a delivery; the channel's echo of it then
/// stands among the messages. Channels close their windows some time after the person's last word:
/// outside of it, and after the person took back their consent, the answer is refused here and
/// nothing is sent. The `Idempotency-Key` is required;
/// a repeat with it sends nothing more.
#[utoipa::path(
    post, path = "/conversations/{id}/reply", tag = "conversations",
    operation_id = "reply_to_conversation",
    params(
        ("id" = String, Path, description = "Id (`cnv_…`)"),
        ("Idempotency-Key" = String, Header, description = "Makes a repeat harmless"),
    ),
    request_body = ReplyRequest,
    responses(
        (status = 200, description = "The conversation; the answer is on its way", body = Conversation),
        (status = 404, description = "No such conversation"),
        (status = 409, description = "The channel's window is closed, the person's consent is withdrawn, it has no messages, or the key stands for another text"),
    ),
    security(("token" = ["conversations:write"])),
)]
pub(super) async fn reply(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    extract::Json(request): extract::Json<ReplyRequest>,
) -> Result<Json<Conversation>, Problem> {
    require(&caller)?;
    let key = extract::idempotency_key(&headers)?.ok_or_else(|| Problem::new(Code::KeyRequired))?;
    let repeatable = Repeatable {
        task_key: format!("message/{id}/{}/{key}", caller.actor()),
        request: &request,
    };
    let now = gateway.clock.now();
    let row = found(&gateway, &id).await?;
    let consents = consent::of_person(&gateway.db, &row.channel, &row.person).await?;
    let withdrawn_at = standing(&consents)
        .get(row.channel.as_str())
        .filter(|consent| consent.state == ConsentState::Withdrawn)
        .map(|consent| consent.at);
    change(
        &gateway,
        &caller,
        &id,
        Some(&repeatable),
        |conversation, row| {
            let key = &repeatable.task_key;
            let task = answer(
                &gateway,
                (conversation, row),
                &request,
                key,
                (now, withdrawn_at),
            )?;
            Ok(Deed {
                action: "conversation.reply",
                detail: format!("{} characters", request.text.chars().count()),
                task: Some(task),
            })
        },
    )
    .await
}

/// Kinds of messages in which the person says nothing to us: to be followed, left, or rated opens
/// no window, and what a comment opens is judged by the comment itself.
fn is_a_word(kind: &str) -> bool {
    !matches!(
        kind,
        "status" | "comment" | "removal" | "follow" | "unfollow" | "rating"
    )
}

/// The task that sends the answer. `withdrawn_at` is when the person took their consent back, if
/// that is their last word on it.
fn answer(
    gateway: &Gateway,
    (conversation, row): (&Aggregate, &Row),
    request: &ReplyRequest,
    key: &str,
    (now, withdrawn_at): (Timestamp, Option<Timestamp>),
) -> Result<Task, Problem> {
    let refused = |words: &str| Problem::new(Code::NotAllowed).detail(words.to_owned());
    let channel = gateway
        .config
        .channel(&row.channel)
        .filter(|channel| channel.enabled)
        .ok_or_else(|| refused("its channel is not configured any more"))?;
    let messages = channel
        .channel
        .messages()
        .ok_or_else(|| refused("this channel has no way to answer; see `kenh channels`"))?;
    let text = request.text.trim();
    if text.is_empty() || text.chars().count() > messages.longest() {
        let words = format!("must have 1 to {} characters", messages.longest());
        return Err(Problem::invalid("text", &words));
    }
    let view = conversation.view();
    let comment_at = match &request.comment {
        None => None,
        Some(id) => {
            let comment = view.messages.iter().find(|message| message.id == *id);
            let comment = comment
                .filter(|message| {
                    message.kind == "comment" && !message.outgoing && !message.removed
                })
                .ok_or_else(|| Problem::invalid("comment", "is not a comment of this person"))?;
            Some(comment.at)
        }
    };
    let heard = view
        .messages
        .iter()
        .rev()
        .find(|message| !message.outgoing && is_a_word(&message.kind));
    // Who writes to us after all, or comments, wants an answer to that.
    let last_word = heard.map(|message| message.at).max(comment_at);
    if withdrawn_at.is_some_and(|withdrawn| last_word.is_none_or(|word| word <= withdrawn)) {
        return Err(refused(
            "the person has taken back their consent to be written to in this channel",
        ));
    }
    let message = ChannelMessage {
        conversation: row.id.clone(),
        account: view.account.clone(),
        person: row.person.clone(),
        text: text.to_owned(),
        comment: request.comment.clone(),
        last_heard_at: heard.map(|message| message.at),
        comment_at,
        by_hand: true,
    };
    if messages.window(&message, now) == Window::Closed {
        return Err(refused(
            "the channel lets nobody write to this person now; wait for their next word, or call",
        ));
    }
    Ok(Task {
        key: key.to_owned(),
        target: row.channel.clone(),
        leg: Leg::Channel,
        subject: row.id.clone(),
        generation: 1,
        serial: Some(format!("message/{}", row.id)),
        not_before: None,
        body: TaskBody::ChannelMessage(message),
    })
}
