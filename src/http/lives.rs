//! `GET /api/v1/lives`, `PUT /api/v1/lives/{id}`: live sales and the codes that viewers write.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use domain::live::{Article, Sale};
use domain::money::Amount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::time;
use super::auth::{Caller, Scope};
use super::extract;
use super::problem::{Code, Problem};
use crate::gateway::Gateway;
use crate::store::Error;
use crate::store::lives::{self, Stored};

/// Live sales that a list shows.
const SHOWN: i64 = 200;

/// Codes of one live sale at most.
const MOST_CODES: usize = 500;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(live, put))
}

/// An article of a live sale.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ArticleBody {
    /// Our SKU; must be in the catalog.
    sku: String,
    /// As viewers know it.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What can be chosen: `đen`, `đen, 128gb`.
    #[serde(default)]
    variants: Vec<String>,
    /// Price of one unit in this sale, whole đồng, tax included.
    #[schema(minimum = 0)]
    price: i64,
}

/// A live sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LiveRequest {
    /// Id of the channel.
    channel: String,
    /// The channel's id of the post or video (`{page}_{post}` at Facebook).
    #[schema(min_length = 1, max_length = 200)]
    post: String,
    /// What staff call it.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Articles by the code that viewers write, such as `A12`.
    articles: BTreeMap<String, ArticleBody>,
    /// The code that is shown now.
    pinned: Option<String>,
    /// Units of one article that a comment may order without a second look; usually 10.
    #[schema(minimum = 1, maximum = 1000)]
    quantity_limit: Option<u32>,
    /// What to ask in private, once, whoever orders without telling a phone. Left out, nobody is
    /// asked by itself.
    #[schema(min_length = 1, max_length = 1000)]
    ask_phone: Option<String>,
    /// Comments after this are no orders any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// A live sale as it is stored.
#[derive(Debug, Serialize, ToSchema)]
struct Live {
    /// Its id.
    id: String,
    /// Id of the channel.
    channel: String,
    /// The channel's id of the post or video.
    post: String,
    /// What staff call it.
    title: String,
    /// Articles by code.
    articles: BTreeMap<String, ArticleBody>,
    /// The code that is shown now.
    pinned: Option<String>,
    /// Units of one article that need no second look.
    quantity_limit: u32,
    /// What is asked in private, once, whoever orders without telling a phone.
    ask_phone: Option<String>,
    /// Comments after this are no orders any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// Rises with every change.
    version: i64,
    /// Last change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Stored> for Live {
    fn from(stored: Stored) -> Self {
        let sale = stored.sale;
        let articles = sale.articles.into_iter().map(|(code, article)| {
            let body = ArticleBody {
                sku: article.sku,
                name: article.name,
                variants: article.variants,
                price: article.price.minor_units(),
            };
            (code, body)
        });
        Self {
            id: stored.id,
            channel: sale.channel,
            post: sale.post,
            title: sale.title,
            articles: articles.collect(),
            pinned: sale.pinned,
            quantity_limit: sale.quantity_limit,
            ask_phone: sale.ask_phone,
            ended_at: sale.ended_at,
            version: stored.version,
            updated_at: time(stored.updated_at),
        }
    }
}

/// The latest live sales.
#[derive(Debug, Serialize, ToSchema)]
struct Lives {
    /// At most 200, the latest change first.
    data: Vec<Live>,
}

fn require(caller: &Caller) -> Result<(), Problem> {
    caller.require_unbound()?;
    caller.require(Scope::ConversationsWrite)
}

/// Live sales
#[utoipa::path(
    get, path = "/lives", tag = "conversations", operation_id = "list_lives",
    responses((status = 200, description = "The latest", body = Lives)),
    security(("token" = ["conversations:write"])),
)]
async fn list(State(gateway): State<Arc<Gateway>>, caller: Caller) -> Result<Json<Lives>, Problem> {
    require(&caller)?;
    let rows = lives::list(&gateway.db, SHOWN).await?;
    Ok(Json(Lives {
        data: rows.into_iter().map(Live::from).collect(),
    }))
}

/// One live sale
#[utoipa::path(
    get, path = "/lives/{id}", tag = "conversations", operation_id = "get_live",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The live sale", body = Live),
        (status = 404, description = "No such live sale"),
    ),
    security(("token" = ["conversations:write"])),
)]
async fn live(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Live>, Problem> {
    require(&caller)?;
    shown(&gateway, &id).await
}

async fn shown(gateway: &Gateway, id: &str) -> Result<Json<Live>, Problem> {
    let stored = lives::get(&gateway.db, id).await?;
    let stored = stored
        .ok_or_else(|| Problem::new(Code::NotFound).detail("there is no live sale of this id"))?;
    Ok(Json(stored.into()))
}

/// Set up or change a live sale
///
/// Comments under the post are then read with this code list; those that came before are read
/// again when their writer comments again. With `If-Match`, nothing happens unless the live sale
/// still has that version.
#[utoipa::path(
    put, path = "/lives/{id}", tag = "conversations", operation_id = "put_live",
    params(
        ("id" = String, Path, description = "1 to 64 of a-z, 0-9 and -"),
        ("If-Match" = Option<String>, Header, description = "Version of the live sale"),
    ),
    request_body = LiveRequest,
    responses(
        (status = 200, description = "The live sale as it is now", body = Live),
        (status = 409, description = "It has another version, or another live sale has the post"),
    ),
    security(("token" = ["conversations:write"])),
)]
async fn put(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    extract::Json(request): extract::Json<LiveRequest>,
) -> Result<Json<Live>, Problem> {
    require(&caller)?;
    let expected = extract::if_match(&headers)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(allowed) {
        return Err(Problem::invalid("id", "must be 1 to 64 of a-z, 0-9 and -"));
    }
    let sale = sale(&gateway, request)?;
    let now = gateway.now_ms();
    match lives::put(&gateway.db, &id, &sale, expected, caller.actor(), now).await {
        Ok(_) => shown(&gateway, &id).await,
        Err(Error::Conflict { what }) => {
            Err(Problem::new(Code::VersionConflict).detail(format!("somebody else changed {what}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The request as a sale; a mistake names its field.
fn sale(gateway: &Gateway, request: LiveRequest) -> Result<Sale, Problem> {
    let filled = |field: &str, text: String| {
        let text = text.trim().to_owned();
        if text.is_empty() || text.chars().count() > 200 {
            return Err(Problem::invalid(field, "must have 1 to 200 characters"));
        }
        Ok(text)
    };
    if gateway.config.channel(&request.channel).is_none() {
        return Err(Problem::invalid("channel", "is not a channel"));
    }
    if request.articles.is_empty() || request.articles.len() > MOST_CODES {
        return Err(Problem::invalid("articles", "must have 1 to 500 codes"));
    }
    let catalog = gateway.catalog.current();
    let mut articles = BTreeMap::new();
    for (code, body) in request.articles {
        let field = |name: &str| format!("articles.{code}.{name}");
        if code.trim() != code || code.is_empty() || code.chars().count() > 20 {
            let field = format!("articles.{code}");
            return Err(Problem::invalid(&field, "a code has 1 to 20 characters"));
        }
        if domain::order::Catalog::product(&*catalog, &body.sku).is_none() {
            return Err(Problem::invalid(field("sku"), "is not in the catalog"));
        }
        if body.price < 0 {
            return Err(Problem::invalid(field("price"), "must be 0 or more"));
        }
        let article = Article {
            sku: body.sku,
            name: filled(&field("name"), body.name)?,
            variants: body.variants,
            price: Amount(body.price),
        };
        articles.insert(code, article);
    }
    if let Some(pinned) = &request.pinned
        && !articles.contains_key(pinned)
    {
        return Err(Problem::invalid("pinned", "is not a code of `articles`"));
    }
    let quantity_limit = request.quantity_limit.unwrap_or(10);
    if !(1..=1000).contains(&quantity_limit) {
        return Err(Problem::invalid("quantity_limit", "must be 1 to 1000"));
    }
    let ask_phone = request.ask_phone.map(|text| text.trim().to_owned());
    if let Some(text) = &ask_phone {
        let longest = gateway
            .config
            .channel(&request.channel)
            .and_then(|channel| channel.channel.messages())
            .map_or(0, |messages| messages.longest().min(1000));
        if longest == 0 {
            return Err(Problem::invalid(
                "ask_phone",
                "this channel cannot write to anybody",
            ));
        }
        if text.is_empty() || text.chars().count() > longest {
            let words = format!("must have 1 to {longest} characters");
            return Err(Problem::invalid("ask_phone", words));
        }
    }
    Ok(Sale {
        channel: request.channel,
        post: filled("post", request.post)?,
        title: filled("title", request.title)?,
        articles,
        pinned: request.pinned,
        quantity_limit,
        ask_phone,
        ended_at: request.ended_at,
    })
}
