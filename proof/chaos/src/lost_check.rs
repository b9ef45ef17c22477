//! Of the songs that upstreams accepted, none failed here but those whose answer was lost on the wire, and those
//! whose worker died, or stood still for longer than its lease, before it recorded the acceptance. A song whose
//! worker died before it sent the song fails, too, and no upstream accepted that song.

use std::collections::BTreeMap;

use harness::cluster::Cluster;
use serde_json::Value;

use crate::run::Run;

/// The start of the reason of a task whose submit may or may not have arrived.
const UNKNOWN: &str = "it is not known whether the upstream received the task%";
/// What a worker logs when it sends a task.
const SENDING: &str = "sending the task";
/// What a worker logs when it gets no answer to a submit that may have arrived.
const LOST: &str = "no answer says whether the upstream accepted the task";
/// The first line of each process.
const STARTS: &str = "bringing the database's tables up to date";
/// What the log says of a process that stood still.
const STOOD_STILL: &str =
    "this process stood still for longer than its leases: others may have taken it for dead";

/// Checks each task that failed because the outcome of its submit is unknown.
pub async fn check(run: &Run, cluster: &Cluster) {
    let mut database = cluster.connect().await;
    let failed = sqlx::query_as(
        "SELECT t.task_id, max(e.turn)
         FROM tasks t
         JOIN task_events e ON e.task_id = t.id AND e.kind = 'sending'
         WHERE t.fail_reason LIKE $1
         GROUP BY t.task_id",
    );
    let failed: Vec<(String, i64)> = failed
        .bind(UNKNOWN)
        .fetch_all(&mut database)
        .await
        .expect("the database answers");
    let logs: Vec<Vec<Line>> = cluster
        .workers
        .iter()
        .map(|node| lines(&node.log()))
        .collect();
    let mut causes: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (task, turn) in failed {
        let from_sending = logs.iter().find_map(|log| {
            let sent = log.iter().position(|line| line.sends(&task, turn))?;
            Some(&log[sent..])
        });
        let cause = match from_sending {
            Some(log) => cause(log, &task),
            None => Some("the worker died before it sent the task"),
        };
        match cause {
            Some(cause) => *causes.entry(cause).or_default() += 1,
            None => run.violation(format!("{task} failed, and its worker lived all the time")),
        }
    }
    run.fact("unknown_outcomes", causes);
}

/// Why a worker could not record the acceptance of a task, by its log from the line on in which it sent the task;
/// `None` if the worker could.
fn cause(after: &[Line], task: &str) -> Option<&'static str> {
    let is_of = |line: &&Line| line.task == task;
    if after
        .iter()
        .any(|line| is_of(&line) && line.message == LOST)
    {
        return Some("the answer was lost");
    }
    let end = after.iter().position(|line| line.message == STARTS);
    if after[..end.unwrap_or(after.len())]
        .iter()
        .any(|line| line.message == STOOD_STILL)
    {
        return Some("the worker stood still");
    }
    end.map(|_| "the worker died")
}

struct Line {
    task: String,
    turn: Option<i64>,
    message: String,
}

impl Line {
    fn sends(&self, task: &str, turn: i64) -> bool {
        self.message == SENDING && self.task == task && self.turn == Some(turn)
    }
}

fn lines(log: &str) -> Vec<Line> {
    let read = |line: &str| {
        let json: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Some(Line {
            task: text("task"),
            turn: json["turn"].as_i64(),
            message: text("message"),
        })
    };
    log.lines().filter_map(read).collect()
}
