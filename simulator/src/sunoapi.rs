//! The dialect `sunoapi`: its requests as those of the platform's own dialect, and tasks as it prints them.

use serde_json::{Map, Value, json, value::to_raw_value};

use crate::{
    answer::Shape,
    dialect::Printed,
    fal, mureka,
    request::{Action, Request},
    secrets::Secrets,
};

impl Shape {
    /// Reads the body of a submit. The error is the message for the client.
    pub fn request(self, action: Action, body: &[u8]) -> Result<Request, String> {
        match self {
            Self::Suno => Request::read(action, body),
            Self::SunoApi => {
                let theirs: Map<String, Value> = serde_json::from_slice(body)
                    .map_err(|error| format!("the body can't be read: {error}"))?;
                let ours = translated(action, &theirs)?;
                let mut request = Request::read(action, ours.to_string().as_bytes())?;
                let call_back = theirs.get("callBackUrl").and_then(Value::as_str);
                request.body.call_back_url = call_back.map(str::to_owned);
                Ok(request)
            }
            Self::Mureka(call) => call.request(body),
            Self::Fal => fal::request(body),
        }
    }

    /// The data of an answer that accepts a task under this id, to the client with these secrets.
    pub fn accepted(self, id: String, secrets: &Secrets) -> Value {
        match self {
            Self::Suno => id.into(),
            Self::SunoApi => json!({ "taskId": id }),
            Self::Mureka(_) => mureka::accepted(&id),
            Self::Fal => fal::accepted(&id, secrets),
        }
    }

    /// A task of the platform's own dialect, as this one prints it.
    pub fn printed(self, task: Printed) -> Printed {
        let told = match self {
            Self::Suno => return task,
            Self::SunoApi => told(&value(&task)),
            Self::Mureka(_) => mureka::told(&value(&task)),
            Self::Fal => fal::status(&value(&task)),
        };
        // A value always serializes.
        to_raw_value(&told).unwrap_or(task)
    }

    /// Whether the answer to a submit is the result.
    pub const fn answers_with_the_result(self) -> bool {
        match self {
            Self::Suno | Self::SunoApi | Self::Fal => false,
            Self::Mureka(call) => call.answers_with_the_result(),
        }
    }

    /// The result of a task that ended. The error is the message for the client.
    pub fn result(self, task: &Printed) -> Result<Value, String> {
        match self {
            Self::Suno | Self::SunoApi | Self::Fal => Ok(value(task)),
            Self::Mureka(call) => call.result(&value(task)),
        }
    }
}

/// Fields of the dialect, and their names in the platform's own.
const FIELDS: [(&str, &str); 6] = [
    ("style", "tags"),
    ("title", "title"),
    ("model", "mv"),
    ("instrumental", "make_instrumental"),
    ("audioId", "continue_clip_id"),
    ("continueAt", "continue_at"),
];

/// The body in the platform's own dialect. The error is the message for the client.
fn translated(action: Action, theirs: &Map<String, Value>) -> Result<Value, String> {
    let is_given = |name: &str| {
        let text = theirs.get(name).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty())
    };
    if !is_given("callBackUrl") {
        return Err("callBackUrl is required".to_owned());
    }
    let prompt = theirs.get("prompt").cloned().unwrap_or_default();
    if action == Action::Lyrics {
        return Ok(json!({ "prompt": prompt }));
    }
    if let Action::Other(_) = action {
        if !is_given("taskId") || !is_given("audioId") {
            return Err("taskId and audioId are required".to_owned());
        }
        return Ok(json!({ "clip_id": theirs["audioId"], "task_id": theirs["taskId"] }));
    }
    if !is_given("model") {
        return Err("model is required".to_owned());
    }
    let is_extension = theirs.contains_key("audioId");
    let mode = theirs.get("customMode").and_then(Value::as_bool);
    let prompt_is = match mode {
        Some(true) => "prompt",
        Some(false) => "gpt_description_prompt",
        None if is_extension => "prompt",
        None => return Err("customMode is required".to_owned()),
    };
    let mut ours = json!({ prompt_is: prompt });
    for (from, to) in FIELDS {
        if let Some(value) = theirs.get(from) {
            ours[to] = value.clone();
        }
    }
    Ok(ours)
}

/// A task of the platform's own dialect, as this one prints it.
fn told(task: &Value) -> Value {
    let data = &task["data"];
    let is_streaming = data[0]["status"] == "streaming";
    let status = match task["status"].as_str() {
        Some("NOT_START" | "SUBMITTED" | "QUEUED") => "PENDING".into(),
        Some("IN_PROGRESS") if is_streaming => "FIRST_SUCCESS".into(),
        Some("IN_PROGRESS") => "TEXT_SUCCESS".into(),
        Some("FAILURE") => "GENERATE_AUDIO_FAILED".into(),
        _ => task["status"].clone(),
    };
    let file = match task["action"].as_str() {
        Some("WAV") => Some(("audioWavUrl", "wav")),
        Some("MP4") => Some(("videoUrl", "mp4")),
        _ => None,
    };
    if let Some((field, kind)) = file {
        return file_told(task, &status, field, kind);
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
fn file_told(task: &Value, status: &Value, field: &str, kind: &str) -> Value {
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

/// What was printed reads back.
pub fn value(task: &Printed) -> Value {
    serde_json::from_str(task.get()).unwrap_or_default()
}

/// Why a task failed, for dialects whose clips have no words of their own.
pub fn reason(task: &Value) -> Value {
    let of_clip = &task["data"][0]["metadata"]["error_message"];
    let of_task = &task["fail_reason"];
    if of_task == "" && task["status"] == "FAILURE" {
        of_clip.clone()
    } else {
        of_task.clone()
    }
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
