//! Submitting: which task is sent where, and what the answer means.
//!
//! | module | what it does |
//! |---|---|
//! | [`look`] | finds out who is next, again and again |
//! | [`send`] | sends a task once |
//! | [`outcome`] | what the answer means for the task |
//! | [`verdict`] | what the answer means for the channel |
//! | [`again`] | submits that may have arrived, at channels that take a repeated request for one |
//! | [`expiry`] | tasks that waited too long |
//! | [`batches`] | the Store calls that concurrent submits share |
//!
//! A message is only a reason to look: the tasks that wait stand in lines in the database, where all of them are
//! known, and so whose turn is next. But a task that is to be sent to its channel again has left its line, and its
//! message says when.

mod again;
pub(crate) mod batches;
pub(crate) mod expiry;
pub(crate) mod look;
mod outcome;
mod send;
mod verdict;

use shared::store::StoreError;
use shared::store::turns::Sending;
use shared::task::{AtTurn, Turn};
use tracing::field::display;

pub(crate) use again::end_orphan;

use crate::context::Context;
use crate::figures::{TurnState, Work, count_turns};
use crate::schedule::FollowUp;

/// What to publish next for a message, if anything.
pub type Decision = Result<Option<FollowUp>, StoreError>;

/// Does what a message about a task to submit asks for.
pub async fn submit(context: &Context, at: AtTurn) -> Decision {
    // A new task: there is nothing to know of it yet but that it waits.
    if at.turn == Turn::FIRST {
        context.looks.notify_one();
        return Ok(None);
    }
    let job = context
        .ask_store("read a task to submit", || {
            context.batches.read.call(None, at)
        })
        .await?;
    let Some(job) = job else {
        count_turns(Work::Submit, TurnState::Stale, 1);
        tracing::debug!("a stale message; nothing to do");
        return Ok(None);
    };
    tracing::Span::current().record("task", display(&job.task_id));
    match job.sending {
        Sending::NotSent => {
            context.looks.notify_one();
            Ok(None)
        }
        Sending::Orphaned { .. } => {
            // A message is no evidence that the worker with this intention is dead: the sweep finds out.
            count_turns(Work::Submit, TurnState::Stale, 1);
            tracing::debug!("another worker is sending the task; nothing to do");
            Ok(None)
        }
        Sending::Again { .. } => again::again(context, &job).await,
    }
}
