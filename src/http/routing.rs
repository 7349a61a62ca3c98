//! `/api/v1/routing`: the rules in force, what was published before, and the check of a draft.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::routing::RuleSet;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::extract::Raw;
use super::problem::{Code, Problem};
use crate::config;
use crate::gateway::Gateway;
use crate::store::rules::{self, Published};

/// Published versions that are listed.
const HISTORY: i64 = 100;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(check))
}

/// A published version of the rules.
#[derive(Debug, Serialize, ToSchema)]
struct RulesVersion {
    /// Start of the hash of its content.
    version: String,
    /// Who published it.
    author: String,
    /// In force from this moment, unless a later one is.
    #[schema(value_type = String, format = DateTime)]
    active_from: Timestamp,
    /// When it was published.
    #[schema(value_type = String, format = DateTime)]
    published_at: Timestamp,
}

impl From<&Published> for RulesVersion {
    fn from(row: &Published) -> Self {
        Self {
            version: row.version.clone(),
            author: row.author.clone(),
            active_from: time(row.active_from),
            published_at: time(row.created_at),
        }
    }
}

/// The rules in force.
#[derive(Debug, Serialize, ToSchema)]
struct Rules {
    /// The version that this process decides by.
    version: String,
    /// Who published it; null if it came with the configuration and was never published.
    author: Option<String>,
    /// In force from this moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    active_from: Option<Timestamp>,
    /// Names of the rules in the order in which they are asked, the default last.
    rules: Vec<String>,
    /// Tests in the file.
    tests: usize,
    /// The file's text.
    text: Option<String>,
    /// What was published, newest first, 100 at most; it may hold versions of the future.
    history: Vec<RulesVersion>,
}

/// The rules in force and what was published before
#[utoipa::path(
    get, path = "/routing", tag = "routing", operation_id = "show_routing",
    responses((status = 200, description = "The rules", body = Rules)),
    security(("token" = ["routing:read"])),
)]
async fn show(State(gateway): State<Arc<Gateway>>, caller: Caller) -> Result<Json<Rules>, Problem> {
    caller.require(Scope::RoutingRead)?;
    let history = rules::history(&gateway.db, HISTORY).await?;
    let in_force = rules::in_force(&gateway.db, gateway.now_ms()).await?;
    let rules = gateway.rules.load();
    // A version that was published a moment ago may be in the database, but not here yet.
    let published = in_force
        .iter()
        .chain(&history)
        .find(|row| row.version == rules.version());
    Ok(Json(Rules {
        version: rules.version().to_owned(),
        author: published.map(|row| row.author.clone()),
        active_from: published.map(|row| time(row.active_from)),
        rules: names(&rules),
        tests: rules.test_count(),
        text: published.map(|row| row.body.clone()),
        history: history.iter().map(RulesVersion::from).collect(),
    }))
}

fn names(rules: &RuleSet) -> Vec<String> {
    rules.rules().iter().map(|rule| rule.name.clone()).collect()
}

/// A mistake in a draft.
#[derive(Debug, Serialize, ToSchema)]
struct DraftProblem {
    /// Line, from 1.
    line: usize,
    /// Column in characters, from 1.
    column: usize,
    /// `error` or `warning`.
    severity: &'static str,
    /// What is wrong.
    message: String,
    /// What may have been meant.
    suggestion: Option<String>,
}

impl From<config::Problem> for DraftProblem {
    fn from(problem: config::Problem) -> Self {
        Self {
            line: problem.line,
            column: problem.column,
            severity: if problem.is_warning() {
                "warning"
            } else {
                "error"
            },
            message: problem.message,
            suggestion: problem.suggestion,
        }
    }
}

/// What the check of a draft found.
#[derive(Debug, Serialize, ToSchema)]
struct Checked {
    /// It could be published: no mistakes, and all its tests hold.
    valid: bool,
    /// Its version, if it can be read.
    version: Option<String>,
    /// Names of its rules, the default last.
    rules: Vec<String>,
    /// Tests in it.
    tests: usize,
    /// Its mistakes, and its tests that do not hold.
    problems: Vec<DraftProblem>,
}

/// Checks a draft of the rules; nothing is published
#[utoipa::path(
    post, path = "/routing/check", tag = "routing", operation_id = "check_routing",
    request_body(content = String, description = "The text of a routing.toml", content_type = "application/toml"),
    responses((status = 200, description = "What was found", body = Checked)),
    security(("token" = ["routing:read"])),
)]
async fn check(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Raw(body): Raw,
) -> Result<Json<Checked>, Problem> {
    caller.require(Scope::RoutingRead)?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| Problem::new(Code::BadRequest).detail("the body is not UTF-8"))?
        .to_owned();
    // A large draft takes longer to read than a worker may be kept from other requests.
    tokio::task::spawn_blocking(move || judge(&gateway, &text))
        .await
        .map(Json)
        .map_err(|_| Problem::new(Code::Internal))
}

fn judge(gateway: &Gateway, text: &str) -> Checked {
    match gateway.rulebook.read(text) {
        Err(problems) => Checked {
            valid: false,
            version: None,
            rules: Vec::new(),
            tests: 0,
            problems: problems.into_iter().map(DraftProblem::from).collect(),
        },
        Ok(rules) => Checked {
            valid: true,
            version: Some(rules.version().to_owned()),
            rules: names(&rules),
            tests: rules.test_count(),
            problems: Vec::new(),
        },
    }
}
