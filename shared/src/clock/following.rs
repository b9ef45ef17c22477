//! A clock that follows the database's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{Clock, Millis, SystemClock};

/// A clock that somebody sets by the database's clock again and again. In between it goes on by the machine's
/// monotonic clock, so that a jump of the machine's own time changes nothing.
#[derive(Debug)]
pub struct FollowingClock {
    started: Instant,
    /// What the clock showed at `started`, in Unix milliseconds.
    base: AtomicI64,
}

impl Default for FollowingClock {
    /// A clock that shows the machine's time until it is set.
    fn default() -> Self {
        Self {
            started: Instant::now(),
            base: AtomicI64::new(SystemClock.now().0),
        }
    }
}

impl FollowingClock {
    /// Sets the clock: it is `now`.
    pub fn set(&self, now: Millis) {
        let base = now.before(self.started.elapsed());
        self.base.store(base.0, Ordering::SeqCst);
    }
}

impl Clock for FollowingClock {
    fn now(&self) -> Millis {
        Millis(self.base.load(Ordering::SeqCst)).after(self.started.elapsed())
    }

    fn offset(&self) -> Duration {
        let (ours, machine) = (self.now(), SystemClock.now());
        Duration::from_millis(ours.0.abs_diff(machine.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_what_it_was_set_to_and_goes_on_from_there() {
        let clock = FollowingClock::default();
        assert!(clock.offset() < Duration::from_millis(500));
        let ahead = SystemClock.now().after(Duration::from_hours(1));
        clock.set(ahead);
        assert!(clock.now().since(ahead) < Duration::from_millis(500));
        let offset = clock.offset().as_secs();
        assert!((3599..=3600).contains(&offset), "{offset}");
    }
}
