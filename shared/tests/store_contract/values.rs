//! Values that tests share: a moment, a price, a channel, and outcomes of polls.

use std::time::Duration;

use shared::clock::Millis;
use shared::secret::Secret;
use shared::store::channels::NewChannel;
use shared::store::story::Story;
use shared::store::turns::{Finished, Polled, TaskUpdate};
use shared::task::{AtTurn, End, Platform, Progress, Quota, RowId, Status, Turn};

/// The moment at which tests start; not a whole second.
pub const NOW: Millis = Millis(1_760_000_000_250);
/// The price of a song after the migrations (`docs/contract.md`, "Programs and commands").
pub const SONG: i64 = 150_000;

/// A channel to create.
pub fn new_channel(name: &str) -> NewChannel {
    NewChannel {
        name: name.to_owned(),
        platform: Platform::SUNO,
        base_url: format!("http://{name}.example"),
        key: Secret::new("a channel's key"),
        priority: 0,
        weight: 1,
        builtin: false,
    }
}

/// An amount of quota.
pub fn quota(number: i64) -> Quota {
    number.try_into().expect("it is a quota")
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
    AtTurn {
        row: at.row,
        turn: Turn(at.turn.0 + 1),
    }
}

/// A poll without news.
pub fn waiting(at: AtTurn) -> Polled {
    Polled {
        at,
        due_at: NOW.after(Duration::from_secs(8)),
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
            progress: Progress::from_percent(percent).expect("it is a percentage"),
            data: data.map(str::to_owned),
            digest: percent + 1,
        }),
        ..waiting(at)
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

/// A failure.
pub fn failure(at: AtTurn, reason: &str) -> Finished {
    failed(at, reason, false)
}

fn failed(at: AtTurn, reason: &str, given_up: bool) -> Finished {
    let end = End::Failure {
        reason: reason.to_owned(),
        channel: None,
        given_up,
    };
    Finished {
        at,
        end,
        data: None,
    }
}

/// A task given up at its deadline.
pub fn given_up(at: AtTurn) -> Finished {
    failed(at, "too late", true)
}

/// The only element.
pub fn only<T: std::fmt::Debug>(mut list: Vec<T>) -> T {
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

/// The turn of an unfinished task, and when the task is due.
pub fn turn_and_due(story: &Story) -> Option<(i64, i64)> {
    let unfinished = story.unfinished.as_ref()?;
    Some((unfinished.turn, unfinished.due_at))
}
