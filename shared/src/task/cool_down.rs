//! How long a channel in trouble is left alone.

use std::time::Duration;

use super::UserId;
use super::wait::Rung;
use crate::backoff::growing;
use crate::clock::Millis;

/// Why a channel cools down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoolDown {
    /// The channel is overloaded or broken: 429, 5xx, no connection, an incomplete answer.
    Trouble,
    /// The channel refuses us: 401, 402, 403. An operator must act.
    Refusal,
}

impl CoolDown {
    /// The length of a cool-down that follows `count` others without a success between: 1 s for trouble,
    /// 10 s for a refusal, doubled each time, up to 5 min.
    pub fn wait(self, count: u32) -> Duration {
        let initial = match self {
            Self::Trouble => Duration::from_secs(1),
            Self::Refusal => Duration::from_secs(10),
        };
        growing(initial, 2.0, Rung::LONGEST.duration(), count)
    }
}

/// Whose tasks a channel that cools down gets none of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RestsFor {
    /// Nobody's tasks go there.
    #[default]
    Everybody,
    /// Only this user's requests failed, and may be at fault: the tasks of others go there, one at a time.
    User(UserId),
}

impl RestsFor {
    /// The only user that a channel rests for.
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::Everybody => None,
            Self::User(user) => Some(user),
        }
    }

    /// Whom the channel rests for after another failure: for everybody, if it was of another user.
    #[must_use]
    pub fn and(self, failed: Self) -> Self {
        if self == failed {
            self
        } else {
            Self::Everybody
        }
    }
}

/// A channel's cool-down, as the database keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooling {
    /// The moment it ends.
    pub until: Millis,
    /// How many there were since the channel's last success.
    pub count: u32,
}

impl Cooling {
    /// The cool-down after a failure at `now`. The upstream's own wait (`Retry-After`), up to 5 min,
    /// replaces ours. A failure during a cool-down may lengthen it but counts as the same one, because
    /// many calls fail at once.
    #[must_use]
    pub fn after_failure(self, kind: CoolDown, asked: Option<Duration>, now: Millis) -> Self {
        let asked = asked.map(|asked| now.after(asked.min(Rung::LONGEST.duration())));
        if self.until > now {
            Self {
                until: asked.map_or(self.until, |asked| asked.max(self.until)),
                ..self
            }
        } else {
            Self {
                until: asked.unwrap_or_else(|| now.after(kind.wait(self.count))),
                count: self.count.saturating_add(1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn a_cool_down_doubles_up_to_the_longest_rung() {
        assert_eq!(CoolDown::Trouble.wait(0), Duration::from_secs(1));
        assert_eq!(CoolDown::Refusal.wait(2), Duration::from_secs(40));
        assert_eq!(CoolDown::Trouble.wait(60), Duration::from_mins(5));
    }

    #[test]
    fn a_second_user_whose_request_fails_makes_the_channel_rest_for_everybody() {
        let [ann, bob] = [1, 2].map(|id| RestsFor::User(UserId(id)));
        assert_eq!(ann.and(ann), ann);
        assert_eq!(ann.and(bob), RestsFor::Everybody);
        assert_eq!(RestsFor::Everybody.and(ann), RestsFor::Everybody);
    }

    #[test]
    fn failures_during_a_cool_down_count_as_one() {
        let first = Cooling {
            until: NOW,
            count: 2,
        }
        .after_failure(CoolDown::Trouble, None, NOW);
        let until = NOW.after(Duration::from_secs(4));
        assert_eq!(first, Cooling { until, count: 3 });
        assert_eq!(first.after_failure(CoolDown::Trouble, None, NOW), first);
        let asked = Some(Duration::from_mins(1));
        let longer = first.after_failure(CoolDown::Trouble, asked, NOW);
        let until = NOW.after(Duration::from_mins(1));
        assert_eq!(longer, Cooling { until, count: 3 });
    }
}
