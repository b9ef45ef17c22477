//! Each line of "How upstreams misbehave" (`docs/upstreams/suno.md`), as this platform does it.

use shared::task::Status;

use super::super::tables::ERRORS;
use super::*;
use crate::http::Body;
use crate::replies::{no_connection, not_accepted, with};

fn reply(status: u16, body: &str, seconds: u64) -> Reply {
    with(status, Body::Whole(body.as_bytes().to_vec()), seconds)
}

fn submit(reply: &Reply, action: Action) -> String {
    match of_submit(reply, action) {
        SubmitOutcome::Accepted(id) => format!("accepted {id}"),
        SubmitOutcome::Made(made) => format!("made {}", made.upstream_id.unwrap_or_default()),
        other => not_accepted(other),
    }
}

fn fetch(reply: &Reply) -> String {
    match of_fetch(reply, &Asked::new("1", Action::SONG)) {
        FetchOutcome::Answered(known) => match known.get("1") {
            Some(seen) => {
                format!("{}", seen.status.unwrap_or(Status::Unknown))
            }
            None => "missing".to_owned(),
        },
        FetchOutcome::IdsRefused => "ids refused".to_owned(),
        FetchOutcome::TooLarge(_) => "too large".to_owned(),
        FetchOutcome::Failed(trouble) => trouble.outcome.to_owned(),
        FetchOutcome::NotConnected(_) => "not connected".to_owned(),
    }
}

#[test]
fn a_submit_is_accepted_refused_surely_not_arrived_or_unknown() {
    for (status, body, seconds, expected) in [
        (200, r#"{"id":"1","status":"preparing"}"#, 0, "accepted 1"),
        (200, r#"{"id":1}"#, 60, "accepted 1"),
        (202, r#"{"id":" 1 "}"#, 0, "accepted 1"),
        (200, r#"{"id":"","status":"preparing"}"#, 0, "unknown"),
        (200, r#"{"id":"..","status":"preparing"}"#, 0, "unknown"),
        (200, r#"{"id":"a\u0000b"}"#, 0, "unknown"),
        (200, r#"{"status":"preparing"}"#, 0, "unknown"),
        (
            200,
            r#"{"error":{"message":"too long"}}"#,
            0,
            "refused too long",
        ),
        (200, "{}", 0, "unknown"),
        (200, "<html>", 0, "unknown"),
        (200, "", 0, "unknown"),
        (
            400,
            r#"{"error":{"message":"no lyrics"},"trace_id":"t"}"#,
            0,
            "refused no lyrics",
        ),
        (404, "", 0, "refused "),
        (
            422,
            r#"{"detail":[{"msg":"too long"}]}"#,
            60,
            "refused too long",
        ),
        (401, r#"{"error":{"message":"who?"}}"#, 0, "unauthorized"),
        (402, "", 0, "unauthorized"),
        (403, "<html>", 0, "unauthorized"),
        (429, "", 0, "busy"),
        (500, "", 0, "error"),
        (502, "<html>", 5, "error"),
        (503, "", 0, "error"),
        (502, "<html>", 6, "unknown"),
        (504, "", 0, "unknown"),
        (408, "", 0, "unknown"),
        (524, "", 0, "unknown"),
        (303, "", 0, "unknown"),
        (301, "", 0, "misdirected"),
        // An id beside an error accepts nothing.
        (500, r#"{"id":"1"}"#, 0, "error"),
    ] {
        let seen = submit(&reply(status, body, seconds), Action::SONG);
        assert_eq!(seen, expected, "{status} {body} after {seconds} s");
    }
    assert_eq!(submit(&no_connection(), Action::SONG), "not connected");
    let none = Reply::NoResponse("timed out".to_owned());
    assert_eq!(submit(&none, Action::SONG), "unknown");
    for cut in [Body::Torn, Body::TooLarge] {
        assert_eq!(submit(&with(200, cut, 0), Action::SONG), "unknown");
    }
}

#[test]
fn a_429_is_told_by_its_words() {
    for (from, word, _) in ERRORS {
        let body = format!(
            r#"{{"error":{{"message":"Your {} is used up"}}}}"#,
            word.to_uppercase()
        );
        let spent = reply(from, &body, 0);
        assert_eq!(submit(&spent, Action::SONG), "unauthorized", "{word}");
        assert_eq!(fetch(&spent), "unauthorized", "{word}");
        let told = of_account(&spent, true).expect_err("it is an error");
        assert!(
            told.contains("no credit left") && told.contains("is used up"),
            "{told}"
        );
    }
    let fast = reply(429, r#"{"error":{"message":"rate limit reached"}}"#, 0);
    assert_eq!(submit(&fast, Action::SONG), "busy");
    assert_eq!(fetch(&fast), "busy");
    // Only a 429 has two meanings.
    let refused = reply(400, r#"{"error":{"message":"no such quota"}}"#, 0);
    assert_eq!(submit(&refused, Action::SONG), "refused no such quota");
}

#[test]
fn what_is_made_at_once_comes_with_the_answer() {
    for (action, status, body, expected) in [
        (
            Action::LYRICS,
            200,
            r#"{"title":"Rain","lyrics":"la"}"#,
            "made ",
        ),
        (Action::LYRICS, 200, r#"{"id":"7","lyrics":"la"}"#, "made 7"),
        (
            Action::LYRICS,
            200,
            r#"{"id":"7","status":"preparing"}"#,
            "unknown",
        ),
        (
            Action::LYRICS,
            200,
            r#"{"title":"Rain","lyrics":""}"#,
            "unknown",
        ),
        (Action::LYRICS, 500, r#"{"lyrics":"la"}"#, "error"),
        (
            Action::STEM,
            200,
            r#"{"zip_url":"https://a/1.zip"}"#,
            "made ",
        ),
        (
            Action::STEM,
            200,
            r#"{"id":"7","status":"queued"}"#,
            "accepted 7",
        ),
        (Action::STEM, 200, r#"{"expires_at":7}"#, "unknown"),
        (Action::EXTEND, 200, r#"{"id":"7"}"#, "accepted 7"),
        (Action::INSTRUMENTAL, 200, r#"{"id":"7"}"#, "accepted 7"),
    ] {
        assert_eq!(
            submit(&reply(status, body, 0), action),
            expected,
            "{action} {body}"
        );
    }
    let large = format!(r#"{{"lyrics":"{}"}}"#, "la".repeat(1 << 20));
    let seen = submit(&reply(200, &large, 0), Action::LYRICS);
    assert_eq!(seen, "refused the upstream's result is larger than 1 MiB");
}

#[test]
fn a_fetch_tells_of_its_task_or_of_the_channel() {
    for (status, body, expected) in [
        (200, r#"{"id":"1","status":"preparing"}"#, "SUBMITTED"),
        (
            200,
            r#"{"id":"1","status":"queued","failed_reason":"x"}"#,
            "QUEUED",
        ),
        (200, r#"{"id":"1","status":"succeeded"}"#, "SUCCESS"),
        (200, r#"{"id":"1","status":"reviewing"}"#, "UNKNOWN"),
        (
            200,
            r#"{"id":"1","status":"failed","status":""}"#,
            "UNKNOWN",
        ),
        (
            200,
            r#"{"id":"1","choices":[{"title":"5" disc"}]}"#,
            "UNKNOWN",
        ),
        (200, r#"{"id":"2","status":"succeeded"}"#, "missing"),
        (
            404,
            r#"{"error":{"message":"no such task"}}"#,
            "ids refused",
        ),
        (400, "", "ids refused"),
        (422, "", "ids refused"),
        (405, "", "misdirected"),
        (301, "", "misdirected"),
        (401, "", "unauthorized"),
        (402, "", "unauthorized"),
        (403, "", "unauthorized"),
        (429, "", "busy"),
        (408, "", "busy"),
        (500, "", "error"),
        (502, "<html>", "error"),
        (504, "", "error"),
        (200, "<html>", "broken"),
        (200, "", "broken"),
        (200, "{}", "broken"),
        (200, r#"{"error":{"message":"hello"}}"#, "broken"),
    ] {
        assert_eq!(fetch(&reply(status, body, 0)), expected, "{status} {body}");
    }
    assert_eq!(fetch(&no_connection()), "not connected");
    assert_eq!(fetch(&Reply::NoResponse("timed out".to_owned())), "broken");
    assert_eq!(fetch(&with(200, Body::Torn, 0)), "broken");
    assert_eq!(fetch(&with(200, Body::TooLarge, 0)), "too large");
}

#[test]
fn the_account_tells_its_limit_or_what_is_wrong() {
    let of = |status, body: &str| of_account(&reply(status, body, 0), true);
    let told = |most_tasks| {
        let after = Duration::ZERO;
        Ok(Account { most_tasks, after })
    };
    let account = r#"{"account_id":1,"balance":700,"concurrent_request_limit":10}"#;
    assert_eq!(of(200, account), told(Some(10)));
    assert_eq!(of(200, r#"{"account_id":1,"balance":0}"#), told(None));
    for (status, body, expected) in [
        (
            401,
            r#"{"error":{"message":"who?"}}"#,
            "it refuses the key (401): who?",
        ),
        (402, "{}", "the account has no credit left (402)"),
        (
            403,
            "<html>",
            "it refuses the key, or what the key may do (403)",
        ),
        (
            404,
            "{}",
            "no such path (404): check the path of the base URL",
        ),
        (
            422,
            r#"{"error":{"message":"no"}}"#,
            "it refuses the call (422): no",
        ),
        (429, "{}", "too busy"),
        (502, "<html>", "out of order (502)"),
        (301, "", "it redirects (301)"),
        (200, r#"{"status":"up"}"#, "not of the channel's dialect"),
        (200, "<!doctype html>", "a web page instead of JSON"),
        (200, "OK", "is no JSON object"),
        (200, "", "is empty"),
    ] {
        let what = of(status, body).expect_err(body);
        assert!(what.contains(expected), "{status} {body}: {what}");
    }
    let what = of_account(&reply(401, "", 0), false).expect_err("it wants a key");
    assert!(what.contains("the channel has none"), "{what}");
}
