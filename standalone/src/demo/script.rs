//! What the demo asks for, and how each of it must end.

use serde_json::{Value, json};

/// One of the demo's tasks.
pub struct Scene {
    /// What the screen calls it.
    pub name: &'static str,
    /// The last part of the path it is submitted to.
    pub action: &'static str,
    /// Its body.
    pub body: Value,
    /// The status it must end in.
    pub end: &'static str,
    /// What is special about it, for the screen.
    pub note: &'static str,
}

/// The six: four that are made, one that fails upstream, one that is refused. Words that begin with
/// `sim:` tell the simulated upstream what to do.
pub fn scenes() -> Vec<Scene> {
    let song = |name: &'static str, title: &str, end: &'static str, note: &'static str| Scene {
        name,
        action: "music",
        body: json!({ "title": title, "tags": "folk, slow", "prompt": "[Verse]\nRain on a tin roof" }),
        end,
        note,
    };
    vec![
        song("Rain on Tin", "Rain on Tin", "SUCCESS", ""),
        Scene {
            name: "Night Train",
            action: "music",
            body: json!({ "gpt_description_prompt": "a slow blues about a night train" }),
            end: "SUCCESS",
            note: "from a description",
        },
        song(
            "Busy Signal",
            "Busy Signal sim:429x1",
            "SUCCESS",
            "the upstream says 429 first",
        ),
        Scene {
            name: "Lullaby",
            action: "lyrics",
            body: json!({ "prompt": "a lullaby for a robot" }),
            end: "SUCCESS",
            note: "lyrics",
        },
        song(
            "Broken String",
            "Broken String sim:fail",
            "FAILURE",
            "fails upstream",
        ),
        song(
            "Forbidden Words",
            "Forbidden Words sim:refuse",
            "FAILURE",
            "refused upstream",
        ),
    ]
}
