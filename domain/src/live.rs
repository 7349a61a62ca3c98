//! Live sales: which post or video it is, and what stands behind the codes that viewers write.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::comment;
use crate::money::Amount;

/// An article of a live sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// Our SKU.
    pub sku: String,
    /// As viewers know it.
    pub name: String,
    /// What can be chosen: `đen`, `đen, 128gb`.
    #[serde(default)]
    pub variants: Vec<String>,
    /// Price of one unit in this sale, tax included.
    pub price: Amount,
}

/// One live sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// Channel.
    pub channel: String,
    /// The channel's id of the post or video under which people write.
    pub post: String,
    /// What staff call it.
    pub title: String,
    /// Articles by the code that viewers write.
    pub articles: BTreeMap<String, Article>,
    /// The code that is shown now.
    #[serde(default)]
    pub pinned: Option<String>,
    /// Units of one article that need no second look.
    pub quantity_limit: u32,
    /// What to ask, in private and once, whoever orders without telling a phone; `None` asks
    /// nobody by itself.
    #[serde(default)]
    pub ask_phone: Option<String>,
    /// Comments after this are no orders any more.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

impl Sale {
    /// The code list as comments are read with it.
    #[must_use]
    pub fn list(&self) -> comment::Live {
        let products = self.articles.iter().map(|(code, article)| {
            let product = comment::Product {
                sku: article.sku.clone(),
                name: article.name.clone(),
                variants: article.variants.clone(),
            };
            (code.clone(), product)
        });
        comment::Live {
            pinned: self.pinned.clone(),
            quantity_limit: self.quantity_limit,
            ..comment::Live::new(products.collect())
        }
    }

    /// The mark that a comment under this post carries.
    #[must_use]
    pub fn mark(&self) -> String {
        post_mark(&self.post)
    }
}

/// The hint by which a comment names its post.
#[must_use]
pub fn post_mark(post: &str) -> String {
    format!("post:{post}")
}

/// The post that a comment's hints name.
#[must_use]
pub fn post_of(hints: &[String]) -> Option<&str> {
    hints.iter().find_map(|hint| hint.strip_prefix("post:"))
}
