//! Lines of a task's history.

use sqlx::sqlite::SqliteConnection;

use super::Result;
use crate::clock::Millis;
use crate::task::AtTurn;
use crate::task::history::Event;

/// Notes what happened to a task, at the turn at which it happened.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    at: AtTurn,
    event: Event,
    values: &[&str],
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO task_events (task_id, at, turn, kind, detail)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(at.row.0) // $1 task_id
    .bind(now.0) // $2 at
    .bind(at.turn.0) // $3 turn
    .bind(event.kind) // $4 kind
    .bind(event.detail(values)) // $5 detail
    .execute(connection)
    .await?;
    Ok(())
}

/// The same, unless the event is noted at this turn already.
pub(super) async fn note_once_a_turn(
    connection: &mut SqliteConnection,
    at: AtTurn,
    event: Event,
    values: &[&str],
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT $1, $2, $3, $4, $5
         WHERE NOT EXISTS (
             SELECT 1 FROM task_events WHERE task_id = $1 AND turn = $3 AND kind = $4
         )",
    )
    .bind(at.row.0) // $1 task_id
    .bind(now.0) // $2 at
    .bind(at.turn.0) // $3 turn
    .bind(event.kind) // $4 kind
    .bind(event.detail(values)) // $5 detail
    .execute(connection)
    .await?;
    Ok(())
}
