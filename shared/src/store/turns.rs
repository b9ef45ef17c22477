//! What workers do with unfinished tasks: submits, polls, ends, and the sweep.
//!
//! Each method that changes an unfinished task takes the task at a turn ([`AtTurn`]). It changes nothing
//! if the task is at another turn, and it moves the task to its next turn if it changes something. Only
//! [`Store::renew_leases`], [`Store::sweep`] and [`Store::look_early`] leave the turn: they change when the
//! task is due. The returned lists name the tasks that were changed; for the others the caller has nothing to
//! do. If a list names a task at several turns, the entry at the task's own turn counts.

mod records;

use std::collections::HashMap;

use super::either::either;
use super::row::{self, Cells as _};
use super::sql::{Row, Tx, sql};
use super::{Result, Store};
use crate::clock::Millis;
use crate::task::history::{self, LATE};
use crate::task::{AtTurn, ChannelId, RowId, Status, Turn, late};
pub use records::{
    Accepted, Begun, Ended, Finished, Intention, LateTask, Overdue, PollJob, Polled, Retry,
    Sending, Settled, SubmitJob, TaskUpdate,
};

/// What stands in place of the request of a task that ended: a request can be large, and no upstream gets it any
/// more. JSON, because programs of the version before show it.
pub(super) const NO_REQUEST: &str = "{}";

/// Calls a method that both databases have under one name, in a task of its own.
macro_rules! detached {
    ($self:ident, $store:ident => $call:expr) => {{
        let database = $self.database.clone();
        let work = async move { either!(database, $store => $call) };
        $self.database.detach(work).await
    }};
}

impl Store {
    /// Reads the tasks that are still to be submitted. A row that cannot be read is logged and left out.
    pub async fn submit_jobs(&self, tasks: &[AtTurn]) -> Result<Vec<SubmitJob>> {
        let tasks = in_order(tasks.to_vec(), |at| *at);
        detached!(self, store => store.submit_jobs(&tasks).await)
    }

    /// [`Store::submit_jobs`] for one task.
    pub async fn submit_job(&self, at: AtTurn) -> Result<Option<SubmitJob>> {
        Ok(self.submit_jobs(&[at]).await?.pop())
    }

    /// Postpones unfinished tasks until `due_at`. A task with a recorded intention is not postponed, but one
    /// that is to be sent to its channel again ([`Sending::Again`]) is.
    pub async fn postpone(&self, tasks: &[AtTurn], due_at: Millis) -> Result<Vec<AtTurn>> {
        let tasks = in_order(tasks.to_vec(), |at| *at);
        detached!(self, store => store.postpone(&tasks, due_at).await)
    }

    /// Withdraws an intention: the submit is tried again. If the request may have arrived, the task stays
    /// with its channel ([`Sending::Again`]). `None`: the task is at another turn.
    pub async fn retry_submit(&self, retry: Retry, now: Millis) -> Result<Option<AtTurn>> {
        detached!(self, store => store.retry_submit(&retry, now).await)
    }

    /// Records that upstreams accepted tasks: the tasks become SUBMITTED, and their prices are added to
    /// `used_quota` of their channels, in one transaction.
    pub async fn accept(&self, tasks: Vec<Accepted>, now: Millis) -> Result<Vec<AtTurn>> {
        let tasks = in_order(tasks, |task| task.at);
        detached!(self, store => store.accept(&tasks, now).await)
    }

    /// Reads the tasks that `channel` has, for one poll. The turn stays, so two callers with one turn both
    /// get the task and both may ask the upstream; [`Store::settle`] then takes one of the answers.
    pub async fn poll_jobs(&self, channel: ChannelId, tasks: &[AtTurn]) -> Result<Vec<PollJob>> {
        let tasks = in_order(tasks.to_vec(), |at| *at);
        detached!(self, store => store.poll_jobs(channel, &tasks).await)
    }

    /// Keeps tasks that are being sent or polled from being overdue before `until`: their worker lives. The turn
    /// stays.
    pub async fn renew_leases(&self, tasks: &[AtTurn], until: Millis) -> Result<()> {
        let tasks = in_order(tasks.to_vec(), |at| *at);
        detached!(self, store => store.renew_leases(&tasks, until).await)
    }

    /// Writes the outcome of a poll in one transaction: the tasks that stay unfinished, and those that end.
    /// A failure and its refund are written together.
    pub async fn settle(
        &self,
        polled: Vec<Polled>,
        finished: Vec<Finished>,
        now: Millis,
    ) -> Result<Settled> {
        let polled = in_order(polled, |task| task.at);
        let finished = in_order(finished, |task| task.at);
        detached!(self, store => store.settle(&polled, &finished, now).await)
    }

    /// The results so far of those of `rows` that have one, as stored.
    pub async fn results(&self, rows: &[RowId]) -> Result<HashMap<RowId, String>> {
        let is_one = self.database.is_among("id", 1);
        let rows: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let select = sql(format!(
            "SELECT id, data FROM tasks WHERE data IS NOT NULL AND {is_one}"
        ))
        .bind(rows.as_slice()); // $1 id
        let found = self.database.all(select).await?;
        let result = |found: &Row| Ok((RowId(found.int("id")?), found.text("data")?));
        found.iter().map(result).collect()
    }

    /// Takes at most `limit` unfinished tasks that were due before `due_before`, each for one caller only; not
    /// those of [`Store::orphans`], and not those that wait in a line, which [`Store::next_lines`] finds.
    /// They are not overdue again before `lease_until`. The turn stays, so a message that is still under way
    /// is as good as the one to publish now. Notes each task in the history, once a turn.
    pub async fn sweep(
        &self,
        due_before: Millis,
        lease_until: Millis,
        limit: u32,
        now: Millis,
    ) -> Result<Vec<Overdue>> {
        detached!(self, store => store.sweep(due_before, lease_until, limit, now).await)
    }

    /// At most `limit` tasks with a recorded intention to submit whose lease ended before `due_before`: their
    /// worker may be dead. The sweep leaves them alone.
    pub async fn orphans(&self, due_before: Millis, limit: u32) -> Result<Vec<AtTurn>> {
        let select = sql("SELECT id, turn FROM unfinished_tasks
             WHERE stage = 'sending' AND claim IS NOT NULL AND due_at < $1
             ORDER BY id
             LIMIT $2")
        .bind(due_before.0) // $1 due_at
        .bind(limit); // $2 limit
        let found = self.database.all(select).await?;
        let at = |found: &Row| Ok(row::at_turn((found.int("id")?, found.int("turn")?)));
        found.iter().map(at).collect()
    }

    /// Takes at most `limit` tasks that were given up at their deadline and are due for a look, each for one
    /// caller only. When and how often: [`late`].
    pub async fn late_tasks(&self, now: Millis, limit: u32) -> Result<Vec<LateTask>> {
        self.database
            .write(move |tx| Box::pin(late_tasks(tx, now, limit)))
            .await
    }

    /// Notes in the history of a failed task, once, that its upstream ended it late as `status`. The money
    /// stays as settled. Returns the task's last turn; `None` if nothing was noted.
    pub async fn note_late(
        &self,
        row: RowId,
        status: Status,
        data: Option<&str>,
        now: Millis,
    ) -> Result<Option<Turn>> {
        let detail = history::late(status, data);
        self.database
            .write(move |tx| Box::pin(note_late(tx, row, detail, now)))
            .await
    }
}

/// See [`Store::late_tasks`].
async fn late_tasks(tx: &mut Tx, now: Millis, limit: u32) -> Result<Vec<LateTask>> {
    let skip_locked = tx.skip_locked();
    let look = sql(format!(
        "WITH due AS (
             SELECT id AS due_id FROM late_tasks
             WHERE due_at <= $1
             ORDER BY due_at
             LIMIT $3
             {skip_locked}
         )
         UPDATE late_tasks
         SET looks = looks + 1, due_at = $2
         FROM due
         WHERE id = due_id
         RETURNING id, channel_id, upstream_id,
                   (SELECT t.task_id FROM tasks t WHERE t.id = late_tasks.id) AS task_id,
                   (SELECT t.action FROM tasks t WHERE t.id = late_tasks.id) AS action"
    ))
    .bind(now.0) // $1 due_at
    .bind(late::next_look(now).0) // $2 due_at
    .bind(limit); // $3 limit
    let found = tx.all(look).await?;
    let tasks: Vec<LateTask> = found.iter().map(row::late_task).collect::<Result<_>>()?;
    // The table holds only tasks of the last half hour that were given up.
    let forget = sql("DELETE FROM late_tasks WHERE looks >= $1");
    tx.execute(forget.bind(late::LOOKS)).await?;
    Ok(tasks)
}

/// See [`Store::note_late`]. Locks the task: the second of two notes sees the first.
async fn note_late(tx: &mut Tx, row: RowId, detail: String, now: Millis) -> Result<Option<Turn>> {
    let lock = tx.for_update();
    let failed = sql(format!(
        "SELECT (SELECT max(turn) FROM task_events e WHERE e.task_id = t.id) AS turn
         FROM tasks t
         WHERE t.id = $1 AND t.status = $2
         {lock}"
    ))
    .bind(row.0) // $1 id
    .bind(Status::Failure.as_str()); // $2 status
    let Some(failed) = tx.optional(failed).await? else {
        return Ok(None);
    };
    let Some(turn) = failed.int_or_null("turn")? else {
        return Ok(None);
    };
    let note = sql("INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT $1, $2, $3, $4, $5
         WHERE NOT EXISTS (SELECT 1 FROM task_events WHERE task_id = $1 AND kind = $4)")
    .bind(row.0) // $1 task_id
    .bind(now.0) // $2 at
    .bind(turn) // $3 turn
    .bind(LATE.kind) // $4 kind
    .bind(detail.as_str()); // $5 detail
    let noted = tx.execute(note).await?;
    let forget = sql("DELETE FROM late_tasks WHERE id = $1");
    tx.execute(forget.bind(row.0)).await?;
    Ok((noted > 0).then_some(Turn(turn)))
}

/// Sorts a batch by task, and keeps the first of equal entries. A statement that looks each row up by its
/// id then locks rows by ascending id, so two batches that overlap do not deadlock. If Postgres chooses
/// another plan, it detects the deadlock, and the caller retries.
fn in_order<T>(mut batch: Vec<T>, at: impl Fn(&T) -> AtTurn) -> Vec<T> {
    batch.sort_by_key(|one| (at(one).row, at(one).turn));
    batch.dedup_by_key(|one| at(one));
    batch
}
