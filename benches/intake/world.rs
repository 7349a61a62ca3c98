//! Where things are measured: databases with durable settings, and a gateway in this process with
//! the shipped configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use kenh::app::{self, Assembled, Parts, Role, Running};
use kenh::clock::{Clock, SystemClock, SystemIds};
use kenh::config::{self, Catalog, Loaded, Overlay, Rate};
use kenh::gateway::Gateway;
use kenh::import;
use kenh::store::Db;
use sqlx::{Connection, Row};

use crate::Error;

/// Of every SKU at every location: no order is held for want of goods.
const ON_HAND: u32 = 10_000_000;

/// Calls under way at once at each target; the shipped 4 to 8 fit partners that take their time.
const CONCURRENCY: usize = 32;

/// The secret of every channel and target here.
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// One of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Kind {
    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// What the command line changes of the shipped configuration, to try other values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tuning {
    /// `[inbox.group_commit] max_batch`.
    pub max_batch: Option<usize>,
    /// `[inbox.group_commit] max_wait_us`.
    pub max_wait_us: Option<u64>,
    /// `[work] settle_batch`.
    pub settle_batch: Option<usize>,
}

/// The place of one run of the benchmark: a folder, and perhaps a PostgreSQL.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    server: Option<Server>,
    url: Option<String>,
    made: AtomicU32,
    tuning: Tuning,
    /// Why there is no PostgreSQL.
    pub missing: Option<String>,
}

/// A PostgreSQL of our own.
#[derive(Debug)]
struct Server {
    bin: PathBuf,
    data: PathBuf,
}

/// A fresh database, migrated.
#[derive(Debug)]
pub struct Fresh {
    /// Open.
    pub db: Db,
    url: String,
    schema: Option<String>,
}

impl Place {
    /// Makes the folder, and starts PostgreSQL in it unless `KENH_BENCH_POSTGRES_URL` names one.
    pub fn new(parent: &Path, tuning: Tuning, with_postgres: bool) -> Result<Self, Error> {
        let folder = parent.join(format!("kenh-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut place = Self {
            folder,
            server: None,
            url: None,
            made: AtomicU32::new(0),
            tuning,
            missing: None,
        };
        if !with_postgres {
            return Ok(place);
        }
        if let Ok(url) = std::env::var("KENH_BENCH_POSTGRES_URL") {
            place.url = Some(url);
            return Ok(place);
        }
        match Server::start(&place.folder.join("postgres")) {
            Ok((server, url)) => {
                place.server = Some(server);
                place.url = Some(url);
            }
            Err(error) => place.missing = Some(error.to_string()),
        }
        Ok(place)
    }

    /// The databases that there are.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds = vec![Kind::Sqlite];
        if self.url.is_some() {
            kinds.push(Kind::Postgres);
        }
        kinds
    }

    /// The folder for files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A fresh database with the connections that the shipped configuration allows.
    pub async fn fresh(&self, kind: Kind) -> Result<Fresh, Error> {
        let n = self.made.fetch_add(1, Ordering::Relaxed);
        let connections = self
            .load(&Overlay::default())?
            .config
            .database
            .max_connections;
        let fresh = match (kind, &self.url) {
            (Kind::Sqlite, _) => {
                let url = format!("sqlite://{}", self.folder.join(format!("{n}.db")).display());
                let db = Db::open(&url, connections).await?.own()?;
                Fresh {
                    db,
                    url,
                    schema: None,
                }
            }
            (Kind::Postgres, Some(url)) => {
                let schema = format!("kenh_bench_{}_{n}", std::process::id());
                let db = Db::open_in_schema(url, &schema, connections).await?;
                Fresh {
                    db,
                    url: url.clone(),
                    schema: Some(schema),
                }
            }
            (Kind::Postgres, None) => return Err("there is no PostgreSQL".into()),
        };
        fresh.db.migrate().await?;
        Ok(fresh)
    }

    fn load(&self, overlay: &Overlay) -> Result<Loaded, Error> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let overlay = Overlay {
            secrets: secrets(&folder),
            internal: true,
            rate: Some(Rate {
                per_second: 100_000,
                burst: 100_000,
            }),
            ..overlay.clone()
        };
        let mut loaded = config::load(&folder, &|_| None, Some(&overlay))
            .map_err(|problems| config::render(&problems))?;
        let config = &mut loaded.config;
        config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        for target in &mut config.targets {
            target.calls.concurrency = CONCURRENCY;
        }
        let tuning = self.tuning;
        let commit = &mut config.inbox.group_commit;
        commit.max_batch = tuning.max_batch.unwrap_or(commit.max_batch);
        commit.max_wait_us = tuning.max_wait_us.unwrap_or(commit.max_wait_us);
        config.work.settle_batch = tuning.settle_batch.unwrap_or(config.work.settle_batch);
        Ok(loaded)
    }

    /// A gateway on `db`, put together and not started. Its targets are at `partner`, or stand
    /// still without one.
    pub async fn gateway(&self, db: &Db, partner: Option<SocketAddr>) -> Result<Assembled, Error> {
        let draft = self.load(&Overlay::default())?;
        let addresses = partner.map_or_else(BTreeMap::new, |at| {
            let url = |id: &str| BTreeMap::from([("url".to_owned(), format!("http://{at}/{id}"))]);
            draft
                .config
                .targets
                .iter()
                .map(|target| (target.id.clone(), url(&target.id)))
                .collect()
        });
        let mut loaded = self.load(&Overlay {
            addresses,
            ..Overlay::default()
        })?;
        for target in &mut loaded.config.targets {
            target.enabled &= partner.is_some();
        }
        let catalog = loaded.catalog.clone();
        let assembled = app::assemble(Parts {
            loaded,
            db: db.clone(),
            clock: SystemClock::shared(),
            ids: SystemIds::shared(),
            rules_dir: None,
        })
        .await?;
        fill(&assembled.gateway, &catalog).await?;
        Ok(assembled)
    }

    /// Versions and settings of the databases, as they say themselves.
    pub async fn describe(&self) -> Result<Vec<(String, String)>, Error> {
        let mut said = Vec::new();
        let mut sqlite = sqlx::SqliteConnection::connect("sqlite::memory:").await?;
        let version: String = sqlx::query("SELECT sqlite_version()")
            .fetch_one(&mut sqlite)
            .await?
            .try_get(0)?;
        said.push((
            "SQLite".to_owned(),
            format!("{version}, WAL, synchronous = FULL"),
        ));
        let postgres = match (&self.url, &self.missing) {
            (Some(url), _) => {
                let options = sqlx::postgres::PgConnectOptions::from_str(url)?;
                let mut server = sqlx::PgConnection::connect_with(&options).await?;
                let mut words = Vec::new();
                for (name, query) in [
                    ("", "SHOW server_version"),
                    ("fsync = ", "SHOW fsync"),
                    ("synchronous_commit = ", "SHOW synchronous_commit"),
                    ("shared_buffers = ", "SHOW shared_buffers"),
                ] {
                    let value: String = sqlx::query(query)
                        .fetch_one(&mut server)
                        .await?
                        .try_get(0)?;
                    words.push(format!("{name}{value}"));
                }
                words.join(", ")
            }
            (None, Some(why)) => format!("none: {why}"),
            (None, None) => "not measured".to_owned(),
        };
        said.push(("PostgreSQL".to_owned(), postgres));
        Ok(said)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.stop();
        }
        // What is left lies in the system's folder for temporary files.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Fresh {
    /// Closes and removes it.
    pub async fn remove(self) -> Result<(), Error> {
        self.db.close().await;
        if let Some(schema) = &self.schema {
            Db::drop_schema(&self.url, schema).await?;
        }
        Ok(())
    }
}

/// A value for every variable that the files name.
fn secrets(folder: &Path) -> BTreeMap<String, String> {
    config::variables(folder)
        .into_iter()
        .map(|name| {
            let value = if name.starts_with("KENH_KEY") {
                "0123456789abcdef".repeat(4)
            } else {
                SECRET.to_owned()
            };
            (name, value)
        })
        .collect()
}

/// Starts a gateway.
pub async fn start(assembled: Assembled, roles: &[Role]) -> Result<Running, Error> {
    let roles: BTreeSet<Role> = roles.iter().copied().collect();
    Ok(assembled.start(&roles).await?)
}

/// Puts the catalog in, and plenty of every SKU where the catalog has any.
async fn fill(gateway: &Gateway, catalog: &Catalog) -> Result<(), Error> {
    let mut plenty = catalog.clone();
    for opening in &mut plenty.stock {
        opening.on_hand = ON_HAND;
    }
    let now = SystemClock::new().now_ms();
    import::catalog(&gateway.db, &plenty, &gateway.locations, now).await?;
    gateway.catalog.refresh(&gateway.db).await?;
    Ok(())
}

impl Server {
    fn start(folder: &Path) -> Result<(Self, String), Error> {
        let bin = binaries().ok_or(
            "no initdb and pg_ctl found; set KENH_BENCH_POSTGRES_URL or install postgresql",
        )?;
        std::fs::create_dir_all(folder)?;
        let data = folder.join("data");
        if is_root() {
            // PostgreSQL refuses to run as root; its own account runs it.
            run(Command::new("chown").arg("postgres").arg(folder))?;
        }
        run(&mut as_postgres(&format!(
            "{}/initdb -D {} -A trust -U postgres -E UTF8 --locale=C",
            bin.display(),
            data.display()
        )))?;
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        run(&mut as_postgres(&format!(
            "{}/pg_ctl -D {} -w -l {}/log start -o '-p {port} -k {} -c listen_addresses=127.0.0.1 \
             -c fsync=on -c synchronous_commit=on -c full_page_writes=on'",
            bin.display(),
            data.display(),
            folder.display(),
            folder.display(),
        )))?;
        Ok((
            Self { bin, data },
            format!("postgres://postgres@127.0.0.1:{port}/postgres"),
        ))
    }

    fn stop(&self) {
        let stopped = run(&mut as_postgres(&format!(
            "{}/pg_ctl -D {} -m fast stop",
            self.bin.display(),
            self.data.display()
        )));
        if let Err(error) = stopped {
            crate::report::complain(&format!("could not stop PostgreSQL: {error}"));
        }
    }
}

/// The newest folder that holds the server's programs.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let debian = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .max();
    debian.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|bin| bin.join("initdb").exists())
    })
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .filter_map(|line| line.strip_prefix("Uid:"))
            .any(|ids| ids.split_whitespace().next() == Some("0"))
    })
}

fn as_postgres(line: &str) -> Command {
    let mut command;
    if is_root() {
        command = Command::new("su");
        command.args(["postgres", "-c", line]);
    } else {
        command = Command::new("sh");
        command.args(["-c", line]);
    }
    // A folder that the other account may not enter would be complained about.
    command.current_dir("/");
    command
}

/// Runs a command to its end. Its output goes nowhere: a server that it leaves behind must not
/// keep our pipes open.
fn run(command: &mut Command) -> Result<(), Error> {
    let status = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}").into())
    }
}
