//! The vendor's request, made of ours.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use shared::task::Action;

use super::tables::REQUESTS;

/// The longest name of a model, in bytes.
const LONGEST_MODEL: usize = 128;

/// The members of an object, unparsed: they reach the vendor as the client sent them.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The path and the body for a request of ours. `Err`: the vendor cannot make that, in words for the client.
pub(super) fn of(action: Action, request: &str) -> Result<(String, String), String> {
    if action != Action::SONG {
        return Err(format!("fal makes no {action}"));
    }
    let unread = |error: serde_json::Error| format!("the request does not read: {error}");
    let mut members: Members = serde_json::from_str(request).map_err(unread)?;
    let model = members.remove("model").map(RawValue::get);
    let model: Option<String> = model.and_then(|model| serde_json::from_str(model).ok());
    let model = model.ok_or("`model` must name a model of fal, such as `fal-ai/ace-step`")?;
    check(&model)?;
    if members
        .get("sync_mode")
        .is_some_and(|mode| mode.get() == "true")
    {
        return Err(
            "`sync_mode` puts the music into the answer as text, and must not be true".to_owned(),
        );
    }
    let body = serde_json::to_string(&members).map_err(unread)?;
    Ok((format!("/{model}"), body))
}

/// A model is part of a path, and must lead to nothing else.
fn check(model: &str) -> Result<(), String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_part);
    if model.len() > LONGEST_MODEL || !model.split('/').all(is_segment) {
        return Err(format!(
            "`model` must be a name of at most {LONGEST_MODEL} letters, digits, `.`, `_` and `-` in parts that `/` \
             separates, such as `fal-ai/ace-step`"
        ));
    }
    if model
        .split('/')
        .any(|segment| segment.eq_ignore_ascii_case(REQUESTS))
    {
        return Err(format!("`model` must have no part `{REQUESTS}`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn made(request: &str) -> (String, Value) {
        let (path, body) = of(Action::SONG, request).expect("the vendor can make it");
        (path, serde_json::from_str(&body).expect("it is JSON"))
    }

    #[test]
    fn the_model_is_the_path_and_the_rest_is_the_body() {
        let request = r#"{"model":"fal-ai/ace-step/prompt-to-audio","prompt":"rain","duration":60.0,"tags":["folk"],
            "seed":123456789012345678901234567890,"model_":null}"#;
        let (path, body) = made(request);
        assert_eq!(path, "/fal-ai/ace-step/prompt-to-audio");
        assert_eq!(body["tags"], json!(["folk"]));
        assert_eq!(body.get("model"), None);
        assert!(
            body.as_object()
                .is_some_and(|body| body.contains_key("model_"))
        );
        let (_, body) = of(Action::SONG, request).expect("the vendor can make it");
        assert!(body.contains("123456789012345678901234567890") && body.contains("60.0"));
        assert_eq!(
            made(r#"{"model":"x.y_z-1","sync_mode":false}"#).0,
            "/x.y_z-1"
        );
    }

    #[test]
    fn no_model_leads_to_another_path() {
        let long = "m".repeat(LONGEST_MODEL + 1);
        for model in [
            "",
            "/",
            "/fal-ai/x",
            "fal-ai/x/",
            "fal-ai//x",
            ".",
            "fal-ai/..",
            "fal-ai/../y",
            "fal-ai/./y",
            "fal-ai/%2e%2e",
            "fal-ai/x?y=1",
            "fal-ai/x#y",
            "fal-ai/x\\y",
            "fal-ai/x y",
            "fal-ai/ü",
            "https://example.com",
            "user@host",
            "fal-ai/x/requests/1/cancel",
            "fal-ai/x/Requests/1",
            "fal-ai/x\n",
            long.as_str(),
        ] {
            let request = json!({"model": model, "prompt": "rain"}).to_string();
            let refused = of(Action::SONG, &request).expect_err(model);
            assert!(refused.starts_with("`model` must"), "{refused}");
        }
        for request in [
            "{}",
            r#"{"model":null}"#,
            r#"{"model":7}"#,
            r#"{"model":["x"]}"#,
        ] {
            assert!(of(Action::SONG, request).is_err(), "{request}");
        }
    }

    #[test]
    fn what_the_vendor_cannot_make_is_said() {
        let lyrics = of(Action::LYRICS, r#"{"model":"x","prompt":"rain"}"#);
        assert_eq!(lyrics, Err("fal makes no lyrics".to_owned()));
        let sync = of(Action::SONG, r#"{"model":"x","sync_mode":true}"#);
        assert!(sync.is_err_and(|why| why.contains("sync_mode")));
        assert!(of(Action::SONG, "[]").is_err());
    }
}
