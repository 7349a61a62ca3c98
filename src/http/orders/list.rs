//! `GET /api/v1/orders`.
//!
//! # Which filters go together
//! Every list is served by an index, so that none reads all orders:
//!
//! - any one of `status`, `channel`, `location`, `phone`, `q`, or none of them;
//! - `phone` or `q` together with any others, because they leave few orders;
//! - several of `status`, `channel`, `location` within `placed_from` and `placed_to` that lie at
//!   most 31 days apart: the rest is then sorted out within that time;
//! - `sort=updated_at` alone or with `updated_from`.
//!
//! Everything else is answered with `filter-not-indexed`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::code::OrderCode;
use domain::order::{OrderView, Status};
use domain::phone::{Parsed, Phone};
use domain::text::fold;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::views;
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::extract::Query;
use crate::http::page::{self, Position};
use crate::http::problem::{Code, Problem};
use crate::pipeline::settle::tracking_term;
use crate::store::orders::{self, Filter, Search, Sort};

/// How far apart the ends of a time may lie when filters are combined, milliseconds.
const COMBINED_MS: i64 = 31 * 24 * 3_600_000;

/// Words of a name search at most.
const WORDS: usize = 8;

/// Characters of a search at most.
const SEARCH_CHARS: usize = 100;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Params {
    /// The one status shown to people: `draft, pending, confirmed, allocated, packed, shipped,
    /// delivered, completed, on_hold, cancelled, returning, returned, delivery_failed`.
    status: Option<String>,
    /// Id of a channel.
    channel: Option<String>,
    /// Id of a location that has a fulfillment order of it.
    location: Option<String>,
    /// Phone of buyer or recipient, in any spelling.
    phone: Option<String>,
    /// Code, external id or tracking number; where none is exactly that, words of a name.
    q: Option<String>,
    /// Placed at or after this time (RFC 3339).
    placed_from: Option<String>,
    /// Placed before this time.
    placed_to: Option<String>,
    /// Changed at or after this time; with `sort=updated_at`.
    updated_from: Option<String>,
    /// `placed_at` (newest first, usual) or `updated_at` (oldest change first).
    sort: Option<String>,
    /// Orders of a page, 1 to 200; usually 50.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of orders.
#[derive(Debug, Serialize)]
pub(super) struct OrderPage {
    data: Vec<OrderView>,
    next_cursor: Option<String>,
}

/// Orders, in pages
///
/// Filters go together as the indexes allow: any one of `status`, `channel`, `location`, `phone`
/// and `q`; `phone` or `q` with any others; several of `status`, `channel` and `location` with
/// `placed_from` and `placed_to` at most 31 days apart; `sort=updated_at` alone or with
/// `updated_from`. Everything else is answered with `filter-not-indexed`. A token that is bound to
/// a location sees only that location's orders.
#[utoipa::path(
    get, path = "/orders", tag = "orders", operation_id = "list_orders", params(Params),
    responses((status = 200, description = "A page", body = ref("#/components/schemas/OrderPage"))),
    security(("token" = ["orders:read"])),
)]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<OrderPage>, Problem> {
    caller.require(Scope::OrdersRead)?;
    let limit = page::limit(params.limit)?;
    let name = name_of(&params, caller.location());
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| Position::read(&gateway.keys, &name, cursor))
        .transpose()?;
    let filter = filter(&gateway, &caller, &params).await?;
    let after = after.as_ref().map(|p| (p.at, p.id.as_str()));
    let mut found = orders::list(&gateway.db, &filter, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut found, limit, &gateway.keys, &name, |stored| Position {
        at: match filter.sort {
            Sort::Placed => stored.placed_at,
            Sort::Updated => stored.updated_at,
        },
        id: stored.order.id().as_str().to_owned(),
    });
    let data = views(&gateway, &caller, found.iter().map(|s| &s.order)).await;
    Ok(Json(OrderPage { data, next_cursor }))
}

/// What a cursor belongs to: the filters, and what the token sees.
fn name_of(params: &Params, bound: Option<&str>) -> String {
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    serde_json::json!([
        "orders",
        of(&params.status),
        of(&params.channel),
        of(&params.location),
        of(&params.phone),
        of(&params.q),
        of(&params.placed_from),
        of(&params.placed_to),
        of(&params.updated_from),
        of(&params.sort),
        bound,
    ])
    .to_string()
}

async fn filter(gateway: &Gateway, caller: &Caller, params: &Params) -> Result<Filter, Problem> {
    let mut filter = Filter {
        status: status(params.status.as_deref())?,
        channel: params.channel.clone(),
        location: location(params.location.as_deref(), caller.location())?,
        phone: None,
        search: None,
        placed_from: time("placed_from", params.placed_from.as_deref())?,
        placed_to: time("placed_to", params.placed_to.as_deref())?,
        updated_from: time("updated_from", params.updated_from.as_deref())?,
        sort: sort(params)?,
    };
    if let Some(channel) = &filter.channel
        && gateway.config.channel(channel).is_none()
    {
        return Err(Problem::invalid("channel", "is not a channel"));
    }
    if let Some(location) = &filter.location
        && gateway.locations.get(location).is_none()
    {
        return Err(Problem::invalid("location", "is not a location"));
    }
    if let Some(phone) = &params.phone {
        let Parsed::Valid(phone) = Phone::parse(phone) else {
            return Err(Problem::invalid("phone", "must be a whole phone number"));
        };
        filter.phone = Some(gateway.keys.lookup_hashes("phone", phone.as_str()));
    }
    if let Some(text) = &params.q {
        filter.search = Some(search(gateway, text).await?);
    }
    indexed(&filter)?;
    Ok(filter)
}

fn status(word: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(word) = word else { return Ok(None) };
    // The words are the ones that an order's own document has.
    let known: Result<Status, _> = serde_json::from_value(serde_json::Value::from(word));
    match known {
        Ok(status) => Ok(Some(status.as_str().to_owned())),
        Err(_) => Err(Problem::invalid(
            "status",
            "must be one of draft, pending, confirmed, allocated, packed, shipped, delivered, \
             completed, on_hold, cancelled, returning, returned, delivery_failed",
        )),
    }
}

/// A token that is bound to a location asks for no other.
fn location(asked: Option<&str>, bound: Option<&str>) -> Result<Option<String>, Problem> {
    match (asked, bound) {
        (Some(asked), Some(bound)) if asked != bound => Err(Problem::new(Code::Forbidden)
            .detail(format!("the token is bound to the location `{bound}`"))),
        (asked, bound) => Ok(asked.or(bound).map(str::to_owned)),
    }
}

fn sort(params: &Params) -> Result<Sort, Problem> {
    match params.sort.as_deref() {
        Some("placed_at") => Ok(Sort::Placed),
        Some("updated_at") => Ok(Sort::Updated),
        None if params.updated_from.is_some() => Ok(Sort::Updated),
        None => Ok(Sort::Placed),
        Some(_) => Err(Problem::invalid("sort", "must be placed_at or updated_at")),
    }
}

fn time(field: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    text.map(str::parse::<Timestamp>)
        .transpose()
        .map(|time| time.map(|t| t.as_millisecond()))
        .map_err(|_| {
            Problem::invalid(
                field,
                "must be a time such as 2026-11-24T01:02:03Z; write a + as %2B",
            )
        })
}

/// Exactly a code, an external id or a tracking number if there is such an order; else the words
/// of a name.
async fn search(gateway: &Gateway, text: &str) -> Result<Search, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > SEARCH_CHARS {
        return Err(Problem::invalid("q", "must have 1 to 100 characters"));
    }
    let exact = Search::Exact {
        code: text
            .parse::<OrderCode>()
            .ok()
            .map(|code| code.as_str().to_owned()),
        external_id: text.to_owned(),
        tracking: tracking_term(text),
    };
    if orders::is_known(&gateway.db, &exact).await? {
        return Ok(exact);
    }
    let words: Vec<Vec<String>> = fold(text)
        .split(' ')
        .filter(|word| !word.is_empty())
        .take(WORDS)
        .map(|word| gateway.keys.lookup_hashes("name", word))
        .collect();
    Ok(if words.is_empty() {
        exact
    } else {
        Search::Names(words)
    })
}

/// Refuses combinations that no index serves; see the top of this file.
fn indexed(filter: &Filter) -> Result<(), Problem> {
    let not = |detail: &str| Err(Problem::new(Code::FilterNotIndexed).detail(detail));
    let coarse = [&filter.status, &filter.channel, &filter.location]
        .into_iter()
        .flatten()
        .count();
    let fine = filter.phone.is_some() || filter.search.is_some();
    match filter.sort {
        Sort::Updated
            if coarse > 0 || fine || filter.placed_from.is_some() || filter.placed_to.is_some() =>
        {
            not("`sort=updated_at` goes with `updated_from` and no other filter")
        }
        Sort::Updated => Ok(()),
        Sort::Placed if filter.updated_from.is_some() => {
            not("`updated_from` goes with `sort=updated_at`")
        }
        Sort::Placed if fine || coarse <= 1 => Ok(()),
        Sort::Placed => match (filter.placed_from, filter.placed_to) {
            (Some(from), Some(to)) if to.saturating_sub(from) <= COMBINED_MS => Ok(()),
            _ => not(
                "several of status, channel and location need placed_from and placed_to at most \
                 31 days apart",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn what_no_index_serves_is_refused() {
        let one = Filter {
            status: some("on_hold"),
            ..Filter::default()
        };
        assert!(indexed(&one).is_ok());
        let two = Filter {
            channel: some("web"),
            ..one.clone()
        };
        assert!(indexed(&two).is_err());
        let bounded = Filter {
            placed_from: Some(0),
            placed_to: Some(COMBINED_MS),
            ..two.clone()
        };
        assert!(indexed(&bounded).is_ok());
        let too_long = Filter {
            placed_to: Some(COMBINED_MS + 1),
            ..bounded
        };
        assert!(indexed(&too_long).is_err());
        let phone = Filter {
            phone: Some(vec!["hash".to_owned()]),
            ..two
        };
        assert!(indexed(&phone).is_ok());
        let updated = Filter {
            sort: Sort::Updated,
            ..one
        };
        assert!(indexed(&updated).is_err());
    }

    #[test]
    fn a_bound_token_asks_for_its_own_location_whatever_it_says() {
        assert_eq!(location(None, Some("hub-hcm")).unwrap(), some("hub-hcm"));
        assert_eq!(
            location(Some("hub-hcm"), Some("hub-hcm")).unwrap(),
            some("hub-hcm")
        );
        assert!(location(Some("hub-hanoi"), Some("hub-hcm")).is_err());
        assert_eq!(
            location(Some("hub-hanoi"), None).unwrap(),
            some("hub-hanoi")
        );
    }

    #[test]
    fn every_status_is_a_filter() {
        assert_eq!(status(Some("on_hold")).unwrap(), some("on_hold"));
        assert_eq!(
            status(Some("delivery_failed")).unwrap(),
            some("delivery_failed")
        );
        assert!(status(Some("open")).is_err());
    }
}
