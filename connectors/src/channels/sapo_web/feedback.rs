//! What Sapo Web is told, in Shopify's form: a tag, cancellations, fulfillments, and stock by
//! variant where the operator wants it.

use bytes::Bytes;
use domain::task::{ChannelTask, Given, NewsKind, StockLevel};
use http::{Method, Request, Response};
use serde_json::json;

use super::SapoWeb;
use crate::channel::CallContext;
use crate::channels::storefront::api::{self, judge};
use crate::channels::storefront::deeds::{self, Rest as _, number};
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::target::BuildError;

impl Feedback for SapoWeb {
    fn takes(&self) -> &'static [NewsKind] {
        if self.settings.accepted_tag.is_empty() {
            &[NewsKind::Shipped, NewsKind::Cancelled]
        } else {
            &[NewsKind::Accepted, NewsKind::Shipped, NewsKind::Cancelled]
        }
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        deeds::next(self, task, attempt)
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        deeds::read(self, task, attempt, response)
    }

    fn stock(&self) -> Option<&dyn Stock> {
        self.settings.set_stock.then_some(self as &dyn Stock)
    }
}

impl Stock for SapoWeb {
    fn request(
        &self,
        level: &StockLevel,
        _: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let variant = number(&level.channel_sku, "channel_sku")?;
        let body = json!({ "variant": { "id": variant, "inventory_quantity": level.available } });
        let path = format!("/variants/{variant}.json");
        Ok(self.call(Method::PUT, &path, Some(&body)))
    }

    fn read(&self, _: &StockLevel, _: Try<'_>, response: &Response<Bytes>) -> Step {
        judge(response)
            .failed()
            .unwrap_or_else(|| api::accepted(Given::default()))
    }
}
