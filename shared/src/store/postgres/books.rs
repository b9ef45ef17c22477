//! The audit, and the story of one task.

use sqlx::PgPool;

use super::PostgresStore;
use crate::clock::Millis;
use crate::store::books::{Audit, Backlog, Entry, Event, Story};
use crate::store::detach::detach;
use crate::store::row::{self, Cells as _, STORY, TASK_COLUMNS};
use crate::store::{Result, audit};
use crate::task::{RowId, TaskId};

impl PostgresStore {
    pub(in crate::store) async fn audit(&self) -> Result<Audit> {
        let pool = self.pool.clone();
        detach(async move { take_audit(&pool).await }).await
    }

    pub(in crate::store) async fn story(&self, task: &TaskId) -> Result<Option<Story>> {
        let found = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {TASK_COLUMNS}, {STORY} WHERE t.task_id = $1"
        )))
        .bind(task.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let id = RowId(found.int("id")?);
        let entries = entries(&self.pool, id).await?;
        let events = events(&self.pool, id).await?;
        row::story(&found, entries, events).map(Some)
    }

    pub(in crate::store) async fn unfinished(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM unfinished_tasks")
            .fetch_one(&self.pool)
            .await?)
    }

    pub(in crate::store) async fn backlog(&self, due_before: Millis) -> Result<Backlog> {
        let counted = sqlx::query(
            "SELECT count(*) FILTER (WHERE stage = 'submit') AS to_submit,
                    count(*) FILTER (WHERE stage = 'sending') AS sending,
                    count(*) FILTER (WHERE stage = 'poll') AS at_upstream,
                    count(*) FILTER (WHERE due_at < $1) AS overdue
             FROM unfinished_tasks",
        )
        .bind(due_before.0)
        .fetch_one(&self.pool)
        .await?;
        row::backlog(&counted)
    }
}

/// Several statements, one snapshot: REPEATABLE READ. A large table may take its time.
async fn take_audit(pool: &PgPool) -> Result<Audit> {
    let mut tx = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    sqlx::query("SET LOCAL statement_timeout = 0")
        .execute(&mut *tx)
        .await?;
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

async fn entries(pool: &PgPool, task: RowId) -> Result<Vec<Entry>> {
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(
        "SELECT created_at, kind, amount FROM ledger WHERE task_id = $1 ORDER BY id",
    )
    .bind(task.0)
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(at, kind, amount)| Entry { at, kind, amount })
        .collect())
}

async fn events(pool: &PgPool, task: RowId) -> Result<Vec<Event>> {
    let rows: Vec<(i64, i64, String, String)> = sqlx::query_as(
        "SELECT at, turn, kind, detail FROM task_events WHERE task_id = $1 ORDER BY id",
    )
    .bind(task.0)
    .fetch_all(pool)
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
