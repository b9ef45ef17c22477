//! Private `PostgreSQL` and `RabbitMQ` servers, and the addresses of servers that already run.
//!
//! | file | what it holds |
//! |---|---|
//! | [`server`] | a private server: started, killed, frozen, started again |
//! | [`postgres`], [`rabbitmq`] | the two kinds of servers |
//! | [`pgbouncer`] | a pooler before a `PostgreSQL` |
//! | [`daemon`] | the process of a server with all processes below it |
//! | [`ports`] | ports that a server keeps over a restart |
//! | `urls` | the addresses of both servers |

pub mod daemon;
pub mod pgbouncer;
pub mod ports;
pub mod postgres;
pub mod rabbitmq;
pub mod server;
mod urls;

use tokio::sync::Mutex;

use crate::folder::Folder;
use postgres::Postgres;
use rabbitmq::RabbitMq;
use server::Server;
pub use urls::{ServerUrls, amqp_of_environment, postgres_of_environment};

/// Both servers, in a folder that is removed with them. Whoever breaks one holds its lock meanwhile.
#[derive(Debug)]
pub struct Servers {
    /// The database server.
    pub postgres: Mutex<Server<Postgres>>,
    /// The broker.
    pub rabbitmq: Mutex<Server<RabbitMq>>,
    _folder: Folder,
}

impl Servers {
    /// Starts both. Installs what is missing, where that is allowed.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts both, `PostgreSQL` with these settings, each `name=value`.
    pub async fn with(settings: &'static [&'static str]) -> Self {
        let folder = folder();
        let (postgres, rabbitmq) = tokio::join!(
            postgres::start(folder.path(), settings),
            rabbitmq::start(folder.path())
        );
        Self {
            postgres: Mutex::new(postgres),
            rabbitmq: Mutex::new(rabbitmq),
            _folder: folder,
        }
    }

    /// Their addresses, past every proxy.
    pub async fn urls(&self) -> ServerUrls {
        let postgres = self.postgres.lock().await.options("postgres");
        let rabbitmq = self.rabbitmq.lock().await;
        ServerUrls {
            postgres,
            amqp: rabbitmq.url().parse().expect("it reads as a URL"),
            management: rabbitmq.management(),
        }
    }

    /// Ends both, whatever state they are in.
    pub async fn take_down(&self) {
        self.postgres.lock().await.discard().await;
        self.rabbitmq.lock().await.kill().await;
    }

    /// Starts the servers that do not run.
    pub async fn mend(&self) {
        self.postgres.lock().await.run().await;
        self.rabbitmq.lock().await.run().await;
    }
}

/// A folder for servers, which the user `postgres` can pass through.
pub fn folder() -> Folder {
    let folder = Folder::new();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(folder.path(), open).expect("the folder is ours");
    folder
}
