//! A whole scenario against the tests' own gateway.

use std::time::Duration;

use sandbox::{Options, Product, Sandbox, Scenario};

use crate::door::Door;

fn scenario(orders: u32) -> Scenario {
    Scenario::new(orders, 3, Product::samples(), "kenh_test")
}

async fn start(faults: bool) -> (Door, Sandbox) {
    let (door, url) = Door::open().await;
    let options = Options {
        door: Some(url),
        faults,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    door.pull_tiki(&sandbox);
    (door, sandbox)
}

#[tokio::test]
async fn every_channel_sells_and_every_forgery_is_refused() {
    let (door, sandbox) = start(false).await;
    let report = sandbox.run(scenario(120)).await.unwrap();
    assert!(sandbox.settled(Duration::from_secs(30)).await);
    assert_eq!(report.unexpected, Vec::<String>::new());
    let orders: u64 = report.by_connector.values().map(|sent| sent.orders).sum();
    assert_eq!(orders, 120);
    for connector in [
        "website",
        "woocommerce",
        "lazada",
        "shopify",
        "haravan",
        "sapo_web",
        "sapo_omni",
        "shopee",
        "tiki",
        "tiktok_shop",
        "facebook",
        "zalo",
        "vnpay",
        "stringee",
        "omicall",
        "momo",
        "zalopay",
        "zalo_checkout",
        "sepay",
        "casso",
    ] {
        let sent = &report.by_connector[connector];
        assert!(sent.messages > 0, "{connector} sent nothing");
        assert_eq!(sent.lost, 0, "{connector} lost something");
        assert!(sent.forged > 0, "nobody forged {connector}");
        assert_eq!(sent.refused, sent.forged, "{connector} took a forgery");
    }
    assert!(
        report
            .by_connector
            .values()
            .map(|sent| sent.duplicates)
            .sum::<u64>()
            > 10
    );
    assert_eq!(report.drafts_confirmed + report.drafts_rejected, 12);
    assert_eq!(sandbox.books().sales, 120);
    assert_eq!(door.heard.lock().unwrap().orders.len(), 120);
}

#[tokio::test]
async fn with_faults_late_and_repeated_messages_all_arrive_in_the_end() {
    let (door, sandbox) = start(true).await;
    {
        let mut heard = door.heard.lock().unwrap();
        for channel in [
            "web",
            "lazada-vn",
            "shopee-vn",
            "tiktok-vn",
            "woo-outlet",
            "shopify",
            "haravan",
            "sapo-web",
            "sapo-omni",
            "zalo-oa",
            "facebook-page",
            "vnpay",
            "momo",
            "zalopay",
            "zalo-checkout",
            "sepay",
            "casso",
        ] {
            heard.refuse.insert(format!("/webhooks/{channel}"), 2);
        }
    }
    let report = sandbox.run(scenario(60)).await.unwrap();
    assert!(sandbox.settled(Duration::from_secs(30)).await);
    assert_eq!(report.unexpected, Vec::<String>::new());
    assert!(
        report
            .by_connector
            .values()
            .map(|sent| sent.retries)
            .sum::<u64>()
            >= 8
    );
    assert_eq!(door.heard.lock().unwrap().orders.len(), 60);
}

#[tokio::test]
async fn the_audit_follows_a_cart_through_its_draft() {
    let (_door, sandbox) = start(false).await;
    sandbox.run(scenario(40)).await.unwrap();
    let links = sandbox.links("kenh_test").await.unwrap();
    assert_eq!(links.len(), 40);
    // The tests' gateway holds everything for a person and does nothing: only what the desk
    // turned down or a caller cancelled is over, and that agrees with the storefront's books.
    assert_eq!(sandbox.audit(&links), Vec::<String>::new());
    let without = &links[1..];
    assert_eq!(sandbox.audit(without).len(), 1);
}

#[tokio::test]
async fn lazada_tells_each_unit_and_now_and_then_twice_at_one_instant() {
    let (door, sandbox) = start(false).await;
    let report = sandbox.run(scenario(200)).await.unwrap();
    let news = door.arrivals("/webhooks/lazada-vn");
    let of_orders: Vec<_> = news.iter().filter(|m| m["message_type"] == 0).collect();
    let orders: std::collections::BTreeSet<_> = of_orders
        .iter()
        .map(|m| m["data"]["trade_order_id"].as_str().unwrap())
        .collect();
    assert_eq!(orders.len(), 10);
    let lines: std::collections::BTreeSet<_> = of_orders
        .iter()
        .map(|m| m["data"]["trade_order_line_id"].as_str().unwrap())
        .collect();
    assert!(lines.len() > orders.len(), "no order of several units");
    let different: std::collections::BTreeSet<String> =
        news.iter().map(|m| m["data"].to_string()).collect();
    assert!(different.len() < news.len(), "nothing came twice");
    assert!(report.by_connector["lazada"].duplicates > 0);
    assert!(news.iter().any(|m| m["message_type"] == 3));
}

#[tokio::test]
async fn an_empty_catalog_is_refused() {
    let (_door, sandbox) = start(false).await;
    let empty = Scenario {
        catalog: Vec::new(),
        ..scenario(1)
    };
    assert!(sandbox.run(empty).await.is_err());
}

#[tokio::test]
async fn a_door_that_is_down_costs_retries_and_no_order() {
    let (door, url) = Door::open().await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let options = Options {
        door: Some(nowhere),
        ..Options::default()
    };
    let sandbox = std::sync::Arc::new(Sandbox::start(options).await.unwrap());
    door.pull_tiki(&sandbox);
    let selling = {
        let sandbox = std::sync::Arc::clone(&sandbox);
        tokio::spawn(async move { sandbox.run(scenario(20)).await.unwrap() })
    };
    // The first greeting keeps failing until the gateway is found at its new address.
    tokio::time::timeout(Duration::from_millis(300), async {
        while !sandbox.door_ready().await {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap_err();
    sandbox.set_door(&url);
    let report = selling.await.unwrap();
    assert!(sandbox.settled(Duration::from_secs(30)).await);
    assert_eq!(report.unexpected, Vec::<String>::new());
    assert!(report.by_connector["shopee"].retries > 0);
    assert_eq!(door.heard.lock().unwrap().orders.len(), 20);
}
