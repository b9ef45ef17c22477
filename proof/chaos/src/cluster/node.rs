//! An API or a worker of a cluster, behind proxies of its own.

use std::time::Duration;

use harness::process::{Launch, Process, Signal};
use harness::proxy::Proxy;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

/// The limit for a node to serve once everything that it needs is there.
const SERVE: Duration = Duration::from_mins(2);

/// The pause before a node that ended by itself is started again.
const PAUSE: Duration = Duration::from_secs(1);

/// A program that can be started again and again.
#[derive(Debug)]
pub struct Node {
    /// `api-1`, `worker-2`.
    pub name: String,
    /// The connections to the database.
    pub postgres: Proxy,
    /// The connections to the broker.
    pub rabbitmq: Proxy,
    /// The base URL of its HTTP server.
    pub url: String,
    /// Locked by who breaks its connections.
    pub wires: Mutex<()>,
    launch: Launch,
    running: Mutex<Running>,
}

/// The process of a node.
#[derive(Debug, Default)]
pub struct Running {
    process: Option<Process>,
    /// How often the process ended without an order.
    pub ended_by_itself: u64,
}

impl Node {
    /// A node that is not started.
    pub(super) fn new(
        name: String,
        launch: Launch,
        url: String,
        postgres: Proxy,
        rabbitmq: Proxy,
    ) -> Self {
        Self {
            name,
            postgres,
            rabbitmq,
            url,
            wires: Mutex::default(),
            launch,
            running: Mutex::default(),
        }
    }

    /// Locks its process.
    pub async fn take(&self) -> MutexGuard<'_, Running> {
        self.running.lock().await
    }

    /// Locks its process, unless it is locked.
    pub fn try_take(&self) -> Option<MutexGuard<'_, Running>> {
        self.running.try_lock().ok()
    }

    /// Starts it unless it runs, and waits until it serves.
    pub async fn serve(&self) {
        let started = Instant::now();
        loop {
            let mut running = self.take().await;
            self.start(&mut running);
            let url = running.process.as_ref().and_then(Process::url_so_far);
            drop(running);
            if url.is_some() {
                return;
            }
            let (name, waited) = (&self.name, started.elapsed());
            assert!(waited < SERVE, "{name} does not serve: {}", self.log());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts it unless it runs.
    pub fn start(&self, running: &mut Running) {
        if let Some(process) = &mut running.process
            && process.has_ended().is_some()
        {
            running.process = None;
            running.ended_by_itself += 1;
        }
        if running.process.is_none() {
            running.process = Some(self.launch.start(&self.name));
        }
    }

    /// Starts it again whenever it ends. Never returns.
    pub async fn supervise(&self) {
        loop {
            sleep(PAUSE).await;
            self.start(&mut *self.take().await);
        }
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&self) {
        self.take().await.kill().await;
    }

    /// Stops it with SIGTERM; it must exit with 0 `within` the time.
    pub async fn stop(&self, within: Duration) {
        if let Some(process) = self.take().await.process.take() {
            process.stop(within).await;
        }
    }

    /// Its process id; `None` if it was never started.
    pub async fn pid(&self) -> Option<u32> {
        self.take().await.process.as_ref().map(Process::pid)
    }

    /// The logs of all its processes.
    pub fn log(&self) -> String {
        let file = self.launch.folder.join(format!("{}.log", self.name));
        std::fs::read_to_string(file).unwrap_or_default()
    }
}

impl Running {
    /// Kills it with SIGKILL, if it runs.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take()
            && process.has_ended().is_none()
        {
            process.kill().await;
        }
    }

    /// Sends a signal, if it runs.
    pub async fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process
            && process.has_ended().is_none()
        {
            process.signal(signal).await;
        }
    }
}
