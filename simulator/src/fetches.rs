//! The calls that fetch tasks: how many came in any second and in any ten seconds, and how many a second are answered.

use std::collections::VecDeque;

use serde::Serialize;

/// All calls that fetch tasks, whatever their answer. Times are ms since 1970, and no time goes back.
#[derive(Debug)]
pub struct FetchCalls {
    tally: Tally,
    in_a_second: Window,
    in_ten_seconds: Window,
    /// The calls of the last second that were not refused with 429.
    answered: Window,
}

/// How a call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// With its tasks, or with the fault that happens.
    Answered,
    /// With 429: too many calls were answered in the last second.
    TooManyCalls,
    /// With 400: the call names too many ids.
    TooManyIds,
}

/// What bounds the calls.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most calls in a second that are answered; `None`: without a bound.
    pub per_second: Option<u32>,
    /// The most ids in a call.
    pub ids: u32,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Tally {
    /// All calls.
    calls: u64,
    /// Calls refused with 429 because too many came before.
    refused: u64,
    /// Calls refused with 400 because they named too many ids.
    too_many_ids: u64,
    /// Ids in all calls.
    ids: u64,
    /// The most ids in a call.
    most_ids: u64,
}

/// The answer of `GET /simulator/fetches`.
#[derive(Debug, Serialize)]
pub struct FetchCallsShown {
    /// When, ms since 1970 by the upstream's clock.
    at: u64,
    #[serde(flatten)]
    tally: Tally,
    /// The most calls that came in any second.
    most_in_1s: usize,
    /// The most calls that came in any ten seconds.
    most_in_10s: usize,
}

impl Default for FetchCalls {
    fn default() -> Self {
        Self {
            tally: Tally::default(),
            in_a_second: Window::of(1_000),
            in_ten_seconds: Window::of(10_000),
            answered: Window::of(1_000),
        }
    }
}

impl FetchCalls {
    /// Counts a call with so many ids, and decides how it is answered. A call is refused with 429 if as many calls as
    /// there may be in a second were answered in the second before it. A call that is refused so delays no other.
    pub fn admit(&mut self, ids: usize, bounds: Bounds, now: u64) -> Admission {
        let ids = ids as u64;
        self.in_a_second.add(now);
        self.in_ten_seconds.add(now);
        self.tally.calls += 1;
        self.tally.ids += ids;
        self.tally.most_ids = self.tally.most_ids.max(ids);
        let answered = self.answered.count(now) as u64;
        if bounds
            .per_second
            .is_some_and(|most| answered >= most.into())
        {
            self.tally.refused += 1;
            return Admission::TooManyCalls;
        }
        self.answered.add(now);
        if ids > bounds.ids.into() {
            self.tally.too_many_ids += 1;
            return Admission::TooManyIds;
        }
        Admission::Answered
    }

    pub fn show(&self, now: u64) -> FetchCallsShown {
        FetchCallsShown {
            at: now,
            tally: self.tally.clone(),
            most_in_1s: self.in_a_second.most,
            most_in_10s: self.in_ten_seconds.most,
        }
    }
}

/// The times of what happened in the last while. What happened exactly that long ago is not among them.
#[derive(Debug)]
struct Window {
    /// How long the while is, ms.
    length: u64,
    times: VecDeque<u64>,
    /// The most that it ever held.
    most: usize,
}

impl Window {
    const fn of(length: u64) -> Self {
        Self {
            length,
            times: VecDeque::new(),
            most: 0,
        }
    }

    fn count(&mut self, now: u64) -> usize {
        while let Some(first) = self.times.front()
            && first + self.length <= now
        {
            self.times.pop_front();
        }
        self.times.len()
    }

    fn add(&mut self, now: u64) {
        self.times.push_back(now);
        self.most = self.most.max(self.count(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn admissions(times: &[u64], per_second: Option<u32>) -> (FetchCalls, Vec<Admission>) {
        let mut calls = FetchCalls::default();
        let bounds = Bounds {
            per_second,
            ids: 100,
        };
        let mut admit = |&now| calls.admit(10, bounds, now);
        let admissions = times.iter().map(&mut admit).collect();
        (calls, admissions)
    }

    #[test]
    fn a_call_is_refused_if_as_many_as_may_be_were_answered_in_the_second_before() {
        use Admission::{Answered, TooManyCalls};
        let times = [1_000, 1_900, 1_999, 2_000, 2_899, 2_900];
        let (calls, admissions) = admissions(&times, Some(2));
        let expected = [
            Answered,
            Answered,
            TooManyCalls,
            Answered,
            TooManyCalls,
            Answered,
        ];
        assert_eq!(admissions, expected);
        assert_eq!(calls.tally.refused, 2);
    }

    #[test]
    fn the_most_calls_of_any_second_and_of_any_ten_seconds_are_counted() {
        let times = [0, 500, 999, 1_000, 9_999, 10_000, 30_000];
        let (calls, admissions) = admissions(&times, None);
        assert!(admissions.iter().all(|one| *one == Admission::Answered));
        let shown = serde_json::to_value(calls.show(40_000)).unwrap();
        let expected = json!({"at": 40_000, "calls": 7, "refused": 0, "too_many_ids": 0, "ids": 70,
                              "most_ids": 10, "most_in_1s": 3, "most_in_10s": 5});
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_call_with_too_many_ids_is_a_call() {
        let mut calls = FetchCalls::default();
        let bounds = Bounds {
            per_second: Some(1),
            ids: 1,
        };
        assert_eq!(calls.admit(2, bounds, 0), Admission::TooManyIds);
        assert_eq!(calls.admit(1, bounds, 999), Admission::TooManyCalls);
        assert_eq!(calls.admit(1, bounds, 1_000), Admission::Answered);
        assert_eq!((calls.tally.too_many_ids, calls.tally.most_ids), (1, 2));
    }
}
