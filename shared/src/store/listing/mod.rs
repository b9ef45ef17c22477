//! Tasks as clients see them: any page of any filter, and how many there are in all, exactly, at a cost
//! that does not grow with their number.
//!
//! Tasks lie in [`blocks`] of 256, which lie in larger ones. The table `task_counts` has how many tasks
//! of each kind are in each block; whoever changes a task notes the change in `task_changes` (a trigger
//! does), and every second somebody folds these into the counts ([`Store::fold`]). Counts plus noted
//! changes are exact in every snapshot. A listing adds up the largest blocks, goes down only into those
//! that the page lies in, or that an end of the time range cuts, and reads the rows of some blocks of
//! 256: [`walk`].
//!
//! What that leaves to the rows are the unfinished statuses (`QUEUED`, `IN_PROGRESS`, …): blocks do not
//! tell them apart, as they change too often. They are counted one by one in few blocks, the newest.

/// A page is looked for among so many of the newest tasks before any block is: mostly it is there.
pub(in crate::store) const NEWEST: i64 = 512;

/// The level of `task_counts` where everybody's unfinished tasks are counted, each status by its name.
pub(in crate::store) const EVERYWHERE: i16 = 3;

pub(in crate::store) mod blocks;
pub(in crate::store) mod walk;

use super::{Database, Result, Store};
use crate::task::{Action, ChannelId, Progress, Quota, RowId, Status, TaskId, UserId};

/// A task as it is listed. Times are Unix seconds by our own clock; 0 means not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskView {
    /// The number.
    pub id: RowId,
    /// The public name.
    pub task_id: TaskId,
    /// The platform, as stored.
    pub platform: String,
    /// Whose it is.
    pub user_id: UserId,
    /// The channel that has it, or had it last; 0 before the first.
    pub channel_id: ChannelId,
    /// The user's name.
    pub username: String,
    /// What was charged.
    pub quota: Quota,
    /// The action.
    pub action: Action,
    /// The status.
    pub status: Status,
    /// Why it failed; empty unless it did.
    pub fail_reason: String,
    /// When it was stored.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
    /// When it was submitted to us.
    pub submit_time: i64,
    /// When it was first seen in progress.
    pub start_time: i64,
    /// When it ended.
    pub finish_time: i64,
    /// How far it is.
    pub progress: Progress,
    /// The prompt or description.
    pub input: String,
    /// The upstream's result: JSON; `None` while there is none.
    pub data: Option<String>,
}

/// Which tasks are listed. Every `None` lets all through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this user.
    pub user_id: Option<UserId>,
    /// At this channel.
    pub channel_id: Option<ChannelId>,
    /// Of this platform, exactly.
    pub platform: Option<String>,
    /// Of this public name, exactly.
    pub task_id: Option<String>,
    /// In this status.
    pub status: Option<Status>,
    /// Of this action. A name that is no action of ours matches nothing: see [`Filter::nothing`].
    pub action: Option<Action>,
    /// Submitted at this Unix second or later.
    pub start_timestamp: Option<i64>,
    /// Submitted at this Unix second or earlier.
    pub end_timestamp: Option<i64>,
    /// Matches nothing at all.
    pub nothing: bool,
}

impl Filter {
    /// Whose tasks it is about.
    pub(in crate::store) fn scope(&self) -> blocks::Scope {
        self.user_id
            .map_or(blocks::Scope::Everybody, blocks::Scope::Of)
    }

    /// The status as blocks name it.
    pub(in crate::store) fn state(&self) -> Option<&'static str> {
        self.status.map(|status| match status {
            Status::Success | Status::Failure => status.as_str(),
            _ => "UNFINISHED",
        })
    }

    /// The level of `task_counts` whose rows add up to all the tasks that it lets through; `None`: no
    /// level does.
    pub(in crate::store) fn adds_up_at(&self) -> Option<i16> {
        let whenever = self.start_timestamp.is_none() && self.end_timestamp.is_none();
        match (self.is_told_by_blocks(), self.user_id) {
            _ if !whenever => None,
            (true, _) => Some(self.scope().coarsest().number()),
            (false, None) => Some(EVERYWHERE),
            (false, Some(_)) => None,
        }
    }

    /// Whether blocks tell the tasks it lets through from others, but for when they were submitted.
    pub(in crate::store) fn is_told_by_blocks(&self) -> bool {
        self.status.is_none_or(Status::is_terminal)
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its tasks, newest first.
    pub items: Vec<TaskView>,
    /// How many tasks match in all, exactly, in the same snapshot.
    pub total: i64,
}

impl Store {
    /// The tasks that match, newest first, `limit` of them after the first `offset`. Items and total
    /// come from one snapshot.
    pub async fn list(&self, filter: Filter, offset: i64, limit: i64) -> Result<Page> {
        match &self.database {
            Database::Postgres(store) => store.list(filter, offset, limit).await,
            Database::Sqlite(store) => store.list(filter, offset, limit).await,
        }
    }

    /// Folds at most `limit` noted changes into the counts, so that listings have less to add up;
    /// returns how many. Safe while others do the same: one does it, the rest return 0.
    pub async fn fold(&self, limit: u32) -> Result<u64> {
        match &self.database {
            Database::Postgres(store) => store.fold(limit).await,
            Database::Sqlite(store) => store.fold(limit).await,
        }
    }

    /// Those of `tasks` that are the user's, in no order.
    pub async fn find(&self, user: UserId, tasks: &[TaskId]) -> Result<Vec<TaskView>> {
        match &self.database {
            Database::Postgres(store) => store.find(user, tasks).await,
            Database::Sqlite(store) => store.find(user, tasks).await,
        }
    }
}
