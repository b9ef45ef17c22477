//! Submitting: the job, the intention, and the outcomes that leave the task unfinished.

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::{SqliteStore, Tx, history};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row;
use crate::store::turns::{Accepted, AtTurn, Begun, Intention, SubmitJob};
use crate::task::{ChannelId, Progress, RowId, Status, Turn};

/// See [`crate::store::Store::submit_jobs`]. No task may be named twice at one turn.
pub(super) async fn jobs(readers: &SqlitePool, tasks: &[AtTurn]) -> Result<Vec<SubmitJob>> {
    // One snapshot for all of them, and one connection.
    let mut tx = readers.begin().await?;
    let mut jobs = Vec::with_capacity(tasks.len());
    for &at in tasks {
        if let Some(found) = job(&mut tx, at).await? {
            jobs.push(row::submit_job(&found)?);
        }
    }
    tx.rollback().await?;
    Ok(jobs)
}

async fn job(connection: &mut SqliteConnection, at: AtTurn) -> Result<Option<SqliteRow>> {
    Ok(sqlx::query(
        "SELECT n.id, n.turn, n.stage, n.pinned_channel, n.channel_id, n.attempts, n.due_at,
                n.deadline, t.task_id, t.platform, t.action, t.request
         FROM unfinished_tasks AS n
         JOIN tasks AS t ON t.id = n.id
         WHERE n.id = ?
           AND n.turn = ?
           AND n.stage <> 'poll'",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .fetch_optional(connection)
    .await?)
}

/// See [`crate::store::Store::begin_submits`].
pub(super) async fn begin(
    store: &SqliteStore,
    intentions: &[Intention],
    lease_until: Millis,
    now: Millis,
) -> Result<Vec<Begun>> {
    let mut tx = store.begin().await?;
    let mut begun = Vec::with_capacity(intentions.len());
    for one in intentions {
        let Intention { at, channel, claim } = *one;
        let Some(at) = to_sending(&mut tx, at, channel, claim, lease_until).await? else {
            continue;
        };
        // A caller who lost the answer, and calls again, is about to send once all the same.
        if !history::tells(&mut tx, at, event::SENDING).await? {
            let detail = format!("to channel {}", channel_name(&mut tx, channel).await?);
            history::note(&mut tx, at, event::SENDING, &detail, now).await?;
        }
        begun.push(Begun { at, claim });
    }
    tx.commit().await?;
    Ok(begun)
}

async fn to_sending(
    connection: &mut SqliteConnection,
    at: AtTurn,
    channel: ChannelId,
    claim: i64,
    lease_until: Millis,
) -> Result<Option<AtTurn>> {
    let turn: Option<i64> = sqlx::query_scalar(
        "UPDATE unfinished_tasks
         SET turn = ?2 + 1, stage = 'sending', channel_id = ?3, due_at = ?4, claim = ?5
         WHERE id = ?1
           AND (turn = ?2 AND stage = 'submit'
                OR turn = ?2 + 1 AND stage = 'sending' AND claim = ?5)
         RETURNING turn",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .bind(channel.0)
    .bind(lease_until.0)
    .bind(claim)
    .fetch_optional(connection)
    .await?;
    Ok(turn.map(|turn| at_turn(at.row, turn)))
}

/// See [`crate::store::Store::retry_submit`].
pub(super) async fn retry(
    store: &SqliteStore,
    at: AtTurn,
    counted: bool,
    reason: &str,
    due_at: Millis,
    now: Millis,
) -> Result<Option<AtTurn>> {
    let mut tx = store.begin().await?;
    let withdrawn = withdraw(&mut tx, at, counted, due_at).await?;
    if let Some(withdrawn) = withdrawn {
        history::note(&mut tx, withdrawn, event::NOT_ARRIVED, reason, now).await?;
    }
    tx.commit().await?;
    Ok(withdrawn)
}

/// The channel stays: it is the one that was tried last.
async fn withdraw(
    connection: &mut SqliteConnection,
    at: AtTurn,
    counted: bool,
    due_at: Millis,
) -> Result<Option<AtTurn>> {
    let turn: Option<i64> = sqlx::query_scalar(
        "UPDATE unfinished_tasks
         SET turn = turn + 1, stage = 'submit', attempts = attempts + ?3, due_at = ?4
         WHERE id = ?1
           AND turn = ?2
           AND stage = 'sending'
         RETURNING turn",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .bind(counted)
    .bind(due_at.0)
    .fetch_optional(connection)
    .await?;
    Ok(turn.map(|turn| at_turn(at.row, turn)))
}

/// See [`crate::store::Store::accept`].
pub(super) async fn accept(
    store: &SqliteStore,
    tasks: &[Accepted],
    now: Millis,
) -> Result<Vec<AtTurn>> {
    let mut tx = store.begin().await?;
    let mut accepted = Vec::with_capacity(tasks.len());
    for task in tasks {
        if let Some(at) = accept_one(&mut tx, task, now).await? {
            accepted.push(at);
        }
    }
    tx.commit().await?;
    Ok(accepted)
}

async fn accept_one(tx: &mut Tx, task: &Accepted, now: Millis) -> Result<Option<AtTurn>> {
    let Some(at) = to_polling(tx, task).await? else {
        return Ok(None);
    };
    let quota = to_submitted(tx, task, now).await?;
    raise_channel(tx, task.channel, quota).await?;
    let name = channel_name(tx, task.channel).await?;
    let detail = format!("by channel {name} as {}", task.upstream_id);
    history::note(tx, at, event::ACCEPTED, &detail, now).await?;
    Ok(Some(at))
}

/// The narrow row, if it still is at its turn.
async fn to_polling(connection: &mut SqliteConnection, task: &Accepted) -> Result<Option<AtTurn>> {
    let turn: Option<i64> = sqlx::query_scalar(
        "UPDATE unfinished_tasks
         SET turn = turn + 1, stage = 'poll', channel_id = ?3, upstream_id = ?4, due_at = ?5
         WHERE id = ?1
           AND turn = ?2
           AND stage = 'sending'
         RETURNING turn",
    )
    .bind(task.at.row.0)
    .bind(task.at.turn.0)
    .bind(task.channel.0)
    .bind(&task.upstream_id)
    .bind(task.due_at.0)
    .fetch_optional(connection)
    .await?;
    Ok(turn.map(|turn| at_turn(task.at.row, turn)))
}

/// The wide row; returns what the task cost.
async fn to_submitted(
    connection: &mut SqliteConnection,
    task: &Accepted,
    now: Millis,
) -> Result<i64> {
    let progress = Progress::NONE.advance(Status::Submitted, None);
    Ok(sqlx::query_scalar(
        "UPDATE tasks
         SET status = ?2, progress = ?3, channel_id = ?4, upstream_id = ?5, updated_at = ?6
         WHERE id = ?1
         RETURNING quota",
    )
    .bind(task.at.row.0)
    .bind(Status::Submitted.as_str())
    .bind(progress.percent())
    .bind(task.channel.0)
    .bind(&task.upstream_id)
    .bind(now.seconds())
    .fetch_one(connection)
    .await?)
}

async fn raise_channel(
    connection: &mut SqliteConnection,
    channel: ChannelId,
    quota: i64,
) -> Result<()> {
    sqlx::query(
        "UPDATE channels
         SET used_quota = used_quota + ?2
         WHERE id = ?1",
    )
    .bind(channel.0)
    .bind(quota)
    .execute(connection)
    .await?;
    Ok(())
}

async fn channel_name(connection: &mut SqliteConnection, channel: ChannelId) -> Result<String> {
    Ok(sqlx::query_scalar(
        "SELECT name
         FROM channels
         WHERE id = ?",
    )
    .bind(channel.0)
    .fetch_one(connection)
    .await?)
}

fn at_turn(row: RowId, turn: i64) -> AtTurn {
    AtTurn {
        row,
        turn: Turn(turn),
    }
}
