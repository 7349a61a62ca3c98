//! MoMo's IPN: which fields are signed, and what they hold.

use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::state_of;
use crate::channels::provider::{at_ms, plain, positive};
use crate::inbound::{PayloadError, PaymentNotice, Proof, Rejection};
use crate::literal::Literal;
use crate::payload::{external_id, word};
use crate::settings::Secrets;
use crate::signature;

/// All fields of an IPN. Each is optional: what is missing stands as an empty text in what is
/// signed, and the signature decides.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Ipn {
    partner_code: Option<Literal>,
    order_id: Option<Literal>,
    request_id: Option<Literal>,
    amount: Option<Literal>,
    order_info: Option<Literal>,
    order_type: Option<Literal>,
    trans_id: Option<Literal>,
    result_code: Option<Literal>,
    message: Option<Literal>,
    pay_type: Option<Literal>,
    response_time: Option<Literal>,
    extra_data: Option<Literal>,
    signature: Option<String>,
}

impl Ipn {
    /// Checks the signature with every pair of keys in force.
    pub(super) fn verify(&self, access: &Secrets, secret: &Secrets) -> Result<Proof, Rejection> {
        let given = self.signature.as_deref();
        let mut refused = Rejection::BadSignature;
        for access_key in access.all() {
            let base = self.base(access_key.expose_secret());
            match signature::hmac_sha256_hex(secret, &[base.as_bytes()], "", given) {
                Ok(proof) => return Ok(proof),
                Err(rejection) => refused = rejection,
            }
        }
        Err(refused)
    }

    fn base(&self, access_key: &str) -> String {
        let text = |field: &Option<Literal>| {
            field
                .as_ref()
                .map_or_else(String::new, |literal| literal.as_str().to_owned())
        };
        let number = |field: &Option<Literal>| field.as_ref().map_or_else(String::new, plain);
        let fields = [
            ("accessKey", access_key.to_owned()),
            ("amount", number(&self.amount)),
            ("extraData", text(&self.extra_data)),
            ("message", text(&self.message)),
            ("orderId", text(&self.order_id)),
            ("orderInfo", text(&self.order_info)),
            ("orderType", text(&self.order_type)),
            ("partnerCode", text(&self.partner_code)),
            ("payType", text(&self.pay_type)),
            ("requestId", text(&self.request_id)),
            ("responseTime", number(&self.response_time)),
            ("resultCode", number(&self.result_code)),
            ("transId", number(&self.trans_id)),
        ];
        let pairs: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join("&")
    }

    pub(super) fn partner_code(&self) -> &str {
        self.partner_code.as_ref().map_or("", Literal::as_str)
    }

    /// `(orderId, transId, resultCode)`; the transaction is 0 where none came to be.
    pub(super) fn key(&self) -> Option<String> {
        let order_id = external_id(self.order_id.as_ref()?.as_str(), "orderId").ok()?;
        let transaction = self.trans_id.as_ref().map_or_else(|| "0".to_owned(), plain);
        let code = plain(self.result_code.as_ref()?);
        Some(format!("{order_id}:{}:{}", word(&transaction), word(&code)))
    }

    pub(super) fn payment(&self) -> Result<PaymentNotice, PayloadError> {
        let missing = |field: &str| PayloadError::new(format!("{field}: missing"));
        let order_id = self.order_id.as_ref().ok_or_else(|| missing("orderId"))?;
        let amount = self.amount.as_ref().ok_or_else(|| missing("amount"))?;
        let code = self.result_code.as_ref();
        let code = code
            .ok_or_else(|| missing("resultCode"))?
            .whole("resultCode")?;
        let at = self.response_time.as_ref();
        let at = at.ok_or_else(|| missing("responseTime"))?;
        let transaction = self.trans_id.as_ref().map_or_else(|| "0".to_owned(), plain);
        Ok(PaymentNotice {
            reference: external_id(order_id.as_str(), "orderId")?,
            transaction: word(&transaction),
            amount: positive(amount, "amount")?,
            state: state_of(code),
            at: at_ms(at, "responseTime")?,
            provider_code: code.to_string(),
        })
    }
}
