//! A database running the statements of a poll, without a worker, a broker or an upstream.

use std::time::Duration;

use futures_util::StreamExt as _;
use shared::clock::{Clock as _, SystemClock};
use shared::store::Store;
use shared::store::turns::{News, PollJob, Waiting};
use shared::task::{AtTurn, ChannelId, Progress, Status};
use tokio::time::Instant;

/// What the upstream is to have said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Another status, and a result.
    News,
    /// Nothing new.
    Same,
}

/// Reads and settles batches of a hundred, so many `at_once`; returns how long that took.
pub async fn poll(
    store: &Store,
    channel: ChannelId,
    tasks: &[AtTurn],
    at_once: usize,
    said: Said,
) -> Duration {
    let data = format!(r#"[{{"text":"{}"}}]"#, "la".repeat(500));
    let started = Instant::now();
    futures_util::stream::iter(tasks.chunks(100))
        .for_each_concurrent(at_once, async |batch| {
            let now = SystemClock.now();
            let jobs = store.poll_jobs(channel, batch).await;
            let jobs = jobs.expect("the database answers");
            let asked = jobs.iter().map(|job| waiting(job, said, &data)).collect();
            let settled = store.settle(asked, Vec::new(), now).await;
            let settled = settled.expect("the database answers");
            assert_eq!(settled.waiting.len(), batch.len());
        })
        .await;
    started.elapsed()
}

fn waiting(job: &PollJob, said: Said, data: &str) -> Waiting {
    Waiting {
        at: job.at,
        due_at: job.due_at,
        polls: job.polls + 1,
        missing: 0,
        news: (said == Said::News).then(|| News {
            status: Status::InProgress,
            progress: Progress::NONE.advance(Status::InProgress, Some(99)),
            data: Some(data.to_owned()),
            digest: job.digest + 1,
        }),
    }
}
