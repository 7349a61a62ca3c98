//! The set of the evidence decides, not its order: a book that looks at a few identities at a time,
//! as the store does, ends where a look at everything at once ends.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Binding, Evidence, Identity, Limits, Member, Recipient, User, regroup};
use crate::id::CustomerId;
use crate::snapshot::Buyer;

/// Small, so that a few documents meet them.
const LIMITS: Limits = Limits {
    users_per_phone: 2,
    phones_per_user: 2,
};

/// Identities and bindings as the store keeps them.
#[derive(Default)]
struct Book {
    members: BTreeMap<Identity, Member>,
    bindings: BTreeSet<Binding>,
}

impl Book {
    fn member(&mut self, identity: &Identity) -> Member {
        let number = u128::try_from(self.members.len()).unwrap();
        let member = self.members.entry(identity.clone()).or_insert_with(|| {
            let id = CustomerId::from_uuid(number);
            Member {
                id: id.clone(),
                customer: id,
                shared: false,
            }
        });
        member.clone()
    }

    fn take(&mut self, evidence: &Evidence) {
        if let Some(identity) = evidence.identity() {
            self.member(&identity);
        }
        let Some((user, phone)) = evidence.binding() else {
            return;
        };
        let (user, phone) = (self.member(&user), self.member(&phone));
        let binding = Binding {
            user: user.id.clone(),
            channel: evidence.user.clone().unwrap().channel,
            phone: phone.id.clone(),
        };
        if !self.bindings.insert(binding) {
            return;
        }
        // Only the customers of those ends that still prove something, and what touches them.
        let touched: BTreeSet<CustomerId> = [user, phone]
            .into_iter()
            .filter(|end| !end.shared)
            .map(|end| end.customer)
            .collect();
        let members: Vec<Member> = self
            .members
            .values()
            .filter(|member| touched.contains(&member.customer))
            .cloned()
            .collect();
        let ids: BTreeSet<&CustomerId> = members.iter().map(|member| &member.id).collect();
        let bindings: Vec<Binding> = self
            .bindings
            .iter()
            .filter(|binding| ids.contains(&binding.user) || ids.contains(&binding.phone))
            .cloned()
            .collect();
        let done = regroup(&members, &bindings, &LIMITS);
        for now in done.changed {
            let place = self.members.values_mut().find(|one| one.id == now.id);
            *place.unwrap() = now;
        }
    }

    fn of(all: &[Evidence]) -> Self {
        let mut book = Self::default();
        for evidence in all {
            book.take(evidence);
        }
        book
    }

    /// The customers as sets of identities, and the identities that are shared.
    fn partition(&self) -> (BTreeSet<BTreeSet<Identity>>, BTreeSet<Identity>) {
        let mut sets: BTreeMap<&CustomerId, BTreeSet<Identity>> = BTreeMap::new();
        for (identity, member) in &self.members {
            sets.entry(&member.customer)
                .or_default()
                .insert(identity.clone());
        }
        let shared = self.members.iter().filter(|(_, member)| member.shared);
        (
            sets.into_values().collect(),
            shared.map(|(identity, _)| identity.clone()).collect(),
        )
    }
}

/// A look at everything at once, without [`regroup`].
fn by_hand(all: &[Evidence]) -> (BTreeSet<BTreeSet<Identity>>, BTreeSet<Identity>) {
    let pairs: BTreeSet<(User, Identity, Identity)> = all
        .iter()
        .filter_map(|evidence| {
            let (user, phone) = evidence.binding()?;
            Some((evidence.user.clone()?, user, phone))
        })
        .collect();
    let mut shared = BTreeSet::new();
    for (person, user, phone) in &pairs {
        let phones = pairs.iter().filter(|(_, other, _)| other == user).count();
        let users = pairs
            .iter()
            .filter(|(other, _, its)| its == phone && other.channel == person.channel)
            .count();
        if phones > LIMITS.phones_per_user {
            shared.insert(user.clone());
        }
        if users > LIMITS.users_per_phone {
            shared.insert(phone.clone());
        }
    }
    let mut sets: Vec<BTreeSet<Identity>> = Vec::new();
    for evidence in all {
        let ends = [
            evidence.user.clone().map(Identity::User),
            evidence.phone.clone().map(Identity::Phone),
        ];
        sets.extend(ends.into_iter().flatten().map(|one| BTreeSet::from([one])));
    }
    for (_, user, phone) in &pairs {
        if shared.contains(user) || shared.contains(phone) {
            continue;
        }
        let (near, far): (Vec<_>, Vec<_>) = sets
            .into_iter()
            .partition(|set| set.contains(user) || set.contains(phone));
        sets = far;
        sets.push(near.into_iter().flatten().collect());
    }
    (sets.into_iter().collect(), shared)
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let user = proptest::option::weighted(0.8, (0_u8..2, 0_u8..5));
    let phone = proptest::option::weighted(0.8, (0_u8..5, proptest::bool::weighted(0.1)));
    (user, phone, 0_u8..3).prop_map(|(user, phone, recipient)| {
        let channel = format!("channel-{}", user.map_or(0, |(channel, _)| channel));
        let buyer = Buyer {
            name: Some("An".to_owned()),
            email: Some("an@example.vn".to_owned()),
            external_id: user.map(|(_, id)| id.to_string()),
            phone: phone.map(|(phone, hidden)| {
                if hidden {
                    format!("******{phone}1")
                } else {
                    format!("090123456{phone}")
                }
            }),
        };
        let recipient = format!("098765432{recipient}");
        let recipient = Recipient {
            name: None,
            phone: Some(&recipient),
        };
        Evidence::of_buyer(&channel, &buyer, recipient)
    })
}

proptest! {
    #[test]
    fn any_order_of_the_evidence_gives_the_same_customers(
        (all, shuffled) in proptest::collection::vec(evidence(), 0..24)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let book = Book::of(&all);
        prop_assert_eq!(book.partition(), by_hand(&all));
        prop_assert_eq!(Book::of(&shuffled).partition(), book.partition());
        let twice: Vec<Evidence> = all.iter().chain(&shuffled).cloned().collect();
        prop_assert_eq!(Book::of(&twice).partition(), book.partition());
    }

    #[test]
    fn a_customer_is_called_by_its_oldest_identity(
        all in proptest::collection::vec(evidence(), 0..24)
    ) {
        let book = Book::of(&all);
        for member in book.members.values() {
            let ids = book.members.values().filter(|other| other.customer == member.customer);
            prop_assert_eq!(ids.map(|other| &other.id).min(), Some(&member.customer));
        }
    }
}
