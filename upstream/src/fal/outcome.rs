//! What an answer means for the task and the channel.

use std::collections::HashMap;
use std::time::Duration;

use shared::task::Status;
use shared::task::scrub::Scrub;
use shared::task::step::Observation;

use super::answer::{Answer, observation};
use super::handle::{Handle, id_of};
use super::tables::{CANCELS, Cancel, NOBODYS, NOT_YET, STATUSES, Says, State, says};
use crate::classes::class;
use crate::diagnosis::{of_other_answer, of_reply, with_words};
use crate::http::{Body, Reply, Response};
use crate::said::{Contents, Said, failed, to_fetch, to_submit};
use crate::{Asked, CancelOutcome, FetchOutcome, SubmitOutcome, Trouble};

/// An answer, read. `is_known`: whether what it holds is an answer of the vendor's.
fn said<'a>(response: &'a Response, answer: Option<&Answer<'_>>, is_known: bool) -> Said<'a> {
    let contents = answer.map(|answer| Contents::without_code(response, answer.words(), is_known));
    Said::new(response, contents)
}

fn read(response: &Response) -> Option<Answer<'_>> {
    response.body.whole().and_then(Answer::read)
}

/// What the answer to a submit to the channel at this base URL means.
pub fn of_submit(reply: &Reply, base_url: &str) -> SubmitOutcome {
    let response = match to_submit(reply) {
        Ok(response) => response,
        Err(outcome) => return outcome,
    };
    let answer = read(response);
    let is_known = |answer: &Answer<'_>| answer.request_id().is_some() || answer.has_status();
    let is_known = answer.as_ref().is_some_and(is_known);
    let said = said(response, answer.as_ref(), is_known);
    let accepted = answer
        .as_ref()
        .filter(|_| is_known && class(said.status).is_fine());
    let id = match accepted.map(|answer| id_of(answer, base_url)) {
        Some(Err(why)) => return SubmitOutcome::Unknown(why),
        Some(Ok(id)) => Some(id),
        None => None,
    };
    said.of_submit(id, said.refusal(said.words(), false))
}

/// What the answer about this task's status means. `None`: its result tells more.
pub fn of_status(reply: &Reply, asked: &Asked) -> Option<FetchOutcome> {
    let Some(handle) = &Handle::read(&asked.upstream_id) else {
        return Some(FetchOutcome::IdsRefused);
    };
    let response = match to_fetch(reply) {
        Ok(response) => response,
        Err(outcome) => return Some(outcome),
    };
    let answer = read(response);
    let is_known = answer.as_ref().is_some_and(Answer::has_status);
    let said = said(response, answer.as_ref(), is_known);
    if said.status == 404 && answer.is_some() {
        return Some(FetchOutcome::Answered(HashMap::new()));
    }
    let of_other = |answer: &Answer<'_>| {
        let id = answer.request_id();
        id.is_some_and(|id| id != handle.request)
    };
    if class(said.status).is_fine() {
        if answer.as_ref().is_some_and(of_other) {
            return Some(FetchOutcome::Answered(HashMap::new()));
        }
        match (&answer, &response.body) {
            (Some(answer), _) if answer.state() == Some(State::AsTheResult) => {
                let failed = answer.error().map(|words| failed(&words));
                return failed.map(|failed| FetchOutcome::Answered(of_one(asked, handle, failed)));
            }
            // It is no result that is too large: the task is not failed.
            (_, Body::TooLarge) => return Some(FetchOutcome::IdsRefused),
            _ => {}
        }
    }
    let known = || Some(of_one(asked, handle, unfinished(answer.as_ref()?)));
    Some(scrubbed(
        said.of_fetch(std::slice::from_ref(asked), true, known),
        handle,
    ))
}

/// What a status says of a task whose result is not there.
fn unfinished(answer: &Answer<'_>) -> Observation {
    match answer.state() {
        Some(State::Is(Status::Failure)) => {
            let words = answer.error().or_else(|| answer.words());
            failed(&words.unwrap_or_else(|| answer.status()))
        }
        Some(State::Is(status)) => observation(Some(status), None),
        Some(State::AsTheResult) | None => observation(None, None),
    }
}

/// What the answer with this task's result means.
pub fn of_result(reply: &Reply, asked: &Asked) -> FetchOutcome {
    let Some(handle) = &Handle::read(&asked.upstream_id) else {
        return FetchOutcome::IdsRefused;
    };
    let response = match to_fetch(reply) {
        Ok(response) => response,
        Err(outcome) => return outcome,
    };
    let answer = read(response);
    let said = said(response, answer.as_ref(), true);
    let goes_on = || observation(Some(Status::InProgress), None);
    let seen = match (says(said.status), &answer) {
        (Says::Made, Some(answer)) => answer.made(),
        (Says::Failed, Some(answer)) => {
            let words = answer.error().or_else(|| answer.words());
            let told = || format!("the upstream answered with status {}", said.status);
            match words {
                Some(words) if words.to_lowercase().contains(NOT_YET) => goes_on(),
                words => failed(&words.unwrap_or_else(told)),
            }
        }
        (Says::Nothing, _) => goes_on(),
        // No answer of the vendor's, or one of the channel.
        (Says::Made | Says::Failed | Says::OfChannel, _) => {
            let outcome = said.of_fetch(std::slice::from_ref(asked), false, || None);
            return scrubbed(outcome, handle);
        }
    };
    FetchOutcome::Answered(of_one(asked, handle, seen))
}

/// What the answer to a wish to cancel means.
pub(super) fn of_cancel(reply: &Reply, handle: &Handle<'_>) -> CancelOutcome {
    let response = match to_fetch(reply) {
        Ok(response) => response,
        Err(FetchOutcome::NotConnected(why)) => return CancelOutcome::NotConnected(why),
        Err(outcome) => return CancelOutcome::Failed(trouble_of(outcome)),
    };
    let answer = read(response);
    let word = answer.as_ref().map(Answer::status).unwrap_or_default();
    let status = response.status.as_u16();
    let meant = CANCELS.iter().find(|(from, to, of_word, _)| {
        (*from..=*to).contains(&status) && (of_word.is_empty() || *of_word == word)
    });
    // A page is not the vendor's. Nothing at all may be.
    let is_of_vendor = answer.is_some() || response.body.whole().is_some_and(<[u8]>::is_empty);
    match meant {
        Some((.., Cancel::AskedFor)) if is_of_vendor => CancelOutcome::AskedFor,
        Some((.., Cancel::TooLate)) if is_of_vendor => CancelOutcome::TooLate,
        Some((.., Cancel::NoSuchTask)) if is_of_vendor => CancelOutcome::NoSuchTask,
        _ => {
            let said = said(response, answer.as_ref(), false);
            let outcome = scrubbed(said.of_fetch(&[], false, || None), handle);
            CancelOutcome::Failed(trouble_of(outcome))
        }
    }
}

/// The trouble in an outcome; one that has none did not read.
fn trouble_of(outcome: FetchOutcome) -> Trouble {
    match outcome {
        FetchOutcome::Failed(trouble) => trouble,
        _ => Trouble::broken("broken", "it answered with what is no answer".to_owned()),
    }
}

/// That the vendor says this of the task.
fn of_one(
    asked: &Asked,
    handle: &Handle<'_>,
    mut seen: Observation,
) -> HashMap<String, Observation> {
    seen.fail_reason = without_id(handle, &seen.fail_reason);
    asked.told(seen)
}

/// The outcome without the vendor's id of the request: callers know only of the whole text that we made of it.
fn scrubbed(outcome: FetchOutcome, handle: &Handle<'_>) -> FetchOutcome {
    match outcome {
        FetchOutcome::Failed(trouble) => FetchOutcome::Failed(Trouble {
            what: without_id(handle, &trouble.what),
            said: without_id(handle, &trouble.said),
            ..trouble
        }),
        other => other,
    }
}

fn without_id(handle: &Handle<'_>, text: &str) -> String {
    Scrub::default().and(handle.request).reason(text)
}

/// How long the channel took to answer a call about a request that nobody made, or what is wrong with it.
pub fn of_test(reply: &Reply, has_key: bool) -> Result<Duration, String> {
    let answer = match reply {
        Reply::Response(response) => read(response),
        Reply::NotConnected(_) | Reply::NoResponse(_) => None,
    };
    if let (Reply::Response(response), Some(answer)) = (reply, &answer)
        && is_understood(response, answer)
    {
        return Ok(response.after);
    }
    let wrong = of_reply(reply, NOBODYS, has_key).map_or_else(
        |wrong| wrong,
        |response| of_other_answer(response, answer.is_some(), NOBODYS),
    );
    Err(with_words(wrong, answer.as_ref().and_then(Answer::words)))
}

/// Whether a vendor that does not know the request, or tells of it, has understood the call.
fn is_understood(response: &Response, answer: &Answer<'_>) -> bool {
    match response.status.as_u16() {
        200..=299 => {
            let word = answer.status();
            STATUSES.iter().any(|(known, _)| *known == word)
        }
        400 | 404 | 405 | 410 | 422 => answer.has_detail() || answer.status() == "NOT_FOUND",
        _ => false,
    }
}

#[cfg(test)]
mod tests;
