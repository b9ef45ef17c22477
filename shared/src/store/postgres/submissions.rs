//! Charge, task and ledger in one transaction, once for each idempotency key; the submits of one
//! moment in one transaction together.
//!
//! A transaction locks the users and keys of its submits, reads what they have, decides
//! ([`super::super::deciding`]) and writes all that it takes with one statement. It waits for no
//! lock: a submit whose user or key another transaction holds, or whose batch failed, goes with the next
//! batch, and in the end alone, and waits there. So one submit can neither hold up another nor take it along when it fails.

mod statements;

use sqlx::PgPool;

use self::statements::{known, lock, store};
use super::PostgresStore;
use crate::clock::Millis;
use crate::store::deciding::{Asked, Decision, decide};
use crate::store::detach::detach;
use crate::store::gather::to_each;
use crate::store::row::Cells as _;
use crate::store::submissions::{Continuable, NewTask, Submitted};
use crate::store::{Result, StoreError};
use crate::task::{ChannelId, Quota, TaskId, UserId};

/// How often a submit goes with others before it goes alone: what holds its user is mostly another
/// API's batch, or a refund, which is done in a moment.
const TOGETHER: u32 = 3;

impl PostgresStore {
    pub(in crate::store) async fn submit(&self, task: NewTask, now: Millis) -> Result<Submitted> {
        let store = self.clone();
        // Whole: what goes alone must not end with its caller either.
        detach(async move {
            let asked = Asked { task, now };
            for _ in 0..TOGETHER {
                let pool = store.pool.clone();
                let together = |all| submit_together(pool, all);
                let user = Some(asked.task.user.0);
                let answered = store.submits.ask(user, asked.clone(), together).await?;
                if let Some(submitted) = answered {
                    return Ok(submitted);
                }
            }
            submit_alone(&store.pool, asked).await
        })
        .await
    }

    pub(in crate::store) async fn continuable(
        &self,
        user: UserId,
        task: &TaskId,
    ) -> Result<Option<Option<Continuable>>> {
        let found = sqlx::query(
            "SELECT channel_id, upstream_id FROM tasks WHERE task_id = $1 AND user_id = $2",
        )
        .bind(task.as_str())
        .bind(user.0)
        .fetch_optional(&self.pool)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let channel = found.int_or_null("channel_id")?.map(ChannelId);
        let upstream_id = found.text_or_null("upstream_id")?;
        Ok(Some(channel.zip(upstream_id).map(
            |(channel, upstream_id)| Continuable {
                channel,
                upstream_id,
            },
        )))
    }

    pub(in crate::store) async fn forget_idempotency(
        &self,
        before: Millis,
        limit: u32,
    ) -> Result<u64> {
        let pool = self.pool.clone();
        detach(async move {
            let done = sqlx::query(
                "DELETE FROM idempotency_keys
                 WHERE (user_id, key) IN (
                     SELECT user_id, key FROM idempotency_keys
                     WHERE created_at < $1
                     LIMIT $2
                     FOR UPDATE SKIP LOCKED
                 )",
            )
            .bind(before.0)
            .bind(i64::from(limit))
            .execute(&pool)
            .await?;
            Ok(done.rows_affected())
        })
        .await
    }
}

/// Whether locks that others hold are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locks {
    Wait,
    SkipHeld,
}

/// How a batch failed.
enum Failed {
    /// It is rolled back.
    Before(StoreError),
    /// Nobody knows whether it is committed.
    InCommit(StoreError),
}

impl<E: Into<StoreError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

/// Submits all. `None`: it is to be submitted alone, nothing was done.
async fn submit_together(pool: PgPool, asked: Vec<Asked>) -> Vec<Result<Option<Submitted>>> {
    match submit_all(&pool, &asked, Locks::SkipHeld).await {
        Ok(answers) => answers,
        // It may be the fault of one; alone each gets what it deserves.
        Err(Failed::Before(error))
            if !matches!(error, StoreError::Busy | StoreError::Unreachable(_)) =>
        {
            asked.iter().map(|_| Ok(None)).collect()
        }
        Err(Failed::Before(error) | Failed::InCommit(error)) => to_each(asked.len(), error),
    }
}

async fn submit_alone(pool: &PgPool, asked: Asked) -> Result<Submitted> {
    let answered = submit_all(pool, &[asked], Locks::Wait).await;
    let mut answers = match answered {
        Ok(answers) => answers,
        Err(Failed::Before(error) | Failed::InCommit(error)) => return Err(error),
    };
    match answers.pop() {
        Some(Ok(Some(submitted))) => Ok(submitted),
        // Nobody holds them, and still they are not to be had: there is no such user or key.
        Some(Ok(None)) => Ok(Submitted::QuotaNotEnough),
        Some(Err(error)) => Err(error),
        None => Err(StoreError::Died),
    }
}

/// One transaction. An answer each, in their order; `None`: its user or key is not to be had.
async fn submit_all(
    pool: &PgPool,
    asked: &[Asked],
    locks: Locks,
) -> std::result::Result<Vec<Result<Option<Submitted>>>, Failed> {
    // Every early return drops the transaction, and with it all that it did.
    let mut tx = pool.begin().await?;
    let standing = lock(&mut tx, asked, locks).await?;
    // Under the users' locks: a twin is committed and seen, or comes after us.
    let known = known(&mut tx, asked).await?;
    let decisions = decide(asked, &standing, known);
    let stored = asked.iter().zip(&decisions);
    let stored: Vec<(&Asked, Quota)> = stored
        .filter_map(|(asked, decision)| match decision {
            Decision::Store(price) => Some((asked, *price)),
            _ => None,
        })
        .collect();
    let mut rows = Vec::new();
    if !stored.is_empty() {
        rows = store(&mut tx, &stored).await?;
        tx.commit()
            .await
            .map_err(|error| Failed::InCommit(error.into()))?;
    }
    let mut rows = rows.into_iter();
    let answer = |(asked, decision): (&Asked, Decision)| match decision {
        Decision::Store(_) => Ok(rows.next().map(Submitted::Stored)),
        Decision::Answer(answer) => Ok(Some(answer)),
        Decision::Unknown => Ok(None),
        Decision::NoPrice => Err(no_price(&asked.task)),
    };
    Ok(asked.iter().zip(decisions).map(answer).collect())
}

fn no_price(task: &NewTask) -> StoreError {
    StoreError::BadRow {
        table: "prices",
        column: "quota",
        id: 0,
        held: format!("no price of {} {}", task.platform, task.action),
    }
}
