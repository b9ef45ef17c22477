//! What is known of channels: what runs there, what they take, and what workers learn about them together.

use std::collections::HashMap;

use super::channels::cool_downs::rests_for;
use super::row::{self, Cells as _};
use super::sql::{Row, Statement, Tx, sql};
use super::{Result, Store};
use crate::clock::Millis;
use crate::task::ceiling::Ceiling;
use crate::task::claims::{Gate, Trial};
use crate::task::cool_down::RestsFor;
use crate::task::pace::Pace;
use crate::task::recent::{Recent, RecentUsers};
use crate::task::{ChannelId, UserId};

impl Store {
    /// Notes how many tasks the platform says that the channel may have at once; 0: any number. Returns whether that is
    /// new. The smaller one of this and the operator's limit holds.
    pub async fn note_own_limit(&self, channel: ChannelId, tasks: u32) -> Result<bool> {
        let update =
            sql("UPDATE channels SET own_max_tasks = $2 WHERE id = $1 AND own_max_tasks <> $2")
                .bind(channel.0) // $1 id
                .bind(tasks); // $2 own_max_tasks
        Ok(self.database.execute(update).await? > 0)
    }

    /// What decides whether each channel gets another task now.
    pub async fn gates(&self, now: Millis) -> Result<HashMap<ChannelId, Gate>> {
        let found = self.database.all(select_gates("", "", now)).await?;
        found.iter().map(gate).collect()
    }

    /// Notes that a channel accepted a task above its ceiling.
    pub async fn note_accepted_above(&self, channel: ChannelId, now: Millis) -> Result<()> {
        let accepted = |gate: &Gate| gate.ceiling.accepted(gate.running);
        self.change_ceiling(channel, accepted, now).await?;
        Ok(())
    }

    /// Raises the ceiling of a channel that is full, if most of its tasks were accepted.
    pub async fn raise_ceiling(&self, channel: ChannelId, now: Millis) -> Result<()> {
        let count = sql("SELECT count(*) AS tasks FROM unfinished_tasks
             WHERE stage = 'sending' AND channel_id = $1");
        let found = self.database.one(count.bind(channel.0)).await?;
        let sending = row::count("unfinished_tasks", "id", channel.0, found.int("tasks")?)?;
        let grown = move |gate: &Gate| gate.ceiling.grown(gate.max, gate.running, sending);
        self.change_ceiling(channel, grown, now).await?;
        Ok(())
    }

    /// Notes that a channel answered a submit with 429, which was withdrawn. Returns how many tasks run there.
    pub async fn note_refused(&self, channel: ChannelId, trial: Trial, now: Millis) -> Result<u32> {
        let refused = move |gate: &Gate| {
            let was_try = trial == Trial::AboveCeiling;
            gate.ceiling.refused(gate.max, gate.running, was_try, now)
        };
        self.change_ceiling(channel, refused, now).await
    }

    /// Notes that a try above a channel's ceiling ended without a word about the ceiling, or a probe without an
    /// acceptance: the next one may be sent.
    pub async fn end_trial(&self, channel: ChannelId, trial: Trial) -> Result<()> {
        let column = match trial {
            Trial::None => return Ok(()),
            Trial::AboveCeiling => "trying_until",
            Trial::Probe => "probing_until",
        };
        let update = format!("UPDATE channel_flow SET {column} = 0 WHERE channel_id = $1");
        self.database.execute(sql(update).bind(channel.0)).await?;
        Ok(())
    }

    /// Returns how many tasks run at the channel.
    async fn change_ceiling(
        &self,
        channel: ChannelId,
        change: impl FnOnce(&Gate) -> Ceiling + Send + 'static,
        now: Millis,
    ) -> Result<u32> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let mut gates = gates(tx, &[channel.0], now).await?;
                    let Some(gate) = gates.remove(&channel) else {
                        return Ok(0);
                    };
                    let ceiling = change(&gate);
                    if ceiling != gate.ceiling {
                        write_ceiling(tx, channel, &ceiling).await?;
                    }
                    Ok(gate.running)
                })
            })
            .await
    }

    /// Notes that a user's submit to a channel ended badly, and which submits ended well before. Returns for whom the
    /// channel is in trouble; then it is judged anew after its rest.
    pub async fn note_failure(
        &self,
        channel: ChannelId,
        user: UserId,
        good: Recent,
        now: Millis,
    ) -> Result<Option<RestsFor>> {
        let judged = move |recent: Recent| {
            let recent = recent.and_those(good, now).and_bad(user, now);
            match recent.trouble(user) {
                Some(rests_for) => (Recent::default(), Some(rests_for)),
                None => (recent, None),
            }
        };
        self.change_recent(channel, judged).await
    }

    /// Takes back one failure that was the request's fault.
    pub async fn take_back_failure(&self, channel: ChannelId, now: Millis) -> Result<()> {
        self.change_recent(channel, move |recent| (recent.without_one(now), ()))
            .await
    }

    async fn change_recent<T: Send + 'static>(
        &self,
        channel: ChannelId,
        change: impl FnOnce(Recent) -> (Recent, T) + Send + 'static,
    ) -> Result<T> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let columns = "recent_good, recent_bad, recent_at, recent_users";
                    let found = lock_flow(tx, channel, columns).await?;
                    let number = |column| -> Result<u64> {
                        let number = found.int(column)?;
                        Ok(u64::try_from(number).unwrap_or_default())
                    };
                    let (recent, result) = change(Recent {
                        good: number("recent_good")?,
                        bad: number("recent_bad")?,
                        at: Millis(found.int("recent_at")?),
                        users: RecentUsers::read(&found.text("recent_users")?),
                    });
                    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
                    let update = sql("UPDATE channel_flow
                         SET recent_good = $2, recent_bad = $3, recent_at = $4, recent_users = $5
                         WHERE channel_id = $1")
                    .bind(channel.0) // $1 channel_id
                    .bind(stored(recent.good)) // $2 recent_good
                    .bind(stored(recent.bad)) // $3 recent_bad
                    .bind(recent.at.0) // $4 recent_at
                    .bind(recent.users.stored().as_str()); // $5 recent_users
                    tx.execute(update).await?;
                    Ok(result)
                })
            })
            .await
    }
}

/// The gates of channels, whose rows in `channel_flow` are locked. The caller holds their counters, or does not
/// need them to be exact.
pub(super) async fn gates(
    tx: &mut Tx,
    channels: &[i64],
    now: Millis,
) -> Result<HashMap<ChannelId, Gate>> {
    let is_one = tx.is_among("c.id", 2);
    let lock = match tx {
        Tx::Postgres(_) => "FOR NO KEY UPDATE OF f",
        Tx::Sqlite(_) => "",
    };
    let select = select_gates(
        &format!("WHERE f.channel_id IS NOT NULL AND {is_one}"),
        lock,
        now,
    );
    let found = tx.all(select.bind(channels)).await?; // $2 id
    found.iter().map(gate).collect()
}

fn select_gates(which: &str, lock: &str, now: Millis) -> Statement {
    // An outer join cannot be locked.
    let join = if lock.is_empty() { "LEFT JOIN" } else { "JOIN" };
    sql(format!(
        "SELECT c.id, c.enabled AND NOT c.deleted AND c.paused_until <= $1 AS is_open,
                c.cool_until, c.cool_count, c.cool_user, c.submits_per_minute,
                CASE WHEN c.own_max_tasks > 0 AND (c.max_tasks = 0 OR c.own_max_tasks < c.max_tasks)
                     THEN c.own_max_tasks ELSE c.max_tasks END AS max_tasks,
                coalesce((SELECT r.tasks FROM running_tasks r
                          WHERE r.kind = 'channel' AND r.id = c.id), 0) AS running,
                coalesce(f.ceiling, 0) AS ceiling,
                coalesce(f.held_until, 0) AS held_until, coalesce(f.refusals, 0) AS refusals,
                coalesce(f.former, 0) AS former, coalesce(f.trying_until, 0) AS trying_until,
                coalesce(f.probing_until, 0) AS probing_until,
                coalesce(f.next_submit_at, 0) AS next_submit_at
         FROM channels c
         {join} channel_flow f ON f.channel_id = c.id
         {which}
         ORDER BY c.id
         {lock}"
    ))
    .bind(now.0) // $1 paused_until
}

fn gate(found: &Row) -> Result<(ChannelId, Gate)> {
    let id = found.int("id")?;
    let of_channel = |column| row::count("channels", column, id, found.int(column)?);
    let of_flow = |column| row::count("channel_flow", column, id, found.int(column)?);
    let gate = Gate {
        is_open: found.flag("is_open")?,
        cool_until: Millis(found.int("cool_until")?),
        rests_for: rests_for(found)?,
        is_suspect: found.int("cool_count")? > 0,
        probing_until: Millis(found.int("probing_until")?),
        running: row::count("running_tasks", "tasks", id, found.int("running")?)?,
        max: of_channel("max_tasks")?,
        ceiling: Ceiling {
            tasks: of_flow("ceiling")?,
            held_until: Millis(found.int("held_until")?),
            refusals: of_flow("refusals")?,
            former: of_flow("former")?,
            trying_until: Millis(found.int("trying_until")?),
        },
        pace: Pace {
            per_minute: of_channel("submits_per_minute")?,
            next_at: found.int("next_submit_at")?,
        },
    };
    Ok((ChannelId(id), gate))
}

/// Reads columns of a channel's row in `channel_flow`, and locks the row.
pub(super) async fn lock_flow(tx: &mut Tx, channel: ChannelId, columns: &str) -> Result<Row> {
    add_channels(tx, &[channel.0]).await?;
    let lock = tx.for_update();
    let select = sql(format!(
        "SELECT {columns} FROM channel_flow WHERE channel_id = $1 {lock}"
    ));
    tx.one(select.bind(channel.0)).await // $1 channel_id
}

/// Adds the rows of channels that have none: those that a program of the version before created.
pub(super) async fn add_channels(tx: &mut Tx, channels: &[i64]) -> Result<()> {
    let is_one = tx.is_among("c.id", 1);
    let missing = sql(format!(
        "SELECT c.id FROM channels c
         WHERE {is_one}
           AND (NOT EXISTS (SELECT 1 FROM channel_flow f WHERE f.channel_id = c.id)
                OR NOT EXISTS (SELECT 1 FROM running_tasks r WHERE r.kind = 'channel' AND r.id = c.id))
         ORDER BY c.id"
    ));
    for missing in tx.all(missing.bind(channels)).await? {
        let id = missing.int("id")?;
        let counter = "INSERT INTO running_tasks (kind, id, tasks) VALUES ('channel', $1, 0)
                       ON CONFLICT DO NOTHING";
        tx.execute(sql(counter).bind(id)).await?;
        let flow = "INSERT INTO channel_flow (channel_id) VALUES ($1) ON CONFLICT DO NOTHING";
        tx.execute(sql(flow).bind(id)).await?;
    }
    Ok(())
}

/// Writes what claims changed at a channel.
pub(super) async fn write_claims(tx: &mut Tx, channel: ChannelId, gate: &Gate) -> Result<()> {
    let update = sql("UPDATE channel_flow
         SET trying_until = $2, probing_until = $3, next_submit_at = $4
         WHERE channel_id = $1
           AND (trying_until <> $2 OR probing_until <> $3 OR next_submit_at <> $4)")
    .bind(channel.0) // $1 channel_id
    .bind(gate.ceiling.trying_until.0) // $2 trying_until
    .bind(gate.probing_until.0) // $3 probing_until
    .bind(gate.pace.next_at); // $4 next_submit_at
    tx.execute(update).await?;
    Ok(())
}

async fn write_ceiling(tx: &mut Tx, channel: ChannelId, ceiling: &Ceiling) -> Result<()> {
    let update = sql("UPDATE channel_flow
         SET ceiling = $2, held_until = $3, refusals = $4, former = $5, trying_until = $6
         WHERE channel_id = $1")
    .bind(channel.0) // $1 channel_id
    .bind(ceiling.tasks) // $2 ceiling
    .bind(ceiling.held_until.0) // $3 held_until
    .bind(ceiling.refusals) // $4 refusals
    .bind(ceiling.former) // $5 former
    .bind(ceiling.trying_until.0); // $6 trying_until
    tx.execute(update).await?;
    Ok(())
}
