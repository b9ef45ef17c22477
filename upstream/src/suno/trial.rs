//! What the answer to a harmless call says of a channel's address and key.

use std::time::Duration;

use reqwest::StatusCode;

use super::FETCH;
use super::answer::Envelope;
use super::outcome::{IDS_REFUSED, status_of_code};
use crate::diagnosis::{of_body, of_other_json, of_reply, of_status, with_words};
use crate::http::{Reply, Response};

/// An id that no upstream gave to a task.
pub const NO_TASK: &str = "00000000-0000-0000-0000-000000000000";

/// How long the channel took to answer a fetch of [`NO_TASK`] in the dialect, or what is wrong with it. An upstream
/// that refuses the id has understood the call.
pub fn of_test(reply: &Reply, has_key: bool) -> Result<Duration, String> {
    let envelope = match reply {
        Reply::Response(response) => response.body.whole().and_then(Envelope::read),
        Reply::NotConnected(_) | Reply::NoResponse(_) => None,
    };
    let code = envelope.as_ref().and_then(Envelope::code);
    if let (Reply::Response(response), Some(code)) = (reply, &code)
        && IDS_REFUSED.contains(&code.as_str())
        && is_of_ids(response.status)
    {
        return Ok(response.after);
    }
    let wrong = match of_reply(reply, FETCH, has_key) {
        Ok(response) => match (of_answer(response, envelope.as_ref(), has_key), response) {
            (None, response) => return Ok(response.after),
            (Some(wrong), _) => wrong,
        },
        Err(wrong) => wrong,
    };
    let words = envelope.as_ref().and_then(Envelope::words);
    Err(with_words(wrong, words))
}

/// The statuses with which upstreams refuse ids.
fn is_of_ids(status: StatusCode) -> bool {
    status.is_success() || [400, 404, 422].contains(&status.as_u16())
}

/// What is wrong with an answer that came whole.
fn of_answer(
    response: &Response,
    envelope: Option<&Envelope<'_>>,
    has_key: bool,
) -> Option<String> {
    let Some(envelope) = envelope else {
        return Some(of_body(response, FETCH));
    };
    let status = response.status;
    if !status.is_success() {
        return Some(format!("it refuses the call ({})", status.as_u16()));
    }
    let code = envelope.code();
    if let Some(code) = &code {
        let stands_for = status_of_code(code);
        if !(200..300).contains(&stands_for) {
            let known = StatusCode::from_u16(stands_for).ok();
            let known = known.and_then(|status| of_status(status, FETCH, has_key));
            return Some(known.unwrap_or_else(|| format!("it refuses the call (code {code})")));
        }
    }
    let is_list = envelope.tasks(&[]).is_some();
    ((code.is_none() && !envelope.has_data()) || !is_list).then(|| of_other_json(FETCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Body;

    fn tested(status: u16, body: &str) -> Result<Duration, String> {
        let reply = Reply::Response(Response {
            status: StatusCode::from_u16(status).expect("it is a status"),
            body: Body::Whole(body.as_bytes().to_vec()),
            retry_after: None,
            after: Duration::from_millis(7),
        });
        of_test(&reply, true)
    }

    #[test]
    fn an_answer_in_the_dialect_is_well() {
        for (status, body) in [
            (200, r#"{"code":"success","message":"","data":[]}"#),
            (200, r#"{"code":"success","data":null}"#),
            (200, r#"{"data":[]}"#),
            (200, r#"{"code":"task_not_exist","message":"no"}"#),
            (400, r#"{"code":"task_not_exist","message":"no"}"#),
            (404, r#"{"code":"task_not_exist","message":"no"}"#),
        ] {
            assert_eq!(
                tested(status, body),
                Ok(Duration::from_millis(7)),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_plain_words_with_those_of_the_upstream() {
        for (status, body, expected) in [
            (
                401,
                r#"{"code":"invalid_token","message":"who?"}"#,
                "it refuses the key (401): who?",
            ),
            (403, "<html>", "it refuses the key, or what the key may do"),
            (402, "{}", "the account has no credit left (402)"),
            (
                200,
                r#"{"code":"invalid_token"}"#,
                "it refuses the key (401)",
            ),
            (200, r#"{"code":402}"#, "the account has no credit left"),
            (404, r#"{"detail":"Not Found"}"#, "no such path (404)"),
            (405, "", "it takes no POST there (405): check the path"),
            (301, "", "it redirects (301)"),
            (200, "<!doctype html>", "a web page instead of JSON"),
            (404, " <html>", "a web page instead of JSON"),
            (200, "OK", "is no JSON object: check the path"),
            (200, "", "is empty: check the path"),
            (200, r#"{"status":"up"}"#, "not of the channel's dialect"),
            (
                200,
                r#"{"code":"success","data":7}"#,
                "not of the channel's",
            ),
            (429, "", "it is too busy"),
            (502, "<html>", "what is behind it is out of order (502)"),
            (422, r#"{"detail":"no"}"#, "it refuses the call (422): no"),
            (200, r#"{"code":"strange"}"#, "(code strange)"),
        ] {
            let what = tested(status, body).expect_err(body);
            assert!(what.contains(expected), "{status} {body}: {what}");
        }
    }

    #[test]
    fn a_missing_key_is_told_from_a_wrong_one() {
        let reply = Reply::Response(Response {
            status: StatusCode::UNAUTHORIZED,
            body: Body::Whole(Vec::new()),
            retry_after: None,
            after: Duration::ZERO,
        });
        let what = of_test(&reply, false).expect_err("it is refused");
        assert!(what.contains("the channel has none"), "{what}");
    }
}
