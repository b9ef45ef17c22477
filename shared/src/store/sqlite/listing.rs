//! Tasks as clients see them.

use async_trait::async_trait;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite, SqlitePool};

use super::{SqliteStore, Tx, counts};
use crate::store::detach::detach;
use crate::store::listing::blocks::{Level, Scope};
use crate::store::listing::walk::{self, Counted, Everywhere, Source};
use crate::store::listing::{EVERYWHERE, Filter, NEWEST, Page, TaskView};
use crate::store::row::{self, TASK_COLUMNS};
use crate::store::{Result, StoreError};
use crate::task::{TaskId, UserId};

impl SqliteStore {
    pub(in crate::store) async fn list(
        &self,
        filter: Filter,
        offset: i64,
        limit: i64,
    ) -> Result<Page> {
        let readers = self.readers.clone();
        if filter.nothing {
            return Ok(Page {
                items: Vec::new(),
                total: 0,
            });
        }
        detach(async move {
            let question = Question { filter: &filter };
            if filter.task_id.is_some() {
                return question.one(&readers, offset, limit).await;
            }
            if let Some(page) = question.newest(&readers, offset, limit).await? {
                return Ok(page);
            }
            let mut snapshot = Snapshot {
                tx: readers.begin().await?,
                question,
            };
            let page = walk::page(&mut snapshot, &filter, offset, limit).await?;
            snapshot.tx.commit().await?;
            Ok(page)
        })
        .await
    }

    pub(in crate::store) async fn fold(&self, limit: u32) -> Result<u64> {
        let store = self.clone();
        detach(async move {
            let mut tx = store.begin().await?;
            let folded = counts::fold(&mut tx, limit).await?;
            tx.commit().await?;
            Ok(folded)
        })
        .await
    }

    pub(in crate::store) async fn find(
        &self,
        user: UserId,
        tasks: &[TaskId],
    ) -> Result<Vec<TaskView>> {
        // One parameter, whatever their number: a list as JSON.
        let names = serde_json::json!(tasks).to_string();
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {TASK_COLUMNS}
             FROM tasks t
             JOIN users u ON u.id = t.user_id
             WHERE t.user_id = ?1 AND t.task_id IN (SELECT value FROM json_each(?2))"
        )))
        .bind(user.0)
        .bind(names)
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::from)?;
        rows.iter().map(row::task).collect()
    }
}

/// What of a filter every statement asks for, of whichever `row` has a channel, a status and so on. Its
/// parameters are ?1 to ?6, bound by [`Question::bound`].
fn lets_through(row: &str) -> String {
    format!(
        "(?1 IS NULL OR {row}.channel_id = ?1)
         AND (?2 IS NULL OR {row}.platform = ?2)
         AND (?3 IS NULL OR {row}.action = ?3)
         AND (?4 IS NULL OR {row}.status = ?4)"
    )
}

/// The same, of a task, and its times.
fn lets_task_through() -> String {
    format!(
        "{} AND (?5 IS NULL OR t.submit_time >= ?5)
            AND (?6 IS NULL OR t.submit_time <= ?6)",
        lets_through("t")
    )
}

/// What the noted changes say: of each the kind of task that it takes away, and the one that it adds.
const CHANGED: &str = "(
    SELECT task AS id, user_id, user_seq, submit_time, old_channel AS channel_id, platform, action,
           old_status AS status, -tasks AS tasks
    FROM task_changes
    WHERE old_status IS NOT NULL
    UNION ALL
    SELECT task, user_id, user_seq, submit_time, new_channel, platform, action, new_status, tasks
    FROM task_changes
    WHERE new_status IS NOT NULL
)";

/// What is asked, as statements.
#[derive(Clone, Copy)]
struct Question<'a> {
    filter: &'a Filter,
}

impl Question<'_> {
    /// A statement with the filter bound as ?1 to ?6, its status by this name.
    fn bound(
        self,
        sql: String,
        status: Option<&'static str>,
    ) -> Query<'static, Sqlite, SqliteArguments> {
        self.bound_without_times(sql, status)
            .bind(self.filter.start_timestamp)
            .bind(self.filter.end_timestamp)
    }

    /// The same without the times: ?1 to ?4.
    fn bound_without_times(
        self,
        sql: String,
        status: Option<&'static str>,
    ) -> Query<'static, Sqlite, SqliteArguments> {
        sqlx::query(AssertSqlSafe(sql))
            .bind(self.filter.channel_id.map(|channel| channel.0))
            .bind(self.filter.platform.clone())
            .bind(self.filter.action.as_ref().map(crate::task::Action::as_str))
            .bind(status)
    }

    fn status(self) -> Option<&'static str> {
        self.filter.status.map(crate::task::Status::as_str)
    }

    /// The condition that a task is one of the scope's, as parameter ?7, and at `position`.
    fn scope(self) -> (&'static str, &'static str) {
        match self.filter.scope() {
            Scope::Everybody => ("?7 IS NULL", "id"),
            Scope::Of(_) => ("t.user_id = ?7", "user_seq"),
        }
    }

    /// The tasks `t` of the blocks `fine`, parameter ?8.
    fn tasks_of_blocks(self) -> String {
        let (of_scope, position) = self.scope();
        format!(
            "json_each(?8) AS fine
             JOIN tasks t
                 ON {of_scope} AND t.{position} BETWEEN fine.value << 8 AND (fine.value << 8) + 255"
        )
    }

    /// A statement with the filter bound as ?1 to ?6, its status by this name, and its user as ?7.
    fn of_user(
        self,
        sql: String,
        status: Option<&'static str>,
    ) -> Query<'static, Sqlite, SqliteArguments> {
        let user = self.filter.user_id.map(|user| user.0);
        self.bound(sql, status).bind(user)
    }

    /// The task that the filter names, if it lets it through.
    async fn one(self, readers: &SqlitePool, offset: i64, limit: i64) -> Result<Page> {
        let sql = format!(
            "SELECT {TASK_COLUMNS}
             FROM tasks t
             JOIN users u ON u.id = t.user_id
             WHERE t.task_id = ?8 AND (?7 IS NULL OR t.user_id = ?7) AND {}",
            lets_task_through()
        );
        let query = self.of_user(sql, self.status());
        let query = query.bind(self.filter.task_id.clone());
        row::one(&query.fetch_all(readers).await?, offset, limit)
    }

    /// The page, if it lies among the [`NEWEST`] tasks: with its total it is one statement.
    async fn newest(self, readers: &SqlitePool, offset: i64, limit: i64) -> Result<Option<Page>> {
        let Some(level) = self.filter.adds_up_at() else {
            return Ok(None);
        };
        if offset.saturating_add(limit) > NEWEST {
            return Ok(None);
        }
        let (of_scope, position) = self.scope();
        let sql = format!(
            "WITH counted AS (
                 SELECT coalesce(sum(tasks), 0) AS total
                 FROM (
                     SELECT c.tasks
                     FROM task_counts c
                     WHERE c.scope = ?8 AND c.level = ?9 AND {}
                     UNION ALL
                     SELECT t.tasks FROM {CHANGED} AS t WHERE {of_scope} AND {}
                 ) AS alike
             ), page AS (
                 SELECT t.id
                 FROM (
                     SELECT * FROM tasks t
                     WHERE {of_scope}
                     ORDER BY t.{position} DESC
                     LIMIT {NEWEST}
                 ) AS t
                 WHERE {}
                 ORDER BY t.{position} DESC
                 LIMIT ?11 OFFSET ?10
             )
             SELECT counted.total, found.*
             FROM counted
             LEFT JOIN (
                 SELECT {TASK_COLUMNS}
                 FROM page
                 JOIN tasks t ON t.id = page.id
                 JOIN users u ON u.id = t.user_id
             ) AS found ON TRUE
             ORDER BY found.id DESC",
            lets_through("c"),
            lets_through("t"),
            lets_task_through()
        );
        let scope = self.filter.scope();
        let query = self.of_user(sql, self.status());
        let query = query.bind(scope.number()).bind(level);
        let query = query.bind(offset).bind(limit.max(0));
        row::newest(&query.fetch_all(readers).await?, offset, limit)
    }
}

/// The database as it was when the listing first asked it.
struct Snapshot<'a> {
    tx: Tx,
    question: Question<'a>,
}

impl Snapshot<'_> {
    async fn all(
        &mut self,
        query: Query<'static, Sqlite, SqliteArguments>,
    ) -> Result<Vec<SqliteRow>> {
        Ok(query.fetch_all(&mut *self.tx).await?)
    }
}

#[async_trait]
impl Source for Snapshot<'_> {
    async fn blocks(&mut self, level: Level, which: Option<&[i64]>) -> Result<Vec<Counted>> {
        let of_these = which.map_or(
            "?9 IS NULL",
            |_| "c.block IN (SELECT value FROM json_each(?9))",
        );
        let sql = format!(
            "SELECT c.block, sum(c.tasks) AS tasks,
                    coalesce(min(c.first_submit) >= ?5, TRUE)
                    AND coalesce(max(c.last_submit) <= ?6, TRUE) AS is_whole
             FROM task_counts c
             WHERE c.scope = ?7 AND c.level = ?8 AND {of_these} AND {}
               AND (?5 IS NULL OR c.last_submit >= ?5)
               AND (?6 IS NULL OR c.first_submit <= ?6)
             GROUP BY c.block",
            lets_through("c")
        );
        let query = self.question.bound(sql, self.question.filter.state());
        let query = query.bind(self.question.filter.scope().number());
        let query = query.bind(level.number()).bind(which.map(json));
        self.all(query).await?.iter().map(row::counted).collect()
    }

    async fn changes(&mut self) -> Result<Vec<(i64, i64)>> {
        let (of_scope, position) = self.question.scope();
        let sql = format!(
            "SELECT t.{position} >> 8 AS block, sum(t.tasks) AS tasks
             FROM (SELECT id, user_id, user_seq, submit_time, channel_id, platform, action,
                          CASE WHEN status IN ('SUCCESS', 'FAILURE') THEN status
                               ELSE 'UNFINISHED' END AS status, tasks FROM {CHANGED} AS changed) AS t
             WHERE t.id IS NOT NULL AND {of_scope} AND {}
             GROUP BY 1",
            lets_task_through()
        );
        let query = self.question.of_user(sql, self.question.filter.state());
        self.all(query).await?.iter().map(row::block).collect()
    }

    async fn everywhere(&mut self) -> Result<Option<Everywhere>> {
        if self.question.filter.is_told_by_blocks() || self.question.filter.user_id.is_some() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT coalesce(sum(t.tasks), 0) AS unfinished,
                    coalesce(sum(CASE WHEN t.status = ?5 THEN t.tasks END), 0) AS in_status
             FROM (SELECT channel_id, platform, action, status, tasks
                   FROM task_counts
                   WHERE scope = 0 AND level = {EVERYWHERE}
                   UNION ALL
                   SELECT channel_id, platform, action, status, tasks
                   FROM {CHANGED} AS t
                   WHERE t.status NOT IN ('SUCCESS', 'FAILURE')) AS t
             WHERE {}",
            lets_through("t")
        );
        let query = self
            .question
            .bound_without_times(sql, None)
            .bind(self.question.status());
        let rows = self.all(query).await?;
        rows.first().map(row::everywhere).transpose()
    }

    async fn count(&mut self, fine: &[i64]) -> Result<Vec<(i64, i64)>> {
        let sql = format!(
            "SELECT fine.value AS block, count(*) AS tasks
             FROM {}
             WHERE {}
             GROUP BY fine.value",
            self.question.tasks_of_blocks(),
            lets_task_through()
        );
        let query = self.question.of_user(sql, self.question.status());
        let rows = self.all(query.bind(json(fine))).await?;
        rows.iter().map(row::block).collect()
    }

    async fn rows(&mut self, fine: &[i64], skip: i64, limit: i64) -> Result<Vec<TaskView>> {
        // Sorted by their ids alone: whole rows are long.
        let sql = format!(
            "SELECT {TASK_COLUMNS}
             FROM (
                 SELECT t.id
                 FROM {}
                 WHERE {}
                 ORDER BY t.id DESC
                 LIMIT ?10 OFFSET ?9
             ) AS page
             JOIN tasks t ON t.id = page.id
             JOIN users u ON u.id = t.user_id
             ORDER BY t.id DESC",
            self.question.tasks_of_blocks(),
            lets_task_through()
        );
        let query = self.question.of_user(sql, self.question.status());
        let query = query.bind(json(fine));
        let rows = self.all(query.bind(skip).bind(limit)).await?;
        rows.iter().map(row::task).collect()
    }
}

/// A list as one parameter.
fn json<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::json!(list).to_string()
}
