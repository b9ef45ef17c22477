//! Channels.
//!
//! | file | what it holds |
//! |---|---|
//! | [`by_hand`] | what operators do: change, pause, resume, delete |
//! | [`cool_downs`] | for how long a channel in trouble is left alone, and for whom |
//! | [`listed`] | channels as operators see them |

#![allow(missing_docs, reason = "names explain the rest")]

pub mod by_hand;
pub mod cool_downs;
pub mod listed;

use serde::Serialize;

use super::row::{self, Cells};
use super::sql::sql;
use super::{Result, Store, StoreError};
use crate::clock::Millis;
use crate::secret::{Secret, SecretDigest};
use crate::task::cool_down::RestsFor;
use crate::task::{Actions, ChannelId, Dialect, Platform, Quota};
use cool_downs::rests_for;
pub use cool_downs::{Calls, Failed};

/// An upstream that we may send tasks to. The commands print these fields as JSON, in this order, but for
/// those that are skipped.
#[derive(Debug, Clone, Serialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are columns, and independent of each other"
)]
pub struct Channel {
    pub id: ChannelId,
    pub name: String,
    pub platform: Platform,
    /// The base URL, without a trailing slash.
    pub base_url: String,
    /// The key that we authenticate with; empty for none.
    #[serde(skip)]
    pub key: Secret,
    /// Whether new tasks may go to the channel. Tasks that it has are polled all the same.
    pub enabled: bool,
    /// Channels of the highest priority are used first.
    pub priority: i32,
    /// Among channels of one priority: how large a share of the tasks the channel gets.
    pub weight: u32,
    /// The sum of the prices of the tasks that the channel accepted and that did not fail.
    pub used_quota: Quota,
    /// Until when no worker calls the channel.
    #[serde(skip)]
    pub cool_until: Millis,
    /// How many cool-downs in a row.
    #[serde(skip)]
    pub cool_count: u32,
    /// Whom the channel cools down for.
    #[serde(skip)]
    pub rests_for: RestsFor,
    /// Whether the upstream takes a submit that it got twice, with the same `Idempotency-Key`, for one. Then a
    /// submit that may or may not have arrived is sent to the channel again.
    pub idempotent: bool,
    /// Whether the channel is the simulator that `task-center` starts while there is no other channel.
    #[serde(skip)]
    pub builtin: bool,
    /// How many tasks are being sent or are at the upstream at once, at most; 0: the ceiling is learnt.
    pub max_tasks: u32,
    /// How many submits a minute at most; 0: no limit.
    pub submits_per_minute: u32,
    /// How many fetches a second at most; `None`: the platform's default; 0: no limit.
    pub polls_per_second: Option<u32>,
    /// What the channel serves.
    pub actions: Actions,
    /// How the upstream speaks; `None`: as the platform does by itself.
    pub dialect: Option<Dialect>,
    /// Until when nothing new is sent to the channel.
    #[serde(skip)]
    pub paused_until: Millis,
    /// Whether a submit was accepted at this base URL. Before that, a 404 speaks of the URL and not of the
    /// request.
    #[serde(skip)]
    pub proven: bool,
    /// As `cool_until`, which holds for submits, for fetches.
    #[serde(skip)]
    pub poll_cool_until: Millis,
    /// As `cool_count`, for fetches.
    #[serde(skip)]
    pub poll_cool_count: u32,
    /// What was last wrong with the channel, without its secrets; empty: nothing.
    #[serde(skip)]
    pub trouble: String,
    /// When that was.
    #[serde(skip)]
    pub trouble_at: Millis,
}

/// A channel to be created; see [`Channel`].
#[derive(Debug, Clone)]
pub struct NewChannel {
    pub name: String,
    pub platform: Platform,
    pub dialect: Option<Dialect>,
    pub base_url: String,
    /// The key that we authenticate with; empty for none.
    pub key: Secret,
    pub priority: i32,
    pub weight: u32,
    pub idempotent: bool,
    pub builtin: bool,
    pub max_tasks: u32,
    pub submits_per_minute: u32,
    pub polls_per_second: Option<u32>,
    pub actions: Actions,
}

impl NewChannel {
    /// A channel of the usual priority, weight and actions, without limits, that is not built in.
    pub fn new(name: &str, platform: Platform, base_url: String, key: Secret) -> Self {
        Self {
            name: name.to_owned(),
            platform,
            dialect: None,
            base_url,
            key,
            priority: 0,
            weight: 1,
            idempotent: false,
            builtin: false,
            max_tasks: 0,
            submits_per_minute: 0,
            polls_per_second: None,
            actions: Actions::default(),
        }
    }

    /// The channel as it is when it was just created under this number.
    pub fn with_id(self, id: ChannelId) -> Channel {
        Channel {
            id,
            name: self.name,
            platform: self.platform,
            dialect: self.dialect,
            base_url: self.base_url,
            key: self.key,
            enabled: true,
            priority: self.priority,
            weight: self.weight,
            used_quota: Quota::ZERO,
            cool_until: Millis(0),
            cool_count: 0,
            rests_for: RestsFor::Everybody,
            idempotent: self.idempotent,
            builtin: self.builtin,
            max_tasks: self.max_tasks,
            submits_per_minute: self.submits_per_minute,
            polls_per_second: self.polls_per_second,
            actions: self.actions,
            paused_until: Millis(0),
            proven: false,
            poll_cool_until: Millis(0),
            poll_cool_count: 0,
            trouble: String::new(),
            trouble_at: Millis(0),
        }
    }
}

impl Channel {
    /// A digest of the address and the key. While it is equal, a request that is sent again reaches the same
    /// account of the same upstream.
    pub fn address_digest(&self) -> i64 {
        SecretDigest::of(format!("{}\n{}", self.base_url, self.key.expose())).short()
    }
}

impl Store {
    /// Creates a channel. `None`: the name is taken, and nothing was created. A channel that is not built
    /// in disables the built-in one in the same transaction: paid tasks must not go to a simulator.
    pub async fn create_channel(
        &self,
        channel: NewChannel,
        now: Millis,
    ) -> Result<Option<ChannelId>> {
        self.insert_channel(channel, "DO NOTHING", now).await
    }

    /// Creates the channel, or gives the one of that name this address and key: for the channels that come
    /// from the environment. An operator's priority, weight and dialect stay. A new address or key is a clean start:
    /// it enables the channel and ends its cool-down. The same ones change nothing, as an operator may have
    /// disabled the channel. Otherwise as [`Store::create_channel`].
    pub async fn put_channel(&self, channel: NewChannel, now: Millis) -> Result<ChannelId> {
        let moved = "c.base_url <> excluded.base_url";
        let fresh = format!("({moved} OR c.key <> excluded.key)");
        let update = format!(
            "DO UPDATE
             SET base_url = excluded.base_url,
                 key = excluded.key,
                 builtin = excluded.builtin,
                 enabled = c.enabled OR {fresh},
                 proven = c.proven AND NOT {moved},
                 {}",
            forget_if(&fresh)
        );
        let id = self.insert_channel(channel, &update, now).await?;
        id.ok_or_else(|| StoreError::from(sqlx::Error::RowNotFound))
    }

    /// Inserts a channel, and disables the built-in one if this is another. `taken`: what is done if the
    /// name is taken. `None`: nothing was done.
    async fn insert_channel(
        &self,
        channel: NewChannel,
        taken: &str,
        now: Millis,
    ) -> Result<Option<ChannelId>> {
        let insert = sql(format!(
            "INSERT INTO channels AS c
                 (name, platform, base_url, key, builtin, priority, weight, created_at, idempotent,
                  max_tasks, submits_per_minute, polls_per_second, actions, dialect)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (name) {taken}
             RETURNING id"
        ))
        .bind(&*channel.name) // $1 name
        .bind(channel.platform.as_str()) // $2 platform
        .bind(&*channel.base_url) // $3 base_url
        .bind(channel.key.expose()) // $4 key
        .bind(channel.builtin) // $5 builtin
        .bind(i64::from(channel.priority)) // $6 priority
        .bind(i64::from(channel.weight)) // $7 weight
        .bind(now.0) // $8 created_at
        .bind(channel.idempotent) // $9 idempotent
        .bind(channel.max_tasks) // $10 max_tasks
        .bind(channel.submits_per_minute) // $11 submits_per_minute
        .bind(channel.polls_per_second.map(i64::from)) // $12 polls_per_second
        .bind(channel.actions.stored().as_deref()) // $13 actions
        .bind(channel.dialect.as_ref().map(Dialect::as_str)); // $14 dialect
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let Some(inserted) = tx.optional(insert).await? else {
                        return Ok(None);
                    };
                    if !channel.builtin {
                        let disable =
                            "UPDATE channels SET enabled = FALSE WHERE builtin AND enabled";
                        tx.execute(sql(disable)).await?;
                    }
                    Ok(Some(ChannelId(inserted.int("id")?)))
                })
            })
            .await
    }

    /// Every channel that is not deleted, by number.
    pub async fn channels(&self) -> Result<Vec<Channel>> {
        let select = sql(
            "SELECT id, name, platform, dialect, base_url, key, enabled, builtin, priority, weight, used_quota,
                    cool_until, cool_count, cool_user, idempotent, max_tasks, submits_per_minute,
                    polls_per_second, actions, paused_until, proven, poll_cool_until,
                    poll_cool_count, trouble, trouble_at
             FROM channels
             WHERE NOT deleted
             ORDER BY id",
        );
        let found = self.database.all(select).await?;
        found.iter().map(channel).collect()
    }

    /// Enables or disables a channel. `false`: there is none of that name.
    pub async fn enable_channel(&self, name: &str, enabled: bool) -> Result<bool> {
        let update = sql("UPDATE channels SET enabled = $2 WHERE name = $1 AND NOT deleted");
        self.database.changes(update.bind(name).bind(enabled)).await
    }

    /// A channel accepted a submit: its base URL is right.
    pub async fn prove_channel(&self, channel: ChannelId) -> Result<()> {
        let update = sql("UPDATE channels SET proven = TRUE WHERE id = $1 AND NOT proven");
        self.database.execute(update.bind(channel.0)).await?;
        Ok(())
    }
}

/// The part of an UPDATE of `channels AS c` that, where `condition` holds, ends the cool-downs of a channel and
/// forgets what was last wrong with it.
fn forget_if(condition: &str) -> String {
    let forget = |(column, nothing): &(&str, &str)| {
        format!("{column} = CASE WHEN {condition} THEN {nothing} ELSE c.{column} END")
    };
    TROUBLE.iter().map(forget).collect::<Vec<_>>().join(", ")
}

/// The columns that tell of trouble, and what stands in each if there was none.
const TROUBLE: [(&str, &str); 7] = [
    ("cool_until", "0"),
    ("cool_count", "0"),
    ("cool_user", "0"),
    ("poll_cool_until", "0"),
    ("poll_cool_count", "0"),
    ("trouble", "''"),
    ("trouble_at", "0"),
];

/// A row of `channels`.
fn channel(found: &impl Cells) -> Result<Channel> {
    let id = found.int("id")?;
    let count = |column| row::count("channels", column, id, found.int(column)?);
    let priority = found.int("priority")?;
    let polls_per_second = found.int_or_null("polls_per_second")?;
    let actions = found.text_or_null("actions")?;
    let dialect = found.text_or_null("dialect")?;
    Ok(Channel {
        id: ChannelId(id),
        name: found.text("name")?,
        platform: row::parse("channels", "platform", id, &found.text("platform")?)?,
        dialect: dialect
            .map(|name| row::parse("channels", "dialect", id, &name))
            .transpose()?,
        base_url: found.text("base_url")?,
        key: Secret::new(found.text("key")?),
        enabled: found.flag("enabled")?,
        priority: i32::try_from(priority)
            .map_err(|_| row::bad("channels", "priority", id, "too large a number"))?,
        weight: count("weight")?,
        used_quota: row::quota("channels", "used_quota", id, found.int("used_quota")?)?,
        cool_until: Millis(found.int("cool_until")?),
        cool_count: count("cool_count")?,
        rests_for: rests_for(found)?,
        idempotent: found.flag("idempotent")?,
        builtin: found.flag("builtin")?,
        max_tasks: count("max_tasks")?,
        submits_per_minute: count("submits_per_minute")?,
        polls_per_second: polls_per_second
            .map(|number| row::count("channels", "polls_per_second", id, number))
            .transpose()?,
        actions: actions
            .map(|names| row::parse("channels", "actions", id, &names))
            .transpose()?
            .unwrap_or_default(),
        paused_until: Millis(found.int("paused_until")?),
        proven: found.flag("proven")?,
        poll_cool_until: Millis(found.int("poll_cool_until")?),
        poll_cool_count: count("poll_cool_count")?,
        trouble: found.text("trouble")?,
        trouble_at: Millis(found.int("trouble_at")?),
    })
}
