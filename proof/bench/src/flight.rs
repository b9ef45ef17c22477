//! Tasks in flight: stored, paid for, and at an upstream, without a submit each.

use std::sync::Arc;
use std::time::Duration;

use harness::client::{Client, SONG};
use harness::upstream::Upstream;
use serde_json::{Value, json};
use shared::broker::message::MOST_TASKS;
use shared::broker::rabbitmq::{RabbitMq, RabbitMqOptions};
use shared::broker::{Broker as _, Message, Outgoing};
use shared::random::Random;
use shared::secret::Secret;
use shared::task::{AtTurn, ChannelId, RowId, Turn};
use tokio::time::{Instant, sleep, sleep_until};

use crate::site::Site;

/// Rows of one series: this many from this one on. The API's own tasks count from 1.
const ROWS_A_SERIES: i64 = 1_000_000;

/// Tasks of one series at one channel.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    /// The channel that has them.
    pub channel: i64,
    /// Their series at the upstream.
    pub series: u16,
    /// How many there are.
    pub count: u32,
    /// When the upstream made them, ms since 1970.
    pub born: i64,
}

impl Flight {
    /// Makes `count` tasks of `owner`, SUBMITTED, at this channel. `life` is what the upstream is told
    /// of them beside: `takes` and `stuck` (`simulator/README.md`).
    pub async fn take_off(
        site: &Site,
        owner: &Client,
        (upstream, channel): (&Upstream, i64),
        (series, count): (u16, u32),
        life: Value,
    ) -> Self {
        let mut order = json!({"series": series, "count": count});
        if let (Some(order), Value::Object(life)) = (order.as_object_mut(), life) {
            order.extend(life);
        }
        let born = upstream.make(order).await;
        let made = Self {
            channel,
            series,
            count,
            born,
        };
        site.execute(&made.sql(owner)).await;
        site.fold().await;
        made
    }

    /// The first of its rows.
    pub fn first_row(self) -> i64 {
        i64::from(self.series) * ROWS_A_SERIES
    }

    /// The row after its last.
    pub fn end_row(self) -> i64 {
        self.first_row() + i64::from(self.count)
    }

    /// What the API and a worker would have written for each, its history left out.
    fn sql(self, owner: &Client) -> String {
        let Self {
            channel,
            series,
            count,
            born,
        } = self;
        let (first, user, cost) = (self.first_row(), owner.id, i64::from(count) * SONG);
        let seconds = born / 1000;
        let due_at = born + 290_000;
        let deadline = born + 1_800_000;
        format!(
            r#"
            WITH made AS (
                INSERT INTO tasks (id, task_id, user_id, key_id, channel_id, upstream_id, platform,
                                   action, status, progress, quota, created_at, updated_at,
                                   submit_time, request, input, user_seq)
                OVERRIDING SYSTEM VALUE
                SELECT {first} + n, 'task_' || lpad(to_hex({first} + n), 32, '0'), {user}, k.id,
                       {channel},
                       '00000000-0000-0000-{series:04x}-' || lpad(to_hex(n), 12, '0'), 'suno',
                       'song', 'SUBMITTED', 10, {SONG}, {seconds}, {seconds}, {seconds},
                       '{{"title":"One of many","prompt":"[Verse]\nRain on a tin roof"}}',
                       'Rain on a tin roof', u.tasks + n + 1
                FROM users u, generate_series(0, {count} - 1) n,
                     (SELECT id FROM api_keys WHERE user_id = {user} LIMIT 1) k
                WHERE u.id = {user}
                RETURNING id, key_id, upstream_id
            ), paid AS (
                INSERT INTO ledger (user_id, key_id, task_id, kind, amount, created_at)
                SELECT {user}, key_id, id, 'charge', -{SONG}, {born} FROM made
            )
            INSERT INTO unfinished_tasks (id, due_at, deadline, stage, channel_id, upstream_id)
            SELECT id, {due_at}, {deadline}, 'poll', {channel}, upstream_id FROM made;
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

    /// Those that are unfinished, at their turns.
    pub async fn unfinished(self, site: &Site) -> Vec<AtTurn> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT id, turn FROM unfinished_tasks WHERE id >= $1 AND id < $2 ORDER BY id",
        )
        .bind(self.first_row())
        .bind(self.end_row())
        .fetch_all(&mut site.connect().await)
        .await
        .expect("PostgreSQL answers");
        let at = |(row, turn)| AtTurn {
            row: RowId(row),
            turn: Turn(turn),
        };
        rows.into_iter().map(at).collect()
    }

    /// Messages for these tasks, `many` in each.
    pub fn messages(self, tasks: &[AtTurn], many: usize) -> Vec<Outgoing> {
        let message = |tasks: &[AtTurn]| Outgoing {
            message: Message::Poll {
                channel: ChannelId(self.channel),
                tasks: tasks.to_vec(),
            },
            delay: None,
        };
        tasks.chunks(many.min(MOST_TASKS)).map(message).collect()
    }

    /// Publishes for all of it, a hundred tasks a message, evenly over so much time.
    pub async fn wake(self, site: &Site, broker: &RabbitMq, over: Duration) {
        let tasks = self.unfinished(site).await;
        let messages = self.messages(&tasks, MOST_TASKS);
        let chunks: Vec<&[Outgoing]> = if over.is_zero() {
            vec![&messages]
        } else {
            messages.chunks(1).collect()
        };
        let started = Instant::now();
        let many = u32::try_from(chunks.len().max(1)).expect("some thousand");
        for (chunk, nth) in chunks.into_iter().zip(0..) {
            sleep_until(started + over * nth / many).await;
            broker.publish(chunk).await.expect("RabbitMQ answers");
        }
    }

    /// Waits until each task of it that is unfinished was polled, and answered, so many times. Its turn
    /// would not tell: a poll that is put off moves it too.
    pub async fn polled(self, site: &Site, times: u32) {
        self.none_left(site, &format!("polls < {times}")).await;
    }

    /// Waits until all of it has ended.
    pub async fn landed(self, site: &Site) {
        self.none_left(site, "true").await;
    }

    async fn none_left(self, site: &Site, condition: &str) {
        let sql = format!(
            "SELECT count(*) FROM unfinished_tasks WHERE id >= {} AND id < {} AND {condition}",
            self.first_row(),
            self.end_row()
        );
        let mut connection = site.connect().await;
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
                "{left} of {} are where they were after {waited:?}",
                self.count
            );
            sleep(look_again(waited, left, self.count)).await;
        }
    }
}

/// When to count again what is left: counting is work, too, on the machine that is measured. After half
/// of the time that the rest should take, at the pace so far.
fn look_again(waited: Duration, left: i64, of: u32) -> Duration {
    let left = u32::try_from(left).unwrap_or(of);
    let rest = waited.mul_f64(f64::from(left) / f64::from(of.saturating_sub(left).max(1)));
    (rest / 2).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

/// A broker as our programs have it, on the site's queues.
pub async fn broker(site: &Site) -> RabbitMq {
    let options = RabbitMqOptions {
        url: Secret::new(site.amqp_url.as_str()),
        prefix: site.prefix.clone(),
        program: "bench",
        random: Arc::new(Random::from_system()),
    };
    let connected = RabbitMq::connect(options).await;
    connected.expect("RabbitMQ answers")
}
