//! `kenh explain`: why an order goes where it goes, and where it stands, in words.

use std::path::PathBuf;
use std::process::ExitCode;

use domain::explain::{Language, explain};
use domain::order::Order;
use domain::routing::Decision;
use jiff::Timestamp;

use super::{complain, fail, load, open, say};
use crate::store::orders::{self, Key};
use crate::store::{Db, Error, ledger};

/// Explains one order. No personal data is shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id (`ord_…`), code, or the channel's id of the order.
    order: String,
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// In which language.
    #[arg(long, value_enum, default_value_t = Tongue::Both)]
    lang: Tongue,
}

/// A choice of languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tongue {
    /// English.
    En,
    /// Tiếng Việt.
    Vi,
    /// One after the other.
    Both,
}

impl Tongue {
    fn languages(self) -> &'static [Language] {
        match self {
            Self::En => &[Language::English],
            Self::Vi => &[Language::Vietnamese],
            Self::Both => &[Language::English, Language::Vietnamese],
        }
    }
}

/// Explains. 0: told, 1: there is no such order or the database does not answer, 2: wrong use, or
/// the name fits several orders.
pub async fn run(args: &Args) -> ExitCode {
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let db = match open(&loaded.config).await {
        Ok(db) => db,
        Err(error) => return fail("could not open the database", &error),
    };
    let told = tell(&db, &args.order, args.lang).await;
    db.close().await;
    match told {
        Ok(Told::Text(text)) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        Ok(Told::Nobody) => {
            complain("there is no such order");
            ExitCode::FAILURE
        }
        Ok(Told::Several(ids)) => {
            complain("several channels call an order so; name one of these:");
            for id in ids {
                complain(&format!("  {id}"));
            }
            ExitCode::from(super::WRONG_USE)
        }
        Err(error) => fail("could not explain the order", &error),
    }
}

/// What came of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// The explanation.
    Text(String),
    /// No order has that name.
    Nobody,
    /// Orders that all have it.
    Several(Vec<String>),
}

/// Explains the order of that id, code or external id.
///
/// # Errors
/// When the database refuses or a document is not readable.
pub async fn tell(db: &Db, name: &str, tongue: Tongue) -> Result<Told, Error> {
    let order = match find(db, name).await? {
        Found::One(order) => order,
        Found::Nobody => return Ok(Told::Nobody),
        Found::Several(ids) => return Ok(Told::Several(ids)),
    };
    let decisions = decisions(db, order.id().as_str()).await?;
    let texts: Vec<String> = tongue
        .languages()
        .iter()
        .map(|language| explain(&order, &decisions, *language))
        .collect();
    Ok(Told::Text(texts.join("\n")))
}

enum Found {
    One(Box<Order>),
    Nobody,
    Several(Vec<String>),
}

async fn find(db: &Db, name: &str) -> Result<Found, Error> {
    for key in [Key::Id(name), Key::Code(name)] {
        if let Some(stored) = orders::get(db, key).await? {
            return Ok(Found::One(Box::new(stored.order)));
        }
    }
    let mut ids = ledger::orders_called(db, name).await?;
    if ids.len() > 1 {
        return Ok(Found::Several(ids));
    }
    let Some(id) = ids.pop() else {
        return Ok(Found::Nobody);
    };
    Ok(match orders::get(db, Key::Id(&id)).await? {
        Some(stored) => Found::One(Box::new(stored.order)),
        None => Found::Nobody,
    })
}

async fn decisions(db: &Db, order_id: &str) -> Result<Vec<(Timestamp, Decision)>, Error> {
    let mut read = Vec::new();
    for row in orders::decisions(db, order_id).await? {
        let decision =
            serde_json::from_value(row.document()?).map_err(|source| Error::Document {
                what: "decision",
                source,
            })?;
        let at = Timestamp::from_millisecond(row.at).unwrap_or(Timestamp::UNIX_EPOCH);
        read.push((at, decision));
    }
    Ok(read)
}
