//! From a folder of files to a configuration that the program can trust, or to the list of all
//! that is wrong in all of them.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::document::{Document, join, read_text};
use super::kenh::{self, UrlOrSecret};
use super::overlay::Overlay;
use super::partners::{self, Kinds};
use super::problem::{Problem, Severity, did_you_mean};
use super::registry::Registry;
use super::secret::{Place, Resolver, Written};
use super::shape::At;
use super::targets::TargetKind;
use super::tax::{self, Tax, TaxRate};
use super::{Alerts, Config, Database, Legs, Loaded, Security, catalog, rules, schema};
use crate::crypto::{self, KeyRing, KeySource};

/// The files of a configuration, in the order in which problems are told.
pub(super) const FILES: [&str; 7] = [
    "kenh.toml",
    "channels.toml",
    "targets.toml",
    "locations.toml",
    "routing.toml",
    "tax.toml",
    "catalog.toml",
];

/// Reads, checks and builds everything.
pub(super) fn load(
    dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    overlay: Option<&Overlay>,
    registry: Registry,
) -> Result<Loaded, Vec<Problem>> {
    let none = Overlay::default();
    let overlay = overlay.unwrap_or(&none);
    let env = overlay.env(env);
    let secrets = Resolver::new(&env, dir);

    let mut files = Files::open(dir);
    files.kenh.check(&schema::of::<kenh::Written>(), "");
    overlay.put_kenh(&mut files.kenh);
    let mut parts = Kenh::read(&mut files.kenh, &secrets);

    partners::check(&mut files.channels, &mut files.targets);
    let mut placed = overlay.put_partners(&mut files.channels, "apps");
    placed.extend(overlay.put_partners(&mut files.channels, "channels"));
    placed.extend(overlay.put_partners(&mut files.targets, "targets"));
    let strangers = overlay
        .addresses
        .keys()
        .filter(|id| !placed.contains(id))
        .map(|id| {
            let message =
                format!("the overlay has addresses for `{id}`, which is no app, channel or target");
            Problem::of_file("overlay", message, None)
        });
    let mut problems: Vec<Problem> = strangers.collect();

    let apps_and_channels = partners::channels(
        &mut files.channels,
        &secrets,
        registry,
        parts.orders.reserve_when,
    );
    let targets = partners::targets(&mut files.targets, &secrets, registry);
    let kinds = partners::kinds(&files.targets);
    if !files.targets.is_unreadable() {
        legs(&mut files.kenh, &parts.legs, &kinds);
    }
    let tax = read_tax(&mut files.tax);
    let default_class = Some(parts.orders.default_tax_class.as_str());
    catalog::tax_class(
        &mut files.kenh,
        "/orders/default_tax_class",
        default_class,
        &tax,
    );
    let locations = rules::locations(&mut files.locations, &kinds);
    if !files.locations.is_unreadable() {
        partners::stock_locations(&mut files.channels, &locations);
    }
    let catalog = catalog::read(&mut files.catalog, &tax, &locations);
    let known = rules::known(&locations, &kinds, &files.channels, &catalog);
    let rules = rules::rules(&mut files.routing, &known);

    problems.extend(files.into_problems());
    let (mut errors, warnings): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|problem| problem.severity == Severity::Error);
    let (Some(rules), true) = (rules, errors.is_empty()) else {
        errors.extend(warnings);
        return Err(sorted(errors));
    };
    let (apps, channels) = apps_and_channels;
    let config = Config {
        server: std::mem::take(&mut parts.server),
        database: parts.database,
        orders: parts.orders,
        customers: parts.customers,
        legs: parts.legs,
        inbox: parts.inbox,
        keep: parts.keep,
        work: parts.work,
        security: parts.security,
        alerts: parts.alerts,
        log: parts.log,
        limits: parts.limits,
        apps,
        channels,
        targets,
        tax,
    };
    Ok(Loaded {
        config,
        locations,
        rules,
        catalog,
        known,
        warnings: sorted(warnings),
    })
}

/// By file, then by place.
pub(super) fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| {
        let file = FILES.iter().position(|file| *file == problem.file);
        (file.unwrap_or(FILES.len()), problem.line, problem.column)
    });
    problems
}

/// The files, parsed. A file that cannot be read is empty here, and a problem.
pub(super) struct Files {
    kenh: Document,
    pub channels: Document,
    pub targets: Document,
    locations: Document,
    routing: Document,
    tax: Document,
    catalog: Document,
}

impl Files {
    pub fn open(dir: &Path) -> Self {
        let open = |file: &str| match read_text(dir, file) {
            Ok(text) => Document::parse(file, text),
            Err(problem) => {
                let mut document = Document::empty(file);
                document.problems.push(*problem);
                document
            }
        };
        let catalog = "catalog.toml";
        Self {
            kenh: open("kenh.toml"),
            channels: open("channels.toml"),
            targets: open("targets.toml"),
            locations: open("locations.toml"),
            routing: open("routing.toml"),
            tax: open("tax.toml"),
            // The only file that may be left out: a shop with its own catalog needs none.
            catalog: if dir.join(catalog).exists() {
                open(catalog)
            } else {
                Document::empty(catalog)
            },
        }
    }

    /// The names of all environment variables that the files name, in order of the alphabet.
    pub fn variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        for document in [&self.kenh, &self.channels, &self.targets] {
            collect_variables(&document.value, &mut names);
        }
        let keys = self
            .kenh
            .value
            .pointer("/security/keys")
            .and_then(Value::as_array);
        for key in keys.into_iter().flatten() {
            names.extend(key.get("env").and_then(Value::as_str).map(str::to_owned));
        }
        names.sort();
        names.dedup();
        names
    }

    pub fn into_problems(self) -> Vec<Problem> {
        [
            self.kenh,
            self.channels,
            self.targets,
            self.locations,
            self.routing,
            self.tax,
            self.catalog,
        ]
        .into_iter()
        .flat_map(|document| document.problems)
        .collect()
    }
}

fn collect_variables(value: &Value, names: &mut Vec<String>) {
    if let Some(written) = Written::from_value(value) {
        names.extend(written.places().iter().filter_map(|place| match place {
            Place::Env { env } => Some(env.clone()),
            Place::File { .. } => None,
        }));
        return;
    }
    match value {
        Value::Object(table) => table
            .values()
            .for_each(|inner| collect_variables(inner, names)),
        Value::Array(items) => items
            .iter()
            .for_each(|inner| collect_variables(inner, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The sections of `kenh.toml`.
struct Kenh {
    server: super::Server,
    database: Database,
    orders: super::Orders,
    customers: super::Customers,
    legs: Legs,
    inbox: super::Inbox,
    keep: super::Keep,
    work: super::Work,
    security: Security,
    alerts: Alerts,
    log: super::Log,
    limits: super::Limits,
}

impl Kenh {
    fn read(file: &mut Document, secrets: &Resolver<'_>) -> Self {
        let read = Self {
            server: server(file),
            database: database(file, secrets),
            orders: file.read("/orders").unwrap_or_default(),
            customers: file.read("/customers").unwrap_or_default(),
            legs: file.read("/legs").unwrap_or_default(),
            inbox: file.read("/inbox").unwrap_or_default(),
            keep: file.read("/keep").unwrap_or_default(),
            work: file.read("/work").unwrap_or_default(),
            security: security(file, secrets),
            alerts: alerts(file, secrets),
            log: file.read("/log").unwrap_or_default(),
            limits: file.read("/limits").unwrap_or_default(),
        };
        let prefix = &read.orders.code_prefix;
        if !((2..=4).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_uppercase()))
        {
            let hint = Some("for example \"KE\"".to_owned());
            file.problem_at(
                "/orders/code_prefix",
                At::Value,
                "expected two to four capital letters",
                hint,
            );
        }
        let level = tracing_subscriber::EnvFilter::builder().parse(&read.log.level);
        if level.is_err() {
            let hint = Some("for example \"info\" or \"info,kenh=debug\"".to_owned());
            file.problem_at("/log/level", At::Value, "this is no log level", hint);
        }
        read
    }
}

/// The public address is one of a whole host: doors have their paths below it.
fn server(file: &mut Document) -> super::Server {
    let mut server: super::Server = file.read("/server").unwrap_or_default();
    if let Some(address) = &mut server.public_url {
        let at = "/server/public_url";
        let uri: Option<http::Uri> = address.parse().ok();
        let whole = uri.is_some_and(|uri| matches!(uri.path(), "" | "/") && uri.query().is_none());
        if let Some(message) = partners::address_mistake(address) {
            file.problem_at(at, At::Value, message, None);
        } else if !whole {
            let hint = Some("for example \"https://kenh.example.vn\"".to_owned());
            file.problem_at(at, At::Value, "expected an address without a path", hint);
        }
        address.truncate(address.trim_end_matches('/').len());
    }
    server
}

fn database(file: &mut Document, secrets: &Resolver<'_>) -> Database {
    let written: kenh::WrittenDatabase = file.read("/database").unwrap_or_default();
    let at = "/database/url";
    if let UrlOrSecret::Url(url) = &written.url {
        let with_password = url
            .split_once("://")
            .and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'))
            .is_some_and(|(user, _)| user.contains(':'));
        // The demo's overlay may set a URL with a password: it stands in no file.
        let in_file = file.text.contains(url.as_str());
        if with_password && in_file {
            file.report(&[super::shape::Finding {
                pointer: at.to_owned(),
                at: At::Value,
                message: "a URL with a password must not be written in the file".to_owned(),
                suggestion: Some("write { env = \"DATABASE_URL\" }".to_owned()),
                secret: true,
                cut: false,
            }]);
        }
    }
    let url = url_or_secret(file, at, &written.url, secrets);
    let known = ["sqlite:", "postgres://", "postgresql://"];
    if !url.expose_secret().is_empty()
        && !known
            .iter()
            .any(|scheme| url.expose_secret().starts_with(scheme))
    {
        let hint = Some("write sqlite://PATH or postgres://…".to_owned());
        file.problem_at(at, At::Value, "this is no address of a database", hint);
    }
    Database {
        url,
        max_connections: written.max_connections,
        acquire_timeout_ms: written.acquire_timeout_ms,
        busy_timeout_ms: written.busy_timeout_ms,
    }
}

/// Empty after a problem.
fn url_or_secret(
    file: &mut Document,
    at: &str,
    written: &UrlOrSecret,
    secrets: &Resolver<'_>,
) -> SecretString {
    match written {
        UrlOrSecret::Url(url) => url.clone().into(),
        UrlOrSecret::Secret(named) => {
            let [place] = named.places() else {
                file.problem_at(at, At::Value, "expected one secret, not a list", None);
                return SecretString::default();
            };
            secrets.resolve(place).unwrap_or_else(|error| {
                let hint = Some(format!("`{}` needs it", super::document::dotted(at)));
                file.problem_at(at, At::Value, error.to_string(), hint);
                SecretString::default()
            })
        }
    }
}

fn security(file: &mut Document, secrets: &Resolver<'_>) -> Security {
    let written: kenh::WrittenSecurity = file.read("/security").unwrap_or_default();
    if written.keys.is_empty() && !file.is_bad("/security") {
        let hint =
            Some("add `keys = [{ id = \"k1\", env = \"KENH_KEY_1\" }]` to [security]".to_owned());
        file.problem_at(
            "/security",
            At::Key,
            "there is no key to encrypt tokens with",
            hint,
        );
    }
    let mut keys: Vec<KeySource> = Vec::new();
    for (index, key) in written.keys.into_iter().enumerate() {
        let at = format!("/security/keys/{index}");
        let place = Place::Env {
            env: key.env.clone(),
        };
        let source = match secrets.resolve(&place) {
            Ok(secret) => KeySource { id: key.id, secret },
            Err(error) => {
                let hint = Some(format!("`security.keys` needs it for key `{}`", key.id));
                file.problem_at(&join(&at, "env"), At::Value, error.to_string(), hint);
                continue;
            }
        };
        keys.push(source);
        if let Err(error) = KeyRing::new(&keys) {
            let (part, hint) = match error {
                crypto::Error::TooShort { .. } => {
                    ("env", Some("try `openssl rand -hex 32`".to_owned()))
                }
                _ => ("id", None),
            };
            file.problem_at(&join(&at, part), At::Value, error.to_string(), hint);
            keys.pop();
        }
    }
    Security { keys }
}

fn alerts(file: &mut Document, secrets: &Resolver<'_>) -> Alerts {
    let written: kenh::WrittenAlerts = file.read("/alerts").unwrap_or_default();
    let at = "/alerts/webhook";
    let webhook = written
        .webhook
        .map(|url| url_or_secret(file, at, &url, secrets));
    if let Some(url) = &webhook
        && !url.expose_secret().is_empty()
        && let Some(message) = partners::address_mistake(url.expose_secret())
    {
        file.problem_at(at, At::Value, message, None);
    }
    Alerts {
        log: written.log,
        webhook,
        repeat_after_s: written.repeat_after_s,
    }
}

/// The legs' targets exist and can do what the leg needs.
fn legs(file: &mut Document, legs: &Legs, kinds: &Kinds) {
    let wanted = [
        (
            "invoice_target",
            &legs.invoice_target,
            TargetKind::Invoicing,
        ),
        (
            "installation_target",
            &legs.installation_target,
            TargetKind::ServiceCenter,
        ),
        (
            "warranty_target",
            &legs.warranty_target,
            TargetKind::ServiceCenter,
        ),
    ];
    for (key, target, kind) in wanted {
        if let Some(target) = target {
            target_of_kind(file, &join("/legs", key), target, kind, kinds);
        }
    }
}

/// Reports a target that does not exist or is of another kind.
pub(super) fn target_of_kind(
    file: &mut Document,
    at: &str,
    target: &str,
    kind: TargetKind,
    kinds: &Kinds,
) {
    match kinds.get(target) {
        None => {
            let of_kind = kinds
                .iter()
                .filter(|(_, other)| **other == Some(kind))
                .map(|(id, _)| id.as_str());
            let hint = did_you_mean(target, of_kind)
                .unwrap_or_else(|| format!("add [targets.{target}] to targets.toml"));
            file.problem_at(
                at,
                At::Value,
                format!("unknown target `{target}`"),
                Some(hint),
            );
        }
        Some(Some(other)) if *other != kind => {
            let message = format!(
                "the target `{target}` is of kind {}, expected {}",
                other.as_str(),
                kind.as_str()
            );
            file.problem_at(at, At::Value, message, None);
        }
        Some(_) => {}
    }
}

fn read_tax(file: &mut Document) -> Tax {
    file.check(&schema::of::<tax::Written>(), "");
    let written: Vec<(String, tax::WrittenRate)> = file.read_list("/rate");
    let mut rates: Vec<TaxRate> = Vec::new();
    for (at, rate) in written {
        let rate = TaxRate {
            class: rate.class,
            percent: rate.rate,
            valid_from: rate.valid_from,
            valid_to: rate.valid_to,
            legal_reference: rate.legal_reference,
        };
        if rate.valid_to.is_some_and(|last| last < rate.valid_from) {
            file.problem_at(
                &join(&at, "valid_to"),
                At::Value,
                "it ends before it begins",
                None,
            );
        }
        if let Some(other) = rates.iter().find(|other| other.overlaps(&rate)) {
            let message = format!(
                "class `{}` has two rates from {}: {} % and {} %",
                rate.class,
                rate.valid_from.max(other.valid_from),
                other.percent,
                rate.percent
            );
            let hint = Some("end the earlier one with valid_to".to_owned());
            file.problem_at(&join(&at, "valid_from"), At::Value, message, hint);
        }
        rates.push(rate);
    }
    Tax::new(rates)
}
