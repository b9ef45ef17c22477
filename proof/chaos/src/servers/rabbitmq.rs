//! A private `RabbitMQ` with its management API, made to be killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::client::http;
use e2e::process::Signal;
use tokio::time::{Instant, sleep};
use url::Url;

use super::daemon::{Daemon, find};
use super::ports::free_port;

/// How long it may take to answer after a start; with many messages it reads for a while.
const START: Duration = Duration::from_mins(3);

/// What Debian's `/usr/sbin/rabbitmq-server` wraps; that one insists on the user rabbitmq.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A server in a folder of its own.
#[derive(Debug)]
pub struct RabbitMqServer {
    server: PathBuf,
    folder: PathBuf,
    port: u16,
    management: u16,
    distribution: u16,
    mapper_port: u16,
    /// Erlang's port mapper: its own, so that it goes with it.
    _mapper: Daemon,
    running: Option<Daemon>,
}

impl RabbitMqServer {
    /// Makes one below `folder`, and starts it.
    pub async fn start(folder: &Path) -> Self {
        let there = || Some(PathBuf::from(SERVER)).filter(|path| path.is_file());
        let server = find(there, "rabbitmq-server").await;
        let folder = folder.join("rabbitmq");
        std::fs::create_dir(&folder).expect("the folder takes a folder");
        let (port, management) = (free_port(), free_port());
        // Small write-ahead logs: each is held in memory up to three times.
        let conf = format!(
            "listeners.tcp.local = 127.0.0.1:{port}\n\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {management}\n\
             raft.wal_max_size_bytes = 64000000\n\
             disk_free_limit.absolute = 100MB\n"
        );
        write(&folder.join("rabbitmq.conf"), &conf);
        write(&folder.join("enabled_plugins"), "[rabbitmq_management].\n");
        let mapper_port = free_port();
        let mapper = [
            "--",
            "epmd",
            "-port",
            &mapper_port.to_string(),
            "-address",
            "127.0.0.1",
        ];
        let mut made = Self {
            _mapper: Daemon::start(&mapper, &[], &folder, &folder.join("epmd.log")),
            server,
            folder,
            port,
            management,
            distribution: free_port(),
            mapper_port,
            running: None,
        };
        made.run().await;
        made
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its `AMQP_URL` by way of `address`.
    pub fn url(&self, address: &str) -> String {
        format!("amqp://guest:guest@{address}/%2f")
    }

    /// Its management API, with the credentials in it.
    pub fn management(&self) -> Url {
        let url = format!("http://guest:guest@127.0.0.1:{}", self.management);
        url.parse().expect("it reads as a URL")
    }

    /// The process that all others of it come from, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Daemon::pid)
    }

    /// Whether it was started and not killed or stopped since.
    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill().await;
        }
    }

    /// Stops it in order.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end_with("TERM").await;
        }
    }

    /// Signals it.
    pub async fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
            running.signal(signal).await;
        }
    }

    /// Starts it again, on the same data and ports, and waits until it answers.
    pub async fn run(&mut self) {
        let at = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let env = [
            ("HOME", self.folder.to_string_lossy().into_owned()),
            // No shell between us and the server, which would not pass a KILL on.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
            ("ERL_EPMD_PORT", self.mapper_port.to_string()),
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
            ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
            ("RABBITMQ_CONFIG_FILES", at("conf.d")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
            (
                "RABBITMQ_NODENAME",
                format!("chaos-{}@localhost", self.port),
            ),
            ("RABBITMQ_NODE_PORT", self.port.to_string()),
            ("RABBITMQ_DIST_PORT", self.distribution.to_string()),
            // Its default, none, makes the start two to three times as long on virtual machines.
            (
                "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD",
                "very_short".to_owned(),
            ),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
            ),
            ("RABBITMQ_MNESIA_BASE", at("data")),
            ("RABBITMQ_LOG_BASE", at("log")),
            ("RABBITMQ_LOGS", "-".to_owned()),
        ];
        let log = self.folder.with_extension("log");
        for _ in 0..5 {
            let server = ["--", self.server.to_str().expect("a readable path")];
            let mut daemon = Daemon::start(&server, &env, &self.folder, &log);
            let started = Instant::now();
            while daemon.runs() && started.elapsed() < START {
                if self.answers().await {
                    self.running = Some(daemon);
                    return;
                }
                sleep(Duration::from_millis(200)).await;
            }
            // The port mapper forgets a killed node in a moment.
            sleep(Duration::from_secs(1)).await;
        }
        panic!("RabbitMQ does not start: {}", log.display());
    }

    async fn answers(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/api/overview", self.management);
        let asked = http().get(url).basic_auth("guest", Some("guest"));
        let asked = asked.timeout(Duration::from_secs(5)).send().await;
        let listens = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await;
        listens.is_ok() && asked.is_ok_and(|answer| answer.status().is_success())
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the folder takes a file");
}
