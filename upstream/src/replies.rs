//! For tests: what a call to an upstream came to.

use std::time::Duration;

use reqwest::StatusCode;

use crate::connect::{Blame, NoConnection};
use crate::http::{Body, Reply, Response};
use crate::outcomes::SubmitOutcome;

/// What [`with`] says in `Retry-After`.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(7);

/// An answer with this whole body, which came after so many seconds.
pub(crate) fn whole(status: u16, body: &str, seconds: u64) -> Reply {
    answer(status, Body::Whole(body.as_bytes().to_vec()), seconds, None)
}

/// An answer with this body that asks for a pause.
pub(crate) fn with(status: u16, body: Body, seconds: u64) -> Reply {
    answer(status, body, seconds, Some(RETRY_AFTER))
}

fn answer(status: u16, body: Body, seconds: u64, retry_after: Option<Duration>) -> Reply {
    Reply::Response(Response {
        status: StatusCode::from_u16(status).expect("it is a status"),
        body,
        retry_after,
        after: Duration::from_secs(seconds),
    })
}

/// Nobody took the connection.
pub(crate) fn no_connection() -> Reply {
    Reply::NotConnected(NoConnection {
        what: "refused".to_owned(),
        blame: Blame::Channel,
    })
}

/// The name of an outcome of a submit by which no task is accepted. What did not arrive was answered by [`with`].
pub(crate) fn not_accepted(outcome: SubmitOutcome) -> String {
    match outcome {
        SubmitOutcome::Refused(refusal) => format!("refused {}", refusal.words),
        SubmitOutcome::NotArrived(trouble) => {
            assert_eq!(trouble.retry_after, Some(RETRY_AFTER));
            trouble.outcome.to_owned()
        }
        SubmitOutcome::NotConnected(_) => "not connected".to_owned(),
        SubmitOutcome::Unknown(_) => "unknown".to_owned(),
        other => panic!("{other:?}"),
    }
}
