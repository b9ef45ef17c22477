//! The model: what the Store must hold by its contract, in plain vectors.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::clock::Millis;
use shared::store::submissions::IDEMPOTENCY_KEPT;
use shared::task::{
    Action, AtTurn, ChannelId, KeyId, Progress, Quota, RowId, Status, TaskId, Turn, UserId,
};

use crate::values::NOW;

pub struct User {
    pub id: UserId,
    pub name: String,
    pub granted: i64,
    pub used: i64,
}

impl User {
    /// The balance.
    pub fn quota(&self) -> Quota {
        let left = self.granted - self.used;
        left.try_into().expect("no balance falls below zero")
    }
}

pub struct Key {
    pub id: KeyId,
    pub user: usize,
    pub limit: Option<i64>,
    pub used: i64,
}

pub struct Channel {
    pub id: ChannelId,
    pub name: String,
    pub enabled: bool,
    pub used: i64,
}

/// The stage of an unfinished task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Submit,
    Sending {
        channel: usize,
        claim: i64,
    },
    /// The submit may have arrived, and its channel gets it again.
    Again {
        channel: usize,
    },
    Poll {
        channel: usize,
    },
}

/// The part of a task that only an unfinished task has.
#[derive(Debug, Clone)]
pub struct Unfinished {
    pub turn: i64,
    pub due_at: Millis,
    pub stage: Stage,
    pub attempts: u32,
    pub polls: u32,
    pub missing: u32,
    pub digest: i64,
}

#[derive(Debug, Clone)]
pub struct Task {
    pub row: RowId,
    pub name: TaskId,
    pub key: usize,
    pub action: Action,
    pub price: i64,
    pub status: Status,
    pub progress: Progress,
    pub data: Option<String>,
    pub start_time: i64,
    pub finish_time: i64,
    /// The channel that accepted or refused the task.
    pub channel: Option<usize>,
    pub accepted: bool,
    pub unfinished: Option<Unfinished>,
    /// If the task was given up: when it is looked at next, and how many looks it had.
    pub late: Option<(Millis, u32)>,
    pub late_noted: bool,
}

impl Task {
    /// The upstream's id of the task.
    pub fn upstream_id(&self) -> String {
        format!("upstream-{}", self.row)
    }

    /// The task at its turn; at a turn that never was if the task has ended.
    pub fn at(&self) -> AtTurn {
        AtTurn {
            row: self.row,
            turn: Turn(self.unfinished.as_ref().map_or(99, |task| task.turn)),
        }
    }
}

/// A used idempotency key.
pub struct Once {
    pub body: (Action, u8),
    pub first: TaskId,
    pub at: Millis,
}

/// The outcome of a submit.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Stored,
    Repeated(TaskId),
    KeyReused,
    NoChannel,
    QuotaNotEnough,
}

pub struct Oracle {
    pub now: Millis,
    pub users: Vec<User>,
    pub keys: Vec<Key>,
    pub channels: Vec<Channel>,
    pub tasks: Vec<Task>,
    pub prices: BTreeMap<Action, i64>,
    pub once: BTreeMap<(usize, u8), Once>,
    /// How many grants above zero were given.
    pub grants: i64,
}

impl Oracle {
    pub fn new() -> Self {
        Self {
            now: NOW,
            users: Vec::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            tasks: Vec::new(),
            prices: BTreeMap::new(),
            once: BTreeMap::new(),
            grants: 0,
        }
    }

    pub fn price(&self, action: Action) -> i64 {
        self.prices[&action]
    }

    /// The outcome that a submit must have.
    pub fn judge(
        &self,
        key: usize,
        action: Action,
        once: Option<(u8, u8)>,
        pinned: Option<usize>,
    ) -> Verdict {
        let payer = &self.users[self.keys[key].user];
        if let Some((word, body)) = once
            && let Some(known) = self.once.get(&(self.keys[key].user, word))
            && self.now.since(known.at) < IDEMPOTENCY_KEPT
        {
            return if known.body == (action, body) {
                Verdict::Repeated(known.first.clone())
            } else {
                Verdict::KeyReused
            };
        }
        let serves = |(number, channel): (usize, &Channel)| {
            channel.enabled && pinned.is_none_or(|pinned| pinned == number)
        };
        if !self.channels.iter().enumerate().any(serves) {
            return Verdict::NoChannel;
        }
        let price = self.price(action);
        let key = &self.keys[key];
        let key_has = key.limit.is_none_or(|limit| key.used + price <= limit);
        if payer.granted - payer.used < price || !key_has {
            return Verdict::QuotaNotEnough;
        }
        Verdict::Stored
    }

    /// Stores a task.
    pub fn store(&mut self, row: RowId, name: TaskId, key: usize, action: Action) {
        let price = self.price(action);
        self.move_money(key, None, price);
        self.tasks.push(Task {
            row,
            name,
            key,
            action,
            price,
            status: Status::NotStart,
            progress: Progress::NONE,
            data: None,
            start_time: 0,
            finish_time: 0,
            channel: None,
            accepted: false,
            unfinished: Some(Unfinished {
                turn: 0,
                due_at: self.now,
                stage: Stage::Submit,
                attempts: 0,
                polls: 0,
                missing: 0,
                digest: 0,
            }),
            late: None,
            late_noted: false,
        });
    }

    fn move_money(&mut self, key: usize, channel: Option<usize>, used: i64) {
        let payer = self.keys[key].user;
        self.users[payer].used += used;
        self.keys[key].used += used;
        if let Some(channel) = channel {
            self.channels[channel].used += used;
        }
    }

    /// The unfinished task, if it is at that turn.
    pub fn at(&mut self, at: AtTurn) -> Option<&mut Unfinished> {
        let task = self.tasks.iter_mut().find(|task| task.row == at.row)?;
        let unfinished = task.unfinished.as_mut()?;
        (unfinished.turn == at.turn.0).then_some(unfinished)
    }

    pub fn task(&self, row: RowId) -> usize {
        let found = self.tasks.iter().position(|task| task.row == row);
        found.expect("only tasks of the sequence come back")
    }

    pub fn accept(&mut self, row: RowId, channel: usize) {
        let number = self.task(row);
        let task = &mut self.tasks[number];
        task.status = Status::Submitted;
        task.progress = Progress::NONE.advance(Status::Submitted, None);
        task.channel = Some(channel);
        task.accepted = true;
        self.channels[channel].used += task.price;
    }

    /// Ends a task. A failure gives the price back.
    pub fn end(&mut self, row: RowId, status: Status, channel: Option<usize>, given_up: bool) {
        let (now, number) = (self.now, self.task(row));
        let task = &mut self.tasks[number];
        let of_polling = task.accepted.then_some(task.channel).flatten();
        task.status = status;
        task.progress = Progress::DONE;
        task.finish_time = now.seconds();
        task.channel = task.channel.or(channel);
        task.unfinished = None;
        if status == Status::Success && task.start_time == 0 {
            task.start_time = now.seconds();
        }
        if given_up && task.accepted {
            task.late = Some((now.after(Duration::from_mins(1)), 0));
        }
        if status == Status::Failure {
            let (key, price) = (task.key, task.price);
            self.move_money(key, of_polling, -price);
        }
    }
}
