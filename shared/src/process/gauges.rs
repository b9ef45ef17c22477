//! The gauges of `GET /metrics` in every program: unfinished tasks, queue lengths, cool-downs of
//! channels, whether database and broker answer.
//!
//! They are read in the background and not by the scrape, so that `/metrics` answers at once even
//! if the database hangs. Every process reads the same tables and the same broker, so aggregate such a
//! gauge of several processes with `max`, never with `sum`. Whether a process reaches them, its pool of
//! connections and its build are its own (`docs/operations.md`).

mod of_channels;

use std::convert::Infallible;
use std::time::Duration;

use metrics::{Gauge, counter, gauge};
use tokio::time::{Instant, timeout};

use crate::broker::SharedBroker;
use crate::clock::SharedClock;
use crate::process::lifecycle::Stop;
use crate::process::telemetry::Figure;
use crate::store::Store;
use of_channels::{of_channel, waiting};

/// The figures of every program.
pub const FIGURES: &[Figure] = &[
    Figure::Gauge(
        "task_center_build_info",
        "1, by version and commit of this program",
    ),
    Figure::Gauge(
        "task_center_database_connections",
        "Database connections of this process, by pool (all; SQLite: write, read) and state (busy, idle)",
    ),
    Figure::Gauge(
        "task_center_database_connections_limit",
        "The most database connections that this process may have, by pool",
    ),
    Figure::Gauge(
        "task_center_database_waiting",
        "Units of work of this process that wait for a database connection",
    ),
    Figure::Gauge(
        "task_center_reachable",
        "Whether database and broker answered when they were asked last: 1 or 0, by what",
    ),
    Figure::Gauge(
        "task_center_unfinished_tasks",
        "Unfinished tasks, by state (to_submit, sending, at_upstream)",
    ),
    Figure::Gauge(
        "task_center_overdue_tasks",
        "Unfinished tasks that should have been looked at more than 10 s ago",
    ),
    Figure::Gauge(
        "task_center_waiting_tasks",
        "Tasks that wait to be sent, by reason (limit, place, rest, no_channel)",
    ),
    Figure::Gauge(
        "task_center_channel_tasks",
        "Tasks that are being sent to a channel or are at its upstream, by channel",
    ),
    Figure::Gauge(
        "task_center_channel_limit",
        "How many tasks a channel may have at once, as set or as learnt, by channel",
    ),
    Figure::Gauge(
        "task_center_channel_health",
        "Whether a channel is in a state: 1 or 0, by channel and state (closed, open, half-open)",
    ),
    Figure::Gauge(
        "task_center_channel_rest_seconds",
        "For how long a channel rests yet, 0 if it does not, by channel and calls (submit, fetch)",
    ),
    Figure::Gauge(
        "task_center_queue_messages",
        "Messages that are ready in a queue, or wait in it, by queue",
    ),
    Figure::Gauge(
        "task_center_parking_messages",
        "Messages that no worker can handle, in the parking queue now",
    ),
    Figure::Counter(
        "task_center_parked_messages_total",
        "Messages that this process sent to the parking queue, by queue and reason",
    ),
    Figure::Counter(
        "task_center_publish_failures_total",
        "Batches of messages that could not be published",
    ),
];

/// The time between two readings.
const INTERVAL: Duration = Duration::from_secs(15);
/// The time between two looks at the pools of connections, which ask nobody.
const POOL_INTERVAL: Duration = Duration::from_secs(1);
/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that this program was built from, if whoever built it said so.
const COMMIT: &str = match option_env!("TASK_CENTER_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
/// The longest time of one reading. A reading changes nothing, so that it can be dropped at any
/// point.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after a reading is at least this many times as long as the reading took, so that
/// counting a million unfinished tasks does not load the database.
const PAUSE_FACTOR: u32 = 20;
/// A task counts as overdue after this time. The sweep leaves it to its message for as long.
const OVERDUE_AFTER: Duration = Duration::from_secs(10);

/// The sources of the gauges.
pub(super) struct Gauges {
    pub store: Store,
    pub broker: SharedBroker,
    pub clock: SharedClock,
}

/// Gauges and their new values.
type Reading = Vec<(Gauge, f64)>;

/// Where a reading comes from.
#[derive(Clone, Copy)]
enum Source {
    Database,
    Broker,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Broker => "broker",
        }
    }
}

impl Gauges {
    /// Updates the gauges until a stop is requested. The two sources are read independently, so
    /// that a hanging broker does not delay the gauges of the database.
    pub async fn run(self, stop: Stop) -> Result<(), Infallible> {
        counter!("task_center_publish_failures_total").increment(0);
        tokio::select! {
            () = stop.requested() => {}
            () = self.update(Source::Database) => {}
            () = self.update(Source::Broker) => {}
            () = self.watch_pools() => {}
        }
        Ok(())
    }

    /// Shows the pools of connections again and again.
    async fn watch_pools(&self) {
        loop {
            show_pools(&self.store);
            tokio::time::sleep(POOL_INTERVAL).await;
        }
    }

    async fn update(&self, source: Source) {
        let who = source.as_str();
        let mut shown: Vec<Gauge> = Vec::new();
        let mut is_away = false;
        loop {
            let started = Instant::now();
            let read = self.read(source).await;
            gauge!("task_center_reachable", "what" => who).set(u8::from(read.is_ok()));
            let pause = match read {
                Ok(reading) => {
                    is_away = false;
                    shown = show(reading);
                    INTERVAL.max(started.elapsed() * PAUSE_FACTOR)
                }
                Err(why) => {
                    // The values are unknown; the old ones would look like a quiet system.
                    for gauge in &shown {
                        gauge.set(f64::NAN);
                    }
                    if !is_away {
                        tracing::warn!(who, why, "gauges could not be read; they show NaN");
                    }
                    is_away = true;
                    INTERVAL
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn read(&self, source: Source) -> Result<Reading, String> {
        let reading = async {
            match source {
                Source::Database => self.database().await.map_err(|error| error.to_string()),
                Source::Broker => self.queues().await.map_err(|error| error.to_string()),
            }
        };
        timeout(TIMEOUT, reading)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")))
    }

    async fn database(&self) -> crate::store::Result<Reading> {
        let now = self.clock.now();
        let backlog = self.store.backlog(now.before(OVERDUE_AFTER)).await?;
        let unfinished =
            |state: &'static str| gauge!("task_center_unfinished_tasks", "state" => state);
        let mut reading = vec![
            (unfinished("to_submit"), number(backlog.to_submit)),
            (unfinished("sending"), number(backlog.sending)),
            (unfinished("at_upstream"), number(backlog.at_upstream)),
            (gauge!("task_center_overdue_tasks"), number(backlog.overdue)),
        ];
        let channels = self.store.listed_channels(now).await?;
        reading.extend(waiting(&channels, &self.store.waiting_tasks().await?));
        for listed in &channels {
            reading.extend(of_channel(listed, now));
        }
        Ok(reading)
    }

    async fn queues(&self) -> crate::broker::Result<Reading> {
        let mut reading = Vec::new();
        for depth in self.broker.depths().await? {
            if depth.is_parking() {
                let gauge = gauge!("task_center_parking_messages");
                reading.push((gauge, number(depth.messages)));
            }
            let gauge = gauge!("task_center_queue_messages", "queue" => depth.queue);
            reading.push((gauge, number(depth.messages)));
        }
        Ok(reading)
    }
}

/// Shows which program this is.
pub(super) fn show_build() {
    gauge!("task_center_build_info", "version" => VERSION, "commit" => COMMIT).set(1);
}

fn show_pools(store: &Store) {
    for pool in store.pools() {
        let connections = |state| gauge!("task_center_database_connections", "pool" => pool.name, "state" => state);
        connections("busy").set(pool.busy);
        connections("idle").set(pool.idle);
        gauge!("task_center_database_connections_limit", "pool" => pool.name).set(pool.limit);
    }
    gauge!("task_center_database_waiting").set(number(Store::waiting_for_connections()));
}

/// Sets the gauges of a reading and returns them.
fn show(reading: Reading) -> Vec<Gauge> {
    reading
        .into_iter()
        .map(|(gauge, number)| {
            gauge.set(number);
            gauge
        })
        .collect()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "above 2^53 messages, one more or less does not matter"
)]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use harness::folder::Folder;

    use super::*;
    use crate::broker::in_process::InProcess;
    use crate::broker::{Broker as _, Message, Outgoing};
    use crate::clock::SystemClock;
    use crate::config::DatabaseUrl;
    use crate::process::telemetry::Figures;
    use crate::store::Plans;
    use crate::task::{AtTurn, RowId, Turn};

    async fn gauges(broker: &Arc<InProcess>, folder: &Folder) -> Gauges {
        let file = folder.path().join("gauges.db");
        let store = Store::open(&DatabaseUrl::Sqlite(file), 2, Plans::Kept).await;
        let store = store.expect("the database opens");
        store.migrate().await.expect("the tables are made");
        Gauges {
            store,
            broker: broker.clone(),
            clock: Arc::new(SystemClock),
        }
    }

    fn shows(figures: &Figures, line: &str) -> bool {
        figures.render().lines().any(|shown| shown == line)
    }

    #[tokio::test]
    async fn known_gauges_show_their_value_and_unknown_ones_nan() {
        let figures = Figures::install();
        let broker = Arc::new(InProcess::new());
        let submit = Outgoing {
            message: Message::Submit(AtTurn {
                row: RowId(1),
                turn: Turn::FIRST,
            }),
            delay: None,
        };
        broker.publish(&[submit]).await.expect("it takes it");
        let folder = Folder::new();
        let gauges = gauges(&broker, &folder).await;
        let reading = gauges.read(Source::Database).await.expect("it answers");
        show(reading);
        for line in [
            "task_center_unfinished_tasks{state=\"to_submit\"} 0",
            "task_center_overdue_tasks 0",
        ] {
            assert!(shows(&figures, line), "{line}\n{}", figures.render());
        }

        tokio::time::pause();
        let updating = tokio::spawn(async move { gauges.update(Source::Broker).await });
        tokio::time::sleep(INTERVAL / 2).await;
        for line in [
            "task_center_queue_messages{queue=\"task.submit\"} 1",
            "task_center_queue_messages{queue=\"task.delay.300s\"} 0",
            "task_center_parking_messages 0",
            "task_center_reachable{what=\"broker\"} 1",
        ] {
            assert!(shows(&figures, line), "{line}\n{}", figures.render());
        }
        broker.close().await;
        tokio::time::sleep(INTERVAL).await;
        for line in [
            "task_center_queue_messages{queue=\"task.submit\"} NaN",
            "task_center_parking_messages NaN",
            "task_center_reachable{what=\"broker\"} 0",
        ] {
            assert!(shows(&figures, line), "{line}\n{}", figures.render());
        }
        updating.abort();
    }
}
