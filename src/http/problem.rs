//! Problems: RFC 9457 answers with a small, documented code. Only this module knows which status
//! goes with which code.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// The codes, each with a page in `docs/errors/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// No such door.
    UnknownChannel,
    /// No such thing.
    NotFound,
    /// The door does not know the method.
    MethodNotAllowed,
    /// The signature is not believed.
    SignatureRejected,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body came too slowly.
    BodyTooSlow,
    /// The address may not knock here.
    AddressNotAllowed,
    /// The store does not take it now.
    Unavailable,
    /// No token, or none that is known.
    Unauthenticated,
    /// The token lacks a scope.
    Forbidden,
    /// The request is not of the right form.
    BadRequest,
    /// A field is wrong.
    InvalidField,
    /// The combination of filters has no index.
    FilterNotIndexed,
    /// The state does not allow it.
    NotAllowed,
    /// Changed by somebody else meanwhile.
    VersionConflict,
    /// The idempotency key was used with another body.
    KeyReused,
    /// `Idempotency-Key` is missing.
    KeyRequired,
    /// The position is older than what is kept.
    ChangesGone,
    /// Too many requests.
    RateLimited,
    /// A defect of ours.
    Internal,
}

impl Code {
    /// All codes, for the test that each has its page.
    pub const ALL: [Self; 20] = [
        Self::UnknownChannel,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::SignatureRejected,
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::AddressNotAllowed,
        Self::Unavailable,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::BadRequest,
        Self::InvalidField,
        Self::FilterNotIndexed,
        Self::NotAllowed,
        Self::VersionConflict,
        Self::KeyReused,
        Self::KeyRequired,
        Self::ChangesGone,
        Self::RateLimited,
        Self::Internal,
    ];

    /// The word in the answer and the name of its page.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownChannel => "unknown-channel",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::SignatureRejected => "signature-rejected",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTooSlow => "body-too-slow",
            Self::AddressNotAllowed => "address-not-allowed",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::BadRequest => "bad-request",
            Self::InvalidField => "invalid-field",
            Self::FilterNotIndexed => "filter-not-indexed",
            Self::NotAllowed => "not-allowed",
            Self::VersionConflict => "version-conflict",
            Self::KeyReused => "idempotency-key-reused",
            Self::KeyRequired => "idempotency-key-required",
            Self::ChangesGone => "changes-gone",
            Self::RateLimited => "rate-limited",
            Self::Internal => "internal",
        }
    }

    /// The status that goes with it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::UnknownChannel | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SignatureRejected | Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::AddressNotAllowed | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadRequest | Self::KeyRequired => StatusCode::BAD_REQUEST,
            Self::InvalidField | Self::FilterNotIndexed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotAllowed | Self::VersionConflict | Self::KeyReused => StatusCode::CONFLICT,
            Self::ChangesGone => StatusCode::GONE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::UnknownChannel => "There is no such channel",
            Self::NotFound => "There is no such thing",
            Self::MethodNotAllowed => "The method does not fit this address",
            Self::SignatureRejected => "The signature was not accepted",
            Self::BodyTooLarge => "The body is too large",
            Self::BodyTooSlow => "The body came too slowly",
            Self::AddressNotAllowed => "This address may not knock here",
            Self::Unavailable => "The gateway cannot take it now; try again",
            Self::Unauthenticated => "A valid token is needed",
            Self::Forbidden => "The token lacks a scope",
            Self::BadRequest => "The request is not of the right form",
            Self::InvalidField => "A field is wrong",
            Self::FilterNotIndexed => "This combination of filters is not offered",
            Self::NotAllowed => "The state does not allow it",
            Self::VersionConflict => "It was changed by somebody else meanwhile",
            Self::KeyReused => "The idempotency key was used with another body",
            Self::KeyRequired => "An Idempotency-Key header is needed",
            Self::ChangesGone => "These changes are not kept any more",
            Self::RateLimited => "Too many requests",
            Self::Internal => "The gateway made a mistake",
        }
    }
}

/// A problem, ready to be answered.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    field: Option<String>,
    retry_after_s: Option<u64>,
}

/// The body of a problem answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Address of the page that explains the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, in general.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// What it is in this case; never personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// A problem of that code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            field: None,
            retry_after_s: None,
        }
    }

    /// With what it is in this case.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the field that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// With the time after which a repeat may work, seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// A wrong field: what was expected.
    #[must_use]
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidField).field(field).detail(detail)
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }
}

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        tracing::error!(error = %crate::telemetry::chain(&error), "the database did not serve a request");
        Self::new(Code::Unavailable).retry_after(1)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = ProblemBody {
            kind: format!("/docs/errors/{}", self.code.as_str()),
            title: self.code.title().to_owned(),
            status: status.as_u16(),
            code: self.code.as_str().to_owned(),
            detail: self.detail,
            field: self.field,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
