//! Who calls the API: bearer tokens, their scopes, and how often each may call.
//!
//! One layer around all of `/api` does it, so that a route cannot forget it. What a route must
//! still say is which scope it needs: [`Caller::require`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::order::Order;
use governor::RateLimiter;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;

use super::problem::{Code, Problem};
use super::rate::{Monotonic, quota};
use crate::crypto::presented_token_hash;
use crate::gateway::Gateway;
pub use crate::store::tokens::Scope;
use crate::store::tokens::{self, Token};

/// A token that was found is believed for so long without asking again: a revocation takes effect
/// within this time, milliseconds.
const REMEMBER_MS: i64 = 5_000;

/// How often what is not used any more is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The caller of a request, authenticated. As an extractor it is there on every route of `/api`.
#[derive(Debug, Clone)]
pub struct Caller {
    token: Arc<Token>,
}

impl Caller {
    /// Whom the token stands for, as the audit log names them.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.token.actor
    }

    /// Whether the token has the scope, or `admin`.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        let scopes = &self.token.scopes;
        scopes.contains(&scope) || scopes.contains(&Scope::Admin)
    }

    /// Whether the token is neither revoked nor expired by now. When the database does not answer,
    /// nobody can say so.
    pub async fn is_still_valid(&self, gateway: &Gateway) -> bool {
        match tokens::by_id(&gateway.db, &self.token.id).await {
            Ok(token) => token.is_some_and(|token| token.is_valid(gateway.now_ms())),
            Err(error) => {
                tracing::warn!(error = %crate::telemetry::chain(&error), "could not look a token up again");
                false
            }
        }
    }

    /// Refuses callers without the scope.
    ///
    /// # Errors
    /// 403, naming the scope.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            Ok(())
        } else {
            Err(Problem::new(Code::Forbidden).detail(format!("it needs the scope `{scope}`")))
        }
    }

    /// The only location whose orders the token sees and acts on, if it is bound to one.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.token.location.as_deref()
    }

    /// Whether the token sees this order: a token that is bound to a location sees what has a
    /// fulfillment order there.
    #[must_use]
    pub fn sees(&self, order: &Order) -> bool {
        self.location()
            .is_none_or(|own| order.columns().locations.iter().any(|l| l == own))
    }

    /// Refuses tokens that are bound to a location, where something has no location.
    ///
    /// # Errors
    /// 403.
    pub fn require_unbound(&self) -> Result<(), Problem> {
        match self.location() {
            None => Ok(()),
            Some(location) => Err(Problem::new(Code::Forbidden).detail(format!(
                "the token is bound to the location `{location}` and cannot do this"
            ))),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::new(Code::Unauthenticated))
    }
}

type Limiter = RateLimiter<String, DashMapStateStore<String>, Monotonic, NoOpMiddleware<Nanos>>;

/// Tokens as last read, and how often each has called.
pub struct Auth {
    gateway: Arc<Gateway>,
    /// By hash: the token, and until when it is believed.
    known: Mutex<HashMap<String, (Arc<Token>, i64)>>,
    /// By id of the token. Only tokens that exist get a key, so that nobody can fill it.
    limiter: Limiter,
    clock: Monotonic,
}

impl Auth {
    /// Nobody has called yet.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>) -> Self {
        let quota = quota(gateway.config.limits.api);
        let clock = Monotonic(Arc::clone(&gateway.clock));
        Self {
            gateway,
            known: Mutex::default(),
            limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()),
            clock,
        }
    }

    /// Forgets what is not used any more, until shutdown.
    pub async fn upkeep(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.gateway.shutdown.triggered() => return,
                () = tokio::time::sleep(FORGET_EVERY) => {}
            }
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            let now = self.gateway.now_ms();
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|_, (_, until)| now < *until);
        }
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let refused = |why| Problem::new(Code::Unauthenticated).detail(why);
        let presented = headers
            .get(header::AUTHORIZATION)
            .ok_or_else(|| refused("send `Authorization: Bearer kenh_…`"))?;
        let hash = presented
            .to_str()
            .ok()
            .and_then(bearer)
            .and_then(presented_token_hash)
            .ok_or_else(|| refused("the Authorization header holds no token of this gateway"))?;
        let token = self
            .token(&hash)
            .await?
            .filter(|token| token.is_valid(self.gateway.now_ms()))
            .ok_or_else(|| refused("the token is not known, revoked or expired"))?;
        if let Err(until) = self.limiter.check_key(&token.id) {
            let wait = until.wait_time_from(self.clock.now());
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Err(Problem::new(Code::RateLimited)
                .detail("this token calls more often than [limits] api allows")
                .retry_after(seconds.max(1)));
        }
        Ok(Caller { token })
    }

    async fn token(&self, hash: &str) -> Result<Option<Arc<Token>>, Problem> {
        let now = self.gateway.now_ms();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((token, until)) = known.get(hash)
                && now < *until
            {
                return Ok(Some(Arc::clone(token)));
            }
        }
        let Some(token) = tokens::find(&self.gateway.db, hash).await? else {
            return Ok(None);
        };
        let token = Arc::new(token);
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(hash.to_owned(), (Arc::clone(&token), now + REMEMBER_MS));
        Ok(Some(token))
    }
}

/// The token of an `Authorization` header. The scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}

/// The layer around `/api`: lets nobody through who is not known.
pub async fn authenticate(
    State(auth): State<Arc<Auth>>,
    mut request: Request,
    next: Next,
) -> Response {
    match auth.authenticate(request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scopes: &[Scope]) -> Caller {
        Caller {
            token: Arc::new(Token {
                id: "tok_1".to_owned(),
                actor: "lan".to_owned(),
                scopes: scopes.iter().copied().collect(),
                location: None,
                created_at: 0,
                expires_at: None,
                revoked_at: None,
            }),
        }
    }

    #[test]
    fn the_scheme_may_be_written_in_any_case() {
        assert_eq!(bearer("Bearer kenh_x"), Some("kenh_x"));
        assert_eq!(bearer("bearer  kenh_x"), Some("kenh_x"));
        assert_eq!(bearer("Basic kenh_x"), None);
        assert_eq!(bearer("kenh_x"), None);
    }

    #[test]
    fn admin_may_do_everything_and_others_what_they_were_given() {
        let reader = caller(&[Scope::OrdersRead]);
        assert!(reader.require(Scope::OrdersRead).is_ok());
        assert!(reader.require(Scope::OrdersWrite).is_err());
        assert!(!reader.may(Scope::PiiRead));
        let admin = caller(&[Scope::Admin]);
        assert!(Scope::ALL.into_iter().all(|scope| admin.may(scope)));
    }
}
