//! Submits a second through HTTP: durable and charged, beside `pgbench` with the same statements on
//! the same server.
//!
//! | file | what it has |
//! |---|---|
//! | `people` | the users who submit |
//! | `script` | our statements, as a script |
//! | `pgbench` | the program that runs it |

pub(super) mod people;
mod pgbench;
mod script;

use std::time::Duration;

use harness::process::Process;
use harness::rabbitmq::RabbitMq;

use super::Effort;
use crate::load::{self, Answers, Load};
use crate::report::{Spread, Table};
use crate::site::Site;
use harness::proc::{Usage, micros_each};
use script::Script;

/// How many ask at once.
pub(super) const CLIENTS: usize = 64;

/// What they ask for.
pub(super) const SONG: &str =
    r#"{"title":"Rain","tags":"folk, acoustic","prompt":"[Verse]\nRain on a tin roof"}"#;

/// How fast, how long one took, and what it cost: microseconds of the processor a submit.
struct Round {
    a_second: f64,
    p50: f64,
    p99: f64,
    api: f64,
    postgres: f64,
    rabbitmq: f64,
    client: f64,
}

/// Measures it.
pub async fn measure(effort: Effort) -> Vec<Table> {
    // As it is shipped: a line of the log for every request.
    let site = Site::prepare(&[("RUST_LOG", "info")]).await;
    people::make(&site).await;
    // A channel is all a submit asks for; nothing goes there without a worker.
    site.operator
        .json(&[
            "channel",
            "create",
            "--name",
            "none",
            "--base-url",
            "http://127.0.0.1:9",
        ])
        .await;
    let (api, url) = site.api("api").await;
    let requests = (0..people::USERS)
        .map(|n| load::post("/suno/submit/music", &people::secret(n), SONG))
        .collect();
    let bench = Bench {
        load: Load {
            address: load::address(&url),
            requests,
            clients: CLIENTS,
            lasts: Duration::from_secs(effort.size(8, 1)),
        },
        site,
        api,
    };
    let warm = Load {
        lasts: Duration::from_secs(1),
        ..bench.load.clone()
    };
    accepted(&warm.run().await);
    let script = script::capture(&bench.site, async || bench.one().await).await;
    let plain = script::plain();
    let (mut ours, mut same, mut plainly) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ours.push(bench.ours().await);
        same.push(bench.pgbench(&script).await);
        plainly.push(bench.pgbench(&plain).await);
    }
    bench.books_balance().await;
    let table = table(
        &ours,
        &[
            ("the same statements", &same),
            ("plain statements", &plainly),
        ],
    );
    drop(bench.api);
    bench.site.take_down().await;
    vec![table]
}

fn accepted(answers: &Answers) {
    let complaint = &answers.complaint;
    assert!(
        complaint.is_none(),
        "{} refused: {complaint:?}",
        answers.bad
    );
}

struct Bench {
    load: Load,
    site: Site,
    api: Process,
}

impl Bench {
    /// One submit of user 0; returns the task's name.
    async fn one(&self) -> String {
        let url = format!("http://{}/suno/submit/music", self.load.address);
        let request = harness::client::http()
            .post(url)
            .bearer_auth(people::secret(0))
            .header("content-type", "application/json")
            .body(SONG);
        let answer = request.send().await.expect("the API answers");
        let answer: serde_json::Value = answer.json().await.expect("it answers with JSON");
        let name = answer["data"].as_str();
        name.unwrap_or_else(|| panic!("it was refused: {answer}"))
            .to_owned()
    }

    async fn ours(&self) -> Round {
        let stored = self.stored().await;
        let before = Spent::now(self).await;
        let answers = self.load.run().await;
        let spent = Spent::now(self).await.since(&before);
        accepted(&answers);
        // What was answered 200 for is there.
        let stored = self.stored().await - stored;
        assert_eq!(usize::try_from(stored).ok(), Some(answers.good));
        // No worker takes the messages; the next round begins as this one did.
        self.submits_queue().purge("submit").await;
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^52")]
        let made = answers.good as f64;
        Round {
            a_second: answers.a_second(),
            p50: answers.percentile(0.5),
            p99: answers.percentile(0.99),
            ..spent.a_submit(made)
        }
    }

    async fn pgbench(&self, script: &Script) -> Round {
        let before = Spent::now(self).await;
        let reached = pgbench::run(&self.site, script, CLIENTS, self.load.lasts).await;
        let spent = Spent::now(self).await.since(&before);
        Round {
            a_second: reached.a_second,
            p50: reached.p50,
            p99: reached.p99,
            ..spent.a_submit(reached.made)
        }
    }

    fn submits_queue(&self) -> &RabbitMq {
        &self.site.rabbitmq
    }

    async fn stored(&self) -> i64 {
        let mut connection = self.site.connect().await;
        let stored = sqlx::query_scalar("SELECT count(*) FROM tasks")
            .fetch_one(&mut connection)
            .await;
        stored.expect("PostgreSQL answers")
    }

    /// What pgbench did was what we do: the audit finds no break in either's tasks.
    async fn books_balance(&self) {
        let audit = self.site.operator.run(&["audit"]).await;
        assert_eq!(audit.code, 0, "{}{}", audit.stdout, audit.stderr);
    }
}

/// Processor time so far.
struct Spent {
    api: Duration,
    postgres: Duration,
    rabbitmq: Duration,
    /// We ourselves, and `pgbench`, once it ended.
    client: Duration,
}

impl Spent {
    async fn now(bench: &Bench) -> Self {
        let servers = &bench.site.servers;
        let postgres = servers.postgres.lock().await.pid().expect("it runs");
        let rabbitmq = servers.rabbitmq.lock().await.pid().expect("it runs");
        let api = Usage::cpu_of_family(bench.api.pid());
        let postgres = Usage::cpu_of_family(postgres);
        let rabbitmq = Usage::cpu_of_family(rabbitmq);
        let all = Usage::cpu_of_family(std::process::id());
        Self {
            client: all.saturating_sub(api + postgres + rabbitmq),
            api,
            postgres,
            rabbitmq,
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            api: self.api.saturating_sub(before.api),
            postgres: self.postgres.saturating_sub(before.postgres),
            rabbitmq: self.rabbitmq.saturating_sub(before.rabbitmq),
            client: self.client.saturating_sub(before.client),
        }
    }

    fn a_submit(&self, submits: f64) -> Round {
        Round {
            a_second: 0.0,
            p50: 0.0,
            p99: 0.0,
            api: micros_each(self.api, submits),
            postgres: micros_each(self.postgres, submits),
            rabbitmq: micros_each(self.rabbitmq, submits),
            client: micros_each(self.client, submits),
        }
    }
}

fn table(ours: &[Round], beside: &[(&str, &[Round]); 2]) -> Table {
    let about = format!(
        "Submits through HTTP, {CLIENTS} clients on kept connections, {} users: each authenticated, \
         charged, durable when it is answered, and published with a confirm; no worker runs. pgbench, \
         with as many clients, runs the very statements that one such submit is when it goes alone; \
         and a submit written plainly, as it would be without batches. CPU in µs a submit; the client \
         is the bench itself, or pgbench.",
        people::USERS,
    );
    let mut table = Table::new(
        "submits",
        &about,
        &[
            "what",
            "a second",
            "p50 ms",
            "p99 ms",
            "API CPU",
            "Postgres CPU",
            "RabbitMQ CPU",
            "client CPU",
        ],
    );
    let mut add = |name: &str, rounds: &[Round]| {
        let over = |value: fn(&Round) -> f64| Spread::of(rounds.iter().map(value)).into();
        table.row(vec![
            name.into(),
            over(|round| round.a_second),
            over(|round| round.p50),
            over(|round| round.p99),
            over(|round| round.api),
            over(|round| round.postgres),
            over(|round| round.rabbitmq),
            over(|round| round.client),
        ]);
    };
    add("task center", ours);
    for (what, rounds) in beside {
        add(&format!("pgbench, {what}"), rounds);
    }
    for (what, rounds) in beside {
        let ratio = |value: fn(&Round) -> f64| {
            let both = ours.iter().zip(*rounds);
            Spread::of(both.map(|(ours, pgbench)| value(ours) / value(pgbench))).into()
        };
        table.row(vec![
            format!("ours / pgbench, {what}").into(),
            ratio(|round| round.a_second),
            ratio(|round| round.p50),
            ratio(|round| round.p99),
            "".into(),
            ratio(|round| round.postgres),
            "".into(),
            ratio(|round| round.client),
        ]);
    }
    table
}
