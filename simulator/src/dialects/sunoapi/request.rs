//! Requests of the dialect `sunoapi`, as those of the platform's own.

use serde_json::{Map, Value, json};

use crate::{
    dialects::fields,
    request::{Action, Request},
};

/// Fields of the dialect, and their names in the platform's own.
const FIELDS: &[(&str, &str)] = &[
    ("style", "tags"),
    ("title", "title"),
    ("model", "mv"),
    ("instrumental", "make_instrumental"),
    ("audioId", "continue_clip_id"),
    ("continueAt", "continue_at"),
];

/// Reads the body of a submit. The error is the message for the client.
pub fn read(action: Action, body: &[u8]) -> Result<Request, String> {
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
