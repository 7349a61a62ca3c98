//! Writing to persons: what Meta and Zalo take once, and what they write down when it comes twice.

use std::time::Duration;

use sandbox::{Options, Product, Sandbox, Scenario, signing};
use serde_json::{Value, json};

use crate::door::Door;

/// A sandbox whose buyers have written and commented.
async fn busy() -> (Door, Sandbox) {
    let (door, url) = Door::open().await;
    let options = Options {
        door: Some(url),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let scenario = Scenario::new(20, 3, Product::samples(), "kenh_test");
    let report = sandbox.run(scenario).await.unwrap();
    assert_eq!(report.unexpected, Vec::<String>::new());
    (door, sandbox)
}

struct Graph<'a>(&'a Sandbox);

impl Graph<'_> {
    fn url(&self, path: &str) -> String {
        let secrets = self.0.secrets();
        let token = &secrets.facebook_page_token;
        let proof = signing::appsecret_proof(&secrets.facebook_app_secret, token);
        let mark = if path.contains('?') { '&' } else { '?' };
        let base = &self.0.addresses()["facebook"];
        format!("{base}/v26.0{path}{mark}access_token={token}&appsecret_proof={proof}")
    }

    fn page(&self) -> &str {
        &self.0.secrets().facebook_page_id
    }

    async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(self.url(path)).await.unwrap();
        answer.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = reqwest::Client::new().post(self.url(path)).json(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn say(&self, recipient: Value, rest: Value) -> Value {
        let mut body = json!({"recipient": recipient, "message": {"text": "Dạ shop đây ạ"}});
        for (name, value) in rest.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.post(&format!("/{}/messages", self.page()), &body)
            .await
    }
}

fn violations(sandbox: &Sandbox) -> Vec<String> {
    sandbox.books().violations
}

#[tokio::test]
async fn meta_delivers_an_answer_and_notices_its_twin() {
    let (_door, sandbox) = busy().await;
    let graph = Graph(&sandbox);
    let threads = graph
        .get(&format!(
            "/{}/conversations?platform=messenger",
            graph.page()
        ))
        .await;
    let said = &threads["data"][0]["messages"]["data"][0];
    let person = said["from"]["id"].as_str().unwrap();
    let response = json!({"messaging_type": "RESPONSE"});
    let sent = graph.say(json!({"id": person}), response.clone()).await;
    assert!(sent["message_id"].is_string(), "{sent}");
    assert_eq!(violations(&sandbox), Vec::<String>::new());
    let thread = graph
        .get(&format!("/{}/conversations?user_id={person}", graph.page()))
        .await;
    assert_eq!(
        thread["data"][0]["messages"]["data"][0]["id"],
        sent["message_id"]
    );
    graph.say(json!({"id": person}), response.clone()).await;
    assert_eq!(
        violations(&sandbox),
        ["facebook: the same answer went to one person twice"]
    );
    let stranger = graph.say(json!({"id": "1"}), response).await;
    assert_eq!(stranger["error"]["error_subcode"], 2_018_001);
    let tagged = json!({"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"});
    let refused = graph.say(json!({"id": person}), tagged).await;
    assert_eq!(refused["error"]["code"], 100);
}

#[tokio::test]
async fn a_live_shows_its_comments_and_each_has_one_private_reply() {
    let (_door, sandbox) = busy().await;
    let graph = Graph(&sandbox);
    let lives = graph.get(&format!("/{}/live_videos", graph.page())).await;
    let live = lives["data"][0]["id"].as_str().unwrap();
    let path = format!("/{live}/comments?order=reverse_chronological&limit=3");
    let first = graph.get(&path).await;
    assert_eq!(first["data"].as_array().unwrap().len(), 3);
    let after = first["paging"]["cursors"]["after"].as_str().unwrap();
    let second = graph.get(&format!("{path}&after={after}")).await;
    assert_ne!(second["data"][0]["id"], first["data"][0]["id"]);
    let comment = first["data"][0]["id"].as_str().unwrap();
    let open = graph
        .get(&format!("/{comment}?fields=can_reply_privately"))
        .await;
    assert_eq!(open["can_reply_privately"], true);
    let sent = graph.say(json!({"comment_id": comment}), json!({})).await;
    assert!(sent["message_id"].is_string(), "{sent}");
    let open = graph
        .get(&format!("/{comment}?fields=can_reply_privately"))
        .await;
    assert_eq!(open["can_reply_privately"], false);
    assert_eq!(violations(&sandbox), Vec::<String>::new());
    let again = graph.say(json!({"comment_id": comment}), json!({})).await;
    assert_eq!(again["error"]["code"], 10_900);
    assert_eq!(violations(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_subscription_takes_the_place_of_the_one_before() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let graph = Graph(&sandbox);
    let path = format!("/{}/subscribed_apps", graph.page());
    let fields = |apps: &Value| apps["data"][0]["subscribed_fields"].clone();
    let before = graph.get(&path).await;
    assert_eq!(
        fields(&before),
        json!(["feed", "messages", "messaging_postbacks"])
    );
    let whole = "feed,leadgen,messages,messaging_postbacks,send_cart";
    let done = graph
        .post(&format!("{path}?subscribed_fields={whole}"), &json!({}))
        .await;
    assert_eq!(done["success"], true);
    let after = graph.get(&path).await;
    assert_eq!(fields(&after).as_array().unwrap().len(), 5);
    assert_eq!(violations(&sandbox), Vec::<String>::new());
    let unknown = graph
        .post(&format!("{path}?subscribed_fields=weather"), &json!({}))
        .await;
    assert_eq!(unknown["error"]["code"], 100);
    graph
        .post(&format!("{path}?subscribed_fields=feed"), &json!({}))
        .await;
    assert_eq!(violations(&sandbox), ["facebook: leadgen was unsubscribed"]);
}

async fn zalo(sandbox: &Sandbox, path: &str, body: Option<&Value>) -> Value {
    let url = format!("{}{path}", sandbox.addresses()["zalo"]);
    let client = reqwest::Client::new();
    let request = match body {
        Some(body) => client.post(url).json(body),
        None => client.get(url),
    };
    let token = &sandbox.secrets().zalo_tokens.access;
    let answer = request.header("access_token", token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn zalo_lets_the_account_answer_eight_times_and_who_never_wrote_not_at_all() {
    let (door, sandbox) = busy().await;
    let text = door
        .arrivals("/webhooks/zalo-oa")
        .into_iter()
        .find(|event| event["event_name"] == "user_send_text")
        .unwrap();
    let person = text["sender"]["id"].as_str().unwrap();
    let say = |person: &str, text: String| json!({"recipient": {"user_id": person}, "message": {"text": text}});
    for number in 0..8 {
        let body = say(person, format!("Dạ {number}"));
        let sent = zalo(&sandbox, "/v3.0/oa/message/cs", Some(&body)).await;
        assert_eq!(sent["error"], 0, "{sent}");
        let left = sent["data"]["quota"]["remain"].as_str().unwrap();
        assert_eq!(left, (7 - number).to_string());
    }
    let body = say(person, "Dạ 8".to_owned());
    let ninth = zalo(&sandbox, "/v3.0/oa/message/cs", Some(&body)).await;
    assert_eq!(ninth["error"], -211);
    let body = say("7000000000000000001", "Dạ".to_owned());
    let stranger = zalo(&sandbox, "/v3.0/oa/message/cs", Some(&body)).await;
    assert_eq!(stranger["error"], -230);
    let about = json!({"user_id": person, "offset": 0, "count": 10}).to_string();
    let path = format!(
        "/v2.0/oa/conversation?data={}",
        signing::form_encode(&about)
    );
    let thread = zalo(&sandbox, &path, None).await;
    assert_eq!(thread["data"].as_array().unwrap().len(), 9);
    assert_eq!(
        (&thread["data"][0]["src"], &thread["data"][0]["message"]),
        (&json!(0), &json!("Dạ 7"))
    );
    assert_eq!(violations(&sandbox), Vec::<String>::new());
}

#[tokio::test]
async fn a_template_is_delivered_reported_and_often_rated() {
    let (door, url) = Door::open().await;
    let options = Options {
        door: Some(url),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let template = |number: u32| {
        json!({"phone": format!("8490{number:07}"), "template_id": "7895417",
            "template_data": {"order_code": format!("KE{number}")},
            "tracking_id": format!("KE{number:09}")})
    };
    let mut reached = 0;
    for number in 1..=40 {
        let sent = zalo(&sandbox, "/message/template", Some(&template(number))).await;
        match sent["error"].as_i64().unwrap() {
            0 => reached += 1,
            code => assert_eq!(code, -118, "{sent}"),
        }
    }
    assert!((30..40).contains(&reached), "{reached}");
    assert!(sandbox.settled(Duration::from_secs(10)).await);
    let events = door.arrivals("/webhooks/zalo-oa");
    let count = |name: &str| events.iter().filter(|e| e["event_name"] == name).count();
    assert_eq!(count("user_received_message"), reached);
    assert!((5..reached).contains(&count("user_feedback")));
    let rated = events
        .iter()
        .find(|event| event["event_name"] == "user_feedback")
        .unwrap();
    assert!(
        rated["message"]["tracking_id"]
            .as_str()
            .unwrap()
            .starts_with("KE")
    );
    assert_eq!(violations(&sandbox), Vec::<String>::new());
    let mut wrong = template(1);
    wrong["template_id"] = json!("1");
    let refused = zalo(&sandbox, "/message/template", Some(&wrong)).await;
    assert_eq!(refused["error"], -112);
    zalo(&sandbox, "/message/template", Some(&template(2))).await;
    assert_eq!(
        violations(&sandbox),
        ["zalo: the same news went to one buyer twice"]
    );
}
