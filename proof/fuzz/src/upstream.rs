use std::time::Duration;

use reqwest::StatusCode;
use shared::clock::Millis;
use shared::task::step::{Known, Observation, Step};
use shared::task::{Progress, Status};
use worker::upstream::http::{self, Body, Reply};
use worker::upstream::suno::answer::Envelope;
use worker::upstream::suno::outcome::{of_fetch, of_submit};
use worker::upstream::{FetchOutcome, SubmitOutcome};

/// 2024-05-20T07:55:49Z.
const NOW: Millis = Millis(1_716_191_749_000);

/// The first byte chooses the status; the rest is the body.
fn reply(bytes: &[u8]) -> Option<(StatusCode, &[u8], Reply)> {
    let (status, body) = bytes.split_first()?;
    let statuses = [200, 201, 204, 400, 404, 401, 429, 500, 502, 302, 418];
    let status = statuses[usize::from(*status) % statuses.len()];
    let status = StatusCode::from_u16(status).ok()?;
    let whole = Body::Whole(body.to_vec());
    let reply = Reply::Answer {
        status,
        body: whole,
        retry_after: None,
    };
    Some((status, body, reply))
}

/// An answer to a fetch: nothing but what was asked for, and each task only goes forward.
pub fn fetch_answer(bytes: &[u8]) {
    let asked = ["a", "b", "upstream-7"].map(str::to_owned);
    let Some((status, _, reply)) = reply(bytes) else {
        return;
    };
    match of_fetch(reply, &asked) {
        FetchOutcome::Answered(tasks) => {
            assert!(status.is_success());
            for (id, observation) in tasks {
                assert!(asked.contains(&id), "{id:?} was not asked for");
                assert_observation(&observation);
            }
        }
        FetchOutcome::IdsRefused | FetchOutcome::Failed(_) => {}
    }
}

fn assert_observation(observation: &Observation) {
    assert!(observation.progress.is_none_or(|percent| percent <= 100));
    if let Some(data) = &observation.data {
        assert!(data.get().starts_with(['[', '{']));
        // Postgres and SQLite keep it as text, which holds no NUL.
        assert!(!data.get().contains('\0'));
    }
    for status in Status::ALL
        .into_iter()
        .filter(|status| !status.is_terminal())
    {
        let progress = Progress::NONE.advance(status, Some(50));
        let known = Known {
            status,
            progress,
            digest: 0,
        };
        let ended = observation.status.filter(|status| status.is_terminal());
        match observation.clone().step(known) {
            Step::Same => assert_eq!(ended, None),
            Step::Moved {
                status: next,
                progress: then,
                ..
            } => {
                assert!(ended.is_none() && (next == status || status.may_become(next)));
                assert!(then >= progress && then < Progress::DONE && !next.is_terminal());
            }
            Step::Succeeded { .. } => assert_eq!(ended, Some(Status::Success)),
            Step::Failed { .. } => assert_eq!(ended, Some(Status::Failure)),
        }
    }
}

/// An answer to a submit. What may have arrived is never taken for what did not: it would be sent
/// again, and made and billed twice.
pub fn submit_answer(bytes: &[u8]) {
    let Some((status, body, reply)) = reply(bytes) else {
        return;
    };
    let envelope = Envelope::read(body);
    match of_submit(reply) {
        SubmitOutcome::Accepted(id) => {
            assert!(status.is_success());
            assert!((1..=255).contains(&id.len()) && !id.contains(char::is_control));
        }
        SubmitOutcome::NotArrived(_) if status.is_success() => {
            let envelope = envelope.expect("it says what is wrong");
            assert!(!envelope.is_success() && !envelope.code().is_empty());
        }
        SubmitOutcome::Refused(_) if status.is_success() => {
            assert!(envelope.is_some_and(|envelope| !envelope.is_success()));
        }
        SubmitOutcome::NotArrived(_) | SubmitOutcome::Refused(_) => {}
        SubmitOutcome::Unknown(_) => assert!(status.is_success()),
    }
}

/// `Retry-After`: whole seconds as they stand, or a date, and never a time that has passed.
pub fn retry_after(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let wait = http::retry_after(text, NOW);
    if let Ok(seconds) = text.parse::<u32>() {
        assert_eq!(wait, Some(Duration::from_secs(seconds.into())));
    }
    if let Some(wait) = wait {
        assert!(NOW.after(wait) >= NOW);
    }
}
