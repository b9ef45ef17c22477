//! One process of a site, with its own wires to the servers, and what can be done to it.

use std::time::Duration;

use harness::process::{Launch, Process, Signal};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use harness::proxy::Proxy;

/// How long one may take to serve again once everything it needs is there.
const SERVE: Duration = Duration::from_mins(2);

/// The wait before one that ended by itself is started again, as a supervisor has it.
const AGAIN: Duration = Duration::from_secs(1);

/// An API or a worker.
#[derive(Debug)]
pub struct Member {
    /// `api-1`, `worker-2`.
    pub name: String,
    /// Its wire to the database.
    pub postgres: Proxy,
    /// Its wire to the broker.
    pub rabbitmq: Proxy,
    /// Where it serves: the API clients, a worker its health and figures.
    pub url: String,
    /// Held by whoever troubles its wires.
    pub wires: Mutex<()>,
    launch: Launch,
    running: Mutex<Running>,
}

/// The process, and what was done to it.
#[derive(Debug, Default)]
pub struct Running {
    process: Option<Process>,
    /// How often it ended without being told to.
    pub ended_by_itself: u64,
}

impl Member {
    /// One that is not started yet.
    pub fn new(name: &str, launch: Launch, url: String, postgres: Proxy, rabbitmq: Proxy) -> Self {
        Self {
            name: name.to_owned(),
            postgres,
            rabbitmq,
            url,
            wires: Mutex::default(),
            launch,
            running: Mutex::default(),
        }
    }

    /// Keeps everybody else off its process.
    pub async fn take(&self) -> MutexGuard<'_, Running> {
        self.running.lock().await
    }

    /// The same, unless somebody has it.
    pub fn try_take(&self) -> Option<MutexGuard<'_, Running>> {
        self.running.try_lock().ok()
    }

    /// Starts it, and waits until it serves.
    pub async fn serve(&self) {
        let started = Instant::now();
        loop {
            let mut running = self.take().await;
            self.start(&mut running);
            let serves = running.process.as_ref().and_then(Process::url_so_far);
            drop(running);
            if serves.is_some() {
                return;
            }
            assert!(
                started.elapsed() < SERVE,
                "{} does not serve: {}",
                self.name,
                self.log()
            );
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

    /// Starts it again whenever it ends, until dropped.
    pub async fn supervise(&self) {
        loop {
            sleep(AGAIN).await;
            self.start(&mut *self.take().await);
        }
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&self) {
        self.take().await.kill().await;
    }

    /// Stops it in order; it must exit with 0 `within` the time.
    pub async fn stop(&self, within: Duration) {
        if let Some(process) = self.take().await.process.take() {
            process.stop(within).await;
        }
    }

    /// Its process id, if it was started.
    pub async fn pid(&self) -> Option<u32> {
        self.take().await.process.as_ref().map(Process::pid)
    }

    /// Everything it logged, over all its lives.
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

    /// Freezes it, or lets it go on, if it runs.
    pub async fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process
            && process.has_ended().is_none()
        {
            process.signal(signal).await;
        }
    }

    /// How it ended, if it ran and ended.
    pub fn has_ended(&mut self) -> bool {
        self.process
            .as_mut()
            .is_none_or(|process| process.has_ended().is_some())
    }
}
