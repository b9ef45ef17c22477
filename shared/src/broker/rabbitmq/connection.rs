//! Opens one connection: within a time limit, named, with a heartbeat.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::error::{broker_error, no_answer};
use super::names::{Process, Role};
use crate::broker::{BrokerError, Result};
use crate::secret::Secret;

/// Seconds between heartbeats, unless the URL says otherwise. A broker that vanished is noticed within
/// twice that.
const HEARTBEAT: u16 = 10;

/// The longest wait for a connection, including its handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// Opens connections to one broker.
pub(super) struct Connector {
    uri: AMQPUri,
    process: Process,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target()) // the URI holds a password
    }
}

impl Connector {
    pub(super) fn new(url: &Secret, process: Process) -> Result<Self> {
        Ok(Self {
            uri: parse(url)?,
            process,
        })
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// The address, without credentials.
    pub(super) fn target(&self) -> String {
        let (scheme, vhost) = (&self.uri.scheme, &self.uri.vhost);
        let (host, port) = (&self.uri.authority.host, self.uri.authority.port);
        format!("{scheme}://{host}:{port} (virtual host {vhost:?})")
    }

    /// Opens a connection.
    pub(super) async fn open(&self, role: Role) -> Result<Connection> {
        let doing = format!("connecting to {}", self.target());
        let runtime = lapin::runtime::default_runtime();
        let properties = ConnectionProperties::default()
            .with_connection_name(self.process.connection(role).into());
        let handle = SocketHandle::default();
        let socket_handle = handle.clone();
        let opening = Connection::connector(
            self.uri.clone(),
            runtime.map_err(|error| broker_error(&doing, &error))?,
            async move |uri, runtime| {
                let host = uri.authority.host.as_str();
                let addresses: Vec<SocketAddr> =
                    lookup_host((host, uri.authority.port)).await?.collect();
                let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
                if let AsyncTcpStream::Plain(socket) = &stream {
                    let socket = socket.get_ref();
                    socket.set_nodelay(true)?; // or a confirm waits for Nagle, 40 ms
                    socket_handle.hold(socket)?;
                }
                Ok(match uri.scheme {
                    AMQPScheme::AMQP => stream,
                    AMQPScheme::AMQPS => {
                        let tls = OwnedTLSConfig::default();
                        stream.into_tls(host, tls.as_ref()).await?
                    }
                })
            },
            properties,
        );
        if let Ok(opened) = timeout(CONNECT, opening).await {
            return opened.map_err(|error| broker_error(&doing, &error));
        }
        handle.shut_down();
        Err(no_answer(CONNECT, &doing))
    }
}

/// Shuts down the socket of a connection that takes too long to open. Otherwise lapin would wait for
/// ever, with a thread, for a broker that accepts a connection and never answers.
#[derive(Clone, Default)]
struct SocketHandle(Arc<Mutex<Socket>>);

#[derive(Default)]
enum Socket {
    #[default]
    NotYet,
    Open(OwnedFd),
    ShutDown,
}

impl SocketHandle {
    /// Keeps the socket; an error if the time is over.
    fn hold(&self, socket: &impl AsFd) -> io::Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*held, Socket::ShutDown) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        *held = Socket::Open(socket.as_fd().try_clone_to_owned()?);
        Ok(())
    }

    fn shut_down(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Socket::Open(socket) = std::mem::replace(&mut *held, Socket::ShutDown) {
            // An error means that the socket is closed already.
            let _ = TcpStream::from(socket).shutdown(Shutdown::Both);
        }
    }
}

/// The URL as lapin takes it. The error never holds the URL, which holds a password.
fn parse(url: &Secret) -> Result<AMQPUri> {
    let mut uri: AMQPUri = url.expose().parse().map_err(|_| {
        BrokerError::Refused(
            "its URL does not read as amqp://user:password@host:port/virtual-host (or amqps://)"
                .to_owned(),
        )
    })?;
    // lapin ignores an IPv6 address, and would connect to localhost.
    if let Some(address) = ipv6(url.expose()) {
        address.clone_into(&mut uri.authority.host);
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    Ok(uri)
}

fn ipv6(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.strip_prefix('[')?;
    host.split_once(']').map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(url: &str) -> Result<Connector> {
        Connector::new(&Secret::new(url), Process::this("api"))
    }

    #[test]
    fn a_heartbeat_is_asked_for_unless_the_url_does() {
        let heartbeat = |url| connector(url).map(|c| c.uri.query.heartbeat).ok().flatten();
        assert_eq!(heartbeat("amqp://localhost/%2f"), Some(10));
        assert_eq!(heartbeat("amqp://localhost/%2f?heartbeat=60"), Some(60));
    }

    #[test]
    fn an_ipv6_address_is_a_host() {
        let target = |url| connector(url).map(|c| c.target()).unwrap_or_default();
        let expected = "amqp://2001:db8::1:5673 (virtual host \"v\")";
        assert_eq!(target("amqp://u:p@[2001:db8::1]:5673/v"), expected);
    }

    #[test]
    fn no_error_and_no_target_holds_the_password() {
        let connector_of = |url| connector(url).map(|c| c.target());
        for url in ["amqp:user:hunter2", "http://u:hunter2@h/", "u:hunter2@h"] {
            let Err(error) = connector_of(url) else {
                panic!("{url} was taken for a URL");
            };
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let debugged = connector("amqps://user:hunter2@broker/v").map(|c| format!("{c:?}"));
        let expected = "amqps://broker:5671 (virtual host \"v\")";
        assert_eq!(debugged.unwrap_or_default(), expected);
    }
}
