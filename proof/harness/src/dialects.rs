//! The dialects that channels speak and the simulator answers: one entry for each, which every suite reads.

use serde_json::{Value, json};

/// A dialect, in which upstreams misbehave as in all others.
#[derive(Debug)]
pub struct Dialect {
    /// Its name, in the names of scenarios and channels.
    pub name: &'static str,
    /// The arguments of `channel create`.
    pub channel: &'static [&'static str],
    /// Whether a fetch asks about many tasks.
    pub has_batches: bool,
    /// How songs are asked for, where not as those of suno.
    pub form: Option<Form>,
}

/// How a song is asked for at a platform that has no paths of its own: `POST /v1/tasks`.
#[derive(Debug)]
pub struct Form {
    /// The platform.
    pub platform: &'static str,
    /// Whether it makes lyrics; where not, songs stand for them.
    pub has_lyrics: bool,
    /// The input that stands for this body of `POST /suno/submit/music`.
    song: fn(&Value) -> Value,
}

/// All dialects that the simulator speaks.
pub static DIALECTS: &[Dialect] = &[
    Dialect {
        name: "suno",
        channel: &[],
        has_batches: true,
        form: None,
    },
    Dialect {
        name: "sunoapi",
        channel: &["--dialect", "sunoapi"],
        has_batches: false,
        form: None,
    },
    Dialect {
        name: "mureka",
        channel: &["--platform", "mureka"],
        has_batches: false,
        form: Some(Form {
            platform: "mureka",
            has_lyrics: true,
            song: |song| json!({ "lyrics": song["prompt"], "title": song["title"] }),
        }),
    },
    Dialect {
        name: "fal",
        channel: &["--platform", "fal"],
        has_batches: false,
        form: Some(Form {
            platform: "fal",
            has_lyrics: false,
            song: |song| json!({ "model": "fal-ai/ace-step", "prompt": song["prompt"], "title": song["title"] }),
        }),
    },
];

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
