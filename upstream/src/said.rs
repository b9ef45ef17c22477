//! What an answer means for the task and the channel, as far as the dialects agree: an answer has a status, words, and
//! data.

use std::collections::HashMap;

use shared::task::Status;
use shared::task::step::Observation;

use crate::classes::{Class, Fault, MISDIRECTED, class, may_be_accepted, trouble};
use crate::http::{Body, Reply, Response};
use crate::{Asked, FetchOutcome, Refusal, SubmitOutcome, Trouble};

/// Our reason for a task whose result is too large to be stored.
pub const TOO_LARGE: &str = "the upstream's result is larger than 1 MiB";

/// An answer of an upstream, read.
pub struct Said<'a> {
    /// The answer.
    pub response: &'a Response,
    /// The HTTP status, or the one that the code in a 2xx stands for.
    pub status: u16,
    /// `status 429` or `code internal_error`.
    what: String,
    /// What a dialect read in the body; `None`: the body is no JSON object.
    body: Option<Contents>,
}

/// What a dialect read in a body.
#[derive(Debug)]
pub struct Contents {
    /// The code as it is printed, and the status that it stands for.
    pub code: Option<(String, u16)>,
    /// The words for people.
    pub words: Option<String>,
    /// Whether there is any data.
    pub has_data: bool,
}

impl Contents {
    /// What is read in a dialect without codes. What is an answer of the vendor (`is_known`) has the code of its status.
    pub fn without_code(response: &Response, words: Option<String>, is_known: bool) -> Self {
        let status = response.status.as_u16();
        Self {
            code: is_known.then(|| (status.to_string(), status)),
            words,
            has_data: false,
        }
    }
}

impl<'a> Said<'a> {
    /// An answer, with what a dialect read in its body.
    pub fn new(response: &'a Response, body: Option<Contents>) -> Self {
        let status = response.status.as_u16();
        let code = body.as_ref().and_then(|body| body.code.as_ref());
        let (status, what) = match code {
            Some((code, stands_for)) if class(status).is_fine() => {
                (*stands_for, format!("code {code}"))
            }
            _ => (status, format!("status {status}")),
        };
        Self {
            response,
            status,
            what,
            body,
        }
    }

    /// The same answer, where its words tell that it stands for another status.
    #[must_use]
    pub fn standing_for(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The words for people.
    pub fn words(&self) -> Option<String> {
        self.body.as_ref()?.words.clone()
    }

    /// What the upstream answered, with its words.
    fn told(&self) -> String {
        match self.words() {
            Some(words) => format!("{}: {words}", self.what),
            None => self.what.clone(),
        }
    }

    /// A refusal of the request in these words. `knows_path`: the answer is surely not that of a wrong address.
    pub fn refusal(&self, words: Option<String>, knows_path: bool) -> Refusal {
        Refusal {
            words: words.unwrap_or_default(),
            what: format!("it answered with {}", self.told()),
            is_no_such_path: matches!(self.response.status.as_u16(), 404 | 405) && !knows_path,
        }
    }

    /// What the answer to a submit means. `id`: the upstream's id of a task that it accepted.
    pub fn of_submit(&self, id: Option<String>, refusal: Refusal) -> SubmitOutcome {
        self.of_answer(id.map(SubmitOutcome::Accepted), refusal)
    }

    /// As [`Self::of_submit`]. `good`: the id of a task, or the result itself.
    pub fn of_answer(&self, good: Option<SubmitOutcome>, refusal: Refusal) -> SubmitOutcome {
        let unknown = |why: &str| SubmitOutcome::Unknown(why.to_owned());
        let after = self.response.after;
        if may_be_accepted(self.status, after) {
            let (told, seconds) = (self.told(), after.as_secs());
            return unknown(&format!("it answered with {told}, after {seconds} s"));
        }
        match (class(self.status), &self.body) {
            (Class::Channel(fault), _) => SubmitOutcome::NotArrived(self.trouble(fault)),
            (Class::Refused, _) => SubmitOutcome::Refused(refusal),
            (Class::Fine, None) => unknown("it answered with what is no answer"),
            (Class::Fine, Some(body)) => match (good, &body.code) {
                (Some(good), Some(_)) => good,
                (None, Some(_)) => unknown("it accepted and gave no task id"),
                (None, None) if body.words.is_some() && !body.has_data => {
                    SubmitOutcome::Refused(refusal)
                }
                (_, None) => unknown("it answered without a code"),
            },
        }
    }

    /// What the answer to a fetch of `asked` means. `is_of_ids`: a refusal may be about one of the ids; `known`: what
    /// the upstream says of each task, by its id, or `None` if that does not read.
    pub fn of_fetch(
        &self,
        asked: &[Asked],
        is_of_ids: bool,
        known: impl FnOnce() -> Option<HashMap<String, Observation>>,
    ) -> FetchOutcome {
        match (class(self.status), &self.body) {
            _ if self.status == 405 => FetchOutcome::Failed(self.trouble(MISDIRECTED)),
            (Class::Channel(fault), _) => FetchOutcome::Failed(self.trouble(fault)),
            (Class::Refused, _) if is_of_ids => FetchOutcome::IdsRefused,
            (Class::Refused, _) => broken(format!("it answered with {}", self.told())),
            (Class::Fine, None) => match &self.response.body {
                Body::TooLarge => FetchOutcome::TooLarge(Box::new(failed(TOO_LARGE))),
                // Smaller groups find the task that spoils the answer.
                Body::Whole(body) if is_object(body) => match asked {
                    [one] => FetchOutcome::Answered(one.told(unreadable())),
                    _ => FetchOutcome::IdsRefused,
                },
                _ => broken("it answered with what is no answer".to_owned()),
            },
            (Class::Fine, Some(body)) if body.code.is_none() && !body.has_data => {
                let words = body.words.as_deref().unwrap_or_default();
                broken(format!("it answered without a code: {words}"))
            }
            (Class::Fine, Some(_)) => match known() {
                Some(tasks) => FetchOutcome::Answered(tasks),
                None => broken("it answered without a list of tasks".to_owned()),
            },
        }
    }

    /// The trouble of the channel, in the words of this answer.
    pub fn trouble(&self, fault: Fault) -> Trouble {
        trouble(fault, &self.told(), self.response.retry_after)
    }
}

/// The answer to a submit, or what it means that there is none.
pub fn to_submit(reply: &Reply) -> Result<&Response, SubmitOutcome> {
    match reply {
        Reply::Response(response) => Ok(response),
        Reply::NotConnected(why) => Err(SubmitOutcome::NotConnected(why.clone())),
        Reply::NoResponse(why) => Err(SubmitOutcome::Unknown(why.clone())),
    }
}

/// The answer to a fetch, or what it means that there is none.
pub fn to_fetch(reply: &Reply) -> Result<&Response, FetchOutcome> {
    match reply {
        Reply::Response(response) => Ok(response),
        Reply::NotConnected(why) => Err(FetchOutcome::NotConnected(why.clone())),
        Reply::NoResponse(why) => Err(broken(why.clone())),
    }
}

fn broken(why: String) -> FetchOutcome {
    FetchOutcome::Failed(Trouble::broken("broken", why))
}

/// A task that failed for a reason of ours.
pub fn failed(reason: &str) -> Observation {
    Observation {
        status: Some(Status::Failure),
        fail_reason: reason.to_owned(),
        ..unreadable()
    }
}

/// A task of which the upstream says nothing that we understand.
pub fn unreadable() -> Observation {
    Observation {
        status: None,
        fail_reason: String::new(),
        progress: None,
        data: None,
        finish: None,
    }
}

/// Whether an answer begins as a JSON object does, so that it is no page of a proxy.
fn is_object(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start().starts_with(b"{")
}
