//! What an administrator sees of good and of bad files. The connectors here are small stand-ins:
//! the words of problems must not change with a vendor's.

mod stand_ins;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::ExposeSecret;

use super::problem::{Problem, render};
use super::registry::Registry;
use super::watch::Watcher;
use super::{Loaded, Overlay, ReserveWhen};

const GOOD: [(&str, &str); 6] = [
    (
        "kenh.toml",
        "[security]\nkeys = [{ id = \"k1\", env = \"KEY\" }]\n\n[legs]\ninvoice_target = \"invoices\"\n",
    ),
    (
        "channels.toml",
        r#"[channels.web]
connector = "shop"
[channels.web.settings]
secret = { env = "WEB" }
tolerance_s = 300
"#,
    ),
    (
        "targets.toml",
        r#"[targets.wms]
kind = "inventory"
connector = "open"
url = "https://wms.example.vn/kenh"
secret = { env = "WMS" }
retry = { first_ms = 2_000, factor = 1.5 }

[targets.invoices]
kind = "invoicing"
connector = "open"
url = "https://invoices.example.vn"
secret = { env = "INVOICES" }
"#,
    ),
    (
        "locations.toml",
        r#"[locations.hub]
kind = "hub"
name = "Hub"
target = "wms"
province = "79"
hours = "08:00-21:00"
"#,
    ),
    (
        "routing.toml",
        r#"version = 1

[default]
name = "everything"
legs = { invoice = "on_delivery" }
source = [{ from = { kind = "hub" } }]
otherwise = { action = "hold", reason = "no-stock" }
"#,
    ),
    (
        "tax.toml",
        r#"[[rate]]
class = "standard"
rate = 8
valid_from = "2025-07-01"
valid_to = "2026-12-31"
legal_reference = "174/2025"

[[rate]]
class = "standard"
rate = 10
valid_from = "2027-01-01"
legal_reference = "48/2024"
"#,
    ),
];

/// A folder of files that is removed with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

impl Folder {
    /// The good files, some of them replaced.
    fn with(changes: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("kenh-config-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let folder = Self(dir);
        for (file, text) in GOOD.iter().chain(changes) {
            folder.write(file, text);
        }
        folder
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(file), bytes).unwrap();
    }

    fn load(&self) -> Result<Loaded, Vec<Problem>> {
        self.load_over(None)
    }

    fn load_over(&self, overlay: Option<&Overlay>) -> Result<Loaded, Vec<Problem>> {
        super::load::load(&self.0, &env, overlay, stand_ins::REGISTRY)
    }

    fn rendered(&self) -> String {
        let text = render(&self.load().unwrap_err());
        text.replace(&self.0.display().to_string(), "DIR")
    }
}

fn env(name: &str) -> Option<String> {
    let text = match name {
        "KEY" => "0123456789abcdef0123456789abcdef",
        "SHORT" => "too short",
        "EMPTY" => "",
        "WEB" | "WMS" | "INVOICES" | "OLD" => "from the environment",
        _ => return None,
    };
    Some(text.to_owned())
}

/// A good file with one text replaced by another.
fn changed(file: &str, from: &str, to: &str) -> String {
    let (_, good) = GOOD.iter().find(|(name, _)| *name == file).unwrap();
    assert!(good.contains(from), "{file} has no {from}");
    good.replace(from, to)
}

fn rendered(file: &str, from: &str, to: &str) -> String {
    Folder::with(&[(file, &changed(file, from, to))]).rendered()
}

#[test]
fn good_files_become_values_with_all_defaults() {
    let loaded = Folder::with(&[]).load().unwrap();
    let config = &loaded.config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.max_body_bytes, 1_048_576);
    assert_eq!(config.orders.code_prefix, "KE");
    assert_eq!(config.customers.users_per_phone, 3);
    assert_eq!(
        config.channel("web").unwrap().reserve_when,
        ReserveWhen::Confirmed
    );
    assert_eq!(config.security.keys[0].secret.expose_secret().len(), 32);
    let wms = config.target("wms").unwrap();
    assert_eq!(wms.retry.factor.milli, 1_500);
    assert_eq!(wms.retry.max_ms, 600_000);
    assert_eq!(wms.deadline, None);
    let invoices = config.target("invoices").unwrap();
    assert_eq!(invoices.deadline.unwrap().to_string(), "23:55:00");
    assert_eq!(loaded.locations.len(), 1);
    assert_eq!(loaded.rules.rules().len(), 1);
    assert!(loaded.catalog.products.is_empty());
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_rate_of_a_class_changes_on_the_day_that_the_law_says() {
    let tax = Folder::with(&[]).load().unwrap().config.tax;
    let on = |day: &str| {
        tax.rate_on("standard", day.parse().unwrap())
            .map(|rate| rate.percent)
    };
    assert_eq!(on("2025-06-30"), None);
    assert_eq!(on("2026-12-31"), Some(8));
    assert_eq!(on("2027-01-01"), Some(10));
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_one() {
    insta::assert_snapshot!(rendered(
        "kenh.toml",
        "[legs]",
        "[server]\nlistne = \"0.0.0.0:80\"\n[legs]"
    ));
}

#[test]
fn a_wrong_type_is_told_with_what_was_expected() {
    insta::assert_snapshot!(rendered(
        "kenh.toml",
        "[legs]",
        "[server]\nmax_body_bytes = \"1048576\"\n[legs]"
    ));
}

#[test]
fn a_number_out_of_range_is_told_with_the_range() {
    insta::assert_snapshot!(rendered("targets.toml", "first_ms = 2_000", "first_ms = 0"));
}

#[test]
fn a_factor_below_one_is_refused() {
    insta::assert_snapshot!(rendered("targets.toml", "factor = 1.5", "factor = 0.5"));
}

#[test]
fn a_missing_key_is_told_with_an_example() {
    insta::assert_snapshot!(rendered("targets.toml", "secret = { env = \"WMS\" }\n", ""));
}

#[test]
fn an_id_is_used_once_across_channels_apps_and_targets() {
    insta::assert_snapshot!(rendered("channels.toml", "channels.web", "channels.wms"));
}

#[test]
fn an_unknown_target_of_a_leg_is_told_with_the_nearest_one() {
    insta::assert_snapshot!(rendered("kenh.toml", "\"invoices\"", "\"invoice\""));
}

#[test]
fn a_leg_needs_a_target_of_its_kind() {
    insta::assert_snapshot!(rendered("kenh.toml", "\"invoices\"", "\"wms\""));
}

#[test]
fn an_unknown_target_of_a_location_is_told_with_the_nearest_one() {
    insta::assert_snapshot!(rendered("locations.toml", "\"wms\"", "\"wsm\""));
}

#[test]
fn a_location_needs_a_target_that_keeps_stock() {
    insta::assert_snapshot!(rendered("locations.toml", "\"wms\"", "\"invoices\""));
}

#[test]
fn bad_hours_are_told() {
    insta::assert_snapshot!(rendered("locations.toml", "08:00-21:00", "21:00-08:00"));
}

#[test]
fn an_unknown_connector_is_told_with_the_nearest_one() {
    insta::assert_snapshot!(rendered("channels.toml", "\"shop\"", "\"shp\""));
}

#[test]
fn a_missing_variable_is_told_with_the_setting_that_needs_it() {
    insta::assert_snapshot!(rendered("channels.toml", "WEB", "WEB_SECRET"));
}

#[test]
fn a_key_that_is_too_short_is_refused() {
    insta::assert_snapshot!(rendered("kenh.toml", "KEY", "SHORT"));
}

#[test]
fn an_empty_variable_is_no_secret() {
    insta::assert_snapshot!(rendered("targets.toml", "WMS", "EMPTY"));
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_shown() {
    let text = rendered("channels.toml", "{ env = \"WEB\" }", "\"hunter2 mật khẩu\"");
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_secret_stays_hidden_when_something_else_on_its_line_is_wrong() {
    let one_line = "[channels.web]\nconnector = \"shop\"\nsettings = { secret = \"hunter2\", tolerance = 1 }\n";
    let text = Folder::with(&[("channels.toml", one_line)]).rendered();
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text);
    let not_even_toml = "[channels.web]\nsecret = \"hunter2\" oops\n";
    let text = Folder::with(&[("channels.toml", not_even_toml)]).rendered();
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_password_in_a_database_url_is_refused_and_never_shown() {
    let text = rendered(
        "kenh.toml",
        "[legs]",
        "[database]\nurl = \"postgres://kenh:hunter2@db/kenh\"\n[legs]",
    );
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn what_a_connector_says_of_its_settings_is_told_at_the_line() {
    insta::assert_snapshot!(rendered(
        "channels.toml",
        "tolerance_s = 300",
        "tolerance_s = 13"
    ));
}

#[test]
fn two_rates_on_one_day_are_refused() {
    insta::assert_snapshot!(rendered("tax.toml", "valid_to = \"2026-12-31\"\n", ""));
}

#[test]
fn a_test_of_the_rules_that_fails_refuses_them() {
    let test = r#"otherwise = { action = "hold", reason = "no-stock" }

[[test]]
name = "from the hub"
order = { channel = "web", province = "79", lines = [{ sku = "A", quantity = 1 }] }
stock = [{ location = "hub", sku = "A", on_hand = 3 }]
expect = { rule = "everything", locations = ["hub"], legs = ["warranty"] }
"#;
    let otherwise = "otherwise = { action = \"hold\", reason = \"no-stock\" }\n";
    insta::assert_snapshot!(rendered("routing.toml", otherwise, test));
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let folder = Folder::with(&[
        (
            "kenh.toml",
            &changed("kenh.toml", "[legs]", "[sever]\n[log]\nlevel = 3\n[legs]"),
        ),
        (
            "channels.toml",
            &changed(
                "channels.toml",
                "{ env = \"WEB\" }",
                "{ env = \"NOT_SET\" }",
            ),
        ),
        (
            "targets.toml",
            &changed("targets.toml", "\"inventory\"", "\"inventori\""),
        ),
        (
            "locations.toml",
            &changed("locations.toml", "08:00-21:00", "8-21"),
        ),
        (
            "routing.toml",
            &changed("routing.toml", "otherwise", "otherwize"),
        ),
        ("tax.toml", &changed("tax.toml", "rate = 8", "rate = 108")),
        (
            "catalog.toml",
            "[[product]]\nsku = \"A\"\nname = \"A\"\ncategory = \"tv\"\ntax_class = \"standart\"\n[[stock]]\nlocation = \"hubb\"\nsku = \"A\"\non_hand = 1\n",
        ),
    ]);
    insta::assert_snapshot!(folder.rendered());
}

#[test]
fn a_huge_file_and_one_in_another_encoding_are_refused_clearly() {
    let folder = Folder::with(&[]);
    folder.write("routing.toml", "# filler\n".repeat(1_200_000));
    folder.write("tax.toml", b"# thu\xe2\n[[rate]]\nclass = \"th\xf4ng\"\n");
    insta::assert_snapshot!(folder.rendered());
}

#[test]
fn what_is_no_toml_at_all_is_not_told_to_its_end() {
    let folder = Folder::with(&[]);
    folder.write("routing.toml", "key = \"x\" = oops\n".repeat(200_000));
    folder.write("kenh.toml", "} nonsense\n".repeat(300_000));
    let problems = folder.load().unwrap_err();
    let of = |file: &str| {
        problems
            .iter()
            .filter(|problem| problem.file == file)
            .count()
    };
    assert_eq!(of("routing.toml"), 20);
    assert!((20..=25).contains(&of("kenh.toml")), "{}", of("kenh.toml"));
}

#[test]
fn a_missing_file_is_told_and_the_others_are_still_read() {
    let folder = Folder::with(&[("tax.toml", &changed("tax.toml", "rate = 8", "rate = -8"))]);
    fs::remove_file(folder.0.join("targets.toml")).unwrap();
    insta::assert_snapshot!(folder.rendered());
}

#[test]
fn a_warning_is_told_and_does_not_refuse_the_configuration() {
    let text = changed("targets.toml", "https://wms", "http://wms");
    let loaded = Folder::with(&[("targets.toml", &text)]).load().unwrap();
    insta::assert_snapshot!(render(&loaded.warnings));
}

#[test]
fn channels_of_one_app_share_its_keys_and_are_told_apart_by_account() {
    let text = r#"[apps.market]
connector = "shop"
[apps.market.settings]
secret = { file = "secret.txt" }
[channels.north]
connector = "shop"
app = "market"
settings = { shop_id = 1 }
[channels.south]
connector = "shop"
app = "market"
reserve_when = "paid"
settings = { shop_id = 2 }
"#;
    let folder = Folder::with(&[("channels.toml", text)]);
    folder.write("secret.txt", "from a file\n");
    let config = folder.load().unwrap().config;
    let expected = [("1", "north"), ("2", "south")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(
        config.app("market").unwrap().accounts,
        BTreeMap::from(expected)
    );
    assert_eq!(
        config.channel("south").unwrap().reserve_when,
        ReserveWhen::Paid
    );

    folder.write("channels.toml", text.replace("shop_id = 2", "shop_id = 1"));
    insta::assert_snapshot!(folder.rendered());
}

#[test]
fn a_channel_that_its_app_could_never_find_is_told() {
    let text = r#"[apps.market]
connector = "shop"
[apps.market.settings]
secret = { file = "secret.txt" }
[channels.north]
connector = "shop"
app = "market"
settings = { tolerance_s = 1 }
"#;
    let folder = Folder::with(&[("channels.toml", text)]);
    folder.write("secret.txt", "from a file\n");
    insta::assert_snapshot!(folder.rendered());
}

#[test]
fn what_serves_other_channels_is_a_payment_provider_and_they_exist() {
    let served = |serves: &str, pays: bool| {
        let text = format!(
            "[channels.pay]\nconnector = \"shop\"\nserves = {serves}\n\
             [channels.pay.settings]\nsecret = {{ env = \"WEB\" }}\npays = {pays}\n\
             [channels.web]\nconnector = \"shop\"\nsettings = {{ secret = {{ env = \"WEB\" }} }}\n"
        );
        Folder::with(&[("channels.toml", &text)])
    };
    let config = served("[\"web\"]", true).load().unwrap().config;
    assert_eq!(config.channel("pay").unwrap().serves, ["web"]);
    assert!(config.channel("web").unwrap().serves.is_empty());
    insta::assert_snapshot!(
        [
            served("[\"wbe\", \"elsewhere\"]", true),
            served("[\"web\"]", false)
        ]
        .map(|folder| folder.rendered())
        .join("\n")
    );
}

#[test]
fn what_tells_buyers_names_whose() {
    let tells = |serves: &str| {
        let text = format!(
            "[channels.oa]\nconnector = \"shop\"\n{serves}\n\
             [channels.oa.settings]\nsecret = {{ env = \"WEB\" }}\ntells = true\n\
             [channels.web]\nconnector = \"shop\"\nsettings = {{ secret = {{ env = \"WEB\" }} }}\n"
        );
        Folder::with(&[("channels.toml", &text)])
    };
    let config = tells("serves = [\"web\"]").load().unwrap().config;
    assert_eq!(config.channel("oa").unwrap().serves, ["web"]);
    insta::assert_snapshot!(
        [tells(""), tells("serves = [\"wbe\"]")]
            .map(|folder| folder.rendered())
            .join("\n")
    );
}

#[test]
fn stock_is_published_only_where_it_can_be_set_and_from_locations_that_exist() {
    let text = changed(
        "channels.toml",
        "[channels.web.settings]",
        "publish_stock = true\nstock_buffer = 2\nstock_locations = [\"hub\", \"hbu\"]\n[channels.web.settings]",
    );
    insta::assert_snapshot!(Folder::with(&[("channels.toml", &text)]).rendered());
}

#[test]
fn the_public_address_is_one_of_a_whole_host() {
    let server = |address: &str| format!("[server]\npublic_url = \"{address}\"\n\n[legs]");
    let with = |address: &str| {
        let text = changed("kenh.toml", "[legs]", &server(address));
        Folder::with(&[("kenh.toml", &text)])
    };
    let config = with("https://kenh.example.vn/").load().unwrap().config;
    assert_eq!(
        config.server.public_url.as_deref(),
        Some("https://kenh.example.vn")
    );
    insta::assert_snapshot!(
        ["https://example.vn/kenh", "kenh.example.vn", ""]
            .map(|address| with(address).rendered())
            .join("\n")
    );
}

#[test]
fn an_overlay_replaces_addresses_and_calls_and_nothing_else() {
    let address = |key: &str| BTreeMap::from([(key.to_owned(), "http://127.0.0.1:9".to_owned())]);
    let overlay = Overlay {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        database_url: Some("sqlite:///tmp/demo.db".to_owned()),
        addresses: BTreeMap::from([
            ("wms".to_owned(), address("url")),
            ("web".to_owned(), address("base_url")),
        ]),
        secrets: BTreeMap::from([("FROM_OVERLAY".to_owned(), "s".to_owned())]),
        internal: true,
        rate: Some(super::Rate {
            per_second: 900,
            burst: 901,
        }),
        retry: Some(super::Retry {
            first_ms: 5,
            ..super::Retry::default()
        }),
        breaker: None,
    };
    let folder = Folder::with(&[(
        "channels.toml",
        &changed("channels.toml", "WEB", "FROM_OVERLAY"),
    )]);
    assert!(folder.load().is_err());
    let loaded = folder.load_over(Some(&overlay)).unwrap();
    let wms = loaded.config.target("wms").unwrap();
    assert_eq!(wms.url, "http://127.0.0.1:9");
    assert!(wms.calls.internal);
    assert_eq!((wms.calls.rate.per_second, wms.retry.first_ms), (900, 5));
    assert_eq!(wms.calls.breaker, super::Breaker::default());
    assert_eq!(
        loaded.config.target("invoices").unwrap().url,
        "https://invoices.example.vn"
    );
    assert_eq!(loaded.config.server.listen.port(), 0);
    assert_eq!(
        loaded.config.database.url.expose_secret(),
        "sqlite:///tmp/demo.db"
    );
    let web = format!("{:?}", loaded.config.channel("web").unwrap().channel);
    assert!(web.contains("http://127.0.0.1:9"), "{web}");

    let stranger = Overlay {
        addresses: BTreeMap::from([("nobody".to_owned(), address("url"))]),
        ..overlay
    };
    let problems = folder.load_over(Some(&stranger)).unwrap_err();
    assert!(problems[0].message.contains("nobody"), "{}", problems[0]);
}

#[test]
fn a_bad_rule_file_leaves_the_old_rules_and_is_told_once() {
    let folder = Folder::with(&[]);
    let loaded = folder.load().unwrap();
    let mut watcher = Watcher::new(&folder.0, loaded.known);
    assert!(watcher.poll().is_none());

    folder.write(
        "routing.toml",
        changed("routing.toml", "on_delivery", "on_shipmnt"),
    );
    let problems = watcher.poll().unwrap().unwrap_err();
    assert_eq!(
        (problems[0].file.as_str(), problems[0].line),
        ("routing.toml", 5)
    );
    assert!(watcher.poll().is_none());

    folder.write(
        "routing.toml",
        changed("routing.toml", "on_delivery", "on_shipment"),
    );
    let rules = watcher.poll().unwrap().unwrap();
    assert_ne!(rules.version(), loaded.rules.version());
    assert!(watcher.poll().is_none());

    fs::remove_file(folder.0.join("routing.toml")).unwrap();
    assert!(watcher.poll().unwrap().is_err());
    assert!(watcher.poll().is_none());
    folder.write("routing.toml", GOOD[4].1);
    assert_eq!(
        watcher.poll().unwrap().unwrap().version(),
        loaded.rules.version()
    );
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// The variables of `.env.example`.
fn example_env() -> BTreeMap<String, String> {
    let text = fs::read_to_string(shipped().join(".env.example")).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_shipped_configuration_loads_with_the_variables_of_its_example() {
    let variables = example_env();
    let env = |name: &str| variables.get(name).cloned();
    let loaded = super::load(&shipped(), &env, None)
        .map_err(|problems| render(&problems))
        .unwrap();
    assert!(loaded.warnings.is_empty(), "{}", render(&loaded.warnings));
    assert!(loaded.rules.test_count() > 0);
    let ids: Vec<&str> = loaded
        .config
        .channels
        .iter()
        .map(|channel| channel.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "web",
            "woo-outlet",
            "shopify",
            "haravan",
            "sapo-web",
            "sapo-omni",
            "shopee-vn",
            "lazada-vn",
            "tiktok-vn",
            "tiki-vn",
            "facebook-page",
            "zalo-oa",
            "vnpay",
            "momo",
            "zalopay",
            "zalo-checkout",
            "sepay",
            "casso",
            "stringee",
            "omicall",
            "hotline",
            "counter"
        ]
    );
    assert_eq!(loaded.config.targets.len(), 7);
}

#[test]
fn the_example_names_every_variable_that_the_shipped_files_need() {
    let named: Vec<String> = example_env().into_keys().collect();
    assert_eq!(super::variables(&shipped()), named);
}

#[test]
fn the_shipped_schemas_are_current() {
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        super::schema::write(&shipped().join("schema")).unwrap();
    }
    for (name, schema) in super::schema::all() {
        let committed = fs::read_to_string(shipped().join("schema").join(name)).unwrap_or_default();
        assert!(
            committed == super::schema::text(&schema),
            "config/schema/{name} is not current: run `kenh schema --write config/schema`"
        );
    }
}

#[test]
fn the_shipped_files_follow_their_published_schemas() {
    let schemas = super::schema::all();
    for file in super::load::FILES {
        let text = fs::read_to_string(shipped().join(file)).unwrap();
        let mut document = super::document::Document::parse(file, text);
        document.check(&schemas[file.replace(".toml", ".schema.json").as_str()], "");
        assert!(
            document.problems.is_empty(),
            "{}",
            render(&document.problems)
        );
    }
}

#[test]
fn the_shipped_files_name_their_schemas() {
    for file in super::load::FILES {
        let text = fs::read_to_string(shipped().join(file)).unwrap();
        let name = file.replace(".toml", ".schema.json");
        assert!(
            text.starts_with(&format!("#:schema ./schema/{name}\n")),
            "{file}"
        );
    }
}

#[test]
fn every_connector_is_in_the_registry_once() {
    let names: Vec<&str> = Registry::ALL
        .channels
        .iter()
        .map(|entry| entry.name)
        .collect();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len());
}
