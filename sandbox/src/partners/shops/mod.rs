//! The REST side of the shop platforms that write an order alike: Shopify, Haravan, Sapo Web, and
//! Sapo Omni with a form of its own. Each has its credentials, its pages and its way to be told;
//! what the gateway tells is booked once, and telling the same twice is a violation.

mod listing;
mod omni;
mod order;
mod stock;
mod subscription;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Call, Reply, around};
use crate::{
    secrets::{Secrets, channel},
    storefront,
    world::{World, held, seconds},
};

/// One of the platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Platform {
    Shopify,
    Haravan,
    SapoWeb,
    SapoOmni,
}

impl Platform {
    pub(crate) const ALL: [Self; 4] = [Self::Shopify, Self::Haravan, Self::SapoWeb, Self::SapoOmni];

    /// The connector's name, also that of the server.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Haravan => "haravan",
            Self::SapoWeb => "sapo_web",
            Self::SapoOmni => "sapo_omni",
        }
    }

    pub(crate) fn channel(self) -> &'static str {
        match self {
            Self::Shopify => channel::SHOPIFY,
            Self::Haravan => channel::HARAVAN,
            Self::SapoWeb => channel::SAPO_WEB,
            Self::SapoOmni => channel::SAPO_OMNI,
        }
    }

    pub(crate) fn secret(self, secrets: &Secrets) -> &str {
        match self {
            Self::Shopify => &secrets.shopify_secret,
            Self::Haravan => &secrets.haravan_secret,
            Self::SapoWeb => &secrets.sapo_web_secret,
            Self::SapoOmni => &secrets.sapo_omni_secret,
        }
    }

    /// The header that a call must carry, and its value.
    fn credentials(self, secrets: &Secrets) -> (&'static str, String) {
        match self {
            Self::Shopify => (
                "x-shopify-access-token",
                secrets.shopify_access_token.clone(),
            ),
            Self::Haravan => (
                "authorization",
                format!("Bearer {}", secrets.haravan_access_token),
            ),
            Self::SapoWeb => ("x-sapo-access-token", secrets.sapo_web_access_token.clone()),
            Self::SapoOmni => (
                "x-sapo-access-token",
                secrets.sapo_omni_access_token.clone(),
            ),
        }
    }

    /// Where an order says when it changed.
    pub(crate) fn changed(self) -> &'static str {
        match self {
            Self::Shopify | Self::Haravan => "updated_at",
            Self::SapoWeb | Self::SapoOmni => "modified_on",
        }
    }

    /// A time as the platform prints it.
    pub(crate) fn stamp(self, at: i64) -> String {
        let moment = jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        match self {
            Self::Shopify => {
                let local = jiff::Timestamp::from_second(at + 7 * 3600).unwrap_or(moment);
                local.strftime("%Y-%m-%dT%H:%M:%S+07:00").to_string()
            }
            Self::Haravan => format!("{}.062Z", moment.strftime("%Y-%m-%dT%H:%M:%S")),
            Self::SapoWeb | Self::SapoOmni => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    /// The name of the topic that says that an order changed.
    pub(crate) fn updated(self) -> &'static str {
        match self {
            Self::Shopify | Self::Haravan | Self::SapoWeb => "orders/updated",
            Self::SapoOmni => "orders/update",
        }
    }
}

/// One shop: its orders as its API renders them, and what it was told.
#[derive(Debug, Default)]
pub(crate) struct Shop {
    pub(crate) orders: BTreeMap<u64, Value>,
    /// Topics that lead to the gateway.
    pub(crate) topics: BTreeSet<String>,
    /// What was told, each thing once.
    told: BTreeSet<String>,
    last_id: u64,
}

/// All shops.
#[derive(Debug)]
pub(crate) struct Shops(BTreeMap<Platform, Shop>);

impl Default for Shops {
    /// Every shop begins with its subscriptions made.
    fn default() -> Self {
        let shop = |platform: Platform| Shop {
            topics: subscription::TOPICS.iter().map(|&t| t.to_owned()).collect(),
            last_id: 31_000_000 + u64::from(platform == Platform::Shopify) * (1 << 60),
            ..Shop::default()
        };
        Self(Platform::ALL.into_iter().map(|p| (p, shop(p))).collect())
    }
}

impl Shops {
    pub(crate) fn of(&mut self, platform: Platform) -> &mut Shop {
        self.0.entry(platform).or_default()
    }
}

impl Shop {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Changes an order; its time of change moves by at least a second, since two changes within
    /// one cannot be told apart by anybody. `None` when there is no such order.
    pub(crate) fn change<T>(
        &mut self,
        platform: Platform,
        id: u64,
        how: impl FnOnce(&mut Value) -> T,
    ) -> Option<T> {
        let order = self.orders.get_mut(&id)?;
        let done = how(order);
        let before = order[platform.changed()]
            .as_str()
            .and_then(|t| t.parse().ok());
        let before: jiff::Timestamp = before.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let at = seconds().max(before.as_second() + 1);
        order[platform.changed()] = json!(platform.stamp(at));
        Some(done)
    }
}

fn error(status: u16, what: &str) -> Reply {
    Reply::json(status, json!({ "errors": what }))
}

fn invalid(what: &str) -> Reply {
    Reply::json(422, json!({ "errors": { "base": [what] } }))
}

fn not_found(platform: Platform) -> Reply {
    match platform {
        Platform::Shopify | Platform::Haravan => error(404, "Not Found"),
        Platform::SapoWeb | Platform::SapoOmni => {
            Reply::json(404, json!({"error": {"message": "Đơn hàng không tồn tại"}}))
        }
    }
}

pub(crate) async fn answer(world: &Arc<World>, platform: Platform, call: Call) -> Reply {
    let name = platform.name();
    held(&world.ledger).channel(name).requests += 1;
    let (header, expected) = platform.credentials(&world.secrets);
    if call.header(header) != expected {
        let mut ledger = held(&world.ledger);
        ledger.channel(name).refused += 1;
        ledger.violation(format!("{name}: a call without the access token"));
        return error(401, "[API] Invalid API key or access token");
    }
    // What decides is the call as a whole: a repeat of it gets through in the end.
    let key = format!(
        "{name}:{}:{}:{}:{}",
        call.method,
        call.path,
        call.parameter("page"),
        call.parameter("page_info")
    );
    let fault = world.faults.draw(&key);
    if fault.is_some() {
        held(&world.ledger).channel(name).refused += 1;
    }
    around(fault, &call.wire, || act(world, platform, &call)).await
}

fn act(world: &Arc<World>, platform: Platform, call: &Call) -> Reply {
    let (method, segments) = call.route();
    let path = match (platform, segments.as_slice()) {
        (Platform::Shopify, ["admin", "api", version, rest @ ..]) => {
            if !version.starts_with("20") {
                held(&world.ledger).violation(format!("shopify: API version {version}"));
            }
            rest
        }
        (Platform::Haravan, ["api", "subscribe"]) => return subscription::haravan(world, method),
        (Platform::Haravan, ["com", rest @ ..])
        | (Platform::SapoWeb | Platform::SapoOmni, ["admin", rest @ ..]) => rest,
        _ => return unknown(world, platform, call),
    };
    let reply = match platform {
        Platform::SapoOmni => omni::answer(world, method, path, call),
        Platform::Shopify | Platform::Haravan | Platform::SapoWeb => {
            order::answer(world, platform, method, path, call)
                .or_else(|| stock::answer(world, platform, method, path, call))
                .or_else(|| subscription::answer(world, platform, method, path, call))
        }
    };
    reply.unwrap_or_else(|| unknown(world, platform, call))
}

fn unknown(world: &World, platform: Platform, call: &Call) -> Reply {
    let text = format!(
        "{}: no such call: {} {}",
        platform.name(),
        call.method,
        call.path
    );
    held(&world.ledger).violation(text);
    error(404, "Not Found")
}

/// Books what the gateway told, once; telling it again is a violation.
fn book(world: &Arc<World>, platform: Platform, kind: &str, about: &str) {
    let fresh = held(&world.shops)
        .of(platform)
        .told
        .insert(format!("{kind}:{about}"));
    let mut ledger = held(&world.ledger);
    if fresh {
        *ledger
            .channel(platform.name())
            .told
            .entry(kind.to_owned())
            .or_insert(0) += 1;
    } else {
        ledger.violation(format!("{}: {kind} told twice of {about}", platform.name()));
    }
}

/// The shop tells of a change that the gateway made, as of any other.
fn echo(world: &Arc<World>, platform: Platform, id: u64) {
    let shared = Arc::clone(world);
    world.job(async move { storefront::shops::echo(&shared, platform, id).await });
}
