//! SePay's transaction API: one transfer to confirm a message, and the list that finds lost ones.
//! Twice a second and no more.

use bytes::Bytes;
use http::{Request, Response};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

use super::Sepay;
use super::push::ignored;
use crate::channel::{CallContext, Fetched, PollWindow, Polled, Polling};
use crate::channels::provider::{self, Unheard};
use crate::inbound::{Notice, NoticeBody, PayloadError, VerifiedWebhook};
use crate::literal::Literal;
use crate::local_time::{DAY, shown, written};
use crate::payload::{self, external_id};
use crate::signature;
use crate::transfer::{Incoming, Trust, order_of};
use crate::url::{self, Query};

const DETAILS: &str = "/userapi/transactions/details/";
const LIST: &str = "/userapi/transactions/list";

/// The poll of transfers.
const TRANSACTIONS: &str = "transactions";

/// The topic of its messages.
const LISTED: &str = "transaction";

/// The most rows of one answer.
const MOST: usize = 5000;

/// One transfer as the API shows it.
#[derive(Debug, Deserialize)]
struct Row {
    id: Literal,
    transaction_date: String,
    #[serde(default)]
    account_number: Option<Literal>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    transaction_content: Option<String>,
    amount_in: Literal,
}

#[derive(Deserialize)]
struct Detail {
    transaction: Row,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    transactions: Vec<Value>,
}

impl Sepay {
    fn call(&self, path_and_query: &str) -> Option<Request<Bytes>> {
        let token = self.settings.api_token.as_ref()?;
        let request = url::get(self.settings.base_url.join(path_and_query)?);
        provider::authorized(request, "Bearer", token.primary())
    }

    /// The request for one transfer.
    pub(super) fn details(&self, id: &str) -> Option<Request<Bytes>> {
        let id = external_id(id, "id").ok()?;
        self.call(&format!("{DETAILS}{}", url::encode(&id)))
    }

    fn incoming(&self, row: &Row) -> Result<Option<Incoming>, PayloadError> {
        let amount = row.amount_in.amount("amount_in", "VND")?;
        if amount.minor_units() <= 0 || !self.counts(row.account_number.as_ref()) {
            return Ok(None);
        }
        Ok(Some(Incoming {
            id: external_id(row.id.as_str(), "id")?,
            amount,
            at: written(&row.transaction_date, "transaction_date")?,
            order: order_of(
                &self.prefix,
                row.code.as_deref(),
                row.transaction_content.as_deref().unwrap_or_default(),
            ),
        }))
    }

    /// What the transfer of a question is.
    pub(super) fn confirmed(&self, id: &str, document: &[u8]) -> Result<NoticeBody, PayloadError> {
        let detail: Detail = payload::read(document)?;
        if detail.transaction.id.as_str() != id {
            return Err(PayloadError::new(
                "transaction.id: not the one that was asked for",
            ));
        }
        Ok(match self.incoming(&detail.transaction)? {
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

/// SePay says in a header of its own how long to wait.
fn heard(response: &Response<Bytes>) -> Result<Value, Unheard> {
    provider::heard(response).map_err(|unheard| match unheard {
        Unheard::Later { after_s, reason } => {
            let own = response.headers().get("x-sepay-userapi-retry-after");
            let own = own.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            Unheard::Later {
                after_s: after_s.or(own),
                reason,
            }
        }
        Unheard::Account { reason } => Unheard::Account { reason },
        Unheard::Refused { reason } => Unheard::Refused { reason },
    })
}

pub(super) fn read_details(response: &Response<Bytes>) -> Fetched {
    if response.status() == http::StatusCode::NOT_FOUND {
        return Fetched::NotFound;
    }
    match heard(response) {
        Ok(document) if document.get("transaction").is_some_and(Value::is_object) => {
            Fetched::Document(response.body().clone())
        }
        Ok(_) => Fetched::NotFound,
        Err(Unheard::Later { after_s, reason }) => Fetched::Retry { after_s, reason },
        Err(Unheard::Account { reason }) => Fetched::Account { reason },
        Err(Unheard::Refused { reason }) => Fetched::Refused { reason },
    }
}

/// Whether a row is older than the window. One whose time cannot be read is kept, to be looked at.
fn is_before(row: &Value, window: &PollWindow) -> bool {
    row.get("transaction_date")
        .and_then(Value::as_str)
        .and_then(|text| written(text, "transaction_date").ok())
        .is_some_and(|at| at < window.from)
}

impl Polling for Sepay {
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
        86_400
    }

    /// Whole days of Vietnam, the day after the end included: the vendor's "until" may mean the
    /// day's beginning.
    fn request(&self, _: &str, window: &PollWindow, _: CallContext<'_>) -> Request<Bytes> {
        let day_after = window.to.checked_add(SignedDuration::from_hours(24));
        let mut query = Query::default()
            .with("transaction_date_min", shown(window.from, DAY))
            .with(
                "transaction_date_max",
                shown(day_after.unwrap_or(window.to), DAY),
            )
            .with("limit", MOST.to_string());
        if let Some(account) = &self.settings.account_number {
            query = query.with("account_number", account);
        }
        let request = self.call(&query.on(LIST));
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
        let list: List = provider::read(&document)?;
        if list.transactions.len() >= MOST {
            return Ok(Polled::Narrow);
        }
        let messages = list
            .transactions
            .iter()
            // The rest of the day was seen before.
            .filter(|row| !is_before(row, window))
            .map(|row| {
                let body = Bytes::from(row.to_string());
                VerifiedWebhook::polled(Some(LISTED.to_owned()), body, signature::own_call())
            })
            .collect();
        Ok(Polled::Page {
            messages,
            next: None,
        })
    }
}
