//! The fold: adds noted changes of tasks to the counts that listings are made from.

use std::sync::atomic::Ordering;

use super::PostgresStore;
use crate::store::Result;
use crate::store::session::PgSession;

/// The advisory lock that a fold holds: one fold runs at a time.
const FOLDING: i64 = 0x7461_736b_666f_6c64;

/// The isolation level that a fold relies on. A plain `BEGIN` would look like that of a submit on the wire, where
/// chaos holds the transactions of submits.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// After this many folded changes their table is vacuumed. Every listing reads it, and autovacuum runs once
/// a minute at best.
const CLEAN_UP_AFTER: u64 = 5_000;

impl PostgresStore {
    /// See [`crate::store::Store::fold`].
    pub(in crate::store) async fn fold(&self, limit: u32) -> Result<u64> {
        fold(self, limit).await
    }
}

/// Folds at most `limit` changes.
async fn fold(store: &PostgresStore, limit: u32) -> Result<u64> {
    let mut tx = store.begin_as(BEGIN).await?;
    let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(FOLDING)
        .fetch_one(&mut tx)
        .await?;
    if !ours {
        tx.roll_back().await?;
        return Ok(0);
    }
    let (changes, last): (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), max(id)
         FROM (SELECT id FROM task_changes ORDER BY id LIMIT $1) AS oldest",
    )
    .bind(i64::from(limit))
    .fetch_one(&mut tx)
    .await?;
    let Some(last) = last else {
        tx.roll_back().await?;
        return Ok(0);
    };
    add_up(&mut tx, last).await?;
    tx.commit().await?;
    let changes = changes.unsigned_abs();
    if store.folded.fetch_add(changes, Ordering::Relaxed) + changes >= CLEAN_UP_AFTER {
        store.folded.store(0, Ordering::Relaxed);
        let mut session = store.connections.outside().await?;
        session.plain("VACUUM task_changes".to_owned()).await?;
        session.commit().await?;
    }
    Ok(changes)
}

/// Deletes the changes up to the id `last` and adds them to the counts. Changes of a task are noted in
/// their order, so no count falls below zero.
async fn add_up(tx: &mut PgSession, last: i64) -> Result<()> {
    // Some thousand changes meet a table of any size: each count is looked up by its primary key.
    sqlx::query("SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)")
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "WITH folded AS (
             DELETE FROM task_changes WHERE id <= $1 RETURNING *
         ), sides AS (
             SELECT task, user_id, user_seq, submit_time, old_channel AS channel_id, platform,
                    action, old_status AS status, -tasks AS tasks
             FROM folded
             WHERE old_status IS NOT NULL
             UNION ALL
             SELECT task, user_id, user_seq, submit_time, new_channel, platform, action, new_status,
                    tasks
             FROM folded
             WHERE new_status IS NOT NULL
         ), fine AS (
             SELECT place.scope, place.block, channel_id, platform, action,
                    task_state(status) AS status, sum(tasks)::BIGINT AS tasks,
                    min(submit_time) AS first_submit, max(submit_time) AS last_submit
             FROM sides
             CROSS JOIN LATERAL (VALUES (0, task >> 8), (user_id, user_seq >> 8))
                                AS place (scope, block)
             WHERE task IS NOT NULL
             GROUP BY 1, 2, 3, 4, 5, 6
         ), changed AS (
             SELECT scope, 0 AS level, block, channel_id, platform, action, status, tasks,
                    first_submit, last_submit
             FROM fine
             WHERE tasks <> 0
             UNION ALL
             -- Users have no blocks of level 2.
             SELECT scope, level, block >> (5 * level), channel_id, platform, action, status,
                    sum(tasks)::BIGINT, min(first_submit), max(last_submit)
             FROM fine
             JOIN (VALUES (1), (2)) AS larger (level) ON level = 1 OR scope = 0
             GROUP BY 1, 2, 3, 4, 5, 6, 7
             HAVING sum(tasks) <> 0
             UNION ALL
             SELECT 0, 3, 0, channel_id, platform, action, status, sum(tasks)::BIGINT, 0, 0
             FROM sides
             WHERE task_state(status) = 'UNFINISHED'
             GROUP BY channel_id, platform, action, status
             HAVING sum(tasks) <> 0
         )
         MERGE INTO task_counts AS c
         USING changed AS x
         ON c.scope = x.scope AND c.level = x.level AND c.block = x.block
            AND c.channel_id = x.channel_id AND c.platform = x.platform AND c.action = x.action
            AND c.status = x.status
         WHEN MATCHED AND c.tasks + x.tasks = 0 THEN DELETE
         WHEN MATCHED THEN
             UPDATE SET tasks = c.tasks + x.tasks,
                        first_submit = least(c.first_submit, x.first_submit),
                        last_submit = greatest(c.last_submit, x.last_submit)
         WHEN NOT MATCHED THEN
             INSERT VALUES (x.scope, x.level, x.block, x.channel_id, x.platform, x.action, x.status,
                            x.tasks, x.first_submit, x.last_submit)",
    )
    .bind(last)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
