//! What the history of a task (`task_events`) says, for both databases.

use super::{End, Status};

/// A kind of event.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// The column `kind`.
    pub kind: &'static str,
    /// The column `detail`, with `%s` in the place of each value, as Postgres's `format` takes it.
    pub detail: &'static str,
}

/// The task was charged and stored. Value: its price.
pub const STORED: Event = event("stored", "charged %s");
/// A submit is about to be sent. Value: the channel's name.
pub const SENDING: Event = event("sending", "to channel %s");
/// A submit surely did not arrive. Value: why.
pub const NOT_ARRIVED: Event = event("not_arrived", "%s");
/// A submit may have arrived. Value: what happened.
pub const UNKNOWN: Event = event("unknown", "%s");
/// The upstream accepted the task. Values: the channel's name, the upstream's id of the task.
pub const ACCEPTED: Event = event("accepted", "by channel %s as %s");
/// The sweep found the task overdue and published it again; noted once a turn. Value: whole seconds
/// since it was due.
pub const SWEPT: Event = event("swept", "overdue for %s s, published again");
/// The vendor called, so the next look at the task comes early.
pub const CALLED: Event = event(
    "called",
    "the vendor called, so the task is looked at early",
);
/// The status changed. Value: the new status.
pub const STATUS: Event = event("status", "%s");
/// The task ended. Value: [`ended`].
pub const ENDED: Event = event("ended", "%s");
/// The price was given back. Value: the price.
pub const REFUNDED: Event = event("refunded", "gave back %s");
/// The upstream ended the task after we gave it up. Value: [`late`].
pub const LATE: Event = event("late", "%s");

const fn event(kind: &'static str, detail: &'static str) -> Event {
    Event { kind, detail }
}

impl Event {
    /// The detail with its values filled in.
    pub fn detail(self, values: &[&str]) -> String {
        let mut parts = self.detail.split("%s");
        let mut detail = parts.next().unwrap_or_default().to_owned();
        for (value, part) in values.iter().zip(parts) {
            detail.push_str(value);
            detail.push_str(part);
        }
        detail
    }
}

/// What the task's user may read of an event's detail. Details of the other kinds name channels, ids of
/// upstreams or what went wrong between us and them. A late result was not paid for: its user reads the
/// status alone.
pub fn for_user<'a>(kind: &str, detail: &'a str) -> &'a str {
    let is = |event: Event| event.kind == kind;
    if [STORED, STATUS, ENDED, REFUNDED].into_iter().any(is) {
        detail
    } else if is(LATE) {
        detail.split(':').next().unwrap_or_default()
    } else {
        ""
    }
}

/// The status, and the reason of a failure.
pub fn ended(end: &End) -> String {
    match end {
        End::Success => Status::Success.to_string(),
        End::SuccessAtOnce { .. } => {
            format!("{}: the answer to the submit held it", Status::Success)
        }
        End::Failure { reason, .. } => format!("{}: {reason}", Status::Failure),
    }
}

/// The status that the upstream gave late, and the result if there is one.
pub fn late(status: Status, data: Option<&str>) -> String {
    match data {
        Some(data) => format!("{status}: {data}"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_reads_of_prices_and_statuses_and_nothing_of_channels_and_upstreams() {
        let late_result = late(Status::Success, Some(r#"[{"id":"c1"}]"#));
        for (event, detail, shown) in [
            (STORED, "charged 5", "charged 5"),
            (SENDING, "to channel main", ""),
            (NOT_ARRIVED, "http://10.0.0.7 answered 503", ""),
            (ACCEPTED, "by channel main as up-7", ""),
            (SWEPT, "overdue for 9 s, published again", ""),
            (CALLED, CALLED.detail, ""),
            (STATUS, "QUEUED", "QUEUED"),
            (ENDED, "FAILURE: out of tune", "FAILURE: out of tune"),
            (REFUNDED, "gave back 5", "gave back 5"),
            (LATE, late_result.as_str(), "SUCCESS"),
        ] {
            assert_eq!(for_user(event.kind, detail), shown, "{}", event.kind);
        }
        assert_eq!(for_user("a kind of a newer program", "main"), "");
    }

    #[test]
    fn values_stand_where_the_detail_says() {
        assert_eq!(STORED.detail(&["150000"]), "charged 150000");
        let odd = ACCEPTED.detail(&["100%s", "up-7"]);
        assert_eq!(odd, "by channel 100%s as up-7");
    }
}
