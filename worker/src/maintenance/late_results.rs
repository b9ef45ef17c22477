//! Asks a few times more about tasks that were given up at their deadline. A late result is noted in
//! the task's history; the money stays as settled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared::store::turns::LateTask;
use shared::task::ChannelId;

use upstream::Asked;

use crate::context::Context;
use crate::figures::count_late_result;
use crate::poll::fetch::fetch;

/// The most tasks that one round asks about.
const AT_ONCE: u32 = 100;

/// The pause between two rounds of a worker.
const EVERY: Duration = Duration::from_secs(15);

/// Runs rounds until a stop is requested.
pub async fn run(context: Arc<Context>) {
    loop {
        tokio::select! {
            () = context.stop.requested() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if context.rest.trouble().is_none() {
            round(&context).await;
        }
    }
}

/// Asks about the late tasks that are due.
async fn round(context: &Context) {
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
        ask(context, channel, &tasks).await;
    }
}

/// Asks a channel about its late tasks. Whatever fails is ignored: more rounds follow.
async fn ask(context: &Context, channel: ChannelId, tasks: &[LateTask]) {
    let Ok(channels) = context.channels.all().await else {
        return;
    };
    let Some(channel) = channels.iter().find(|known| known.id == channel) else {
        return;
    };
    let Some(driver) = context.upstreams.driver(channel) else {
        return;
    };
    if channel.poll_cool_until > context.now() {
        return;
    }
    let asked = tasks
        .iter()
        .map(|task| Asked::new(&*task.upstream_id, task.action));
    let answer = fetch(context, driver, channel, vec![asked.collect()], 0).await;
    for task in tasks {
        let Some(observation) = answer.known.get(&task.upstream_id) else {
            continue;
        };
        let Some(status) = observation.status.filter(|status| status.is_terminal()) else {
            continue;
        };
        let scrub = context.scrub_result(channel, &task.task_id);
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
