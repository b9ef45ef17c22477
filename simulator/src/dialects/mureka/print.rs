//! What the platform `mureka` prints, from tasks of Suno's dialect.

use serde_json::{Value, json};

use crate::dialects::{reason, status_word};

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

/// The lyrics of a task that ended. The error is the message for the client.
pub fn lyrics(task: &Value) -> Result<Value, String> {
    let data = data_of(task)?;
    Ok(json!({ "title": data["title"], "lyrics": data["text"] }))
}

/// The tracks of a task that ended. The error is the message for the client.
pub fn stems(task: &Value) -> Result<Value, String> {
    let data = data_of(task)?;
    Ok(json!({
        "zip_url": format!("https://cdn.mureka.example/{}.zip", text_of(&data[0]["id"])),
        "expires_at": task["finish_time"].as_u64().map(|end| end + 86_400),
    }))
}

fn data_of(task: &Value) -> Result<&Value, String> {
    if task["status"] == "SUCCESS" {
        Ok(&task["data"])
    } else {
        Err(text_of(&reason(task)).to_owned())
    }
}

/// A task of Suno's dialect, as this platform prints it.
pub fn task(task: &Value) -> Value {
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
    let finished_at = &task["finish_time"];
    json!({
        "id": task["task_id"],
        "created_at": task["submit_time"],
        "finished_at": if *finished_at == 0 { &Value::Null } else { finished_at },
        "model": task["data"][0]["model_name"],
        "status": status_word(&task["status"], status),
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

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
