//! Zalo's hosts: OAuth with single-use refresh tokens, the account's API and the API of template
//! messages, which both answer HTTP 200 with an `error` number inside. Neither takes an idempotency
//! key, so who repeats blindly is written down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Call, Reply, around, pairs};
use crate::{
    faults::{Fault, chance, hash},
    secrets::{Secrets, TokenPair},
    storefront,
    world::{World, held},
};

/// While faults are on, calls that one access token serves before it is declared dead.
const CALLS_PER_TOKEN: u32 = 40;
/// The account may answer so long after a person's last word, milliseconds.
const WINDOW_MS: i64 = 48 * 3_600_000;
/// Answers within a window.
const REPLIES: u32 = 8;
/// Templates of one day.
const DAILY: u32 = 500;
/// Of a hundred phones, how many have no Zalo.
const NO_ZALO_PERCENT: u64 = 5;

/// One message of a conversation.
#[derive(Debug, Clone)]
struct Said {
    id: String,
    by_account: bool,
    text: String,
    at_ms: i64,
}

/// The Official Account behind the API.
#[derive(Debug)]
pub(crate) struct Account {
    tokens: TokenPair,
    calls_left: u32,
    spent: BTreeSet<String>,
    grants: u64,
    sent: u64,
    conversations: BTreeMap<String, Vec<Said>>,
    /// Templates that were sent: (tracking id, template, what it said). An order of two parcels is
    /// told twice that it is on its way, but never the same.
    templates: BTreeSet<(String, String, String)>,
}

impl Account {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self {
            tokens: secrets.zalo_tokens.clone(),
            calls_left: CALLS_PER_TOKEN,
            spent: BTreeSet::new(),
            grants: 0,
            sent: 0,
            conversations: BTreeMap::new(),
            templates: BTreeSet::new(),
        }
    }

    /// A person wrote to the account.
    pub(crate) fn heard(&mut self, person: &str, id: &str, text: &str) {
        let said = Said {
            id: id.to_owned(),
            by_account: false,
            text: text.to_owned(),
            at_ms: jiff::Timestamp::now().as_millisecond(),
        };
        self.conversations
            .entry(person.to_owned())
            .or_default()
            .push(said);
    }

    /// A new pair, as after the administrator authorised the app again.
    pub(crate) fn grant(&mut self, seed: u64) -> TokenPair {
        self.grants += 1;
        self.calls_left = CALLS_PER_TOKEN;
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

    fn next_id(&mut self) -> String {
        self.sent += 1;
        format!("{:020x}", self.sent)
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

/// The account's calls and, as the gateway is told one address for both, the templates'.
pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("zalo").requests += 1;
    if !accepted(world, call.header("access_token")) {
        held(&world.ledger).channel("zalo").refused += 1;
        return error(-216, "Access token is invalid");
    }
    let key = format!("zalo:{}:{}", call.path, String::from_utf8_lossy(&call.body));
    // A template cannot be asked for afterwards: no fault may lose its answer.
    let fault = if call.path.ends_with("/message/template") {
        world.faults.draw_before(&key)
    } else {
        world.faults.draw(&key)
    };
    if fault == Some(Fault::TooMany) {
        return error(-32, "Too many requests");
    }
    around(fault, &call.wire, || act(world, &call)).await
}

/// Whether the access token is good; while faults are on it dies after a number of calls.
fn accepted(world: &World, token: &str) -> bool {
    let mut account = held(&world.zalo);
    if token != account.tokens.access {
        return false;
    }
    if world.faults.on() {
        if account.calls_left == 0 {
            return false;
        }
        account.calls_left -= 1;
    }
    true
}

fn act(world: &Arc<World>, call: &Call) -> Reply {
    match (call.method.as_str(), call.path.as_str()) {
        ("POST", "/v3.0/oa/message/cs") => send(world, call),
        ("GET", "/v2.0/oa/conversation") => conversation(world, call),
        ("POST", "/message/template" | "/v3.0/oa/message/template") => template(world, call),
        _ => {
            held(&world.ledger).violation(format!("zalo: {} is no call", call.path));
            error(-201, "params is invalid")
        }
    }
}

fn send(world: &World, call: &Call) -> Reply {
    let body = call.json();
    let violation = |text: &str| held(&world.ledger).violation(format!("zalo: {text}"));
    let user = body["recipient"]["user_id"].as_str().unwrap_or_default();
    let text = body["message"]["text"].as_str().unwrap_or_default();
    if user.is_empty() || text.is_empty() || text.chars().count() > 2000 {
        violation("a message without person or text, or with too much");
        return error(-201, "params is invalid");
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let mut account = held(&world.zalo);
    let known = account.conversations.get(user);
    let heard = known.and_then(|said| {
        let theirs = said.iter().filter(|said| !said.by_account);
        theirs.map(|said| said.at_ms).max()
    });
    let Some(heard) = heard else {
        return error(
            -230,
            "User has not interacted with the OA in the past 7 days",
        );
    };
    if now - heard > WINDOW_MS {
        return error(-213, "User has not interacted with the OA in 48 hours");
    }
    let since = account.conversations[user]
        .iter()
        .filter(|said| said.by_account && said.at_ms >= heard);
    let (mut used, mut again) = (0_u32, false);
    for said in since {
        used += 1;
        again |= said.text == text;
    }
    if used >= REPLIES {
        return error(-211, "Out of quota");
    }
    let id = account.next_id();
    let thread = account.conversations.entry(user.to_owned()).or_default();
    thread.push(Said {
        id: id.clone(),
        by_account: true,
        text: text.to_owned(),
        at_ms: now,
    });
    drop(account);
    if again {
        violation("the same answer went to one person twice");
    }
    held(&world.ledger).channel("zalo").sent += 1;
    Reply::json(
        200,
        json!({"data": {"quota": {"quota_type": "reply", "remain": (REPLIES - used - 1).to_string(),
               "total": REPLIES.to_string(),
               "owner_type": "OA", "owner_id": world.secrets.zalo_oa_id},
               "message_id": id, "user_id": user},
               "error": 0, "message": "Success"}),
    )
}

/// The last messages, newest first; `data` holds the question as JSON.
fn conversation(world: &World, call: &Call) -> Reply {
    let asked: Value = serde_json::from_str(call.parameter("data")).unwrap_or_default();
    let count = asked["count"].as_u64().unwrap_or(0);
    let Some(user) = asked["user_id"]
        .as_str()
        .filter(|_| (1..=10).contains(&count))
    else {
        held(&world.ledger).violation("zalo: a question about no conversation".to_owned());
        return error(-201, "params is invalid");
    };
    let oa = &world.secrets.zalo_oa_id;
    let account = held(&world.zalo);
    let thread = account.conversations.get(user).cloned().unwrap_or_default();
    let data: Vec<Value> = thread
        .iter()
        .rev()
        .take(usize::try_from(count).unwrap_or(10))
        .map(|said| {
            let (src, from, to) = if said.by_account {
                (0, oa.as_str(), user)
            } else {
                (1, user, oa.as_str())
            };
            json!({"src": src, "time": said.at_ms, "type": "text", "message": said.text,
                "message_id": said.id, "from_id": from, "to_id": to})
        })
        .collect();
    Reply::json(200, json!({"data": data, "error": 0, "message": "Success"}))
}

fn template(world: &Arc<World>, call: &Call) -> Reply {
    let body = call.json();
    let violation = |text: &str| held(&world.ledger).violation(format!("zalo: {text}"));
    let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (id, phone, tracking) = (field("template_id"), field("phone"), field("tracking_id"));
    if !world.secrets.zalo_templates.contains(&id) {
        return error(-112, "Template is not approved");
    }
    let facts = body["template_data"].as_object();
    let whole = facts.is_some_and(|facts| {
        facts
            .values()
            .all(|fact| fact.as_str().is_some_and(|fact| !fact.is_empty()))
    });
    if !whole {
        return error(-117, "template_data is invalid");
    }
    let by_phone = call.path == "/message/template";
    if by_phone {
        let digits = phone.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !phone.starts_with("84") || phone.len() != 11 {
            violation("a template for what is no mobile phone");
            return error(-108, "Phone number is invalid");
        }
        if tracking.is_empty() {
            violation("a template without tracking_id cannot be rated");
        }
        if chance(
            world.options.seed,
            &format!("no zalo {phone}"),
            NO_ZALO_PERCENT,
        ) {
            return error(-118, "Zalo account not existed");
        }
    } else if field("user_id").is_empty() {
        return error(-201, "params is invalid");
    }
    let mut account = held(&world.zalo);
    if account.templates.len() >= usize::try_from(DAILY).unwrap_or(usize::MAX) {
        return error(-144, "Daily quota exceeded");
    }
    let first = account.templates.insert((
        tracking.clone(),
        id.clone(),
        body["template_data"].to_string(),
    ));
    let left = DAILY.saturating_sub(u32::try_from(account.templates.len()).unwrap_or(DAILY));
    let message = account.next_id();
    drop(account);
    if !first && by_phone {
        violation("the same news went to one buyer twice");
    }
    held(&world.ledger).channel("zalo").sent += 1;
    if by_phone {
        let (shared, message) = (Arc::clone(world), message.clone());
        world.job(async move { storefront::zalo::reached(&shared, &message, &tracking).await });
    }
    let now = jiff::Timestamp::now().as_millisecond().to_string();
    Reply::json(
        200,
        json!({"error": 0, "message": "Success", "data": {"msg_id": message, "sent_time": now,
            "sending_mode": "1",
            "quota": {"dailyQuota": DAILY.to_string(), "remainingQuota": left.to_string()}}}),
    )
}
