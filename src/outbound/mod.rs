//! The only place that sends. Everything that leaves for a partner goes through [`Client::send`],
//! after [`limits::Gate`] let it through.
//!
//! The client sends one request once: it follows no redirect, uses no proxy, retries nothing and
//! reads no more of an answer than it was told to. It knows neither partners nor tasks: a status
//! of 500 is an answer like any other, and the connector reads it. It logs nothing; whoever called
//! it does.

pub mod address;
mod error;
pub mod gates;
pub mod limits;
mod rate;

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub use address::Scope;
pub use error::{NotSent, SendError, Unknown};
pub use gates::{GateKey, Gates};
pub use limits::{Gate, Limits, Outcome, Permit, Wait};
pub use rate::Rate;

/// What holds for all calls of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Longest time for name look-up, connection and TLS together. Keep it below the time-out of
    /// calls: when the total runs out first, even a call that never connected counts as
    /// [`Unknown`].
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. Below the 60 s of common servers, so that it is we
    /// who close: a request written to a connection that the other side is closing is lost with
    /// an unknown outcome.
    pub pool_idle_timeout: Duration,
    /// Most idle connections to one host.
    pub pool_max_idle_per_host: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            pool_idle_timeout: Duration::from_secs(45),
            pool_max_idle_per_host: 16,
        }
    }
}

/// What holds for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendOptions {
    /// Longest time from the start of the call to the last byte of the answer.
    pub timeout: Duration,
    /// Whether the call may reach loopback and private addresses (`internal = true` in the
    /// configuration of the target or channel).
    pub internal: bool,
    /// Most bytes of the answer's body, counted after decompression.
    pub max_response_bytes: usize,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            internal: false,
            max_response_bytes: 4 * 1024 * 1024,
        }
    }
}

impl SendOptions {
    fn scope(&self) -> Scope {
        if self.internal {
            Scope::Internal
        } else {
            Scope::Public
        }
    }
}

/// The HTTP library could not be set up, for example because the system has no certificates.
#[derive(Debug, thiserror::Error)]
#[error("could not set up the HTTP client")]
pub struct SetupError(#[source] reqwest::Error);

/// Sends requests. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    // Two, because a connection in a pool has its address check behind it: a public call must not
    // get one that an internal call opened.
    public: reqwest::Client,
    internal: reqwest::Client,
}

impl Client {
    /// A client with its own connections.
    ///
    /// # Errors
    /// [`SetupError`] if TLS cannot be set up on this machine.
    pub fn new(policy: &Policy) -> Result<Self, SetupError> {
        Ok(Self {
            public: build(policy, Scope::Public)?,
            internal: build(policy, Scope::Internal)?,
        })
    }

    /// Sends `request` once and reads the whole answer, whatever its status. The answer's body is
    /// decompressed. Dropping the future closes the connection; the outcome is then unknown.
    ///
    /// # Errors
    /// [`SendError`], which says whether the partner can have seen the request.
    pub async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendOptions,
    ) -> Result<http::Response<Bytes>, SendError> {
        let mut request =
            reqwest::Request::try_from(request).map_err(|_source| NotSent::Invalid)?;
        let call = Call {
            host: host(request.url())?,
            options,
        };
        let scope = options.scope();
        // The resolver is not asked about addresses that are written out.
        if address::literal(&call.host).is_some_and(|address| !scope.permits(address)) {
            return Err(NotSent::AddressRefused { host: call.host }.into());
        }
        *request.timeout_mut() = Some(options.timeout);
        let client = match scope {
            Scope::Public => &self.public,
            Scope::Internal => &self.internal,
        };
        match client.execute(request).await {
            Ok(response) => call.read(response).await,
            Err(error) => Err(call.failed(&error)),
        }
    }
}

fn build(policy: &Policy, scope: Scope) -> Result<reqwest::Client, SetupError> {
    reqwest::Client::builder()
        .user_agent(concat!("kenh/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .dns_resolver(address::Resolver { scope })
        .connect_timeout(policy.connect_timeout)
        .pool_idle_timeout(policy.pool_idle_timeout)
        .pool_max_idle_per_host(policy.pool_max_idle_per_host)
        .build()
        .map_err(SetupError)
}

fn host(url: &reqwest::Url) -> Result<String, NotSent> {
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(host)) => Ok(host.to_owned()),
        _ => Err(NotSent::Invalid),
    }
}

/// What is needed to name a failure of the call under way.
struct Call<'a> {
    host: String,
    options: &'a SendOptions,
}

impl Call<'_> {
    async fn read(
        self,
        mut response: reqwest::Response,
    ) -> Result<http::Response<Bytes>, SendError> {
        let status = response.status();
        let limit = self.options.max_response_bytes;
        let too_large = |host: String| Unknown::TooLarge {
            host,
            status: status.as_u16(),
            limit,
        };
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |length| length > limit) {
            return Err(too_large(self.host).into());
        }
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) > limit => {
                    return Err(too_large(self.host).into());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(self.broke_off(&error, status.as_u16())),
            }
        }
        let mut answer = http::Response::new(body.freeze());
        *answer.status_mut() = status;
        *answer.version_mut() = response.version();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }

    fn broke_off(self, error: &reqwest::Error, status: u16) -> SendError {
        let host = self.host;
        if error.is_timeout() {
            return Unknown::TimedOut {
                host,
                status: Some(status),
                timeout: self.options.timeout,
            }
            .into();
        }
        Unknown::Truncated { host, status }.into()
    }

    fn failed(self, error: &reqwest::Error) -> SendError {
        let host = self.host;
        if find::<address::Refused>(error).is_some() {
            return NotSent::AddressRefused { host }.into();
        }
        if error.is_builder() {
            return NotSent::Invalid.into();
        }
        // Only what the library says about connecting is known not to have been sent; anything
        // else may have been, so `Unknown` is the last case and not one of several.
        if error.is_connect() {
            if error.is_timeout() {
                return NotSent::ConnectTimeout { host }.into();
            }
            if error.is_dns() {
                return NotSent::Dns { host }.into();
            }
            let kind = find::<io::Error>(error).map_or(io::ErrorKind::Other, innermost_kind);
            // How the TLS library reports everything that it does not accept.
            if kind == io::ErrorKind::InvalidData {
                return NotSent::Tls { host }.into();
            }
            return NotSent::Connect { host, kind }.into();
        }
        if error.is_timeout() {
            return Unknown::TimedOut {
                host,
                status: None,
                timeout: self.options.timeout,
            }
            .into();
        }
        Unknown::Reset { host }.into()
    }
}

/// The first cause of type `E`.
fn find<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// The kind of an I/O error that may be wrapped in others, which `source` skips.
fn innermost_kind(error: &io::Error) -> io::ErrorKind {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(inner) => innermost_kind(inner),
        None => error.kind(),
    }
}

#[cfg(test)]
mod tests;
