//! The fold: adds noted changes of tasks to the counts that listings are made from.

use super::{SqliteStore, Tx};
use crate::store::Result;

impl SqliteStore {
    /// See [`crate::store::Store::fold`].
    pub(in crate::store) async fn fold(&self, limit: u32) -> Result<u64> {
        let mut tx = self.begin().await?;
        let folded = fold(&mut tx, limit).await?;
        tx.commit().await?;
        Ok(folded)
    }
}

async fn fold(tx: &mut Tx, limit: u32) -> Result<u64> {
    let (changes, last): (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), max(id)
         FROM (SELECT id FROM task_changes ORDER BY id LIMIT ?)",
    )
    .bind(limit)
    .fetch_one(&mut **tx)
    .await?;
    let Some(last) = last else { return Ok(0) };
    add_up(tx, last).await?;
    sqlx::query("DELETE FROM task_changes WHERE id <= ?")
        .bind(last)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM task_counts WHERE tasks = 0")
        .execute(&mut **tx)
        .await?;
    Ok(changes.unsigned_abs())
}

/// Adds the changes up to the id `last` to the counts.
async fn add_up(tx: &mut Tx, last: i64) -> Result<()> {
    sqlx::query(
        "WITH sides AS (
             SELECT task, user_id, user_seq, submit_time, old_channel AS channel_id, platform,
                    action, old_status AS status, -tasks AS tasks
             FROM task_changes
             WHERE id <= ?1
               AND old_status IS NOT NULL
             UNION ALL
             SELECT task, user_id, user_seq, submit_time, new_channel, platform, action, new_status,
                    tasks
             FROM task_changes
             WHERE id <= ?1
               AND new_status IS NOT NULL
         ), places AS (
             -- Users have no blocks of level 2.
             SELECT 0 AS users, 0 AS level
             UNION ALL SELECT 0, 1
             UNION ALL SELECT 0, 2
             UNION ALL SELECT 1, 0
             UNION ALL SELECT 1, 1
         ), changed AS (
             SELECT CASE users WHEN 1 THEN user_id ELSE 0 END AS scope, level,
                    CASE users WHEN 1 THEN user_seq ELSE task END >> (8 + 5 * level) AS block,
                    channel_id, platform, action,
                    CASE WHEN status IN ('SUCCESS', 'FAILURE') THEN status
                         ELSE 'UNFINISHED' END AS status,
                    tasks, submit_time
             FROM sides
             JOIN places
             WHERE task IS NOT NULL
             UNION ALL
             SELECT 0, 3, 0, channel_id, platform, action, status, tasks, 0
             FROM sides
             WHERE status NOT IN ('SUCCESS', 'FAILURE')
         )
         INSERT INTO task_counts AS c (scope, level, block, channel_id, platform, action, status,
                                       tasks, first_submit, last_submit)
         SELECT scope, level, block, channel_id, platform, action, status, sum(tasks),
                min(submit_time), max(submit_time)
         FROM changed
         WHERE TRUE
         GROUP BY scope, level, block, channel_id, platform, action, status
         HAVING sum(tasks) <> 0
         ON CONFLICT DO UPDATE
         SET tasks = c.tasks + excluded.tasks,
             first_submit = min(c.first_submit, excluded.first_submit),
             last_submit = max(c.last_submit, excluded.last_submit)",
    )
    .bind(last)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
