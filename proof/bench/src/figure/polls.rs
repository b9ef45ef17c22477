//! Status changes a second, by one worker; beside one task at a time, and the bare servers.

use std::sync::Arc;
use std::time::Duration;

use harness::client::Client;
use harness::upstream::Upstream;
use serde_json::json;
use shared::broker::SharedBroker;
use shared::broker::message::MOST_TASKS;
use shared::store::{Plans, Store};
use shared::task::ChannelId;
use tokio::time::Instant;

use super::Effort;
use crate::bare;
use crate::bare::store::Said;
use crate::flight::{Flight, broker};
use crate::report::{Cell, Spread, Table};
use crate::site::Site;
use crate::spent::{Parts, Spent};

/// Nobody is polled again while we measure.
const ENV: &[(&str, &str)] = &[("POLL_INITIAL_DELAY", "300s"), ("POLL_MAX_DELAY", "300s")];

/// Bare Postgres has as many batches at once as a worker at one channel.
const AT_ONCE: usize = 8;

/// What was measured in one round: tasks a second.
struct Round {
    moved: f64,
    same: f64,
    ended: f64,
    one_by_one: f64,
    lapin: f64,
    postgres: f64,
}

/// Measures it.
pub async fn measure(effort: Effort) -> Vec<Table> {
    let site = Site::prepare(ENV).await;
    let (upstream, channel) = site
        .channel("upstream", &["--fetch-latency", "5ms..50ms"])
        .await;
    let owner = site.user("bench", "user", 1_000_000_000_000_000, "").await;
    let bench = Bench {
        broker: Arc::new(broker(&site).await),
        store: Store::open(
            &shared::config::DatabaseUrl::Postgres(site.database_url.clone()),
            10,
            Plans::Fresh,
        )
        .await
        .expect("PostgreSQL answers"),
        site,
        upstream,
        channel,
        owner,
        count: effort.size(100_000, 300),
        spent: tokio::sync::Mutex::default(),
    };
    let mut rounds = Vec::new();
    for round in 0..u16::try_from(effort.rounds).unwrap_or(1) {
        rounds.push(bench.round(10 * round).await);
    }
    let tables = bench.tables(&rounds).await;
    bench.site.operator.run(&["audit"]).await;
    bench.site.take_down().await;
    tables
}

struct Bench {
    site: Site,
    upstream: Upstream,
    channel: i64,
    owner: Client,
    broker: Arc<shared::broker::rabbitmq::RabbitMq>,
    store: Store,
    count: u32,
    /// Of the last round, by what was done.
    spent: tokio::sync::Mutex<Vec<(&'static str, Spent)>>,
}

impl Bench {
    async fn round(&self, series: u16) -> Round {
        let worker = self.site.worker(&format!("worker-{series}")).await.0;
        let flight = self.take_off(series + 1, self.count).await;
        self.spent.lock().await.clear();
        let pid = worker.pid();
        let moved = self.poll("moved on", flight, 1, pid).await;
        let same = self.poll("nothing new", flight, 2, pid).await;
        self.upstream.finish(json!({})).await;
        let ended = self.poll("ended", flight, 3, pid).await;
        worker.stop(Duration::from_secs(30)).await;
        Round {
            moved,
            same,
            ended,
            one_by_one: self.one_by_one(series + 2).await,
            lapin: self.lapin().await,
            postgres: self.postgres(series + 3).await,
        }
    }

    async fn take_off(&self, series: u16, count: u32) -> Flight {
        let at = (&self.upstream, self.channel);
        let life = json!({"takes": "0s", "stuck": true});
        Flight::take_off(&self.site, &self.owner, at, (series, count), life).await
    }

    /// All of it is polled once more by a worker, `times` times then: tasks a second, the messages' way in counted.
    async fn poll(&self, what: &'static str, flight: Flight, times: u32, worker: u32) -> f64 {
        let parts = Parts {
            workers: &[worker],
            upstreams: &[self.upstream.pid()],
            ..Parts::default()
        };
        // What an earlier poll left for later would come as stale.
        self.site.rabbitmq.purge("delay.300s").await;
        let spent = Spent::so_far(&self.site, &parts).await;
        let started = Instant::now();
        flight.wake(&self.site, &self.broker, Duration::ZERO).await;
        flight.polled(&self.site, times).await;
        let rate = f64::from(flight.count) / started.elapsed().as_secs_f64();
        let spent = Spent::so_far(&self.site, &parts).await.since(spent);
        self.spent.lock().await.push((what, spent));
        rate
    }

    async fn one_by_one(&self, series: u16) -> f64 {
        use shared::broker::Broker as _;
        let count = (self.count / 25).min(4000);
        let flight = self.take_off(series, count).await;
        let tasks = flight.unfinished(&self.site).await;
        let messages = flight.messages(&tasks, 1);
        self.broker
            .publish(&messages)
            .await
            .expect("RabbitMQ answers");
        let broker: SharedBroker = self.broker.clone();
        let took = bare::one_by_one::poll_all(&self.store, &broker, tasks.len()).await;
        flight.polled(&self.site, 1).await;
        self.forget(flight).await;
        f64::from(count) / took.as_secs_f64()
    }

    async fn lapin(&self) -> f64 {
        let message = shared::broker::Message::Poll {
            channel: ChannelId(self.channel),
            tasks: (0..100)
                .map(|n| shared::task::AtTurn {
                    row: shared::task::RowId(1_000_000 + n),
                    turn: shared::task::Turn(4),
                })
                .collect(),
        };
        let count = self.count as usize / MOST_TASKS;
        let messages = vec![message.to_json(); count];
        let took = bare::broker::move_messages(&self.site.amqp_url, &messages).await;
        f64::from(self.count) / took.as_secs_f64()
    }

    async fn postgres(&self, series: u16) -> f64 {
        let count = (self.count / 2).max(100);
        let flight = self.take_off(series, count).await;
        let tasks = flight.unfinished(&self.site).await;
        let channel = ChannelId(self.channel);
        let took = bare::store::poll(&self.store, channel, &tasks, AT_ONCE, Said::News).await;
        self.forget(flight).await;
        f64::from(count) / took.as_secs_f64()
    }

    /// The next round has this flight's tasks to look through no more.
    async fn forget(&self, flight: Flight) {
        let (from, to) = (flight.first_row(), flight.end_row());
        let sql = format!(
            "UPDATE unfinished_tasks SET due_at = due_at + 3600000 WHERE id >= {from} AND id < {to}"
        );
        self.site.execute(&sql).await;
    }

    async fn tables(&self, rounds: &[Round]) -> Vec<Table> {
        let about = format!(
            "{} tasks in flight at one channel, 100 ids a call, one worker, from the moment their \
             messages are published until the last of them is written. The upstream answers within \
             5 to 50 ms. One by one: the worker's own code, a message, a call and a transaction a \
             task, 32 at once. Bare lapin: as many messages of the same size, received from one \
             quorum queue, published to another with a confirm, acknowledged. Bare Postgres: the \
             statements of the same polls alone, 8 batches at once.",
            self.count
        );
        let columns = [
            "what",
            "tasks a second",
            "ours (moved on) is so many times it",
        ];
        let mut table = Table::new("polls", &about, &columns);
        let mut row = |what: &str, of: fn(&Round) -> f64| {
            let rate = Spread::of(rounds.iter().map(of));
            let ratio = Spread::of(rounds.iter().map(|round| round.moved / of(round)));
            table.row(vec![what.into(), rate.into(), ratio.into()]);
        };
        row("moved on: status and result written", |round| round.moved);
        row("nothing new", |round| round.same);
        row("ended: SUCCESS and result written", |round| round.ended);
        row("one by one, moved on", |round| round.one_by_one);
        row("bare lapin", |round| round.lapin);
        row("bare Postgres, moved on", |round| round.postgres);

        let columns = [&["what"], &Spent::COLUMNS[..]].concat();
        let about = "Processor time a task in the last round, by part.";
        let mut spent = Table::new("polls: processor time", about, &columns);
        for (what, each) in self.spent.lock().await.iter() {
            let cells = each.cells(f64::from(self.count));
            spent.row([vec![Cell::from(*what)], cells].concat());
        }
        vec![table, spent]
    }
}
