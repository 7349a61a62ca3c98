//! `/api/v1/customers`: who buys and writes, with what is known of them in every channel.
//!
//! An id is good for ever: the id of a customer that became one with an older one leads to the
//! older one, whose own id stands in the answer and in `Content-Location`.

mod consent;
mod list;
mod show;

use std::collections::HashMap;
use std::sync::Arc;

use domain::customer::Identity;
use domain::id::CustomerId;
use domain::text::mask_name;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::problem::{Code, Problem};
use crate::gateway::Gateway;
use crate::store::customers::read::{self, Seen};

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(show::customer))
        .routes(routes!(consent::put))
}

/// A phone, or a person's id in a channel.
#[derive(Debug, Serialize, ToSchema)]
struct IdentityView {
    /// `phone` or `user`.
    kind: &'static str,
    /// The phone, of a `phone`; masked without `pii:read`.
    phone: Option<String>,
    /// The channel, of a `user`.
    channel: Option<String>,
    /// The channel's id of the person, of a `user`; hidden without `pii:read`.
    user: Option<String>,
    /// Too many others have it too: it proves nothing, and joins nobody.
    shared: bool,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    first_seen_at: Timestamp,
}

/// A customer without history.
#[derive(Debug, Serialize, ToSchema)]
struct Customer {
    /// `cus_…`
    id: String,
    /// The newest name under which the customer appeared; masked without `pii:read`.
    name: Option<String>,
    /// All that is certainly this customer, oldest first.
    identities: Vec<IdentityView>,
    /// `shared` where one of the identities is.
    flags: Vec<&'static str>,
    /// When the customer was first seen.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Who may read.
fn require(caller: &Caller) -> Result<(), Problem> {
    caller.require_unbound()?;
    caller.require(Scope::CustomersRead)
}

/// The customer that an id leads to now.
async fn find(gateway: &Gateway, id: &str) -> Result<String, Problem> {
    let unknown = || Problem::new(Code::NotFound).detail("there is no customer of this id");
    if id.parse::<CustomerId>().is_err() {
        return Err(unknown());
    }
    let ids = [id.to_owned()];
    let mut found = read::current(&gateway.db, &ids).await?;
    found.remove(id).ok_or_else(unknown)
}

/// A customer of these identities, as the caller may see it.
fn show(caller: &Caller, id: &str, seen: &[Seen]) -> Customer {
    let clear = caller.may(Scope::PiiRead);
    let newest = seen
        .iter()
        .filter_map(|one| Some((one.known.name_at, one.known.name.as_deref()?)))
        .max();
    let is_shared = seen.iter().any(|one| one.known.member.shared);
    let first = seen.iter().map(|one| one.created_at).min();
    Customer {
        id: id.to_owned(),
        name: newest.map(|(_, name)| {
            if clear {
                name.to_owned()
            } else {
                mask_name(name)
            }
        }),
        identities: seen.iter().filter_map(|one| identity(clear, one)).collect(),
        flags: is_shared.then_some("shared").into_iter().collect(),
        created_at: time(first.unwrap_or(0)),
    }
}

fn identity(clear: bool, seen: &Seen) -> Option<IdentityView> {
    let nothing = IdentityView {
        kind: "phone",
        phone: None,
        channel: None,
        user: None,
        shared: seen.known.member.shared,
        first_seen_at: time(seen.created_at),
    };
    Some(match Identity::from_key(&seen.known.key)? {
        phone @ Identity::Phone(_) => IdentityView {
            phone: Some(shown_phone(clear, &phone)?),
            ..nothing
        },
        Identity::User(user) => IdentityView {
            kind: "user",
            channel: Some(user.channel),
            user: Some(user.id).filter(|_| clear),
            ..nothing
        },
    })
}

/// A phone as the caller may see it.
fn shown_phone(clear: bool, identity: &Identity) -> Option<String> {
    match identity {
        Identity::Phone(phone) if clear => Some(phone.as_str().to_owned()),
        Identity::Phone(phone) => Some(phone.masked()),
        Identity::User(_) => None,
    }
}

/// Replaces the identities that orders and conversations point to by the customers that they lead
/// to now. Where the database does not answer they stay: they lead there as well.
pub(super) async fn follow<'a>(
    gateway: &Gateway,
    links: impl Iterator<Item = &'a mut Option<String>>,
) {
    let mut links: Vec<&mut String> = links.filter_map(Option::as_mut).collect();
    if links.is_empty() {
        return;
    }
    let ids: Vec<String> = links.iter().map(|link| (**link).clone()).collect();
    let customers: HashMap<String, String> = match read::current(&gateway.db, &ids).await {
        Ok(customers) => customers,
        Err(error) => {
            tracing::warn!(error = %crate::telemetry::chain(&error), "could not look customers up");
            return;
        }
    };
    for link in &mut links {
        if let Some(customer) = customers.get(*link) {
            (*link).clone_from(customer);
        }
    }
}
