//! `PostgreSQL` running the statements of a poll, without a worker, a broker or an upstream.

use std::time::Duration;

use futures_util::StreamExt as _;
use shared::clock::{Clock as _, SystemClock};
use shared::store::SharedStore;
use shared::store::turns::{AtTurn, News, PollJob, Waiting};
use shared::task::{ChannelId, Progress, Status};
use tokio::time::Instant;

/// As many as a worker has at one channel.
const AT_ONCE: usize = 8;

/// Reads and settles batches of a hundred, each with news; returns how long that took.
pub async fn poll(store: &SharedStore, channel: ChannelId, tasks: &[AtTurn]) -> Duration {
    let data = format!(r#"[{{"text":"{}"}}]"#, "la".repeat(500));
    let started = Instant::now();
    futures_util::stream::iter(tasks.chunks(100))
        .for_each_concurrent(AT_ONCE, async |batch| {
            let now = SystemClock.now();
            let jobs = store.poll_jobs(channel, batch).await;
            let jobs = jobs.expect("PostgreSQL answers");
            let waiting = jobs.iter().map(|job| news(job, &data)).collect();
            let settled = store.settle(waiting, Vec::new(), now).await;
            let settled = settled.expect("PostgreSQL answers");
            assert_eq!(settled.waiting.len(), batch.len());
        })
        .await;
    started.elapsed()
}

fn news(job: &PollJob, data: &str) -> Waiting {
    Waiting {
        at: job.at,
        due_at: job.due_at,
        polls: job.polls + 1,
        missing: 0,
        news: Some(News {
            status: Status::InProgress,
            progress: Progress::NONE.advance(Status::InProgress, Some(99)),
            data: Some(data.to_owned()),
            digest: job.digest + 1,
        }),
    }
}
