//! The metrics of a worker, for `GET /metrics`.

use std::time::Duration;

use metrics::{counter, histogram};
use shared::clock::Millis;
use shared::process::telemetry::Figure::{self, Counter, Gauge, Histogram};
use shared::store::turns::Ended;
use shared::task::{Action, Status};

use upstream::{FETCH_OUTCOMES, OUTCOMES, SUBMIT_OUTCOMES};

/// The metrics of a worker, beside those of [`shared::process::gauges::FIGURES`].
pub const FIGURES: &[Figure] = &[
    Counter(
        "task_center_turns_total",
        "Turns of tasks that messages named, by work (submit, poll) and turn (claimed, stale, orphaned)",
    ),
    Histogram(
        "task_center_lateness_seconds",
        "How long after it was due a task was submitted or polled, by work (submit, poll)",
    ),
    Histogram(
        "task_center_end_seen_seconds",
        "How long after its upstream ended a task we saw that, by channel, where the upstream tells when",
    ),
    Gauge(
        "task_center_channel_fetches_limit",
        "How many fetches a second a channel gets, over all workers together, by channel",
    ),
    Gauge(
        "task_center_channel_poll_gap_seconds",
        "The mean time between two polls of a task, as this worker plans it, by channel; 0: no task is there",
    ),
    Counter(
        "task_center_tasks_ended_total",
        "Tasks that ended, by status and channel (none: no channel had the task)",
    ),
    Histogram(
        "task_center_task_seconds",
        "How long tasks took from their submit to their end, by action and status",
    ),
    Counter(
        "task_center_refunds_total",
        "Tasks whose price was given back",
    ),
    Counter(
        "task_center_quota_refunded_total",
        "Quota that was given back, by action",
    ),
    Counter(
        "task_center_sweeps_total",
        "Looks of the sweep for overdue tasks, by result (nothing, found, failed)",
    ),
    Counter(
        "task_center_swept_tasks_total",
        "Overdue tasks that the sweep published again, by work (submit, poll)",
    ),
    Histogram(
        "task_center_swept_overdue_seconds",
        "How long tasks were overdue when the sweep found them",
    ),
    Counter(
        "task_center_late_results_total",
        "Tasks that their upstream ended after they were given up and refunded, by status",
    ),
    Counter(
        "task_center_upstream_calls_total",
        "Calls of upstreams, by channel, call (submit, fetch) and outcome",
    ),
    Counter(
        "task_center_upstream_fetched_ids_total",
        "Tasks that upstreams were asked about, by channel",
    ),
    Histogram(
        "task_center_upstream_call_seconds",
        "How long upstreams took to answer, by channel and call",
    ),
    Counter(
        "task_center_cool_downs_total",
        "Times that a channel was made to rest, by channel and kind (trouble, refusal)",
    ),
    Gauge(
        "task_center_worker_resting",
        "Whether this worker rests because it can call no channel: 1 or 0, by why",
    ),
    Counter(
        "task_center_database_retries_total",
        "Database work that had to be asked for again",
    ),
];

/// The label of a task that no channel had.
const NO_CHANNEL: &str = "none";

/// How a task can end.
const ENDS: [Status; 2] = [Status::Success, Status::Failure];

/// The two kinds of work on a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    Submit,
    Poll,
}

impl Work {
    fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Poll => "poll",
        }
    }
}

/// What a worker found at the turns that messages named.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TurnState {
    /// The task was at that turn, and the worker acted.
    Claimed,
    /// The task was at another turn already.
    Stale,
    /// A worker had died between sending the submit and recording its outcome.
    Orphaned,
}

/// Starts all counters with known labels at 0, so that the first event after a start shows as a rise.
pub(crate) fn start_at_zero() {
    for work in [Work::Submit, Work::Poll] {
        count_turns(work, TurnState::Claimed, 0);
        count_turns(work, TurnState::Stale, 0);
        count_swept(work, 0);
    }
    count_turns(Work::Submit, TurnState::Orphaned, 0);
    for status in ENDS {
        ended_at(NO_CHANNEL, status).increment(0);
        counter!("task_center_late_results_total", "status" => status.as_str()).increment(0);
    }
    counter!("task_center_refunds_total").increment(0);
    for action in Action::known() {
        counter!("task_center_quota_refunded_total", "action" => action.to_string()).increment(0);
    }
    for result in ["nothing", "found", "failed"] {
        counter!("task_center_sweeps_total", "result" => result).increment(0);
    }
    counter!("task_center_database_retries_total").increment(0);
}

/// Starts the counters of a channel at 0, as soon as the worker knows the channel.
pub(crate) fn start_channel_at_zero(channel: &str) {
    for status in ENDS {
        ended_at(channel, status).increment(0);
    }
    for kind in ["trouble", "refusal"] {
        counter!("task_center_cool_downs_total",
            "channel" => channel.to_owned(), "kind" => kind)
        .increment(0);
    }
    for (call, outcomes) in [
        ("submit", &SUBMIT_OUTCOMES[..]),
        ("fetch", &FETCH_OUTCOMES[..]),
    ] {
        for outcome in outcomes.iter().chain(&OUTCOMES) {
            counter!("task_center_upstream_calls_total",
                "channel" => channel.to_owned(), "call" => call, "outcome" => *outcome)
            .increment(0);
        }
    }
    counter!("task_center_upstream_fetched_ids_total", "channel" => channel.to_owned())
        .increment(0);
}

fn ended_at(channel: &str, status: Status) -> metrics::Counter {
    counter!("task_center_tasks_ended_total",
        "status" => status.as_str(), "channel" => channel.to_owned())
}

pub(crate) fn count_turns(work: Work, state: TurnState, many: usize) {
    let turn = match state {
        TurnState::Claimed => "claimed",
        TurnState::Stale => "stale",
        TurnState::Orphaned => "orphaned",
    };
    counter!("task_center_turns_total", "work" => work.as_str(), "turn" => turn)
        .increment(many as u64);
}

pub(crate) fn record_lateness(work: Work, late: Duration) {
    histogram!("task_center_lateness_seconds", "work" => work.as_str()).record(late.as_secs_f64());
}

/// Records how long after its end at the upstream a task was seen to have ended.
pub(crate) fn end_seen(channel: &str) -> metrics::Histogram {
    histogram!("task_center_end_seen_seconds", "channel" => channel.to_owned())
}

/// Counts and times a task that ended at `now`; a failed task was refunded.
pub(crate) fn count_end(ended: &Ended, status: Status, channel: Option<&str>, now: Millis) {
    ended_at(channel.unwrap_or(NO_CHANNEL), status).increment(1);
    let action = ended.action.to_string();
    if status == Status::Failure {
        counter!("task_center_refunds_total").increment(1);
        counter!("task_center_quota_refunded_total", "action" => action.clone())
            .increment(ended.price.get().unsigned_abs());
    }
    // The submit is known to the second.
    let submitted = Millis(ended.submitted.saturating_mul(1000));
    histogram!("task_center_task_seconds", "action" => action, "status" => status.as_str())
        .record(now.since(submitted).as_secs_f64());
}

/// Counts one sweep; `None` if the database did not answer.
pub(crate) fn count_sweep(found: Option<usize>) {
    let result = match found {
        Some(0) => "nothing",
        Some(_) => "found",
        None => "failed",
    };
    counter!("task_center_sweeps_total", "result" => result).increment(1);
}

pub(crate) fn count_swept(work: Work, many: u64) {
    counter!("task_center_swept_tasks_total", "work" => work.as_str()).increment(many);
}

pub(crate) fn record_overdue(overdue: Duration) {
    histogram!("task_center_swept_overdue_seconds").record(overdue.as_secs_f64());
}

pub(crate) fn count_late_result(status: Status) {
    counter!("task_center_late_results_total", "status" => status.as_str()).increment(1);
}
