//! What is sold in one live session, and under which codes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The code list of a live session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Products by the code that buyers write, as staff spell it: `A12`.
    pub products: BTreeMap<String, Product>,
    /// The code of the one product that is shown now. A comment that names none is taken to mean
    /// it, and always goes to staff.
    #[serde(default)]
    pub pinned: Option<String>,
    /// Pieces of one product that a comment may order without staff having a look.
    #[serde(default = "default_quantity_limit")]
    pub quantity_limit: u32,
}

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The shop's own key.
    pub sku: String,
    /// As buyers know it.
    pub name: String,
    /// What can be chosen: `đen`, `đen, 128gb`. Empty where nothing can, or where nobody listed it.
    #[serde(default)]
    pub variants: Vec<String>,
}

fn default_quantity_limit() -> u32 {
    10
}

impl Live {
    /// A session without pinned product, with the usual limit of 10 pieces.
    #[must_use]
    pub fn new(products: BTreeMap<String, Product>) -> Self {
        Self {
            products,
            pinned: None,
            quantity_limit: default_quantity_limit(),
        }
    }

    /// The pinned code, if the list has it.
    pub(super) fn pinned_code(&self) -> Option<&str> {
        let pinned = self.pinned.as_deref()?;
        let (code, _) = self.products.get_key_value(pinned)?;
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_session_needs_its_products_only() {
        let live: Live =
            serde_json::from_str(r#"{"products":{"A1":{"sku":"CAP","name":"Cáp C-C"}}}"#).unwrap();
        assert_eq!(live.quantity_limit, 10);
        assert_eq!(live.pinned_code(), None);
    }
}
