//! The vendors' APIs as a connector meets them.

use sandbox::{Options, Sandbox, signing};
use serde_json::Value;

async fn sandbox() -> Sandbox {
    Sandbox::start(Options::default()).await.unwrap()
}

async fn shopee(sandbox: &Sandbox, path: &str, token: &str, rest: &str) -> Value {
    let secrets = sandbox.secrets();
    let (partner, shop) = (secrets.shopee_partner_id, secrets.shopee_shop_id);
    let at = jiff::Timestamp::now().as_second();
    let base = format!("{partner}{path}{at}{token}{shop}");
    let sign = signing::shopee_api(&secrets.shopee_partner_key, &base);
    let url = format!(
        "{}{path}?partner_id={partner}&timestamp={at}&sign={sign}&access_token={token}&shop_id={shop}{rest}",
        sandbox.addresses()["shopee"]
    );
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

async fn refresh(sandbox: &Sandbox, token: &str) -> Value {
    let secrets = sandbox.secrets();
    let path = "/api/v2/auth/access_token/get";
    let partner = secrets.shopee_partner_id;
    let at = jiff::Timestamp::now().as_second();
    let sign = signing::shopee_api(&secrets.shopee_partner_key, &format!("{partner}{path}{at}"));
    let url = format!(
        "{}{path}?partner_id={partner}&timestamp={at}&sign={sign}",
        sandbox.addresses()["shopee"]
    );
    let body = serde_json::json!({"refresh_token": token, "shop_id": secrets.shopee_shop_id,
        "partner_id": partner});
    let answer = reqwest::Client::new()
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn shopee_refuses_a_wrong_sign_and_an_old_token_with_http_200() {
    let sandbox = sandbox().await;
    let token = sandbox.secrets().shopee_tokens.access.clone();
    let path = "/api/v2/order/get_order_list";
    let now = jiff::Timestamp::now().as_second();
    let rest = format!(
        "&time_range_field=update_time&time_from={}&time_to={now}&page_size=50",
        now - 900
    );
    assert_eq!(shopee(&sandbox, path, &token, &rest).await["error"], "");
    assert_eq!(
        shopee(&sandbox, path, "dead", &rest).await["error"],
        "invalid_acceess_token"
    );
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    let url = format!(
        "{}{path}?partner_id=1000001&timestamp={now}&sign=00",
        sandbox.addresses()["shopee"]
    );
    let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"], "error_sign");
    assert_eq!(sandbox.books().violations.len(), 1);
}

#[tokio::test]
async fn shopee_takes_a_refresh_token_once() {
    let sandbox = sandbox().await;
    let first = sandbox.secrets().shopee_tokens.clone();
    let second = refresh(&sandbox, &first.refresh).await;
    assert_eq!(second["error"], "");
    assert_ne!(second["access_token"], *first.access);
    let again = refresh(&sandbox, &first.refresh).await;
    assert_eq!(
        (&again["error"], &again["message"]),
        (&"error_auth".into(), &"Invalid refresh_token.".into())
    );
    assert_eq!(
        sandbox.books().violations,
        ["shopee: a refresh token was used twice"]
    );
}

#[tokio::test]
async fn shopee_lists_at_most_fifteen_days() {
    let sandbox = sandbox().await;
    let token = sandbox.secrets().shopee_tokens.access.clone();
    let rest = "&time_range_field=update_time&time_from=0&time_to=1790305266&page_size=50";
    let answer = shopee(&sandbox, "/api/v2/order/get_order_list", &token, rest).await;
    assert_eq!(answer["error"], "order.order_list_invalid_time");
}

#[tokio::test]
async fn zalo_tells_the_life_of_a_token_as_text_and_takes_a_refresh_token_once() {
    let sandbox = sandbox().await;
    let secrets = sandbox.secrets();
    let form = format!(
        "refresh_token={}&app_id={}&grant_type=refresh_token",
        secrets.zalo_tokens.refresh, secrets.zalo_app_id
    );
    let send = || async {
        let url = format!("{}/v4/oa/access_token", sandbox.addresses()["zalo_oauth"]);
        let request = reqwest::Client::new()
            .post(url)
            .header("secret_key", &secrets.zalo_app_secret)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.clone());
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let first = send().await;
    assert_eq!(first["expires_in"], "90000");
    assert!(first["access_token"].is_string());
    assert_ne!(send().await["error"], 0);
}

#[tokio::test]
async fn woocommerce_and_facebook_know_their_callers() {
    let sandbox = sandbox().await;
    let url = format!(
        "{}/wp-json/wc/v3/orders",
        sandbox.addresses()["woocommerce"]
    );
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 401);
    let secrets = sandbox.secrets();
    let basic = signing::basic(&secrets.woo_consumer_key, &secrets.woo_consumer_secret);
    let good = reqwest::Client::new()
        .get(&url)
        .header("authorization", basic)
        .send()
        .await
        .unwrap();
    assert_eq!(good.status(), 200);
    assert_eq!(good.headers()["x-wp-totalpages"], "0");
    let page = &secrets.facebook_page_id;
    let graph = &sandbox.addresses()["facebook"];
    let token = &secrets.facebook_page_token;
    let proof = signing::appsecret_proof(&secrets.facebook_app_secret, token);
    let apps = reqwest::get(format!(
        "{graph}/v26.0/{page}/subscribed_apps?access_token={token}&appsecret_proof={proof}"
    ));
    let apps: Value = apps.await.unwrap().json().await.unwrap();
    assert!(apps["data"][0]["subscribed_fields"].is_array());
    let refused = reqwest::get(format!("{graph}/1900000000026801?access_token=x"))
        .await
        .unwrap();
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], 190);
}
