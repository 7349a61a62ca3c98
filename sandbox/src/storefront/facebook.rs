//! A Facebook page: carts that become drafts, and messages, comments and leads around them.

use std::sync::{Arc, atomic::Ordering};

use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Basket, Cash, Run, people,
    sender::{Message, Repeats, Sign},
};
use crate::{
    faults::hash,
    partners::facebook::Comment,
    secrets::channel,
    signing,
    world::{held, seconds},
};

pub(crate) const CONNECTOR: &str = "facebook";

/// Sales whose external id is not known yet are kept under this and the buyer's page-scoped id:
/// what a cart is called is for the gateway to choose.
pub(crate) const CART: &str = "cart:";

/// The page-scoped id of a buyer.
fn psid(run: &Run, number: u32, what: &str) -> String {
    let tag = hash(run.scenario.seed, &format!("psid {what} {number}")) % 10_000_000_000_000;
    format!("723{tag:013}")
}

fn milliseconds() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn message(run: &Run, label: String, item: &Value, secret: &str) -> Message {
    let page = &run.world.secrets.facebook_page_id;
    let mut entry = json!({"id": page, "time": milliseconds()});
    if item["field"].is_string() {
        entry["time"] = json!(seconds());
        entry["changes"] = json!([item]);
    } else {
        entry["messaging"] = json!([item]);
    }
    let body = signing::ascii_json(&json!({"object": "page", "entry": [entry]}));
    let headers = vec![
        ("user-agent", "facebookexternalua".to_owned()),
        ("x-hub-signature-256", signing::meta(secret, &body)),
    ];
    Message::post(
        CONNECTOR,
        channel::FACEBOOK,
        format!("{CONNECTOR}:{label}"),
        body,
        Sign::Fixed(headers),
    )
}

async fn send(run: &Arc<Run>, label: String, item: Value) {
    remember(run, &item);
    let secret = run.world.secrets.facebook_app_secret.clone();
    run.send(message(run, label, &item, &secret)).await;
}

/// What Meta itself knows of a message before it tells anybody.
fn remember(run: &Run, item: &Value) {
    let said = &item["message"];
    let (Some(person), Some(id)) = (item["sender"]["id"].as_str(), said["mid"].as_str()) else {
        return;
    };
    let text = said["text"].as_str().unwrap_or_default();
    let at = item["timestamp"].as_i64().unwrap_or_default();
    held(&run.world.facebook).heard(person, id, text, at);
}

/// The subscription handshake: the challenge must come back as plain text, and only for the
/// right word.
pub(crate) async fn greet(run: &Arc<Run>) {
    for (word, right) in [
        (run.world.secrets.facebook_verify_token.as_str(), true),
        ("wrong", false),
    ] {
        let query = format!(
            "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={}",
            signing::form_encode(word)
        );
        let handshake = Message {
            method: Method::GET,
            path: format!("/webhooks/{}?{query}", channel::FACEBOOK),
            repeats: Repeats::Patient,
            ..Message::post(
                CONNECTOR,
                channel::FACEBOOK,
                format!("{CONNECTOR}:handshake:{right}"),
                Vec::new(),
                Sign::Fixed(Vec::new()),
            )
        };
        if right {
            let challenge = run.deliver(&handshake).await.map(|answer| answer.body);
            if challenge.as_deref() != Some(b"1158201444") {
                run.unexpected("facebook: the challenge did not come back".to_owned());
            }
        } else {
            run.forge_message(handshake).await;
        }
    }
}

pub(super) fn cart_item(run: &Run, buyer: &str, basket: &Basket) -> Value {
    let products: Vec<Value> = basket
        .lines
        .iter()
        .map(|line| {
            json!({
                "id": (hash(3, &line.product.sku) % 9_000_000_000_000_000 + 1_000_000_000_000_000)
                    .to_string(),
                "retailer_id": line.product.sku, "name": line.product.name,
                "unit_price": line.product.price, "currency": "VND", "quantity": line.quantity,
            })
        })
        .collect();
    json!({
        "sender": {"id": buyer},
        "recipient": {"id": run.world.secrets.facebook_page_id},
        "timestamp": milliseconds(),
        "order": {"products": products, "note": "giao giờ hành chính"},
    })
}

/// A buyer sends a cart; staff at the desk do the rest.
pub(crate) async fn cart(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let mut basket = Basket::fill(rng, &run.scenario.catalog);
    basket.shipping = 0; // A cart knows no shipping fee, and staff add none.
    let buyer = psid(run, number, "cart");
    run.sold(
        CONNECTOR,
        channel::FACEBOOK,
        &format!("{CART}{buyer}"),
        &basket,
        Cash::Untold,
    );
    run.carts.fetch_add(1, Ordering::SeqCst);
    let text = json!({
        "sender": {"id": buyer}, "recipient": {"id": run.world.secrets.facebook_page_id},
        "timestamp": milliseconds(),
        "message": {"mid": format!("m_{buyer}_1"), "text": "Cho mình đặt mấy món này nhé"},
    });
    send(run, format!("{buyer}.text"), text).await;
    send(
        run,
        format!("{buyer}.cart"),
        cart_item(run, &buyer, &basket),
    )
    .await;
}

/// A question, a live comment, and every other time a lead.
pub(crate) async fn chatter(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let page = run.world.secrets.facebook_page_id.clone();
    let buyer = psid(run, number, "chat");
    let text = json!({
        "sender": {"id": buyer}, "recipient": {"id": page}, "timestamp": milliseconds(),
        "message": {"mid": format!("m_{buyer}_1"), "text": "Shop còn máy lạnh 1 ngựa không ạ?"},
    });
    send(run, format!("{buyer}.chat"), text).await;
    let person = people::person(rng);
    let (post, comment) = (
        998_877_665_544_332_u64,
        1_122_334_455_000_000 + u64::from(number),
    );
    let comment = json!({"field": "feed", "value": {
        "from": {"id": psid(run, number, "comment"), "name": person.name},
        "post": {"status_type": "added_video", "is_published": true,
            "updated_time": "2026-11-24T04:00:00+0000",
            "permalink_url": format!("https://www.facebook.com/{page}/videos/{post}/"),
            "promotion_status": "inactive", "id": format!("{page}_{post}")},
        "message": "Cái này bảo hành mấy năm vậy shop?",
        "post_id": format!("{page}_{post}"), "comment_id": format!("{post}_{comment}"),
        "created_time": seconds(), "item": "comment", "parent_id": format!("{page}_{post}"),
        "verb": "add",
    }});
    send(run, format!("{buyer}.comment"), comment).await;
    if rng.bool() {
        return;
    }
    let (lead, form) = (format!("19{:014}", number), "888777666555444");
    held(&run.world.facebook).leads.insert(
        lead.clone(),
        json!({
            "created_time": "2026-11-24T04:20:00+0000", "id": lead, "ad_id": "120210000000000111",
            "form_id": form, "field_data": [
                {"name": "full_name", "values": [person.name]},
                {"name": "phone_number", "values": [format!("+84{}", &person.national[1..])]},
                {"name": "san_pham_quan_tam", "values": ["Tivi 55 inch"]},
            ],
        }),
    );
    let hint = json!({"field": "leadgen", "value": {
        "ad_id": "120210000000000111", "adgroup_id": "120210000000000111", "form_id": form,
        "leadgen_id": lead, "created_time": seconds(), "page_id": page,
    }});
    send(run, format!("{buyer}.lead"), hint).await;
}

/// A live on which several people write at once: an order, a question, an order whose author may
/// not be seen, one that is corrected and one that is taken back.
pub(crate) async fn live(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let page = run.world.secrets.facebook_page_id.clone();
    let (video, live) = (998_877_665_544_332_u64, 1_230_001_u64);
    let post = format!("{page}_{video}");
    let national = people::person(rng).national;
    let words = [
        format!("chốt A12 x2 {national}"),
        "giá sao shop ơi".to_owned(),
        "lấy B7 trắng".to_owned(),
        "A1 đen nha".to_owned(),
    ];
    for (place, text) in (0_u64..).zip(&words) {
        let person = people::person(rng);
        let author = psid(run, number, &format!("live {place}"));
        let id = format!("{video}_2{:09}{place}", number);
        let mut value = json!({
            "from": {"id": author, "name": person.name},
            "post": {"status_type": "added_video", "is_published": true, "id": post,
                "permalink_url": format!("https://www.facebook.com/{page}/videos/{video}/")},
            "message": text, "post_id": post, "parent_id": post, "comment_id": id,
            "created_time": seconds(), "item": "comment", "verb": "add",
        });
        if place == 2 {
            // The token may not see everybody.
            value["from"] = Value::Null;
        }
        let known = Comment::new(&id, (&author, &person.name), text, milliseconds());
        held(&run.world.facebook).commented(&live.to_string(), &video.to_string(), known);
        let label = format!("live.{id}");
        send(run, label.clone(), json!({"field": "feed", "value": value})).await;
        if place == 3 {
            value["verb"] = json!("edited");
            value["message"] = json!("A1 trắng nha, không lấy đen");
            let edited = json!({"field": "feed", "value": value});
            send(run, format!("{label}.edited"), edited).await;
            value["verb"] = json!("remove");
            if let Some(fields) = value.as_object_mut() {
                fields.remove("message");
            }
            let removed = json!({"field": "feed", "value": value});
            send(run, format!("{label}.removed"), removed).await;
        }
    }
}

/// A cart signed with another app's secret.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let buyer = psid(run, number, "forged");
    run.forged(channel::FACEBOOK, &format!("{CART}{buyer}"));
    let item = cart_item(run, &buyer, &Basket::fill(rng, &run.scenario.catalog));
    run.forge_message(message(
        run,
        format!("forged.{buyer}"),
        &item,
        "another-app",
    ))
    .await;
}

impl Run {
    /// Carts that staff have not decided yet.
    pub(crate) fn open_carts(&self) -> usize {
        self.carts.load(Ordering::SeqCst)
    }

    /// One cart less to decide.
    pub(crate) fn cart_decided(&self) {
        self.carts.fetch_sub(1, Ordering::SeqCst);
    }
}
