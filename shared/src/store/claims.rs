//! Claims: the tasks that are about to be sent take their places at their user, their key and their channel, in
//! the transaction that records the intention to send them. So no limit is exceeded, whatever dies, and however many
//! workers claim at once: each waits for the locked counters, and the rules ([`crate::task::claims`]) see what
//! those before left.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::flow;
use super::row::{self, Cells as _};
use super::sql::{Row, Tx, sql};
use super::turns::{Begun, Intention};
use super::{Result, Store, postgres, sqlite};
use crate::clock::Millis;
use crate::task::claims::{Limits, Share, Trial, Wanted};
use crate::task::{AtTurn, ChannelId, KeyId, RowId, UserId};

impl Store {
    /// Records intentions to submit before the requests are sent, and notes each in the history once. Takes a place
    /// for each at its user, its key and its channel; a task for which there is none goes on waiting, and is not
    /// returned. The sweep leaves the tasks alone until `lease_until`. Returns the intentions that are recorded now,
    /// also if an earlier call with the same claim recorded them. If a task is named with several claims, one of
    /// them counts; the returned claim says which.
    pub async fn begin_submits(
        &self,
        intentions: &[Intention],
        lease_until: Millis,
        now: Millis,
    ) -> Result<Vec<Begun>> {
        let mut intentions = intentions.to_vec();
        intentions.sort_by_key(|intention| intention.at.row);
        self.database
            .write(move |tx| Box::pin(begin(tx, intentions, lease_until, now)))
            .await
    }

    /// [`Store::begin_submits`] for one task, whose deadline is in half an hour.
    pub async fn begin_submit(
        &self,
        at: AtTurn,
        channel: ChannelId,
        claim: i64,
        lease_until: Millis,
        now: Millis,
    ) -> Result<Option<AtTurn>> {
        let intention = Intention {
            at,
            channel,
            sent_to: 0,
            claim,
            deadline: now.after(Duration::from_mins(30)),
        };
        let mut begun = self.begin_submits(&[intention], lease_until, now).await?;
        Ok(begun.pop().map(|begun| begun.at))
    }
}

/// A row of `unfinished_tasks`, locked.
struct Candidate {
    turn: i64,
    is_waiting: bool,
    claim: Option<i64>,
    channel: Option<ChannelId>,
    user: UserId,
    key: KeyId,
}

/// What an intention finds.
enum Found {
    /// The task is at its turn and may be sent, if there is a place for it.
    Ready(Wanted),
    /// The same claim was recorded before.
    Recorded,
    /// The task is at another turn.
    Stale,
}

impl Candidate {
    fn find(&self, intention: &Intention) -> Found {
        let turn = intention.at.turn.0;
        let is_ours = self.claim == Some(intention.claim);
        if !self.is_waiting && is_ours && self.turn == turn + 1 {
            return Found::Recorded;
        }
        // A task that may have arrived stays with its channel.
        let is_elsewhere = self.channel != Some(intention.channel);
        if self.turn != turn || !self.is_waiting && (self.claim.is_some() || is_elsewhere) {
            return Found::Stale;
        }
        Found::Ready(Wanted {
            user: self.user,
            key: self.key,
            channel: intention.channel,
            needs_place: self.is_waiting,
        })
    }
}

/// See [`Store::begin_submits`]. Locks the tasks, then the counters, each by ascending id.
async fn begin(
    tx: &mut Tx,
    intentions: Vec<Intention>,
    lease_until: Millis,
    now: Millis,
) -> Result<Vec<Begun>> {
    let candidates = lock_tasks(tx, &intentions).await?;
    let mut ready = Vec::new();
    let mut recorded = Vec::new();
    for intention in intentions {
        let candidate = candidates.get(&intention.at.row);
        match candidate.map(|candidate| candidate.find(&intention)) {
            Some(Found::Ready(wanted)) => ready.push((intention, wanted)),
            Some(Found::Recorded) => recorded.push((intention, Trial::None)),
            Some(Found::Stale) | None => {}
        }
    }
    // Of two intentions for one task the first counts.
    ready.dedup_by_key(|(intention, _)| intention.at.row);
    let admitted = admit(tx, ready, lease_until, now).await?;
    if !admitted.is_empty() {
        let admitted: Vec<&Intention> = admitted.iter().map(|(intention, _)| intention).collect();
        match tx {
            Tx::Postgres(tx) => postgres::submit::record(tx, &admitted, lease_until, now).await?,
            Tx::Sqlite(tx) => sqlite::submit::record(tx, &admitted, lease_until, now).await?,
        }
    }
    let begun = |(intention, trial): (Intention, Trial)| Begun {
        at: intention.at.next(),
        claim: intention.claim,
        trial,
    };
    Ok(recorded.into_iter().chain(admitted).map(begun).collect())
}

async fn lock_tasks(tx: &mut Tx, intentions: &[Intention]) -> Result<HashMap<RowId, Candidate>> {
    let rows: Vec<i64> = intentions.iter().map(|one| one.at.row.0).collect();
    let (is_one, lock) = (tx.is_among("id", 1), tx.for_update());
    let select = sql(format!(
        "SELECT id, turn, stage, claim, channel_id, user_id, key_id
         FROM unfinished_tasks
         WHERE {is_one} AND stage <> 'poll'
         ORDER BY id
         {lock}"
    ));
    let found = tx.all(select.bind(rows.as_slice())).await?; // $1 id
    let candidate = |found: &Row| {
        let candidate = Candidate {
            turn: found.int("turn")?,
            is_waiting: found.text("stage")? == "submit",
            claim: found.int_or_null("claim")?,
            channel: found.int_or_null("channel_id")?.map(ChannelId),
            user: UserId(found.int("user_id")?),
            key: KeyId(found.int("key_id")?),
        };
        Ok((RowId(found.int("id")?), candidate))
    };
    found.iter().map(candidate).collect()
}

/// Takes places for the intentions, in their order; returns those that got one.
async fn admit(
    tx: &mut Tx,
    ready: Vec<(Intention, Wanted)>,
    lease_until: Millis,
    now: Millis,
) -> Result<Vec<(Intention, Trial)>> {
    if ready.is_empty() {
        return Ok(Vec::new());
    }
    let mut limits = lock_limits(tx, &ready, now).await?;
    let before = limits.channels.clone();
    let lease = lease_until.since(now);
    let mut admitted = Vec::new();
    for (intention, wanted) in ready {
        if let Some(trial) = limits.take(wanted, now, lease) {
            admitted.push((intention, trial));
        }
    }
    for (channel, gate) in limits.channels {
        if before.get(&channel) != Some(&gate) {
            flow::write_claims(tx, channel, &gate).await?;
        }
    }
    Ok(admitted)
}

/// Locks the counters of all users, keys and channels of a batch, and reads their limits.
async fn lock_limits(tx: &mut Tx, ready: &[(Intention, Wanted)], now: Millis) -> Result<Limits> {
    let ids = |id: fn(&Wanted) -> i64| -> Vec<i64> {
        let ids: BTreeSet<i64> = ready.iter().map(|(_, wanted)| id(wanted)).collect();
        ids.into_iter().collect()
    };
    let users = ids(|wanted| wanted.user.0);
    let keys = ids(|wanted| wanted.key.0);
    let channels = ids(|wanted| wanted.channel.0);
    let (of_users, of_keys, of_channels) = (
        tx.is_among("id", 1),
        tx.is_among("id", 2),
        tx.is_among("id", 3),
    );
    let lock = tx.for_update();
    let select = sql(format!(
        "SELECT kind, id, tasks,
                CASE kind WHEN 'user' THEN (SELECT u.max_tasks FROM users u WHERE u.id = running_tasks.id)
                          WHEN 'key' THEN (SELECT k.max_tasks FROM api_keys k WHERE k.id = running_tasks.id)
                          END AS max_tasks
         FROM running_tasks
         WHERE kind = 'channel' AND {of_channels} OR kind = 'key' AND {of_keys} OR kind = 'user' AND {of_users}
         ORDER BY kind, id
         {lock}"
    ))
    .bind(users.as_slice()) // $1 id
    .bind(keys.as_slice()) // $2 id
    .bind(channels.as_slice()); // $3 id
    flow::add_channels(tx, &channels).await?;
    let found = tx.all(select).await?;
    let mut limits = Limits::default();
    for found in &found {
        let id = found.int("id")?;
        let share = Share {
            running: running(id, found.int("tasks")?)?,
            max: row::count(
                "users",
                "max_tasks",
                id,
                found.int_or_null("max_tasks")?.unwrap_or(0),
            )?,
        };
        match found.text("kind")?.as_str() {
            "user" => drop(limits.users.insert(UserId(id), share)),
            "key" => drop(limits.keys.insert(KeyId(id), share)),
            _ => {}
        }
    }
    limits.channels = flow::gates(tx, &channels, now).await?;
    Ok(limits)
}

fn running(id: i64, tasks: i64) -> Result<u32> {
    row::count("running_tasks", "tasks", id, tasks)
}
