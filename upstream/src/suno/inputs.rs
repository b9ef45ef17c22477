//! What we read of requests: one table.

use shared::task::Action;
use shared::task::inputs::{Inputs, Kind};

/// The table. The model of a song that names none is that of the oldest upstreams.
pub const INPUTS: Inputs = Inputs {
    fields: &[
        ("prompt", Kind::Text),
        ("gpt_description_prompt", Kind::Text),
        ("title", Kind::Text),
        ("tags", Kind::Text),
        ("mv", Kind::Text),
        ("make_instrumental", Kind::Flag),
        ("continue_at", Kind::Number),
    ],
    shown: &["prompt", "gpt_description_prompt", "title", "tags"],
    model: Some("mv"),
    default_models: &[(Action::SONG, "chirp-v3-0")],
    needs: &[
        (
            Action::SONG,
            &[&[
                "prompt",
                "gpt_description_prompt",
                "tags",
                "title",
                "continue_clip_id",
            ]],
        ),
        (Action::LYRICS, &[&["prompt"]]),
    ],
    task: Some("task_id"),
    clips: &["clip_id"],
};
