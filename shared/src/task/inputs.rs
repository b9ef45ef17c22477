//! What the requests for a platform hold, as far as we read them: one table for each platform.
//!
//! Everything else in a request goes to the upstream as the client sent it.

use super::Action;

/// What we read of the requests for a platform.
#[derive(Debug, Clone, Copy)]
pub struct Inputs {
    /// The fields whose type is checked. A field that names a task or a clip is text, and need not stand here.
    pub fields: &'static [(&'static str, Kind)],
    /// Where the `input` of the listings comes from: the first of these texts that is not blank.
    pub shown: &'static [&'static str],
    /// The field that names the model, by which prices may differ.
    pub model: Option<&'static str>,
    /// The model of requests that name none.
    pub default_models: &'static [(Action, &'static str)],
    /// What a request for an action must hold.
    pub needs: &'static [(Action, Needs)],
    /// The field that names the task that a request continues.
    pub task: Option<&'static str>,
    /// The endings of the names of fields that name a clip, in lower case: a request that names a clip goes to the
    /// channel that made the clip.
    pub clips: &'static [&'static str],
}

/// What a field must be. Null counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// True or false.
    Flag,
    /// A number.
    Number,
}

/// Lists of fields. A request must hold at least one field of each list, and no blank text in it. The name of a field
/// that names a clip stands for all such fields.
pub type Needs = &'static [&'static [&'static str]];

impl Inputs {
    /// The kind of a field.
    pub fn kind(&self, field: &str) -> Option<Kind> {
        if self.is_clip(field) || self.task == Some(field) {
            return Some(Kind::Text);
        }
        let known = self.fields.iter().find(|(name, _)| *name == field);
        known.map(|(_, kind)| *kind)
    }

    /// Whether a field of this name, in lower case, names a clip.
    pub fn is_clip(&self, field: &str) -> bool {
        self.clips.iter().any(|ending| {
            let before = field.strip_suffix(ending);
            before.is_some_and(|before| before.is_empty() || before.ends_with('_'))
        })
    }

    /// What a request for the action must hold.
    pub fn needs(&self, action: Action) -> Needs {
        let needs = self.needs.iter().find(|(known, _)| *known == action);
        needs.map_or(&[], |(_, needs)| *needs)
    }

    /// The model of a request for the action that names none.
    pub fn default_model(&self, action: Action) -> Option<&'static str> {
        let model = self
            .default_models
            .iter()
            .find(|(known, _)| *known == action);
        model.map(|(_, model)| *model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUTS: Inputs = Inputs {
        fields: &[("prompt", Kind::Text), ("at", Kind::Number)],
        shown: &[],
        model: None,
        default_models: &[(Action::SONG, "m")],
        needs: &[(Action::SONG, &[&["prompt", "clip_id"]])],
        task: Some("task_id"),
        clips: &["clip_id"],
    };

    #[test]
    fn a_clip_is_named_by_a_whole_word_before_the_ending() {
        for (field, is_clip) in [
            ("clip_id", true),
            ("cover_clip_id", true),
            ("eclip_id", false),
            ("clip_ids", false),
        ] {
            assert_eq!(INPUTS.is_clip(field), is_clip, "{field}");
        }
    }

    #[test]
    fn fields_that_name_clips_and_tasks_are_texts() {
        assert_eq!(INPUTS.kind("root_clip_id"), Some(Kind::Text));
        assert_eq!(INPUTS.kind("task_id"), Some(Kind::Text));
        assert_eq!(INPUTS.kind("at"), Some(Kind::Number));
        assert_eq!(INPUTS.kind("seed"), None);
    }

    #[test]
    fn an_action_without_a_line_needs_nothing() {
        assert_eq!(INPUTS.needs(Action::SONG), [["prompt", "clip_id"]]);
        assert!(INPUTS.needs(Action::LYRICS).is_empty());
        assert_eq!(INPUTS.default_model(Action::SONG), Some("m"));
        assert_eq!(INPUTS.default_model(Action::LYRICS), None);
    }
}
