//! Tasks become calls.

use super::*;

#[test]
fn every_task_is_the_call_of_the_contract() {
    let mut calls = String::new();
    for task in tasks() {
        let target = target_of(&task);
        let request = target.request(&task, KEY, call()).unwrap();
        let lookup = target.lookup(&task, KEY, call()).unwrap();
        let body = if request.body().is_empty() {
            String::new()
        } else {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            serde_json::to_string_pretty(&body).unwrap()
        };
        writeln!(
            calls,
            "# {}\n{} {}\n{body}\nafter an unknown outcome: {} {}\n",
            task.op(),
            request.method(),
            request.uri(),
            lookup.method(),
            lookup.uri()
        )
        .unwrap();
    }
    insta::with_settings!({
        snapshot_path => "../../../../fixtures/rest",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("calls", calls);
    });
}

#[test]
fn every_call_carries_key_signature_and_trace() {
    let keys = Keys::new(&Secrets::one(SECRET).unwrap()).unwrap();
    for task in tasks() {
        let target = target_of(&task);
        for request in [
            target.request(&task, KEY, call()).unwrap(),
            target.lookup(&task, KEY, call()).unwrap(),
        ] {
            let headers = request.headers().clone();
            assert_eq!(headers["idempotency-key"], KEY);
            assert_eq!(headers["webhook-id"], KEY);
            assert_eq!(headers["webhook-timestamp"], "1795482123");
            assert_eq!(
                headers.contains_key("content-type"),
                !request.body().is_empty()
            );
            let trace: Vec<&str> = headers["traceparent"]
                .to_str()
                .unwrap()
                .split('-')
                .collect();
            assert_eq!(
                trace.iter().map(|p| p.len()).collect::<Vec<_>>(),
                [2, 32, 16, 2]
            );
            let raw = RawWebhook {
                method: request.method().clone(),
                uri: request.uri().clone(),
                headers,
                body: request.body().clone(),
            };
            assert!(
                keys.verify(&raw, now(), TOLERANCE_S).is_ok(),
                "{}",
                task.op()
            );
        }
        // Every try of one effect is the same call but for its time.
        let again = target.request(&task, KEY, call()).unwrap();
        let first = target.request(&task, KEY, call()).unwrap();
        assert_eq!(first.headers(), again.headers());
        assert_eq!(first.body(), again.body());
    }
}

#[test]
fn a_technician_gets_no_price_and_a_hub_no_amount_but_the_cash() {
    for op in [
        "reserve",
        "create_work_order",
        "release_work_order",
        "activate_warranty",
    ] {
        let task = task(op);
        let request = target_of(&task).request(&task, KEY, call()).unwrap();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        for word in ["12990000", "price", "amount", "total", "payment", "cod\""] {
            assert!(!body.contains(word), "{op}: {word}");
        }
    }
    let task = task("create_work_order");
    let request = target_of(&task).request(&task, KEY, call()).unwrap();
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    // The site says where, the customer says who.
    assert_eq!(body["site"].get("phone"), None);
}

#[test]
fn a_target_takes_only_the_tasks_of_its_kind() {
    for kind in KINDS {
        let target = target(kind);
        for task in tasks() {
            let able = request::kind(&task).map(Kind::as_str) == Some(kind);
            assert_eq!(
                target.request(&task, KEY, call()).is_ok(),
                able,
                "{kind} {}",
                task.op()
            );
        }
    }
    let error = target("invoicing")
        .request(&task("reserve"), KEY, call())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not build the request: reserve is for inventory, and this is a target for invoicing"
    );
    let error = target("inventory")
        .request(&task("reserve"), "a\nb", call())
        .unwrap_err();
    assert_eq!(error.what, "idempotency-key cannot be sent as a header");
}

#[test]
fn an_id_cannot_leave_its_path() {
    let task = TaskBody::ReleaseReservation {
        reservation_id: "../stock?x=1".to_owned(),
    };
    let request = target("inventory").request(&task, KEY, call()).unwrap();
    assert_eq!(
        request.uri().to_string(),
        "https://wms.example.vn/kenh/reservations/..%2Fstock%3Fx%3D1"
    );
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    assert_eq!(TARGETS.len(), 1);
    let carrier = build(&settings("carrier")).unwrap_err();
    assert_eq!(
        carrier.to_string(),
        "settings are wrong at `kind`: connector \"rest\" cannot be a carrier target; it can be inventory, invoicing, service_center"
    );
    let url = TargetSettings {
        url: "wms.example.vn".to_owned(),
        ..settings("inventory")
    };
    assert_eq!(build(&url).unwrap_err().path, "url");
    let secret = TargetSettings {
        secrets: Secrets::one("whsec_not base64").unwrap(),
        ..settings("inventory")
    };
    assert_eq!(build(&secret).unwrap_err().path, "secret");
}
