//! Installation: a work order registered with the order, released on delivery, called off first
//! when the order is.

use jiff::Timestamp;

use crate::fulfillment::State;
use crate::id::ServiceId;
use crate::order::effects::{EffectState, TakenBack};
use crate::order::{Lifecycle, Line, Order, WorkOrder};
use crate::service;
use crate::task::{Leg, TaskBody, WorkItem};

use super::{Call, Draft};

fn release_key(work: &WorkOrder) -> String {
    format!("{}-release", work.key)
}

fn move_key(work: &WorkOrder, number: u32) -> String {
    format!("{}-appointment-{number}", work.key)
}

impl Order {
    /// Replays every work order; says whether any state changed.
    pub(crate) fn refresh_services(&mut self) -> bool {
        let mut changed = false;
        for work in &mut self.work_orders {
            let mut state = service::State::Waiting;
            let mut take = |event: &service::Event| {
                if let Ok(next) = state.apply(event) {
                    state = next;
                }
            };
            if let Some(EffectState::Refused { code, .. }) = self.effects.get(&work.key) {
                take(&service::Event::Refused {
                    reason: code.clone(),
                });
            }
            if self.effects.is_done(&release_key(work)) {
                take(&service::Event::Released);
            }
            for (_, (at, kind)) in self.service_logs.get(&work.id).into_iter().flatten() {
                take(&service::Event::Reported {
                    at: *at,
                    kind: kind.clone(),
                });
            }
            if work.closed {
                take(&service::Event::Cancelled);
            }
            changed |= state != work.state;
            work.state = state;
        }
        changed
    }

    /// The lines that the technician works on: those whose product says so, else (the rule asked
    /// for a visit all the same) every line that is no gift.
    fn visited_lines(&self) -> Vec<&Line> {
        let marked: Vec<&Line> = self
            .judged
            .lines
            .iter()
            .filter(|line| line.installation)
            .collect();
        if marked.is_empty() {
            self.judged.lines.iter().filter(|line| !line.gift).collect()
        } else {
            marked
        }
    }

    /// Whether anything of the order is to be installed.
    pub(crate) fn needs_visit(&self) -> bool {
        !self.visited_lines().is_empty()
    }

    /// The decision asks for a visit, and there is something to install.
    pub(crate) fn wants_visit(&self) -> bool {
        let asked = self
            .decision
            .as_ref()
            .is_some_and(|decision| decision.legs.installation.is_some());
        let items = self.items();
        asked && !self.judged.outside && !items.is_empty() && !self.goods_are_gone(&items)
    }

    fn items(&self) -> Vec<(String, String, u32)> {
        self.visited_lines()
            .into_iter()
            .filter_map(|line| Some((line.id.clone(), line.sku.clone()?, line.quantity)))
            .collect()
    }

    /// All that the work order is for has come back, or never arrived.
    fn goods_are_gone(&self, items: &[(String, String, u32)]) -> bool {
        !items.is_empty()
            && items.iter().all(|(line_id, ..)| {
                self.parts.iter().any(|part| {
                    matches!(part.state, State::Returned { .. } | State::Returning { .. })
                        && part.lines.iter().any(|line| line.line_id == *line_id)
                })
            })
    }

    pub(super) fn plan_installation(&mut self, draft: &mut Draft<'_>) {
        let leg = self
            .decision
            .as_ref()
            .and_then(|decision| decision.legs.installation.clone());
        let items = self.items();
        let called_off = self.judged.lifecycle == Lifecycle::Cancelled || !self.wants_visit();
        if let Some(place) = self.live_work_order() {
            let work = &self.work_orders[place];
            if called_off || work.items != items || self.effects.is_leaving(&work.key) {
                self.call_off(draft, place);
            } else {
                self.accompany(draft, place);
            }
            return;
        }
        let Some(leg) = leg else { return };
        let target = leg
            .target
            .or_else(|| draft.context.settings.installation_target.clone());
        let allocated = self.judged.lines.iter().all(|line| self.covers(line))
            && self
                .parts
                .iter()
                .all(|part| !part.counts() || part.stands());
        let last_over = self.work_orders.last().is_none_or(|work| work.closed);
        let open = self.judged.lifecycle == Lifecycle::Open;
        if let Some(target) = target
            && !called_off
            && allocated
            && open
            && last_over
        {
            self.register(draft, target, items);
        }
    }

    /// The work order that stands, if any.
    fn live_work_order(&self) -> Option<usize> {
        let place = self.work_orders.len().checked_sub(1)?;
        let work = &self.work_orders[place];
        (!work.closed && !work.kept && !work.state.is_over()).then_some(place)
    }

    fn register(
        &mut self,
        draft: &mut Draft<'_>,
        target: String,
        items: Vec<(String, String, u32)>,
    ) {
        let generation = u32::try_from(self.work_orders.len())
            .expect("an order has few work orders")
            .saturating_add(1);
        let id = ServiceId::derive(
            self.id.timestamp_ms(),
            &[self.id.as_str(), "installation", &generation.to_string()],
        )
        .to_string();
        let key = format!("{}.installation.{id}.{generation}", self.code);
        let appointment = self.judged.appointment.clone();
        let body = TaskBody::CreateWorkOrder {
            external_id: id.clone(),
            kind: "install".to_owned(),
            order_ref: self.code.as_str().to_owned(),
            customer: self.contact(),
            site: self.task_address(),
            items: self
                .visited_lines()
                .into_iter()
                .filter_map(|line| {
                    Some(WorkItem {
                        line_id: line.id.clone(),
                        sku: line.sku.clone()?,
                        name: line.name.clone(),
                        quantity: line.quantity,
                        serials: self.serials_of(&line.id),
                    })
                })
                .collect(),
            appointment: appointment.clone(),
        };
        let call = Call {
            key: &key,
            target: Some(&target),
            leg: Leg::Installation,
            subject: &id,
            generation,
            serial: None,
            body,
        };
        self.emit(draft, call);
        self.work_orders.push(WorkOrder {
            id,
            key,
            generation,
            kind: "installation".to_owned(),
            target,
            items,
            appointment,
            moves: 0,
            kept: false,
            closed: false,
            state: service::State::Waiting,
        });
    }

    /// Release on delivery, and move the visit when the buyer wishes another window.
    fn accompany(&mut self, draft: &mut Draft<'_>, place: usize) {
        let work = self.work_orders[place].clone();
        if !self.effects.is_done(&work.key) {
            return;
        }
        let release = release_key(&work);
        if self.effects.get(&release).is_none()
            && let Some(delivered_at) = self.all_delivered_at(&work.items)
        {
            let body = TaskBody::ReleaseWorkOrder {
                external_id: work.id.clone(),
                delivered_at,
            };
            self.call_service(draft, &work, &release, body);
        }
        if work.appointment != self.judged.appointment
            && let Some(wished) = self.judged.appointment.clone()
        {
            let number = work.moves.saturating_add(1);
            let body = TaskBody::RescheduleWorkOrder {
                external_id: work.id.clone(),
                window_start: wished.window_start,
                window_end: wished.window_end,
            };
            self.call_service(draft, &work, &move_key(&work, number), body);
            let work = &mut self.work_orders[place];
            work.moves = number;
            work.appointment = Some(wished);
        }
    }

    fn call_service(&mut self, draft: &mut Draft<'_>, work: &WorkOrder, key: &str, body: TaskBody) {
        let call = Call {
            key,
            target: Some(&work.target),
            leg: Leg::Installation,
            subject: &work.id,
            generation: work.generation,
            serial: None,
            body,
        };
        self.emit(draft, call);
    }

    /// When the last of the items was delivered; `None` while one is missing.
    fn all_delivered_at(&self, items: &[(String, String, u32)]) -> Option<Timestamp> {
        let mut last: Option<Timestamp> = None;
        for (line_id, ..) in items {
            let at = self
                .parts
                .iter()
                .filter(|part| {
                    part.counts() && part.lines.iter().any(|line| line.line_id == *line_id)
                })
                .map(|part| part.delivered_at(self.fulfillment_logs.get(&part.id)))
                .try_fold(None::<Timestamp>, |latest, at| Some(latest.max(Some(at?))))??;
            last = last.max(Some(at));
        }
        last
    }

    fn call_off(&mut self, draft: &mut Draft<'_>, place: usize) {
        let work = self.work_orders[place].clone();
        self.stop(draft, &release_key(&work));
        for number in 1..=work.moves {
            self.stop(draft, &move_key(&work, number));
        }
        let reason = if self.judged.lifecycle == Lifecycle::Cancelled {
            "order cancelled"
        } else {
            "order changed"
        };
        let taken = self.take_back(draft, &work.key, || Call {
            key: "",
            target: Some(&work.target),
            leg: Leg::Installation,
            subject: &work.id,
            generation: work.generation,
            serial: None,
            body: TaskBody::CancelWorkOrder {
                external_id: work.id.clone(),
                reason: reason.to_owned(),
            },
        });
        match taken {
            TakenBack::Waiting => {}
            TakenBack::Nothing | TakenBack::Undone => {
                self.work_orders[place].closed = true;
                draft.moved = true;
            }
            TakenBack::Kept(_) => {
                self.work_orders[place].kept = true;
                draft.moved = true;
                self.tag(draft, "visit-not-called-off");
            }
        }
    }
}
