//! Reads the vendor's JSON leniently, and makes clips and lyrics in the shape of the platform. Each clip keeps the vendor's
//! own object as `raw`, and so do lyrics.

use serde_json::{Value, json};
use shared::json;
use shared::task::step::Observation;
use shared::task::{Action, Status};

use super::tables::{FILES, STATUSES, State};
use crate::Asked;
use crate::fields::{Fields, repaired};
use crate::results::made_of;

/// An answer: `code`, `msg` and `data`.
pub(super) struct Answer<'a>(Fields<'a>);

impl<'a> Answer<'a> {
    /// `None`: the body is no JSON object.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        Fields::read(body).map(Self)
    }

    /// The real status.
    pub(super) fn code(&self) -> Option<u16> {
        self.0.text("code")?.parse().ok()
    }

    /// The words for people.
    pub(super) fn words(&self) -> Option<String> {
        self.0.words()
    }

    /// The vendor's id of a task that it accepted.
    pub(super) fn task_id(&self) -> Option<String> {
        let data = Fields::read(self.0.value("data")?)?;
        let id = data.text("taskId").or_else(|| data.text("task_id"))?;
        (id.len() <= 255 && !id.contains(char::is_control)).then_some(id)
    }

    /// Whether there is any data.
    pub(super) fn has_data(&self) -> bool {
        self.0.value("data").is_some()
    }

    /// What the vendor says of the task. `None`: it tells of none, or of another.
    pub(super) fn observation(&self, asked: &Asked) -> Option<Observation> {
        let task = Fields::read(self.0.value("data")?)?;
        let is_other = task
            .text("taskId")
            .is_some_and(|id| id != asked.upstream_id.trim());
        (!is_other).then(|| observation(&task, asked))
    }
}

fn observation(task: &Fields<'_>, asked: &Asked) -> Observation {
    // Of files, the vendors print it under another name.
    let word = task.text("status").or_else(|| task.text("successFlag"));
    let word = word.unwrap_or_default().to_ascii_uppercase();
    let state = STATUSES.iter().find(|(name, _)| *name == word);
    let response = task.value("response");
    // Some gateways print an object as its text.
    let text = response.and_then(json::text);
    let response = text.as_deref().map(str::as_bytes).or(response);
    let made = response
        .and_then(Fields::read)
        .map(|made| match asked.action {
            Action::LYRICS => lyrics(&made),
            action => match FILES.iter().find(|(of, ..)| *of == action) {
                Some((.., field)) => file(&made, field),
                None => clips(&made),
            },
        });
    let (made, is_whole) = made.unwrap_or_default();
    let status = state.map(|(_, state)| match state {
        State::Is(status) => *status,
        State::AsTheResult if is_whole => Status::Success,
        State::AsTheResult => Status::InProgress,
    });
    let data = made_of(response, |_| made);
    // A result that cannot be stored is a failure only if it is the last one.
    let (status, reason, data) = match (data, status) {
        (Err(why), Some(Status::Success)) => (Some(Status::Failure), why.to_owned(), None),
        (data, Some(Status::Failure)) => {
            let words = task.text("errorMessage").or_else(|| task.words());
            (status, words.unwrap_or(word), data.unwrap_or_default())
        }
        (data, _) => (status, String::new(), data.unwrap_or_default()),
    };
    Observation {
        status,
        fail_reason: reason,
        progress: None,
        data,
        finish: None,
    }
}

/// The address of a file, and whether there is one.
fn file(response: &Fields<'_>, field: &str) -> (Option<Value>, bool) {
    let address = response.text(field);
    let is_there = address.is_some();
    (address.map(Value::String), is_there)
}

/// The clips, and whether there are some and all can be played to their end.
fn clips(response: &Fields<'_>) -> (Option<Value>, bool) {
    let items = response.value("sunoData").and_then(json::items);
    let clips: Vec<Value> = items.into_iter().flatten().map(clip).collect();
    let is_whole = !clips.is_empty() && clips.iter().all(|clip| clip["status"] == "complete");
    let clips = (!clips.is_empty()).then_some(Value::Array(clips));
    (clips, is_whole)
}

/// The address of the whole clip of this id among clips of ours (JSON).
pub(super) fn address(clips: &str, id: &str) -> Option<String> {
    let clips = json::items(clips.as_bytes())?;
    let mut clips = clips.into_iter().filter_map(Fields::read);
    let clip = clips.find(|clip| clip.text("id").as_deref() == Some(id))?;
    clip.text("audio_url")
        .filter(|_| clip.text("status").as_deref() == Some("complete"))
}

fn clip(item: &[u8]) -> Value {
    let raw = repaired(item);
    let text = |name: &str| raw[name].as_str().unwrap_or_default();
    let (whole, early) = (text("audioUrl"), text("streamAudioUrl"));
    let status = match (whole.is_empty(), early.is_empty()) {
        (false, _) => "complete",
        (true, false) => "streaming",
        (true, true) => "queued",
    };
    json!({
        "id": raw["id"],
        "title": text("title"),
        "status": status,
        "audio_url": if whole.is_empty() { early } else { whole },
        "video_url": text("videoUrl"),
        "image_url": text("imageUrl"),
        "image_large_url": text("imageUrl"),
        "model_name": text("modelName"),
        "major_model_version": "",
        "created_at": raw["createTime"],
        "metadata": {
            "tags": raw["tags"],
            "prompt": raw["prompt"],
            "duration": raw["duration"],
        },
        "raw": raw,
    })
}

/// The first of the lyrics, and whether there are any.
fn lyrics(response: &Fields<'_>) -> (Option<Value>, bool) {
    let items = response
        .value("data")
        .and_then(json::items)
        .unwrap_or_default();
    let Some(raw) = items.first().map(|item| repaired(item)) else {
        return (None, false);
    };
    let all: Vec<Value> = items.iter().map(|item| repaired(item)).collect();
    let text = raw["text"].as_str().unwrap_or_default();
    let is_whole = !text.is_empty();
    let lyrics = json!({
        // Clients must not see the vendor's id of the task, and the lyrics have none of their own.
        "id": raw["id"].as_str().unwrap_or_default(),
        "status": if is_whole { "complete" } else { "queued" },
        "title": raw["title"].as_str().unwrap_or_default(),
        "text": text,
        "raw": all,
    });
    (Some(lyrics), is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::TOO_DEEP;

    fn of(action: Action, data: &str) -> Option<Observation> {
        let body = format!(r#"{{"code":200,"msg":"success","data":{data}}}"#);
        let answer = Answer::read(body.as_bytes()).expect("it is an object");
        answer.observation(&Asked::new("t-1", action))
    }

    fn song(data: &str) -> Observation {
        of(Action::SONG, data).expect("it tells of the task")
    }

    const CLIP: &str = r#"{"id":"c-1","audioUrl":"https://a/1.mp3","streamAudioUrl":"https://a/1","imageUrl":"https://a/1.png",
        "prompt":"[Verse]","modelName":"chirp-v4","title":"Rain","tags":"jazz","createTime":"2025-01-01 00:00:00","duration":198.44}"#;

    #[test]
    fn a_song_comes_out_in_the_clips_of_the_platform() {
        let data = format!(
            r#"{{"taskId":"t-1","status":"SUCCESS","response":{{"taskId":"t-1","sunoData":[{CLIP}]}},"errorMessage":null}}"#
        );
        let seen = song(&data);
        assert_eq!(seen.status, Some(Status::Success));
        let clips: Value =
            serde_json::from_str(seen.data.expect("it has clips").get()).expect("it is JSON");
        let clip = &clips[0];
        assert_eq!(clip["id"], "c-1");
        assert_eq!(clip["status"], "complete");
        assert_eq!(clip["audio_url"], "https://a/1.mp3");
        assert_eq!(clip["image_url"], "https://a/1.png");
        assert_eq!(clip["metadata"]["duration"], 198.44);
        assert_eq!(clip["metadata"]["tags"], "jazz");
        assert_eq!(clip["raw"]["modelName"], "chirp-v4");
    }

    #[test]
    fn every_status_of_the_table_is_one_of_ours() {
        for (word, state) in STATUSES {
            let seen = song(&format!(
                r#"{{"taskId":"t-1","status":" {} "}}"#,
                word.to_lowercase()
            ));
            let expected = match state {
                State::Is(status) => status,
                State::AsTheResult => Status::InProgress,
            };
            assert_eq!(seen.status, Some(expected), "{word}");
            assert_eq!(
                seen.fail_reason.is_empty(),
                expected != Status::Failure,
                "{word}"
            );
        }
        assert_eq!(song(r#"{"status":"NEW_WORD"}"#).status, None);
        assert_eq!(song("{}").status, None);
    }

    #[test]
    fn a_vendor_that_could_not_call_us_back_is_no_failure_of_the_song() {
        let with = |clip: &str| {
            song(&format!(
                r#"{{"status":"CALLBACK_EXCEPTION","errorMessage":"no host","response":{{"sunoData":[{clip}]}}}}"#
            ))
        };
        assert_eq!(with(CLIP).status, Some(Status::Success));
        let early = with(r#"{"id":"c-1","audioUrl":"","streamAudioUrl":"https://a/1"}"#);
        assert_eq!(early.status, Some(Status::InProgress));
        let clips = early.data.expect("it has a clip");
        assert!(
            clips.get().contains(r#""status":"streaming""#),
            "{}",
            clips.get()
        );
    }

    #[test]
    fn a_failure_has_the_words_of_the_vendor() {
        let seen = song(r#"{"status":"SENSITIVE_WORD_ERROR","errorMessage":"a bad word"}"#);
        assert_eq!(seen.fail_reason, "a bad word");
        let seen = song(r#"{"status":"GENERATE_AUDIO_FAILED","errorMessage":null}"#);
        assert_eq!(seen.fail_reason, "GENERATE_AUDIO_FAILED");
    }

    #[test]
    fn lyrics_come_out_as_those_of_the_platform() {
        let data = r#"{"taskId":"t-1","status":"SUCCESS","response":{"data":[
            {"text":"[Verse]\nRain","title":"Rain","status":"complete"},{"text":"other"}]}}"#;
        let seen = of(Action::LYRICS, data).expect("it tells of the task");
        assert_eq!(seen.status, Some(Status::Success));
        let lyrics: Value =
            serde_json::from_str(seen.data.expect("it has words").get()).expect("it is JSON");
        assert_eq!(lyrics["text"], "[Verse]\nRain");
        assert_eq!(lyrics["id"], "");
        assert_eq!(lyrics["title"], "Rain");
        assert_eq!(lyrics["status"], "complete");
        assert_eq!(lyrics["raw"][1]["text"], "other");
    }

    #[test]
    fn what_does_not_read_harms_nothing_else() {
        assert!(of(Action::SONG, "null").is_none());
        assert!(of(Action::SONG, r#"{"taskId":"t-2","status":"SUCCESS"}"#).is_none());
        for clip in [
            "7",
            "{\"title\":\"two\nlines\"}",
            r#"{"duration":NaN}"#,
            r#"{"title":"\ud83c"}"#,
        ] {
            let seen = song(&format!(
                r#"{{"status":"SUCCESS","response":{{"sunoData":[{clip}]}}}}"#
            ));
            assert_eq!(seen.status, Some(Status::Success), "{clip}");
            let data = seen.data.expect(clip);
            serde_json::from_str::<Value>(data.get()).expect(clip);
        }
        let large = format!(
            r#"{{"id":"c-1","audioUrl":"https://a/1","wave":"{}"}}"#,
            "x".repeat(2 << 20)
        );
        let seen = song(&format!(
            r#"{{"status":"SUCCESS","response":{{"sunoData":[{large}]}}}}"#
        ));
        assert_eq!(seen.status, Some(Status::Success));
        let data = seen.data.expect("the documented fields stay");
        assert!(data.get().contains("https://a/1") && data.get().len() < 1_000);
    }

    #[test]
    fn what_is_nested_too_deep_fails_and_what_does_not_read_leaves_the_rest() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let with = |x: &str| {
            format!(
                r#"{{"status":"SUCCESS","response":{{"sunoData":[{{"id":"c-1","audioUrl":"https://a/1","x":{x}}}],
                    "data":[{{"text":"la","x":{x}}}]}}}}"#
            )
        };
        for action in [Action::SONG, Action::LYRICS] {
            for levels in [65, 100, 200, 200_000] {
                let seen = of(action, &with(&deep(levels))).expect("it tells of the task");
                assert_eq!(seen.status, Some(Status::Failure), "{levels}");
                assert_eq!(seen.fail_reason, TOO_DEEP, "{levels}");
            }
            let odd = of(action, &with(r#"{"a"}"#)).expect("it tells of the task");
            assert_eq!(odd.status, Some(Status::Success));
            let odd = odd.data.expect("it has a result");
            assert!(odd.get().contains(r#""https://a/1""#) || odd.get().contains(r#""text":"la""#));
        }
    }
}
