//! A task center whose channels are used one after the other, and its users.

use std::time::Duration;

use futures_util::StreamExt as _;
use harness::client::Client;
use harness::cluster::{Backend, Channel, Cluster, Setup};
use harness::spread::percentile;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tokio::time::{Instant, sleep};

use super::Plan;
use crate::cluster::QUOTA;

/// How many commands that make users run at once, and how many submits.
const AT_ONCE: usize = 4;
const SUBMITS: usize = 32;

/// A worker's list of channels is at most a second old.
const WORKERS_KNOW: Duration = Duration::from_millis(1500);

/// The channel of the start. It gets nothing.
const SPARE: &str = "spare";

pub struct Stand {
    cluster: Cluster,
    admin: Client,
    /// The name of the channel that is enabled.
    open: String,
}

impl Stand {
    pub async fn start(plan: &Plan, backend: Backend) -> Self {
        let setup = Setup {
            name: "bench",
            env: [].into(),
            ..Setup::default()
        };
        let setup = setup
            .workers(2)
            // A task center without a channel would start a simulator of its own.
            .upstreams(&[(SPARE, &[])])
            .env("RUST_LOG", "warn")
            .env("POLL_INITIAL_DELAY", "1s")
            .env("POLL_MAX_DELAY", "1s")
            .env("SUBMIT_ATTEMPTS", plan.size("5", "2"));
        let cluster = Box::pin(Cluster::start(backend, &setup)).await;
        let admin = cluster.admin("flow-admin").await;
        Self {
            cluster,
            admin,
            open: SPARE.to_owned(),
        }
    }

    /// Starts an upstream with these arguments, and makes it the only channel that is enabled, with these
    /// arguments of `channel create`.
    pub async fn open(&mut self, name: &str, simulator: &[&str], channel: &[&str]) -> &Channel {
        let disable = ["channel", "disable", "--name", &self.open];
        let disabled = self.cluster.operator().run(&disable).await;
        assert_eq!(disabled.code, 0, "{}", disabled.stderr);
        self.cluster.add_upstream(name, simulator, channel).await;
        name.clone_into(&mut self.open);
        sleep(WORKERS_KNOW).await;
        self.channel()
    }

    /// The channel that is enabled.
    pub fn channel(&self) -> &Channel {
        let channels = &self.cluster.channels;
        let open = channels.iter().find(|one| one.upstream.name == self.open);
        open.expect("the channel that is open was made")
    }

    /// Makes so many users, `user-<part>-1` and so on. Their prompts begin with their names, so that the upstream
    /// counts them apart.
    pub async fn users(&self, part: &str, count: usize) -> Vec<Client> {
        let create = async |number| {
            let name = format!("user-{part}-{number}");
            self.cluster.user(&name, QUOTA).await
        };
        futures_util::stream::iter(1..=count)
            .map(create)
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    /// Lets each of these users have so many running tasks at once.
    pub async fn limit(&self, users: &[Client], most: u32) {
        let most = most.to_string();
        futures_util::stream::iter(users)
            .for_each_concurrent(AT_ONCE, async |user| {
                let set = ["user", "set", "--name", &user.name, "--max-tasks", &most];
                let done = self.cluster.operator().run(&set).await;
                assert_eq!(done.code, 0, "{}", done.stderr);
            })
            .await;
    }

    /// Submits these songs, many at once, in this order: whose they are, and a title each.
    pub async fn submit(&self, songs: &[(&Client, String)]) {
        futures_util::stream::iter(songs)
            .for_each_concurrent(SUBMITS, async |(user, title)| {
                user.song(&owned(user, title)).await;
            })
            .await;
    }

    /// Waits until all tasks have ended. Panics if that takes longer.
    pub async fn all_end(&self, within: Duration) {
        let started = Instant::now();
        loop {
            let [all, succeeded, failed] = [
                self.total("").await,
                self.total("&status=SUCCESS").await,
                self.total("&status=FAILURE").await,
            ];
            if succeeded + failed == all {
                return;
            }
            let waited = started.elapsed();
            assert!(
                waited < within,
                "of {all} tasks {succeeded} succeeded and {failed} failed after {waited:?}"
            );
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn total(&self, filter: &str) -> i64 {
        let path = format!("/api/task/?page_size=1{filter}");
        let page = self.admin.page(&path).await;
        page["total"].as_i64().expect("a total is a number")
    }

    /// The seconds from the moment at which a task was stored until the last event of this kind, sorted, of each
    /// task whose title contains `word` and that has had such an event.
    pub async fn until(&self, kind: &str, word: &str) -> Vec<f64> {
        let sql = AssertSqlSafe(format!(
            "SELECT max(e.at) - max(s.at)
             FROM tasks t
             JOIN task_events s ON s.task_id = t.id AND s.kind = 'stored'
             JOIN task_events e ON e.task_id = t.id AND e.kind = '{kind}'
             WHERE t.input LIKE '%{word}%'
             GROUP BY t.id"
        ));
        let found: Result<Vec<i64>, _> = if self.cluster.is_one_process() {
            let file = SqliteConnectOptions::new().filename(self.cluster.sqlite_file());
            let mut file = file.connect().await.expect("the file opens");
            sqlx::query_scalar(sql).fetch_all(&mut file).await
        } else {
            let mut connection = self.cluster.connect().await;
            sqlx::query_scalar(sql).fetch_all(&mut connection).await
        };
        let found = found.expect("the database answers").into_iter();
        let seconds = |ms| f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1000.0;
        let mut found: Vec<f64> = found.map(seconds).collect();
        found.sort_by(f64::total_cmp);
        found
    }

    /// The median and the 99th percentile of [`Self::until`].
    pub async fn percentiles(&self, kind: &str, word: &str) -> (f64, f64) {
        let seconds = self.until(kind, word).await;
        (percentile(&seconds, 0.5), percentile(&seconds, 0.99))
    }

    pub async fn take_down(self) {
        self.cluster.take_down().await;
    }
}

/// A title of this user's.
pub fn owned(user: &Client, title: &str) -> String {
    format!("{} {title}", user.name)
}
