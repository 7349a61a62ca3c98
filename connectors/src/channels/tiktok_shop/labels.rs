//! Shipping labels: the parcel, where it is, the document. The document's address is good for a
//! day and is no call of the API: neither token nor signature goes there.

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use serde::Deserialize;
use serde_json::Value;

use super::api::{Answer, judge, path_id};
use super::document::Order;
use super::fetch::first_order;
use super::{LabelSize, TikTokShop, parcel};
use crate::channel::CallContext;
use crate::feedback::{LabelOf, Labelled, Labels};
use crate::target::BuildError;
use crate::url;

/// Which call comes next.
enum Next {
    Order,
    Address(String),
    Document(Uri),
    /// Nothing can be asked for.
    Nothing(&'static str),
}

impl TikTokShop {
    fn next_for_label(&self, label: LabelOf<'_>, got: &[Bytes]) -> Next {
        let mut got = got.iter();
        let parcel = match label.parcel {
            Some(parcel) => parcel.to_owned(),
            None => match got.next() {
                None => return Next::Order,
                Some(answer) => match parcel_of(answer, label.tracking) {
                    Ok(parcel) => parcel,
                    Err(why) => return Next::Nothing(why),
                },
            },
        };
        match got.next() {
            None => Next::Address(parcel),
            Some(answer) => self.document_address(answer),
        }
    }

    /// `data.doc_url`: encrypted, unless the whole API is not (a sandbox).
    fn document_address(&self, answer: &[u8]) -> Next {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let address = answer.pointer("/data/doc_url").and_then(Value::as_str);
        let Some(uri) = address.and_then(|text| text.parse::<Uri>().ok()) else {
            return Next::Nothing("the vendor gave no address of the label");
        };
        let plain = self.0.base_url.as_str().starts_with("http://");
        match uri.scheme_str() {
            Some("https") => Next::Document(uri),
            Some("http") if plain => Next::Document(uri),
            Some(_) | None => Next::Nothing("the label's address is not encrypted"),
        }
    }
}

/// The order's parcel: the one with this number, else the only one.
fn parcel_of(answer: &[u8], tracking: Option<&str>) -> Result<String, &'static str> {
    let document: Value = serde_json::from_slice(answer).unwrap_or_default();
    let order = first_order(&document)
        .and_then(|order| Order::deserialize(order).ok())
        .ok_or("the vendor does not know the order")?;
    let mut packages = parcel::all(&order);
    if let Some(tracking) = tracking {
        packages.retain(|package| package.tracking.as_deref() == Some(tracking));
    }
    match packages.as_slice() {
        [package] => Ok(package.id.clone()),
        [] => Err("the order has no such parcel"),
        [_, _, ..] => Err("the order has several parcels"),
    }
}

impl Labels for TikTokShop {
    fn request(
        &self,
        label: LabelOf<'_>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let wrong = |what: &str| BuildError {
            what: what.to_owned(),
        };
        match self.next_for_label(label, got) {
            Next::Order => path_id(label.external_id)
                .and_then(|order| self.order_detail(order, call))
                .ok_or_else(|| wrong("external_id is not one of the vendor's")),
            Next::Address(parcel) => {
                let size = match self.0.label_size {
                    LabelSize::A6 => "A6",
                    LabelSize::A5 => "A5",
                };
                let kind = [("document_type", "SHIPPING_LABEL"), ("document_size", size)];
                path_id(&parcel)
                    .map(|id| format!("/fulfillment/202309/packages/{id}/shipping_documents"))
                    .and_then(|path| self.get(&path, &kind, call))
                    .ok_or_else(|| wrong("the parcel's id is not one of the vendor's"))
            }
            Next::Document(uri) => Ok(url::get(uri)),
            Next::Nothing(why) => Err(wrong(why)),
        }
    }

    fn read(&self, label: LabelOf<'_>, got: &[Bytes], response: &Response<Bytes>) -> Labelled {
        if let Next::Document(_) = self.next_for_label(label, got) {
            return document(response);
        }
        match judge(response) {
            Answer::Good(_) => {
                let part = response.body().clone();
                let mut parts = got.to_vec();
                parts.push(part.clone());
                match self.next_for_label(label, &parts) {
                    Next::Nothing(why) => Labelled::Refused {
                        reason: why.to_owned(),
                    },
                    Next::Order | Next::Address(_) | Next::Document(_) => Labelled::Part(part),
                }
            }
            Answer::TokenExpired => Labelled::TokenExpired,
            Answer::Retry { after_s, reason } => Labelled::Retry { after_s, reason },
            // The carrier's system is drawing it.
            Answer::Refused {
                code: 11_034_037, ..
            } => Labelled::NotYet,
            Answer::Account { reason } | Answer::Refused { reason, .. } => {
                Labelled::Refused { reason }
            }
        }
    }
}

/// The label itself, as the store of the vendor gives it out.
fn document(response: &Response<Bytes>) -> Labelled {
    let status = response.status();
    let after_s = url::retry_after_s(response.headers());
    if status.is_server_error() || status.as_u16() == 429 {
        let reason = format!("{} from the store of labels", status.as_u16());
        return Labelled::Retry { after_s, reason };
    }
    let stated = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim())
        .unwrap_or_default();
    let body = response.body();
    let content_type = if body.starts_with(b"%PDF") {
        "application/pdf"
    } else if body.starts_with(b"\x89PNG") {
        "image/png"
    } else {
        stated
    };
    let is_label = matches!(content_type, "application/pdf" | "image/png" | "image/jpeg");
    if !status.is_success() || body.is_empty() || !is_label {
        return Labelled::Refused {
            reason: format!("{} instead of a label", status.as_u16()),
        };
    }
    Labelled::Label {
        content_type: content_type.to_owned(),
        body: body.clone(),
    }
}
