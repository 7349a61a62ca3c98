//! Which identities are one customer.
//!
//! Every identity has an id of its own from the day it was first seen. A customer is a set of
//! identities that bindings connect, and is called by the oldest of their ids, which in the order
//! of ids is the least. So two customers that turn out to be one keep the older id, the younger one
//! still leads there, and the set of bindings alone decides, not the order in which they came.
//!
//! A phone that many persons of one channel use (a shop's, a reseller's, a family's) proves nothing
//! any more: it is shared, and none of its bindings connects. The same holds for an account that
//! orders under many phones. Being shared has no end: else it would depend on the moment of asking.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::CustomerId;

/// How much an identity may be bound to before it is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Persons of one channel that one phone may have. One person has an account in each of many
    /// channels, so channels are not added up.
    pub users_per_phone: usize,
    /// Phones that one person in a channel may have.
    pub phones_per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            users_per_phone: 3,
            phones_per_user: 5,
        }
    }
}

/// An identity that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its own id, from the day it was first seen.
    pub id: CustomerId,
    /// The customer that it belongs to: the id of the customer's oldest identity.
    pub customer: CustomerId,
    /// It proves nothing any more.
    pub shared: bool,
}

/// A person's id and a phone in one document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The person in the channel.
    pub user: CustomerId,
    /// That channel.
    pub channel: String,
    /// The phone.
    pub phone: CustomerId,
}

/// What bindings have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Regrouped {
    /// The identities that are different now, as they are now.
    pub changed: Vec<Member>,
    /// Customers that are one with an older one now: from, into.
    pub merged: Vec<(CustomerId, CustomerId)>,
    /// Customers that stand alone again, because what joined them is shared: from, into.
    pub parted: Vec<(CustomerId, CustomerId)>,
}

/// Groups identities by their bindings. `members` are all identities of the customers that are
/// looked at, `bindings` all that touch one of them; the other end of a binding may lie outside
/// where one of the two is shared.
#[must_use]
pub fn regroup(members: &[Member], bindings: &[Binding], limits: &Limits) -> Regrouped {
    let shared = shared(members, bindings, limits);
    let mut places: BTreeMap<&CustomerId, usize> = BTreeMap::new();
    for (place, member) in members.iter().enumerate() {
        places.insert(&member.id, place);
    }
    let mut groups = Groups::new(members.len());
    for binding in bindings {
        let (Some(&user), Some(&phone)) = (places.get(&binding.user), places.get(&binding.phone))
        else {
            continue;
        };
        if !shared.contains(&binding.user) && !shared.contains(&binding.phone) {
            groups.join(user, phone);
        }
    }
    let mut oldest: BTreeMap<usize, &CustomerId> = BTreeMap::new();
    for (place, member) in members.iter().enumerate() {
        let least = oldest.entry(groups.root(place)).or_insert(&member.id);
        *least = (*least).min(&member.id);
    }
    let mut customer_of = |place: usize| oldest[&groups.root(place)].clone();

    let mut done = Regrouped::default();
    let before: BTreeSet<&CustomerId> = members.iter().map(|member| &member.customer).collect();
    for (place, member) in members.iter().enumerate() {
        let now = Member {
            id: member.id.clone(),
            customer: customer_of(place),
            shared: shared.contains(&member.id),
        };
        // A customer is the identity whose id it has.
        let was_customer = before.contains(&member.id);
        let is_customer = now.customer == member.id;
        if was_customer && !is_customer {
            done.merged.push((member.id.clone(), now.customer.clone()));
        } else if is_customer && !was_customer {
            done.parted
                .push((member.customer.clone(), member.id.clone()));
        }
        if now != *member {
            done.changed.push(now);
        }
    }
    done
}

/// The members that are shared, those that were so before included.
fn shared<'a>(
    members: &'a [Member],
    bindings: &'a [Binding],
    limits: &Limits,
) -> BTreeSet<&'a CustomerId> {
    let mut users: BTreeMap<(&CustomerId, &str), BTreeSet<&CustomerId>> = BTreeMap::new();
    let mut phones: BTreeMap<&CustomerId, BTreeSet<&CustomerId>> = BTreeMap::new();
    for binding in bindings {
        users
            .entry((&binding.phone, &binding.channel))
            .or_default()
            .insert(&binding.user);
        phones
            .entry(&binding.user)
            .or_default()
            .insert(&binding.phone);
    }
    let crowded = users
        .into_iter()
        .filter(|(_, users)| users.len() > limits.users_per_phone)
        .map(|((phone, _), _)| phone);
    let roaming = phones
        .into_iter()
        .filter(|(_, phones)| phones.len() > limits.phones_per_user)
        .map(|(user, _)| user);
    let known = members.iter().filter(|member| member.shared);
    known
        .map(|member| &member.id)
        .chain(crowded)
        .chain(roaming)
        .collect()
}

/// Disjoint sets of places.
struct Groups(Vec<usize>);

impl Groups {
    fn new(places: usize) -> Self {
        Self((0..places).collect())
    }

    fn root(&mut self, mut place: usize) -> usize {
        while self.0[place] != place {
            self.0[place] = self.0[self.0[place]];
            place = self.0[place];
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> CustomerId {
        CustomerId::from_uuid(number)
    }

    fn alone(number: u128) -> Member {
        Member {
            id: id(number),
            customer: id(number),
            shared: false,
        }
    }

    fn bound(user: u128, phone: u128) -> Binding {
        Binding {
            user: id(user),
            channel: "web".to_owned(),
            phone: id(phone),
        }
    }

    #[test]
    fn a_binding_makes_two_customers_one_and_the_older_id_survives() {
        let members = [alone(1), alone(2), alone(3)];
        let done = regroup(&members, &[bound(3, 1)], &Limits::default());
        assert_eq!(done.merged, [(id(3), id(1))]);
        assert_eq!(done.parted, []);
        assert_eq!(
            done.changed,
            [Member {
                customer: id(1),
                ..alone(3)
            }]
        );
    }

    #[test]
    fn what_is_as_it_was_changes_nothing() {
        let members = [
            alone(1),
            Member {
                customer: id(1),
                ..alone(2)
            },
        ];
        let done = regroup(&members, &[bound(2, 1)], &Limits::default());
        assert_eq!(done, Regrouped::default());
    }

    #[test]
    fn one_person_with_an_account_in_many_channels_stays_one() {
        let members: Vec<Member> = (1..=9).map(alone).collect();
        let bindings: Vec<Binding> = (2..=9)
            .map(|user| Binding {
                channel: format!("channel-{user}"),
                ..bound(user, 1)
            })
            .collect();
        let done = regroup(&members, &bindings, &Limits::default());
        assert_eq!(done.merged.len(), 8);
        assert!(done.changed.iter().all(|member| member.customer == id(1)));
    }

    #[test]
    fn a_phone_of_too_many_persons_is_shared_and_gives_everybody_back() {
        let joined = |number| Member {
            customer: id(1),
            ..alone(number)
        };
        // The phone 2 joined 1, 3 and 4; now comes a fourth person of the channel.
        let members = [alone(1), joined(2), joined(3), joined(4), alone(5)];
        let bindings = [bound(1, 2), bound(3, 2), bound(4, 2), bound(5, 2)];
        let done = regroup(&members, &bindings, &Limits::default());
        assert_eq!(done.merged, []);
        assert_eq!(
            done.parted,
            [(id(1), id(2)), (id(1), id(3)), (id(1), id(4))]
        );
        let phone = Member {
            shared: true,
            ..alone(2)
        };
        assert_eq!(done.changed, [phone.clone(), alone(3), alone(4)]);

        // From then on it joins nobody, however few look at it.
        let done = regroup(&[phone, alone(9)], &[bound(9, 2)], &Limits::default());
        assert_eq!(done, Regrouped::default());
    }

    #[test]
    fn an_account_with_too_many_phones_keeps_to_itself() {
        let members: Vec<Member> = (1..=7).map(alone).collect();
        let bindings: Vec<Binding> = (2..=7).map(|phone| bound(1, phone)).collect();
        let done = regroup(&members, &bindings, &Limits::default());
        assert_eq!(
            done.changed,
            [Member {
                shared: true,
                ..alone(1)
            }]
        );
        let five = regroup(&members, &bindings[..5], &Limits::default());
        assert_eq!(five.merged.len(), 5);
    }
}
