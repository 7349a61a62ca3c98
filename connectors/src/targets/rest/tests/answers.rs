//! Answers and look-ups become outcomes.

use super::*;

fn response(status: u16, body: &str) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

fn read(op: &str, status: u16, body: &str) -> Outcome {
    let task = task(op);
    target_of(&task).read(&task, &response(status, body))
}

fn look(op: &str, status: u16, body: &str) -> LookedUp {
    let task = task(op);
    target_of(&task).read_lookup(&task, &response(status, body))
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { .. } => "accepted".to_owned(),
        Outcome::Duplicate { .. } => "duplicate".to_owned(),
        Outcome::Refused { code, .. } => format!("refused {code}"),
        Outcome::Retry { .. } => "retry".to_owned(),
        Outcome::Account { .. } => "account".to_owned(),
    }
}

fn looked_word(looked: &LookedUp) -> String {
    match looked {
        LookedUp::Found(outcome) => format!("found {}", word(outcome)),
        LookedUp::Absent => "absent".to_owned(),
        LookedUp::Undecided { .. } => "undecided".to_owned(),
    }
}

#[test]
fn answers_are_sorted_by_the_contracts_table() {
    for (op, status, body, expected) in [
        ("reserve", 201, r#"{"state":"held"}"#, "accepted"),
        ("reserve", 200, r#"{"state":"held"}"#, "duplicate"),
        (
            "reserve",
            200,
            r#"{"state":"released"}"#,
            "refused released",
        ),
        ("reserve", 201, "<html>", "accepted"),
        ("reserve", 201, "", "accepted"),
        (
            "reserve",
            409,
            r#"{"code":"insufficient"}"#,
            "refused insufficient",
        ),
        ("reserve", 409, "", "refused conflict"),
        ("reserve", 423, r#"{"code":"closed"}"#, "refused closed"),
        ("reserve", 423, "", "refused closed"),
        ("reserve", 404, "", "refused not_found"),
        ("reserve", 400, "", "refused http_400"),
        ("reserve", 410, "", "refused gone"),
        ("reserve", 401, "", "account"),
        ("reserve", 403, "", "account"),
        ("reserve", 301, "", "account"),
        ("reserve", 408, "", "retry"),
        ("reserve", 425, "", "retry"),
        ("reserve", 429, "", "retry"),
        ("reserve", 500, "", "retry"),
        ("reserve", 503, "", "retry"),
        ("release_reservation", 204, "", "accepted"),
        ("release_reservation", 404, "", "duplicate"),
        ("create_fulfillment", 201, "{}", "accepted"),
        ("create_fulfillment", 404, "", "refused not_found"),
        ("cancel_fulfillment", 204, "", "accepted"),
        ("cancel_fulfillment", 404, "", "duplicate"),
        (
            "cancel_fulfillment",
            409,
            r#"{"code":"shipped"}"#,
            "refused shipped",
        ),
        ("issue_invoice", 202, r#"{"state":"accepted"}"#, "accepted"),
        ("issue_invoice", 200, r#"{"state":"issued"}"#, "duplicate"),
        (
            "issue_invoice",
            200,
            r#"{"state":"refused"}"#,
            "refused refused",
        ),
        (
            "issue_invoice",
            422,
            r#"{"code":"tax_code"}"#,
            "refused tax_code",
        ),
        (
            "issue_invoice",
            422,
            r#"{"code":"!!"}"#,
            "refused unprocessable",
        ),
        ("adjust_invoice", 201, "{}", "accepted"),
        ("adjust_invoice", 200, "{}", "duplicate"),
        (
            "create_work_order",
            201,
            r#"{"state":"waiting"}"#,
            "accepted",
        ),
        ("release_work_order", 200, "", "accepted"),
        ("release_work_order", 404, "", "refused not_found"),
        ("reschedule_work_order", 200, "", "accepted"),
        ("cancel_work_order", 200, "", "accepted"),
        ("cancel_work_order", 404, "", "duplicate"),
        (
            "cancel_work_order",
            409,
            r#"{"code":"completed"}"#,
            "refused completed",
        ),
        ("activate_warranty", 201, "{}", "accepted"),
        ("activate_warranty", 200, "{}", "duplicate"),
    ] {
        assert_eq!(
            word(&read(op, status, body)),
            expected,
            "{op} {status} {body}"
        );
    }
}

#[test]
fn every_status_has_an_outcome() {
    for status in 200..=599 {
        for task in tasks() {
            let target = target_of(&task);
            let answer = response(status, "");
            target.read(&task, &answer);
            target.read_lookup(&task, &answer);
        }
    }
}

#[test]
fn what_the_system_gives_back_is_kept() {
    let outcome = read(
        "issue_invoice",
        201,
        r#"{"number":"00000123","series":"1C26TKH","state":"issued","id":77}"#,
    );
    assert_eq!(
        outcome,
        Outcome::Accepted {
            given: domain::task::Given {
                number: Some("00000123".to_owned()),
                series: Some("1C26TKH".to_owned()),
                partner_id: Some("77".to_owned()),
                state: Some("issued".to_owned()),
                tracking: None,
            }
        }
    );
}

#[test]
fn a_refusal_says_what_is_there_and_names_nobody() {
    let outcome = read(
        "reserve",
        409,
        r#"{"code":"insufficient","message":"thiếu hàng, gọi 0901 234 567 hoặc kho@example.vn, còn 2","lines":[{"sku":"AC-9000","available":2}]}"#,
    );
    assert_eq!(
        outcome,
        Outcome::Refused {
            code: "insufficient".to_owned(),
            message: "thiếu hàng, gọi … hoặc … còn 2 (available: 2 of AC-9000)".to_owned(),
        }
    );
    let Outcome::Refused { message, .. } = read(
        "reserve",
        409,
        &json!({"message": "x".repeat(5000)}).to_string(),
    ) else {
        panic!("expected a refusal");
    };
    assert_eq!(message.len(), 200);
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    let after = |headers: &[(&str, &str)]| {
        let mut answer = response(503, "");
        for (name, value) in headers {
            answer.headers_mut().insert(
                http::HeaderName::try_from(*name).unwrap(),
                value.parse().unwrap(),
            );
        }
        let task = task("reserve");
        match target_of(&task).read(&task, &answer) {
            Outcome::Retry { after_s, .. } => after_s,
            outcome => panic!("{outcome:?}"),
        }
    };
    assert_eq!(after(&[("retry-after", "120")]), Some(120));
    let date = ("date", "Tue, 24 Nov 2026 01:02:03 GMT");
    assert_eq!(
        after(&[("retry-after", "Tue, 24 Nov 2026 01:04:03 GMT"), date]),
        Some(120)
    );
    assert_eq!(
        after(&[("retry-after", "Tue, 24 Nov 2026 01:00:00 GMT"), date]),
        Some(0)
    );
    assert_eq!(
        after(&[("retry-after", "Tue, 24 Nov 2026 01:04:03 GMT")]),
        None
    );
    assert_eq!(after(&[("retry-after", "soon")]), None);
    assert_eq!(after(&[]), None);
}

#[test]
fn a_look_up_tells_whether_the_first_try_arrived() {
    let moved = r#"{"state":"scheduled","appointment":{"window_start":"2026-11-26T08:00:00+07:00","window_end":"2026-11-26T03:00:00Z"}}"#;
    for (op, status, body, expected) in [
        ("reserve", 200, r#"{"state":"held"}"#, "found accepted"),
        ("reserve", 200, r#"{"state":"consumed"}"#, "found accepted"),
        (
            "reserve",
            200,
            r#"{"state":"released"}"#,
            "found refused released",
        ),
        ("reserve", 200, "<html>", "found accepted"),
        ("reserve", 404, "", "absent"),
        ("reserve", 405, "", "absent"),
        ("reserve", 503, "", "undecided"),
        ("reserve", 401, "", "undecided"),
        ("release_reservation", 200, r#"{"state":"held"}"#, "absent"),
        (
            "release_reservation",
            200,
            r#"{"state":"released"}"#,
            "found accepted",
        ),
        (
            "release_reservation",
            200,
            r#"{"state":"consumed"}"#,
            "found refused consumed",
        ),
        ("release_reservation", 200, "{}", "undecided"),
        ("release_reservation", 404, "", "found duplicate"),
        (
            "create_fulfillment",
            200,
            r#"{"state":"accepted"}"#,
            "found accepted",
        ),
        ("create_fulfillment", 404, "", "absent"),
        ("cancel_fulfillment", 200, r#"{"state":"packed"}"#, "absent"),
        (
            "cancel_fulfillment",
            200,
            r#"{"state":"cancelled"}"#,
            "found accepted",
        ),
        (
            "cancel_fulfillment",
            200,
            r#"{"state":"shipped"}"#,
            "found refused shipped",
        ),
        ("cancel_fulfillment", 404, "", "found duplicate"),
        (
            "issue_invoice",
            200,
            r#"{"state":"accepted"}"#,
            "found accepted",
        ),
        (
            "issue_invoice",
            200,
            r#"{"state":"coded","number":"1"}"#,
            "found accepted",
        ),
        (
            "issue_invoice",
            200,
            r#"{"state":"refused"}"#,
            "found refused refused",
        ),
        ("issue_invoice", 404, "", "absent"),
        ("adjust_invoice", 200, r#"{"number":"2"}"#, "found accepted"),
        ("adjust_invoice", 404, "", "absent"),
        (
            "create_work_order",
            200,
            r#"{"state":"waiting"}"#,
            "found accepted",
        ),
        ("create_work_order", 404, "", "absent"),
        (
            "release_work_order",
            200,
            r#"{"state":"waiting"}"#,
            "absent",
        ),
        (
            "release_work_order",
            200,
            r#"{"state":"scheduled"}"#,
            "found accepted",
        ),
        (
            "release_work_order",
            200,
            r#"{"state":"cancelled"}"#,
            "found refused cancelled",
        ),
        ("reschedule_work_order", 200, moved, "found accepted"),
        (
            "reschedule_work_order",
            200,
            r#"{"state":"scheduled"}"#,
            "absent",
        ),
        (
            "reschedule_work_order",
            200,
            r#"{"state":"completed"}"#,
            "found refused completed",
        ),
        (
            "cancel_work_order",
            200,
            r#"{"state":"scheduled"}"#,
            "absent",
        ),
        (
            "cancel_work_order",
            200,
            r#"{"state":"cancelled"}"#,
            "found accepted",
        ),
        (
            "cancel_work_order",
            200,
            r#"{"state":"completed"}"#,
            "found refused completed",
        ),
        ("cancel_work_order", 404, "", "found duplicate"),
        ("activate_warranty", 200, "{}", "found accepted"),
        ("activate_warranty", 404, "", "absent"),
    ] {
        assert_eq!(
            looked_word(&look(op, status, body)),
            expected,
            "{op} {status} {body}"
        );
    }
}

proptest! {
    /// No words of a partner bring a phone number or an address into the attempt's row.
    #[test]
    fn refusals_hold_no_phone_number(before in "[a-zà-ỹ ]{0,20}", phone in "0[35789][0-9]{8}", sep in prop::sample::select(vec!["", " ", ".", "-"])) {
        let (a, rest) = phone.split_at(4);
        let (b, c) = rest.split_at(3);
        let message = format!("{before}{a}{sep}{b}{sep}{c} khách");
        let outcome = read("reserve", 409, &json!({"message": message}).to_string());
        let Outcome::Refused { message, .. } = outcome else { panic!("expected a refusal") };
        prop_assert!(!message.contains(c), "{}", message);
    }
}
