//! `PostgreSQL` and `RabbitMQ` of our own, made to be killed.

pub mod daemon;
pub mod ports;
pub mod postgres;
pub mod rabbitmq;

use e2e::folder::Folder;
use postgres::Postgres;
use rabbitmq::RabbitMqServer;
use tokio::sync::Mutex;

/// Both servers, in a throw-away folder. Whoever breaks one holds its lock meanwhile.
#[derive(Debug)]
pub struct Servers {
    /// The database server.
    pub postgres: Mutex<Postgres>,
    /// The broker.
    pub rabbitmq: Mutex<RabbitMqServer>,
    folder: Folder,
}

impl Servers {
    /// Starts both; whichever is not installed is installed first, where we may.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same, `PostgreSQL` with these settings, each `name=value`.
    pub async fn with(postgres: &'static [&'static str]) -> Self {
        let folder = Folder::new();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        // The user postgres passes through.
        std::fs::set_permissions(folder.path(), open).expect("the folder is ours");
        let (postgres, rabbitmq) = tokio::join!(
            Postgres::start(folder.path(), postgres),
            RabbitMqServer::start(folder.path())
        );
        Self {
            postgres: Mutex::new(postgres),
            rabbitmq: Mutex::new(rabbitmq),
            folder,
        }
    }

    /// Where their logs are.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Kills both, whatever state they are in, and removes their folder.
    pub async fn take_down(&self) {
        self.postgres.lock().await.kill().await;
        self.rabbitmq.lock().await.kill().await;
    }

    /// Starts what does not run.
    pub async fn mend(&self) {
        // In this order, as everybody who takes both.
        let mut postgres = self.postgres.lock().await;
        let mut rabbitmq = self.rabbitmq.lock().await;
        if !postgres.is_up() {
            postgres.run().await;
        }
        if !rabbitmq.is_up() {
            rabbitmq.run().await;
        }
    }
}
