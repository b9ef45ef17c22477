//! What a worker counts, for `GET /metrics`.

use shared::telemetry::Figure::{self, Counter, Histogram};

/// Every figure of a worker, and what it says.
pub const FIGURES: &[Figure] = &[
    Counter(
        "task_center_turns_total",
        "Turns of tasks that messages named, by work (submit, poll) and turn (claimed, stale)",
    ),
    Counter(
        "task_center_tasks_ended_total",
        "Tasks that ended, by status",
    ),
    Counter(
        "task_center_swept_tasks_total",
        "Overdue tasks that the sweep published again",
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
        "Times that a channel was made to rest, by channel",
    ),
    Counter(
        "task_center_database_retries_total",
        "Database work that had to be asked for again",
    ),
    Counter(
        "task_center_publish_failures_total",
        "Batches of messages that could not be published",
    ),
];
