//! From an HTTP answer to what it means for the task and the channel (`suno-upstream.md`, the table
//! of misbehaviour).

use std::time::Duration;

use reqwest::StatusCode;
use shared::task::wait::CoolDown;

use super::answer::Envelope;
use super::client::{Body, Reply};
use crate::upstream::{FetchOutcome, SubmitOutcome, Trouble};

/// The dialect's codes by which an upstream says that it does not know an id.
const IDS_REFUSED: [&str; 2] = ["task_not_exist", "invalid_request"];

/// What an answer says before its body is read.
enum Class {
    /// 2xx: the body decides.
    Fine,
    /// The request itself is refused.
    Refused,
    /// The channel is at fault.
    Channel(Trouble),
}

fn class(status: StatusCode, retry_after: Option<Duration>) -> Class {
    let trouble = |kind, busy, outcome| {
        Class::Channel(Trouble {
            kind,
            busy,
            retry_after,
            outcome,
            what: format!("it answered with status {}", status.as_u16()),
            said: format!("the upstream answered with status {}", status.as_u16()),
        })
    };
    match status.as_u16() {
        200..=299 => Class::Fine,
        408 | 425 | 429 => trouble(CoolDown::Trouble, true, "busy"),
        401..=403 | 407 => trouble(CoolDown::Refusal, false, "unauthorized"),
        // A redirect, or a path that takes no POST: the address is not an upstream's.
        300..=399 | 405 => trouble(CoolDown::Refusal, false, "misdirected"),
        400..=499 => Class::Refused,
        _ => trouble(CoolDown::Trouble, false, "error"),
    }
}

/// What the dialect's own error codes mean where a status of 200 carries them.
fn class_of_code(code: &str) -> Class {
    let trouble = |kind, busy, outcome| {
        Class::Channel(Trouble {
            kind,
            busy,
            retry_after: None,
            outcome,
            what: format!("it answered with code {code}"),
            said: format!("the upstream answered with code {code}"),
        })
    };
    match code {
        "internal_error" | "no_available_channel" => trouble(CoolDown::Trouble, false, "error"),
        "too_many_requests" | "rate_limit_exceeded" => trouble(CoolDown::Trouble, true, "busy"),
        "invalid_token" | "user_disabled" | "key_disabled" | "quota_not_enough" => {
            trouble(CoolDown::Refusal, false, "unauthorized")
        }
        _ => Class::Refused,
    }
}

/// What the answer to a submit means.
pub fn of_submit(reply: Reply) -> SubmitOutcome {
    let (status, body, retry_after) = match reply {
        Reply::Answer {
            status,
            body,
            retry_after,
        } => (status, body, retry_after),
        Reply::NotConnected(why) => {
            return SubmitOutcome::NotArrived(no_connection(&why));
        }
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
        Reply::NoAnswer(why) => return FetchOutcome::Failed(broken(&why)),
    };
    let envelope = body.whole().and_then(Envelope::read);
    let message = envelope.as_ref().map(Envelope::message);
    match class(status, retry_after) {
        Class::Channel(trouble) => FetchOutcome::Failed(with_message(trouble, message)),
        Class::Refused => FetchOutcome::IdsRefused,
        Class::Fine => match envelope {
            // Perhaps because of one task: fewer at once, then that one alone, tell.
            None if matches!(body, Body::TooLarge) => FetchOutcome::IdsRefused,
            None => FetchOutcome::Failed(broken("it answered with what is no answer")),
            Some(envelope) if envelope.is_success() => match envelope.tasks(asked) {
                Some(tasks) => FetchOutcome::Answered(tasks),
                None => FetchOutcome::Failed(broken("it answered without a list of tasks")),
            },
            Some(envelope) => match class_of_code(envelope.code()) {
                Class::Channel(trouble) => FetchOutcome::Failed(with_message(trouble, message)),
                _ if IDS_REFUSED.contains(&envelope.code()) => FetchOutcome::IdsRefused,
                _ => FetchOutcome::Failed(broken(&format!("it answered {}", envelope.message()))),
            },
        },
    }
}

fn no_connection(why: &str) -> Trouble {
    Trouble::broken("no_connection", format!("no connection: {why}"))
}

fn broken(why: &str) -> Trouble {
    Trouble::broken("broken", why.to_owned())
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
