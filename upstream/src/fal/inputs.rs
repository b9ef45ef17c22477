//! What we read of requests: one table.

use shared::task::Action;
use shared::task::inputs::{Inputs, Kind};

/// The table. What else a request holds, and of which types, is a matter of its model.
pub const INPUTS: Inputs = Inputs {
    fields: &[
        ("model", Kind::Text),
        ("prompt", Kind::Text),
        ("lyrics", Kind::Text),
    ],
    fields_of: &[],
    // Some models have a list of tags: it does not show.
    shown: &["prompt", "lyrics", "tags"],
    model: Some("model"),
    default_models: &[],
    other_models: &[],
    needs: &[(Action::SONG, &[&["model"]])],
    // No model continues what another made: clips are named by their addresses.
    task: None,
    clips: &[],
};
