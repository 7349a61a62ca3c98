//! Choosing locations for groups of lines: one if possible, else as few as the rule allows.
//!
//! Combinations are compared exactly up to [`COMBINATIONS`]; beyond that the location that covers
//! most comes first, and the trace says so. Locations are bound together by shared SKUs (a line and
//! a gift may be the same SKU), so each combination is checked by giving the groups out one by one.

use super::decision::Method;
use super::rule::{SortKey, Source, Split};
use super::sourcing::{Choice, Group};

/// Combinations of two or more locations that are compared at most.
pub(super) const COMBINATIONS: u64 = 2_000;

/// Steps of giving groups out within all combinations of one search. It ends pathological orders
/// (many groups of the same scarce SKU); ordinary ones take a step a group.
const STEPS: u32 = 20_000;

/// A way to send everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Place of the choice, for each group.
    pub choice_of: Vec<usize>,
    /// Places of the choices in use, best first.
    pub used: Vec<usize>,
}

/// What a search found, and how.
#[derive(Debug)]
pub(super) struct Found {
    pub plan: Option<Plan>,
    pub method: Method,
    pub combinations: u32,
}

/// What a search looks at.
pub(super) struct Search<'a> {
    /// Eligible locations, best first.
    pub choices: &'a [Choice<'a>],
    pub groups: &'a [Group],
    /// The rule's sources, for their splits.
    pub sources: &'a [Source],
}

impl Search<'_> {
    /// Sends everything from locations of one source, whose sort keys compare the plans.
    pub(super) fn within(&self, source: &Source) -> Found {
        let Some(split) = source.split else {
            return self.single();
        };
        let parcels_at = source
            .sort
            .iter()
            .position(|key| *key == SortKey::Parcels)
            .unwrap_or(0);
        if parcels_at == 0 {
            // Fewer parcels win over everything else, so the first number that works is enough.
            let single = self.single();
            if single.plan.is_some() {
                return single;
            }
        }
        self.split(1..=split.max_parcels, parcels_at)
    }

    /// Sends everything from locations of several sources; the earlier source is preferred.
    pub(super) fn across(&self, max_parcels: u32) -> Found {
        self.split(2..=max_parcels, usize::MAX)
    }

    fn single(&self) -> Found {
        let mut combinations = 0;
        let plan = (0..self.choices.len()).find_map(|choice| {
            combinations += 1;
            let choices = [choice];
            self.give_out(&choices, &mut STEPS.clone())
        });
        Found {
            plan,
            method: Method::Single,
            combinations,
        }
    }

    /// `parcels_at`: how many sort keys come before the number of parcels; `usize::MAX` to take
    /// the first plan with the fewest parcels.
    fn split(&self, sizes: std::ops::RangeInclusive<u32>, parcels_at: usize) -> Found {
        let choices = self.choices.len();
        let most = usize::try_from(*sizes.end())
            .unwrap_or(usize::MAX)
            .min(choices)
            .min(self.groups.len());
        let least = usize::try_from(*sizes.start()).unwrap_or(usize::MAX);
        let total = (least.max(2)..=most)
            .try_fold(0_u64, |sum, size| sum.checked_add(binomial(choices, size)?));
        if total.is_none_or(|total| total > COMBINATIONS) {
            return self.greedy(most);
        }
        let mut steps = STEPS;
        let mut combinations = 0;
        let mut best: Option<(Vec<i64>, Plan)> = None;
        for size in least..=most {
            each_combination(choices, size, |members| {
                combinations += 1;
                if let Some(plan) = self.give_out(members, &mut steps) {
                    let rank = self.rank(members, parcels_at);
                    if best.as_ref().is_none_or(|(known, _)| rank < *known) {
                        best = Some((rank, plan));
                    }
                }
            });
            let fewest_win = parcels_at == 0 || parcels_at == usize::MAX;
            if fewest_win && best.is_some() {
                break;
            }
        }
        Found {
            plan: best.map(|(_, plan)| plan),
            method: Method::Exact,
            combinations,
        }
    }

    /// A combination is as good as its worst member, key by key; the number of parcels takes the
    /// place that the sort keys give it. Equal ones keep the order of the enumeration.
    fn rank(&self, members: &[usize], parcels_at: usize) -> Vec<i64> {
        let size = i64::try_from(members.len()).unwrap_or(i64::MAX);
        if parcels_at == usize::MAX {
            return vec![size];
        }
        let keys = self.choices[members[0]].sort.len();
        let worst = |key: usize| {
            members
                .iter()
                .map(|&choice| self.choices[choice].sort[key])
                .max()
                .unwrap_or(0)
        };
        let mut rank: Vec<i64> = (0..keys).map(worst).collect();
        rank.insert(parcels_at, size);
        rank
    }

    /// Gives every group to one of the members so that each member sends something; `None` if
    /// that cannot be done, or not within the steps left.
    fn give_out(&self, members: &[usize], steps: &mut u32) -> Option<Plan> {
        let bounds = self.bounds(members)?;
        let coverable = (0..self.groups.len()).all(|group| {
            members
                .iter()
                .any(|&choice| self.choices[choice].covers[group])
        });
        if !coverable {
            return None;
        }
        let mut left: Vec<Vec<i64>> = members
            .iter()
            .map(|&choice| self.choices[choice].free.clone())
            .collect();
        let mut member_of = Vec::with_capacity(self.groups.len());
        self.place_next(members, &bounds, &mut left, &mut member_of, steps)
            .then(|| Plan {
                choice_of: member_of.iter().map(|&member| members[member]).collect(),
                used: members.to_vec(),
            })
    }

    fn place_next(
        &self,
        members: &[usize],
        bounds: &Bounds,
        left: &mut [Vec<i64>],
        member_of: &mut Vec<usize>,
        steps: &mut u32,
    ) -> bool {
        let Some(group) = self.groups.get(member_of.len()) else {
            return self.is_whole(members.len(), bounds, member_of);
        };
        for member in 0..members.len() {
            if *steps == 0 {
                return false;
            }
            *steps -= 1;
            if !group
                .demand
                .iter()
                .all(|&(sku, pieces)| left[member][sku] >= pieces)
                || !self.choices[members[member]].covers[member_of.len()]
            {
                continue;
            }
            group
                .demand
                .iter()
                .for_each(|&(sku, pieces)| left[member][sku] -= pieces);
            member_of.push(member);
            if self.place_next(members, bounds, left, member_of, steps) {
                return true;
            }
            member_of.pop();
            group
                .demand
                .iter()
                .for_each(|&(sku, pieces)| left[member][sku] += pieces);
        }
        false
    }

    /// Whether every member sends something that is worth a parcel.
    fn is_whole(&self, members: usize, bounds: &Bounds, member_of: &[usize]) -> bool {
        (0..members).all(|member| {
            let mut own = self
                .groups
                .iter()
                .zip(member_of)
                .filter(|(_, of)| **of == member)
                .peekable();
            own.peek().is_some()
                && own
                    .map(|(group, _)| group.value)
                    .fold(0, i64::saturating_add)
                    >= bounds.min_value
        })
    }

    /// The bounds that the members' sources set; `None` if these members may not be combined. A
    /// source without a split gives at most one parcel, and never allows a second one by itself.
    fn bounds(&self, members: &[usize]) -> Option<Bounds> {
        if members.len() <= 1 {
            return Some(Bounds {
                min_value: i64::MIN,
            });
        }
        let mut splits: Vec<Split> = Vec::new();
        for (at, &choice) in members.iter().enumerate() {
            let source = self.choices[choice].source;
            match self.sources[source].split {
                Some(split) => splits.push(split),
                None if members[..at]
                    .iter()
                    .any(|&other| self.choices[other].source == source) =>
                {
                    return None;
                }
                None => {}
            }
        }
        let most = splits.iter().map(|split| split.max_parcels).min()?;
        let fits = u32::try_from(members.len()).is_ok_and(|size| size <= most);
        fits.then(|| Bounds {
            min_value: splits
                .iter()
                .map(|split| split.min_value)
                .max()
                .unwrap_or(i64::MIN),
        })
    }

    /// The location that can take most of what is left, the better one among equals, until nothing
    /// is left or there are `most` of them.
    fn greedy(&self, most: usize) -> Found {
        let mut combinations = 0;
        let mut taken: Vec<Option<usize>> = vec![None; self.groups.len()];
        let mut used: Vec<usize> = Vec::new();
        while used.len() < most && taken.contains(&None) {
            let mut best: Option<(usize, usize, Vec<usize>)> = None;
            for choice in (0..self.choices.len()).filter(|choice| !used.contains(choice)) {
                let mut members = used.clone();
                members.push(choice);
                if !used.is_empty() && self.bounds(&members).is_none() && !self.may_grow(&members) {
                    continue;
                }
                combinations += 1;
                let groups = self.takes(choice, &taken);
                if !groups.is_empty()
                    && best
                        .as_ref()
                        .is_none_or(|(count, ..)| groups.len() > *count)
                {
                    best = Some((groups.len(), choice, groups));
                }
            }
            let Some((_, choice, groups)) = best else {
                break;
            };
            groups
                .into_iter()
                .for_each(|group| taken[group] = Some(choice));
            used.push(choice);
        }
        used.sort_unstable();
        let whole: Option<Vec<usize>> = taken.into_iter().collect();
        let plan = whole.filter(|choice_of| {
            let member_of: Vec<usize> = choice_of
                .iter()
                .filter_map(|choice| used.iter().position(|member| member == choice))
                .collect();
            self.bounds(&used)
                .is_some_and(|bounds| self.is_whole(used.len(), &bounds, &member_of))
        });
        Found {
            plan: plan.map(|choice_of| Plan { choice_of, used }),
            method: Method::Greedy,
            combinations,
        }
    }

    /// Whether members that lack a source with a split could still get one.
    fn may_grow(&self, members: &[usize]) -> bool {
        let source_of = |choice: usize| self.choices[choice].source;
        members
            .iter()
            .all(|&choice| self.sources[source_of(choice)].split.is_none())
            && (1..members.len()).all(|at| {
                members[..at]
                    .iter()
                    .all(|&other| source_of(other) != source_of(members[at]))
            })
    }

    /// The groups still open that a location can take together, in order.
    fn takes(&self, choice: usize, taken: &[Option<usize>]) -> Vec<usize> {
        let mut left = self.choices[choice].free.clone();
        let mut groups = Vec::new();
        for (place, group) in self
            .groups
            .iter()
            .enumerate()
            .filter(|(place, _)| taken[*place].is_none())
        {
            let fits = self.choices[choice].covers[place]
                && group
                    .demand
                    .iter()
                    .all(|&(sku, pieces)| left[sku] >= pieces);
            if fits {
                group
                    .demand
                    .iter()
                    .for_each(|&(sku, pieces)| left[sku] -= pieces);
                groups.push(place);
            }
        }
        groups
    }
}

struct Bounds {
    min_value: i64,
}

/// n over k; `None` if it does not fit.
fn binomial(n: usize, k: usize) -> Option<u64> {
    let (n, k) = (u64::try_from(n).ok()?, u64::try_from(k).ok()?);
    if k > n {
        return Some(0);
    }
    (0..k).try_fold(1_u64, |product, step| {
        Some(product.checked_mul(n - step)? / (step + 1))
    })
}

/// Calls `with` for every ascending choice of `size` out of `n`, in lexicographic order.
fn each_combination(n: usize, size: usize, mut with: impl FnMut(&[usize])) {
    if size == 0 || size > n {
        return;
    }
    let mut members: Vec<usize> = (0..size).collect();
    loop {
        with(&members);
        let Some(turn) = (0..size).rev().find(|&at| members[at] < n - size + at) else {
            return;
        };
        members[turn] += 1;
        for at in turn + 1..size {
            members[at] = members[at - 1] + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_come_in_lexicographic_order_and_are_counted_right() {
        let mut seen = Vec::new();
        each_combination(4, 2, |members| seen.push(members.to_vec()));
        assert_eq!(seen, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(binomial(4, 2), Some(6));
        assert_eq!(binomial(3, 4), Some(0));
        assert_eq!(binomial(500, 60), None);
    }
}
