//! Reading a request's body with a limit on its size and its time, before anything else sees it.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::problem::{Code, Problem};

/// Reads the whole body. A declared length over the limit is refused without reading; an
/// undeclared one as soon as it passes the limit.
///
/// # Errors
/// 413 or 408, or 400 when the connection breaks.
pub async fn read(
    headers: &http::HeaderMap,
    body: Body,
    max_bytes: usize,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    let declared = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok());
    if declared.is_some_and(|length| length > max_bytes) {
        return Err(too_large(max_bytes));
    }
    tokio::time::timeout(timeout, collect(body, declared, max_bytes))
        .await
        .unwrap_or_else(|_| {
            Err(Problem::new(Code::BodyTooSlow).detail(format!(
                "the body must arrive within {} s",
                timeout.as_secs()
            )))
        })
}

async fn collect(
    mut body: Body,
    declared: Option<usize>,
    max_bytes: usize,
) -> Result<Bytes, Problem> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(Code::BadRequest).detail("the connection broke in the body")
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let so_far = first.as_ref().map_or(0, Bytes::len) + rest.len();
        if so_far + data.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        match &first {
            // Most bodies come in one piece, which then needs no copy.
            None => first = Some(data),
            Some(head) => {
                if rest.is_empty() {
                    rest.reserve(declared.unwrap_or(head.len() * 2));
                    rest.extend_from_slice(head);
                    first = Some(Bytes::new());
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(match (first, rest.is_empty()) {
        (Some(head), true) => head,
        (None, true) => Bytes::new(),
        (_, false) => rest.freeze(),
    })
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("at most {max_bytes} bytes are accepted"))
}
