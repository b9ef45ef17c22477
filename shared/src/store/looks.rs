//! What polls go by, as all workers together learn it: how long the tasks of channels take, and how many fetches a second
//! each channel gets.

use std::collections::HashMap;

use super::flow::lock_flow;
use super::row::{self, Cells as _};
use super::sql::{Row, Tx, sql};
use super::{Result, Store};
use crate::clock::Millis;
use crate::task::looks::bound::CallBound;
use crate::task::looks::durations::Durations;
use crate::task::{Action, ChannelId};

/// How long tasks take, by channel and action.
pub type Learnt = HashMap<(ChannelId, Action), Durations>;

impl Store {
    /// How long the tasks of all channels take.
    pub async fn durations(&self) -> Result<Learnt> {
        let select = sql("SELECT channel_id, action, learnt FROM durations");
        let found = self.database.all(select).await?;
        let learnt = |found: &Row| {
            let channel = found.int("channel_id")?;
            let action = row::parse("durations", "action", channel, &found.text("action")?)?;
            let durations = Durations::read(&found.text("learnt")?);
            Ok(((ChannelId(channel), action), durations))
        };
        found.iter().map(learnt).collect()
    }

    /// Adds how long tasks took, as one worker saw it.
    pub async fn add_durations(&self, seen: Learnt, now: Millis) -> Result<()> {
        // In one order, as workers add at the same time.
        let mut seen: Vec<_> = seen.into_iter().collect();
        seen.sort_by(|((a, of_a), _), ((b, of_b), _)| (a, of_a.as_str()).cmp(&(b, of_b.as_str())));
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    for ((channel, action), seen) in seen {
                        add(tx, channel, action, &seen, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The bounds of the fetches of all channels of which something was written.
    pub async fn call_bounds(&self) -> Result<HashMap<ChannelId, CallBound>> {
        let select = sql(format!("SELECT {CALLS} FROM channel_flow"));
        let found = self.database.all(select).await?;
        found.iter().map(call_bound).collect()
    }

    /// Reserves at least one and at most `wanted` fetches at a channel that gets at most `set` a second. Returns the
    /// moments from which on they may be made.
    pub async fn reserve_calls(
        &self,
        channel: ChannelId,
        set: u32,
        wanted: u32,
        now: Millis,
    ) -> Result<Vec<Millis>> {
        self.change_bound(channel, move |bound| bound.reserve(set, wanted, now))
            .await
    }

    /// Lowers the bound of a channel whose fetch was refused for how many there are, or answered slowly.
    pub async fn lower_calls(&self, channel: ChannelId, set: u32, now: Millis) -> Result<()> {
        self.change_bound(channel, move |bound| *bound = bound.refused(set, now))
            .await
    }

    async fn change_bound<T: Send + 'static>(
        &self,
        channel: ChannelId,
        change: impl FnOnce(&mut CallBound) -> T + Send + 'static,
    ) -> Result<T> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let (_, mut bound) = call_bound(&lock_flow(tx, channel, CALLS).await?)?;
                    let result = change(&mut bound);
                    let update = sql("UPDATE channel_flow
                         SET calls_refused = $2, calls_lowered = $3, calls_refused_at = $4,
                             calls_next_at = $5
                         WHERE channel_id = $1")
                    .bind(channel.0) // $1 channel_id
                    .bind(bound.refused) // $2 calls_refused
                    .bind(bound.lowered) // $3 calls_lowered
                    .bind(bound.refused_at.0) // $4 calls_refused_at
                    .bind(bound.next_at.0); // $5 calls_next_at
                    tx.execute(update).await?;
                    Ok(result)
                })
            })
            .await
    }
}

async fn add(
    tx: &mut Tx,
    channel: ChannelId,
    action: Action,
    seen: &Durations,
    now: Millis,
) -> Result<()> {
    let begin = sql(
        "INSERT INTO durations (channel_id, action, learnt) VALUES ($1, $2, '{}')
         ON CONFLICT DO NOTHING",
    )
    .bind(channel.0) // $1 channel_id
    .bind(action.as_str()); // $2 action
    tx.execute(begin).await?;
    let lock = tx.for_update();
    let select = sql(format!(
        "SELECT learnt FROM durations WHERE channel_id = $1 AND action = $2 {lock}"
    ))
    .bind(channel.0) // $1 channel_id
    .bind(action.as_str()); // $2 action
    let before = Durations::read(&tx.one(select).await?.text("learnt")?);
    let update = sql("UPDATE durations SET learnt = $3 WHERE channel_id = $1 AND action = $2")
        .bind(channel.0) // $1 channel_id
        .bind(action.as_str()) // $2 action
        .bind(before.and(seen, now).stored().as_str()); // $3 learnt
    tx.execute(update).await?;
    Ok(())
}

/// The columns that [`call_bound`] reads.
const CALLS: &str = "channel_id, calls_refused, calls_lowered, calls_refused_at, calls_next_at";

fn call_bound(found: &Row) -> Result<(ChannelId, CallBound)> {
    let id = found.int("channel_id")?;
    let bound = CallBound {
        refused: found.int("calls_refused")?,
        lowered: found.int("calls_lowered")?,
        refused_at: Millis(found.int("calls_refused_at")?),
        next_at: Millis(found.int("calls_next_at")?),
    };
    Ok((ChannelId(id), bound))
}
