//! Tasks as clients see them: any page of any filter, and the exact total, at a cost that does not grow
//! with the number of tasks.
//!
//! Tasks lie in [`blocks`] of 256, and these in larger blocks. The table `task_counts` counts the tasks of
//! each kind in each block. A trigger notes each change of a task in `task_changes`, and every second a
//! program folds the changes into the counts ([`Store::fold`]). Counts plus noted changes are exact in every
//! snapshot. A listing adds up the largest blocks. It opens only the blocks that hold the page, or that an
//! end of the time range cuts, and reads the rows of some blocks of 256: [`walk`].
//!
//! Blocks do not tell the unfinished statuses (`QUEUED`, `IN_PROGRESS`, …) apart, as these change too often.
//! A listing of one of them counts rows, in the few newest blocks.

#![allow(missing_docs, reason = "names explain the rest")]

/// A listing looks among so many of the newest tasks before it reads any block: most pages are there.
const NEWEST: i64 = 512;

/// The level of `task_counts` where everybody's unfinished tasks are counted, each status by its name.
const EVERYWHERE: i64 = 3;

mod blocks;
mod rows;
mod snapshot;
mod walk;

pub use self::rows::{INPUT_CHARACTERS, RESULT_BYTES};
pub(super) use self::rows::{task, whole};

use self::rows::{SIZE, bounded, within_bounds};
use self::snapshot::Snapshot;
use super::either::either;
use super::sql::{Database, sql};
use super::{Result, Store};
use crate::task::{Action, ChannelId, Progress, Quota, RowId, Status, TaskId, UserId};

/// A task as it is listed. Times are Unix seconds by our own clock; 0 means not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskView {
    pub id: RowId,
    pub task_id: TaskId,
    /// The platform, as stored.
    pub platform: String,
    pub user_id: UserId,
    /// The channel that has the task, or had it last; 0 before the first.
    pub channel_id: ChannelId,
    pub username: String,
    /// What was charged.
    pub quota: Quota,
    pub action: Action,
    pub status: Status,
    /// Why the task failed; empty unless it did.
    pub fail_reason: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub submit_time: i64,
    /// When the task was first seen in progress.
    pub start_time: i64,
    pub finish_time: i64,
    pub progress: Progress,
    /// The prompt or description; in a page or a batch at most [`INPUT_CHARACTERS`] of it, and `…` for the
    /// rest.
    pub input: String,
    /// The upstream's result: JSON; `None` while there is none, and where it is left out.
    pub data: Option<String>,
    /// Whether the result is left out, as those before it in the page or the batch fill [`RESULT_BYTES`].
    pub truncated: bool,
}

/// Which tasks are listed. Every `None` lets all through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub user_id: Option<UserId>,
    pub channel_id: Option<ChannelId>,
    /// Of this platform, exactly.
    pub platform: Option<String>,
    /// Of this public name, exactly.
    pub task_id: Option<String>,
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
    /// Whether no task can match. Ids begin at 1. Blocks count everybody's tasks under the user 0, and tasks
    /// without a channel under the channel 0.
    fn matches_nothing(&self) -> bool {
        self.nothing
            || self.user_id.is_some_and(|user| user.0 < 1)
            || self.channel_id.is_some_and(|channel| channel.0 < 1)
    }

    /// Whose tasks the filter is about.
    fn scope(&self) -> blocks::Scope {
        self.user_id
            .map_or(blocks::Scope::Everybody, blocks::Scope::Of)
    }

    /// The status as blocks name it.
    fn state(&self) -> Option<&'static str> {
        self.status.map(|status| match status {
            Status::Success | Status::Failure => status.as_str(),
            _ => "UNFINISHED",
        })
    }

    /// The level of `task_counts` whose rows add up to the number of matching tasks; `None`: no level does.
    fn adds_up_at(&self) -> Option<i64> {
        let whenever = self.start_timestamp.is_none() && self.end_timestamp.is_none();
        match (self.is_counted_in_blocks(), self.user_id) {
            _ if !whenever => None,
            (true, _) => Some(self.scope().coarsest().number()),
            (false, None) => Some(EVERYWHERE),
            (false, Some(_)) => None,
        }
    }

    /// Whether the counts of blocks tell how many tasks match, apart from the filter's times.
    fn is_counted_in_blocks(&self) -> bool {
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
        if filter.matches_nothing() {
            return Ok(Page {
                items: Vec::new(),
                total: 0,
            });
        }
        if filter.task_id.is_some() {
            let found = self.database.all(snapshot::one(&filter)).await?;
            let shown = found.iter().filter(|_| offset == 0 && limit > 0);
            return Ok(Page {
                items: shown.map(bounded).collect::<Result<_>>()?,
                total: i64::try_from(found.len()).unwrap_or(i64::MAX),
            });
        }
        // The statements find their rows by an index whatever the filter is, so they are planned once:
        // planning them takes longer than executing them.
        let setting = "plan_cache_mode = force_generic_plan";
        self.database
            .snapshot(setting, move |tx| {
                Box::pin(async move {
                    let filter = &filter;
                    let mut snapshot = Snapshot { tx, filter };
                    match snapshot.newest(offset, limit).await? {
                        Some(page) => Ok(page),
                        None => walk::page(&mut snapshot, filter, offset, limit).await,
                    }
                })
            })
            .await
    }

    /// Folds at most `limit` noted changes into the counts, so that listings have less to add up;
    /// returns how many. Safe while others do the same: one does it, the rest return 0.
    pub async fn fold(&self, limit: u32) -> Result<u64> {
        let database = self.database.clone();
        let fold = async move { either!(database, store => store.fold(limit).await) };
        self.database.detach(fold).await
    }

    /// Those of `tasks` that are the user's, in the order of `tasks`, each once.
    pub async fn find(&self, user: UserId, tasks: &[TaskId]) -> Result<Vec<TaskView>> {
        let asked = match self.database {
            Database::Postgres(_) => "unnest($2) WITH ORDINALITY AS asked (value, key)",
            Database::Sqlite(_) => "json_each($2) AS asked",
        };
        let page = within_bounds(&format!(
            "SELECT t.id, min(asked.key) AS place, min({SIZE}) AS size
             FROM {asked}
             CROSS JOIN tasks t
             WHERE t.task_id = asked.value AND t.user_id = $1
             GROUP BY t.id"
        ));
        let select = sql(format!("{page} ORDER BY sized.place"))
            .bind(user.0) // $1 user_id
            .bind(tasks.iter().map(ToString::to_string).collect::<Vec<_>>()); // $2 task_id
        let found = self.database.all(select).await?;
        found.iter().map(bounded).collect()
    }

    /// One of the user's tasks, whole.
    pub async fn find_one(&self, user: UserId, task_id: &TaskId) -> Result<Option<TaskView>> {
        let columns = whole();
        let select = sql(format!(
            "SELECT {columns}
             FROM tasks t
             JOIN users u ON u.id = t.user_id
             WHERE t.task_id = $1 AND t.user_id = $2"
        ))
        .bind(task_id.as_str()) // $1 task_id
        .bind(user.0); // $2 user_id
        let found = self.database.optional(select).await?;
        let Some(mut found) = found.as_ref().map(task).transpose()? else {
            return Ok(None);
        };
        self.add_large_result(&mut found).await?;
        Ok(Some(found))
    }
}
