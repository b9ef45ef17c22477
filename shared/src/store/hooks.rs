//! What follows when a vendor says that there is something new about a task: a look at the task.

use std::time::Duration;

use super::row::Cells as _;
use super::sql::{Tx, sql};
use super::{Result, Store};
use crate::clock::Millis;
use crate::hook::Hook;
use crate::secret::Secret;
use crate::task::history::CALLED;
use crate::task::{AtTurn, ChannelId, RowId, Turn};

/// A look that is due within this time stays as it is.
const SOON: Duration = Duration::from_secs(1);

/// What follows a vendor's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyLook {
    /// The task is due now, at the turn that it had. Its message is to be published.
    Due(AtTurn),
    /// The task is being sent or looked at, or is looked at within a second. Such a look may have begun before there
    /// was something new.
    UnderWay,
    /// The task ended, or the channel does not have the task.
    Nothing,
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

    /// Makes a task that waits for its next look due now. The task stays at its turn: a look that is under way can still
    /// be settled, and the messages of the turn stay good. So a vendor that calls all the time cannot hold a task up.
    pub async fn look_early(&self, hook: &Hook, now: Millis) -> Result<EarlyLook> {
        let select = sql("SELECT u.id, u.turn, u.stage, u.due_at
             FROM tasks t
             JOIN unfinished_tasks u ON u.id = t.id
             WHERE t.task_id = $1 AND u.channel_id = $2 AND u.stage IN ('sending', 'poll')")
        .bind(hook.task.as_str()) // $1 task_id
        .bind(hook.channel.0); // $2 channel_id
        let Some(found) = self.database.optional(select).await? else {
            return Ok(EarlyLook::Nothing);
        };
        let waits = found.text("stage")? == "poll";
        if !waits || found.int("due_at")? <= now.after(SOON).0 {
            return Ok(EarlyLook::UnderWay);
        }
        let at = AtTurn {
            row: RowId(found.int("id")?),
            turn: Turn(found.int("turn")?),
        };
        let moved = self
            .database
            .write(move |tx| Box::pin(make_due(tx, at, now)))
            .await?;
        Ok(if moved {
            EarlyLook::Due(at)
        } else {
            EarlyLook::UnderWay
        })
    }
}

/// Makes the task due now, if it still waits at this turn.
async fn make_due(tx: &mut Tx, at: AtTurn, now: Millis) -> Result<bool> {
    let update = sql("UPDATE unfinished_tasks
         SET due_at = $3
         WHERE id = $1 AND turn = $2 AND stage = 'poll' AND due_at > $4")
    .bind(at.row.0) // $1 id
    .bind(at.turn.0) // $2 turn
    .bind(now.0) // $3 due_at
    .bind(now.after(SOON).0); // $4 due_at
    if tx.execute(update).await? == 0 {
        return Ok(false);
    }
    let note = sql("INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT $1, $2, $3, $4, $5
         WHERE NOT EXISTS (
             SELECT 1 FROM task_events WHERE task_id = $1 AND turn = $3 AND kind = $4
         )")
    .bind(at.row.0) // $1 task_id
    .bind(now.0) // $2 at
    .bind(at.turn.0) // $3 turn
    .bind(CALLED.kind) // $4 kind
    .bind(CALLED.detail); // $5 detail
    tx.execute(note).await?;
    Ok(true)
}
