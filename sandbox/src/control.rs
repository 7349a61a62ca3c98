//! The sandbox's own door, for scripts that drive it as a separate process.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::{
    audit::{self, OrderLink},
    partners::{Call, Reply},
    storefront::{self, Scenario},
    world::{World, held},
};

#[derive(Deserialize)]
struct Door {
    url: String,
}

/// | call | answer |
/// |---|---|
/// | `GET /books` | the books |
/// | `GET /quiet` | `{quiet, pending}` |
/// | `POST /audit` with links | `{discrepancies}` |
/// | `POST /door` `{url}` | 204 |
/// | `POST /run` with a scenario | its report, when it is over |
/// | `POST /lazada/authorize`, `/shopee/authorize`, `/tiktok/authorize`, `/zalo/authorize` | a new token pair |
pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/books") => Reply::json(200, json!(held(&world.ledger).picture())),
        ("GET", "/quiet") => {
            let pending = world.pending();
            Reply::json(200, json!({"quiet": pending == 0, "pending": pending}))
        }
        ("POST", "/audit") => match serde_json::from_slice::<Vec<OrderLink>>(&call.body) {
            Ok(links) => {
                let discrepancies = audit::audit(&held(&world.ledger), &links);
                Reply::json(200, json!({ "discrepancies": discrepancies }))
            }
            Err(error) => unreadable(&error),
        },
        ("POST", "/door") => match serde_json::from_slice::<Door>(&call.body) {
            Ok(door) => {
                world.set_door(&door.url);
                Reply::empty(204)
            }
            Err(error) => unreadable(&error),
        },
        ("POST", "/run") => match serde_json::from_slice::<Scenario>(&call.body) {
            Ok(scenario) => match storefront::run(Arc::clone(world), scenario).await {
                Ok(report) => Reply::json(200, json!(report)),
                Err(error) => Reply::json(422, json!({"message": error.to_string()})),
            },
            Err(error) => unreadable(&error),
        },
        ("POST", "/lazada/authorize") => {
            Reply::json(200, json!(held(&world.lazada).grant(world.options.seed)))
        }
        ("POST", "/shopee/authorize") => {
            Reply::json(200, json!(held(&world.shopee).grant(world.options.seed)))
        }
        ("POST", "/tiktok/authorize") => {
            Reply::json(200, json!(held(&world.tiktok).grant(world.options.seed)))
        }
        ("POST", "/zalo/authorize") => {
            Reply::json(200, json!(held(&world.zalo).grant(world.options.seed)))
        }
        _ => Reply::json(404, json!({"message": "no such control"})),
    }
}

fn unreadable(error: &serde_json::Error) -> Reply {
    Reply::json(400, json!({"message": error.to_string()}))
}
