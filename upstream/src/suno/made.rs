//! Results that come in the answer to a submit, or to the GET of an action that makes no task.

use serde_json::value::{RawValue, to_raw_value};
use shared::json;

use super::actions::Holds;
use crate::fields::{Fields, is_address};
use crate::results::result;

/// What the data of an answer is.
#[derive(Debug)]
pub enum Data {
    /// The upstream's id of a task.
    Id(String),
    /// The result.
    Result(Box<RawValue>),
    /// Nothing that we know.
    Neither,
}

/// What the data in the answer to a submit is.
pub fn of_submit(answer: &Fields<'_>, holds: Holds) -> Data {
    let clip = answer.text("clip_id").filter(|_| holds == Holds::Upload);
    if let Some(clip) = clip {
        return uploaded(&clip);
    }
    let Some(data) = answer.value("data") else {
        return Data::Neither;
    };
    let text = json::text(data).map(|text| text.trim().to_owned());
    let unpacked = text.as_deref().filter(|text| text.starts_with(['[', '{']));
    if let (Some(text), None) = (&text, unpacked) {
        let is_file = matches!(holds, Holds::Address | Holds::Upload);
        if is_file && is_address(text) {
            return result(data)
                .ok()
                .flatten()
                .map_or(Data::Neither, Data::Result);
        }
        return id(Some(text.clone()));
    }
    let data = unpacked.map_or(data, str::as_bytes);
    match of_value(data, holds) {
        Some(result) => Data::Result(result),
        None => id(carried_id(data)),
    }
}

/// The result, if the value is one.
pub fn of_value(value: &[u8], holds: Holds) -> Option<Box<RawValue>> {
    let object = Fields::read(value);
    let object = object.as_ref();
    // What is still being made, or is a task, is no result.
    let is_unfinished = object.is_some_and(|object| {
        let status = object.text("status");
        let goes_on =
            status.is_some_and(|status| !FINISHED.contains(&&*status.to_ascii_lowercase()));
        goes_on || (object.has("task_id") && holds != Holds::Clips)
    });
    if is_unfinished {
        return None;
    }
    let is_result = match holds {
        Holds::Clips => are_clips(value),
        Holds::Words => {
            object.is_some_and(|words| is_complete(words) && words.text("text").is_some())
        }
        Holds::Persona => {
            let id =
                |persona: &Fields<'_>| persona.text("id").or_else(|| persona.text("persona_id"));
            object.is_some_and(|persona| id(persona).is_some())
        }
        Holds::Upload => match object.and_then(|upload| upload.text("clip_id")) {
            Some(clip) => match uploaded(&clip) {
                Data::Result(result) => return Some(result),
                Data::Id(_) | Data::Neither => false,
            },
            None => are_clips(value),
        },
        Holds::Address => has_address(value),
        Holds::Timing => {
            let members = json::members(value).unwrap_or_default();
            is_timing(value) || members.iter().any(|(_, value)| is_timing(value))
        }
    };
    is_result.then(|| result(value).ok().flatten()).flatten()
}

/// The result of an upload that the upstream knows under this id, as a clip.
pub fn uploaded(clip: &str) -> Data {
    let clips = serde_json::json!([{ "id": clip, "status": "complete" }]);
    to_raw_value(&clips).map_or(Data::Neither, Data::Result)
}

/// Whether there are clips, and each is complete and has an address.
fn are_clips(value: &[u8]) -> bool {
    let clips = json::items(value).unwrap_or_else(|| vec![value]);
    let is_whole = |clip: &&[u8]| {
        let clip = Fields::read(clip);
        clip.is_some_and(|clip| is_complete(&clip) && clip.text("audio_url").is_some())
    };
    !clips.is_empty() && clips.iter().all(is_whole)
}

fn is_complete(object: &Fields<'_>) -> bool {
    let status = object.text("status");
    status.is_some_and(|status| status.eq_ignore_ascii_case("complete"))
}

/// The words of a status that say that nothing more comes.
const FINISHED: [&str; 4] = ["complete", "completed", "success", "succeeded"];

/// The members of an object that hold the address of a file. (?)
const ADDRESSES: [&str; 9] = [
    "url",
    "audio_url",
    "wav_url",
    "wav_file_url",
    "video_url",
    "mp4_url",
    "file_url",
    "download_url",
    "audioWavUrl",
];

/// The members of a word that say when it is sung. (?)
const MOMENTS: [&str; 4] = ["start_s", "start", "startS", "start_time"];

/// Whether a text, or a member of an object, is the address of a file.
fn has_address(value: &[u8]) -> bool {
    let is_one = |value: &[u8]| json::text(value).is_some_and(|text| is_address(text.trim()));
    let object = Fields::read(value);
    let mut members = ADDRESSES
        .iter()
        .filter_map(|name| object.as_ref()?.value(name));
    is_one(value) || members.any(is_one)
}

/// A list of words, one after another, each with its moment.
fn is_timing(value: &[u8]) -> bool {
    let words = json::items(value).unwrap_or_default();
    let word = words.first().and_then(|word| Fields::read(word));
    word.is_some_and(|word| MOMENTS.iter().any(|name| word.has(name)))
}

/// The id in an object, or in the first of a list.
fn carried_id(value: &[u8]) -> Option<String> {
    let first = json::items(value).and_then(|items| items.first().copied());
    let object = Fields::read(first.unwrap_or(value))?;
    object.text("task_id").or_else(|| object.text("id"))
}

fn id(text: Option<String>) -> Data {
    let text = text.filter(|text| (1..=255).contains(&text.len()));
    let text = text.filter(|text| !text.contains(char::is_control));
    text.map_or(Data::Neither, Data::Id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, holds: Holds) -> String {
        let fields = Fields::read(body.as_bytes()).expect("it is an object");
        match of_submit(&fields, holds) {
            Data::Id(id) => format!("id {id}"),
            Data::Result(result) => format!("result {result}"),
            Data::Neither => "neither".to_owned(),
        }
    }

    #[test]
    fn a_text_or_a_number_is_an_id_and_an_address_is_a_file() {
        for (data, holds, expected) in [
            (r#""7c0d""#, Holds::Clips, "id 7c0d"),
            (r#"" 7c0d ""#, Holds::Upload, "id 7c0d"),
            ("101", Holds::Words, "id 101"),
            (r#""https://a/1""#, Holds::Clips, "id https://a/1"),
            (
                r#""https://a/1.wav""#,
                Holds::Address,
                r#"result "https://a/1.wav""#,
            ),
            (
                r#""https://a/1.mp3""#,
                Holds::Upload,
                r#"result "https://a/1.mp3""#,
            ),
            (r#""""#, Holds::Clips, "neither"),
            ("null", Holds::Clips, "neither"),
            (r#""a\u0000b""#, Holds::Clips, "neither"),
        ] {
            assert_eq!(
                read(&format!(r#"{{"data":{data}}}"#), holds),
                expected,
                "{data}"
            );
        }
    }

    #[test]
    fn clips_are_a_result_only_if_each_is_whole() {
        let whole = r#"[{"id":"c","status":"complete","audio_url":"https://a/c.mp3"}]"#;
        let body = format!(r#"{{"data":{whole}}}"#);
        assert_eq!(read(&body, Holds::Clips), format!("result {whole}"));
        let as_text = serde_json::json!({ "data": whole }).to_string();
        assert_eq!(read(&as_text, Holds::Clips), format!("result {whole}"));
        for (data, expected) in [
            (r#"[{"id":"c","status":"complete","audio_url":""}]"#, "id c"),
            (
                r#"[{"id":"c","status":"streaming","audio_url":"https://a"}]"#,
                "id c",
            ),
            (r#"[{"task_id":"t","id":"c","status":"queued"}]"#, "id t"),
            (r#"{"task_id":"t","status":"NOT_START"}"#, "id t"),
            (r#"[{"status":"queued"}]"#, "neither"),
            ("[]", "neither"),
            ("{}", "neither"),
        ] {
            assert_eq!(
                read(&format!(r#"{{"data":{data}}}"#), Holds::Clips),
                expected,
                "{data}"
            );
        }
    }

    #[test]
    fn an_upload_is_a_clip_if_its_id_stands_beside_or_in_the_data() {
        let clip = r#"result [{"id":"c","status":"complete"}]"#;
        for body in [
            r#"{"data":"x","clip_id":"c"}"#,
            r#"{"clip_id":"c"}"#,
            r#"{"data":{"clip_id":"c"}}"#,
        ] {
            assert_eq!(read(body, Holds::Upload), clip, "{body}");
        }
        assert_eq!(read(r#"{"data":{"task_id":"t"}}"#, Holds::Upload), "id t");
        // Beside a song, it is the clip that the song continues.
        assert_eq!(read(r#"{"data":"t","clip_id":"c"}"#, Holds::Clips), "id t");
    }

    #[test]
    fn words_personas_files_and_timings_are_results() {
        for (data, holds) in [
            (
                r#"{"status":"complete","title":"","text":"la"}"#,
                Holds::Words,
            ),
            (r#"{"id":"p","name":"Ann"}"#, Holds::Persona),
            (r#"{"persona_id":"p"}"#, Holds::Persona),
            (r#"{"wav_file_url":"https://a/1.wav"}"#, Holds::Address),
            (
                r#"{"aligned_words":[{"word":"la","start_s":1.5}]}"#,
                Holds::Timing,
            ),
            (r#"[{"word":"la","start":0}]"#, Holds::Timing),
        ] {
            let expected = format!("result {data}");
            assert_eq!(read(&format!(r#"{{"data":{data}}}"#), holds), expected);
        }
        for (data, holds) in [
            (r#"{"status":"queued","text":"la"}"#, Holds::Words),
            (r#"{"name":"Ann"}"#, Holds::Persona),
            (r#"{"status":"processing"}"#, Holds::Address),
            (r#"{"aligned_words":[]}"#, Holds::Timing),
            (r#"[{"msg":"not ready"}]"#, Holds::Timing),
            (r#"{"image_url":"https://a/1.png"}"#, Holds::Address),
            (
                r#"{"status":"queued","url":"https://a/1.wav"}"#,
                Holds::Address,
            ),
        ] {
            assert_eq!(read(&format!(r#"{{"data":{data}}}"#), holds), "neither");
        }
    }
}
