//! Does a step on the Store and on the model, and compares the answers.

mod forgotten;
mod polling;
mod submitting;

use std::time::Duration;

use shared::store::Store;
use shared::store::accounts::{Granted, NewKey};
use shared::store::prices::Price;
use shared::task::{Action, AtTurn, KeyId, Platform};

use super::oracle::{Channel, Key, Oracle, Stage, Task, User};
use super::step::{Pick, PollAnswer, Step};
use super::watch::{self, Watch};
use crate::database::ok;
use crate::values::{earlier, quota};
use crate::world::World;

/// The lease of a claim or a sweep.
const LEASE: Duration = Duration::from_mins(1);
/// The delay before each poll.
const PACE: Duration = Duration::from_secs(8);
/// The number of looks at a task that was given up, and the time between two.
const LATE_LOOKS: u32 = 6;
const LATE_LOOK_EVERY: Duration = Duration::from_mins(5);

pub struct Drive<'a> {
    world: &'a World,
    oracle: Oracle,
    watch: Watch,
    taken: usize,
}

impl<'a> Drive<'a> {
    /// Two users, one of them poor; three keys, one of them without a limit; two channels.
    pub async fn new(world: &'a World) -> Self {
        let mut drive = Self {
            world,
            oracle: Oracle::new(),
            watch: Watch::default(),
            taken: 0,
        };
        for (balance, limits) in [(3_000, &[None, Some(700)][..]), (250, &[Some(9_000)][..])] {
            drive.add_user(balance, limits).await;
        }
        for _ in 0..2 {
            let id = world.channel().await;
            let name = world.channel_now(id).await.name;
            drive.oracle.channels.push(Channel {
                id,
                name,
                enabled: true,
                used: 0,
            });
        }
        for (action, quota) in [(Action::SONG, 100), (Action::LYRICS, 7)] {
            drive.set_price(action, quota).await;
        }
        drive
    }

    async fn add_user(&mut self, balance: i64, limits: &[Option<i64>]) {
        let user = self.oracle.users.len();
        let payer = self.world.payer_with(balance, limits[0]).await;
        self.oracle.users.push(User {
            id: payer.user,
            name: payer.name,
            granted: balance,
            used: 0,
        });
        self.oracle.grants += 1;
        self.add_key(payer.key, user, limits[0]);
        for limit in &limits[1..] {
            let key = NewKey {
                limit: limit.map(quota),
                ..NewKey::new(payer.user, "another", self.world.digest())
            };
            let key = self.world.store.create_key(key, self.oracle.now);
            self.add_key(ok!(key), user, *limit);
        }
    }

    fn add_key(&mut self, id: KeyId, user: usize, limit: Option<i64>) {
        self.oracle.keys.push(Key {
            id,
            user,
            limit,
            used: 0,
        });
    }

    /// One of the two Stores, in turn: they stand for two processes.
    fn store(&self) -> Store {
        let both = [&self.world.store, &self.world.other];
        both[self.taken % 2].clone()
    }

    /// Does one step, and checks everything.
    pub async fn take(&mut self, step: &Step) {
        self.taken += 1;
        match step.clone() {
            Step::Submit {
                key,
                action,
                once,
                pinned,
                twins,
            } => {
                let key = usize::from(key);
                self.submit(key, action, once, pinned, twins).await;
            }
            Step::Begin {
                pick,
                channel,
                claim,
            } => self.begin(pick, usize::from(channel), claim).await,
            Step::NotArrived {
                pick,
                counted,
                may_have_arrived,
            } => self.not_arrived(pick, counted, may_have_arrived).await,
            Step::Accept { picks, doubled } => self.accept(&picks, doubled).await,
            Step::PollJobs { channel, picks } => {
                self.poll_jobs(usize::from(channel), &picks).await;
            }
            Step::Renew { picks } => self.renew(&picks).await,
            Step::Settle {
                polled,
                doubled,
                twins,
            } => self.settle(&polled, doubled, twins).await,
            Step::Postpone { picks } => self.postpone(&picks).await,
            Step::Sweep { limit } => self.sweep(limit).await,
            Step::Late { limit } => self.late(limit).await,
            Step::NoteLate { task, status } => self.note_late(usize::from(task), status).await,
            Step::Forget { limit } => self.forget(limit).await,
            Step::Grant { user, quota } => self.grant(usize::from(user), quota).await,
            Step::Price { action, quota } => self.set_price(action, quota).await,
            Step::EnableUser(user, on) => {
                let name = &self.oracle.users[usize::from(user) % 2].name;
                assert!(ok!(self.store().enable_user(name, on)));
            }
            Step::EnableKey(key, on) => {
                let key = self.oracle.keys[usize::from(key) % 3].id;
                assert!(ok!(self.store().enable_key(key, on)));
            }
            Step::EnableChannel(channel, on) => {
                let store = self.store();
                let channel = &mut self.oracle.channels[usize::from(channel) % 2];
                channel.enabled = on;
                assert!(ok!(store.enable_channel(&channel.name, on)));
            }
            Step::Wait { seconds } => {
                self.oracle.now = self.oracle.now.after(Duration::from_secs(seconds));
            }
        }
        self.watch.look(self.world, &self.oracle).await;
    }

    /// Nothing is forgotten: in the end the sweep finds every unfinished task, and each one ends.
    pub async fn end_all(&mut self) {
        self.oracle.now = self.oracle.now.after(Duration::from_hours(100));
        self.sweep(1_000).await;
        let tasks = self.oracle.tasks.iter();
        let left = tasks.filter(|task| task.unfinished.is_some());
        let left = left.map(|task| (task.at(), PollAnswer::GivenUp)).collect();
        self.settle_at(left, false, false).await;
        self.watch.look(self.world, &self.oracle).await;
        assert_eq!(ok!(self.world.store.unfinished()), 0);
        for task in &self.oracle.tasks {
            watch::story(self.world, task).await;
        }
    }

    /// The task that a number picks, at the turn of the message.
    fn pick(&self, pick: Pick, fits: impl Fn(&Task) -> bool) -> Option<AtTurn> {
        let fitting: Vec<&Task> = self.oracle.tasks.iter().filter(|task| fits(task)).collect();
        let tasks: Vec<&Task> = if fitting.is_empty() || !pick.fitting {
            self.oracle.tasks.iter().collect()
        } else {
            fitting
        };
        let chosen = tasks.get(usize::from(pick.task) % tasks.len().max(1))?;
        Some(earlier(chosen.at(), i64::from(pick.ago)))
    }

    fn picks(&self, picks: &[Pick], fits: impl Fn(&Task) -> bool) -> Vec<AtTurn> {
        let picked = picks.iter().filter_map(|pick| self.pick(*pick, &fits));
        picked.collect()
    }

    async fn grant(&mut self, user: usize, amount: i64) {
        let (store, now) = (self.store(), self.oracle.now);
        let user = &mut self.oracle.users[user % 2];
        user.granted += amount;
        self.oracle.grants += 1;
        let left = quota(user.granted - user.used);
        let granted = ok!(store.grant(&user.name, quota(amount), now));
        assert_eq!(granted, Granted::Given(left));
    }

    async fn set_price(&mut self, action: Action, amount: i64) {
        self.oracle.prices.insert(action, amount);
        let price = Price {
            platform: Platform::SUNO,
            action,
            model: None,
            quota: quota(amount),
        };
        ok!(self.store().set_price(&price));
    }
}

fn at_stage(task: &Task, fits: impl Fn(Stage) -> bool) -> bool {
    let unfinished = task.unfinished.as_ref();
    unfinished.is_some_and(|task| fits(task.stage))
}
