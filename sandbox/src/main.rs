//! The partners as a process of their own, for scripts that kill and restart the gateway.

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use sandbox::{Kind, Options, Product, Sandbox, Scenario, TargetSpec};
use serde_json::{Value, json};

/// Simulated partners of Kenh.
#[derive(Parser)]
#[command(name = "kenh-sandbox")]
struct Arguments {
    /// First of consecutive ports; without it free ports are taken.
    #[arg(long, global = true)]
    listen_base: Option<u16>,
    /// A target to play, `id=inventory|invoicing|service_center`; may be repeated.
    #[arg(long = "target", global = true, value_parser = target)]
    targets: Vec<TargetSpec>,
    /// Fixes every choice.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Partners fail, stall, repeat and reorder.
    #[arg(long, global = true)]
    faults: bool,
    /// Where to write addresses and environment as JSON.
    #[arg(long, global = true)]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print addresses, environment and first tokens as JSON, then stop. Only with
    /// `--listen-base` do a later start's addresses agree.
    PrintConfig,
    /// Serve until interrupted; driven through the `control` address.
    Serve {
        /// Base URL of the gateway.
        #[arg(long)]
        door: Option<String>,
    },
    /// Wait for the gateway, send a scenario, compare, print the result as JSON.
    Run {
        /// Base URL of the gateway.
        #[arg(long)]
        door: String,
        /// Bearer token of the gateway's API.
        #[arg(long, env = "KENH_SANDBOX_TOKEN")]
        token: String,
        /// Orders to sell.
        #[arg(long, default_value_t = 200)]
        orders: u32,
        /// Orders per second.
        #[arg(long)]
        pace: Option<u32>,
        /// The catalog as a JSON array of products.
        #[arg(long)]
        catalog: Option<PathBuf>,
        /// Provinces (codes of 2025-07) in which the rules install; none means everywhere.
        #[arg(long = "install-in")]
        install_in: Vec<String>,
        /// Seconds to wait for the gateway to come up, and again for it to settle.
        #[arg(long, default_value_t = 120)]
        wait_s: u64,
    },
}

fn target(text: &str) -> Result<TargetSpec, String> {
    let (id, kind) = text.split_once('=').ok_or("write id=kind")?;
    let kind = match kind {
        "inventory" => Kind::Inventory,
        "invoicing" => Kind::Invoicing,
        "service_center" => Kind::ServiceCenter,
        other => return Err(format!("unknown kind {other}")),
    };
    Ok(TargetSpec {
        id: id.to_owned(),
        kind,
    })
}

fn print(value: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    writeln!(std::io::stdout(), "{text}").context("could not write the result")
}

fn state(sandbox: &Sandbox) -> Value {
    json!({
        "addresses": sandbox.addresses(),
        "environment": sandbox.environment(),
        "tokens": {
            "lazada": sandbox.secrets().lazada_tokens,
            "shopee": sandbox.secrets().shopee_tokens,
            "tiki": sandbox.secrets().tiki_tokens,
            "tiktok": sandbox.secrets().tiktok_tokens,
            "zalo": sandbox.secrets().zalo_tokens,
        },
    })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        seed: arguments.seed,
        faults: arguments.faults,
        targets: arguments.targets,
        listen_base: arguments.listen_base,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await?;
    if let Some(path) = &arguments.state {
        // Renamed into place, so that a waiting script never reads half of it.
        let part = path.with_extension("part");
        std::fs::write(&part, state(&sandbox).to_string())
            .and_then(|()| std::fs::rename(&part, path))
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    match arguments.command {
        Command::PrintConfig => print(&state(&sandbox)),
        Command::Serve { door } => {
            if let Some(door) = door {
                sandbox.set_door(&door);
            }
            tokio::signal::ctrl_c()
                .await
                .context("could not wait for the interrupt")
        }
        Command::Run {
            door,
            token,
            orders,
            pace,
            catalog,
            install_in,
            wait_s,
        } => {
            sandbox.set_door(&door);
            let catalog = match catalog {
                None => Product::samples(),
                Some(path) => {
                    let text = std::fs::read(&path)
                        .with_context(|| format!("could not read {}", path.display()))?;
                    serde_json::from_slice(&text)
                        .with_context(|| format!("could not understand {}", path.display()))?
                }
            };
            let scenario = Scenario {
                pace,
                install_in: (!install_in.is_empty()).then_some(install_in),
                ..Scenario::new(orders, arguments.seed, catalog, &token)
            };
            run(&sandbox, scenario, Duration::from_secs(wait_s)).await
        }
    }
}

async fn run(sandbox: &Sandbox, scenario: Scenario, wait: Duration) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    while !sandbox.door_ready().await {
        if started.elapsed() > wait {
            bail!("the door did not become ready");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let token = scenario.api_token.clone();
    let report = sandbox.run(scenario).await?;
    let started = std::time::Instant::now();
    // The gateway decides when it is done: look again until the books agree or time is up.
    let discrepancies = loop {
        let quiet = sandbox.settled(wait).await;
        let found = match sandbox.links(&token).await {
            Ok(links) => sandbox.audit(&links),
            Err(error) => vec![error.to_string()],
        };
        if (found.is_empty() && quiet) || started.elapsed() > wait {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let books = sandbox.books();
    let good =
        discrepancies.is_empty() && books.violations.is_empty() && report.unexpected.is_empty();
    print(
        &json!({"report": report, "books": books, "discrepancies": discrepancies, "good": good}),
    )?;
    if good { Ok(()) } else { std::process::exit(1) }
}
