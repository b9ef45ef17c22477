//! `PgBouncer` in transaction mode, before a `PostgreSQL`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tokio::time::timeout;

use super::daemon::{Daemon, find};
use super::ports::free_port;
use super::postgres::{give_to_postgres, start_as_postgres};
use super::server::{Kind, Server};
use crate::process::Signal;

/// A `PgBouncer` in a folder of its own.
#[derive(Debug)]
pub struct PgBouncer {
    program: PathBuf,
    folder: PathBuf,
    server: PgConnectOptions,
    port: u16,
}

/// Starts a pooler below `folder` that gives each transaction one of four connections to a server's database.
pub async fn start(folder: &Path, server: PgConnectOptions) -> Server<PgBouncer> {
    let folder = folder.join("pgbouncer");
    std::fs::create_dir(&folder).expect("the folder takes a folder");
    give_to_postgres(&folder).await;
    let path = || {
        let path = PathBuf::from("/usr/sbin/pgbouncer");
        path.is_file().then_some(path)
    };
    Server::start(PgBouncer {
        program: find(path, "pgbouncer").await,
        folder,
        server,
        port: 0,
    })
    .await
}

impl PgBouncer {
    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn settings(&self) -> String {
        let Self { server, port, .. } = self;
        let url = server.to_url_lossy();
        let password = url
            .password()
            .map(|password| format!(" password={password}"));
        format!(
            "[databases]\n* = host={} port={} user={}{}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 500\n",
            server.get_host(),
            server.get_port(),
            server.get_username(),
            password.unwrap_or_default(),
        )
    }
}

impl Kind for PgBouncer {
    const NAME: &'static str = "PgBouncer";
    const STOP: Signal = Signal::Interrupt;
    const START: Duration = Duration::from_secs(30);
    const STARTS: u32 = 10;

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn take_ports(&mut self) {
        self.port = free_port();
    }

    fn spawn(&self) -> Daemon {
        let file = self.folder.join("pgbouncer.ini");
        std::fs::write(&file, self.settings()).expect("the folder takes a file");
        let command = [&self.program, &file].map(|path| path.to_str().expect("a readable path"));
        start_as_postgres(self, &command)
    }

    async fn answers(&self) -> bool {
        let options = self.server.clone().host("127.0.0.1").port(self.port);
        let options = options.extra_float_digits(None);
        let connected = timeout(Duration::from_secs(5), options.connect());
        matches!(connected.await, Ok(Ok(_)))
    }
}
