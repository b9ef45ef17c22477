//! A private server that can be killed, frozen and started again on the same data.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::daemon::Daemon;
use crate::folder::tail;
use crate::process::Signal;

/// What one kind of server does in its own way.
pub trait Kind {
    /// The name of the server.
    const NAME: &'static str;
    /// The signal that stops it in order.
    const STOP: Signal;
    /// How long it may take to answer after a start.
    const START: Duration;
    /// How often a start is tried. A killed server holds its ports for a moment.
    const STARTS: u32;

    /// Its folder. Its log lies beside the folder.
    fn folder(&self) -> &Path;
    /// Takes ports on which nobody listens.
    fn take_ports(&mut self);
    /// Starts its process.
    fn spawn(&self) -> Daemon;
    /// Whether it answers, and not another server on its ports.
    fn answers(&self) -> impl Future<Output = bool>;

    /// Its log.
    fn log(&self) -> PathBuf {
        self.folder().with_extension("log")
    }
}

/// A server in a folder of its own, and its process while it runs.
#[derive(Debug)]
pub struct Server<K> {
    kind: K,
    pub(super) running: Option<Daemon>,
}

impl<K: Kind> Server<K> {
    /// Starts a server on new ports. Panics with the end of its log if it does not start.
    pub(super) async fn start(kind: K) -> Self {
        let running = None;
        let mut server = Self { kind, running };
        server.bring_up(true).await;
        server
    }

    /// The first process of the server, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Daemon::pid)
    }

    /// The end of its log, if it ended although nobody stopped it.
    pub fn crashed(&mut self) -> Option<String> {
        let daemon = self.running.as_mut()?;
        (!daemon.runs()).then(|| tail(&self.kind.log()))
    }

    /// Kills all its processes with SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill().await;
        }
    }

    /// Stops it in order and cuts its connections, as a restart of the service does.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end_with(K::STOP).await;
        }
    }

    /// Signals all its processes.
    pub async fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
            running.signal(signal).await;
        }
    }

    /// Starts it again on the same data and ports, unless it runs, and waits until it answers.
    pub async fn run(&mut self) {
        if self.running.is_none() {
            self.bring_up(false).await;
        }
    }

    async fn bring_up(&mut self, new_ports: bool) {
        for _ in 0..K::STARTS {
            if new_ports {
                self.kind.take_ports();
            }
            let mut daemon = self.kind.spawn();
            let started = Instant::now();
            while daemon.runs() && started.elapsed() < K::START {
                if self.kind.answers().await {
                    self.running = Some(daemon);
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
            sleep(Duration::from_secs(1)).await;
        }
        let log = tail(&self.kind.log());
        panic!("{} does not start; the end of its log:\n{log}", K::NAME);
    }
}

impl<K> Deref for Server<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.kind
    }
}
