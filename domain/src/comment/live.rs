//! What is sold in one live session, and under which codes.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::token::{Kind, Token};
use crate::text::fold;

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

/// A code in the parts that a comment may write with a sign between: `MH102` is `mh` and `102`.
#[derive(Debug)]
pub(super) struct Spelling<'a> {
    pub(super) code: &'a str,
    pub(super) parts: Vec<String>,
    /// Another code of the list reads the same.
    pub(super) is_shared: bool,
}

/// The spellings of a live's codes by their first part, the longest first.
pub(super) fn spellings(live: &Live) -> HashMap<String, Vec<Spelling<'_>>> {
    let mut by_first: HashMap<String, Vec<Spelling<'_>>> = HashMap::new();
    for code in live.products.keys() {
        let parts = parts(code);
        let Some(first) = parts.first() else {
            continue;
        };
        let known = by_first.entry(first.clone()).or_default();
        if let Some(same) = known.iter_mut().find(|known| known.parts == parts) {
            same.is_shared = true;
            continue;
        }
        known.push(Spelling {
            code,
            parts,
            is_shared: false,
        });
    }
    for known in by_first.values_mut() {
        known.sort_by_key(|spelling| std::cmp::Reverse(spelling.parts.len()));
    }
    by_first
}

/// Runs of letters and runs of digits, folded.
fn parts(code: &str) -> Vec<String> {
    let folded = fold(code);
    folded
        .split(' ')
        .flat_map(|word| {
            let letters: Vec<char> = word.chars().collect();
            letters
                .chunk_by(|one, next| one.is_ascii_digit() == next.is_ascii_digit())
                .map(|run| run.iter().collect::<String>())
                .collect::<Vec<_>>()
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// The words and numbers of a product's name.
pub(super) fn name_tokens(name: &str) -> Vec<Token> {
    super::token::Text::read(name)
        .tokens
        .into_iter()
        .filter(|token| matches!(token.kind, Kind::Word | Kind::Number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_parted_between_letters_and_digits() {
        assert_eq!(parts("MH102"), ["mh", "102"]);
        assert_eq!(parts("IP15PM"), ["ip", "15", "pm"]);
        assert_eq!(parts("SP.01-Đ"), ["sp", "01", "d"]);
        assert_eq!(parts("12"), ["12"]);
        assert!(parts("--").is_empty());
    }

    #[test]
    fn a_stored_session_needs_its_products_only() {
        let live: Live =
            serde_json::from_str(r#"{"products":{"A1":{"sku":"CAP","name":"Cáp C-C"}}}"#).unwrap();
        assert_eq!(live.quantity_limit, 10);
        assert_eq!(live.pinned_code(), None);
    }
}
