//! `RabbitMQ` with its management API: its folder, its settings, and how it starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::Command;
use url::Url;

use super::daemon::{Daemon, Launch, find};
use super::ports::free_port;
use super::server::{Kind, Server};
use crate::client::http;
use crate::process::Signal;

/// The program that Debian's `/usr/sbin/rabbitmq-server` wraps; the wrapper insists on the user
/// rabbitmq.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A `RabbitMQ` in a folder of its own.
#[derive(Debug)]
pub struct RabbitMq {
    server: PathBuf,
    folder: PathBuf,
    ports: Ports,
    /// Erlang's port mapper, one for each server: a shared one would outlive the server.
    mapper: Option<Daemon>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ports {
    amqp: u16,
    management: u16,
    distribution: u16,
    mapper: u16,
}

/// Makes a server below `folder` and starts it. Panics with the end of its log if it does not start.
pub async fn start(folder: &Path) -> Server<RabbitMq> {
    let path = || Some(PathBuf::from(SERVER)).filter(|path| path.is_file());
    let server = find(path, "rabbitmq-server").await;
    let folder = folder.join("rabbitmq");
    std::fs::create_dir(&folder).expect("the folder takes a folder");
    Server::start(RabbitMq {
        server,
        folder,
        ports: Ports::default(),
        mapper: None,
    })
    .await
}

impl RabbitMq {
    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.amqp)
    }

    /// Its `AMQP_URL`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address())
    }

    /// Its management API, with the credentials in it.
    pub fn management(&self) -> Url {
        let url = format!("http://guest:guest@127.0.0.1:{}", self.ports.management);
        url.parse().expect("it reads as a URL")
    }

    /// Writes its files, and starts its port mapper.
    fn configure(&mut self) {
        let Ports {
            amqp,
            management,
            mapper,
            ..
        } = self.ports;
        // Small write-ahead logs: each is held in memory up to three times.
        let conf = format!(
            "listeners.tcp.local = 127.0.0.1:{amqp}\n\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {management}\n\
             raft.wal_max_size_bytes = 64000000\n\
             disk_free_limit.absolute = 100MB\n"
        );
        let write = |name: &str, text: &str| {
            std::fs::write(self.folder.join(name), text).expect("the folder takes a file");
        };
        write("rabbitmq.conf", &conf);
        write("enabled_plugins", "[rabbitmq_management].\n");
        let port = mapper.to_string();
        self.mapper = Some(Daemon::start(&Launch {
            user: &[],
            command: &["epmd", "-port", &port, "-address", "127.0.0.1"],
            env: &[],
            folder: &self.folder,
            log: &self.folder.join("epmd.log"),
            death_signal: Signal::Kill,
        }));
    }

    /// Runs a command of `rabbitmqctl`. Panics if it fails.
    pub async fn control(&self, arguments: &[&str]) {
        let program = self.server.with_file_name("rabbitmqctl");
        let done = Command::new(program)
            .args(["--node", &self.node()])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", self.ports.mapper.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .output()
            .await
            .expect("rabbitmqctl starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "rabbitmqctl {arguments:?}: {said}");
    }

    fn node(&self) -> String {
        format!("task-center-{}@localhost", self.ports.amqp)
    }

    /// What its management API says of the server, once it takes connections. `None` as long as it
    /// does not answer, or as long as another server answers on its ports.
    pub async fn overview(&self) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/api/overview", self.ports.management);
        let request = http().get(url).basic_auth("guest", Some("guest"));
        let answer = request.timeout(Duration::from_secs(5)).send().await.ok()?;
        let overview: Value = answer.json().await.ok()?;
        TcpStream::connect(self.address()).await.ok()?;
        (overview["node"] == self.node()).then_some(overview)
    }
}

impl Kind for RabbitMq {
    const NAME: &'static str = "RabbitMQ";
    const STOP: Signal = Signal::Terminate;
    /// With many messages it reads for a while.
    const START: Duration = Duration::from_mins(3);
    /// The port mapper forgets a killed node after a moment.
    const STARTS: u32 = 5;

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn take_ports(&mut self) {
        self.ports = Ports {
            amqp: free_port(),
            management: free_port(),
            distribution: free_port(),
            mapper: free_port(),
        };
        self.configure();
    }

    fn spawn(&self) -> Daemon {
        let at = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let ports = self.ports;
        let env = [
            ("HOME", self.folder.to_string_lossy().into_owned()),
            // With this, no shell stays between us and the server, which would not pass a KILL on.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
            ("ERL_EPMD_PORT", ports.mapper.to_string()),
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
            ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
            ("RABBITMQ_CONFIG_FILES", at("conf.d")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
            ("RABBITMQ_NODENAME", self.node()),
            ("RABBITMQ_NODE_PORT", ports.amqp.to_string()),
            ("RABBITMQ_DIST_PORT", ports.distribution.to_string()),
            // The default, none, makes the start two to three times as long on virtual machines.
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
        Daemon::start(&Launch {
            user: &[],
            command: &[self.server.to_str().expect("a readable path")],
            env: &env,
            folder: &self.folder,
            log: &self.log(),
            death_signal: Signal::Kill,
        })
    }

    async fn answers(&self) -> bool {
        self.overview().await.is_some()
    }
}
