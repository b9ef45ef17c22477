//! What a cluster is made of, and what it stands on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::dialects::Form;
use crate::servers::{ServerUrls, Servers};

/// What a cluster stands on.
#[derive(Debug, Clone)]
pub enum Backend {
    /// `task-center` alone, on a `SQLite` file.
    OneProcess,
    /// Servers that others use, too.
    Given(Box<ServerUrls>),
    /// Servers that a test may break.
    Private(Arc<Servers>),
}

impl Backend {
    /// The servers of `scripts/with-servers`. Panics if the environment names none.
    pub fn of_environment() -> Self {
        Self::Given(Box::new(ServerUrls::from_environment()))
    }

    /// The addresses of the servers, past every proxy. `None` in one process.
    pub(super) async fn urls(&self) -> Option<ServerUrls> {
        match self {
            Self::OneProcess => None,
            Self::Given(urls) => Some((**urls).clone()),
            Self::Private(servers) => Some(servers.urls().await),
        }
    }
}

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The first part of the names of its database and queues: who made it.
    pub name: &'static str,
    /// The folder of API and worker; `None` for the folder of the running program.
    pub programs: Option<PathBuf>,
    /// Variables of API and workers, beside those that the cluster sets.
    pub env: BTreeMap<&'static str, String>,
    /// The upstreams, each a channel: its name, and the arguments of its simulator.
    pub upstreams: Vec<(&'static str, Vec<&'static str>)>,
    /// The arguments of `channel create` for each of them.
    pub channel: &'static [&'static str],
    /// The platform whose songs the users ask for, which cost what those of suno do; `None`: suno.
    pub form: Option<&'static Form>,
    /// The number of APIs.
    pub apis: usize,
    /// The number of workers, where they are processes of their own.
    pub workers: usize,
    /// Whether each node reaches each server, and all workers each upstream, through a proxy.
    pub proxies: bool,
    /// Whether upstreams may call the first API (`PUBLIC_URL`).
    pub hooks: bool,
    /// Whether API and workers reach the database through a pooler in transaction mode, and not through a proxy.
    pub pooler: bool,
    /// The size of the file system that holds the `SQLite` file, in MiB; `None` for that of all files.
    pub disk: Option<u32>,
    /// Nodes whose machine's clock is wrong: the name, and the offset as libfaketime takes it (`+600s`).
    pub clocks: Vec<(&'static str, &'static str)>,
    /// How long a scenario on the cluster may take.
    pub limit: Duration,
}

/// The arguments of a simulator that takes about a second for everything.
pub const QUICK: [&str; 4] = ["--song-time", "500ms..1500ms", "--lyrics-time", "500ms..1s"];

impl Default for Setup {
    /// One API, one worker, one quick upstream; short waits.
    fn default() -> Self {
        let env = [
            ("POLL_INITIAL_DELAY", "1s"),
            ("POLL_MAX_DELAY", "2s"),
            ("TASK_TIMEOUT", "5m"),
            ("UPSTREAM_SUBMIT_TIMEOUT", "3s"),
            ("UPSTREAM_FETCH_TIMEOUT", "3s"),
            ("DATABASE_MAX_CONNECTIONS", "5"),
            ("LOG_FORMAT", "json"),
            ("RUST_LOG", "info"),
        ];
        Self {
            name: "test",
            programs: None,
            env: env.map(|(name, value)| (name, value.to_owned())).into(),
            upstreams: vec![("first", QUICK.to_vec())],
            channel: &[],
            form: None,
            apis: 1,
            workers: 1,
            proxies: false,
            hooks: false,
            pooler: false,
            disk: None,
            clocks: Vec::new(),
            limit: Duration::from_secs(90),
        }
    }
}

impl Setup {
    /// With this variable.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    /// With this time for a scenario.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// With these upstreams.
    #[must_use]
    pub fn upstreams(mut self, upstreams: &[(&'static str, &[&'static str])]) -> Self {
        let upstreams = upstreams.iter().map(|&(name, with)| (name, with.to_vec()));
        self.upstreams = upstreams.collect();
        self
    }

    /// With these arguments of `channel create` for each upstream.
    #[must_use]
    pub fn channel(mut self, arguments: &'static [&'static str]) -> Self {
        self.channel = arguments;
        self
    }

    /// With users who ask for the songs of this platform.
    #[must_use]
    pub fn form(mut self, form: Option<&'static Form>) -> Self {
        self.form = form;
        self
    }

    /// With upstreams that may call the first API.
    #[must_use]
    pub fn hooks(mut self) -> Self {
        self.hooks = true;
        self
    }

    /// With so many workers.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }
}
