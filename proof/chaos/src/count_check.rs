//! Checks the counts that listings are made from against the tasks, one by one.

use crate::ledger_check::Database;

/// Three sources of a count: the tasks themselves, the folded counts, and the changes since the last fold,
/// each with the state before and the state after.
///
/// Scope 0 counts everybody's tasks, in blocks of three sizes by task id. A user's scope counts that user's
/// tasks, in blocks of the two smaller sizes by `user_seq`. Both count all unfinished statuses as one state.
/// Level 3 of scope 0 counts unfinished tasks by their exact status, in one block. A change between two
/// unfinished statuses names no task, and only level 3 counts it.
const PLACES: &str = "
    WITH sizes (level, size) AS (VALUES (0, 256), (1, 8192), (2, 262144)),
    facts AS (
        SELECT id, user_id, user_seq, coalesce(channel_id, 0) AS channel, platform, action, status,
               submit_time, 1 AS there, 0 AS counted
        FROM tasks
        UNION ALL
        SELECT task, user_id, user_seq, old_channel, platform, action, old_status, NULL, 0, -tasks
        FROM task_changes WHERE old_channel IS NOT NULL
        UNION ALL
        SELECT task, user_id, user_seq, new_channel, platform, action, new_status, NULL, 0, tasks
        FROM task_changes WHERE new_channel IS NOT NULL
    ),
    states AS (
        SELECT facts.*,
               CASE WHEN status IN ('SUCCESS', 'FAILURE') THEN status ELSE 'UNFINISHED' END AS state
        FROM facts
    ),
    places AS (
        SELECT 0 AS scope, level, id / size AS block, channel, platform, action, state, id,
               submit_time, there, counted
        FROM states, sizes WHERE id IS NOT NULL
        UNION ALL
        SELECT user_id, level, user_seq / size, channel, platform, action, state, id,
               submit_time, there, counted
        FROM states, sizes WHERE id IS NOT NULL AND level < 2
        UNION ALL
        SELECT 0, 3, 0, channel, platform, action, status, id, NULL, there, counted
        FROM states WHERE state = 'UNFINISHED'
        UNION ALL
        SELECT scope, level, block, channel_id, platform, action, status, NULL, NULL, 0, tasks
        FROM task_counts
    )";

/// A count that is not the number of its tasks.
const WRONG_COUNTS: &str = "
    SELECT 'scope ' || scope || ', level ' || level || ', block ' || block || ', channel ' || channel
           || ', ' || platform || ', ' || action || ', ' || state || ': there are ' || sum(there)
           || ' tasks, ' || sum(counted) || ' are counted'
    FROM places
    GROUP BY scope, level, block, channel, platform, action, state
    HAVING sum(there) <> sum(counted)";

/// A task that was not submitted between the times that the counts of its blocks name. A task with a
/// change is not in those counts yet.
const WRONG_TIMES: &str = "
    SELECT 'task ' || p.id || ' is not of ' || c.first_submit || ' to ' || c.last_submit
           || ', as scope ' || p.scope || ', level ' || p.level || ', block ' || p.block || ' says'
    FROM places p
    JOIN task_counts c ON (c.scope, c.level, c.block, c.channel_id, c.platform, c.action, c.status)
                        = (p.scope, p.level, p.block, p.channel, p.platform, p.action, p.state)
    WHERE p.submit_time NOT BETWEEN c.first_submit AND c.last_submit
      AND p.id NOT IN (SELECT task FROM task_changes WHERE task IS NOT NULL)";

/// A user's tasks are numbered from 1 without gaps.
const WRONG_NUMBERS: &str = "
    SELECT 'task ' || id || ' is number ' || nth || ' of its user, and has number ' || user_seq
    FROM (SELECT id, user_seq, row_number() OVER (PARTITION BY user_id ORDER BY id) AS nth
          FROM tasks) AS numbered
    WHERE user_seq <> nth";

/// A user's total is the number of the user's tasks.
const WRONG_TOTALS: &str = "
    SELECT 'user ' || id || ' has ' || there || ' tasks, ' || counted || ' are counted'
    FROM (SELECT u.id, u.tasks AS counted, count(t.id) AS there
          FROM users u LEFT JOIN tasks t ON t.user_id = u.id GROUP BY u.id) AS of_user
    WHERE counted <> there";

/// The counts that are wrong.
pub async fn violations(database: &mut Database) -> Vec<String> {
    // One snapshot: a process folds changes into the counts every second.
    database
        .execute(match database {
            Database::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Database::Sqlite(_) => "BEGIN",
        })
        .await;
    let mut found = database.texts(WRONG_NUMBERS).await;
    found.extend(database.texts(WRONG_TOTALS).await);
    for wrong in [WRONG_COUNTS, WRONG_TIMES] {
        found.extend(database.texts(&format!("{PLACES} {wrong}")).await);
    }
    database.execute("COMMIT").await;
    found
}
