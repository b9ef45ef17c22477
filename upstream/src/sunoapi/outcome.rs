//! What an answer means for the task and the channel. The code in the body of a 2xx is the real status.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::StatusCode;

use super::answer::Answer;
use super::tables::Vendor;
use crate::diagnosis::{of_body, of_other_json, of_reply, of_status, with_words};
use crate::http::{Reply, Response};
use crate::said::{Contents, Said, to_fetch, to_submit};
use crate::{Asked, FetchOutcome, SubmitOutcome};

fn said<'a>(response: &'a Response, answer: Option<&Answer<'_>>, vendor: &Vendor) -> Said<'a> {
    let contents = answer.map(|answer| Contents {
        code: answer
            .code()
            .map(|code| (code.to_string(), vendor.status_of(code))),
        words: answer.words(),
        has_data: answer.has_data(),
    });
    Said::new(response, contents)
}

fn read(response: &Response) -> Option<Answer<'_>> {
    response.body.whole().and_then(Answer::read)
}

/// What the answer to a submit means.
pub fn of_submit(reply: &Reply, vendor: &Vendor) -> SubmitOutcome {
    let response = match to_submit(reply) {
        Ok(response) => response,
        Err(outcome) => return outcome,
    };
    let answer = read(response);
    let said = said(response, answer.as_ref(), vendor);
    let refusal = said.refusal(said.words(), false);
    said.of_submit(answer.as_ref().and_then(Answer::task_id), refusal)
}

/// What the answer about this task means.
pub fn of_fetch(reply: &Reply, asked: &Asked, vendor: &Vendor) -> FetchOutcome {
    let response = match to_fetch(reply) {
        Ok(response) => response,
        Err(outcome) => return outcome,
    };
    let answer = read(response);
    let said = said(response, answer.as_ref(), vendor);
    let known = || {
        let observation = answer.as_ref()?.observation(asked);
        Some(observation.map_or_else(HashMap::new, |seen| asked.told(seen)))
    };
    said.of_fetch(std::slice::from_ref(asked), true, known)
}

/// How long the channel took to answer a call about a task that it does not know, or what is wrong with it.
pub fn of_test(
    reply: &Reply,
    path: &str,
    has_key: bool,
    vendor: &Vendor,
) -> Result<Duration, String> {
    let response = of_reply(reply, path, has_key)?;
    let Some(answer) = read(response) else {
        return Err(of_body(response, path));
    };
    let said = said(response, Some(&answer), vendor);
    let Some(code) = answer.code() else {
        return Err(of_other_json(path));
    };
    // A vendor that does not know the task has understood the call.
    if matches!(said.status, 200..=299 | 400 | 404 | 422) {
        return Ok(response.after);
    }
    let status = StatusCode::from_u16(said.status).ok();
    let wrong = status.and_then(|status| of_status(status, path, has_key));
    let wrong = wrong.unwrap_or_else(|| format!("it refuses the call (code {code})"));
    Err(with_words(wrong, said.words()))
}

#[cfg(test)]
mod tests {
    use shared::task::{Action, Status};

    use super::super::tables::{KIE, SUNOAPI};
    use super::*;
    use crate::replies::whole as reply;

    fn submit(vendor: &Vendor, status: u16, body: &str, seconds: u64) -> String {
        match of_submit(&reply(status, body, seconds), vendor) {
            SubmitOutcome::Accepted(id) => format!("accepted {id}"),
            SubmitOutcome::Made(made) => format!("made {}", made.data),
            SubmitOutcome::Refused(refusal) => format!("refused {}", refusal.words),
            SubmitOutcome::NotArrived(trouble) => trouble.outcome.to_owned(),
            SubmitOutcome::NotConnected(_) => "not connected".to_owned(),
            SubmitOutcome::Unknown(_) => "unknown".to_owned(),
        }
    }

    #[test]
    fn the_code_in_the_body_is_the_status() {
        for (body, seconds, expected) in [
            (
                r#"{"code":200,"msg":"success","data":{"taskId":"t-1"}}"#,
                0,
                "accepted t-1",
            ),
            (r#"{"code":"200","data":{"task_id":7}}"#, 0, "accepted 7"),
            (r#"{"code":200,"msg":"success","data":null}"#, 0, "unknown"),
            (r#"{"data":{"taskId":"t-1"}}"#, 0, "unknown"),
            (r#"{"code":400,"msg":"no prompt"}"#, 0, "refused no prompt"),
            (r#"{"code":413,"msg":"too long"}"#, 0, "refused too long"),
            (r#"{"code":451,"msg":"not here"}"#, 0, "refused not here"),
            (r#"{"code":422,"msg":"bad"}"#, 0, "refused bad"),
            (r#"{"msg":"bad"}"#, 0, "refused bad"),
            (r#"{"code":401}"#, 0, "unauthorized"),
            (r#"{"code":402}"#, 0, "unauthorized"),
            (r#"{"code":405}"#, 0, "busy"),
            (r#"{"code":430}"#, 0, "busy"),
            (r#"{"code":455}"#, 0, "error"),
            (r#"{"code":500}"#, 0, "error"),
            (r#"{"code":500}"#, 6, "unknown"),
            (r#"{"code":501}"#, 0, "error"),
            (r#"{"code":531}"#, 0, "error"),
            ("<html>", 0, "unknown"),
            ("", 0, "unknown"),
        ] {
            assert_eq!(submit(&SUNOAPI, 200, body, seconds), expected, "{body}");
        }
    }

    #[test]
    fn the_vendors_mean_different_things_by_429() {
        let body = r#"{"code":429,"msg":"limit"}"#;
        assert_eq!(submit(&SUNOAPI, 200, body, 0), "unauthorized");
        assert_eq!(submit(&KIE, 200, body, 0), "busy");
        // By HTTP it means what HTTP says.
        assert_eq!(submit(&SUNOAPI, 429, "", 0), "busy");
    }

    #[test]
    fn an_http_status_counts_as_at_any_upstream() {
        for (status, seconds, expected) in [
            (502, 0, "error"),
            (502, 6, "unknown"),
            (504, 0, "unknown"),
            (401, 0, "unauthorized"),
            (404, 0, "refused "),
            (301, 0, "misdirected"),
        ] {
            assert_eq!(
                submit(&KIE, status, "<html>", seconds),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn a_fetch_tells_of_its_task_or_of_the_channel() {
        let asked = Asked::new("t-1", Action::SONG);
        let of = |status, body: &str| of_fetch(&reply(status, body, 0), &asked, &KIE);
        match of(
            200,
            r#"{"code":200,"data":{"taskId":"t-1","status":"PENDING"}}"#,
        ) {
            FetchOutcome::Answered(known) => {
                assert_eq!(known["t-1"].status, Some(Status::Submitted));
            }
            other => panic!("{other:?}"),
        }
        for body in [
            r#"{"code":200,"data":null}"#,
            r#"{"code":200,"data":{"taskId":"x"}}"#,
        ] {
            match of(200, body) {
                FetchOutcome::Answered(known) => assert!(known.is_empty(), "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        for (status, body) in [
            (200, r#"{"code":404,"msg":"no"}"#),
            (404, ""),
            (200, r#"{"code":422}"#),
        ] {
            assert!(
                matches!(of(status, body), FetchOutcome::IdsRefused),
                "{status} {body}"
            );
        }
        match of(200, "{\"code\":200,") {
            FetchOutcome::Answered(known) => assert_eq!(known["t-1"].status, None),
            other => panic!("{other:?}"),
        }
        for (status, body, outcome) in [
            (200, r#"{"code":430}"#, "busy"),
            (200, r#"{"code":455}"#, "error"),
            (200, r#"{"code":401}"#, "unauthorized"),
            (405, "", "misdirected"),
            (200, "<html>", "broken"),
            (200, r#"{"msg":"hello"}"#, "broken"),
        ] {
            match of(status, body) {
                FetchOutcome::Failed(trouble) => assert_eq!(trouble.outcome, outcome, "{body}"),
                other => panic!("{status} {body}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_test_says_what_is_wrong_with_address_or_key() {
        let of = |status, body: &str| of_test(&reply(status, body, 0), "/api/v1/x", true, &SUNOAPI);
        for body in [
            r#"{"code":200,"data":null}"#,
            r#"{"code":404}"#,
            r#"{"code":422,"msg":"no"}"#,
        ] {
            assert_eq!(of(200, body), Ok(Duration::ZERO), "{body}");
        }
        for (status, body, expected) in [
            (
                200,
                r#"{"code":401,"msg":"who?"}"#,
                "it refuses the key (401): who?",
            ),
            (200, r#"{"code":429}"#, "the account has no credit left"),
            (200, r#"{"code":455}"#, "out of order (503)"),
            (200, r#"{"status":"up"}"#, "not of the channel's dialect"),
            (404, r#"{"detail":"Not Found"}"#, "no such path (404)"),
            (200, "<!doctype html>", "a web page instead of JSON"),
            (200, "OK", "is no JSON object"),
        ] {
            let what = of(status, body).expect_err(body);
            assert!(what.contains(expected), "{status} {body}: {what}");
        }
    }
}
