//! `kenh token`: API tokens, and the first tokens of channels.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use connectors::channel::TokenPair;
use domain::id::TokenId;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::{OPERATOR, complain, fail, load, moment, open, read_moment, say};
use crate::clock::{Clock as _, Ids as _, SystemClock, SystemIds};
use crate::config::Loaded;
use crate::crypto::{ApiToken, KeyRing};
use crate::pipeline::tokens as channel_tokens;
use crate::store::tokens::{self, NewToken, Scope};
use crate::store::{self, Db, accounts, ledger};

const DAY_MS: i64 = 86_400_000;

/// API tokens, and the tokens of channels.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make an API token. It is written once, alone, to standard output.
    Create(Create),
    /// List API tokens; never the tokens themselves.
    List,
    /// Revoke an API token for good.
    Revoke {
        /// Its id, `tok_…`.
        id: String,
    },
    /// Put in the access and refresh tokens that a channel's vendor gave.
    Import(Import),
}

/// What a new API token is.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Whom it stands for: the audit log names them.
    #[arg(long, value_name = "NAME")]
    actor: String,
    /// What it may do, `orders:read,stock:write`.
    #[arg(long, value_delimiter = ',', required = true, value_parser = read_scope)]
    scopes: Vec<Scope>,
    /// The only location whose orders it sees.
    #[arg(long)]
    location: Option<String>,
    /// Days until it ends; never, if left out.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    expires_days: Option<u32>,
}

/// The pair of a channel. A value is the token itself, or `@FILE`; left out, it is asked for
/// without being shown, or read as one line of standard input.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// Channel.
    channel: String,
    /// Access token.
    #[arg(long, value_name = "TOKEN|@FILE")]
    access: Option<String>,
    /// Refresh token; empty if the vendor gave none.
    #[arg(long, value_name = "TOKEN|@FILE")]
    refresh: Option<String>,
    /// When the access token ends: RFC 3339, or seconds from now.
    #[arg(long, value_name = "WHEN")]
    expires: String,
    /// When the refresh token ends, where the vendor says.
    #[arg(long, value_name = "WHEN")]
    refresh_expires: Option<String>,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Used wrongly.
    #[error("{0}")]
    Use(String),
    /// The database.
    #[error("could not use the database")]
    Store(#[from] store::Error),
    /// The keys.
    #[error("could not use the keys of [security]")]
    Keys(#[from] crate::crypto::Error),
    /// A value could not be read.
    #[error("could not read the {what} token")]
    Read {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn read_scope(text: &str) -> Result<Scope, String> {
    text.parse().map_err(|error| {
        let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("{error}; there are {}", known.join(", "))
    })
}

/// Carries out the action. 0: done, 1: it could not be done, 2: wrong use.
pub async fn run(args: &Args) -> ExitCode {
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let db = match open(&loaded.config).await {
        Ok(db) => db,
        Err(error) => return fail("could not open the database", &error),
    };
    let now = SystemClock::new().now();
    let result = act(&args.action, &loaded, &db, now).await;
    db.close().await;
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Use(words)) => {
            complain(&words);
            ExitCode::from(super::WRONG_USE)
        }
        Err(error) => fail("could not do it", &error),
    }
}

async fn act(action: &Action, loaded: &Loaded, db: &Db, now: Timestamp) -> Result<(), Error> {
    match action {
        Action::Create(args) => {
            if let Some(location) = &args.location
                && loaded.locations.get(location).is_none()
            {
                return Err(Error::Use(format!("there is no location {location}")));
            }
            let (id, token) = create(db, args, now).await?;
            complain(&format!(
                "{id}: this is the only time that the token is shown"
            ));
            say(token.expose());
        }
        Action::List => list(db, now).await?,
        Action::Revoke { id } => {
            if !tokens::revoke(db, id, now.as_millisecond()).await? {
                return Err(Error::Use(format!(
                    "there is no token {id}, or it is revoked already"
                )));
            }
            complain(&format!("{id} is revoked; it stops working within seconds"));
        }
        Action::Import(args) => import(args, loaded, db, now).await?,
    }
    Ok(())
}

async fn create(
    db: &Db,
    args: &Create,
    now: Timestamp,
) -> Result<(String, ApiToken), store::Error> {
    let now_ms = now.as_millisecond();
    let token = ApiToken::generate();
    let id = TokenId::from_uuid(SystemIds::new().next(now_ms)).to_string();
    tokens::create(
        db,
        &NewToken {
            id: id.clone(),
            hash: token.hash(),
            actor: args.actor.clone(),
            scopes: args.scopes.iter().map(ToString::to_string).collect(),
            location: args.location.clone(),
            created_at: now_ms,
            expires_at: args
                .expires_days
                .map(|days| now_ms + i64::from(days) * DAY_MS),
        },
    )
    .await?;
    Ok((id, token))
}

async fn list(db: &Db, now: Timestamp) -> Result<(), Error> {
    for token in tokens::list(db).await? {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let state = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {}", moment(at)),
            (None, Some(at)) if at <= now.as_millisecond() => format!("expired {}", moment(at)),
            (None, Some(at)) => format!("until {}", moment(at)),
            (None, None) => "valid".to_owned(),
        };
        let location = token
            .location
            .map(|location| format!("  only {location}"))
            .unwrap_or_default();
        say(&format!(
            "{}  {}  {}  {state}{location}",
            token.id,
            token.actor,
            scopes.join(",")
        ));
    }
    Ok(())
}

async fn import(args: &Import, loaded: &Loaded, db: &Db, now: Timestamp) -> Result<(), Error> {
    let channel = loaded
        .config
        .channel(&args.channel)
        .ok_or_else(|| Error::Use(format!("there is no channel {}", args.channel)))?;
    if !channel_tokens::needed(&*channel.channel) {
        return Err(Error::Use(format!(
            "channel {} has no tokens that are refreshed: its keys stand in channels.toml",
            args.channel
        )));
    }
    let access_expires_at = when(&args.expires, now)?;
    let refresh_expires_at = args
        .refresh_expires
        .as_deref()
        .map(|text| when(text, now))
        .transpose()?;
    if access_expires_at <= now {
        complain("the access token has ended already; it will be refreshed at its first use");
    }
    let access = value(args.access.as_deref(), "access")?;
    if access.is_empty() {
        return Err(Error::Use("the access token is empty".to_owned()));
    }
    let refresh = value(args.refresh.as_deref(), "refresh")?;
    let pair = TokenPair {
        access: SecretString::from(access),
        refresh: Some(refresh)
            .filter(|text| !text.is_empty())
            .map(SecretString::from),
        access_expires_at,
        refresh_expires_at,
    };
    let keys = KeyRing::new(&loaded.config.security.keys)?;
    store_pair(db, &keys, &args.channel, &pair, now).await?;
    complain(&format!(
        "channel {}: the pair is stored; the access token ends {}",
        args.channel,
        moment(access_expires_at.as_millisecond())
    ));
    Ok(())
}

async fn store_pair(
    db: &Db,
    keys: &KeyRing,
    channel: &str,
    pair: &TokenPair,
    now: Timestamp,
) -> Result<(), store::Error> {
    let sealed = channel_tokens::seal_pair(keys, channel, pair);
    let now_ms = now.as_millisecond();
    accounts::import(db, channel, now_ms, &sealed).await?;
    let detail = format!("ends {}", moment(pair.access_expires_at.as_millisecond()));
    ledger::note_act(db, now_ms, OPERATOR, "channel.token", channel, &detail).await
}

/// A moment, or seconds from now.
fn when(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    if let Ok(seconds) = text.parse::<u32>() {
        return now
            .checked_add(SignedDuration::from_secs(i64::from(seconds)))
            .map_err(|error| Error::Use(error.to_string()));
    }
    read_moment(text).map_err(|error| Error::Use(format!("`{text}` is {error}, nor seconds")))
}

/// The value itself, a file's content, or what is typed or piped in.
fn value(given: Option<&str>, what: &'static str) -> Result<String, Error> {
    let text = match given {
        Some(text) => match text.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path),
            None => Ok(text.to_owned()),
        },
        None => ask(what),
    };
    text.map(|text| text.trim().to_owned())
        .map_err(|source| Error::Read { what, source })
}

/// One line of standard input; at a terminal it is asked for and not shown.
fn ask(what: &str) -> io::Result<String> {
    let input = io::stdin();
    let _hidden = if input.is_terminal() {
        let mut out = io::stderr();
        write!(out, "{what} token: ")?;
        out.flush()?;
        Some(Hidden::start()?)
    } else {
        None
    };
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    Ok(line)
}

/// The terminal shows nothing that is typed while this lives.
struct Hidden;

impl Hidden {
    fn start() -> io::Result<Self> {
        stty("-echo")?;
        Ok(Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if stty("echo").is_err() {
            complain("the terminal may still be silent: type `stty echo`");
        }
        complain("");
    }
}

/// By the system's own program: the standard library cannot silence a terminal.
fn stty(mode: &str) -> io::Result<()> {
    let silenced = Command::new("stty")
        .arg(mode)
        .stdin(Stdio::inherit())
        .status()
        .is_ok_and(|status| status.success());
    if silenced {
        Ok(())
    } else {
        Err(io::Error::other(
            "the terminal cannot be silenced; use @FILE or a pipe",
        ))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::crypto::presented_token_hash;
    use crate::store::testing::TempDb;

    fn now() -> Timestamp {
        "2026-11-24T01:00:00Z".parse().unwrap()
    }

    #[tokio::test]
    async fn a_token_is_found_by_what_was_shown_until_it_is_revoked() {
        let db = TempDb::new().await;
        let args = Create {
            actor: "lan".to_owned(),
            scopes: vec![Scope::OrdersRead, Scope::StockWrite],
            location: Some("hub-hcm".to_owned()),
            expires_days: Some(30),
        };
        let (id, shown) = create(&db, &args, now()).await.unwrap();
        let hash = presented_token_hash(shown.expose()).unwrap();
        let found = tokens::find(&db, &hash).await.unwrap().unwrap();
        assert_eq!(found.id, id);
        assert_eq!(found.actor, "lan");
        assert_eq!(found.location.as_deref(), Some("hub-hcm"));
        assert!(found.scopes.contains(&Scope::StockWrite));
        let ms = now().as_millisecond();
        assert!(found.is_valid(ms + 30 * DAY_MS - 1));
        assert!(!found.is_valid(ms + 30 * DAY_MS));

        assert!(tokens::revoke(&db, &id, ms + 1).await.unwrap());
        let revoked = tokens::find(&db, &hash).await.unwrap().unwrap();
        assert!(!revoked.is_valid(ms + 2));
    }

    #[tokio::test]
    async fn an_imported_pair_is_stored_sealed_for_its_channel_and_audited() {
        let db = TempDb::new().await;
        let keys = KeyRing::ephemeral();
        let pair = TokenPair {
            access: SecretString::from("access-1".to_owned()),
            refresh: Some(SecretString::from("refresh-1".to_owned())),
            access_expires_at: when("14400", now()).unwrap(),
            refresh_expires_at: None,
        };
        store_pair(&db, &keys, "shopee-vn", &pair, now())
            .await
            .unwrap();
        let account = accounts::load(&db, "shopee-vn").await.unwrap().unwrap();
        let sealed = account.access.unwrap();
        assert!(!sealed.windows(8).any(|part| part == b"access-1"));
        let place = channel_tokens::place("shopee-vn");
        let opened = keys.open(&sealed, place.as_bytes()).unwrap();
        assert_eq!(&opened[..], pair.access.expose_secret().as_bytes());
        assert_eq!(
            account.access_expires_at,
            Some(now().as_millisecond() + 14_400_000)
        );
        let audit = db
            .text("SELECT actor || ' ' || action || ' ' || subject AS x FROM audit")
            .await;
        assert_eq!(audit, ["operator channel.token shopee-vn"]);
    }

    #[test]
    fn an_end_is_a_moment_a_day_or_seconds_from_now() {
        assert_eq!(
            when("2026-11-25T00:00:00Z", now()).unwrap().to_string(),
            "2026-11-25T00:00:00Z"
        );
        assert_eq!(
            when("2026-11-25", now()).unwrap().to_string(),
            "2026-11-24T17:00:00Z"
        );
        assert!(matches!(when("soon", now()), Err(Error::Use(_))));
    }
}
