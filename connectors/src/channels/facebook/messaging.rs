//! `messaging[]` and `standby[]`: chat, postbacks, referrals and carts of Messenger and Instagram.

use domain::money::Amount;
use domain::snapshot::{Buyer, SnapshotLine};
use serde_json::Value;

use super::envelope::{Page, Read, moment, text, value_digest};
use crate::inbound::{ConversationNotice, Notice, NoticeBody};
use crate::literal;
use crate::payload::{MAX_AMOUNT, MAX_LINES, MAX_QUANTITY, word};

/// Reads one item.
pub(super) fn read(page: Page<'_>, item: &Value, standby: bool) -> Read {
    if !item.is_object() {
        return Err("messaging item: expected an object".to_owned());
    }
    let sender = text(item, "/sender/id");
    let recipient = text(item, "/recipient/id");
    let echo = item.pointer("/message/is_echo").and_then(Value::as_bool) == Some(true);
    // In an echo the page is the sender and the person is the recipient.
    let outgoing = echo || sender.as_deref() == Some(page.id);
    let person = if outgoing { recipient } else { sender }
        .ok_or_else(|| "messaging item: no person in sender.id or recipient.id".to_owned())?;
    let at = item
        .get("timestamp")
        .and_then(moment)
        .or(page.at)
        .ok_or_else(|| "messaging item: no readable timestamp".to_owned())?;

    let mut notice = ConversationNotice {
        person: person.clone(),
        account: page.id.to_owned(),
        message_id: own_id(page, item),
        kind: String::new(),
        outgoing,
        text: None,
        buyer: Some(Buyer {
            external_id: Some(person.clone()),
            ..Buyer::default()
        }),
        address: None,
        lines: Vec::new(),
        at,
        hints: Vec::new(),
    };
    if standby {
        // Another app answers this thread; shown, so that nobody answers twice.
        notice.hints.push("standby".to_owned());
    }
    if let Some(message) = item.get("message") {
        read_message(&mut notice, message, echo)?;
    } else if let Some(edit) = item.get("message_edit") {
        notice.message_id =
            text(edit, "/mid").ok_or_else(|| "message_edit.mid: missing".to_owned())?;
        "message".clone_into(&mut notice.kind);
        notice.text = text(edit, "/text");
        notice.hints.push("edited".to_owned());
    } else if let Some(postback) = item.get("postback") {
        "postback".clone_into(&mut notice.kind);
        if let Some(mid) = text(postback, "/mid") {
            notice.message_id = mid;
        }
        notice.text = text(postback, "/title");
        hint(&mut notice.hints, "payload", text(postback, "/payload"));
        referral_hints(&mut notice.hints, postback.get("referral"));
    } else if let Some(order) = item.get("order") {
        "cart".clone_into(&mut notice.kind);
        notice.text = text(order, "/note");
        notice.lines = cart_lines(order)?;
    } else if let Some(referral) = item.get("referral") {
        "referral".clone_into(&mut notice.kind);
        referral_hints(&mut notice.hints, Some(referral));
    } else if let Some(report) = item.get("delivery").or_else(|| item.get("read")) {
        let done = if item.get("read").is_some() {
            "seen"
        } else {
            "delivered"
        };
        // One report per person: each is about everything before it, so the next takes its place.
        status(&mut notice, format!("{person}:{done}"));
        notice.outgoing = true;
        notice.hints.push(done.to_owned());
        for mid in report
            .get("mids")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            hint(&mut notice.hints, "about", text(mid, ""));
        }
        hint(&mut notice.hints, "about", text(report, "/mid"));
    } else if let Some(reaction) = item.get("reaction") {
        let mid = text(reaction, "/mid").ok_or_else(|| "reaction.mid: missing".to_owned())?;
        status(&mut notice, format!("{mid}:reaction:{person}"));
        let action = text(reaction, "/action").map(|action| word(&action));
        notice
            .hints
            .push(action.unwrap_or_else(|| "react".to_owned()));
        hint(&mut notice.hints, "emoji", text(reaction, "/emoji"));
        hint(&mut notice.hints, "about", Some(mid));
    } else {
        return Err(format!(
            "messaging item of kind {} is not handled",
            marker(item)
        ));
    }
    Ok(Notice {
        key: Some(person),
        body: NoticeBody::Conversation(Box::new(notice)),
    })
}

/// The item's part of the dedup key: `(page, mid)` where there is a message id, else the person,
/// the time and what was said.
pub(super) fn key(page: Page<'_>, item: &Value) -> String {
    let mid = ["/message/mid", "/postback/mid"]
        .iter()
        .find_map(|pointer| text(item, pointer));
    let deleted = item.pointer("/message/is_deleted").and_then(Value::as_bool) == Some(true);
    match mid {
        Some(mid) if deleted => format!("{}|mid|{mid}|deleted", page.id),
        Some(mid) => format!("{}|mid|{mid}", page.id),
        None => format!("{}|item|{}", page.id, value_digest(item)),
    }
}

/// A report about messages. Never the message's own id: its text must not be replaced by a status.
fn status(notice: &mut ConversationNotice, id: String) {
    "status".clone_into(&mut notice.kind);
    notice.message_id = id;
}

fn read_message(
    notice: &mut ConversationNotice,
    message: &Value,
    echo: bool,
) -> Result<(), String> {
    notice.message_id = text(message, "/mid").ok_or_else(|| "message.mid: missing".to_owned())?;
    if message.get("is_deleted").and_then(Value::as_bool) == Some(true) {
        "removal".clone_into(&mut notice.kind);
        return Ok(());
    }
    notice.kind = if echo { "echo" } else { "message" }.to_owned();
    notice.text = text(message, "/text");
    let hints = &mut notice.hints;
    hint(hints, "app", text(message, "/app_id").filter(|_| echo));
    hint(hints, "quick_reply", text(message, "/quick_reply/payload"));
    hint(hints, "reply_to", text(message, "/reply_to/mid"));
    hint(hints, "reply_to_story", text(message, "/reply_to/story/id"));
    if message.get("is_unsupported").and_then(Value::as_bool) == Some(true) {
        hints.push("unsupported".to_owned());
    }
    referral_hints(hints, message.get("referral"));
    // Unknown kinds of attachments are shown by their word; new ones (stickers, 2026) must not fail.
    let attachments = message.get("attachments").and_then(Value::as_array);
    for attachment in attachments.into_iter().flatten() {
        let kind = text(attachment, "/type").map_or_else(|| "unknown".to_owned(), |t| word(&t));
        // Until 2026-08-30 a sticker comes twice, in its new form and as the image that it was.
        let sticker = kind == "image" && text(attachment, "/payload/sticker_id").is_some();
        let kind = if sticker { "sticker".to_owned() } else { kind };
        let shown = format!("attachment:{kind}");
        if kind != "sticker" || !hints.contains(&shown) {
            hints.push(shown);
        }
        // What was shared is a page to look at; pictures have addresses that end within days.
        if matches!(
            kind.as_str(),
            "share" | "reel" | "ig_reel" | "story_mention" | "fallback" | "post" | "ig_post"
        ) {
            let url = text(attachment, "/payload/url").or_else(|| text(attachment, "/url"));
            hint(hints, "link", url);
        }
        if let (Some(lat), Some(long)) = (
            text(attachment, "/payload/coordinates/lat"),
            text(attachment, "/payload/coordinates/long"),
        ) {
            hints.push(format!("location:{lat},{long}"));
        }
        let elements = attachment
            .pointer("/payload/product/elements")
            .and_then(Value::as_array);
        for element in elements.into_iter().flatten() {
            product_hint(hints, element);
        }
    }
    Ok(())
}

/// Meta's carts carry the page's own article id (`retailer_id`), which is our SKU, and a price as
/// a JSON number that is read from its digits.
fn cart_lines(order: &Value) -> Result<Vec<SnapshotLine>, String> {
    let products = order
        .get("products")
        .and_then(Value::as_array)
        .ok_or_else(|| "order.products: expected a list".to_owned())?;
    if products.len() > MAX_LINES {
        return Err(format!("order.products: more than {MAX_LINES} lines"));
    }
    let mut lines = Vec::with_capacity(products.len());
    for (index, product) in products.iter().enumerate() {
        let place = index + 1;
        let currency = text(product, "/currency");
        if currency.as_deref().is_some_and(|c| c != "VND") {
            return Err(format!("order.products[{place}].currency: expected VND"));
        }
        let quantity = text(product, "/quantity")
            .and_then(|q| q.parse::<u32>().ok())
            .filter(|q| (1..=MAX_QUANTITY).contains(q))
            .ok_or_else(|| format!("order.products[{place}].quantity: expected units"))?;
        let unit_price = text(product, "/unit_price")
            .and_then(|price| literal::amount(&price, "unit_price", "VND").ok())
            .filter(|price| (0..=MAX_AMOUNT).contains(&price.0))
            .ok_or_else(|| format!("order.products[{place}].unit_price: expected whole đồng"))?;
        let sku = text(product, "/retailer_id");
        let channel_sku = text(product, "/id");
        lines.push(SnapshotLine {
            id: place.to_string(),
            name: text(product, "/name")
                .or_else(|| sku.clone())
                .or_else(|| channel_sku.clone())
                .ok_or_else(|| format!("order.products[{place}]: no name and no id"))?,
            channel_sku,
            sku,
            quantity,
            unit_price,
            discount: Amount(0),
            gift: false,
            parent: None,
        });
    }
    if lines.is_empty() {
        return Err("order.products: empty".to_owned());
    }
    Ok(lines)
}

fn referral_hints(hints: &mut Vec<String>, referral: Option<&Value>) {
    let Some(referral) = referral else { return };
    hint(hints, "referral_source", text(referral, "/source"));
    hint(hints, "referral", text(referral, "/ref"));
    hint(hints, "ad_id", text(referral, "/ad_id"));
    hint(
        hints,
        "ad_title",
        text(referral, "/ads_context_data/ad_title"),
    );
    if let Some(product) = referral.get("product") {
        product_hint(hints, product);
    }
}

fn product_hint(hints: &mut Vec<String>, product: &Value) {
    let id = text(product, "/retailer_id").or_else(|| text(product, "/id"));
    hint(hints, "product", id);
    hint(hints, "product_title", text(product, "/title"));
}

fn hint(hints: &mut Vec<String>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        hints.push(format!("{name}:{value}"));
    }
}

/// An id for items to which Meta gives none; the same for every repeat.
fn own_id(page: Page<'_>, item: &Value) -> String {
    format!("{}:{}", page.id, value_digest(item))
}

/// The field that says what an item is, for the reason of an ignored notice.
fn marker(item: &Value) -> String {
    item.as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
        .find(|name| !matches!(name.as_str(), "sender" | "recipient" | "timestamp"))
        .map_or_else(|| "unknown".to_owned(), |name| word(name))
}
