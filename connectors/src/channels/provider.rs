//! What payment providers have in common: no order documents, amounts and times as numbers, ids
//! made from our idempotency keys, and answers that are judged by their HTTP status before their
//! words.

use bytes::Bytes;
use domain::money::Amount;
use domain::task::{ChannelTask, EarlierRefund, Given, News, Outcome};
use http::{HeaderValue, Request, Response, header};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::channel::Polled;
use crate::feedback::{Queried, Step};
use crate::inbound::{
    Notice, NoticeBody, PayloadError, PaymentNotice, PaymentState, VerifiedWebhook,
};
use crate::literal::Literal;
use crate::settings::{Secrets, SettingsError};
use crate::target::BuildError;
use crate::{payload, signature, url};

/// The topic of messages that are answers to our own payment questions.
pub(crate) const QUERY: &str = "query";

/// Ask no more about a payment after a day: every provider's payment links are long dead.
pub(crate) const GIVE_UP_S: i64 = 86_400;

/// Look again at a refund that the provider works on after this, seconds.
pub(crate) const REFUND_PAUSE_S: u64 = 60;

/// A number as signatures take it: digits, without exponent and without `.0`. What is not whole
/// stays as it was written.
pub(crate) fn plain(literal: &Literal) -> String {
    literal
        .whole("")
        .map_or_else(|_| literal.as_str().to_owned(), |whole| whole.to_string())
}

/// A moment written as milliseconds since 1970.
///
/// # Errors
/// Names `field`.
pub(crate) fn at_ms(literal: &Literal, field: &str) -> Result<Timestamp, PayloadError> {
    Timestamp::from_millisecond(literal.whole(field)?)
        .map_err(|_| PayloadError::new(format!("{field}: expected milliseconds since 1970")))
}

/// A provider's id made from an idempotency key: `length` hexadecimal digits, 64 at most, the same
/// for every try.
pub(crate) fn id_of(key: &str, length: usize) -> String {
    let mut id = payload::digest(key.as_bytes());
    id.truncate(length);
    id
}

/// A description that every gateway takes: ASCII letters, digits and spaces.
pub(crate) fn description(text: &str) -> String {
    let words = domain::text::fold(text);
    let plain: String = words
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == ' ')
        .take(100)
        .collect();
    if plain.is_empty() {
        return "hoan tien".to_owned();
    }
    plain
}

/// What a refund needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refund<'a> {
    pub(crate) reference: &'a str,
    pub(crate) transaction: &'a str,
    pub(crate) amount: Amount,
    pub(crate) paid: Amount,
    pub(crate) paid_at: Timestamp,
    pub(crate) asked_at: Timestamp,
    pub(crate) earlier: &'a [EarlierRefund],
    pub(crate) text: &'a str,
    pub(crate) actor: &'a str,
}

/// The refund that a task asks for.
///
/// # Errors
/// When it asks for something else: providers take nothing but refunds.
pub(crate) fn refund_of(task: &ChannelTask) -> Result<Refund<'_>, BuildError> {
    match &task.news {
        News::Refunded {
            reference,
            transaction,
            amount,
            paid,
            paid_at,
            asked_at,
            earlier,
            text,
            actor,
        } => Ok(Refund {
            reference,
            transaction,
            amount: *amount,
            paid: *paid,
            paid_at: *paid_at,
            asked_at: *asked_at,
            earlier,
            text,
            actor,
        }),
        News::Accepted { .. }
        | News::Arranged { .. }
        | News::Packed { .. }
        | News::Shipped { .. }
        | News::Delivered { .. }
        | News::DeliveryFailed { .. }
        | News::Cancelled { .. }
        | News::CancelAnswered { .. } => Err(BuildError {
            what: "a payment provider takes refunds only".to_owned(),
        }),
    }
}

/// A payment is never negative.
///
/// # Errors
/// Names `field`.
pub(crate) fn positive(literal: &Literal, field: &str) -> Result<Amount, PayloadError> {
    let amount = literal.amount(field, "VND")?;
    if amount.is_negative() {
        return Err(PayloadError::new(format!(
            "{field}: expected no negative amount"
        )));
    }
    Ok(amount)
}

/// The answer to a payment question as a message for the inbox. Only what is the same however
/// often it is asked goes into it, so that a repeat is a duplicate.
pub(crate) fn answered(payment: &PaymentNotice) -> VerifiedWebhook {
    let body = serde_json::to_vec(payment).expect("invariant: a notice is plain text and numbers");
    VerifiedWebhook::polled(Some(QUERY.to_owned()), body.into(), signature::own_call())
}

/// Whether a message is one of [`answered`].
pub(crate) fn is_answer(message: &VerifiedWebhook) -> bool {
    message.topic() == Some(QUERY)
}

/// What a message of [`answered`] says.
///
/// # Errors
/// When it is not of that form.
pub(crate) fn read_answer(message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
    let payment: PaymentNotice = payload::read(message.body())?;
    Ok(vec![notice(payment)])
}

/// The key of a message of [`answered`].
pub(crate) fn answer_key(message: &VerifiedWebhook) -> String {
    match payload::read::<PaymentNotice>(message.body()) {
        Ok(payment) => format!(
            "{QUERY}:{}:{}:{}",
            keyed(&payment.reference),
            keyed(&payment.transaction),
            keyed(&payment.provider_code)
        ),
        Err(_) => format!("{QUERY}:{}", payload::digest(message.body())),
    }
}

/// A part of a key: the text itself, or its hash where it is none of a provider's ids.
fn keyed(text: &str) -> String {
    if text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    payload::digest(text.as_bytes())
}

/// A payment, filed under its reference.
pub(crate) fn notice(payment: PaymentNotice) -> Notice {
    Notice {
        key: Some(payment.reference.clone()).filter(|reference| !reference.is_empty()),
        body: NoticeBody::Payment(payment),
    }
}

/// An answer that did not come to the provider's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unheard {
    /// Not now; for a call that moves money nobody knows whether it did.
    Later {
        after_s: Option<u64>,
        reason: String,
    },
    /// Credentials.
    Account { reason: String },
    /// This request will never work.
    Refused { reason: String },
}

impl Unheard {
    pub(crate) fn queried(self) -> Queried {
        match self {
            Self::Later { after_s, reason } => Queried::Retry { after_s, reason },
            Self::Account { reason } | Self::Refused { reason } => Queried::Account { reason },
        }
    }

    pub(crate) fn polled(self) -> Polled {
        match self {
            Self::Later { after_s, reason } => Polled::Retry { after_s, reason },
            Self::Account { reason } => Polled::Account { reason },
            Self::Refused { reason } => Polled::Refused { reason },
        }
    }

    pub(crate) fn step(self) -> Step {
        match self {
            Self::Later { after_s, reason } => retry(after_s, reason),
            Self::Account { reason } => account(reason),
            Self::Refused { reason } => refused("http", reason),
        }
    }
}

/// The JSON object of an answer, also of a 4xx: several providers put their words there.
///
/// # Errors
/// What the status says where there are no words.
pub(crate) fn heard(response: &Response<Bytes>) -> Result<Value, Unheard> {
    let status = response.status().as_u16();
    let after_s = url::retry_after_s(response.headers());
    let reason = format!("HTTP {status}");
    match status {
        408 | 429 | 500..=599 => return Err(Unheard::Later { after_s, reason }),
        401 | 403 => return Err(Unheard::Account { reason }),
        _ => {}
    }
    match serde_json::from_slice::<Value>(response.body()) {
        Ok(document) if document.is_object() => Ok(document),
        Ok(_) | Err(_) if response.status().is_success() => Err(Unheard::Later {
            after_s,
            reason: format!("{reason} without JSON"),
        }),
        Ok(_) | Err(_) => Err(Unheard::Refused { reason }),
    }
}

/// Reads a heard answer into its type.
///
/// # Errors
/// Names the first wrong field.
pub(crate) fn read<T: serde::de::DeserializeOwned>(document: &Value) -> Result<T, PayloadError> {
    payload::read(document.to_string().as_bytes())
}

pub(crate) fn done(partner_id: Option<String>) -> Step {
    Step::Done(Outcome::Accepted {
        given: given(partner_id),
    })
}

pub(crate) fn already(partner_id: Option<String>) -> Step {
    Step::Done(Outcome::Duplicate {
        given: given(partner_id),
    })
}

fn given(partner_id: Option<String>) -> Given {
    Given {
        partner_id: partner_id.filter(|id| !id.is_empty() && id != "0"),
        ..Given::default()
    }
}

pub(crate) fn retry(after_s: Option<u64>, reason: impl Into<String>) -> Step {
    Step::Done(Outcome::Retry {
        after_s,
        reason: reason.into(),
    })
}

pub(crate) fn account(reason: impl Into<String>) -> Step {
    Step::Done(Outcome::Account {
        reason: reason.into(),
    })
}

pub(crate) fn refused(code: &str, message: impl Into<String>) -> Step {
    Step::Done(Outcome::Refused {
        code: code.to_owned(),
        message: message.into(),
    })
}

/// Checks that a secret can stand in a header.
///
/// # Errors
/// Names `field`.
pub(crate) fn fits_header(secrets: Option<&Secrets>, field: &str) -> Result<(), SettingsError> {
    let plain =
        |secret: &secrecy::SecretString| HeaderValue::from_str(secret.expose_secret()).is_ok();
    if secrets.is_some_and(|secrets| !secrets.all().iter().all(plain)) {
        return Err(SettingsError::new(field, "must be one line of plain text"));
    }
    Ok(())
}

/// A call with a credential in its `authorization` header, marked as not to be shown.
pub(crate) fn authorized(
    mut request: Request<Bytes>,
    scheme: &str,
    secret: &secrecy::SecretString,
) -> Option<Request<Bytes>> {
    let value = format!("{scheme} {}", secret.expose_secret());
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Some(request)
}

/// Whether a state is worth a message, or only means that the buyer has not finished.
pub(crate) fn queried(payment: &PaymentNotice) -> Queried {
    match payment.state {
        PaymentState::Pending => Queried::Pending,
        PaymentState::Authorized
        | PaymentState::Failed
        | PaymentState::Paid
        | PaymentState::Suspect
        | PaymentState::Refunded => Queried::Message(answered(payment)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Literal {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_printed_without_exponent_and_point() {
        for (written, printed) in [
            ("580000", "580000"),
            ("580000.0", "580000"),
            ("5.8e5", "580000"),
            ("\"580000\"", "580000"),
            ("-1", "-1"),
            ("0.5", "0.5"),
            ("99999999999999999999", "99999999999999999999"),
            ("4088878653000123456", "4088878653000123456"),
        ] {
            assert_eq!(plain(&literal(written)), printed, "{written}");
        }
    }

    #[test]
    fn an_answer_survives_the_inbox_and_repeats_have_one_key() {
        let payment = PaymentNotice {
            reference: "KH000005724-1".to_owned(),
            transaction: "14226112".to_owned(),
            amount: Amount(580_000),
            state: PaymentState::Paid,
            at: "2025-12-04T04:00:12Z".parse().unwrap(),
            provider_code: "00/00".to_owned(),
        };
        let message = answered(&payment);
        assert!(is_answer(&message));
        assert_eq!(answer_key(&message), "query:KH000005724-1:14226112:00/00");
        assert_eq!(read_answer(&message).unwrap(), [notice(payment.clone())]);
        let other = |transaction: String| {
            answer_key(&answered(&PaymentNotice {
                transaction,
                ..payment.clone()
            }))
        };
        // Zalo's order ids differ behind the fortieth letter.
        let id = "190000000000000000000000001_1764820000000";
        assert_ne!(other(format!("{id}1")), other(format!("{id}2")));
        assert!(other("x".repeat(200)).len() < 100);
    }

    #[test]
    fn a_status_is_judged_before_the_words() {
        let answer = |status: u16, body: &'static str| {
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = status.try_into().unwrap();
            heard(&response)
        };
        assert!(answer(200, "{}").is_ok());
        assert!(answer(400, r#"{"resultCode":42}"#).is_ok());
        for (status, body) in [(500, "{}"), (429, "{}"), (200, "<html>"), (200, "[]")] {
            assert!(
                matches!(answer(status, body), Err(Unheard::Later { .. })),
                "{status}"
            );
        }
        assert!(matches!(answer(401, "{}"), Err(Unheard::Account { .. })));
        assert!(matches!(
            answer(404, "<html>"),
            Err(Unheard::Refused { .. })
        ));
    }

    #[test]
    fn a_description_is_plain_ascii() {
        assert_eq!(
            description("Hoàn tiền đơn KH000005724: khách đổi ý!"),
            "hoan tien don kh000005724 khach doi y"
        );
        assert_eq!(description("…"), "hoan tien");
    }
}
