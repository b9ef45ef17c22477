//! The vendor's request, made of ours.

use serde_json::{Map, Value, json};
use shared::task::Action;

use super::tables::{EXTEND, LYRICS, MODEL, MODELS, NO_CALLBACK, SONG};

/// Our fields, and what the vendor calls them. A field of ours that is not here keeps its name.
const FIELDS: [(&str, &str); 4] = [
    ("tags", "style"),
    ("negative_tags", "negativeTags"),
    ("continue_clip_id", "audioId"),
    ("continue_at", "continueAt"),
];

/// Our fields that are told in other ways, or only to ourselves.
const TOLD: [&str; 5] = [
    "gpt_description_prompt",
    "make_instrumental",
    "mv",
    "task_id",
    "task",
];

/// Fields of ours that name what this dialect cannot make.
const CANNOT: [(&str, &str); 3] = [
    ("cover_clip_id", "covers"),
    ("persona_id", "songs with a persona"),
    ("artist_clip_id", "songs with a persona"),
];

/// The path and the body for a request of ours. `Err`: the vendor cannot make that, in words for the client.
pub(super) fn of(action: Action, request: &str) -> Result<(&'static str, Value), String> {
    let ours: Map<String, Value> = serde_json::from_str(request)
        .map_err(|error| format!("the request does not read: {error}"))?;
    match action {
        Action::SONG => song(&ours),
        Action::LYRICS => Ok((LYRICS, lyrics(&ours))),
        other => Err(format!("this upstream makes no {other}")),
    }
}

fn lyrics(ours: &Map<String, Value>) -> Value {
    json!({ "prompt": text(ours, "prompt"), "callBackUrl": NO_CALLBACK })
}

fn song(ours: &Map<String, Value>) -> Result<(&'static str, Value), String> {
    if let Some((_, what)) = CANNOT
        .iter()
        .find(|(field, _)| !text(ours, field).is_empty())
    {
        return Err(format!("this upstream makes no {what}"));
    }
    let kept = ours
        .iter()
        .filter(|(name, value)| !TOLD.contains(&&***name) && !value.is_null());
    let kept = kept.map(|(name, value)| {
        let field = FIELDS.iter().find(|(ours, _)| ours == name);
        (
            field.map_or(&**name, |(_, theirs)| theirs).to_owned(),
            value.clone(),
        )
    });
    let mut body: Map<String, Value> = kept.collect();
    let description = text(ours, "gpt_description_prompt");
    let continues = !text(ours, "continue_clip_id").is_empty();
    let is_custom = description.is_empty();
    if !is_custom {
        body.insert("prompt".to_owned(), description.into());
    }
    if continues {
        // Otherwise the vendor takes prompt, style and title of the song that is continued.
        let has_own = ["prompt", "tags", "title"];
        let has_own = has_own.iter().any(|field| !text(ours, field).is_empty());
        body.insert("defaultParamFlag".to_owned(), has_own.into());
    } else {
        body.insert("customMode".to_owned(), is_custom.into());
    }
    let instrumental = ours.get("make_instrumental");
    let instrumental = instrumental.and_then(Value::as_bool).unwrap_or(false);
    body.insert("instrumental".to_owned(), instrumental.into());
    body.insert("model".to_owned(), model(text(ours, "mv")).into());
    body.insert("callBackUrl".to_owned(), NO_CALLBACK.into());
    let path = if continues { EXTEND } else { SONG };
    Ok((path, Value::Object(body)))
}

fn model(ours: &str) -> &str {
    if ours.is_empty() {
        return MODEL;
    }
    let known = MODELS.iter().find(|(name, _)| *name == ours);
    known.map_or(ours, |(_, theirs)| theirs)
}

/// The text of a field; empty if there is none.
fn text<'a>(ours: &'a Map<String, Value>, name: &str) -> &'a str {
    ours.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(request: &Value) -> (&'static str, Value) {
        of(Action::SONG, &request.to_string()).expect("the vendor can make it")
    }

    #[test]
    fn a_description_is_no_custom_mode_and_the_rest_is() {
        let (path, body) =
            made(&json!({"gpt_description_prompt": "rain", "make_instrumental": true}));
        assert_eq!(path, "/api/v1/generate");
        assert_eq!(
            body,
            json!({"customMode": false, "prompt": "rain", "instrumental": true,
                   "model": "V4_5", "callBackUrl": NO_CALLBACK})
        );
        let (_, body) = made(
            &json!({"prompt": "[Verse]", "tags": "jazz", "title": "Rain", "mv": "chirp-crow",
                                    "vocalGender": "f", "styleWeight": 0.5, "negative_tags": "drums"}),
        );
        assert_eq!(
            body,
            json!({"customMode": true, "prompt": "[Verse]", "style": "jazz", "title": "Rain",
                   "instrumental": false, "model": "V5", "vocalGender": "f", "styleWeight": 0.5,
                   "negativeTags": "drums", "callBackUrl": NO_CALLBACK})
        );
    }

    #[test]
    fn a_model_that_is_not_known_is_forwarded() {
        for (ours, theirs) in [("chirp-v4", "V4"), ("V9", "V9"), ("", MODEL)] {
            assert_eq!(made(&json!({"prompt": "x", "mv": ours})).1["model"], theirs);
        }
    }

    #[test]
    fn a_continuation_names_the_clip_and_not_the_task() {
        let (path, body) = made(
            &json!({"task_id": "u-1", "continue_clip_id": "c-1", "continue_at": 61.5, "prompt": "more"}),
        );
        assert_eq!(path, "/api/v1/generate/extend");
        assert_eq!(body["audioId"], "c-1");
        assert_eq!(body["continueAt"], 61.5);
        assert_eq!(body["defaultParamFlag"], true);
        assert_eq!(body.get("task_id"), None);
        assert_eq!(body.get("customMode"), None);
    }

    #[test]
    fn what_the_vendor_cannot_make_is_said() {
        let cover = json!({"cover_clip_id": "c-1", "prompt": "x"}).to_string();
        let refused = of(Action::SONG, &cover);
        assert_eq!(refused, Err("this upstream makes no covers".to_owned()));
        let video = "video".parse().expect("it is a name");
        assert!(of(video, "{}").is_err());
        let lyrics = of(Action::LYRICS, r#"{"prompt":"rain"}"#).expect("it makes lyrics");
        assert_eq!(lyrics.0, "/api/v1/lyrics");
        assert_eq!(lyrics.1["prompt"], "rain");
    }
}
