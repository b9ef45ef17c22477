//! A running simulator.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    connection,
    counts::Counts,
    faults::Faults,
    options::Options,
    routes,
    upstream::{Selector, Upstream},
};

/// Starts a simulator on the caller's runtime. The simulator serves when this returns. Fails if the address cannot be
/// bound.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let listener = TcpListener::bind(options.bind).await?;
    let address = listener.local_addr()?;
    let upstream = Arc::new(Upstream::new(options));
    let (stop, stopped) = watch::channel(());
    let router = routes::router(Arc::clone(&upstream));
    let serving = connection::serve(listener, router, Arc::clone(&upstream), stopped);
    let serving = tokio::spawn(serving);
    Ok(Simulator {
        address,
        upstream,
        stop,
        serving,
    })
}

/// A running simulator. Dropping it stops it; [`Simulator::shutdown`] also waits for the stop.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    upstream: Arc<Upstream>,
    stop: watch::Sender<()>,
    serving: JoinHandle<()>,
}

impl Simulator {
    /// The address it serves on, with the real port.
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for a channel: `http://` and the address, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.upstream.counts()
    }

    /// Replaces the faults of the run. [`Faults::default`] ends all of them.
    pub fn set_faults(&self, faults: Faults) {
        self.upstream.set_faults(faults);
    }

    /// Ends every unfinished task now, as it was planned to end; returns how many there were.
    pub fn finish_all(&self) -> usize {
        self.upstream.finish(&Selector::default(), false)
    }

    /// Accepts no more connections, gives open requests half a second, and cuts the rest.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the simulator did not stop well");
        }
    }
}
