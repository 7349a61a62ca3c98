//! Shipping labels: the platform gives the document itself or an address to get it from, and where
//! it gives both, the document may be a page that only frames the address.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::task::Outcome;
use http::{Request, Response, Uri, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Lazada;
use super::document::Loose;
use super::feedback::{looked, push_once, unbuildable};
use super::pack::{packages, unwrapped};
use crate::channel::CallContext;
use crate::feedback::{LabelOf, Labelled, Labels, Step};
use crate::target::BuildError;
use crate::url;

const DOCUMENT: &str = "/order/package/document/get";

/// What the last answer gave, handed to the next call.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Found {
    Packages(Vec<String>),
    PdfUrl(String),
}

impl Found {
    fn part(&self) -> Labelled {
        Labelled::Part(Bytes::from(
            serde_json::to_vec(self).expect("invariant: texts are always JSON"),
        ))
    }

    /// What is known before the next call; `None` where the order must be looked at first.
    fn before(label: LabelOf<'_>, got: &[Bytes]) -> Result<Option<Self>, BuildError> {
        if let Some(last) = got.last() {
            return serde_json::from_slice(last)
                .map(Some)
                .map_err(|_| unbuildable("an earlier answer is not ours"));
        }
        let mut ids = Vec::new();
        for id in label.parcel.into_iter().flat_map(|ids| ids.split(',')) {
            push_once(&mut ids, Some(id));
        }
        Ok((!ids.is_empty()).then_some(Self::Packages(ids)))
    }
}

impl Labels for Lazada {
    fn request(
        &self,
        label: LabelOf<'_>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        match Found::before(label, got)? {
            None => self.look(label.external_id, call),
            Some(Found::Packages(ids)) => {
                let wanted = json!({
                    "doc_type": "PDF",
                    "packages": packages(&ids),
                    "print_item_list": false,
                });
                self.get(DOCUMENT, &[("getDocumentReq", &wanted.to_string())], call)
            }
            Some(Found::PdfUrl(address)) => self
                .file_address(&address)
                .map(url::get)
                .ok_or_else(|| unbuildable("the label's address is not one")),
        }
    }

    fn read(&self, label: LabelOf<'_>, got: &[Bytes], response: &Response<Bytes>) -> Labelled {
        match Found::before(label, got) {
            Ok(None) => read_look(label, response),
            Ok(Some(Found::Packages(_))) => self.read_document(response),
            Ok(Some(Found::PdfUrl(_))) => read_file(response),
            Err(error) => Labelled::Refused { reason: error.what },
        }
    }
}

#[derive(Deserialize)]
struct Document {
    /// Base64.
    #[serde(default)]
    file: Loose,
    #[serde(default)]
    pdf_url: Loose,
}

impl Lazada {
    fn read_document(&self, response: &Response<Bytes>) -> Labelled {
        let document: Document = match unwrapped(response) {
            Ok(document) => document,
            Err(step) => return labelled(*step),
        };
        let file = document.file.text().and_then(decoded);
        if let Some(body) = file.clone().filter(|body| body.starts_with(b"%PDF")) {
            return Labelled::Label {
                content_type: "application/pdf".to_owned(),
                body,
            };
        }
        let address = document.pdf_url.text();
        if let Some(address) = address.filter(|text| self.file_address(text).is_some()) {
            return Found::PdfUrl(address.to_owned()).part();
        }
        match file {
            Some(body) => Labelled::Label {
                content_type: "text/html".to_owned(),
                body,
            },
            None => Labelled::NotYet,
        }
    }

    /// Labels lie in the vendor's file store, under another host than its calls; they hold personal
    /// data, so they are fetched encrypted wherever the calls are.
    fn file_address(&self, text: &str) -> Option<Uri> {
        let uri: Uri = text.parse().ok()?;
        let is_plain = self.0.base_url.as_str().starts_with("http://");
        let scheme_fits = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => is_plain,
            Some(_) | None => false,
        };
        let authority = uri.authority()?;
        (scheme_fits && !authority.as_str().contains('@')).then_some(uri)
    }
}

fn decoded(text: &str) -> Option<Bytes> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok().map(Bytes::from)
}

fn read_look(label: LabelOf<'_>, response: &Response<Bytes>) -> Labelled {
    let items = match looked(response) {
        Ok(items) => items,
        Err(step) => return labelled(*step),
    };
    let mut ids = Vec::new();
    for item in items {
        let is_meant = label
            .tracking
            .is_none_or(|number| item.tracking_code.text() == Some(number));
        if is_meant {
            push_once(&mut ids, item.package_id.id());
        }
    }
    if ids.is_empty() {
        return Labelled::NotYet;
    }
    Found::Packages(ids).part()
}

fn read_file(response: &Response<Bytes>) -> Labelled {
    let status = response.status();
    if !status.is_success() || response.body().is_empty() {
        // The address is signed for a short time: the next try asks for a new one.
        return Labelled::Retry {
            after_s: None,
            reason: format!("the label's address answered {}", status.as_u16()),
        };
    }
    let told = response.headers().get(header::CONTENT_TYPE);
    let content_type = if response.body().starts_with(b"%PDF") {
        "application/pdf"
    } else {
        told.and_then(|value| value.to_str().ok())
            .unwrap_or("application/octet-stream")
    };
    Labelled::Label {
        content_type: content_type.to_owned(),
        body: response.body().clone(),
    }
}

/// A step that went wrong, in the words of labels.
fn labelled(step: Step) -> Labelled {
    match step {
        Step::TokenExpired => Labelled::TokenExpired,
        Step::Done(Outcome::Retry { after_s, reason }) => Labelled::Retry { after_s, reason },
        Step::Done(Outcome::Refused { code, message }) => Labelled::Refused {
            reason: format!("{code}: {message}"),
        },
        // Nothing is wrong with the label: it can be had once somebody has acted.
        Step::Done(Outcome::Account { reason }) => Labelled::Retry {
            after_s: None,
            reason,
        },
        Step::Part(_) | Step::Done(Outcome::Accepted { .. } | Outcome::Duplicate { .. }) => {
            Labelled::NotYet
        }
    }
}
