//! `GET /api/v1/customers/{id}`: one customer with all that happened in every channel.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::customer::{Consent, ConsentSource, Identity, standing};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Customer, find, require, show, shown_phone};
use crate::gateway::Gateway;
use crate::http::audit::time;
use crate::http::auth::{Caller, Scope};
use crate::http::problem::{Code, Problem};
use crate::store::customers::{consent, read};

/// Orders, conversations, merges and the like that are shown, the latest ones.
const MOST: i64 = 50;

/// A customer with everything that is known.
#[derive(Debug, Serialize, ToSchema)]
struct CustomerDetail {
    #[serde(flatten)]
    customer: Customer,
    /// Phones and persons that appeared together with this customer's identities and are not this
    /// customer, because one of the two is shared.
    beside: Vec<BesideView>,
    /// What stands in each channel: the latest word on consent.
    consents: Vec<ConsentView>,
    /// Every word on consent, oldest first.
    consent_history: Vec<ConsentView>,
    /// What was bought in each channel.
    channels: Vec<ChannelHistory>,
    /// The latest 50 orders, newest first.
    orders: Vec<CustomerOrder>,
    /// The latest 50 conversations, latest first.
    conversations: Vec<CustomerConversation>,
    /// How this customer came about: the latest 50 merges and partings, oldest first.
    merges: Vec<MergeView>,
}

/// A phone or person beside the customer.
#[derive(Debug, Serialize, ToSchema)]
struct BesideView {
    /// Whose it is (`cus_…`).
    customer_id: String,
    /// The phone; masked without `pii:read`.
    phone: Option<String>,
    /// The channel of a person.
    channel: Option<String>,
}

/// A word on consent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConsentView {
    /// Channel.
    channel: String,
    /// `granted` or `withdrawn`.
    state: &'static str,
    /// `channel` (the person follows the account, or stopped) or `staff`.
    source: &'static str,
    /// Who said so, of `staff`.
    actor: Option<String>,
    /// Why, of `staff`; hidden without `pii:read`.
    reason: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// What was bought in a channel.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelHistory {
    /// Channel.
    channel: String,
    /// Orders, cancelled ones included.
    orders: i64,
    /// When the first one was placed.
    #[schema(value_type = String, format = DateTime)]
    first_order_at: Timestamp,
    /// When the last one was placed.
    #[schema(value_type = String, format = DateTime)]
    last_order_at: Timestamp,
}

/// An order of the customer.
#[derive(Debug, Serialize, ToSchema)]
struct CustomerOrder {
    /// `ord_…`
    id: String,
    /// Code for people.
    code: String,
    /// Channel.
    channel: String,
    /// The one status shown to people.
    status: String,
    /// What the buyer owes, in đồng.
    total: i64,
    /// When it was placed.
    #[schema(value_type = String, format = DateTime)]
    placed_at: Timestamp,
}

/// A conversation of the customer.
#[derive(Debug, Serialize, ToSchema)]
struct CustomerConversation {
    /// `cnv_…`
    id: String,
    /// Channel.
    channel: String,
    /// Where it stands.
    state: String,
    /// Who answers it.
    assignee: Option<String>,
    /// The draft or order that came of it.
    order_id: Option<String>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Two customers that became one, or one that stands alone again.
#[derive(Debug, Serialize, ToSchema)]
struct MergeView {
    /// `merged`; `parted` when what had joined them turned out to be shared.
    kind: String,
    /// The customer that was.
    from: String,
    /// The customer that is.
    into: String,
    /// The channel whose document had both a person's id and a phone.
    channel: Option<String>,
    /// That phone; masked without `pii:read`.
    phone: Option<String>,
    /// The order whose document it was.
    order_id: Option<String>,
    /// The message that brought it: an id of the inbox.
    message_id: Option<i64>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// One customer
///
/// The id of a customer that became one with an older one is answered with the older one.
#[utoipa::path(
    get, path = "/customers/{id}", tag = "customers", operation_id = "get_customer",
    params(("id" = String, Path, description = "Id (`cus_…`)")),
    responses(
        (status = 200, description = "The customer; `Content-Location` has the address under its own id", body = CustomerDetail),
        (status = 404, description = "No such customer"),
    ),
    security(("token" = ["customers:read"])),
)]
pub(super) async fn customer(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    require(&caller)?;
    let id = find(&gateway, &id).await?;
    let detail = detail(&gateway, &caller, &id).await?;
    let place = format!("/api/v1/customers/{id}");
    let mut response = Json(detail).into_response();
    if let Ok(place) = HeaderValue::try_from(place) {
        response
            .headers_mut()
            .insert(header::CONTENT_LOCATION, place);
    }
    Ok(response)
}

async fn detail(gateway: &Gateway, caller: &Caller, id: &str) -> Result<CustomerDetail, Problem> {
    let db = &gateway.db;
    let clear = caller.may(Scope::PiiRead);
    let seen = read::identities(db, &[id.to_owned()]).await?;
    if seen.is_empty() {
        // It became part of another one between two reads.
        return Err(Problem::new(Code::Unavailable).retry_after(1));
    }
    let ids = read::ids(&seen);
    let consents = consent::of(db, &ids).await?;
    let consent = |one: &Consent| consent_view(clear, one);
    Ok(CustomerDetail {
        customer: show(caller, id, &seen),
        beside: read::beside(db, id, &ids, MOST)
            .await?
            .into_iter()
            .filter_map(|row| {
                let identity = Identity::from_key(&row.key)?;
                Some(BesideView {
                    customer_id: row.customer_id,
                    phone: shown_phone(clear, &identity),
                    channel: channel_of(identity),
                })
            })
            .collect(),
        consents: standing(&consents).into_values().map(consent).collect(),
        consent_history: consents.iter().map(consent).collect(),
        channels: read::channels(db, &ids)
            .await?
            .into_iter()
            .map(|row| ChannelHistory {
                channel: row.channel,
                orders: row.orders,
                first_order_at: time(row.first_at),
                last_order_at: time(row.last_at),
            })
            .collect(),
        orders: read::orders(db, &ids, MOST)
            .await?
            .into_iter()
            .map(order)
            .collect(),
        conversations: read::conversations(db, &ids, MOST)
            .await?
            .into_iter()
            .map(|row| CustomerConversation {
                id: row.id,
                channel: row.channel,
                state: row.state,
                assignee: row.assignee,
                order_id: row.order_id,
                updated_at: time(row.updated_at),
            })
            .collect(),
        merges: read::merges(db, &ids, MOST)
            .await?
            .into_iter()
            .map(|row| merge(clear, row))
            .collect(),
    })
}

pub(super) fn consent_view(clear: bool, consent: &Consent) -> ConsentView {
    let (source, actor, reason) = match &consent.source {
        ConsentSource::Channel => ("channel", None, None),
        ConsentSource::Staff { actor, reason } => (
            "staff",
            Some(actor.clone()),
            Some(reason.clone()).filter(|_| clear),
        ),
    };
    ConsentView {
        channel: consent.channel.clone(),
        state: consent.state.as_str(),
        source,
        actor,
        reason,
        at: consent.at,
    }
}

fn order(row: read::OrderRow) -> CustomerOrder {
    CustomerOrder {
        id: row.id,
        code: row.code,
        channel: row.channel,
        status: row.status,
        total: row.grand_total,
        placed_at: time(row.placed_at),
    }
}

fn merge(clear: bool, row: read::MergeRow) -> MergeView {
    let phone = Identity::from_key(&row.phone_key);
    MergeView {
        kind: row.kind,
        from: row.from_id,
        into: row.into_id,
        channel: Identity::from_key(&row.user_key).and_then(channel_of),
        phone: phone.and_then(|phone| shown_phone(clear, &phone)),
        order_id: row.order_id,
        message_id: row.message_seq,
        at: time(row.at),
    }
}

fn channel_of(identity: Identity) -> Option<String> {
    match identity {
        Identity::User(user) => Some(user.channel),
        Identity::Phone(_) => None,
    }
}
