//! Requests of the platform `mureka`, as those of Suno's dialect.

use serde_json::{Map, Value, json};

use super::Mureka;
use crate::{
    dialects::fields,
    request::{Action, Request},
};

/// Fields of the platform, and their names in Suno's dialect.
const FIELDS: &[(&str, &str)] = &[
    ("title", "title"),
    ("model", "mv"),
    ("song_id", "continue_clip_id"),
    ("extend_at", "continue_at"),
    ("style", "tags"),
];

impl Mureka {
    /// Reads the body of a submit. The error is the message for the client.
    pub fn read(self, action: Action, body: &[u8]) -> Result<Request, String> {
        let theirs = fields(body)?;
        for one_of in self.needs() {
            if !one_of.iter().any(|name| text(&theirs, name).is_some()) {
                return Err(format!("{} is required", one_of.join(" or ")));
            }
        }
        let mut names = self.needs().iter().flat_map(|one_of| one_of.iter());
        let words = names.find_map(|name| text(&theirs, name));
        let mut ours = json!({ "prompt": words });
        for (from, to) in FIELDS {
            if let Some(value) = theirs.get(*from) {
                ours[to] = value.clone();
            }
        }
        if self != Self::Lyrics && text(&theirs, "lyrics").is_some() {
            ours["tags"] = theirs.get("prompt").cloned().unwrap_or_default();
        }
        Request::read(action, ours.to_string().as_bytes())
    }

    /// A request has one field of each of these lists.
    const fn needs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Song => &[&["lyrics"]],
            Self::Instrumental => &[&["prompt", "instrumental_id"]],
            Self::Extend => &[&["lyrics"], &["song_id", "upload_audio_id"]],
            Self::Stem => &[&["url"]],
            Self::Lyrics => &[&["prompt"]],
        }
    }
}

/// A text that is there and not empty.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty())
}
