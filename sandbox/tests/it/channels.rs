//! The vendors' APIs as a connector meets them.

use std::{collections::BTreeMap, time::Duration};

use sandbox::{Options, Product, Sandbox, Scenario, TokenPair, signing};
use serde_json::{Value, json};

use crate::door::Door;

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

/// One signed Lazada call, writing calls as a form; nothing when no whole answer came back.
pub async fn lazada(
    sandbox: &Sandbox,
    server: &str,
    path: &str,
    pairs: &[(&str, &str)],
) -> Option<Value> {
    let secrets = sandbox.secrets();
    let at = jiff::Timestamp::now().as_millisecond().to_string();
    let mut all = BTreeMap::from([
        ("app_key", secrets.lazada_app_key.as_str()),
        ("sign_method", "sha256"),
        ("timestamp", at.as_str()),
    ]);
    all.extend(pairs.iter().copied());
    let signed = all.iter().map(|(name, value)| (*name, *value));
    let sign = signing::lazada_api(&secrets.lazada_app_secret, path, signed);
    all.insert("sign", &sign);
    let encoded: Vec<String> = all
        .iter()
        .map(|(name, value)| format!("{name}={}", signing::form_encode(value)))
        .collect();
    let url = format!("{}/rest{path}", sandbox.addresses()[server]);
    let http = reqwest::Client::new();
    let writes = [
        "/order/fulfill/pack",
        "/order/package/rts",
        "/auth/token/refresh",
    ];
    let request = if writes.contains(&path) {
        http.post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded.join("&"))
    } else {
        http.get(format!("{url}?{}", encoded.join("&")))
    };
    let request = request.timeout(Duration::from_millis(1500));
    request.send().await.ok()?.json().await.ok()
}

fn token(sandbox: &Sandbox) -> TokenPair {
    sandbox.secrets().lazada_tokens.clone()
}

#[tokio::test]
async fn lazada_refuses_a_wrong_sign_and_an_old_token_with_http_200() {
    let sandbox = sandbox().await;
    let pair = token(&sandbox);
    let ask = |token: String, id: &'static str| {
        let sandbox = &sandbox;
        async move {
            let pairs = [("access_token", token.as_str()), ("order_id", id)];
            lazada(sandbox, "lazada", "/order/get", &pairs)
                .await
                .unwrap()
        }
    };
    assert_eq!(ask(pair.access.clone(), "1").await["code"], "16");
    assert_eq!(
        ask("dead".to_owned(), "1").await["code"],
        "IllegalAccessToken"
    );
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    assert_eq!(ask(pair.access, "").await["code"], "IncompleteSignature");
    let url = format!(
        "{}/rest/order/get?order_id=1",
        sandbox.addresses()["lazada"]
    );
    let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(answer["code"], "IncompleteSignature");
    assert_eq!(sandbox.books().violations.len(), 2);
}

#[tokio::test]
async fn lazada_keeps_the_refresh_token_before_but_none_older() {
    let sandbox = sandbox().await;
    let refresh = |token: String| {
        let sandbox = &sandbox;
        async move {
            let pairs = [("refresh_token", token.as_str())];
            lazada(sandbox, "lazada_auth", "/auth/token/refresh", &pairs)
                .await
                .unwrap()
        }
    };
    let first = token(&sandbox).refresh;
    assert_eq!(refresh(first.clone()).await["code"], "0");
    // The first answer may have been lost.
    let third = refresh(first.clone()).await;
    assert!(third["refresh_expires_in"].as_i64().unwrap() <= 15_552_000);
    let fourth = refresh(third["refresh_token"].as_str().unwrap().to_owned()).await;
    assert_eq!(fourth["code"], "0");
    assert_eq!(refresh(first).await["code"], "IllegalRefreshToken");
    let authorised = sandbox.authorize_lazada();
    let dead = refresh(fourth["refresh_token"].as_str().unwrap().to_owned()).await;
    assert_eq!(dead["code"], "IllegalRefreshToken");
    assert_eq!(refresh(authorised.refresh).await["code"], "0");
}

#[tokio::test]
async fn lazada_books_a_parcel_and_a_cancellation_once() {
    let (_door, url) = Door::open().await;
    let options = Options {
        door: Some(url),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let scenario = Scenario {
        cancel_percent: 0,
        ..Scenario::new(60, 3, Product::samples(), "kenh_test")
    };
    sandbox.run(scenario).await.unwrap();
    let access = token(&sandbox).access;
    let ask = |path: &'static str, name: &'static str, value: String| {
        let (sandbox, access) = (&sandbox, &access);
        async move {
            let pairs = [("access_token", access.as_str()), (name, value.as_str())];
            lazada(sandbox, "lazada", path, &pairs).await.unwrap()
        }
    };
    let pairs = [
        ("access_token", access.as_str()),
        ("update_after", "2026-01-01T00:00:00+07:00"),
        ("sort_by", "updated_at"),
        ("sort_direction", "ASC"),
        ("limit", "100"),
        ("offset", "0"),
    ];
    let listed = lazada(&sandbox, "lazada", "/orders/get", &pairs)
        .await
        .unwrap();
    let orders = listed["data"]["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 3, "one slot of the wheel of twenty");
    let order = orders[0]["order_id"].to_string();
    let units = ask("/order/items/get", "order_id", order.clone()).await["data"].clone();
    let units = units.as_array().unwrap();
    let ids: Vec<&Value> = units.iter().map(|unit| &unit["order_item_id"]).collect();
    let wanted = json!({"pack_order_list": [{"order_id": order, "order_item_list": ids}],
        "delivery_type": "dropship", "shipping_allocate_type": "TFS"});
    let packed = ask("/order/fulfill/pack", "packReq", wanted.to_string()).await;
    let row = &packed["result"]["data"]["pack_order_list"][0]["order_item_list"][0];
    assert_eq!(row["item_err_code"], "0");
    let parcel = json!({"packages": [{"package_id": row["package_id"]}]}).to_string();
    let ready = ask("/order/package/rts", "readyToShipReq", parcel.clone()).await;
    assert_eq!(ready["result"]["data"]["packages"][0]["item_err_code"], "0");
    let label = json!({"doc_type": "PDF", "packages": [{"package_id": row["package_id"]}]});
    let label = ask(
        "/order/package/document/get",
        "getDocumentReq",
        label.to_string(),
    )
    .await;
    assert!(label["result"]["data"]["file"].is_string());
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    // Again, without looking first.
    ask("/order/fulfill/pack", "packReq", wanted.to_string()).await;
    ask("/order/package/rts", "readyToShipReq", parcel).await;
    assert_eq!(sandbox.books().violations.len(), ids.len() + 1);

    let ids = json!(ids).to_string();
    let cancel = |path: &'static str, reason: Option<&'static str>| {
        let (sandbox, access, order, ids) = (&sandbox, &access, &order, &ids);
        async move {
            let mut pairs = vec![
                ("access_token", access.as_str()),
                ("order_id", order.as_str()),
                ("order_item_id_list", ids.as_str()),
            ];
            pairs.extend(reason.map(|reason| ("reason_id", reason)));
            lazada(sandbox, "lazada", path, &pairs).await.unwrap()
        }
    };
    let validate = "/order/reverse/cancel/validate";
    let create = "/order/reverse/cancel/create";
    let offered = cancel(validate, None).await;
    assert_eq!(
        offered["data"]["reason_options"][1]["reason_id"],
        "10000021"
    );
    assert_eq!(cancel(create, Some("7")).await["code"], "104");
    let done = cancel(create, Some("10000021")).await;
    assert_eq!(done["data"]["tip_type"], "success");
    assert_eq!(cancel(validate, None).await["data"]["tip_type"], "error");
    let told = sandbox.books().channels["lazada"].told.clone();
    let expected = [("cancel", 1), ("pack", 1), ("ready_to_ship", 1)];
    assert_eq!(told, expected.map(|(kind, n)| (kind.to_owned(), n)).into());
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
