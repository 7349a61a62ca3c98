//! From what was read to what is done with the comment.

use std::collections::BTreeSet;

use super::intent::{has_order_word, of};
use super::lines::{Drawn, draw};
use super::reading::{Mark, Reading};
use super::reason::{Reason, Says, Weight};
use super::token::Kind;
use super::words::{Effect, Meaning};
use super::{Action, Intent, Known, Line, PhoneState, Understanding, read};
use crate::text::fold;

/// Earlier comments that are compared.
const PREVIOUS: usize = 100;
/// Characters of an earlier comment that are compared; longer ones are never drafts.
const PREVIOUS_LENGTH: usize = 500;

/// A comment of the page.
pub(super) fn ignored() -> Understanding {
    Understanding {
        intent: Intent::Ignored,
        action: Action::Ignore,
        lines: Vec::new(),
        mentions: Vec::new(),
        phones: Vec::new(),
        phone_state: PhoneState::None,
        reasons: vec![Reason::ByThePage],
    }
}

pub(super) fn decide(reading: Reading<'_>, text: &str, known: &Known) -> Understanding {
    let live = reading.live;
    let mut understood = judge(reading, known.phone_on_file);
    if understood.action == Action::Ignore {
        return understood;
    }
    let folded = fold(text);
    let recent = || known.previous.iter().rev().take(PREVIOUS);
    if !folded.is_empty() && recent().any(|previous| fold(previous) == folded) {
        understood.action = Action::Duplicate;
        understood.reasons.push(Reason::Duplicate);
        return understood;
    }
    if understood.action == Action::Draft {
        let mut ordered = BTreeSet::new();
        for previous in recent().filter(|text| text.len() <= PREVIOUS_LENGTH) {
            let before = judge(read(previous, live), known.phone_on_file);
            // Without a phone it could not become a draft, so this one completes it.
            let made_an_order = matches!(before.action, Action::Draft | Action::Review)
                && before.intent == Intent::Order
                && (known.phone_on_file || before.phone_state == PhoneState::Ok);
            if made_an_order {
                ordered.extend(before.lines.into_iter().map(|line| line.code));
            }
        }
        for line in &understood.lines {
            if ordered.contains(&line.code) {
                understood.action = Action::Review;
                understood.reasons.push(Reason::OrderedBefore {
                    product: line.code.clone(),
                });
            }
        }
    }
    understood
}

/// The comment by itself.
fn judge(mut reading: Reading<'_>, phone_on_file: bool) -> Understanding {
    let intent = of(&reading);
    let drawn = if draws_lines(intent) && !(reading.codes.is_empty() && names_unknown(&reading)) {
        if intent == Intent::Order || !reading.codes.is_empty() {
            draw(&mut reading)
        } else {
            Vec::new()
        }
    } else {
        Vec::new()
    };
    let evidence = Evidence {
        orders: has_order_word(&reading),
        states_a_quantity: !reading.quantities.is_empty(),
    };
    doubt_what_is_left(&mut reading);
    let action = act(&mut reading, intent, &drawn, phone_on_file, &evidence);
    report(reading, intent, action, drawn, phone_on_file)
}

/// What makes a code an order when the phone is known already.
struct Evidence {
    orders: bool,
    states_a_quantity: bool,
}

fn draws_lines(intent: Intent) -> bool {
    match intent {
        Intent::Order | Intent::Cancel | Intent::Change => true,
        Intent::Ignored
        | Intent::Spam
        | Intent::Complaint
        | Intent::PaymentClaim
        | Intent::OrderStatus
        | Intent::NegatedOrder
        | Intent::Question
        | Intent::Contact
        | Intent::Chatter => false,
    }
}

fn names_unknown(reading: &Reading<'_>) -> bool {
    (0..reading.tokens.len()).any(|at| reading.mark_of(at) == Some(Mark::UnknownCode))
}

/// Everything without a mark: numbers and words of doubt send the comment to a person, words that no
/// list has only keep it from being a draft.
fn doubt_what_is_left(reading: &mut Reading<'_>) {
    let left: Vec<usize> = (0..reading.tokens.len())
        .filter(|at| reading.is_free(*at))
        .collect();
    let digits: usize = left
        .iter()
        .filter(|at| reading.tokens[**at].is_number())
        .map(|at| reading.tokens[*at].lower.len())
        .sum();
    let mut unknown = 0_usize;
    for at in left {
        let token = &reading.tokens[at];
        match token.kind {
            Kind::Number => {
                let number = masked_number(&token.lower, digits);
                reading.doubt(Reason::UnexplainedNumber { number });
            }
            Kind::Foreign => reading.doubt(Reason::UnreadableNumber),
            Kind::Sign => {
                if token.is_sign('?') || token.is_sign('❓') || token.is_sign('❔') {
                    reading.doubt(Reason::QuestionMark);
                } else if ['❌', '🚫', '⛔', '✖', '👎']
                    .iter()
                    .any(|it| token.is_sign(*it))
                {
                    let word = token.lower.clone();
                    reading.doubt(Reason::Word {
                        word,
                        says: Says::Denies,
                    });
                }
            }
            Kind::Word => match reading.meaning(at) {
                None => unknown += 1,
                Some(meaning) => match meaning.effect() {
                    Effect::Fits => {}
                    Effect::Changes(says) => doubt_word(reading, at, meaning, says),
                    Effect::Chat => reading.doubt(Reason::SpeaksOfChat),
                    Effect::Goods => reading.doubt(Reason::OtherProduct),
                    Effect::Unclear => unknown += 1,
                },
            },
        }
    }
    if unknown > 0 {
        reading.doubt(Reason::UnknownWords { count: unknown });
    }
}

/// Numbers that together are as long as a phone show their first digit only.
fn masked_number(number: &str, digits_left: usize) -> String {
    if number.len() <= 4 && digits_left < 8 && !number.starts_with('0') {
        return number.to_owned();
    }
    let first: String = number.chars().take(1).collect();
    format!("{first}•••")
}

fn doubt_word(reading: &mut Reading<'_>, at: usize, meaning: Meaning, says: Says) {
    if !reading.begins(at, meaning) {
        return;
    }
    let mut end = at + 1;
    while reading.says(end, meaning) && !reading.begins(end, meaning) {
        end += 1;
    }
    let word = reading.written(at, end);
    reading.doubt(Reason::Word { word, says });
}

fn act(
    reading: &mut Reading<'_>,
    intent: Intent,
    lines: &[Drawn],
    phone_on_file: bool,
    evidence: &Evidence,
) -> Action {
    match intent {
        Intent::Ignored | Intent::Spam => Action::Ignore,
        Intent::Complaint | Intent::Change | Intent::Cancel => Action::StaffTask,
        Intent::PaymentClaim | Intent::OrderStatus | Intent::NegatedOrder | Intent::Question => {
            Action::Conversation
        }
        Intent::Order => order(reading, lines, phone_on_file, evidence),
        Intent::Contact => contact(reading),
        Intent::Chatter => chatter(reading),
    }
}

fn order(
    reading: &mut Reading<'_>,
    lines: &[Drawn],
    phone_on_file: bool,
    evidence: &Evidence,
) -> Action {
    if weight(reading) == Weight::Review {
        return Action::Review;
    }
    if lines.is_empty() {
        return Action::NeedProduct;
    }
    let digits_missing = (0..reading.tokens.len())
        .any(|at| reading.mark_of(at) == Some(Mark::NoPhone) && reading.tokens[at].is_number());
    match reading.phone_state {
        PhoneState::Ok => {}
        // Another number than the one on file may be meant.
        PhoneState::Hidden | PhoneState::Partial if digits_missing => return Action::NeedPhone,
        PhoneState::None | PhoneState::Hidden | PhoneState::Partial if !phone_on_file => {
            return Action::NeedPhone;
        }
        PhoneState::None => {
            if !evidence.orders && !evidence.states_a_quantity {
                reading.doubt(Reason::NothingOrders);
            }
        }
        PhoneState::Hidden | PhoneState::Partial => {}
    }
    match weight(reading) {
        Weight::Fact => Action::Draft,
        Weight::NoDraft | Weight::Review => Action::Review,
    }
}

/// A phone and nothing to order.
fn contact(reading: &Reading<'_>) -> Action {
    if reading.doubts.iter().any(is_about_numbers) || phone_weight(reading) == Weight::Review {
        return Action::Review;
    }
    match reading.phone_state {
        PhoneState::Ok => Action::Lead,
        PhoneState::Partial => Action::NeedPhone,
        PhoneState::Hidden | PhoneState::None => Action::Conversation,
    }
}

/// A number alone may be an order that was cut short; with praise around it, it is none.
fn chatter(reading: &Reading<'_>) -> Action {
    let talks = (0..reading.tokens.len()).any(|at| {
        reading.says(at, Meaning::Praise)
            || reading.says(at, Meaning::Watch)
            || reading.says(at, Meaning::Game)
    });
    let numbers = reading.doubts.iter().any(is_about_numbers);
    if numbers && !talks {
        Action::Review
    } else {
        Action::Ignore
    }
}

fn is_about_numbers(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::UnexplainedNumber { .. }
            | Reason::UnreadableNumber
            | Reason::UnknownCode { .. }
            | Reason::UnclearCode { .. }
            | Reason::CodeInAddress { .. }
            | Reason::PhoneUnclear
            | Reason::SeveralPhones
            | Reason::TooLong
    )
}

fn weight(reading: &Reading<'_>) -> Weight {
    let doubts = reading.doubts.iter().map(Reason::weight).max();
    doubts.unwrap_or(Weight::Fact).max(phone_weight(reading))
}

fn phone_weight(reading: &Reading<'_>) -> Weight {
    let phones = reading
        .phones
        .iter()
        .map(|found| Reason::phone(&found.e164, found.kind).weight());
    phones.max().unwrap_or(Weight::Fact)
}

fn report(
    reading: Reading<'_>,
    intent: Intent,
    action: Action,
    drawn: Vec<Drawn>,
    phone_on_file: bool,
) -> Understanding {
    let mut reasons = vec![Reason::Wants { intent }];
    for Drawn { line, written } in &drawn {
        reasons.push(Reason::Line {
            product: line.code.clone(),
            quantity: line.quantity,
            variant: line.variant.clone(),
            written: written.clone(),
        });
    }
    // The number of somebody who advertises is nobody's lead.
    let (phones, phone_state) = match intent {
        Intent::Spam => (Vec::new(), PhoneState::None),
        Intent::Ignored
        | Intent::Complaint
        | Intent::Change
        | Intent::Cancel
        | Intent::PaymentClaim
        | Intent::OrderStatus
        | Intent::NegatedOrder
        | Intent::Question
        | Intent::Order
        | Intent::Contact
        | Intent::Chatter => (reading.phones, reading.phone_state),
    };
    reasons.extend(
        phones
            .iter()
            .map(|found| Reason::phone(&found.e164, found.kind)),
    );
    match phone_state {
        PhoneState::Hidden => reasons.push(Reason::PhoneHidden),
        PhoneState::Partial => reasons.push(Reason::PhoneIncomplete),
        PhoneState::Ok | PhoneState::None => {}
    }
    if phone_on_file && phones.is_empty() && action == Action::Draft {
        reasons.push(Reason::PhoneOnFile);
    }
    if matches!(intent, Intent::Order | Intent::Contact) || action == Action::Review {
        reasons.extend(reading.doubts);
    }
    let mut mentions: Vec<String> = Vec::new();
    for code in reading.codes {
        if !mentions.contains(&code.code) {
            mentions.push(code.code);
        }
    }
    Understanding {
        intent,
        action,
        lines: drawn
            .into_iter()
            .map(|drawn| drawn.line)
            .collect::<Vec<Line>>(),
        mentions,
        phones,
        phone_state,
        reasons,
    }
}
