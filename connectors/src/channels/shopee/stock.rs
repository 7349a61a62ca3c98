//! Setting what is on sale at Shopee: an absolute level of one model.

use bytes::Bytes;
use domain::task::{Given, Outcome, StockLevel};
use http::{Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::Shopee;
use super::api::{self, refused, said};
use super::cancel::ids;
use crate::channel::CallContext;
use crate::feedback::{Step, Stock, Try};
use crate::literal::Literal;
use crate::payload::{self, word};
use crate::target::BuildError;

const UPDATE: &str = "/api/v2/product/update_stock";

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    response: Option<Lists>,
}

#[derive(Deserialize)]
struct Lists {
    failure_list: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
struct Failure {
    model_id: Option<Literal>,
    failed_reason: Option<String>,
}

impl Stock for Shopee {
    fn request(
        &self,
        level: &StockLevel,
        _: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let (item, model) = ids(&level.channel_sku).ok_or_else(|| BuildError {
            what: "channel_sku: expected an article and model of Shopee".to_owned(),
        })?;
        let mut stock = json!({ "stock": level.available.max(0) });
        if let Some(location) = &self.0.stock_location_id {
            stock["location_id"] = json!(location);
        }
        let body = json!({
            "item_id": item,
            "stock_list": [{ "model_id": model, "seller_stock": [stock] }],
        });
        self.tell(UPDATE, &body, call)
    }

    fn read(&self, level: &StockLevel, _: Try<'_>, response: &Response<Bytes>) -> Step {
        if let Some(reason) = failure(level, response) {
            return refused("failure_list", &payload::sentence(&reason));
        }
        let said = said(response);
        // The vendor's word for a missing right stands here for a level that it does not take.
        let of_the_level = ["stock", "location_id", "holiday"];
        if said.error == "error_auth"
            && of_the_level
                .iter()
                .any(|words| said.message.contains(words))
        {
            return refused(&word(&said.error), &payload::sentence(&said.message));
        }
        match api::good(response) {
            Ok(_) => Step::Done(Outcome::Accepted {
                given: Given::default(),
            }),
            Err(step) => *step,
        }
    }
}

/// Why this model was not changed, also beside an error of the whole call.
fn failure(level: &StockLevel, response: &Response<Bytes>) -> Option<String> {
    let (_, model) = ids(&level.channel_sku)?;
    let answered: Answered = serde_json::from_slice(response.body()).ok()?;
    let failures = answered.response?.failure_list?;
    let ours = |failure: &Failure| {
        let id = failure.model_id.as_ref();
        id.is_none_or(|id| id.as_str() == model.to_string())
    };
    let failure = failures.into_iter().find(ours)?;
    Some(failure.failed_reason.unwrap_or_default())
}
