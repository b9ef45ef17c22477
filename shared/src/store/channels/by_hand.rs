//! What operators do to channels by hand: change, pause, resume, delete.

use super::forget_if;
use crate::clock::Millis;
use crate::secret::Secret;
use crate::store::flow;
use crate::store::row::Cells as _;
use crate::store::sql::{Tx, sql};
use crate::store::{Result, Store, StoreError};
use crate::task::{Actions, ChannelId, Dialect};

/// Until when a channel is paused that is paused until it is resumed: the end of the year 9999, which every
/// program that reads dates or JSON understands.
pub const UNTIL_RESUMED: Millis = Millis(253_402_300_799_999);

/// What changes of a channel; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct ChannelChange {
    /// Its new name.
    pub rename: Option<String>,
    /// Its new base URL, without a trailing slash.
    pub base_url: Option<String>,
    /// How its upstream speaks.
    pub speaks: Option<Speaks>,
    /// Its new key; an empty one: no key is sent.
    pub key: Option<Secret>,
    /// Its priority.
    pub priority: Option<i32>,
    /// Its weight.
    pub weight: Option<u32>,
    /// Whether it is idempotent.
    pub idempotent: Option<bool>,
    /// Its ceiling of tasks; 0: the ceiling is learnt.
    pub max_tasks: Option<u32>,
    /// Its limit of submits a minute; 0: none.
    pub submits_per_minute: Option<u32>,
    /// Its limit of fetches a second.
    pub polls_per_second: Option<PollLimit>,
    /// What it serves.
    pub actions: Option<Actions>,
}

/// How a channel's upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// As the platform does by itself.
    Own,
    /// This dialect.
    Dialect(Dialect),
}

impl Speaks {
    /// The dialect, unless it is the platform's own.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Own => None,
            Self::Dialect(dialect) => Some(dialect),
        }
    }
}

/// How many fetches a second a channel gets at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollLimit {
    /// As many as the platform's default says.
    Default,
    /// This many; 0: no limit.
    PerSecond(u32),
}

/// How a change of a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The channel is changed.
    Done,
    /// There is no channel of that name.
    NoChannel,
    /// Another channel has the new name; nothing was changed.
    NameTaken,
}

/// How the deletion of a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The channel is deleted.
    Done,
    /// There is no channel of that name.
    NoChannel,
    /// Tasks need the channel; nothing was changed.
    Needed {
        /// How many tasks are being sent to it or are at its upstream.
        under_way: u64,
        /// How many tasks wait that only this channel can take.
        waiting: u64,
    },
}

impl Store {
    /// Changes the channel of this name, all at once. A changed base URL, dialect or key is a clean start: it ends the
    /// cool-downs and forgets the last trouble; at a changed base URL or dialect no submit was accepted yet. Tasks that
    /// the channel has are polled with its present base URL and key.
    pub async fn change_channel(&self, name: &str, change: ChannelChange) -> Result<Changed> {
        let moved = "(COALESCE($3, c.base_url) <> c.base_url
                      OR ($14 AND COALESCE($15, '') <> COALESCE(c.dialect, '')))";
        let forgotten = forget_if(&format!("{moved} OR COALESCE($4, c.key) <> c.key"));
        let (polls, polls_change) = match change.polls_per_second {
            Some(PollLimit::PerSecond(limit)) => (Some(i64::from(limit)), true),
            Some(PollLimit::Default) => (None, true),
            None => (None, false),
        };
        let actions = change.actions.as_ref().and_then(Actions::stored);
        let dialect = change.speaks.and_then(Speaks::dialect);
        let update = sql(format!(
            "UPDATE channels AS c
             SET name = COALESCE($2, c.name),
                 base_url = COALESCE($3, c.base_url),
                 key = COALESCE($4, c.key),
                 priority = COALESCE($5, c.priority),
                 weight = COALESCE($6, c.weight),
                 idempotent = COALESCE($7, c.idempotent),
                 max_tasks = COALESCE($8, c.max_tasks),
                 submits_per_minute = COALESCE($9, c.submits_per_minute),
                 polls_per_second = CASE WHEN $10 THEN $11 ELSE c.polls_per_second END,
                 actions = CASE WHEN $12 THEN $13 ELSE c.actions END,
                 dialect = CASE WHEN $14 THEN $15 ELSE c.dialect END,
                 proven = c.proven AND NOT {moved},
                 {forgotten}
             WHERE name = $1 AND NOT deleted"
        ))
        .bind(name) // $1 name
        .bind(change.rename.as_deref()) // $2 name
        .bind(change.base_url.as_deref()) // $3 base_url
        .bind(change.key.as_ref().map(Secret::expose)) // $4 key
        .bind(change.priority.map(i64::from)) // $5 priority
        .bind(change.weight.map(i64::from)) // $6 weight
        .bind(change.idempotent) // $7 idempotent
        .bind(change.max_tasks.map(i64::from)) // $8 max_tasks
        .bind(change.submits_per_minute.map(i64::from)) // $9 submits_per_minute
        .bind(polls_change) // $10 whether polls_per_second changes
        .bind(polls) // $11 polls_per_second
        .bind(change.actions.is_some()) // $12 whether the actions change
        .bind(actions.as_deref()) // $13 actions
        .bind(change.speaks.is_some()) // $14 whether the dialect changes
        .bind(dialect.as_ref().map(Dialect::as_str)); // $15 dialect
        match self.database.changes(update).await {
            Ok(true) => Ok(Changed::Done),
            Ok(false) => Ok(Changed::NoChannel),
            Err(error) if is_taken(&error) => Ok(Changed::NameTaken),
            Err(error) => Err(error),
        }
    }

    /// Sends nothing new to the channel until `until`; a time that has passed, such as 0, resumes it. Tasks
    /// that it has are polled all the same. `false`: there is none of that name.
    pub async fn pause_channel(&self, name: &str, until: Millis) -> Result<bool> {
        let update = sql("UPDATE channels SET paused_until = $2 WHERE name = $1 AND NOT deleted");
        self.database.changes(update.bind(name).bind(until.0)).await
    }

    /// Deletes the channel of this name, unless a task needs it: one that is being sent there or is at its
    /// upstream, or one that waits and that no other channel can take. Its row stays, because its tasks and
    /// figures name it; its name becomes free, and its key is forgotten.
    pub async fn delete_channel(&self, name: &str) -> Result<Deleted> {
        let select = "SELECT id FROM channels WHERE name = $1 AND NOT deleted";
        let name = name.to_owned();
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    match tx.optional(sql(select).bind(&*name)).await? {
                        Some(found) => delete(tx, ChannelId(found.int("id")?)).await,
                        None => Ok(Deleted::NoChannel),
                    }
                })
            })
            .await
    }
}

/// Deletes a channel, unless it is needed. Claims lock the channel's counter before
/// they read the channel: so each claim either counts here, or finds the channel deleted.
async fn delete(tx: &mut Tx, channel: ChannelId) -> Result<Deleted> {
    flow::add_channels(tx, &[channel.0]).await?;
    let lock = tx.for_update();
    let counter = "SELECT tasks FROM running_tasks WHERE kind = 'channel' AND id = $1";
    tx.one(sql(format!("{counter} {lock}")).bind(channel.0))
        .await?;
    // A statement of its own: it sees what was committed while this transaction waited for the lock.
    let count = "SELECT count(*) FILTER (WHERE stage <> 'submit' AND channel_id = $1) AS under_way,
                        count(*) FILTER (WHERE stage = 'submit' AND pinned_channel = $1) AS waiting
                 FROM unfinished_tasks
                 WHERE channel_id = $1 OR pinned_channel = $1";
    let found = tx.one(sql(count).bind(channel.0)).await?;
    // No count is negative.
    let count = |column| Ok::<_, StoreError>(found.int(column)?.unsigned_abs());
    let (under_way, waiting) = (count("under_way")?, count("waiting")?);
    if under_way + waiting > 0 {
        return Ok(Deleted::Needed { under_way, waiting });
    }
    let update = "UPDATE channels
         SET deleted = TRUE, enabled = FALSE, key = '',
             name = name || ' (deleted ' || id || ')'
         WHERE id = $1 AND NOT deleted";
    // Another may have deleted it while this transaction waited for the lock.
    let deleted = tx.execute(sql(update).bind(channel.0)).await?;
    Ok(if deleted > 0 {
        Deleted::Done
    } else {
        Deleted::NoChannel
    })
}

/// Whether a name is taken.
fn is_taken(error: &StoreError) -> bool {
    matches!(error, StoreError::Refused(sqlx::Error::Database(said)) if said.is_unique_violation())
}
