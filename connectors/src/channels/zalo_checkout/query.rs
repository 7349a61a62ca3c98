//! Asking CheckoutSDK for an order. The answer carries no mac; it came over our own call.

use bytes::Bytes;
use http::{Request, Response};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use super::ZaloCheckout;
use super::message::{provider_code, reference};
use crate::channel::{CallContext, Fetched};
use crate::channels::provider::{self, GIVE_UP_S, Unheard, at_ms, positive};
use crate::feedback::{PaymentQuestion, Payments, Queried};
use crate::inbound::{NoticeBody, PayloadError, PaymentNotice, PaymentState};
use crate::literal::Literal;
use crate::payload::{self, external_id};
use crate::signature;
use crate::url::{self, Query};

const STATUS: &str = "/api/transaction/get-status";

/// The vendor's own advice.
const ASK_AFTER_S: i64 = 1200;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    return_code: Literal,
    #[serde(default)]
    is_processing: Option<bool>,
    amount: Option<Literal>,
    trans_id: Option<Literal>,
    trans_time: Option<Literal>,
    extradata: Option<String>,
}

/// What a status says.
enum Told {
    /// Nothing of such an order.
    Unknown,
    /// The buyer has not finished, or pays on another way.
    Open,
    /// Decided.
    Decided(PaymentState),
}

impl Status {
    /// The fields stand at the top or under `data`.
    fn read(document: &Value) -> Result<Self, PayloadError> {
        let fields = match document.get("data") {
            Some(data) if data.is_object() => data,
            Some(_) | None => document,
        };
        provider::read(fields)
    }

    fn told(&self) -> Result<Told, PayloadError> {
        let code = self.return_code.whole("returnCode")?;
        let processing = self.is_processing == Some(true);
        Ok(match code {
            1 if !processing => Told::Decided(PaymentState::Paid),
            0 | 1 => Told::Open,
            // The vendor says failed both of a payment and of a question about no order.
            _ if self.amount.is_none() => Told::Unknown,
            _ if processing => Told::Open,
            _ => Told::Decided(PaymentState::Failed),
        })
    }

    fn payment(
        &self,
        reference: String,
        order_id: &str,
        state: PaymentState,
        otherwise_at: jiff::Timestamp,
    ) -> Result<PaymentNotice, PayloadError> {
        let amount = self.amount.as_ref();
        let amount = amount.ok_or_else(|| PayloadError::new("amount: missing"))?;
        let at = match &self.trans_time {
            Some(at) if !at.is_zero_or_empty() => at_ms(at, "transTime")?,
            Some(_) | None => otherwise_at,
        };
        let code = self.return_code.whole("returnCode")?;
        Ok(PaymentNotice {
            reference,
            transaction: order_id.to_owned(),
            amount: positive(amount, "amount")?,
            state,
            at,
            provider_code: provider_code(code, &self.trans_id),
        })
    }
}

impl ZaloCheckout {
    /// The question about one of Zalo's orders.
    pub(super) fn get_status(&self, order_id: &str) -> Option<Request<Bytes>> {
        let order_id = external_id(order_id, "orderId").ok()?;
        let (app_id, key) = (&self.0.app_id, self.0.private_key.primary());
        let private_key = key.expose_secret();
        let base = format!("appId={app_id}&orderId={order_id}&privateKey={private_key}");
        let query = Query::default()
            .with("appId", app_id)
            .with("orderId", order_id)
            .with(
                "mac",
                signature::hmac_sha256_hex_of(key, &[base.as_bytes()]),
            );
        self.0.base_url.join(&query.on(STATUS)).map(url::get)
    }

    /// The answer about an order for which the buyer chose cash or a transfer: begun, and for
    /// which of our orders. It may have been paid in the meantime.
    pub(super) fn chosen(
        &self,
        order_id: &str,
        document: &[u8],
    ) -> Result<NoticeBody, PayloadError> {
        let document: Value = payload::read(document)?;
        let status = Status::read(&document)?;
        let ours = reference(status.extradata.as_deref(), &self.0.reference_field);
        let state = match status.told()? {
            Told::Decided(state) => state,
            Told::Open | Told::Unknown => PaymentState::Pending,
        };
        let begun = jiff::Timestamp::UNIX_EPOCH;
        let payment = status.payment(ours, order_id, state, begun)?;
        Ok(NoticeBody::Payment(payment))
    }
}

pub(super) fn read_fetch(response: &Response<Bytes>) -> Fetched {
    let document = match provider::heard(response) {
        Ok(document) => document,
        Err(Unheard::Later { after_s, reason }) => return Fetched::Retry { after_s, reason },
        Err(Unheard::Account { reason }) => return Fetched::Account { reason },
        Err(Unheard::Refused { reason }) => return Fetched::Refused { reason },
    };
    match Status::read(&document).and_then(|status| status.told()) {
        Ok(Told::Unknown) => Fetched::NotFound,
        Ok(Told::Open | Told::Decided(_)) => Fetched::Document(response.body().clone()),
        Err(error) => Fetched::Refused { reason: error.what },
    }
}

impl Payments for ZaloCheckout {
    fn ask_after_s(&self) -> i64 {
        ASK_AFTER_S
    }

    fn give_up_after_s(&self) -> i64 {
        GIVE_UP_S
    }

    /// By Zalo's order, which an earlier message named; our reference is no order there.
    fn query(&self, question: PaymentQuestion<'_>, _: CallContext<'_>) -> Request<Bytes> {
        let order_id = question.transaction.unwrap_or(question.reference);
        self.get_status(order_id).unwrap_or_else(|| {
            let uri = self.0.base_url.join(STATUS);
            url::get(uri.expect("invariant: the base address is checked and the path is constant"))
        })
    }

    fn read_query(
        &self,
        question: PaymentQuestion<'_>,
        response: &Response<Bytes>,
    ) -> Result<Queried, PayloadError> {
        let document = match provider::heard(response) {
            Ok(document) => document,
            Err(unheard) => return Ok(unheard.queried()),
        };
        let status = Status::read(&document)?;
        let state = match status.told()? {
            Told::Unknown => return Ok(Queried::Unknown),
            Told::Open => return Ok(Queried::Pending),
            Told::Decided(state) => state,
        };
        let order_id = question.transaction.unwrap_or(question.reference);
        let payment = status.payment(
            question.reference.to_owned(),
            order_id,
            state,
            question.begun_at,
        )?;
        Ok(provider::queried(&payment))
    }
}
