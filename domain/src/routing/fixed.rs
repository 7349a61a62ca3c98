//! Orders whose location is fixed, by a marketplace or by a buyer who comes for the goods.

use super::decide::{Attempt, Ruling, hold};
use super::decision::{Candidate, Method, Reason, Refusal, SourceTrial};
use super::rule::{Filter, Source};
use super::search::Plan;
use super::sourcing::Choice;

/// Put on an order whose fixed location is not one that we would have allowed.
const FIXED_LOCATION_ALARM: &str = "alarm:fixed-location";

impl Attempt<'_, '_> {
    /// Checks the location that the channel or the buyer has fixed. What it lacks in permission is
    /// an alarm; what it lacks in goods is a hold. `None` if another location may fill the order
    /// and move it there.
    pub(super) fn fixed(&mut self, id: &str) -> Option<Ruling> {
        let scene = self.scene;
        let source = Source {
            from: Filter::default(),
            sort: Vec::new(),
            keep_back: 0,
            late_ok: false,
            split: None,
        };
        let location = scene.locations.get(id);
        let distance = location.and_then(|location| scene.distance(location));
        let groups = scene.groups(&self.rule.keep_together);
        let refusal = match location {
            None => Some(Refusal {
                reason: Reason::Unknown,
                sku: None,
                wanted: None,
                found: None,
            }),
            Some(location) => {
                let load = scene.stock.load_today(id);
                scene.admit(location, &source, distance, load).err()
            }
        };
        let free = location
            .map(|location| scene.free(location, 0))
            .unwrap_or_default();
        let total = scene.total_demand(&groups);
        let short = free
            .iter()
            .zip(&total)
            .position(|(free, total)| free.is_none_or(|free| free < *total));
        let short = short.map(|sku| Refusal {
            reason: if free[sku].is_none() {
                Reason::NoSku
            } else {
                Reason::NotEnough
            },
            sku: Some(scene.skus[sku].to_owned()),
            wanted: Some(total[sku]),
            found: free[sku],
        });
        let cannot = refusal
            .as_ref()
            .is_some_and(|refusal| forbids(refusal.reason))
            || scene.order.excluded.iter().any(|excluded| excluded == id)
            || short.is_some();
        let refused = if cannot { short.or(refusal) } else { refusal };
        let lines = u32::try_from(scene.order.lines.len()).unwrap_or(u32::MAX);
        self.sources.push(SourceTrial {
            source: None,
            method: Method::Fixed,
            combinations: 1,
            candidates: vec![Candidate {
                location: id.to_owned(),
                distance_m: distance,
                covers: if cannot { 0 } else { lines },
                refused: refused.clone(),
                sort: Vec::new(),
            }],
            chosen: if cannot {
                Vec::new()
            } else {
                vec![id.to_owned()]
            },
        });
        if cannot && self.rule.transfer_to_store && !scene.is_marketplace() {
            return None;
        }
        if cannot || (refused.is_some() && scene.is_marketplace()) {
            self.tags.push(FIXED_LOCATION_ALARM.to_owned());
        }
        if cannot {
            return Some(hold("fixed-location-cannot-send"));
        }
        let choice = Choice {
            location: location.expect("invariant: an unknown location cannot send"),
            source: 0,
            distance,
            load: 0,
            free: free.into_iter().map(|pieces| pieces.unwrap_or(0)).collect(),
            covers: vec![true; groups.len()],
            sort: Vec::new(),
        };
        let plan = Plan {
            choice_of: vec![0; groups.len()],
            used: vec![0],
        };
        Some(self.ruling(&plan, &[choice], &groups))
    }
}

/// Whether a fixed location with this failure cannot send at all, rather than should not.
const fn forbids(reason: Reason) -> bool {
    match reason {
        Reason::Unknown
        | Reason::Inactive
        | Reason::RejectedBefore
        | Reason::NoSku
        | Reason::NotEnough => true,
        Reason::NotOnline
        | Reason::ChannelNotAllowed
        | Reason::DoesNotServe
        | Reason::TooFar
        | Reason::NoService
        | Reason::NoTag
        | Reason::Closed
        | Reason::NoCapacity
        | Reason::PastCutOff => false,
    }
}
