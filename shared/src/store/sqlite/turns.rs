//! What workers do: claims by turn, outcomes, the sweep. Each method runs detached; its statements
//! are in `submit`, `polls`, `settle` and `sweep`.

use super::{SqliteStore, polls, settle, submit, sweep};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::detach::detach;
use crate::store::turns::{
    Accepted, AtTurn, Begun, Finished, Intention, LateTask, Overdue, PollJob, Settled, SubmitJob,
    Waiting,
};
use crate::task::{ChannelId, RowId, Status, Turn};

impl SqliteStore {
    pub(in crate::store) async fn submit_jobs(&self, tasks: &[AtTurn]) -> Result<Vec<SubmitJob>> {
        let (readers, mut tasks) = (self.readers.clone(), tasks.to_vec());
        tasks.sort_unstable_by_key(|at| (at.row, at.turn));
        tasks.dedup();
        detach(async move { submit::jobs(&readers, &tasks).await }).await
    }

    pub(in crate::store) async fn begin_submits(
        &self,
        intentions: &[Intention],
        lease_until: Millis,
        now: Millis,
    ) -> Result<Vec<Begun>> {
        let (store, intentions) = (self.clone(), intentions.to_vec());
        detach(async move { submit::begin(&store, &intentions, lease_until, now).await }).await
    }

    pub(in crate::store) async fn postpone(
        &self,
        tasks: &[AtTurn],
        due_at: Millis,
    ) -> Result<Vec<AtTurn>> {
        let (store, tasks) = (self.clone(), tasks.to_vec());
        detach(async move { sweep::postpone(&store, &tasks, due_at).await }).await
    }

    pub(in crate::store) async fn retry_submit(
        &self,
        at: AtTurn,
        counted: bool,
        reason: &str,
        due_at: Millis,
        now: Millis,
    ) -> Result<Option<AtTurn>> {
        let (store, reason) = (self.clone(), reason.to_owned());
        detach(async move { submit::retry(&store, at, counted, &reason, due_at, now).await }).await
    }

    pub(in crate::store) async fn accept(
        &self,
        tasks: Vec<Accepted>,
        now: Millis,
    ) -> Result<Vec<AtTurn>> {
        let store = self.clone();
        detach(async move { submit::accept(&store, &tasks, now).await }).await
    }

    pub(in crate::store) async fn poll_jobs(
        &self,
        channel: ChannelId,
        tasks: &[AtTurn],
    ) -> Result<Vec<PollJob>> {
        let (readers, mut tasks) = (self.readers.clone(), tasks.to_vec());
        tasks.sort_unstable_by_key(|at| (at.row, at.turn));
        tasks.dedup();
        detach(async move { polls::jobs(&readers, channel, &tasks).await }).await
    }

    pub(in crate::store) async fn hold_polls(&self, tasks: &[AtTurn], until: Millis) -> Result<()> {
        let (store, tasks) = (self.clone(), tasks.to_vec());
        detach(async move { polls::hold(&store, &tasks, until).await }).await
    }

    pub(in crate::store) async fn settle(
        &self,
        waiting: Vec<Waiting>,
        finished: Vec<Finished>,
        now: Millis,
    ) -> Result<Settled> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            let waiting = polls::wait_on(&mut tx, &waiting, now).await?;
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
        let store = self.clone();
        detach(async move { sweep::overdue(&store, due_before, lease_until, limit, now).await })
            .await
    }

    pub(in crate::store) async fn late_tasks(
        &self,
        now: Millis,
        limit: u32,
    ) -> Result<Vec<LateTask>> {
        let store = self.clone();
        detach(async move { sweep::late(&store, now, limit).await }).await
    }

    pub(in crate::store) async fn note_late(
        &self,
        row: RowId,
        status: Status,
        data: Option<&str>,
        now: Millis,
    ) -> Result<Option<Turn>> {
        let (store, data) = (self.clone(), data.map(str::to_owned));
        detach(async move { sweep::note_late(&store, row, status, data.as_deref(), now).await })
            .await
    }
}
