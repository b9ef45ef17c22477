//! One connection of a proxy, from its client to its server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::Mode;
use super::gate::{Direction, Gates, Matcher};
use crate::lock;

/// How a connection ends.
enum End {
    /// For the server alone.
    Mute,
    /// With FIN.
    Closed,
    /// With RST to both sides.
    Reset,
}

/// Forwards one connection until it ends.
pub(super) async fn run(
    mut client: TcpStream,
    server: String,
    mode: watch::Receiver<Mode>,
    mute: impl Future<Output = ()>,
    gates: Arc<Gates>,
) {
    if let Mode::Closed { reset } = *mode.borrow() {
        if reset {
            set_reset(&client);
        }
        return;
    }
    if !forwards(mode.clone()).await {
        return;
    }
    let Ok(mut server) = TcpStream::connect(&server).await else {
        return set_reset(&client);
    };
    // Both sides send small pieces, which must not wait for each other.
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let matcher = Mutex::new(Matcher::default());
    let end = {
        let (client_in, client_out) = client.split();
        let (server_in, server_out) = server.split();
        let to_server = Half {
            direction: Direction::ToServer,
            mode: mode.clone(),
            matcher: &matcher,
            gates: &gates,
        };
        let from_server = Half {
            direction: Direction::FromServer,
            mode: mode.clone(),
            ..to_server
        };
        let both = async {
            tokio::try_join!(
                to_server.forward(client_in, server_out),
                from_server.forward(server_in, client_out)
            )
        };
        tokio::select! {
            // A half that ends with FIN leaves the other half open; a broken half ends both.
            ended = both => ended.map_or(End::Reset, |_| End::Closed),
            end = closed(mode.clone()) => end,
            () = mute => End::Mute,
        }
    };
    if matches!(end, End::Mute) {
        drop(server);
        closed(mode).await;
        return set_reset(&client);
    }
    if matches!(end, End::Reset) {
        set_reset(&client);
        set_reset(&server);
    }
}

/// Waits while the proxy is a black hole; then says whether the proxy forwards.
async fn forwards(mut mode: watch::Receiver<Mode>) -> bool {
    let mode = mode.wait_for(|mode| *mode != Mode::BlackHole).await;
    mode.is_ok_and(|mode| matches!(*mode, Mode::Forward { .. }))
}

/// Waits until the connection with this number is mute.
pub(super) async fn mute(mut mutes: watch::Receiver<u64>, number: u64) {
    if mutes.wait_for(|last| *last >= number).await.is_err() {
        // The proxy is gone, which ends its connections.
        std::future::pending::<()>().await;
    }
}

/// Waits until the proxy closes its connections.
async fn closed(mut mode: watch::Receiver<Mode>) -> End {
    let mode = mode.wait_for(|mode| matches!(mode, Mode::Closed { .. }));
    match mode.await {
        Ok(mode) if *mode == (Mode::Closed { reset: false }) => End::Closed,
        _ => End::Reset,
    }
}

/// Makes the connection end with RST when it is dropped.
fn set_reset(stream: &TcpStream) {
    // This fails on a connection that has already ended, which is as good.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// One direction ended other than with FIN.
struct Broken;

/// One direction of a connection.
struct Half<'a> {
    direction: Direction,
    mode: watch::Receiver<Mode>,
    matcher: &'a Mutex<Matcher>,
    gates: &'a Gates,
}

impl Half<'_> {
    async fn forward(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Broken> {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let read = match from.read(&mut piece).await {
                Ok(0) => {
                    // The receiver may be gone already.
                    let _ = to.shutdown().await;
                    return Ok(());
                }
                Ok(read) => read,
                Err(_) => return Err(Broken),
            };
            let held = lock(self.matcher).see(self.direction, &piece[..read], self.gates);
            if let Some(held) = held
                && !held.released().await
            {
                return Err(Broken);
            }
            if !forwards(self.mode.clone()).await {
                return Err(Broken);
            }
            let mode = *self.mode.borrow();
            if let Mode::Forward { delay } = mode
                && !delay.is_zero()
            {
                tokio::time::sleep(delay).await;
            }
            if to.write_all(&piece[..read]).await.is_err() {
                return Err(Broken);
            }
        }
    }
}
