//! Which order a bank transfer pays: the order code in its text, never its amount.
//!
//! Certain only when one code stands there so that it cannot be misread; everything else is for a
//! person. Outgoing transfers are nobody's payment.

use domain::code::{Found, OrderCode, Prefix, find_in_text};
use domain::money::Amount;
use jiff::Timestamp;

use crate::inbound::{Notice, NoticeBody, PaymentNotice, PaymentState};

/// The provider's code of a transfer that names one order beyond doubt.
pub const MATCHED: &str = "matched";
/// One code, but only after the separators were removed, beside a damaged one, or against the
/// bank's own reading of it.
pub const REVIEW: &str = "review";
/// Several orders in one text: a person must share the money out.
pub const AMBIGUOUS: &str = "ambiguous";
/// No order code: the list of unmatched transfers.
pub const UNMATCHED: &str = "unmatched";
/// The message was not signed, and there is no way to ask.
pub const UNCONFIRMED: &str = "unconfirmed";

/// What a transfer's texts say about its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matched {
    /// This order, for certain.
    Order(OrderCode),
    /// This order, but a person must look.
    Review(OrderCode),
    /// Several orders.
    Ambiguous(Vec<OrderCode>),
    /// None.
    Nothing,
}

/// Looks for the order: first in `code`, where the aggregator has found one by itself, then in the
/// transfer's text. A code that the text contradicts is for a person.
#[must_use]
pub fn order_of(prefix: &Prefix, code: Option<&str>, text: &str) -> Matched {
    let in_text = find_in_text(prefix, text);
    let given = code
        .and_then(|code| code.parse::<OrderCode>().ok())
        .filter(|code| code.prefix() == prefix.as_str());
    match (given, in_text) {
        (Some(given), Found::Nothing) => Matched::Order(given),
        (Some(given), Found::Certain(found) | Found::Review(found)) => {
            if given == found {
                Matched::Order(given)
            } else {
                Matched::Ambiguous(vec![given, found])
            }
        }
        (Some(given), Found::Ambiguous(mut codes)) => {
            if !codes.contains(&given) {
                codes.insert(0, given);
            }
            Matched::Ambiguous(codes)
        }
        (None, Found::Certain(found)) => Matched::Order(found),
        (None, Found::Review(found)) => Matched::Review(found),
        (None, Found::Ambiguous(codes)) => Matched::Ambiguous(codes),
        (None, Found::Nothing) => Matched::Nothing,
    }
}

/// Money that came to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The aggregator's id of the transaction.
    pub id: String,
    /// What came.
    pub amount: Amount,
    /// When, according to the bank.
    pub at: Timestamp,
    /// The order.
    pub order: Matched,
}

/// Whether the report of a transfer is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Signed, or fetched by ourselves.
    Confirmed,
    /// Not signed, and nobody can be asked.
    Unconfirmed,
}

impl Incoming {
    /// One payment per order that the transfer may be for; without an order one payment with an
    /// empty reference.
    #[must_use]
    pub fn payments(&self, trust: Trust) -> Vec<PaymentNotice> {
        let payment = |reference: &str, state, code: &str| {
            let (state, code) = match trust {
                Trust::Confirmed => (state, code),
                Trust::Unconfirmed => (PaymentState::Suspect, UNCONFIRMED),
            };
            PaymentNotice {
                reference: reference.to_owned(),
                transaction: self.id.clone(),
                amount: self.amount,
                state,
                at: self.at,
                provider_code: code.to_owned(),
            }
        };
        match &self.order {
            Matched::Order(code) => vec![payment(code.as_str(), PaymentState::Paid, MATCHED)],
            Matched::Review(code) => vec![payment(code.as_str(), PaymentState::Suspect, REVIEW)],
            Matched::Ambiguous(codes) => codes
                .iter()
                .map(|code| payment(code.as_str(), PaymentState::Suspect, AMBIGUOUS))
                .collect(),
            Matched::Nothing => vec![payment("", PaymentState::Paid, UNMATCHED)],
        }
    }

    /// [`Self::payments`] as notices. Their key is the transaction's, so that what a push and the
    /// list say of one transfer is seen to be the same, also where it names no order.
    #[must_use]
    pub fn notices(&self, trust: Trust) -> Vec<Notice> {
        self.payments(trust)
            .into_iter()
            .map(|payment| Notice {
                key: Some(self.id.clone()),
                body: NoticeBody::Payment(payment),
            })
            .collect()
    }

    /// The answer to a question about one transfer. A transfer for several orders is told of the
    /// first; the person who looks at it sees the others in the bank's text.
    #[must_use]
    pub fn answer(&self) -> NoticeBody {
        let first = self.payments(Trust::Confirmed).into_iter().next();
        NoticeBody::Payment(first.expect("invariant: a transfer makes at least one payment"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix() -> Prefix {
        "KH".parse().unwrap()
    }

    fn code(sequence: u32) -> OrderCode {
        OrderCode::new(&prefix(), sequence).unwrap()
    }

    #[test]
    fn the_order_is_found_by_the_rules_of_the_text() {
        let (one, two) = (code(572), code(573));
        let certain = || Matched::Order(code(572));
        let review = || Matched::Review(code(572));
        let both = || Matched::Ambiguous(vec![code(572), code(573)]);
        let cases: Vec<(Option<&str>, String, Matched)> = vec![
            (None, format!("NGUYEN VAN A ck {one} cam on"), certain()),
            (None, "kh-000005724.CT tu 0011".to_owned(), certain()),
            (None, "KH 000 005 724".to_owned(), review()),
            // A phone number glued to the code: the fixed length keeps it out, a person looks.
            (None, format!("{one}0901234567"), review()),
            (None, format!("{one} {two}"), both()),
            (None, "tien dien".to_owned(), Matched::Nothing),
            (None, "SO000005724".to_owned(), Matched::Nothing),
            // What the aggregator has found itself.
            (Some("KH000005724"), "chuyen tien".to_owned(), certain()),
            (
                Some(" kh000005724 "),
                "KH 000 005 724".to_owned(),
                certain(),
            ),
            (Some("KH000005724"), format!("{two}"), both()),
            (Some("KH000005724"), format!("{one} {two}"), both()),
            // What it has found is none of ours: another prefix, a wrong digit, another form.
            (
                Some("SO000005724"),
                "chuyen tien".to_owned(),
                Matched::Nothing,
            ),
            (
                Some("KH000005725"),
                "chuyen tien".to_owned(),
                Matched::Nothing,
            ),
            (Some("SO000123"), format!("{one}"), certain()),
            (Some(""), String::new(), Matched::Nothing),
        ];
        for (given, text, expected) in cases {
            assert_eq!(
                order_of(&prefix(), given, &text),
                expected,
                "{given:?} {text}"
            );
        }
    }

    fn incoming(order: Matched) -> Incoming {
        Incoming {
            id: "90000001".to_owned(),
            amount: Amount(580_000),
            at: "2025-12-04T04:05:37Z".parse().unwrap(),
            order,
        }
    }

    fn seen(order: Matched, trust: Trust) -> Vec<(String, PaymentState, String)> {
        incoming(order)
            .payments(trust)
            .into_iter()
            .map(|payment| (payment.reference, payment.state, payment.provider_code))
            .collect()
    }

    #[test]
    fn only_a_certain_and_confirmed_transfer_is_a_payment() {
        use PaymentState::{Paid, Suspect};
        let row =
            |reference: &str, state, code: &str| (reference.to_owned(), state, code.to_owned());
        let (one, two) = ("KH000005724", code(573).to_string());
        let both = Matched::Ambiguous(vec![code(572), code(573)]);
        for (order, expected) in [
            (Matched::Order(code(572)), vec![row(one, Paid, "matched")]),
            (
                Matched::Review(code(572)),
                vec![row(one, Suspect, "review")],
            ),
            (
                both.clone(),
                vec![
                    row(one, Suspect, "ambiguous"),
                    row(&two, Suspect, "ambiguous"),
                ],
            ),
            (Matched::Nothing, vec![row("", Paid, "unmatched")]),
        ] {
            assert_eq!(seen(order, Trust::Confirmed), expected);
        }
        for (_, state, code) in seen(Matched::Order(code(572)), Trust::Unconfirmed) {
            assert_eq!((state, &*code), (Suspect, "unconfirmed"));
        }
        let NoticeBody::Payment(first) = incoming(both).answer() else {
            panic!("a payment")
        };
        assert_eq!((&*first.reference, first.state), (one, Suspect));
        let unmatched = incoming(Matched::Nothing).notices(Trust::Confirmed);
        assert_eq!(unmatched[0].key.as_deref(), Some("90000001"));
    }

    proptest! {
        #[test]
        fn any_texts_come_to_an_answer(code: Option<String>, text: String) {
            let order = order_of(&prefix(), code.as_deref(), &text);
            prop_assert!(!incoming(order).payments(Trust::Confirmed).is_empty());
        }
    }
}
