//! The audit: what must be true of the money, as statements that find everything that is not.

use serde::Serialize;

use super::row::Cells as _;
use super::sql::sql;
use super::{Result, Store};

/// What the audit found. The command prints these fields as JSON, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// How many users there are.
    pub users: i64,
    /// How many tasks.
    pub tasks: i64,
    /// How many ledger entries.
    pub entries: i64,
    /// Everything that does not add up, each in a sentence. Empty: the books balance.
    pub breaks: Vec<String>,
}

impl Store {
    /// Proves from the tables alone, in one snapshot, that the money is exact: every user's quota is the
    /// sum of their ledger, every `used_quota` the charges less the refunds (users, keys, channels), each
    /// task charged once, each FAILURE and nothing else refunded once, and each unfinished task (and no
    /// other) in the table of unfinished tasks. And that what is counted as running and as waiting, for the
    /// limits and the turns, is what runs and waits.
    pub async fn audit(&self) -> Result<Audit> {
        // A large table may take longer than statements usually may.
        self.database
            .long_snapshot(|tx| {
                Box::pin(async move {
                    let counts = tx.one(sql(COUNTS)).await?;
                    let mut breaks = Vec::new();
                    for check in BREAKS {
                        for found in tx.all(sql(*check)).await? {
                            breaks.push(found.text("found")?);
                        }
                    }
                    Ok(Audit {
                        users: counts.int("users")?,
                        tasks: counts.int("tasks")?,
                        entries: counts.int("entries")?,
                        breaks,
                    })
                })
            })
            .await
    }
}

const COUNTS: &str = "SELECT (SELECT count(*) FROM users) AS users,
                             (SELECT count(*) FROM tasks) AS tasks,
                             (SELECT count(*) FROM ledger) AS entries";

/// Each statement finds one kind of break, one sentence a row.
const BREAKS: &[&str] = &[
    // A user's balance is the sum of their ledger.
    "SELECT 'user ' || u.id || ': quota is ' || u.quota || ', the ledger adds up to ' || coalesce(l.sum, 0) AS found
     FROM users u
     LEFT JOIN (SELECT user_id, CAST(sum(amount) AS BIGINT) AS sum FROM ledger GROUP BY user_id) l
       ON l.user_id = u.id
     WHERE u.quota <> coalesce(l.sum, 0)
     ORDER BY u.id",
    // What a user used is their charges less their refunds.
    "SELECT 'user ' || u.id || ': used_quota is ' || u.used_quota
            || ', charges less refunds are ' || coalesce(l.used, 0) AS found
     FROM users u
     LEFT JOIN (SELECT user_id, CAST(-sum(amount) AS BIGINT) AS used FROM ledger
                WHERE kind <> 'grant' GROUP BY user_id) l
       ON l.user_id = u.id
     WHERE u.used_quota <> coalesce(l.used, 0)
     ORDER BY u.id",
    // So for an API key.
    "SELECT 'API key ' || k.id || ': used_quota is ' || k.used_quota
            || ', charges less refunds are ' || coalesce(l.used, 0) AS found
     FROM api_keys k
     LEFT JOIN (SELECT key_id, CAST(-sum(amount) AS BIGINT) AS used FROM ledger
                WHERE kind <> 'grant' GROUP BY key_id) l
       ON l.key_id = k.id
     WHERE k.used_quota <> coalesce(l.used, 0)
     ORDER BY k.id",
    // So for a channel, over the tasks that it accepted.
    "SELECT 'channel ' || c.id || ': used_quota is ' || c.used_quota
            || ', charges less refunds of the tasks it accepted are ' || coalesce(l.used, 0) AS found
     FROM channels c
     LEFT JOIN (SELECT t.channel_id, CAST(-sum(l.amount) AS BIGINT) AS used
                FROM ledger l JOIN tasks t ON t.id = l.task_id
                WHERE t.upstream_id IS NOT NULL GROUP BY t.channel_id) l
       ON l.channel_id = c.id
     WHERE c.used_quota <> coalesce(l.used, 0)
     ORDER BY c.id",
    // Each task was charged once, its price, to its user and its key.
    "SELECT 'task ' || t.id || ': its price is ' || t.quota
            || CASE WHEN l.id IS NULL THEN ', and it was not charged'
                    ELSE ', and ' || -l.amount || ' was charged to user ' || l.user_id
                         || ' and API key ' || l.key_id END AS found
     FROM tasks t
     LEFT JOIN ledger l ON l.task_id = t.id AND l.kind = 'charge'
     WHERE l.id IS NULL OR l.amount <> -t.quota OR l.user_id <> t.user_id OR l.key_id <> t.key_id
     ORDER BY t.id",
    // Each FAILURE was given back what it was charged.
    "SELECT 'task ' || t.id || ': it failed, its price is ' || t.quota
            || CASE WHEN l.id IS NULL THEN ', and it was not refunded'
                    ELSE ', and ' || l.amount || ' was refunded to user ' || l.user_id
                         || ' and API key ' || l.key_id END AS found
     FROM tasks t
     LEFT JOIN ledger l ON l.task_id = t.id AND l.kind = 'refund'
     WHERE t.status = 'FAILURE'
       AND (l.id IS NULL OR l.amount <> t.quota OR l.user_id <> t.user_id OR l.key_id <> t.key_id)
     ORDER BY t.id",
    // Nothing else was.
    "SELECT 'task ' || t.id || ': it is ' || t.status || ', and ' || l.amount || ' was refunded' AS found
     FROM ledger l
     JOIN tasks t ON t.id = l.task_id
     WHERE l.kind = 'refund' AND t.status <> 'FAILURE'
     ORDER BY t.id",
    // An unfinished task, and no other, stands among the unfinished ones.
    "SELECT 'task ' || t.id || ': it is ' || t.status || ', and '
            || CASE WHEN n.id IS NULL THEN 'is missing from' ELSE 'still stands in' END
            || ' unfinished_tasks' AS found
     FROM tasks t
     LEFT JOIN unfinished_tasks n ON n.id = t.id
     WHERE (n.id IS NULL) <> (t.status IN ('SUCCESS', 'FAILURE'))
     ORDER BY t.id",
    // An accepted task, and no other, is at its channel.
    "SELECT 'task ' || t.id || ': it is to be polled at channel ' || coalesce(n.channel_id, 0)
            || ', and channel ' || coalesce(t.channel_id, 0) || ' accepted it' AS found
     FROM unfinished_tasks n
     JOIN tasks t ON t.id = n.id
     WHERE n.stage = 'poll'
       AND (t.upstream_id IS DISTINCT FROM n.upstream_id
            OR t.channel_id IS DISTINCT FROM n.channel_id)
        OR n.stage <> 'poll' AND t.upstream_id IS NOT NULL
     ORDER BY t.id",
    // What is counted as running of each user, key and channel runs.
    "SELECT kind || ' ' || id || ': ' || sum(counted) || ' tasks are counted as running, and ' || sum(runs)
            || ' run' AS found
     FROM (SELECT kind, id, tasks AS counted, 0 AS runs FROM running_tasks
           UNION ALL SELECT 'user', user_id, 0, 1 FROM unfinished_tasks WHERE stage <> 'submit'
           UNION ALL SELECT 'key', key_id, 0, 1 FROM unfinished_tasks WHERE stage <> 'submit'
           UNION ALL SELECT 'channel', channel_id, 0, 1 FROM unfinished_tasks WHERE stage <> 'submit') AS c
     GROUP BY kind, id
     HAVING sum(counted) <> sum(runs)
     ORDER BY kind, id",
    // Each line has its waiting tasks, and knows the first of them.
    "SELECT 'line ' || l.id || ' of user ' || l.user_id || ': ' || l.waiting || ' tasks are counted as waiting, the first is '
            || coalesce(l.oldest, 0) || '; ' || coalesce(n.tasks, 0) || ' wait, and the first is '
            || coalesce(n.first, 0) AS found
     FROM lines l
     LEFT JOIN (SELECT line, count(*) AS tasks, min(id) AS first
                FROM unfinished_tasks WHERE stage = 'submit' GROUP BY line) n
       ON n.line = l.id
     WHERE l.waiting <> coalesce(n.tasks, 0) OR coalesce(l.oldest, 0) <> coalesce(n.first, 0)
     ORDER BY l.id",
    // Each unfinished task stands in the line of its user, its key and what it is.
    "SELECT 'task ' || n.id || ': it does not stand in the line of its user, key, action and channel' AS found
     FROM unfinished_tasks n
     JOIN tasks t ON t.id = n.id
     LEFT JOIN lines l ON l.id = n.line
     WHERE l.id IS NULL OR l.user_id <> t.user_id OR l.key_id <> t.key_id OR l.platform <> t.platform
        OR l.action <> t.action OR l.only_channel <> coalesce(n.pinned_channel, 0)
        OR n.user_id IS DISTINCT FROM t.user_id OR n.key_id IS DISTINCT FROM t.key_id
     ORDER BY n.id",
    // Each line knows how many tasks of its user run, and whether its user or key is at a limit.
    "SELECT 'line ' || l.id || ' of user ' || l.user_id || ': it counts ' || l.running || ' running tasks and is '
            || CASE WHEN l.is_full THEN 'full' ELSE 'not full' END || '; the user has '
            || coalesce(u.tasks, 0) || ' of ' || users.max_tasks || ' and the key '
            || coalesce(k.tasks, 0) || ' of ' || api_keys.max_tasks AS found
     FROM lines l
     JOIN users ON users.id = l.user_id
     JOIN api_keys ON api_keys.id = l.key_id
     LEFT JOIN running_tasks u ON u.kind = 'user' AND u.id = l.user_id
     LEFT JOIN running_tasks k ON k.kind = 'key' AND k.id = l.key_id
     WHERE l.running <> coalesce(u.tasks, 0)
        OR l.is_full <> (users.max_tasks > 0 AND coalesce(u.tasks, 0) >= users.max_tasks
                         OR api_keys.max_tasks > 0 AND coalesce(k.tasks, 0) >= api_keys.max_tasks)
     ORDER BY l.id",
];
