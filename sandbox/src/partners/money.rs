//! The money that buyers have paid at providers or sent to a bank account, and what went back: one
//! book for all providers. What is the same at each of them is here too: counting calls, injecting
//! faults, writing down broken rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Call, Reply, around, banks, checkout, momo, vnpay, zalopay};
use crate::{
    faults::Fault,
    world::{World, held},
};

/// Who takes money for the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Provider {
    Vnpay,
    Momo,
    ZaloPay,
    ZaloCheckout,
    Sepay,
    Casso,
}

impl Provider {
    pub(crate) const ALL: [Self; 6] = [
        Self::Vnpay,
        Self::Momo,
        Self::ZaloPay,
        Self::ZaloCheckout,
        Self::Sepay,
        Self::Casso,
    ];

    /// Also the connector's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vnpay => "vnpay",
            Self::Momo => "momo",
            Self::ZaloPay => "zalopay",
            Self::ZaloCheckout => "zalo_checkout",
            Self::Sepay => "sepay",
            Self::Casso => "casso",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// One refund.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) amount: i64,
    pub(crate) transaction: i64,
}

/// One payment.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) amount: i64,
    pub(crate) transaction: i64,
    /// The provider's order, where it has one of its own (the Mini App).
    pub(crate) order_id: String,
    /// Milliseconds.
    pub(crate) paid_at: i64,
    /// By the merchant's id of the refund.
    pub(crate) refunds: BTreeMap<String, Refund>,
}

impl Payment {
    pub(crate) fn returned(&self) -> i64 {
        self.refunds.values().map(|refund| refund.amount).sum()
    }
}

/// One movement on the bank account; outgoing ones are negative.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    pub(crate) id: i64,
    pub(crate) amount: i64,
    pub(crate) text: String,
    pub(crate) at: jiff::Timestamp,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Money {
    /// By provider and the shop's reference.
    pub(crate) payments: BTreeMap<(Provider, String), Payment>,
    pub(crate) transfers: BTreeMap<(Provider, i64), Transfer>,
    /// Request ids that a provider has seen.
    pub(crate) requests: BTreeSet<(Provider, String)>,
    last: i64,
}

impl Money {
    fn next(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    /// A buyer pays.
    pub(crate) fn pay(&mut self, provider: Provider, reference: &str, amount: i64) -> Payment {
        let number = self.next();
        let now = jiff::Timestamp::now().as_millisecond();
        let payment = Payment {
            amount,
            transaction: 4_088_000_000 + number,
            order_id: format!("1900000000000000000000{number:05}_{now}"),
            paid_at: now,
            refunds: BTreeMap::new(),
        };
        self.payments
            .insert((provider, reference.to_owned()), payment.clone());
        payment
    }

    pub(crate) fn payment(&mut self, provider: Provider, reference: &str) -> Option<&mut Payment> {
        self.payments.get_mut(&(provider, reference.to_owned()))
    }

    pub(crate) fn refunded(&self, provider: Provider, reference: &str) -> i64 {
        let payment = self.payments.get(&(provider, reference.to_owned()));
        payment.map_or(0, Payment::returned)
    }

    /// Money moves on the bank account.
    pub(crate) fn transfer(&mut self, provider: Provider, amount: i64, text: &str) -> Transfer {
        let id = 90_000_000 + self.next();
        let transfer = Transfer {
            id,
            amount,
            text: text.to_owned(),
            at: jiff::Timestamp::now(),
        };
        self.transfers.insert((provider, id), transfer.clone());
        transfer
    }

    /// Gives money back under the merchant's id; the refund's transaction, or `None` when there is
    /// not so much left.
    pub(crate) fn refund(
        &mut self,
        provider: Provider,
        reference: &str,
        id: &str,
        amount: i64,
    ) -> Option<i64> {
        let transaction = 4_089_000_000 + self.next();
        let payment = self.payment(provider, reference)?;
        if amount <= 0 || payment.returned() + amount > payment.amount {
            return None;
        }
        let refund = Refund {
            amount,
            transaction,
        };
        payment.refunds.insert(id.to_owned(), refund);
        Some(transaction)
    }
}

/// A local time of Vietnam.
pub(crate) fn local(at: jiff::Timestamp, format: &str) -> String {
    let shifted = at + jiff::SignedDuration::from_hours(7);
    shifted.strftime(format).to_string()
}

/// Writes down that the gateway broke a provider's rule.
pub(crate) fn violation(world: &World, provider: Provider, rule: &str) {
    held(&world.ledger).violation(format!("{}: {rule}", provider.name()));
}

/// A JSON field as text, numbers included.
pub(crate) fn field(body: &Value, name: &str) -> String {
    match &body[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(crate) async fn answer(world: &Arc<World>, provider: Provider, call: Call) -> Reply {
    held(&world.ledger).channel(provider.name()).requests += 1;
    // Most of these calls differ in their body alone. What differs between two tries of one
    // intention (times, request ids, signatures) stays out of the key.
    let body = call.json();
    let about: Vec<String> = [
        "vnp_TxnRef",
        "vnp_Command",
        "orderId",
        "app_trans_id",
        "m_refund_id",
    ]
    .iter()
    .map(|name| field(&body, name))
    .collect();
    let key = format!(
        "{}:{}:{}:{}:{}",
        provider.name(),
        call.path,
        call.parameter("page"),
        call.parameter("orderId"),
        about.join(":")
    );
    let fault = world.faults.draw(&key);
    if fault.is_some() {
        held(&world.ledger).channel(provider.name()).refused += 1;
    }
    if fault == Some(Fault::TooMany) {
        return Reply {
            headers: vec![("retry-after", "1".to_owned())],
            ..Reply::json(429, json!({"message": "too many requests"}))
        };
    }
    around(fault, &call.wire, || match provider {
        Provider::Vnpay => vnpay::act(world, &call),
        Provider::Momo => momo::act(world, &call),
        Provider::ZaloPay => zalopay::act(world, &call),
        Provider::ZaloCheckout => checkout::act(world, &call),
        Provider::Sepay => banks::sepay(world, &call),
        Provider::Casso => banks::casso(world, &call),
    })
    .await
}
