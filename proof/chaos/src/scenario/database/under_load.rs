//! The database restarts or terminates connections while clients submit at two APIs all the time.

use crate::random_faults::terminate_others;
use crate::scenario::prelude::*;

const AT_ONCE: usize = 4;

/// The limit until all tasks have ended, once everything is mended.
const SETTLED: Duration = Duration::from_mins(2);

pub async fn restarts(run: &Run) {
    under_load(run, async |cluster, until| {
        let mut restarts = 0;
        while restarts < 2 || Instant::now() < until {
            sleep(Duration::from_secs(3)).await;
            let mut postgres = cluster.servers().postgres.lock().await;
            if restarts % 2 == 0 {
                postgres.stop().await;
            } else {
                postgres.kill().await;
            }
            // Long enough for some submits to fail.
            sleep(Duration::from_secs(1)).await;
            postgres.run().await;
            restarts += 1;
        }
        run.fact("restarts", restarts);
    })
    .await;
}

pub async fn terminates(run: &Run) {
    under_load(run, async |cluster, until| {
        let mut database = cluster.connect().await;
        let (mut times, mut connections) = (0, 0);
        while Instant::now() < until {
            sleep(Duration::from_millis(300)).await;
            let terminated = terminate_others(&mut database).await;
            connections += terminated.expect("the database answers");
            times += 1;
        }
        run.fact("times", times);
        run.fact("connections_terminated", connections);
        assert!(
            connections > 10,
            "{connections} connections were terminated"
        );
    })
    .await;
}

/// Submits, with two APIs and two workers, until the run's duration is over and `faults` has ended,
/// then checks everything. `faults` gets the cluster and the end of the duration. Processes that end
/// are started again.
async fn under_load(run: &Run, faults: impl AsyncFnOnce(&Cluster, Instant)) {
    let setup = Setup {
        apis: 2,
        workers: 2,
        ..Setup::default()
    };
    run.on_cluster(&setup, async |cluster| {
        let ann = PatientClient::at_every_api(cluster, "ann").await;
        let until = Instant::now() + run.duration;
        tokio::select! {
            _ = async { tokio::join!(ann.submit_until(AT_ONCE, until), faults(cluster, until)) } => {}
            _ = join_all(cluster.nodes().map(Node::supervise)) => {}
        }
        cluster.mend().await;
        let mut ended = 0;
        for node in cluster.nodes() {
            ended += node.take().await.ended_by_itself;
        }
        run.fact("processes_that_gave_up", ended);
        let expected = ann.expected();
        let submits = &expected.submits;
        let requests: usize = submits.iter().map(|submit| submit.answers.len()).sum();
        run.fact("songs", submits.len());
        run.fact("requests", requests);
        assert!(
            submits.iter().all(|submit| submit.tasks().count() == 1),
            "each submit is answered with its task"
        );
        let sums = check(run, cluster, SETTLED, &expected).await;
        let tasks: usize = sums.tasks.values().sum();
        assert_eq!(tasks, submits.len(), "there are tasks without a submit");
        assert!(sums.tasks.contains_key("SUCCESS"), "{sums:?}");
    })
    .await;
}
