//! Signed calls to Shopee and what their answers mean: success is `error == ""`, whatever the HTTP
//! status says.

use bytes::Bytes;
use domain::task::{Given, Outcome};
use http::{Request, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::Shopee;
use crate::channel::{CallContext, Fetched};
use crate::feedback::Step;
use crate::payload::{self, word};
use crate::signature::shopee_api_sign;
use crate::target::BuildError;
use crate::url::{self, Query};

/// What we ask for beside the default fields.
const OPTIONAL_FIELDS: &str = "buyer_user_id,buyer_username,estimated_shipping_fee,\
recipient_address,actual_shipping_fee,goods_to_declare,note,item_list,pay_time,split_up,\
buyer_cancel_reason,cancel_by,cancel_reason,actual_shipping_fee_confirmed,fulfillment_flag,\
pickup_done_time,package_list,shipping_carrier,payment_method,total_amount,invoice_data,\
order_chargeable_weight_gram,return_request_due_date";

const ORDER_DETAIL: &str = "/api/v2/order/get_order_detail";

impl Shopee {
    /// `path` with the parameters that every shop call carries, signed. Without a token the call is
    /// made all the same: the vendor's answer then starts a refresh.
    pub(super) fn shop_call(&self, path: &str, call: CallContext<'_>) -> Query {
        let none = SecretString::from("");
        let token = call.access_token.unwrap_or(&none);
        let timestamp = call.now.as_second();
        let (key, partner, shop) = (
            self.0.partner_key.primary(),
            self.0.partner_id,
            self.0.shop_id,
        );
        let sign = shopee_api_sign(key, partner, path, timestamp, Some((token, shop)));
        Query::default()
            .with("partner_id", partner.to_string())
            .with("timestamp", timestamp.to_string())
            .with("access_token", token.expose_secret())
            .with("shop_id", shop.to_string())
            .with("sign", sign)
    }

    /// `path` with the parameters of a public call (tokens, lost pushes), signed.
    pub(super) fn public_call(&self, path: &str, timestamp: i64) -> Query {
        let (key, partner) = (self.0.partner_key.primary(), self.0.partner_id);
        Query::default()
            .with("partner_id", partner.to_string())
            .with("timestamp", timestamp.to_string())
            .with("sign", shopee_api_sign(key, partner, path, timestamp, None))
    }

    /// Of one order, or of several with commas between them.
    pub(super) fn order_detail(
        &self,
        order_sn_list: &str,
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let query = self
            .shop_call(ORDER_DETAIL, call)
            .with("order_sn_list", order_sn_list)
            .with("request_order_status_pending", "true")
            .with("response_optional_fields", OPTIONAL_FIELDS);
        self.0.base_url.join(&query.on(ORDER_DETAIL)).map(url::get)
    }
}

/// An answer, sorted by the vendor's error words.
pub(super) enum Answer {
    Good(Value),
    NotFound,
    TokenExpired,
    Retry {
        after_s: Option<u64>,
        reason: String,
    },
    Reauthorize {
        reason: String,
    },
    Account {
        reason: String,
    },
    Refused {
        reason: String,
    },
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// The daily quota of an app is filled again at 00:00 UTC+8; asking every hour is enough.
const QUOTA_PAUSE_S: u64 = 3600;

pub(super) fn judge(response: &Response<Bytes>) -> Answer {
    let status = response.status();
    let Ok(document) = serde_json::from_slice::<Value>(response.body()) else {
        let reason = format!("{} without JSON", status.as_u16());
        return by_status(
            status.as_u16(),
            url::retry_after_s(response.headers()),
            reason,
        );
    };
    let head = Head::deserialize(&document).unwrap_or(Head {
        error: None,
        message: None,
    });
    let error = head.error.unwrap_or_default().trim().to_owned();
    let message = head.message.unwrap_or_default();
    if error.is_empty() && status.is_success() {
        return Answer::Good(document);
    }
    let reason = format!("{} {}", status.as_u16(), word(&error))
        .trim_end()
        .to_owned();
    let later = || Answer::Retry {
        after_s: url::retry_after_s(response.headers()),
        reason: reason.clone(),
    };
    if passing(&error, &message) {
        return later();
    }
    // Some modules put their name before the word: `order.order_not_found`.
    match last(&error) {
        // The first spelling is the vendor's own.
        "invalid_acceess_token" | "invalid_access_token" => Answer::TokenExpired,
        "error_auth" if message.contains("refresh_token") => Answer::Reauthorize { reason },
        "error_auth" if message.contains("access_token") => Answer::TokenExpired,
        "error_shop_refresh_token"
        | "refresh_token_expired"
        | "shop_access_expired"
        | "shop_no_linked"
        | "partner_shop_no_link"
        | "shop_banned" => Answer::Reauthorize { reason },
        "error_rate_limit" | "error_server" | "error_network" | "error_inner"
        | "error_system_busy" => later(),
        // With a module's name before it the same word means that the order does not allow it.
        "error_limit" if error == "error_limit" => Answer::Retry {
            after_s: Some(QUOTA_PAUSE_S),
            reason,
        },
        "error_not_found" | "order_not_found" => Answer::NotFound,
        "error_auth"
        | "error_sign"
        | "error_permission"
        | "error_api_permission"
        | "error_api_call_restricted"
        | "invalid_partner_id"
        | "source_ip_undeclared"
        | "error_partner_key_expired"
        | "error_kyc_auth" => Answer::Account { reason },
        "error_param" | "error_limit" => Answer::Refused { reason },
        _ => by_status(
            status.as_u16(),
            url::retry_after_s(response.headers()),
            reason,
        ),
    }
}

/// The vendor's word without its module.
fn last(error: &str) -> &str {
    error.rsplit('.').next().unwrap_or_default()
}

/// Some passing troubles come under words that mean something else.
fn passing(error: &str, message: &str) -> bool {
    let sentences = ["System error", "Something wrong. Please try later"];
    last(error) != "error_sign"
        && (sentences.iter().any(|words| message.starts_with(words))
            || message.contains("being allocated"))
}

/// The vendor's word and sentence of a failing answer.
pub(super) struct Said {
    pub(super) error: String,
    pub(super) message: String,
}

pub(super) fn said(response: &Response<Bytes>) -> Said {
    let head = serde_json::from_slice::<Head>(response.body()).ok();
    let (error, message) = head.map_or((None, None), |head| (head.error, head.message));
    Said {
        error: last(error.unwrap_or_default().trim()).to_owned(),
        message: message.unwrap_or_default(),
    }
}

/// A good answer, or what any other comes to for an intention of the outbox.
pub(super) fn good(response: &Response<Bytes>) -> Result<Value, Box<Step>> {
    Err(Box::new(match judge(response) {
        Answer::Good(document) => return Ok(document),
        Answer::TokenExpired => Step::TokenExpired,
        Answer::NotFound => refused("not_found", "Shopee does not know it"),
        Answer::Retry { after_s, reason } => Step::Done(Outcome::Retry { after_s, reason }),
        Answer::Reauthorize { reason } | Answer::Account { reason } => {
            Step::Done(Outcome::Account { reason })
        }
        Answer::Refused { .. } => {
            let said = said(response);
            refused(&word(&said.error), &payload::sentence(&said.message))
        }
    }))
}

pub(super) fn refused(code: &str, message: &str) -> Step {
    Step::Done(Outcome::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
    })
}

pub(super) fn later(after_s: u64, reason: &str) -> Step {
    Step::Done(Outcome::Retry {
        after_s: Some(after_s),
        reason: reason.to_owned(),
    })
}

/// Done before, by an earlier try or by somebody else.
pub(super) fn already(state: &str) -> Step {
    Step::Done(Outcome::Duplicate {
        given: Given {
            state: Some(state.to_owned()),
            ..Given::default()
        },
    })
}

impl Shopee {
    /// A signed GET of the shop, for what goes out by the outbox.
    pub(super) fn ask(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let query = parameters
            .iter()
            .fold(self.shop_call(path, call), |query, (key, value)| {
                query.with(key, value)
            });
        self.0
            .base_url
            .join(&query.on(path))
            .map(url::get)
            .ok_or_else(too_long)
    }

    /// A signed POST of the shop; the body is not covered by the signature.
    pub(super) fn tell(
        &self,
        path: &str,
        body: &Value,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let query = self.shop_call(path, call);
        let uri = self.0.base_url.join(&query.on(path)).ok_or_else(too_long)?;
        Ok(url::post_json(uri, body))
    }
}

fn too_long() -> BuildError {
    BuildError {
        what: "the address of the call is too long".to_owned(),
    }
}

fn by_status(status: u16, after_s: Option<u64>, reason: String) -> Answer {
    match status {
        // A 2xx that is not the vendor's JSON is a page of something in between.
        200..=299 if reason.ends_with("without JSON") => Answer::Retry { after_s, reason },
        401 | 403 => Answer::Account { reason },
        404 => Answer::NotFound,
        408 | 429 | 500..=599 => Answer::Retry { after_s, reason },
        _ => Answer::Refused { reason },
    }
}

pub(super) fn read_order_detail(response: &Response<Bytes>) -> Fetched {
    match judge(response) {
        Answer::Good(document) => {
            let orders = document
                .pointer("/response/order_list")
                .and_then(Value::as_array);
            if orders.is_some_and(|orders| !orders.is_empty()) {
                Fetched::Document(response.body().clone())
            } else {
                Fetched::NotFound
            }
        }
        Answer::NotFound => Fetched::NotFound,
        Answer::TokenExpired => Fetched::TokenExpired,
        Answer::Retry { after_s, reason } => Fetched::Retry { after_s, reason },
        Answer::Reauthorize { reason } | Answer::Account { reason } => Fetched::Account { reason },
        Answer::Refused { reason } => Fetched::Refused { reason },
    }
}

/// Reads one part of a good answer.
pub(super) fn part<T: serde::de::DeserializeOwned>(
    document: &Value,
    pointer: &str,
) -> Result<T, crate::inbound::PayloadError> {
    let value = document.pointer(pointer).unwrap_or(&Value::Null);
    payload::read(value.to_string().as_bytes())
        .map_err(|error| crate::inbound::PayloadError::new(format!("{pointer}: {}", error.what)))
}
