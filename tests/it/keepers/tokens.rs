//! Tokens that the keys of the configuration are enough for.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kenh::pipeline::tokens::{self, Error};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::alarms;
use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::{only, speaks};
use crate::desk::Desk;
use crate::shopee::{pair, show_orders};

struct Tiki {
    server: MockServer,
    answer: Arc<Mutex<ResponseTemplate>>,
}

impl Tiki {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let answer = Arc::new(Mutex::new(token("first")));
        let now = Arc::clone(&answer);
        Mock::given(method("POST"))
            .and(path("/sc/oauth2/token"))
            .and(body_string_contains("grant_type=client_credentials"))
            .respond_with(move |_: &Request| now.lock().unwrap().clone())
            .mount(&server)
            .await;
        Self { server, answer }
    }

    fn answers(&self, answer: ResponseTemplate) {
        *self.answer.lock().unwrap() = answer;
    }

    async fn asked(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }

    /// A shop at Tiki, for which nobody has imported anything.
    async fn app(&self, kind: Kind) -> TestApp {
        let settings = json!({
            "client_id": "6249716820922226", "client_secret": {"$secret": ["s"]},
            "queue": "q", "base_url": self.server.uri(),
        });
        Setup::default()
            .edit(move |config| speaks(only(config, "woo-outlet"), "tiki", &settings))
            .start(kind)
            .await
    }
}

fn token(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"access_token": text, "expires_in": 3_600}))
}

async fn access(app: &TestApp) -> Result<String, Error> {
    let channel = app.gateway.config.channel("woo-outlet").unwrap();
    let access = tokens::access(&app.gateway, channel).await?;
    Ok(access.unwrap().token().expose_secret().to_owned())
}

on_both! {
    async fn an_app_with_its_own_keys_gets_its_first_token_by_itself_and_once(kind: Kind) {
        let tiki = Tiki::start().await;
        let app = tiki.app(kind).await;
        let tokens = join_all((0..8).map(|_| access(&app))).await;
        assert!(tokens.iter().all(|token| token.as_deref() == Ok("first")), "{tokens:?}");
        assert_eq!(tiki.asked().await, 1);
        // It ends within the hour every hour, which is no news.
        assert!(alarms(&app, "expiring/").await.iter().all(|key| key != "expiring/woo-outlet"));
        tiki.answers(token("second"));
        app.clock.advance(Duration::from_secs(3_100));
        assert_eq!(access(&app).await.as_deref(), Ok("second"));
        assert_eq!(tiki.asked().await, 2);
        app.finish().await;
    }

    async fn a_pair_is_stored_when_the_database_is_back(kind: Kind) {
        let tiki = Tiki::start().await;
        let app = tiki.app(kind).await;
        tiki.answers(token("first").set_delay(Duration::from_millis(300)));
        let outage = async {
            app.until("the vendor is asked", || async { tiki.asked().await == 1 }).await;
            app.rows.run("ALTER TABLE channel_account RENAME TO elsewhere").await;
            let began = Instant::now();
            app.until("it could not be stored", || async {
                began.elapsed() > Duration::from_millis(700)
            }).await;
            app.rows.run("ALTER TABLE elsewhere RENAME TO channel_account").await;
        };
        let (token, ()) = tokio::join!(access(&app), outage);
        assert_eq!(token.as_deref(), Ok("first"));
        assert_eq!(access(&app).await.as_deref(), Ok("first"));
        assert_eq!(tiki.asked().await, 1);
        app.finish().await;
    }

    async fn an_announced_end_of_the_authorisation_outlives_every_refresh(kind: Kind) {
        let app = TestApp::start(kind).await;
        let now = app.clock_s();
        show_orders(&app, now).await;
        Mock::given(method("POST"))
            .and(path("/api/v2/auth/access_token/get"))
            .respond_with(pair())
            .mount(&app.shopee)
            .await;
        let shop = app.secrets.shopee_shop_id;
        let ends = now + 7 * 86_400;
        let push = |code: i64, data: Value| {
            let push = json!({"code": code, "timestamp": now, "data": data});
            app.shopee_body(push.to_string().into_bytes())
        };
        let expiring = ["expiring/shopee-vn"];
        app.send(&push(12, json!({
            "shop_expire_soon": [shop], "merchant_expire_soon": [], "user_expire_soon": [],
            "expire_before": ends, "page_no": 1, "total_page": 1,
        }))).await;
        app.settle().await;
        assert_eq!(alarms(&app, "expiring/shopee").await, expiring);
        app.tokens_expired().await;
        app.send(&app.shopee_push("m1", "2411240000001", "READY_TO_SHIP", now)).await;
        app.settle().await;
        let version = "SELECT version FROM channel_account WHERE channel = 'shopee-vn'";
        assert_eq!(app.rows.number(version).await, 2, "refreshed");
        assert_eq!(alarms(&app, "expiring/shopee").await, expiring);
        let account = Desk::of(&app, &["channels:read"]).await.channel("shopee-vn").await["account"].clone();
        let told: jiff::Timestamp = account["authorized_until"].as_str().unwrap().parse().unwrap();
        assert_eq!(told.as_second(), ends);

        app.send(&push(1, json!({"shop_id": shop, "success": 1, "extra": "authorised"}))).await;
        app.settle().await;
        assert_eq!(alarms(&app, "expiring/shopee").await, [""; 0]);
        app.finish().await;
    }

    async fn keys_that_are_refused_are_alarmed_and_tried_again_after_a_while(kind: Kind) {
        let tiki = Tiki::start().await;
        let app = tiki.app(kind).await;
        tiki.answers(ResponseTemplate::new(401).set_body_json(json!({"error": "invalid_client"})));
        assert!(matches!(access(&app).await, Err(Error::Reauthorize { .. })));
        assert!(matches!(access(&app).await, Err(Error::Reauthorize { .. })));
        assert_eq!(tiki.asked().await, 1, "a refusal is not hammered at");
        assert_eq!(alarms(&app, "authorize/").await, ["authorize/woo-outlet"]);
        tiki.answers(token("mended"));
        app.clock.advance(Duration::from_secs(600));
        assert_eq!(access(&app).await.as_deref(), Ok("mended"));
        assert!(alarms(&app, "authorize/").await.is_empty());
        app.finish().await;
    }
}
