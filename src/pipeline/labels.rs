//! Labels: asked for at the channel while somebody waits, and not stored.

use bytes::Bytes;
use connectors::channel::CallContext;
use connectors::feedback::{LabelOf, Labelled};

use super::{ingest, tokens};
use crate::config::ChannelConfig;
use crate::gateway::Gateway;

/// Calls that one label may need (parameters, creation, result, download).
const MOST_CALLS: usize = 8;

/// A label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The vendor's content type.
    pub content_type: String,
    /// The document; it holds personal data.
    pub body: Bytes,
}

/// Why there is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There will be none, or something must happen first.
    #[error("the channel gives no label: {0}")]
    Refused(String),
    /// Ask again.
    #[error("the channel gives no label now: {reason}")]
    Later {
        /// Lower bound, seconds.
        after_s: Option<u64>,
        /// Why.
        reason: String,
    },
}

fn later(reason: impl Into<String>) -> Error {
    Error::Later {
        after_s: None,
        reason: reason.into(),
    }
}

/// Asks a channel for a label, call by call, with one fresh token if the one in force is refused.
///
/// # Errors
/// When the channel makes none, not of this parcel, or not now.
pub async fn get(
    gateway: &Gateway,
    channel: &ChannelConfig,
    wanted: LabelOf<'_>,
) -> Result<Label, Error> {
    let labels = channel.channel.labels().ok_or_else(|| {
        Error::Refused("this channel makes no labels; see `kenh channels`".to_owned())
    })?;
    let no_token = |error: tokens::Error| later(error.to_string());
    let mut token = tokens::access(gateway, channel).await.map_err(no_token)?;
    let mut renewed = false;
    let mut got: Vec<Bytes> = Vec::new();
    while got.len() < MOST_CALLS {
        let context = CallContext {
            now: gateway.clock.now(),
            access_token: token.as_ref().map(tokens::Access::token),
        };
        let request = labels
            .request(wanted, &got, context)
            .map_err(|error| Error::Refused(error.what))?;
        let response = ingest::send(gateway, channel, request)
            .await
            .map_err(|(after_s, reason)| Error::Later { after_s, reason })?;
        match labels.read(wanted, &got, &response) {
            Labelled::Part(part) => got.push(part),
            Labelled::Label { content_type, body } => return Ok(Label { content_type, body }),
            Labelled::NotYet => return Err(later("the channel is still making it")),
            Labelled::TokenExpired if !renewed => {
                token = Some(
                    tokens::renew(gateway, channel, token.as_ref())
                        .await
                        .map_err(no_token)?,
                );
                renewed = true;
            }
            Labelled::TokenExpired => return Err(later("the access token is expired")),
            Labelled::Retry { after_s, reason } => return Err(Error::Later { after_s, reason }),
            Labelled::Refused { reason } => return Err(Error::Refused(reason)),
        }
    }
    Err(Error::Refused(
        "the channel's answers never come to an end".to_owned(),
    ))
}
