//! Accepted TCP connections: their options, and how they end.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::connections::Slot;

/// How long a connection that we closed is read on.
const LINGER: Duration = Duration::from_secs(5);

/// Sets the options of a socket. Small responses are sent at once. A client that stops reading is disconnected
/// after `unread`, because an unread response would hold its memory and its connection for ever.
pub(super) fn configure(socket: &TcpStream, unread: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    // Other systems apply a timeout of their own.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(socket).set_tcp_user_timeout(Some(unread))?;
    Ok(())
}

/// An accepted connection. Once it is dropped, its socket sends the rest of the response, and what the client
/// still sends is read and dropped for some seconds. To close a socket at once while the client sends would
/// reset the connection: the client would lose the response, and a proxy would count a failure of the server.
/// A connection that is to be closed to make room is closed at once.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Option<TcpStream>,
    slot: Arc<Slot>,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, slot: Arc<Slot>) -> Self {
        let socket = Some(socket);
        Self { socket, slot }
    }

    /// The socket, which is there until the connection is dropped.
    fn socket(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        let socket = self.get_mut().socket.as_mut().map(Pin::new);
        socket.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.slot.is_closing() {
            return;
        }
        if let (Some(socket), Ok(runtime)) = (self.socket.take(), Handle::try_current()) {
            let slot = self.slot.clone();
            runtime.spawn(async move {
                slot.idle();
                tokio::select! {
                    () = slot.closing() => {}
                    _ = tokio::time::timeout(LINGER, linger(socket)) => {}
                }
            });
        }
    }
}

/// Closes our side, and reads until the client closes its own.
async fn linger(mut socket: TcpStream) -> io::Result<()> {
    poll_fn(|context| Pin::new(&mut socket).poll_shutdown(context)).await?;
    let mut dropped = vec![0; 16 * 1024];
    loop {
        socket.readable().await?;
        match socket.try_read(&mut dropped) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.socket()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_shutdown(context)
    }
}
