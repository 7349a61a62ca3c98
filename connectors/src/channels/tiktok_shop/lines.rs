//! One line per unit at the vendor, one line per article here.
//!
//! Units of the same SKU at the same price go into one line; a line's id is the smallest id of its
//! units, cancelled ones included. So a unit that is cancelled later takes one off the quantity and
//! leaves the id, and an id of ours names units of the vendor's when we write back.
//!
//! A virtual bundle is a SKU that nobody has on a shelf: its line is taken apart into its
//! components, which share its price evenly. The sum stays that of the bundle to the đồng.

use std::collections::BTreeSet;

use domain::money::Amount;
use domain::snapshot::SnapshotLine;

use super::document::{Component, Item, money};
use crate::inbound::PayloadError;
use crate::literal::Literal;
use crate::payload::{self, MAX_LINES, MAX_QUANTITY, filled, word};

/// Units that make one line.
pub(super) struct Group<'a> {
    /// The smallest id of the units.
    pub(super) id: &'a str,
    /// In the document's order, cancelled ones included.
    pub(super) items: Vec<&'a Item>,
}

/// What the units of an order come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    /// List prices.
    pub(super) list: i64,
    /// The seller's discounts.
    pub(super) seller: i64,
    /// The vendor's discounts.
    pub(super) platform: i64,
}

/// An order's lines and their sums.
pub(super) struct Lines {
    pub(super) lines: Vec<SnapshotLine>,
    pub(super) sums: Sums,
    /// A bundle of several articles was taken apart: its price was shared evenly.
    pub(super) bundle_shared: bool,
    /// Units are cancelled while others go on.
    pub(super) part_cancelled: bool,
}

impl Item {
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(
            self.display_status.as_deref(),
            Some("CANCELLED" | "CANCEL" | "CANCELED")
        )
    }

    fn is_a_gift(&self) -> bool {
        self.is_gift == Some(true)
    }

    fn components(&self) -> &[Component] {
        self.combined_listing_skus.as_deref().unwrap_or_default()
    }

    /// The list price; where it is missing, what it must have been.
    fn list_price(&self, field: &str, currency: &str) -> Result<i64, PayloadError> {
        let amount = |literal: Option<&Literal>, name: &str| {
            Ok(money(literal, &format!("{field}.{name}"), currency)?.0)
        };
        let stated = self.original_price.as_ref();
        if stated.is_some_and(|price| !price.as_str().trim().is_empty()) {
            return amount(stated, "original_price");
        }
        let sale = self.sale_price.as_ref();
        if sale.is_none() {
            return Err(PayloadError::new(format!(
                "{field}.original_price: missing"
            )));
        }
        Ok(amount(sale, "sale_price")?
            + amount(self.seller_discount.as_ref(), "seller_discount")?
            + amount(self.platform_discount.as_ref(), "platform_discount")?)
    }

    /// Article and SKU: the vendor's stock calls need both.
    fn channel_sku(&self) -> String {
        channel_sku(self.product_id.as_ref(), &self.sku_id)
    }
}

fn channel_sku(product: Option<&Literal>, sku: &Literal) -> String {
    format!("{}.{sku}", product.map_or("0", Literal::as_str))
}

/// The units in groups, in the order of their first units.
pub(super) fn groups(items: &[Item]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let key = |item: &Item| {
        (
            item.sku_id.as_str().to_owned(),
            item.is_a_gift(),
            item.original_price
                .as_ref()
                .or(item.sale_price.as_ref())
                .map(|price| price.as_str().to_owned()),
        )
    };
    let (mut keys, mut seen) = (Vec::new(), BTreeSet::new());
    for item in items {
        // The same unit twice is one unit.
        if !seen.insert(item.id.as_str()) {
            continue;
        }
        let key = key(item);
        match keys.iter().position(|known| *known == key) {
            Some(place) => {
                let group = &mut groups[place];
                if is_before(item.id.as_str(), group.id) {
                    group.id = item.id.as_str();
                }
                group.items.push(item);
            }
            None => {
                keys.push(key);
                groups.push(Group {
                    id: item.id.as_str(),
                    items: vec![item],
                });
            }
        }
    }
    groups
}

/// Ids are numbers of up to 19 digits without leading zeros.
fn is_before(a: &str, b: &str) -> bool {
    (a.len(), a) < (b.len(), b)
}

/// The lines of an order. An order that is over keeps them as they were bought: its status says the
/// rest.
pub(super) fn read(items: &[Item], is_over: bool, currency: &str) -> Result<Lines, PayloadError> {
    if items.len() > usize::try_from(MAX_QUANTITY).unwrap_or(usize::MAX) {
        return Err(PayloadError::new(format!(
            "line_items: more than {MAX_QUANTITY} units"
        )));
    }
    let mut all = Lines {
        lines: Vec::new(),
        sums: Sums::default(),
        bundle_shared: false,
        part_cancelled: false,
    };
    let groups = groups(items);
    let mains: Vec<&str> = groups
        .iter()
        .filter(|group| group.items.iter().any(|item| !item.is_a_gift()))
        .map(|group| group.id)
        .collect();
    for group in &groups {
        let live: Vec<&Item> = group
            .items
            .iter()
            .copied()
            .filter(|item| is_over || !item.is_cancelled())
            .collect();
        all.part_cancelled |= live.len() < group.items.len();
        let Some(first) = live.first().copied() else {
            continue;
        };
        let field = format!("line_items[{}]", word(group.id));
        let line = Line {
            group,
            first,
            units: u32::try_from(live.len()).unwrap_or(MAX_QUANTITY),
            list: first.list_price(&field, currency)?,
            seller: sum(
                &live,
                |item| item.seller_discount.as_ref(),
                &field,
                currency,
            )?,
            field,
        };
        let platform = sum(
            &live,
            |item| item.platform_discount.as_ref(),
            &line.field,
            currency,
        )?;
        all.sums.list += line.list * i64::from(line.units);
        all.sums.seller += line.seller;
        all.sums.platform += platform;
        if first.components().is_empty() {
            // The vendor does not say what a gift goes with, unless there is only one thing.
            let parent = (first.is_a_gift() && mains.len() == 1).then(|| mains[0].to_owned());
            all.lines.push(line.whole(parent));
        } else {
            all.bundle_shared |= first.components().len() > 1;
            all.lines.extend(line.components()?);
        }
        if all.lines.len() > MAX_LINES {
            return Err(PayloadError::new(format!(
                "line_items: more than {MAX_LINES} lines"
            )));
        }
    }
    Ok(all)
}

fn sum<'a>(
    items: &[&'a Item],
    of: impl Fn(&'a Item) -> Option<&'a Literal>,
    field: &str,
    currency: &str,
) -> Result<i64, PayloadError> {
    items.iter().try_fold(0, |sum, item| {
        Ok(sum + money(of(item), &format!("{field}: discount"), currency)?.0)
    })
}

/// A group with its amounts.
struct Line<'a> {
    group: &'a Group<'a>,
    first: &'a Item,
    units: u32,
    /// Of one unit.
    list: i64,
    /// Of all units.
    seller: i64,
    field: String,
}

impl Line<'_> {
    fn whole(&self, parent: Option<String>) -> SnapshotLine {
        SnapshotLine {
            id: self.group.id.to_owned(),
            channel_sku: Some(self.first.channel_sku()),
            sku: filled(self.first.seller_sku.clone()),
            name: self.name(),
            quantity: self.units,
            unit_price: Amount(self.list),
            discount: Amount(self.seller),
            gift: self.first.is_a_gift(),
            parent,
        }
    }

    fn name(&self) -> String {
        let article = self.first.product_name.clone().unwrap_or_default();
        match filled(self.first.sku_name.clone()) {
            // What the vendor calls the only SKU of an article.
            Some(sku) if sku != "Mặc định" && sku != "Default" => format!("{article} - {sku}"),
            Some(_) | None => article,
        }
    }

    /// The bundle's components, tied together by the bundle's id. Each unit of each component gets
    /// the same price, rounded up; what that is too much is a discount.
    fn components(&self) -> Result<Vec<SnapshotLine>, PayloadError> {
        let mut counts = Vec::new();
        for component in self.first.components() {
            let count = payload::quantity(
                &component.sku_count,
                &format!("{}.combined_listing_skus.sku_count", self.field),
            )?;
            let units = count
                .checked_mul(self.units)
                .filter(|units| (1..=MAX_QUANTITY).contains(units));
            let units = units.ok_or_else(|| {
                PayloadError::new(format!(
                    "{}.combined_listing_skus: expected 1 to {MAX_QUANTITY} units",
                    self.field
                ))
            })?;
            counts.push((component, units));
        }
        let units: i64 = counts.iter().map(|(_, units)| i64::from(*units)).sum();
        let gross = self.list * i64::from(self.units);
        let price = gross.div_euclid(units) + i64::from(gross.rem_euclid(units) != 0);
        let discount = self.seller + price * units - gross;
        let values: Vec<i64> = counts
            .iter()
            .map(|(_, units)| price * i64::from(*units))
            .collect();
        let shares = shares(discount, &values);
        let lines = counts
            .iter()
            .zip(shares)
            .map(|((component, units), share)| {
                let sku = filled(component.seller_sku.clone());
                SnapshotLine {
                    id: format!("{}.{}", self.group.id, word(component.sku_id.as_str())),
                    channel_sku: Some(channel_sku(
                        component.product_id.as_ref(),
                        &component.sku_id,
                    )),
                    name: match &sku {
                        Some(sku) => format!("{} ({sku})", self.name()),
                        None => self.name(),
                    },
                    sku,
                    quantity: *units,
                    unit_price: Amount(price),
                    discount: Amount(share),
                    gift: self.first.is_a_gift(),
                    parent: Some(self.group.id.to_owned()),
                }
            });
        Ok(lines.collect())
    }
}

/// Shares `whole` in proportion to `values`; the last đồng go to those that can still take them.
fn shares(whole: i64, values: &[i64]) -> Vec<i64> {
    let sum: i128 = values.iter().copied().map(i128::from).sum();
    if sum <= 0 {
        return values.iter().map(|_| 0).collect();
    }
    let mut shares: Vec<i64> = values
        .iter()
        .map(|value| {
            let share = i128::from(whole) * i128::from(*value) / sum;
            i64::try_from(share).unwrap_or(0)
        })
        .collect();
    let mut left = whole - shares.iter().sum::<i64>();
    for (share, value) in shares.iter_mut().zip(values) {
        let more = left.min(value - *share).max(0);
        *share += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_the_sum_and_stay_below_their_values() {
        for (whole, values) in [
            (0, vec![10, 20]),
            (10, vec![3, 3, 4]),
            (7, vec![100, 100, 100]),
            (300, vec![100, 100, 100]),
            (1, vec![0, 5]),
            (2, vec![1, 1, 1]),
        ] {
            let shares = shares(whole, &values);
            assert_eq!(shares.iter().sum::<i64>(), whole, "{values:?}");
            for (share, value) in shares.iter().zip(&values) {
                assert!((0..=*value).contains(share), "{shares:?} of {values:?}");
            }
        }
        assert_eq!(shares(5, &[0, 0]), [0, 0]);
    }
}
