//! One connection of a proxy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::gate::{Gates, Listener, Way};
use super::wire::Wire;

/// Why a connection ends.
enum End {
    /// As the two sides want it, or in order.
    Closed,
    /// With RST to both.
    Reset,
}

/// Carries one connection to its end.
pub(super) async fn carry(
    mut client: TcpStream,
    target: String,
    wire: watch::Receiver<Wire>,
    gates: Arc<Gates>,
) {
    if !passable(&wire, &client) || !open(wire.clone()).await {
        return;
    }
    let Ok(mut server) = TcpStream::connect(&target).await else {
        return reset(&client);
    };
    // Both ends talk in small pieces that must not wait for each other.
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let heard = Mutex::new(Listener::default());
    let end = {
        let (client_in, client_out) = client.split();
        let (server_in, server_out) = server.split();
        let up = Side {
            way: Way::Up,
            wire: wire.clone(),
            heard: &heard,
            gates: &gates,
        };
        let down = Side {
            way: Way::Down,
            wire: wire.clone(),
            ..up
        };
        tokio::select! {
            // The end of one direction is not the end of the other, but a broken one is.
            end = async { tokio::try_join!(up.pump(client_in, server_out), down.pump(server_in, client_out)) } => {
                end.map_or(End::Reset, |_| End::Closed)
            }
            end = cut(wire.clone()) => end,
        }
    };
    if matches!(end, End::Reset) {
        reset(&client);
        reset(&server);
    }
}

/// Whether a new connection is to be taken at all.
fn passable(wire: &watch::Receiver<Wire>, client: &TcpStream) -> bool {
    match *wire.borrow() {
        Wire::Cut { reset: true } => {
            reset(client);
            false
        }
        Wire::Cut { reset: false } => false,
        Wire::Carry { .. } | Wire::BlackHole => true,
    }
}

/// Waits while the wire is a black hole; whether it carries then.
async fn open(mut wire: watch::Receiver<Wire>) -> bool {
    let open = wire.wait_for(|wire| *wire != Wire::BlackHole).await;
    open.is_ok_and(|wire| matches!(*wire, Wire::Carry { .. }))
}

/// Waits until the wire is cut.
async fn cut(mut wire: watch::Receiver<Wire>) -> End {
    match wire.wait_for(|wire| matches!(wire, Wire::Cut { .. })).await {
        Ok(wire) if *wire == (Wire::Cut { reset: false }) => End::Closed,
        _ => End::Reset,
    }
}

/// Makes the end of a connection an RST.
fn reset(stream: &TcpStream) {
    // It may be gone already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// A direction that ended other than in order.
struct Broken;

/// One direction.
struct Side<'a> {
    way: Way,
    wire: watch::Receiver<Wire>,
    heard: &'a Mutex<Listener>,
    gates: &'a Gates,
}

impl Side<'_> {
    async fn pump(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Broken> {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let many = match from.read(&mut piece).await {
                Ok(0) => {
                    // The other direction may go on.
                    let _ = to.shutdown().await;
                    return Ok(());
                }
                Ok(many) => many,
                Err(_) => return Err(Broken),
            };
            let held = {
                let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.hear(self.way, &piece[..many], self.gates)
            };
            if let Some(held) = held
                && !held.may_go().await
            {
                return Err(Broken);
            }
            if !open(self.wire.clone()).await {
                return Err(Broken);
            }
            let wire = *self.wire.borrow();
            if let Wire::Carry { delay } = wire
                && !delay.is_zero()
            {
                tokio::time::sleep(delay).await;
            }
            if to.write_all(&piece[..many]).await.is_err() {
                return Err(Broken);
            }
        }
    }
}
