//! The schemas in the documents.

use super::*;

/// Writes the files anew with `KENH_WRITE_SCHEMAS=1`.
#[test]
fn the_schemas_in_the_documents_are_those_of_the_code() {
    let write = std::env::var_os("KENH_WRITE_SCHEMAS").is_some();
    let mut expected = Vec::new();
    for (name, schema) in schemas() {
        let file = format!("{name}.schema.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let path = format!("{CONTRACT}/{file}");
        if write {
            std::fs::write(&path, &text).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == text,
            "docs/contract/{file} is not what the code says; run this test with KENH_WRITE_SCHEMAS=1"
        );
        expected.push(file);
    }
    expected.sort();
    let mut there: Vec<String> = std::fs::read_dir(CONTRACT)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".schema.json"))
        .collect();
    there.sort();
    assert_eq!(there, expected);
}

#[test]
fn every_callback_with_a_schema_is_read_and_the_other_way_round() {
    let mut described: Vec<&str> = schemas()
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("callback."))
        .collect();
    described.sort_unstable();
    let recorded: Vec<String> = fixtures()
        .into_keys()
        .filter(|name| name != "parcel.delivered")
        .collect();
    assert_eq!(described, recorded);
}

#[test]
fn a_body_holds_exactly_the_fields_of_its_schema() {
    let schemas: BTreeMap<&str, Schema> = schemas().into_iter().collect();
    let mut seen = 0;
    for (op, name) in [
        ("reserve", "reservation"),
        ("create_fulfillment", "fulfillment-order"),
        ("issue_invoice", "invoice"),
        ("adjust_invoice", "invoice-adjustment"),
        ("create_work_order", "work-order"),
        ("release_work_order", "work-order-release"),
        ("reschedule_work_order", "work-order-appointment"),
        ("cancel_work_order", "work-order-cancel"),
        ("activate_warranty", "warranty"),
    ] {
        let task = task(op);
        let request = target_of(&task).request(&task, KEY, call()).unwrap();
        let body: BTreeMap<String, Value> = serde_json::from_slice(request.body()).unwrap();
        let properties = schemas[name]
            .get("properties")
            .unwrap()
            .as_object()
            .unwrap();
        assert!(body.keys().eq(properties.keys()), "{name}");
        let required = schemas[name].get("required").unwrap().as_array().unwrap();
        assert_eq!(
            required.len(),
            properties.len(),
            "{name}: every field is always there"
        );
        seen += 1;
    }
    let requests = schemas.keys().filter(|name| !name.starts_with("callback."));
    assert_eq!(seen, requests.count());
}
