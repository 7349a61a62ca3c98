//! Named points at which a test can make the process die, as a power loss would.
//!
//! `KENH_CRASH_AT=receive.after_commit` aborts at the first pass, `…:3` at the third. Only
//! builds with debug assertions know these points; a release build has none.

#[cfg(debug_assertions)]
use std::sync::OnceLock;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(debug_assertions)]
struct Wanted {
    point: String,
    pass: u64,
    passed: AtomicU64,
}

#[cfg(debug_assertions)]
fn wanted() -> Option<&'static Wanted> {
    static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
    WANTED
        .get_or_init(|| {
            let value = std::env::var("KENH_CRASH_AT").ok()?;
            let (point, pass) = match value.split_once(':') {
                Some((point, pass)) => (point.to_owned(), pass.parse().ok()?),
                None => (value, 1),
            };
            Some(Wanted {
                point,
                pass,
                passed: AtomicU64::new(0),
            })
        })
        .as_ref()
}

/// Dies here if a test asked for it.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    if let Some(wanted) = wanted()
        && wanted.point == name
        && wanted.passed.fetch_add(1, Ordering::SeqCst) + 1 == wanted.pass
    {
        std::process::abort();
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) {}
