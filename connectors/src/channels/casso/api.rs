//! Casso's transaction API: one transfer to confirm a message, and the list that finds lost ones.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::Casso;
use super::push::{Row, ignored, rows};
use crate::channel::{CallContext, Fetched, PollWindow, Polled, Polling};
use crate::channels::provider::{self, Unheard};
use crate::inbound::{Notice, NoticeBody, PayloadError, VerifiedWebhook};
use crate::literal::Literal;
use crate::local_time::{DAY, shown, written};
use crate::payload::{self, external_id};
use crate::signature;
use crate::transfer::Trust;
use crate::url::{self, Query};

const PATH: &str = "/v2/transactions";

/// The poll of transfers.
const TRANSACTIONS: &str = "transactions";

/// The topic of its messages.
const LISTED: &str = "transaction";

const PAGE_SIZE: &str = "100";

#[derive(Deserialize)]
struct Page {
    data: Records,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Records {
    #[serde(default)]
    records: Vec<Value>,
    next_page: Option<Literal>,
}

impl Casso {
    fn call(&self, path_and_query: &str) -> Option<Request<Bytes>> {
        let token = self.settings.api_token.as_ref()?;
        let request = url::get(self.settings.base_url.join(path_and_query)?);
        provider::authorized(request, "Apikey", token.primary())
    }

    /// The request for one transfer.
    pub(super) fn details(&self, id: &str) -> Option<Request<Bytes>> {
        let id = external_id(id, "id").ok()?;
        self.call(&format!("{PATH}/{}", url::encode(&id)))
    }

    /// What the transfer of a question is.
    pub(super) fn confirmed(&self, id: &str, document: &[u8]) -> Result<NoticeBody, PayloadError> {
        let rows = rows(document)?;
        let row = rows.iter().find(|row| row.id.as_str() == id);
        let row =
            row.ok_or_else(|| PayloadError::new("data.id: not the one that was asked for"))?;
        Ok(match self.incoming(row)? {
            Some(incoming) => incoming.answer(),
            None => ignored("not an incoming transfer to our account").body,
        })
    }

    /// What a row of the list says.
    pub(super) fn listed(&self, body: &[u8]) -> Result<Vec<Notice>, PayloadError> {
        let row: Row = payload::read(body)?;
        Ok(match self.incoming(&row)? {
            Some(incoming) => incoming.notices(Trust::Confirmed),
            None => vec![ignored("not an incoming transfer to our account")],
        })
    }
}

/// HTTP 200 with an error inside is one.
fn heard(response: &Response<Bytes>) -> Result<Value, Unheard> {
    let document = provider::heard(response)?;
    let error = document
        .get("error")
        .and_then(|error| serde_json::from_value::<Literal>(error.clone()).ok());
    let Some(error) = error.filter(|error| !error.is_zero_or_empty()) else {
        return Ok(document);
    };
    let reason = format!("error {}", payload::word(error.as_str()));
    Err(match error.as_str() {
        "401" | "403" => Unheard::Account { reason },
        "429" => Unheard::Later {
            after_s: None,
            reason,
        },
        _ => Unheard::Refused { reason },
    })
}

pub(super) fn read_details(response: &Response<Bytes>) -> Fetched {
    if response.status() == StatusCode::NOT_FOUND {
        return Fetched::NotFound;
    }
    match heard(response) {
        Ok(document) if document.get("data").is_some_and(|data| !data.is_null()) => {
            Fetched::Document(response.body().clone())
        }
        Ok(_) => Fetched::NotFound,
        Err(Unheard::Later { after_s, reason }) => Fetched::Retry { after_s, reason },
        Err(Unheard::Account { reason }) => Fetched::Account { reason },
        Err(Unheard::Refused { reason }) => Fetched::Refused { reason },
    }
}

/// Whether a row is older than the window. Some banks tell the day alone, as its midnight: such
/// rows are kept, and so is one whose time cannot be read.
fn is_before(row: &Value, window: &PollWindow) -> bool {
    row.get("when")
        .and_then(Value::as_str)
        .filter(|text| text.contains(':') && !text.ends_with("00:00:00"))
        .and_then(|text| written(text, "when").ok())
        .is_some_and(|at| at < window.from)
}

impl Polling for Casso {
    fn kinds(&self) -> &'static [&'static str] {
        &[TRANSACTIONS]
    }

    fn every_s(&self, _: &str) -> i64 {
        900
    }

    /// Banks report late, and the list is asked for by whole days anyway.
    fn overlap_s(&self, _: &str) -> i64 {
        7200
    }

    fn longest_window_s(&self, _: &str) -> i64 {
        7 * 86_400
    }

    fn request(&self, _: &str, window: &PollWindow, _: CallContext<'_>) -> Request<Bytes> {
        let query = Query::default()
            .with("fromDate", shown(window.from, DAY))
            .with("toDate", shown(window.to, DAY))
            .with("page", window.cursor.as_deref().unwrap_or("1"))
            .with("pageSize", PAGE_SIZE)
            .with("sort", "ASC");
        let request = self.call(&query.on(PATH));
        request.expect("invariant: there is polling only with a token, and the query is short")
    }

    fn read(
        &self,
        _: &str,
        window: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        let document = match heard(response) {
            Ok(document) => document,
            Err(unheard) => return Ok(unheard.polled()),
        };
        let page: Page = provider::read(&document)?;
        let messages = page
            .data
            .records
            .iter()
            .filter(|row| !is_before(row, window))
            .map(|row| {
                let body = Bytes::from(row.to_string());
                VerifiedWebhook::polled(Some(LISTED.to_owned()), body, signature::own_call())
            })
            .collect();
        let next = page.data.next_page.filter(|next| !next.is_zero_or_empty());
        Ok(Polled::Page {
            messages,
            next: next.map(|next| payload::word(next.as_str())),
        })
    }
}
