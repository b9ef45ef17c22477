//! A task center of one build whose channels are used one after the other.

use std::time::Duration;

use harness::client::Client;
use harness::cluster::{Backend, Channel, Cluster, Node, Setup};
use harness::wait::in_time;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::Plan;
use crate::cluster::QUOTA;
use crate::cpu_time::{CpuTime, Processes};
use crate::figure::Build;

/// The channel of the start. It gets nothing.
const SPARE: &str = "spare";

/// A worker's list of channels is at most a second old.
const WORKERS_KNOW: Duration = Duration::from_millis(1500);

/// How long the ends of all tasks may stay unseen once the upstream has ended them.
const END_OF_ALL: Duration = Duration::from_mins(3);

/// For a short run. A full run has the defaults.
const SHORT_ENV: [(&str, &str); 2] = [("POLL_INITIAL_DELAY", "1s"), ("POLL_MAX_DELAY", "2s")];

pub struct Stand {
    pub cluster: Cluster,
    pub user: Client,
}

impl Stand {
    pub async fn start(plan: &Plan, backend: Backend, build: &Build) -> Self {
        let setup = Setup {
            name: "bench",
            programs: build.0.clone(),
            env: [].into(),
            ..Setup::default()
        };
        let setup = setup
            .workers(2)
            // A task center without a channel would start a simulator of its own.
            .upstreams(&[(SPARE, &[])])
            .env("RUST_LOG", "warn");
        let env: &[_] = plan.size(&[], &SHORT_ENV);
        let setup = env
            .iter()
            .fold(setup, |setup, (name, value)| setup.env(name, value));
        let cluster = Box::pin(Cluster::start(backend, &setup)).await;
        let user = cluster.user("bench", QUOTA).await;
        Self { cluster, user }
    }

    /// Starts an upstream with these arguments, and makes it the only channel that is enabled, with these
    /// arguments of `channel create`.
    pub async fn open(&mut self, name: &str, simulator: &[&str], channel: &[&str]) {
        let open = &self.channel().upstream.name;
        let disable = ["channel", "disable", "--name", open];
        let disabled = self.cluster.operator().run(&disable).await;
        assert_eq!(disabled.code, 0, "{}", disabled.stderr);
        self.cluster.add_upstream(name, simulator, channel).await;
        tokio::time::sleep(WORKERS_KNOW).await;
    }

    /// The channel that is enabled.
    pub fn channel(&self) -> &Channel {
        let channels = &self.cluster.channels;
        channels.last().expect("the spare channel was made")
    }

    /// Ends all tasks at the upstream, and waits until that is seen; in a short run the next part does not mind them.
    pub async fn end_all(&self, plan: &Plan) {
        self.channel().upstream.finish(serde_json::json!({})).await;
        in_time(plan.size(END_OF_ALL, Duration::ZERO), async || {
            (self.unfinished().await == 0).then_some(())
        })
        .await;
    }

    async fn unfinished(&self) -> i64 {
        let sql = "SELECT count(*) FROM unfinished_tasks";
        let count: Result<i64, _> = if self.cluster.is_one_process() {
            let file = SqliteConnectOptions::new().filename(self.cluster.sqlite_file());
            let mut file = file.connect().await.expect("the file opens");
            sqlx::query_scalar(sql).fetch_one(&mut file).await
        } else {
            let mut connection = self.cluster.connect().await;
            sqlx::query_scalar(sql).fetch_one(&mut connection).await
        };
        count.expect("the database answers")
    }

    /// Processor time so far; `None` of a single process, which has no servers.
    pub async fn cpu(&self) -> Option<CpuTime> {
        if self.cluster.is_one_process() {
            return None;
        }
        let processes = Processes {
            apis: pids(&self.cluster.apis).await,
            workers: pids(&self.cluster.workers).await,
            upstreams: vec![self.channel().upstream.pid()],
        };
        Some(CpuTime::so_far(&self.cluster, &processes).await)
    }

    pub async fn take_down(self) {
        self.cluster.take_down().await;
    }
}

/// The ids of the processes of these nodes.
pub async fn pids(nodes: &[Node]) -> Vec<u32> {
    let mut pids = Vec::new();
    for node in nodes {
        pids.extend(node.pid().await);
    }
    pids
}
