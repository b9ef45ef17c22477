//! What the parts of a worker share.

use std::sync::Arc;
use std::time::Duration;

use shared::backoff::{growing, jittered};
use shared::broker::SharedBroker;
use shared::clock::{Millis, SharedClock};
use shared::config::Config;
use shared::lifecycle::Stop;
use shared::random::Random;
use shared::store::channels::Channel;
use shared::store::turns::{Accepted, AtTurn, Begun, Intention, SubmitJob};
use shared::store::{Store, StoreError};
use shared::task::Platform;
use shared::task::scrub::Scrub;
use shared::task::wait::{CoolDown, PollPace};

use crate::channels::ChannelCache;
use crate::together::Together;
use crate::upstream::{Trouble, Upstream};

/// How a worker works. Set by the operator: contract, section 6.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `POLL_INITIAL_DELAY` and `POLL_MAX_DELAY`.
    pub pace: PollPace,
    /// `SUBMIT_ATTEMPTS`.
    pub submit_attempts: u32,
    /// `UPSTREAM_SUBMIT_TIMEOUT`.
    pub submit_timeout: Duration,
    /// `UPSTREAM_FETCH_TIMEOUT`.
    pub fetch_timeout: Duration,
}

impl Settings {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        Self {
            pace: config.poll,
            submit_attempts: config.submit_attempts,
            submit_timeout: config.upstream_submit_timeout,
            fetch_timeout: config.upstream_fetch_timeout,
        }
    }
}

/// What the parts of a worker share.
pub struct Context {
    /// The truth.
    pub store: Store,
    /// What wakes us.
    pub broker: SharedBroker,
    /// The time.
    pub clock: SharedClock,
    /// Chance.
    pub random: Arc<Random>,
    /// How to work.
    pub settings: Settings,
    /// The channels, as of a second ago at most.
    pub channels: ChannelCache,
    /// The Suno dialect.
    pub suno: Arc<dyn Upstream>,
    /// When to stop.
    pub stop: Stop,
    /// What submits have in common.
    pub submits: Submits,
}

/// What many submits that are under way at once do in one go each.
#[derive(Default)]
pub struct Submits {
    /// The tasks are read.
    pub read: Together<AtTurn, SubmitJob>,
    /// The intentions are recorded.
    pub begin: Together<Intention, Begun>,
    /// What upstreams accepted is recorded.
    pub accept: Together<Accepted, AtTurn>,
}

/// How much longer than an upstream call may take a claimed turn is left alone: time to write the
/// outcome, even where the database has to be waited for.
pub const LEASE_SLACK: Duration = Duration::from_secs(15);

/// The shortest rest that a channel may ask for itself.
const LEAST_REST: Duration = Duration::from_secs(1);
/// How long the database is left alone between two tries.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// The longest of these pauses: an outcome is written this long after the database is back at the
/// latest, give or take a third.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Context {
    /// The moment it is now.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Who talks to channels of this platform.
    pub fn platform(&self, platform: Platform) -> &dyn Upstream {
        match platform {
            Platform::Suno => &*self.suno,
        }
    }

    /// Asks the Store, again and again while the database is away, until a stop is asked for: what
    /// was only asked, or claimed, somebody else can ask and claim. `Err`, too, for what would fail
    /// again in the same way.
    pub async fn ask_store<T, F>(&self, what: &str, work: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.until_done(what, work, || self.stop.is_requested())
            .await
    }

    /// Writes an outcome of an upstream call, again and again while the database is away, however
    /// long that is: it is known nowhere else. A stop ends it only with its grace. `Err` for what
    /// would fail again in the same way.
    pub async fn persist<T, F>(&self, what: &str, work: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.until_done(what, work, || false).await
    }

    async fn until_done<T, F>(
        &self,
        what: &str,
        work: impl Fn() -> F,
        give_up: impl Fn() -> bool,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
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
            let wait = growing(LEAST_PAUSE, 2.0, LONGEST_PAUSE, failures);
            tokio::time::sleep(jittered(wait, 0.3, &self.random)).await;
            failures += 1;
        }
    }

    /// Cools a channel down, for every worker; returns until when.
    pub async fn cool_down(&self, channel: &Channel, trouble: &Trouble) -> Millis {
        let now = self.now();
        let kind = match trouble.kind {
            CoolDown::Trouble => "trouble",
            CoolDown::Refusal => "refusal",
        };
        metrics::counter!("task_center_cool_downs_total",
            "channel" => channel.name.clone(), "kind" => kind)
        .increment(1);
        // An upstream that asks for no wait at all gets ours.
        let asked = trouble.retry_after.filter(|asked| *asked >= LEAST_REST);
        let until = self
            .ask_store("cool a channel down", || {
                self.store.cool_down(channel.id, trouble.kind, asked, now)
            })
            .await
            .unwrap_or_else(|_| now.after(trouble.kind.wait(0)));
        self.channels.note_cooling(channel.id, until);
        let seconds = until.since(now).as_secs();
        let what = Scrub::channel(&channel.base_url, &channel.key).reason(&trouble.what);
        match trouble.kind {
            CoolDown::Refusal => tracing::error!(
                channel = %channel.name, what, seconds,
                "this channel refuses us: its key is wrong, banned or out of credit; \
                 an operator must look at it. It rests"
            ),
            CoolDown::Trouble => tracing::warn!(
                channel = %channel.name, what, seconds, "this channel rests"
            ),
        }
        until
    }

    /// A channel answered well.
    pub async fn warm_up(&self, channel: &Channel) {
        if channel.cool_count == 0 {
            return;
        }
        let done = self
            .ask_store("warm a channel up", || self.store.warm_up(channel.id))
            .await;
        if done.is_ok() {
            self.channels.note_warm(channel.id);
        }
    }
}
