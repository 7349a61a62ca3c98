//! Each vendor hears exactly what it wants to hear.

use serde_json::json;

use crate::app::{TestApp, on_both};
use crate::senders::{AC_PRICE, Knock, WebOrder};

on_both! {
    async fn shopee_gets_an_empty_200(kind: Kind) {
        let app = TestApp::start(kind).await;
        let push = app.shopee_push("m1", "2411240000001", "UNPAID", app.clock_s());
        let answer = app.knock(&push).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        let mut forged = push;
        forged.headers.retain(|(name, _)| name != "authorization");
        assert_eq!(app.knock(&forged.with("authorization", "00")).await.status, 401);
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM message").await, 1);
        let mut app = app;
        app.settle().await;
        // The API knows nothing of the order (no answer is mounted).
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn vnpay_gets_its_codes_truthfully(kind: Kind) {
        let mut app = TestApp::start(kind).await;
        app.web(&WebOrder::new("WEB-1").card().status("pending"), "order.created").await;
        app.settle().await;
        let reference = format!("{}-1", app.order("WEB-1").await.code);
        let code = |answer: crate::senders::Answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()["RspCode"].as_str().unwrap().to_owned()
        };

        let mut forged = app.vnpay(&reference, AC_PRICE, 1);
        forged.path.push('0');
        assert_eq!(code(app.knock(&forged).await), "97");
        let unknown = app.vnpay("KE99999999-1", AC_PRICE, 2);
        assert_eq!(code(app.knock(&unknown).await), "01");
        assert_eq!(code(app.knock(&app.vnpay(&reference, AC_PRICE - 1_000, 3)).await), "04");
        let genuine = app.vnpay(&reference, AC_PRICE, 4);
        assert_eq!(code(app.knock(&genuine).await), "00");
        assert_eq!(code(app.knock(&genuine).await), "02");
        app.settle().await;
        assert_eq!(code(app.knock(&genuine).await), "02");
        assert_eq!(code(app.knock(&app.vnpay(&reference, AC_PRICE, 5)).await), "02");
        // 01 and 04 are stored all the same.
        let stored = app.rows.number("SELECT COUNT(*) FROM message WHERE channel = 'vnpay'").await;
        assert_eq!(stored, 4);
        app.settle().await;
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn facebook_is_greeted_only_with_the_right_word(kind: Kind) {
        let app = TestApp::start(kind).await;
        let greet = |word: &str| {
            Knock::get(&format!(
                "/webhooks/facebook-page?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={word}"
            ))
        };
        let answer = app.knock(&greet(&app.secrets.facebook_verify_token)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "1158201444"));
        assert_eq!(answer.content_type, "text/plain");
        let answer = app.knock(&greet("wrong")).await;
        assert_eq!(answer.status, 403);
        assert!(!answer.body.contains("1158201444"));
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM message").await, 0);
        app.finish().await;
    }

    async fn woocommerce_may_ask_whether_the_door_exists(kind: Kind) {
        let app = TestApp::start(kind).await;
        let ping = Knock {
            headers: vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
            ..Knock::post("/webhooks/woo-outlet", b"webhook_id=7".to_vec())
        };
        assert_eq!(app.knock(&ping).await.status, 200);
        // Anything else without a signature is nobody's.
        let unsigned = Knock::post("/webhooks/woo-outlet", json!({"id": 1}).to_string().into_bytes());
        assert_eq!(app.knock(&unsigned).await.status, 401);
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM message").await, 0);
        app.finish().await;
    }

    async fn woocommerce_sends_one_version_often_and_it_is_one_order(kind: Kind) {
        let app = TestApp::start(kind).await;
        let text = include_str!("../../connectors/fixtures/woocommerce/created_cod.json");
        let document = serde_json::from_str(text).unwrap();
        app.send(&app.woo("order.created", "d1", &document)).await;
        app.send(&app.woo("order.updated", "d2", &document)).await;
        app.settle().await;
        let order = app.order("727").await;
        assert_eq!(order.totals.grand_total.0, 610_000);
        assert_eq!(order.totals.cod.0, 610_000);
        let outcomes = app.rows.texts("SELECT outcome FROM receipt ORDER BY seq").await;
        assert_eq!(outcomes, ["new", "duplicate"]);
        app.finish().await;
    }

    async fn zalo_is_believed_by_its_own_signature(kind: Kind) {
        let app = TestApp::start(kind).await;
        let text = app.zalo(&json!({
            "event_name": "user_send_text",
            "sender": {"id": "246845883529197922"},
            "recipient": {"id": app.secrets.zalo_oa_id},
            "user_id_by_app": "552177279717587730",
            "message": {"text": "Máy lạnh còn không shop?", "msg_id": "96d3cdf3af150460909"},
        }));
        app.send(&text).await;
        let mut forged = text.clone();
        forged.body.extend_from_slice(b" ");
        assert!(app.knock(&forged).await.status >= 400);
        app.settle().await;
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM conversation").await, 1);
        assert_eq!(app.orders().await.len(), 0, "a question is no order");
        app.finish().await;
    }
}
