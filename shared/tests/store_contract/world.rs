//! The world of a test: a Store, users, channels, and tasks at every stage.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use harness::wait::eventually;
use shared::clock::Millis;
use shared::random::Random;
use shared::secret::SecretDigest;
use shared::store::accounts::{ApiKey, NewKey, NewUser, Role, User};
use shared::store::channels::Channel;
use shared::store::listing::TaskView;
use shared::store::story::Story;
use shared::store::submissions::{Idempotency, NewTask, Submitted};
use shared::store::turns::{Accepted, Finished, PollJob, Polled};
use shared::store::{Plans, Store};
use shared::task::{Action, AtTurn, ChannelId, KeyId, Platform, RowId, TaskId, UserId};
use tokio::sync::Barrier;

use crate::database::{Database, ok};
use crate::values::{NOW, SONG, accepted, first_turn, later, new_channel, only, quota};

/// The request of each task.
pub const REQUEST: &str = r#"{"prompt":"la la la"}"#;

/// A database with a Store on it.
pub struct World {
    /// The Store under test.
    pub store: Store,
    /// A second Store on the same database, as in another process.
    pub other: Store,
    /// The database.
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
    /// The user's name.
    pub name: String,
    /// The user's key.
    pub key: KeyId,
}

/// A task that an upstream accepted.
#[derive(Debug, Clone)]
pub struct AtUpstream {
    /// The task at its turn.
    pub at: AtTurn,
    /// The task's public id.
    pub id: TaskId,
    /// The upstream's id of the task.
    pub upstream_id: String,
    /// The channel that has the task.
    pub channel: ChannelId,
    /// The user who pays for the task.
    pub payer: Payer,
}

impl World {
    /// A Store with its tables on a new database.
    pub async fn new(database: Database) -> Self {
        let world = Self::without_migration(database).await;
        ok!(world.store.migrate());
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

    /// Fails unless the audit finds the money exact.
    pub async fn assert_balanced(&self) {
        let audit = ok!(self.store.audit());
        assert_eq!(audit.breaks, Vec::<String>::new());
    }

    /// Whether a test broke something on purpose.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// [`World::assert_balanced`], unless the test broke something on purpose.
    pub async fn assert_balanced_unless_broken(&self) {
        if !self.is_broken() {
            self.assert_balanced().await;
        }
    }

    /// Executes SQL beside the Store that breaks the Store's rules on purpose.
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
        let user = ok!(self.store.create_user(user, NOW)).expect("the name is new");
        let key = NewKey {
            limit: limit.map(quota),
            ..NewKey::new(user, "a key", self.digest())
        };
        let key = ok!(self.store.create_key(key, NOW));
        Payer { user, name, key }
    }

    /// Another enabled channel, and another user with a balance.
    pub async fn channel_and_payer(&self, balance: i64) -> (ChannelId, Payer) {
        (self.channel().await, self.payer(balance).await)
    }

    /// Enables or disables a channel.
    pub async fn enable(&self, channel: ChannelId, enabled: bool) {
        let name = self.channel_now(channel).await.name;
        assert!(ok!(self.store.enable_channel(&name, enabled)));
    }

    /// Another enabled channel.
    pub async fn channel(&self) -> ChannelId {
        let channel = new_channel(&self.name("channel"));
        ok!(self.store.create_channel(channel, NOW)).expect("the name is new")
    }

    /// A song to submit, of [`REQUEST`].
    pub fn song(&self, payer: &Payer) -> NewTask {
        NewTask {
            task_id: TaskId::random(&self.random),
            user: payer.user,
            key: payer.key,
            platform: Platform::SUNO,
            action: Action::SONG,
            model: None,
            request: REQUEST.to_owned(),
            input: "la la la".to_owned(),
            pinned: None,
            idempotency: None,
            deadline: NOW.after(Duration::from_mins(30)),
        }
    }

    /// A song with an idempotency key; `request` stands for the client's request. White space at its ends does
    /// not change what it means.
    pub fn song_once(&self, payer: &Payer, key: &str, request: &str) -> NewTask {
        NewTask {
            idempotency: Some(Idempotency {
                key: key.to_owned(),
                request: SecretDigest::of(request),
                meaning: Some(SecretDigest::of(request.trim())),
            }),
            ..self.song(payer)
        }
    }

    /// Submits a task that must be stored.
    pub async fn store_task(&self, task: NewTask) -> RowId {
        match ok!(self.store.submit(task, NOW)) {
            Submitted::Stored { row, .. } => row,
            other => panic!("not stored: {other:?}"),
        }
    }

    /// A stored song, at its first turn.
    pub async fn stored(&self, payer: &Payer) -> (AtTurn, TaskId) {
        let song = self.song(payer);
        let task = song.task_id.clone();
        let row = self.store_task(song).await;
        (first_turn(row), task)
    }

    /// A song with a recorded intention to submit it to `channel`.
    pub async fn sending(&self, payer: &Payer, channel: ChannelId) -> (AtTurn, TaskId) {
        let (at, task) = self.stored(payer).await;
        (self.begin(at, channel).await, task)
    }

    /// Records the intention to submit a task to `channel`.
    pub async fn begin(&self, at: AtTurn, channel: ChannelId) -> AtTurn {
        let begun = ok!(self.store.begin_submit(at, channel, 1, later(180), NOW));
        begun.expect("it is not stale")
    }

    /// A song that `channel` accepted.
    pub async fn accepted(&self, payer: &Payer, channel: ChannelId) -> AtUpstream {
        let (at, id) = self.sending(payer, channel).await;
        let upstream_id = self.name("upstream");
        let accepted = Accepted {
            due_at: later(5),
            ..accepted(at, channel, &upstream_id)
        };
        AtUpstream {
            at: only(ok!(self.store.accept(vec![accepted], NOW))),
            id,
            upstream_id,
            channel,
            payer: payer.clone(),
        }
    }

    /// A song that is being polled.
    pub async fn polled(&self, payer: &Payer, channel: ChannelId) -> AtUpstream {
        let song = self.accepted(payer, channel).await;
        assert!(self.job(channel, song.at).await.is_some(), "it is stale");
        song
    }

    /// Several songs that are being polled, oldest first.
    pub async fn many_polled(
        &self,
        count: usize,
        payer: &Payer,
        channel: ChannelId,
    ) -> Vec<AtTurn> {
        let mut songs = Vec::with_capacity(count);
        for _ in 0..count {
            songs.push(self.polled(payer, channel).await.at);
        }
        songs
    }

    /// A song that is being polled at a channel of its own, the only one that its payer can pay.
    pub async fn polled_song(&self) -> AtUpstream {
        let (channel, payer) = self.channel_and_payer(SONG).await;
        self.polled(&payer, channel).await
    }

    /// Settles a task that stays unfinished. Returns its next turn.
    pub async fn wait(&self, waiting: Polled, now: Millis) -> AtTurn {
        let settled = ok!(self.store.settle(vec![waiting], vec![], now));
        assert_eq!(settled.finished, []);
        only(settled.waiting)
    }

    /// Settles tasks that end. Returns those that did.
    pub async fn end(&self, ends: impl Into<Vec<Finished>>, now: Millis) -> Vec<RowId> {
        let settled = ok!(self.store.settle(vec![], ends.into(), now));
        assert_eq!(settled.waiting, []);
        settled.finished_rows()
    }

    /// Reads one task for a poll.
    pub async fn job(&self, channel: ChannelId, at: AtTurn) -> Option<PollJob> {
        let jobs = ok!(self.store.poll_jobs(channel, &[at]));
        assert!(jobs.len() <= 1);
        jobs.into_iter().next()
    }

    /// The story of a task.
    pub async fn story(&self, task: &TaskId) -> Story {
        ok!(self.store.story(task)).expect("the task exists")
    }

    /// A task as it is listed.
    pub async fn view(&self, task: &TaskId) -> TaskView {
        self.story(task).await.task
    }

    /// The result of a task so far.
    pub async fn data(&self, task: &TaskId) -> Option<String> {
        self.view(task).await.data
    }

    /// Fails unless the events in a task's history are of these kinds.
    pub async fn assert_history(&self, task: &TaskId, kinds: &str) {
        let events = self.story(task).await.events;
        let found: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(found.join(" "), kinds);
    }

    /// Reads the user.
    pub async fn user(&self, payer: &Payer) -> User {
        ok!(self.store.user_by_name(&payer.name)).expect("the user exists")
    }

    /// Reads the user's key.
    pub async fn key(&self, payer: &Payer) -> ApiKey {
        let keys = ok!(self.store.keys(payer.user)).into_iter();
        let mut found = keys.filter(|key| key.id == payer.key);
        found.next().expect("the key exists")
    }

    /// Reads the channel.
    pub async fn channel_now(&self, channel: ChannelId) -> Channel {
        let channels = ok!(self.store.channels()).into_iter();
        let mut found = channels.filter(|one| one.id == channel);
        found.next().expect("the channel exists")
    }

    /// The `used_quota` of the channel.
    pub async fn used_at(&self, channel: ChannelId) -> i64 {
        self.channel_now(channel).await.used_quota.get()
    }

    /// The user's balance, the user's `used_quota`, and the key's.
    pub async fn money(&self, payer: &Payer) -> (i64, i64, i64) {
        let (user, key) = (self.user(payer).await, self.key(payer).await);
        let (balance, spent) = (user.quota.get(), user.used_quota.get());
        (balance, spent, key.used_quota.get())
    }

    /// Calls `act` `times` times at once, in turn on both Stores.
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

    /// Submits `times` tasks at once, in turn on both Stores.
    pub async fn submit_at_once(
        &self,
        times: usize,
        task: impl Fn() -> NewTask,
        now: Millis,
    ) -> Vec<Submitted> {
        let submit = |_, store: Store| {
            let task = task();
            async move { ok!(store.submit(task, now)) }
        };
        self.at_once(times, submit).await
    }

    /// Begins 20 calls of the Store, and drops each after it was polled a few times. Such a call must run
    /// to its end: waits until so many tasks are unfinished.
    pub async fn abandon<F: Future>(&self, calls: impl IntoIterator<Item = F>, unfinished: i64) {
        for (call, polls) in calls.into_iter().zip(1..) {
            let mut call = pin!(call);
            for _ in 0..polls {
                if poll_fn(|context| Poll::Ready(call.as_mut().poll(context)))
                    .await
                    .is_ready()
                {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        eventually(
            Duration::from_secs(10),
            "calls without a caller",
            async || (ok!(self.store.unfinished()) == unfinished).then_some(()),
        )
        .await;
    }
}
