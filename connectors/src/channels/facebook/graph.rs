//! Calls to the Graph API and the meaning of its errors.

use bytes::Bytes;
use domain::snapshot::Buyer;
use http::{HeaderValue, Request, Response, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Settings;
use super::envelope::text;
use crate::channel::{CallContext, Fetched};
use crate::inbound::{ConversationNotice, PayloadError};
use crate::payload::word;
use crate::signature::appsecret_proof;
use crate::url::{Query, encode, get, retry_after_s};

/// The request for a lead form. The token travels in a header, so that no address with a token
/// can be logged; the proof is useless without it.
pub(super) fn lead_request(
    settings: &Settings,
    external_id: &str,
    call: CallContext<'_>,
) -> Option<Request<Bytes>> {
    let rest = external_id.strip_prefix("lead:")?;
    let (page, lead) = match rest.split_once(':') {
        Some((page, lead)) => (Some(page), lead),
        None => (None, rest),
    };
    if lead.is_empty() {
        return None;
    }
    // A page's own token comes first: the account's may be that of another page.
    let token = match page.map(|page| settings.page_tokens.get(page)) {
        Some(Some(token)) => token.primary(),
        Some(None) => call.access_token?,
        None => call.access_token.or_else(|| only_token(settings))?,
    };
    let proof = appsecret_proof(settings.app_secret.primary(), token);
    let path = Query::default()
        .with("fields", "id,created_time,ad_id,form_id,field_data")
        .with("appsecret_proof", proof)
        .on(&format!("/{}", encode(lead)));
    let mut request = get(settings.base_url.join(&path)?);
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    Some(request)
}

fn only_token(settings: &Settings) -> Option<&SecretString> {
    let mut tokens = settings.page_tokens.values();
    let only = tokens.next()?;
    tokens.next().is_none().then(|| only.primary())
}

/// Sorts an answer of the Graph API by its error code.
/// Source: Graph error reference and the Messenger error table.
pub(super) fn read(response: &Response<Bytes>) -> Fetched {
    let status = response.status();
    let after_s = retry_after_s(response.headers());
    let body: Option<Value> = serde_json::from_slice(response.body()).ok();
    let Some(error) = body.as_ref().and_then(|b| b.get("error")) else {
        return match (status.is_success(), body.is_some()) {
            (true, true) => Fetched::Document(response.body().clone()),
            (true, false) => Fetched::Retry {
                after_s,
                reason: "the answer is not JSON".to_owned(),
            },
            (false, _) if status == 429 || status.is_server_error() => Fetched::Retry {
                after_s,
                reason: format!("HTTP {}", status.as_u16()),
            },
            (false, _) if status == 404 => Fetched::NotFound,
            (false, _) => Fetched::Refused {
                reason: format!("HTTP {}", status.as_u16()),
            },
        };
    };
    let code = error.get("code").and_then(Value::as_i64).unwrap_or(0);
    let subcode = error.get("error_subcode").and_then(Value::as_i64);
    let reason = match subcode {
        Some(subcode) => format!("Meta error {code}/{subcode}"),
        None => format!("Meta error {code}"),
    };
    match (code, subcode) {
        // A page token cannot be refreshed by a call: a person must authorise again.
        (190, _) => Fetched::Account { reason },
        // The page is restricted for a while.
        (10, Some(1_893_063)) => Fetched::Account { reason },
        // Outside the 24 h window, or the person cannot receive: this call will never work.
        (10, Some(2_018_278 | 2_534_022 | 2_018_108)) | (551 | 368 | 506, _) => {
            Fetched::Refused { reason }
        }
        (10 | 200..=299, _) => Fetched::Account { reason },
        (4 | 17 | 32 | 613 | 80_000..=80_014, _) => Fetched::Retry { after_s, reason },
        (1 | 2 | 1200, _) => Fetched::Retry { after_s, reason },
        // "Object does not exist" hides behind the code of a wrong parameter.
        (100, Some(33)) => Fetched::NotFound,
        (100, _) => Fetched::Refused { reason },
        _ if status == 429 || status.is_server_error() => Fetched::Retry { after_s, reason },
        _ => Fetched::Refused { reason },
    }
}

/// A lead form's answers.
pub(super) fn lead(page: &str, document: &[u8]) -> Result<ConversationNotice, PayloadError> {
    let document: Value = serde_json::from_slice(document)
        .map_err(|_| PayloadError::new("the document is not JSON"))?;
    let id = text(&document, "/id").ok_or_else(|| PayloadError::new("id: missing"))?;
    let at = text(&document, "/created_time")
        .and_then(|t| moment(&t))
        .ok_or_else(|| PayloadError::new("created_time: expected a time"))?;
    let fields = document
        .get("field_data")
        .and_then(Value::as_array)
        .ok_or_else(|| PayloadError::new("field_data: expected a list"))?;
    let mut buyer = Buyer::default();
    let mut names = [None, None];
    let mut address = [None, None, None];
    let mut hints = vec![format!("leadgen_id:{id}")];
    if let Some(form) = text(&document, "/form_id") {
        hints.push(format!("form_id:{form}"));
    }
    for field in fields {
        let Some(name) = text(field, "/name") else {
            continue;
        };
        let values: Vec<String> = field
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|value| text(value, ""))
            .collect();
        if values.is_empty() {
            continue;
        }
        let value = Some(values.join(", "));
        match name.as_str() {
            "full_name" => buyer.name = value,
            "first_name" => names[1] = value,
            "last_name" => names[0] = value,
            "phone_number" | "phone" => buyer.phone = value,
            "email" => buyer.email = value,
            "street_address" => address[0] = value,
            "city" => address[1] = value,
            "province" | "state" => address[2] = value,
            _ => hints.push(format!("{}:{}", word(&name), values.join(", "))),
        }
    }
    if buyer.name.is_none() {
        // Vietnamese order: family name first.
        buyer.name = joined(names, " ");
    }
    let person = format!("lead:{id}");
    Ok(ConversationNotice {
        message_id: person.clone(),
        person,
        account: page.to_owned(),
        kind: "form".to_owned(),
        outgoing: false,
        text: None,
        buyer: Some(buyer),
        address: joined(address, ", "),
        lines: Vec::new(),
        at,
        hints,
    })
}

fn joined<const N: usize>(parts: [Option<String>; N], between: &str) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(between))
}

/// Graph writes `2025-12-04T04:20:00+0000`, an offset without a colon.
fn moment(raw: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", raw)
        .or_else(|_| raw.parse())
        .ok()
}
