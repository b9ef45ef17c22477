//! The end of tasks: SUCCESS; or FAILURE and its refund, together or not at all.

use std::collections::{BTreeMap, HashSet};

use crate::clock::Millis;
use crate::store::Result;
use crate::store::books::event;
use crate::store::row::{self, Cells as _};
use crate::store::turns::{AtTurn, End, Finished, Waiting};
use crate::task::money::{self, Change};
use crate::task::{Quota, RowId, Status, Turn};

type Tx = sqlx::PgTransaction<'static>;

/// How long after its deadline a task that was given up is looked at for the first time: 1 min.
const FIRST_LATE_LOOK: std::time::Duration = std::time::Duration::from_mins(1);

/// A task that ended just now, and what its refund, if it failed, reverses.
struct Ended {
    at: AtTurn,
    user: i64,
    key: i64,
    /// The channel that had accepted it, if one had.
    channel: Option<i64>,
    quota: Quota,
    failed: bool,
}

/// Locks the narrow rows of a whole settle, by ascending id: two statements will write them, each
/// its own part.
pub(super) async fn lock(tx: &mut Tx, waiting: &[Waiting], finished: &[Finished]) -> Result<()> {
    let rows = waiting.iter().map(|task| task.at.row.0);
    let rows = rows.chain(finished.iter().map(|task| task.at.row.0));
    sqlx::query("SELECT id FROM unfinished_tasks WHERE id = ANY ($1) ORDER BY id FOR UPDATE")
        .bind(rows.collect::<Vec<_>>())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends those of `finished` that still are at their turn; returns them.
pub(super) async fn finish(tx: &mut Tx, finished: &[Finished], now: Millis) -> Result<Vec<RowId>> {
    // Once: of a task that is named twice the first says how it ends.
    let mut named = HashSet::with_capacity(finished.len());
    let finished: Vec<&Finished> = finished
        .iter()
        .filter(|task| named.insert(task.at))
        .collect();
    let ended = end(tx, &finished, now).await?;
    let failed: Vec<&Ended> = ended.iter().filter(|task| task.failed).collect();
    if !failed.is_empty() {
        refund(tx, &failed, now).await?;
    }
    let were_ended: HashSet<AtTurn> = ended.iter().map(|task| task.at).collect();
    let given_up: Vec<i64> = finished
        .iter()
        .filter(|task| matches!(task.end, End::Failure { given_up: true, .. }))
        .filter(|task| were_ended.contains(&task.at))
        .map(|task| task.at.row.0)
        .collect();
    if !given_up.is_empty() {
        keep_watching(tx, &given_up, now).await?;
    }
    Ok(ended.into_iter().map(|task| task.at.row).collect())
}

/// Removes the narrow rows of those at their turn, and ends them: whoever removes a row ends its task;
/// a second one finds nothing.
async fn end(tx: &mut Tx, finished: &[&Finished], now: Millis) -> Result<Vec<Ended>> {
    let details = finished.iter().map(|task| match &task.end {
        End::Success => Status::Success.to_string(),
        End::Failure { reason, .. } => format!("{}: {reason}", Status::Failure),
    });
    let rows = sqlx::query(
        "WITH taken AS (
             DELETE FROM unfinished_tasks u
             USING unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::TEXT[],
                          $6::BIGINT[], $7::TEXT[])
                   AS x (id, turn, status, reason, data, channel, detail)
             WHERE u.id = x.id AND u.turn = x.turn
             RETURNING u.id, u.turn, x.status, x.reason, x.data, x.channel, x.detail
         ), ended AS (
             UPDATE tasks t
             SET status = x.status, progress = 100, fail_reason = x.reason,
                 data = coalesce(x.data, t.data),
                 channel_id = coalesce(t.channel_id, x.channel),
                 start_time = CASE WHEN t.start_time = 0 AND x.status = $8 THEN $9
                                   ELSE t.start_time END,
                 finish_time = $9, updated_at = $9
             FROM taken x
             WHERE t.id = x.id
             RETURNING t.id, x.turn, t.user_id, t.key_id, t.quota, t.status, x.detail,
                       CASE WHEN t.upstream_id IS NOT NULL THEN t.channel_id END AS accepted_by
         ), noted AS (
             INSERT INTO task_events (task_id, at, turn, kind, detail)
             SELECT id, $10, turn, $11, detail
             FROM ended
         )
         SELECT id, turn, user_id, key_id, quota, status, accepted_by FROM ended",
    )
    .bind(
        finished
            .iter()
            .map(|task| task.at.row.0)
            .collect::<Vec<_>>(),
    )
    .bind(
        finished
            .iter()
            .map(|task| task.at.turn.0)
            .collect::<Vec<_>>(),
    )
    .bind(
        finished
            .iter()
            .map(|task| status(&task.end).as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        finished
            .iter()
            .map(|task| reason(&task.end))
            .collect::<Vec<_>>(),
    )
    .bind(
        finished
            .iter()
            .map(|task| task.data.as_deref())
            .collect::<Vec<_>>(),
    )
    .bind(
        finished
            .iter()
            .map(|task| channel(&task.end))
            .collect::<Vec<_>>(),
    )
    .bind(details.collect::<Vec<_>>())
    .bind(Status::Success.as_str())
    .bind(now.seconds())
    .bind(now.0)
    .bind(event::ENDED)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|found| {
            let id = found.int("id")?;
            Ok(Ended {
                at: AtTurn {
                    row: RowId(id),
                    turn: Turn(found.int("turn")?),
                },
                user: found.int("user_id")?,
                key: found.int("key_id")?,
                channel: found.int_or_null("accepted_by")?,
                quota: row::quota("tasks", "quota", id, found.int("quota")?)?,
                failed: found.text("status")? == Status::Failure.as_str(),
            })
        })
        .collect()
}

fn status(end: &End) -> Status {
    match end {
        End::Success => Status::Success,
        End::Failure { .. } => Status::Failure,
    }
}

fn reason(end: &End) -> &str {
    match end {
        End::Success => "",
        End::Failure { reason, .. } => reason,
    }
}

fn channel(end: &End) -> Option<i64> {
    match end {
        End::Success => None,
        End::Failure { channel, .. } => channel.map(|channel| channel.0),
    }
}

/// Gives back what the charges of `failed` took: ledger, users, keys, channels. A second refund of
/// a task fails on the ledger's unique index, and everything with it.
async fn refund(tx: &mut Tx, failed: &[&Ended], now: Millis) -> Result<()> {
    insert_refunds(tx, failed, now).await?;
    // Ordered maps: locks are taken by ascending id, whoever takes them.
    let mut users: BTreeMap<i64, Change> = BTreeMap::new();
    let mut keys: BTreeMap<i64, i64> = BTreeMap::new();
    let mut channels: BTreeMap<i64, i64> = BTreeMap::new();
    for task in failed {
        let change = money::refund(task.quota);
        let user = users
            .entry(task.user)
            .or_insert(Change { amount: 0, used: 0 });
        user.amount += change.amount;
        user.used += change.used;
        *keys.entry(task.key).or_default() += change.used;
        if let Some(channel) = task.channel {
            *channels.entry(channel).or_default() += change.used;
        }
    }
    give_back_to_users(tx, &users).await?;
    give_back_to(tx, Counted::Keys, &keys).await?;
    give_back_to(tx, Counted::Channels, &channels).await
}

async fn insert_refunds(tx: &mut Tx, failed: &[&Ended], now: Millis) -> Result<()> {
    sqlx::query(
        "WITH refunded AS (
             INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
             SELECT x.user_id, x.key_id, x.id, 'refund', x.amount, $5
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[])
                  AS x (id, user_id, key_id, amount)
             RETURNING task_id, amount
         )
         INSERT INTO task_events (task_id, at, turn, kind, detail)
         SELECT r.task_id, $5, (SELECT max(turn) FROM task_events e WHERE e.task_id = r.task_id),
                $6, 'gave back ' || r.amount
         FROM refunded r",
    )
    .bind(failed.iter().map(|task| task.at.row.0).collect::<Vec<_>>())
    .bind(failed.iter().map(|task| task.user).collect::<Vec<_>>())
    .bind(failed.iter().map(|task| task.key).collect::<Vec<_>>())
    .bind(
        failed
            .iter()
            .map(|task| money::refund(task.quota).amount)
            .collect::<Vec<_>>(),
    )
    .bind(now.0)
    .bind(event::REFUNDED)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn give_back_to_users(tx: &mut Tx, users: &BTreeMap<i64, Change>) -> Result<()> {
    let ids: Vec<i64> = users.keys().copied().collect();
    sqlx::query("SELECT id FROM users WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(&ids)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "UPDATE users u
         SET quota = u.quota + x.amount, used_quota = u.used_quota + x.used
         FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[]) AS x (id, amount, used)
         WHERE u.id = x.id",
    )
    .bind(&ids)
    .bind(
        users
            .values()
            .map(|change| change.amount)
            .collect::<Vec<_>>(),
    )
    .bind(users.values().map(|change| change.used).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Who besides the user has a `used_quota`.
#[derive(Clone, Copy)]
enum Counted {
    Keys,
    Channels,
}

impl Counted {
    fn lock(self) -> &'static str {
        match self {
            Self::Keys => {
                "SELECT id FROM api_keys WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE"
            }
            Self::Channels => {
                "SELECT id FROM channels WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE"
            }
        }
    }

    fn change(self) -> &'static str {
        match self {
            Self::Keys => {
                "UPDATE api_keys k SET used_quota = k.used_quota + x.used
                 FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, used) WHERE k.id = x.id"
            }
            Self::Channels => {
                "UPDATE channels c SET used_quota = c.used_quota + x.used
                 FROM unnest($1::BIGINT[], $2::BIGINT[]) AS x (id, used) WHERE c.id = x.id"
            }
        }
    }
}

async fn give_back_to(tx: &mut Tx, counted: Counted, used: &BTreeMap<i64, i64>) -> Result<()> {
    if used.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = used.keys().copied().collect();
    sqlx::query(counted.lock())
        .bind(&ids)
        .execute(&mut **tx)
        .await?;
    sqlx::query(counted.change())
        .bind(&ids)
        .bind(used.values().copied().collect::<Vec<_>>())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What we gave up the upstream may make yet: it is looked at a few times more.
async fn keep_watching(tx: &mut Tx, rows: &[i64], now: Millis) -> Result<()> {
    sqlx::query(
        "INSERT INTO late_tasks (id, channel_id, upstream_id, due_at)
         SELECT id, channel_id, upstream_id, $2
         FROM tasks
         WHERE id = ANY ($1) AND upstream_id IS NOT NULL",
    )
    .bind(rows)
    .bind(now.after(FIRST_LATE_LOOK).0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
