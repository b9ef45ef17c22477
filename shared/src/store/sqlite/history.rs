//! A line of a task's history.

use sqlx::sqlite::SqliteConnection;

use super::Result;
use crate::clock::Millis;
use crate::store::turns::AtTurn;

/// Writes down what happened to a task, at the turn that its doer acted for. `kind` is one of
/// [`crate::store::books::event`].
pub(super) async fn note(
    connection: &mut SqliteConnection,
    at: AtTurn,
    kind: &'static str,
    detail: &str,
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO task_events (task_id, at, turn, kind, detail)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(at.row.0)
    .bind(now.0)
    .bind(at.turn.0)
    .bind(kind)
    .bind(detail)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether `kind` was written down of a task at this turn.
pub(super) async fn tells(
    connection: &mut SqliteConnection,
    at: AtTurn,
    kind: &'static str,
) -> Result<bool> {
    let told = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM task_events WHERE task_id = ? AND turn = ? AND kind = ?)",
    )
    .bind(at.row.0)
    .bind(at.turn.0)
    .bind(kind)
    .fetch_one(connection)
    .await?;
    Ok(told)
}
