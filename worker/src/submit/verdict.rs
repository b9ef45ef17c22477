//! What the outcome of a submit says of its channel: whether it rests, and how many tasks it takes at once.
//!
//! A 429 lowers the ceiling. A channel that refuses our key, or takes no connection, rests at once. A 5xx or a lost
//! answer may be the request's fault: the channel rests only if much of what was sent of late ended so.

use shared::clock::Millis;
use shared::store::channels::{Calls, Channel};
use shared::task::claims::Trial;
use shared::task::cool_down::CoolDown;
use upstream::Trouble;

use super::outcome::Sent;
use crate::context::Context;

/// How the channel is after a submit that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It goes on.
    Works,
    /// It rests until then.
    RestsUntil(Millis),
}

impl Sent<'_> {
    /// The channel accepted the task.
    pub(super) async fn note_accepted(&self) {
        let Self {
            context,
            channel,
            trial,
            ..
        } = self;
        context.channels.note_good(channel.id, context.now());
        if !channel.proven {
            note(
                context,
                "note that a channel's URL is right",
                |store| async move { store.prove_channel(channel.id).await },
            )
            .await;
            context.channels.note_proven(channel.id);
        }
        context.warm_up(channel, Calls::Submits).await;
        if *trial == Trial::AboveCeiling {
            let now = context.now();
            note(context, "raise a ceiling", |store| async move {
                store.note_accepted_above(channel.id, now).await
            })
            .await;
        } else {
            self.end_trial().await;
        }
    }

    /// The channel refused the request for what it is: it is well.
    pub(super) async fn note_answered(&self) {
        let Self {
            context, channel, ..
        } = self;
        context.channels.note_good(channel.id, context.now());
        context.warm_up(channel, Calls::Submits).await;
        self.end_trial().await;
    }

    /// The channel answered 429, and the task is back in its line.
    pub(super) async fn note_busy(&self, trouble: &Trouble) {
        let Self {
            context,
            channel,
            trial,
            ..
        } = self;
        let now = context.now();
        let store = &context.store;
        let running = store.note_refused(channel.id, *trial, now).await;
        let running = running.unwrap_or_else(|error| {
            tracing::warn!(%error, channel = %channel.name, "a 429 could not be noted");
            1
        });
        // It asks for a pause, or takes not even one.
        let asks = trouble.retry_after.is_some();
        if asks || running == 0 || *trial == Trial::Probe {
            context.cool_down(channel, Calls::Submits, trouble).await;
            self.end_trial().await;
        } else {
            context.note_trouble(channel, trouble).await;
        }
    }

    /// The channel did not take the task, or gave no answer.
    pub(super) async fn note_failed(&self, trouble: &Trouble, calls: Calls) -> Health {
        let Self {
            context,
            job,
            channel,
            trial,
            ..
        } = self;
        let is_sure = calls == Calls::Both || trouble.kind == CoolDown::Refusal;
        let mut rests = is_sure || trouble.retry_after.is_some() || *trial == Trial::Probe;
        if !rests {
            let failed_elsewhere = job
                .last_channel
                .filter(|last| job.attempts > 0 && *last != channel.id);
            rests = match failed_elsewhere {
                // Two channels say the same: the request is at fault.
                Some(other) => {
                    let now = context.now();
                    note(context, "take back a failure", |store| async move {
                        store.take_back_failure(other, now).await
                    })
                    .await;
                    false
                }
                None => self.is_in_trouble().await,
            };
        }
        let health = if rests {
            let until = context.cool_down(channel, calls, trouble).await;
            Health::RestsUntil(until)
        } else {
            context.note_trouble(channel, trouble).await;
            Health::Works
        };
        self.end_trial().await;
        health
    }

    /// Whether much of what was sent to the channel of late ended badly, with this submit.
    async fn is_in_trouble(&self) -> bool {
        let Self {
            context, channel, ..
        } = self;
        let now = context.now();
        let good = context.channels.take_good(channel.id, now);
        match context.store.note_calls(channel.id, good, 1, now).await {
            Ok(recent) if recent.is_trouble() => {
                note(context, "forget failures", |store| async move {
                    store.forget_calls(channel.id).await
                })
                .await;
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::warn!(%error, channel = %channel.name, "a failure could not be noted");
                false
            }
        }
    }

    /// Lets the next submit find out what this one was to find out.
    pub(super) async fn end_trial(&self) {
        let (context, channel, trial) = (self.context, self.channel, self.trial);
        if trial != Trial::None {
            note(context, "end a trial", |store| async move {
                store.end_trial(channel.id, trial).await
            })
            .await;
        }
    }
}

/// Writes what was learnt of a channel. It is no outcome: what is lost is learnt again.
async fn note<'a, F>(
    context: &'a Context,
    what: &str,
    work: impl FnOnce(&'a shared::store::Store) -> F,
) where
    F: Future<Output = shared::store::Result<()>>,
{
    if let Err(error) = work(&context.store).await {
        tracing::warn!(%error, what, "what was learnt of a channel could not be written");
    }
}

impl Context {
    /// Notes what was last wrong with a channel that goes on working.
    pub(crate) async fn note_trouble(&self, channel: &Channel, trouble: &Trouble) {
        let what = trouble.shown(channel);
        tracing::debug!(channel = %channel.name, what, "the channel goes on");
        let now = self.now();
        note(self, "note a channel's trouble", |store| {
            let what = what.clone();
            async move { store.note_trouble(channel.id, &what, now).await }
        })
        .await;
    }
}
