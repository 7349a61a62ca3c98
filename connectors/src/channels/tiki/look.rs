//! The first call of whatever we tell Tiki: a look at the order. It is harmless, says which of
//! Tiki's ways the order goes, and shows whether an earlier try has worked.

use bytes::Bytes;
use http::Response;
use serde::{Deserialize, Serialize};

use super::api;
use super::document::{Item, Order};
use crate::feedback::Step;
use crate::payload;

/// What was seen; goes into the answers so far instead of the document, which holds a person's
/// address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) status: String,
    pub(super) way: String,
    /// Items that wait for our confirmation.
    pub(super) waiting: Vec<String>,
    /// Items that we have given back.
    pub(super) given_back: Vec<String>,
}

impl Seen {
    pub(super) fn read(response: &Response<Bytes>) -> Result<Self, Box<Step>> {
        api::good(response)?;
        let order: Order = payload::read(response.body())
            .map_err(|_| Box::new(api::refused("unreadable", "Tiki's answer is not an order")))?;
        let ids = |wanted: fn(&Item) -> bool| {
            let items = order.items.iter().flatten();
            items
                .filter(|item| wanted(item))
                .map(|item| item.id.to_string())
                .collect()
        };
        Ok(Self {
            waiting: ids(Item::waits),
            given_back: ids(Item::is_given_back),
            status: order.status.unwrap_or_default(),
            way: order.fulfillment_type.unwrap_or_default(),
        })
    }

    pub(super) fn part(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).expect("invariant: texts only"))
    }

    /// As an earlier answer of the same try kept it.
    pub(super) fn of(got: &[Bytes]) -> Option<Self> {
        serde_json::from_slice(got.first()?).ok()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self.status.as_str(), "canceled" | "closed")
    }

    pub(super) fn is_dropship(&self) -> bool {
        self.way == "dropship"
    }

    /// The seller brings it; everywhere else Tiki's carriers tell what becomes of the parcel.
    pub(super) fn is_ours_to_deliver(&self) -> bool {
        self.way == "seller_delivery"
    }

    pub(super) fn is_delivered(&self) -> bool {
        matches!(
            self.status.as_str(),
            "delivered" | "successful_delivery" | "complete"
        )
    }
}
