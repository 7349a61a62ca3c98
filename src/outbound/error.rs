//! What can go wrong with one call, sorted by the only question that matters for exactly-once
//! effects: can the partner have seen the request?
//!
//! Nothing here holds a URL, a header or a body: query strings carry signatures and access
//! tokens, bodies carry people. The errors of the HTTP library hold URLs, so none of them is kept
//! as a source.

use std::io;
use std::time::Duration;

use super::limits::Wait;

/// Why a call brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The request certainly never reached the partner: it may be sent again as it is.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The partner may have acted on the request. Before anything is sent again, the target must
    /// be asked, or be known to recognise the idempotency key.
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

/// Why a request never left, or never found anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The request is not an absolute `http` or `https` one. Sending it again will not help.
    #[error("could not send: the request has no usable address")]
    Invalid,
    /// The address is outside what this call may reach. Sending it again will not help until the
    /// configuration or the partner's name server changes.
    #[error("could not send to {host}: its address is not permitted here (see `internal`)")]
    AddressRefused {
        /// Host part of the URL.
        host: String,
    },
    /// The name could not be looked up.
    #[error("could not send to {host}: its name was not found")]
    Dns {
        /// Host part of the URL.
        host: String,
    },
    /// No connection: refused or unreachable.
    #[error("could not send to {host}: no connection ({kind})")]
    Connect {
        /// Host part of the URL.
        host: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The connection could not be made private: a certificate that is not trusted, has expired
    /// or is for another name, or no version of TLS that both know.
    #[error("could not send to {host}: no agreement on TLS (check its certificate)")]
    Tls {
        /// Host part of the URL.
        host: String,
    },
    /// No connection within the time for one.
    #[error("could not send to {host}: no connection in time")]
    ConnectTimeout {
        /// Host part of the URL.
        host: String,
    },
    /// Our own limits hold the call back; it uses up no attempt.
    #[error("could not send yet: {0}")]
    Held(Wait),
}

/// Why the outcome of a request is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No complete answer within the time-out of the call.
    #[error("no complete answer from {host} within {} ms", timeout.as_millis())]
    TimedOut {
        /// Host part of the URL.
        host: String,
        /// Status of the answer, if its head came in time.
        status: Option<u16>,
        /// The time-out.
        timeout: Duration,
    },
    /// The connection broke before an answer.
    #[error("{host} broke the connection before it answered")]
    Reset {
        /// Host part of the URL.
        host: String,
    },
    /// The answer began and broke off, or could not be decompressed.
    #[error("the answer {status} from {host} is incomplete")]
    Truncated {
        /// Host part of the URL.
        host: String,
        /// Status of the answer.
        status: u16,
    },
    /// The answer is longer than this call reads.
    #[error("the answer {status} from {host} is longer than {limit} bytes")]
    TooLarge {
        /// Host part of the URL.
        host: String,
        /// Status of the answer.
        status: u16,
        /// Most bytes of a body, after decompression.
        limit: usize,
    },
}

impl SendError {
    /// Whether the partner certainly never saw the request.
    #[must_use]
    pub fn is_not_sent(&self) -> bool {
        matches!(self, Self::NotSent(_))
    }

    /// Whether sending the same request again cannot help: the configuration is wrong.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NotSent(NotSent::Invalid | NotSent::AddressRefused { .. }) => true,
            Self::NotSent(
                NotSent::Dns { .. }
                | NotSent::Connect { .. }
                | NotSent::Tls { .. }
                | NotSent::ConnectTimeout { .. }
                | NotSent::Held(_),
            )
            | Self::Unknown(_) => false,
        }
    }

    /// Status of the answer whose body did not arrive, if its head did.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::NotSent(_) | Self::Unknown(Unknown::Reset { .. }) => None,
            Self::Unknown(Unknown::TimedOut { status, .. }) => *status,
            Self::Unknown(Unknown::Truncated { status, .. } | Unknown::TooLarge { status, .. }) => {
                Some(*status)
            }
        }
    }

    /// A short fixed name for metrics and for the record of the attempt.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotSent(not_sent) => match not_sent {
                NotSent::Invalid => "invalid_request",
                NotSent::AddressRefused { .. } => "address_refused",
                NotSent::Dns { .. } => "dns",
                NotSent::Connect { .. } => "connect",
                NotSent::Tls { .. } => "tls",
                NotSent::ConnectTimeout { .. } => "connect_timeout",
                NotSent::Held(_) => "held",
            },
            Self::Unknown(unknown) => match unknown {
                Unknown::TimedOut { .. } => "timed_out",
                Unknown::Reset { .. } => "reset",
                Unknown::Truncated { .. } => "truncated",
                Unknown::TooLarge { .. } => "too_large",
            },
        }
    }
}

impl From<Wait> for SendError {
    fn from(wait: Wait) -> Self {
        Self::NotSent(NotSent::Held(wait))
    }
}
