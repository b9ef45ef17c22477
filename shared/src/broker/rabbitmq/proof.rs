//! Proves at the start that each queue takes messages.
//!
//! A quorum queue whose broker was killed while it was declared can come back without a leader: it can be
//! declared again, and never confirms a message. So at the start each queue gets a probe, and must confirm
//! it. The probe is taken back from a queue that was empty; in a queue with messages, a worker gets it in
//! its turn and acknowledges it. Programs that start together may take each other's probes and leave
//! their own; in a waiting or parking queue these soon expire.

use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::time::{Instant, sleep};

use super::channel::{self, ANSWER, mandatory};
use super::error::{broker_error, within};
use super::names::Names;
use super::publisher::properties;
use crate::broker::{BrokerError, Depth, Queue, Result};
use crate::task::wait::Rung;

/// The longest time that a queue may refuse. A queue refuses while it elects a leader, after its
/// declaration or a restart of the broker; on a slow disk that takes seconds.
const ELECTION: Duration = Duration::from_secs(30);

/// The wait before a queue that refused gets another probe.
const PAUSE: Duration = Duration::from_millis(250);

/// The `type` property of a probe.
const PROBE: &str = "probe";

/// The body of a probe, for an operator who finds one.
const BODY: &[u8] = br#"{"v":1,"probe":true}"#;

/// The longest time that a probe stays in a waiting or parking queue that has nothing else, in milliseconds.
const EXPIRATION: &str = "5000";

/// The most messages that are looked at to find the probe again.
const LOOKS: usize = 5;

/// Whether a message is a probe, which is to be acknowledged.
pub(super) fn is_probe(properties: &BasicProperties) -> bool {
    properties
        .kind()
        .as_ref()
        .is_some_and(|kind| kind.as_str() == PROBE)
}

/// Proves that all queues take messages; the error names the queue that does not. `depths` is what the
/// declaration returned.
pub(super) async fn prove(connection: &Connection, names: &Names, depths: &[Depth]) -> Result<()> {
    let channel = channel::open_confirming(connection).await?;
    let probes: Vec<Probe> = probes(names, depths).collect();
    let proven = join_all(probes.iter().map(|probe| probe.send(&channel))).await;
    proven.into_iter().collect::<Result<()>>()?;
    for probe in probes.iter().filter(|probe| probe.was_empty) {
        probe.take_back(&channel).await?;
    }
    channel::close(&channel).await;
    Ok(())
}

/// A probe of one queue.
struct Probe {
    queue: String,
    exchange: String,
    routing_key: &'static str,
    was_empty: bool,
    /// Whether the probe expires. From a waiting queue it goes to the poll queue then, and from the parking
    /// queue nowhere; from a work queue it would go to the parking queue.
    expires: bool,
}

fn probes<'a>(names: &'a Names, depths: &'a [Depth]) -> impl Iterator<Item = Probe> + 'a {
    let probe = |queue: String, exchange: String, routing_key: &'static str| Probe {
        expires: false,
        was_empty: depths
            .iter()
            .all(|depth| depth.queue != queue || depth.messages == 0),
        queue,
        exchange,
        routing_key,
    };
    let work = [Queue::Submit, Queue::Poll]
        .map(|queue| probe(names.queue(queue), names.work(), queue.as_str()));
    let waiting = Rung::LADDER.map(|rung| Probe {
        expires: true,
        ..probe(names.delay(rung), names.delay(rung), Queue::Poll.as_str())
    });
    // No worker reads the parking queue. A refused probe may be there all the same, beside the one that was
    // sent after it: it goes nowhere when it expires.
    let parking = Probe {
        expires: true,
        ..probe(names.parking(), names.dead(), "")
    };
    work.into_iter()
        .chain(waiting)
        .chain(Some(parking).filter(|parking| parking.was_empty))
}

impl Probe {
    /// Sends the probe until the queue takes it.
    async fn send(&self, channel: &Channel) -> Result<()> {
        let doing = format!(
            "proving that queue {} takes messages (if it never does, it has lost its leader: delete it)",
            self.queue
        );
        let patience = Instant::now() + ELECTION;
        loop {
            match within(ANSWER, &doing, self.publish(channel)).await? {
                Confirmation::Ack(None) => return Ok(()),
                Confirmation::Nack(_) if Instant::now() < patience => sleep(PAUSE).await,
                refused => return Err(BrokerError::NotTaken(format!("{doing}: {refused:?}"))),
            }
        }
    }

    async fn publish(&self, channel: &Channel) -> lapin::Result<Confirmation> {
        let mut properties = properties().with_type(PROBE.into());
        if self.expires {
            properties = properties.with_expiration(EXPIRATION.into());
        }
        let sent = channel.basic_publish(
            self.exchange.as_str().into(),
            self.routing_key.into(),
            mandatory(),
            BODY,
            properties,
        );
        sent.await?.await
    }

    async fn take_back(&self, channel: &Channel) -> Result<()> {
        let doing = format!("taking a probe back from queue {}", self.queue);
        let failed = |error: lapin::Error| broker_error(&doing, &error);
        let mut others = Vec::new();
        for _ in 0..LOOKS {
            let got = channel.basic_get(self.queue.as_str().into(), BasicGetOptions::default());
            // None: a worker took the probe.
            let Some(message) = within(ANSWER, &doing, got).await? else {
                break;
            };
            if is_probe(&message.properties) {
                let acked = message.acker.ack(BasicAckOptions::default());
                acked.await.map_err(failed)?;
                break;
            }
            others.push(message);
        }
        for other in others {
            let back = BasicNackOptions {
                requeue: true,
                ..BasicNackOptions::default()
            };
            other.acker.nack(back).await.map_err(failed)?;
        }
        Ok(())
    }
}
