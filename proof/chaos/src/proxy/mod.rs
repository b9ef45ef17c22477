//! A TCP proxy that can delay, cut, reset and black-hole what goes through it, and hold it at a
//! chosen word.
//!
//! | file | what it holds |
//! |---|---|
//! | [`wire`] | how the wire is |
//! | [`gate`] | holding a connection in the moment that certain words pass |
//! | `carry` | one connection |

mod carry;
pub mod gate;
pub mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use gate::{Gate, Gates, Words};
use wire::Wire;

/// A wire between two processes.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: watch::Sender<Wire>,
    gates: Arc<Gates>,
    taken: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// A wire to `target`, that carries.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (wire, wired) = watch::channel(Wire::default());
        let gates = Arc::new(Gates::default());
        let taken = Arc::new(AtomicU64::new(0));
        let (held, counted) = (Arc::clone(&gates), Arc::clone(&taken));
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let carried =
                    carry::carry(client, target.clone(), wired.clone(), Arc::clone(&held));
                tokio::spawn(carried);
            }
        });
        Self {
            address,
            wire,
            gates,
            taken,
            listening,
        }
    }

    /// `host:port` for those who connect by way of it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many connections it took so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Closes what is connected, in order (FIN), and whatever connects until [`Proxy::mend`].
    pub fn cut(&self) {
        self.wire.send_replace(Wire::Cut { reset: false });
    }

    /// Resets what is connected (RST), and whatever connects until [`Proxy::mend`].
    pub fn reset(&self) {
        self.wire.send_replace(Wire::Cut { reset: true });
    }

    /// Takes connections and bytes, and carries nothing until [`Proxy::mend`]; then all of it.
    pub fn black_hole(&self) {
        self.wire.send_replace(Wire::BlackHole);
    }

    /// Carries each piece only after this long.
    pub fn delay(&self, delay: Duration) {
        self.wire.send_replace(Wire::Carry { delay });
    }

    /// Carries again, at once.
    pub fn mend(&self) {
        self.wire.send_replace(Wire::default());
    }

    /// The next connection on which these words pass, one after the other, is held before the last
    /// of them is carried on. Only what begins to pass from now on counts.
    pub fn hold(&self, words: &[Words]) -> Gate {
        self.gates.add(words)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.wire.send_replace(Wire::Cut { reset: true });
    }
}
