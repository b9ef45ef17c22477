//! Tasks in flight that SQL writes: stored, charged and at an upstream, without a submit each.

use std::sync::Arc;
use std::time::Duration;

use harness::client::{Client, SONG};
use harness::cluster::{Channel, Cluster};
use harness::places::Made;
use harness::wait::eventually;
use serde_json::json;
use shared::broker::message::MOST_TASKS;
use shared::broker::rabbitmq::{RabbitMq, RabbitMqOptions};
use shared::broker::{Broker as _, Message, Outgoing};
use shared::random::Random;
use shared::secret::Secret;
use shared::task::{AtTurn, ChannelId, RowId, Turn};
use tokio::time::{Instant, sleep, sleep_until};

/// Series `n` takes the ids from `n` times this on. The ids of submitted tasks count from 1.
const IDS_A_SERIES: i64 = 1_000_000;

/// Tasks of one series at one channel.
#[derive(Debug, Clone, Copy)]
pub struct SeededTasks {
    pub channel: i64,
    /// The series; the upstream makes its ids from it.
    pub series: u16,
    pub count: u32,
    /// When the upstream made them, ms since 1970.
    pub made_at: i64,
}

impl SeededTasks {
    /// Writes `count` SUBMITTED tasks of `owner` at this channel. The upstream finishes each after
    /// `finished_after`; if that is `None`, each stays `IN_PROGRESS`.
    pub async fn seed(
        cluster: &Cluster,
        owner: &Client,
        channel: &Channel,
        (series, count): (u16, u32),
        finished_after: Option<Duration>,
    ) -> Self {
        let takes = finished_after.unwrap_or_default().as_millis();
        let order = json!({"series": series, "count": count, "takes": format!("{takes}ms"),
                           "stuck": finished_after.is_none()});
        let tasks = Self {
            channel: channel.id,
            series,
            count,
            made_at: channel.upstream.make(order).await,
        };
        let made_at = tasks.made_at;
        let all_now = format!("array_fill({made_at}::bigint, ARRAY[{count}])");
        cluster.execute(&tasks.sql(owner, &all_now)).await;
        tasks
    }

    /// Writes `count` SUBMITTED tasks of `owner` at this channel. They are in flight at mixed ages `in_a_while`: each
    /// was made before that moment and is finished after it. Returns their lives, too.
    pub async fn seed_in_flight(
        cluster: &Cluster,
        owner: &Client,
        channel: &Channel,
        (series, count): (u16, u32),
        in_a_while: Duration,
    ) -> (Self, Vec<Made>) {
        let order = json!({"series": series, "count": count,
                           "mixed_in": format!("{}ms", in_a_while.as_millis())});
        let tasks = Self {
            channel: channel.id,
            series,
            count,
            made_at: channel.upstream.make(order).await,
        };
        let mut made = channel.upstream.made().await;
        // The ids of a series are in the order of its tasks.
        made.sort_by(|one, other| one.task_id.cmp(&other.task_id));
        let born: Vec<String> = made.iter().map(|one| one.from.to_string()).collect();
        let born = format!("ARRAY[{}]::bigint[]", born.join(","));
        cluster.execute(&tasks.sql(owner, &born)).await;
        (tasks, made)
    }

    /// The lowest id.
    pub fn first_row(self) -> i64 {
        i64::from(self.series) * IDS_A_SERIES
    }

    /// The id after the highest one.
    pub fn end_row(self) -> i64 {
        self.first_row() + i64::from(self.count)
    }

    /// Writes what an API and a worker write for each task, except its history. `born` is an array of SQL: when each
    /// was made, ms since 1970.
    fn sql(self, owner: &Client, born: &str) -> String {
        let Self {
            channel,
            series,
            count,
            made_at,
        } = self;
        let (first, user, cost) = (self.first_row(), owner.id, i64::from(count) * SONG);
        let due_at = made_at + 290_000;
        format!(
            r#"
            WITH lives AS (
                SELECT nth - 1 AS n, born FROM unnest({born}) WITH ORDINALITY AS life (born, nth)
            ), made AS (
                INSERT INTO tasks (id, task_id, user_id, key_id, channel_id, upstream_id, platform,
                                   action, status, progress, quota, created_at, updated_at,
                                   submit_time, request, input, user_seq)
                OVERRIDING SYSTEM VALUE
                SELECT {first} + n, 'task_' || lpad(to_hex({first} + n), 32, '0'), {user}, k.id,
                       {channel},
                       '00000000-0000-0000-{series:04x}-' || lpad(to_hex(n), 12, '0'), 'suno',
                       'song', 'SUBMITTED', 10, {SONG}, born / 1000, born / 1000, born / 1000,
                       '{{"title":"One of many","prompt":"[Verse]\nRain on a tin roof"}}',
                       'Rain on a tin roof', u.tasks + n + 1
                FROM users u, lives,
                     (SELECT id FROM api_keys WHERE user_id = {user} LIMIT 1) k
                WHERE u.id = {user}
                RETURNING id, key_id, upstream_id
            ), paid AS (
                INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
                SELECT {user}, key_id, made.id, 'charge', -{SONG}, born
                FROM made JOIN lives ON made.id = {first} + n
            )
            INSERT INTO unfinished_tasks (id, due_at, deadline, stage, channel_id, upstream_id)
            SELECT made.id, {due_at}, born + 1800000, 'poll', {channel}, upstream_id
            FROM made JOIN lives ON made.id = {first} + n;
            UPDATE users SET quota = quota - {cost}, used_quota = used_quota + {cost},
                             tasks = tasks + {count}
            WHERE id = {user};
            UPDATE api_keys SET used_quota = used_quota + {cost}
            WHERE id = (SELECT id FROM api_keys WHERE user_id = {user} LIMIT 1);
            UPDATE channels SET used_quota = used_quota + {cost} WHERE id = {channel};
            ANALYZE tasks, unfinished_tasks;
            CHECKPOINT"#
        )
    }

    /// The unfinished tasks, each at its turn.
    pub async fn unfinished(self, cluster: &Cluster) -> Vec<AtTurn> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT id, turn FROM unfinished_tasks WHERE id >= $1 AND id < $2 ORDER BY id",
        )
        .bind(self.first_row())
        .bind(self.end_row())
        .fetch_all(&mut cluster.connect().await)
        .await
        .expect("PostgreSQL answers");
        let at = |(row, turn)| AtTurn {
            row: RowId(row),
            turn: Turn(turn),
        };
        rows.into_iter().map(at).collect()
    }

    /// Poll messages for `tasks`, with `size` tasks each.
    pub fn messages(self, tasks: &[AtTurn], size: usize) -> Vec<Outgoing> {
        let message = |tasks: &[AtTurn]| Outgoing {
            message: Message::Poll {
                channel: ChannelId(self.channel),
                tasks: tasks.to_vec(),
            },
            delay: None,
        };
        tasks.chunks(size).map(message).collect()
    }

    /// Publishes poll messages for all unfinished tasks, spread evenly over `over`.
    pub async fn publish(self, cluster: &Cluster, broker: &RabbitMq, over: Duration) {
        let messages = self.messages(&self.unfinished(cluster).await, MOST_TASKS);
        let size = if over.is_zero() { messages.len() } else { 1 };
        let chunks = messages.chunks(size.max(1));
        let count = u32::try_from(chunks.len().max(1)).expect("there are some thousand");
        let started = Instant::now();
        for (chunk, nth) in chunks.zip(0..) {
            sleep_until(started + over * nth / count).await;
            broker.publish(chunk).await.expect("RabbitMQ answers");
        }
    }

    /// Waits until each unfinished task has had this many answered polls. The turn does not count them: a
    /// postponed poll moves the turn too.
    pub async fn wait_for_polls(self, cluster: &Cluster, polls: u32) {
        self.wait_for_none(cluster, &format!("polls < {polls}"))
            .await;
    }

    pub async fn wait_for_end(self, cluster: &Cluster) {
        self.wait_for_none(cluster, "true").await;
    }

    async fn wait_for_none(self, cluster: &Cluster, condition: &str) {
        let sql = format!(
            "SELECT count(*) FROM unfinished_tasks WHERE id >= {} AND id < {} AND {condition}",
            self.first_row(),
            self.end_row()
        );
        let mut connection = cluster.connect().await;
        let started = Instant::now();
        loop {
            let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone()))
                .fetch_one(&mut connection)
                .await
                .expect("PostgreSQL answers");
            if left == 0 {
                return;
            }
            let waited = started.elapsed();
            assert!(
                waited < Duration::from_mins(5),
                "{left} of {} tasks are left after {waited:?}",
                self.count
            );
            sleep(next_count(waited, left, self.count)).await;
        }
    }
}

/// When to count the tasks that are left again: counting takes time on the machine that is measured, so wait
/// for half of the time that the rest takes at the pace so far.
fn next_count(waited: Duration, left: i64, of: u32) -> Duration {
    let left = u32::try_from(left).unwrap_or(of);
    let rest = waited.mul_f64(f64::from(left) / f64::from(of.saturating_sub(left).max(1)));
    (rest / 2).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

/// Connects to the cluster's queues, and tries again as our programs do: a RabbitMQ that is very busy may refuse to
/// declare a queue.
pub async fn broker(cluster: &Cluster) -> RabbitMq {
    let urls = cluster.servers().urls().await;
    let options = RabbitMqOptions {
        url: Secret::new(urls.amqp.as_str()),
        prefix: cluster.prefix().to_owned(),
        program: "bench",
        random: Arc::new(Random::from_system()),
    };
    let connect = async || RabbitMq::connect(options.clone()).await.ok();
    eventually(Duration::from_mins(2), "RabbitMQ to answer", connect).await
}
