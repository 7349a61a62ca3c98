//! JSON Schemas of the files, for editors; also what `shape` checks against.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::registry::Registry;
use super::{catalog, channels, kenh, targets, tax};

/// The schema of a file's shape, as plain JSON.
pub(super) fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// File name (`kenh.schema.json`) → schema, for all files of the configuration.
#[must_use]
pub fn all() -> BTreeMap<&'static str, Value> {
    let registry = Registry::ALL;
    let channels = with_settings(
        of::<channels::Written>(),
        &["WrittenApp", "WrittenChannel"],
        registry
            .channels
            .iter()
            .map(|entry| (entry.name, entry.summary, (entry.schema)().to_value())),
    );
    let mut targets = of::<targets::Written>();
    let names: Vec<&str> = registry.targets.iter().map(|entry| entry.name).collect();
    targets["$defs"]["WrittenTarget"]["properties"]["connector"]["enum"] = json!(names);
    BTreeMap::from([
        ("kenh.schema.json", of::<kenh::Written>()),
        ("channels.schema.json", channels),
        ("targets.schema.json", targets),
        (
            "locations.schema.json",
            domain::routing::written::locations_schema().to_value(),
        ),
        (
            "routing.schema.json",
            domain::routing::written::routing_schema().to_value(),
        ),
        ("tax.schema.json", of::<tax::Written>()),
        ("catalog.schema.json", of::<catalog::Written>()),
    ])
}

/// Writes all schemas into a folder.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for (name, schema) in all() {
        std::fs::write(dir.join(name), text(&schema))?;
    }
    Ok(())
}

/// A schema as it stands in its file.
pub(super) fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// Makes one variant of a table for each connector, with that connector's settings.
fn with_settings(
    mut schema: Value,
    tables: &[&str],
    connectors: impl Iterator<Item = (&'static str, &'static str, Value)> + Clone,
) -> Value {
    for table in tables {
        let Some(base) = schema.pointer(&format!("/$defs/{table}")).cloned() else {
            continue;
        };
        let mut variants = Vec::new();
        for (name, summary, mut settings) in connectors.clone() {
            hoist(&mut schema, &mut settings);
            let mut variant = base.clone();
            // The settings of an app and of its channels are put together: none is complete alone.
            if let Some(settings) = settings.as_object_mut() {
                settings.remove("required");
            }
            variant["title"] = json!(name);
            variant["description"] = json!(summary);
            variant["properties"]["connector"] = json!({ "const": name });
            variant["properties"]["settings"] = settings;
            variants.push(variant);
        }
        if !variants.is_empty() {
            schema["$defs"][*table] = json!({ "oneOf": variants });
        }
    }
    schema
}

/// Moves a schema's definitions to the file's.
fn hoist(file: &mut Value, settings: &mut Value) {
    let Some(settings) = settings.as_object_mut() else {
        return;
    };
    settings.remove("$schema");
    if let Some(Value::Object(definitions)) = settings.remove("$defs") {
        for (name, definition) in definitions {
            file["$defs"][&name] = definition;
        }
    }
}
