//! An order is two documents: its head, and one row per unit. They are joined as they were written.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::value::RawValue;

use super::Lazada;
use super::api::{Answer, data, judge};
use crate::channel::{CallContext, Fetched, Wanted};
use crate::payload;

const ORDER: &str = "/order/get";
pub(super) const ITEMS: &str = "/order/items/get";

pub(super) fn request(
    lazada: &Lazada,
    wanted: Wanted<'_>,
    got: &[Bytes],
    call: CallContext<'_>,
) -> Option<Request<Bytes>> {
    let Wanted::Order(external_id) = wanted else {
        return None;
    };
    payload::external_id(external_id, "order_id").ok()?;
    let path = match got.len() {
        0 => ORDER,
        1 => ITEMS,
        _ => return None,
    };
    lazada.get(path, &[("order_id", external_id)], call).ok()
}

pub(super) fn read(wanted: Wanted<'_>, got: &[Bytes], response: &Response<Bytes>) -> Fetched {
    if !matches!(wanted, Wanted::Order(_)) {
        return Fetched::Refused {
            reason: "Lazada is asked for orders only".to_owned(),
        };
    }
    match judge(response) {
        Answer::Good => {}
        Answer::NotFound => return Fetched::NotFound,
        Answer::TokenExpired => return Fetched::TokenExpired,
        Answer::Retry { after_s, reason } => return Fetched::Retry { after_s, reason },
        Answer::Reauthorize { reason } | Answer::Account { reason } => {
            return Fetched::Account { reason };
        }
        Answer::Refused { reason, .. } => return Fetched::Refused { reason },
    }
    let Some(part) = data(response.body()).ok().map(RawValue::get) else {
        return Fetched::NotFound;
    };
    match got.first() {
        None if is_filled(part, '{') => Fetched::Part(Bytes::copy_from_slice(part.as_bytes())),
        Some(order) if is_filled(part, '[') => {
            let order = String::from_utf8_lossy(order);
            Fetched::Document(Bytes::from(format!(
                r#"{{"order":{order},"items":{part}}}"#
            )))
        }
        // An order without a head or without items is not whole yet.
        None | Some(_) => Fetched::NotFound,
    }
}

/// An object or array with something in it.
fn is_filled(json: &str, opening: char) -> bool {
    json.strip_prefix(opening)
        .is_some_and(|inside| inside.trim_start().len() > 1)
}
