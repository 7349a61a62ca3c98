//! `GET /api/v1/customers`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::customer::Identity;
use domain::phone::{Parsed, Phone};
use domain::text::fold;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Customer, require, show};
use crate::gateway::Gateway;
use crate::http::auth::Caller;
use crate::http::extract::Query;
use crate::http::page::{self, Position};
use crate::http::problem::Problem;
use crate::store::customers::name_terms;
use crate::store::customers::read::{self, Filter, Seen};

/// Characters of a search at most.
const SEARCH_CHARS: usize = 100;

/// Words of a search at most; further ones are left out.
const WORDS: usize = 8;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Params {
    /// Words of a name, whole ones, with or without diacritics: `nguyen an` finds Nguyễn Văn An.
    q: Option<String>,
    /// A whole phone, written in any way. A shared one also finds the customers who used it.
    phone: Option<String>,
    /// Seen in this channel.
    channel: Option<String>,
    /// Customers of a page, 1 to 200; usually 50.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of customers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CustomerPage {
    /// The customers, the newest first.
    data: Vec<Customer>,
    /// Send it as `cursor` to get the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Customers, in pages
///
/// All filters may be combined.
#[utoipa::path(
    get, path = "/customers", tag = "customers", operation_id = "list_customers",
    params(Params),
    responses((status = 200, description = "A page", body = CustomerPage)),
    security(("token" = ["customers:read"])),
)]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<CustomerPage>, Problem> {
    require(&caller)?;
    let limit = page::limit(params.limit)?;
    let name = serde_json::json!(["customers", params.q, params.phone, params.channel]).to_string();
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| Position::read(&gateway.keys, &name, cursor))
        .transpose()?;
    let filter = filter(&gateway, &params)?;
    let after = after.as_ref().map(|position| position.id.as_str());
    let mut ids = read::list(&gateway.db, &filter, after, page::rows(limit)).await?;
    // Ids are sorted by themselves.
    let next_cursor = page::cut(&mut ids, limit, &gateway.keys, &name, |id| Position {
        at: 0,
        id: id.clone(),
    });
    let mut seen: HashMap<String, Vec<Seen>> = HashMap::new();
    for one in read::identities(&gateway.db, &ids).await? {
        let customer = one.known.member.customer.as_str().to_owned();
        seen.entry(customer).or_default().push(one);
    }
    let data = ids
        .iter()
        // One that has just become part of another is on that one's page.
        .filter_map(|id| Some(show(&caller, id, seen.get(id)?)))
        .collect();
    Ok(Json(CustomerPage { data, next_cursor }))
}

fn filter(gateway: &Gateway, params: &Params) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    if let Some(text) = &params.q {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > SEARCH_CHARS {
            return Err(Problem::invalid("q", "must have 1 to 100 characters"));
        }
        filter.words = fold(text)
            .split(' ')
            .filter(|word| !word.is_empty())
            .take(WORDS)
            .map(|word| name_terms(&gateway.keys, word))
            .collect();
        if filter.words.is_empty() {
            return Err(Problem::invalid("q", "must have a letter or digit"));
        }
    }
    if let Some(text) = &params.phone {
        let Parsed::Valid(phone) = Phone::parse(text) else {
            return Err(Problem::invalid("phone", "must be a whole phone number"));
        };
        filter.phone = Some(Identity::Phone(phone).key());
    }
    if let Some(channel) = &params.channel {
        if gateway.config.channel(channel).is_none() {
            return Err(Problem::invalid("channel", "is not a channel"));
        }
        filter.channel = Some(channel.clone());
    }
    Ok(filter)
}
