//! The part of Meta's Graph that a page needs: leads, subscriptions, sending.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{Call, Reply, around};
use crate::{
    signing,
    world::{World, held},
};

/// What the page knows.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Lead id → its Graph document.
    pub(crate) leads: BTreeMap<String, Value>,
    sent: u64,
}

fn error(code: i64, subcode: i64, message: &str) -> Reply {
    Reply::json(
        400,
        json!({"error": {"message": message, "type": "OAuthException", "code": code,
               "error_subcode": subcode, "fbtrace_id": "sandbox"}}),
    )
}

pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("facebook").requests += 1;
    let secrets = &world.secrets;
    let bearer = call
        .header("authorization")
        .strip_prefix("Bearer ")
        .unwrap_or_default();
    let token = match call.parameter("access_token") {
        "" => bearer,
        given => given,
    };
    if token != secrets.facebook_page_token {
        let mut ledger = held(&world.ledger);
        ledger.channel("facebook").refused += 1;
        ledger.violation("facebook: a Graph call without the page's token".to_owned());
        return error(
            190,
            463,
            "Error validating access token: Session has expired.",
        );
    }
    let proof = call.parameter("appsecret_proof");
    if !proof.is_empty() && proof != signing::appsecret_proof(&secrets.facebook_app_secret, token) {
        held(&world.ledger).violation("facebook: appsecret_proof does not match".to_owned());
        return error(
            100,
            0,
            "Invalid appsecret_proof provided in the API argument",
        );
    }
    let key = format!("facebook:{}:{}", call.method, call.path);
    // Sending cannot be repeated without a second message: no fault may lose its answer.
    let fault = if call.method == http::Method::POST {
        world
            .faults
            .draw_before(&format!("{key}:{}", String::from_utf8_lossy(&call.body)))
    } else {
        world.faults.draw(&key)
    };
    around(fault, &call.wire, || act(world, &call)).await
}

fn act(world: &World, call: &Call) -> Reply {
    let (method, mut segments) = call.route();
    // `/v26.0/…` and the unversioned form are the same call.
    let versioned = |first: &&str| {
        first
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if segments.first().is_some_and(versioned) {
        segments.remove(0);
    }
    match (method, segments.as_slice()) {
        ("GET", [_, "subscribed_apps"]) => Reply::json(
            200,
            json!({"data": [{"name": "Kenh", "id": "1000000000000001",
                   "subscribed_fields": ["messages", "messaging_postbacks", "feed", "leadgen",
                   "send_cart"]}]}),
        ),
        ("POST", [_, "subscribed_apps"]) => Reply::json(200, json!({"success": true})),
        ("POST", [_, "messages"]) => send(world, call),
        ("GET", [id]) => match held(&world.facebook).leads.get(*id) {
            Some(lead) => Reply::json(200, lead.clone()),
            None => error(100, 33, "Unsupported get request. Object does not exist."),
        },
        _ => error(100, 0, "Unsupported request"),
    }
}

fn send(world: &World, call: &Call) -> Reply {
    let body = call.json();
    let recipient = &body["recipient"];
    if recipient["id"].is_null() && recipient["comment_id"].is_null() || body["message"].is_null() {
        held(&world.ledger).violation("facebook: a message without recipient or text".to_owned());
        return error(100, 0, "Invalid parameter");
    }
    let number = {
        let mut page = held(&world.facebook);
        page.sent += 1;
        page.sent
    };
    held(&world.ledger).channel("facebook").sent += 1;
    Reply::json(
        200,
        json!({"recipient_id": recipient["id"], "message_id": format!("m_out_{number:04}")}),
    )
}
