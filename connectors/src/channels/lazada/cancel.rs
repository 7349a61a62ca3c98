//! Cancelling for the seller (per unit, with a reason that the platform must offer first), and
//! answering the buyer's wish to cancel.

use bytes::Bytes;
use domain::feedback::CancelReason;
use domain::snapshot::ChannelStatus;
use domain::task::{ChannelLine, Given, Outcome};
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::api::{Answer, judge, read_data};
use super::document::{Item, Loose};
use super::feedback::{Chosen, push_once, refused, retry, trouble, unbuildable, unreadable};
use super::items::{Group, groups};
use super::status::{Reverse, Stage, of_item, stage};
use super::{Lazada, Settings};
use crate::channel::CallContext;
use crate::feedback::Step;
use crate::target::BuildError;

const VALIDATE: &str = "/order/reverse/cancel/validate";
const CREATE: &str = "/order/reverse/cancel/create";
const DECIDE: &str = "/order/reverse/cancel/seller/decide";

/// There is nothing (more) to decide.
const NOTHING_TO_DECIDE: &str = "131";
/// An error inside the vendor's reverse service.
const REVERSE_SERVICE: &str = "106";

/// The reason that was chosen, handed to the call that cancels.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChosenReason {
    reason_id: String,
}

impl Lazada {
    pub(super) fn validate_cancel(
        &self,
        order_id: &str,
        chosen: &Chosen,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let items = json!(chosen.items).to_string();
        let parameters = [
            ("order_id", order_id),
            ("order_item_id_list", items.as_str()),
        ];
        self.get(VALIDATE, &parameters, call)
    }

    /// The vendor documents it as GET only, although it changes something.
    pub(super) fn cancel(
        &self,
        order_id: &str,
        chosen: &Chosen,
        reason: &Bytes,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let reason: ChosenReason = serde_json::from_slice(reason)
            .map_err(|_| unbuildable("an earlier answer is not ours"))?;
        let items = json!(chosen.items).to_string();
        let parameters = [
            ("order_id", order_id),
            ("order_item_id_list", items.as_str()),
            ("reason_id", reason.reason_id.as_str()),
        ];
        self.get(CREATE, &parameters, call)
    }

    pub(super) fn decide_cancel(
        &self,
        chosen: &Chosen,
        decided: usize,
        accept: bool,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let request = chosen
            .requests
            .get(decided)
            .ok_or_else(|| unbuildable("no request is left to decide"))?;
        let parameters = [
            ("reverse_order_id", request.as_str()),
            ("agree_cancel", if accept { "true" } else { "false" }),
        ];
        self.get(DECIDE, &parameters, call)
    }
}

pub(super) fn choose(
    items: &[Item],
    lines: &[ChannelLine],
    is_whole: bool,
    is_unknown: bool,
) -> Step {
    let groups = groups(items);
    let mut units: Vec<&Item> = Vec::new();
    if is_whole {
        units.extend(groups.iter().flat_map(Group::open));
    } else {
        for line in lines {
            let Some(group) = groups.iter().find(|group| group.id() == line.line_id) else {
                return refused("unknown_line", "a line is not part of the order there");
            };
            units.extend(group.open().take(left(group, line.quantity, is_unknown)));
        }
    }
    if units.is_empty() {
        return done_already();
    }
    if units.iter().any(|unit| is_gone(unit)) {
        return refused("too_late", "it has been shipped");
    }
    if shares_a_parcel(items, &units) {
        // The platform would cancel the whole parcel.
        return refused("shared_parcel", "other units are packed in the same parcel");
    }
    let mut chosen = Chosen::default();
    chosen
        .items
        .extend(units.iter().map(|unit| unit.id().to_owned()));
    chosen.part()
}

/// How many units of a line are still to cancel. After a try whose answer was lost, those that the
/// seller has cancelled may be ours.
fn left(group: &Group<'_>, quantity: u32, is_unknown: bool) -> usize {
    let wanted = usize::try_from(quantity).unwrap_or(usize::MAX);
    if !is_unknown {
        return wanted;
    }
    let by_seller = |unit: &&&Item| {
        let initiator = unit.cancel_return_initiator.text().unwrap_or_default();
        stage(unit) == Stage::Cancelled && initiator.contains("seller")
    };
    wanted.saturating_sub(group.units.iter().filter(by_seller).count())
}

fn is_gone(unit: &Item) -> bool {
    match stage(unit) {
        Stage::At(
            ChannelStatus::Draft
            | ChannelStatus::Pending
            | ChannelStatus::Confirmed
            | ChannelStatus::Packed,
        )
        | Stage::Cancelled
        | Stage::Unknown => false,
        Stage::At(
            ChannelStatus::Shipped
            | ChannelStatus::Delivered
            | ChannelStatus::Completed
            | ChannelStatus::Cancelled
            | ChannelStatus::DeliveryFailed
            | ChannelStatus::ReturnRequested
            | ChannelStatus::Returned,
        ) => true,
    }
}

fn shares_a_parcel(items: &[Item], units: &[&Item]) -> bool {
    items
        .iter()
        .filter(|item| stage(item) == Stage::At(ChannelStatus::Packed))
        .filter(|item| !units.iter().any(|unit| unit.id() == item.id()))
        .filter_map(|item| item.package_id.id())
        .any(|package| {
            units
                .iter()
                .any(|unit| unit.package_id.id() == Some(package))
        })
}

fn done_already() -> Step {
    Step::Done(Outcome::Duplicate {
        given: Given::default(),
    })
}

fn accepted() -> Step {
    Step::Done(Outcome::Accepted {
        given: Given::default(),
    })
}

#[derive(Deserialize)]
struct Tip {
    /// `success`, `warning` or `error`.
    #[serde(default)]
    tip_type: Loose,
    #[serde(default)]
    reason_options: Option<Vec<ReasonOption>>,
}

#[derive(Deserialize)]
struct ReasonOption {
    #[serde(default)]
    reason_name: Loose,
    #[serde(default)]
    reason_id: Loose,
}

pub(super) fn read_validate(
    settings: &Settings,
    reason: CancelReason,
    response: &Response<Bytes>,
) -> Step {
    let tip = match tip(response) {
        Ok(tip) => tip,
        Err(step) => return *step,
    };
    let options = tip.reason_options.unwrap_or_default();
    match pick(settings, reason, &options) {
        Some(reason_id) => {
            let chosen = json!({ "reason_id": reason_id });
            Step::Part(Bytes::from(chosen.to_string()))
        }
        None => refused("not_cancellable", "the platform offers no reason to cancel"),
    }
}

/// The vendor's reasons differ by order and country, and their names by language. "Out of stock" and
/// "wrong price" set the article's stock to 0, so they are never used for anything else while there
/// is another.
fn pick(settings: &Settings, reason: CancelReason, options: &[ReasonOption]) -> Option<String> {
    let ids = || options.iter().filter_map(|option| option.reason_id.id());
    let is_out_of_stock = reason == CancelReason::OutOfStock;
    let set = if is_out_of_stock {
        &settings.out_of_stock_reason_id
    } else {
        &settings.other_reason_id
    };
    if let Some(set) = set.as_deref().filter(|set| ids().any(|id| id == *set)) {
        return Some(set.to_owned());
    }
    let named = |words: &[&str]| {
        let with_word = options.iter().filter(|option| {
            let name = option.reason_name.text().unwrap_or_default().to_lowercase();
            words.iter().any(|word| name.contains(word))
        });
        with_word.filter_map(|o| o.reason_id.id()).next()
    };
    let stock = &["out of stock", "hết hàng"];
    let delay = &["delay", "chậm"];
    let by_name = if is_out_of_stock {
        named(stock).or_else(|| named(delay))
    } else {
        let harmful = [named(stock), named(&["pric", "giá"])];
        let harmless = ids().find(|id| !harmful.contains(&Some(*id)));
        named(delay).or(harmless)
    };
    by_name.or_else(|| ids().next()).map(str::to_owned)
}

pub(super) fn read_cancel(response: &Response<Bytes>) -> Step {
    match tip(response) {
        Ok(_) => accepted(),
        Err(step) => *step,
    }
}

/// A good answer may still say no, in `tip_type`.
fn tip(response: &Response<Bytes>) -> Result<Tip, Box<Step>> {
    if let Some(step) = reverse_trouble(judge(response)) {
        return Err(Box::new(step));
    }
    let tip: Tip = read_data(response.body()).map_err(|error| unreadable(&error))?;
    if tip.tip_type.text() == Some("error") {
        return Err(Box::new(refused(
            "not_cancellable",
            "the platform does not let it be cancelled",
        )));
    }
    Ok(tip)
}

/// The reverse service has codes of its own.
fn reverse_trouble(answer: Answer) -> Option<Step> {
    match answer {
        Answer::Refused { code, reason } if code == REVERSE_SERVICE => trouble(Answer::Retry {
            after_s: None,
            reason,
        }),
        other => trouble(other),
    }
}

pub(super) fn choose_requests(items: &[Item]) -> Step {
    let mut chosen = Chosen::default();
    let mut is_asked = false;
    for item in items {
        let is_open = stage(item) != Stage::Cancelled;
        let asks = item.cancel_requested() || of_item(item) == Some(Reverse::CancelAsked);
        if is_open && asks {
            is_asked = true;
            push_once(&mut chosen.requests, item.reverse_order_id.id());
        }
    }
    if !is_asked {
        // Withdrawn, answered, or accepted by the platform in the meantime.
        return done_already();
    }
    if chosen.requests.is_empty() {
        return retry("the request has no id there yet");
    }
    chosen.part()
}

pub(super) fn read_decided(chosen: &Chosen, decided: usize, response: &Response<Bytes>) -> Step {
    let is_last = decided + 1 >= chosen.requests.len();
    let answer = judge(response);
    let is_decided_already =
        matches!(&answer, Answer::Refused { code, .. } if code == NOTHING_TO_DECIDE);
    if !is_decided_already && let Some(step) = reverse_trouble(answer) {
        return step;
    }
    match (is_last, is_decided_already) {
        (false, _) => Step::Part(Bytes::from_static(b"{}")),
        (true, true) => done_already(),
        (true, false) => accepted(),
    }
}
