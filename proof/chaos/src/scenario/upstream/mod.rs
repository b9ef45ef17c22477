//! Each row of the table in `docs/upstreams/suno.md`, "How upstreams misbehave", and what the row must
//! never cause.

mod floods;
mod hangs;
mod leaks;
mod polls;
mod submits;
mod unreachable;

use crate::scenario::prelude::*;

/// The scenarios. Above each: what must not happen.
pub fn scenarios() -> Vec<Scenario> {
    vec![
        // No task fails, no attempt is counted.
        Scenario::new(
            "upstream-busy",
            "An upstream answers 429, with Retry-After and without, to submits and fetches. A task has \
             one attempt, and no task fails; Retry-After is respected; another channel goes on.",
            submits::busy,
        ),
        // No task fails, or waits for the channel that is down.
        Scenario::new(
            "upstream-down",
            "An upstream answers every call with 500, 502 or 503: its tasks go to another. Then all \
             upstreams do, until the second attempts have failed, too: no task fails, and all succeed \
             once the upstreams are well.",
            submits::down,
        )
        .lasts(submits::SHORTEST_OUTAGE.as_secs()),
        // No task fails.
        Scenario::new(
            "upstream-unreachable",
            "Of four channels one refuses connections, one speaks no TLS where TLS is wanted, and the \
             name of one does not resolve. Then connections to the good one are closed, reset and \
             black-holed during polls. No task fails, and each is accepted once, by the good one.",
            unreachable::unreachable,
        ),
        // No task fails while another channel serves, and the operator is told.
        Scenario::new(
            "upstream-refuses-our-key",
            "Of four channels one answers 401, one 402 and one 403 to everything, and the fourth is \
             well. A task has one attempt, all succeed at the fourth, and the log tells an operator \
             about the others.",
            submits::our_key,
        ),
        // No retry.
        Scenario::new(
            "upstream-refuses-the-request",
            "An upstream answers submits with 400, 404 or 422. Each task fails at once with the \
             upstream's reason, is refunded, and is not tried again, not even at another channel.",
            submits::refuses,
        ),
        // No second submit.
        Scenario::new(
            "upstream-answer-lost",
            "An upstream accepts a submit, or does not, and closes the connection, never answers, or \
             answers with nonsense; and the connection is reset before the request arrives, and before \
             the answer arrives. Each such task fails, refunded, and is never sent again, although \
             another channel is well.",
            submits::answer_lost,
        ),
        // No other task fails or waits.
        Scenario::new(
            "upstream-forgets-ids",
            "An upstream leaves some ids out of its answers, answers a batch with 404 once, and one id \
             makes every batch with it fail. The other tasks succeed while that one is unfinished; it \
             alone fails, at its deadline.",
            polls::forgets,
        ),
        // No task gets another's data, and nothing crashes.
        Scenario::new(
            "upstream-answers-about-strangers",
            "Every answer holds tasks that nobody asked for, some tasks stand in an answer twice, and \
             some are malformed once. Every task ends with its own song, and there are no others.",
            polls::strangers,
        ),
        // No failure before our deadline.
        Scenario::new(
            "upstream-says-nothing-we-know",
            "An upstream whose clock is two hours ahead reports UNKNOWN, a status never seen before, or \
             an empty one. The tasks are unfinished until our own deadline by our own clock; those that \
             get a known status in time succeed.",
            polls::unknown,
        ),
        // No progress goes backwards, and nothing is refunded.
        Scenario::new(
            "upstream-contradicts-itself",
            "An upstream reports states that go backwards, and a fail_reason beside a status that is no \
             failure. No client sees a task go backwards or a reason, and nothing is refunded.",
            polls::contradicts,
        ),
        // No second refund, and no charge taken back.
        Scenario::new(
            "upstream-finishes-late",
            "An upstream makes one song, and fails another, after their deadline, when both are \
             refunded. Both results go into the history; the money and what the client sees stay.",
            polls::late,
        ),
        // No secret in what a client sees, or in a log.
        Scenario::new(
            "upstream-leaks",
            "An upstream prints our key, its address and its ids in every message and every \
             fail_reason. None of it is in any answer to a client or an administrator, in `task show`, \
             in the metrics, or in a log at info.",
            leaks::leaks,
        ),
        // No worker hangs or grows.
        Scenario::new(
            "upstream-floods-and-drips",
            "An upstream answers submits and fetches with 64 MB, or with a byte a second. The worker \
             gives each up at its time and size limit, does not grow, and makes the other songs \
             meanwhile.",
            floods::floods,
        ),
        // No song of the good channel is slower.
        Scenario::new(
            "upstream-hangs-beside-a-good-one",
            "One cluster has a good channel, another has the same one and a channel that never answers \
             submits, nor polls of its many tasks. Both get the same songs at the same time: those of \
             the good channel take no more than a tenth longer.",
            hangs::hangs,
        )
        .measured(),
    ]
}

/// Starts a cluster, does `work` with a user, and checks everything. `work` returns how many tasks
/// must have succeeded and failed.
async fn with_ann(
    run: &Run,
    setup: &Setup,
    work: impl AsyncFnOnce(&Cluster, &PatientClient) -> (usize, usize),
) {
    run.on_cluster(setup, async |cluster| {
        let ann = PatientClient::new(cluster, "ann").await;
        let (successes, failures) = work(cluster, &ann).await;
        let sums = check(run, cluster, SOON, &ann.expected()).await;
        sums.assert_ended(successes, failures);
    })
    .await;
}
