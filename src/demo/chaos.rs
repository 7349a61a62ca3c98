//! `kenh chaos`: kill -9 under load, again and again, and then the books must balance.
//!
//! The partners and the buyers live in this process; the gateway is a child that is killed at
//! random moments in the middle of the traffic and started again. Senders repeat until they are
//! acknowledged, as their vendors do. In the end every acknowledged message must be accounted
//! for, and the partners' books must hold no effect twice and miss none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use sandbox::Scenario;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::world::{self, Stage};
use super::{Args as DemoArgs, Error, summary};
use crate::app::{self, Parts, Role};
use crate::clock::{Clock, SystemClock, SystemIds};
use crate::commands::{complain, fail, say};
use crate::config::{self, Breaker, Factor, Overlay, Rate, Retry};
use crate::crypto::KeyRing;
use crate::pipeline::tokens::REAUTHORIZE;
use crate::store::{Db, accounts, polls};
use crate::telemetry::{self, Format};

/// How the sandbox says that a single-use refresh token came again.
const REFRESH_USED_TWICE: &str = "a refresh token was used twice";

/// The longest that everything may take to come to rest after the last kill.
const REST: Duration = Duration::from_secs(300);

/// Kill the gateway under load, again and again, and check that the books balance.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Args {
    /// The demo's choices.
    #[command(flatten)]
    pub demo: DemoArgs,
    /// How often the gateway is killed.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub kills: u32,
    /// Orders per second that the buyers place.
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub pace: u32,
}

/// What the killed process needs to know; handed over in a file.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    config: PathBuf,
    listen: std::net::SocketAddr,
    database: String,
    schema: Option<String>,
    addresses: BTreeMap<String, BTreeMap<String, String>>,
    secrets: BTreeMap<String, String>,
    log: String,
}

/// Runs the gateway of a plan. For `kenh chaos` alone.
#[derive(Debug, Clone, clap::Args)]
pub struct ChildArgs {
    /// The plan.
    #[arg(long)]
    plan: PathBuf,
}

/// Runs the harness. 0 when the books balance, 1 when they do not.
pub async fn run(args: &Args) -> ExitCode {
    if let Err(error) = telemetry::init_logs(Format::Text, &args.demo.log) {
        return fail("could not start the log", &error);
    }
    match harass(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail("the chaos run failed", &error),
    }
}

/// A child that does not outlive this process's panic.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn spawn(plan: &std::path::Path) -> Result<Victim, Error> {
    let program = std::env::current_exe().map_err(Error::Folder)?;
    Command::new(program)
        .arg("chaos-child")
        .arg("--plan")
        .arg(plan)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map(Victim)
        .map_err(Error::Folder)
}

async fn harass(args: &Args) -> Result<bool, Error> {
    let stage = Stage::set(&args.demo).await?;
    let loaded = world::load(&args.demo, &stage.overlay)?;
    let clock = SystemClock::new();
    let (db, schema) = world::open(&args.demo, stage.folder.as_ref(), clock.now_ms()).await?;
    db.migrate().await?;
    let token = world::furnish(&db, &loaded, &stage.sandbox, &clock).await?;
    let products = world::on_sale(&loaded.catalog);
    let listen = loaded.config.server.listen;
    let plan = Plan {
        config: args.demo.config.clone(),
        listen,
        database: loaded.config.database.url.expose_secret().to_owned(),
        schema: schema.as_ref().map(|(_, schema)| schema.clone()),
        addresses: stage.overlay.addresses.clone(),
        secrets: stage.overlay.secrets.clone(),
        log: args.demo.log.clone(),
    };
    let plan_file = std::env::temp_dir().join(format!("kenh-chaos-{}.json", std::process::id()));
    let text = serde_json::to_vec(&plan).expect("a plan is plain data");
    std::fs::write(&plan_file, text).map_err(Error::Folder)?;

    stage.sandbox.set_door(&format!("http://{listen}"));
    let mut victim = spawn(&plan_file)?;
    ready(&stage).await?;
    let mut scenario = Scenario::new(args.demo.orders, args.demo.seed, products, &token);
    scenario.pace = Some(args.pace.max(1));
    let expected = Duration::from_secs(u64::from(args.demo.orders / args.pace.max(1)).max(5));
    let mut random = fastrand::Rng::with_seed(args.demo.seed);
    complain(&format!(
        "selling {} orders at {}/s; killing the gateway {} times",
        args.demo.orders, args.pace, args.kills
    ));
    let started = Instant::now();
    let mut selling = Box::pin(stage.sandbox.run(scenario));
    let keys = KeyRing::new(&loaded.config.security.keys).map_err(app::Error::Keys)?;
    let (mut kills, mut reauthorized) = (0, 0);
    let mut next_kill = Box::pin(tokio::time::sleep(pause(&mut random, expected, args.kills)));
    let report = loop {
        tokio::select! {
            report = &mut selling => break report?,
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                reauthorized += reauthorize(&db, &loaded, &keys, &stage.sandbox, &clock).await?;
            }
            () = &mut next_kill, if kills < args.kills => {
                drop(victim);
                kills += 1;
                // Now and then the gateway stays away for a moment.
                tokio::time::sleep(Duration::from_millis(random.u64(0..400))).await;
                victim = spawn(&plan_file)?;
                complain(&format!("{:>4} s  kill {kills}", started.elapsed().as_secs()));
                next_kill = Box::pin(tokio::time::sleep(pause(&mut random, expected, args.kills)));
            }
        }
    };
    drop(selling);
    // Those that are left fall into the callbacks and the tidying up.
    while kills < args.kills {
        tokio::time::sleep(Duration::from_millis(random.u64(100..900))).await;
        drop(victim);
        kills += 1;
        victim = spawn(&plan_file)?;
        complain(&format!(
            "{:>4} s  kill {kills}",
            started.elapsed().as_secs()
        ));
    }
    ready(&stage).await?;
    polled(&db, &loaded, clock.now_ms()).await?;
    let settled = {
        let mut resting = Box::pin(summary::rest(&db, &stage.sandbox, REST));
        loop {
            tokio::select! {
                settled = &mut resting => break settled?,
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    reauthorized +=
                        reauthorize(&db, &loaded, &keys, &stage.sandbox, &clock).await?;
                }
            }
        }
    };
    let mut summary = summary::draw(
        &db,
        &app::settings(&loaded.config, &loaded.locations),
        clock.now(),
        &stage.sandbox,
        &report,
        settled,
        started.elapsed(),
    )
    .await?;
    if reauthorized > 0 {
        complain(&format!(
            "{reauthorized} times a kill fell between a token's refresh and its storing, and a \
             person had to authorise the account again"
        ));
        // The partner counts the one further use of the lost token that showed the loss.
        summary.forgive(REFRESH_USED_TWICE, reauthorized);
    }
    say(&summary.json());
    for finding in &summary.findings {
        complain(&format!("finding: {finding}"));
    }
    drop(victim);
    std::fs::remove_file(&plan_file).map_err(Error::Folder)?;
    stage.sandbox.shutdown().await;
    db.close().await;
    if let Some((url, schema)) = &schema {
        Db::drop_schema(url, schema).await?;
    }
    if let Some(folder) = &stage.folder {
        std::fs::remove_dir_all(folder).map_err(Error::Folder)?;
    }
    Ok(summary.balanced && kills == args.kills)
}

/// What the person does whom the alarm calls: authorises an account again whose single-use refresh
/// token was lost between the vendor's answer and our commit. Nothing else can bring it back.
async fn reauthorize(
    db: &Db,
    loaded: &config::Loaded,
    keys: &KeyRing,
    sandbox: &sandbox::Sandbox,
    clock: &SystemClock,
) -> Result<usize, Error> {
    let mut done = 0;
    for account in accounts::all(db).await? {
        if account.state != REAUTHORIZE {
            continue;
        }
        let connector = loaded
            .config
            .channel(&account.channel)
            .map(|c| c.connector.as_str());
        let pair = match connector {
            Some("shopee") => sandbox.authorize_shopee(),
            Some("zalo") => sandbox.authorize_zalo(),
            Some("lazada") => sandbox.authorize_lazada(),
            Some("tiktok_shop") => sandbox.authorize_tiktok(),
            _ => continue,
        };
        world::import_pair(db, keys, &account.channel, &pair, clock).await?;
        done += 1;
    }
    Ok(done)
}

fn pause(random: &mut fastrand::Rng, expected: Duration, kills: u32) -> Duration {
    let mean = u64::try_from(expected.as_millis()).unwrap_or(u64::MAX) / u64::from(kills.max(1));
    Duration::from_millis(random.u64(mean / 3..=mean.max(1)))
}

/// Waits until the shops that never repeat a message (WooCommerce) have been asked for what
/// changed up to `since`: what they told a dead gateway is found by polling or not at all.
async fn polled(db: &Db, loaded: &config::Loaded, since: i64) -> Result<(), Error> {
    let until = Instant::now() + REST;
    loop {
        let behind = polls::all(db).await?.into_iter().any(|position| {
            position.kind == "orders"
                && position.watermark < since
                && loaded
                    .config
                    .channel(&position.channel)
                    .is_some_and(|channel| channel.connector == "woocommerce")
        });
        if !behind || Instant::now() > until {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until the gateway answers.
async fn ready(stage: &Stage) -> Result<(), Error> {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        if stage.sandbox.door_ready().await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Error::NotReady)
}

/// Runs the gateway until it is killed.
pub async fn child(args: &ChildArgs) -> ExitCode {
    match serve(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("the gateway under test failed", &error),
    }
}

async fn serve(args: &ChildArgs) -> Result<(), Error> {
    let text = std::fs::read(&args.plan).map_err(Error::Folder)?;
    let plan: Plan = serde_json::from_slice(&text)
        .map_err(|error| Error::Config(format!("the plan is not readable: {error}")))?;
    if let Err(error) = telemetry::init_logs(Format::Text, &plan.log) {
        complain(&telemetry::chain(&error));
    }
    let overlay = Overlay {
        listen: Some(plan.listen),
        database_url: Some(plan.database.clone()),
        addresses: plan.addresses,
        secrets: plan.secrets,
        internal: true,
        ..calls()
    };
    let mut loaded = config::load(&plan.config, &|_| None, Some(&overlay))
        .map_err(|problems| Error::Config(config::render(&problems)))?;
    // A killed worker's leases must end within the run; they last as long as a call may take.
    loaded.config.work.lease_s = 5;
    for target in &mut loaded.config.targets {
        target.calls.timeout_ms = target.calls.timeout_ms.min(5_000);
    }
    let db = match &plan.schema {
        Some(schema) => Db::open_in_schema(&plan.database, schema, 12).await?,
        None => Db::open(&plan.database, 8).await?.own()?,
    };
    let running = app::assemble(Parts {
        loaded,
        db,
        clock: SystemClock::shared(),
        ids: SystemIds::shared(),
        rules_dir: None,
    })
    .await?
    .start(&Role::all())
    .await?;
    running.gateway.shutdown.triggered().await;
    Ok(())
}

/// The overlay's rate, retry and breaker.
pub(super) fn calls() -> Overlay {
    Overlay {
        rate: Some(Rate {
            per_second: 5_000,
            burst: 5_000,
        }),
        retry: Some(Retry {
            first_ms: 100,
            factor: Factor { milli: 1_500 },
            max_ms: 2_000,
            give_up_after_s: 600,
        }),
        breaker: Some(Breaker {
            failures: 20,
            window_s: 5,
            cool_down_s: 1,
        }),
        ..Overlay::default()
    }
}
