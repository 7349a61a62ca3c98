//! A Zalo Official Account: texts, contact cards and followers. None of them is an order; a
//! contact card may at most become a draft without lines.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Run, people,
    sender::{Message, Sign},
};
use crate::{
    faults::{chance, hash},
    secrets::{Secrets, channel},
    signing,
    world::{Outgoing, World, backoff, held},
};

pub(crate) const CONNECTOR: &str = "zalo";

fn message(run: &Run, label: String, event: Value, oa_secret: &str) -> Message {
    let (body, mac) = signed(&run.world.secrets, event, oa_secret);
    Message {
        timeout: Duration::from_secs(2),
        ..Message::post(
            CONNECTOR,
            channel::ZALO,
            format!("{CONNECTOR}:{label}"),
            body,
            Sign::Fixed(vec![("x-zevent-signature", mac)]),
        )
    }
}

fn user(run: &Run, number: u32) -> String {
    format!(
        "7{:018}",
        hash(run.scenario.seed, &format!("zalo {number}")) % 1_000_000_000_000_000_000
    )
}

pub(super) fn said(run: &Run, user: &str, number: u32) -> Value {
    json!({
        "sender": {"id": user}, "user_id_by_app": format!("8{}", &user[1..]),
        "recipient": {"id": run.world.secrets.zalo_oa_id}, "event_name": "user_send_text",
        "message": {"text": "Cho em hỏi máy lọc không khí còn hàng không ạ",
                    "msg_id": format!("zm{:018}{number:06}", run.scenario.seed % 1_000_000)},
    })
}

/// A template has reached its phone, and every third buyer rates what it was about.
pub(crate) async fn reached(world: &Arc<World>, message: &str, tracking: &str) {
    world.pause(&format!("reached:{message}")).await;
    let at = jiff::Timestamp::now().as_millisecond().to_string();
    let arrived = json!({
        "sender": {"id": world.secrets.zalo_oa_id},
        "recipient": {"id": format!("7{:018}", hash(world.options.seed, tracking) % 1_000_000_000_000_000_000)},
        "event_name": "user_received_message",
        "message": {"msg_id": message, "delivery_time": at, "tracking_id": tracking},
    });
    tell(world, arrived).await;
    if !chance(world.options.seed, &format!("rated:{tracking}"), 33) {
        return;
    }
    let rate = 1 + hash(world.options.seed, tracking) % 5;
    let rated = json!({
        "oa_id": world.secrets.zalo_oa_id, "event_name": "user_feedback",
        "message": {"note": "", "rate": rate, "submit_time": at, "msg_id": message,
            "feedbacks": ["Giao nhanh"], "tracking_id": tracking},
    });
    tell(world, rated).await;
}

/// Repeats until it is acknowledged, within reason.
async fn tell(world: &Arc<World>, event: Value) {
    let (body, mac) = signed(&world.secrets, event, &world.secrets.zalo_oa_secret);
    for attempt in 0..60 {
        let outgoing = Outgoing {
            method: reqwest::Method::POST,
            path: format!("/webhooks/{}", channel::ZALO),
            headers: vec![
                ("x-zevent-signature", mac.clone()),
                ("content-type", "application/json".to_owned()),
            ],
            body: body.clone(),
            timeout: Duration::from_secs(2),
        };
        if world
            .send(outgoing)
            .await
            .is_some_and(|answer| answer.success())
        {
            return;
        }
        tokio::time::sleep(backoff(attempt)).await;
    }
}

fn signed(secrets: &Secrets, mut event: Value, oa_secret: &str) -> (Vec<u8>, String) {
    let timestamp = jiff::Timestamp::now().as_millisecond().to_string();
    event["app_id"] = json!(secrets.zalo_app_id);
    event["timestamp"] = json!(timestamp);
    let body = event.to_string().into_bytes();
    let mac = signing::zalo(&secrets.zalo_app_id, &body, &timestamp, oa_secret);
    (body, mac)
}

/// Follows, asks, and every other time leaves a contact card.
pub(crate) async fn chatter(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let user = user(run, number);
    let oa = run.world.secrets.zalo_oa_id.clone();
    let secret = run.world.secrets.zalo_oa_secret.clone();
    let follow = json!({
        "oa_id": oa, "follower": {"id": user}, "user_id_by_app": format!("8{}", &user[1..]),
        "event_name": "follow", "source": "oa_profile",
    });
    run.send(message(run, format!("{user}.follow"), follow, &secret))
        .await;
    run.pause(rng, 40).await;
    let text = said(run, &user, number);
    let (id, words) = (&text["message"]["msg_id"], &text["message"]["text"]);
    held(&run.world.zalo).heard(
        &user,
        id.as_str().unwrap_or_default(),
        words.as_str().unwrap_or_default(),
    );
    run.send(message(run, format!("{user}.text"), text, &secret))
        .await;
    if rng.bool() {
        return;
    }
    let (person, place) = (people::person(rng), people::place(rng));
    let card = json!({
        "sender": {"id": user}, "user_id_by_app": format!("8{}", &user[1..]),
        "recipient": {"id": oa}, "event_name": "user_submit_info",
        "info": {"name": person.name, "phone": format!("84{}", &person.national[1..]),
                 "address": place.line, "city": place.province, "district": place.district,
                 "ward": place.ward},
    });
    run.pause(rng, 40).await;
    run.send(message(run, format!("{user}.card"), card, &secret))
        .await;
}

/// A text that Zalo never signed.
pub(crate) async fn forge(run: &Arc<Run>, _rng: &mut Rng, number: u32) {
    let user = format!("9{}", &user(run, number)[1..]);
    let event = said(run, &user, 900_000 + number);
    run.forge_message(message(run, format!("forged.{user}"), event, "another-oa"))
        .await;
}
