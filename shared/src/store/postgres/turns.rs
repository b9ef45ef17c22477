//! What workers do: claims by turn, outcomes, the sweep. Each method runs detached; its statements
//! are in `submit`, `polls`, `settle` and `sweep`.
//!
//! Batches are sorted before they are written: a statement that looks each of its rows up by its id
//! then locks them by ascending id, and two batches that overlap do not wait for one another in a
//! circle. Where the planner chooses otherwise, Postgres ends the circle and the caller does it again.

use super::{PostgresStore, polls, settle, submit, sweep};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::detach::detach;
use crate::store::turns::{
    Accepted, AtTurn, Begun, Finished, Intention, LateTask, Overdue, PollJob, Settled, SubmitJob,
    Waiting,
};
use crate::task::{ChannelId, RowId, Status, Turn};

impl PostgresStore {
    pub(in crate::store) async fn submit_jobs(&self, tasks: &[AtTurn]) -> Result<Vec<SubmitJob>> {
        let mut tasks = tasks.to_vec();
        tasks.sort_unstable_by_key(|at| (at.row, at.turn));
        tasks.dedup();
        submit::jobs(&self.pool, &tasks).await
    }

    pub(in crate::store) async fn begin_submits(
        &self,
        intentions: &[Intention],
        lease_until: Millis,
        now: Millis,
    ) -> Result<Vec<Begun>> {
        let (pool, mut intentions) = (self.pool.clone(), intentions.to_vec());
        intentions.sort_unstable_by_key(|one| one.at.row);
        detach(async move { submit::begin(&pool, &intentions, lease_until, now).await }).await
    }

    pub(in crate::store) async fn postpone(
        &self,
        tasks: &[AtTurn],
        due_at: Millis,
    ) -> Result<Vec<AtTurn>> {
        let (pool, mut tasks) = (self.pool.clone(), tasks.to_vec());
        tasks.sort_unstable_by_key(|at| at.row);
        detach(async move { sweep::postpone(&pool, &tasks, due_at).await }).await
    }

    pub(in crate::store) async fn retry_submit(
        &self,
        at: AtTurn,
        counted: bool,
        reason: &str,
        due_at: Millis,
        now: Millis,
    ) -> Result<Option<AtTurn>> {
        let (pool, reason) = (self.pool.clone(), reason.to_owned());
        detach(async move { submit::retry(&pool, at, counted, &reason, due_at, now).await }).await
    }

    pub(in crate::store) async fn accept(
        &self,
        mut tasks: Vec<Accepted>,
        now: Millis,
    ) -> Result<Vec<AtTurn>> {
        let pool = self.pool.clone();
        tasks.sort_by_key(|task| task.at.row);
        detach(async move { submit::accept(&pool, &tasks, now).await }).await
    }

    pub(in crate::store) async fn poll_jobs(
        &self,
        channel: ChannelId,
        tasks: &[AtTurn],
    ) -> Result<Vec<PollJob>> {
        let mut tasks = tasks.to_vec();
        tasks.sort_unstable_by_key(|at| (at.row, at.turn));
        tasks.dedup();
        polls::jobs(&self.pool, channel, &tasks).await
    }

    pub(in crate::store) async fn hold_polls(&self, tasks: &[AtTurn], until: Millis) -> Result<()> {
        let (pool, mut tasks) = (self.pool.clone(), tasks.to_vec());
        tasks.sort_unstable_by_key(|at| at.row);
        detach(async move { polls::hold(&pool, &tasks, until).await }).await
    }

    pub(in crate::store) async fn settle(
        &self,
        mut waiting: Vec<Waiting>,
        mut finished: Vec<Finished>,
        now: Millis,
    ) -> Result<Settled> {
        let pool = self.pool.clone();
        waiting.sort_by_key(|task| task.at.row);
        finished.sort_by_key(|task| task.at.row);
        detach(async move {
            if finished.is_empty() {
                // One statement is a transaction by itself.
                let waiting = polls::wait_on(&pool, &waiting, now).await?;
                let finished = Vec::new();
                return Ok(Settled { waiting, finished });
            }
            let mut tx = pool.begin().await?;
            if !waiting.is_empty() {
                settle::lock(&mut tx, &waiting, &finished).await?;
            }
            let waiting = polls::wait_on(&mut *tx, &waiting, now).await?;
            let finished = settle::finish(&mut tx, &finished, now).await?;
            tx.commit().await?;
            Ok(Settled { waiting, finished })
        })
        .await
    }

    pub(in crate::store) async fn sweep(
        &self,
        due_before: Millis,
        lease_until: Millis,
        limit: u32,
        now: Millis,
    ) -> Result<Vec<Overdue>> {
        let pool = self.pool.clone();
        detach(async move { sweep::overdue(&pool, due_before, lease_until, limit, now).await })
            .await
    }

    pub(in crate::store) async fn late_tasks(
        &self,
        now: Millis,
        limit: u32,
    ) -> Result<Vec<LateTask>> {
        let pool = self.pool.clone();
        detach(async move { sweep::late(&pool, now, limit).await }).await
    }

    pub(in crate::store) async fn note_late(
        &self,
        row: RowId,
        status: Status,
        data: Option<&str>,
        now: Millis,
    ) -> Result<Option<Turn>> {
        let (pool, data) = (self.pool.clone(), data.map(str::to_owned));
        detach(async move { sweep::note_late(&pool, row, status, data.as_deref(), now).await })
            .await
    }
}
