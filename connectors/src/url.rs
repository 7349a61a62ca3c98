//! Addresses of vendors: a checked base from the settings, and encoded paths and queries on it.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// The address that a vendor's paths are appended to: `http(s)://host[:port][/prefix]`, without
/// a trailing slash, query or user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Checks an address.
    ///
    /// # Errors
    /// Words that say what is wrong, for the settings' error.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be an address such as https://shop.example.vn, without query";
        if text.len() > 500 {
            return Err("must be at most 500 characters");
        }
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        let scheme_ok = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().map_or("", |a| a.as_str());
        if !scheme_ok || authority.is_empty() || authority.contains('@') || uri.query().is_some() {
            return Err(FORM);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The base as text, no slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The base with a path and query added. `path_and_query` begins with `/` and its variable
    /// parts went through [`encode`] or [`Query`]; `None` when it is not a valid or too long.
    #[must_use]
    pub fn join(&self, path_and_query: &str) -> Option<Uri> {
        format!("{}{path_and_query}", self.0).parse().ok()
    }
}

impl<'de> Deserialize<'de> for BaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for BaseUrl {
    fn schema_name() -> Cow<'static, str> {
        "BaseUrl".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uri", "pattern": "^https?://[^?#@]+$" })
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(out, "%{byte:02X}").expect("invariant: a String takes any text");
        }
    }
    out
}

/// A query string under construction.
#[derive(Debug, Default, Clone)]
pub struct Query(String);

impl Query {
    /// Adds one pair, value encoded.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl AsRef<str>) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(key);
        self.0.push('=');
        self.0.push_str(&encode(value.as_ref()));
        self
    }

    /// `path?query`.
    #[must_use]
    pub fn on(&self, path: &str) -> String {
        format!("{path}?{}", self.0)
    }
}

/// A GET request without body.
#[must_use]
pub fn get(uri: Uri) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri;
    request
}

/// A POST request with a JSON body.
#[must_use]
pub fn post_json(uri: Uri, body: &serde_json::Value) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    request.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    request
}

/// The `retry-after` header in whole seconds, where it is a number; Shopify and Haravan write `2.0`.
#[must_use]
pub fn retry_after_s(headers: &http::HeaderMap) -> Option<u64> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let more = part.bytes().any(|byte| byte != b'0');
    whole.parse::<u64>().ok()?.checked_add(u64::from(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_kept_without_its_last_slash() {
        let base = BaseUrl::parse("https://shop.example.vn/tenant/").unwrap();
        assert_eq!(
            base.join("/a?b=c").unwrap().to_string(),
            "https://shop.example.vn/tenant/a?b=c"
        );
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for wrong in [
            "shop.example.vn",
            "ftp://a",
            "https://u:p@a",
            "https://a?x=1",
            "",
            "https://",
        ] {
            assert!(BaseUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_to_wait_are_never_fewer_than_the_vendor_says() {
        let seconds = |text: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after_s(&headers)
        };
        assert_eq!(seconds("30"), Some(30));
        assert_eq!(seconds("2.0"), Some(2));
        assert_eq!(seconds("2.5"), Some(3));
        assert_eq!(seconds("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(seconds("-1"), None);
    }

    #[test]
    fn values_are_encoded_and_cannot_add_parameters() {
        let query = Query::default().with("q", "a b&c=đ/?").on("/x");
        assert_eq!(query, "/x?q=a%20b%26c%3D%C4%91%2F%3F");
    }
}
