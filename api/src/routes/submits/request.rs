//! The body of a submit, checked. Known fields must have their type. Unknown fields are forwarded
//! byte for byte, so that new features of the upstream work at once.

use shared::public_address::PublicAddress;
use shared::task::Action;
use shared::task::inputs::{ANY_CLIP, Inputs, Kind};

use super::fields::Fields;
use crate::error::{ApiError, Result, Wanted};
use crate::limits;

/// The names under which clients of other gateways send the address of a webhook. They are compared in lower
/// case, without `_` and `-`.
const WEBHOOKS: [&str; 6] = [
    "notifyhook",
    "notifyurl",
    "callback",
    "callbackurl",
    "webhook",
    "webhookurl",
];

/// The body of a submit, with valid fields.
#[derive(Debug)]
pub struct SubmitRequest {
    fields: Fields,
    inputs: &'static Inputs,
    /// The prompt, the description, the title or the tags: the `input` of the listings.
    pub input: String,
    /// The model, if there are several.
    pub model: Option<String>,
    /// The name of the task that the request continues, as the client sent it.
    pub task_id: Option<String>,
    /// The ids of the clips that it continues or otherwise uses, each once.
    pub clips: Vec<String>,
    /// The addresses that the upstream is to open, with the names of their fields.
    pub addresses: Vec<(&'static str, PublicAddress)>,
}

impl SubmitRequest {
    /// Parses what the client sent for an action.
    pub fn parse(inputs: &'static Inputs, action: Action, json: &[u8]) -> Result<Self> {
        Self::read(inputs, action, Fields::parse(json)?)
    }

    /// Reads the fields of a submit.
    pub(crate) fn read(
        inputs: &'static Inputs,
        action: Action,
        mut fields: Fields,
    ) -> Result<Self> {
        fields.respell(inputs, action);
        fields.remove_webhooks()?;
        let mut clips = fields.clips(inputs)?;
        let mut addresses = Vec::new();
        for (name, kind) in inputs.fields(action) {
            match kind {
                Kind::Text => fields.text(name).map(drop)?,
                Kind::Flag => fields.optional::<bool>(name, Wanted::Flag).map(drop)?,
                Kind::Number => fields.optional::<f64>(name, Wanted::Number).map(drop)?,
                Kind::Clips => {
                    let more = fields.optional::<Vec<String>>(name, Wanted::Strings)?;
                    add_clips(&mut clips, more.unwrap_or_default())?;
                }
                Kind::Address => {
                    if let Some(text) = fields.text(name)? {
                        let address = PublicAddress::parse(&text);
                        let address = address.map_err(|why| ApiError::Address(name, why))?;
                        // The upstream opens what was checked, however the client spelled it.
                        fields.set(name, address.as_str())?;
                        addresses.push((name, address));
                    }
                }
            }
        }
        let text = |name: Option<&str>| name.map_or(Ok(None), |name| fields.text(name));
        let task_id = text(inputs.task)?;
        let mut model = text(inputs.model)?.map(|model| inputs.priced_model(&model));
        for one_of in inputs.needs(action) {
            let holds = |name: &&str| {
                if *name == ANY_CLIP {
                    !clips.is_empty()
                } else {
                    fields.holds(name)
                }
            };
            if !one_of.iter().any(holds) {
                return Err(ApiError::Needs(action, one_of));
            }
        }
        let mut input = None;
        for name in inputs.shown {
            input = input.or(fields.text(name)?);
        }
        if let (None, Some(name), Some(default)) =
            (&model, inputs.model, inputs.default_model(action))
        {
            fields.set(name, default)?;
            model = Some(inputs.priced_model(default));
        }
        Ok(Self {
            fields,
            inputs,
            input: input.unwrap_or_default(),
            model,
            task_id,
            clips,
            addresses,
        })
    }

    /// Replaces the name of the task that the request continues by the upstream's id of that task. A task that has no
    /// such id, or that the upstream knows by the id of the clip alone, is not named.
    pub fn set_upstream_id(&mut self, upstream_id: Option<&str>) -> Result<()> {
        let Some(name) = self.inputs.task else {
            return Ok(());
        };
        if let Some(id) = upstream_id.filter(|id| !self.clips.iter().any(|clip| clip == id)) {
            return self.fields.set(name, id);
        }
        self.fields.0.remove(name);
        Ok(())
    }

    /// The JSON for the upstream.
    pub fn to_json(&self) -> Result<String> {
        self.fields.to_json()
    }
}

impl Fields {
    /// Spells in lower case the names of the fields that name a task, a clip, a model or an address. Upstreams in Go
    /// read names in any case: under another spelling, a clip of another user would reach them unchecked.
    fn respell(&mut self, inputs: &Inputs, action: Action) {
        let is_odd = |name: &&String| {
            let plain = in_lower_case(name);
            let mut checked = inputs.fields(action);
            let is_checked = |(known, kind): (&str, Kind)| {
                known == plain && matches!(kind, Kind::Clips | Kind::Address)
            };
            let names = [inputs.task, inputs.model];
            plain != **name
                && (names.contains(&Some(&plain))
                    || inputs.is_clip(&plain)
                    || checked.any(is_checked))
        };
        let odd: Vec<String> = self.0.keys().filter(is_odd).cloned().collect();
        for name in odd {
            if let Some(value) = self.0.remove(&name) {
                self.0.entry(in_lower_case(&name)).or_insert(value);
            }
        }
    }

    /// The clips that the request names: `clip_id`, `continue_clip_id`, `cover_clip_id` and their like.
    fn clips(&self, inputs: &Inputs) -> Result<Vec<String>> {
        let mut clips = Vec::new();
        for name in self.0.keys().filter(|name| inputs.is_clip(name)) {
            add_clips(&mut clips, self.text(name)?)?;
        }
        Ok(clips)
    }

    /// Removes the address of a webhook, if it is null or blank. Any other is an error: the upstream must not
    /// get it, because it would call the client past us, with an id of its own.
    pub fn remove_webhooks(&mut self) -> Result<()> {
        let is_webhook = |name: &String| {
            let name = in_lower_case(name).replace(['_', '-'], "");
            WEBHOOKS.contains(&name.as_str())
        };
        let names: Vec<String> = self
            .0
            .keys()
            .filter(|name| is_webhook(name))
            .cloned()
            .collect();
        for name in names {
            match self.text(&name) {
                Ok(None) => self.0.remove(&name),
                _ => return Err(ApiError::NoWebhooks(name)),
            };
        }
        Ok(())
    }
}

/// Adds the ids of clips that are not there yet.
fn add_clips(clips: &mut Vec<String>, more: impl IntoIterator<Item = String>) -> Result<()> {
    for clip in more {
        let clip = clip.trim().to_owned();
        if !clip.is_empty() && !clips.contains(&clip) {
            clips.push(clip);
        }
        if clips.len() > limits::CLIPS {
            return Err(ApiError::TooManyClips);
        }
    }
    Ok(())
}

/// The name in lower case, as parsers that ignore case compare it: `ſ` is an `s` for them, and the Kelvin sign
/// a `k`.
fn in_lower_case(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use shared::task::Platform;

    use super::*;

    fn read(action: Action, body: &str) -> Result<SubmitRequest> {
        let inputs = upstream::inputs(Platform::SUNO).expect("it is known");
        SubmitRequest::parse(inputs, action, body.as_bytes())
    }

    fn song(body: &str) -> Result<SubmitRequest> {
        read(Action::SONG, body)
    }

    fn refused(action: Action, body: &str) -> ApiError {
        read(action, body)
            .map(|request| request.input)
            .expect_err(body)
    }

    #[test]
    fn unknown_fields_are_forwarded_byte_for_byte() {
        let body = r#"{"prompt":"p","mv":"chirp-v4","seed":1.00e+2,"big":123456789012345678901,"x":{"b":1, "a":"\u0041"}}"#;
        let forwarded = song(body).and_then(|request| request.to_json());
        let expected = r#"{"big":123456789012345678901,"mv":"chirp-v4","prompt":"p","seed":1.00e+2,"x":{"b":1, "a":"\u0041"}}"#;
        assert_eq!(forwarded.as_deref(), Ok(expected));
    }

    #[test]
    fn a_song_without_a_model_gets_the_default_one_and_lyrics_get_none() {
        for mv in ["", r#","mv":null"#, r#","mv":" ""#] {
            let forwarded = song(&format!(r#"{{"prompt":"p"{mv}}}"#)).and_then(|r| r.to_json());
            assert_eq!(
                forwarded.as_deref(),
                Ok(r#"{"mv":"chirp-v3-0","prompt":"p"}"#)
            );
        }
        let lyrics = read(Action::LYRICS, r#"{"prompt":"p"}"#);
        let forwarded = lyrics.and_then(|request| request.to_json());
        assert_eq!(forwarded.as_deref(), Ok(r#"{"prompt":"p"}"#));
    }

    #[test]
    fn the_input_is_the_prompt_or_else_the_description_or_else_the_title() {
        for (body, input) in [
            (
                r#"{"prompt":"a","gpt_description_prompt":"b","title":"c"}"#,
                "a",
            ),
            (
                r#"{"prompt":" ","gpt_description_prompt":"b","title":"c"}"#,
                "b",
            ),
            (r#"{"continue_clip_id":"x","title":"c"}"#, "c"),
            (r#"{"continue_clip_id":"x"}"#, ""),
        ] {
            assert_eq!(
                song(body).map(|request| request.input),
                Ok(input.to_owned())
            );
        }
    }

    #[test]
    fn lyrics_need_a_prompt_and_a_song_needs_something_to_start_from() {
        for body in [
            "{}",
            r#"{"prompt":null}"#,
            r#"{"prompt":" \n","tags":"","mv":"chirp-v4","make_instrumental":true}"#,
        ] {
            let lyrics = ApiError::Needs(Action::LYRICS, &["prompt"]);
            assert_eq!(refused(Action::LYRICS, body), lyrics);
            let song = refused(Action::SONG, body);
            assert!(matches!(song, ApiError::Needs(Action::SONG, _)), "{song:?}");
        }
        let described = r#"{"gpt_description_prompt":"d"}"#;
        assert!(song(described).is_ok());
        let lyrics = ApiError::Needs(Action::LYRICS, &["prompt"]);
        assert_eq!(refused(Action::LYRICS, described), lyrics);
    }

    #[test]
    fn known_fields_of_a_wrong_type_are_refused_by_name() {
        for name in [
            "prompt",
            "tags",
            "title",
            "mv",
            "gpt_description_prompt",
            "continue_clip_id",
            "task_id",
        ] {
            for value in ["1", "true", "[]", "{}"] {
                let body = format!(r#"{{"prompt":"p","{name}":{value}}}"#);
                let expected = ApiError::Field(name.into(), Wanted::Text);
                assert_eq!(refused(Action::SONG, &body), expected);
            }
            let body = format!(r#"{{"prompt":"p","{name}":"a\u0000"}}"#);
            let expected = ApiError::Field(name.into(), Wanted::TextWithoutNul);
            assert_eq!(refused(Action::SONG, &body), expected);
        }
        for value in ["1", r#""true""#, "[]"] {
            let body = format!(r#"{{"prompt":"p","make_instrumental":{value}}}"#);
            let expected = ApiError::Field("make_instrumental".into(), Wanted::Flag);
            assert_eq!(refused(Action::SONG, &body), expected);
        }
        for value in [r#""1""#, "true", "1e999"] {
            let body = format!(r#"{{"prompt":"p","continue_at":{value}}}"#);
            let expected = ApiError::Field("continue_at".into(), Wanted::Number);
            assert_eq!(refused(Action::SONG, &body), expected);
        }
    }

    #[test]
    fn null_counts_as_absent() {
        let body = r#"{"prompt":"p","tags":null,"title":null,"mv":null,"continue_clip_id":null,"task_id":null,"make_instrumental":null,"continue_at":null}"#;
        let request = song(body).expect("it is good");
        assert!(request.task_id.is_none() && request.clips.is_empty());
    }

    #[test]
    fn a_body_that_is_no_object_and_one_that_is_no_json_get_different_errors() {
        for body in ["[]", "null", "7", r#""x""#] {
            assert_eq!(refused(Action::SONG, body), ApiError::NotAnObject);
        }
        for body in ["", "{", r#"{"a":1,}"#, "{}x", "\u{feff}{}", r#"{"a":01}"#] {
            let broken = refused(Action::SONG, body);
            assert!(matches!(broken, ApiError::BrokenJson { .. }), "{body}");
        }
    }

    #[test]
    fn a_task_and_a_clip_are_named_in_any_case() {
        let body = r#"{"Continue_CLIP_id":"c","Ta\u017fk_Id":"t","Prompt":"p"}"#;
        let request = song(body).expect("it starts from a clip");
        assert_eq!(request.clips, ["c"]);
        assert_eq!(request.task_id.as_deref(), Some("t"));
        let forwarded = r#"{"Prompt":"p","continue_clip_id":"c","mv":"chirp-v3-0","task_id":"t"}"#;
        assert_eq!(request.to_json().as_deref(), Ok(forwarded));
        let twice = r#"{"CLIP_ID":"other","clip_id":"c"}"#;
        let request = song(twice).expect("it starts from a clip");
        assert_eq!(request.clips, ["c"]);
        assert!(
            !request
                .to_json()
                .expect("it can be written")
                .contains("other")
        );
        let webhook = r#"{"prompt":"p","notify_hoo\u212a":"https://example.com"}"#;
        assert!(matches!(
            refused(Action::SONG, webhook),
            ApiError::NoWebhooks(_)
        ));
    }

    #[test]
    fn the_upstreams_id_replaces_the_task_id() {
        let mut request = song(r#"{"prompt":"p","mv":"m","task_id":"task_x"}"#).expect("good");
        assert_eq!(request.task_id.as_deref(), Some("task_x"));
        request
            .set_upstream_id(Some("7c\"0d"))
            .expect("it can be written");
        let forwarded = r#"{"mv":"m","prompt":"p","task_id":"7c\"0d"}"#;
        assert_eq!(request.to_json().as_deref(), Ok(forwarded));
    }
}
