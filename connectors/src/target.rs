//! The contract of a target: a task in Kenh's words becomes a vendor's request, and its answer
//! becomes an [`Outcome`].

use std::fmt::Debug;

use bytes::Bytes;
use domain::task::{Outcome, TaskBody};
use http::{Request, Response};

use crate::channel::CallContext;
use crate::inbound::Inbound;

/// Why a request could not be built. Names the field, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not build the request: {what}")]
pub struct BuildError {
    /// What is missing or unsupported.
    pub what: String,
}

/// What a look-up after an unknown outcome says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookedUp {
    /// The first try arrived: this is what came of it.
    Found(Outcome),
    /// It never arrived: sending again is safe.
    Absent,
    /// The look-up itself did not work; look again later.
    Undecided {
        /// Lower bound, seconds.
        after_s: Option<u64>,
        /// Why, safe to log.
        reason: String,
    },
}

/// A system that we call.
pub trait Target: Inbound {
    /// The connector's name in the registry.
    fn connector(&self) -> &'static str;

    /// The request of a task. Carries the idempotency key and, where the partner knows them,
    /// signature and trace context.
    ///
    /// # Errors
    /// When this target cannot do the task or a field that it needs is missing.
    fn request(
        &self,
        body: &TaskBody,
        key: &str,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError>;

    /// Sorts the answer.
    fn read(&self, body: &TaskBody, response: &Response<Bytes>) -> Outcome;

    /// The question to ask after an unknown outcome; `None` where a repeat with the same key is
    /// harmless by the partner's own word and there is nothing to ask.
    fn lookup(&self, body: &TaskBody, key: &str, call: CallContext<'_>) -> Option<Request<Bytes>>;

    /// Reads the answer of [`Target::lookup`].
    fn read_lookup(&self, body: &TaskBody, response: &Response<Bytes>) -> LookedUp;
}
