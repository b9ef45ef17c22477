//! The audit, and the story of one task.

use sqlx::sqlite::SqlitePool;

use super::SqliteStore;
use crate::clock::Millis;
use crate::store::books::{Audit, Backlog, Entry, Event, Story};
use crate::store::detach::detach;
use crate::store::row::{self, Cells as _, STORY, TASK_COLUMNS};
use crate::store::{Result, audit};
use crate::task::{RowId, TaskId};

impl SqliteStore {
    pub(in crate::store) async fn audit(&self) -> Result<Audit> {
        let readers = self.readers.clone();
        detach(async move { take_audit(&readers).await }).await
    }

    pub(in crate::store) async fn story(&self, task: &TaskId) -> Result<Option<Story>> {
        let found = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {TASK_COLUMNS}, {STORY} WHERE t.task_id = ?"
        )))
        .bind(task.as_str())
        .fetch_optional(&self.readers)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let id = RowId(found.int("id")?);
        let entries = entries(&self.readers, id).await?;
        let events = events(&self.readers, id).await?;
        row::story(&found, entries, events).map(Some)
    }

    pub(in crate::store) async fn unfinished(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM unfinished_tasks")
            .fetch_one(&self.readers)
            .await?)
    }

    pub(in crate::store) async fn backlog(&self, due_before: Millis) -> Result<Backlog> {
        let counted = sqlx::query(
            "SELECT count(*) FILTER (WHERE stage = 'submit') AS to_submit,
                    count(*) FILTER (WHERE stage = 'sending') AS sending,
                    count(*) FILTER (WHERE stage = 'poll') AS at_upstream,
                    count(*) FILTER (WHERE due_at < ?) AS overdue
             FROM unfinished_tasks",
        )
        .bind(due_before.0)
        .fetch_one(&self.readers)
        .await?;
        row::backlog(&counted)
    }
}

/// Several statements, one snapshot: a transaction that reads sees what its first read saw, and
/// holds up no writer.
async fn take_audit(readers: &SqlitePool) -> Result<Audit> {
    let mut tx = readers.begin().await?;
    let (users, tasks, entries) = sqlx::query_as(audit::COUNTS).fetch_one(&mut *tx).await?;
    let mut breaks = Vec::new();
    for check in audit::BREAKS {
        breaks.extend(
            sqlx::query_scalar::<_, String>(*check)
                .fetch_all(&mut *tx)
                .await?,
        );
    }
    tx.commit().await?;
    Ok(Audit {
        users,
        tasks,
        entries,
        breaks,
    })
}

async fn entries(readers: &SqlitePool, task: RowId) -> Result<Vec<Entry>> {
    let rows: Vec<(i64, String, i64)> =
        sqlx::query_as("SELECT created_at, kind, amount FROM ledger WHERE task_id = ? ORDER BY id")
            .bind(task.0)
            .fetch_all(readers)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(at, kind, amount)| Entry { at, kind, amount })
        .collect())
}

async fn events(readers: &SqlitePool, task: RowId) -> Result<Vec<Event>> {
    let rows: Vec<(i64, i64, String, String)> = sqlx::query_as(
        "SELECT at, turn, kind, detail FROM task_events WHERE task_id = ? ORDER BY id",
    )
    .bind(task.0)
    .fetch_all(readers)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(at, turn, kind, detail)| Event {
            at,
            turn,
            kind,
            detail,
        })
        .collect())
}
