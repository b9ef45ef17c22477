//! What we read of requests: one table.

use shared::task::Action;
use shared::task::inputs::{Inputs, Kind};

/// The table. A request that names no model gets the vendor's choice.
pub const INPUTS: Inputs = Inputs {
    fields: &[
        ("lyrics", Kind::Text),
        ("prompt", Kind::Text),
        ("model", Kind::Text),
        ("n", Kind::Number),
        ("reference_id", Kind::Text),
        ("vocal_id", Kind::Text),
        ("melody_id", Kind::Text),
        ("instrumental_id", Kind::Text),
        ("upload_audio_id", Kind::Text),
        ("extend_at", Kind::Number),
        ("stream", Kind::Flag),
    ],
    fields_of: &[(Action::STEM, &[("url", Kind::Address)])],
    shown: &["prompt", "lyrics", "url"],
    model: Some("model"),
    default_models: &[],
    other_models: &[],
    needs: &[
        (Action::SONG, &[&["lyrics"]]),
        (Action::INSTRUMENTAL, &[&["prompt", "instrumental_id"]]),
        (
            Action::EXTEND,
            &[&["lyrics"], &["song_id", "upload_audio_id"]],
        ),
        (Action::STEM, &[&["url"]]),
        (Action::LYRICS, &[&["prompt"]]),
    ],
    // A song is named by its own id, and not by that of its task.
    task: None,
    clips: &["song_id"],
};
