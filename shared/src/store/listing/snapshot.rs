//! The statements of a listing, all of them on one snapshot.

use super::blocks::{Level, Scope};
use super::rows::{SIZE, bounded, within_bounds};
use super::walk::{Counted, Everywhere, Source};
use super::{EVERYWHERE, Filter, NEWEST, Page, TaskView};
use crate::store::Result;
use crate::store::row::Cells as _;
use crate::store::sql::{Row, Statement, Tx, sql};
use crate::task::{Action, Status};

/// The database as it was when the listing first read from it.
pub(super) struct Snapshot<'a> {
    pub(super) tx: &'a mut Tx,
    pub(super) filter: &'a Filter,
}

/// The condition that `row` has the filter's channel, platform, action and status: $1 to $4. NULL matches
/// every row.
fn matches(row: &str) -> String {
    format!(
        "($1 IS NULL OR {row}.channel_id = $1)
         AND ($2 IS NULL OR {row}.platform = $2)
         AND ($3 IS NULL OR {row}.action = $3)
         AND ($4 IS NULL OR {row}.status = $4)"
    )
}

/// The same for a task `t`, with the filter's times: $5 and $6.
fn task_matches() -> String {
    format!(
        "{} AND ($5 IS NULL OR t.submit_time >= $5)
            AND ($6 IS NULL OR t.submit_time <= $6)",
        matches("t")
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

/// The statement that finds the task that the filter names, if the task matches the filter.
pub(super) fn one(filter: &Filter) -> Statement {
    let text = format!(
        "SELECT t.id, 0 AS place, {SIZE} AS size
         FROM tasks t
         WHERE t.task_id = $8 AND ($7 IS NULL OR t.user_id = $7) AND {}",
        task_matches()
    );
    of_user(filter, within_bounds(&text), status(filter)).bind(filter.task_id.as_deref()) // $8 task_id
}

/// A statement with the filter's values $1 to $4, its status by this name.
fn without_times(filter: &Filter, text: String, status: Option<&str>) -> Statement {
    sql(text)
        .bind(filter.channel_id.map(|channel| channel.0)) // $1 channel_id
        .bind(filter.platform.as_deref()) // $2 platform
        .bind(filter.action.as_ref().map(Action::as_str)) // $3 action
        .bind(status) // $4 status
}

/// The same with the times: $1 to $6.
fn with_times(filter: &Filter, text: String, status: Option<&str>) -> Statement {
    without_times(filter, text, status)
        .bind(filter.start_timestamp) // $5 the first submit time
        .bind(filter.end_timestamp) // $6 the last submit time
}

/// The same with the user: $1 to $7.
fn of_user(filter: &Filter, text: String, status: Option<&str>) -> Statement {
    with_times(filter, text, status).bind(filter.user_id.map(|user| user.0)) // $7 user_id
}

fn status(filter: &Filter) -> Option<&'static str> {
    filter.status.map(Status::as_str)
}

impl Snapshot<'_> {
    /// The condition that a task `t` is one of the scope's, with the value $7, and the column of its
    /// position.
    fn scope(&self) -> (&'static str, &'static str) {
        match self.filter.scope() {
            Scope::Everybody => ("$7 IS NULL", "id"),
            Scope::Of(_) => ("t.user_id = $7", "user_seq"),
        }
    }

    /// The tasks `t` of the blocks that are the list $8, each block as `fine.value`.
    fn tasks_of_blocks(&self) -> String {
        let (of_scope, position) = self.scope();
        let in_block = format!(
            "{of_scope} AND t.{position} BETWEEN fine.value << 8 AND (fine.value << 8) + 255"
        );
        match self.tx {
            // A block has at most 256 tasks, which PostgreSQL cannot know: without the limit it takes a
            // range of ids for a good part of the table.
            Tx::Postgres(_) => format!(
                "unnest($8) AS fine (value)
                 CROSS JOIN LATERAL (
                     SELECT * FROM tasks t
                     WHERE {in_block}
                     ORDER BY t.{position} DESC
                     LIMIT 256
                 ) AS t"
            ),
            Tx::Sqlite(_) => format!("json_each($8) AS fine JOIN tasks t ON {in_block}"),
        }
    }

    /// The page, if it lies among the [`NEWEST`] tasks: one statement finds it with its total.
    pub(super) async fn newest(&mut self, offset: i64, limit: i64) -> Result<Option<Page>> {
        let Some(level) = self.filter.adds_up_at() else {
            return Ok(None);
        };
        if offset.saturating_add(limit) > NEWEST {
            return Ok(None);
        }
        let (of_scope, position) = self.scope();
        let page = within_bounds(&format!(
            "SELECT t.id, -t.id AS place, t.size
             FROM (
                 SELECT *, {SIZE} AS size FROM tasks t
                 WHERE {of_scope}
                 ORDER BY t.{position} DESC
                 LIMIT {NEWEST}
             ) AS t
             WHERE {}
             ORDER BY t.{position} DESC
             LIMIT $11 OFFSET $10",
            task_matches()
        ));
        let text = format!(
            "WITH counted AS (
                 SELECT CAST(coalesce(sum(tasks), 0) AS BIGINT) AS total
                 FROM (
                     SELECT c.tasks
                     FROM task_counts c
                     WHERE c.scope = $8 AND c.level = $9 AND {}
                     UNION ALL
                     SELECT t.tasks FROM {CHANGED} AS t WHERE {of_scope} AND {}
                 ) AS alike
             )
             SELECT counted.total, found.*
             FROM counted
             LEFT JOIN ({page}) AS found ON TRUE
             ORDER BY found.place",
            matches("c"),
            matches("t")
        );
        let select = of_user(self.filter, text, status(self.filter))
            .bind(self.filter.scope().number()) // $8 scope
            .bind(level) // $9 level
            .bind(offset) // $10 offset
            .bind(limit.max(0)); // $11 limit
        newest_page(&self.tx.all(select).await?, offset, limit)
    }
}

/// The page of rows that hold the total each, and the tasks of the page that are among the newest; if
/// these are all tasks of the page.
fn newest_page(rows: &[Row], offset: i64, limit: i64) -> Result<Option<Page>> {
    let total = rows.first().map_or(Ok(0), |row| row.int("total"))?;
    let mut items = Vec::new();
    for row in rows {
        if row.int_or_null("id")?.is_some() {
            items.push(bounded(row)?);
        }
    }
    let whole = (total - offset).clamp(0, limit.max(0));
    let is_whole = usize::try_from(whole) == Ok(items.len());
    Ok(is_whole.then_some(Page { items, total }))
}

impl Source for Snapshot<'_> {
    async fn blocks(&mut self, level: Level, which: Option<&[i64]>) -> Result<Vec<Counted>> {
        let counts = match (&self.tx, which) {
            (_, None) => "task_counts c WHERE c.scope = $7 AND c.level = $8",
            // Each block by itself: PostgreSQL takes a scope for one of average size, and would look
            // through all of it.
            (Tx::Postgres(_), Some(_)) => {
                "unnest($9) AS wanted (value)
                 CROSS JOIN LATERAL (
                     SELECT * FROM task_counts
                     WHERE scope = $7 AND level = $8 AND block = wanted.value
                     OFFSET 0
                 ) AS c
                 WHERE TRUE"
            }
            (Tx::Sqlite(_), Some(_)) => {
                "task_counts c
                 WHERE c.scope = $7 AND c.level = $8
                   AND c.block IN (SELECT value FROM json_each($9))"
            }
        };
        let text = format!(
            "SELECT c.block, CAST(sum(c.tasks) AS BIGINT) AS tasks,
                    coalesce(min(c.first_submit) >= $5, TRUE)
                    AND coalesce(max(c.last_submit) <= $6, TRUE) AS is_whole
             FROM {counts}
               AND {}
               AND ($5 IS NULL OR c.last_submit >= $5)
               AND ($6 IS NULL OR c.first_submit <= $6)
             GROUP BY c.block",
            matches("c")
        );
        let mut select = with_times(self.filter, text, self.filter.state())
            .bind(self.filter.scope().number()) // $7 scope
            .bind(level.number()); // $8 level
        if let Some(which) = which {
            select = select.bind(which); // $9 blocks
        }
        let found = self.tx.all(select).await?;
        let counted = |row: &Row| {
            Ok(Counted {
                block: row.int("block")?,
                tasks: row.int("tasks")?,
                is_whole: row.flag("is_whole")?,
            })
        };
        found.iter().map(counted).collect()
    }

    async fn changes(&mut self) -> Result<Vec<(i64, i64)>> {
        let (of_scope, position) = self.scope();
        let text = format!(
            "SELECT t.{position} >> 8 AS block, CAST(sum(t.tasks) AS BIGINT) AS tasks
             FROM (SELECT id, user_id, user_seq, submit_time, channel_id, platform, action,
                          CASE WHEN status IN ('SUCCESS', 'FAILURE') THEN status
                               ELSE 'UNFINISHED' END AS status, tasks FROM {CHANGED} AS changed) AS t
             WHERE t.id IS NOT NULL AND {of_scope} AND {}
             GROUP BY 1",
            task_matches()
        );
        let select = of_user(self.filter, text, self.filter.state());
        self.tx.all(select).await?.iter().map(block).collect()
    }

    async fn everywhere(&mut self) -> Result<Option<Everywhere>> {
        if self.filter.is_counted_in_blocks() || self.filter.user_id.is_some() {
            return Ok(None);
        }
        let text = format!(
            "SELECT CAST(coalesce(sum(t.tasks), 0) AS BIGINT) AS unfinished,
                    CAST(coalesce(sum(CASE WHEN t.status = $5 THEN t.tasks END), 0) AS BIGINT)
                    AS in_status
             FROM (SELECT channel_id, platform, action, status, tasks
                   FROM task_counts
                   WHERE scope = 0 AND level = {EVERYWHERE}
                   UNION ALL
                   SELECT channel_id, platform, action, status, tasks
                   FROM {CHANGED} AS t
                   WHERE t.status NOT IN ('SUCCESS', 'FAILURE')) AS t
             WHERE {}",
            matches("t")
        );
        let select = without_times(self.filter, text, None).bind(status(self.filter)); // $5 status
        let found = self.tx.one(select).await?;
        Ok(Some(Everywhere {
            in_status: found.int("in_status")?,
            unfinished: found.int("unfinished")?,
        }))
    }

    async fn count(&mut self, fine: &[i64]) -> Result<Vec<(i64, i64)>> {
        let text = format!(
            "SELECT fine.value AS block, count(*) AS tasks
             FROM {}
             WHERE {}
             GROUP BY fine.value",
            self.tasks_of_blocks(),
            task_matches()
        );
        let select = of_user(self.filter, text, status(self.filter)).bind(fine); // $8 blocks
        self.tx.all(select).await?.iter().map(block).collect()
    }

    async fn rows(&mut self, fine: &[i64], skip: i64, limit: i64) -> Result<Vec<TaskView>> {
        // Only ids are sorted: whole rows are long.
        let page = within_bounds(&format!(
            "SELECT t.id, -t.id AS place, {SIZE} AS size
             FROM {}
             WHERE {}
             ORDER BY t.id DESC
             LIMIT $10 OFFSET $9",
            self.tasks_of_blocks(),
            task_matches()
        ));
        let text = format!("{page} ORDER BY sized.place");
        let select = of_user(self.filter, text, status(self.filter))
            .bind(fine) // $8 blocks
            .bind(skip) // $9 offset
            .bind(limit); // $10 limit
        self.tx.all(select).await?.iter().map(bounded).collect()
    }
}

/// A block, and how many tasks it has, or has more than at the last fold.
fn block(row: &Row) -> Result<(i64, i64)> {
    Ok((row.int("block")?, row.int("tasks")?))
}
