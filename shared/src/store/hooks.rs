//! What follows when a vendor says that there is something new about a task: a look at the task.

use std::time::Duration;

use super::row::Cells as _;
use super::sql::{Tx, sql};
use super::{Result, Store};
use crate::clock::Millis;
use crate::hook::Hook;
use crate::secret::Secret;
use crate::task::history::CALLED;
use crate::task::wait::Rung;
use crate::task::{AtTurn, ChannelId, RowId, Turn};

/// A look that comes within this time is not moved.
const SOON: Duration = Duration::from_secs(1);

/// The shortest time between two looks that calls bring forward, so that a vendor that calls all the time gets few.
const GAP: Duration = Duration::from_secs(2);

/// A look that a call brought forward. Its message is to be published with this delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlyLook {
    /// The task, at its new turn.
    pub at: AtTurn,
    /// `None` for none.
    pub delay: Option<Rung>,
}

impl Store {
    /// The key that the channel's vendor knows; empty for none. `None`: there is no such channel.
    pub async fn channel_key(&self, channel: ChannelId) -> Result<Option<Secret>> {
        let select = sql("SELECT key FROM channels WHERE id = $1 AND NOT deleted");
        let select = select.bind(channel.0); // $1 id
        let found = self.database.optional(select).await?;
        found
            .map(|row| row.text("key").map(Secret::new))
            .transpose()
    }

    /// Brings the next look at a task forward, at a new turn: to now, or, if a call did so within the last 2 s, to 2 s
    /// from now. `None`: nothing changed, because the task ended, the channel does not have the task, or the task is
    /// looked at by then or within a second after it anyway.
    pub async fn look_early(&self, hook: Hook, now: Millis) -> Result<Option<EarlyLook>> {
        self.database
            .write(move |tx| Box::pin(look_early(tx, hook, now)))
            .await
    }
}

/// See [`Store::look_early`].
async fn look_early(tx: &mut Tx, hook: Hook, now: Millis) -> Result<Option<EarlyLook>> {
    let last = sql("SELECT max(e.at) AS at
         FROM task_events e
         JOIN tasks t ON t.id = e.task_id
         WHERE t.task_id = $1 AND e.kind = $2")
    .bind(hook.task.as_str()) // $1 task_id
    .bind(CALLED.kind); // $2 kind
    let last = tx.one(last).await?.int_or_null("at")?.map(Millis);
    let is_first = last.is_none_or(|last| now.since(last) >= GAP);
    let delay = (!is_first).then(|| Rung::at_least(GAP));
    let due_at = delay.map_or(now, |delay| now.after(delay.duration()));
    let update = sql("UPDATE unfinished_tasks
         SET turn = turn + 1, due_at = $3
         WHERE id = (SELECT t.id FROM tasks t WHERE t.task_id = $1)
           AND stage = 'poll' AND channel_id = $2 AND due_at > $4
         RETURNING id, turn")
    .bind(hook.task.as_str()) // $1 task_id
    .bind(hook.channel.0) // $2 channel_id
    .bind(due_at.0) // $3 due_at
    .bind(due_at.after(SOON).0); // $4 due_at
    let Some(moved) = tx.optional(update).await? else {
        return Ok(None);
    };
    let at = AtTurn {
        row: RowId(moved.int("id")?),
        turn: Turn(moved.int("turn")?),
    };
    let note = sql("INSERT INTO task_events (task_id, at, turn, kind, detail)
         VALUES ($1, $2, $3, $4, $5)")
    .bind(at.row.0) // $1 task_id
    .bind(now.0) // $2 at
    .bind(at.turn.0) // $3 turn
    .bind(CALLED.kind) // $4 kind
    .bind(CALLED.detail); // $5 detail
    tx.execute(note).await?;
    Ok(Some(EarlyLook { at, delay }))
}
