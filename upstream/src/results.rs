//! Results as they are stored: bounded, valid JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use shared::json;

use crate::said::TOO_LARGE;

/// The largest result that is stored, in bytes: 1 MiB.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// Our reason for a task whose result cannot be stored as it is nested.
pub(crate) const TOO_DEEP: &str = "the upstream's result is nested deeper than 64 levels";

/// The fields of a clip, and of lyrics, that the dialect documents: what is kept of a result over 1 MiB.
const FIELDS: [&str; 13] = [
    "id",
    "title",
    "status",
    "text",
    "audio_url",
    "video_url",
    "image_url",
    "image_large_url",
    "major_model_version",
    "model_name",
    "created_at",
    "error_message",
    "metadata",
];

/// The fields of a clip's `metadata` that the dialect documents.
const METADATA: [&str; 7] = [
    "tags",
    "prompt",
    "gpt_description_prompt",
    "type",
    "duration",
    "error_type",
    "error_message",
];

/// The result as it is stored. A text that holds JSON counts as that JSON. Nothing that was paid for is
/// dropped: what is no valid JSON is kept as a text. The error is our reason why it cannot be stored.
pub(crate) fn result(data: &[u8]) -> Result<Option<Box<RawValue>>, &'static str> {
    let text = json::text(data).filter(|_| data.starts_with(b"\""));
    let data = match &text {
        Some(text) if text.trim().is_empty() => return Ok(None),
        Some(text) if text.trim_start().starts_with(['[', '{']) => text.trim().as_bytes(),
        _ => data,
    };
    if json::is_too_deep(data) {
        return Err(TOO_DEEP);
    }
    let lossy = || to_raw_value(&text.clone().unwrap_or_else(|| lossy(data))).ok();
    let Some(result) = json::repaired(data).or_else(lossy) else {
        return Ok(None);
    };
    if result.get().len() <= MOST_BYTES {
        return Ok(Some(result));
    }
    let reduced = reduced(&result).filter(|reduced| reduced.get().len() <= MOST_BYTES);
    reduced.map(Some).ok_or(TOO_LARGE)
}

/// The result of what a vendor gave, as a driver converts it. What the driver cannot convert is stored as it came.
pub(crate) fn made_of(
    given: Option<&[u8]>,
    convert: impl FnOnce(&[u8]) -> Option<Value>,
) -> Result<Option<Box<RawValue>>, &'static str> {
    let Some(given) = given else { return Ok(None) };
    // It would not read as a value.
    if json::is_too_deep(given) {
        return Err(TOO_DEEP);
    }
    match convert(given) {
        Some(made) => result(made.to_string().as_bytes()),
        None => result(given),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The members of an object, unparsed.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Only the documented fields of clips or of lyrics. `None` for any other result.
fn reduced(result: &RawValue) -> Option<Box<RawValue>> {
    if let Ok(lyrics) = serde_json::from_str::<Members>(result.get()) {
        return to_raw_value(&documented(lyrics, &FIELDS)).ok();
    }
    let clips: Vec<Members> = serde_json::from_str(result.get()).ok()?;
    let clips = clips.into_iter().map(|clip| {
        let clip = documented(clip, &FIELDS).into_iter();
        let clip = clip.map(|(name, value)| {
            let metadata = serde_json::from_str(value.get())
                .ok()
                .filter(|_| name == "metadata");
            let metadata = metadata.and_then(|all| to_raw_value(&documented(all, &METADATA)).ok());
            (name, metadata.unwrap_or_else(|| value.to_owned()))
        });
        clip.collect::<BTreeMap<_, _>>()
    });
    to_raw_value(&clips.collect::<Vec<_>>()).ok()
}

fn documented<'a>(mut members: Members<'a>, names: &[&str]) -> Members<'a> {
    members.retain(|name, _| names.contains(&name.as_str()));
    members
}

/// The result of a task that failed: clips, or lyrics, that are not complete say `error`.
pub fn failed_result(result: &str) -> String {
    let of_clip = |clip: &[u8]| with_error(clip).unwrap_or_else(|| lossy(clip));
    match json::items(result.as_bytes()) {
        Some(clips) => {
            let clips: Vec<String> = clips.into_iter().map(of_clip).collect();
            format!("[{}]", clips.join(","))
        }
        None => of_clip(result.as_bytes()),
    }
}

/// A clip whose `status` is `error`, unless it is `complete`. `None` if it has no status.
fn with_error(clip: &[u8]) -> Option<String> {
    let members = json::members(clip)?;
    let status = json::last(&members, "status")?;
    if json::text(status)?.trim().eq_ignore_ascii_case("complete") {
        return None;
    }
    let member = |(name, value): &(Cow<str>, &[u8])| {
        let value = if name == "status" {
            &b"\"error\""[..]
        } else {
            value
        };
        format!(
            "{}:{}",
            serde_json::Value::from(name.as_ref()),
            lossy(value)
        )
    };
    let members: Vec<String> = members.iter().map(member).collect();
    Some(format!("{{{}}}", members.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_failed_result_is_unfinished() {
        for (result, expected) in [
            (
                r#"[{"id":"1","status":"streaming","x":{"status":"queued"}},{"status":"complete"}]"#,
                r#"[{"id":"1","status":"error","x":{"status":"queued"}},{"status":"complete"}]"#,
            ),
            (
                r#"{"status":"queued","text":""}"#,
                r#"{"status":"error","text":""}"#,
            ),
            (r#"[{"id":"1"},7]"#, r#"[{"id":"1"},7]"#),
            (
                r#""https://cdn.example.com/1.wav""#,
                r#""https://cdn.example.com/1.wav""#,
            ),
        ] {
            assert_eq!(failed_result(result), expected);
        }
    }
}
