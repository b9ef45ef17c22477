//! Reads the vendor's JSON leniently, and makes clips and lyrics of it. Each clip keeps the vendor's own object as `raw`,
//! and so do lyrics.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::json;
use shared::task::step::Observation;
use shared::task::{Action, Status, clips};

use super::tables::{ACCOUNT, ADDRESSES, Holds, KNOWN, MILLIS_FROM, STATUSES, call};
use crate::fields::{Fields, repaired};
use crate::said::failed;
use crate::suno::result::result;
use crate::{Asked, Made};

/// An answer: a task, lyrics, an address, the account, or an error.
pub(super) struct Answer<'a> {
    body: &'a [u8],
    fields: Fields<'a>,
}

impl<'a> Answer<'a> {
    /// `None`: the body is no JSON object.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let fields = Fields::read(body)?;
        Some(Self { body, fields })
    }

    /// Whether this is an answer of the vendor, and no refusal.
    pub(super) fn is_known(&self) -> bool {
        self.has_any(&KNOWN)
    }

    /// Whether this is the account.
    pub(super) fn is_account(&self) -> bool {
        self.has_any(&ACCOUNT)
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.fields.value(name).is_some())
    }

    /// How many tasks the account may have at once. No account has a limit of none.
    pub(super) fn most_tasks(&self) -> Option<u32> {
        let [limit, ..] = ACCOUNT;
        let limit = self.fields.text(limit)?;
        let whole = limit
            .split_once('.')
            .map_or(&*limit, |(whole, _)| whole)
            .parse();
        whole.ok().filter(|limit| *limit > 0)
    }

    /// The words for people.
    pub(super) fn words(&self) -> Option<String> {
        self.fields.words()
    }

    /// The vendor's id of a task. `None`: there is none that can be asked for.
    pub(super) fn task_id(&self) -> Option<String> {
        let id = self.fields.text("id")?;
        let is_path = crate::http::segment(&id).is_some();
        (is_path && clips::is_id(&id)).then_some(id)
    }

    /// The result that an answer to a submit holds, if it does. The error is our reason why it cannot be stored.
    pub(super) fn made(&self, action: Action) -> Option<Result<Made, &'static str>> {
        let data = match call(action)?.answer {
            Holds::Task => return None,
            Holds::Lyrics => self.lyrics()?,
            Holds::Address => json!([self.at_address()?]),
        };
        let data: Box<RawValue> = match result(data.to_string().as_bytes()) {
            Ok(data) => data?,
            Err(why) => return Some(Err(why)),
        };
        let upstream_id = self.task_id();
        Some(Ok(Made { upstream_id, data }))
    }

    fn lyrics(&self) -> Option<Value> {
        let text = self.fields.text("lyrics")?;
        Some(json!({
            // Clients must not see the vendor's id of the task, and the lyrics have none of their own.
            "id": "",
            "status": "complete",
            "title": self.fields.text("title").unwrap_or_default(),
            "text": text,
            "raw": self.raw(),
        }))
    }

    /// The whole answer, but for the vendor's id of the task.
    fn raw(&self) -> Value {
        let mut raw = repaired(self.body);
        if let Some(members) = raw.as_object_mut() {
            members.remove("id");
        }
        raw
    }

    /// The clip at the address that the answer gives. A task that tells its status is not finished yet.
    fn at_address(&self) -> Option<Value> {
        if self.task_id().is_some() && self.fields.value("status").is_some() {
            return None;
        }
        let mut addresses = ADDRESSES.iter().filter_map(|name| self.fields.text(name));
        let address = addresses.find(|text| is_address(text))?;
        Some(clip(&self.raw(), "complete", &address, &self.fields))
    }

    /// What the vendor says of the task. `None`: it tells of another.
    pub(super) fn observation(&self, asked: &Asked) -> Option<Observation> {
        let id = self.fields.text("id");
        let is_other = id.is_some_and(|id| id != asked.upstream_id.trim());
        (!is_other).then(|| observation(&self.fields))
    }
}

fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

fn observation(task: &Fields<'_>) -> Observation {
    let word = task.text("status").unwrap_or_default().to_ascii_lowercase();
    let known = STATUSES.iter().find(|(name, _)| *name == word);
    let status = known.map(|(_, status)| *status);
    let choices = task.value("choices");
    // Some gateways print a list as its text.
    let text = choices.and_then(json::text);
    let choices = text.as_deref().map(str::as_bytes).or(choices);
    let data = match (choices.and_then(|choices| clips_of(choices, task)), choices) {
        (Some(clips), _) => result(clips.to_string().as_bytes()),
        // What is no clip stays as it came.
        (None, Some(choices)) => result(choices),
        (None, None) => Ok(None),
    };
    // A result that cannot be stored is a failure only if it is the last one.
    let data = match (data, status) {
        (Err(reason), Some(Status::Success)) => return failed(reason),
        (data, _) => data.unwrap_or_default(),
    };
    let reason = || {
        let reason = task.text("failed_reason").or_else(|| task.words());
        reason.unwrap_or(word)
    };
    Observation {
        fail_reason: if status == Some(Status::Failure) {
            reason()
        } else {
            String::new()
        },
        status,
        progress: None,
        data,
        finish: task.finish("created_at", "finished_at"),
    }
}

/// The clips of a list that has at least one object. `None` for any other list, and for an empty one without more to it.
fn clips_of(choices: &[u8], task: &Fields<'_>) -> Option<Value> {
    let choices = json::items(choices)?;
    let is_object = |item: &&[u8]| Fields::read(item).is_some();
    if !choices.iter().any(is_object) {
        return None;
    }
    let clips = choices.into_iter().map(|choice| {
        let raw = repaired(choice);
        let text = |name: &str| raw[name].as_str().unwrap_or_default().trim().to_owned();
        let (whole, early) = (text("url"), text("stream_url"));
        let (status, address) = match (whole.is_empty(), early.is_empty()) {
            (false, _) => ("complete", whole),
            (true, false) => ("streaming", early),
            (true, true) => ("queued", early),
        };
        clip(&raw, status, &address, task)
    });
    Some(clips.collect())
}

/// A clip in our shape, of an object of the vendor's and the task around it.
fn clip(raw: &Value, status: &str, address: &str, task: &Fields<'_>) -> Value {
    let of_task = |name: &str| task.text(name).unwrap_or_default();
    json!({
        "id": raw["id"],
        "title": raw["title"].as_str().unwrap_or_default(),
        "status": status,
        "audio_url": address,
        "video_url": "",
        "image_url": "",
        "image_large_url": "",
        "model_name": of_task("model"),
        "major_model_version": "",
        "created_at": of_task("created_at"),
        "metadata": {
            "tags": "",
            "prompt": "",
            "duration": raw["duration"].as_f64().map(seconds),
        },
        "raw": raw,
    })
}

fn seconds(duration: f64) -> f64 {
    if duration >= MILLIS_FROM {
        duration / 1_000.0
    } else {
        duration
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::clock::Millis;

    use super::*;

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
        for task in [
            r#"{"id":"1","status":"preparing","url":"https://a/1.mp3"}"#,
            r#"{"id":"1"}"#,
            r#"{"zip_url":"soon"}"#,
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
}
