//! Packing (the platform assigns carrier, parcel id and number) and handing over.
//!
//! Only pending and repacked units can be packed, only packed ones be made ready to ship; the look
//! before each call tells what is left to do.

use bytes::Bytes;
use domain::task::{ChannelLine, Given, Outcome};
use http::{Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::Lazada;
use super::api::{judge, passes};
use super::document::{Item, Loose};
use super::feedback::{Chosen, open_units, push_once, refused, retry, trouble, unreadable};
use crate::channel::CallContext;
use crate::feedback::Step;
use crate::payload::{self, word};
use crate::target::BuildError;

const PACK: &str = "/order/fulfill/pack";
const READY: &str = "/order/package/rts";

impl Lazada {
    pub(super) fn pack(
        &self,
        order_id: &str,
        chosen: &Chosen,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let mut wanted = json!({
            "pack_order_list": [{ "order_id": order_id, "order_item_list": chosen.items }],
            "delivery_type": "dropship",
            "shipping_allocate_type": self.0.shipping_allocate_type,
        });
        if let Some(code) = &self.0.shipment_provider_code {
            wanted["shipment_provider_code"] = json!(code);
        }
        self.post(PACK, &[("packReq", &wanted.to_string())], call)
    }

    pub(super) fn ready_to_ship(
        &self,
        chosen: &Chosen,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let wanted = json!({ "packages": packages(&chosen.packages) });
        self.post(READY, &[("readyToShipReq", &wanted.to_string())], call)
    }
}

/// `[{"package_id": …}, …]`
pub(super) fn packages(ids: &[String]) -> Vec<serde_json::Value> {
    ids.iter().map(|id| json!({ "package_id": id })).collect()
}

fn said(item: &Item) -> &str {
    item.status.text().unwrap_or_default()
}

fn is_unpacked(item: &Item) -> bool {
    matches!(said(item), "pending" | "repacked" | "topack")
}

fn is_packed_only(item: &Item) -> bool {
    matches!(said(item), "packed" | "ready_to_ship_pending")
}

pub(super) fn choose(items: &[Item], lines: &[ChannelLine]) -> Step {
    let units = match wanted(items, lines) {
        Ok(units) => units,
        Err(step) => return *step,
    };
    let mut chosen = Chosen::default();
    chosen.parcels_of(&units);
    for unit in units.iter().filter(|unit| is_unpacked(unit)) {
        chosen.items.push(unit.id().to_owned());
    }
    if chosen.items.is_empty() {
        return Step::Done(Outcome::Duplicate {
            given: given(&chosen),
        });
    }
    // A repacked unit shows the parcel that it is no longer in.
    let kept: Vec<&Item> = units
        .into_iter()
        .filter(|unit| !is_unpacked(unit))
        .collect();
    chosen.packages.clear();
    chosen.tracking.clear();
    chosen.parcels_of(&kept);
    chosen.part()
}

pub(super) fn choose_packed(
    items: &[Item],
    lines: &[ChannelLine],
    channel_parcel: Option<&str>,
) -> Step {
    let units = match wanted(items, lines) {
        Ok(units) => units,
        Err(step) => return *step,
    };
    if units.iter().any(|unit| is_unpacked(unit)) {
        return retry("the parcel is not packed there yet");
    }
    let waiting: Vec<&Item> = units
        .iter()
        .copied()
        .filter(|unit| is_packed_only(unit))
        .collect();
    let mut chosen = Chosen::default();
    if waiting.is_empty() {
        chosen.parcels_of(&units);
        return Step::Done(Outcome::Duplicate {
            given: given(&chosen),
        });
    }
    chosen.parcels_of(&waiting);
    if chosen.packages.is_empty() {
        for id in channel_parcel.into_iter().flat_map(|ids| ids.split(',')) {
            push_once(&mut chosen.packages, Some(id));
        }
    }
    if chosen.packages.is_empty() {
        return retry("the parcel has no id there yet");
    }
    chosen.part()
}

/// The units of the lines that we can still act on.
fn wanted<'a>(items: &'a [Item], lines: &[ChannelLine]) -> Result<Vec<&'a Item>, Box<Step>> {
    let units = open_units(items, lines).ok_or_else(|| {
        Box::new(refused(
            "unknown_line",
            "a line is not part of the order there",
        ))
    })?;
    if units.is_empty() {
        return Err(Box::new(refused(
            "cancelled",
            "all units are cancelled there",
        )));
    }
    if units.iter().any(|unit| unit.is_fbl.is_true()) {
        return Err(Box::new(refused(
            "fulfilled_by_lazada",
            "the platform's warehouse sends it",
        )));
    }
    if units.iter().any(|unit| said(unit) == "unpaid") {
        return Err(Box::new(retry("the order is not paid yet")));
    }
    Ok(units)
}

fn given(chosen: &Chosen) -> Given {
    let joined = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
    Given {
        partner_id: joined(&chosen.packages),
        tracking: joined(&chosen.tracking),
        ..Given::default()
    }
}

/// The fulfilment calls wrap their result once more; `success` only says that it was looked at, each
/// row has its own code. Guide and reference spell the error fields differently.
#[derive(Deserialize)]
pub(super) struct Wrapped<T> {
    pub(super) result: Option<Inner<T>>,
}

#[derive(Deserialize)]
pub(super) struct Inner<T> {
    #[serde(default)]
    success: Loose,
    #[serde(default)]
    error_code: Loose,
    #[serde(default, rename = "errorCode")]
    other_error_code: Loose,
    data: Option<T>,
}

/// The result's `data`, or the step that its error means.
pub(super) fn unwrapped<T: serde::de::DeserializeOwned>(
    response: &Response<Bytes>,
) -> Result<T, Box<Step>> {
    if let Some(step) = trouble(judge(response)) {
        return Err(Box::new(step));
    }
    let wrapped: Wrapped<T> = payload::read(response.body()).map_err(|error| unreadable(&error))?;
    let inner = wrapped
        .result
        .ok_or_else(|| Box::new(retry("result: missing")))?;
    let code = inner.error_code.id().or(inner.other_error_code.id());
    match inner.data {
        Some(data) if inner.success.text() != Some("false") => Ok(data),
        Some(_) | None => Err(Box::new(row_trouble(code.unwrap_or("none"), false))),
    }
}

#[derive(Deserialize)]
struct Packed {
    #[serde(default)]
    pack_order_list: Vec<PackedOrder>,
}

#[derive(Deserialize)]
struct PackedOrder {
    #[serde(default)]
    order_item_list: Vec<Row>,
}

/// A row of either answer: a unit that was to be packed, or a parcel that was to be handed over.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    item_err_code: Loose,
    #[serde(default)]
    package_id: Loose,
    #[serde(default)]
    tracking_number: Loose,
    #[serde(default)]
    retry: Loose,
}

#[derive(Deserialize)]
struct Ready {
    #[serde(default)]
    packages: Vec<Row>,
}

pub(super) fn read_pack(mut chosen: Chosen, response: &Response<Bytes>) -> Step {
    let packed: Packed = match unwrapped(response) {
        Ok(packed) => packed,
        Err(step) => return *step,
    };
    let rows: Vec<Row> = packed
        .pack_order_list
        .into_iter()
        .flat_map(|order| order.order_item_list)
        .collect();
    if let Some(step) = first_trouble(&rows) {
        return step;
    }
    for row in &rows {
        push_once(&mut chosen.packages, row.package_id.id());
        push_once(&mut chosen.tracking, row.tracking_number.text());
    }
    Step::Done(Outcome::Accepted {
        given: given(&chosen),
    })
}

pub(super) fn read_ready(chosen: &Chosen, response: &Response<Bytes>) -> Step {
    let ready: Ready = match unwrapped(response) {
        Ok(ready) => ready,
        Err(step) => return *step,
    };
    if let Some(step) = first_trouble(&ready.packages) {
        return step;
    }
    Step::Done(Outcome::Accepted {
        given: given(chosen),
    })
}

fn first_trouble(rows: &[Row]) -> Option<Step> {
    if rows.is_empty() {
        return Some(retry("an answer without rows"));
    }
    let bad = rows
        .iter()
        .find(|row| row.item_err_code.text() != Some("0"))?;
    let code = bad.item_err_code.text().unwrap_or("none");
    Some(row_trouble(code, bad.retry.is_true()))
}

/// What the vendor's code for one unit or parcel means.
fn row_trouble(code: &str, may_retry: bool) -> Step {
    // No carrier found; the parcel, the unit or the order has moved on or is not ready: the next
    // look tells which.
    let is_early = matches!(code, "1003" | "700000" | "700026" | "700031");
    if may_retry || passes(code) || is_early {
        return retry(&format!("code {}", word(code)));
    }
    refused(&word(code), "the platform does not take it")
}
