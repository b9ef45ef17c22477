//! `task-center`, everything in one process on `SQLite`, is killed again and again, or has no disk space left.

use harness::cluster::Backend;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::check::{all_end, check_tables};
use crate::ledger_check::{Database, Sums};
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
        Scenario::new(
            "one-process-on-a-full-disk",
            "The disk of task-center on SQLite is full while its upstream has songs whose acceptance is \
             not stored yet. Clients get a 503, and /readyz says why. As soon as there is room again \
             everything goes on, and every song that the upstream made is a success.",
            full,
        ),
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
        let connect = async || connect(cluster).await;
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
        check_file(run, cluster, &ann).await;
    })
    .await;
}

/// The disk is full while the upstream has songs that only the process knows of, then there is room again.
async fn full(run: &Run) {
    let slow = answers_after("2s");
    let setup = Setup {
        disk: Some(24),
        ..patient().upstreams(&[("first", &slow)])
    };
    run.on(Backend::OneProcess, &setup, async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let node = &cluster.apis[0];
        let limit = ["channel", "set", "--name", "first", "--max-tasks", "40"];
        cluster.operator().json(&limit).await;
        ann.songs(&titles("Before", 20)).await;
        // Their outcomes come while nothing can be written.
        eventually(SOON, "all songs to be sent", async || {
            let sending = "SELECT count(*) FROM unfinished_tasks WHERE claim IS NOT NULL";
            let mut file = connect(cluster).await;
            let sending = sqlx::query_scalar(sending).fetch_one(&mut file);
            let sending: i64 = sending.await.ok()?;
            (sending == 20).then_some(())
        })
        .await;
        let taken = accepted(cluster, 0).await;
        cluster.disk().fill();
        eventually(SOON, "the disk to be full", async || {
            let (status, state) = readiness(&http(), &node.url).await?;
            (status == 503 && state["database"] == "full").then_some(())
        })
        .await;
        let refused = ann.client.submit("music", &song("Refused")).await;
        assert_eq!(refused.status, 503, "{}", refused.text);
        assert_eq!(refused.json["code"], "busy", "{}", refused.text);
        sleep(Duration::from_secs(5)).await;
        run.fact("accepted_upstream_before_the_disk_was_full", taken);
        run.fact(
            "accepted_upstream_before_there_was_room",
            accepted(cluster, 0).await,
        );
        cluster.disk().free();
        eventually(SOON, "the disk to have room", async || {
            let (status, _) = readiness(&http(), &node.url).await?;
            (status == 200).then_some(())
        })
        .await;
        ann.songs(&titles("After", 20)).await;
        all_end(SETTLED, async || Database::Sqlite(connect(cluster).await)).await;
        cluster.stop().await;
        let sums = check_file(run, cluster, &ann).await;
        sums.assert_ended(40, 0);
    })
    .await;
}

async fn connect(cluster: &Cluster) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(cluster.sqlite_file());
    let options = options.pragma("query_only", "ON");
    options.connect().await.expect("the file opens")
}

async fn check_file(run: &Run, cluster: &Cluster, ann: &PatientClient) -> Sums {
    let database = Database::Sqlite(connect(cluster).await);
    let (operator, upstreams) = (cluster.operator(), [cluster.upstream()]);
    let upstreams = upstreams.into_iter();
    check_tables(run, database, &operator, upstreams, &ann.expected()).await
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
