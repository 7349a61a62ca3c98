//! Which locations of a source can send which lines, and in what order to prefer them.

use std::collections::HashMap;

use jiff::{Timestamp, civil};

use super::calendar::local;
use super::condition::Subject;
use super::decision::{Candidate, MeasuredFrom, Reason, Refusal, SortValue};
use super::rule::{Filter, Same, SortKey, Source, Together};
use super::{
    FulfilledBy, Location, Locations, Position, RoutingOrder, Stock, centre_of, ward_centre_of,
};

/// Sort value of what is not known: after everything that is.
const UNKNOWN: i64 = i64::MAX;

/// The fixed surroundings of one decision.
pub(super) struct Scene<'a> {
    pub order: &'a RoutingOrder,
    pub subject: Subject<'a>,
    pub locations: &'a Locations,
    pub stock: &'a dyn Stock,
    pub now: Timestamp,
    pub measured_from: MeasuredFrom,
    local_now: civil::DateTime,
    origin: Option<Position>,
    /// The distinct SKUs that the order takes from stock, components of kits among them.
    pub skus: Vec<&'a str>,
    /// Per line: (place in `skus`, pieces).
    lines: Vec<Vec<(usize, i64)>>,
}

/// From where distances are measured: the nearest that is known.
fn origin(order: &RoutingOrder) -> (Option<Position>, MeasuredFrom) {
    if let Some(exact) = order.position {
        return (Some(exact), MeasuredFrom::Position);
    }
    if let Some(centre) = order.ward.as_deref().and_then(ward_centre_of) {
        return (Some(centre), MeasuredFrom::WardCentre);
    }
    match order.province.as_deref().and_then(centre_of) {
        Some(centre) => (Some(centre), MeasuredFrom::ProvinceCentre),
        None => (None, MeasuredFrom::Unknown),
    }
}

/// Lines that leave together, and what they take from stock.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Places of the lines in the order.
    pub lines: Vec<usize>,
    /// (place in [`Scene::skus`], pieces), each SKU once.
    pub demand: Vec<(usize, i64)>,
    /// Worth of its lines, in đồng.
    pub value: i64,
}

/// An eligible location.
#[derive(Debug, Clone)]
pub(super) struct Choice<'a> {
    pub location: &'a Location,
    /// Place of its source in the rule.
    pub source: usize,
    /// Metres from the order, if both positions are known.
    pub distance: Option<u32>,
    /// Orders that it got today.
    pub load: u32,
    /// Pieces to give away per SKU, in the order of [`Scene::skus`].
    pub free: Vec<i64>,
    /// Whether it could send each group, all other groups aside.
    pub covers: Vec<bool>,
    /// Its sort values, in the source's order.
    pub sort: Vec<i64>,
}

/// The candidates of one source, judged.
pub(super) struct Judged<'a> {
    /// Best first.
    pub choices: Vec<Choice<'a>>,
    /// For the trace.
    pub candidates: Vec<Candidate>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        order: &'a RoutingOrder,
        locations: &'a Locations,
        stock: &'a dyn Stock,
        now: Timestamp,
    ) -> Self {
        let subject = Subject::of(order);
        let (origin, measured_from) = origin(order);
        let mut skus: Vec<&str> = Vec::new();
        let mut place_of: HashMap<&str, usize> = HashMap::new();
        let mut lines = Vec::with_capacity(order.lines.len());
        for line in &order.lines {
            let demand = line.demand().map(|(sku, pieces)| {
                let place = *place_of.entry(sku).or_insert_with(|| {
                    skus.push(sku);
                    skus.len() - 1
                });
                (place, pieces)
            });
            lines.push(demand.collect());
        }
        Self {
            order,
            subject,
            locations,
            stock,
            now,
            local_now: local(now),
            measured_from,
            origin,
            skus,
            lines,
        }
    }

    /// The order's lines as the groups that must not be torn apart, in the order of the lines.
    pub(super) fn groups(&self, together: &[Together]) -> Vec<Group> {
        let lines = &self.order.lines;
        let mut group_of: Vec<usize> = (0..lines.len()).collect();
        let mut unite = |a: usize, b: usize| {
            let (keep, drop) = (group_of[a].min(group_of[b]), group_of[a].max(group_of[b]));
            group_of
                .iter_mut()
                .filter(|group| **group == drop)
                .for_each(|group| *group = keep);
        };
        for rule in together {
            match rule {
                Together::Order => (1..lines.len()).for_each(|line| unite(0, line)),
                Together::Gift => {
                    for (place, line) in lines.iter().enumerate() {
                        let main = line.gift_of.as_ref();
                        if let Some(main) =
                            main.and_then(|id| lines.iter().position(|line| line.id == *id))
                        {
                            unite(main, place);
                        }
                    }
                }
                Together::Bundle => {
                    let mut first_of: HashMap<&str, usize> = HashMap::new();
                    for (place, line) in lines.iter().enumerate() {
                        if let Some(bundle) = &line.bundle {
                            unite(*first_of.entry(bundle).or_insert(place), place);
                        }
                    }
                }
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        for first in (0..lines.len()).filter(|&line| group_of[line] == line) {
            let members: Vec<usize> = (first..lines.len())
                .filter(|&line| group_of[line] == first)
                .collect();
            let mut demand: Vec<(usize, i64)> = Vec::new();
            for &(sku, pieces) in members.iter().flat_map(|&line| &self.lines[line]) {
                match demand.iter_mut().find(|(known, _)| *known == sku) {
                    Some((_, sum)) => *sum += pieces,
                    None => demand.push((sku, pieces)),
                }
            }
            let value = members
                .iter()
                .map(|&line| lines[line].value())
                .fold(0, i64::saturating_add);
            groups.push(Group {
                lines: members,
                demand,
                value,
            });
        }
        groups
    }

    /// Metres from the order to a location, if both are known.
    pub(super) fn distance(&self, location: &Location) -> Option<u32> {
        Some(self.origin?.metres_to(location.position?))
    }

    /// Pieces of each of the order's SKUs that a location can give away; `None` for a SKU that it
    /// does not carry.
    pub(super) fn free(&self, location: &Location, keep_back: u32) -> Vec<Option<i64>> {
        let mut free = self.stock.available_each(&location.id, &self.skus);
        free.iter_mut()
            .flatten()
            .for_each(|pieces| *pieces -= i64::from(keep_back));
        free
    }

    /// Judges every location that the source's filter lets through.
    pub(super) fn judge(&self, source: &Source, place: usize, groups: &[Group]) -> Judged<'a> {
        let total = self.total_demand(groups);
        let mut choices: Vec<Choice<'a>> = Vec::new();
        let mut refused: Vec<Candidate> = Vec::new();
        for location in self.candidates(&source.from) {
            let distance = self.distance(location);
            let load = self.stock.load_today(&location.id);
            let admitted = self.admit(location, source, distance, load);
            let judged = admitted
                .and_then(|()| self.cover(location, source, groups))
                .map(|(free, covers)| {
                    let choice = Choice {
                        location,
                        source: place,
                        distance,
                        load,
                        free,
                        covers,
                        sort: Vec::new(),
                    };
                    let values = source
                        .sort
                        .iter()
                        .map(|key| self.sort_value(*key, &choice, &total, groups));
                    Choice {
                        sort: values.collect(),
                        ..choice
                    }
                });
            match judged {
                Ok(choice) => choices.push(choice),
                Err(refusal) => refused.push(Candidate {
                    location: location.id.clone(),
                    distance_m: distance,
                    covers: 0,
                    refused: Some(refusal),
                    sort: Vec::new(),
                }),
            }
        }
        choices.sort_unstable_by(|a, b| {
            a.sort
                .cmp(&b.sort)
                .then_with(|| a.location.id.cmp(&b.location.id))
        });
        refused.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        let eligible = choices.iter().map(|choice| Candidate {
            location: choice.location.id.clone(),
            distance_m: choice.distance,
            covers: covered_lines(&choice.covers, groups),
            refused: None,
            sort: source
                .sort
                .iter()
                .zip(&choice.sort)
                .map(|(&key, &value)| SortValue { key, value })
                .collect(),
        });
        let candidates = eligible.chain(refused).collect();
        Judged {
            choices,
            candidates,
        }
    }

    /// The locations that a filter is about; what the order is not about is not a candidate.
    fn candidates(&self, from: &Filter) -> Vec<&'a Location> {
        let locations: &'a Locations = self.locations;
        let named: Vec<&'a Location> = if from.location.is_empty() {
            let own;
            let regions = match &from.region {
                None => None,
                Some(Same::OneOf(regions)) => Some(regions.as_slice()),
                Some(Same::AsOrder) => {
                    own = self.subject.region;
                    Some(own.as_slice())
                }
            };
            locations.of(&from.kind, regions)
        } else {
            let region_fits = |location: &&Location| match &from.region {
                None => true,
                Some(Same::OneOf(regions)) => regions.contains(&location.region),
                Some(Same::AsOrder) => self.subject.region == Some(location.region),
            };
            let mut named: Vec<&'a Location> = from
                .location
                .iter()
                .filter_map(|id| locations.get(id))
                .filter(region_fits)
                .collect();
            named.retain(|location| from.kind.is_empty() || from.kind.contains(&location.kind));
            named
        };
        let province_fits = |location: &&Location| match &from.province {
            None => true,
            Some(Same::OneOf(provinces)) => provinces.contains(&location.province),
            Some(Same::AsOrder) => self.order.province.as_ref() == Some(&location.province),
        };
        named.into_iter().filter(province_fits).collect()
    }

    /// What a location has, and which groups that is enough for; a refusal if for none.
    fn cover(
        &self,
        location: &Location,
        source: &Source,
        groups: &[Group],
    ) -> Result<(Vec<i64>, Vec<bool>), Refusal> {
        let free = self.free(location, source.keep_back);
        let short = |group: &Group| {
            group
                .demand
                .iter()
                .copied()
                .find(|&(sku, pieces)| free[sku].is_none_or(|free| free < pieces))
        };
        let covers: Vec<bool> = groups.iter().map(|group| short(group).is_none()).collect();
        if covers.contains(&true) {
            return Ok((
                free.into_iter().map(|pieces| pieces.unwrap_or(0)).collect(),
                covers,
            ));
        }
        let (sku, pieces) = groups
            .iter()
            .find_map(short)
            .expect("invariant: an order with lines has groups");
        Err(Refusal {
            reason: if free[sku].is_none() {
                Reason::NoSku
            } else {
                Reason::NotEnough
            },
            sku: Some(self.skus[sku].to_owned()),
            wanted: Some(pieces),
            found: free[sku],
        })
    }

    /// Pieces of each SKU that all groups take together.
    pub(super) fn total_demand(&self, groups: &[Group]) -> Vec<i64> {
        let mut total = vec![0; self.skus.len()];
        groups
            .iter()
            .flat_map(|group| &group.demand)
            .for_each(|&(sku, pieces)| total[sku] += pieces);
        total
    }

    fn sort_value(
        &self,
        key: SortKey,
        choice: &Choice<'_>,
        total: &[i64],
        groups: &[Group],
    ) -> i64 {
        let Choice {
            location,
            distance,
            load,
            free,
            covers,
            ..
        } = choice;
        match key {
            SortKey::Promise => self.promise_value(location),
            SortKey::Parcels => count(covers.iter().filter(|covered| !**covered)),
            SortKey::SameProvince => {
                i64::from(self.order.province.as_ref() != Some(&location.province))
            }
            SortKey::SameRegion => i64::from(self.subject.region != Some(location.region)),
            SortKey::HubRank => i64::from(location.rank),
            SortKey::Distance => distance.map_or(UNKNOWN, i64::from),
            SortKey::Load => {
                let load = i64::from(*load);
                location
                    .daily_capacity
                    .map_or(load, |capacity| load * 1_000 / i64::from(capacity.max(1)))
            }
            SortKey::StockDepth => {
                let covered = groups.iter().zip(covers).filter(|(_, covered)| **covered);
                let left = covered
                    .flat_map(|(group, _)| &group.demand)
                    .map(|&(sku, _)| free[sku] - total[sku]);
                -left.min().unwrap_or(0)
            }
            SortKey::Cost => location.cost,
            SortKey::Priority => i64::from(location.priority),
        }
    }

    fn promise_value(&self, location: &Location) -> i64 {
        let Some((days, day)) = location.next_dispatch_day(self.local_now) else {
            return UNKNOWN;
        };
        let Some(promise) = self.order.promised_by else {
            return days;
        };
        let leaves = location.cut_off.on(day);
        i64::from(leaves.is_none_or(|leaves| self.arrival(location, leaves) > promise))
    }

    /// When the buyer would have what leaves `location` at `leaves`.
    pub(super) fn arrival(&self, location: &Location, leaves: Timestamp) -> Timestamp {
        location.arrival(leaves, self.order.province.as_deref(), self.subject.region)
    }

    /// Whether a marketplace sends the order.
    pub(super) fn is_marketplace(&self) -> bool {
        self.order.fulfilled_by == FulfilledBy::Marketplace
    }
}

/// How many lines the covered groups have.
pub(super) fn covered_lines(covers: &[bool], groups: &[Group]) -> u32 {
    let lines = groups
        .iter()
        .zip(covers)
        .filter(|(_, covered)| **covered)
        .map(|(group, _)| group.lines.len())
        .sum::<usize>();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}
