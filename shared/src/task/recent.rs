//! How much of what was sent to a channel of late ended badly: a 5xx, or no answer. One request that fails says
//! nothing of its channel, as the request may be at fault; a channel of which most requests fail is in trouble.
//! If all that failed is of one user, the requests of this user may be at fault: then the channel rests for this user
//! alone, and not at all if it served another user a moment ago.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::UserId;
use super::cool_down::RestsFor;
use crate::clock::Millis;

/// A submit weighs half as much after this time.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// With fewer failures than this, in thousandths, a channel is not in trouble.
const FEWEST: u64 = 4_500;
/// What one submit weighs when it ends.
const ONE: u64 = 1_000;
/// How long it counts that a user's submit failed, or succeeded.
const LATELY: Duration = Duration::from_mins(1);

/// How the submits of late ended, as of `at`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent {
    /// How many were answered, in thousandths: accepted, or refused for what they were.
    pub good: u64,
    /// How many ended in a 5xx or without an answer, in thousandths.
    pub bad: u64,
    /// The time of the numbers.
    pub at: Millis,
    /// Whose they were.
    pub users: RecentUsers,
}

/// Whose submits ended how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecentUsers {
    good: LastTwo,
    bad: LastTwo,
}

impl RecentUsers {
    /// Reads what [`RecentUsers::stored`] wrote. What cannot be read is as if nothing was known.
    pub fn read(stored: &str) -> Self {
        serde_json::from_str(stored).unwrap_or_default()
    }

    /// As the database keeps it: JSON.
    pub fn stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// The last two users to whom something happened, and when; the last one first. Two are enough to know whether it
/// happened to another user than this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct LastTwo(Vec<(UserId, Millis)>);

impl LastTwo {
    fn add(&mut self, user: UserId, at: Millis) {
        let before = self.0.iter().find(|(known, _)| *known == user);
        let at = before.map_or(at, |(_, before)| at.max(*before));
        self.0.retain(|(known, _)| *known != user);
        self.0.push((user, at));
        self.0.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
        self.0.truncate(2);
    }

    /// Whether it happened lately to another user.
    fn has_another(&self, user: UserId, now: Millis) -> bool {
        self.0
            .iter()
            .any(|(other, at)| *other != user && now.since(*at) < LATELY)
    }
}

impl Recent {
    /// The numbers at `now`.
    fn faded(self, now: Millis) -> Self {
        let age = now.since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let left = 0.5_f64.powf(age);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the numbers are small and not negative"
        )]
        let fade = |number: u64| (number as f64 * left) as u64;
        Self {
            good: fade(self.good),
            bad: fade(self.bad),
            at: now,
            users: self.users,
        }
    }

    /// With one more submit, which ended well.
    #[must_use]
    pub fn and_good(self, user: UserId, now: Millis) -> Self {
        let mut recent = self.faded(now);
        recent.good += ONE;
        recent.users.good.add(user, now);
        recent
    }

    /// With one more submit, which ended badly.
    #[must_use]
    pub fn and_bad(self, user: UserId, now: Millis) -> Self {
        let mut recent = self.faded(now);
        recent.bad += ONE;
        recent.users.bad.add(user, now);
        recent
    }

    /// With others, which ended well: another worker's, or not counted yet.
    #[must_use]
    pub fn and_those(self, others: Self, now: Millis) -> Self {
        let (mut recent, others) = (self.faded(now), others.faded(now));
        recent.good += others.good;
        for (user, at) in others.users.good.0 {
            recent.users.good.add(user, at);
        }
        recent
    }

    /// The numbers without one failure that was the request's fault: it failed elsewhere, too.
    #[must_use]
    pub fn without_one(self, now: Millis) -> Self {
        let faded = self.faded(now);
        Self {
            bad: faded.bad.saturating_sub(ONE),
            ..faded
        }
    }

    /// Whether the channel is in trouble, and for whom, after `user`'s submit ended badly: at least five failures of
    /// late, and half of all submits.
    pub fn trouble(&self, user: UserId) -> Option<RestsFor> {
        if self.bad < FEWEST || self.bad < self.good {
            return None;
        }
        if self.users.bad.has_another(user, self.at) {
            return Some(RestsFor::Everybody);
        }
        let serves_others = self.users.good.has_another(user, self.at);
        (!serves_others).then_some(RestsFor::User(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);
    const ANN: UserId = UserId(1);
    const BOB: UserId = UserId(2);

    fn at(second: u64) -> Millis {
        NOW.after(Duration::from_secs(second))
    }

    fn bad(recent: Recent, count: u32, user: UserId, now: Millis) -> Recent {
        (0..count).fold(recent, |recent, _| recent.and_bad(user, now))
    }

    fn good(recent: Recent, count: u32, user: UserId, now: Millis) -> Recent {
        (0..count).fold(recent, |recent, _| recent.and_good(user, now))
    }

    #[test]
    fn a_few_requests_that_always_fail_are_no_trouble_of_the_channel() {
        let mut recent = Recent::default();
        for second in 0..600 {
            recent = bad(good(recent, 38, ANN, at(second)), 1, ANN, at(second));
            recent = bad(recent, 1, BOB, at(second));
            assert_eq!(recent.trouble(BOB), None);
        }
    }

    #[test]
    fn five_failures_and_nothing_else_are_trouble() {
        let four = bad(Recent::default(), 4, ANN, NOW);
        assert_eq!(four.trouble(ANN), None);
        let five = four.clone().and_bad(ANN, at(2));
        assert_eq!(five.trouble(ANN), Some(RestsFor::User(ANN)));
        let late = four.and_bad(ANN, at(120));
        assert_eq!(late.trouble(ANN), None, "they are long ago");
    }

    #[test]
    fn failures_of_two_users_are_trouble_for_everybody() {
        let recent = bad(Recent::default(), 4, ANN, NOW);
        let soon = recent.clone().and_bad(BOB, at(2));
        assert_eq!(soon.trouble(BOB), Some(RestsFor::Everybody));
        let later = bad(recent.and_bad(BOB, NOW), 5, ANN, at(70));
        assert_eq!(later.trouble(ANN), Some(RestsFor::User(ANN)));
    }

    #[test]
    fn a_channel_that_served_another_user_a_moment_ago_is_well() {
        let recent = bad(Recent::default().and_good(BOB, NOW), 20, ANN, at(50));
        assert_eq!(recent.trouble(ANN), None);
        let own = bad(Recent::default().and_good(ANN, NOW), 20, ANN, at(50));
        assert_eq!(own.trouble(ANN), Some(RestsFor::User(ANN)));
        let long_ago = bad(recent, 20, ANN, at(61));
        assert_eq!(long_ago.trouble(ANN), Some(RestsFor::User(ANN)));
    }

    #[test]
    fn what_other_workers_saw_counts() {
        let mut theirs = good(Recent::default(), 2, BOB, NOW);
        theirs.users = RecentUsers::read(&theirs.users.stored());
        let ours = bad(Recent::default(), 9, ANN, at(1));
        assert_eq!(ours.and_those(theirs, at(2)).trouble(ANN), None);
    }

    #[test]
    fn an_upstream_that_dies_is_noticed_although_it_was_well() {
        let well = good(good(Recent::default(), 50, ANN, NOW), 50, BOB, NOW);
        let forty = bad(bad(well, 20, ANN, at(30)), 20, BOB, at(30));
        assert_eq!(forty.trouble(BOB), None);
        let sixty = bad(forty, 20, ANN, at(30));
        assert_eq!(sixty.trouble(ANN), Some(RestsFor::Everybody));
    }

    #[test]
    fn a_request_that_fails_elsewhere_too_is_taken_back() {
        let five = bad(Recent::default(), 5, ANN, NOW);
        assert!(five.trouble(ANN).is_some());
        assert_eq!(five.without_one(NOW).trouble(ANN), None);
    }
}
