//! Identities and bindings of a batch: stored where they are new, with all that follows from them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::customer::{Identity, Limits, Member, Regrouped, regroup};
use domain::id::CustomerId;

use super::Shown;
use crate::pipeline::settle::batch::Batch;
use crate::store::Error;
use crate::store::customers::{Known, Merge, Source};

/// A person's id and a phone in the same document, by their ids.
type Pair = (CustomerId, CustomerId);

impl Batch<'_> {
    /// The identities of all that is shown, those made that are not there yet.
    pub(super) async fn identities(&self, all: &[&Shown]) -> Result<Found, Error> {
        // Each with the channel in which it appears.
        let mut wanted: BTreeMap<String, &str> = BTreeMap::new();
        for one in all {
            let both = one.evidence.binding().map(|(user, phone)| [user, phone]);
            let alone = one.evidence.identity().into_iter();
            for identity in both.into_iter().flatten().chain(alone) {
                wanted.entry(identity.key()).or_insert(&one.channel);
            }
        }
        let names = newest_names(all);
        let keys: Vec<String> = wanted.keys().cloned().collect();
        let mut known = self.tx.identities(&keys).await?;
        // Persons before phones: where both appear in one document, the customer is called by the
        // person, who stays the same if the phone turns out to be shared.
        let (phones, persons): (Vec<_>, Vec<_>) = wanted
            .into_iter()
            .filter(|(key, _)| !known.contains_key(key))
            .partition(|(key, _)| matches!(Identity::from_key(key), Some(Identity::Phone(_))));
        let mut new: Vec<Known> = persons
            .into_iter()
            .chain(phones)
            .map(|(key, channel)| {
                let id = CustomerId::from_uuid(self.gateway.ids.next(self.now_ms));
                let named = names.get(&key);
                Known {
                    member: Member {
                        id: id.clone(),
                        customer: id,
                        shared: false,
                    },
                    channel: channel.to_owned(),
                    name: named.map(|(_, name)| (*name).to_owned()),
                    name_at: named.map_or(0, |(at, _)| *at),
                    key,
                }
            })
            .collect();
        new.sort_by(|one, other| one.key.cmp(&other.key));
        let stored = self.tx.add_identities(self.now_ms, &new).await?;
        let (ours, theirs): (Vec<Known>, Vec<Known>) =
            new.into_iter().partition(|one| stored.contains(&one.key));
        let fresh = ours.iter().map(|one| one.member.id.clone()).collect();
        known.extend(ours.into_iter().map(|one| (one.key.clone(), one)));
        if !theirs.is_empty() {
            // Another worker has stored them in this very moment.
            let keys: Vec<String> = theirs.into_iter().map(|one| one.key).collect();
            let others = self.tx.identities(&keys).await?;
            if others.len() < keys.len() {
                return Err(Error::Conflict {
                    what: "a customer's identity",
                });
            }
            known.extend(others);
        }
        Ok(Found { known, fresh })
    }

    /// Stores new bindings and what follows from them, and newer names.
    pub(super) async fn group(&self, all: &[&Shown], found: &mut Found) -> Result<(), Error> {
        let mut pairs: BTreeMap<Pair, &Source> = BTreeMap::new();
        for one in all {
            let ends = one
                .evidence
                .binding()
                .and_then(|(user, phone)| Some((found.id(&user)?, found.id(&phone)?)));
            if let Some(ends) = ends {
                pairs.entry(ends).or_insert(&one.source);
            }
        }
        let rows: Vec<_> = pairs
            .iter()
            .map(|((user, phone), source)| (user.clone(), phone.clone(), (*source).clone()))
            .collect();
        let new = self.tx.bind(&rows).await?;
        let members: HashMap<CustomerId, Member> = found
            .known
            .values()
            .map(|one| (one.member.id.clone(), one.member.clone()))
            .collect();
        // What is shared proves nothing, so its own group stays as it is.
        let ends: BTreeMap<CustomerId, CustomerId> = new
            .iter()
            .flat_map(|(user, phone)| [user, phone])
            .map(|end| &members[end])
            .filter(|member| !member.shared)
            .map(|member| (member.id.clone(), member.customer.clone()))
            .collect();
        let names = newest_names(all);
        let renamed: BTreeMap<CustomerId, (i64, &str)> = found
            .known
            .values()
            .filter_map(|one| {
                let name = *names.get(&one.key)?;
                is_newer(name, one).then(|| (one.member.id.clone(), name))
            })
            .collect();
        if ends.is_empty() && renamed.is_empty() {
            return Ok(());
        }
        let customers: BTreeSet<CustomerId> = ends.values().cloned().collect();
        let named: BTreeSet<CustomerId> = renamed.keys().cloned().collect();
        self.tx
            .lock_identities(&customers.union(&named).cloned().collect())
            .await?;
        let mut rows = self.tx.members(&customers).await?;
        let moved = |(id, customer): (&CustomerId, &CustomerId)| {
            !rows
                .iter()
                .any(|row| row.member.id == *id && row.member.customer == *customer)
        };
        if ends.iter().any(moved) {
            return Err(Error::Conflict { what: "a customer" });
        }
        let done = self.regrouped(&rows).await?;
        let merges = merges(&done, &ends, &pairs, &new, &found.fresh);
        let seen: BTreeSet<CustomerId> = rows.iter().map(|row| row.member.id.clone()).collect();
        let apart: BTreeSet<CustomerId> = named.difference(&seen).cloned().collect();
        if !apart.is_empty() {
            rows.extend(self.tx.identities_of(&apart).await?);
        }
        let changed = changed_rows(rows, &done, &renamed);
        self.tx.update_identities(self.now_ms, &changed).await?;
        self.tx.keep_merges(self.now_ms, &merges).await?;
        for (_, into) in &done.merged {
            tracing::debug!(customer = %into, "two customers are one");
        }
        Ok(())
    }

    async fn regrouped(&self, rows: &[Known]) -> Result<Regrouped, Error> {
        if rows.is_empty() {
            return Ok(Regrouped::default());
        }
        let members: Vec<Member> = rows.iter().map(|row| row.member.clone()).collect();
        let ids = members.iter().map(|member| member.id.clone()).collect();
        let bindings: Vec<_> = self.tx.bindings_of(&ids).await?.into_iter().collect();
        let limits = Limits::from(self.gateway.config.customers);
        Ok(regroup(&members, &bindings, &limits))
    }
}

/// The identities of a batch.
pub(super) struct Found {
    /// By key, as they were when they were read or made.
    pub(super) known: HashMap<String, Known>,
    /// Those that the batch has made.
    pub(super) fresh: BTreeSet<CustomerId>,
}

impl Found {
    pub(super) fn id(&self, identity: &Identity) -> Option<CustomerId> {
        self.known
            .get(&identity.key())
            .map(|one| one.member.id.clone())
    }
}

/// The newest name of each identity: by key, the time and the name.
fn newest_names<'a>(all: &[&'a Shown]) -> HashMap<String, (i64, &'a str)> {
    let mut names: HashMap<String, (i64, &str)> = HashMap::new();
    for one in all {
        if let (Some(identity), Some(name)) = (one.evidence.identity(), &one.evidence.name) {
            let name = (one.source.at, name.as_str());
            let known = names.entry(identity.key()).or_insert(name);
            *known = name.max(*known);
        }
    }
    names
}

/// Later names win, then greater ones. The same name again is no news: it would cost a write for
/// every order of a customer.
fn is_newer((at, name): (i64, &str), known: &Known) -> bool {
    known
        .name
        .as_deref()
        .is_none_or(|old| old != name && (at, name) > (known.name_at, old))
}

/// The rows that are different now: regrouped, renamed, or both.
fn changed_rows(
    rows: Vec<Known>,
    done: &Regrouped,
    renamed: &BTreeMap<CustomerId, (i64, &str)>,
) -> Vec<Known> {
    let now: HashMap<&CustomerId, &Member> = done
        .changed
        .iter()
        .map(|member| (&member.id, member))
        .collect();
    rows.into_iter()
        .filter_map(|mut row| {
            let member = now.get(&row.member.id).copied();
            let name = renamed
                .get(&row.member.id)
                .filter(|name| is_newer(**name, &row))
                .copied();
            if member.is_none() && name.is_none() {
                return None;
            }
            if let Some(member) = member {
                row.member = member.clone();
            }
            if let Some((at, name)) = name {
                row.name = Some(name.to_owned());
                row.name_at = at;
            }
            Some(row)
        })
        .collect()
}

/// What is written down of a regrouping: each merge and parting with the binding that did it. What
/// the batch itself has made was no customer before, and so became none.
fn merges(
    done: &Regrouped,
    ends: &BTreeMap<CustomerId, CustomerId>,
    pairs: &BTreeMap<Pair, &Source>,
    new: &BTreeSet<Pair>,
    fresh: &BTreeSet<CustomerId>,
) -> Vec<Merge> {
    let cause = |from: &CustomerId| {
        let touches =
            |(user, phone): &&Pair| [user, phone].iter().any(|end| ends.get(*end) == Some(from));
        new.iter().find(touches).or_else(|| new.first())
    };
    let merged = done.merged.iter().map(|change| ("merged", change));
    let parted = done.parted.iter().map(|change| ("parted", change));
    merged
        .chain(parted)
        .filter(|(_, (from, _))| !fresh.contains(from))
        .filter_map(|(kind, (from, into))| {
            let (user, phone) = cause(from)?;
            let source = pairs.get(&(user.clone(), phone.clone()))?;
            Some(Merge {
                kind,
                from: from.clone(),
                into: into.clone(),
                user: user.clone(),
                phone: phone.clone(),
                source: (*source).clone(),
            })
        })
        .collect()
}
