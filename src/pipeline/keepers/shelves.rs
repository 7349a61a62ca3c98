//! Shelves: tells channels how many units of their articles are on sale.
//!
//! What moved in the stock's ledger is looked at within seconds, everything else (configuration,
//! catalog, what was missed) by a sweep now and then. A level is compared with what the channel was
//! last told, and a difference becomes a task; so a turn that is lost, or done twice, changes
//! nothing in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use connectors::channel::CallContext;
use connectors::feedback::{Stock, Try};
use domain::order::Catalog as _;
use domain::task::StockLevel;
use secrecy::SecretString;

use crate::bells::News as Bell;
use crate::catalog::Catalog;
use crate::config::{ChannelConfig, Shelf};
use crate::gateway::Gateway;
use crate::store::Error;
use crate::store::shelves::{self, News};
use crate::store::stock::Level;

/// Everything is compared so often, milliseconds.
const SWEEP_MS: i64 = 600_000;

/// Levels that may wait for one channel: news of orders must not stand behind a whole catalog.
const MOST_WAITING: i64 = 100;

/// Articles compared at once.
const BATCH: usize = 200;

/// Movements read in one turn.
const MOVEMENTS: i64 = 5_000;

/// On PostgreSQL a movement may become visible after a later one: so many numbers are read again.
const LATE: i64 = 500;

/// Publishes stock.
#[derive(Debug, Default)]
pub struct Keeper {
    /// The newest movement that was seen; `None` before the first sweep.
    newest: Option<i64>,
    /// Movements shortly before it that were seen.
    recent: BTreeSet<i64>,
    swept_at: i64,
    /// The catalog of the last sweep.
    catalog: Option<Arc<Catalog>>,
    /// Articles to compare, by channel.
    dirty: BTreeMap<String, BTreeSet<String>>,
}

impl super::Keeper for Keeper {
    const ROLE: &'static str = "shelves";
    const EVERY: Duration = Duration::from_secs(2);
    const LEASE_MS: i64 = 30_000;

    async fn turn(&mut self, gateway: &Gateway) -> Result<(), Error> {
        Self::turn(self, gateway).await
    }
}

/// A channel that is told what is on sale.
struct Shop<'a> {
    channel: &'a ChannelConfig,
    shelf: &'a Shelf,
    stock: &'a dyn Stock,
}

fn shops(gateway: &Gateway) -> Vec<Shop<'_>> {
    let channels = gateway.config.channels.iter().filter(|c| c.enabled);
    channels
        .filter_map(|channel| {
            Some(Shop {
                channel,
                shelf: channel.shelf.as_ref()?,
                stock: channel.channel.feedback()?.stock()?,
            })
        })
        .collect()
}

impl Keeper {
    /// Compares what may have changed and tells the differences.
    ///
    /// # Errors
    /// When the database refuses; what was not compared stays to be compared.
    pub async fn turn(&mut self, gateway: &Gateway) -> Result<(), Error> {
        let shops = shops(gateway);
        if shops.is_empty() {
            return Ok(());
        }
        let catalog = gateway.catalog.current();
        self.find_dirty(gateway, &shops, &catalog).await?;
        let mut told = 0;
        for shop in &shops {
            shelves::forget_outdated(&gateway.db, gateway.now_ms(), &shop.channel.id).await?;
            told += self.publish(gateway, shop, &catalog).await?;
        }
        if told > 0 {
            gateway.bells.ring(Bell::Outbox);
        }
        Ok(())
    }

    async fn find_dirty(
        &mut self,
        gateway: &Gateway,
        shops: &[Shop<'_>],
        catalog: &Arc<Catalog>,
    ) -> Result<(), Error> {
        let now = gateway.now_ms();
        let same = self
            .catalog
            .as_ref()
            .is_some_and(|swept| Arc::ptr_eq(swept, catalog));
        if same && now - self.swept_at < SWEEP_MS {
            let moved = self.moved(gateway).await?;
            if !moved.is_empty() {
                self.mark(shops, catalog, |skus| {
                    skus.iter().any(|sku| moved.contains(*sku))
                });
            }
            return Ok(());
        }
        // From before the comparison on: what moves during it is seen again.
        let newest = shelves::newest_movement(&gateway.db).await?;
        self.newest = Some(self.newest.map_or(newest, |seen| seen.max(newest)));
        self.mark(shops, catalog, |_| true);
        self.swept_at = now;
        self.catalog = Some(Arc::clone(catalog));
        Ok(())
    }

    /// SKUs with movements that were not seen yet.
    async fn moved(&mut self, gateway: &Gateway) -> Result<BTreeSet<String>, Error> {
        let newest = self.newest.unwrap_or(0);
        let mut moved = BTreeSet::new();
        for (seq, sku) in shelves::moved(&gateway.db, newest - LATE, MOVEMENTS).await? {
            if self.recent.insert(seq) {
                moved.insert(sku);
            }
            self.newest = self.newest.max(Some(seq));
        }
        let floor = self.newest.unwrap_or(0) - LATE;
        self.recent.retain(|seq| *seq > floor);
        Ok(moved)
    }

    fn mark(&mut self, shops: &[Shop<'_>], catalog: &Catalog, concerns: impl Fn(&[&str]) -> bool) {
        for shop in shops {
            let dirty = self.dirty.entry(shop.channel.id.clone()).or_default();
            for (article, sku) in catalog.articles(&shop.channel.id) {
                let parts = parts(catalog, sku);
                let skus: Vec<&str> = parts.iter().map(|(part, _)| *part).collect();
                if concerns(&skus) {
                    dirty.insert(article.to_owned());
                }
            }
        }
    }

    /// Compares the articles of one shop, as far as there is room for news on the way to it.
    async fn publish(
        &mut self,
        gateway: &Gateway,
        shop: &Shop<'_>,
        catalog: &Catalog,
    ) -> Result<usize, Error> {
        let id = &shop.channel.id;
        let mut told = 0;
        loop {
            let Some(dirty) = self.dirty.get(id).filter(|dirty| !dirty.is_empty()) else {
                return Ok(told);
            };
            let waiting = shelves::waiting(&gateway.db, id).await?;
            let room = usize::try_from(MOST_WAITING - waiting).unwrap_or(0);
            if room == 0 || gateway.shutdown.is_triggered() {
                return Ok(told);
            }
            let batch: Vec<String> = dirty.iter().take(room.min(BATCH)).cloned().collect();
            let news = compare(gateway, shop, catalog, &batch).await?;
            told += shelves::tell(&gateway.db, gateway.now_ms(), id, &news).await?;
            if let Some(dirty) = self.dirty.get_mut(id) {
                batch.iter().for_each(|article| {
                    dirty.remove(article);
                });
            }
        }
    }
}

/// What one unit of an article is made of: our SKUs and how many of each.
fn parts<'c>(catalog: &'c Catalog, sku: &'c str) -> Vec<(&'c str, i64)> {
    match catalog.product(sku) {
        Some(product) if !product.kit.is_empty() => product
            .kit
            .iter()
            .map(|(part, quantity)| (part.as_str(), i64::from(*quantity).max(1)))
            .collect(),
        Some(_) | None => vec![(sku, 1)],
    }
}

/// The levels of these articles that differ from what the channel was told.
async fn compare(
    gateway: &Gateway,
    shop: &Shop<'_>,
    catalog: &Catalog,
    articles: &[String],
) -> Result<Vec<News>, Error> {
    let mapped: Vec<(&str, &str)> = articles
        .iter()
        .filter_map(|article| {
            Some((
                article.as_str(),
                catalog.article(&shop.channel.id, article)?,
            ))
        })
        .collect();
    let skus: BTreeSet<String> = mapped
        .iter()
        .flat_map(|(_, sku)| parts(catalog, sku))
        .map(|(part, _)| part.to_owned())
        .collect();
    let skus: Vec<String> = skus.into_iter().collect();
    let levels = shelves::levels(&gateway.db, &skus).await?;
    let mut there: HashMap<(&str, &str), i64> = HashMap::with_capacity(levels.len());
    for level in levels
        .iter()
        .filter(|level| counts(gateway, shop.shelf, level))
    {
        there.insert(
            (level.location.as_str(), level.sku.as_str()),
            level.available(),
        );
    }
    let told: HashMap<String, shelves::Told> =
        shelves::told(&gateway.db, &shop.channel.id, articles)
            .await?
            .into_iter()
            .map(|told| (told.channel_sku.clone(), told))
            .collect();
    let mut news = Vec::new();
    for (article, sku) in mapped {
        let level = StockLevel {
            channel_sku: article.to_owned(),
            sku: sku.to_owned(),
            available: on_sale(gateway, shop.shelf, &there, &parts(catalog, sku)),
        };
        let before = told.get(article);
        let same = before.is_some_and(|told| told.available == level.available && told.sku == sku);
        if !same && can_be_told(gateway, shop, &level) {
            let seen = before.map_or(0, |told| told.sequence);
            news.push(News { level, seen });
        }
    }
    Ok(news)
}

/// Whether the stock of a place is on sale in this shop.
fn counts(gateway: &Gateway, shelf: &Shelf, level: &Level) -> bool {
    let listed = shelf.locations.is_empty() || shelf.locations.contains(&level.location);
    listed && gateway.locations.get(&level.location).is_some()
}

/// Units on sale: the sum of what each location can send, less what is held back. A kit is sent
/// from one location, so its parts must be there together.
fn on_sale(
    gateway: &Gateway,
    shelf: &Shelf,
    there: &HashMap<(&str, &str), i64>,
    parts: &[(&str, i64)],
) -> i64 {
    let at = |location: &str| {
        let units = parts
            .iter()
            .map(|(sku, quantity)| there.get(&(location, *sku)).copied().unwrap_or(0) / quantity);
        units.min().unwrap_or(0)
    };
    let sum = gateway
        .locations
        .iter()
        .fold(0_i64, |sum, location| sum.saturating_add(at(&location.id)));
    sum.saturating_sub(shelf.buffer).max(0)
}

/// Mappings also hold sellers' own SKUs, under which a vendor knows no stock: what the connector
/// cannot even write is not a task.
fn can_be_told(gateway: &Gateway, shop: &Shop<'_>, level: &StockLevel) -> bool {
    let token = SecretString::from("any");
    let attempt = Try {
        key: "any",
        got: &[],
        unknown: false,
    };
    let context = CallContext {
        now: gateway.clock.now(),
        access_token: Some(&token),
    };
    match shop.stock.request(level, attempt, context) {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(
                channel = shop.channel.id,
                article = level.channel_sku,
                reason = %error,
                "a mapping is no article whose stock can be set"
            );
            false
        }
    }
}
