//! The listening socket: at most so many connections at once, a time for the head of each request,
//! no delay on small answers.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tower::Service;

use crate::gateway::Gateway;

/// A connection on which nothing moves in either direction for this long is closed: who neither
/// reads an answer nor hangs up keeps nobody else out.
const IDLE: Duration = Duration::from_secs(60);

/// The address of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves until shutdown, then lets open requests end. There are never more connections open than
/// `[server] max_connections`; further ones wait in the kernel's queue.
pub async fn serve(gateway: Arc<Gateway>, mut listener: TcpListener, router: Router) {
    let server = &gateway.config.server;
    let room = Arc::new(Semaphore::new(server.max_connections.max(1)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(server.head_timeout_ms));
    let open = GracefulShutdown::new();
    while let Some((connection, peer)) = accept(&gateway, &mut listener, &room).await {
        let router = router.clone();
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().call(request)
        });
        let served = open.watch(http.serve_connection(TokioIo::new(connection), service));
        tokio::spawn(async move {
            if let Err(error) = served.await {
                // The other side hung up, was too slow, or does not speak HTTP.
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    // From here on nobody is let in.
    drop(listener);
    open.shutdown().await;
}

/// The next connection; nothing after shutdown.
async fn accept(
    gateway: &Gateway,
    listener: &mut TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(Connection, Peer)> {
    let next = async {
        let place = Arc::clone(room)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        // This accepts again after a pause where the process has no file descriptor left.
        let (stream, address) = Listener::accept(listener).await;
        (place, stream, address)
    };
    let (place, stream, address) = tokio::select! {
        biased;
        () = gateway.shutdown.triggered() => return None,
        next = next => next,
    };
    // An acknowledgement is one small packet that its sender waits for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    Some((Connection::new(stream, place, IDLE), Peer(address)))
}

/// A connection and its place among the open ones.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    longest: Duration,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Ends when nothing has moved for `longest`.
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, longest: Duration) -> Self {
        Self {
            stream,
            idle: Box::pin(tokio::time::sleep(longest)),
            longest,
            _place: place,
        }
    }

    fn moved(&mut self) {
        self.idle.as_mut().reset(Instant::now() + self.longest);
    }

    /// Nothing moves now; an error once that has lasted too long.
    fn waits<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match self.idle.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(1..)) => {
                self.moved();
                written
            }
            Poll::Ready(_) => written,
            // Who asks much and reads nothing is not read from either: the wait ends here.
            Poll::Pending => self.waits(context),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(read) => {
                if buffer.filled().len() > before {
                    self.moved();
                }
                Poll::Ready(read)
            }
            Poll::Pending => self.waits(context),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Our side of a connection whose other side is kept open, and its place.
    async fn connected(longest: Duration) -> (Connection, TcpStream, Arc<Semaphore>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap());
        let (other, accepted) = tokio::join!(other, listener.accept());
        let room = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&room).acquire_owned().await.unwrap();
        let connection = Connection::new(accepted.unwrap().0, place, longest);
        (connection, other.unwrap(), room)
    }

    #[tokio::test]
    async fn a_peer_that_reads_no_answer_is_given_up_and_its_place_is_free() {
        let (mut connection, other, room) = connected(Duration::from_millis(100)).await;
        let answer = vec![0; 1 << 16];
        let error = loop {
            if let Err(error) = connection.write_all(&answer).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        assert_eq!(room.available_permits(), 1);
        drop(other);
    }

    #[tokio::test]
    async fn a_peer_that_says_nothing_is_given_up() {
        let (mut connection, other, _room) = connected(Duration::from_millis(100)).await;
        let error = connection.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(other);
    }
}
