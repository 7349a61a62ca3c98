//! Shopee's shipping labels: which kind, make it, wait until it is made, get it. A label needs the
//! parcel's number at the carrier; where we do not have it yet, Shopee is asked first.

use bytes::Bytes;
use http::{Request, Response, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Shopee;
use super::api::{self, Answer, said};
use super::fetch::TRACKING;
use crate::channel::CallContext;
use crate::feedback::{LabelOf, Labelled, Labels};
use crate::payload::{self, filled, word};
use crate::target::BuildError;

const PARAMETER: &str = "/api/v2/logistics/get_shipping_document_parameter";
const CREATE: &str = "/api/v2/logistics/create_shipping_document";
const RESULT: &str = "/api/v2/logistics/get_shipping_document_result";
const DOWNLOAD: &str = "/api/v2/logistics/download_shipping_document";

/// One answer so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Known {
    Tracking(String),
    Kind(String),
    Created(bool),
    Ready(bool),
}

/// What is to be asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Tracking,
    Kind,
    Create,
    Result,
    Download,
}

/// The answers so far together.
#[derive(Default)]
struct So {
    tracking: Option<String>,
    kind: Option<String>,
    created: bool,
    ready: bool,
}

impl So {
    fn far(label: LabelOf<'_>, got: &[Bytes]) -> Self {
        let mut so = Self {
            tracking: filled(label.tracking.map(str::to_owned)),
            ..Self::default()
        };
        for part in got {
            match serde_json::from_slice(part) {
                Ok(Known::Tracking(number)) => so.tracking = Some(number),
                Ok(Known::Kind(kind)) => so.kind = Some(kind),
                Ok(Known::Created(created)) => so.created = created,
                Ok(Known::Ready(ready)) => so.ready = ready,
                Err(_) => {}
            }
        }
        so
    }

    fn next(&self) -> Next {
        match (&self.tracking, &self.kind, self.created, self.ready) {
            (None, ..) => Next::Tracking,
            (_, None, ..) => Next::Kind,
            (_, _, false, _) => Next::Create,
            (_, _, true, false) => Next::Result,
            (_, _, true, true) => Next::Download,
        }
    }
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    response: Option<ResultsResponse>,
}

#[derive(Deserialize)]
struct ResultsResponse {
    result_list: Option<Vec<Row>>,
}

#[derive(Deserialize, Default)]
struct Row {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    fail_error: Option<String>,
    #[serde(default)]
    suggest_shipping_document_type: Option<String>,
}

impl Labels for Shopee {
    fn request(
        &self,
        label: LabelOf<'_>,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let checked = |text: &str, field: &str| {
            payload::external_id(text, field).map_err(|error| BuildError { what: error.what })
        };
        let order_sn = checked(label.external_id, "order_sn")?;
        let package = label
            .parcel
            .map(|number| checked(number, "package_number"))
            .transpose()?;
        let so = So::far(label, got);
        let mut order = json!({ "order_sn": order_sn });
        if let Some(package) = &package {
            order["package_number"] = json!(package);
        }
        match so.next() {
            Next::Tracking => self.ask(TRACKING, &[("order_sn", &order_sn)], call),
            Next::Kind => self.tell(PARAMETER, &json!({ "order_list": [order] }), call),
            Next::Create => {
                order["tracking_number"] = json!(so.tracking);
                order["shipping_document_type"] = json!(so.kind);
                self.tell(CREATE, &json!({ "order_list": [order] }), call)
            }
            Next::Result => {
                order["shipping_document_type"] = json!(so.kind);
                self.tell(RESULT, &json!({ "order_list": [order] }), call)
            }
            Next::Download => {
                let body = json!({ "shipping_document_type": so.kind, "order_list": [order] });
                self.tell(DOWNLOAD, &body, call)
            }
        }
    }

    fn read(&self, label: LabelOf<'_>, got: &[Bytes], response: &Response<Bytes>) -> Labelled {
        let next = So::far(label, got).next();
        if next == Next::Download && response.status().is_success() && !is_json(response) {
            return document(response);
        }
        let row = row(response);
        if let Some(fail) = row.fail_error.as_deref().filter(|fail| !fail.is_empty()) {
            return failed(fail);
        }
        match api::judge(response) {
            Answer::Good(answer) => good(next, &row, &answer),
            Answer::TokenExpired => Labelled::TokenExpired,
            Answer::Retry { after_s, reason } => Labelled::Retry { after_s, reason },
            Answer::NotFound => Labelled::Refused {
                reason: "Shopee does not know the order".to_owned(),
            },
            Answer::Refused { .. } => failed(&said(response).error),
            Answer::Reauthorize { reason } | Answer::Account { reason } => {
                Labelled::Refused { reason }
            }
        }
    }
}

fn good(next: Next, row: &Row, answer: &Value) -> Labelled {
    match next {
        Next::Tracking => {
            let number = answer
                .pointer("/response/tracking_number")
                .and_then(Value::as_str);
            // A label cannot be made before the carrier has numbered the parcel.
            filled(number.map(str::to_owned))
                .map_or(Labelled::NotYet, |number| part(&Known::Tracking(number)))
        }
        // Shopee takes its own default where it suggests nothing.
        Next::Kind => part(&Known::Kind(
            filled(row.suggest_shipping_document_type.clone())
                .unwrap_or_else(|| "NORMAL_AIR_WAYBILL".to_owned()),
        )),
        Next::Create => part(&Known::Created(true)),
        Next::Result => match row.status.as_deref() {
            Some("READY") => part(&Known::Ready(true)),
            Some("FAILED") => Labelled::Refused {
                reason: "Shopee could not make the label".to_owned(),
            },
            Some(_) | None => Labelled::NotYet,
        },
        Next::Download => Labelled::NotYet,
    }
}

/// What is only a matter of time, and what is not.
fn failed(error: &str) -> Labelled {
    match error.rsplit('.').next().unwrap_or_default() {
        "package_can_not_print"
        | "package_print_failed"
        | "download_later"
        | "shipping_document_should_print_first" => Labelled::NotYet,
        other => Labelled::Refused {
            reason: word(other),
        },
    }
}

fn part(known: &Known) -> Labelled {
    Labelled::Part(
        serde_json::to_vec(known)
            .expect("invariant: texts only")
            .into(),
    )
}

fn row(response: &Response<Bytes>) -> Row {
    serde_json::from_slice::<Results>(response.body())
        .ok()
        .and_then(|results| results.response?.result_list)
        .and_then(|rows| rows.into_iter().next())
        .unwrap_or_default()
}

fn is_json(response: &Response<Bytes>) -> bool {
    let body = response.body().trim_ascii_start();
    body.is_empty() || body.starts_with(b"{")
}

fn document(response: &Response<Bytes>) -> Labelled {
    let stated = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .filter(|kind| !kind.is_empty() && *kind != "application/octet-stream");
    Labelled::Label {
        content_type: stated.unwrap_or("application/pdf").to_owned(),
        body: response.body().clone(),
    }
}
