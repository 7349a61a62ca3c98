//! Pages of changed orders.

use bytes::Bytes;
use http::Response;
use http::header::LINK;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::webhook::POLLED;
use crate::channel::PollWindow;
use crate::inbound::{PayloadError, VerifiedWebhook};
use crate::{form, payload, signature};

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    orders: Vec<&'a RawValue>,
}

/// The orders of a page, each in its own bytes.
///
/// # Errors
/// When the answer is not a list of orders.
pub(in crate::channels) fn orders(body: &[u8]) -> Result<Vec<VerifiedWebhook>, PayloadError> {
    let list: List<'_> = payload::read(body)?;
    Ok(list
        .orders
        .into_iter()
        .map(|order| {
            let body = Bytes::copy_from_slice(order.get().as_bytes());
            VerifiedWebhook::polled(Some(POLLED.to_owned()), body, signature::own_call())
        })
        .collect())
}

/// The page that a window's cursor stands for, at shops that number their pages.
pub(in crate::channels) fn page_number(window: &PollWindow) -> u32 {
    let cursor = window.cursor.as_deref();
    cursor.and_then(|page| page.parse().ok()).unwrap_or(1)
}

/// The cursor of the page after this one; a page that is not full is the last.
///
/// Numbered pages skip orders when one leaves the list while it is read. So these lists are asked
/// for with a lower bound only, and not by time of change: an order may then appear in what was
/// read already, and is read again with the next window, but none leaves.
pub(in crate::channels) fn next_number(
    window: &PollWindow,
    found: usize,
    per_page: usize,
) -> Option<String> {
    (found >= per_page).then(|| page_number(window).saturating_add(1).to_string())
}

/// Shopify's cursor: `page_info` in the address that the `link` header calls next.
pub(in crate::channels) fn next_link(response: &Response<Bytes>) -> Option<String> {
    let links = response.headers().get(LINK)?.to_str().ok()?;
    links.split(',').find_map(|link| {
        let (address, relation) = link.split_once(';')?;
        if !relation.replace(['"', ' '], "").contains("rel=next") {
            return None;
        }
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        let (_, query) = address.split_once('?')?;
        form::pairs(query)
            .into_iter()
            .find(|(key, value)| key == "page_info" && !value.is_empty())
            .map(|(_, value)| value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_read_from_the_link_header() {
        let link = |text: &str| {
            let mut response = Response::new(Bytes::new());
            response.headers_mut().insert(LINK, text.parse().unwrap());
            next_link(&response)
        };
        let both = "<https://a.example/orders.json?limit=250&page_info=abc>; rel=\"previous\", \
                    <https://a.example/orders.json?page_info=d%3D%3D&limit=250>; rel=\"next\"";
        assert_eq!(link(both).as_deref(), Some("d=="));
        assert_eq!(
            link("<https://a.example/?page_info=abc>; rel=\"previous\""),
            None
        );
        assert_eq!(link("nonsense"), None);
    }
}
