//! A connection that comes back.
//!
//! lapin's own recovery stays off: it replays what it remembers and hides that anything happened,
//! but what was under way (a confirm, a prefetched message) is lost with the connection, and those
//! who wait for it have to know. So a connection here lives once; a [`Link`] opens the next one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::{Connection, Event};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep};

use super::connection::Connector;
use super::names::{Names, Role};
use super::topology;
use crate::backoff::{growing, jittered};
use crate::broker::{BrokerError, Result};
use crate::random::Random;

/// The first wait before a connection is tried again, and the most between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const MOST_WAIT: Duration = Duration::from_secs(5);

/// A connection that lived this long starts the row of waits anew.
const STABLE: Duration = Duration::from_secs(10);

/// How often we look whether the connection stands, besides being told.
const LOOK: Duration = Duration::from_millis(500);

/// How long a connection may take to be closed in order.
const CLOSE: Duration = Duration::from_secs(3);

/// The wait before try number `failures` (from 0) to get something back from the broker.
pub(super) fn wait_again(failures: u32, random: &Random) -> Duration {
    jittered(growing(FIRST_WAIT, 2.0, MOST_WAIT, failures), 0.5, random)
}

/// What everything that talks to one broker shares.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) connector: Connector,
    pub(super) names: Names,
    pub(super) random: Arc<Random>,
}

impl Site {
    /// A connection on which everything is declared.
    pub(super) async fn open(&self, role: Role) -> Result<Connection> {
        let connection = self.connector.open(role).await?;
        topology::declare(&connection, &self.names).await?;
        Ok(connection)
    }
}

/// How the connection is.
#[derive(Debug, Clone)]
enum State {
    Up(Arc<Connection>),
    /// Not there, and why.
    Down(String),
    Closed,
}

/// A connection that comes back after it was lost, until it is closed.
#[derive(Debug)]
pub(super) struct Link {
    role: Role,
    state: watch::Receiver<State>,
    stop: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Link {
    /// Keeps `connection`, and its successors, up.
    pub(super) fn keep(site: Arc<Site>, role: Role, connection: Connection) -> Self {
        let first = Arc::new(connection);
        let (state_in, state) = watch::channel(State::Up(Arc::clone(&first)));
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper {
            site,
            role,
            state: state_in,
            stopped,
        };
        let task = tokio::spawn(keeper.run(first));
        Self {
            role,
            state,
            stop,
            task: tokio::sync::Mutex::new(Some(task)),
        }
    }

    /// The connection, or at once why there is none.
    pub(super) fn connection(&self) -> Result<Arc<Connection>> {
        match &*self.state.borrow() {
            State::Up(connection) if connection.status().connected() => Ok(Arc::clone(connection)),
            State::Up(_) => Err(BrokerError::Unreachable(format!(
                "the {} connection was lost just now",
                self.role
            ))),
            State::Down(why) => Err(BrokerError::Unreachable(why.clone())),
            State::Closed => Err(BrokerError::Closed),
        }
    }

    /// The connection as soon as there is one; an error only once the link was closed.
    pub(super) async fn connected(&self) -> Result<Arc<Connection>> {
        let mut state = self.state.clone();
        let state = state
            .wait_for(|state| match state {
                State::Up(connection) => connection.status().connected(),
                State::Down(_) => false,
                State::Closed => true,
            })
            .await
            .map_err(|_| BrokerError::Closed)?;
        match &*state {
            State::Up(connection) => Ok(Arc::clone(connection)),
            State::Down(_) | State::Closed => Err(BrokerError::Closed),
        }
    }

    /// Closes the connection, for good.
    pub(super) async fn close(&self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.lock().await.take() {
            // It can only fail by a panic, which was reported where it happened.
            let _ = task.await;
        }
    }
}

/// The task behind a [`Link`].
struct Keeper {
    site: Arc<Site>,
    role: Role,
    state: watch::Sender<State>,
    stopped: watch::Receiver<bool>,
}

impl Keeper {
    async fn run(mut self, mut connection: Arc<Connection>) {
        let mut failures = 0;
        loop {
            let since = Instant::now();
            let Some(why) = self.until_lost(&connection).await else {
                return self.close(&connection).await;
            };
            let role = self.role;
            tracing::warn!(%role, %why, "the connection to the broker was lost");
            self.state.send_replace(State::Down(why));
            if since.elapsed() > STABLE {
                failures = 0;
            }
            let Some(next) = self.reconnect(&mut failures).await else {
                self.state.send_replace(State::Closed);
                return;
            };
            connection = Arc::new(next);
            self.state.send_replace(State::Up(Arc::clone(&connection)));
            tracing::info!(%role, "the connection to the broker is back");
        }
    }

    /// Why the connection was lost; `None` if we are to stop.
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
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!("the broker takes messages again");
                    }
                    Some(_) => {}
                    None => return Some(why),
                },
                _ = look.tick() => {}
            }
            // An error may be one channel's only.
            if !connection.status().connected() {
                return Some(why);
            }
        }
    }

    /// The next connection; `None` if we are to stop.
    async fn reconnect(&mut self, failures: &mut u32) -> Option<Connection> {
        loop {
            let wait = wait_again(*failures, &self.site.random);
            *failures = failures.saturating_add(1);
            tokio::select! {
                () = stop(&mut self.stopped) => return None,
                () = sleep(wait) => {}
            }
            let opened = tokio::select! {
                () = stop(&mut self.stopped) => return None,
                opened = self.site.open(self.role) => opened,
            };
            match opened {
                Ok(connection) => return Some(connection),
                Err(error) => {
                    let tries = *failures;
                    tracing::warn!(role = %self.role, %error, tries, "the broker is still away");
                    let why = match error {
                        BrokerError::Unreachable(why) => why,
                        other => other.to_string(),
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

/// Waits until we are to stop. A sender that is gone says so too.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
