//! The order API: lists, one order with all that happened to it, and what staff do.
//!
//! Reads come from the store; every change goes through settling, which also writes the audit log.

mod act;
mod book;
mod create;
mod edit;
mod label;
mod list;
mod refund;
mod schema;
mod show;
mod timeline;

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::code::OrderCode;
use domain::explain::Language;
use domain::id::OrderId;
use domain::order::{Order, OrderView, WhyView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, Scope};
use super::customers;
use super::problem::{Code, Problem};
use crate::gateway::Gateway;
use crate::pipeline::settle::{Done, Refusal};
use crate::store::conversations;
use crate::store::orders::{self, Key, Stored};

pub(super) use schema::schemas;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(show::order, edit::edit))
        .routes(routes!(timeline::timeline))
        .routes(routes!(show::explain))
        .routes(routes!(act::act))
        .routes(routes!(act::cancel_line))
        .routes(routes!(refund::refund))
        .routes(routes!(book::book))
        .routes(routes!(label::label))
}

/// The order of a path: its id, or its code as a person types it. An order that the caller may not
/// see is not there.
async fn find(gateway: &Gateway, caller: &Caller, name: &str) -> Result<Stored, Problem> {
    let unknown = || Problem::new(Code::NotFound).detail("there is no order of this id or code");
    let code = name.parse::<OrderCode>();
    let key = match (name.parse::<OrderId>(), &code) {
        (Ok(_), _) => Key::Id(name),
        (Err(_), Ok(code)) => Key::Code(code.as_str()),
        (Err(_), Err(_)) => return Err(unknown()),
    };
    orders::get(&gateway.db, key)
        .await?
        .filter(|stored| caller.sees(&stored.order))
        .ok_or_else(unknown)
}

/// Orders as this caller may see them, each with the customer that it belongs to now.
async fn views<'a>(
    gateway: &Gateway,
    caller: &Caller,
    orders: impl Iterator<Item = &'a Order>,
) -> Vec<OrderView> {
    let is_clear = caller.may(Scope::PiiRead);
    let mut views: Vec<OrderView> = orders
        .map(|order| {
            let view = order.view();
            if is_clear { view } else { view.masked() }
        })
        .collect();
    let links = views.iter_mut().map(|view| &mut view.buyer.customer_id);
    customers::follow(gateway, links).await;
    views
}

/// An answer with one order; its version is the entity tag, for `If-Match`.
async fn answer(gateway: &Gateway, caller: &Caller, order: &Order, status: StatusCode) -> Response {
    let shown = views(gateway, caller, std::iter::once(order)).await.pop();
    let mut view = shown.expect("one order has one view");
    if let Some(understood) = &mut view.understood {
        understood.why = why(gateway, order).await;
    }
    let mut response = (status, Json(view)).into_response();
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", order.version())) {
        headers.insert(header::ETAG, tag);
    }
    if status == StatusCode::CREATED
        && let Ok(place) = HeaderValue::try_from(format!("/api/v1/orders/{}", order.id()))
    {
        headers.insert(header::LOCATION, place);
    }
    response
}

/// What was understood of the comment that a draft came from. Without it the order is shown all the
/// same.
async fn why(gateway: &Gateway, order: &Order) -> Vec<WhyView> {
    let Some(person) = order.channel_person() else {
        return Vec::new();
    };
    let found = conversations::of_person(&gateway.db, order.channel(), person).await;
    let conversation = found.unwrap_or_else(|error| {
        tracing::warn!(error = %crate::telemetry::chain(&error), "could not read a draft's conversation");
        None
    });
    let understood = conversation
        .as_ref()
        .and_then(|conversation| conversation.understanding_of(order.external_id()));
    let reasons = understood.map_or(&[][..], |understood| &understood.reasons);
    reasons
        .iter()
        .map(|reason| WhyView {
            vi: reason.sentence(Language::Vietnamese),
            en: reason.sentence(Language::English),
        })
        .collect()
}

/// The order that came of an input, and whether the input made it.
fn settled(done: Result<Done, Refusal>) -> Result<(Box<Order>, bool), Problem> {
    match done {
        Ok(Done::Order { order, created, .. }) => Ok((order, created)),
        Ok(Done::Counted(_)) => Err(Problem::new(Code::Internal)),
        Err(refusal) => Err(refused(&refusal)),
    }
}

/// What settling would not do.
fn refused(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::NotFound => Problem::new(Code::NotFound),
        Refusal::NotAllowed(reason) => Problem::new(Code::NotAllowed).detail(reason.clone()),
        Refusal::Changed(version) => {
            Problem::new(Code::VersionConflict).detail(format!("its version is {version} by now"))
        }
        Refusal::KeyReused => Problem::new(Code::KeyReused),
        Refusal::Unavailable => Problem::new(Code::Unavailable).retry_after(1),
    }
}
