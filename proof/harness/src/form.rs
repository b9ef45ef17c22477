//! How a song is asked for at platforms that have no paths of their own: `POST /v1/tasks`.

use serde_json::{Value, json};

/// A platform's form of a song.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The platform.
    pub platform: &'static str,
    /// Whether it makes lyrics; where not, songs stand for them.
    pub has_lyrics: bool,
    /// The input that stands for this body of `POST /suno/submit/music`.
    song: fn(&Value) -> Value,
}

/// The platform `mureka`.
pub static MUREKA: Form = Form {
    platform: "mureka",
    has_lyrics: true,
    song: |song| json!({ "lyrics": song["prompt"], "title": song["title"] }),
};

/// The platform `fal`.
pub static FAL: Form = Form {
    platform: "fal",
    has_lyrics: false,
    song: |song| json!({ "model": "fal-ai/ace-step", "prompt": song["prompt"], "title": song["title"] }),
};

impl Form {
    /// The body of `POST /v1/tasks` that asks for the same as this body of `POST /suno/submit/{action}`.
    pub fn body(&self, action: &str, body: &Value) -> Value {
        let input = match action {
            "music" => (self.song)(body),
            _ => body.clone(),
        };
        json!({ "platform": self.platform, "action": action, "input": input })
    }
}
