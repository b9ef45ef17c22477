//! The one place where a task ends: what is settled here is announced here, after the commit.

use futures_util::future::join_all;
use shared::clock::Millis;
use shared::process::telemetry::cut;
use shared::store::turns::{Ended, Finished, Polled, Settled};
use shared::task::{AtTurn, End, Status, TaskId};

use crate::context::Context;
use crate::figures::count_end;

/// A task that is to end.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The public id.
    pub task_id: TaskId,
    /// What the upstream said last, for an operator, without secrets; `None`: the reason says it all.
    pub heard: Option<String>,
    /// The task at the turn that the caller acts for, and how it ends.
    pub finished: Finished,
}

/// Writes the outcome of a batch in one transaction, again and again while the database is away, and
/// announces each task that ended in it. Returns the tasks that stay unfinished, at their next turns;
/// tasks at another turn are stale, and are left out.
pub async fn settle(
    context: &Context,
    what: &str,
    polled: Vec<Polled>,
    endings: Vec<Ending>,
    now: Millis,
) -> Vec<AtTurn> {
    let finished: Vec<Finished> = endings.iter().map(|end| end.finished.clone()).collect();
    let store = &context.store;
    let whole = context
        .persist_whole(what, || store.settle(polled.clone(), finished.clone(), now))
        .await;
    let settled = match whole {
        Ok(settled) => settled,
        // One task may be the cause: it must not take the outcomes of the others along.
        Err(_) => each_alone(context, what, polled, finished, now).await,
    };
    if !endings.is_empty() {
        // Places are free.
        context.looks.notify_one();
    }
    for ending in &endings {
        let row = ending.finished.at.row;
        if let Some(ended) = settled.finished.iter().find(|ended| ended.row == row) {
            announce(context, ending, ended, now);
        }
    }
    settled.waiting
}

async fn each_alone(
    context: &Context,
    what: &str,
    polled: Vec<Polled>,
    finished: Vec<Finished>,
    now: Millis,
) -> Settled {
    let store = &context.store;
    let polled = polled.into_iter().map(|task| (vec![task], Vec::new()));
    let finished = finished.into_iter().map(|task| (Vec::new(), vec![task]));
    let alone = polled.chain(finished).map(|(polled, finished)| async move {
        let write = || store.settle(polled.clone(), finished.clone(), now);
        context.persist(what, write).await
    });
    let mut all = Settled::default();
    for settled in join_all(alone).await {
        all.waiting.extend(settled.waiting);
        all.finished.extend(settled.finished);
    }
    all
}

/// The most bytes of an upstream's name of a task in the log.
pub const LOGGED_ID: usize = 100;

/// Logs and counts a task that has ended, in one line with all that an operator asks for. A failed task was
/// refunded in the same transaction.
fn announce(context: &Context, ending: &Ending, ended: &Ended, now: Millis) {
    let AtTurn { row, turn } = ending.finished.at;
    let (status, reason, message) = match &ending.finished.end {
        End::Success | End::SuccessAtOnce { .. } => (Status::Success, None, "the task ended"),
        End::Failure { reason, .. } => (
            Status::Failure,
            Some(reason.as_str()),
            "the task failed and was refunded",
        ),
    };
    let channel = ended.channel.and_then(|id| context.channels.name(id));
    count_end(ended, status, channel.as_deref(), now);
    let upstream_id = ended.upstream_id.as_deref().map(|id| cut(id, LOGGED_ID));
    tracing::info!(
        task = %ending.task_id,
        row = row.0,
        turn = turn.0,
        user = ended.user.0,
        key = ended.key.0,
        channel,
        upstream_id = upstream_id.as_deref(),
        %status,
        seconds = now.seconds() - ended.submitted,
        reason,
        heard = ending.heard,
        "{message}"
    );
}
