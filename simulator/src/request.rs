//! What a client asks to be made.

use serde::Deserialize;

use crate::words::Words;

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A song: two clips.
    Music,
    /// Lyrics: a title and a text.
    Lyrics,
}

impl Action {
    /// The dialect's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Music => "MUSIC",
            Self::Lyrics => "LYRICS",
        }
    }
}

/// A submit's body, as far as we look at it. Fields we don't know are welcome; known ones of a wrong
/// type are not.
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
}

/// A sound submit request.
#[derive(Debug)]
pub struct Request {
    pub action: Action,
    pub body: Body,
    pub words: Words,
}

impl Request {
    /// Reads a body, or says to the client why it can't be taken.
    pub fn read(action: Action, json: &[u8]) -> Result<Self, String> {
        let body: Body = serde_json::from_slice(json)
            .map_err(|error| format!("the body can't be read: {error}"))?;
        let prompt = said(body.prompt.as_deref());
        let description = said(body.gpt_description_prompt.as_deref());
        let continued = said(body.continue_clip_id.as_deref());
        let nothing_to_make = match action {
            Action::Music => prompt.or(description).or(continued).is_none(),
            Action::Lyrics => prompt.is_none(),
        };
        if nothing_to_make {
            return Err("prompt is required".to_owned());
        }
        let words = Words::read(marker(action, &body)).map_err(|error| error.to_string())?;
        Ok(Self {
            action,
            body,
            words,
        })
    }

    /// What tells this request from others, and holds its words: the title; for lyrics, and for a song
    /// without a title, the description or the prompt. Empty if there is none of these.
    pub fn marker(&self) -> &str {
        marker(self.action, &self.body)
    }

    /// The upstream id of the task to go on from.
    pub fn continues(&self) -> Option<&str> {
        said(self.body.task_id.as_deref())
    }
}

fn marker(action: Action, body: &Body) -> &str {
    let title = match action {
        Action::Music => {
            said(body.title.as_deref()).or(said(body.gpt_description_prompt.as_deref()))
        }
        Action::Lyrics => None,
    };
    title.or(said(body.prompt.as_deref())).unwrap_or_default()
}

/// An empty field says nothing.
fn said(field: Option<&str>) -> Option<&str> {
    field.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker_of(action: Action, json: &str) -> Result<String, String> {
        Request::read(action, json.as_bytes()).map(|request| request.marker().to_owned())
    }

    #[test]
    fn the_marker_is_the_title_or_what_stands_in_for_it() {
        use Action::{Lyrics, Music};
        assert_eq!(
            marker_of(Music, r#"{"title":"t","prompt":"p"}"#).unwrap(),
            "t"
        );
        assert_eq!(
            marker_of(
                Music,
                r#"{"title":"","gpt_description_prompt":"d","prompt":"p"}"#
            )
            .unwrap(),
            "d"
        );
        assert_eq!(marker_of(Music, r#"{"prompt":"p"}"#).unwrap(), "p");
        assert_eq!(
            marker_of(Lyrics, r#"{"title":"t","prompt":"p"}"#).unwrap(),
            "p"
        );
        assert_eq!(marker_of(Music, r#"{"continue_clip_id":"c"}"#).unwrap(), "");
    }

    #[test]
    fn unknown_fields_are_welcome_and_wrong_types_are_not() {
        assert!(
            marker_of(
                Action::Music,
                r#"{"prompt":"p","persona_id":7,"tags":null}"#
            )
            .is_ok()
        );
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
