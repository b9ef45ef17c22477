//! The steps of a task that a worker would take.

use std::time::Duration;

use shared::clock::Clock as _;
use shared::store::story::Story;
use shared::store::turns::{Accepted, Finished, Polled, TaskUpdate};
use shared::task::{AtTurn, ChannelId, End, Progress, RowId, Status, Turn};

use crate::app::TestApp;

impl TestApp {
    /// Everything that is known of a task.
    pub async fn story(&self, task: &str) -> Story {
        let task = task.parse().expect("it is a task id");
        let story = self.store.story(&task).await.expect("the database works");
        story.expect("the task exists")
    }

    /// The row and the turn of an unfinished task.
    async fn at(&self, task: &str) -> AtTurn {
        let story = self.story(task).await;
        let turn = story.unfinished.expect("the task is unfinished").turn;
        AtTurn {
            row: RowId(story.task.id.0),
            turn: Turn(turn),
        }
    }

    /// Makes the upstream accept a task.
    pub async fn accept(&self, task: &str, channel: ChannelId, upstream_id: &str) {
        let (at, now) = (self.at(task).await, self.clock.now());
        let lease = now.after(Duration::from_mins(1));
        let begun = self.store.begin_submit(at, channel, 1, lease, now).await;
        let begun = begun.expect("the database works");
        let accepted = Accepted {
            at: begun.expect("it is its turn"),
            channel,
            upstream_id: upstream_id.to_owned(),
            due_at: now.after(Duration::from_secs(5)),
        };
        let accepted = self.store.accept(vec![accepted], now).await;
        assert_eq!(accepted.expect("the database works").len(), 1);
    }

    /// Makes a poll find an accepted task in `status`, with `data` as its result so far.
    pub async fn progress(&self, task: &str, channel: ChannelId, status: Status, data: &str) {
        let at = self.polled(task, channel).await;
        let now = self.clock.now();
        let waiting = Polled {
            at,
            due_at: now.after(Duration::from_secs(5)),
            polls: 1,
            missing: 0,
            update: Some(TaskUpdate {
                status,
                progress: Progress::NONE.advance(status, Some(65)),
                data: Some(data.to_owned()),
                digest: 1,
            }),
        };
        let settled = self.store.settle(vec![waiting], vec![], now).await;
        assert_eq!(settled.expect("the database works").waiting.len(), 1);
    }

    /// Makes a poll find an accepted task ended.
    pub async fn end(&self, task: &str, channel: ChannelId, end: End, data: Option<&str>) {
        let at = self.polled(task, channel).await;
        let finished = Finished {
            at,
            end,
            data: data.map(str::to_owned),
        };
        let now = self.clock.now();
        let settled = self.store.settle(vec![], vec![finished], now).await;
        let settled = settled.expect("the database works");
        assert_eq!(settled.finished_rows(), [at.row]);
    }

    async fn polled(&self, task: &str, channel: ChannelId) -> AtTurn {
        let at = self.at(task).await;
        let jobs = self.store.poll_jobs(channel, &[at]).await;
        let jobs = jobs.expect("the database works");
        jobs.first().expect("the channel has it").at
    }
}

/// A failure for this reason.
pub fn failed(reason: &str) -> End {
    End::Failure {
        reason: reason.to_owned(),
        channel: None,
        given_up: false,
    }
}
