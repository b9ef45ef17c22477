//! What an answer means for the task and the channel.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::StatusCode;
use shared::task::Action;

use super::answer::Answer;
use super::tables::{BILLING, stands_for};
use crate::classes::class;
use crate::diagnosis::{of_other_answer, of_reply, of_status, with_words};
use crate::http::{Reply, Response};
use crate::said::{Contents, Said, to_fetch, to_submit};
use crate::{Asked, FetchOutcome, Refusal, SubmitOutcome};

/// What a channel says of its account.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// How many tasks it may have at once; `None`: any number.
    pub most_tasks: Option<u32>,
    /// How long the channel took to answer.
    pub after: Duration,
}

fn said<'a>(response: &'a Response, answer: Option<&Answer<'_>>) -> Said<'a> {
    let status = response.status.as_u16();
    let contents =
        answer.map(|answer| Contents::without_code(response, answer.words(), answer.is_known()));
    let words = answer.and_then(Answer::words).unwrap_or_default();
    Said::new(response, contents).standing_for(stands_for(status, &words))
}

fn read(response: &Response) -> Option<Answer<'_>> {
    response.body.whole().and_then(Answer::read)
}

/// What the answer to a submit means.
pub fn of_submit(reply: &Reply, action: Action) -> SubmitOutcome {
    let response = match to_submit(reply) {
        Ok(response) => response,
        Err(outcome) => return outcome,
    };
    let answer = read(response);
    let said = said(response, answer.as_ref());
    let fine = answer.as_ref().filter(|_| class(said.status).is_fine());
    let good = match fine.and_then(|answer| answer.made(action)) {
        Some(Ok(made)) => Some(SubmitOutcome::Made(made)),
        Some(Err(why)) => Some(SubmitOutcome::Refused(Refusal::of_words(why.to_owned()))),
        // Nothing tells of lyrics later on.
        None if action == Action::LYRICS => None,
        None => fine.and_then(Answer::task_id).map(SubmitOutcome::Accepted),
    };
    said.of_answer(good, said.refusal(said.words(), false))
}

/// What the answer about this task means.
pub fn of_fetch(reply: &Reply, asked: &Asked) -> FetchOutcome {
    let response = match to_fetch(reply) {
        Ok(response) => response,
        Err(outcome) => return outcome,
    };
    let answer = read(response);
    let said = said(response, answer.as_ref());
    let known = || {
        let observation = answer.as_ref()?.observation(asked);
        Some(observation.map_or_else(HashMap::new, |seen| asked.told(seen)))
    };
    said.of_fetch(std::slice::from_ref(asked), true, known)
}

/// What the channel says of its account, or what is wrong with its address or its key.
pub fn of_account(reply: &Reply, has_key: bool) -> Result<Account, String> {
    let answer = match reply {
        Reply::Response(response) => read(response),
        Reply::NotConnected(_) | Reply::NoResponse(_) => None,
    };
    let words = answer.as_ref().and_then(Answer::words);
    let wrong = match (of_reply(reply, BILLING, has_key), &answer) {
        (Ok(response), Some(answer)) if is_account(response, answer) => {
            return Ok(Account {
                most_tasks: answer.most_tasks(),
                after: response.after,
            });
        }
        (Ok(response), answer) => of_other_answer(response, answer.is_some(), BILLING),
        (Err(wrong), _) => meant(reply, words.as_deref(), has_key).unwrap_or(wrong),
    };
    Err(with_words(wrong, words))
}

fn is_account(response: &Response, answer: &Answer<'_>) -> bool {
    response.status.is_success() && answer.is_account()
}

/// What is wrong by the status that the words tell.
fn meant(reply: &Reply, words: Option<&str>, has_key: bool) -> Option<String> {
    let Reply::Response(response) = reply else {
        return None;
    };
    let status = stands_for(response.status.as_u16(), words?);
    of_status(StatusCode::from_u16(status).ok()?, BILLING, has_key)
}

#[cfg(test)]
mod tests;
