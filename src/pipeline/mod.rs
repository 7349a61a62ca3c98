//! The pipeline: receive → ingest → settle → deliver, with polling beside it. Between any two
//! transactions the process may die; each module says what happens then.

pub mod deliver;
pub mod envelope;
pub mod ingest;
pub mod keepers;
pub mod labels;
pub mod poll;
pub mod receive;
pub mod reconcile;
pub mod replay;
pub mod route;
pub mod settle;
pub mod timers;
pub mod tokens;
