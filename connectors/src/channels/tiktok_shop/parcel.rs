//! Which of the vendor's parcels holds the lines of one of ours.
//!
//! The vendor makes one parcel per order and names it in every unit. A parcel of ours that is only
//! a part of it has the vendor's divided first. Of two parcels with the same contents the one that
//! is not arranged yet is taken: they are alike.

use std::collections::BTreeMap;

use domain::task::ChannelLine;

use super::document::{Item, Order};
use super::lines::{Group, groups};
use crate::payload;

/// What there is at the vendor for these lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parcel {
    /// A parcel with exactly these lines.
    Whole(Package),
    /// A parcel that holds more, not arranged yet: ids of the units of ours and of the rest.
    Part(Vec<Vec<String>>),
    /// The vendor has not made a parcel yet.
    NotYet,
    /// No parcel can be made of these lines.
    Mismatch,
}

/// A parcel of the vendor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) tracking: Option<String>,
}

/// How far a parcel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    ToArrange,
    /// Arranged or on its way.
    Arranged,
    Delivered,
}

impl Item {
    fn package(&self) -> Option<&str> {
        let id = self.package_id.as_ref()?;
        (!id.is_zero_or_empty()).then(|| id.as_str())
    }

    fn state(&self) -> State {
        let word = self
            .package_status
            .as_deref()
            .filter(|word| !word.is_empty());
        match word.or(self.display_status.as_deref()) {
            Some("PROCESSING" | "FULFILLING" | "AWAITING_COLLECTION" | "IN_TRANSIT") => {
                State::Arranged
            }
            Some("COMPLETED" | "DELIVERED") => State::Delivered,
            Some(_) | None => State::ToArrange,
        }
    }
}

/// The parcels of an order with their units, cancelled units left out.
fn packages(items: &[Item]) -> BTreeMap<&str, Vec<&Item>> {
    let mut packages: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items.iter().filter(|item| !item.is_cancelled()) {
        if let Some(package) = item.package() {
            packages.entry(package).or_default().push(item);
        }
    }
    packages
}

fn package(id: &str, items: &[&Item]) -> Package {
    Package {
        id: id.to_owned(),
        state: items
            .iter()
            .map(|item| item.state())
            .min()
            .unwrap_or(State::ToArrange),
        tracking: items
            .iter()
            .find_map(|item| payload::filled(item.tracking_number.clone())),
    }
}

/// All parcels of an order.
pub(super) fn all(order: &Order) -> Vec<Package> {
    let items = order.line_items.as_deref().unwrap_or_default();
    packages(items)
        .iter()
        .map(|(id, items)| package(id, items))
        .collect()
}

/// How many units of each group these lines are; all of them where no line is the vendor's.
fn demand(groups: &[Group<'_>], wanted: &[ChannelLine]) -> Vec<usize> {
    let live = |group: &Group<'_>| group.items.iter().filter(|i| !i.is_cancelled()).count();
    let mut demand = vec![0; groups.len()];
    for line in wanted {
        for (group, units) in groups.iter().zip(&mut demand) {
            let asked = usize::try_from(line.quantity).unwrap_or(usize::MAX);
            let bundles = match line.line_id.strip_prefix(group.id) {
                Some("") => asked,
                // A component of a bundle: so many bundles hold that many of it.
                Some(rest) if rest.starts_with('.') => {
                    asked.div_ceil(per_bundle(group, &rest[1..]))
                }
                Some(_) | None => continue,
            };
            *units = (*units).max(bundles).min(live(group));
        }
    }
    if demand.iter().all(|units| *units == 0) {
        demand = groups.iter().map(live).collect();
    }
    demand
}

fn per_bundle(group: &Group<'_>, sku: &str) -> usize {
    let components = group
        .items
        .iter()
        .flat_map(|item| item.combined_listing_skus.iter().flatten());
    components
        .filter(|component| component.sku_id.as_str() == sku)
        .find_map(|component| component.sku_count.whole("sku_count").ok())
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .unwrap_or(1)
}

/// The parcel of these lines.
pub(super) fn find(order: &Order, wanted: &[ChannelLine]) -> Parcel {
    let items = order.line_items.as_deref().unwrap_or_default();
    let groups = groups(items);
    let demand = demand(&groups, wanted);
    let packages = packages(items);
    if packages.is_empty() {
        return Parcel::NotYet;
    }
    let holds = |id: &str, group: &Group<'_>| -> Vec<String> {
        let units = group.items.iter().filter(|item| !item.is_cancelled());
        let inside = units.filter(|item| item.package() == Some(id));
        inside.map(|item| item.id.to_string()).collect()
    };
    let mut exact: Vec<Package> = Vec::new();
    let mut part = None;
    for (id, items) in &packages {
        let inside: Vec<Vec<String>> = groups.iter().map(|group| holds(id, group)).collect();
        let all = |fits: fn(usize, usize) -> bool| {
            let mut pairs = inside.iter().zip(&demand);
            pairs.all(|(inside, wanted)| fits(inside.len(), *wanted))
        };
        let package = package(id, items);
        if all(|inside, wanted| inside == wanted) {
            exact.push(package);
        } else if all(|inside, wanted| inside >= wanted) && package.state == State::ToArrange {
            let (mut ours, mut rest) = (Vec::new(), Vec::new());
            for (mut units, wanted) in inside.into_iter().zip(&demand) {
                rest.extend(units.split_off(*wanted));
                ours.append(&mut units);
            }
            part.get_or_insert(vec![ours, rest]);
        }
    }
    exact.sort_by_key(|package| package.state);
    match (exact.into_iter().next(), part) {
        (Some(package), _) => Parcel::Whole(package),
        (None, Some(groups)) => Parcel::Part(groups),
        (None, None) => Parcel::Mismatch,
    }
}
