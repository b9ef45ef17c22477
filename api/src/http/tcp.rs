//! The options of accepted TCP connections.

use std::future::{Ready, ready};
use std::io;
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::net::TcpStream;

/// Accepts connections. Small responses are sent at once. A client that stops reading is
/// disconnected, because an unread response would hold its memory and its connection for ever.
#[derive(Debug, Clone, Copy)]
pub struct Acceptor {
    /// The longest time that sent data may stay unread at the client.
    pub unread: Duration,
}

impl<S> Accept<TcpStream, S> for Acceptor {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let configured = self.configure(&stream);
        ready(configured.map(|()| (stream, service)))
    }
}

impl Acceptor {
    fn configure(self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // Other systems apply a timeout of their own.
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(stream).set_tcp_user_timeout(Some(self.unread))?;
        Ok(())
    }
}
