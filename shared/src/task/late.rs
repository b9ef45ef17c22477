//! When a task that was given up at its deadline is looked at again: its upstream may make it late.
//! Six looks: 1 min after the task was given up, then every 5 min.

use std::time::Duration;

use crate::clock::Millis;

/// How many looks a task has. After the last it is forgotten.
pub const LOOKS: u32 = 6;

const FIRST_LOOK_AFTER: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_mins(5);

/// The moment of the first look at a task that was given up at `now`.
pub fn first_look(now: Millis) -> Millis {
    now.after(FIRST_LOOK_AFTER)
}

/// The moment of the look after one at `now`.
pub fn next_look(now: Millis) -> Millis {
    now.after(LOOK_EVERY)
}
