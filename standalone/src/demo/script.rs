//! The demo's tasks and their expected ends.

use serde_json::{Value, json};

/// One of the demo's tasks.
pub struct Scene {
    /// Its name on the screen.
    pub name: &'static str,
    /// The action, the last part of the submit's path.
    pub action: &'static str,
    /// The body of its submit.
    pub body: Value,
    /// The expected status at its end.
    pub end: &'static str,
    /// What is special about it, shown on the screen.
    pub note: &'static str,
}

/// The six tasks: four succeed, one fails upstream, one is refused. A word that starts with `sim:`
/// orders the simulator to cause a fault.
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
