//! The platform `suno` in the dialect `sunoapi`, under `/api/v1`.

mod print;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Dialect, fields, reprinted};
use crate::{
    id::Id,
    request::{Action, Request},
    routes::{Shared, fetch::about_one, submit::submits},
    upstream::Upstream,
};

/// HTTP 200, and the status as the code.
pub const DIALECT: Dialect = Dialect {
    about: "/api/v1/…    the platform suno, dialect sunoapi",
    routes,
    scheme: "Bearer",
    request,
    accepted: |id, _| json!({ "taskId": id }),
    result_at_once: None,
    printed: |task| reprinted(task, print::task),
    status_of_unknown_task: None,
    halves: |data| {
        let head = r#"{"code":200,"msg":"success"#;
        (head, format!(r#"","data":{data}}}"#))
    },
    error,
    call_back: Some(call_back),
};

fn routes() -> Router<Arc<Upstream>> {
    let submits = |action| submits(&DIALECT, action);
    Router::new()
        .route("/api/v1/generate", submits(Action::Music))
        .route("/api/v1/generate/extend", submits(Action::Music))
        .route("/api/v1/generate/upload-cover", submits(Action::Music))
        .route("/api/v1/generate/record-info", get(record_info))
        .route("/api/v1/wav/generate", submits(Action::Other("WAV")))
        .route("/api/v1/wav/record-info", get(record_info))
        .route("/api/v1/mp4/generate", submits(Action::Other("MP4")))
        .route("/api/v1/mp4/record-info", get(record_info))
        .route("/api/v1/lyrics", submits(Action::Lyrics))
        .route("/api/v1/lyrics/record-info", get(record_info))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "taskId")]
    task_id: String,
}

async fn record_info(
    State(upstream): Shared,
    Query(Asked { task_id }): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    about_one(&upstream, &DIALECT, task_id, &headers).await
}

/// Fields of the dialect, and their names in the platform's own.
const FIELDS: &[(&str, &str)] = &[
    ("style", "tags"),
    ("title", "title"),
    ("model", "mv"),
    ("instrumental", "make_instrumental"),
    ("audioId", "continue_clip_id"),
    ("continueAt", "continue_at"),
];

fn request(action: Action, body: &[u8]) -> Result<Request, String> {
    let theirs = fields(body)?;
    let ours = translated(action, &theirs)?;
    let mut request = Request::read(action, ours.to_string().as_bytes())?;
    let call_back = theirs.get("callBackUrl").and_then(Value::as_str);
    request.body.call_back_url = call_back.map(str::to_owned);
    Ok(request)
}

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
        if let Some(value) = theirs.get(*from) {
            ours[to] = value.clone();
        }
    }
    Ok(ours)
}

fn error(status: StatusCode, _: &str, message: &str) -> Response {
    let code = match status.as_u16() {
        // A code that is no word of success in an answer that is one.
        200 => 500,
        // 429 means one thing at one vendor, and another at the next.
        429 => 430,
        503 => 455,
        other => other,
    };
    Json(json!({"code": code, "msg": message, "data": null})).into_response()
}

fn call_back(id: Id) -> Value {
    json!({
        "code": 200,
        "msg": "All generated successfully.",
        "data": { "callbackType": "complete", "task_id": id.to_string() },
    })
}
