//! How many tasks a channel takes at once, learnt from its 429s.
//!
//! While nothing is known, the ceiling grows by half as soon as most of what it makes room for is accepted. A 429 lowers the ceiling to what runs
//! there, and soon one task is tried above it: if that task is accepted, the 429 had nothing to do with how many
//! tasks run, and the ceiling is what it was. Otherwise the ceiling holds, and it is tried again after longer and
//! longer waits. So a channel with places for five songs gets few 429s and stays full, and a channel that refuses
//! requests at random is not slowed down.

use std::time::Duration;

use crate::clock::Millis;

/// The ceiling of a channel of which nothing is known.
const FIRST: u32 = 4;
/// No ceiling is higher.
const HIGHEST: u32 = 1_000_000;
/// The wait before a try above the ceiling, by how many tries in a row were refused. The first is just long enough
/// for the answers to what was sent together.
const WAITS: [Duration; 6] = [
    Duration::from_millis(300),
    Duration::from_secs(10),
    Duration::from_mins(2),
    Duration::from_mins(4),
    Duration::from_mins(8),
    Duration::from_mins(16),
];

/// What is known of how many tasks a channel takes at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// The ceiling; 0: nothing was learnt.
    pub tasks: u32,
    /// When the ceiling may be exceeded by one task. 0: the ceiling grows with what is accepted.
    pub held_until: Millis,
    /// How many tries above the ceiling were refused in a row.
    pub refusals: u32,
    /// The ceiling before the 429 that nothing confirmed yet; 0: there is none.
    pub former: u32,
    /// Until when one task above the ceiling is being tried.
    pub trying_until: Millis,
}

/// How many more tasks a channel takes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// So many tasks.
    Places(u32),
    /// One task above the ceiling, as a try.
    Try,
}

impl Room {
    /// How many tasks.
    pub fn tasks(self) -> u32 {
        match self {
            Self::Places(tasks) => tasks,
            Self::Try => 1,
        }
    }
}

impl Ceiling {
    /// How many tasks may run, where the operator set `max` (0: nothing).
    pub fn limit(&self, max: u32) -> u32 {
        match (max, self.tasks) {
            (0, 0) => FIRST,
            (0, learnt) => learnt,
            (max, 0) => max,
            (max, learnt) => learnt.min(max),
        }
    }

    /// Whether the ceiling grows with what is accepted.
    fn grows(&self) -> bool {
        self.held_until == Millis(0)
    }

    /// How many more tasks may be sent to a channel that has `running` tasks.
    pub fn room(&self, max: u32, running: u32, now: Millis) -> Room {
        let places = self.limit(max).saturating_sub(running);
        let may_try = !self.grows() && self.held_until <= now && self.trying_until <= now;
        if places == 0 && may_try && (max == 0 || running < max) {
            Room::Try
        } else {
            Room::Places(places)
        }
    }

    /// The ceiling while a task above it is being tried, at most until `until`.
    #[must_use]
    pub fn trying(self, until: Millis) -> Self {
        Self {
            trying_until: until,
            ..self
        }
    }

    /// Whether the ceiling may grow: it does, and the channel is full.
    pub fn may_grow(&self, max: u32, running: u32) -> bool {
        let limit = self.limit(max);
        self.grows() && running >= limit && (max == 0 || limit < max)
    }

    /// The ceiling of a full channel, of whose `running` tasks so many are being sent: the others were accepted.
    #[must_use]
    pub fn grown(self, max: u32, running: u32, sending: u32) -> Self {
        let limit = self.limit(max);
        if !self.may_grow(max, running) || sending > limit / 4 {
            return self;
        }
        Self {
            tasks: limit.saturating_add(limit.div_ceil(2)).min(HIGHEST),
            ..self
        }
    }

    /// The ceiling after a task above it was accepted; `running` run now.
    #[must_use]
    pub fn accepted(self, running: u32) -> Self {
        Self {
            tasks: self.tasks.max(self.former).max(running),
            ..Self::default()
        }
    }

    /// The ceiling after a 429; `running` tasks still run at the channel or are being sent to it.
    #[must_use]
    pub fn refused(self, max: u32, running: u32, was_try: bool, now: Millis) -> Self {
        // A task that is being tried counts among those that run.
        let is_trying = !was_try && self.trying_until > now;
        let others = running.saturating_sub(u32::from(is_trying)).max(1);
        let limit = self.limit(max);
        let tasks = limit.min(others);
        if was_try {
            let refusals = self.refusals.saturating_add(1);
            return Self {
                tasks,
                held_until: now.after(wait(refusals)),
                refusals,
                former: 0,
                trying_until: Millis(0),
            };
        }
        let former = if self.former == 0 { limit } else { self.former };
        let soon = now.after(wait(0));
        let held_until = if self.grows() {
            soon
        } else {
            self.held_until.min(soon).max(Millis(1))
        };
        Self {
            tasks,
            held_until,
            refusals: if self.grows() { 0 } else { self.refusals },
            former,
            trying_until: self.trying_until,
        }
    }
}

fn wait(refusals: u32) -> Duration {
    let last = WAITS[WAITS.len() - 1];
    let refusals = usize::try_from(refusals).unwrap_or(usize::MAX);
    WAITS.get(refusals).copied().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An upstream with `places` that gets one task after another, each time as many as there is room for. Returns
    /// how many are in, and how many 429s there were.
    fn fill(ceiling: &mut Ceiling, places: u32, running: &mut u32, now: Millis) -> u32 {
        let room = ceiling.room(0, *running, now);
        let was_try = room == Room::Try;
        if was_try {
            *ceiling = ceiling.trying(now.after(Duration::from_mins(1)));
        }
        let sent = room.tasks();
        let accepted = sent.min(places - *running);
        let mut under_way = *running + sent;
        if was_try && accepted > 0 {
            *ceiling = ceiling.accepted(under_way);
        }
        for _ in accepted..sent {
            under_way -= 1;
            *ceiling = ceiling.refused(0, under_way, was_try, now);
        }
        *running += accepted;
        *ceiling = ceiling.grown(0, *running, 0);
        sent - accepted
    }

    #[test]
    fn five_places_are_found_with_few_refusals_and_tried_again_rarely() {
        let (mut ceiling, mut running, mut refusals) = (Ceiling::default(), 0, 0);
        for tenths in 0..3600 {
            let now = Millis(1_000_000 + tenths * 100);
            // A song of 60 s ends every 12 s.
            if tenths > 0 && tenths % 120 == 0 {
                running -= 1;
            }
            refusals += fill(&mut ceiling, 5, &mut running, now);
            assert!(tenths < 10 || running == 5, "{tenths}: {running}");
        }
        assert!(refusals <= 6, "{refusals}");
        assert_eq!(ceiling.tasks, 5);
    }

    #[test]
    fn a_channel_without_a_bound_is_filled_in_a_few_steps() {
        let (mut ceiling, mut running) = (Ceiling::default(), 0);
        for step in 0..12 {
            fill(&mut ceiling, 10_000, &mut running, Millis(1_000_000 + step));
        }
        assert!(running > 100, "{running}");
    }

    #[test]
    fn the_ceiling_does_not_grow_while_many_are_unanswered_or_places_are_free() {
        let known = Ceiling {
            tasks: 8,
            ..Ceiling::default()
        };
        assert_eq!(known.grown(0, 8, 3), known);
        assert_eq!(known.grown(0, 7, 0), known);
        assert_eq!(known.grown(0, 8, 2).tasks, 12);
        assert_eq!(known.grown(8, 8, 0), known, "it is set");
    }

    #[test]
    fn a_refusal_that_the_next_try_contradicts_costs_nothing() {
        let known = Ceiling {
            tasks: 300,
            ..Ceiling::default()
        };
        let now = Millis(1_000_000);
        let doubted = known.refused(0, 79, false, now);
        assert_eq!(doubted.room(0, 79, now), Room::Places(0));
        let later = now.after(Duration::from_millis(300));
        assert_eq!(doubted.room(0, 79, later), Room::Try);
        let tried = doubted.trying(later.after(Duration::from_mins(1)));
        assert_eq!(tried.room(0, 80, later), Room::Places(0), "one at a time");
        let again = tried.accepted(80);
        assert_eq!(again.room(0, 80, later), Room::Places(220));
    }

    #[test]
    fn refusals_of_what_was_sent_together_lower_the_ceiling_by_one_each() {
        let now = Millis(1_000_000);
        let mut ceiling = Ceiling {
            tasks: 8,
            ..Ceiling::default()
        };
        for running in [7, 6, 5] {
            ceiling = ceiling.refused(0, running, false, now);
        }
        assert_eq!(ceiling.tasks, 5);
    }

    #[test]
    fn a_set_limit_is_the_start_and_is_never_exceeded() {
        let ceiling = Ceiling::default();
        assert_eq!(ceiling.room(5, 2, Millis(1)), Room::Places(3));
        let lower = ceiling.refused(5, 3, false, Millis(1));
        assert_eq!(lower.limit(5), 3);
        let later = Millis(100_000);
        assert_eq!(lower.room(5, 3, later), Room::Try);
        let again = lower.accepted(4);
        assert_eq!(again.limit(5), 5);
        assert_eq!(again.refused(5, 0, false, later).limit(5), 1);
        let full = Ceiling {
            tasks: 9,
            held_until: Millis(1),
            ..Ceiling::default()
        };
        assert_eq!(full.room(5, 5, later), Room::Places(0));
    }
}
