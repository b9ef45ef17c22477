//! The body of a submit.

use serde::Deserialize;

use crate::{directives::Directives, random};

/// What a submit asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A song: two clips.
    Music,
    /// Lyrics: a title and a text.
    Lyrics,
    /// Something made of a clip or an audio file: two clips.
    Other(&'static str),
}

impl Action {
    /// The name in the dialect.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Music => "MUSIC",
            Self::Lyrics => "LYRICS",
            Self::Other(name) => name,
        }
    }
}

/// The fields of a submit's body that the simulator reads. Unknown fields are ignored; a known field of a wrong type is
/// an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Body {
    pub prompt: Option<String>,
    pub tags: Option<String>,
    pub title: Option<String>,
    pub mv: Option<String>,
    pub make_instrumental: Option<bool>,
    pub gpt_description_prompt: Option<String>,
    pub continue_clip_id: Option<String>,
    pub continue_at: Option<f64>,
    pub task_id: Option<String>,
    pub clip_id: Option<String>,
    pub root_clip_id: Option<String>,
    pub url: Option<String>,
    pub name: Option<String>,
    /// What is called when the task has ended.
    #[serde(skip)]
    pub call_back_url: Option<String>,
}

/// A valid submit.
#[derive(Debug)]
pub struct Request {
    pub action: Action,
    pub body: Body,
    pub directives: Directives,
}

impl Request {
    /// Reads a body. The error is the message for the client.
    pub fn read(action: Action, json: &[u8]) -> Result<Self, String> {
        let body: Body = serde_json::from_slice(json)
            .map_err(|error| format!("the body can't be read: {error}"))?;
        let prompt = filled(body.prompt.as_deref());
        let description = filled(body.gpt_description_prompt.as_deref());
        let other = [&body.tags, &body.title, &body.continue_clip_id];
        let other = other.into_iter().find_map(|field| filled(field.as_deref()));
        let nothing_to_make = match action {
            Action::Music => prompt.or(description).or(other).is_none(),
            Action::Lyrics => prompt.is_none(),
            Action::Other(_) => {
                let source = [&body.clip_id, &body.root_clip_id, &body.url];
                source
                    .into_iter()
                    .all(|field| filled(field.as_deref()).is_none())
            }
        };
        if nothing_to_make {
            return Err("prompt is required".to_owned());
        }
        let directives = Directives::read(marker(action, &body))?;
        Ok(Self {
            action,
            body,
            directives,
        })
    }

    /// The text that identifies the submit and holds its directives: the title; for lyrics the prompt; for a song
    /// without a title the description, else the prompt; for what is made of a clip or a file its name, address or clip.
    /// Empty without any of these.
    pub fn marker(&self) -> &str {
        marker(self.action, &self.body)
    }

    /// The prompt, which names the owners of the submit.
    pub fn prompt(&self) -> &str {
        self.body.prompt.as_deref().unwrap_or_default()
    }

    /// A hash of the marker.
    pub fn digest(&self) -> u64 {
        random::digest(self.marker())
    }

    /// The upstream id of the task to continue.
    pub fn continues(&self) -> Option<&str> {
        filled(self.body.task_id.as_deref())
    }
}

fn marker(action: Action, body: &Body) -> &str {
    let title = match action {
        Action::Music => {
            filled(body.title.as_deref()).or(filled(body.gpt_description_prompt.as_deref()))
        }
        Action::Lyrics => None,
        Action::Other(_) => {
            let names = [&body.title, &body.name, &body.url, &body.clip_id];
            names.into_iter().find_map(|field| filled(field.as_deref()))
        }
    };
    title.or(filled(body.prompt.as_deref())).unwrap_or_default()
}

/// An empty field counts as missing.
fn filled(field: Option<&str>) -> Option<&str> {
    field.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker_of(action: Action, json: &str) -> Result<String, String> {
        Request::read(action, json.as_bytes()).map(|request| request.marker().to_owned())
    }

    #[test]
    fn the_marker_is_the_title_or_its_substitute() {
        use Action::{Lyrics, Music};
        let described = r#"{"title":"","gpt_description_prompt":"d","prompt":"p"}"#;
        for (action, json, marker) in [
            (Music, r#"{"title":"t","prompt":"p"}"#, "t"),
            (Music, described, "d"),
            (Music, r#"{"prompt":"p"}"#, "p"),
            (Lyrics, r#"{"title":"t","prompt":"p"}"#, "p"),
            (Music, r#"{"continue_clip_id":"c"}"#, ""),
        ] {
            assert_eq!(marker_of(action, json).as_deref(), Ok(marker), "{json}");
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_wrong_types_are_refused() {
        let unknown = r#"{"prompt":"p","persona_id":7,"tags":null}"#;
        assert!(marker_of(Action::Music, unknown).is_ok());
        for json in [
            "",
            "[]",
            "{}",
            r#"{"prompt":7}"#,
            r#"{"prompt":""}"#,
            r#"{"prompt":"p","make_instrumental":"yes"}"#,
        ] {
            assert!(marker_of(Action::Music, json).is_err(), "{json}");
        }
        assert!(marker_of(Action::Lyrics, r#"{"gpt_description_prompt":"d"}"#).is_err());
    }
}
