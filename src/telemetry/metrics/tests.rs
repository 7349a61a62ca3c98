//! What a scrape shows.

use super::*;
use proptest::prelude::*;

fn names(channels: &[&str], targets: &[&str]) -> Names {
    Names {
        channels: channels.iter().map(|&id| id.to_owned()).collect(),
        targets: targets.iter().map(|&id| id.to_owned()).collect(),
    }
}

fn sample() -> Metrics {
    let metrics = Metrics::new(names(&["shopee-vn"], &["hub-wms"]));
    metrics.webhook("shopee-vn", "new");
    metrics.webhook("shopee-vn", "new");
    metrics.webhook("nobody", "unknown_channel");
    metrics.acknowledged(Duration::from_millis(4));
    metrics.group_commit(32);
    metrics.set_inbox("shopee-vn", 7, Duration::from_millis(1500));
    metrics.set_outbox("hub-wms", 3, Duration::from_secs(2));
    metrics.attempt("hub-wms", "delivered", Duration::from_millis(30));
    metrics.set_breaker("hub-wms", BreakerLevel::Open);
    metrics.set_token_expiry("shopee-vn", -60);
    metrics.set_channel_silent("shopee-vn", true);
    metrics.unknown_values("shopee-vn", 2);
    metrics.set_dead([("notice", 1), ("task", 2)]);
    metrics.set_orders_held([("unknown_sku", 4)]);
    metrics.set_rules_valid(true);
    metrics.http_request(Some("/api/v1/orders/{id}"), http::StatusCode::OK);
    metrics.http_request(None, http::StatusCode::NOT_FOUND);
    metrics
}

#[test]
fn the_page_has_every_family_under_its_stable_name() {
    let page = sample().encode();
    let families: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    insta::assert_snapshot!(families.join("\n"));
    for line in [
        r#"kenh_webhooks_total{channel="shopee-vn",outcome="new"} 2"#,
        r#"kenh_webhooks_total{channel="unknown",outcome="unknown_channel"} 1"#,
        r#"kenh_unknown_values_total{channel="shopee-vn"} 2"#,
        r#"kenh_inbox_waiting{channel="shopee-vn"} 7"#,
        r#"kenh_inbox_age_seconds{channel="shopee-vn"} 1.5"#,
        r#"kenh_outbox_waiting{target="hub-wms"} 3"#,
        r#"kenh_outbox_age_seconds{target="hub-wms"} 2.0"#,
        r#"kenh_attempts_total{target="hub-wms",outcome="delivered"} 1"#,
        r#"kenh_attempt_seconds_count{target="hub-wms"} 1"#,
        r#"kenh_breaker_state{target="hub-wms"} 2"#,
        r#"kenh_token_expiry_seconds{channel="shopee-vn"} -60"#,
        r#"kenh_channel_silent{channel="shopee-vn"} 1"#,
        r#"kenh_dead{kind="task"} 2"#,
        r#"kenh_orders_held{reason="unknown_sku"} 4"#,
        "kenh_rules_valid 1",
        r#"kenh_group_commit_size_bucket{le="32.0"} 1"#,
        r#"kenh_ack_seconds_bucket{le="0.005"} 1"#,
        r#"kenh_http_requests_total{route="/api/v1/orders/{id}",status="200"} 1"#,
        r#"kenh_http_requests_total{route="unknown",status="404"} 1"#,
    ] {
        assert!(page.contains(line), "{line}\nis missing in\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn a_channel_that_is_gone_leaves_no_gauge_behind() {
    let metrics = sample();
    metrics.rename(names(&["website"], &[]));
    let page = metrics.encode();
    assert!(!page.contains(r#"kenh_inbox_waiting{channel="shopee-vn"}"#));
    assert!(!page.contains(r#"kenh_breaker_state{target="hub-wms"}"#));
    assert!(page.contains(r#"kenh_webhooks_total{channel="shopee-vn",outcome="new"} 2"#));
}

#[test]
fn a_reason_that_no_longer_holds_anything_is_not_shown() {
    let metrics = sample();
    metrics.set_orders_held([("unknown_province", 1)]);
    let page = metrics.encode();
    assert!(!page.contains("unknown_sku"));
    assert!(page.contains(r#"kenh_orders_held{reason="unknown_province"} 1"#));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn nothing_from_outside_becomes_a_label(values in proptest::collection::vec("[a-z0-9 \"\\\\]{1,40}", 300)) {
        let metrics = Metrics::new(names(&["website"], &["hub"]));
        for value in &values {
            metrics.webhook(value, "new");
            metrics.attempt(value, "delivered", Duration::ZERO);
            metrics.set_inbox(value, 1, Duration::ZERO);
            metrics.set_outbox(value, 1, Duration::ZERO);
            metrics.set_breaker(value, BreakerLevel::Closed);
            metrics.set_token_expiry(value, 1);
            metrics.set_channel_silent(value, true);
            metrics.http_request(Some(value), http::StatusCode::OK);
        }
        metrics.set_orders_held(values.iter().map(|value| (value.as_str(), 1)));
        metrics.set_dead(values.iter().map(|value| (value.as_str(), 1)));
        let page = metrics.encode();
        let series = |family: &str| {
            page.lines().filter(|line| line.starts_with(&format!("{family}{{"))).count()
        };
        for family in [
            "kenh_webhooks_total",
            "kenh_attempts_total",
            "kenh_inbox_waiting",
            "kenh_outbox_waiting",
            "kenh_breaker_state",
            "kenh_token_expiry_seconds",
            "kenh_channel_silent",
        ] {
            prop_assert_eq!(series(family), 1, "{}", family);
        }
        prop_assert!(series("kenh_http_requests_total") <= MAX_ROUTES + 1);
        prop_assert!(series("kenh_orders_held") <= MAX_REASONS + 1);
        prop_assert!(series("kenh_dead") <= MAX_KINDS + 1);
    }
}
