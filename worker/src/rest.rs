//! A worker that can call no channel rests: it takes no messages, so that other workers get them, and tries
//! again by itself. No channel cools down for it, and no attempt of a task is counted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use metrics::gauge;
use shared::backoff::{growing, jittered};
use shared::broker::{BrokerError, Consumer, Delivery, Queue};
use shared::store::channels::Channel;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::context::Context;
use upstream::connect::{Blame, LocalTrouble, NoConnection, reach};

/// The first pause between two tries of a worker that rests.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST: Duration = Duration::from_mins(1);
/// The pauses start over after this time without trouble.
const WELL_AFTER: Duration = Duration::from_mins(2);
/// How long it counts that another channel was reached.
const REACHED_FOR: Duration = Duration::from_secs(5);
/// The pause between two tries to consume a queue again.
const CONSUME_AGAIN: Duration = Duration::from_secs(2);

/// Whether this worker rests.
#[derive(Debug)]
pub struct Rest {
    resting: watch::Sender<Option<Resting>>,
    /// When another channel was reached last, although one could not be.
    reached: Mutex<Option<Instant>>,
}

/// Why a worker rests.
#[derive(Debug, Clone)]
struct Resting {
    trouble: LocalTrouble,
    /// The base URL of the channel that was not reached.
    base_url: String,
    since: Instant,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            resting: watch::Sender::new(None),
            reached: Mutex::default(),
        }
    }
}

impl Rest {
    /// Why this worker rests. `None`: it works.
    pub fn trouble(&self) -> Option<LocalTrouble> {
        let resting = self.resting.borrow();
        resting.as_ref().map(|resting| resting.trouble)
    }

    /// See [`is_at_fault`].
    async fn blames_us(&self, all: &[Channel], channel: &Channel, why: &NoConnection) -> bool {
        let trouble = match why.blame {
            Blame::Channel => return false,
            Blame::Worker(trouble) => trouble,
            Blame::WorkerOrChannel(trouble) => {
                // Many calls fail at once: one of them looks.
                let mut reached = self.reached.lock().await;
                if self.trouble().is_some() {
                    return true;
                }
                if reached.is_some_and(|at| at.elapsed() < REACHED_FOR) {
                    return false;
                }
                if reaches_another(all, &channel.base_url).await {
                    *reached = Some(Instant::now());
                    return false;
                }
                trouble
            }
        };
        self.begin(trouble, channel, &why.what);
        true
    }

    fn begin(&self, trouble: LocalTrouble, channel: &Channel, what: &str) {
        let begun = self.resting.send_if_modified(|resting| {
            let begins = resting.is_none();
            resting.get_or_insert_with(|| Resting {
                trouble,
                base_url: channel.base_url.clone(),
                since: Instant::now(),
            });
            begins
        });
        if begun {
            show(Some(trouble));
            tracing::warn!(
                trouble = trouble.as_str(), channel = %channel.name, what,
                "this worker cannot call upstreams: it rests, takes no work, and tries again; \
                 the channel is not at fault, and other workers go on"
            );
        }
    }

    fn end(&self) {
        if let Some(resting) = self.resting.send_replace(None) {
            show(None);
            let seconds = resting.since.elapsed().as_secs();
            let trouble = resting.trouble.as_str();
            tracing::info!(
                trouble,
                seconds,
                "this worker can call upstreams, and works again"
            );
        }
    }

    /// Waits until this worker rests.
    async fn begun(&self) {
        // The sender is not dropped meanwhile.
        let _ = self.resting.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits until this worker works.
    async fn ended(&self) {
        let _ = self.resting.subscribe().wait_for(Option::is_none).await;
    }

    /// Tries whether calls would be made again.
    async fn is_over(&self, all: &[Channel]) -> bool {
        let Some(resting) = self.resting.borrow().clone() else {
            return true;
        };
        match reach(&resting.base_url).await.map_err(|why| why.blame) {
            Ok(()) | Err(Blame::Channel) => true,
            Err(Blame::Worker(_)) => false,
            Err(Blame::WorkerOrChannel(_)) => reaches_another(all, &resting.base_url).await,
        }
    }
}

/// Whether this worker is at fault if a call of `channel` made no connection: then this worker rests.
pub async fn is_at_fault(context: &Context, channel: &Channel, why: &NoConnection) -> bool {
    let channels = context.channels.all().await.unwrap_or_default();
    context.rest.blames_us(&channels, channel, why).await
}

/// Tries again and again whether a rest is over, until a stop is requested.
pub async fn run(context: Arc<Context>) {
    show(None);
    let mut tries = 0;
    let mut ended = None;
    loop {
        tokio::select! {
            () = context.stop.requested() => return,
            () = context.rest.begun() => {}
        }
        if ended.is_some_and(|at: Instant| at.elapsed() > WELL_AFTER) {
            tries = 0;
        }
        loop {
            let pause = growing(SHORTEST, 2.0, LONGEST, tries);
            tokio::select! {
                () = context.stop.requested() => return,
                () = tokio::time::sleep(jittered(pause, 0.2, &context.random)) => {}
            }
            tries = tries.saturating_add(1);
            let channels = context.channels.all().await.unwrap_or_default();
            if context.rest.is_over(&channels).await {
                break;
            }
        }
        ended = Some(Instant::now());
        context.rest.end();
    }
}

/// Whether the address of an enabled channel other than `base_url` can be reached.
async fn reaches_another(channels: &[Channel], base_url: &str) -> bool {
    let others = channels
        .iter()
        .filter(|other| other.enabled && other.base_url != base_url)
        .map(|other| reach(&other.base_url));
    join_all(others).await.iter().any(Result::is_ok)
}

/// Shows in the figures whether this worker rests.
fn show(resting: Option<LocalTrouble>) {
    for trouble in LocalTrouble::ALL {
        gauge!("task_center_worker_resting", "why" => trouble.as_str())
            .set(u8::from(resting == Some(trouble)));
    }
}

/// The messages of a queue, but for the times in which this worker rests.
pub struct Intake {
    context: Arc<Context>,
    queue: Queue,
    prefetch: u16,
    consumer: Option<Box<dyn Consumer>>,
}

impl Intake {
    /// The messages of `consumer`, and of those that follow it after a rest.
    pub fn new(
        context: &Arc<Context>,
        queue: Queue,
        prefetch: u16,
        consumer: Box<dyn Consumer>,
    ) -> Self {
        Self {
            context: context.clone(),
            queue,
            prefetch,
            consumer: Some(consumer),
        }
    }

    /// The next message; `None` once the broker is closed. Cancel-safe, as [`Consumer::next`].
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let rest = &self.context.rest;
            if let Some(consumer) = &mut self.consumer {
                tokio::select! {
                    () = rest.begun() => {}
                    delivery = consumer.next() => return delivery,
                }
                // Dropped, the consumer takes no more, and what it holds goes back to its queue.
                self.consumer = None;
            }
            rest.ended().await;
            match self.context.broker.consume(self.queue, self.prefetch).await {
                Ok(consumer) => self.consumer = Some(consumer),
                Err(BrokerError::Closed) => return None,
                Err(error) => {
                    tracing::warn!(%error, queue = self.queue.as_str(),
                        "the queue could not be consumed again after a rest; it will be");
                    tokio::time::sleep(CONSUME_AGAIN).await;
                }
            }
        }
    }

    /// See [`Consumer::stop`].
    pub async fn stop(&mut self) {
        if let Some(consumer) = &mut self.consumer {
            consumer.stop().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::secret::Secret;
    use shared::store::channels::NewChannel;
    use shared::task::{ChannelId, Platform};
    use tokio::net::TcpListener;

    use super::*;

    fn channel(id: i64, base_url: &str) -> Channel {
        let (name, url) = (format!("c{id}"), base_url.to_owned());
        NewChannel::new(&name, Platform::SUNO, url, Secret::new("")).with_id(ChannelId(id))
    }

    fn because(blame: Blame) -> NoConnection {
        NoConnection {
            what: "it failed".to_owned(),
            blame,
        }
    }

    #[tokio::test]
    async fn a_worker_that_reaches_another_channel_is_not_at_fault() {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let there = format!("http://{}", listener.local_addr().expect("it is bound"));
        // No system has a route there.
        let nowhere = "http://255.255.255.255";
        let mut channels = [channel(1, nowhere), channel(2, &there)];
        let no_names = because(Blame::WorkerOrChannel(LocalTrouble::Names));

        let rest = Rest::default();
        assert!(!rest.blames_us(&channels, &channels[0], &no_names).await);
        assert_eq!(rest.trouble(), None);

        channels[1].enabled = false;
        let rest = Rest::default();
        assert!(rest.blames_us(&channels, &channels[0], &no_names).await);
        assert_eq!(rest.trouble(), Some(LocalTrouble::Names));
        assert!(!rest.is_over(&channels).await);
        channels[1].enabled = true;
        assert!(rest.is_over(&channels).await);
    }

    #[tokio::test]
    async fn what_the_system_refuses_is_the_workers_fault_whatever_else_can_be_reached() {
        let rest = Rest::default();
        let all = [channel(1, "http://127.0.0.1:1")];
        let refused = because(Blame::Channel);
        assert!(!rest.blames_us(&all, &all[0], &refused).await);
        let no_descriptors = because(Blame::Worker(LocalTrouble::Descriptors));
        assert!(rest.blames_us(&all, &all[0], &no_descriptors).await);
        assert_eq!(rest.trouble(), Some(LocalTrouble::Descriptors));
        // A channel that refuses is reached: this worker can call.
        assert!(rest.is_over(&all).await);
    }
}
