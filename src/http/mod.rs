//! The HTTP side: the webhook doors, the order API, and what operators look at.

mod audit;
pub mod auth;
pub mod body;
mod changes;
mod channels;
mod conversations;
mod customers;
mod deliveries;
pub mod extract;
pub mod health;
mod inbox;
mod listener;
mod lives;
pub mod openapi;
mod orders;
pub mod page;
pub mod problem;
mod products;
pub mod rate;
mod rejected;
mod replays;
mod routing;
mod stock;
pub mod webhooks;

pub use listener::serve;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use self::problem::{Code, Problem};
use crate::app::Role;
use crate::gateway::Gateway;

/// All routes of the roles.
pub fn router(gateway: &Arc<Gateway>, roles: &BTreeSet<Role>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics));
    if roles.contains(&Role::Receive) {
        // Any method: what a door does not understand is its connector's to refuse.
        router = router.route("/webhooks/{*path}", any(webhooks::knock));
    }
    if roles.contains(&Role::Api) {
        let auth = Arc::new(auth::Auth::new(Arc::clone(gateway)));
        gateway.shutdown.spawn(Arc::clone(&auth).upkeep());
        let (routes, description) = api();
        // Around the routes alone: an address that does not exist is 404 for everybody.
        let routes = routes.route_layer(middleware::from_fn_with_state(auth, auth::authenticate));
        // Until the head of the answer: a stream of changes may last.
        let longest = Duration::from_millis(gateway.config.server.request_timeout_ms);
        let routes = routes.layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            longest,
        ));
        router = router.merge(routes).merge(openapi::routes(&description));
    }
    router
        .fallback(async || Problem::new(Code::NotFound).detail("there is no such address"))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(
            Arc::clone(gateway),
            count_request,
        ))
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| {
                use axum::response::IntoResponse;
                Problem::new(Code::Internal).into_response()
            },
        ))
        .with_state(Arc::clone(gateway))
}

/// The routes of `/api/v1` and their description, from one list.
pub(crate) fn api() -> (Router<Arc<Gateway>>, OpenApi) {
    let routes = OpenApiRouter::new()
        .merge(audit::routes())
        .merge(changes::routes())
        .merge(channels::routes())
        .merge(conversations::routes())
        .merge(customers::routes())
        .merge(deliveries::routes())
        .merge(inbox::routes())
        .merge(lives::routes())
        .merge(orders::routes())
        .merge(products::routes())
        .merge(rejected::routes())
        .merge(replays::routes())
        .merge(routing::routes())
        .merge(stock::routes());
    OpenApiRouter::with_openapi(openapi::base())
        .nest(openapi::API, routes)
        .split_for_parts()
}

async fn count_request(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    gateway
        .metrics
        .http_request(route.as_deref(), response.status());
    response
}
