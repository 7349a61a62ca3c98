//! The demo's world: partners, configuration with its overlay, database, gateway and catalog.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use connectors::channel::TokenPair;
use sandbox::{Kind, Sandbox, TargetSpec};
use secrecy::SecretString;

use super::{Args, Error};
use crate::app::{self, Parts, Role, Running};
use crate::clock::{Clock, Ids, SystemClock, SystemIds};
use crate::config::{self, Catalog, Loaded, Overlay, TargetKind};
use crate::crypto::{ApiToken, KeyRing};
use crate::pipeline::tokens;
use crate::store::{Db, accounts, tokens as api_tokens};

/// Everything that runs.
pub struct World {
    /// The partners.
    pub sandbox: Sandbox,
    /// The gateway.
    pub running: Running,
    /// Bearer token of the staff's API.
    pub token: String,
    /// What is on sale.
    pub products: Vec<sandbox::Product>,
    overlay: Overlay,
    folder: Option<PathBuf>,
    schema: Option<(String, String)>,
}

/// The partners, and the configuration that points to them.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    pub(super) overlay: Overlay,
    pub(super) folder: Option<PathBuf>,
}

impl Stage {
    /// Starts the partners.
    pub(super) async fn set(args: &Args) -> Result<Self, Error> {
        // The targets are named in the files, and the partners must be there before the files can
        // be read with their addresses: a first look with made-up secrets names them.
        let draft = load(
            args,
            &Overlay {
                secrets: invented(&args.config),
                internal: true,
                ..Overlay::default()
            },
        )?;
        let sandbox = Sandbox::start(sandbox::Options {
            seed: args.seed,
            faults: args.faults,
            targets: draft
                .config
                .targets
                .iter()
                .map(|target| TargetSpec {
                    id: target.id.clone(),
                    kind: match target.kind {
                        TargetKind::Invoicing => Kind::Invoicing,
                        TargetKind::ServiceCenter => Kind::ServiceCenter,
                        TargetKind::Inventory | TargetKind::Carrier | TargetKind::Notify => {
                            Kind::Inventory
                        }
                    },
                })
                .collect(),
            ..sandbox::Options::default()
        })
        .await?;
        let folder = match args.database {
            None => Some(temporary_folder().map_err(Error::Folder)?),
            Some(_) => None,
        };
        let overlay = overlay(args, &sandbox, &draft, folder.as_ref())?;
        Ok(Self {
            sandbox,
            overlay,
            folder,
        })
    }
}

/// Puts into a migrated database what staff would: an API token, channel tokens, catalog, stock.
/// The API token.
pub(super) async fn furnish(
    db: &Db,
    loaded: &Loaded,
    sandbox: &Sandbox,
    clock: &SystemClock,
) -> Result<String, Error> {
    let keys = KeyRing::new(&loaded.config.security.keys).map_err(app::Error::Keys)?;
    let token = ApiToken::generate();
    let now = clock.now_ms();
    api_tokens::create(
        db,
        &api_tokens::NewToken {
            hash: token.hash(),
            actor: "demo".to_owned(),
            scopes: vec!["admin".to_owned()],
            location: None,
            created_at: now,
            expires_at: None,
            id: domain::id::TokenId::from_uuid(SystemIds::new().next(now)).to_string(),
        },
    )
    .await?;
    import_tokens(db, &loaded.config, &keys, sandbox, clock).await?;
    crate::import::catalog(db, &loaded.catalog, &loaded.locations, now).await?;
    Ok(token.expose().to_owned())
}

impl World {
    /// Starts everything.
    ///
    /// # Errors
    /// What did not start.
    pub async fn start(args: &Args) -> Result<Self, Error> {
        let Stage {
            sandbox,
            overlay,
            folder,
        } = Stage::set(args).await?;
        let loaded = load(args, &overlay)?;
        let clock = SystemClock::new();
        let (db, schema) = open(args, folder.as_ref(), clock.now_ms()).await?;
        db.migrate().await?;
        let products = on_sale(&loaded.catalog);
        let token = furnish(&db, &loaded, &sandbox, &clock).await?;
        let assembled = app::assemble(Parts {
            loaded,
            db,
            clock: SystemClock::shared(),
            ids: SystemIds::shared(),
            rules_dir: None,
        })
        .await?;
        let running = assembled.start(&Role::all()).await?;
        sandbox.set_door(&format!("http://{}", running.address));
        Ok(Self {
            products,
            token,
            sandbox,
            running,
            overlay,
            folder,
            schema,
        })
    }

    /// What runs and what was replaced, for people.
    #[must_use]
    pub fn introduction(&self) -> String {
        format!(
            "The gateway listens on http://{}\nThe configuration is the shipped one, except for:\n{}",
            self.running.address,
            indent(&self.overlay.describe())
        )
    }

    /// How to go on looking around.
    #[must_use]
    pub fn invitation(&self) -> String {
        let door = format!("http://{}", self.running.address);
        format!(
            "The gateway stays up. Its API wants this token:\n  {token}\nTry\n  \
             curl -H 'Authorization: Bearer {token}' '{door}/api/v1/orders?limit=3'\n  \
             open {door}/docs\nCtrl-C ends the demo.",
            token = self.token,
        )
    }

    /// Stops everything and removes what the demo made.
    ///
    /// # Errors
    /// When the schema or the folder cannot be removed.
    pub async fn stop(self) -> Result<(), Error> {
        self.running.stop().await;
        self.sandbox.shutdown().await;
        if let Some((url, schema)) = &self.schema {
            Db::drop_schema(url, schema).await?;
        }
        if let Some(folder) = &self.folder {
            std::fs::remove_dir_all(folder).map_err(Error::Folder)?;
        }
        Ok(())
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

pub(super) fn load(args: &Args, overlay: &Overlay) -> Result<Loaded, Error> {
    config::load(&args.config, &|_| None, Some(overlay))
        .map_err(|problems| Error::Config(config::render(&problems)))
}

/// A value for every variable that the files name, long enough for any use.
fn invented(dir: &std::path::Path) -> BTreeMap<String, String> {
    config::variables(dir)
        .into_iter()
        .map(|name| {
            let value = if name.starts_with("KENH_KEY") {
                "0123456789abcdef0123456789abcdef".repeat(2)
            } else {
                "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()
            };
            (name, value)
        })
        .collect()
}

fn overlay(
    args: &Args,
    sandbox: &Sandbox,
    draft: &Loaded,
    folder: Option<&PathBuf>,
) -> Result<Overlay, Error> {
    let at = sandbox.addresses();
    let mut addresses: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut set = |id: &str, setting: &str, partner: &str| {
        if let Some(address) = at.get(partner) {
            addresses
                .entry(id.to_owned())
                .or_default()
                .insert(setting.to_owned(), address.clone());
        }
    };
    for channel in &draft.config.channels {
        match channel.connector.as_str() {
            "shopee" => set(&channel.id, "base_url", "shopee"),
            "woocommerce" => set(&channel.id, "base_url", "woocommerce"),
            "facebook" => set(&channel.id, "base_url", "facebook"),
            "zalo" => {
                set(&channel.id, "base_url", "zalo");
                set(&channel.id, "template_url", "zalo");
                set(&channel.id, "oauth_url", "zalo_oauth");
            }
            "lazada" => {
                set(&channel.id, "base_url", "lazada");
                set(&channel.id, "auth_url", "lazada_auth");
            }
            "tiktok_shop" => {
                set(&channel.id, "base_url", "tiktok");
                set(&channel.id, "auth_url", "tiktok_auth");
            }
            "haravan" => {
                set(&channel.id, "base_url", "haravan");
                set(&channel.id, "webhook_url", "haravan");
            }
            "website" => set(&channel.id, "callback_url", "website"),
            // The others have one address, and the partner is called like the connector.
            connector => set(&channel.id, "base_url", connector),
        }
    }
    for target in &draft.config.targets {
        set(&target.id, "url", &target.id);
    }
    let mut secrets = invented(&args.config);
    secrets.extend(sandbox.environment());
    // The demo's key lives as long as its database.
    for (name, value) in &mut secrets {
        if name.starts_with("KENH_KEY") {
            *value = crate::crypto::sha256_hex(ApiToken::generate().expose().as_bytes());
        }
    }
    Ok(Overlay {
        listen: Some(free_address()?),
        database_url: Some(match (&args.database, folder) {
            (Some(url), _) => url.clone(),
            (None, Some(folder)) => sqlite_url(folder),
            (None, None) => "sqlite://kenh.db".to_owned(),
        }),
        addresses,
        secrets,
        internal: true,
        ..super::chaos::calls()
    })
}

/// A port that is free now.
fn free_address() -> Result<SocketAddr, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(Error::Folder)
}

fn temporary_folder() -> std::io::Result<PathBuf> {
    let name = format!("kenh-demo-{}", ApiToken::generate().hash().split_at(16).0);
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn sqlite_url(folder: &std::path::Path) -> String {
    format!("sqlite://{}", folder.join("kenh.db").display())
}

pub(super) async fn open(
    args: &Args,
    folder: Option<&PathBuf>,
    now_ms: i64,
) -> Result<(Db, Option<(String, String)>), Error> {
    match (&args.database, folder) {
        (Some(url), _) if url.starts_with("postgres") => {
            let schema = format!("kenh_demo_{now_ms}_{}", std::process::id());
            let db = Db::open_in_schema(url, &schema, 12).await?;
            Ok((db, Some((url.clone(), schema))))
        }
        (Some(url), _) => Ok((Db::open(url, 8).await?, None)),
        (None, Some(folder)) => Ok((Db::open(&sqlite_url(folder), 8).await?, None)),
        (None, None) => Ok((Db::open("sqlite://kenh.db", 8).await?, None)),
    }
}

async fn import_tokens(
    db: &Db,
    config: &config::Config,
    keys: &KeyRing,
    sandbox: &Sandbox,
    clock: &SystemClock,
) -> Result<(), Error> {
    let secrets = sandbox.secrets();
    for channel in &config.channels {
        let pair = match channel.connector.as_str() {
            "shopee" => &secrets.shopee_tokens,
            "zalo" => &secrets.zalo_tokens,
            "lazada" => &secrets.lazada_tokens,
            "tiki" => &secrets.tiki_tokens,
            "tiktok_shop" => &secrets.tiktok_tokens,
            _ => continue,
        };
        import_pair(db, keys, &channel.id, pair, clock).await?;
    }
    Ok(())
}

/// Puts in a pair that a partner has granted.
pub(super) async fn import_pair(
    db: &Db,
    keys: &KeyRing,
    channel: &str,
    granted: &sandbox::TokenPair,
    clock: &SystemClock,
) -> Result<(), Error> {
    let pair = TokenPair {
        access: SecretString::from(granted.access.clone()),
        refresh: Some(SecretString::from(granted.refresh.clone())),
        access_expires_at: clock.now()
            + jiff::SignedDuration::from_secs(i64::from(granted.expires_in_s)),
        refresh_expires_at: None,
    };
    let sealed = tokens::seal_pair(keys, channel, &pair);
    accounts::import(db, channel, clock.now_ms(), &sealed).await?;
    Ok(())
}

pub(super) fn on_sale(catalog: &Catalog) -> Vec<sandbox::Product> {
    catalog
        .products
        .iter()
        .filter_map(|product| {
            Some(sandbox::Product {
                sku: product.sku.clone(),
                name: product.name.clone(),
                price: product.price?,
                category: product.category.clone(),
                serial_tracked: product.serial_tracked,
                installable: product.installation,
                components: product
                    .components
                    .iter()
                    .map(|part| sandbox::Component {
                        sku: part.sku.clone(),
                        quantity: i64::from(part.quantity),
                    })
                    .collect(),
            })
        })
        .collect()
}
