//! Reads the vendor's JSON leniently, and makes clips of ours. Each clip keeps the whole result of the model as `raw`.

use std::borrow::Cow;

use serde_json::{Value, json};
use shared::json;
use shared::task::Status;
use shared::task::step::Observation;

use super::tables::{AUDIO, DURATIONS, STATUSES, State};
use crate::fields::{Fields, repaired};
use crate::results::{MOST_BYTES, TOO_DEEP, result};
use crate::said::{TOO_LARGE, failed};

/// The most clips of one result. All that there is stays in `raw`.
const MOST_CLIPS: usize = 64;

/// An answer: an object.
pub(super) struct Answer<'a> {
    fields: Fields<'a>,
    body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// `None`: the body is no JSON object.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let fields = Fields::read(body)?;
        Some(Self { fields, body })
    }

    /// The words for people.
    pub(super) fn words(&self) -> Option<String> {
        self.fields.words()
    }

    /// The vendor's id of the request.
    pub(super) fn request_id(&self) -> Option<String> {
        self.fields.text("request_id")
    }

    /// An address that the vendor gives.
    pub(super) fn address(&self, name: &str) -> Option<String> {
        self.fields.text(name)
    }

    /// Whether there is a status, which may be one that we do not know.
    pub(super) fn has_status(&self) -> bool {
        self.fields.value("status").is_some()
    }

    /// Whether it has the words of the vendor's errors.
    pub(super) fn has_detail(&self) -> bool {
        self.fields.value("detail").is_some()
    }

    /// The status, in upper case; empty if there is none.
    pub(super) fn status(&self) -> String {
        self.fields
            .text("status")
            .unwrap_or_default()
            .to_ascii_uppercase()
    }

    /// What the status means.
    pub(super) fn state(&self) -> Option<State> {
        let word = self.status();
        let known = STATUSES.iter().find(|(name, _)| *name == word);
        known.map(|(_, state)| *state)
    }

    /// The words of an `error` or `detail` that says something. `None`: nothing failed.
    pub(super) fn error(&self) -> Option<String> {
        let says = |name: &&str| {
            let value = self.fields.value(name).unwrap_or_default();
            !matches!(value, b"" | b"false" | b"[]" | b"{}" | b"\"\"" | b"0")
        };
        let name = ["error", "detail"].into_iter().find(says)?;
        let value = self.fields.value(name).unwrap_or_default();
        let words = || Some(String::from_utf8_lossy(value).into_owned());
        self.words().or_else(words)
    }

    /// What a result, or an error in its place, means for the task. An error beside music fails nothing.
    pub(super) fn made(&self) -> Observation {
        if json::is_too_deep(self.body) {
            return failed(TOO_DEEP);
        }
        let clips = self.clips();
        if clips.is_none()
            && let Some(words) = self.error()
        {
            return failed(&words);
        }
        // Of a larger result only clips have documented fields.
        if clips.is_none() && self.body.len() > MOST_BYTES {
            return failed(TOO_LARGE);
        }
        if let (None, Some(State::Is(status))) = (&clips, self.state()) {
            // The result is not there yet.
            return observation(Some(status), None);
        }
        // What has no music in it stays as it came.
        let made = clips.map_or_else(|| self.raw(), Value::Array).to_string();
        match result(made.as_bytes()) {
            Ok(data) => observation(Some(Status::Success), data),
            Err(why) => failed(why),
        }
    }

    /// The clips; `None` if there is nothing to play.
    fn clips(&self) -> Option<Vec<Value>> {
        let mut files = Vec::new();
        for name in AUDIO {
            files.extend(self.fields.value(name).map(playable).unwrap_or_default());
        }
        files.truncate(MOST_CLIPS);
        if files.is_empty() {
            return None;
        }
        let raw = self.raw();
        // Each clip has the whole, as far as all of them can be stored.
        let is_small = self.body.len() * files.len() <= MOST_BYTES;
        let clips = files.iter().enumerate().map(|(nth, file)| {
            let mut clip = clip(file, &raw);
            if is_small || nth == 0 {
                clip["raw"] = raw.clone();
            }
            clip
        });
        Some(clips.collect())
    }

    /// The whole answer, but for the vendor's names of the task: clients must not see them.
    fn raw(&self) -> Value {
        let mut raw = repaired(self.body);
        if let Some(members) = raw.as_object_mut() {
            for name in ["request_id", "status_url", "response_url", "cancel_url"] {
                members.remove(name);
            }
        }
        raw
    }
}

/// An observation without a reason.
pub(super) fn observation(
    status: Option<Status>,
    data: Option<Box<serde_json::value::RawValue>>,
) -> Observation {
    Observation {
        status,
        fail_reason: String::new(),
        progress: None,
        data,
        finish: None,
    }
}

/// The files with an address: of an object, of a text, or of a list of these, each of which may come as a text.
fn playable(value: &[u8]) -> Vec<Value> {
    let text = json::text(value).filter(|text| text.trim_start().starts_with(['[', '{']));
    let value = text.as_deref().map_or(Cow::Borrowed(value), |text| {
        Cow::Owned(text.trim().as_bytes().to_vec())
    });
    let items = json::items(&value).unwrap_or_else(|| vec![&value]);
    let files = items.into_iter().map(|item| match repaired(item) {
        Value::String(url) => json!({ "url": url }),
        other => other,
    });
    files.filter(|file| !address(file).is_empty()).collect()
}

fn address(file: &Value) -> &str {
    file["url"].as_str().unwrap_or_default().trim()
}

fn clip(file: &Value, raw: &Value) -> Value {
    let text = |name: &str| raw[name].as_str().unwrap_or_default();
    json!({
        // A number would be no id that is its own.
        "id": file["id"].as_str().unwrap_or_default(),
        "title": text("title"),
        "status": "complete",
        "audio_url": address(file),
        "video_url": "",
        "image_url": text("image_url"),
        "image_large_url": text("image_url"),
        "model_name": "",
        "major_model_version": "",
        "metadata": {
            "tags": raw["tags"],
            "prompt": raw["prompt"],
            "duration": duration(file).or_else(|| duration(raw)),
        },
    })
}

/// How long the music is, in seconds.
fn duration(of: &Value) -> Option<f64> {
    DURATIONS.iter().find_map(|(name, per_second)| {
        let number = of[name].as_f64().filter(|number| *number > 0.0)?;
        Some(number / per_second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(body: &str) -> Observation {
        Answer::read(body.as_bytes())
            .expect("it is an object")
            .made()
    }

    fn data(body: &str) -> Value {
        let seen = made(body);
        assert_eq!(seen.status, Some(Status::Success), "{}", seen.fail_reason);
        serde_json::from_str(seen.data.expect("it has data").get()).expect("it is JSON")
    }

    #[test]
    fn music_comes_out_in_clips_wherever_a_model_has_it() {
        let file = r#"{"url":"https://a/1.mp3","content_type":"audio/mpeg","duration_ms":61500}"#;
        for (audio, count) in [
            (format!(r#""audio":{file}"#), 1),
            (format!(r#""audio_file":{file}"#), 1),
            (format!(r#""audio_url":{file}"#), 1),
            (format!(r#""audio":[{file},"https://a/1.mp3"]"#), 2),
            (r#""audio_url":" https://a/1.mp3 ""#.to_owned(), 1),
            (format!(r#""audio":null,"audio_file":{file}"#), 1),
            (
                format!(r#""audio":{},"audio_url":"""#, Value::from(file)),
                1,
            ),
        ] {
            let clips = data(&format!(
                r#"{{{audio},"seed":7,"title":"Rain","tags":"folk","request_id":"r-1"}}"#
            ));
            let clips = clips.as_array().expect("they are clips");
            assert_eq!(clips.len(), count, "{audio}");
            for clip in clips {
                assert_eq!(clip["audio_url"], "https://a/1.mp3", "{audio}");
                assert_eq!(clip["status"], "complete");
                assert_eq!(clip["title"], "Rain");
                assert_eq!(clip["metadata"]["tags"], "folk");
                assert_eq!(clip["raw"]["seed"], 7);
                assert_eq!(clip["raw"].get("request_id"), None);
            }
            if audio.contains("duration_ms") && !audio.contains('[') {
                assert_eq!(clips[0]["metadata"]["duration"], 61.5, "{audio}");
            }
        }
        let whole = data(r#"{"audio":{"url":"https://a/1.wav","id":"c"},"duration":30}"#);
        assert_eq!(whole[0]["metadata"]["duration"], 30.0);
        assert_eq!(whole[0]["id"], "c");
    }

    #[test]
    fn nothing_that_was_paid_for_is_dropped() {
        let video = r#"{"video":{"url":"https://a/1.mp4"}}"#;
        assert_eq!(data(video)["video"]["url"], "https://a/1.mp4");
        // A model may tell of a trouble that left music.
        let both = data(r#"{"audio":"https://a/1","error":"the cover failed"}"#);
        assert_eq!(both[0]["raw"]["error"], "the cover failed");
        let many: Vec<String> = (0..100).map(|n| format!("\"https://a/{n}\"")).collect();
        let many = data(&format!(r#"{{"audio":[{}]}}"#, many.join(",")));
        assert_eq!(many.as_array().map(Vec::len), Some(MOST_CLIPS));
        assert_eq!(many[0]["raw"]["audio"][99], "https://a/99");
        let large = format!(r#"{{"audio":"https://a/1","x":"{}"}}"#, "x".repeat(2 << 20));
        let large = data(&large);
        assert_eq!(large[0]["audio_url"], "https://a/1");
        assert_eq!(large[0].get("raw"), None);
        for odd in [
            "{\"audio\":\"https://a/1\",\"title\":\"two\nlines\"}",
            r#"{"audio":{"url":"https://a/1","duration":NaN}}"#,
            r#"{"audio":"https://a/1","title":"\ud83c"}"#,
            r#"{"audio":"https://a/1","audio":"https://a/1"}"#,
        ] {
            assert_eq!(data(odd)[0]["audio_url"], "https://a/1", "{odd}");
        }
    }

    #[test]
    fn an_error_in_place_of_a_result_fails_the_task_with_its_words() {
        for (body, words) in [
            (r#"{"error":"no GPU"}"#, "no GPU"),
            (r#"{"error":{"message":"no GPU"}}"#, "no GPU"),
            (r#"{"error":{"code":7}}"#, r#"{"code":7}"#),
            (r#"{"detail":"no GPU","error":null}"#, "no GPU"),
            (
                r#"{"detail":[{"loc":["body","prompt"],"msg":"too long"},{"msg":"too loud"}]}"#,
                "too long; too loud",
            ),
        ] {
            let seen = made(body);
            assert_eq!(seen.status, Some(Status::Failure), "{body}");
            assert_eq!(seen.fail_reason, words, "{body}");
        }
        for body in [
            r#"{"error":null,"x":1}"#,
            r#"{"error":"","detail":[],"x":1}"#,
            r#"{"error":false,"x":1}"#,
        ] {
            assert_eq!(data(body)["x"], 1);
        }
    }

    #[test]
    fn a_result_that_cannot_be_stored_fails_with_our_reason() {
        let deep = format!(
            r#"{{"audio":"https://a/1","x":{}{}}}"#,
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        assert_eq!(made(&deep).fail_reason, TOO_DEEP);
        let large = format!(r#"{{"x":["{}"]}}"#, "x".repeat(2 << 20));
        assert_eq!(made(&large).fail_reason, TOO_LARGE);
    }
}
