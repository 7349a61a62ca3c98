//! The documents that this storefront writes have the vendors' own field names: every name
//! stands in a fixture or in the vendor's reference, and none of the fixture's is left out.

use std::{
    collections::BTreeSet,
    sync::{Mutex, atomic::AtomicUsize},
};

use serde_json::Value;

use super::*;
use crate::{Options, books::Ledger, world::seconds};

fn fixture(file: &str) -> Value {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    serde_json::from_slice(&std::fs::read(root.join(file)).unwrap()).unwrap()
}

/// Field names of an object, those of nested objects and of first elements with their path.
fn names(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                into.insert(format!("{path}{name}"));
                names(field, &format!("{path}{name}."), into);
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                names(first, path, into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Names in `made` that `real` lacks, and the other way round.
fn differences(made: &Value, real: &Value) -> (Vec<String>, Vec<String>) {
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    names(made, "", &mut ours);
    names(real, "", &mut theirs);
    (
        ours.difference(&theirs).cloned().collect(),
        theirs.difference(&ours).cloned().collect(),
    )
}

fn run() -> Run {
    let world = World::new(Options::default(), Ledger::default()).unwrap();
    Run {
        world: Arc::new(world),
        scenario: Scenario::new(1, 1, Product::samples(), "kenh_test"),
        tally: Mutex::new(ScenarioReport::default()),
        stragglers: AtomicUsize::new(0),
        carts: AtomicUsize::new(0),
    }
}

fn basket() -> Basket {
    Basket::fill(&mut Rng::with_seed(1), &Product::samples())
}

#[test]
fn a_woocommerce_order_reads_like_the_vendors() {
    let order = woocommerce::WooOrder {
        id: 700_001,
        basket: basket(),
        cod: true,
        status: "processing",
        paid: None,
        created: seconds(),
        modified: seconds(),
        note: "",
        messages: 0,
    };
    let (invented, missing) = differences(
        &order.document(),
        &fixture("woocommerce/order_created.json"),
    );
    assert_eq!(invented, Vec::<String>::new());
    // Attributes of a variation and of the visit's origin, which these orders do not have.
    assert!(
        missing.iter().all(|name| name.contains("meta_data.")),
        "{missing:?}"
    );
}

/// Names in the platform's document of a new order that are not in the vendor's, and the other way
/// round.
fn of_platform(platform: Platform, file: &str) -> (Vec<String>, Vec<String>) {
    let placed = shops::Placed {
        id: 1_900_000_011,
        platform,
        basket: basket(),
        cod: true,
        placed: seconds(),
    };
    differences(&placed.document(), &fixture(file))
}

#[test]
fn the_orders_of_the_shop_platforms_read_like_the_vendors() {
    let none = Vec::<String>::new;
    let (invented, missing) = of_platform(Platform::Shopify, "shopify/orders_create.json");
    // Documented; the fixture has an order without discounts.
    let documented = |name: &String| name.starts_with("line_items.discount_allocations");
    assert!(invented.iter().all(documented), "{invented:?}");
    assert_eq!(missing, none());
    let (invented, missing) = of_platform(Platform::Haravan, "haravan/orders_create.json");
    assert_eq!(invented, vec!["line_items.fulfillable_quantity".to_owned()]);
    assert_eq!(missing, none());
    let sapo_web = of_platform(Platform::SapoWeb, "sapo_web/orders_create.json");
    assert_eq!(sapo_web, (none(), none()));
    let (invented, missing) = of_platform(Platform::SapoOmni, "sapo_omni/orders_update.json");
    // Documented; the fixture's order has no fee, and its buyer has paid.
    assert_eq!(
        invented,
        ["delivery_fee.fee", "expected_payment_method_id"].map(str::to_owned)
    );
    assert_eq!(missing, none());
}

#[test]
fn a_shopee_order_reads_like_the_vendors() {
    let order = shopee::ShopeeOrder {
        order_sn: "261124ABCDEF12".to_owned(),
        basket: basket(),
        cod: true,
        created: seconds(),
        paid: None,
        updated: seconds(),
    };
    let real = fixture("shopee/order_detail_ordinary.json");
    let real = &real["response"]["order_list"][0];
    let (invented, missing) = differences(&order.document("READY_TO_SHIP"), real);
    let documented = ["advance_package", "booking_sn"];
    let unknown: Vec<&String> = invented
        .iter()
        .filter(|name| !documented.contains(&name.as_str()))
        .collect();
    assert_eq!(unknown, Vec::<&String>::new());
    let needless = [
        "buyer_cpf_id",
        "dropshipper",
        "dropshipper_phone",
        "item_list.image_info",
        "item_list.image_info.image_url",
    ];
    let left_out: Vec<&String> = missing
        .iter()
        .filter(|name| !needless.contains(&name.as_str()) && !name.starts_with("package_list."))
        .collect();
    assert_eq!(left_out, Vec::<&String>::new());
}

#[test]
fn a_tiki_order_and_its_events_read_like_the_vendors() {
    let order = tiki::Sold {
        code: "512345678".to_owned(),
        basket: basket(),
        cod: false,
        created: seconds(),
    };
    let (invented, missing) = differences(
        &order.document("queueing"),
        &fixture("tiki/order_ordinary.json"),
    );
    assert_eq!(invented, Vec::<String>::new());
    // What Tiki writes for its own people, and the finer parts of groups that are there.
    let needless = [
        "applied_rule_ids",
        "backend_id",
        "billing_address",
        "delivery",
        "dropship_already",
        "invoice.",
        "is_bookcare",
        "is_flower_gift",
        "is_vat_exporting",
        "items.",
        "labels",
        "main_",
        "platform",
        "shipment_mappings",
        "shipping.",
        "tikixu_point_earning",
    ];
    let left_out: Vec<&String> = missing
        .iter()
        .filter(|name| !needless.iter().any(|part| name.starts_with(part)))
        .collect();
    assert_eq!(left_out, Vec::<&String>::new());
    let real = fixture("tiki/queue_pull_events.json");
    let made = tiki::event(&run().world, "512345678", "picking", 1_790_308_800);
    assert_eq!(
        differences(&made, &real["events"][1]),
        (Vec::new(), Vec::new())
    );
}

#[test]
fn calls_read_like_the_vendors() {
    let real = fixture("stringee/event_created_inbound.json");
    let made = phone::state("call-1", "created", "84901234567", false);
    assert_eq!(differences(&made, &real), (Vec::new(), Vec::new()));
    let real = fixture("omicall/call_hangup.json");
    let made = phone::event("call-1", "hangup", "0901234567", true);
    assert_eq!(differences(&made, &real), (Vec::new(), Vec::new()));
}

#[test]
fn a_lazada_order_and_its_pushes_read_like_the_vendors() {
    let basket = basket();
    let sold = lazada::Sold {
        order_id: 501_234_567_890_123,
        basket: &basket,
        cod: true,
        created: seconds(),
    };
    let none: (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let real = fixture("lazada/order_get_ordinary.json");
    assert_eq!(differences(&sold.head("pending"), &real["data"]), none);
    let real = fixture("lazada/order_items_ordinary.json");
    let unit = &sold.units("pending")[0];
    assert_eq!(differences(unit, &real["data"][0]), none);
    let world = run().world;
    let news = lazada::unit_news(1, unit, seconds());
    let made = lazada::envelope(&world, 0, &news);
    assert_eq!(
        differences(&made, &fixture("lazada/push_00_pending.json")),
        none
    );
    let news = lazada::reverse_news(&world, 1, 2, "CANCEL_INIT");
    let made = lazada::envelope(&world, 10, &news);
    assert_eq!(
        differences(&made, &fixture("lazada/push_10_cancel_init.json")),
        none
    );
    let news = lazada::parcel_news(1, &"FP1".into(), "DELIVERED");
    let made = lazada::envelope(&world, 14, &news);
    let real = fixture("lazada/push_14_fulfillment_delivered.json");
    assert_eq!(differences(&made, &real), none);
}

#[test]
fn a_tiktok_order_reads_like_the_vendors() {
    let order = tiktok::TikTokOrder {
        id: "580012345678901234".to_owned(),
        basket: basket(),
        cod: true,
        off: 50_000,
        created: seconds(),
    };
    let real = fixture("tiktok/order_detail_ordinary.json");
    let real = &real["data"]["orders"][0];
    let (invented, missing) = differences(&order.document("AWAITING_SHIPMENT", "1155"), real);
    assert_eq!(
        (invented, missing),
        (Vec::<String>::new(), Vec::<String>::new())
    );
    let changes = [
        (tiktok::Changed::Status("CANCEL"), "push_01_cancel"),
        (
            tiktok::Changed::Cancellation {
                id: "4035412345678901234".to_owned(),
                status: "CANCELLATION_REQUEST_PENDING",
            },
            "push_11_cancel_request",
        ),
    ];
    for (changed, file) in changes {
        let made = tiktok::envelope(&run().world, "580012345678901234", &changed, 1_790_310_600);
        let real = fixture(&format!("tiktok/{file}.json"));
        assert_eq!(differences(&made, &real), (Vec::new(), Vec::new()));
    }
}

#[test]
fn a_facebook_cart_and_a_zalo_text_read_like_the_vendors() {
    let run = run();
    let real = fixture("meta/messenger_send_cart.json");
    let real = &real["entry"][0]["messaging"][0];
    let made = facebook::cart_item(&run, "7234567890123456", &basket());
    assert_eq!(differences(&made, real), (Vec::new(), Vec::new()));
    let made = zalo::said(&run, "7000000000000000022", 1);
    // The sender adds these two, because the signature is made of them.
    let added = vec!["app_id".to_owned(), "timestamp".to_owned()];
    assert_eq!(
        differences(&made, &fixture("zalo_oa/user_send_text.json")),
        (Vec::new(), added)
    );
}
