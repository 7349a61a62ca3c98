//! `POST /api/v1/orders`: orders from the phone, the counter and chats.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use connectors::channels::staff::Entered;
use connectors::channels::website::DocumentError;
use domain::order::{Order, Status};
use domain::phone::{Parsed, Phone};
use domain::snapshot::Snapshot;
use serde_json::{Map, Value};

use super::{answer, settled};
use crate::crypto::sha256_hex;
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::extract::{self, Json};
use crate::http::problem::{Code, Problem};
use crate::pipeline::settle::{Create, Input};
use crate::store::orders::{self, Filter};

/// The connector of channels whose orders staff enter.
const STAFF: &str = "staff";

/// The same phone and articles within this time are taken for a mistake, milliseconds.
const TWICE_MS: i64 = 30 * 60_000;

/// So many recent orders of one phone are compared at most.
const COMPARED: i64 = 50;

/// Enter an order
///
/// The body is the order document with the `channel` that the order belongs to (one whose
/// connector is `staff`). The same `Idempotency-Key` with the same body gives the same order
/// again, with status 200. An order with the phone and the articles of one that was entered less
/// than 30 minutes ago is refused, unless `confirm_duplicate` is true.
#[utoipa::path(
    post, path = "/orders", tag = "orders", operation_id = "create_order",
    params(("Idempotency-Key" = String, Header, description = "1 to 64 printable characters; a new one for every new order")),
    request_body(content = ref("#/components/schemas/NewOrder")),
    responses(
        (status = 201, description = "Entered", body = ref("#/components/schemas/Order")),
        (status = 200, description = "It had been entered with this key before", body = ref("#/components/schemas/Order")),
        (status = 400, description = "No `Idempotency-Key`, or no JSON"),
        (status = 409, description = "The key was used with another body, or the order looks like one that was just entered"),
    ),
    security(("token" = ["orders:write"])),
)]
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    headers: HeaderMap,
    Json(mut request): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrdersWrite)?;
    let key = extract::idempotency_key(&headers)?.ok_or_else(|| Problem::new(Code::KeyRequired))?;
    let body_hash = sha256_hex(Value::Object(request.clone()).to_string().as_bytes());
    let confirmed = match request.remove("confirm_duplicate") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(confirmed)) => confirmed,
        Some(_) => {
            return Err(Problem::invalid(
                "confirm_duplicate",
                "must be true or false",
            ));
        }
    };
    let entered = read(&gateway, &caller, key, request)?;
    // A repeat of the same request is no second order; settling says what became of the first.
    let repeated = orders::made_by_key(&gateway.db, caller.actor(), key)
        .await?
        .is_some();
    if !confirmed && !repeated {
        refuse_twice(&gateway, &entered.snapshot).await?;
    }
    let done = gateway
        .settler
        .ask(|reply| {
            Input::Create(Box::new(Create {
                channel: entered.channel,
                connector: STAFF.to_owned(),
                actor: caller.actor().to_owned(),
                key: key.to_owned(),
                body_hash,
                detail: format!("{} lines", entered.snapshot.lines.iter().flatten().count()),
                snapshot: Box::new(entered.snapshot),
                reply,
            }))
        })
        .await;
    let (order, created) = settled(done)?;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(answer(&gateway, &caller, &order, status).await)
}

/// Reads the request strictly, with what it leaves out filled in.
fn read(
    gateway: &Gateway,
    caller: &Caller,
    key: &str,
    mut request: Map<String, Value>,
) -> Result<Entered, Problem> {
    let missing =
        |request: &Map<String, Value>, field: &str| request.get(field).is_none_or(Value::is_null);
    if missing(&request, "external_id") {
        // Two people may use the same key; their orders are two.
        let hash = sha256_hex(format!("{}\n{key}", caller.actor()).as_bytes());
        request.insert(
            "external_id".to_owned(),
            format!("E-{}", &hash[..24]).into(),
        );
    }
    if missing(&request, "entered_by") {
        request.insert("entered_by".to_owned(), caller.actor().into());
    }
    let body = Value::Object(request).to_string();
    let entered =
        Entered::read(body.as_bytes(), key, gateway.clock.now()).map_err(|e| wrong(&e))?;
    let channel = gateway
        .config
        .channel(&entered.channel)
        .filter(|channel| channel.enabled && channel.connector == STAFF);
    if channel.is_none() {
        return Err(Problem::invalid(
            "channel",
            "must be a channel whose connector is `staff`",
        ));
    }
    Ok(entered)
}

/// A wrong field of the document.
pub(super) fn wrong(error: &DocumentError) -> Problem {
    Problem::invalid(error.path.clone(), error.message.clone())
}

/// Refuses what looks like an order that was entered a moment ago.
async fn refuse_twice(gateway: &Gateway, snapshot: &Snapshot) -> Result<(), Problem> {
    let phones = [
        snapshot.buyer.as_ref().and_then(|b| b.phone.as_deref()),
        snapshot.ship_to.as_ref().and_then(|s| s.phone.as_deref()),
    ];
    let Some(phone) = phones
        .into_iter()
        .flatten()
        .find_map(|text| match Phone::parse(text) {
            Parsed::Valid(phone) => Some(phone),
            Parsed::Masked | Parsed::Invalid => None,
        })
    else {
        return Ok(());
    };
    let filter = Filter {
        phone: Some(gateway.keys.lookup_hashes("phone", phone.as_str())),
        placed_from: Some(snapshot.placed_at.as_millisecond().saturating_sub(TWICE_MS)),
        ..Filter::default()
    };
    let articles: BTreeSet<&str> = snapshot
        .lines
        .iter()
        .flatten()
        .map(|line| article(line.sku.as_deref(), line.channel_sku.as_deref(), &line.name))
        .collect();
    for stored in orders::list(&gateway.db, &filter, None, COMPARED).await? {
        if is_same(&stored.order, &articles) {
            return Err(Problem::new(Code::NotAllowed).detail(format!(
                "order {} has the same phone and articles and is less than 30 minutes old; send \
                 confirm_duplicate: true if this is another one",
                stored.order.code()
            )));
        }
    }
    Ok(())
}

fn is_same(order: &Order, articles: &BTreeSet<&str>) -> bool {
    let view = order.view();
    let known: BTreeSet<&str> = view
        .lines
        .iter()
        .map(|line| article(line.sku.as_deref(), line.channel_sku.as_deref(), &line.name))
        .collect();
    view.status != Status::Cancelled && known == *articles
}

/// What names an article: our SKU, else the channel's, else its name.
fn article<'a>(sku: Option<&'a str>, channel_sku: Option<&'a str>, name: &'a str) -> &'a str {
    sku.or(channel_sku).unwrap_or(name)
}
