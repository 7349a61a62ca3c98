//! Replay: reads a stored message with today's connector.
//!
//! Parsing is pure and settling folds what it has seen before, so a message can be read again at
//! any time; what a fix of the connector makes of it is settled like a new message. What an app
//! parked is handed to the channels that have its accounts by now.

use connectors::inbound::{NoticeBody, NoticeKind, OrderDocument, VerifiedWebhook};
use domain::order::{Context, Fact};
use domain::snapshot::Snapshot;
use serde_json::Value;

use super::{envelope, receive, route};
use crate::config::AppConfig;
use crate::gateway::Gateway;
use crate::store::inbox::{self, Incoming, NewNotice, NewState};
use crate::store::notices::StoredMessage;
use crate::store::{self, messages};

/// Why a message cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is there who could read it.
    #[error("its channel is not configured any more")]
    NoChannel,
    /// The content is gone or does not open.
    #[error(transparent)]
    Content(#[from] envelope::Error),
    /// Today's connector cannot read it either. The words name the field, never its content.
    #[error("today's connector does not read it: {0}")]
    Unreadable(String),
    /// The database.
    #[error("could not look up the order")]
    Store(#[from] store::Error),
}

/// What today's connector reads in a message.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The notices, as they would be stored.
    pub notices: Vec<NewNotice>,
    bodies: Vec<NoticeBody>,
    is_weak: bool,
    /// For an app's message: what its channels get of it.
    handed: Vec<Incoming>,
}

/// Where an order's document comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The message carries it.
    Here,
    /// It is fetched from the channel.
    Fetch,
}

/// What a notice would do to its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Where the document comes from.
    pub document: Document,
    /// The order, if it is known.
    pub order_id: Option<String>,
    /// What would be different; empty for an order that is not known, or whose document is to be
    /// fetched.
    pub changes: Vec<Change>,
}

/// One field that would be different. Personal data is masked on both sides, so a change within
/// it may show the same text twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Path of the field in the order, `lines[0].quantity`.
    pub field: String,
    /// As it is.
    pub from: Value,
    /// As it would be.
    pub to: Value,
}

/// Reads a stored message.
///
/// # Errors
/// When it cannot be read; nothing was changed.
pub fn read(gateway: &Gateway, channel: &str, stored: &StoredMessage) -> Result<Reading, Error> {
    let inbound = gateway.inbound(channel).ok_or(Error::NoChannel)?;
    let message = envelope::open(&gateway.keys, stored)?;
    if let Some(app) = gateway.config.app(channel) {
        return parked(gateway, app, &message);
    }
    // In the way in which new messages are read, so that a defect of the connector stays one
    // message's problem.
    let incoming = receive::prepare(
        channel,
        &*inbound,
        &message,
        &gateway.keys,
        gateway.now_ms(),
    );
    readable(&incoming)?;
    let bodies = inbound
        .parse(&message)
        .map_err(|error| Error::Unreadable(error.to_string()))?
        .into_iter()
        .map(|notice| notice.body)
        .collect();
    Ok(Reading {
        notices: incoming.notices,
        bodies,
        is_weak: inbound.weak(),
        handed: Vec::new(),
    })
}

fn readable(incoming: &Incoming) -> Result<(), Error> {
    let mut states = incoming.notices.iter().map(|notice| &notice.state);
    match states.find_map(|state| match state {
        NewState::Dead(reason) => Some(reason.clone()),
        NewState::Waiting | NewState::Ignored(_) => None,
    }) {
        Some(reason) => Err(Error::Unreadable(reason)),
        None => Ok(()),
    }
}

/// A message that stayed with its app. It never becomes an order of the app's own: either all of
/// it has a channel by now, or it stays parked.
fn parked(gateway: &Gateway, app: &AppConfig, message: &VerifiedWebhook) -> Result<Reading, Error> {
    let mut handed = route::incoming(gateway, app, message);
    for row in &handed {
        readable(row)?;
    }
    // What asks for nothing and names no account is still the app's.
    let own = handed.extract_if(.., |row| row.channel == app.id);
    let mut notices: Vec<NewNotice> = own.flat_map(|row| row.notices).collect();
    if notices.is_empty() {
        notices.push(NewNotice {
            kind: NoticeKind::Account.as_str(),
            key: None,
            state: NewState::Ignored("handed to the channels of its accounts".to_owned()),
        });
    }
    Ok(Reading {
        notices,
        bodies: Vec::new(),
        is_weak: false,
        handed,
    })
}

impl Reading {
    /// Gives the channels of an app what is theirs, before the app's own message is done with. A
    /// channel that has it already keeps what it has.
    ///
    /// # Errors
    /// When the database refuses; nothing is given then.
    pub async fn hand_over(&self, gateway: &Gateway) -> Result<(), store::Error> {
        if !self.handed.is_empty() {
            inbox::receive(&gateway.db, &self.handed).await?;
        }
        Ok(())
    }

    /// What each notice would do to its order, in the order of the notices; `None` for those that
    /// are not about an order's document. Nothing is changed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn effects(
        &self,
        gateway: &Gateway,
        channel: &str,
    ) -> Result<Vec<Option<Effect>>, Error> {
        let mut effects = Vec::with_capacity(self.bodies.len());
        for body in &self.bodies {
            let NoticeBody::Order {
                external_id,
                document,
                ..
            } = body
            else {
                effects.push(None);
                continue;
            };
            let order = messages::order_of(&gateway.db, channel, external_id).await?;
            let order_id = order.as_ref().map(|order| order.id().as_str().to_owned());
            let (document, changes) = match document {
                OrderDocument::Here(snapshot) if !self.is_weak => {
                    let changes = order.map(|order| changes(gateway, order, snapshot));
                    (Document::Here, changes.unwrap_or_default())
                }
                OrderDocument::Here(_) | OrderDocument::Fetch => (Document::Fetch, Vec::new()),
            };
            effects.push(Some(Effect {
                document,
                order_id,
                changes,
            }));
        }
        Ok(effects)
    }
}

/// What would be different in an order if it heard of the snapshot now.
pub(super) fn changes(
    gateway: &Gateway,
    order: domain::order::Order,
    snapshot: &Snapshot,
) -> Vec<Change> {
    let catalog = gateway.catalog.current();
    let context = Context {
        now: gateway.clock.now(),
        catalog: &*catalog,
        settings: &gateway.settings,
    };
    let before = order.view();
    let mut after = order;
    let applied = after.apply(&Fact::Snapshot(Box::new(snapshot.clone())), &context);
    if !applied.changed {
        return Vec::new();
    }
    let after = after.view();
    let json = |view: &domain::order::OrderView| {
        serde_json::to_value(view).expect("an order's view is JSON")
    };
    let clear = (json(&before), json(&after));
    let masked = (json(&before.masked()), json(&after.masked()));
    let mut changes = Vec::new();
    compare(
        "",
        (&clear.0, &clear.1),
        (&masked.0, &masked.1),
        &mut changes,
    );
    // It counts what is stored, and nothing is.
    changes.retain(|change| change.field != "version");
    changes
}

/// Finds the fields that differ in the clear pair, and shows them from the masked pair.
fn compare(
    path: &str,
    clear: (&Value, &Value),
    masked: (&Value, &Value),
    changes: &mut Vec<Change>,
) {
    if clear.0 == clear.1 {
        return;
    }
    match clear {
        (Value::Object(before), Value::Object(after)) => {
            for key in before
                .keys()
                .chain(after.keys().filter(|k| !before.contains_key(*k)))
            {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(
                    &path,
                    (&clear.0[key], &clear.1[key]),
                    (&masked.0[key], &masked.1[key]),
                    changes,
                );
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for n in 0..before.len().max(after.len()) {
                compare(
                    &format!("{path}[{n}]"),
                    (&clear.0[n], &clear.1[n]),
                    (&masked.0[n], &masked.1[n]),
                    changes,
                );
            }
        }
        _ => changes.push(Change {
            field: path.to_owned(),
            from: masked.0.clone(),
            to: masked.1.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_shown_and_personal_data_stays_masked() {
        let before =
            json!({ "note": "call An", "lines": [{ "quantity": 1, "sku": "A" }], "tags": [] });
        let after =
            json!({ "note": "call Lan", "lines": [{ "quantity": 2, "sku": "A" }], "tags": ["x"] });
        let masked = json!({ "note": "•••", "lines": [{ "quantity": 1, "sku": "A" }], "tags": [] });
        let masked_after =
            json!({ "note": "•••", "lines": [{ "quantity": 2, "sku": "A" }], "tags": ["x"] });
        let mut changes = Vec::new();
        compare(
            "",
            (&before, &after),
            (&masked, &masked_after),
            &mut changes,
        );
        let shown: Vec<(String, Value, Value)> = changes
            .into_iter()
            .map(|c| (c.field, c.from, c.to))
            .collect();
        assert_eq!(shown.len(), 3);
        assert!(shown.contains(&("note".to_owned(), json!("•••"), json!("•••"))));
        assert!(shown.contains(&("lines[0].quantity".to_owned(), json!(1), json!(2))));
        assert!(shown.contains(&("tags[0]".to_owned(), Value::Null, json!("x"))));
    }
}
