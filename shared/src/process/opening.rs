//! A program serves while its servers are away: what needs them is done in the background, as soon as they are
//! there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::lifecycle::Stop;
use super::start::{StartError, put_environment_channel};
use super::time_keeper;
use crate::broker::{BrokerError, SharedBroker};
use crate::clock::{Clock as _, FollowingClock};
use crate::config::Suno;
use crate::store::Store;

/// The pause between two looks for a server that is away.
const EVERY: Duration = Duration::from_secs(1);
/// So many looks apart the log says that the program still waits.
const SAY_EVERY: u32 = 30;

/// How far a start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The servers answer so far.
    UnderWay,
    /// A server is away.
    Waiting,
    /// All is there.
    Done,
}

/// Whether what a program needs is there. Clones share the answer.
#[derive(Debug, Clone)]
pub struct Started {
    progress: watch::Receiver<Progress>,
    stop: Stop,
}

impl Started {
    pub(super) fn new(progress: watch::Receiver<Progress>, stop: Stop) -> Self {
        Self { progress, stop }
    }

    /// Whether all is there now.
    pub fn is_done(&self) -> bool {
        *self.progress.borrow() == Progress::Done
    }

    /// Waits until all is there; `false` if a stop is requested before, or the start failed.
    pub async fn wait(&self) -> bool {
        let mut progress = self.progress.clone();
        tokio::select! {
            biased;
            () = self.stop.requested() => false,
            done = progress.wait_for(|progress| *progress == Progress::Done) => done.is_ok(),
        }
    }
}

/// What a start opens.
pub(super) struct Opening {
    pub store: Store,
    pub broker: SharedBroker,
    pub clock: Arc<FollowingClock>,
    /// The environment's channel.
    pub suno: Option<Suno>,
    /// Whether the program can do nothing without the broker.
    pub needs_broker: bool,
    pub progress: watch::Sender<Progress>,
}

impl Opening {
    /// Sets the clock, brings the tables up to date, writes the environment's channel, and connects to the broker.
    /// Waits while a server is away. `Err`: waiting does not mend it.
    pub async fn run(self) -> Result<(), StartError> {
        self.database().await?;
        self.broker().await?;
        if *self.progress.borrow() == Progress::Waiting {
            tracing::info!("all servers are there: the program works now");
        }
        self.progress.send_replace(Progress::Done);
        Ok(())
    }

    async fn database(&self) -> Result<(), StartError> {
        let mut looks = 0;
        while let Err(error) = self.prepare().await {
            match error {
                StartError::Database(error) if error.passes_at_a_start() => {
                    self.store.blame(&error);
                    self.wait("database", &error.in_plain_words(), &mut looks)
                        .await;
                }
                error => return Err(error),
            }
        }
        Ok(())
    }

    async fn prepare(&self) -> Result<(), StartError> {
        let Self { store, clock, .. } = self;
        // First: as soon as the tables are up to date, requests are served by this clock.
        let set = time_keeper::set(clock, store).await;
        set.map_err(StartError::Database)?;
        store.migrate().await.map_err(StartError::Database)?;
        match &self.suno {
            Some(suno) => put_environment_channel(store, suno, clock.now()).await,
            None => Ok(()),
        }
    }

    async fn broker(&self) -> Result<(), StartError> {
        let mut looks = 0;
        while let Err(error) = self.broker.start().await {
            match error {
                BrokerError::Refused(_) | BrokerError::Closed => {
                    return Err(StartError::Broker(error));
                }
                error if self.needs_broker => {
                    self.wait("broker", &error.to_string(), &mut looks).await;
                }
                error => {
                    tracing::warn!(
                        %error, "the broker is away: submits are taken all the same, and wait for it"
                    );
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn wait(&self, server: &str, why: &str, looks: &mut u32) {
        self.progress.send_replace(Progress::Waiting);
        if looks.is_multiple_of(SAY_EVERY) {
            tracing::warn!(
                why,
                "waiting for the {server}; until it is there, /readyz answers 503"
            );
        }
        *looks += 1;
        sleep(EVERY).await;
    }
}
