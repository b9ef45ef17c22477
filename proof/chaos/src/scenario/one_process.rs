//! `task-center`, everything in one process on `SQLite`, is killed again and again.

use harness::cluster::Backend;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::check::{all_end, check_tables};
use crate::ledger_check::Database;
use crate::scenario::prelude::*;

const KILLS: u32 = 10;
const AT_ONCE: usize = 4;
/// The lease of a submit at the last kill, the sweep's grace and interval, on a busy machine.
const SETTLED: Duration = Duration::from_mins(2);

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "one-process-killed",
            "task-center on SQLite is killed with SIGKILL again and again, and started at once, while a \
             client submits songs. Every accepted song is stored, charged and made once.",
            killed,
        )
        .lasts(20),
    ]
}

async fn killed(run: &Run) {
    run.on(Backend::OneProcess, &Setup::default(), async |cluster| {
        let (ann, node) = (PatientClient::new(cluster, "ann").await, &cluster.apis[0]);
        let until = Instant::now() + run.duration;
        let random = StdRng::seed_from_u64(run.seed);
        // The load goes on for two seconds more, for the process that was started last.
        let load = ann.submit_until(AT_ONCE, until + Duration::from_secs(2));
        let (kills, ()) = tokio::join!(kill_until(node, until, random), load);
        run.fact("kills", kills);
        let file = cluster.folder.path().join("task-center.db");
        let options = SqliteConnectOptions::new().filename(file);
        let options = options.pragma("query_only", "ON");
        let connect = async || options.connect().await.expect("the file opens");
        all_end(SETTLED, async || Database::Sqlite(connect().await)).await;
        let submits = ann.submits();
        assert!(submits.iter().all(|submit| submit.tasks().count() == 1));
        assert_eq!(node.take().await.ended_by_itself, 0);
        cluster.stop().await;
        let integrity: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&mut connect().await)
            .await
            .expect("the database answers");
        assert_eq!(integrity, "ok");
        let database = Database::Sqlite(connect().await);
        let (operator, upstreams) = (cluster.operator(), [cluster.upstream()]);
        let upstreams = upstreams.into_iter();
        check_tables(run, database, &operator, upstreams, &ann.expected()).await;
    })
    .await;
}

/// Kills the process again and again, each time once it serves. Returns how often; the process runs.
async fn kill_until(node: &Node, until: Instant, mut random: StdRng) -> u32 {
    let mut kills = 0;
    while kills < KILLS || Instant::now() < until {
        node.serve().await;
        sleep(Duration::from_millis(random.random_range(0..2000))).await;
        node.kill().await;
        kills += 1;
    }
    node.serve().await;
    kills
}
