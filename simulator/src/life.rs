//! The life of one task: a pure function of its submit time, the durations drawn for it, and the current time.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The phase of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    NotStart,
    /// Passed on to the model.
    Submitted,
    /// Waiting in a queue.
    Queued,
    /// In progress, without audio.
    Composing,
    /// In progress, with audio.
    Streaming,
    Success,
    Failure,
}

impl Phase {
    /// The status in the dialect.
    pub const fn status(self) -> &'static str {
        match self {
            Self::NotStart => "NOT_START",
            Self::Submitted => "SUBMITTED",
            Self::Queued => "QUEUED",
            Self::Composing | Self::Streaming => "IN_PROGRESS",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
        }
    }

    /// Whether the task has ended.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failure)
    }
}

/// The plan of a task's life. Times are ms: `born` since 1970 by the upstream's clock, the others since `born`.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    born: u64,
    submitted: u32,
    queued: u32,
    started: u32,
    streaming: u32,
    done: u32,
    /// Whether the task ends in FAILURE.
    pub fails: bool,
    /// Whether the task has no end of its own.
    pub stuck: bool,
}

/// A task at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub phase: Phase,
    /// From 0 to 100; 100 exactly if the task has ended.
    pub percent: u8,
    /// When the task was submitted, Unix seconds.
    pub submit_time: u64,
    /// When work on the task began, Unix seconds; 0 before.
    pub start_time: u64,
    /// When the task ended, Unix seconds; 0 before.
    pub finish_time: u64,
}

impl Life {
    /// Plans a life that starts at `born` (ms since 1970), takes `length` and ends in SUCCESS. The task is submitted
    /// within its first 2 %, queued at 2 to 10 %, composing at 10 to 25 %, and streaming at 30 to 60 %.
    pub fn plan(born: u64, length: Duration, rng: &mut impl Rng) -> Self {
        let done = u32::try_from(length.as_millis()).unwrap_or(u32::MAX);
        let mut part = |from: u32, to: u32| {
            let share = u64::from(rng.random_range(from..to)) * u64::from(done) / 100;
            u32::try_from(share).unwrap_or(done)
        };
        let (submitted, queued) = (part(0, 2), part(2, 10));
        let (started, streaming) = (part(10, 25), part(30, 60));
        Self {
            born,
            submitted,
            queued,
            started,
            streaming,
            done,
            fails: false,
            stuck: false,
        }
    }

    /// The task at `now` (ms since 1970). A time before `born` counts as `born`.
    pub fn at(&self, now: u64) -> Moment {
        let age = now.saturating_sub(self.born);
        let reached = |mark: u32| age >= u64::from(mark);
        let over = reached(self.done) && !self.stuck;
        let phase = match over {
            true if self.fails => Phase::Failure,
            true => Phase::Success,
            _ if reached(self.streaming) => Phase::Streaming,
            _ if reached(self.started) => Phase::Composing,
            _ if reached(self.queued) => Phase::Queued,
            _ if reached(self.submitted) && age > 0 => Phase::Submitted,
            _ => Phase::NotStart,
        };
        let seconds = |is_past: bool, mark: u32| {
            let seconds = (self.born + u64::from(mark)) / 1_000;
            if is_past { seconds } else { 0 }
        };
        Moment {
            phase,
            percent: self.percent(phase, age),
            submit_time: self.born / 1_000,
            start_time: seconds(phase >= Phase::Composing, self.started),
            finish_time: seconds(phase.is_terminal(), self.done),
        }
    }

    /// When the task was submitted, and when it ends, ms since 1970; `None` if the life has no end of its own.
    pub fn span(&self) -> (u64, Option<u64>) {
        let end = self.born + u64::from(self.done);
        (self.born, (!self.stuck).then_some(end))
    }

    /// The time from `now` (ms since 1970) to the end; `None` if the life has no end of its own.
    pub fn left(&self, now: u64) -> Option<Duration> {
        let (_, end) = self.span();
        end.map(|end| Duration::from_millis(end.saturating_sub(now)))
    }

    /// Ends the task at `now` (ms since 1970): in FAILURE if `fail` is set or FAILURE was its plan, else in SUCCESS.
    /// If the task has ended already, this returns false and changes nothing.
    pub fn finish(&mut self, now: u64, fail: bool) -> bool {
        if self.at(now).phase.is_terminal() {
            return false;
        }
        self.fails |= fail;
        self.stuck = false;
        self.done = u32::try_from(now.saturating_sub(self.born)).unwrap_or(u32::MAX);
        self.started = self.started.min(self.done);
        true
    }

    fn percent(&self, phase: Phase, age: u64) -> u8 {
        match phase {
            Phase::NotStart => 0,
            Phase::Success | Phase::Failure => 100,
            _ => {
                let percent = age.saturating_mul(100).checked_div(u64::from(self.done));
                let percent = percent.map_or(99, |percent| percent.min(99));
                u8::try_from(percent).unwrap_or(99)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const BORN: u64 = 1_716_191_749_500;

    fn life() -> Life {
        let mut rng = StdRng::seed_from_u64(7);
        Life::plan(BORN, Duration::from_secs(100), &mut rng)
    }

    fn failing() -> Life {
        Life {
            fails: true,
            ..life()
        }
    }

    fn stuck(life: Life) -> Life {
        Life {
            stuck: true,
            ..life
        }
    }

    #[test]
    fn a_life_goes_through_its_phases_in_order_and_ends_on_time() {
        let life = life();
        let mut seen = Vec::new();
        let mut last = 0;
        for age in 0..=100_000 {
            let moment = life.at(BORN + age);
            assert!(moment.percent >= last);
            last = moment.percent;
            if seen.last() != Some(&moment.phase) {
                seen.push(moment.phase);
            }
            assert_eq!(moment.phase.is_terminal(), age == 100_000);
        }
        let all = [
            Phase::NotStart,
            Phase::Submitted,
            Phase::Queued,
            Phase::Composing,
            Phase::Streaming,
            Phase::Success,
        ];
        assert_eq!(seen, all);
    }

    #[test]
    fn times_in_the_future_are_zero() {
        let life = failing();
        let born = life.at(BORN);
        let times = (born.submit_time, born.start_time, born.finish_time);
        assert_eq!(times, (BORN / 1_000, 0, 0));
        let ended = life.at(BORN + 200_000);
        assert_eq!((ended.phase, ended.percent), (Phase::Failure, 100));
        assert_eq!(ended.finish_time, (BORN + 100_000) / 1_000);
        assert!(ended.start_time > ended.submit_time && ended.start_time < ended.finish_time);
    }

    #[test]
    fn a_stuck_task_stays_below_a_hundred() {
        let moment = stuck(life()).at(BORN + 10_000_000);
        assert_eq!((moment.phase, moment.percent), (Phase::Streaming, 99));
        assert_eq!(stuck(life()).left(BORN), None);
    }

    #[test]
    fn a_task_can_be_ended_early_and_only_once() {
        let mut life = stuck(life());
        assert!(life.finish(BORN + 10, false));
        let moment = life.at(BORN + 10);
        assert_eq!(moment.phase, Phase::Success);
        assert!(moment.start_time <= moment.finish_time);
        assert!(!life.finish(BORN + 20, true));
        assert_eq!(life.at(BORN + 20).phase, Phase::Success);
    }

    #[test]
    fn a_failing_task_fails_when_it_is_ended() {
        let mut life = failing();
        life.finish(BORN, false);
        assert_eq!(life.at(BORN).phase, Phase::Failure);
    }

    #[test]
    fn a_life_without_length_ends_at_once() {
        let mut rng = StdRng::seed_from_u64(7);
        let life = Life::plan(BORN, Duration::ZERO, &mut rng);
        assert_eq!(life.at(BORN).phase, Phase::Success);
        let stuck = stuck(life).at(BORN);
        assert_eq!((stuck.phase, stuck.percent), (Phase::Streaming, 99));
    }
}
