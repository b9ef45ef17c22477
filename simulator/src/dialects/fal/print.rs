//! Requests and results as the platform `fal` prints them, from tasks of Suno's dialect.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    dialects::{reason, status_word},
    fault::Fault,
};

/// What is known of a request, from a task of Suno's dialect.
pub fn status(task: &Value) -> Value {
    let word = task["status"].as_str().unwrap_or_default();
    let known = match word.to_ascii_uppercase().as_str() {
        "NOT_START" | "SUBMITTED" | "QUEUED" => "IN_QUEUE",
        "IN_PROGRESS" => "IN_PROGRESS",
        "SUCCESS" | "FAILURE" => "COMPLETED",
        _ => "",
    };
    let status = status_word(&task["status"], known);
    let mut told = json!({ "status": status, "request_id": task["task_id"] });
    if known == "IN_QUEUE" {
        told["queue_position"] = 0.into();
    }
    // Beside the last status, an error says that the request failed.
    let is_success = word.eq_ignore_ascii_case("SUCCESS");
    let error = &task["fail_reason"];
    if !is_success && error.as_str() != Some("") {
        told["error"] = error.clone();
    }
    told
}

/// Whether a status is told with 202.
pub fn is_unfinished(status: &Value) -> bool {
    let word = status["status"].as_str().unwrap_or_default();
    ["IN_QUEUE", "IN_PROGRESS"].contains(&word)
}

/// Whether this fault of a task can happen to its result. Others happen to what is known of the request.
pub fn spoils_results(fault: Fault) -> bool {
    use Fault as F;
    matches!(
        fault,
        F::NoData | F::RawText | F::NotANumber | F::TextData | F::DeepData | F::LargeData
    )
}

/// The result of a request, from a task of Suno's dialect. The error is the answer's status and what it details.
pub fn result(task: &Value) -> Result<Value, (StatusCode, Value)> {
    match task["status"].as_str() {
        Some("SUCCESS") => {}
        Some("FAILURE") => {
            let fault = json!([{ "loc": ["body"], "msg": reason(task), "type": "value_error" }]);
            return Err((StatusCode::UNPROCESSABLE_ENTITY, fault));
        }
        _ => {
            let words = "Request is still in progress";
            return Err((StatusCode::BAD_REQUEST, words.into()));
        }
    }
    let data = &task["data"];
    // The text of a list stays a text.
    let text = data
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    let clips = text.as_ref().unwrap_or(data);
    let audio = match clips {
        Value::Array(clips) => {
            let files: Value = clips.iter().map(file).collect();
            if text.is_some() {
                files.to_string().into()
            } else {
                files
            }
        }
        other => other.clone(),
    };
    Ok(json!({
        "audio": audio,
        "seed": 7,
        "title": clips[0]["title"],
        "tags": clips[0]["metadata"]["tags"],
    }))
}

fn file(clip: &Value) -> Value {
    let address = clip["audio_url"].as_str().unwrap_or_default();
    let address = address.replace("cdn.suno.", "fal.media.");
    let name = address.rsplit('/').next();
    json!({
        "url": address,
        "content_type": "audio/mpeg",
        "file_name": name,
        "duration": clip["metadata"]["duration"],
        "waveform": clip["waveform"],
    })
}
