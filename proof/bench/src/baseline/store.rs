//! The database alone: it runs the statements of polls, without worker, broker or upstream.

use std::time::Duration;

use futures_util::StreamExt as _;
use shared::clock::{Clock as _, SystemClock};
use shared::store::Store;
use shared::store::turns::{PollJob, Polled, TaskUpdate};
use shared::task::{AtTurn, ChannelId, Progress, Status};
use tokio::time::Instant;

/// What the upstream has to say about each task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Another status, and a result.
    MovedOn,
    NothingNew,
}

/// Reads and settles the tasks in batches of a hundred, `at_once` batches at a time; returns how long that took.
pub async fn poll_all(
    store: &Store,
    channel: ChannelId,
    tasks: &[AtTurn],
    at_once: usize,
    poll: Poll,
) -> Duration {
    let started = Instant::now();
    futures_util::stream::iter(tasks.chunks(100))
        .for_each_concurrent(at_once, async |batch| {
            let jobs = store.poll_jobs(channel, batch).await;
            let jobs = jobs.expect("the database answers");
            let settled = settle(store, &jobs, poll).await;
            assert_eq!(settled.len(), batch.len());
        })
        .await;
    started.elapsed()
}

/// Writes the outcome of a poll; returns the tasks at their next turns.
pub async fn settle(store: &Store, jobs: &[PollJob], poll: Poll) -> Vec<AtTurn> {
    let data = format!(r#"[{{"text":"{}"}}]"#, "la".repeat(500));
    let waiting = jobs.iter().map(|job| Polled {
        at: job.at,
        due_at: job.due_at,
        polls: job.polls + 1,
        missing: 0,
        update: (poll == Poll::MovedOn).then(|| TaskUpdate {
            status: Status::InProgress,
            progress: Progress::NONE.advance(Status::InProgress, Some(99)),
            data: Some(data.clone()),
            digest: job.digest + 1,
        }),
    });
    let settled = store
        .settle(waiting.collect(), Vec::new(), SystemClock.now())
        .await;
    settled.expect("the database answers").waiting
}
