//! Labels of Tiki: which call makes one depends on the way that the order goes, and the answer is
//! the page itself or its address.

use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Tiki;
use super::api::{self, Answer, order_path};
use super::look::Seen;
use crate::channel::CallContext;
use crate::feedback::{LabelOf, Labelled, Labels};
use crate::target::BuildError;
use crate::url;

/// Where the label lies.
#[derive(Serialize, Deserialize)]
struct At {
    address: String,
}

/// The names under which addresses were seen, the parcel's before the invoice's.
const ADDRESSES: [&str; 3] = [
    "shipping_label_url",
    "shipping_stamp_url",
    "invoice_label_url",
];

impl Labels for Tiki {
    fn request(
        &self,
        label: LabelOf<'_>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let path = order_path(label.external_id)?;
        let missing = |what: &str| BuildError {
            what: what.to_owned(),
        };
        let Some(seen) = Seen::of(got) else {
            let request = self.order(label.external_id, call);
            return request.ok_or_else(|| missing("the address of the call is too long"));
        };
        if let Some(at) = got.get(1) {
            // Made for whoever has the address: our token is none of its business.
            let at: At =
                serde_json::from_slice(at).map_err(|_| missing("the label has no address"))?;
            let uri: Uri = at
                .address
                .parse()
                .map_err(|_| missing("the label has no address"))?;
            return Ok(url::get(uri));
        }
        let way = way(&seen.way).ok_or_else(|| missing("fulfillment_type: makes no labels"))?;
        let path = format!("{path}/{way}/labels?format=html");
        self.build(Method::GET, &path, None, call)
    }

    fn read(&self, _: LabelOf<'_>, got: &[Bytes], response: &Response<Bytes>) -> Labelled {
        let Some(_) = Seen::of(got) else {
            return match api::judge(response) {
                Answer::Good(_) => looked(response),
                other => unfinished(other),
            };
        };
        if response.status().is_success() && is_page(response) {
            return page(response);
        }
        match api::judge(response) {
            Answer::Good(_) if got.len() > 1 => page(response),
            Answer::Good(document) => match address(&document) {
                Some(address) => {
                    let at = At { address };
                    Labelled::Part(serde_json::to_vec(&at).expect("invariant: a text").into())
                }
                None => Labelled::NotYet,
            },
            other => unfinished(other),
        }
    }
}

/// Tiki makes labels of confirmed orders that are not cancelled.
fn looked(response: &Response<Bytes>) -> Labelled {
    let refused = |reason: &str| Labelled::Refused {
        reason: reason.to_owned(),
    };
    let Ok(seen) = Seen::read(response) else {
        return refused("Tiki's answer is not an order");
    };
    if seen.is_cancelled() {
        return refused("the order is cancelled");
    }
    if !seen.waiting.is_empty() {
        return Labelled::NotYet;
    }
    match way(&seen.way) {
        Some(_) => Labelled::Part(seen.part()),
        None => refused("Tiki makes no labels of this kind of order"),
    }
}

fn way(kind: &str) -> Option<&'static str> {
    match kind {
        "tiki_delivery" | "instant_delivery" => Some("tiki-delivery"),
        "seller_delivery" => Some("seller-delivery"),
        "dropship" => Some("dropship"),
        "cross_border" => Some("cross-border"),
        _ => None,
    }
}

fn content_type(response: &Response<Bytes>) -> &str {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn is_page(response: &Response<Bytes>) -> bool {
    let kind = content_type(response);
    let body = response.body().trim_ascii_start();
    kind.starts_with("text/html") || kind.starts_with("application/pdf") || body.starts_with(b"<")
}

fn page(response: &Response<Bytes>) -> Labelled {
    let kind = content_type(response);
    Labelled::Label {
        content_type: if kind.is_empty() { "text/html" } else { kind }.to_owned(),
        body: response.body().clone(),
    }
}

fn address(document: &Value) -> Option<String> {
    let is_address = |text: &&str| text.starts_with("https://") || text.starts_with("http://");
    let text = |value: &Value| value.as_str().filter(is_address).map(str::to_owned);
    let named = ADDRESSES.iter().find_map(|name| text(document.get(name)?));
    named.or_else(|| document.as_object()?.values().find_map(text))
}

fn unfinished(answer: Answer) -> Labelled {
    match answer {
        Answer::Good(_) => Labelled::NotYet,
        Answer::NotFound => Labelled::Refused {
            reason: "Tiki does not know the order".to_owned(),
        },
        Answer::TokenExpired => Labelled::TokenExpired,
        Answer::Retry { after_s, reason } => Labelled::Retry { after_s, reason },
        Answer::Account { reason } | Answer::Refused { reason } => Labelled::Refused { reason },
    }
}
