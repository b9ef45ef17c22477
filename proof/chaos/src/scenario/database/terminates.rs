//! A database that throws its clients out.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use tokio::time::{Instant, sleep};

use super::load::{setup, under_load};
use crate::run::{Run, Scenario};

/// Every connection of the site, a few times a second.
pub const AGAIN_AND_AGAIN: Scenario = Scenario {
    name: "postgres-terminates",
    about: "PostgreSQL terminates every connection of APIs and workers (pg_terminate_backend), a few \
            times a second, under load: whoever is inside a commit, too.",
    harsh: false,
    lasts: Some(Duration::from_secs(20)),
    body: |run| Box::pin(again_and_again(run)),
};

async fn again_and_again(run: &Run) {
    run.on_site(&setup(), async |site| {
        under_load(run, site, async |until: Instant| {
            let mut database = site.connect().await;
            let (mut times, mut connections) = (0, 0);
            while Instant::now() < until {
                sleep(Duration::from_millis(300)).await;
                connections += terminate_others(&mut database).await;
                times += 1;
            }
            run.fact("times", times);
            run.fact("connections_terminated", connections);
            assert!(
                connections > 10,
                "{connections} connections were terminated"
            );
        })
        .await;
    })
    .await;
}

/// Terminates every other connection to this database; returns how many.
async fn terminate_others(database: &mut PgConnection) -> i64 {
    let terminated = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let terminated = terminated.fetch_one(database).await;
    terminated.expect("the database takes its order")
}
