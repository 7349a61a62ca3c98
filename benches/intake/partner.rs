//! The systems behind the gateway: one loopback address, on a thread of its own, that accepts
//! everything at once. What is measured is the gateway, not its partners.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Error;

/// A partner that says yes.
#[derive(Debug)]
pub struct Partner {
    /// Where it listens.
    pub address: SocketAddr,
    reservations: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Partner {
    /// Starts it.
    pub fn start() -> Result<Self, Error> {
        let reservations = Arc::<AtomicUsize>::default();
        let stop = CancellationToken::new();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .fallback(accept)
            .with_state(Arc::clone(&reservations));
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name("partner".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async move {
                    let listener = TcpListener::from_std(listener)?.tap_io(|stream| {
                        // Without it an answer may wait for the other side's acknowledgement.
                        drop(stream.set_nodelay(true));
                    });
                    tokio::select! {
                        served = async { axum::serve(listener, router).await } => served,
                        () = stopped.cancelled() => Ok(()),
                    }
                })
            })?;
        Ok(Self {
            address,
            reservations,
            stop,
        })
    }

    /// Reservations asked for so far.
    pub fn reservations(&self) -> usize {
        self.reservations.load(Ordering::Relaxed)
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(
    State(reservations): State<Arc<AtomicUsize>>,
    request: Request,
) -> impl IntoResponse {
    if request.uri().path().ends_with("/reservations") {
        reservations.fetch_add(1, Ordering::Relaxed);
    }
    (
        StatusCode::CREATED,
        [(header::CONTENT_TYPE, "application/json")],
        "{}",
    )
}
