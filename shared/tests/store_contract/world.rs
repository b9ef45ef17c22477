//! What the tests share: a Store, people, channels, and tasks at every stage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use shared::clock::Millis;
use shared::random::Random;
use shared::secret::{Secret, SecretDigest};
use shared::store::accounts::{ApiKey, NewUser, Role, User};
use shared::store::books::Story;
use shared::store::channels::{Channel, NewChannel};
use shared::store::submissions::{Idempotency, NewTask, Submitted};
use shared::store::turns::{Accepted, Finished, News, PollJob, Waiting};
use shared::store::{Plans, Store};
use shared::task::{
    Action, AtTurn, ChannelId, End, KeyId, Platform, Progress, Quota, RowId, Status,
};
use shared::task::{TaskId, Turn, UserId};
use tokio::sync::Barrier;

use crate::database::Database;

/// The moment it is in the tests, unless they say otherwise; no whole second.
pub const NOW: Millis = Millis(1_760_000_000_250);
/// What a song costs at the start (`docs/contract.md`, "Programs and commands").
pub const SONG: i64 = 150_000;

/// A database with a Store on it.
pub struct World {
    /// The Store under test.
    pub store: Store,
    /// A second one on the same database, as in another process.
    pub other: Store,
    /// The database itself.
    pub database: Database,
    random: Random,
    names: AtomicUsize,
    broken: AtomicBool,
}

/// A user with an API key.
#[derive(Debug, Clone)]
pub struct Payer {
    /// The user.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// Their key.
    pub key: KeyId,
}

/// A task that an upstream has.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its number and turn.
    pub at: AtTurn,
    /// Its name.
    pub task: TaskId,
    /// Its name upstream.
    pub upstream_id: String,
}

impl World {
    /// A Store with its tables on a new database.
    pub async fn new(database: Database) -> Self {
        let world = Self::without_migration(database).await;
        world.store.migrate().await.expect("the tables are made");
        world
    }

    /// A Store on a database as it is.
    pub async fn without_migration(database: Database) -> Self {
        let url = database.url();
        let connect = async |plans| {
            let store = Store::open(&url, 8, plans).await;
            store.expect("the database opens")
        };
        Self {
            store: connect(Plans::Kept).await,
            other: connect(Plans::Fresh).await,
            database,
            random: Random::seeded(1),
            names: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Closes both Stores.
    pub async fn close(self) -> Database {
        self.store.close().await;
        self.other.close().await;
        self.database
    }

    /// Fails unless the books balance.
    pub async fn assert_balanced(&self) {
        let audit = self.store.audit().await.expect("the audit runs");
        assert_eq!(audit.breaks, Vec::<String>::new());
    }

    /// As [`World::assert_balanced`], but for tests that broke something on purpose.
    pub async fn assert_balanced_unless_broken(&self) {
        if !self.broken.load(Ordering::SeqCst) {
            self.assert_balanced().await;
        }
    }

    /// Breaks something on purpose, behind the Store's back.
    pub async fn break_with(&self, sql: &str) {
        self.broken.store(true, Ordering::SeqCst);
        self.database.execute(sql).await;
    }

    /// A name that was not used before.
    pub fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.names.fetch_add(1, Ordering::SeqCst))
    }

    /// A digest that was not used before.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(self.name("secret"))
    }

    /// Another user with a balance and an API key without a limit.
    pub async fn payer(&self, balance: i64) -> Payer {
        self.payer_with(balance, None).await
    }

    /// Another user with a balance and an API key with a limit or without.
    pub async fn payer_with(&self, balance: i64, limit: Option<i64>) -> Payer {
        let name = self.name("user");
        let user = NewUser {
            name: name.clone(),
            role: Role::User,
            quota: quota(balance),
            token: self.digest(),
        };
        let user = self.store.create_user(user, NOW).await;
        let user = user.expect("a user is made").expect("the name is new");
        let key = self.digest();
        let key = self
            .store
            .create_key(user, "a key", key, limit.map(quota), NOW)
            .await;
        let key = key.expect("a key is made");
        Payer { user, name, key }
    }

    /// Another enabled channel.
    pub async fn channel(&self) -> ChannelId {
        let made = self
            .store
            .create_channel(new_channel(&self.name("channel")), NOW)
            .await;
        made.expect("a channel is made").expect("the name is new")
    }

    /// A song to be submitted.
    pub fn song(&self, payer: &Payer) -> NewTask {
        NewTask {
            task_id: TaskId::random(&self.random),
            user: payer.user,
            key: payer.key,
            platform: Platform::SUNO,
            action: Action::SONG,
            request: r#"{"prompt":"la la la"}"#.to_owned(),
            input: "la la la".to_owned(),
            pinned: None,
            idempotency: None,
            deadline: NOW.after(Duration::from_mins(30)),
        }
    }

    /// The same with an idempotency key, and `request` as what makes it the same request.
    pub fn song_once(&self, payer: &Payer, key: &str, request: &str) -> NewTask {
        NewTask {
            idempotency: Some(Idempotency {
                key: key.to_owned(),
                request: SecretDigest::of(request),
            }),
            ..self.song(payer)
        }
    }

    /// Submits; fails unless it is stored.
    pub async fn store_task(&self, task: NewTask) -> RowId {
        match self.store.submit(task, NOW).await.expect("it submits") {
            Submitted::Stored(row) => row,
            other => panic!("not stored: {other:?}"),
        }
    }

    /// A song just stored, at its first turn.
    pub async fn stored(&self, payer: &Payer) -> (AtTurn, TaskId) {
        let song = self.song(payer);
        let task = song.task_id.clone();
        let row = self.store_task(song).await;
        (first_turn(row), task)
    }

    /// A song of which the intention to submit it to `channel` stands.
    pub async fn sending(&self, payer: &Payer, channel: ChannelId) -> (AtTurn, TaskId) {
        let (at, task) = self.stored(payer).await;
        let lease = NOW.after(Duration::from_mins(3));
        let at = self
            .store
            .begin_submit(at, channel, 1, lease, NOW)
            .await
            .expect("it begins");
        (at.expect("it is not stale"), task)
    }

    /// A song that `channel` accepted.
    pub async fn accepted(&self, payer: &Payer, channel: ChannelId) -> Held {
        let (at, task) = self.sending(payer, channel).await;
        let upstream_id = self.name("upstream");
        let accepted = Accepted {
            at,
            channel,
            upstream_id: upstream_id.clone(),
            due_at: NOW.after(Duration::from_secs(5)),
        };
        let at = self
            .store
            .accept(vec![accepted], NOW)
            .await
            .expect("it is accepted");
        Held {
            at: only(at),
            task,
            upstream_id,
        }
    }

    /// A song that is being polled.
    pub async fn polled(&self, payer: &Payer, channel: ChannelId) -> Held {
        let held = self.accepted(payer, channel).await;
        let job = self.job(channel, held.at).await;
        assert!(job.is_some(), "it is not stale");
        held
    }

    /// Looks at one task for a poll.
    pub async fn job(&self, channel: ChannelId, at: AtTurn) -> Option<PollJob> {
        let jobs = self
            .store
            .poll_jobs(channel, &[at])
            .await
            .expect("it answers");
        assert!(jobs.len() <= 1);
        jobs.into_iter().next()
    }

    /// Everything known of a task.
    pub async fn story(&self, task: &TaskId) -> Story {
        let story = self.store.story(task).await.expect("the story reads");
        story.expect("the task exists")
    }

    /// The words of a task's history.
    pub async fn history(&self, task: &TaskId) -> Vec<String> {
        self.story(task)
            .await
            .events
            .into_iter()
            .map(|event| event.kind)
            .collect()
    }

    /// The user as they are now.
    pub async fn user(&self, payer: &Payer) -> User {
        let user = self
            .store
            .user_by_name(&payer.name)
            .await
            .expect("it reads");
        user.expect("the user exists")
    }

    /// The key as it is now.
    pub async fn key(&self, payer: &Payer) -> ApiKey {
        let keys = self.store.keys(payer.user).await.expect("it reads");
        keys.into_iter()
            .find(|key| key.id == payer.key)
            .expect("the key exists")
    }

    /// The channel as it is now.
    pub async fn channel_now(&self, channel: ChannelId) -> Channel {
        let channels = self.store.channels().await.expect("it reads");
        channels
            .into_iter()
            .find(|c| c.id == channel)
            .expect("the channel exists")
    }

    /// What is left to the user, what they used, and what their key used.
    pub async fn money(&self, payer: &Payer) -> (i64, i64, i64) {
        let (user, key) = (self.user(payer).await, self.key(payer).await);
        (
            user.quota.get(),
            user.used_quota.get(),
            key.used_quota.get(),
        )
    }

    /// Does the same thing `times` times at once, from both Stores.
    pub async fn at_once<T, F>(&self, times: usize, act: impl Fn(usize, Store) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let barrier = Arc::new(Barrier::new(times));
        let doing: Vec<_> = (0..times)
            .map(|number| {
                let store = if number % 2 == 0 {
                    &self.store
                } else {
                    &self.other
                };
                let (act, barrier) = (act(number, store.clone()), barrier.clone());
                tokio::spawn(async move {
                    barrier.wait().await;
                    act.await
                })
            })
            .collect();
        let mut done = Vec::with_capacity(times);
        for one in doing {
            done.push(one.await.expect("it does not panic"));
        }
        done
    }
}

/// A channel to be made.
pub fn new_channel(name: &str) -> NewChannel {
    NewChannel {
        name: name.to_owned(),
        platform: Platform::SUNO,
        base_url: format!("http://{name}.example"),
        key: Secret::new("a channel's key"),
        priority: 0,
        weight: 1,
        builtin: false,
    }
}

/// An amount.
pub fn quota(number: i64) -> Quota {
    number.try_into().expect("it is a quota")
}

/// A task at its first turn.
pub fn first_turn(row: RowId) -> AtTurn {
    AtTurn {
        row,
        turn: Turn::FIRST,
    }
}

/// The turn after this one.
pub fn next(at: AtTurn) -> AtTurn {
    AtTurn {
        row: at.row,
        turn: Turn(at.turn.0 + 1),
    }
}

/// Waits on, nothing new.
pub fn waiting(at: AtTurn) -> Waiting {
    Waiting {
        at,
        due_at: NOW.after(Duration::from_secs(8)),
        polls: 1,
        missing: 0,
        news: None,
    }
}

/// Waits on, with news.
pub fn moved(at: AtTurn, status: Status, percent: i64, data: Option<&str>) -> Waiting {
    Waiting {
        news: Some(News {
            status,
            progress: Progress::from_percent(percent).expect("it is a percentage"),
            data: data.map(str::to_owned),
            digest: percent + 1,
        }),
        ..waiting(at)
    }
}

/// Is made.
pub fn success(at: AtTurn, data: &str) -> Finished {
    Finished {
        at,
        end: End::Success,
        data: Some(data.to_owned()),
    }
}

/// Fails.
pub fn failure(at: AtTurn, reason: &str) -> Finished {
    let end = End::Failure {
        reason: reason.to_owned(),
        channel: None,
        given_up: false,
    };
    Finished {
        at,
        end,
        data: None,
    }
}

/// Is given up at its deadline.
pub fn given_up(at: AtTurn) -> Finished {
    let end = End::Failure {
        reason: "too late".to_owned(),
        channel: None,
        given_up: true,
    };
    Finished {
        at,
        end,
        data: None,
    }
}

/// The one element.
pub fn only<T: std::fmt::Debug>(mut list: Vec<T>) -> T {
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

/// The turn of an unfinished task, and when it is due.
pub fn turn_and_due(story: &Story) -> Option<(i64, i64)> {
    let unfinished = story.unfinished.as_ref()?;
    Some((unfinished.turn, unfinished.due_at))
}
