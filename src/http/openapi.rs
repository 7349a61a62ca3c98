//! The description of the API: OpenAPI 3.1 at `/openapi.json`, a page for people at `/docs` that
//! needs nothing from the network, and the pages that the `type` of a problem points to.
//!
//! The routes themselves are the source: a route that is not described cannot be registered.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};
use utoipa::{OpenApi as _, ToSchema};

use super::problem::{Code, Problem, ProblemBody};
use crate::gateway::Gateway;

/// Where the routes of `/api/v1` are put.
pub const API: &str = "/api/v1";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Kenh",
        description = "Omnichannel integration gateway and order router: orders of all sales \
                       channels in one shape, routed to locations, invoiced and installed.\n\n\
                       Money is a whole number of đồng, times are RFC 3339 in UTC. Lists come in \
                       pages: send `next_cursor` as `cursor` to get the next one. Names, phones \
                       and addresses are masked unless the token has `pii:read`. Every error is \
                       an RFC 9457 problem with a stable `code`; its `type` is the address of a \
                       page that explains it."
    ),
    components(schemas(ProblemBody))
)]
struct Described;

/// The description without its routes: what is common to all.
#[must_use]
pub fn base() -> OpenApi {
    let mut api = Described::openapi();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("kenh_…")
        .description(Some(
            "Made by `kenh token create`. The scopes that a route needs stand beside it; `admin` \
             has them all.",
        ))
        .build();
    api.components
        .get_or_insert_with(Components::default)
        .add_security_scheme("token", SecurityScheme::Http(token));
    api
}

/// The document as it is served: with the answers that every route can give, and with the order
/// document's own schema.
#[must_use]
pub fn document(api: &OpenApi) -> Value {
    let mut document = serde_json::to_value(api).expect("a description is JSON");
    let paths = document["paths"].as_object_mut();
    for operation in paths
        .into_iter()
        .flat_map(|paths| paths.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(|item| item.values_mut())
        .filter_map(Value::as_object_mut)
        .filter(|operation| operation.contains_key("operationId"))
    {
        let responses = operation
            .entry("responses")
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .expect("responses are an object");
        for (status, description) in [
            ("401", "No token, or none that is known"),
            ("403", "The token lacks the scope"),
            ("422", "A field is wrong; `field` names it"),
            ("429", "The token calls too often; see `Retry-After`"),
            ("503", "The gateway cannot take it now; see `Retry-After`"),
        ] {
            responses
                .entry(status)
                .or_insert_with(|| json!({ "description": description, "content": problem() }));
        }
        // Problems named by the routes have a description only.
        for (status, response) in responses {
            if status.starts_with(['4', '5']) && response.get("content").is_none() {
                response["content"] = problem();
            }
        }
    }
    document["components"]["schemas"]
        .as_object_mut()
        .expect("the problem is among them")
        .extend(super::orders::schemas());
    document
}

fn problem() -> Value {
    let schema = format!("#/components/schemas/{}", ProblemBody::name());
    json!({ "application/problem+json": { "schema": { "$ref": schema } } })
}

fn order_document() -> Value {
    connectors::channels::website::order_document_schema().to_value()
}

/// The routes that describe the others.
pub fn routes(api: &OpenApi) -> Router<Arc<Gateway>> {
    let document = document(api).to_string();
    let router = Router::new()
        .route(
            "/openapi.json",
            get(move || async move { as_json("application/json", document) }),
        )
        .route(
            "/schemas/order-document.json",
            get(|| async { as_json("application/schema+json", order_document().to_string()) }),
        )
        .route("/docs/errors/{code}", get(page));
    with_page(router)
}

#[cfg(feature = "swagger")]
fn with_page(router: Router<Arc<Gateway>>) -> Router<Arc<Gateway>> {
    use utoipa_swagger_ui::{Config, SwaggerUi};
    let config = Config::from("/openapi.json")
        // Without this the page would ask a validator on the network.
        .validator_url("none")
        .persist_authorization(true);
    router.merge(SwaggerUi::new("/docs").config(config))
}

#[cfg(not(feature = "swagger"))]
fn with_page(router: Router<Arc<Gateway>>) -> Router<Arc<Gateway>> {
    router
}

fn as_json(kind: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// The page of a problem's code, as Markdown.
async fn page(Path(code): Path<String>) -> Response {
    match Code::ALL.into_iter().find(|c| c.as_str() == code) {
        Some(code) => (
            [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")],
            explanation(code),
        )
            .into_response(),
        None => Problem::new(Code::NotFound)
            .detail("there is no problem of this code")
            .into_response(),
    }
}

macro_rules! page {
    ($code:literal) => {
        include_str!(concat!("../../docs/errors/", $code, ".md"))
    };
}

/// What a code means and what to do about it.
#[must_use]
pub fn explanation(code: Code) -> &'static str {
    match code {
        Code::UnknownChannel => page!("unknown-channel"),
        Code::NotFound => page!("not-found"),
        Code::MethodNotAllowed => page!("method-not-allowed"),
        Code::SignatureRejected => page!("signature-rejected"),
        Code::BodyTooLarge => page!("body-too-large"),
        Code::BodyTooSlow => page!("body-too-slow"),
        Code::AddressNotAllowed => page!("address-not-allowed"),
        Code::Unavailable => page!("unavailable"),
        Code::Unauthenticated => page!("unauthenticated"),
        Code::Forbidden => page!("forbidden"),
        Code::BadRequest => page!("bad-request"),
        Code::InvalidField => page!("invalid-field"),
        Code::FilterNotIndexed => page!("filter-not-indexed"),
        Code::NotAllowed => page!("not-allowed"),
        Code::VersionConflict => page!("version-conflict"),
        Code::KeyReused => page!("idempotency-key-reused"),
        Code::KeyRequired => page!("idempotency-key-required"),
        Code::ChangesGone => page!("changes-gone"),
        Code::RateLimited => page!("rate-limited"),
        Code::Internal => page!("internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let codes: BTreeSet<String> = Code::ALL.iter().map(|c| c.as_str().to_owned()).collect();
        let pages: BTreeSet<String> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
        assert_eq!(codes, pages);
        for code in Code::ALL {
            let title = format!("# {}\n", code.as_str());
            assert!(explanation(code).starts_with(&title), "{}", code.as_str());
        }
    }

    #[test]
    fn the_document_is_openapi_3_1_and_every_route_says_what_can_go_wrong() {
        let document = document(&super::super::api().1);
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let paths = document["paths"].as_object().unwrap();
        assert!(!paths.is_empty());
        for (path, item) in paths {
            assert!(path.starts_with(API), "{path}");
            for (method, operation) in item.as_object().unwrap() {
                assert!(
                    operation["security"][0]["token"].is_array(),
                    "{method} {path}"
                );
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(operation["responses"]["401"].is_object(), "{method} {path}");
            }
        }
    }
}
