//! Kenh: signed messages in, every order reserved, invoiced and served exactly once.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kenh::commands::{
    self, channels, check, explain, healthcheck, migrate, reconcile, redrive, replay, schema,
    serve, token, verify,
};

/// The omnichannel integration gateway and order router.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    propagate_version = true,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until it is told to stop.
    Serve(serve::Args),
    /// Run the whole gateway against simulated partners, with no set-up.
    #[cfg(feature = "demo")]
    Demo(kenh::demo::Args),
    /// Kill the gateway under load, again and again, and check that the books balance.
    #[cfg(feature = "demo")]
    Chaos(kenh::demo::chaos::Args),
    /// The gateway that `kenh chaos` kills.
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    ChaosChild(kenh::demo::chaos::ChildArgs),
    /// Put the products and the opening stock of catalog.toml into the database.
    Import(commands::import::Args),
    /// Check the configuration: every mistake with file, line, column and a suggestion.
    Check(check::Args),
    /// Print or write the JSON Schemas of the configuration files.
    Schema(schema::Args),
    /// Bring the database's schema up to date.
    Migrate(migrate::Args),
    /// Derive the books again and tell where they disagree; exit 1 if they do.
    Verify(verify::Args),
    /// Try dead letters again: tasks that were given up, or notices of the inbox.
    Redrive(redrive::Args),
    /// Compare a channel with what is stored, and take what is missing or differs.
    Reconcile(reconcile::Args),
    /// Read stored messages again with today's connector, and show what that changes.
    Replay(replay::Args),
    /// Show what each channel can do.
    Channels(channels::Args),
    /// API tokens, and the tokens of channels.
    Token(token::Args),
    /// Tell in words why an order goes where it goes, and where it stands.
    Explain(explain::Args),
    /// Ask a running gateway whether it is alive; exit 1 if it is not.
    Healthcheck(healthcheck::Args),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Check(args) => check::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        #[cfg(feature = "demo")]
        Command::Demo(args) => block_on(kenh::demo::run(&args)),
        #[cfg(feature = "demo")]
        Command::Chaos(args) => block_on(kenh::demo::chaos::run(&args)),
        #[cfg(feature = "demo")]
        Command::ChaosChild(args) => block_on(kenh::demo::chaos::child(&args)),
        Command::Import(args) => block_on(commands::import::run(&args)),
        Command::Serve(args) => block_on(serve::run(&args)),
        Command::Migrate(args) => block_on(migrate::run(&args)),
        Command::Verify(args) => block_on(verify::run(&args)),
        Command::Redrive(args) => block_on(redrive::run(&args)),
        Command::Channels(args) => channels::run(&args),
        Command::Reconcile(args) => block_on(reconcile::run(&args)),
        Command::Replay(args) => block_on(replay::run(&args)),
        Command::Token(args) => block_on(token::run(&args)),
        Command::Explain(args) => block_on(explain::run(&args)),
    }
}

fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => commands::fail("could not start", &error),
    }
}
