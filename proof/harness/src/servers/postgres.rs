//! `PostgreSQL`: its folder, its settings, and how it starts.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use tokio::time::timeout;

use super::daemon::{Daemon, Launch, find};
use super::ports::free_port;
use super::server::{Kind, Server};
use crate::process::Signal;

/// A `PostgreSQL` in a folder of its own.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    settings: &'static [&'static str],
}

/// Makes a server below `folder` and starts it, with these settings, each `name=value`, beside ours.
/// Panics with the end of its log if it does not start.
pub async fn start(folder: &Path, settings: &'static [&'static str]) -> Server<Postgres> {
    let folder = folder.join("postgres");
    std::fs::create_dir(&folder).expect("the folder takes a folder");
    let postgres = Postgres {
        programs: find(newest_programs, "postgresql").await,
        folder,
        port: 0,
        settings,
    };
    postgres.init().await;
    Server::start(postgres).await
}

impl Postgres {
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

    async fn init(&self) {
        give_to_postgres(&self.folder).await;
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

impl Kind for Postgres {
    const NAME: &'static str = "PostgreSQL";
    const STOP: Signal = Signal::Interrupt;
    /// After a crash it recovers first.
    const START: Duration = Duration::from_mins(2);
    /// A killed server holds its shared memory, too, for a moment.
    const STARTS: u32 = 10;

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn take_ports(&mut self) {
        self.port = free_port();
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
        start_as_postgres(self, &command)
    }

    async fn answers(&self) -> bool {
        let asked = timeout(Duration::from_secs(5), async {
            let mut connection = self.options("postgres").connect().await.ok()?;
            let folder = sqlx::query_scalar::<_, String>("SHOW data_directory");
            folder.fetch_one(&mut connection).await.ok()
        });
        let served = asked.await.ok().flatten().map(PathBuf::from);
        served.is_some() && served == self.folder.join("data").canonicalize().ok()
    }
}

impl Server<Postgres> {
    /// Ends it for good: an immediate shutdown, which removes its shared memory, too.
    pub async fn discard(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::Thaw).await;
            running.end_with(Signal::Quit).await;
        }
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
/// Gives a folder to the user `postgres`, as whom the servers run if we are root.
pub(super) async fn give_to_postgres(folder: &Path) {
    if !is_root() {
        return;
    }
    let mut chown = Command::new("chown");
    let given = chown.arg("postgres:").arg(folder).status().await;
    let given = given.is_ok_and(|done| done.success());
    assert!(
        given,
        "PostgreSQL does not run as root, and there is no user postgres"
    );
    let mut test = Command::new("setpriv");
    let test = test.args(as_postgres()).args(["--", "test", "-x"]);
    let entered = test.arg(folder).status().await;
    assert!(
        entered.is_ok_and(|done| done.success()),
        "the user postgres cannot enter {}; set TMPDIR to a folder that everybody can enter",
        folder.display()
    );
}

/// Starts a server as the user `postgres`, if we are root.
pub(super) fn start_as_postgres(server: &impl Kind, command: &[&str]) -> Daemon {
    Daemon::start(&Launch {
        user: as_postgres(),
        command,
        env: &[],
        folder: server.folder(),
        log: &server.log(),
        death_signal: Signal::Quit,
    })
}

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
