//! What the outcome of a submit says of its channel: whether it rests, and how many tasks it takes at once.
//!
//! A 429 lowers the ceiling. A channel that refuses our key, or takes no connection, rests at once. A 5xx or a lost
//! answer may be the request's fault: the channel rests only if much of what was sent of late ended so, and for one
//! user alone if no other user's did.

use shared::clock::Millis;
use shared::store::channels::{Calls, Channel};
use shared::task::claims::Trial;
use shared::task::cool_down::{CoolDown, RestsFor};
use upstream::Trouble;

use super::outcome::Sent;
use crate::context::Context;

impl Sent<'_> {
    /// The channel accepted the task.
    pub(super) async fn note_accepted(&self) {
        let Self {
            context,
            channel,
            trial,
            ..
        } = self;
        self.note_good();
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
        self.note_good();
        context.warm_up(channel, Calls::Submits).await;
        self.end_trial().await;
    }

    fn note_good(&self) {
        let (context, user) = (self.context, self.job.user);
        let now = context.now();
        context.channels.note_good(self.channel.id, user, now);
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
            let everybody = RestsFor::Everybody;
            context
                .cool_down(channel, Calls::Submits, trouble, everybody)
                .await;
            self.end_trial().await;
        } else {
            context.note_trouble(channel, trouble).await;
        }
    }

    /// The channel did not take the task, or gave no answer. Returns until when it rests, if it does.
    pub(super) async fn note_failed(&self, trouble: &Trouble, calls: Calls) -> Option<Millis> {
        let Self {
            context,
            job,
            channel,
            trial,
            ..
        } = self;
        let is_sure = calls == Calls::Both || trouble.kind == CoolDown::Refusal;
        let failed_before = job.last_channel.filter(|_| job.attempts > 0);
        let rests_for = if is_sure || trouble.retry_after.is_some() {
            Some(RestsFor::Everybody)
        } else if *trial == Trial::Probe {
            Some(RestsFor::User(job.user))
        } else {
            match failed_before {
                // That it fails again says nothing new.
                Some(before) if before == channel.id => None,
                // Two channels say the same: the request is at fault.
                Some(before) => {
                    let now = context.now();
                    note(context, "take back a failure", |store| async move {
                        store.take_back_failure(before, now).await
                    })
                    .await;
                    None
                }
                None => self.trouble().await,
            }
        };
        let rests_until = if let Some(rests_for) = rests_for {
            let cooled = context.cool_down(channel, calls, trouble, rests_for);
            Some(cooled.await)
        } else {
            context.note_trouble(channel, trouble).await;
            None
        };
        self.end_trial().await;
        rests_until
    }

    /// Whether much of what was sent to the channel of late ended badly, with this submit, and for whom.
    async fn trouble(&self) -> Option<RestsFor> {
        let Self {
            context,
            channel,
            job,
            ..
        } = self;
        let good = context.channels.take_good(channel.id);
        let now = context.now();
        let noted = context.store.note_failure(channel.id, job.user, good, now);
        noted.await.unwrap_or_else(|error| {
            tracing::warn!(%error, channel = %channel.name, "a failure could not be noted");
            None
        })
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
