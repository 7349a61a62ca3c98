//! Orders: their effects against the outbox, their state against their legs, and what they hold.

use std::collections::{BTreeMap, HashMap};

use domain::order::{Context, EffectStatus, EffectView, Gap, Order};

use super::inbox::moment;
use super::{Finding, Findings, LegRow, Scope, StatusRow, Wait};
use crate::store::Error;
use crate::store::ledger::{Books, Row, TaskRow};

/// Orders in memory at once.
const PAGE: i64 = 200;

/// What the orders together say.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Units per (location, SKU).
    pub(super) held: BTreeMap<(String, String), i64>,
    pub(super) statuses: Vec<StatusRow>,
    pub(super) legs: Vec<LegRow>,
    pub(super) waits: Vec<Wait>,
}

pub(super) async fn check(
    books: &Books,
    context: &Context<'_>,
    scope: Scope,
    findings: &mut Findings,
) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    let mut statuses: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut legs: BTreeMap<&'static str, LegRow> = BTreeMap::new();
    let mut known: BTreeMap<&'static str, (i64, String)> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let (rows, tasks) = books.orders(&after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.id);
        let mut tasks_of: HashMap<String, Vec<TaskRow>> = HashMap::new();
        for task in tasks {
            tasks_of
                .entry(task.order_id.clone())
                .or_default()
                .push(task);
        }
        for row in &rows {
            let order = match &row.order {
                Ok(order) => order,
                Err(error) => {
                    findings.add(Finding {
                        code: "order-unreadable",
                        what: format!("its document cannot be read: {error}"),
                        place: place(row),
                        remedy: "restore the row from a backup; the channel's poll or a replay brings it up to date".to_owned(),
                    });
                    continue;
                }
            };
            for (at, units) in order.held_units() {
                *seen.held.entry(at).or_default() += units;
            }
            if scope == Scope::Stock {
                continue;
            }
            *statuses.entry(order.status().as_str()).or_default() += 1;
            for effect in order.effect_views() {
                tally(legs.entry(effect.leg.as_str()).or_default(), effect.status);
            }
            let tasks = tasks_of.remove(&row.id).unwrap_or_default();
            columns(row, order, findings);
            outbox(row, order, &tasks, findings);
            for gap in order.gaps(context.settings) {
                if gap.known {
                    let entry = known.entry(gap.code).or_insert_with(|| (0, place(row)));
                    entry.0 += 1;
                } else {
                    findings.add(lacking(row, &gap));
                }
            }
            at_rest(row, order, context, findings);
        }
    }
    if scope == Scope::Stock {
        return Ok(seen);
    }
    lost(books, findings).await?;
    seen.statuses = statuses
        .into_iter()
        .map(|(status, orders)| StatusRow {
            status: status.to_owned(),
            orders,
        })
        .collect();
    seen.legs = legs
        .into_iter()
        .map(|(leg, row)| LegRow {
            leg: leg.to_owned(),
            ..row
        })
        .collect();
    seen.waits = known
        .into_iter()
        .map(|(code, (count, first))| Wait {
            what: format!("orders with {code}"),
            count,
            place: format!("{first} and others of the kind"),
            remedy: "set the target in [legs], the location's invoice series or the tax rate; the order goes on at its next change".to_owned(),
        })
        .collect();
    Ok(seen)
}

/// What is not found order by order.
async fn lost(books: &Books, findings: &mut Findings) -> Result<(), Error> {
    let strays = books.tasks_of_lost_orders().await?;
    let total = strays.first().map_or(0, |stray| stray.total);
    findings.count_more(
        usize::try_from(total)
            .unwrap_or(0)
            .saturating_sub(strays.len()),
    );
    for stray in strays {
        findings.add(Finding {
            code: "task-orphaned",
            what: format!("task {} belongs to an order that is not there", stray.seq),
            place: format!("target {}, {}", stray.channel, moment(stray.at)),
            remedy: "restore the order from a backup".to_owned(),
        });
    }
    for (channel, external_id, count) in books.repeated_orders().await? {
        findings.add(Finding {
            code: "order-twice",
            what: format!("{count} orders have the external id {external_id}"),
            place: format!("channel {channel}"),
            remedy: "cancel all but the oldest: POST /api/v1/orders/{id}/cancel".to_owned(),
        });
    }
    Ok(())
}

fn place(row: &Row) -> String {
    format!("order {} ({})", row.code, row.id)
}

fn tally(row: &mut LegRow, status: EffectStatus) {
    row.asked += 1;
    match status {
        EffectStatus::Pending | EffectStatus::Withdrawing => row.open += 1,
        EffectStatus::Done => row.done += 1,
        EffectStatus::Refused => row.refused += 1,
        EffectStatus::Dead => row.dead += 1,
        EffectStatus::Withdrawn | EffectStatus::Abandoned => row.stopped += 1,
    }
}

fn columns(row: &Row, order: &Order, findings: &mut Findings) {
    let pairs = [
        ("id", row.id.as_str(), order.id().as_str()),
        ("code", &row.code, order.code().as_str()),
        ("channel", &row.channel, order.channel()),
        ("external_id", &row.external_id, order.external_id()),
        ("status", &row.status, order.status().as_str()),
        (
            "customer_id",
            row.customer_id.as_deref().unwrap_or_default(),
            order.customer_id().unwrap_or_default(),
        ),
    ];
    for (column, stored, document) in pairs {
        if stored != document {
            findings.add(Finding {
                code: "column-differs",
                what: format!("the column {column} says {stored}, the document {document}"),
                place: place(row),
                remedy: "the order is written anew at its next change; if the document is the older one, restore it from a backup".to_owned(),
            });
        }
    }
}

/// The states that a task may be in for what the order knows of it.
fn fitting(status: EffectStatus) -> &'static [&'static str] {
    match status {
        EffectStatus::Pending => &["pending", "in_flight"],
        // Dead: redriving it or stopping it for good is up to a person.
        EffectStatus::Withdrawing => &["pending", "in_flight", "dead"],
        EffectStatus::Done => &["delivered"],
        // Redriven by a person: the order takes the success when it comes.
        EffectStatus::Refused => &["refused", "pending", "in_flight", "dead"],
        EffectStatus::Dead => &["dead", "pending", "in_flight"],
        EffectStatus::Withdrawn | EffectStatus::Abandoned => &["withdrawn"],
    }
}

fn outbox(row: &Row, order: &Order, tasks: &[TaskRow], findings: &mut Findings) {
    let mut by_key: HashMap<&str, &TaskRow> =
        tasks.iter().map(|task| (task.key.as_str(), task)).collect();
    for effect in order.effect_views() {
        // Nobody was to be called.
        if effect.target.is_empty() {
            continue;
        }
        let Some(task) = by_key.remove(effect.key) else {
            findings.add(task_missing(row, &effect));
            continue;
        };
        if !fitting(effect.status).contains(&task.state.as_str()) {
            findings.add(Finding {
                code: "task-differs",
                what: format!(
                    "the order knows {} of {} as {}, its task {} is {}",
                    effect.op,
                    effect.subject,
                    effect.status.as_str(),
                    task.seq,
                    task.state
                ),
                place: format!("{}, target {}", place(row), effect.target),
                remedy: format!(
                    "compare with the tries (GET /api/v1/deliveries/{}) and the partner's books; a dead task is settled by `kenh redrive --id {}`",
                    task.seq, task.seq
                ),
            });
        }
    }
    let mut orphans: Vec<&&TaskRow> = by_key.values().collect();
    orphans.sort_by_key(|task| task.seq);
    for task in orphans {
        findings.add(Finding {
            code: "task-orphaned",
            what: format!(
                "task {} ({}, {}) belongs to no effect of its order: nobody asked for it",
                task.seq, task.op, task.state
            ),
            place: format!("{}, target {}", place(row), task.target),
            remedy: format!(
                "look at GET /api/v1/deliveries/{} and ask the partner what it did; do not redrive it",
                task.seq
            ),
        });
    }
}

fn task_missing(row: &Row, effect: &EffectView<'_>) -> Finding {
    Finding {
        code: "task-missing",
        what: format!(
            "{} of {} is {} and has no task",
            effect.op,
            effect.subject,
            effect.status.as_str()
        ),
        place: format!("{}, target {}", place(row), effect.target),
        remedy: if effect.status.is_open() {
            "it will never be sent: restore the task from a backup, or let the order ask anew with POST /api/v1/orders/{id}/reroute"
        } else {
            "the record of what was sent is gone: restore it from a backup"
        }
        .to_owned(),
    }
}

fn lacking(row: &Row, gap: &Gap) -> Finding {
    let (what, remedy) = match gap.code {
        "invoice-missing" => (
            "it was delivered and no invoice was asked for",
            "let it look at itself again: POST /api/v1/orders/{id}/release",
        ),
        "visit-missing" => (
            "it was delivered and its installation was never registered",
            "register the visit with the service center, or let the order look at itself again: POST /api/v1/orders/{id}/release",
        ),
        "stock-kept" => (
            "a parcel that is over still holds stock",
            "let it look at itself again: POST /api/v1/orders/{id}/release",
        ),
        "reservation-live" => (
            "it was cancelled and its reservation stands",
            "cancel it again: POST /api/v1/orders/{id}/cancel",
        ),
        "visit-live" => (
            "it was cancelled and its work order stands",
            "cancel it again, and call the visit off at the service center",
        ),
        "invoice-live" => (
            "it was cancelled and its invoice stands uncorrected",
            "cancel it again, and have the invoice adjusted by the invoicing system",
        ),
        other => (other, "look at the order's timeline"),
    };
    let subject = gap
        .subject
        .as_ref()
        .map_or_else(String::new, |subject| format!(", {subject}"));
    Finding {
        code: gap.code,
        what: what.to_owned(),
        place: format!("{}{subject}", place(row)),
        remedy: remedy.replace("{id}", &row.id),
    }
}

/// A stored order is at rest: it wants no routing, and its plan asks for nothing.
fn at_rest(row: &Row, order: &Order, context: &Context<'_>, findings: &mut Findings) {
    // Its own timer has come: it is about to look at itself.
    if row
        .next_wake
        .is_some_and(|wake| wake <= context.now.as_millisecond())
    {
        return;
    }
    let mut wants: Vec<String> = Vec::new();
    if order.routing_order(context).is_some() {
        wants.push("routing".to_owned());
    }
    let plan = order.clone().plan(context);
    wants.extend(plan.tasks.iter().map(|task| task.body.op().to_owned()));
    wants.extend(
        plan.movements
            .iter()
            .map(|movement| format!("{} of {}", movement.kind.as_str(), movement.sku)),
    );
    wants.extend(
        plan.withdraw
            .iter()
            .map(|key| format!("withdrawal of {key}")),
    );
    if wants.is_empty() {
        return;
    }
    findings.add(Finding {
        code: "not-at-rest",
        what: format!("it wants {} and nobody is at it", wants.join(", ")),
        place: place(row),
        remedy: format!(
            "it goes on at its next change; POST /api/v1/orders/{}/release makes one",
            row.id
        ),
    });
}
