//! Bounds every unit of work, and notices that the pool's connections carry nothing any more although the
//! server answers: after a failover behind a balancer nobody resets the old connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::store::{Result, StoreError};

/// A unit of work that takes longer makes the watchdog look, once a second.
const SUSPECT_AFTER: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a fresh connection may take to answer.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// The pauses between two times at which all connections are given up. On a busy machine new connections take
/// their time, and whoever gives them up before they are made never gets one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Watchdog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For a fresh connection. The application's name is this process's own.
    options: PgConnectOptions,
    given_up: watch::Sender<GivenUp>,
    /// Whether a connection that was made after all others were given up has served a unit of work.
    has_worked: AtomicBool,
    is_looking: AtomicBool,
    /// Why no connection became free, and when the server was asked.
    no_connection: tokio::sync::Mutex<Option<(Instant, StoreError)>>,
}

/// When all connections were given up.
#[derive(Debug)]
struct GivenUp {
    /// Connections that were made before this moment are dead.
    dead_before: Instant,
    /// The shortest time until all connections may be given up again; zero before the first time.
    pause: Duration,
    /// Whether no connection has worked since.
    is_in_vain: bool,
}

impl Watchdog {
    /// A watchdog that connects by `options`, whose application name no other process has.
    pub fn new(options: PgConnectOptions) -> Self {
        Self(Arc::new(Inner {
            options,
            given_up: watch::Sender::new(GivenUp {
                dead_before: Instant::now(),
                pause: Duration::ZERO,
                is_in_vain: false,
            }),
            has_worked: AtomicBool::new(false),
            is_looking: AtomicBool::new(false),
            no_connection: tokio::sync::Mutex::default(),
        }))
    }

    /// Whether a connection of this age may still be used.
    pub fn trusts(&self, age: Duration) -> bool {
        age < self.0.given_up.borrow().dead_before.elapsed()
    }

    /// Notes that a connection of this age works: it has served a unit of work.
    pub fn works(&self, age: Duration) {
        if self.trusts(age) {
            self.0.has_worked.store(true, Ordering::Relaxed);
        }
    }

    /// Gives up all connections that there are: from now on none of them is trusted. Returns false, and gives up
    /// none, if that happened a moment ago. That moment is [`SHORTEST_PAUSE`], and doubles up to
    /// [`LONGEST_PAUSE`] each time that no connection has worked since the last time.
    pub fn distrust(&self) -> bool {
        self.0.given_up.send_if_modified(|given_up| {
            if self.0.has_worked.swap(false, Ordering::Relaxed) {
                given_up.pause = given_up.pause.min(SHORTEST_PAUSE);
                given_up.is_in_vain = false;
            }
            if given_up.dead_before.elapsed() < given_up.pause {
                return false;
            }
            given_up.pause = if given_up.is_in_vain {
                LONGEST_PAUSE.min(2 * given_up.pause)
            } else {
                SHORTEST_PAUSE
            };
            given_up.is_in_vain = true;
            given_up.dead_before = Instant::now();
            true
        })
    }

    /// Runs a unit of work for at most `longest`. A unit is given up earlier if its connection is dead.
    pub async fn bound<T>(&self, longest: Duration, work: impl Future<Output = T>) -> Result<T> {
        let started = Instant::now();
        // From the start: a unit that is no suspect yet has a dead connection, too, and the next time that all are
        // given up may be far.
        let mut given_up = self.0.given_up.subscribe();
        tokio::pin!(work);
        if let Ok(done) = timeout(SUSPECT_AFTER, &mut work).await {
            return Ok(done);
        }
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = given_up.changed() => return Err(StoreError::silent(started.elapsed())),
                () = sleep(LOOK_EVERY) => {}
            }
            if started.elapsed() >= longest {
                return Err(StoreError::silent(longest));
            }
            self.look();
        }
    }

    /// Why no connection became free in time: whether the server takes no connection, or all are in use. The
    /// server is asked at most once a second.
    pub async fn why_no_connection(&self) -> StoreError {
        let mut known = self.0.no_connection.lock().await;
        if let Some((asked, why)) = &*known
            && asked.elapsed() < LOOK_EVERY
        {
            return why.alike();
        }
        let why = match timeout(LONGEST_LOOK, self.0.connect()).await {
            Ok(Ok(())) => StoreError::Busy,
            Ok(Err(error)) => error.into(),
            Err(_) => StoreError::silent(LONGEST_LOOK),
        };
        *known = Some((Instant::now(), why.alike()));
        why
    }

    /// Asks the server over a fresh connection, unless that is under way.
    fn look(&self) {
        if self.0.is_looking.swap(true, Ordering::SeqCst) {
            return;
        }
        let watchdog = self.clone();
        tokio::spawn(async move {
            let looked = timeout(LONGEST_LOOK, watchdog.0.is_nothing_under_way()).await;
            if let Ok(Ok(true)) = looked
                && watchdog.distrust()
            {
                tracing::warn!(
                    "the database answers over a fresh connection, and executes nothing of ours: \
                     the other connections are given up"
                );
            }
            watchdog.0.is_looking.store(false, Ordering::SeqCst);
        });
    }
}

impl Inner {
    async fn connect(&self) -> sqlx::Result<()> {
        self.options.connect().await?.close().await
    }

    /// Whether the server answers, and none of this process's connections has a statement or a transaction
    /// under way.
    async fn is_nothing_under_way(&self) -> sqlx::Result<bool> {
        let mut fresh = self.options.connect().await?;
        let busy = sqlx::raw_sql(
            "SELECT count(*) FROM pg_stat_activity
             WHERE application_name = current_setting('application_name')
               AND pid <> pg_backend_pid() AND state <> 'idle'",
        );
        let busy: i64 = busy.fetch_one(&mut fresh).await?.try_get(0)?;
        fresh.close().await?;
        Ok(busy == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::options::DEADLINE;

    /// A watchdog whose looks reach no server.
    fn watchdog() -> Watchdog {
        let nobody = PgConnectOptions::new_without_pgpass();
        Watchdog::new(nobody.host("127.0.0.1").port(1))
    }

    /// Wants to give up all connections ten times a second; returns the second in which each time came.
    async fn given_up_within(watchdog: &Watchdog, longest: Duration) -> Vec<u64> {
        let started = Instant::now();
        let mut seconds = Vec::new();
        while started.elapsed() < longest {
            if watchdog.distrust() {
                seconds.push(started.elapsed().as_secs());
            }
            sleep(Duration::from_millis(100)).await;
        }
        seconds
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_doubles_each_time_that_giving_up_was_in_vain() {
        let within = Duration::from_secs(200);
        let seconds = given_up_within(&watchdog(), within).await;
        assert_eq!(seconds, [0, 5, 15, 35, 75, 135, 195]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_is_short_again_once_a_connection_has_worked() {
        let watchdog = watchdog();
        given_up_within(&watchdog, Duration::from_secs(40)).await;
        // A connection that is older than the last time tells nothing.
        watchdog.works(Duration::from_secs(10));
        assert!(!watchdog.distrust());
        watchdog.works(Duration::from_secs(1));
        let seconds = given_up_within(&watchdog, Duration::from_secs(20)).await;
        assert_eq!(seconds, [0, 5, 15]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_on_a_dead_connection_ends_although_it_was_no_suspect_yet() {
        let watchdog = watchdog();
        let started = Instant::now();
        let hangs = watchdog.bound(DEADLINE, std::future::pending::<()>());
        let (ended, ()) = tokio::join!(hangs, async {
            sleep(Duration::from_secs(1)).await;
            watchdog.distrust();
        });
        assert!(ended.is_err());
        assert_eq!(started.elapsed().as_secs(), SUSPECT_AFTER.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_takes_longer_than_a_suspicion_is_done_in_the_end() {
        let watchdog = watchdog();
        let giving_up = watchdog.clone();
        let giving_up = tokio::spawn(async move {
            given_up_within(&giving_up, Duration::from_mins(1)).await;
        });
        let mut given_up = 0;
        // As who makes a new connection on a machine that is busy.
        while let Err(error) = {
            let slow = sleep(Duration::from_secs(8));
            watchdog.bound(DEADLINE, slow).await
        } {
            assert!(error.is_passing(), "{error}");
            given_up += 1;
        }
        assert!(
            (1..=2).contains(&given_up),
            "it was given up {given_up} times"
        );
        giving_up.abort();
    }
}
