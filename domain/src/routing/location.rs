//! Locations in their validated form, and the look-ups that sourcing needs.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp, civil};
use serde::{Deserialize, Serialize};

use super::calendar::{Clock, Hours, Weekday, local};
use super::{Position, Region};

/// How many days ahead we look for a location's next working day: past the longest Tết holiday.
const DAYS_AHEAD: i64 = 30;

/// What kind of place a location is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regional warehouse.
    Hub,
    /// A shop.
    Store,
    /// A supplier that sends straight to the buyer.
    Supplier,
}

impl Kind {
    /// The words used in files.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("hub", Self::Hub),
        ("store", Self::Store),
        ("supplier", Self::Supplier),
    ];
}

/// A place that can hold stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Its id, `hub-hcm`.
    pub id: String,
    /// Hub, store or supplier.
    pub kind: Kind,
    /// Its name for people.
    pub name: String,
    /// The target that keeps its stock and does its fulfillment orders.
    pub target: String,
    /// VN-2025-07 code.
    pub province: String,
    /// The region of its province.
    pub region: Region,
    /// Where exactly.
    pub position: Option<Position>,
    /// Opening hours of a working day.
    pub hours: Hours,
    /// Weekdays without work.
    pub closed_on: Vec<Weekday>,
    /// Dates without work (holidays).
    pub closed_dates: Vec<civil::Date>,
    /// Orders that come before this time leave the same day; the closing time if not set.
    pub cut_off: Clock,
    /// Orders that it can do a day; `None` for no limit.
    pub daily_capacity: Option<u32>,
    /// Pieces of each SKU that it never promises.
    pub safety_stock: u32,
    /// What it can do besides sending: `installation`.
    pub services: Vec<String>,
    /// Free marks for `from = { tag = … }`.
    pub tags: Vec<String>,
    /// Order of preference among Hubs, 1 first; unranked locations come last.
    pub rank: u32,
    /// Order of preference among all, 1 first, for the sort key `priority`.
    pub priority: u32,
    /// Cost of sending a parcel from here, in đồng, for the sort key `cost`.
    pub cost: i64,
    /// Whether it works at all.
    pub active: bool,
    /// Whether it may send what was sold elsewhere than at its counter.
    pub sells_online: bool,
    /// Channels that it works for; empty for all.
    pub channels: Vec<String>,
    /// Provinces that it serves; empty for all (unless `serves_within_m` is set).
    pub serves: Vec<String>,
    /// Metres within which it serves whatever the province.
    pub serves_within_m: Option<u32>,
    /// Series of its invoices, `1C26MAA`.
    pub invoice_series: Option<String>,
}

/// Rank, and priority, of a location that has none.
pub(super) const UNRANKED: u32 = u32::MAX;

impl Location {
    /// Whether somebody is at work there at `now`.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let now = local(now);
        self.works_on(now.date()) && self.hours.contains(Clock::of(now))
    }

    /// When an order that comes at `now` leaves: today's cut-off, or that of its next working day.
    /// `None` if it has no working day within a month.
    #[must_use]
    pub fn next_dispatch(&self, now: Timestamp) -> Option<Timestamp> {
        let (_, day) = self.next_dispatch_day(local(now))?;
        self.cut_off.on(day)
    }

    /// The day of [`Location::next_dispatch`], and how many days ahead it is.
    pub(super) fn next_dispatch_day(&self, now: civil::DateTime) -> Option<(i64, civil::Date)> {
        let mut day = now.date();
        for ahead in 0..DAYS_AHEAD {
            if self.works_on(day) && (ahead > 0 || Clock::of(now) < self.cut_off) {
                return Some((ahead, day));
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// When the buyer would have what leaves at `dispatch`. The carriers' usual times: the same
    /// day within the province, the next day within the region, else two days; by midnight.
    #[must_use]
    pub fn arrival(
        &self,
        dispatch: Timestamp,
        province: Option<&str>,
        region: Option<Region>,
    ) -> Timestamp {
        let days = match (province, region) {
            (Some(province), _) if province == self.province => 0,
            (_, Some(region)) if region == self.region => 1,
            _ => 2,
        };
        let local_day = local(dispatch).date();
        let midnight = Clock::parse("24:00")
            .and_then(|end| end.on(local_day))
            .unwrap_or(dispatch);
        midnight
            .saturating_add(SignedDuration::from_hours(24 * days))
            .unwrap_or(midnight)
    }

    fn works_on(&self, day: civil::Date) -> bool {
        !self.closed_dates.contains(&day)
            && (self.closed_on.is_empty() || !self.closed_on.contains(&Weekday::of(day)))
    }
}

/// All locations, sorted by id, indexed by kind and region.
#[derive(Debug, Clone, Default)]
pub struct Locations {
    all: Vec<Location>,
    by_id: HashMap<String, usize>,
    by_kind: HashMap<Kind, Vec<usize>>,
    by_kind_and_region: HashMap<(Kind, Region), Vec<usize>>,
}

impl Locations {
    /// Indexes locations; of two with the same id the first stays.
    #[must_use]
    pub fn new(mut all: Vec<Location>) -> Self {
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all.dedup_by(|later, earlier| later.id == earlier.id);
        let mut found = Self {
            all,
            ..Self::default()
        };
        for (place, location) in found.all.iter().enumerate() {
            found.by_id.insert(location.id.clone(), place);
            found.by_kind.entry(location.kind).or_default().push(place);
            found
                .by_kind_and_region
                .entry((location.kind, location.region))
                .or_default()
                .push(place);
        }
        found
    }

    /// The location with that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Location> {
        self.by_id.get(id).map(|&place| &self.all[place])
    }

    /// All locations by id.
    pub fn iter(&self) -> std::slice::Iter<'_, Location> {
        self.all.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The locations of these kinds (all kinds if empty) in these regions (everywhere if `None`).
    pub(super) fn of(&self, kinds: &[Kind], regions: Option<&[Region]>) -> Vec<&Location> {
        let kinds = if kinds.is_empty() {
            &[Kind::Hub, Kind::Store, Kind::Supplier]
        } else {
            kinds
        };
        let mut found = Vec::new();
        for kind in kinds {
            match regions {
                None => found.extend(self.by_kind.get(kind).into_iter().flatten()),
                Some(regions) => {
                    for region in regions {
                        found.extend(
                            self.by_kind_and_region
                                .get(&(*kind, *region))
                                .into_iter()
                                .flatten(),
                        );
                    }
                }
            }
        }
        found.into_iter().map(|&place| &self.all[place]).collect()
    }
}

impl<'a> IntoIterator for &'a Locations {
    type Item = &'a Location;
    type IntoIter = std::slice::Iter<'a, Location>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
