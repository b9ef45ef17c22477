//! Values that tests share, and readers of what the Store returns.

use std::time::Duration;

use shared::clock::Millis;
use shared::secret::Secret;
use shared::store::channels::{Calls, Failed, NewChannel};
use shared::store::story::Story;
use shared::store::submissions::Submitted;
use shared::store::turns::{Accepted, Finished, Polled, Retry, Settled, TaskUpdate};
use shared::task::cool_down::{CoolDown, RestsFor};
use shared::task::{AtTurn, ChannelId, End, Platform, Progress, Quota, RowId, Status, Turn};

/// The moment at which tests start; not a whole second.
pub const NOW: Millis = Millis(1_760_000_000_250);
/// The price of a song after the migrations (`docs/contract.md`, "Programs and commands").
pub const SONG: i64 = 150_000;

/// A channel to create.
pub fn new_channel(name: &str) -> NewChannel {
    let (url, key) = (
        format!("http://{name}.example"),
        Secret::new("a channel's key"),
    );
    NewChannel {
        // No ceiling is learnt: other tests have few tasks at a channel.
        max_tasks: 100_000,
        ..NewChannel::new(name, Platform::SUNO, url, key)
    }
}

/// An amount of quota.
pub fn bad_call(calls: Calls, kind: CoolDown) -> Failed {
    Failed {
        calls,
        kind,
        asked: None,
        what: String::new(),
        rests_for: RestsFor::Everybody,
    }
}

pub fn quota(number: i64) -> Quota {
    number.try_into().expect("it is a quota")
}

/// The moment so many seconds after [`NOW`].
pub fn later(seconds: u64) -> Millis {
    NOW.after(Duration::from_secs(seconds))
}

/// A task at its first turn.
pub fn first_turn(row: RowId) -> AtTurn {
    AtTurn {
        row,
        turn: Turn::FIRST,
    }
}

/// The same task at its next turn.
pub fn next(at: AtTurn) -> AtTurn {
    earlier(at, -1)
}

/// The same task `turns` turns ago.
pub fn earlier(at: AtTurn, turns: i64) -> AtTurn {
    AtTurn {
        turn: Turn(at.turn.0 - turns),
        ..at
    }
}

/// An upstream's acceptance of a task, to be polled at once.
pub fn accepted(at: AtTurn, channel: ChannelId, upstream_id: &str) -> Accepted {
    Accepted {
        at,
        channel,
        upstream_id: upstream_id.to_owned(),
        due_at: NOW,
    }
}

/// A poll without news.
pub fn waiting(at: AtTurn) -> Polled {
    Polled {
        at,
        due_at: later(8),
        polls: 1,
        missing: 0,
        update: None,
    }
}

/// A poll with news.
pub fn moved(at: AtTurn, status: Status, percent: i64, data: Option<&str>) -> Polled {
    Polled {
        update: Some(TaskUpdate {
            status,
            progress: progress(percent),
            data: data.map(str::to_owned),
            digest: percent + 1,
        }),
        ..waiting(at)
    }
}

/// A progress in percent.
pub fn progress(percent: i64) -> Progress {
    Progress::from_percent(percent).expect("it is a percentage")
}

/// Another try of a submit, due in 7 s, that surely did not arrive.
pub fn retry(at: AtTurn, counted: bool, reason: &str) -> Retry {
    Retry {
        at,
        counted,
        may_have_arrived: false,
        reason: reason.to_owned(),
        heard: None,
        due_at: later(7),
    }
}

/// A success.
pub fn success(at: AtTurn, data: &str) -> Finished {
    Finished {
        at,
        end: End::Success,
        data: Some(data.to_owned()),
    }
}

/// A success that came in the answer to the submit to `channel`.
pub fn success_at_once(channel: ChannelId, at: AtTurn, data: &str) -> Finished {
    let end = End::SuccessAtOnce {
        channel,
        upstream_id: "made-7".to_owned(),
    };
    Finished {
        end,
        ..success(at, data)
    }
}

/// A failure.
pub fn failure(at: AtTurn, reason: &str) -> Finished {
    failed(at, reason, None, false)
}

/// A failure that `channel` reported.
pub fn failure_by(channel: ChannelId, at: AtTurn, reason: &str) -> Finished {
    failed(at, reason, Some(channel), false)
}

/// A task given up at its deadline.
pub fn given_up(at: AtTurn) -> Finished {
    failed(at, "too late", None, true)
}

fn failed(at: AtTurn, reason: &str, channel: Option<ChannelId>, given_up: bool) -> Finished {
    let end = End::Failure {
        reason: reason.to_owned(),
        channel,
        given_up,
    };
    Finished {
        at,
        end,
        data: None,
    }
}

/// The only element.
pub fn only<T: std::fmt::Debug>(mut list: Vec<T>) -> T {
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

/// The list in ascending order.
pub fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// The number of submits that were stored.
pub fn stored(submitted: &[Submitted]) -> usize {
    let stored = |one: &&Submitted| matches!(one, Submitted::Stored { .. });
    submitted.iter().filter(stored).count()
}

/// The number of tasks that settles changed.
pub fn changed(settled: &[Settled]) -> usize {
    let changed = settled.iter().map(|s| s.waiting.len() + s.finished.len());
    changed.sum()
}

/// The turn of an unfinished task, and when the task is due.
pub fn turn_and_due(story: &Story) -> Option<(i64, i64)> {
    let unfinished = story.unfinished.as_ref()?;
    Some((unfinished.turn, unfinished.due_at))
}

/// The moment, the kind and the amount of each ledger entry of a task.
pub fn entries(story: &Story) -> Vec<(i64, &str, i64)> {
    let entries = story.entries.iter();
    entries.map(|e| (e.at, e.kind.as_str(), e.amount)).collect()
}

/// The moment, the turn, the kind and the detail of the newest event of a task.
pub fn last_event(story: &Story) -> (i64, i64, &str, &str) {
    let event = story.events.last().expect("there is a history");
    (event.at, event.turn, &event.kind, &event.detail)
}
