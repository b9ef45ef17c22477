//! The platform `mureka`: its requests as those of Suno's dialect, and tasks as it prints them.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{
    request::{Action, Request},
    sunoapi::reason,
};

/// What a call makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A song.
    Song,
    /// Music without a voice.
    Instrumental,
    /// More of a song.
    Extend,
    /// The tracks of a song: the answer comes once they are done.
    Stem,
    /// Lyrics: the answer comes once they are done.
    Lyrics,
}

/// Fields of the platform, and their names in Suno's dialect.
const FIELDS: [(&str, &str); 5] = [
    ("title", "title"),
    ("model", "mv"),
    ("song_id", "continue_clip_id"),
    ("extend_at", "continue_at"),
    ("style", "tags"),
];

impl Call {
    /// What it makes, in Suno's words.
    pub const fn action(self) -> Action {
        match self {
            Self::Lyrics => Action::Lyrics,
            Self::Song | Self::Instrumental | Self::Extend | Self::Stem => Action::Music,
        }
    }

    /// Reads the body of a submit. The error is the message for the client.
    pub fn request(self, body: &[u8]) -> Result<Request, String> {
        let theirs: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| format!("the body can't be read: {error}"))?;
        for one_of in self.needs() {
            if !one_of.iter().any(|name| text(&theirs, name).is_some()) {
                return Err(format!("{} is required", one_of.join(" or ")));
            }
        }
        let mut names = self.needs().iter().flat_map(|one_of| one_of.iter());
        let words = names.find_map(|name| text(&theirs, name));
        let mut ours = json!({ "prompt": words });
        for (from, to) in FIELDS {
            if let Some(value) = theirs.get(from) {
                ours[to] = value.clone();
            }
        }
        if self != Self::Lyrics && text(&theirs, "lyrics").is_some() {
            ours["tags"] = theirs.get("prompt").cloned().unwrap_or_default();
        }
        Request::read(self.action(), ours.to_string().as_bytes())
    }

    /// A request has one field of each of these lists.
    const fn needs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Song => &[&["lyrics"]],
            Self::Instrumental => &[&["prompt", "instrumental_id"]],
            Self::Extend => &[&["lyrics"], &["song_id", "upload_audio_id"]],
            Self::Stem => &[&["url"]],
            Self::Lyrics => &[&["prompt"]],
        }
    }

    /// Whether the answer to a submit is the result.
    pub const fn answers_with_the_result(self) -> bool {
        matches!(self, Self::Stem | Self::Lyrics)
    }

    /// The result of a task that ended. The error is the message for the client.
    pub fn result(self, task: &Value) -> Result<Value, String> {
        if task["status"] != "SUCCESS" {
            return Err(text_of(&reason(task)).to_owned());
        }
        let data = &task["data"];
        Ok(match self {
            Self::Lyrics => json!({ "title": data["title"], "lyrics": data["text"] }),
            _ => json!({
                "zip_url": format!("https://cdn.mureka.example/{}.zip", text_of(&data[0]["id"])),
                "expires_at": task["finish_time"].as_u64().map(|end| end + 86_400),
            }),
        })
    }
}

/// An answer that is an error.
pub fn error(status: StatusCode, message: &str) -> Response {
    // The platform has one status for too many calls and for an empty account.
    let (status, message) = match status {
        StatusCode::PAYMENT_REQUIRED => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("{message}: check your quota and your billing details"),
        ),
        other => (other, message.to_owned()),
    };
    let body = json!({ "error": { "message": message }, "trace_id": TRACE });
    (status, axum::Json(body)).into_response()
}

const TRACE: &str = "6f1d0d5c7b4e4f0f";

/// The account, which may have so many tasks at once.
pub fn account(places: Option<u32>) -> Value {
    json!({
        "account_id": 7,
        "balance": 10_000,
        "total_recharge": 20_000,
        "total_spending": 10_000,
        "concurrent_request_limit": places,
    })
}

/// An answer that accepts a task under this id.
pub fn accepted(id: &str) -> Value {
    json!({ "id": id, "status": "preparing" })
}

/// A task of Suno's dialect, as this platform prints it.
pub fn told(task: &Value) -> Value {
    let is_streaming = task["data"][0]["status"] == "streaming";
    let word = text_of(&task["status"]);
    let status = match word.to_ascii_uppercase().as_str() {
        "NOT_START" | "SUBMITTED" => "preparing",
        "QUEUED" => "queued",
        "IN_PROGRESS" if is_streaming => "streaming",
        "IN_PROGRESS" => "running",
        "SUCCESS" => "succeeded",
        "FAILURE" => "failed",
        _ => "",
    };
    let is_odd_case = !word.is_empty() && word == word.to_ascii_lowercase();
    let status = match (status, is_odd_case) {
        ("", _) => task["status"].clone(),
        (known, true) => known.to_ascii_uppercase().into(),
        (known, false) => known.into(),
    };
    let finished_at = &task["finish_time"];
    json!({
        "id": task["task_id"],
        "created_at": task["submit_time"],
        "finished_at": if *finished_at == 0 { &Value::Null } else { finished_at },
        "model": task["data"][0]["model_name"],
        "status": status,
        "failed_reason": reason(task),
        "choices": choices(&task["data"]),
    })
}

fn choices(data: &Value) -> Value {
    match data {
        Value::Array(clips) => clips.iter().enumerate().map(choice).collect(),
        // The text of a list stays a text.
        Value::String(text) => match serde_json::from_str(text) {
            Ok(list @ Value::Array(_)) => choices(&list).to_string().into(),
            _ => data.clone(),
        },
        other => other.clone(),
    }
}

fn choice((index, clip): (usize, &Value)) -> Value {
    let is_whole = clip["status"] == "complete";
    let address = text_of(&clip["audio_url"]).replace("cdn.suno.", "cdn.mureka.");
    let whole = |kind: &str| is_whole.then(|| address.replace(".mp3", kind));
    let duration = &clip["metadata"]["duration"];
    let millis = duration.as_f64().map(|seconds| (seconds * 1_000.0).round());
    let section =
        |kind: &str, text: &Value| json!({ "section_type": kind, "lines": [{ "text": text }] });
    json!({
        "index": index,
        "id": clip["id"],
        "url": whole(".mp3"),
        "flac_url": whole(".flac"),
        "stream_url": (!address.is_empty()).then(|| address.replace(".mp3", "")),
        "duration": millis.map_or_else(|| duration.clone(), Value::from),
        "lyrics_sections": [
            section("intro", &clip["title"]),
            section("verse", &clip["metadata"]["prompt"]),
        ],
        "waveform": clip["waveform"],
    })
}

/// A text that is there and not empty.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
