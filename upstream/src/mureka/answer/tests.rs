//! What is read of answers, however they are written.

use std::time::Duration;

use shared::clock::Millis;

use super::*;
use crate::results::TOO_DEEP;

fn of(task: &str) -> Option<Observation> {
    let answer = Answer::read(task.as_bytes()).expect("it is an object");
    answer.observation(&Asked::new("436211", Action::SONG))
}

fn song(task: &str) -> Observation {
    of(task).expect("it tells of the task")
}

fn data(seen: &Observation) -> Value {
    let data = seen.data.as_ref().expect("it has a result");
    serde_json::from_str(data.get()).expect("it is JSON")
}

fn made(action: Action, answer: &str) -> Option<Value> {
    let answer = Answer::read(answer.as_bytes()).expect("it is an object");
    let made = answer.made(action)?.expect("it can be stored");
    Some(serde_json::from_str(made.data.get()).expect("it is JSON"))
}

const TASK: &str = r#"{"id":"436211","created_at":1716191749,"finished_at":1716191809,"model":"mureka-7.5",
        "status":"succeeded","trace_id":"t","choices":[{"index":0,"id":"88","url":"https://a/88.mp3",
        "flac_url":"https://a/88.flac","stream_url":"https://a/88","duration":171960,"lyrics_sections":[]}]}"#;

#[test]
fn a_song_comes_out_in_our_clips() {
    let seen = song(TASK);
    assert_eq!(seen.status, Some(Status::Success));
    let finish = seen.finish.expect("it tells its times");
    assert_eq!(finish.at, Millis(1_716_191_809_000));
    assert_eq!(finish.took, Some(Duration::from_mins(1)));
    let clips = data(&seen);
    let clip = &clips[0];
    assert_eq!(clip["id"], "88");
    assert_eq!(clip["status"], "complete");
    assert_eq!(clip["audio_url"], "https://a/88.mp3");
    assert_eq!(clip["model_name"], "mureka-7.5");
    assert_eq!(clip["metadata"]["duration"], 171.96);
    assert_eq!(clip["raw"]["flac_url"], "https://a/88.flac");
    assert!(
        !clips.to_string().contains("436211"),
        "no client sees the vendor's id of the task: {clips}"
    );
}

#[test]
fn every_status_of_the_table_is_one_of_ours() {
    for (word, expected) in STATUSES {
        let seen = song(&format!(
            r#"{{"id":436211,"status":" {} "}}"#,
            word.to_uppercase()
        ));
        assert_eq!(seen.status, Some(expected), "{word}");
        let is_failure = expected == Status::Failure;
        assert_eq!(seen.fail_reason.is_empty(), !is_failure, "{word}");
    }
    for unknown in [r#"{"status":"reviewing"}"#, r#"{"status":""}"#, "{}"] {
        assert_eq!(song(unknown).status, None, "{unknown}");
    }
}

#[test]
fn a_song_that_streams_can_be_heard_already() {
    let seen = song(
        r#"{"status":"streaming","choices":[{"id":"88","stream_url":"https://a/88"},{"id":"89"}]}"#,
    );
    assert_eq!(seen.status, Some(Status::InProgress));
    let clips = data(&seen);
    assert_eq!(clips[0]["status"], "streaming");
    assert_eq!(clips[0]["audio_url"], "https://a/88");
    assert_eq!(clips[1]["status"], "queued");
}

#[test]
fn a_failure_has_the_words_of_the_vendor_and_no_other_task_has() {
    let seen = song(r#"{"status":"failed","failed_reason":"out of tune"}"#);
    assert_eq!(seen.fail_reason, "out of tune");
    let seen = song(r#"{"status":"timeouted","error":{"message":"too slow"}}"#);
    assert_eq!(seen.fail_reason, "too slow");
    assert_eq!(song(r#"{"status":"cancelled"}"#).fail_reason, "cancelled");
    let early = song(r#"{"status":"running","failed_reason":"again"}"#);
    assert_eq!(early.fail_reason, "");
}

#[test]
fn what_does_not_read_harms_nothing_else() {
    assert!(of(r#"{"id":"436212","status":"succeeded"}"#).is_none());
    assert_eq!(
        song(r#"{"id":" 436211 ","status":["?"],"choices":"none"}"#).status,
        None
    );
    for choice in [
        "{\"title\":\"two\nlines\"}",
        r#"{"duration":NaN}"#,
        r#"{"title":"\ud83c"}"#,
        r#"{"id":"1"},7"#,
    ] {
        let seen = song(&format!(r#"{{"status":"succeeded","choices":[{choice}]}}"#));
        assert_eq!(seen.status, Some(Status::Success), "{choice}");
        assert!(data(&seen)[0].is_object(), "{choice}");
    }
    for (choices, expected) in [("7", json!(7)), ("[7]", json!([7])), ("[]", json!([]))] {
        let seen = song(&format!(r#"{{"status":"succeeded","choices":{choices}}}"#));
        assert_eq!(data(&seen), expected);
    }
    let text =
        song(r#"{"status":"succeeded","choices":"[{\"id\":\"88\",\"url\":\"https://a\"}]"}"#);
    assert_eq!(data(&text)[0]["audio_url"], "https://a");
}

#[test]
fn a_result_is_bounded() {
    let large = |fields: &str| {
        let wave = "x".repeat(2 << 20);
        song(&format!(
            r#"{{"status":"succeeded","choices":[{{"id":"88","url":"https://a",{fields}:"{wave}"}}]}}"#
        ))
    };
    let seen = large(r#""wave""#);
    assert_eq!(seen.status, Some(Status::Success));
    assert!(data(&seen).to_string().len() < 1_000);
    let seen = large(r#""title""#);
    assert_eq!(seen.status, Some(Status::Failure));
    assert!(seen.fail_reason.contains("larger than 1 MiB"));
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for (status, expected) in [
        ("succeeded", Status::Failure),
        ("running", Status::InProgress),
    ] {
        let seen = song(&format!(r#"{{"status":"{status}","choices":{deep}}}"#));
        assert!(seen.status == Some(expected) && seen.data.is_none());
    }
}

#[test]
fn lyrics_come_with_the_answer() {
    let lyrics = made(
        Action::LYRICS,
        r#"{"id":"436211","title":"Rain","lyrics":"[Verse]\nRain","trace_id":"t"}"#,
    );
    let lyrics = lyrics.expect("it has lyrics");
    assert_eq!(lyrics["id"], "");
    assert!(!lyrics.to_string().contains("436211"), "{lyrics}");
    assert_eq!(lyrics["status"], "complete");
    assert_eq!(lyrics["title"], "Rain");
    assert_eq!(lyrics["text"], "[Verse]\nRain");
    assert_eq!(lyrics["raw"]["trace_id"], "t");
    assert_eq!(
        made(Action::LYRICS, r#"{"title":"Rain","lyrics":""}"#),
        None
    );
    assert_eq!(made(Action::SONG, r#"{"id":"1","lyrics":"x"}"#), None);
}

#[test]
fn stems_are_an_address_or_a_task() {
    let stem = |answer| made(Action::STEM, answer);
    let zip = stem(r#"{"zip_url":"https://a/1.zip","expires_at":1}"#).expect("it is made");
    assert_eq!(zip[0]["audio_url"], "https://a/1.zip");
    assert_eq!(zip[0]["status"], "complete");
    assert_eq!(zip[0]["raw"]["expires_at"], 1);
    let told = stem(r#"{"status":"succeeded","url":"https://a/1.zip"}"#).expect("it is made");
    assert_eq!(told[0]["audio_url"], "https://a/1.zip");
    for task in [
        r#"{"id":"1","status":"preparing","url":"https://a/1.mp3"}"#,
        r#"{"id":"1"}"#,
        r#"{"zip_url":"soon"}"#,
        // The address that was sent may stand in an answer.
        r#"{"status":"Preparing","url":"https://a/1.mp3"}"#,
        r#"{"status":"failed","url":"https://a/1.mp3"}"#,
    ] {
        assert_eq!(stem(task), None, "{task}");
    }
}

#[test]
fn the_account_tells_how_many_tasks_it_may_have() {
    for (account, expected) in [
        (
            r#"{"account_id":1,"concurrent_request_limit":10}"#,
            Some(10),
        ),
        (r#"{"concurrent_request_limit":"5"}"#, Some(5)),
        (r#"{"concurrent_request_limit":5.0}"#, Some(5)),
        (r#"{"concurrent_request_limit":0}"#, None),
        (r#"{"concurrent_request_limit":-1}"#, None),
        (r#"{"balance":700}"#, None),
    ] {
        let answer = Answer::read(account.as_bytes()).expect("it is an object");
        assert!(answer.is_account());
        assert_eq!(answer.most_tasks(), expected, "{account}");
    }
}

#[test]
fn what_is_nested_too_deep_fails_and_what_does_not_read_leaves_the_rest() {
    for levels in [65, 100, 200, 200_000] {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let seen = song(&format!(
            r#"{{"status":"succeeded","choices":[{{"id":"88","url":"https://a/88.mp3","x":{deep}}}]}}"#
        ));
        assert_eq!(seen.status, Some(Status::Failure), "{levels}");
        assert_eq!(seen.fail_reason, TOO_DEEP, "{levels}");
        let lyrics = format!(r#"{{"id":"436211","lyrics":"la","x":{deep}}}"#);
        let lyrics = Answer::read(lyrics.as_bytes()).expect("it is an object");
        let made = lyrics.made(Action::LYRICS).expect("it holds lyrics");
        assert_eq!(made.err(), Some(TOO_DEEP), "{levels}");
    }
    // No client sees the vendor's id of the task, whatever stands beside it.
    let odd = made(Action::LYRICS, r#"{"id":"436211","lyrics":"la","x":{"a"}}"#);
    let odd = odd.expect("it holds lyrics");
    assert_eq!(odd["text"], "la");
    assert!(!odd.to_string().contains("436211"), "{odd}");
}
