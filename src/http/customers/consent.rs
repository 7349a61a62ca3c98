//! `PUT /api/v1/customers/{id}/consent`: what a customer told staff.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::customer::{ConsentState, standing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find;
use super::show::{ConsentView, consent_view};
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::extract;
use crate::http::problem::{Code, Problem};
use crate::store::Error;
use crate::store::customers::consent::{self, Given};
use crate::store::customers::read;

/// Characters of a reason at most.
const REASON_CHARS: usize = 500;

/// How often it is tried again when the customer becomes part of another one in that moment.
const TRIES: usize = 5;

/// What a customer allows in a channel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsentRequest {
    /// Id of a channel.
    channel: String,
    /// `granted` or `withdrawn`.
    #[schema(pattern = "^(granted|withdrawn)$")]
    state: String,
    /// Why: 1 to 500 characters, kept in the audit log. No personal data, please.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// What stands in each channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConsentAnswer {
    /// The customer (`cus_…`), under the id that it has now.
    customer_id: String,
    /// The latest word of each channel.
    consents: Vec<ConsentView>,
}

/// Set what a customer allows in a channel
///
/// The latest word of a channel counts, whether it comes from here or from the channel itself.
#[utoipa::path(
    put, path = "/customers/{id}/consent", tag = "customers", operation_id = "put_customer_consent",
    params(("id" = String, Path, description = "Id (`cus_…`)")),
    request_body = ConsentRequest,
    responses(
        (status = 200, description = "What stands now", body = ConsentAnswer),
        (status = 404, description = "No such customer"),
    ),
    security(("token" = ["conversations:write"])),
)]
pub(super) async fn put(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
    extract::Json(request): extract::Json<ConsentRequest>,
) -> Result<Json<ConsentAnswer>, Problem> {
    caller.require_unbound()?;
    caller.require(Scope::ConversationsWrite)?;
    if gateway.config.channel(&request.channel).is_none() {
        return Err(Problem::invalid("channel", "is not a channel"));
    }
    let state = ConsentState::from_word(&request.state)
        .ok_or_else(|| Problem::invalid("state", "must be granted or withdrawn"))?;
    let reason = request.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Problem::invalid("reason", "must have 1 to 500 characters"));
    }
    for _ in 0..TRIES {
        let customer_id = find(&gateway, &id).await?;
        let given = Given {
            customer: &customer_id,
            channel: &request.channel,
            state,
            actor: caller.actor(),
            reason,
        };
        match consent::set(&gateway.db, gateway.now_ms(), &given).await {
            Ok(()) => return answer(&gateway, &caller, customer_id).await.map(Json),
            Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::new(Code::Unavailable).retry_after(1))
}

async fn answer(
    gateway: &Gateway,
    caller: &Caller,
    customer_id: String,
) -> Result<ConsentAnswer, Problem> {
    let clear = caller.may(Scope::PiiRead);
    let seen = read::identities(&gateway.db, std::slice::from_ref(&customer_id)).await?;
    let consents = consent::of(&gateway.db, &read::ids(&seen)).await?;
    Ok(ConsentAnswer {
        customer_id,
        consents: standing(&consents)
            .into_values()
            .map(|one| consent_view(clear, one))
            .collect(),
    })
}
