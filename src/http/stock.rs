//! `/api/v1/stock`: what is where, and absolute counts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
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
use crate::gateway::Gateway;
use crate::pipeline::settle::{Count, Done, Input};
use crate::store::stock::{self, Counter};
use crate::store::{Db, products};

/// Counts in one request at most.
const MOST: usize = 5_000;

/// Counts in one transaction: orders settle in between.
const AT_ONCE: usize = 250;

/// Units of one count at most.
const MOST_UNITS: i64 = 100_000_000;

/// A count may be this far ahead of our clock, milliseconds.
const CLOCK_SKEW_MS: i64 = 300_000;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(list, put))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only at this location.
    location: Option<String>,
    /// Only this SKU.
    sku: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200; 50 if left out.
    limit: Option<u32>,
}

/// One SKU at one location.
#[derive(Debug, Serialize, ToSchema)]
struct StockLevel {
    /// Location.
    location: String,
    /// SKU.
    sku: String,
    /// Units there.
    on_hand: i64,
    /// Units promised to orders.
    reserved: i64,
    /// Units kept back.
    safety: i64,
    /// What may still be promised: on hand − reserved − safety, never negative.
    available: i64,
    /// Units promised beyond what is there.
    oversold: i64,
    /// As of when the last count holds; null if there was none.
    #[schema(value_type = Option<String>, format = DateTime)]
    counted_at: Option<Timestamp>,
    /// Last change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Counter> for StockLevel {
    fn from(row: Counter) -> Self {
        let level = row.level();
        Self {
            available: level.available(),
            oversold: level.oversold(),
            location: row.location,
            sku: row.sku,
            on_hand: row.on_hand,
            reserved: row.reserved,
            safety: row.safety,
            counted_at: (row.counted_at > 0).then(|| time(row.counted_at)),
            updated_at: time(row.updated_at),
        }
    }
}

/// A page of stock.
#[derive(Debug, Serialize, ToSchema)]
struct StockPage {
    /// In the order of location and SKU.
    data: Vec<StockLevel>,
    /// Send it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// Stock by location and SKU
#[utoipa::path(
    get, path = "/stock", tag = "stock", operation_id = "list_stock", params(Filter),
    responses((status = 200, description = "A page", body = StockPage)),
    security(("token" = ["stock:read"])),
)]
async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<StockPage>, Problem> {
    caller.require(Scope::StockRead)?;
    // A token that is bound to a location sees that one, whether it names it or not.
    let location = match (caller.location(), filter.location.as_deref()) {
        (Some(own), Some(other)) if own != other => return Err(not_yours(own)),
        (Some(own), _) => Some(own),
        (None, wanted) => wanted,
    };
    let limit = page::limit(filter.limit)?;
    let (after_location, after_sku) = page::read_pair(filter.cursor.as_deref())?;
    let rows = stock::list(
        &gateway.db,
        location,
        filter.sku.as_deref(),
        (&after_location, &after_sku),
        limit,
    )
    .await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|n| n >= limit);
    let next_cursor = rows
        .last()
        .filter(|_| is_full)
        .map(|row| page::pair_cursor(&row.location, &row.sku));
    Ok(Json(StockPage {
        data: rows.into_iter().map(StockLevel::from).collect(),
        next_cursor,
    }))
}

fn not_yours(own: &str) -> Problem {
    Problem::new(Code::Forbidden)
        .field("location")
        .detail(format!("the token is bound to the location `{own}`"))
}

/// An absolute count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StockCount {
    /// Location.
    location: String,
    /// SKU.
    sku: String,
    /// Units there, promised ones included.
    #[schema(minimum = 0)]
    on_hand: i64,
    /// The count holds as of this moment: what moved later still counts on top. Now if left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
    /// Rises per location and SKU; a count with one that is not higher than the last changes
    /// nothing. The milliseconds of `as_of` if left out.
    #[serde(default)]
    #[schema(minimum = 0)]
    sequence: Option<i64>,
    /// Units kept back; as it was if left out.
    #[serde(default)]
    #[schema(minimum = 0)]
    safety: Option<i64>,
}

/// What the counts did.
#[derive(Debug, Serialize, ToSchema)]
struct Counted {
    /// Counts that were taken.
    changed: usize,
    /// Counts that were not newer than the last one.
    unchanged: usize,
}

/// Sets stock to absolute counts
///
/// All counts are checked before the first is written, 5,000 at most. A repeat is harmless.
#[utoipa::path(
    put, path = "/stock", tag = "stock", operation_id = "put_stock",
    request_body = Vec<StockCount>,
    responses((status = 200, description = "They are in force", body = Counted)),
    security(("token" = ["stock:write"])),
)]
async fn put(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    extract::Json(counts): extract::Json<Vec<StockCount>>,
) -> Result<Json<Counted>, Problem> {
    caller.require(Scope::StockWrite)?;
    if let Some(own) = caller.location()
        && counts.iter().any(|count| count.location != own)
    {
        return Err(not_yours(own));
    }
    check(&gateway, &counts).await?;
    let now = gateway.now_ms();
    let reference = format!("api/{}", gateway.lease_token());
    let mut rows: Vec<stock::Count> = counts
        .into_iter()
        .map(|count| {
            let as_of = count.as_of.map_or(now, Timestamp::as_millisecond);
            stock::Count {
                location: count.location,
                sku: count.sku,
                on_hand: count.on_hand,
                as_of,
                sequence: count.sequence.unwrap_or(as_of),
                safety: count.safety,
                reference: reference.clone(),
            }
        })
        .collect();
    // In the order in which reservations lock the counters, so that the two never wait for each
    // other in a ring.
    rows.sort_by(|a, b| (&a.location, &a.sku).cmp(&(&b.location, &b.sku)));
    let total = rows.len();
    let mut changed = 0;
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(AT_ONCE));
        let part = std::mem::replace(&mut rows, rest);
        let actor = caller.actor().to_owned();
        let done = gateway
            .settler
            .ask(|reply| {
                Input::Count(Box::new(Count {
                    actor,
                    counts: part,
                    reply,
                }))
            })
            .await;
        match done {
            Ok(Done::Counted(n)) => changed += n,
            Ok(Done::Order { .. }) => return Err(Problem::new(Code::Internal)),
            Err(refusal) => {
                return Err(Problem::new(Code::Unavailable)
                    .detail(format!("{refusal}; a repeat of the whole request is safe"))
                    .retry_after(1));
            }
        }
    }
    Ok(Json(Counted {
        changed,
        unchanged: total - changed,
    }))
}

async fn check(gateway: &Gateway, counts: &[StockCount]) -> Result<(), Problem> {
    let latest = gateway.now_ms() + CLOCK_SKEW_MS;
    if counts.len() > MOST {
        return Err(Problem::invalid(
            "",
            format!("at most {MOST} counts are taken at once"),
        ));
    }
    let kits = kits(&gateway.db, counts.iter().map(|count| count.sku.as_str())).await?;
    let mut places = BTreeSet::new();
    for (n, count) in counts.iter().enumerate() {
        let wrong =
            |field: &str, detail: String| Problem::invalid(format!("[{n}].{field}"), detail);
        if gateway.locations.get(&count.location).is_none() {
            return Err(wrong("location", "there is no such location".to_owned()));
        }
        match kits.get(&count.sku) {
            None => return Err(wrong("sku", "there is no such product".to_owned())),
            Some(true) => {
                let why = "a kit has no stock of its own: its parts do";
                return Err(wrong("sku", why.to_owned()));
            }
            Some(false) => {}
        }
        for (field, units) in [("on_hand", Some(count.on_hand)), ("safety", count.safety)] {
            if units.is_some_and(|n| !(0..=MOST_UNITS).contains(&n)) {
                return Err(wrong(field, format!("must be between 0 and {MOST_UNITS}")));
            }
        }
        if count.as_of.is_some_and(|at| at.as_millisecond() > latest) {
            return Err(wrong("as_of", "must not be in the future".to_owned()));
        }
        if count.sequence.is_some_and(|n| n < 0) {
            return Err(wrong("sequence", "must not be negative".to_owned()));
        }
        if !places.insert((&count.location, &count.sku)) {
            return Err(wrong("sku", "is counted twice at this location".to_owned()));
        }
    }
    Ok(())
}

/// Which of the SKUs exist, and whether each is a kit.
pub(super) async fn kits(
    db: &Db,
    skus: impl Iterator<Item = &str>,
) -> Result<HashMap<String, bool>, Problem> {
    let wanted: BTreeSet<&str> = skus.collect();
    let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
    let found = products::of_skus(db, &wanted).await?;
    Ok(found
        .into_iter()
        .map(|product| {
            let is_kit = !product.components.is_empty();
            (product.sku, is_kit)
        })
        .collect())
}
