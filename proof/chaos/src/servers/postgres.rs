//! A private `PostgreSQL`, made to be killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::process::Signal;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::daemon::{Daemon, find};
use super::ports::free_port;

/// How long it may take to answer after a start; after a crash it recovers first.
const START: Duration = Duration::from_mins(2);

/// A server in a folder of its own.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    settings: &'static [&'static str],
    running: Option<Daemon>,
}

impl Postgres {
    /// Makes one below `folder`, and starts it with these settings beside ours, each `name=value`.
    pub async fn start(folder: &Path, settings: &'static [&'static str]) -> Self {
        let programs = find(newest_programs, "postgresql").await;
        let folder = folder.join("postgres");
        std::fs::create_dir(&folder).expect("the folder takes a folder");
        let mut made = Self {
            programs,
            folder,
            port: free_port(),
            settings,
            running: None,
        };
        made.init().await;
        made.run().await;
        made
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How to connect to a database of it, past every proxy.
    pub fn options(&self, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass();
        let options = options.host("127.0.0.1").port(self.port);
        options.username("postgres").database(database)
    }

    /// A connection to a database of it, past every proxy, once it answers.
    pub async fn connect(&self, database: &str) -> PgConnection {
        let started = Instant::now();
        loop {
            let connected = timeout(Duration::from_secs(5), self.options(database).connect()).await;
            match connected {
                Ok(Ok(connection)) => return connection,
                _ if started.elapsed() < START => sleep(Duration::from_millis(200)).await,
                failed => panic!("PostgreSQL does not answer: {failed:?}"),
            }
        }
    }

    /// A program that came with it, `pgbench` say.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The process that all others of it come from, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Daemon::pid)
    }

    /// Whether it was started and not killed or stopped since.
    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Kills all its processes with SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill().await;
        }
    }

    /// Stops it in order, connections cut: what a restart of the service does.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end_with("INT").await;
        }
    }

    /// Signals all its processes.
    pub async fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
            running.signal(signal).await;
        }
    }

    /// Starts it again, on the same data and port, and waits until it answers.
    pub async fn run(&mut self) {
        let server = self.programs.join("postgres");
        let port = self.port.to_string();
        let as_user = as_postgres();
        let server = [
            server.to_str().expect("a readable path"),
            "-D",
            "data",
            "-p",
            &port,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=200",
            "-c",
            "log_min_messages=warning",
            "-c",
            "log_line_prefix=%m [%p] %a ",
        ];
        let settings: Vec<&str> = self.settings.iter().flat_map(|set| ["-c", set]).collect();
        let command = [as_user, &server, &settings].concat();
        let log = self.folder.with_extension("log");
        for _ in 0..10 {
            let mut daemon = Daemon::start(&command, &[], &self.folder, &log);
            let started = Instant::now();
            while daemon.runs() && started.elapsed() < START {
                if self.answers().await {
                    self.running = Some(daemon);
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
            // What a killed one left (shared memory, its port) goes in a moment.
            sleep(Duration::from_millis(500)).await;
        }
        panic!("PostgreSQL does not start: {}", log.display());
    }

    async fn answers(&self) -> bool {
        let connected = timeout(Duration::from_secs(5), self.options("postgres").connect()).await;
        matches!(connected, Ok(Ok(_)))
    }

    async fn init(&self) {
        if is_root() {
            let owner = Command::new("chown")
                .arg("postgres:")
                .arg(&self.folder)
                .status()
                .await;
            assert!(
                owner.is_ok_and(|done| done.success()),
                "there is no user postgres"
            );
        }
        let initdb = Command::new("setpriv")
            .args(as_postgres())
            .arg(self.programs.join("initdb"))
            .args(["--pgdata=data", "--username=postgres", "--auth=trust"])
            .args(["--encoding=UTF8", "--no-sync"])
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .await
            .expect("setpriv, of util-linux, starts");
        let words = String::from_utf8_lossy(&initdb.stderr);
        assert!(initdb.status.success(), "initdb failed: {words}");
    }
}

fn newest_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let versions = versions.flatten().map(|version| version.path());
    let newest = versions.max_by_key(|path| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str()?.parse::<u32>().ok());
        name.unwrap_or_default()
    })?;
    let programs = newest.join("bin");
    programs.join("initdb").is_file().then_some(programs)
}

/// PostgreSQL refuses to run as root.
fn as_postgres() -> &'static [&'static str] {
    if is_root() {
        &[
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--",
        ]
    } else {
        &["--"]
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|ours| ours.uid() == 0)
}
