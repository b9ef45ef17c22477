//! What happens for want of room is counted, and logged now and then.

use std::net::IpAddr;
use std::time::Duration;

use metrics::counter;
use tokio::time::Instant;

use super::bounds::Bounds;

/// Counts the connections that there was no room for.
pub(super) const TURNED_AWAY: &str = "task_center_http_connections_turned_away_total";

/// The shortest time between two log lines about a lack of room.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Which bound left no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Total,
    Address,
}

/// What was done when there was no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An idle connection was closed for the new one.
    ClosedIdle,
    /// The new one was refused.
    Refused,
}

/// Starts the counters at 0, so that the first connection that is turned away shows as a rise.
pub(super) fn start_at_zero() {
    for bound in [Bound::Total, Bound::Address] {
        for outcome in [Outcome::ClosedIdle, Outcome::Refused] {
            count(bound, outcome, 0);
        }
    }
}

fn count(bound: Bound, outcome: Outcome, times: u64) {
    let bound = match bound {
        Bound::Total => "total",
        Bound::Address => "address",
    };
    let outcome = match outcome {
        Outcome::ClosedIdle => "closed_idle",
        Outcome::Refused => "refused",
    };
    counter!(TURNED_AWAY, "bound" => bound, "outcome" => outcome).increment(times);
}

/// What happened since the last log line.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    last_line: Option<Instant>,
    refused: u64,
    closed: u64,
}

impl TurnedAway {
    /// Counts that there was no room beside `open` connections, and logs a line if the last one is long ago.
    pub fn note(
        &mut self,
        open: usize,
        bounds: &Bounds,
        bound: Bound,
        address: IpAddr,
        outcome: Outcome,
    ) {
        count(bound, outcome, 1);
        match outcome {
            Outcome::Refused => self.refused += 1,
            Outcome::ClosedIdle => self.closed += 1,
        }
        let is_due = |last: Instant| last.elapsed() >= LOG_INTERVAL;
        if !self.last_line.is_none_or(is_due) {
            return;
        }
        let Self {
            refused, closed, ..
        } = std::mem::take(self);
        self.last_line = Some(Instant::now());
        match bound {
            Bound::Total => tracing::warn!(
                open, limit = bounds.total, refused, closed_idle = closed, last_address = %address,
                "no room for more connections: idle ones are closed, and where none is idle, new ones are \
                 refused. The limit follows from the limit of open files (ulimit -n)"
            ),
            Bound::Address => tracing::warn!(
                %address, limit = bounds.per_address, open, refused, closed_idle = closed,
                "one address holds as many connections as it may: its idle ones are closed, and where none \
                 is idle, its new ones are refused. If it is a proxy of yours, name it in TRUSTED_PROXIES"
            ),
        }
    }
}
