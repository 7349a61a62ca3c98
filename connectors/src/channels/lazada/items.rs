//! Lazada's rows, one per unit, as lines: units of the same article at the same price are one line.
//!
//! A line's id is the lowest item id among all its units, cancelled ones included: the vendor keeps
//! listing those, so the id stays when some units are cancelled. Routing never divides a line, so a
//! line's units always travel together and their item ids can be found again from it.

use std::cmp::Ordering;

use domain::snapshot::SnapshotLine;

use super::document::Item;
use super::status::{Stage, stage};
use crate::inbound::PayloadError;
use crate::payload::{self, MAX_LINES, filled};

/// The units of one line, lowest item id first.
pub(super) struct Group<'a> {
    pub(super) units: Vec<&'a Item>,
}

impl<'a> Group<'a> {
    fn first(&self) -> &'a Item {
        self.units[0]
    }

    pub(super) fn id(&self) -> &'a str {
        self.first().id()
    }

    /// The units that are not cancelled.
    pub(super) fn open(&self) -> impl Iterator<Item = &'a Item> {
        self.units
            .iter()
            .copied()
            .filter(|unit| !matches!(stage(unit), Stage::Cancelled))
    }
}

/// Groups the units, in the order in which the first of each group stands in the document.
pub(super) fn groups(items: &[Item]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for item in items {
        match groups
            .iter_mut()
            .find(|group| is_same_article(group.first(), item))
        {
            Some(group) => group.units.push(item),
            None => groups.push(Group { units: vec![item] }),
        }
    }
    for group in &mut groups {
        group.units.sort_by(|a, b| by_number(a.id(), b.id()));
    }
    groups
}

/// Units in the vendor's own warehouse are never mixed with ours.
fn is_same_article(one: &Item, other: &Item) -> bool {
    let price = |item: &Item| {
        item.item_price
            .as_ref()
            .map(|price| price.as_str().to_owned())
    };
    one.sku == other.sku
        && one.sku_id == other.sku_id
        && one.shop_sku == other.shop_sku
        && one.is_fbl.is_true() == other.is_fbl.is_true()
        && price(one) == price(other)
}

fn by_number(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Checks ids and the number of rows: they go into addresses and keys.
pub(super) fn check(items: &[Item]) -> Result<(), PayloadError> {
    if items.len() > MAX_LINES {
        return Err(PayloadError::new(format!("items: more than {MAX_LINES}")));
    }
    for (index, item) in items.iter().enumerate() {
        let field = format!("items[{index}].order_item_id");
        payload::external_id(item.id(), &field)?;
        if items[..index].iter().any(|other| other.id() == item.id()) {
            return Err(PayloadError::new(format!("{field}: stands twice")));
        }
    }
    Ok(())
}

/// The line of these units.
pub(super) fn line(
    group: &Group<'_>,
    units: usize,
    currency: &str,
) -> Result<SnapshotLine, PayloadError> {
    let first = group.first();
    let field = "items[].item_price";
    let price = first
        .item_price
        .as_ref()
        .ok_or_else(|| PayloadError::new(format!("{field}: missing")))?;
    Ok(SnapshotLine {
        id: group.id().to_owned(),
        channel_sku: first.channel_sku(),
        sku: first.sku.owned(),
        name: name(first),
        quantity: u32::try_from(units).expect("invariant: the rows were counted"),
        unit_price: price.amount(field, currency)?,
        // Vouchers are the order's: the vendor spreads them over the units with rounding.
        discount: domain::money::Amount::default(),
        gift: false,
        parent: None,
    })
}

fn name(item: &Item) -> String {
    let article = item.name.owned().unwrap_or_default();
    match filled(item.variation.owned()) {
        Some(variation) => format!("{article} - {variation}"),
        None => article,
    }
}
