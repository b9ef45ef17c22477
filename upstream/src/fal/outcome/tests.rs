//! Each line of "How upstreams misbehave" (`docs/upstreams/suno.md`), as this platform does it.

use shared::task::Action;

use super::super::tables::RESULTS;
use super::*;
use crate::replies::{no_connection, not_accepted, with};

const BASE: &str = "http://fal";
const ID: &str =
    "r-123456 /m/requests/r-123456/status /m/requests/r-123456 /m/requests/r-123456/cancel";
const ACCEPTED: &str = r#"{"status":"IN_QUEUE","request_id":"r-123456","queue_position":0,
    "status_url":"http://fal/m/requests/r-123456/status","response_url":"http://fal/m/requests/r-123456",
    "cancel_url":"http://fal/m/requests/r-123456/cancel","logs":null,"metrics":{}}"#;

fn reply(status: u16, body: &str) -> Reply {
    with(status, Body::Whole(body.as_bytes().to_vec()), 0)
}

fn asked() -> Asked {
    Asked::new(ID, Action::SONG)
}

fn handle() -> Handle<'static> {
    Handle::read(ID).expect("it is an id")
}

fn submit(reply: &Reply) -> String {
    match of_submit(reply, BASE) {
        SubmitOutcome::Accepted(id) => {
            assert_eq!(id, ID);
            "accepted".to_owned()
        }
        SubmitOutcome::Made(_) => "made".to_owned(),
        other => not_accepted(other),
    }
}

fn told(outcome: FetchOutcome) -> String {
    match outcome {
        FetchOutcome::Answered(known) => match known.get(ID) {
            Some(seen) if seen.fail_reason.is_empty() => {
                seen.status.unwrap_or(Status::Unknown).to_string()
            }
            Some(seen) => {
                assert_eq!(seen.status, Some(Status::Failure));
                format!("FAILURE {}", seen.fail_reason)
            }
            None => "missing".to_owned(),
        },
        FetchOutcome::IdsRefused => "ids refused".to_owned(),
        FetchOutcome::TooLarge(seen) => format!("too large {}", seen.fail_reason),
        FetchOutcome::Failed(trouble) => {
            assert!(!trouble.what.contains("r-123456"), "{}", trouble.what);
            assert!(!trouble.said.contains("r-123456"), "{}", trouble.said);
            trouble.outcome.to_owned()
        }
        FetchOutcome::NotConnected(_) => "not connected".to_owned(),
    }
}

fn status(reply: &Reply) -> String {
    of_status(reply, &asked()).map_or_else(|| "the result tells".to_owned(), told)
}

fn result(reply: &Reply) -> String {
    told(of_result(reply, &asked()))
}

fn cancel(reply: &Reply) -> String {
    match of_cancel(reply, &handle()) {
        CancelOutcome::Failed(trouble) => trouble.outcome.to_owned(),
        CancelOutcome::NotConnected(_) => "not connected".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What is no whole answer, and what a submit, a status and a result make of it.
fn broken() -> Vec<(Reply, [&'static str; 3])> {
    let broken = ["unknown", "broken", "broken"];
    vec![
        (no_connection(), ["not connected"; 3]),
        (Reply::NoResponse("timed out".to_owned()), broken),
        (with(200, Body::Torn, 0), broken),
        (reply(200, ""), broken),
        (reply(200, "<html>"), broken),
        (reply(200, "null"), broken),
        (
            reply(200, "{\"status\":"),
            ["unknown", "UNKNOWN", "UNKNOWN"],
        ),
        (
            with(200, Body::TooLarge, 0),
            [
                "unknown",
                "ids refused",
                "too large the upstream's result is larger than 1 MiB",
            ],
        ),
        (reply(401, r#"{"detail":"who?"}"#), ["unauthorized"; 3]),
        (reply(402, "{}"), ["unauthorized"; 3]),
        (reply(403, "<html>"), ["unauthorized"; 3]),
        (reply(407, ""), ["unauthorized"; 3]),
        (reply(301, ""), ["misdirected"; 3]),
        (
            reply(429, r#"{"detail":"slow down, r-123456"}"#),
            ["busy"; 3],
        ),
        (reply(425, ""), ["busy"; 3]),
        (reply(408, ""), ["unknown", "busy", "busy"]),
        (reply(500, "{}"), ["error", "error", "IN_PROGRESS"]),
        (reply(502, "<html>"), ["error", "error", "IN_PROGRESS"]),
        (
            with(502, Body::Torn, 6),
            ["unknown", "error", "IN_PROGRESS"],
        ),
        (reply(503, ""), ["error", "error", "IN_PROGRESS"]),
        (reply(504, "<html>"), ["unknown", "error", "IN_PROGRESS"]),
        (reply(303, ""), ["unknown", "misdirected", "misdirected"]),
    ]
}

#[test]
fn what_is_no_whole_answer_fails_no_task() {
    for (reply, [of_submit, of_status, of_result]) in broken() {
        assert_eq!(submit(&reply), of_submit, "{reply:?}");
        assert_eq!(status(&reply), of_status, "{reply:?}");
        assert_eq!(result(&reply), of_result, "{reply:?}");
    }
}

#[test]
fn a_submit_is_accepted_with_addresses_of_the_channel_or_refused_with_words() {
    for (code, body, expected) in [
        (200, ACCEPTED, "accepted"),
        (201, ACCEPTED, "accepted"),
        (200, r#"{"request_id":"r-123456"}"#, "unknown"),
        (200, r#"{"status":"IN_QUEUE"}"#, "unknown"),
        (200, "{}", "unknown"),
        (
            200,
            r#"{"detail":"no such thing"}"#,
            "refused no such thing",
        ),
        (400, r#"{"detail":"bad"}"#, "refused bad"),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"too long"}]}"#,
            "refused too long",
        ),
        (
            404,
            r#"{"detail":"no such model"}"#,
            "refused no such model",
        ),
        (405, "", "refused "),
    ] {
        assert_eq!(submit(&reply(code, body)), expected, "{code} {body}");
    }
    let elsewhere = ACCEPTED.replacen("http://fal/", "http://evil/", 1);
    match of_submit(&reply(200, &elsewhere), BASE) {
        SubmitOutcome::Unknown(why) => assert!(why.contains("`http://evil`"), "{why}"),
        other => panic!("{other:?}"),
    }
    match of_submit(&reply(404, "{}"), BASE) {
        SubmitOutcome::Refused(refusal) => assert!(refusal.is_no_such_path),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_status_tells_how_far_a_task_is() {
    for (code, body, expected) in [
        (202, r#"{"status":"IN_QUEUE","queue_position":3}"#, "QUEUED"),
        (202, r#"{"status":" in_queue "}"#, "QUEUED"),
        (
            200,
            r#"{"status":"IN_PROGRESS","request_id":" r-123456 "}"#,
            "IN_PROGRESS",
        ),
        (
            200,
            r#"{"status":"COMPLETED","request_id":"another"}"#,
            "missing",
        ),
        (
            202,
            r#"{"status":"IN_PROGRESS","logs":[],"error":"a retry"}"#,
            "IN_PROGRESS",
        ),
        (
            200,
            r#"{"status":"COMPLETED","error":null}"#,
            "the result tells",
        ),
        (
            200,
            r#"{"status":"COMPLETED","error":"out of memory","error_type":"x"}"#,
            "FAILURE out of memory",
        ),
        (
            200,
            r#"{"status":"COMPLETED","error":"r-123456 was cancelled"}"#,
            "FAILURE … was cancelled",
        ),
        (200, r#"{"status":"CANCELLED"}"#, "FAILURE CANCELLED"),
        (
            200,
            r#"{"status":"ERROR","detail":"no GPU"}"#,
            "FAILURE no GPU",
        ),
        (200, r#"{"status":"CANCELLATION_REQUESTED"}"#, "UNKNOWN"),
        (200, r#"{"status":"NEW_WORD"}"#, "UNKNOWN"),
        (200, r#"{"status":""}"#, "UNKNOWN"),
        (200, r#"{"status":["IN_QUEUE"]}"#, "UNKNOWN"),
        (200, r#"{"detail":"?"}"#, "broken"),
        (200, "{}", "broken"),
        (404, r#"{"detail":"no such request"}"#, "missing"),
        (404, "<html>", "ids refused"),
        (422, r#"{"detail":"no id"}"#, "ids refused"),
        (410, "{}", "ids refused"),
        (405, r#"{"detail":"Method Not Allowed"}"#, "misdirected"),
    ] {
        assert_eq!(status(&reply(code, body)), expected, "{code} {body}");
    }
}

#[test]
fn a_result_tells_of_the_task_or_of_the_channel() {
    for (code, body, expected) in [
        (200, r#"{"audio":{"url":"https://a/1.mp3"}}"#, "SUCCESS"),
        (200, r#"{"seed":7}"#, "SUCCESS"),
        (200, r#"{"error":"no GPU"}"#, "FAILURE no GPU"),
        (
            200,
            r#"{"detail":[{"msg":"too long"}]}"#,
            "FAILURE too long",
        ),
        (
            422,
            r#"{"detail":[{"msg":"too long"}]}"#,
            "FAILURE too long",
        ),
        (
            400,
            r#"{"detail":"Request r-123456 was cancelled"}"#,
            "FAILURE Request … was cancelled",
        ),
        (499, "{}", "FAILURE the upstream answered with status 499"),
        (404, r#"{"detail":"gone"}"#, "FAILURE gone"),
        (404, "<html>", "broken"),
        (
            400,
            r#"{"detail":"Request is still in progress"}"#,
            "IN_PROGRESS",
        ),
        (405, r#"{"detail":"x"}"#, "misdirected"),
        (500, r#"{"detail":"Internal Server Error"}"#, "IN_PROGRESS"),
    ] {
        assert_eq!(result(&reply(code, body)), expected, "{code} {body}");
    }
}

#[test]
fn every_line_of_the_table_of_results_counts() {
    for (from, to, says) in RESULTS {
        for code in [from, to] {
            let seen = result(&reply(code, r#"{"audio":"https://a/1"}"#));
            let is_as_said = match says {
                Says::Made => seen == "SUCCESS",
                Says::Failed => seen.starts_with("FAILURE"),
                Says::Nothing => seen == "IN_PROGRESS",
                Says::OfChannel => ["unauthorized", "busy", "misdirected"].contains(&seen.as_str()),
            };
            assert!(is_as_said, "{code}: {seen}");
        }
    }
    assert_eq!(says(600), Says::OfChannel);
}

#[test]
fn a_cancel_is_asked_for_comes_too_late_or_fails_with_the_channel() {
    for (code, body, expected) in [
        (202, r#"{"status":"CANCELLATION_REQUESTED"}"#, "AskedFor"),
        (200, r#"{"status":"OK"}"#, "AskedFor"),
        (202, "", "AskedFor"),
        (200, r#"{"status":"ALREADY_COMPLETED"}"#, "TooLate"),
        (400, r#"{"status":"ALREADY_COMPLETED"}"#, "TooLate"),
        (404, r#"{"status":"NOT_FOUND"}"#, "NoSuchTask"),
        (404, "<html>", "broken"),
        (200, "<html>", "broken"),
        (200, "{\"status\":", "broken"),
        (422, "{}", "broken"),
        (401, "{}", "unauthorized"),
        (405, "{}", "misdirected"),
        (429, "{}", "busy"),
        (503, "", "error"),
    ] {
        assert_eq!(cancel(&reply(code, body)), expected, "{code} {body}");
    }
    assert_eq!(cancel(&no_connection()), "not connected");
    assert_eq!(cancel(&Reply::NoResponse("timed out".to_owned())), "broken");
}

#[test]
fn a_test_says_what_is_wrong_with_address_or_key() {
    for (code, body) in [
        (404, r#"{"detail":"Request not found"}"#),
        (404, r#"{"status":"NOT_FOUND"}"#),
        (405, r#"{"detail":"Method Not Allowed"}"#),
        (422, r#"{"detail":[{"msg":"no id"}]}"#),
        (200, r#"{"status":"COMPLETED"}"#),
    ] {
        assert_eq!(
            of_test(&reply(code, body), true),
            Ok(Duration::ZERO),
            "{code} {body}"
        );
    }
    for (code, body, expected) in [
        (
            401,
            r#"{"detail":"who?"}"#,
            "it refuses the key (401): who?",
        ),
        (
            403,
            r#"{"detail":"User is locked"}"#,
            "it refuses the key, or what the key may do (403): User is locked",
        ),
        (
            404,
            r#"{"code":"not_found","message":"there is nothing here"}"#,
            "it has no such path (404)",
        ),
        (404, "<html>", "a web page instead of JSON"),
        (200, r#"{"up":true}"#, "not of the channel's dialect"),
        (200, "OK", "is no JSON object"),
        (429, "{}", "it is too busy"),
        (502, "<html>", "out of order (502)"),
        (410, "{}", "it refuses the call (410)"),
    ] {
        let what = of_test(&reply(code, body), true).expect_err(body);
        assert!(what.contains(expected), "{code} {body}: {what}");
    }
}
