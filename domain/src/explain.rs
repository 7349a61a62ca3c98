//! An order's decision and state in words, in English and Vietnamese, for people who ask why.
//!
//! It words what the stored trace holds and decides nothing. No personal data: names, phones and
//! addresses are not in it.

mod words;

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::order::{EffectStatus, Order};
use crate::routing::{
    Candidate, Decision, Outcome, Refusal, RuleTrial, SortKey, SourceTrial, TrialResult,
};

pub use words::Language;
use words::Words;

/// Candidates of one source that are shown; a trace may list hundreds.
const SHOWN: usize = 12;

/// Explains an order: its status, why it waits, how its last decision came about, and where every
/// leg stands. `decisions` are the stored ones with their times, oldest first.
#[must_use]
pub fn explain(order: &Order, decisions: &[(Timestamp, Decision)], language: Language) -> String {
    let mut text = Text {
        out: String::new(),
        words: Words(language),
    };
    text.head(order);
    match decisions.last() {
        None => {
            let line = text
                .words
                .pick("It has not been routed.", "Đơn chưa được định tuyến.");
            text.line(0, line);
        }
        Some((at, decision)) => text.decision(*at, decision, decisions.len()),
    }
    text.state(order);
    text.out
}

struct Text {
    out: String,
    words: Words,
}

impl Text {
    fn line(&mut self, depth: usize, words: &str) {
        for _ in 0..depth {
            self.out.push_str("  ");
        }
        self.out.push_str(words);
        self.out.push('\n');
    }

    fn head(&mut self, order: &Order) {
        let words = self.words;
        let title = format!(
            "{} {} ({}, {}): {}",
            words.pick("Order", "Đơn"),
            order.code(),
            order.channel(),
            order.external_id(),
            order.status().as_str()
        );
        self.line(0, &title);
        for hold in order.view().holds {
            let detail = hold.detail.map(|it| format!(" ({it})")).unwrap_or_default();
            let line = format!(
                "{} {}{detail}: {}",
                words.pick("held,", "tạm giữ,"),
                hold.code,
                words.hold(&hold.code)
            );
            self.line(1, &line);
        }
    }

    fn decision(&mut self, at: Timestamp, decision: &Decision, count: usize) {
        let words = self.words;
        self.line(0, "");
        let line = format!(
            "{} {} ({} {count}), {} «{}», {} {}",
            words.pick("Decision of", "Quyết định lúc"),
            at.strftime("%Y-%m-%dT%H:%MZ"),
            words.pick("number", "lần thứ"),
            words.pick("rule", "quy tắc"),
            decision.rule,
            words.pick("rules version", "phiên bản quy tắc"),
            decision.rules_version,
        );
        self.line(0, &line);
        let outcome = words.outcome(&decision.outcome);
        self.line(1, &outcome);
        if let Outcome::Allocated { allocations, .. } = &decision.outcome {
            for one in allocations {
                let line = format!(
                    "{} {}: {} × {} {} {}",
                    words.pick("line", "dòng"),
                    one.line_id,
                    one.quantity,
                    one.sku,
                    words.pick("from", "từ"),
                    one.location
                );
                self.line(2, &line);
            }
        }
        for gift in &decision.gifts {
            let line = format!(
                "{}: {} × {} {}",
                words.pick("gift", "quà tặng"),
                gift.quantity,
                gift.sku,
                gift.location.as_deref().unwrap_or_else(
                    || words.pick("(no location has it left)", "(không kho nào còn)")
                ),
            );
            self.line(2, &line);
        }
        for (name, leg) in [
            ("invoice", &decision.legs.invoice),
            ("installation", &decision.legs.installation),
            ("warranty", &decision.legs.warranty),
        ] {
            if let Some(leg) = leg {
                let target = leg
                    .target
                    .as_ref()
                    .map(|target| format!(" → {target}"))
                    .unwrap_or_default();
                let line = format!("{}: {}{target}", words.leg(name), words.moment(leg.when));
                self.line(1, &line);
            }
        }
        if decision.promise_met == Some(false) {
            self.line(
                1,
                words.pick(
                    "the promise cannot be kept",
                    "không kịp thời hạn đã hứa với khách",
                ),
            );
        }
        if decision.trace.round > 0 {
            let line = format!(
                "{} {}",
                words.pick(
                    "routed again after rejections:",
                    "định tuyến lại sau khi kho từ chối, lần"
                ),
                decision.trace.round
            );
            self.line(1, &line);
        }
        self.line(
            1,
            words.pick("rules that were looked at:", "các quy tắc đã xét:"),
        );
        for trial in &decision.trace.rules {
            self.rule(trial);
        }
    }

    fn rule(&mut self, trial: &RuleTrial) {
        let words = self.words;
        let result = match &trial.result {
            TrialResult::Unmatched { condition } => format!(
                "{} {condition}",
                words.pick("did not match:", "không khớp điều kiện")
            ),
            TrialResult::PassedOn => words
                .pick(
                    "matched, found no place, passed on",
                    "khớp nhưng không có kho phù hợp, chuyển quy tắc sau",
                )
                .to_owned(),
            TrialResult::Decided => words.pick("decided", "được áp dụng").to_owned(),
        };
        let line = format!("{}. «{}» {result}", trial.place + 1, trial.rule);
        self.line(2, &line);
        for source in &trial.sources {
            self.source(source);
        }
    }

    fn source(&mut self, source: &SourceTrial) {
        let words = self.words;
        let which = source.source.map_or_else(
            || words.pick("all sources", "mọi nguồn").to_owned(),
            |n| format!("{} {}", words.pick("source", "nguồn"), n + 1),
        );
        let chosen = if source.chosen.is_empty() {
            words.pick("nothing chosen", "không chọn được").to_owned()
        } else {
            format!(
                "{} {}",
                words.pick("chosen:", "chọn:"),
                source.chosen.join(", ")
            )
        };
        let line = format!("{which}, {}; {chosen}", words.method(source.method));
        self.line(3, &line);
        for candidate in source.candidates.iter().take(SHOWN) {
            let is_chosen = source.chosen.contains(&candidate.location);
            let line = self.candidate(candidate, is_chosen);
            self.line(4, &line);
        }
        if let Some(more) = source
            .candidates
            .len()
            .checked_sub(SHOWN)
            .filter(|n| *n > 0)
        {
            let line = format!("… {more} {}", words.pick("more", "kho khác"));
            self.line(4, &line);
        }
    }

    fn candidate(&self, candidate: &Candidate, is_chosen: bool) -> String {
        let words = self.words;
        let mark = match (is_chosen, &candidate.refused) {
            (true, _) => "+",
            (false, None) => "·",
            (false, Some(_)) => "-",
        };
        let mut line = format!("{mark} {}", candidate.location);
        if let Some(metres) = candidate.distance_m {
            write!(line, ", {}.{} km", metres / 1_000, metres % 1_000 / 100)
                .expect("a String takes everything");
        }
        match &candidate.refused {
            Some(refusal) => {
                line.push_str(": ");
                line.push_str(&self.refusal(refusal));
            }
            None => {
                write!(
                    line,
                    ", {} {}",
                    words.pick("lines it covers:", "số dòng đáp ứng:"),
                    candidate.covers
                )
                .expect("a String takes everything");
                for value in &candidate.sort {
                    write!(line, ", {} {}", sort_key(value.key), value.value)
                        .expect("a String takes everything");
                }
            }
        }
        line
    }

    fn refusal(&self, refusal: &Refusal) -> String {
        let words = self.words;
        let mut line = words.reason(refusal.reason).to_owned();
        if let Some(sku) = &refusal.sku {
            write!(line, " ({sku})").expect("a String takes everything");
        }
        if let Some(wanted) = refusal.wanted {
            write!(line, ", {} {wanted}", words.pick("wanted", "cần"))
                .expect("a String takes everything");
        }
        if let Some(found) = refusal.found {
            write!(line, ", {} {found}", words.pick("found", "có"))
                .expect("a String takes everything");
        }
        line
    }

    fn state(&mut self, order: &Order) {
        let words = self.words;
        let view = order.view();
        self.line(0, "");
        self.line(0, words.pick("Where it stands:", "Hiện trạng:"));
        for part in &view.fulfillment_orders {
            let reason = part
                .reason
                .as_ref()
                .map(|reason| format!(" ({reason})"))
                .unwrap_or_default();
            let line = format!(
                "{} {}: {} {}, {}{reason}",
                words.leg("fulfillment"),
                part.id,
                words.pick("at", "tại"),
                part.location,
                part.state
            );
            self.line(1, &line);
        }
        let number = view
            .invoice
            .number
            .as_ref()
            .map(|number| format!(" {number}"))
            .unwrap_or_default();
        let line = format!("{}: {}{number}", words.leg("invoice"), view.invoice.state);
        self.line(1, &line);
        for service in &view.service_orders {
            let line = format!(
                "{} {}: {} ({})",
                words.leg("installation"),
                service.id,
                service.state,
                service.target
            );
            self.line(1, &line);
        }
        for warranty in &view.warranties {
            let state = if warranty.active {
                words.pick("active", "đã kích hoạt")
            } else {
                words.pick("asked for", "đang kích hoạt")
            };
            let line = format!("{} {}: {state}", words.leg("warranty"), warranty.sku);
            self.line(1, &line);
        }
        self.line(
            0,
            words.pick("What was asked of targets:", "Đã yêu cầu các hệ thống:"),
        );
        let mut effects: Vec<_> = order.effect_views().collect();
        effects.sort_by_key(|effect| effect.planned_at);
        for effect in effects {
            let target = if effect.target.is_empty() {
                words.pick("(nobody to call)", "(không cần gọi)")
            } else {
                effect.target
            };
            let reason = effect
                .reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            let line = format!(
                "{} {} → {target}: {}{reason}",
                effect.op,
                effect.subject,
                words.effect(effect.status)
            );
            self.line(1, &line);
        }
    }
}

/// The word of a sort key in rules.
fn sort_key(key: SortKey) -> &'static str {
    SortKey::NAMES
        .into_iter()
        .find(|(_, named)| *named == key)
        .map_or("?", |(name, _)| name)
}

impl Words {
    fn effect(self, status: EffectStatus) -> &'static str {
        match status {
            EffectStatus::Pending => self.pick("on its way", "đang gửi"),
            EffectStatus::Withdrawing => self.pick("being withdrawn", "đang rút lại"),
            EffectStatus::Done => self.pick("done", "xong"),
            EffectStatus::Refused => self.pick("refused", "bị từ chối"),
            EffectStatus::Dead => self.pick("given up, needs a person", "đã dừng, cần người xử lý"),
            EffectStatus::Withdrawn => self.pick("withdrawn", "đã rút lại"),
            EffectStatus::Abandoned => {
                self.pick("given up while unknown", "bỏ dở, chưa rõ kết quả")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::testing::{Story, minute};
    use crate::routing::{Legs, MeasuredFrom, Method, Reason, SortValue, Trace};

    fn decided() -> Decision {
        let candidate = |location: &str, refused| Candidate {
            location: location.into(),
            distance_m: Some(10_910),
            covers: 2,
            refused,
            sort: vec![SortValue {
                key: SortKey::Distance,
                value: 10_910,
            }],
        };
        Decision {
            rule: "south".into(),
            rules_version: "21d6b16b".into(),
            outcome: Outcome::Hold {
                reason: "no-stock".into(),
            },
            legs: Legs::default(),
            tags: vec![],
            priority: 0,
            gifts: vec![],
            transfer_to_store: None,
            dispatch_by: None,
            promise_met: None,
            trace: Trace {
                now: minute(0),
                round: 0,
                region: None,
                measured_from: MeasuredFrom::Position,
                rules: vec![
                    RuleTrial {
                        rule: "cod".into(),
                        place: 0,
                        result: TrialResult::Unmatched {
                            condition: "when.cod".into(),
                        },
                        sources: vec![],
                    },
                    RuleTrial {
                        rule: "south".into(),
                        place: 1,
                        result: TrialResult::Decided,
                        sources: vec![SourceTrial {
                            source: Some(0),
                            method: Method::Single,
                            combinations: 1,
                            candidates: vec![
                                candidate("hub-hcm", None),
                                candidate(
                                    "store-q1",
                                    Some(Refusal {
                                        reason: Reason::NotEnough,
                                        sku: Some("AC-9000".into()),
                                        wanted: Some(2),
                                        found: Some(1),
                                    }),
                                ),
                            ],
                            chosen: vec!["hub-hcm".into()],
                        }],
                    },
                ],
            },
        }
    }

    #[test]
    fn both_languages_tell_rule_candidates_and_legs() {
        let story = Story::confirmed();
        let decisions = [(minute(0), decided())];
        let english = explain(&story.order, &decisions, Language::English);
        let vietnamese = explain(&story.order, &decisions, Language::Vietnamese);
        insta::assert_snapshot!(format!("{english}\n{vietnamese}"));
    }

    #[test]
    fn no_personal_data_is_told() {
        let story = Story::confirmed();
        let text = explain(&story.order, &[], Language::English);
        for secret in ["Nguyễn", "0901", "Trãi"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
