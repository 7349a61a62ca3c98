//! Signatures that are refused tell of a wrong secret or of a forger.

use std::time::Duration;

use serde_json::json;

use super::alarms;
use crate::app::{TestApp, on_both};
use crate::senders::{Knock, WebOrder};

async fn counted(app: &TestApp, n: i64) {
    let sum = "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM rejected_count";
    app.until("the refusals are counted", async || {
        app.rows.number(sum).await == n
    })
    .await;
}

on_both! {
    async fn one_refusal_of_a_vendor_that_never_repeats_is_alarmed_and_many_of_another(kind: Kind) {
        let app = TestApp::start(kind).await;
        let mut forged = app.web_message(&WebOrder::new("WEB-1"), "order.created");
        forged.body.push(b' ');
        for _ in 0..19 {
            assert_eq!(app.knock(&forged).await.status, 401);
        }
        counted(&app, 19).await;
        assert!(alarms(&app, "refused/").await.is_empty());
        assert_eq!(app.knock(&forged).await.status, 401);
        let body = json!({"type": 1, "shop_id": "7494000000000000001", "timestamp": app.clock_s(),
            "tts_notification_id": "1", "data": {"order_id": "576461413038785752",
            "order_status": "AWAITING_SHIPMENT", "update_time": app.clock_s()}});
        let tiktok = Knock::post("/webhooks/tiktok-vn", body.to_string().into_bytes())
            .with("authorization", &"0".repeat(64));
        assert_eq!(app.knock(&tiktok).await.status, 401);
        counted(&app, 21).await;
        assert_eq!(alarms(&app, "refused/").await, ["refused/tiktok-vn", "refused/web"]);

        // It ends by itself when no more come.
        app.clock.advance(Duration::from_secs(2 * 3_600));
        assert!(alarms(&app, "refused/").await.is_empty());
        app.finish().await;
    }
}
