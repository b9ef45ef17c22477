//! Tasks as the dialect `sunoapi` prints them.

use serde_json::{Value, json};

use crate::dialects::reason;

/// A task of the platform's own dialect, as this one prints it.
pub fn task(task: &Value) -> Value {
    let data = &task["data"];
    let is_streaming = data[0]["status"] == "streaming";
    let status = match task["status"].as_str() {
        Some("NOT_START" | "SUBMITTED" | "QUEUED") => "PENDING".into(),
        Some("IN_PROGRESS") if is_streaming => "FIRST_SUCCESS".into(),
        Some("IN_PROGRESS") => "TEXT_SUCCESS".into(),
        Some("FAILURE") => "GENERATE_AUDIO_FAILED".into(),
        _ => task["status"].clone(),
    };
    let of_file = match task["action"].as_str() {
        Some("WAV") => Some(("audioWavUrl", "wav")),
        Some("MP4") => Some(("videoUrl", "mp4")),
        _ => None,
    };
    if let Some((field, kind)) = of_file {
        return file(task, &status, field, kind);
    }
    let response = match data {
        Value::Array(clips) => {
            let clips: Vec<Value> = clips.iter().map(clip).collect();
            json!({ "taskId": task["task_id"], "sunoData": clips })
        }
        Value::Object(lyrics) => json!({
            "taskId": task["task_id"],
            "data": [{ "text": lyrics["text"], "title": lyrics["title"], "status": lyrics["status"] }],
        }),
        other => other.clone(),
    };
    json!({
        "taskId": task["task_id"],
        "status": status,
        "response": response,
        "errorCode": null,
        "errorMessage": reason(task),
        "createTime": task["submit_time"],
    })
}

/// A file of a clip. Its status has another name.
fn file(task: &Value, status: &Value, field: &str, kind: &str) -> Value {
    let address = format!(
        "https://cdn.suno.example/{}.{kind}",
        task["data"][0]["id"].as_str().unwrap_or_default()
    );
    let response = (status == "SUCCESS").then(|| json!({ field: address }));
    json!({
        "taskId": task["task_id"],
        "successFlag": status,
        "response": response,
        "errorMessage": reason(task),
    })
}

fn clip(clip: &Value) -> Value {
    let is_whole = clip["status"] == "complete";
    let url = |there: bool| {
        if there {
            clip["audio_url"].clone()
        } else {
            "".into()
        }
    };
    json!({
        "id": clip["id"],
        "title": clip["title"],
        "audioUrl": url(is_whole),
        "streamAudioUrl": url(true),
        "imageUrl": clip["image_url"],
        "prompt": clip["metadata"]["prompt"],
        "tags": clip["metadata"]["tags"],
        "duration": clip["metadata"]["duration"],
        "modelName": clip["model_name"],
        "createTime": null,
        "waveform": clip["waveform"],
    })
}
