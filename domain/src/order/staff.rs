//! Staff's side of an order: commands, kept for good and folded in the order of their times.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Order;
use super::fact::{Action, Command, Edit};

impl Order {
    /// The command of that id, if it was taken before.
    #[must_use]
    pub fn staff_command(&self, id: &str) -> Option<&Command> {
        self.staff.commands.get(id)
    }
}

/// All commands so far, by id.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct StaffSide {
    commands: BTreeMap<String, Command>,
}

/// What the commands add up to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct StaffView {
    pub(super) confirmed: bool,
    pub(super) held: Option<String>,
    pub(super) cancelled: Option<Called>,
    pub(super) transfer: Option<String>,
    pub(super) cancelled_lines: BTreeSet<String>,
    pub(super) edit: Edit,
    /// Ids of the commands that take the order back to the start of routing.
    pub(super) reroutes: Vec<String>,
}

/// Called off by a person.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Called {
    pub(super) at: Timestamp,
    pub(super) reason: String,
}

impl StaffSide {
    /// Takes a command; says whether it is new.
    pub(super) fn add(&mut self, command: Command) -> bool {
        if self.commands.contains_key(&command.id) {
            return false;
        }
        self.commands.insert(command.id.clone(), command);
        true
    }

    /// The commands in the order of (at, id).
    pub(super) fn in_order(&self) -> Vec<&Command> {
        let mut commands: Vec<&Command> = self.commands.values().collect();
        commands.sort_by_key(|command| (command.at, &command.id));
        commands
    }

    /// Folds the commands in the order of (at, id).
    pub(super) fn fold(&self) -> StaffView {
        let mut view = StaffView::default();
        for command in self.in_order() {
            match &command.action {
                Action::Confirm => view.confirmed = true,
                Action::Hold => view.held = Some(command.reason.clone()),
                Action::Release => view.held = None,
                Action::Cancel | Action::Reject => {
                    if view.cancelled.is_none() {
                        view.cancelled = Some(Called {
                            at: command.at,
                            reason: command.reason.clone(),
                        });
                    }
                }
                Action::Reroute => {
                    view.transfer = None;
                    view.reroutes.push(command.id.clone());
                }
                Action::Transfer { location } => {
                    view.transfer = Some(location.clone());
                    view.reroutes.push(command.id.clone());
                }
                Action::CancelLine { line } => {
                    view.cancelled_lines.insert(line.clone());
                }
                Action::Edit(edit) => merge(&mut view.edit, edit),
                // Its task is planned from the command itself.
                Action::Refund { .. } => {}
            }
        }
        view
    }
}

/// Later edits win field by field.
fn merge(into: &mut Edit, edit: &Edit) {
    fn take<T: Clone>(into: &mut Option<T>, from: &Option<T>) {
        if from.is_some() {
            into.clone_from(from);
        }
    }
    take(&mut into.buyer, &edit.buyer);
    take(&mut into.ship_to, &edit.ship_to);
    take(&mut into.lines, &edit.lines);
    take(&mut into.note, &edit.note);
    take(&mut into.appointment, &edit.appointment);
    take(&mut into.tags, &edit.tags);
    take(&mut into.invoice_request, &edit.invoice_request);
}
