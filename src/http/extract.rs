//! Reading what callers send, so that a mistake is answered with the name of its field and never
//! with its content.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::body;
use super::problem::{Code, Problem};
use crate::gateway::Gateway;

/// A query string as `T`. Unknown names are refused where `T` denies them.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        type Located = serde_path_to_error::Error<serde::de::value::Error>;
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::new(Code::BadRequest)
                .detail("the query string holds a NUL character, which no text here may"));
        }
        let rejection = match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => return Ok(Self(value)),
            Err(rejection) => rejection,
        };
        let mut source = rejection.source();
        while let Some(error) = source {
            if let Some(located) = error.downcast_ref::<Located>() {
                let message = located.inner().to_string();
                return Err(Problem::invalid(
                    field_of(&located.path().to_string(), &message),
                    expectation(&message),
                ));
            }
            source = error.source();
        }
        Err(Problem::new(Code::BadRequest).detail("the query string is not readable"))
    }
}

/// A JSON body as `T`, read within the limits of `[server]`.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Gateway>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, gateway).await?;
        json(&bytes).map(Self)
    }
}

/// A body as it came, read within the limits of `[server]`.
#[derive(Debug, Clone)]
pub struct Raw(pub Bytes);

impl FromRequest<Arc<Gateway>> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let server = &gateway.config.server;
        let (parts, stream) = request.into_parts();
        body::read(
            &parts.headers,
            stream,
            server.max_body_bytes,
            Duration::from_millis(server.read_timeout_ms),
        )
        .await
        .map(Self)
    }
}

/// Bytes as `T`.
///
/// # Errors
/// 400 for what is no JSON, 422 with the field for JSON of another shape.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // The only way to write NUL in JSON; PostgreSQL's text takes none.
    if bytes.windows(6).any(|six| six == b"\\u0000") || bytes.contains(&0) {
        return Err(Problem::new(Code::BadRequest)
            .detail("the body holds a NUL character, which no text here may"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            let message = inner.to_string();
            Problem::invalid(
                field_of(&error.path().to_string(), &message),
                expectation(&message),
            )
        } else {
            not_json(inner)
        }
    })?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(Code::BadRequest).detail(format!(
        "the body is not JSON (line {}, column {})",
        error.line(),
        error.column()
    ))
}

/// The field that a message is about: for missing and unknown fields, the message names it.
fn field_of(path: &str, message: &str) -> String {
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match named {
        Some(name) if path == "." || path == "?" => name.to_owned(),
        Some(name) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    }
}

/// What was expected, without what came instead: that may be a name or a phone.
fn expectation(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    if message.starts_with("missing field") {
        return "is required".to_owned();
    }
    if message.starts_with("duplicate field") {
        return "is given twice".to_owned();
    }
    match message.find("expected ") {
        Some(at) if message.starts_with("unknown field") => {
            format!("is not known; {}", &message[at..])
        }
        Some(at) => message[at..].to_owned(),
        // Messages of parsers say what is wrong with a number or time in general.
        None if message.contains('`') || message.contains('"') => "is not readable".to_owned(),
        None => message.to_owned(),
    }
}

/// A header as text, if it is there.
///
/// # Errors
/// 400 when it is not printable ASCII.
pub fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    headers
        .get(name)
        .map(|value| value.to_str())
        .transpose()
        .map_err(|_| Problem::new(Code::BadRequest).detail(format!("{name} is not readable")))
}

/// The `Idempotency-Key` header, if it is there: 1 to 64 printable ASCII characters without
/// spaces.
///
/// # Errors
/// 422 when it has another form.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    const NAME: &str = "idempotency-key";
    let Some(key) = header(headers, NAME)? else {
        return Ok(None);
    };
    let good = !key.is_empty() && key.len() <= 64 && key.bytes().all(|b| b.is_ascii_graphic());
    if good {
        Ok(Some(key))
    } else {
        Err(Problem::invalid(
            "Idempotency-Key",
            "must be 1 to 64 printable ASCII characters without spaces",
        ))
    }
}

/// The version in `If-Match`, with or without quotes, if it is there.
///
/// # Errors
/// 422 when it is not a version.
pub fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    header(headers, "if-match")?
        .map(|text| text.trim().trim_matches('"').parse())
        .transpose()
        .map_err(|_| Problem::invalid("If-Match", "must be the version of the order"))
}

/// A row's number in a path. What is no number names nothing.
///
/// # Errors
/// 404.
pub(super) fn row_number(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| Problem::new(Code::NotFound))
}

/// Refuses a word that is none of `known`.
///
/// # Errors
/// 422 with the field.
pub(super) fn one_of(field: &str, word: Option<&str>, known: &[&str]) -> Result<(), Problem> {
    match word {
        Some(word) if !known.contains(&word) => Err(Problem::invalid(
            field,
            format!("must be one of {}", known.join(", ")),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only read")]
        quantity: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only read")]
        lines: Vec<Line>,
    }

    fn told(body: &str) -> String {
        let problem = json::<Order>(body.as_bytes()).unwrap_err();
        format!("{problem:?}")
    }

    #[test]
    fn a_wrong_field_is_named_and_its_content_is_not_told() {
        let told = told(r#"{"lines": [{"quantity": "Nguyễn Văn A"}]}"#);
        assert!(told.contains("lines[0].quantity"), "{told}");
        assert!(told.contains("expected u32"), "{told}");
        assert!(!told.contains("Nguyễn"), "{told}");
    }

    #[test]
    fn missing_and_unknown_fields_are_named() {
        assert!(told(r#"{"lines": [{}]}"#).contains("lines[0].quantity"));
        let unknown = told(r#"{"lines": [], "colour": 1}"#);
        assert!(unknown.contains("\"colour\""), "{unknown}");
    }

    #[test]
    fn what_is_no_json_is_a_bad_request() {
        assert!(told("{").contains("BadRequest"));
        assert!(told(r#"{"lines": []} x"#).contains("BadRequest"));
    }

    #[tokio::test]
    async fn a_wrong_query_parameter_is_named() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Page {
            #[expect(dead_code, reason = "only read")]
            limit: Option<u32>,
        }
        for (uri, field) in [("/x?limit=many", "limit"), ("/x?colour=red", "colour")] {
            let (mut parts, ()) = http::Request::get(uri).body(()).unwrap().into_parts();
            let problem = Query::<Page>::from_request_parts(&mut parts, &())
                .await
                .unwrap_err();
            let told = format!("{problem:?}");
            assert!(told.contains(&format!("{field:?}")), "{told}");
        }
    }
}
