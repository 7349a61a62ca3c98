//! The decision itself: the first matching rule that can place the order, or says what else to do.

use jiff::Timestamp;

use super::condition::first_failure;
use super::decision::{
    Allocation, Candidate, Component, Decision, Gift, Legs, Method, Outcome, RuleTrial,
    SourceTrial, Trace, TrialResult,
};
use super::rule::{Action, Filter, Rule, SortKey, Source};
use super::search::{Found, Plan, Search};
use super::sourcing::{Choice, Group, Scene};
use super::{Kind, Location, Locations, RoutingOrder, RuleSet, Stock};

/// Unmatched rules that a trace lists at most; [`RuleSet::first_failures`] gives all of them.
const UNMATCHED_IN_TRACE: usize = 20;

/// Decides where an order's lines come from and which legs follow.
///
/// A pure function: the same arguments give the same decision. `now` is the moment of opening
/// hours, cut-offs and the day's load; conditions on time look at the order alone, so that a replay
/// finds the same rule.
///
/// # Panics
/// Never: a rule set always ends with a default that has no conditions.
#[must_use]
pub fn decide(
    order: &RoutingOrder,
    rules: &RuleSet,
    locations: &Locations,
    stock: &dyn Stock,
    now: Timestamp,
) -> Decision {
    let scene = Scene::new(order, locations, stock, now);
    let mut trials: Vec<RuleTrial> = Vec::new();
    let mut unmatched = 0;
    for place in rules.candidates(scene.subject) {
        let rule = &rules.rules()[place];
        let mut trial = RuleTrial {
            rule: rule.name.clone(),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            result: TrialResult::Decided,
            sources: Vec::new(),
        };
        if let Some(condition) = first_failure(&rule.when, scene.subject) {
            unmatched += 1;
            if unmatched <= UNMATCHED_IN_TRACE {
                trial.result = TrialResult::Unmatched { condition };
                trials.push(trial);
            }
            continue;
        }
        let mut attempt = Attempt {
            scene: &scene,
            rule,
            sources: Vec::new(),
            tags: rule.tags.clone(),
        };
        let ruling = attempt.rule(rules.max_rounds());
        let Attempt { sources, tags, .. } = attempt;
        trial.sources = sources;
        let Some(ruling) = ruling else {
            trial.result = TrialResult::PassedOn;
            trials.push(trial);
            continue;
        };
        trials.push(trial);
        let (dispatch_by, promise_met) = scene.timing(&ruling.outcome);
        return Decision {
            rule: rule.name.clone(),
            rules_version: rules.version().to_owned(),
            legs: legs_for(rule, &ruling.outcome),
            outcome: ruling.outcome,
            tags,
            priority: rule.priority,
            gifts: ruling.gifts,
            transfer_to_store: ruling.transfer_to_store,
            dispatch_by,
            promise_met,
            trace: Trace {
                now,
                round: order.round,
                region: scene.subject.region,
                measured_from: scene.measured_from,
                rules: trials,
            },
        };
    }
    unreachable!("invariant: the default has no conditions and never passes on")
}

/// What a rule made of the order.
pub(super) struct Ruling {
    pub(super) outcome: Outcome,
    pub(super) gifts: Vec<Gift>,
    pub(super) transfer_to_store: Option<String>,
}

impl From<Outcome> for Ruling {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            gifts: Vec::new(),
            transfer_to_store: None,
        }
    }
}

/// A rule at work on an order.
pub(super) struct Attempt<'s, 'a> {
    pub(super) scene: &'s Scene<'a>,
    pub(super) rule: &'s Rule,
    pub(super) sources: Vec<SourceTrial>,
    pub(super) tags: Vec<String>,
}

impl<'a> Attempt<'_, 'a> {
    /// `None` if the rule passes the order on to the next one.
    fn rule(&mut self, max_rounds: u32) -> Option<Ruling> {
        let order = self.scene.order;
        if let Some(reason) = &self.rule.hold {
            return Some(hold(reason));
        }
        if order.lines.is_empty() {
            return Some(hold("no-lines"));
        }
        if order.round > max_rounds {
            return Some(hold("rejected-too-often"));
        }
        let mut transfer_to_store = None;
        if let Some(fixed) = &order.fixed_location {
            if let Some(ruling) = self.fixed(fixed) {
                return Some(ruling);
            }
            transfer_to_store = Some(fixed.clone());
        } else if self.scene.is_marketplace() {
            return Some(Outcome::Marketplace.into());
        }
        let placed = if order.round == max_rounds && order.round > 0 {
            self.hubs_only()
        } else {
            self.all_sources()
        };
        match placed {
            Some(mut ruling) => {
                ruling.transfer_to_store = transfer_to_store;
                Some(ruling)
            }
            None if order.round == max_rounds && order.round > 0 => {
                Some(hold("rejected-too-often"))
            }
            None => self.otherwise(),
        }
    }

    fn otherwise(&self) -> Option<Ruling> {
        let reason = self.rule.otherwise.reason.clone();
        match self.rule.otherwise.action {
            Action::Hold => Some(Outcome::Hold { reason }.into()),
            Action::Backorder => Some(Outcome::Backorder { reason }.into()),
            Action::Cancel => Some(Outcome::Cancel { reason }.into()),
            Action::NextRule => None,
        }
    }

    /// Each source alone, in order; then, where the rule allows a split, all of them together.
    fn all_sources(&mut self) -> Option<Ruling> {
        let groups = self.scene.groups(&self.rule.keep_together);
        let mut pool: Vec<Choice<'a>> = Vec::new();
        for (place, source) in self.rule.sources.iter().enumerate() {
            let judged = self.scene.judge(source, place, &groups);
            let search = self.search(&judged.choices, &groups);
            let found = search.within(source);
            let ruling = found
                .plan
                .as_ref()
                .map(|plan| self.ruling(plan, &judged.choices, &groups));
            self.record(Some(place), &found, judged.candidates, &judged.choices);
            if ruling.is_some() {
                return ruling;
            }
            let known: Vec<&str> = pool
                .iter()
                .map(|choice| choice.location.id.as_str())
                .collect();
            let new = judged
                .choices
                .into_iter()
                .filter(|choice| !known.contains(&choice.location.id.as_str()));
            let new: Vec<Choice<'a>> = new.collect();
            pool.extend(new);
        }
        let splits = self.rule.sources.iter().filter_map(|source| source.split);
        let max_parcels = splits.map(|split| split.max_parcels).max()?;
        if self.rule.sources.len() < 2 {
            return None;
        }
        let found = self.search(&pool, &groups).across(max_parcels);
        let ruling = found
            .plan
            .as_ref()
            .map(|plan| self.ruling(plan, &pool, &groups));
        self.record(None, &found, Vec::new(), &pool);
        ruling
    }

    /// After too many rejections: one Hub for everything, whatever the sources say.
    fn hubs_only(&mut self) -> Option<Ruling> {
        let source = Source {
            from: Filter {
                kind: vec![Kind::Hub],
                ..Filter::default()
            },
            sort: vec![
                SortKey::SameProvince,
                SortKey::SameRegion,
                SortKey::HubRank,
                SortKey::Distance,
            ],
            keep_back: 0,
            late_ok: true,
            split: None,
        };
        let groups = self.scene.groups(&self.rule.keep_together);
        let judged = self.scene.judge(&source, 0, &groups);
        let search = Search {
            choices: &judged.choices,
            groups: &groups,
            sources: std::slice::from_ref(&source),
        };
        let found = Found {
            method: Method::HubsOnly,
            ..search.within(&source)
        };
        let ruling = found
            .plan
            .as_ref()
            .map(|plan| self.ruling(plan, &judged.choices, &groups));
        self.record(None, &found, judged.candidates, &judged.choices);
        ruling
    }

    fn search<'b>(&'b self, choices: &'b [Choice<'a>], groups: &'b [Group]) -> Search<'b> {
        Search {
            choices,
            groups,
            sources: &self.rule.sources,
        }
    }

    fn record(
        &mut self,
        source: Option<usize>,
        found: &Found,
        candidates: Vec<Candidate>,
        choices: &[Choice<'_>],
    ) {
        let used = found
            .plan
            .as_ref()
            .map(|plan| plan.used.as_slice())
            .unwrap_or_default();
        self.sources.push(SourceTrial {
            source: source.and_then(|place| u32::try_from(place).ok()),
            method: found.method,
            combinations: found.combinations,
            candidates,
            chosen: used
                .iter()
                .map(|&choice| choices[choice].location.id.clone())
                .collect(),
        });
    }

    pub(super) fn ruling(&self, plan: &Plan, choices: &[Choice<'_>], groups: &[Group]) -> Ruling {
        let lines = &self.scene.order.lines;
        let mut location_of: Vec<Option<&Location>> = vec![None; lines.len()];
        let mut left: Vec<Vec<i64>> = plan
            .used
            .iter()
            .map(|&choice| choices[choice].free.clone())
            .collect();
        for (group, &choice) in groups.iter().zip(&plan.choice_of) {
            group
                .lines
                .iter()
                .for_each(|&line| location_of[line] = Some(choices[choice].location));
            let member = plan.used.iter().position(|used| *used == choice);
            let left = &mut left[member.expect("invariant: a plan uses the choices that it names")];
            group
                .demand
                .iter()
                .for_each(|&(sku, pieces)| left[sku] -= pieces);
        }
        let allocations = lines
            .iter()
            .zip(location_of)
            .map(|(line, location)| Allocation {
                line_id: line.id.clone(),
                sku: line.sku.clone(),
                quantity: line.quantity,
                location: location
                    .expect("invariant: every line is in a group")
                    .id
                    .clone(),
                components: if line.kit.is_empty() {
                    Vec::new()
                } else {
                    line.demand()
                        .map(|(sku, quantity)| Component {
                            sku: sku.to_owned(),
                            quantity,
                        })
                        .collect()
                },
            });
        let outcome = Outcome::Allocated {
            allocations: allocations.collect(),
            parcels: u32::try_from(plan.used.len()).unwrap_or(u32::MAX),
        };
        let gifts = self.gifts(plan, choices, &mut left);
        Ruling {
            outcome,
            gifts,
            transfer_to_store: None,
        }
    }

    /// Adds the rule's gifts to the first parcel whose location has them to spare.
    fn gifts(&self, plan: &Plan, choices: &[Choice<'_>], left: &mut [Vec<i64>]) -> Vec<Gift> {
        let scene = self.scene;
        let mut given: Vec<(&str, &str, i64)> = Vec::new();
        let mut gifts = Vec::new();
        for (sku, quantity) in &self.rule.gifts {
            let pieces = i64::from(*quantity);
            let ordered = scene.skus.iter().position(|known| known == sku);
            let giver = plan.used.iter().enumerate().find(|(member, choice)| {
                let choice = &choices[**choice];
                let keep_back = self
                    .rule
                    .sources
                    .get(choice.source)
                    .map_or(0, |source| source.keep_back);
                let spare = match ordered {
                    Some(place) => left[*member][place],
                    None => {
                        let given = given
                            .iter()
                            .filter(|(at, what, _)| *at == choice.location.id && what == sku);
                        let available =
                            scene.stock.available(&choice.location.id, sku).unwrap_or(0);
                        available
                            - i64::from(keep_back)
                            - given.map(|(.., pieces)| pieces).sum::<i64>()
                    }
                };
                spare >= pieces
            });
            let giver =
                giver.map(|(member, choice)| (member, choices[*choice].location.id.as_str()));
            if let Some((member, location)) = giver {
                match ordered {
                    Some(place) => left[member][place] -= pieces,
                    None => given.push((location, sku, pieces)),
                }
            }
            gifts.push(Gift {
                sku: sku.clone(),
                quantity: *quantity,
                location: giver.map(|(_, location)| location.to_owned()),
            });
        }
        gifts
    }
}

impl Scene<'_> {
    /// When the last parcel leaves, and whether all keep the promise.
    fn timing(&self, outcome: &Outcome) -> (Option<Timestamp>, Option<bool>) {
        let mut dispatch_by: Option<Timestamp> = None;
        let mut promise_met = None;
        for allocation in outcome.allocations() {
            let Some(location) = self.locations.get(&allocation.location) else {
                continue;
            };
            let leaves = location.next_dispatch(self.now);
            dispatch_by = dispatch_by.max(leaves);
            if let Some(promise) = self.order.promised_by {
                let in_time =
                    leaves.is_some_and(|leaves| self.arrival(location, leaves) <= promise);
                promise_met = Some(promise_met.unwrap_or(true) && in_time);
            }
        }
        (dispatch_by, promise_met)
    }
}

/// A marketplace's own warehouse and a cancelled order need no carrier, visit or message of ours.
fn legs_for(rule: &Rule, outcome: &Outcome) -> Legs {
    match outcome {
        Outcome::Allocated { .. } | Outcome::Hold { .. } | Outcome::Backorder { .. } => {
            rule.legs.clone()
        }
        Outcome::Marketplace => Legs {
            carrier: None,
            ..rule.legs.clone()
        },
        Outcome::Cancel { .. } => Legs {
            invoice: None,
            installation: None,
            warranty: None,
            carrier: None,
            notify: rule.legs.notify.clone(),
        },
    }
}

pub(super) fn hold(reason: &str) -> Ruling {
    Outcome::Hold {
        reason: reason.to_owned(),
    }
    .into()
}
