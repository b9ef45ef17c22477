//! A database that takes connections and closes them before it says a word.

use std::time::Duration;

use tokio::time::sleep;

use crate::check::check;
use crate::run::{Run, Scenario};
use crate::scenario::asker::{Asker, patient, titles};
use harness::proxy::gate::Pattern;

/// For how long it does.
const OUTAGE: Duration = Duration::from_secs(4);
/// How long anything may take.
const SOON: Duration = Duration::from_mins(1);

/// As a worker is about to write down that the upstream accepted, and as it polls.
pub const ON_A_WORKER: Scenario = Scenario {
    name: "database-hangs-up-on-a-worker",
    about: "For some seconds every connection of a worker to the database is closed before its first \
            word, as a failing proxy does, while it polls and as the upstream accepts a song. Nothing is \
            parked, the acceptance is not lost, and every song succeeds.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(on_a_worker(run)),
};

async fn on_a_worker(run: &Run) {
    run.on_site(&patient(), async |site| {
        let ann = Asker::new(site, "ann").await;
        let mut tasks = ann.songs(&titles("Before", 10)).await;
        let accepted = [
            Pattern::to_server("/suno/submit/music"),
            Pattern::from_server("HTTP/1.1 200"),
        ];
        let mut answer = site.channels[0].wire.hold(&accepted);
        tasks.push(ann.song("Rain").await);
        answer.reached().await;
        site.workers[0].postgres.cut();
        answer.release();
        sleep(OUTAGE).await;
        site.workers[0].postgres.mend();
        ann.all_succeed(&tasks, SOON).await;
        let upstream = &site.channels[0].upstream;
        assert_eq!(upstream.asked_and_accepted("Rain").await, (1, 1));
        check(run, site, SOON, &ann.expected()).await;
    })
    .await;
}
