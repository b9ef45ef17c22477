//! A database server that is restarted while everybody works.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::load::{setup, under_load};
use crate::run::{Run, Scenario};

/// Stopped in order and killed, in turn.
pub const UNDER_LOAD: Scenario = Scenario {
    name: "postgres-restarts",
    about: "PostgreSQL is stopped as a service is, started, killed with SIGKILL, and started, again and \
            again under load.",
    harsh: true,
    lasts: Some(Duration::from_secs(20)),
    body: |run| Box::pin(under_restarts(run)),
};

async fn under_restarts(run: &Run) {
    run.on_site(&setup(), async |site| {
        under_load(run, site, async |until: Instant| {
            let mut restarts = 0;
            while restarts < 2 || Instant::now() < until {
                sleep(Duration::from_secs(3)).await;
                let mut postgres = site.servers.postgres.lock().await;
                if restarts % 2 == 0 {
                    postgres.stop().await;
                } else {
                    postgres.kill().await;
                }
                // Long enough for some to ask in vain.
                sleep(Duration::from_secs(1)).await;
                postgres.run().await;
                restarts += 1;
            }
            run.fact("restarts", restarts);
        })
        .await;
    })
    .await;
}
