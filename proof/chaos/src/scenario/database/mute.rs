//! Connections to the database carry nothing any more, and nobody resets them.

use crate::scenario::prelude::*;

const AT_ONCE: usize = 4;
/// The pause between two failovers.
const EVERY: Duration = Duration::from_secs(13);
/// The longest time without an accepted submit: until a unit of work is suspected, a look over a fresh connection,
/// and the client's next try, on a busy machine.
const LONGEST_GAP: Duration = Duration::from_secs(12);
const SETTLED: Duration = Duration::from_mins(2);

pub async fn fails_over(run: &Run) {
    let setup = patient().workers(2);
    run.on_cluster(&setup, async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let until = Instant::now() + run.duration;
        let failovers = async {
            let mut failovers = 0;
            while Instant::now() + EVERY < until {
                sleep(EVERY).await;
                for node in cluster.nodes() {
                    node.postgres().mute();
                }
                failovers += 1;
            }
            failovers
        };
        let watched = async { longest_gap(&ann, until).await };
        let load = ann.submit_until(AT_ONCE, until);
        let (failovers, gap, ()) = tokio::join!(failovers, watched, load);
        run.fact("failovers", failovers);
        run.fact("longest_time_without_success_s", gap.as_secs_f64());
        assert!(failovers > 0, "nothing failed over");
        assert!(gap < LONGEST_GAP, "{gap:?} without one accepted submit");
        for node in cluster.nodes() {
            assert_eq!(node.take().await.ended_by_itself, 0, "{}", node.name);
        }
        let sums = check(run, cluster, SETTLED, &ann.expected()).await;
        sums.assert_ended(sums.tasks.values().sum(), 0);
    })
    .await;
}

/// The longest time between two accepted submits of a client.
async fn longest_gap(ann: &PatientClient, until: Instant) -> Duration {
    let (mut accepted, mut since) = (ann.submits().len(), Instant::now());
    let mut longest = Duration::ZERO;
    while Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
        let now = ann.submits().len();
        if now > accepted {
            (accepted, since) = (now, Instant::now());
        }
        longest = longest.max(since.elapsed());
    }
    longest
}
