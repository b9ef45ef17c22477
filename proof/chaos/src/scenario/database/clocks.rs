//! The machines' clocks differ from the database's.

use crate::scenario::prelude::*;

const SONGS: usize = 20;
const SETTLED: Duration = Duration::from_mins(2);

pub async fn apart(run: &Run) {
    let setup = Setup {
        clocks: vec![("api-1", "-3600s"), ("worker-1", "+600s")],
        ..patient().workers(2)
    };
    run.on_cluster(&setup, async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let before = number(cluster, NOW).await;
        ann.songs(&titles("Song", SONGS)).await;
        let sums = check(run, cluster, SETTLED, &ann.expected()).await;
        sums.assert_ended(SONGS, 0);
        let times = "SELECT min(submit_time) FROM tasks WHERE submit_time > 0";
        assert!(number(cluster, times).await >= before - 1);
        let times = "SELECT max(finish_time) FROM tasks";
        assert!(number(cluster, times).await <= number(cluster, NOW).await + 1);
        for node in cluster.nodes() {
            let (_, state) = readiness(&http(), &node.url).await.expect("it answers");
            let is_right = node.name == "worker-2";
            assert_eq!(state["clock"] == "ok", is_right, "{}: {state}", node.name);
            let log = node.log();
            assert_eq!(
                log.contains("set it by NTP"),
                !is_right,
                "{}: {log}",
                node.name
            );
        }
    })
    .await;
}

/// The database's time in seconds.
const NOW: &str = "SELECT extract(epoch FROM clock_timestamp())::BIGINT";
