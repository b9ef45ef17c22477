//! Submits a second through HTTP, durable and charged, beside `pgbench` with the same statements on the same server.
//!
//! | file | what it holds |
//! |---|---|
//! | `users` | the users who submit |
//! | `ours.sql`, `plain.sql` | a submit as our API writes it alone, and as a program without batches would |
//! | `statements` | the check that `ours.sql` is what our API sends |
//! | `pgbench` | the program that runs the scripts |

mod pgbench;
mod statements;
pub(super) mod users;

use std::sync::Arc;
use std::time::Duration;

use harness::cluster::Cluster;
use harness::process::Process;
use harness::programs::Program;
use harness::servers::Servers;
use harness::spread::percentile;

use self::statements::SUBMITS;
use super::Plan;
use crate::cluster::{audit, cluster};
use crate::cpu_time::{CpuTime, Part, Processes};
use crate::load::Load;
use crate::report::{Spread, Table, Value, comparison};

pub(super) const CLIENTS: usize = 64;

pub(super) const SONG: &str =
    r#"{"title":"Rain","tags":"folk, acoustic","prompt":"[Verse]\nRain on a tin roof"}"#;

/// The two scripts for `pgbench`, by what the report calls them.
const SCRIPTS: [(&str, &str); 2] = [
    ("the same statements", include_str!("ours.sql")),
    ("plain statements", include_str!("plain.sql")),
];

/// A round: submits a second, their times in ms, and their processor time.
struct Round {
    a_second: f64,
    p50: f64,
    p99: f64,
    cpu: CpuTime,
}

const VALUES: [Value<Round>; 7] = [
    ("a second", |round| round.a_second),
    ("p50 ms", |round| round.p50),
    ("p99 ms", |round| round.p99),
    ("API CPU", |round| round.cpu.of(Part::Api)),
    ("Postgres CPU", |round| round.cpu.of(Part::Postgres)),
    ("RabbitMQ CPU", |round| round.cpu.of(Part::RabbitMq)),
    ("client CPU", |round| round.cpu.of(Part::Client)),
];

pub async fn measure(plan: &Plan, servers: &Arc<Servers>) -> Vec<Table> {
    let of_build = async |build| {
        // The default: a log line for every request.
        let cluster = cluster(servers, build, &[("RUST_LOG", "info")], &[]).await;
        Bench::start(cluster, plan).await
    };
    let mut benches = Vec::new();
    for build in &plan.builds {
        benches.push(of_build(build).await);
    }
    // What pgbench writes stays in the tables, which is no burden that one of two builds should bear.
    let alone = of_build(&plan.builds[0]).await;
    alone.check_script().await;
    let mut scripts = SCRIPTS.map(|(name, script)| (name, script, Vec::new()));
    let measured = plan
        .each_round(async |build, _| {
            let ours = benches[build].submits().await;
            if plan.builds[build].0.is_none() {
                for (_, script, rounds) in &mut scripts {
                    rounds.push(alone.pgbench(script).await);
                }
            }
            ours
        })
        .await;
    // The audit finds no break, so what pgbench wrote is what our API writes.
    for bench in benches.iter().chain([&alone]) {
        audit(&bench.cluster).await;
    }
    let table = table(
        &measured[0],
        &scripts.map(|(name, _, rounds)| (name, rounds)),
    );
    let compared = comparison("submits", &measured, &VALUES);
    std::iter::once(table).chain(compared).collect()
}

/// How long each side submits, s.
const LASTS: u64 = 8;

struct Bench {
    load: Load,
    /// How long pgbench runs: an option of it.
    limit: String,
    cluster: Cluster,
    api: Process,
}

impl Bench {
    async fn start(cluster: Cluster, plan: &Plan) -> Self {
        users::create(&cluster).await;
        // A submit needs a channel. Nothing is sent to this one, as no worker runs.
        let operator = cluster.operator();
        let nowhere = "http://127.0.0.1:9";
        operator.create_channel("none", nowhere, "none", &[]).await;
        let (api, url) = cluster.process(Program::Api, "api").await;
        // Prepares the statements on every connection to the database.
        let warm_up = users::submits(&url, Duration::from_secs(1));
        warm_up.run().await;
        Self {
            load: users::submits(&url, Duration::from_secs(plan.size(LASTS, 1))),
            // In the one second of a short run a busy machine may finish no transaction.
            limit: plan.size(format!("--time={LASTS}"), "--transactions=10".to_owned()),
            cluster,
            api,
        }
    }

    async fn check_script(&self) {
        let submits = async || {
            let url = format!("http://{}/suno/submit/music", self.load.address);
            for _ in 0..SUBMITS {
                let request = harness::client::http()
                    .post(&url)
                    .bearer_auth(users::secret(0))
                    .header("content-type", "application/json")
                    .body(SONG);
                let answer = request.send().await.expect("the API answers");
                assert_eq!(answer.status(), 200);
            }
        };
        let script = async || {
            let limit = format!("--transactions={SUBMITS}");
            pgbench::run(&self.cluster, SCRIPTS[0].1, 1, &limit).await;
        };
        statements::assert_same(&self.cluster, submits, script).await;
    }

    async fn submits(&self) -> Round {
        let stored = self.stored().await;
        let cpu = self.cpu_time().await;
        let answers = self.load.run().await;
        let now = self.cpu_time().await;
        // Every submit that was answered with 200 is stored.
        let stored = self.stored().await - stored;
        assert_eq!(usize::try_from(stored).ok(), Some(answers.count()));
        // No worker takes the messages; the next round starts with an empty queue too.
        self.cluster.rabbitmq().purge("submit").await;
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^52")]
        let submits = answers.count() as f64;
        Round {
            a_second: answers.a_second(),
            p50: answers.percentile(0.5),
            p99: answers.percentile(0.99),
            cpu: now.per_task(cpu, submits),
        }
    }

    async fn pgbench(&self, script: &str) -> Round {
        let stored = self.stored().await;
        let cpu = self.cpu_time().await;
        let reached = pgbench::run(&self.cluster, script, CLIENTS, &self.limit).await;
        let now = self.cpu_time().await;
        let stored = self.stored().await - stored;
        assert_eq!(stored.to_string(), reached.transactions.to_string());
        Round {
            a_second: reached.a_second,
            p50: percentile(&reached.milliseconds, 0.5),
            p99: percentile(&reached.milliseconds, 0.99),
            cpu: now.per_task(cpu, reached.transactions),
        }
    }

    async fn cpu_time(&self) -> CpuTime {
        let processes = Processes {
            apis: vec![self.api.pid()],
            ..Processes::default()
        };
        CpuTime::so_far(&self.cluster, &processes).await
    }

    async fn stored(&self) -> i64 {
        let stored = sqlx::query_scalar("SELECT count(*) FROM tasks")
            .fetch_one(&mut self.cluster.connect().await)
            .await;
        stored.expect("PostgreSQL answers")
    }
}

fn table(ours: &[Round], scripts: &[(&str, Vec<Round>); 2]) -> Table {
    let about = format!(
        "Submits through HTTP, {CLIENTS} clients on kept connections, {} users: each authenticated, \
         charged, durable when it is answered, and published with a confirm; no worker runs. pgbench, \
         with as many clients, runs the very statements that one such submit is when it goes alone; \
         and a submit written plainly, as it would be without batches. CPU in µs a submit; the client \
         is the bench itself, or pgbench.",
        users::USERS,
    );
    let columns: Vec<&str> = ["what"]
        .into_iter()
        .chain(VALUES.map(|(name, _)| name))
        .collect();
    let mut table = Table::new("submits", &about, &columns);
    let mut row = |name: String, rounds: &[Round]| {
        let values = VALUES.map(|(_, of)| Spread::of(rounds.iter().map(of)).into());
        table.row([name.into()].into_iter().chain(values).collect());
    };
    row("task center".to_owned(), ours);
    for (name, rounds) in scripts {
        row(format!("pgbench, {name}"), rounds);
    }
    for (name, rounds) in scripts {
        let ratios = VALUES.map(|(value, of)| match value {
            // pgbench has no API and no broker.
            "API CPU" | "RabbitMQ CPU" => "".into(),
            _ => {
                let both = ours.iter().zip(rounds);
                Spread::of(both.map(|(ours, pgbench)| of(ours) / of(pgbench))).into()
            }
        });
        let name = format!("ours / pgbench, {name}").into();
        table.row([name].into_iter().chain(ratios).collect());
    }
    table
}
