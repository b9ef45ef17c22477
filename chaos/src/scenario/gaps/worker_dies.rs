//! A worker that dies in the middle of a submit or a poll.

use std::time::Duration;

use crate::check::{Expected, check};
use crate::proxy::gate::Words;
use crate::run::{Run, Scenario};
use crate::site::Setup;

/// What a lease, the sweep's grace and its beat come to, with the setup's short times.
const OVERDUE: Duration = Duration::from_secs(75);

/// The upstream accepted, and the worker never heard it.
pub const AFTER_THE_CALL: Scenario = Scenario {
    name: "worker-dies-after-the-call",
    about: "The upstream accepts a submit; the worker is killed before the answer reaches it. The task \
            fails, refunded, and is not sent again.",
    harsh: false,
    lasts: None,
    body: |run| Box::pin(after_the_call(run)),
};

async fn after_the_call(run: &Run) {
    run.on_site(&Setup::default(), async |site| {
        let ann = site.user("ann", 1_000_000, None).await;
        let mut answer = site.channels[0]
            .wire
            .hold(&[Words::up("/suno/submit/music"), Words::down("HTTP/1.1 200")]);
        let task = ann.song("Rain").await;
        answer.reached().await;
        site.workers[0].kill().await;
        answer.reset();
        site.workers[0].serve().await;
        let granted = [("ann".to_owned(), 1_000_000)].into();
        let sums = check(
            run,
            site,
            OVERDUE,
            &Expected {
                granted,
                ..Expected::default()
            },
        )
        .await;
        assert_eq!(
            sums.tasks.get("FAILURE"),
            Some(&1),
            "{:?}",
            ann.task(&task).await
        );
        assert_eq!(
            site.channels[0].upstream.asked_and_accepted("Rain").await,
            (1, 1)
        );
    })
    .await;
}
