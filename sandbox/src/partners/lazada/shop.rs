//! The shop behind Lazada's API: orders as a head and one document per unit, tokens, stock.

use std::collections::BTreeMap;

use jiff::tz::Offset;
use serde_json::{Value, json};

use crate::{
    faults::hash,
    secrets::{Secrets, TokenPair},
    world::seconds,
};

/// While faults are on, calls that one access token serves before it is declared dead.
const CALLS_PER_TOKEN: u32 = 80;
/// An authorisation's life.
const AUTHORISED_S: i64 = 180 * 86_400;

/// A buyer's wish to cancel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) id: u64,
    /// The seller's answer.
    pub(crate) agreed: Option<bool>,
}

/// One order as Lazada keeps it.
#[derive(Debug, Clone)]
pub(crate) struct LazadaOrder {
    pub(crate) head: Value,
    pub(crate) units: Vec<Value>,
    pub(crate) updated: i64,
    pub(crate) request: Option<Request>,
    /// Known to the fetch only: bait for a forged push.
    pub(crate) bait: bool,
}

/// `2026-11-24 08:02:03 +0700`
pub(crate) fn text_time(second: i64) -> String {
    let at = jiff::Timestamp::from_second(second).unwrap_or_default();
    let local = Offset::constant(7).to_datetime(at);
    format!("{} +0700", local.strftime("%Y-%m-%d %H:%M:%S"))
}

/// The platform's ids of an article: product and SKU.
pub(crate) fn ids(sku: &str) -> (u64, u64) {
    let product = hash(0, sku) % 900_000_000 + 2_000_000_000;
    (product, product + 9_890_000_000)
}

impl LazadaOrder {
    /// Writes a change into the units chosen; update times never stand still.
    pub(crate) fn change(
        &mut self,
        chosen: impl Fn(&Value) -> bool,
        mut to: impl FnMut(&mut Value),
    ) {
        self.updated = seconds().max(self.updated + 1);
        let at = text_time(self.updated);
        for unit in self.units.iter_mut().filter(|unit| chosen(unit)) {
            to(unit);
            unit["updated_at"] = json!(at);
        }
        let mut statuses: Vec<&Value> = Vec::new();
        for unit in &self.units {
            if !statuses.contains(&&unit["status"]) {
                statuses.push(&unit["status"]);
            }
        }
        let waits = self.request.is_some_and(|request| request.agreed.is_none());
        self.head["statuses"] = json!(statuses);
        self.head["updated_at"] = json!(at);
        self.head["is_cancel_pending"] = json!(waits);
        self.head["need_cancel_confirm"] = json!(waits);
    }

    /// Moves every unit that is not cancelled.
    pub(crate) fn set_status(&mut self, status: &str) {
        self.change(
            |unit| unit["status"] != "canceled",
            |unit| unit["status"] = json!(status),
        );
    }

    /// Cancels units in somebody's name.
    pub(crate) fn cancel(&mut self, chosen: impl Fn(&Value) -> bool, by: &str, reason: &str) {
        self.change(
            |unit| unit["status"] != "canceled" && chosen(unit),
            |unit| {
                unit["status"] = json!("canceled");
                unit["cancel_return_initiator"] = json!(format!("cancellation-{by}"));
                unit["reason"] = json!(reason);
                unit["is_cancel_pending"] = json!(false);
                unit["need_cancel_confirm"] = json!(false);
            },
        );
    }

    /// The buyer asks to cancel all that is left.
    pub(crate) fn ask_to_cancel(&mut self, id: u64) {
        self.request = Some(Request { id, agreed: None });
        self.change(
            |unit| unit["status"] != "canceled",
            |unit| {
                unit["is_cancel_pending"] = json!(true);
                unit["need_cancel_confirm"] = json!(true);
                unit["reverse_order_id"] = json!(id);
            },
        );
    }

    /// The wish is off the table.
    pub(crate) fn withdraw_request(&mut self) {
        self.request = None;
        self.change(
            |unit| unit["status"] != "canceled",
            |unit| {
                unit["is_cancel_pending"] = json!(false);
                unit["need_cancel_confirm"] = json!(false);
            },
        );
    }
}

/// The shop behind the API.
#[derive(Debug)]
pub(crate) struct LazadaShop {
    pub(crate) orders: BTreeMap<u64, LazadaOrder>,
    /// Sellable units by product and SKU.
    pub(crate) stock: BTreeMap<(i64, i64), i64>,
    pub(crate) authorised_until: i64,
    tokens: TokenPair,
    refresh_before: Option<String>,
    calls_left: u32,
    grants: u64,
    parcels: u64,
}

impl LazadaShop {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self {
            orders: BTreeMap::new(),
            stock: BTreeMap::new(),
            authorised_until: seconds() + AUTHORISED_S,
            tokens: secrets.lazada_tokens.clone(),
            refresh_before: None,
            calls_left: CALLS_PER_TOKEN,
            grants: 0,
            parcels: 0,
        }
    }

    pub(super) fn accepts(&mut self, token: &str, is_mortal: bool) -> bool {
        if token != self.tokens.access || (is_mortal && self.calls_left == 0) {
            return false;
        }
        if is_mortal {
            self.calls_left -= 1;
        }
        true
    }

    pub(super) fn may_refresh(&self, token: &str) -> bool {
        let is_known =
            token == self.tokens.refresh || self.refresh_before.as_deref() == Some(token);
        is_known && seconds() < self.authorised_until
    }

    /// A new pair within the same authorisation.
    pub(super) fn renew(&mut self, seed: u64) -> TokenPair {
        self.grants += 1;
        let access = hash(seed, &format!("lazada access {}", self.grants));
        let refresh = hash(seed, &format!("lazada refresh {}", self.grants));
        self.refresh_before = Some(std::mem::take(&mut self.tokens.refresh));
        self.calls_left = CALLS_PER_TOKEN;
        self.tokens = TokenPair {
            access: format!("50000{access:016x}"),
            refresh: format!("50001{refresh:016x}"),
            expires_in_s: 2_592_000,
        };
        self.tokens.clone()
    }

    /// A new pair, as after the seller authorised the app again: the old ones are dead.
    pub(crate) fn grant(&mut self, seed: u64) -> TokenPair {
        let pair = self.renew(seed);
        self.refresh_before = None;
        self.authorised_until = seconds() + AUTHORISED_S;
        pair
    }

    /// Id and carrier's number of the next parcel.
    pub(super) fn next_parcel(&mut self) -> (String, String) {
        self.parcels += 1;
        let number = self.parcels;
        (format!("FP06{number:013}"), format!("LXVN06{number:08}VNA"))
    }
}
