//! The vendor's request, made of ours.

use serde_json::{Map, Value, json};
use shared::task::Action;

use super::tables::{COVER, EXTEND, FILES, LYRICS, MODEL, MODELS, NO_CALLBACK, SONG};

/// Our fields, and what the vendor calls them. A field of ours that is not here keeps its name.
const FIELDS: [(&str, &str); 4] = [
    ("tags", "style"),
    ("negative_tags", "negativeTags"),
    ("continue_clip_id", "audioId"),
    ("continue_at", "continueAt"),
];

/// Our fields that are told in other ways, or only to ourselves.
const TOLD: [&str; 6] = [
    "gpt_description_prompt",
    "make_instrumental",
    "mv",
    "task_id",
    "task",
    "cover_clip_id",
];

/// Fields of ours that name what this dialect cannot make.
const CANNOT: [(&str, &str); 2] = [
    ("persona_id", "songs with a persona"),
    ("artist_clip_id", "songs with a persona"),
];

/// What is sent to the vendor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub path: &'static str,
    pub body: Map<String, Value>,
    /// The clip that is covered: the vendor takes no clips for that, but addresses.
    pub covers: Option<Covered>,
}

/// A clip that is covered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Covered {
    /// The vendor's id of the task that made the clip.
    pub task: String,
    pub clip: String,
}

impl Request {
    /// The request, with the address of the clip that is covered.
    pub fn cover(&mut self, address: String) {
        self.body.insert("uploadUrl".to_owned(), address.into());
    }
}

/// What the vendor gets for a request of ours, with the address that it may call. `Err`: the vendor cannot make that,
/// in words for the client.
pub(super) fn of(action: Action, request: &str, hook: Option<&str>) -> Result<Request, String> {
    let ours: Map<String, Value> = serde_json::from_str(request)
        .map_err(|error| format!("the request does not read: {error}"))?;
    let file = FILES.iter().find(|(of, ..)| *of == action);
    let (path, body) = match (action, file) {
        (Action::SONG, _) => song(&ours)?,
        (Action::LYRICS, _) => (LYRICS, lyrics(&ours)),
        (_, Some((_, path, ..))) => (*path, file_of(&ours)),
        (other, None) => return Err(format!("this upstream makes no {other}")),
    };
    let Value::Object(mut body) = body else {
        return Err("the request does not read".to_owned());
    };
    let hook = hook.unwrap_or(NO_CALLBACK);
    body.insert("callBackUrl".to_owned(), hook.into());
    let covers = (path == COVER).then(|| Covered {
        task: text(&ours, "task_id").to_owned(),
        clip: text(&ours, "cover_clip_id").to_owned(),
    });
    Ok(Request { path, body, covers })
}

fn file_of(ours: &Map<String, Value>) -> Value {
    json!({
        "taskId": text(ours, "task_id"),
        "audioId": text(ours, "clip_id"),
    })
}

fn lyrics(ours: &Map<String, Value>) -> Value {
    json!({ "prompt": text(ours, "prompt") })
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
    let path = match (text(ours, "cover_clip_id").is_empty(), continues) {
        (false, _) => COVER,
        (true, true) => EXTEND,
        (true, false) => SONG,
    };
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
        let made = of(Action::SONG, &request.to_string(), None).expect("the vendor can make it");
        (made.path, Value::Object(made.body))
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
        let persona = json!({"persona_id": "p-1", "prompt": "x"}).to_string();
        let refused = of(Action::SONG, &persona, None);
        let words = "this upstream makes no songs with a persona";
        assert_eq!(refused, Err(words.to_owned()));
        let video = "video".parse().expect("it is a name");
        assert!(of(video, "{}", None).is_err());
        let lyrics = of(Action::LYRICS, r#"{"prompt":"rain"}"#, None).expect("it makes lyrics");
        assert_eq!(lyrics.path, "/api/v1/lyrics");
        assert_eq!(lyrics.body["prompt"], "rain");
    }

    #[test]
    fn a_cover_is_of_an_address_and_a_file_of_a_task_and_a_clip() {
        let cover =
            json!({"cover_clip_id": "c-1", "task_id": "u-1", "prompt": "x", "tags": "jazz"});
        let mut cover = of(Action::SONG, &cover.to_string(), None).expect("it makes covers");
        let covered = Covered {
            task: "u-1".to_owned(),
            clip: "c-1".to_owned(),
        };
        assert_eq!((cover.path, &cover.covers), (COVER, &Some(covered)));
        cover.cover("https://a/1.mp3".to_owned());
        assert_eq!(
            Value::Object(cover.body),
            json!({"uploadUrl": "https://a/1.mp3", "prompt": "x", "style": "jazz", "customMode": true,
                   "instrumental": false, "model": MODEL, "callBackUrl": NO_CALLBACK})
        );
        let wav = r#"{"clip_id":"c-1","task_id":"u-1"}"#;
        let wav = of(Action::WAV, wav, None).expect("it makes files");
        assert_eq!(wav.path, "/api/v1/wav/generate");
        let body = json!({"taskId": "u-1", "audioId": "c-1", "callBackUrl": NO_CALLBACK});
        assert_eq!(Value::Object(wav.body), body);
    }

    #[test]
    fn the_vendor_calls_the_hook_and_without_one_nobody() {
        let file = r#"{"clip_id":"c-1","task_id":"u-1"}"#;
        for (action, request) in [
            (Action::SONG, r#"{"prompt":"rain"}"#),
            (Action::LYRICS, r#"{"prompt":"rain"}"#),
            (Action::WAV, file),
        ] {
            for (hook, called) in [
                (Some("https://us/hooks/3/x"), "https://us/hooks/3/x"),
                (None, NO_CALLBACK),
            ] {
                let made = of(action, request, hook).expect("the vendor can make it");
                assert_eq!(made.body["callBackUrl"], called, "{action}");
            }
        }
    }
}
