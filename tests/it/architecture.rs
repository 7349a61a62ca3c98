//! The arrows between the crates and the bans, held by reading the sources.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the project.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

/// What a crate may be built with: names in `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(manifest)).unwrap();
    let manifest: toml::Value = toml::from_str(&text).unwrap();
    let table = manifest["dependencies"].as_table().unwrap();
    table.keys().cloned().collect()
}

#[test]
fn the_arrows_between_the_crates_point_one_way() {
    let domain = dependencies("domain/Cargo.toml");
    let connectors = dependencies("connectors/Cargo.toml");
    let sandbox = dependencies("sandbox/Cargo.toml");
    let impure = [
        "tokio", "axum", "reqwest", "sea-orm", "sqlx", "tower", "hyper", "tracing", "kenh",
        "sandbox",
    ];
    for name in impure {
        assert!(!domain.iter().any(|d| d == name), "domain uses {name}");
        assert!(
            !connectors.iter().any(|d| d == name),
            "connectors uses {name}"
        );
    }
    assert!(!domain.iter().any(|d| d == "connectors"));
    assert!(connectors.iter().any(|d| d == "domain"));
    for name in ["domain", "connectors", "kenh"] {
        assert!(
            !sandbox.iter().any(|d| d == name),
            "the sandbox must not share {name} with the gateway"
        );
    }
}

#[test]
fn only_the_store_knows_sql() {
    let store = root().join("src/store");
    for (path, text) in sources("src") {
        if path.starts_with(&store) {
            continue;
        }
        for word in ["sea_orm::", "use sea_orm", "sqlx::", "use sqlx"] {
            assert!(!text.contains(word), "{} knows {word}", path.display());
        }
    }
}

#[test]
fn only_the_clock_reads_the_time_in_the_pure_crates() {
    for folder in ["domain/src", "connectors/src"] {
        for (path, text) in sources(folder) {
            for word in [
                "Timestamp::now()",
                "Zoned::now()",
                "SystemTime::now",
                "Instant::now",
            ] {
                assert!(!text.contains(word), "{} reads the clock", path.display());
            }
        }
    }
}

#[test]
fn nothing_prints_but_the_command_line_writer() {
    let prints = ["println!", "eprintln!", "print!(", "dbg!("];
    for folder in ["src", "domain/src", "connectors/src", "sandbox/src"] {
        for (path, text) in sources(folder) {
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                assert!(
                    !prints.iter().any(|word| code.contains(word)),
                    "{}:{} prints",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}
