//! `cargo bench --bench intake`: how fast messages are taken, orders settled and reservations
//! delivered, with durable settings, beside references in the same run on the same machine.
//!
//! Figures, not tests: nothing here fails because a machine is slow. `docs/performance.md` says
//! how to read them.

mod load;
mod messages;
mod partner;
mod reference;
mod report;
mod world;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use kenh::app::{Assembled, Role};
use kenh::store::{Db, inbox, numbers, upkeep};
use serde_json::{Value, json};

use load::{Answers, Pace, per_second, percentile};
use messages::Website;
use partner::Partner;
use reference::{Keeps, Server};
use report::{Aim, Figure, complain, say};
use world::{Kind, Place, SECRET, Tuning};

/// Why the benchmark could not go on.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long each sync takes in the row with slow syncs.
const SLOW_SYNC_US: u64 = 5_000;

/// Nothing here may take longer; what does is stuck.
const LONGEST: Duration = Duration::from_secs(120);

/// Messages prepared for one second of the door.
const DOOR_RATE: usize = 20_000;

/// Measures the gateway's intake, settling and delivery.
#[derive(Debug, Parser)]
struct Args {
    /// Small: a look in half a minute, not a figure to keep.
    #[arg(long)]
    quick: bool,
    /// Write all figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the databases are put; it should be the disk that is to be measured.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Connections of the senders.
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// Orders a second in the steady part.
    #[arg(long, value_name = "N", default_value_t = 300)]
    steady: u32,
    /// Another `[inbox.group_commit] max_batch` than the shipped one.
    #[arg(long, value_name = "N")]
    max_batch: Option<usize>,
    /// Another `[inbox.group_commit] max_wait_us` than the shipped one.
    #[arg(long, value_name = "N")]
    max_wait_us: Option<u64>,
    /// Another `[work] settle_batch` than the shipped one.
    #[arg(long, value_name = "N")]
    settle_batch: Option<usize>,
    /// Set by `cargo bench`; without it nothing is measured.
    #[arg(long, hide = true)]
    bench: bool,
    /// The process in which syncs are slow.
    #[arg(long, hide = true)]
    slow_sync: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Accepted messages a second.
    Intake,
    /// The same with slow syncs.
    SlowSync,
    /// Acknowledgement at 1,000 messages a second.
    Acknowledge,
    /// Settling alone.
    Settle,
    /// From a full inbox to delivered reservations.
    Drain,
    /// From acknowledgement to reservation at a steady rate.
    Steady,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    rounds: usize,
    seconds: usize,
    orders: usize,
    connections: usize,
    steady: u32,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !args.bench {
        say("nothing measured; use `cargo bench --bench intake`");
        return ExitCode::SUCCESS;
    }
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(Box::pin(run(&args))));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("the benchmark stopped: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Error> {
    let tuning = Tuning {
        max_batch: args.max_batch,
        max_wait_us: args.max_wait_us,
        settle_batch: args.settle_batch,
    };
    let sizes = Sizes {
        rounds: if args.quick { 1 } else { 3 },
        seconds: if args.quick { 1 } else { 2 },
        orders: if args.quick { 500 } else { 5_000 },
        connections: args.connections,
        steady: args.steady,
    };
    let parent = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let place = Place::new(&parent, tuning, !args.slow_sync)?;
    let bench = Bench {
        website: Website::new(SECRET)?,
        place,
        sizes,
    };
    if args.slow_sync {
        say(&bench.slow_intake().await?.to_string());
        return Ok(());
    }
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let mut facts = report::machine(bench.place.folder())?;
    facts.extend(bench.place.describe().await?);
    let mut figures = Vec::new();
    let kinds = bench.place.kinds();
    for kind in &kinds {
        if wanted(Part::Intake) {
            figures.extend(bench.intake(*kind).await?);
        }
    }
    if wanted(Part::SlowSync) {
        match slow_sync(&bench, args) {
            Ok(found) => figures.extend(found),
            Err(error) => complain(&format!("no row with slow syncs: {error}")),
        }
    }
    for kind in &kinds {
        if wanted(Part::Acknowledge) {
            figures.extend(bench.acknowledge(*kind).await?);
        }
        if wanted(Part::Settle) {
            figures.push(bench.settle(*kind).await?);
        }
        if wanted(Part::Drain) {
            figures.extend(bench.drain(*kind).await?);
        }
        if wanted(Part::Steady) {
            figures.extend(bench.steady(*kind).await?);
        }
    }
    say(&report::list(&facts));
    say(&report::table(&figures));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&facts, &figures))?;
        std::fs::write(file, text + "\n")?;
    }
    Ok(())
}

/// Everything that the parts share.
struct Bench {
    website: Website,
    place: Place,
    sizes: Sizes,
}

/// Medians of the rates of one database.
struct Rates {
    door: u64,
    nothing: u64,
    each: u64,
    each_behind_door: u64,
}

impl Bench {
    async fn intake(&self, kind: Kind) -> Result<Vec<Figure>, Error> {
        let rates = self.rates(kind, self.sizes.connections, 20_000).await?;
        let each_aim = match kind {
            Kind::Sqlite => 3_000,
            Kind::Postgres => 1_500,
        };
        let figure = |reference, aim| Figure {
            what: "messages accepted".to_owned(),
            database: kind.name(),
            value: rates.door,
            unit: "/s",
            reference: Some(reference),
            aim,
        };
        Ok(vec![
            figure(
                ("the same server, verified, nothing stored", rates.nothing),
                Aim::Ratio(500),
            ),
            figure(
                (
                    "the same server, one transaction each",
                    rates.each_behind_door,
                ),
                Aim::Ratio(each_aim),
            ),
            figure(
                ("one transaction each, without any HTTP", rates.each),
                Aim::None,
            ),
        ])
    }

    /// The door and its references, in turn, a few rounds.
    async fn rates(
        &self,
        kind: Kind,
        connections: usize,
        each_a_second: usize,
    ) -> Result<Rates, Error> {
        let mut rounds = [const { Vec::new() }; 4];
        for round in 1..=self.sizes.rounds {
            complain(&format!(
                "intake on {}, round {round} of {}",
                kind.name(),
                self.sizes.rounds
            ));
            let door = self.door(kind, connections).await?;
            let nothing = self.server(kind, Keeps::Nothing, connections).await?;
            let each = self.each(kind, each_a_second).await?;
            let behind = self.server(kind, Keeps::EachAlone, connections).await?;
            complain(&format!(
                "  door {door}/s, nothing stored {nothing}/s, one transaction each {behind}/s, without HTTP {each}/s"
            ));
            for (rates, rate) in rounds.iter_mut().zip([door, nothing, each, behind]) {
                rates.push(rate);
            }
        }
        let [door, nothing, each, each_behind_door] = rounds.map(median);
        Ok(Rates {
            door,
            nothing,
            each,
            each_behind_door,
        })
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.sizes.seconds).unwrap_or(1))
    }

    async fn closed(
        &self,
        address: std::net::SocketAddr,
        connections: usize,
    ) -> Result<Answers, Error> {
        let pace = Pace::Closed {
            longest: self.longest(),
        };
        let warm = self.website.requests(connections * 8);
        load::send(address, warm, connections, pace).await?;
        let requests = self.website.requests(self.sizes.seconds * DOOR_RATE);
        let answers = load::send(address, requests, connections, pace).await?;
        if answers.refused > 0 {
            return Err(format!("{} messages were refused", answers.refused).into());
        }
        Ok(answers)
    }

    async fn door(&self, kind: Kind, connections: usize) -> Result<u64, Error> {
        let fresh = self.place.fresh(kind).await?;
        let assembled = self.place.gateway(&fresh.db, None).await?;
        let running = world::start(assembled, &[Role::Receive]).await?;
        let answers = self.closed(running.address, connections).await?;
        running.stop().await;
        fresh.remove().await?;
        Ok(answers.per_second())
    }

    async fn server(&self, kind: Kind, keeps: Keeps, connections: usize) -> Result<u64, Error> {
        let fresh = self.place.fresh(kind).await?;
        let assembled = self.place.gateway(&fresh.db, None).await?;
        let server = Server::start(assembled.gateway, keeps).await?;
        let answers = self.closed(server.address, connections).await?;
        drop(server);
        fresh.remove().await?;
        Ok(answers.per_second())
    }

    async fn each(&self, kind: Kind, a_second: usize) -> Result<u64, Error> {
        let fresh = self.place.fresh(kind).await?;
        let Assembled { gateway, .. } = self.place.gateway(&fresh.db, None).await?;
        let at_once = usize::try_from(gateway.config.database.max_connections)?;
        let messages = reference::prepared(&gateway, &self.website, self.sizes.seconds * a_second)?;
        let (stored, took) =
            reference::one_commit_each(&fresh.db, messages, at_once, self.longest()).await?;
        fresh.remove().await?;
        Ok(per_second(stored, took))
    }

    /// In the process with slow syncs.
    async fn slow_intake(&self) -> Result<Value, Error> {
        let door = self.door(Kind::Sqlite, self.sizes.connections).await?;
        let each = self.each(Kind::Sqlite, 1_000).await?;
        Ok(json!({ "door": door, "each": each }))
    }

    async fn acknowledge(&self, kind: Kind) -> Result<Vec<Figure>, Error> {
        complain(&format!("acknowledgement on {}", kind.name()));
        let fresh = self.place.fresh(kind).await?;
        let assembled = self.place.gateway(&fresh.db, None).await?;
        let running = world::start(assembled, &[Role::Receive]).await?;
        let connections = self.sizes.connections;
        let pace = Pace::Open {
            interval: Duration::from_micros(1_000),
        };
        let warm = self.website.requests(500);
        load::send(running.address, warm, connections, pace).await?;
        let requests = self.website.requests(self.sizes.seconds * 2_500);
        let answers = load::send(running.address, requests, connections, pace).await?;
        running.stop().await;
        fresh.remove().await?;
        let figure = |percent: usize, aim| Figure {
            what: format!("acknowledgement at 1,000 messages/s, p{percent}"),
            database: kind.name(),
            value: answers.percentile(percent),
            unit: "µs",
            reference: None,
            aim,
        };
        Ok(vec![
            figure(50, Aim::AtMost(3_000)),
            figure(99, Aim::AtMost(20_000)),
        ])
    }

    /// A gateway whose inbox holds `orders` messages, not started.
    async fn full_inbox(&self, db: &Db, partner: Option<&Partner>) -> Result<Assembled, Error> {
        let assembled = self
            .place
            .gateway(db, partner.map(|partner| partner.address))
            .await?;
        let messages = reference::prepared(&assembled.gateway, &self.website, self.sizes.orders)?;
        for batch in messages.chunks(128) {
            inbox::receive(db, batch).await?;
        }
        Ok(assembled)
    }

    async fn settle(&self, kind: Kind) -> Result<Figure, Error> {
        complain(&format!("settling on {}", kind.name()));
        let fresh = self.place.fresh(kind).await?;
        let assembled = self.full_inbox(&fresh.db, None).await?;
        let start = Instant::now();
        let running = world::start(assembled, &[Role::Work]).await?;
        wait(start, Duration::from_millis(20), async || {
            let waiting = upkeep::inbox_backlog(&fresh.db).await?;
            Ok(waiting.iter().map(|channel| channel.waiting).sum::<i64>() == 0)
        })
        .await?;
        let took = start.elapsed();
        self.none_held(&fresh.db).await?;
        running.stop().await;
        fresh.remove().await?;
        Ok(Figure {
            what: "orders settled (T2 alone)".to_owned(),
            database: kind.name(),
            value: per_second(self.sizes.orders, took),
            unit: "/s",
            reference: None,
            aim: match kind {
                Kind::Postgres => Aim::AtLeast(2_000),
                Kind::Sqlite => Aim::None,
            },
        })
    }

    async fn drain(&self, kind: Kind) -> Result<Vec<Figure>, Error> {
        complain(&format!("settling and delivery on {}", kind.name()));
        let fresh = self.place.fresh(kind).await?;
        let partner = Partner::start()?;
        let assembled = self.full_inbox(&fresh.db, Some(&partner)).await?;
        let orders = self.sizes.orders;
        let start = Instant::now();
        let running = world::start(assembled, &[Role::Work]).await?;
        wait(start, Duration::from_millis(5), async || {
            Ok(partner.reservations() >= orders)
        })
        .await?;
        wait(start, Duration::from_millis(20), async || {
            Ok(reserved(&fresh.db).await? >= orders)
        })
        .await?;
        let took = start.elapsed();
        wait(start, Duration::from_millis(20), async || {
            Ok(numbers::unfinished(&fresh.db).await? == 0)
        })
        .await?;
        let rest = start.elapsed();
        self.none_held(&fresh.db).await?;
        let tasks: i64 = numbers::counts(&fresh.db).await?.delivered.values().sum();
        running.stop().await;
        fresh.remove().await?;
        let figure = |what: String, n, took| Figure {
            what,
            database: kind.name(),
            value: per_second(n, took),
            unit: "/s",
            reference: None,
            aim: Aim::None,
        };
        Ok(vec![
            figure("orders settled and reserved".to_owned(), orders, took),
            figure(
                "tasks delivered, from a full inbox to rest".to_owned(),
                usize::try_from(tasks)?,
                rest,
            ),
        ])
    }

    async fn steady(&self, kind: Kind) -> Result<Vec<Figure>, Error> {
        complain(&format!("steady orders on {}", kind.name()));
        let fresh = self.place.fresh(kind).await?;
        let partner = Partner::start()?;
        let assembled = self.place.gateway(&fresh.db, Some(partner.address)).await?;
        let running = world::start(assembled, &[Role::Receive, Role::Work]).await?;
        let rate = self.sizes.steady;
        let orders = usize::try_from(rate)? * self.sizes.seconds * 5 / 2;
        let pace = Pace::Open {
            interval: Duration::from_secs(1) / rate,
        };
        let requests = self.website.requests(orders);
        let start = Instant::now();
        let answers = load::send(running.address, requests, self.sizes.connections, pace).await?;
        wait(start, Duration::from_millis(100), async || {
            Ok(numbers::unfinished(&fresh.db).await? == 0)
        })
        .await?;
        self.none_held(&fresh.db).await?;
        let times = numbers::reservation_times(&fresh.db).await?;
        running.stop().await;
        fresh.remove().await?;
        let figure = |what: &str, value, aim| Figure {
            what: format!("{what} at {rate} orders/s"),
            database: kind.name(),
            value,
            unit: "µs",
            reference: None,
            aim,
        };
        let after = |percent| u64::try_from(percentile(&times, percent) * 1000);
        Ok(vec![
            figure(
                "message received → reservation delivered, p50",
                after(50)?,
                Aim::AtMost(50_000),
            ),
            figure(
                "message received → reservation delivered, p99",
                after(99)?,
                Aim::AtMost(500_000),
            ),
            figure(
                "acknowledgement with all legs running, p99",
                answers.percentile(99),
                Aim::None,
            ),
        ])
    }

    /// A held order would make the figures better than they are.
    async fn none_held(&self, db: &Db) -> Result<(), Error> {
        let counts = numbers::counts(db).await?;
        if counts.held.is_empty() && !counts.tasks.contains_key("dead") {
            Ok(())
        } else {
            Err(format!("held: {:?}, tasks: {:?}", counts.held, counts.tasks).into())
        }
    }
}

/// Orders whose reservation is delivered.
async fn reserved(db: &Db) -> Result<usize, Error> {
    let delivered = numbers::counts(db).await?.delivered;
    let reserved = delivered.get("reserve").copied().unwrap_or_default();
    Ok(usize::try_from(reserved)?)
}

async fn wait(
    start: Instant,
    every: Duration,
    mut until: impl AsyncFnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    while !until().await? {
        if start.elapsed() > LONGEST {
            return Err(format!("not done after {} s", LONGEST.as_secs()).into());
        }
        tokio::time::sleep(every).await;
    }
    Ok(())
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    percentile(&values, 50)
}

/// Builds the shim and repeats the intake on SQLite in a process that preloads it.
fn slow_sync(bench: &Bench, args: &Args) -> Result<Vec<Figure>, Error> {
    complain("intake on SQLite with slow syncs");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/intake/slow_sync.c");
    let shim = bench.place.folder().join("slow_sync.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([&shim, &source])
        .arg("-ldl")
        .status()?;
    if !built.success() {
        return Err(format!("cc ended with {built}").into());
    }
    // A batch can only be as large as the number of senders that wait at once.
    let connections = bench.sizes.connections * 4;
    let mut child = Command::new(std::env::current_exe()?);
    child
        .args(["--bench", "--slow-sync", "--connections"])
        .arg(connections.to_string())
        .arg("--folder")
        .arg(bench.place.folder())
        .env("LD_PRELOAD", &shim)
        .env("KENH_SLOW_SYNC_US", SLOW_SYNC_US.to_string());
    if args.quick {
        child.arg("--quick");
    }
    let output = child.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the process with slow syncs ended with {}", output.status).into());
    }
    let rates: Value = serde_json::from_slice(&output.stdout)?;
    let rate = |name: &str| rates[name].as_u64().ok_or("a rate is missing");
    Ok(vec![Figure {
        what: format!("messages accepted, each sync 5 ms slower, {connections} senders"),
        database: Kind::Sqlite.name(),
        value: rate("door")?,
        unit: "/s",
        reference: Some(("one transaction each, without any HTTP", rate("each")?)),
        aim: Aim::Ratio(30_000),
    }])
}
