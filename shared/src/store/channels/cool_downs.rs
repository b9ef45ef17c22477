//! Cool-downs: for how long a channel in trouble is left alone, by all workers and for whom.

use std::time::Duration;

use crate::clock::Millis;
use crate::store::row::{self, Cells};
use crate::store::sql::{Tx, sql};
use crate::store::{Result, Store};
use crate::task::cool_down::{CoolDown, Cooling, RestsFor};
use crate::task::{ChannelId, UserId};

/// The calls of a channel that a cool-down is about. What submits say closes a channel for submits only, and what
/// fetches say for fetches only; an address that cannot be reached is trouble for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    Submits,
    Fetches,
    Both,
}

impl Calls {
    /// What the names of their columns begin with.
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Submits => &[""],
            Self::Fetches => &["poll_"],
            Self::Both => &["", "poll_"],
        }
    }
}

/// A failure that makes a channel cool down.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The calls that the cool-down is about.
    pub calls: Calls,
    pub kind: CoolDown,
    /// The pause that the upstream asked for.
    pub asked: Option<Duration>,
    /// What went wrong, without the channel's secrets: the channel's last trouble.
    pub what: String,
    /// Whom the channel rests for, if submits are among its calls.
    pub rests_for: RestsFor,
}

impl Store {
    /// Cools a channel down, for every worker at once: until `now` + what the upstream asked for, or else
    /// exponentially. Many calls that fail together are one step of the exponent: while the channel is cooling
    /// down already, only a later end changes anything. Returns the end.
    pub async fn cool_down(
        &self,
        channel: ChannelId,
        failed: Failed,
        now: Millis,
    ) -> Result<Millis> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let mut latest = now;
                    for prefix in failed.calls.prefixes() {
                        let cooling = cooling(tx, channel, prefix).await?;
                        if prefix.is_empty() {
                            rest_for(tx, channel, failed.rests_for, cooling.count == 0).await?;
                        }
                        let cooled = cooling.after_failure(failed.kind, failed.asked, now);
                        if cooled != cooling {
                            set_cooling(tx, channel, prefix, cooled).await?;
                        }
                        latest = latest.max(cooled.until);
                    }
                    note_trouble(tx, channel, &failed.what, now).await?;
                    Ok(latest)
                })
            })
            .await
    }

    /// A channel answered `calls` well: its next cool-down is the first of a row again. The end of a cool-down
    /// under way stays: others may know it already.
    pub async fn warm_up(&self, channel: ChannelId, calls: Calls) -> Result<()> {
        for prefix in calls.prefixes() {
            let update = format!(
                "UPDATE channels SET {prefix}cool_count = 0 WHERE id = $1 AND {prefix}cool_count > 0"
            );
            self.database.execute(sql(update).bind(channel.0)).await?;
        }
        Ok(())
    }

    /// Notes what is wrong with a channel that goes on working.
    pub async fn note_trouble(&self, channel: ChannelId, what: &str, now: Millis) -> Result<()> {
        let what = what.to_owned();
        self.database
            .write(move |tx| Box::pin(async move { note_trouble(tx, channel, &what, now).await }))
            .await
    }
}

async fn note_trouble(tx: &mut Tx, channel: ChannelId, what: &str, now: Millis) -> Result<()> {
    let update = sql("UPDATE channels SET trouble = $2, trouble_at = $3 WHERE id = $1")
        .bind(channel.0) // $1 id
        .bind(what) // $2 trouble
        .bind(now.0); // $3 trouble_at
    tx.execute(update).await?;
    Ok(())
}

/// Notes whom a channel that cools down rests for. The caller has locked the channel. `is_first`: the cool-down is the
/// first of a row.
async fn rest_for(tx: &mut Tx, channel: ChannelId, failed: RestsFor, is_first: bool) -> Result<()> {
    let select = sql("SELECT cool_user FROM channels WHERE id = $1").bind(channel.0); // $1 id
    let before = rests_for(&tx.one(select).await?)?;
    let now = if is_first { failed } else { before.and(failed) };
    if now != before {
        let update = sql("UPDATE channels SET cool_user = $2 WHERE id = $1")
            .bind(channel.0) // $1 id
            .bind(now.user().map_or(0, |user| user.0)); // $2 cool_user
        tx.execute(update).await?;
    }
    Ok(())
}

/// The column `cool_user`.
pub(in crate::store) fn rests_for(found: &impl Cells) -> Result<RestsFor> {
    Ok(match found.int("cool_user")? {
        0 => RestsFor::Everybody,
        user => RestsFor::User(UserId(user)),
    })
}

/// Until when a channel cools down, and after how many cool-downs in a row. Locks the channel: of those
/// that fail together the second sees what the first wrote.
async fn cooling(tx: &mut Tx, channel: ChannelId, prefix: &str) -> Result<Cooling> {
    let lock = tx.for_update();
    let select = sql(format!(
        "SELECT {prefix}cool_until AS until, {prefix}cool_count AS count
         FROM channels WHERE id = $1 {lock}"
    ));
    let found = tx.one(select.bind(channel.0)).await?;
    let count = found.int("count")?;
    Ok(Cooling {
        until: Millis(found.int("until")?),
        count: row::count("channels", "cool_count", channel.0, count)?,
    })
}

async fn set_cooling(
    tx: &mut Tx,
    channel: ChannelId,
    prefix: &str,
    cooling: Cooling,
) -> Result<()> {
    let update = format!(
        "UPDATE channels SET {prefix}cool_until = $2, {prefix}cool_count = $3 WHERE id = $1"
    );
    let update = sql(update)
        .bind(channel.0) // $1 id
        .bind(cooling.until.0) // $2 cool_until
        .bind(i64::from(cooling.count)); // $3 cool_count
    tx.execute(update).await?;
    Ok(())
}
