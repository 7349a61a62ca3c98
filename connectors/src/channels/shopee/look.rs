//! The first call of whatever we tell Shopee of an order: a look at it. It is harmless, and shows
//! whether an earlier try, a colleague in the Seller Centre or Shopee itself has done it already.

use bytes::Bytes;
use domain::task::ChannelLine;
use http::Response;
use serde::{Deserialize, Serialize};

use super::api;
use crate::channel::Fetched;
use crate::feedback::Step;
use crate::literal::Literal;
use crate::payload;

/// What was seen; goes into the answers so far instead of the document, which holds a person's
/// address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) status: String,
    /// The parcel left under a booking before the order existed.
    pub(super) booked: bool,
    pub(super) split: bool,
    /// Shopee says that single lines cannot be cancelled.
    pub(super) whole_only: bool,
    packages: Vec<Package>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Package {
    pub(super) number: String,
    pub(super) arranged: bool,
    articles: Vec<String>,
}

#[derive(Deserialize)]
struct Detail {
    response: DetailResponse,
}

#[derive(Deserialize)]
struct DetailResponse {
    order_list: Vec<Order>,
}

#[derive(Deserialize)]
struct Order {
    #[serde(default)]
    order_status: String,
    #[serde(default)]
    advance_package: Option<bool>,
    #[serde(default)]
    split_up: Option<bool>,
    #[serde(default)]
    can_partial_cancel_order: Option<bool>,
    package_list: Option<Vec<Parcel>>,
}

#[derive(Deserialize)]
struct Parcel {
    package_number: Option<String>,
    logistics_status: Option<String>,
    item_list: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    item_id: Literal,
    model_id: Option<Literal>,
}

impl Seen {
    pub(super) fn read(response: &Response<Bytes>) -> Result<Self, Box<Step>> {
        api::good(response)?;
        let Fetched::Document(_) = api::read_order_detail(response) else {
            return Err(Box::new(api::refused(
                "not_found",
                "Shopee does not know the order",
            )));
        };
        let order = payload::read::<Detail>(response.body())
            .ok()
            .and_then(|detail| detail.response.order_list.into_iter().next());
        let Some(order) = order else {
            let step = api::refused("unreadable", "Shopee's answer is not an order");
            return Err(Box::new(step));
        };
        let on_the_way = is_on_the_way(&order.order_status);
        let packages = order.package_list.into_iter().flatten();
        Ok(Self {
            booked: order.advance_package == Some(true),
            split: order.split_up == Some(true),
            whole_only: order.can_partial_cancel_order == Some(false),
            packages: packages
                .filter_map(|parcel| parcel.seen(on_the_way))
                .collect(),
            status: order.order_status,
        })
    }

    pub(super) fn part(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).expect("invariant: texts only"))
    }

    /// As an earlier answer of the same try kept it.
    pub(super) fn of(got: &[Bytes]) -> Option<Self> {
        serde_json::from_slice(got.first()?).ok()
    }

    /// The vendor's parcel of these lines: the only one, or the one that holds them all.
    pub(super) fn package(&self, lines: &[ChannelLine]) -> Option<&Package> {
        if let [only] = self.packages.as_slice() {
            return Some(only);
        }
        let holds = |package: &&Package| {
            lines.iter().all(|line| {
                let article = line.channel_sku.as_ref();
                article.is_some_and(|article| package.articles.contains(article))
            })
        };
        self.packages.iter().find(holds)
    }

    pub(super) fn is_on_the_way(&self) -> bool {
        is_on_the_way(&self.status)
    }
}

impl Parcel {
    fn seen(self, on_the_way: bool) -> Option<Package> {
        let number = self.package_number?;
        payload::external_id(&number, "package_number").ok()?;
        let arranged = on_the_way
            || matches!(
                self.logistics_status.as_deref(),
                Some(
                    "LOGISTICS_REQUEST_CREATED"
                        | "LOGISTICS_PICKUP_DONE"
                        | "LOGISTICS_DELIVERY_DONE"
                )
            );
        let items = self.item_list.into_iter().flatten();
        Some(Package {
            number,
            arranged,
            articles: items
                .map(|item| {
                    let model = item.model_id.as_ref().map_or("0", Literal::as_str);
                    format!("{}.{model}", item.item_id)
                })
                .collect(),
        })
    }
}

/// Its shipment is arranged, or more.
fn is_on_the_way(status: &str) -> bool {
    matches!(
        status,
        "PROCESSED" | "SHIPPED" | "TO_CONFIRM_RECEIVE" | "COMPLETED" | "TO_RETURN"
    )
}
