//! What the requests for a platform hold, as far as we read them: one table for each platform.
//!
//! Everything else in a request goes to the upstream as the client sent it.

use super::Action;

/// What we read of the requests for a platform.
#[derive(Debug, Clone, Copy)]
pub struct Inputs {
    /// The fields whose kind is checked, whatever the action. A field that names a task or a clip is text, and need not
    /// stand here.
    pub fields: &'static [(&'static str, Kind)],
    /// The fields whose kind is checked in requests for one action.
    pub fields_of: &'static [(Action, &'static [(&'static str, Kind)])],
    /// Where the `input` of the listings comes from: the first of these texts that is not blank.
    pub shown: &'static [&'static str],
    /// The field that names the model, by which prices may differ.
    pub model: Option<&'static str>,
    /// The model of requests that name none.
    pub default_models: &'static [(Action, &'static str)],
    /// Other names of models, in lower case, and the names by which they have prices.
    pub other_models: &'static [(&'static str, &'static str)],
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
    /// A list of ids of clips.
    Clips,
    /// A public address, which the upstream opens: see [`crate::public_address`].
    Address,
}

/// Stands for all fields that name a clip in a list of [`Needs`].
pub const ANY_CLIP: &str = "…_clip_id";

/// Lists of fields. A request must hold at least one field of each list, and no blank text in it.
pub type Needs = &'static [&'static [&'static str]];

impl Inputs {
    /// The name by which a model has a price: however a request spells the model, its price is the same.
    pub fn priced_model(&self, model: &str) -> String {
        let model = model.trim().to_lowercase();
        let other = self.other_models.iter().find(|(other, _)| *other == model);
        other.map_or(model, |(_, model)| (*model).to_owned())
    }

    /// The fields whose kind is checked in requests for the action.
    pub fn fields(&self, action: Action) -> impl Iterator<Item = (&'static str, Kind)> {
        let of_action = self.fields_of.iter().filter(move |(of, _)| *of == action);
        let of_action = of_action.flat_map(|(_, fields)| *fields);
        self.fields.iter().chain(of_action).copied()
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
        fields: &[("prompt", Kind::Text)],
        fields_of: &[(Action::SONG, &[("at", Kind::Number)])],
        shown: &[],
        model: None,
        default_models: &[(Action::SONG, "m")],
        other_models: &[("v5", "chirp-crow")],
        needs: &[(Action::SONG, &[&["prompt", ANY_CLIP]])],
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
    fn an_action_has_fields_of_its_own() {
        let fields = |action| INPUTS.fields(action).collect::<Vec<_>>();
        let prompt = ("prompt", Kind::Text);
        assert_eq!(fields(Action::SONG), [prompt, ("at", Kind::Number)]);
        assert_eq!(fields(Action::LYRICS), [prompt]);
    }

    #[test]
    fn a_model_has_one_price_however_it_is_spelled() {
        for model in ["chirp-crow", " Chirp-Crow ", "V5", "v5"] {
            assert_eq!(INPUTS.priced_model(model), "chirp-crow", "{model}");
        }
        assert_eq!(INPUTS.priced_model("v6"), "v6");
    }

    #[test]
    fn an_action_without_a_line_needs_nothing() {
        assert_eq!(INPUTS.needs(Action::SONG), [["prompt", ANY_CLIP]]);
        assert!(INPUTS.needs(Action::LYRICS).is_empty());
        assert_eq!(INPUTS.default_model(Action::SONG), Some("m"));
        assert_eq!(INPUTS.default_model(Action::LYRICS), None);
    }
}
