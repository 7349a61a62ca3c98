//! The door of the website: what is kept, what is refused, and that an answer means a commit.

use std::time::Duration;

use futures_util::future::join_all;
use kenh::config::Network;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::senders::WebOrder;

/// Sends bytes as they are; what came back until the other side closed or fell silent.
async fn raw(app: &TestApp, parts: &[&[u8]]) -> String {
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    for part in parts {
        // The server may have answered and closed before everything was sent.
        if stream.write_all(part).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let mut buffer = [0_u8; 4096];
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut buffer));
        match read.await.expect("an answer within its time") {
            Ok(0) | Err(_) => break,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

async fn messages(app: &TestApp) -> i64 {
    app.rows.number("SELECT COUNT(*) FROM message").await
}

/// The website's door is for these addresses only.
async fn guarded(kind: Kind, allowed: &str, proxies: &[&str]) -> TestApp {
    let allowed: Network = allowed.parse().unwrap();
    let proxies: Vec<Network> = proxies.iter().map(|text| text.parse().unwrap()).collect();
    Setup::default()
        .edit(move |config| {
            config.server.trusted_proxies.clone_from(&proxies);
            let web = config.channels.iter_mut().find(|c| c.id == "web");
            web.unwrap().allow_from = vec![allowed];
        })
        .start(kind)
        .await
}

on_both! {
    async fn an_acknowledged_message_is_in_the_inbox(kind: Kind) {
        let app = TestApp::start(kind).await;
        let answer = app.knock(&app.web_message(&WebOrder::new("WEB-1"), "order.created")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // No waiting in between: it was there before the answer was.
        assert_eq!(messages(&app).await, 1);
        app.settle().await;
        assert_eq!(app.orders().await.len(), 1);
        app.finish().await;
    }

    async fn the_same_message_twice_is_a_duplicate_and_one_order(kind: Kind) {
        let app = TestApp::start(kind).await;
        let message = app.web_message(&WebOrder::new("WEB-1"), "order.created");
        for _ in 0..3 {
            app.send(&message).await;
        }
        app.settle().await;
        app.send(&message).await;
        app.settle().await;
        assert_eq!(app.orders().await.len(), 1);
        assert_eq!(messages(&app).await, 1);
        let outcomes = app.rows.texts("SELECT outcome FROM receipt ORDER BY seq").await;
        assert_eq!(outcomes, ["new", "duplicate", "duplicate", "duplicate"]);
        assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 1);
        app.finish().await;
    }

    async fn the_same_id_with_other_content_is_kept_and_shown(kind: Kind) {
        let mut app = TestApp::start(kind).await;
        let secret = app.secrets.web_secret.clone();
        for note in ["first", "second"] {
            let document = WebOrder::new("WEB-1").note(note).document();
            let body = json!({"type": "order.created", "timestamp": "2026-11-24T03:00:00Z",
                              "data": document});
            app.send(&app.standard("/webhooks/web", &secret, "msg_same", &body)).await;
        }
        app.settle().await;
        let outcomes = app.rows.texts("SELECT outcome FROM receipt ORDER BY seq").await;
        assert_eq!(outcomes, ["new", "conflict"]);
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM message_conflict").await, 1);
        // A website cannot be asked which of the two is true, so a person must look.
        let reason = app.rows.text("SELECT reason FROM notice WHERE state = 'dead'").await;
        assert_eq!(reason.as_deref(), Some("this channel cannot be asked for an order"));
        assert_eq!(app.order("WEB-1").await.note.as_deref(), Some("first"));
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn what_is_not_believed_is_refused_counted_and_never_stored(kind: Kind) {
        let app = TestApp::start(kind).await;
        let genuine = app.web_message(&WebOrder::new("WEB-1"), "order.created");
        let mut unsigned = genuine.clone();
        unsigned.headers.retain(|(name, _)| name != "webhook-signature");
        let mut forged = genuine.clone();
        forged.body = forged.body.iter().rev().copied().collect();
        app.clock.advance(Duration::from_secs(301));
        for (knock, reason) in [
            (unsigned, "missing_signature"),
            (forged, "bad_signature"),
            (genuine, "stale_timestamp"),
        ] {
            let answer = app.knock(&knock).await;
            assert_eq!(answer.status, 401, "{reason}: {answer:?}");
            assert_eq!(answer.content_type, "application/problem+json");
            assert_eq!(answer.json()["code"], "signature-rejected");
        }
        app.until("the rejections are counted", async || {
            app.rows.number("SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM rejected_count").await == 3
        })
        .await;
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM rejected_sample").await, 3);
        assert_eq!(messages(&app).await, 0);
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM receipt").await, 0);
        app.finish().await;
    }

    async fn a_message_from_before_a_short_delay_is_still_believed(kind: Kind) {
        let app = TestApp::start(kind).await;
        let message = app.web_message(&WebOrder::new("WEB-1"), "order.created");
        app.clock.advance(Duration::from_secs(299));
        app.send(&message).await;
        app.settle().await;
        app.finish().await;
    }

    async fn a_channel_with_a_list_of_addresses_hears_nobody_else(kind: Kind) {
        // The tests knock from 127.0.0.1.
        for (allowed, status) in [("127.0.0.0/8", 200), ("203.0.113.0/24", 403)] {
            let app = guarded(kind, allowed, &[]).await;
            let message = app.web_message(&WebOrder::new("WEB-1"), "order.created");
            let answer = app.knock(&message).await;
            assert_eq!(answer.status, status, "{allowed}: {answer:?}");
            // A header that no proxy of ours has written says nothing.
            let claimed = message.with("x-forwarded-for", "203.0.113.7");
            let answer = app.knock(&claimed).await;
            assert_eq!(answer.status, status, "{allowed}: {answer:?}");
            if status == 403 {
                assert_eq!(answer.json()["code"], "address-not-allowed");
                assert_eq!(app.rows.number("SELECT COUNT(*) FROM receipt").await, 0);
            }
            app.settle().await;
            app.finish().await;
        }
    }

    async fn behind_our_own_proxy_the_address_that_it_saw_counts(kind: Kind) {
        let app = guarded(kind, "203.0.113.0/24", &["127.0.0.0/8", "10.0.0.0/8"]).await;
        let message = app.web_message(&WebOrder::new("WEB-1"), "order.created");
        for (hops, status) in [
            // What the caller wrote itself stands to the left of what our proxies have seen.
            ("203.0.113.7, 198.51.100.9", 403),
            ("203.0.113.7, 198.51.100.9, 10.0.0.2", 403),
            ("203.0.113.7, what is this, 10.0.0.2", 403),
            ("198.51.100.9", 403),
            ("", 403),
            ("203.0.113.7", 200),
            ("198.51.100.9, 203.0.113.7, 10.0.0.2", 200),
            ("203.0.113.7:50123", 200),
        ] {
            let answer = app.knock(&message.clone().with("x-forwarded-for", hops)).await;
            assert_eq!(answer.status, status, "{hops}: {answer:?}");
        }
        // Our own proxy sends nothing by itself.
        assert_eq!(app.knock(&message).await.status, 403);
        app.settle().await;
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM receipt").await, 3);
        app.finish().await;
    }

    async fn an_unknown_channel_is_not_found(kind: Kind) {
        let app = TestApp::start(kind).await;
        let mut knock = app.web_message(&WebOrder::new("WEB-1"), "order.created");
        knock.path = "/webhooks/nobody".to_owned();
        let answer = app.knock(&knock).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["code"], "unknown-channel");
        assert_eq!(messages(&app).await, 0);
        app.finish().await;
    }

    async fn a_body_that_is_too_large_is_refused_before_it_has_come(kind: Kind) {
        let app = TestApp::start(kind).await;
        let declared = b"POST /webhooks/web HTTP/1.1\r\nhost: x\r\ncontent-length: 900000000\r\n\r\n";
        // Not one byte of the body is sent: the declaration is enough.
        let answer = raw(&app, &[declared]).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");

        let head = b"POST /webhooks/web HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut chunk = format!("{:x}\r\n", 64 * 1024).into_bytes();
        chunk.extend(std::iter::repeat_n(b'x', 64 * 1024));
        chunk.extend_from_slice(b"\r\n");
        // The end of the body never comes; the answer comes when the limit is passed.
        let mut parts: Vec<&[u8]> = vec![head];
        parts.extend(std::iter::repeat_n(chunk.as_slice(), 17));
        let answer = raw(&app, &parts).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert_eq!(messages(&app).await, 0);
        app.finish().await;
    }

    async fn a_connection_that_never_finishes_a_request_head_is_closed(kind: Kind) {
        let setup = Setup::default().edit(|config| config.server.head_timeout_ms = 300);
        let app = setup.start(kind).await;
        let answer = raw(&app, &[b"POST /webhooks/web HTTP/1.1\r\nhost: x\r\nx-a: "]).await;
        assert_eq!(answer, "", "nothing to answer, and the connection has ended");
        let whole = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
        let answer = raw(&app, &[whole]).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        app.finish().await;
    }

    async fn a_body_that_is_too_slow_is_refused(kind: Kind) {
        let setup = Setup::default().edit(|config| config.server.read_timeout_ms = 200);
        let app = setup.start(kind).await;
        let head = b"POST /webhooks/web HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nten bytes.";
        let answer = raw(&app, &[head]).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        app.finish().await;
    }

    async fn a_verified_message_that_cannot_be_read_is_kept_and_dead(kind: Kind) {
        let mut app = TestApp::start(kind).await;
        let secret = app.secrets.web_secret.clone();
        let body = json!({"type": "order.created", "timestamp": "2026-11-24T03:00:00Z",
                          "data": {"external_id": 7}});
        app.send(&app.standard("/webhooks/web", &secret, "msg_odd", &body)).await;
        assert_eq!(messages(&app).await, 1);
        let reason = app.rows.text("SELECT reason FROM notice WHERE state = 'dead'").await.unwrap();
        assert!(reason.contains("data.external_id"), "the reason names the field: {reason}");
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn a_burst_is_stored_whole_with_few_commits(kind: Kind) {
        let app = TestApp::start(kind).await;
        let burst = (0..200).map(|n| {
            let order = WebOrder::phone(&format!("WEB-{n}"));
            let message = app.web_message(&order, "order.created");
            let app = &app;
            async move { app.knock(&message).await.status }
        });
        let statuses = join_all(burst).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        assert_eq!(messages(&app).await, 200);
        let page = app.gateway.metrics.encode();
        let commits: u32 = page
            .lines()
            .find(|line| line.contains("group_commit_size_count"))
            .and_then(|line| line.rsplit(' ').next())
            .unwrap_or_else(|| panic!("{page}"))
            .parse()
            .unwrap();
        assert!(commits < 100, "{commits} commits for 200 messages");
        app.settle().await;
        assert_eq!(app.orders().await.len(), 200);
        assert_eq!(app.partner("store-pos").violations().len(), 0);
        app.finish().await;
    }

    async fn nothing_is_acknowledged_while_the_store_is_down(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.rows.run("ALTER TABLE receipt RENAME TO receipt_away").await;
        let message = app.web_message(&WebOrder::new("WEB-1"), "order.created");
        let answer = app.knock(&message).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        let payment = app.knock(&app.vnpay("KE00000000-1", 1_000, 1)).await;
        assert_eq!(payment.json()["RspCode"], "99", "VNPay calls again after 99");
        assert_eq!(messages(&app).await, 0, "half a commit");
        app.rows.run("ALTER TABLE receipt_away RENAME TO receipt").await;
        app.send(&message).await;
        app.settle().await;
        assert_eq!(app.orders().await.len(), 1);
        app.finish().await;
    }
}
