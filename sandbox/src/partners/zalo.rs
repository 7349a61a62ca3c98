//! Zalo's two hosts: OAuth with single-use refresh tokens, and the open API that answers
//! HTTP 200 with an `error` number inside.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{Call, Reply, around, pairs};
use crate::{
    faults::{Fault, hash},
    secrets::{Secrets, TokenPair},
    world::{World, held},
};

/// The Official Account behind the API.
#[derive(Debug)]
pub(crate) struct Account {
    tokens: TokenPair,
    spent: BTreeSet<String>,
    grants: u64,
    sent: u64,
}

impl Account {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self {
            tokens: secrets.zalo_tokens.clone(),
            spent: BTreeSet::new(),
            grants: 0,
            sent: 0,
        }
    }

    /// A new pair, as after the administrator authorised the app again.
    pub(crate) fn grant(&mut self, seed: u64) -> TokenPair {
        self.grants += 1;
        self.spent.insert(std::mem::take(&mut self.tokens.refresh));
        self.tokens = TokenPair {
            access: format!(
                "za-{:016x}",
                hash(seed, &format!("zalo access {}", self.grants))
            ),
            refresh: format!(
                "zr-{:016x}",
                hash(seed, &format!("zalo refresh {}", self.grants))
            ),
            expires_in_s: 90_000,
        };
        self.tokens.clone()
    }
}

fn error(code: i64, message: &str) -> Reply {
    Reply::json(200, json!({"error": code, "message": message}))
}

/// `POST /v4/oa/access_token`, a form; `expires_in` comes back as text.
pub(crate) async fn refresh(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("zalo_oauth").requests += 1;
    let form = pairs(&String::from_utf8_lossy(&call.body));
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let known = call.header("secret_key") == world.secrets.zalo_app_secret
        && field("app_id") == world.secrets.zalo_app_id;
    if call.path != "/v4/oa/access_token" || field("grant_type") != "refresh_token" || !known {
        let mut ledger = held(&world.ledger);
        ledger.channel("zalo_oauth").refused += 1;
        ledger.violation("zalo: a token call with a wrong app, secret or grant".to_owned());
        return error(-14004, "Invalid app or secret");
    }
    let offered = field("refresh_token");
    let fault = world.faults.draw_before(&format!("zalo:refresh:{offered}"));
    around(fault, &call.wire, || exchange(world, &offered)).await
}

fn exchange(world: &World, offered: &str) -> Reply {
    let mut account = held(&world.zalo);
    if account.spent.contains(offered) {
        drop(account);
        held(&world.ledger).violation("zalo: a refresh token was used twice".to_owned());
        return error(-14014, "Invalid refresh token");
    }
    if account.tokens.refresh != offered {
        return error(-14014, "Invalid refresh token");
    }
    let pair = account.grant(world.options.seed);
    drop(account);
    held(&world.ledger).channel("zalo_oauth").refreshes += 1;
    Reply::json(
        200,
        json!({"access_token": pair.access, "refresh_token": pair.refresh,
               "expires_in": pair.expires_in_s.to_string()}),
    )
}

/// `POST /v3.0/oa/message/cs`.
pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("zalo").requests += 1;
    if call.header("access_token") != held(&world.zalo).tokens.access {
        held(&world.ledger).channel("zalo").refused += 1;
        return error(-216, "Access token is invalid");
    }
    let key = format!("zalo:{}:{}", call.path, String::from_utf8_lossy(&call.body));
    let fault = world.faults.draw_before(&key);
    if fault == Some(Fault::TooMany) {
        return error(-32, "Too many requests");
    }
    around(fault, &call.wire, || send(world, &call)).await
}

fn send(world: &World, call: &Call) -> Reply {
    let body = call.json();
    let user = body["recipient"]["user_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if call.path != "/v3.0/oa/message/cs" || user.is_empty() {
        held(&world.ledger).violation(format!("zalo: {} is not a sendable message", call.path));
        return error(-201, "params is invalid");
    }
    let number = {
        let mut account = held(&world.zalo);
        account.sent += 1;
        account.sent
    };
    held(&world.ledger).channel("zalo").sent += 1;
    Reply::json(
        200,
        json!({"data": {"quota": {"quota_type": "reply", "remain": "7", "total": "8",
               "owner_type": "OA", "owner_id": world.secrets.zalo_oa_id},
               "message_id": format!("{number:020x}"), "user_id": user},
               "error": 0, "message": "Success"}),
    )
}
