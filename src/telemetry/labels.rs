//! Label values that cannot grow without bound: each distinct value is a time series that the
//! monitoring system keeps for months, and much of what we could label with is chosen by others.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// What a channel or target is called that the configuration does not name.
pub const UNKNOWN: &str = "unknown";
/// What a value is called that came after the last one that was let in.
pub const OTHER: &str = "other";

const MAX_LEN: usize = 96;

/// Values from a list that is replaced with the configuration.
#[derive(Debug, Default)]
pub(super) struct Listed {
    names: RwLock<BTreeSet<String>>,
}

impl Listed {
    /// Puts a new list in force and gives back the names that are gone.
    pub(super) fn replace(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let names: BTreeSet<String> = names.into_iter().collect();
        let mut current = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, names);
        before.difference(&current).cloned().collect()
    }

    /// `value` if it is listed, else [`UNKNOWN`].
    pub(super) fn label(&self, value: &str) -> String {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        match names.get(value) {
            Some(name) => name.clone(),
            None => UNKNOWN.to_owned(),
        }
    }
}

/// Values that the code makes but that no list names (route templates, hold reasons): the first
/// `max` that look like code are let in.
#[derive(Debug)]
pub(super) struct Capped {
    max: usize,
    seen: RwLock<BTreeSet<String>>,
}

impl Capped {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            seen: RwLock::default(),
        }
    }

    /// `value` if it was let in, else [`OTHER`].
    pub(super) fn label(&self, value: &str) -> String {
        if !looks_like_code(value) {
            return OTHER.to_owned();
        }
        let is_known = |seen: &BTreeSet<String>| seen.contains(value);
        if is_known(&self.seen.read().unwrap_or_else(PoisonError::into_inner)) {
            return value.to_owned();
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= self.max && !is_known(&seen) {
            return OTHER.to_owned();
        }
        seen.insert(value.to_owned());
        value.to_owned()
    }
}

fn looks_like_code(value: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "_-./:{}*".contains(c);
    !value.is_empty() && value.len() <= MAX_LEN && value.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_is_not_listed_is_unknown() {
        let listed = Listed::default();
        assert_eq!(listed.label("shopee-vn"), UNKNOWN);
        listed.replace(["shopee-vn".to_owned(), "website".to_owned()]);
        assert_eq!(listed.label("shopee-vn"), "shopee-vn");
        let gone = listed.replace(["website".to_owned()]);
        assert_eq!(gone, ["shopee-vn"]);
        assert_eq!(listed.label("shopee-vn"), UNKNOWN);
    }

    proptest! {
        #[test]
        fn however_many_values_come_only_so_many_get_in(values in proptest::collection::vec(".{0,120}", 0..200)) {
            let capped = Capped::new(10);
            let labels: BTreeSet<String> = values.iter().map(|value| capped.label(value)).collect();
            prop_assert!(labels.len() <= 11);
            for value in &values {
                prop_assert!(labels.contains(&capped.label(value)));
            }
        }
    }
}
