//! What came after all: tasks that were given up at their deadline are looked at a few times more.
//! A late result is noted in the history; the money stays as settled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::store::turns::LateTask;
use shared::task::ChannelId;
use shared::task::scrub::Scrub;

use crate::context::Context;
use crate::figures::count_late_result;
use crate::poll::fetch::fetch;

/// How many tasks one look asks for.
const AT_ONCE: u32 = 100;

/// How often each worker looks.
const EVERY: Duration = Duration::from_secs(15);

/// Looks until a stop is asked for.
pub async fn run(context: Arc<Context>) {
    loop {
        tokio::select! {
            () = context.stop.requested() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        look(&context).await;
    }
}

/// Looks at the late tasks that are due.
async fn look(context: &Context) {
    let tasks = match context.store.late_tasks(context.now(), AT_ONCE).await {
        Ok(tasks) => tasks,
        Err(error) => {
            tracing::warn!(%error, "late tasks could not be read; they will be");
            return;
        }
    };
    let mut by_channel: HashMap<ChannelId, Vec<LateTask>> = HashMap::new();
    for task in tasks {
        by_channel.entry(task.channel).or_default().push(task);
    }
    for (channel, tasks) in by_channel {
        look_at(context, channel, &tasks).await;
    }
}

/// A refusal or a failure is no matter here: there are more looks to come.
async fn look_at(context: &Context, channel: ChannelId, tasks: &[LateTask]) {
    let Ok(channels) = context.channels.all().await else {
        return;
    };
    let Some(channel) = channels.iter().find(|known| known.id == channel) else {
        return;
    };
    if channel.cool_until > context.now() {
        return;
    }
    let ids = tasks.iter().map(|task| task.upstream_id.clone()).collect();
    let answer = fetch(context, channel, vec![ids]).await;
    let scrub = Scrub::default().and(channel.key.expose());
    for task in tasks {
        let Some(observation) = answer.known.get(&task.upstream_id) else {
            continue;
        };
        let Some(status) = observation.status.filter(|status| status.is_terminal()) else {
            continue;
        };
        let data = observation.data.as_ref().map(|data| scrub.json(data.get()));
        let noted = context
            .store
            .note_late(task.row, status, data.as_deref(), context.now())
            .await;
        match noted {
            Ok(Some(turn)) => {
                count_late_result(status);
                tracing::info!(task = %task.task_id, row = task.row.0, turn = turn.0, %status,
                    "the upstream ended a task after it was given up and refunded; noted");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, task = %task.task_id, row = task.row.0,
                    "a late result was not noted");
            }
        }
    }
}
