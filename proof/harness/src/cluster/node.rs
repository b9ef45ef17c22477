//! One API or worker of a cluster: started, killed, frozen, started again at the same address.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::process::{Launch, Process, Signal};
use crate::proxy::Proxy;
use crate::servers::ServerUrls;

/// How long a node may take to serve once everything that it needs is there.
const SERVE: Duration = Duration::from_mins(2);
/// How long a supervisor waits before it starts a node again that ended by itself.
const RESTART: Duration = Duration::from_secs(1);

/// An API or a worker.
#[derive(Debug)]
pub struct Node {
    /// `api-1`, `worker-2`.
    pub name: String,
    /// Where it serves: the API its clients, a worker its health and its figures.
    pub url: String,
    /// Whoever changes its proxies over some time holds this lock meanwhile.
    pub proxy_lock: Mutex<()>,
    launch: Launch,
    proxies: Option<Proxies>,
    running: Mutex<Running>,
}

/// The proxies between a node and the servers.
#[derive(Debug)]
pub(super) struct Proxies {
    pub(super) postgres: Proxy,
    rabbitmq: Proxy,
}

impl Proxies {
    pub(super) async fn to(servers: &ServerUrls) -> Self {
        let address = |host: &str, port: u16| format!("{host}:{port}");
        let (postgres, amqp) = (&servers.postgres, &servers.amqp);
        let broker = amqp.host_str().expect("a broker has a host");
        let port = amqp.port().unwrap_or(5672);
        Self {
            postgres: Proxy::to(address(postgres.get_host(), postgres.get_port())).await,
            rabbitmq: Proxy::to(address(broker, port)).await,
        }
    }

    /// `AMQP_URL` by way of the proxy.
    pub(super) fn amqp_url(&self, servers: &ServerUrls) -> String {
        let mut url: Url = servers.amqp.clone();
        let address = self.rabbitmq.address();
        let (host, port) = address.rsplit_once(':').expect("an address has a port");
        url.set_host(Some(host)).expect("a URL takes a host");
        url.set_port(port.parse().ok()).expect("a URL takes a port");
        url.into()
    }
}

/// The process of a node, if it has one.
#[derive(Debug, Default)]
pub struct Running {
    process: Option<Process>,
    /// How often it ended although nobody stopped it.
    pub ended_by_itself: u64,
}

impl Node {
    pub(super) fn new(name: &str, launch: Launch, url: String, proxies: Option<Proxies>) -> Self {
        Self {
            name: name.to_owned(),
            url,
            proxy_lock: Mutex::default(),
            launch,
            proxies,
            running: Mutex::default(),
        }
    }

    /// The proxy to the database. Panics if the setup has no proxies.
    pub fn postgres(&self) -> &Proxy {
        &self.proxies().postgres
    }

    /// The proxy to the broker. Panics if the setup has no proxies.
    pub fn rabbitmq(&self) -> &Proxy {
        &self.proxies().rabbitmq
    }

    fn proxies(&self) -> &Proxies {
        self.proxies.as_ref().expect("the setup has proxies")
    }

    /// Makes its proxies forward.
    pub(super) fn mend(&self) {
        if let Some(proxies) = &self.proxies {
            proxies.postgres.mend();
            proxies.rabbitmq.mend();
        }
    }

    /// Its process; nobody else starts or ends it meanwhile.
    pub async fn take(&self) -> MutexGuard<'_, Running> {
        self.running.lock().await
    }

    /// The same, unless somebody else has it.
    pub fn try_take(&self) -> Option<MutexGuard<'_, Running>> {
        self.running.try_lock().ok()
    }

    /// Starts it unless it runs, and waits until it serves; starts it again if it ends before.
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
            sleep(RESTART).await;
            self.start(&mut *self.take().await);
        }
    }

    /// Kills it with SIGKILL, if it runs.
    pub async fn kill(&self) {
        self.take().await.kill().await;
    }

    /// Signals it, if it runs.
    pub async fn signal(&self, signal: Signal) {
        self.take().await.signal(signal).await;
    }

    /// Stops it in order, if it was started; it must exit with 0 `within` the time.
    pub async fn stop(&self, within: Duration) {
        if let Some(process) = self.take().await.give() {
            process.stop(within).await;
        }
    }

    /// Its process id, if it was started.
    pub async fn pid(&self) -> Option<u32> {
        self.take().await.process.as_ref().map(Process::pid)
    }

    /// Everything that it logged, over all its processes.
    pub fn log(&self) -> String {
        let file = self.launch.folder.join(format!("{}.log", self.name));
        std::fs::read_to_string(file).unwrap_or_default()
    }
}

impl Running {
    /// The process. Panics if there is none.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the node was started")
    }

    /// Hands the process over; from then on the node counts as not started.
    pub fn give(&mut self) -> Option<Process> {
        self.process.take()
    }

    /// Kills it with SIGKILL, if it runs.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.give()
            && process.has_ended().is_none()
        {
            process.kill().await;
        }
    }

    /// Signals it, if it runs.
    pub async fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process
            && process.has_ended().is_none()
        {
            process.signal(signal).await;
        }
    }

    /// Whether no process of it runs.
    pub fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_none_or(|process| process.has_ended().is_some())
    }
}
