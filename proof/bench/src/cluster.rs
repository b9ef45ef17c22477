//! A task center on servers with settings for measurements, connected without proxies.

use std::sync::Arc;
use std::time::Duration;

use harness::cluster::{Backend, Cluster, Setup};
use harness::servers::Servers;
use harness::wait::eventually;

use crate::figure::Build;

/// Settings for a server with some memory; `pg_stat_statements` shows which statements ran.
const POSTGRES: &[&str] = &[
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "shared_preload_libraries=pg_stat_statements",
];

/// More quota than any run spends.
pub const QUOTA: i64 = 1_000_000_000_000_000;

pub async fn servers() -> Arc<Servers> {
    Arc::new(Servers::with(POSTGRES).await)
}

/// A cluster with a database and queues of its own and with these upstreams. Neither API nor worker
/// runs. `env` is for APIs and workers. The channels have no bound of fetches.
pub async fn cluster(
    servers: &Arc<Servers>,
    build: &Build,
    env: &[(&'static str, &str)],
    upstreams: &[(&'static str, &[&'static str])],
) -> Cluster {
    let setup = Setup {
        name: "bench",
        programs: build.0.clone(),
        env: [("RUST_LOG", "warn".to_owned())].into(),
        apis: 0,
        workers: 0,
        ..Setup::default()
    };
    let setup = env
        .iter()
        .fold(setup, |setup, (name, value)| setup.env(name, value));
    let backend = Backend::Private(servers.clone());
    let cluster = Cluster::prepare(backend, &setup.upstreams(upstreams)).await;
    cluster.execute("CREATE EXTENSION pg_stat_statements").await;
    let migrated = cluster.operator().run(&["migrate"]).await;
    assert_eq!(migrated.code, 0, "{}", migrated.stderr);
    for (name, _) in upstreams {
        // A build that is measured beside this one may know no bound: then there is none.
        let set = ["channel", "set", "--name", name];
        let free = [&set[..], &["--polls-per-second", "0"]].concat();
        cluster.operator().run(&free).await;
    }
    cluster
}

pub async fn audit(cluster: &Cluster) {
    let audit = cluster.operator().run(&["audit"]).await;
    assert_eq!(audit.code, 0, "{}{}", audit.stdout, audit.stderr);
}

/// Waits until the running programs have folded every noted change into the counts of the listings, so that
/// they don't do it during a measurement.
pub async fn wait_for_fold(cluster: &Cluster) {
    let mut connection = cluster.connect().await;
    let limit = Duration::from_mins(5);
    eventually(limit, "a fold of all changes", async || {
        let noted = sqlx::query_scalar("SELECT EXISTS (SELECT FROM task_changes)");
        let noted: bool = noted
            .fetch_one(&mut connection)
            .await
            .expect("PostgreSQL answers");
        (!noted).then_some(())
    })
    .await;
}
