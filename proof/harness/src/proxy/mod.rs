//! A TCP proxy that can delay, close, reset and swallow what passes through it, and that can stop a
//! connection at chosen bytes.
//!
//! | file | what it holds |
//! |---|---|
//! | [`gate`] | stopping a connection when chosen bytes pass |
//! | `connection` | one connection, from its client to its server |

mod connection;
pub mod gate;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use gate::{Gate, Gates, Pattern};

/// A proxy between the clients that connect to its address and one server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// The connections up to this number are mute.
    mute: watch::Sender<u64>,
    gates: Arc<Gates>,
    accepted: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

/// What a proxy does with its connections and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Forward each piece after this delay.
    Forward { delay: Duration },
    /// Accept connections and bytes, and forward nothing.
    BlackHole,
    /// End old and new connections, with RST or else with FIN.
    Closed { reset: bool },
}

impl Mode {
    const FORWARD: Self = Self::Forward {
        delay: Duration::ZERO,
    };
}

impl Proxy {
    /// Starts a proxy to `server`, which is `host:port`. The proxy forwards at once.
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (mode, watched) = watch::channel(Mode::FORWARD);
        let (mute, mutes) = watch::channel(0);
        let gates = Arc::new(Gates::default());
        let accepted = Arc::new(AtomicU64::new(0));
        let (of_connections, counted) = (Arc::clone(&gates), Arc::clone(&accepted));
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
                let mutes = mutes.clone();
                tokio::spawn(connection::run(
                    client,
                    server.clone(),
                    watched.clone(),
                    async move { connection::mute(mutes, number).await },
                    Arc::clone(&of_connections),
                ));
            }
        });
        Self {
            address,
            mode,
            mute,
            gates,
            accepted,
            listening,
        }
    }

    /// `host:port` of the proxy itself.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The number of connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Closes all connections with FIN, and each new connection until [`Proxy::mend`].
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Closed { reset: false });
    }

    /// Closes all connections with RST, and each new connection until [`Proxy::mend`].
    pub fn reset(&self) {
        self.mode.send_replace(Mode::Closed { reset: true });
    }

    /// Accepts connections and bytes but forwards none of them until [`Proxy::mend`], which forwards
    /// all of them.
    pub fn black_hole(&self) {
        self.mode.send_replace(Mode::BlackHole);
    }

    /// Makes the connections that there are mute for good, as a failover behind a balancer does: the server ends
    /// them, and the client hears nothing of it. New connections are forwarded.
    pub fn mute(&self) {
        self.mute.send_replace(self.accepted());
    }

    /// Forwards each piece only after this delay.
    pub fn delay(&self, delay: Duration) {
        self.mode.send_replace(Mode::Forward { delay });
    }

    /// Forwards again, without delay.
    pub fn mend(&self) {
        self.mode.send_replace(Mode::FORWARD);
    }

    /// Stops the next connection on which these patterns pass in this order, before the last of them
    /// is forwarded. Bytes that passed before this call do not count.
    pub fn hold(&self, patterns: &[Pattern]) -> Gate {
        self.gates.add(patterns)
    }

    /// Records from now on what clients send, for [`Proxy::recorded`].
    pub fn record(&self) {
        self.gates.record();
    }

    /// Whether clients sent `text` since [`Proxy::record`].
    pub fn recorded(&self, text: &str) -> bool {
        self.gates.recorded(text.as_bytes())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.mode.send_replace(Mode::Closed { reset: true });
    }
}
