//! A listener whose connections can be cut on purpose: before the first byte of an answer (the
//! answer is lost after the effect was done) or in its middle (the answer is half written).
//! A handler that panics or a body that fails would still send a head, which is a milder fault.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// How many more bytes the connection may write before it breaks.
#[derive(Debug, Clone)]
pub(crate) struct Wire(Arc<AtomicUsize>);

impl Wire {
    fn whole() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// Breaks the connection after `bytes` more bytes of answer.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.0.store(bytes, Ordering::SeqCst);
    }
}

/// The accepted stream with its shears.
pub(crate) struct Stream {
    inner: TcpStream,
    wire: Wire,
}

/// Hands out [`Stream`]s.
pub(crate) struct Shears(pub(crate) TcpListener);

impl Listener for Shears {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (inner, address) = Listener::accept(&mut self.0).await;
        (
            Stream {
                inner,
                wire: Wire::whole(),
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Shears>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Shears>) -> Self {
        stream.io().wire.clone()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.wire.0.load(Ordering::SeqCst);
        if left == usize::MAX {
            return Pin::new(&mut self.inner).poll_write(context, bytes);
        }
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let part = &bytes[..bytes.len().min(left)];
        let written = Pin::new(&mut self.inner).poll_write(context, part);
        if let Poll::Ready(Ok(count)) = &written {
            self.wire.0.store(left - count, Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
