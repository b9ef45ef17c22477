//! What an HTTP status, or a code that stands for one, means for a task and a channel.

use std::time::Duration;

use shared::task::cool_down::CoolDown;

use crate::Trouble;

/// A 5xx that comes later than this may be what a gateway says after its own timeout: the request may have
/// been accepted behind it.
const LATE: Duration = Duration::from_secs(5);

/// What an HTTP status means.
pub enum Class {
    /// 2xx: the body decides.
    Fine,
    /// The upstream refuses the request itself.
    Refused,
    /// The channel is at fault.
    Channel(Fault),
}

/// A fault of the channel: how it cools down, whether it is only busy, and the label for the metrics.
pub type Fault = (CoolDown, bool, &'static str);

const BUSY: Fault = (CoolDown::Trouble, true, "busy");
const ERROR: Fault = (CoolDown::Trouble, false, "error");
const UNAUTHORIZED: Fault = (CoolDown::Refusal, false, "unauthorized");
/// The address is not an upstream's.
pub const MISDIRECTED: Fault = (CoolDown::Refusal, false, "misdirected");

impl Class {
    /// Whether the body decides.
    pub fn is_fine(&self) -> bool {
        matches!(self, Self::Fine)
    }
}

/// What this status means.
pub fn class(status: u16) -> Class {
    Class::Channel(match status {
        200..=299 => return Class::Fine,
        408 | 425 | 429 => BUSY,
        401..=403 | 407 => UNAUTHORIZED,
        300..=399 => MISDIRECTED,
        400..=499 => return Class::Refused,
        _ => ERROR,
    })
}

/// Whether a submit that was answered with `status` after this time may have been accepted: a gateway that
/// gives up waiting does not know what the server behind it does, "see other" is what a server says that has
/// done its work, and a status that HTTP does not know proves nothing.
pub fn may_be_accepted(status: u16, after: Duration) -> bool {
    match status {
        303 | 408 | 504 | 524 => true,
        500..=599 => after > LATE,
        _ => !(200..600).contains(&status),
    }
}

/// The trouble of a channel that answered `told`.
pub fn trouble((kind, busy, outcome): Fault, told: &str, retry_after: Option<Duration>) -> Trouble {
    Trouble {
        kind,
        busy,
        retry_after,
        outcome,
        what: format!("it answered with {told}"),
        said: format!("the upstream answered with {told}"),
    }
}
