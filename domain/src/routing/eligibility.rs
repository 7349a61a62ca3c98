//! Whether a location may send an order at all, stock aside: hard checks, each with its code.

use super::Location;
use super::decision::{Reason, Refusal};
use super::rule::Source;
use super::sourcing::Scene;

impl Scene<'_> {
    /// The checks that do not concern stock, in the order of [`Reason`].
    pub(super) fn admit(
        &self,
        location: &Location,
        source: &Source,
        distance: Option<u32>,
        load: u32,
    ) -> Result<(), Refusal> {
        let order = self.order;
        let from = &source.from;
        if !location.active {
            return refuse(Reason::Inactive);
        }
        if !location.sells_online {
            return refuse(Reason::NotOnline);
        }
        if order.excluded.contains(&location.id) {
            return refuse(Reason::RejectedBefore);
        }
        if !location.channels.is_empty() && !location.channels.contains(&order.channel) {
            return refuse(Reason::ChannelNotAllowed);
        }
        if !serves(location, order.province.as_deref(), distance) {
            return refuse(Reason::DoesNotServe);
        }
        if let Some(limit) = from.within_m
            && distance.is_none_or(|metres| metres > limit)
        {
            return Err(Refusal {
                reason: Reason::TooFar,
                sku: None,
                wanted: Some(i64::from(limit)),
                found: distance.map(i64::from),
            });
        }
        if !from
            .service
            .iter()
            .all(|service| location.services.contains(service))
        {
            return refuse(Reason::NoService);
        }
        if !from.tag.iter().all(|tag| location.tags.contains(tag)) {
            return refuse(Reason::NoTag);
        }
        if from.open_now && !location.is_open(self.now) {
            return refuse(Reason::Closed);
        }
        if let Some(capacity) = location.daily_capacity.filter(|capacity| load >= *capacity) {
            return Err(Refusal {
                reason: Reason::NoCapacity,
                sku: None,
                wanted: Some(i64::from(capacity)),
                found: Some(i64::from(load)),
            });
        }
        // A promise that is broken already cannot be kept by anybody; then late is better than never.
        if let Some(promise) = order
            .promised_by
            .filter(|promise| *promise > self.now && !source.late_ok)
            && location
                .next_dispatch(self.now)
                .is_none_or(|leaves| leaves > promise)
        {
            return refuse(Reason::PastCutOff);
        }
        Ok(())
    }
}

fn refuse(reason: Reason) -> Result<(), Refusal> {
    Err(Refusal {
        reason,
        sku: None,
        wanted: None,
        found: None,
    })
}

fn serves(location: &Location, province: Option<&str>, distance: Option<u32>) -> bool {
    if location.serves.is_empty() && location.serves_within_m.is_none() {
        return true;
    }
    let by_province =
        province.is_some_and(|province| location.serves.iter().any(|served| served == province));
    let by_distance = matches!((location.serves_within_m, distance), (Some(limit), Some(metres)) if metres <= limit);
    by_province || by_distance
}
