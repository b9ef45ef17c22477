//! A connection that is opened again when it is lost.
//!
//! lapin's own recovery is off. It replays what it remembers and hides the loss, but a confirm or a
//! prefetched message that was under way is lost with the connection, and its owner must know. So a
//! [`Link`] opens a new connection instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::{Connection, Event};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep};

use super::connection::Connector;
use super::names::{Names, Role};
use super::{proof, topology};
use crate::backoff::{growing, jittered};
use crate::broker::{BrokerError, Result};
use crate::random::Random;

/// The first and the longest wait between two tries to connect.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const MOST_WAIT: Duration = Duration::from_secs(5);

/// After a connection that lived longer than this, the waits between retries start over.
const STABLE: Duration = Duration::from_secs(10);

/// The pause between two checks of the connection, beside its events.
const LOOK: Duration = Duration::from_millis(500);

/// The longest wait for a connection to close in order.
const CLOSE: Duration = Duration::from_secs(3);

/// The wait before retry number `failures` (from 0).
pub(super) fn wait_again(failures: u32, random: &Random) -> Duration {
    jittered(growing(FIRST_WAIT, 2.0, MOST_WAIT, failures), 0.5, random)
}

/// What all parts that talk to one broker share.
#[derive(Debug)]
pub(super) struct BrokerContext {
    pub(super) connector: Connector,
    pub(super) names: Names,
    pub(super) random: Arc<Random>,
    /// Whether each queue was seen to take messages.
    pub(super) is_proved: AtomicBool,
}

impl BrokerContext {
    /// Opens a connection, declares the topology on it, and proves once that each queue takes messages.
    pub(super) async fn open(&self, role: Role) -> Result<Connection> {
        let connection = self.connector.open(role).await?;
        let depths = topology::declare(&connection, &self.names).await?;
        if role == Role::Publish && !self.is_proved.load(Ordering::Relaxed) {
            proof::prove(&connection, &self.names, &depths).await?;
            self.is_proved.store(true, Ordering::Relaxed);
        }
        Ok(connection)
    }
}

/// The state of the connection.
#[derive(Debug, Clone)]
enum State {
    Up(Arc<Connection>),
    /// The first try is under way.
    Connecting,
    /// Lost, or not there yet, and why.
    Down(BrokerError),
    Closed,
}

/// A connection that is opened again when it is lost, until [`Link::close`].
#[derive(Debug)]
pub(super) struct Link {
    role: Role,
    state: watch::Receiver<State>,
    short_of: watch::Receiver<Option<String>>,
    stop: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Link {
    /// Watches `connection`, and replaces it when it is lost.
    pub(super) fn keep(context: Arc<BrokerContext>, role: Role, connection: Connection) -> Self {
        Self::new(context, role, Some(Arc::new(connection)))
    }

    /// Opens a connection in the background, and replaces it when it is lost.
    pub(super) fn open(context: Arc<BrokerContext>, role: Role) -> Self {
        Self::new(context, role, None)
    }

    fn new(context: Arc<BrokerContext>, role: Role, first: Option<Arc<Connection>>) -> Self {
        let up = first.clone().map_or(State::Connecting, State::Up);
        let (state_in, state) = watch::channel(up);
        let (short_in, short_of) = watch::channel(None);
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper {
            context,
            role,
            state: state_in,
            short_of: short_in,
            stopped,
        };
        let task = tokio::spawn(keeper.run(first));
        Self {
            role,
            state,
            short_of,
            stop,
            task: tokio::sync::Mutex::new(Some(task)),
        }
    }

    /// Waits for the first try. `Err`: the last try failed, or the connection is lost.
    pub(super) async fn tried(&self) -> Result<Arc<Connection>> {
        let mut state = self.state.clone();
        let tried = state.wait_for(|state| !matches!(state, State::Connecting));
        tried.await.map_err(|_| BrokerError::Closed)?;
        self.connection()
    }

    /// The connection; `Err` at once if there is none now.
    pub(super) fn connection(&self) -> Result<Arc<Connection>> {
        match &*self.state.borrow() {
            State::Up(connection) if connection.status().connected() => Ok(Arc::clone(connection)),
            State::Up(_) => Err(BrokerError::Unreachable(format!(
                "the {} connection was lost just now",
                self.role
            ))),
            State::Connecting => Err(BrokerError::Unreachable(
                "it is being connected to".to_owned(),
            )),
            State::Down(why) => Err(why.clone()),
            State::Closed => Err(BrokerError::Closed),
        }
    }

    /// What the broker is short of, if it takes no messages.
    pub(super) fn short_of(&self) -> String {
        let known = self.short_of.borrow().clone();
        known.unwrap_or_else(|| "memory or disk".to_owned())
    }

    /// Waits for the connection. `Err`: the link was closed.
    pub(super) async fn connected(&self) -> Result<Arc<Connection>> {
        let mut state = self.state.clone();
        let state = state
            .wait_for(|state| match state {
                State::Up(connection) => connection.status().connected(),
                State::Connecting | State::Down(_) => false,
                State::Closed => true,
            })
            .await
            .map_err(|_| BrokerError::Closed)?;
        match &*state {
            State::Up(connection) => Ok(Arc::clone(connection)),
            State::Connecting | State::Down(_) | State::Closed => Err(BrokerError::Closed),
        }
    }

    /// Closes the connection for good.
    pub(super) async fn close(&self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.lock().await.take() {
            // Only a panic can fail it, and that was reported already.
            let _ = task.await;
        }
    }
}

/// The task behind a [`Link`].
struct Keeper {
    context: Arc<BrokerContext>,
    role: Role,
    state: watch::Sender<State>,
    short_of: watch::Sender<Option<String>>,
    stopped: watch::Receiver<bool>,
}

impl Keeper {
    async fn run(mut self, mut connection: Option<Arc<Connection>>) {
        let mut failures = 0;
        let role = self.role;
        loop {
            let Some(current) = connection else {
                let Some(next) = self.reconnect(&mut failures).await else {
                    self.state.send_replace(State::Closed);
                    return;
                };
                let next = Arc::new(next);
                tracing::info!(%role, "the broker is there");
                self.state.send_replace(State::Up(Arc::clone(&next)));
                connection = Some(next);
                continue;
            };
            let since = Instant::now();
            let Some(why) = self.until_lost(&current).await else {
                return self.close(&current).await;
            };
            tracing::warn!(%role, %why, "the connection to the broker was lost");
            self.state
                .send_replace(State::Down(BrokerError::Unreachable(why)));
            // At once only at the start: all programs lose a broker at the same moment.
            failures = if since.elapsed() > STABLE {
                1
            } else {
                failures.max(1)
            };
            connection = None;
        }
    }

    /// Waits until the connection is lost, and returns why; `None` if the link is to stop.
    async fn until_lost(&mut self, connection: &Connection) -> Option<String> {
        let mut events = Box::pin(connection.events_listener());
        let mut look = interval(LOOK);
        let mut why = "it closed".to_owned();
        loop {
            tokio::select! {
                () = stop(&mut self.stopped) => return None,
                event = events.next() => match event {
                    Some(Event::Error(error)) => why = error.to_string(),
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(%reason, "the broker takes no messages");
                        self.short_of.send_replace(Some(in_a_word(&reason)));
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!("the broker takes messages again");
                        self.short_of.send_replace(None);
                    }
                    Some(_) => {}
                    None => return Some(why),
                },
                _ = look.tick() => {}
            }
            // An error may concern only one channel.
            if !connection.status().connected() {
                return Some(why);
            }
        }
    }

    /// Opens the next connection; `None` if the link is to stop.
    async fn reconnect(&mut self, failures: &mut u32) -> Option<Connection> {
        loop {
            let wait = match failures.checked_sub(1) {
                Some(failures) => wait_again(failures, &self.context.random),
                None => Duration::ZERO,
            };
            *failures = failures.saturating_add(1);
            tokio::select! {
                () = stop(&mut self.stopped) => return None,
                () = sleep(wait) => {}
            }
            let opened = tokio::select! {
                () = stop(&mut self.stopped) => return None,
                opened = self.context.open(self.role) => opened,
            };
            match opened {
                Ok(connection) => return Some(connection),
                Err(error) => {
                    let tries = *failures;
                    tracing::warn!(role = %self.role, %error, tries, "the broker is away");
                    let why = match error {
                        BrokerError::Unreachable(_) | BrokerError::Refused(_) => error,
                        other => BrokerError::Unreachable(other.to_string()),
                    };
                    self.state.send_replace(State::Down(why));
                }
            }
        }
    }

    async fn close(&self, connection: &Connection) {
        self.state.send_replace(State::Closed);
        let closed = tokio::time::timeout(CLOSE, connection.close(200, "done".into()));
        if !matches!(closed.await, Ok(Ok(()))) {
            tracing::debug!(role = %self.role, "the connection was not closed in order");
        }
    }
}

/// What a broker is short of that gives this reason, such as `low on memory`.
fn in_a_word(reason: &str) -> String {
    match (reason.contains("memory"), reason.contains("disk")) {
        (true, true) => "memory and disk".to_owned(),
        (true, false) => "memory".to_owned(),
        (false, true) => "disk".to_owned(),
        (false, false) => reason.chars().take(100).collect(),
    }
}

/// Waits for a stop. A sender that is gone means a stop, too.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_is_short_of_is_a_word() {
        for (reason, expected) in [
            ("low on memory", "memory"),
            ("low on disk", "disk"),
            ("low on memory & disk", "memory and disk"),
            ("maintenance", "maintenance"),
        ] {
            assert_eq!(in_a_word(reason), expected);
        }
    }
}
