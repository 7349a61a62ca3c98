//! Callbacks become notices.

use super::*;

fn signed(body: &[u8]) -> RawWebhook {
    let keys = Keys::new(&Secrets::one(SECRET).unwrap()).unwrap();
    let mut headers = HeaderMap::new();
    let signature = keys.sign("msg_1", now().as_second(), body);
    headers.insert("webhook-id", "msg_1".parse().unwrap());
    headers.insert("webhook-timestamp", "1795482123".parse().unwrap());
    headers.insert("webhook-signature", signature.parse().unwrap());
    RawWebhook {
        method: Method::POST,
        uri: "/webhooks/hub-wms".parse().unwrap(),
        headers,
        body: Bytes::copy_from_slice(body),
    }
}

#[test]
fn every_callback_is_read_as_its_snapshot_and_twice_the_same() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 18);
    for (name, body) in fixtures {
        let target = target(owner(&name));
        let message = message(&body);
        let notices = target.parse(&message).unwrap();
        assert_eq!(notices, target.parse(&message).unwrap());
        insta::with_settings!({
            snapshot_path => "../../../../fixtures/rest",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_debug_snapshot!(name, (target.dedup_key(&message), notices));
        });
    }
}

#[test]
fn a_callback_is_believed_only_with_its_signature_and_in_its_time() {
    let target = target("inventory");
    let body = fixtures().remove("stock.changed").unwrap();
    let raw = signed(&body);
    let Verdict::Message(verified) = target.verify(&raw, now()) else {
        panic!("expected a message");
    };
    assert_eq!(verified.topic(), Some("msg_1"));
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        let mut raw = raw.clone();
        raw.body = Bytes::from(changed);
        assert!(matches!(
            target.verify(&raw, now()),
            Verdict::Rejected(Rejection::BadSignature)
        ));
    }
    let later = now() + jiff::SignedDuration::from_secs(301);
    assert!(matches!(
        target.verify(&raw, later),
        Verdict::Rejected(Rejection::StaleTimestamp)
    ));
    let mut get = raw;
    get.method = Method::GET;
    assert!(matches!(
        target.verify(&get, now()),
        Verdict::Rejected(Rejection::Malformed)
    ));
}

#[test]
fn a_partner_speaks_only_for_its_own_kind() {
    for (name, body) in fixtures() {
        for kind in KINDS {
            let notices = target(kind).parse(&message(&body)).unwrap();
            let ignored = matches!(
                &notices[..],
                [Notice {
                    key: None,
                    body: NoticeBody::Ignored { .. }
                }]
            );
            let own = owner(&name) == *kind && name != "parcel.delivered";
            assert_eq!(ignored, !own, "{kind} {name}");
        }
    }
}

#[test]
fn a_callback_that_cannot_be_read_names_the_field_and_not_its_content() {
    let what = |body: Value| {
        target("inventory")
            .parse(&message(body.to_string().as_bytes()))
            .unwrap_err()
            .what
    };
    let base = json!({"type": "fulfillment.packed", "id": "evt_1", "occurred_at": "2026-11-24T01:02:03Z", "sequence": 1, "data": {"fulfillment_order_id": "ful_1", "lines": []}});
    let with = |pointer: &str, value: Value| {
        let mut body = base.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        what(body)
    };
    assert_eq!(what(json!({})), "type: missing");
    assert_eq!(
        with(
            "/data/lines",
            json!([{"line_id": "1", "quantity": "0901234567"}])
        ),
        "data.lines[0].quantity: not as the contract says"
    );
    assert_eq!(with("/sequence", json!(-1)), "sequence: is negative");
    assert_eq!(with("/id", json!("")), "id: is empty");
    assert_eq!(
        with("/occurred_at", json!("yesterday")),
        "occurred_at: not as the contract says"
    );
    assert_eq!(
        with("/data/fulfillment_order_id", json!("")),
        "data: our id is empty"
    );
}

#[test]
fn a_callback_is_known_by_its_id_then_by_its_header() {
    let target = target("inventory");
    assert_eq!(target.dedup_key(&message(br#"{"id":"evt_1"}"#)), "id:evt_1");
    assert_eq!(target.dedup_key(&message(b"{}")), "webhook-id:msg_1");
    assert_eq!(target.dedup_key(&message(b"x")), "webhook-id:msg_1");
}

#[test]
fn acknowledgements_have_no_body() {
    let target = target("inventory");
    for (received, status) in [
        (Received::Stored(None), 200),
        (Received::Duplicate(None), 200),
        (Received::Rejected(Rejection::BadSignature), 401),
        (Received::Unavailable, 503),
    ] {
        let answer = target.acknowledge(&received);
        assert_eq!(answer.status.as_u16(), status, "{received:?}");
        assert!(answer.body.is_empty());
    }
}

proptest! {
    /// Whatever a byte of a callback or an answer is changed to, reading ends with a value.
    #[test]
    fn changed_bytes_never_panic(
        name in prop::sample::select(fixtures().into_keys().collect::<Vec<_>>()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        status in 200_u16..600,
    ) {
        let mut body = fixtures().remove(&name).unwrap();
        for (index, byte) in changes {
            let at = index.index(body.len());
            body[at] = byte;
        }
        let target = target(owner(&name));
        let message = message(&body);
        prop_assert_eq!(target.parse(&message), target.parse(&message));
        prop_assert!(!target.dedup_key(&message).is_empty());
        let answer = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        for task in tasks() {
            target.read(&task, &answer);
            target.read_lookup(&task, &answer);
        }
    }
}
