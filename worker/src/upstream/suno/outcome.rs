//! What an HTTP answer means for the task and the channel (`docs/upstreams/suno.md`, the table of
//! misbehaviour).

use std::time::Duration;

use reqwest::StatusCode;
use shared::task::cool_down::CoolDown;

use super::answer::Envelope;
use crate::upstream::http::{Body, Reply};
use crate::upstream::{FetchOutcome, SubmitOutcome, Trouble};

/// The codes of the dialect by which an upstream says that it does not know an id.
const IDS_REFUSED: [&str; 2] = ["task_not_exist", "invalid_request"];

/// What an HTTP status or a code of the dialect means.
enum Class {
    /// 2xx: the body decides.
    Fine,
    /// The upstream refuses the request itself.
    Refused,
    /// The channel is at fault.
    Channel(Trouble),
}

/// A fault of the channel: how it cools down, whether it is only busy, and the label for the metrics.
type Fault = (CoolDown, bool, &'static str);

const BUSY: Fault = (CoolDown::Trouble, true, "busy");
const ERROR: Fault = (CoolDown::Trouble, false, "error");
const UNAUTHORIZED: Fault = (CoolDown::Refusal, false, "unauthorized");
/// The address is not an upstream's.
const MISDIRECTED: Fault = (CoolDown::Refusal, false, "misdirected");

/// The channel's fault, which it answered with `what`.
fn fault((kind, busy, outcome): Fault, what: &str, retry_after: Option<Duration>) -> Class {
    Class::Channel(Trouble {
        kind,
        busy,
        retry_after,
        outcome,
        what: format!("it answered with {what}"),
        said: format!("the upstream answered with {what}"),
    })
}

fn class(status: StatusCode, retry_after: Option<Duration>) -> Class {
    let kind = match status.as_u16() {
        200..=299 => return Class::Fine,
        408 | 425 | 429 => BUSY,
        401..=403 | 407 => UNAUTHORIZED,
        300..=399 | 405 => MISDIRECTED,
        400..=499 => return Class::Refused,
        _ => ERROR,
    };
    fault(kind, &format!("status {}", status.as_u16()), retry_after)
}

/// What an error code of the dialect means in an answer with status 200.
fn class_of_code(code: &str) -> Class {
    let kind = match code {
        "internal_error" | "no_available_channel" => ERROR,
        "too_many_requests" | "rate_limit_exceeded" => BUSY,
        "invalid_token" | "user_disabled" | "key_disabled" | "quota_not_enough" => UNAUTHORIZED,
        _ => return Class::Refused,
    };
    fault(kind, &format!("code {code}"), None)
}

/// What the answer to a submit means.
pub fn of_submit(reply: Reply) -> SubmitOutcome {
    let (status, body, retry_after) = match reply {
        Reply::Answer {
            status,
            body,
            retry_after,
        } => (status, body, retry_after),
        Reply::NotConnected(why) => return SubmitOutcome::NotArrived(no_connection(&why)),
        Reply::NoAnswer(why) => return SubmitOutcome::Unknown(why),
    };
    let envelope = body.whole().and_then(Envelope::read);
    let message = envelope.as_ref().map(Envelope::message);
    match class(status, retry_after) {
        Class::Channel(trouble) => SubmitOutcome::NotArrived(with_message(trouble, message)),
        Class::Refused => SubmitOutcome::Refused(message.unwrap_or_default()),
        Class::Fine => match envelope {
            None => SubmitOutcome::Unknown("it answered with what is no answer".to_owned()),
            Some(envelope) if envelope.is_success() => match envelope.accepted_id() {
                Some(id) => SubmitOutcome::Accepted(id),
                None => SubmitOutcome::Unknown("it accepted and gave no task id".to_owned()),
            },
            Some(envelope) if envelope.code().is_empty() => {
                SubmitOutcome::Unknown("it answered without a code".to_owned())
            }
            Some(envelope) => match class_of_code(envelope.code()) {
                Class::Channel(trouble) => {
                    SubmitOutcome::NotArrived(with_message(trouble, message))
                }
                _ => SubmitOutcome::Refused(envelope.message()),
            },
        },
    }
}

/// What the answer to a fetch of `asked` means.
pub fn of_fetch(reply: Reply, asked: &[String]) -> FetchOutcome {
    let (status, body, retry_after) = match reply {
        Reply::Answer {
            status,
            body,
            retry_after,
        } => (status, body, retry_after),
        Reply::NotConnected(why) => return FetchOutcome::Failed(no_connection(&why)),
        Reply::NoAnswer(why) => return broken(why),
    };
    let envelope = body.whole().and_then(Envelope::read);
    let message = envelope.as_ref().map(Envelope::message);
    match class(status, retry_after) {
        Class::Channel(trouble) => FetchOutcome::Failed(with_message(trouble, message)),
        Class::Refused => FetchOutcome::IdsRefused,
        Class::Fine => match envelope {
            // One task's result may be huge: smaller groups find it.
            None if matches!(body, Body::TooLarge) => FetchOutcome::IdsRefused,
            None => broken("it answered with what is no answer".to_owned()),
            Some(envelope) if envelope.is_success() => match envelope.tasks(asked) {
                Some(tasks) => FetchOutcome::Answered(tasks),
                None => broken("it answered without a list of tasks".to_owned()),
            },
            Some(envelope) => match class_of_code(envelope.code()) {
                Class::Channel(trouble) => FetchOutcome::Failed(with_message(trouble, message)),
                _ if IDS_REFUSED.contains(&envelope.code()) => FetchOutcome::IdsRefused,
                _ => broken(format!("it answered {}", envelope.message())),
            },
        },
    }
}

fn no_connection(why: &str) -> Trouble {
    Trouble::broken("no_connection", format!("no connection: {why}"))
}

fn broken(why: String) -> FetchOutcome {
    FetchOutcome::Failed(Trouble::broken("broken", why))
}

fn with_message(trouble: Trouble, message: Option<String>) -> Trouble {
    match message.filter(|message| !message.is_empty()) {
        Some(message) => Trouble {
            what: format!("{}: {message}", trouble.what),
            said: format!("{}: {message}", trouble.said),
            ..trouble
        },
        None => trouble,
    }
}
