//! Every new connection to the database is closed before its first byte.

use crate::scenario::prelude::*;

const OUTAGE: Duration = Duration::from_secs(4);
/// The limit for each step.
const LIMIT: Duration = Duration::from_mins(1);

pub async fn hangs_up(run: &Run) {
    run.on_cluster(&patient(), async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let (channel, worker) = (&cluster.channels[0], &cluster.workers[0]);
        let mut tasks = ann.songs(&titles("Before", 10)).await;
        let mut answer = channel.proxy().hold(&[SUBMIT, OK]);
        tasks.push(ann.song("Rain").await);
        answer.reached().await;
        worker.postgres().cut();
        answer.release();
        sleep(OUTAGE).await;
        worker.postgres().mend();
        ann.all_succeed(&tasks, LIMIT).await;
        let submits = channel.upstream.asked_and_accepted("Rain").await;
        assert_eq!(submits, (1, 1));
        check(run, cluster, LIMIT, &ann.expected()).await;
    })
    .await;
}
