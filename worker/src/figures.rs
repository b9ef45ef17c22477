//! The metrics of a worker, for `GET /metrics`.

use std::time::Duration;

use metrics::{counter, histogram};
use shared::process::telemetry::Figure::{self, Counter, Gauge, Histogram};
use shared::task::Status;

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
    Counter(
        "task_center_tasks_ended_total",
        "Tasks that ended, by status",
    ),
    Counter(
        "task_center_refunds_total",
        "Tasks whose price was given back",
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
    for status in [Status::Success, Status::Failure] {
        counter!("task_center_tasks_ended_total", "status" => status.as_str()).increment(0);
        counter!("task_center_late_results_total", "status" => status.as_str()).increment(0);
    }
    counter!("task_center_refunds_total").increment(0);
    for result in ["nothing", "found", "failed"] {
        counter!("task_center_sweeps_total", "result" => result).increment(0);
    }
    counter!("task_center_database_retries_total").increment(0);
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

/// Counts a task that ended; a failed task was refunded.
pub(crate) fn count_end(status: Status) {
    counter!("task_center_tasks_ended_total", "status" => status.as_str()).increment(1);
    if status == Status::Failure {
        counter!("task_center_refunds_total").increment(1);
    }
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
