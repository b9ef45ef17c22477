//! A running simulator.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{sync::watch, task::JoinHandle};

use crate::{
    connection,
    counts::Counts,
    faults::Faults,
    options::Options,
    routes,
    upstream::{Selector, Upstream},
};

/// Starts an upstream that behaves as told, on the runtime of the caller. It serves when this returns.
/// Fails if the address can't be bound.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let (listener, address) = connection::bind(options.bind).await?;
    let upstream = Arc::new(Upstream::new(options));
    let (stop, stopped) = watch::channel(());
    let router = routes::router(Arc::clone(&upstream));
    let serving = tokio::spawn(connection::serve(
        listener,
        router,
        Arc::clone(&upstream),
        stopped,
    ));
    Ok(Simulator {
        address,
        upstream,
        stop,
        serving,
    })
}

/// A running simulator. It stops when it is dropped; [`Simulator::shutdown`] also waits for that.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    upstream: Arc<Upstream>,
    stop: watch::Sender<()>,
    serving: JoinHandle<()>,
}

impl Simulator {
    /// Where it serves; the real port, if any free one was asked for.
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What a channel needs as its base URL: `http://` and the address, no slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub fn counts(&self) -> Counts {
        self.upstream.counts()
    }

    /// Replaces the faults of the run: turns an outage on, and off with [`Faults::default`].
    pub fn set_faults(&self, faults: Faults) {
        self.upstream.set_faults(faults);
    }

    /// Ends every unfinished task now as it was going to end, and says how many there were.
    pub fn finish_all(&self) -> usize {
        self.upstream.finish(&Selector::default(), false)
    }

    /// Takes no more connections, gives open requests half a second, and cuts what then still hangs.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the simulator did not stop well");
        }
    }
}
