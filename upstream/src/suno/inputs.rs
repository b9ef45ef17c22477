//! What we read of requests: one table.

use shared::task::Action;
use shared::task::inputs::{ANY_CLIP, Inputs, Kind};

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
    fields_of: &[
        (Action::CONCAT, &[("is_infill", Kind::Flag)]),
        (Action::UPLOAD, &[("url", Kind::Address)]),
        (
            Action::PERSONA,
            &[
                ("name", Kind::Text),
                ("description", Kind::Text),
                ("clips", Kind::Clips),
                ("is_public", Kind::Flag),
            ],
        ),
    ],
    shown: &[
        "prompt",
        "gpt_description_prompt",
        "title",
        "tags",
        "name",
        "url",
    ],
    model: Some("mv"),
    default_models: &[(Action::SONG, "chirp-v3-0")],
    // As the vendors of the other dialects call them.
    other_models: &[
        ("v3_5", "chirp-v3-5"),
        ("v4", "chirp-v4"),
        ("v4_5", "chirp-auk"),
        ("v4_5plus", "chirp-bluejay"),
        ("v5", "chirp-crow"),
        ("v5_5", "chirp-fenix"),
    ],
    needs: &[
        (
            Action::SONG,
            &[&[
                "prompt",
                "gpt_description_prompt",
                "tags",
                "title",
                ANY_CLIP,
            ]],
        ),
        (Action::LYRICS, &[&["prompt"]]),
        (Action::CONCAT, &[&["clip_id"]]),
        (Action::UPLOAD, &[&["url"]]),
        (Action::PERSONA, &[&["root_clip_id"], &["name"]]),
        (Action::STEMS, &[&["clip_id"]]),
        (Action::WAV, &[&["clip_id"]]),
        (Action::MP4, &[&["clip_id"]]),
        (Action::TIMING, &[&["clip_id"]]),
    ],
    task: Some("task_id"),
    clips: &["clip_id"],
};
