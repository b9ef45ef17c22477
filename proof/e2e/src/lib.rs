//! The end-to-end tests: scenarios on a cluster of real processes, over real HTTP.
//!
//! ```text
//! scripts/with-servers cargo test --workspace --test both_stacks -- "part of a scenario's name"
//! ```
//!
//! | variable | meaning |
//! |---|---|
//! | `E2E_TASKS` | the number of tasks of the big run (300) |
//! | `KEEP_LOGS` | if set, the folders with all logs stay |

use harness::cluster::{Backend, Cluster, Setup};
use harness::suite::{caught, test, within};
use libtest_mimic::Trial;

/// How the task center runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `api` and workers as processes of their own, on `PostgreSQL` and `RabbitMQ`.
    Separate,
    /// `task-center` on `SQLite`.
    OneProcess,
}

/// One API and two workers; a task ends after three minutes.
pub fn setup() -> Setup {
    let setup = Setup {
        name: "e2e",
        ..Setup::default()
    };
    setup.workers(2).env("TASK_TIMEOUT", "3m")
}

/// `scenario` on both kinds of cluster.
pub fn on_both<F>(name: &str, setup: &Setup, scenario: F) -> [Trial; 2]
where
    F: AsyncFnOnce(&Cluster) + Copy + Send + 'static,
{
    [Kind::Separate, Kind::OneProcess].map(|kind| on(kind, name, setup.clone(), scenario))
}

/// `scenario` on a cluster of its own, which must be sound at its end.
pub fn on<F>(kind: Kind, name: &str, setup: Setup, scenario: F) -> Trial
where
    F: AsyncFnOnce(&Cluster) + Send + 'static,
{
    let title = match kind {
        Kind::Separate => "postgres and rabbitmq",
        Kind::OneProcess => "one process",
    };
    let limit = setup.limit;
    test(&format!("{title}: {name}"), limit, async move || {
        let backend = match kind {
            Kind::Separate => Backend::of_environment(),
            Kind::OneProcess => Backend::OneProcess,
        };
        let cluster = Box::pin(Cluster::start(backend, &setup)).await;
        let ended = caught(async {
            within(limit, scenario(&cluster)).await;
            check(&cluster).await;
            cluster.stop().await;
        })
        .await;
        let logs = ended.is_err().then(|| cluster.logs());
        // The first failure tells more than what follows from it.
        let down = caught(cluster.take_down()).await;
        match (ended, logs) {
            (Err(why), Some(logs)) => panic!("{why}\n{logs}"),
            _ => down.unwrap_or_else(|why| panic!("{why}")),
        }
    })
}

/// Kills one worker with SIGKILL; in one process that is everything.
pub async fn kill_a_worker(cluster: &Cluster) {
    let worker = cluster.workers.first().unwrap_or(&cluster.apis[0]);
    assert!(!worker.take().await.has_ended(), "it runs");
    worker.kill().await;
}

/// What must hold after every scenario: the books balance, nothing is parked, no upstream was asked
/// twice for a song, and no answer held a secret.
async fn check(cluster: &Cluster) {
    let audit = cluster.operator().json(&["audit"]).await;
    assert_eq!(audit["balanced"], true, "{audit}");
    for (name, granted) in &cluster.granted() {
        let (left, used) = cluster.quota(name).await;
        assert_eq!(left + used, *granted, "{name} has {left} and used {used}");
    }
    if !cluster.is_one_process() {
        let parked = cluster.rabbitmq().parked().await;
        assert_eq!(parked, None, "no worker could handle it");
    }
    let mut secrets = Vec::new();
    for channel in &cluster.channels {
        let upstream = &channel.upstream;
        let counts = upstream.counts().await;
        let most = counts["max_accepted_per_title"].as_u64().expect("a number");
        assert!(most <= 1, "{} was asked twice: {counts}", upstream.name);
        secrets.extend([upstream.key.clone(), upstream.url.clone()]);
        secrets.push(upstream.url.replace("http://", ""));
        secrets.extend(upstream.ids().await);
    }
    for text in cluster.answers() {
        let leaked = secrets.iter().find(|&secret| text.contains(secret));
        assert!(leaked.is_none(), "{leaked:?} stands in {text}");
    }
}
