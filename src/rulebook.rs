//! Rules in force: the database holds them, the file is a draft.
//!
//! Every replica takes the newest published rule set whose time has come, so all of them use the
//! same version from the same moment. On a node that watches a rules file, a valid change is
//! published by itself; a bad one leaves the rules in force and turns `kenh_rules_valid` off.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use domain::routing::RuleSet;

use crate::app;
use crate::config::Known;
use crate::config::watch::Watcher;
use crate::config::{self, Problem};
use crate::store::rules::{self, Published};
use crate::store::{Db, Error};

/// Knows what rules may name, and the file that is watched.
#[derive(Debug)]
pub struct Rulebook {
    known: Known,
    dir: Option<PathBuf>,
    watcher: Option<Mutex<Watcher>>,
}

/// What a look at the file found.
#[derive(Debug)]
pub enum Looked {
    /// Nothing new.
    Same,
    /// A valid draft was published.
    Published(String),
    /// A draft with mistakes; the rules in force stay.
    Bad(Vec<Problem>),
}

impl Rulebook {
    /// For a configuration folder; `dir` is watched if given.
    #[must_use]
    pub fn new(known: Known, dir: Option<PathBuf>) -> Self {
        let watcher = dir
            .as_ref()
            .map(|dir| Mutex::new(Watcher::new(dir, known.clone())));
        Self {
            known,
            dir,
            watcher,
        }
    }

    /// Reads a draft against the names of this configuration.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn read(&self, text: &str) -> Result<RuleSet, Vec<Problem>> {
        self.known.read(text)
    }

    /// The rules to start with: those in force in the database, or the file's, which are then
    /// published. A file that was never published before is published too.
    ///
    /// # Errors
    /// When the database refuses, or its rules do not fit the configuration.
    pub async fn start(&self, db: &Db, file: RuleSet, now: i64) -> Result<RuleSet, app::Error> {
        let history = rules::history(db, 1_000).await?;
        let is_new = !history.iter().any(|p| p.version == file.version());
        if is_new && let Some(text) = self.file_text() {
            let author = file.author().unwrap_or("file").to_owned();
            let from = file.active_from().map_or(now, |t| t.as_millisecond());
            rules::publish(db, file.version(), &author, from, now, &text).await?;
        }
        match rules::in_force(db, now).await? {
            Some(published) => self
                .read(&published.body)
                .map_err(|problems| app::Error::Rules(config::render(&problems))),
            None => Ok(file),
        }
    }

    fn file_text(&self) -> Option<String> {
        let path = self.dir.as_ref()?.join("routing.toml");
        std::fs::read_to_string(path).ok()
    }

    /// Looks at the file once, and publishes a valid change.
    ///
    /// # Errors
    /// When the database refuses; the change is then seen again at the next start only, so it is
    /// logged as an error by the caller.
    pub async fn look(&self, db: &Db, now: i64) -> Result<Looked, Error> {
        let Some(watcher) = &self.watcher else {
            return Ok(Looked::Same);
        };
        let found = watcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .poll();
        match found {
            None => Ok(Looked::Same),
            Some(Err(problems)) => Ok(Looked::Bad(problems)),
            Some(Ok(draft)) => {
                let Some(text) = self.file_text() else {
                    return Ok(Looked::Same);
                };
                let author = draft.author().unwrap_or("file").to_owned();
                let from = draft.active_from().map_or(now, |t| t.as_millisecond());
                rules::publish(db, draft.version(), &author, from, now, &text).await?;
                Ok(Looked::Published(draft.version().to_owned()))
            }
        }
    }

    /// The published rules in force, if they are not `version`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn newer(
        &self,
        db: &Db,
        version: &str,
        now: i64,
    ) -> Result<Option<(Published, Result<RuleSet, Vec<Problem>>)>, Error> {
        let Some(published) = rules::in_force(db, now).await? else {
            return Ok(None);
        };
        if published.version == version {
            return Ok(None);
        }
        let read = self.read(&published.body);
        Ok(Some((published, read)))
    }
}
