//! Connections, as they are taken.

use std::future::{Ready, ready};
use std::io;
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::net::TcpStream;

/// Takes connections: small answers go out at once, and a client that stops reading is cut off,
/// because an answer that nobody takes holds its memory and its place for ever.
#[derive(Debug, Clone, Copy)]
pub struct Acceptor {
    /// How long what we sent may stay unread at the client.
    pub unread: Duration,
}

impl<S> Accept<TcpStream, S> for Acceptor {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let tuned = self.tune(&stream);
        ready(tuned.map(|()| (stream, service)))
    }
}

impl Acceptor {
    fn tune(self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // Elsewhere the system's own patience applies.
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(stream).set_tcp_user_timeout(Some(self.unread))?;
        Ok(())
    }
}
