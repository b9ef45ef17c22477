//! Nobody can renew a lease or write an outcome for longer than the lease lasts.

use sqlx::Connection as _;

use crate::scenario::prelude::*;

/// Longer than the lease of a submit (33 s), the pause between two renewals, and as many looks of a sweep as end an
/// orphan.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(70);
const SONGS: usize = 10;
const SETTLED: Duration = Duration::from_mins(2);

/// An upstream that takes 2 s to answer a submit.
fn setup() -> Setup {
    let slow = answers_after("2s");
    Setup::default().upstreams(&[("first", &slow)])
}

pub async fn comes_back(run: &Run) {
    run.on_cluster(&setup().workers(2), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let [holder, other] = &cluster.workers[..] else {
            panic!("there are two workers");
        };
        other.kill().await;
        ann.songs(&titles("Held", SONGS)).await;
        all_are_sent(cluster).await;
        holder.postgres().cut();
        sleep(LONGER_THAN_A_LEASE).await;
        assert_eq!(accepted(cluster, 0).await, SONGS as u64);
        other.serve().await;
        holder.postgres().mend();
        let sums = check(run, cluster, SETTLED, &ann.expected()).await;
        sums.assert_ended(SONGS, 0);
    })
    .await;
}

pub async fn locked(run: &Run) {
    run.on_cluster(&setup().workers(2), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        ann.songs(&titles("Held", SONGS)).await;
        all_are_sent(cluster).await;
        let mut database = cluster.connect().await;
        let mut lock = database.begin().await.expect("a transaction begins");
        let take = sqlx::query("LOCK TABLE unfinished_tasks IN ACCESS EXCLUSIVE MODE");
        take.execute(&mut *lock).await.expect("the table is locked");
        sleep(LONGER_THAN_A_LEASE).await;
        lock.rollback().await.expect("the lock is released");
        ann.songs(&titles("After", 2)).await;
        let sums = check(run, cluster, SETTLED, &ann.expected()).await;
        sums.assert_ended(SONGS + 2, 0);
    })
    .await;
}

/// Waits until the upstream has every song. It answers 2 s after it counted one.
async fn all_are_sent(cluster: &Cluster) {
    eventually(SOON, "all songs to be sent", async || {
        (accepted(cluster, 0).await == SONGS as u64).then_some(())
    })
    .await;
}
