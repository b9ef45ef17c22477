//! The demo's tasks and their expected ends.

use serde_json::{Value, json};

/// One of the demo's tasks.
pub struct Scene {
    pub name: &'static str,
    /// The action, the last part of the submit's path.
    pub action: &'static str,
    pub body: Value,
    /// The expected status at its end.
    pub end: &'static str,
    /// What is special about it, shown on the screen.
    pub note: &'static str,
}

/// The six tasks: four succeed, one fails upstream, one is refused. A word that starts with `sim:`
/// orders the simulator to cause a fault.
pub fn scenes() -> Vec<Scene> {
    let scene = |name, action, body, end, note| Scene {
        name,
        action,
        body,
        end,
        note,
    };
    let song = |name, title: &str, end, note| {
        let body = json!({ "title": title, "tags": "folk, slow", "prompt": "[Verse]\nRain on a tin roof" });
        scene(name, "music", body, end, note)
    };
    let described = json!({ "gpt_description_prompt": "a slow blues about a night train" });
    let lyrics = json!({ "prompt": "a lullaby for a robot" });
    let (made, failed) = ("SUCCESS", "FAILURE");
    let busy = "Busy Signal sim:429x1";
    let broken = "Broken String sim:fail";
    let forbidden = "Forbidden Words sim:refuse";
    vec![
        song("Rain on Tin", "Rain on Tin", made, ""),
        scene(
            "Night Train",
            "music",
            described,
            made,
            "from a description",
        ),
        song("Busy Signal", busy, made, "the upstream says 429 first"),
        scene("Lullaby", "lyrics", lyrics, made, "lyrics"),
        song("Broken String", broken, failed, "fails upstream"),
        song("Forbidden Words", forbidden, failed, "refused upstream"),
    ]
}
