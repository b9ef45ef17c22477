//! A private `PostgreSQL` server that can be killed, frozen and started again.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::daemon::{Daemon, Launch, find, tail};
use super::ports::free_port;
use crate::process::Signal;

/// How long the server may take to answer after a start; after a crash it recovers first.
const START: Duration = Duration::from_mins(2);
/// How often a start is tried. A killed server leaves its port and shared memory for a moment.
const STARTS: u32 = 10;

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
    /// Makes a server below `folder` and starts it, with these settings, each `name=value`, beside
    /// ours. Panics with the end of its log if it does not start.
    pub async fn start(folder: &Path, settings: &'static [&'static str]) -> Self {
        let programs = find(newest_programs, "postgresql").await;
        let folder = folder.join("postgres");
        std::fs::create_dir(&folder).expect("the folder takes a folder");
        let mut server = Self {
            programs,
            folder,
            port: 0,
            settings,
            running: None,
        };
        server.init().await;
        server.bring_up(free_port).await;
        server
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How to connect to one of its databases.
    pub fn options(&self, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass();
        let options = options.host("127.0.0.1").port(self.port);
        options.username("postgres").database(database)
    }

    /// The `DATABASE_URL` of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.address())
    }

    /// A program of its version, `pgbench` say.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The first process of the server, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Daemon::pid)
    }

    /// Whether it was started, and neither killed nor stopped since.
    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// The end of its log, if it ended although nobody stopped it.
    pub fn crashed(&mut self) -> Option<String> {
        let daemon = self.running.as_mut()?;
        (!daemon.runs()).then(|| tail(&self.log()))
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
            running.end_with(Signal::Interrupt).await;
        }
    }

    /// Ends it for good: an immediate shutdown, which removes its shared memory, too.
    pub async fn discard(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::Thaw).await;
            running.end_with(Signal::Quit).await;
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
        let port = self.port;
        self.bring_up(|| port).await;
    }

    async fn bring_up(&mut self, port: impl Fn() -> u16) {
        for _ in 0..STARTS {
            self.port = port();
            let mut daemon = self.spawn();
            let started = Instant::now();
            while daemon.runs() && started.elapsed() < START {
                if self.answers().await {
                    self.running = Some(daemon);
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
            sleep(Duration::from_millis(500)).await;
        }
        let log = tail(&self.log());
        panic!("PostgreSQL does not start; the end of its log:\n{log}");
    }

    fn spawn(&self) -> Daemon {
        let program = self.program("postgres");
        let port = format!("port={}", self.port);
        let settings = [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=300",
            "log_min_messages=warning",
            "log_line_prefix=%m [%p] %a ",
        ];
        let settings = settings.iter().chain(self.settings);
        let mut command = vec![program.to_str().expect("a readable path"), "-D", "data"];
        command.extend(settings.flat_map(|setting| ["-c", setting]));
        Daemon::start(&Launch {
            user: as_postgres(),
            command: &command,
            env: &[],
            folder: &self.folder,
            log: &self.log(),
            death_signal: Signal::Quit,
        })
    }

    fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    /// Whether it answers, and not another server on its port.
    async fn answers(&self) -> bool {
        let asked = timeout(Duration::from_secs(5), async {
            let mut connection = self.options("postgres").connect().await.ok()?;
            let folder = sqlx::query_scalar::<_, String>("SHOW data_directory");
            folder.fetch_one(&mut connection).await.ok()
        });
        let served = asked.await.ok().flatten().map(PathBuf::from);
        served.is_some() && served == self.folder.join("data").canonicalize().ok()
    }

    async fn init(&self) {
        if is_root() {
            let mut chown = Command::new("chown");
            let given = chown.arg("postgres:").arg(&self.folder).status().await;
            let given = given.is_ok_and(|done| done.success());
            assert!(
                given,
                "PostgreSQL does not run as root, and there is no user postgres"
            );
            let mut test = Command::new("setpriv");
            let test = test.args(as_postgres()).args(["--", "test", "-x"]);
            let entered = test.arg(&self.folder).status().await;
            assert!(
                entered.is_ok_and(|done| done.success()),
                "the user postgres cannot enter {}; set TMPDIR to a folder that everybody can enter",
                self.folder.display()
            );
        }
        let initdb = Command::new("setpriv")
            .args(as_postgres())
            .arg("--")
            .arg(self.program("initdb"))
            .args(["--pgdata=data", "--username=postgres", "--auth=trust"])
            .args(["--encoding=UTF8", "--no-sync"])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .await
            .expect("setpriv, of util-linux, starts");
        let said = String::from_utf8_lossy(&initdb.stderr);
        assert!(
            initdb.status.success(),
            "PostgreSQL's initdb failed:\n{said}"
        );
    }
}

fn newest_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = versions.flatten().map(|version| version.path());
    let programs = versions.max_by_key(number)?.join("bin");
    programs.join("initdb").is_file().then_some(programs)
}

/// The options of `setpriv` by which root becomes the user postgres: `PostgreSQL` refuses root.
fn as_postgres() -> &'static [&'static str] {
    if is_root() {
        &["--reuid=postgres", "--regid=postgres", "--init-groups"]
    } else {
        &[]
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|ours| ours.uid() == 0)
}
