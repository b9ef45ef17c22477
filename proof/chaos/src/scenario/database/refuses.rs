//! The server answers, and refuses: what an operator's change or a failover does.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::random_faults::terminate_others;
use crate::scenario::prelude::*;

const AT_ONCE: usize = 4;
/// How long the server refuses, and is well between.
const REFUSES: Duration = Duration::from_secs(6);
const IS_WELL: Duration = Duration::from_secs(4);
const SETTLED: Duration = Duration::from_mins(2);

/// A change, what takes it back, and what `/readyz` says meanwhile.
struct Change {
    does: String,
    undoes: String,
    state: &'static str,
}

pub async fn refuses(run: &Run) {
    let slow = answers_after("1s");
    let setup = patient().upstreams(&[("first", &slow)]).workers(2);
    run.on_cluster(&setup, async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let database = cluster.database().options();
        let name = database.get_database().expect("it has a name").to_owned();
        // This connection outlives the changes, which end all others.
        let server = cluster.database().options().database("postgres");
        let mut server = server.connect().await.expect("the server answers");
        let mut inside = cluster.connect().await;
        let changes = [
            (
                "ALTER ROLE CURRENT_USER NOLOGIN".to_owned(),
                "ALTER ROLE CURRENT_USER LOGIN".to_owned(),
                "login refused",
            ),
            (
                format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
                format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
                "unreachable",
            ),
            (
                format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
                format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
                "read-only",
            ),
        ]
        .map(|(does, undoes, state)| Change {
            does,
            undoes,
            state,
        });
        let until = Instant::now() + (REFUSES + IS_WELL) * 4;
        let change = async {
            for Change {
                does,
                undoes,
                state,
            } in &changes
            {
                execute(&mut server, does).await;
                terminate_others(&mut inside).await.expect("it may");
                says(cluster, state).await;
                sleep(REFUSES).await;
                execute(&mut server, undoes).await;
                terminate_others(&mut inside).await.expect("it may");
                says(cluster, "ok").await;
                sleep(IS_WELL).await;
            }
        };
        tokio::join!(change, ann.submit_until(AT_ONCE, until));
        for node in cluster.nodes() {
            assert_eq!(node.take().await.ended_by_itself, 0, "{}", node.name);
        }
        let expected = ann.expected();
        run.fact("songs", expected.submits.len());
        let figures = Metrics::read(&cluster.apis).await;
        let failed = figures.sum("task_center_http_requests_total", &["status=\"500\""]);
        assert_eq!(failed, 0, "a 500 was answered");
        let sums = check(run, cluster, SETTLED, &expected).await;
        sums.assert_ended(sums.tasks.values().sum(), 0);
    })
    .await;
}

/// Waits until `/readyz` of each process says this of the database.
async fn says(cluster: &Cluster, expected: &str) {
    for node in cluster.nodes() {
        let what = format!("{} to say {expected:?} of the database", node.name);
        eventually(SOON, &what, async || {
            let (_, state) = readiness(&http(), &node.url).await?;
            (state["database"] == expected).then_some(())
        })
        .await;
    }
}

async fn execute(server: &mut PgConnection, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(server)
        .await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}
