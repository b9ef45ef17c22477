//! What the parts of a worker share.

use std::sync::Arc;
use std::time::Duration;

use shared::backoff::{growing, jittered};
use shared::broker::SharedBroker;
use shared::clock::{Millis, SharedClock};
use shared::config::{BaseUrl, Config};
use shared::hook::Hook;
use shared::process::lifecycle::Stop;
use shared::random::Random;
use shared::store::channels::{Calls, Channel, Failed};
use shared::store::{Result, Store};
use shared::task::TaskId;
use shared::task::cool_down::{CoolDown, RestsFor};
use shared::task::scrub::Scrub;
use shared::task::wait::PollPace;
use tokio::sync::Notify;

use crate::channels::ChannelCache;
use crate::leases::Leases;
use crate::rest::Rest;
use crate::submit::batches::Batches;
use upstream::{Trouble, Upstreams};

/// How a worker works, as its operator configured it (`docs/contract.md`, "Environment").
#[derive(Debug, Clone)]
pub struct Settings {
    /// `POLL_INITIAL_DELAY` and `POLL_MAX_DELAY`.
    pub pace: PollPace,
    /// `SUBMIT_ATTEMPTS`.
    pub submit_attempts: u32,
    /// `UPSTREAM_SUBMIT_TIMEOUT`.
    pub submit_timeout: Duration,
    /// `UPSTREAM_FETCH_TIMEOUT`.
    pub fetch_timeout: Duration,
    /// `TASK_TIMEOUT`.
    pub task_timeout: Duration,
    /// `PUBLIC_URL`: where upstreams may call us; `None`: they cannot.
    pub public_url: Option<BaseUrl>,
}

impl Settings {
    /// The settings in `config`.
    pub fn of(config: &Config) -> Self {
        Self {
            pace: config.poll,
            submit_attempts: config.submit_attempts,
            submit_timeout: config.upstream_submit_timeout,
            fetch_timeout: config.upstream_fetch_timeout,
            task_timeout: config.task_timeout,
            public_url: config.public_url.clone(),
        }
    }
}

/// What the parts of a worker share.
pub struct Context {
    pub(crate) store: Store,
    pub(crate) broker: SharedBroker,
    pub(crate) clock: SharedClock,
    pub(crate) random: Arc<Random>,
    pub(crate) settings: Settings,
    pub(crate) channels: ChannelCache,
    pub(crate) upstreams: Upstreams,
    pub(crate) stop: Stop,
    pub(crate) batches: Batches,
    pub(crate) leases: Leases,
    pub(crate) rest: Arc<Rest>,
    /// Notified when there may be a task to send, or room for one.
    pub(crate) looks: Notify,
}

/// How much longer than an upstream call a lease lasts, so that the outcome can be written even if the
/// database is slow.
pub const LEASE_SLACK: Duration = Duration::from_secs(15);

/// A shorter `Retry-After` than this is ignored: our own cool-down applies.
const SHORTEST_RETRY_AFTER: Duration = Duration::from_secs(1);
/// The first pause between two tries of a database call.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest of these pauses: a worker writes an outcome at most this long, give or take a third,
/// after the database is back.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause between two tries of an outcome that the database refused for good.
const HOPELESS_PAUSE: Duration = Duration::from_mins(1);

impl Context {
    /// What a worker on this database and this broker shares. `Err`: no HTTP client could be made.
    pub fn new(
        store: Store,
        broker: SharedBroker,
        clock: SharedClock,
        random: Arc<Random>,
        settings: Settings,
        rest: Arc<Rest>,
        stop: Stop,
    ) -> std::result::Result<Self, reqwest::Error> {
        Ok(Self {
            batches: Batches::new(&store, &clock, settings.submit_timeout),
            channels: ChannelCache::new(store.clone(), clock.clone()),
            upstreams: Upstreams::new(
                settings.submit_timeout,
                settings.fetch_timeout,
                clock.clone(),
            )?,
            store,
            broker,
            clock,
            random,
            settings,
            stop,
            leases: Leases::default(),
            rest,
            looks: Notify::new(),
        })
    }

    /// The address at which the channel's vendor may call about the task. `None`: there is none.
    pub(crate) fn hook(&self, channel: &Channel, task: &TaskId) -> Option<String> {
        let ours = self.settings.public_url.as_ref()?;
        let hook = Hook {
            channel: channel.id,
            task: task.clone(),
        };
        Some(format!("{ours}{}", hook.path(&channel.key)?))
    }

    /// Hides what of ours may stand in a channel's words about a task.
    pub(crate) fn scrub_words(&self, channel: &Channel, task: &TaskId) -> Scrub {
        let hook = self.hook(channel, task);
        let scrub = Scrub::channel(&channel.base_url, &channel.key);
        with_hook(scrub, hook.as_deref())
    }

    /// Hides what of ours may stand in a result. The addresses in a result are what the client paid for.
    pub(crate) fn scrub_result(&self, channel: &Channel, task: &TaskId) -> Scrub {
        let hook = self.hook(channel, task);
        let scrub = Scrub::default().and(channel.key.expose());
        with_hook(scrub, hook.as_deref())
    }

    /// The time now.
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Calls the Store, again and again while the database is away, until a stop is requested: another
    /// worker can do what was only read or claimed here. `Err`, too, if another try would fail in the
    /// same way.
    pub(crate) async fn ask_store<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        work: impl Fn() -> F,
    ) -> Result<T> {
        self.retry(what, work, || self.stop.is_requested()).await
    }

    /// Writes the outcome of an upstream call, again and again, also during a stop, and whatever the database
    /// says: nobody else knows the outcome.
    pub(crate) async fn persist<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        work: impl Fn() -> F,
    ) -> T {
        loop {
            match self.retry(what, &work, || false).await {
                Ok(done) => return done,
                // The database will not change its mind soon, but an operator may change the database.
                Err(_) => tokio::time::sleep(HOPELESS_PAUSE).await,
            }
        }
    }

    /// [`Context::persist`] for an outcome that can be written in parts. `Err`: another try of the whole would
    /// fail in the same way.
    pub(crate) async fn persist_whole<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        work: impl Fn() -> F,
    ) -> Result<T> {
        self.retry(what, work, || false).await
    }

    async fn retry<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        work: impl Fn() -> F,
        give_up: impl Fn() -> bool,
    ) -> Result<T> {
        let mut failures = 0;
        loop {
            let error = match work().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !error.is_passing() || give_up() {
                tracing::error!(%error, what, "the database did not do its part");
                return Err(error);
            }
            metrics::counter!("task_center_database_retries_total").increment(1);
            tracing::warn!(%error, what, failures, "the database is asked again soon");
            let wait = growing(SHORTEST_PAUSE, 2.0, LONGEST_PAUSE, failures);
            tokio::time::sleep(jittered(wait, 0.3, &self.random)).await;
            failures += 1;
        }
    }

    /// Cools a channel down for all workers; if it is the submits of one user that fail, for this user. Returns when
    /// the cool-down ends.
    pub(crate) async fn cool_down(
        &self,
        channel: &Channel,
        calls: Calls,
        trouble: &Trouble,
        rests_for: RestsFor,
    ) -> Millis {
        let now = self.now();
        let kind = match trouble.kind {
            CoolDown::Trouble => "trouble",
            CoolDown::Refusal => "refusal",
        };
        metrics::counter!("task_center_cool_downs_total",
            "channel" => channel.name.clone(), "kind" => kind)
        .increment(1);
        let asked = trouble
            .retry_after
            .filter(|asked| *asked >= SHORTEST_RETRY_AFTER);
        let failed = Failed {
            calls,
            kind: trouble.kind,
            asked,
            what: trouble.shown(channel),
            rests_for,
        };
        let until = self
            .ask_store("cool a channel down", || {
                let failed = failed.clone();
                self.store.cool_down(channel.id, failed, now)
            })
            .await
            .unwrap_or_else(|_| now.after(trouble.kind.wait(0)));
        self.channels.note_cooling(channel.id, calls, until);
        let (what, seconds) = (failed.what, until.since(now).as_secs());
        let of = match calls {
            Calls::Submits => "submits",
            Calls::Fetches => "fetches",
            Calls::Both => "submits and fetches",
        };
        match trouble.kind {
            CoolDown::Refusal => tracing::error!(
                channel = %channel.name, what, of, seconds,
                "this channel refuses us: its key or its base URL is wrong, or it is banned or out of credit; \
                 an operator must look at it. It rests"
            ),
            CoolDown::Trouble => match rests_for {
                RestsFor::Everybody => tracing::warn!(
                    channel = %channel.name, what, of, seconds, "this channel rests"
                ),
                RestsFor::User(user) => tracing::warn!(
                    channel = %channel.name, what, of, seconds, user = user.0,
                    "this channel rests for this user: no submit of another user failed there of late"
                ),
            },
        }
        until
    }

    /// Ends a channel's row of cool-downs: it answered `calls` well.
    pub(crate) async fn warm_up(&self, channel: &Channel, calls: Calls) {
        let is_warm = match calls {
            Calls::Submits => channel.cool_count == 0,
            Calls::Fetches => channel.poll_cool_count == 0,
            Calls::Both => channel.cool_count == 0 && channel.poll_cool_count == 0,
        };
        if is_warm {
            return;
        }
        let done = self
            .ask_store("warm a channel up", || {
                self.store.warm_up(channel.id, calls)
            })
            .await;
        if done.is_ok() {
            self.channels.note_warm(channel.id, calls);
        }
    }
}

/// Also hides the address of a hook, and its token.
fn with_hook(scrub: Scrub, hook: Option<&str>) -> Scrub {
    let Some(hook) = hook else { return scrub };
    let token = hook.rsplit('/').next().unwrap_or_default();
    scrub.and(hook).and(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_hidden_whole_and_by_its_token() {
        let scrub = with_hook(
            Scrub::default(),
            Some("https://us.example/hooks/3/a0b1c2d3"),
        );
        let words = "no answer from https://us.example/hooks/3/a0b1c2d3 (us.example, a0b1c2d3)";
        assert_eq!(scrub.reason(words), "no answer from … (us.example, …)");
        assert_eq!(with_hook(Scrub::default(), None).reason(words), words);
    }
}
